import { assigned, by_name, closure, readers, reads, states as states_of } from "../../../../../lines/cells.js";
import { OPERATIONS } from "../../../../../lines/table.js";
import { PLAIN } from "../formulas/printer.js";

// The dataflow graph of a cell, found from its lines: what a picture draws, as report/diagram/graph.py finds it. A gate
// with its products is one box; what joins gates and states is one circle for each operation; states enter on one side
// and leave on the other. Cells of many lines are folded further, into a box for each group of lines.

/** @typedef {import("../../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../../lines/types.js").Cell} Cell */
/** @typedef {import("../../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../../lines/types.js").Operand} Operand */
/** @typedef {{key: string, kind: "source" | "box" | "circle" | "sink", line: string, label: string | null, sign: string, lines: Line[], operand: Operand | null}} Spot
 *   line: whose values it shows; label: the name whose symbol it has; sign: the operation drawn in it; operand: the number
 *   or parameter that is drawn at the {} of the sign; lines: all that it represents, its own last */
/** @typedef {{from: string, to: string}} Edge   from one spot to another, by key */

const MOST = 16; // operations that are drawn one by one; beyond that, each group of lines is one box

/** The sign in the circle of an operation; functions have their own sign. @type {{[op: string]: (line: Line) => string}} */
const SIGNS = {
  matvec: () => "W", vecmat: () => "W", outer: () => "⊗", memvec: () => "·", vecmem: () => "·", mul: () => "⊙", div: () => "÷",
  neg: () => "−", copy: () => "=", concat: () => "[ ; ]", greater: () => ">",
  add: ({ constants }) => (constants.length === 2 && constants[1] < 0 ? "−" : "+"),
  slice: ({ constants: [begin, end] }) => `[${begin}:${end}]`,
};
const sign_of = (/** @type {Line} */ line) => (SIGNS[line.op] ?? (() => PLAIN.function(line.op)))(line);

const weighted = (/** @type {Line} */ { op }) => op === "matvec" || op === "vecmat";
/** Whether a line is a smooth or hard sigmoid, between 0 and 1. @param {Line} line */
export const squashed = ({ op, constants }) => op === "sigmoid" || (op === "clip" && constants[0] === 0 && constants[1] === 1);
/** Whether an operation is a function of one value. */
const of_one = (/** @type {string} */ op) => OPERATIONS[op].function !== null && OPERATIONS[op].arity === 1;
/** Whether it ends a group: its result is an activation. */
const leading = (/** @type {string} */ op) => of_one(op) && OPERATIONS[op].width === "same" && op !== "clip" && op !== "sqrt";
const readers_of = (/** @type {Cell} */ cell, /** @type {string} */ name) => readers(cell).get(name) ?? [];

/** Whether a named line is a gate: it squashes into (0, 1), or is one minus such a line. @param {Line | undefined} line @param {Cell} cell */
function is_gate(line, cell) {
  if (!line || !assigned(line)) return false;
  const rest = line.op === "add" && line.operands[0] === 1 && `${line.constants}` === "1,-1";
  const squashes = rest ? by_name(cell).get(String(line.operands[1])) : line;
  return squashes !== undefined && squashed(squashes);
}

/** Whether a line is a gate that multiplies a value. @param {Line} line @param {Cell} cell */
const gates = (line, cell) => is_gate(line, cell) && readers_of(cell, line.name).some(({ op, operands: [first, second] }) =>
  op === "mul" && typeof first === "string" && typeof second === "string" && (first === line.name || !is_gate(by_name(cell).get(first), cell)));

/** The lines that a stage computes. @param {Stage} stage @returns {Line[]} */
const computed_by = ({ cell, computed }) => (computed ? computed.flatMap((name) => by_name(cell).get(name) ?? []) : cell.lines);

/**
 * The computed lines in groups, in an order in which they can be computed. A group ends in its leader, a line that
 * others build on: an activation, a gate, a carried line, the output. Lines that only such a line needs come before it.
 * @param {Stage} stage
 * @returns {{leader: Line | undefined, lines: Line[]}[]}
 */
function groups(stage) {
  const { cell } = stage, lines = computed_by(stage), carried = new Set(states_of(cell).values());
  const order = new Map(lines.map((line, at) => [line.name, at])), place = (/** @type {string} */ name) => order.get(name) ?? order.size;
  /** @type {Map<string, string>} */
  const leader = new Map();
  for (const line of [...lines].reverse()) {
    const targets = [...new Set(readers_of(cell, line.name).flatMap(({ name }) => leader.get(name) ?? []))];
    const leads = assigned(line) && (carried.has(line.name) || cell.output === line.name || leading(line.op) || line.call.length > 0 || gates(line, cell));
    const alone = leads || !targets.length || (assigned(line) && targets.length > 1);
    // otherwise the earliest of the groups that use it, so that every line still comes after its operands
    leader.set(line.name, alone ? line.name : targets.reduce((a, b) => (place(b) < place(a) ? b : a)));
  }
  /** @type {Map<string, Line[]>} */
  const found = new Map();
  for (const line of lines) {
    const own = leader.get(line.name) ?? "", last = by_name(cell).get(own);
    const key = carried.has(own) && last && !assigned(last) ? "" : own;
    found.set(key, [...(found.get(key) ?? []), line]);
  }
  return [...found].sort(([a], [b]) => place(a) - place(b)).map(([key, some]) => ({ leader: by_name(cell).get(key), lines: some }));
}

