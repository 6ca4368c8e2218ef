import { OPERATIONS as OPS } from "../../../../../lines/table.js";
import { PLAIN } from "../printer.js";

// The dataflow graph of a cell, found from its lines: what a picture draws, as report/diagram/graph.py finds it. A gate
// with its products is one box; what joins gates and states is one circle for each operation; states enter on one side
// and leave on the other. Cells of many lines are folded further, into a box for each group of lines.

/** @typedef {import("../../../../../lines/types.js").Line} Line */
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

const assigned = (/** @type {Line} */ { name }) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(name);
const names_in = (/** @type {Line} */ line) => /** @type {string[]} */ (line.operands.filter((one) => typeof one === "string"));
const weighted = (/** @type {Line} */ { op }) => op === "matvec" || op === "vecmat";
const squashed = (/** @type {Line} */ { op, constants }) => op === "sigmoid" || (op === "clip" && constants[0] === 0 && constants[1] === 1);
/** Whether an operation is a function of one value that acts on each unit. */
const of_one = (/** @type {string} */ op) => Boolean(OPS[op].function) && OPS[op].arity === 1;
/** Whether it ends a group: its result is an activation. */
const leading = (/** @type {string} */ op) => of_one(op) && OPS[op].width === "same" && op !== "clip" && op !== "sqrt";

/** What is asked of a stage again and again. */
class Lines {
  /** @param {Stage} stage */
  constructor({ cell, computed }) {
    this.cell = cell;
    this.by_name = new Map(cell.lines.map((line) => [line.name, line]));
    this.computed = computed ? computed.map((name) => this.by_name.get(name)) : cell.lines;
    this.place = new Map(this.computed.map((line, at) => [line.name, at]));
    this.states = new Map(cell.carry);
    this.parameters = new Set(cell.parameters);
    /** @type {Map<string, Line[]>} */
    this.reading = new Map();
    for (const line of cell.lines) {
      for (const name of new Set(names_in(line))) this.reading.set(name, [...this.readers(name), line]);
    }
    this.read = new Set(this.computed.flatMap(names_in));
  }

  /** The lines that use a value in the same step. @param {string} name */
  readers(name) {
    return this.reading.get(name) ?? [];
  }

  /** Whether a named line squashes into (0, 1), or is one minus such a line. @param {Line} line */
  is_gate(line) {
    const minus = line.op === "add" && line.operands[0] === 1 && `${line.constants}` === "1,-1";
    const squashes = minus ? this.by_name.get(String(line.operands[1])) : line;
    return assigned(line) && squashes !== undefined && squashed(squashes);
  }

  /** Whether a gate multiplies a value. @param {Line} line */
  gates(line) {
    return this.is_gate(line) && this.readers(line.name).some(({ op, operands: [first, second] }) => {
      if (op !== "mul" || typeof first !== "string" || typeof second !== "string") return false;
      return first === line.name || !(this.by_name.has(first) && this.is_gate(this.by_name.get(first)));
    });
  }

  /** The lines of the same step that a value depends on, itself included. @param {string} name @returns {Set<string>} */
  needed(name, found = new Set()) {
    if (this.by_name.has(name) && !found.has(name)) {
      found.add(name);
      for (const one of names_in(this.by_name.get(name))) this.needed(one, found);
    }
    return found;
  }
}

/**
 * The computed lines in groups, in an order in which they can be computed. A group ends in its leader, a line that
 * others build on: an activation, a gate, a carried line, the output. Lines that only such a line needs come before it.
 * @param {Lines} all
 * @returns {{leader: Line | undefined, lines: Line[]}[]}
 */
function groups(all) {
  const carried = new Set(all.states.values());
  const place = (/** @type {string} */ name) => all.place.get(name) ?? all.place.size;
  /** @type {Map<string, string>} */
  const leader = new Map();
  for (const line of [...all.computed].reverse()) {
    const targets = new Set(all.readers(line.name).filter(({ name }) => all.place.has(name)).map(({ name }) => leader.get(name)));
    const leads = assigned(line) && (carried.has(line.name) || all.cell.output === line.name || leading(line.op) || line.call.length > 0 || all.gates(line));
    const alone = leads || !targets.size || (assigned(line) && targets.size > 1);
    // otherwise the earliest of the groups that use it, so that every line still comes after its operands
    leader.set(line.name, alone ? line.name : [...targets].reduce((a, b) => (place(b) < place(a) ? b : a)));
  }
  /** @type {Map<string, Line[]>} */
  const found = new Map();
  for (const line of all.computed) {
    const own = leader.get(line.name);
    const key = carried.has(own) && !assigned(all.by_name.get(own)) ? "" : own;
    found.set(key, [...(found.get(key) ?? []), line]);
  }
  return [...found.keys()].sort((a, b) => place(a) - place(b)).map((key) => ({ leader: all.by_name.get(key), lines: found.get(key) }));
}

