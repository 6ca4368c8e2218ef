import { escape, PLAIN, Printer } from "../printer.js";
import { formula, number, sym, value } from "../tree.js";
import { flow } from "./graph.js";
import { cut, MARKED, spans, width_of } from "./marked.js";
import { placed } from "./placement.js";

// The picture of a cell: an SVG drawn from its lines, with a place for each value, as report/diagram/diagram.py draws it.

/** @typedef {import("../tree.js").Node} Node */
/** @typedef {import("./graph.js").Spot} Spot */
/** @typedef {import("../../../../../lines/types.js").Stage} Stage */
/** @typedef {Spot & {text: string, inner: string, wide: number, half: number, shift: number[], x: number, y: number, column: number}} Drawn
 *   text: its symbol; inner: what stands below it, or in a circle; half: of its width; shift: from the middle to its sign
 *   and to its symbol */

const TALL = { box: 74, circle: 68, source: 46, sink: 46 }; // with the value
const SHAPES = { box: [66, 8], circle: [34, 17], source: [40, 20], sink: [40, 20] }; // height, and radius of the corners
const VALUES = { box: 25, circle: 31, source: 14, sink: 0 }; // of values below the middle
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
 * @param {any} own the symbols of a notation, and those that the author gave
 * @param {{[sign: string]: string}} words the captions of what is carried on (`next`), and of the output (`out`)
 * @returns {{svg: string, width: number, height: number, description: string, spots: {key: string, line: string, kind: string}[]}}
 */