/**
 * A group as one part; what other groups read too ([h; x] of all gates) is a separate part, with all it needs.
 * @param {Line[]} group @param {Cell} cell
 */
function shared(group, cell) {
  let left = group;
  const parts = [];
  for (const { name } of group.slice(0, -1)) {
    if (readers_of(cell, name).every((reader) => group.includes(reader))) continue;
    const needed = closure(cell, [name], false);
    parts.push(left.filter((other) => needed.has(other.name)));
    left = left.filter((other) => !needed.has(other.name));
  }
  return [...parts.filter((part) => part.length), left];
}

/**
 * The lines of a group one by one; a sum absorbs the products with parameters that only it reads.
 * @param {Line[]} group @param {Cell} cell
 */
function single(group, cell) {
  const taken = new Set(), parts = [];
  for (const line of [...group].reverse()) {
    if (taken.has(line)) continue;
    const inner = line.op !== "add" ? [] : group.filter((one) =>
      line.operands.includes(one.name) && !assigned(one) && (weighted(one) || one.op === "mul") &&
      reads(one).some((name) => cell.parameters.includes(name)) && readers_of(cell, one.name).length === 1);
    inner.forEach((one) => taken.add(one));
    parts.unshift([...inner, line]);
  }
  return parts;
}

/** @param {Line[]} lines @param {Cell} cell @returns {Spot} */
function spot_of(lines, cell) {
  const line = lines[lines.length - 1], named = assigned(line);
  const spot = { key: line.name, line: line.name, label: named ? line.name : null, lines, operand: null };
  if (line.call.length && named) return { ...spot, kind: "box", sign: PLAIN.function(String(line.call[0])) };
  if (lines.length > 1 || weighted(line) || (named && of_one(line.op))) return { ...spot, kind: "box", sign: OPERATIONS[line.op].function ? sign_of(line) : "" };
  const sign = sign_of(line);
  const [first, second] = line.operands.map((one) => typeof one !== "string" || cell.parameters.includes(one));
  if (line.operands.length !== 2 || OPERATIONS[line.op].function || !(first || second)) return { ...spot, kind: "circle", sign };
  const operand = line.operands[first ? 0 : 1]; // the operation with what it takes: `1 −`, `+ b`, `× 0.5`
  if (line.op === "mul") return { ...spot, kind: "circle", sign: `${typeof operand === "string" ? sign : "×"} {}`, operand };
  return { ...spot, kind: "circle", sign: first ? `{} ${sign}` : `${sign} {}`, operand };
}

/**
 * The graph of the lines that a stage computes: spots in computing order, sources first and sinks last.
 * @param {Stage} stage without holds, which change the values and not the cell
 * @returns {{spots: Spot[], edges: Edge[]}}
 */
export function flow(stage) {
  const { cell } = stage, read = new Set(computed_by(stage).flatMap(reads));
  const found = groups(stage).map(({ leader, lines }) => ({
    lines, parts: single(lines, cell),
    // one that ends in a function of one value, or is one minus another gate, is drawn as a gate
    folded: leader !== undefined && assigned(leader) && (is_gate(leader, cell) || leader.call.length > 0 || of_one(leader.op)),
  }));
  const many = () => found.reduce((sum, { folded, parts }) => sum + (folded ? 1 : parts.length), 0);
  for (const group of found.filter(({ folded }) => !folded).sort((a, b) => b.lines.length - a.lines.length)) {
    if (many() > MOST) group.folded = true; // the largest first, until few enough are left
  }
  const inner = found.flatMap(({ folded, lines, parts }) => (folded ? shared(lines, cell) : parts)).map((lines) => spot_of(lines, cell));
  const owner = new Map(inner.flatMap(({ key, lines }) => lines.map(({ name }) => [name, key])));

  /** How many matrix products, or vectors in their place, a state occurs in: one that is only gated lies on top. */
  const products = (/** @type {string} */ state) => readers_of(cell, state).filter((line) => weighted(line) || line.op === "concat").length;
  const states = [...states_of(cell).keys()].filter((state) => read.has(state)).sort((a, b) => products(a) - products(b));
  const sources = [...states, ...cell.inputs.filter((name) => read.has(name))];
  const named = new Map([...owner, ...sources.map((name) => /** @type {[string, string]} */ ([name, `in:${name}`]))]);
  /** @type {Map<string, Edge>} */
  const edges = new Map();
  const join = (/** @type {string | undefined} */ from, /** @type {string} */ to) => {
    if (from !== undefined && from !== to) edges.set(JSON.stringify([from, to]), { from, to });
  };
  for (const { key, lines } of inner) for (const name of lines.flatMap(reads)) join(named.get(name), key);

  const blank = { sign: "", lines: [], operand: null };
  const begin = sources.map((name) => /** @type {Spot} */ ({ ...blank, key: `in:${name}`, kind: "source", line: name, label: name }));
  /** @type {Spot[]} */
  const ends = [];
  const targets = new Map([...states, ...states_of(cell).keys()].map((state) => [state, states_of(cell).get(state) ?? ""]));
  for (const [state, line] of /** @type {[string, string][]} */ ([...targets, ["", cell.output]])) {
    const made = by_name(cell).get(line);
    if (!made || !owner.has(line) || (!state && [...targets.values()].includes(line))) continue;
    const label = assigned(made) ? line : state;
    ends.push({ ...blank, key: `out:${state || line}`, kind: "sink", line, label, sign: state ? "next" : "out" });
    join(owner.get(line), `out:${state || line}`);
  }
  return { spots: [...begin, ...inner, ...ends], edges: [...edges.values()] };
}