/**
 * A group as one part; what other groups read too ([h; x] of all gates) is a separate part, with all it needs.
 * @param {Line[]} group @param {Lines} all
 */
function shared(group, all) {
  let left = group;
  const parts = [];
  for (const { name } of group.slice(0, -1)) {
    if (all.readers(name).every((reader) => group.includes(reader))) continue;
    const needed = all.needed(name);
    parts.push(left.filter((other) => needed.has(other.name)));
    left = left.filter((other) => !needed.has(other.name));
  }
  return [...parts.filter((part) => part.length), left];
}

/**
 * The lines of a group one by one; a sum absorbs the products with parameters that only it reads.
 * @param {Line[]} group @param {Lines} all
 */
function single(group, all) {
  const taken = new Set();
  const parts = [];
  for (const line of [...group].reverse()) {
    if (taken.has(line)) continue;
    const inner = line.op !== "add" ? [] : group.filter((one) =>
      line.operands.includes(one.name) && !assigned(one) && (weighted(one) || one.op === "mul") &&
      names_in(one).some((name) => all.parameters.has(name)) && all.readers(one.name).length === 1);
    inner.forEach((one) => taken.add(one));
    parts.unshift([...inner, line]);
  }
  return parts;
}

/** @param {Line[]} lines @param {Lines} all @returns {Spot} */
function spot_of(lines, all) {
  const line = lines[lines.length - 1], named = assigned(line);
  const spot = { key: line.name, line: line.name, label: named ? line.name : null, lines, operand: null };
  if (line.call.length && named) return { ...spot, kind: "box", sign: PLAIN.function(String(line.call[0])) };
  if (lines.length > 1 || weighted(line) || (named && of_one(line.op))) return { ...spot, kind: "box", sign: OPS[line.op].function ? sign_of(line) : "" };
  const sign = sign_of(line);
  const [first, second] = line.operands.map((one) => typeof one !== "string" || all.parameters.has(one));
  if (line.operands.length !== 2 || OPS[line.op].function || !(first || second)) return { ...spot, kind: "circle", sign };
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
  const { cell } = stage, all = new Lines(stage);
  const found = groups(all).map(({ leader, lines }) => ({
    lines, parts: single(lines, all),
    // one that ends in a function of one value, or is one minus another gate, is drawn as a gate
    folded: leader !== undefined && assigned(leader) && (all.is_gate(leader) || leader.call.length > 0 || of_one(leader.op)),
  }));
  const many = () => found.reduce((sum, { folded, parts }) => sum + (folded ? 1 : parts.length), 0);
  for (const group of found.filter(({ folded }) => !folded).sort((a, b) => b.lines.length - a.lines.length)) {
    if (many() > MOST) group.folded = true; // the largest first, until few enough are left
  }
  const inner = found.flatMap(({ folded, lines, parts }) => (folded ? shared(lines, all) : parts)).map((lines) => spot_of(lines, all));
  const owner = new Map(inner.flatMap(({ key, lines }) => lines.map(({ name }) => [name, key])));

  /** How many matrix products, or vectors in their place, a state occurs in: one that is only gated lies on top. */
  const products = (/** @type {string} */ state) => all.readers(state).filter((line) => weighted(line) || line.op === "concat").length;
  const states = [...all.states.keys()].filter((state) => all.read.has(state)).sort((a, b) => products(a) - products(b));
  const sources = [...states, ...cell.inputs.filter((name) => all.read.has(name))];
  const named = new Map([...owner, ...sources.map((name) => /** @type {[string, string]} */ ([name, `in:${name}`]))]);
  /** @type {Map<string, Edge>} */
  const edges = new Map();
  const join = (/** @type {string | undefined} */ from, /** @type {string} */ to) => {
    if (from !== undefined && from !== to) edges.set(JSON.stringify([from, to]), { from, to });
  };
  for (const { key, lines } of inner) for (const name of lines.flatMap(names_in)) join(named.get(name), key);

  const blank = { sign: "", lines: [], operand: null };
  const begin = sources.map((name) => /** @type {Spot} */ ({ ...blank, key: `in:${name}`, kind: "source", line: name, label: name }));
  /** @type {Spot[]} */
  const ends = [];
  const targets = new Map([...states, ...all.states.keys()].map((state) => [state, all.states.get(state)]));
  for (const [state, line] of /** @type {[string, string][]} */ ([...targets, ["", cell.output]])) {
    if (!owner.has(line) || (!state && [...targets.values()].includes(line))) continue;
    const label = assigned(all.by_name.get(line)) ? line : state;
    ends.push({ ...blank, key: `out:${state || line}`, kind: "sink", line, label, sign: state ? "next" : "out" });
    join(owner.get(line), `out:${state || line}`);
  }
  return { spots: [...begin, ...inner, ...ends], edges: [...edges.values()] };
}
