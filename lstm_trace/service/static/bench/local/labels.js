// What the units of a line stand for, and the labels of steps and units: trace/labels.py, base/display.py.
import { narrow } from "../../../../lines/adjoint.js";
import { by_name, closure, kept, matrices, product, readers, reads, remembers, states } from "../../../../lines/cells.js";
import { owner } from "../../../../lines/sizes.js";
import { OPERATIONS } from "../../../../lines/table.js";
import { operand } from "../../../../lines/values.js";
import { is_adjoint, stage_of } from "./places.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Cell} Cell */
/** Inputs, hidden units, or outputs of a readout. @typedef {"x" | "h" | "y"} Axis */

/** What a trace says of itself. @param {Trace} trace @returns {any} */
export const head_of = (trace) => trace.head;

/** The problem's labels for an axis, if there are as many as units. @param {Trace} trace @param {Axis} of @param {number} width @returns {string[]} */
export function labels(trace, of, width) {
  const found = head_of(trace).names?.[of] ?? [];
  return found.length === width ? found : [];
}

/** The rows of step labels: one for each sequence, or one for all. @param {Trace} trace @returns {string[][]} */
export const label_rows = (trace) => head_of(trace).names?.t ?? [];
/** The label of a step, as displayed; empty if it has none. @param {Trace} trace @param {number} t @param {number | null} b */
export function step_label(trace, t, b) {
  const rows = label_rows(trace);
  if (!rows.length || (b === null && rows.length > 1)) return "";
  return visible(rows[b !== null && rows.length > 1 ? b : 0][t] ?? "", 24);
}

// -- axes --------------------------------------------------------------------------------------------------------------

const is_reduction = (/** @type {string} */ op) => OPERATIONS[op].width === "one";
const is_unitwise = (/** @type {string} */ op) => OPERATIONS[op].width === "same";

/** The lines or inputs whose units the rows and columns of a parameter stand for. @param {Cell} cell @param {string} name */
function sides(cell, name) {
  const [line] = readers(cell).get(name) ?? [], of = product(line);
  const found = of ? [line.name, of[1]] : [line.name];
  return line.op === "vecmat" ? found.reverse() : found;
}

/** What the units of a line, input, or the rows of a parameter, or the gradient of one, stand for. @param {Trace} trace @param {Stage} stage @param {string} name @returns {Axis} */
export function axis(trace, stage, name) {
  const own = stage_of(trace, owner(stage)), gradients = new Map([...stage.cell.gradient].reverse()), weights = new Set(own.cell.parameters);
  while (is_adjoint(stage) && !gradients.has(name) && gradients.size) { // a part of a gradient
    const line = by_name(stage.cell).get(name), of = line && product(line);
    if (!line) break;
    if (of && weights.has(of[0])) return axis(trace, own, sides(own.cell, of[0])[Number(line.op === "vecmat")]);
    const next = (readers(stage.cell).get(name) ?? []).find((one) => is_unitwise(one.op));
    if (!next) break;
    name = next.name;
  }
  let of = gradients.get(name) ?? name;
  if (weights.has(of)) [of] = sides(own.cell, of);
  if (own.sources[of] === "x") return "x";
  return readout(own.cell).has(of) ? "y" : "h";
}

/** The carried states with their lines, without one that only repeats the output at padding, and without totals. @param {Cell} cell */
function fed_back(cell) {
  const inner = closure(cell, [cell.output]), last = by_name(cell).get(cell.output);
  const found = cell.carry.filter(([, line]) => !inner.size || inner.has(line));
  return found.filter(([state, line]) => !(last?.op === "where" && line === cell.output && readers(cell).get(state)?.length === 1 && readers(cell).get(state)?.[0] === last));
}

/** The lines on which a state depends; in a cell without states, the operands of the last product before the output. @param {Cell} cell */
function hidden(cell) {
  const carried = fed_back(cell);
  if (carried.length) return closure(cell, carried.map(([, line]) => line));
  const ends = [], waiting = [cell.output];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) { // back from the output to the nearest products
    const line = by_name(cell).get(name), of = line && product(line);
    if (of) ends.push(of[1]);
    else if (line) waiting.push(...reads(line));
  }
  return closure(cell, ends.length ? ends : [cell.output]);
}

/** The lines and inputs whose units are outputs of a readout, which begins at a product on which no state depends. */
export const readout = kept((/** @type {Cell} */ cell) => {
  const inner = hidden(cell), names = [...by_name(cell).keys(), ...cell.inputs, ...states(cell).keys()];
  /** @type {Map<string, string>} */
  const beside = new Map(names.map((name) => [name, name]));
  const root = (/** @type {string} */ name) => {
    while (beside.get(name) !== name) name = /** @type {string} */ (beside.get(name));
    return name;
  };
  const single = new Set(["valid"]); // one number for all units
  for (const line of cell.lines) {
    const read = reads(line).filter((name) => beside.has(name) && !single.has(name));
    if (is_reduction(line.op) || (is_unitwise(line.op) && !read.length && reads(line).every((name) => single.has(name)))) single.add(line.name);
    else if (is_unitwise(line.op)) for (const name of read) beside.set(root(name), root(line.name));
  }
  const roots = new Set(cell.lines.filter((line) => product(line) && !inner.has(line.name)).map((line) => root(line.name)));
  const queries = cell.lines.filter(remembers).map((line) => String(line.operands[line.op === "memvec" ? 1 : 0])); // what reads a matrix is no output
  for (const name of [...inner, ...fed_back(cell).map(([state]) => state), ...queries, "x_t"]) if (beside.has(name)) roots.delete(root(name));
  return new Set(names.filter((name) => roots.has(root(name))));
});