export function picture(stage, room, own, words) {
  const { cell } = stage, { spots, edges } = flow(stage);
  const lines = new Map(cell.lines.map((line) => [line.name, line])), states = new Set(cell.carry.map(([state]) => state));
  const marked = new Printer(MARKED, own), print = (/** @type {Node} */ node) => minus(marked.print(node));
  const plain = (/** @type {Node} */ node) => new Printer(PLAIN, own).print(node);

  /** What a box computes; for a function, its argument. @param {Spot} spot */
  function computed({ lines: inside }) {
    const right = formula(inside[inside.length - 1], cell);
    if (right.kind !== "call" || right.args.length !== 1 || right.constants.length || right.op === "concat") return right;
    const [of] = right.args;
    return of.kind === "sym" && inside.some(({ name }) => name === of.name) ? formula(lines.get(of.name), cell) : of;
  }

  /** What a spot says, and how wide it is. @param {Spot} spot @returns {Drawn} */
  function shape(spot) {
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

  const drawn = spots.map(shape), at = new Map(drawn.map((spot, k) => [spot.key, k]));
  const on = (/** @type {string} */ key) => { // what is carried runs on a straight belt
    const { kind, line } = drawn[at.get(key)];
    return kind !== "box" && !cell.inputs.includes(line);
  };
  const links = edges.map(({ from, to }) => ({ from: at.get(from), to: at.get(to), pull: on(from) && on(to) ? 4 : 1 }));
  const { column, paths, y } = placed(drawn.map(({ kind }) => ({ tall: TALL[kind], last: kind === "sink" })), links);
  const columns = Array.from({ length: 1 + Math.max(-1, ...column) }, () => ({ left: 0, wide: 0, right: 0 }));
  columns.forEach((one, k) => {
    const there = drawn.filter((_, place) => column[place] === k).map(({ wide }) => wide);
    one.left = k ? columns[k - 1].right + BETWEEN : EDGE;
    one.right = one.left + (there.length ? Math.max(...there) : 20);
  });
  drawn.forEach((spot, k) => {
    const { left, right } = columns[column[k]];
    Object.assign(spot, { x: (left + right) / 2, y: y[k] + EDGE, column: column[k] });
  });

  /** Where an edge ends: edges that end at the same spot do so one below the other, in their order of arrival. */
  function port(/** @type {number} */ edge) {
    const end = links[edge].to, { kind, half, x, y: middle } = drawn[end];
    const before = links.flatMap(({ to }, k) => (to === end ? [k] : [])).sort((a, b) => y[paths[a].at(-2)] - y[paths[b].at(-2)]);
    const reach = { circle: 9, box: 18 }[kind] ?? 0;
    const down = (before.indexOf(edge) - (before.length - 1) / 2) * Math.min(2 * reach / Math.max(before.length - 1, 1), 14);
    return [kind === "circle" ? x - half + RADIUS - Math.sqrt(RADIUS ** 2 - down ** 2) : x - half, middle + down];
  }

  function edge_of({ from, to }, k) {
    const start = drawn[links[k].from], [end_x, end_y] = port(k);
    let x = start.x + start.half, height = start.y, d = `M${fixed(x, height)}`;
    const behind = (/** @type {number} */ right) => { d += `H${fixed(right)}`; x = right; };
    const { right } = columns[start.column];
    if (right > x + 1) behind(right); // bends lie between columns: next to a narrow node they would run behind the wide ones
    for (const lane of paths[k].slice(1, -1)) {
      d += curve(x, height, columns[column[lane]].left, y[lane] + EDGE);
      behind(columns[column[lane]].right);
      height = y[lane] + EDGE;
    }
    const left = Math.min(columns[drawn[links[k].to].column].left, end_x - 5);
    d += curve(x, height, left, end_y);
    if (left < end_x - 5) behind(end_x - 5);
    const tip = `<path class="tip" d="M${fixed(end_x, end_y)}l-8 -4v8z"/>`;
    return `<g class="edge" data-from="${escape(from)}" data-to="${escape(to)}"><path d="${d}"/>${tip}</g>`;
  }

  function spot_of({ kind, key, line, sign, text, inner, half, shift, x, y: middle, lines: inside }) {
    const [tall, round] = SHAPES[kind], last = inside.at(-1);
    let body = text && text_at("label", x + shift[1], middle + ({ circle: -22, box: -12 }[kind] ?? -2), spans(text));
    if (kind === "circle") body += text_at("sign", x, middle + 5, spans(inner));
    if (kind === "sink") body += text_at("caption", x, middle + 14, escape(words[sign]));
    if (kind === "box") body = (sign && text_at("sign", x + shift[0], middle - 12, escape(sign))) + body + text_at("formula", x, middle + 7, spans(inner));
    const gate = last && (last.op === "sigmoid" || last.op === "exp" || (last.op === "clip" && `${last.constants}` === "0,1"));
    const colour = kind === "box" ? (gate ? "gate" : "other") : states.has(line) ? "state" : "plain";
    const area = `x="${fixed(x - half)}" y="${fixed(middle - tall / 2)}" width="${fixed(2 * half)}" height="${tall}" rx="${round}"`;
    return `<g class="${kind} op-${colour}" data-spot="${escape(key)}"><rect ${area}/>${body}</g>`;
  }

  /** The equation of a spot, as text. @param {Drawn} spot */
  function said({ kind, line, label }) {
    if (kind === "source" || kind === "sink") return plain(sym(label));
    const right = plain(formula(lines.get(line), cell));
    return label === null ? right : `${plain(sym(line))} = ${right}`;
  }

  function tip_of(spot) {
    const { kind, key, line, half, x, y: middle } = spot, tall = TALL[kind] / 2 - 3;
    const area = `<rect x="${fixed(x - half)}" y="${fixed(middle - tall)}" width="${fixed(2 * half)}" height="${fixed(2 * tall)}"/>`;
    const text = `<text class="value${kind === "circle" ? " out" : ""}" data-line="${escape(line)}" x="${fixed(x)}" y="${fixed(middle + VALUES[kind])}"></text>`;
    return `<g class="tip" data-spot="${escape(key)}"><title>${escape(said(spot))}</title>${area}${text}</g>`;
  }

  /** A spot in words, with what leads to it. @param {Drawn} spot */
  function described(spot) {
    const name = (/** @type {Drawn} */ one) => (one.label === null ? said(one) : plain(sym(one.label)));
    if (spot.kind === "sink") return [`${name(spot)} → ${words[spot.sign]}`];
    const before = edges.filter(({ to }) => to === spot.key).map(({ from }) => name(drawn[at.get(from)]));
    return before.length ? [`${said(spot)} ← ${before.join(", ")}`] : [];
  }

  const width = (columns.at(-1)?.right ?? 0) + EDGE;
  const height = EDGE + Math.max(0, ...drawn.map((spot) => spot.y + TALL[spot.kind] / 2), ...y.slice(drawn.length).map((lane) => lane + EDGE));
  const size = `viewBox="0 0 ${width.toFixed()} ${height.toFixed()}" width="${width.toFixed()}" height="${height.toFixed()}"`;
  const shapes = [...edges.map(edge_of), ...drawn.map(spot_of)].join("\n"), tips = drawn.filter(({ kind }) => kind !== "sink").map(tip_of).join("\n");
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" class="cell" ${size} role="group">\n<g>${shapes}</g>\n<g>${tips}</g>\n</svg>`,
    width, height,
    description: `${drawn.flatMap(described).join(". ")}.`,
    spots: drawn.map(({ key, line, kind }) => ({ key, line, kind })),
  };
}
