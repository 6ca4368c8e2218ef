import { escape, PLAIN, Printer } from "../formulas/printer.js";
import { formula, number, sym, value } from "../formulas/tree.js";
import { by_name, states } from "../../../../../lines/cells.js";
import { flow, squashed } from "./graph.js";
import { cut, MARKED, spans, width_of } from "./marked.js";
import { placed } from "./placement.js";

// The picture of a cell: an SVG drawn from its lines, with a place for each value, as report/diagram/diagram.py draws it.

/** @typedef {import("../formulas/tree.js").Node} Node */
/** @typedef {import("./graph.js").Spot} Spot */
/** @typedef {import("../../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../../lines/types.js").Line} Line */
/** @typedef {Spot & {text: string, inner: string, wide: number, half: number, shift: number[], x: number, y: number, column: number}} Drawn
 *   text: its symbol; inner: what stands below it, or in a circle; half: of its width; shift: from the middle to its sign
 *   and to its symbol */

/** Heights: of a spot with its value, and without it; the radius of its corners; of its symbol and its value below its middle; how far edges end apart. */
const SHAPES = {
  box: { tall: 74, height: 66, round: 8, label: -12, value: 25, reach: 18 },
  circle: { tall: 68, height: 34, round: 17, label: -22, value: 31, reach: 9 },
  source: { tall: 46, height: 40, round: 20, label: -2, value: 14, reach: 0 },
  sink: { tall: 46, height: 40, round: 20, label: -2, value: 0, reach: 0 },
};
const RADIUS = 17, BETWEEN = 32, EDGE = 12; // of circles; between columns, around the picture
const LETTER = 6.9; // width of a letter of a value: 6.3 in the style sheet, with room for the page, whose letters are larger
const MARGIN = 16, APART = 12; // in a box, left and right of its texts together, and between its sign and its symbol