/** The kinds of the vectors that a value concatenates, with their widths. @param {Trace} trace @param {Stage} stage @param {string} name @param {number} width @returns {[Axis, number][]} */
export function vectors(trace, stage, name, width) {
  const line = by_name(stage.cell).get(name);
  if (line?.op !== "concat") return [[axis(trace, stage, name), width]];
  return line.operands.flatMap((one) => (typeof one === "string" ? vectors(trace, stage, one, operand(trace, stage, one)?.shape.at(-1) ?? 1) : [/** @type {[Axis, number]} */ (["h", 1])]));
}

/** A line; if padding replaces a state by its previous value or zero, the line that the cell computes for it. @param {Stage} stage @param {string} name */
function unpadded(stage, name) {
  const line = by_name(stage.cell.plain ?? stage.cell).get(name);
  return line?.op === "where" && stage.sources[String(line.operands[0])] === "valid" ? String(line.operands[1]) : name;
}

/** The number of units of a stage's cell: the width of its output, or of the widest state if that is a projection or readout; 0 if it cannot be determined. @param {Trace} trace @param {Stage} stage */
export function units(trace, stage) {
  const cell = stage.cell.plain ?? stage.cell, output = unpadded(stage, cell.output), line = by_name(cell).get(output);
  const is_matrix = (/** @type {string} */ name) => matrices(cell).has(name);
  const other = narrow(cell).has(output) || is_matrix(output) || (line && product(line)) || axis(trace, stage, output) === "y";
  const found = other ? [] : [operand(trace, stage, output)];
  for (const [state, carried] of cell.carry) {
    if (!is_matrix(state) && (other || unpadded(stage, carried) === output)) found.push(trace.initial[stage.scope]?.[state] ?? operand(trace, stage, carried));
  }
  return Math.max(0, ...found.map((values) => values?.shape.at(-1) ?? 0));
}

// -- labels as displayed -----------------------------------------------------------------------------------------------

/** Letters two columns wide, and those written from right to left. */
const WIDE = /[\u1100-\u115f\u231a\u231b\u2329\u232a\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const FROM_RIGHT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zs}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5\ufdd0-\ufdef\p{Noncharacter_Code_Point}]/u;
/** @type {{[space: string]: string}} */
const SPACES = { " ": "␣", "\n": "↵", "\t": "⇥" };
const JOINERS = "\u200c\u200d", MARKS = 4;
const cells = (/** @type {string} */ text) => [...text].reduce((n, c) => n + (/[\p{Mn}\p{Me}\p{Cf}]/u.test(c) ? 0 : WIDE.test(c) ? 2 : 1), 0);

/** A letter as displayed. @param {string} c @param {boolean} inside whether there are others before and after it */
function piece(c, inside) {
  if ((c === " " || JOINERS.includes(c)) && inside) return c;
  if (SPACES[c]) return SPACES[c];
  const code = /** @type {number} */ (c.codePointAt(0)), hex = code.toString(16);
  if (!ACTS.test(c)) return c;
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** A label of at most so many columns in which every character is visible. @param {string} label @param {number} most */
export function visible(label, most) {
  if (/^[!-~](?:[ -~]*[!-~])?$/.test(label) && label.length <= most) return label;
  const letters = [...label], bound = (most + 1) * (MARKS + 1), start = letters.length - [...label.replace(/^ +/, "")].length, stop = [...label.replace(/ +$/, "")].length;
  const shown = [];
  let room = most, marks = 0, whole = letters.length <= bound;
  for (const [at, c] of letters.slice(0, bound).entries()) {
    const text = piece(c, start < at && at < stop - 1), marked = text === c && /\p{M}/u.test(c);
    marks = marked ? marks + 1 : 0;
    if (marks > MARKS) {
      whole = false;
      continue;
    }
    shown.push(marked && !shown.length ? `◌${c}` : text);
    room -= cells(/** @type {string} */ (shown.at(-1)));
    if (room < 0) {
      whole = false;
      break;
    }
  }
  if (!whole) {
    while (shown.length && cells(shown.join("")) > most - 1) shown.pop();
    while (shown.length && JOINERS.includes(/** @type {string} */ (shown.at(-1)))) shown.pop();
    shown.push("…");
  }
  const text = shown.join("");
  return FROM_RIGHT.test(text) ? `${text}\u200e` : text;
}
