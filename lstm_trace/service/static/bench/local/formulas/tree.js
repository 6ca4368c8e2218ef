// A small tree for mathematics: the content of a printed line, not its typesetting, as lstm_trace/formulas/tree.py has it.
// SYMBOLIC writes a line in symbols, SCALAR one unit of it with numbers.
import { by_name, definition } from "../../../../../lines/cells.js";
import { parse } from "../../../../../lines/grammar.js";
import { show } from "../../../../../lines/numbers.js";
import { is_identifier } from "../../../../../lines/syntax.js";
import { OPERATIONS } from "../../../../../lines/table.js";

/** @typedef {import("../../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../../lines/types.js").Cell} Cell */
/** @typedef {import("../../../../../lines/types.js").Operand} Operand */
/** @typedef {import("../../../../../lines/types.js").Values} Values */
/** @typedef {import("../../../../../lines/numbers.js").Shown} Shown */
/** Identifies a number: scope, name, step, sequence (null for those of a parameter) and index. @typedef {[string, string, number | null, number | null, number[]]} Key */
/** A node: its kind and its parts. @typedef {{kind: string, [part: string]: any}} Node */

/** Pseudo-function for a line with some held values; no cell can define a function with this name. */
export const HELD = "held*";

const is_node = (/** @type {any} */ part) => part !== null && typeof part === "object" && "kind" in part;

/** The parts of a node that are nodes, in order; a number has none. @param {Node} node @returns {Node[]} */
export function pieces(node) {
  if (node.kind === "num") return [];
  return Object.values(node).flat().filter(is_node);
}

/** The same node with changed pieces. @param {Node} node @param {(part: Node) => Node} change @returns {Node} */
export function remade(node, change) {
  if (node.kind === "num") return node;
  /** @type {(part: any) => any} */
  const each = (part) => (Array.isArray(part) ? part.map(each) : is_node(part) ? change(part) : part);
  return /** @type {any} */ (Object.fromEntries(Object.entries(node).map(([name, part]) => [name, each(part)])));
}

/** A formula and all of its parts, in order. @param {Node} node @returns {Node[]} */
export const parts_of = (node) => [node, ...pieces(node).flatMap(parts_of)];
/** Every number in a tree, in order. @param {Node} node */
export const numbers = (node) => parts_of(node).filter(({ kind }) => kind === "num");

/** The same text for equal nodes. @param {Node} node */
const text_of = (node) => JSON.stringify(node, (_, part) => (typeof part === "number" && !Number.isFinite(part) ? String(part) : part));
/** @param {Node} a @param {Node} b */
export const same = (a, b) => a === b || (a.kind === b.kind && text_of(a) === text_of(b));
export { text_of };

/** @param {string} name @returns {Node} */
export const sym = (name) => ({ kind: "sym", name, steps: null });
/** @param {Shown} shown @param {number} value @param {Key | null} [key] @returns {Node} */
export const num = (shown, value, key = null) => ({ kind: "num", shown, value, key });
/** @param {Node} left @param {Node} right @returns {Node} */
export const prod = (left, right) => ({ kind: "prod", left, right });
/** @param {Node} matrix @param {Node} vector @returns {Node} */
const matvec = (matrix, vector) => ({ kind: "matvec", matrix, vector });
/** @param {Node} of @returns {Node} */
const transposed = (of) => ({ kind: "transposed", of });
/** @param {number[]} signs @param {Node[]} terms @returns {Node} */
export const sum = (signs, terms) => ({ kind: "sum", signs, terms });
/** @param {Node[]} terms */
export const plus = (terms) => sum(terms.map(() => 1), terms);
/** @param {Node} of @returns {Node} */
export const neg = (of) => ({ kind: "neg", of });
/** @param {string} op @param {Node[]} args @param {number[]} [constants] @returns {Node} */
export const call = (op, args, constants = []) => ({ kind: "call", op, args, constants });
/** @param {Node} of @param {string} at @returns {Node} */
export const index = (of, at) => ({ kind: "index", of, at });
/** @param {Node} left @param {Node} right @param {string} [sign] @returns {Node} */
export const holds = (left, right, sign = ">") => ({ kind: "holds", left, right, sign });
/** What is left out. @type {Node} */
const DOTS = { kind: "dots" };