const minus = (/** @type {string} */ text) => text.replaceAll("-", "−");
const fixed = (/** @type {number[]} */ ...numbers) => numbers.map((one) => one.toFixed(1)).join(" ");
const text_at = (/** @type {string} */ kind, /** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ content) =>
  `<text class="${kind}" x="${fixed(x)}" y="${fixed(y)}">${content}</text>`;

/** A bend from one column to the next. @param {number} x @param {number} y @param {number} to_x @param {number} to_y */
function curve(x, y, to_x, to_y) {
  const bend = Math.max((to_x - x) / 2, 6);
  return `C${fixed(x + bend, y, to_x - bend, to_y, to_x, to_y)}`;
}

/**
 * The drawing of a stage's cell, with empty texts in place of a step's values.
 * @param {Stage} stage without holds
 * @param {{[name: string]: number}} room characters of the values of each name
 * @param {import("../formulas/symbols.js").Own} own the symbols of a notation, and those that the author gave
 * @param {{[sign: string]: string}} words the captions of what is carried on (`next`), and of the output (`out`)
 * @returns {{svg: string, width: number, height: number, description: string, spots: {key: string, line: string, kind: string}[]}}
 */
export function picture(stage, room, own, words) {
  const { cell } = stage, { spots, edges } = flow(stage);
  const printer = new Printer(PLAIN, own), marked = new Printer(MARKED, own);
  const print = (/** @type {Node} */ node) => minus(marked.print(node));
  const right = (/** @type {string} */ name) => formula(/** @type {Line} */ (by_name(cell).get(name)), cell);

  /** What a box computes; for a function, its argument. @param {Spot} spot */
  function computed({ line, lines }) {
    const found = right(line);
    if (found.kind !== "call" || found.args.length !== 1 || found.constants.length || found.op === "concat") return found;
    const [of] = found.args;
    return of.kind === "sym" && lines.some(({ name }) => name === of.name) ? right(of.name) : of;
  }

  /** What a spot says, and how wide it is. @param {Spot} spot @returns {Drawn} */
  function shaped(spot) {
    const text = spot.label === null ? "" : print(sym(spot.label));
    const named = width_of(text, 17), numbers = LETTER * (room[spot.line] ?? 0);
    const found = { ...spot, text, inner: spot.sign, shift: [0, 0], x: 0, y: 0, column: 0 };
    if (spot.kind === "circle") {
      if (spot.operand !== null) {
        const operand = typeof spot.operand === "string" ? value(spot.operand, cell) : number(spot.operand);
        found.inner = minus(spot.sign.replace("{}", marked.inside(operand, spot.sign.startsWith("{}") ? 0 : 4)));
      }
      const half = Math.max(RADIUS, 6 + width_of(found.inner, 15) / 2);
      return { ...found, half, wide: Math.max(48, 2 * half, named, numbers) };
    }
    let wide = Math.max(64, named + 24, numbers + 20);
    if (spot.kind === "sink") wide = 24 + Math.max(width_of(words[spot.sign], 11), named);
    if (spot.kind === "box") {
      const sign = width_of(spot.sign, 15), free = sign && named ? APART : 0;
      found.inner = cut(print(computed(spot)));
      found.shift = [-(named + free) / 2, (sign + free) / 2];
      wide = MARGIN + Math.max(80, sign + named + free, width_of(found.inner, 12), numbers);
    }
    return { ...found, wide, half: wide / 2 };
  }

  const drawn = spots.map(shaped);
  const ends = edges.map(({ from, to }) => [from, to].map((key) => drawn.findIndex((spot) => spot.key === key)));
  const belt = drawn.map(({ kind, line }) => kind !== "box" && !cell.inputs.includes(line)); // what is carried runs straight
  const links = ends.map(([from, to]) => ({ from, to, pull: belt[from] && belt[to] ? 4 : 1 }));
  const { column, paths, y } = placed(drawn.map(({ kind }) => ({ tall: SHAPES[kind].tall, last: kind === "sink" })), links);
  /** @type {{left: number, right: number}[]} */
  const columns = [];
  for (let k = 0, left = EDGE; k <= Math.max(-1, ...column); k++, left = columns[k - 1].right + BETWEEN) {
    const there = drawn.filter((_, place) => column[place] === k).map(({ wide }) => wide);
    columns.push({ left, right: left + (there.length ? Math.max(...there) : 20) });
  }
  drawn.forEach((spot, k) => Object.assign(spot, { x: (columns[column[k]].left + columns[column[k]].right) / 2, y: y[k] + EDGE, column: column[k] }));

  /** Where an edge ends: edges that end at the same spot do so one below the other, in their order of arrival. @param {number} edge */
  function port(edge) {
    const end = ends[edge][1], { kind, half, x, y: middle } = drawn[end];
    const before = (/** @type {number} */ k) => y[paths[k][paths[k].length - 2]];
    const order = ends.flatMap(([, to], k) => (to === end ? [k] : [])).sort((a, b) => before(a) - before(b));
    const most = Math.max(order.length - 1, 1), down = (order.indexOf(edge) - (order.length - 1) / 2) * Math.min(2 * SHAPES[kind].reach / most, 14);
    return [kind === "circle" ? x - half + RADIUS - Math.sqrt(RADIUS ** 2 - down ** 2) : x - half, middle + down];
  }

  /** @param {{from: string, to: string}} edge @param {number} k */
  function edge_of({ from, to }, k) {
    const [start, end] = ends[k].map((spot) => drawn[spot]), [end_x, end_y] = port(k), last = end_x - 5;
    let x = start.x + start.half, height = start.y, d = `M${fixed(x, height)}`;
    const level = (/** @type {number} */ right) => { d += `H${fixed(right)}`; x = right; };
    if (columns[start.column].right > x + 1) level(columns[start.column].right); // bends lie between columns: next to a narrow node they would run behind the wide ones
    for (const lane of paths[k].slice(1, -1)) {
      d += curve(x, height, columns[column[lane]].left, y[lane] + EDGE);
      level(columns[column[lane]].right);
      height = y[lane] + EDGE;
    }
    const left = Math.min(columns[end.column].left, last);
    d += curve(x, height, left, end_y);
    if (left < last) level(last);
    const tip = `<path class="tip" d="M${fixed(end_x, end_y)}l-8 -4v8z"/>`;
    return `<g class="edge" data-from="${escape(from)}" data-to="${escape(to)}"><path d="${d}"/>${tip}</g>`;
  }

  /** @param {Drawn} spot */
  function spot_of({ kind, key, line, sign, text, inner, half, shift, x, y: middle, lines }) {
    const { height, round, label } = SHAPES[kind], last = lines[lines.length - 1];
    let body = text && text_at("label", x + shift[1], middle + label, spans(text));
    if (kind === "circle") body += text_at("sign", x, middle + 5, spans(inner));
    if (kind === "sink") body += text_at("caption", x, middle + 14, escape(words[sign]));
    if (kind === "box") body = (sign && text_at("sign", x + shift[0], middle - 12, escape(sign))) + body + text_at("formula", x, middle + 7, spans(inner));
    const colour = kind === "box" ? (squashed(last) || last.op === "exp" ? "gate" : "other") : states(cell).has(line) ? "state" : "plain";
    const area = `x="${fixed(x - half)}" y="${fixed(middle - height / 2)}" width="${fixed(2 * half)}" height="${height}" rx="${round}"`;
    return `<g class="${kind} op-${colour}" data-spot="${escape(key)}"><rect ${area}/>${body}</g>`;
  }

  /** The equation of a spot, as text. @param {Drawn} spot */
  function said({ kind, line, label }) {
    const symbol = label === null ? "" : printer.print(sym(label));
    if (kind === "source" || kind === "sink") return symbol;
    return `${symbol && `${symbol} = `}${printer.print(right(line))}`;
  }

  /** @param {Drawn} spot */
  function tip_of(spot) {
    const { kind, key, line, half, x, y: middle } = spot, { tall, value: below } = SHAPES[kind];
    const area = `<rect x="${fixed(x - half)}" y="${fixed(middle - tall / 2 + 3)}" width="${fixed(2 * half)}" height="${fixed(tall - 6)}"/>`;
    const text = `<text class="value${kind === "circle" ? " out" : ""}" data-line="${escape(line)}" x="${fixed(x)}" y="${fixed(middle + below)}"></text>`;
    return `<g class="tip" data-spot="${escape(key)}"><title>${escape(said(spot))}</title>${area}${text}</g>`;
  }

  /** A spot in words, with what leads to it. @param {Drawn} spot @param {number} k */
  function described(spot, k) {
    const name = (/** @type {Drawn} */ one) => (one.label === null ? said(one) : printer.print(sym(one.label)));
    if (spot.kind === "sink") return [`${name(spot)} → ${words[spot.sign]}`];
    const before = ends.filter(([, to]) => to === k).map(([from]) => name(drawn[from]));
    return before.length ? [`${said(spot)} ← ${before.join(", ")}`] : [];
  }

  const width = columns[columns.length - 1].right + EDGE;
  const height = EDGE + Math.max(0, ...drawn.map((spot) => spot.y + SHAPES[spot.kind].tall / 2), ...y.slice(drawn.length).map((lane) => lane + EDGE));
  const size = `viewBox="0 0 ${width.toFixed()} ${height.toFixed()}" width="${width.toFixed()}" height="${height.toFixed()}"`;
  const shapes = [...edges.map(edge_of), ...drawn.map(spot_of)].join("\n"), tips = drawn.filter(({ kind }) => kind !== "sink").map(tip_of).join("\n");
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" class="cell" ${size} role="group">\n<g>${shapes}</g>\n<g>${tips}</g>\n</svg>`,
    width, height, description: `${drawn.flatMap(described).join(". ")}.`,
    spots: drawn.map(({ key, line, kind }) => ({ key, line, kind })),
  };
}