/** A number of an equation, as it was written: 1 and not 1.0. @param {number} value */
export function number(value) {
  const shown = show(value, null);
  return num({ ...shown, digits: shown.digits.replace(/\.0$/, "") }, value);
}

// -- a line in symbols -------------------------------------------------------------------------------------------------

/** @param {Line} line @param {Node} part */
function slice({ constants: [begin, end] }, part) {
  return index(part, end > begin + 1 ? `${begin}:${end}` : `${begin}`);
}

/** Operation to the tree of a line, from the trees of its operands; the others are calls. @type {{[op: string]: (line: Line, parts: Node[]) => Node}} */
const SYMBOLIC = {
  matvec: (_, [a, b]) => matvec(a, b),
  memvec: (_, [a, b]) => matvec(a, b),
  vecmat: (_, [a, b]) => matvec(transposed(b), a), // vectors are columns on paper
  outer: (_, [a, b]) => matvec(a, b.kind === "num" ? b : transposed(b)),
  vecmem: (_, [a, b]) => matvec(transposed(b), a),
  add: ({ constants }, parts) => sum(constants, parts),
  mul: ({ operands }, [a, b]) => (operands[0] === 1 ? b : prod(a, b)),
  div: (_, [over, under]) => ({ kind: "quot", over, under }),
  neg: (_, [of]) => neg(of),
  copy: (_, [of]) => of,
  slice: (line, [of]) => slice(line, of),
  greater: (_, [a, b]) => holds(a, b),
};

/** @param {Line} line @param {Node[]} parts @returns {Node} */
const symbolic = (line, parts) =>
  SYMBOLIC[line.op]?.(line, parts) ?? call(line.op, parts, line.constants.every((one, k) => one === OPERATIONS[line.op].constants[k][1]) ? [] : line.constants);

/** The value of a call of a composite function is that call; `written_out` expands it. @param {Line} line @param {Cell} cell @returns {Node} */
export function formula(line, cell) {
  const [name, ...args] = line.call.length ? line.call : ["", ...line.operands];
  const parts = args.map((arg) => (typeof arg === "string" ? value(arg, cell) : number(arg)));
  return line.call.length ? call(String(name), parts) : symbolic(line, parts);
}

/** The symbol of a value of a cell or of one of its inputs: its name, or its expression if it has none. @param {string} name @param {Cell} cell @returns {Node} */
export function value(name, cell) {
  if (is_identifier(name)) return sym(name);
  const line = by_name(cell).get(name);
  return line ? formula(line, cell) : of_text(name, cell);
}

/**
 * The meaning of a value, inferred from its name alone: in a product of unknown matrices the left side is one, or otherwise
 * whichever makes the name an equation. @param {string} name @param {Cell} cell @returns {Node}
 */
function of_text(name, cell) {
  const summed = new Set(cell.sums.map((one) => one.name));
  const known = new Set([...cell.parameters, ...cell.gradient.filter(([made]) => summed.has(made)).map(([, of]) => of)]);
  const names = [...new Set(name.match(/(?<![\p{L}\p{N}_])[\p{L}_][\p{L}\p{N}_]*(?![\p{L}\p{N}_(])/gu) ?? [])].filter((one) => !known.has(one));
  const left = new Set([...name.matchAll(/([\p{L}\p{N}_]+) @ ([\p{L}\p{N}_]*)/gu)].filter(([, , b]) => !known.has(b)).map(([, a]) => a));
  const beside = [...new Set(name.match(/[\p{L}\p{N}_]+(?= @)|(?<=@ )[\p{L}\p{N}_]+/gu) ?? [])].filter((one) => !known.has(one));
  for (const unknown of [left, ...subsets(beside)]) {
    const fed = names.filter((one) => !unknown.has(one));
    try {
      const made = parse([...cell.functions.map(definition), ...(fed.length ? [`input: ${fed.join(", ")}`] : []), `v = ${name}`, "output: v"].join("\n"));
      return formula(/** @type {Line} */ (by_name(made).get("v")), made);
    } catch {
      continue; // not with these matrices
    }
  }
  throw new Error(`${name} is not a value of a cell`);
}

/** By size, in order. @template T @param {T[]} items @returns {Set<T>[]} */
function subsets(items) {
  const all = items.slice(0, 10).reduce((found, item) => [...found, ...found.map((some) => [...some, item])], /** @type {T[][]} */ ([[]]));
  return all.sort((a, b) => a.length - b.length).map((some) => new Set(some));
}

/** The expanded call of a composite function; null for any other line. @param {Line} line @param {Cell} cell */
export const written_out = (line, cell) => (line.call.length && line.call[0] !== HELD ? formula({ ...line, call: [] }, cell) : null);

/** A formula with numbers for the indices t and t - 1 of its symbols, except for those that are constant. @param {Node} node @param {Set<string>} constant @param {[number, number]} steps @returns {Node} */
export function at_step(node, constant, steps) {
  if (node.kind === "sym") return constant.has(node.name) ? node : { ...node, steps };
  return remade(node, (part) => at_step(part, constant, steps));
}

// -- one unit of a line with numbers ------------------------------------------------------------------------------------

/** Which of `size` items are shown: all, or the first `most - 2`, null for dots, and the last. @param {number} size @param {number | null} most @returns {(number | null)[]} */
export const kept = (size, most) => (most === null || size <= most ? [...Array(size).keys()] : [...Array(Math.max(most - 2, 1)).keys(), null, size - 1]);

/**
 * One unit of a line with numbers; null if an operand has no values.
 * @param {Line} line @param {number} t @param {number} b @param {number} unit
 * @param {(operand: Operand) => Values | null} array all of an operand
 * @param {(operand: Operand, t: number | null, b: number | null, index: number[]) => Node} leaf its number, or what replaces it
 * @param {number | null} most number of terms, beyond which dots are used
 * @returns {Node | null}
 */
export function substituted(line, t, b, unit, array, leaf, most = null) {
  const arrays = /** @type {Values[]} */ (line.operands.map(array));
  if (arrays.some((values) => values === null)) return null;
  const width = (/** @type {number} */ i) => /** @type {number} */ (arrays[i].shape.at(-1));
  const at = (/** @type {number} */ i, /** @type {number[]} */ ...place) => {
    const stepped = arrays[i].shape.length === 3;
    return leaf(line.operands[i], stepped ? t : null, stepped ? b : null, place);
  };
  const over = (/** @type {number} */ count, /** @type {(k: number) => Node} */ term) => kept(count, most).map((k) => (k === null ? DOTS : term(k)));
  const all = (/** @type {number} */ i) => over(width(i), (k) => at(i, k));
  switch (line.op) {
    case "matvec": case "memvec": case "vecmat": case "vecmem": {
      const matrix = Number(line.op.startsWith("vec")), vector = 1 - matrix, size = width(vector), flat = /mem/.test(line.op);
      const columns = matrix === 0 ? size : flat ? width(matrix) / size : width(matrix);
      return plus(over(size, (k) => {
        const [row, column] = matrix === 0 ? [unit, k] : [k, unit];
        return prod(flat ? at(matrix, row * columns + column) : at(matrix, row, column), at(vector, k));
      }));
    }
    case "outer": return prod(at(0, Math.floor(unit / width(1))), at(1, unit % width(1)));
    case "sum": return plus(all(0));
    case "mean": return { kind: "quot", over: plus(all(0)), under: number(width(0)) };
    case "max": return call("max", all(0));
    case "slice": return at(0, line.constants[0] + unit);
    case "concat": {
      let i = 0, place = unit;
      while (place >= width(i)) place -= width(i++);
      return at(i, place);
    }
    default: return symbolic(line, arrays.map((_, i) => at(i, width(i) === 1 ? 0 : unit)));
  }
}
