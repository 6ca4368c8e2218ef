// Where numbers of a trace are made, and their addresses, `layer/direction/t/b/line[unit]`: trace/address.py and
// one_value/location.py.
import { by_name, product, readers, states } from "../../../../lines/cells.js";
import { backwards, owner } from "../../../../lines/sizes.js";
import { OPERATIONS } from "../../../../lines/table.js";
import { extent, first_of, looked_up, operand } from "../../../../lines/values.js";
import { MissingError, columns_of, is_step, made, number_at, span, stage_of, step_before } from "./made.js";

export { MissingError, columns_of, is_step, made, number_at, span, stage_of, step_before };

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Values} Values */
/** @typedef {import("./formulas/tree.js").Key} Key */
/** Where one number was made: step and sequence are null for a parameter; the scope of x is empty. @typedef {{scope: string, name: string, t: number | null, b: number | null, unit: number[]}} Place */

/** The states of the standard cell have special names for their initial values. @type {{[state: string]: string}} */
export const INITIAL = { h_prev: "h0", c_prev: "c0" };
/** @type {{[short: string]: string}} */
export const STATE = { h0: "h_prev", c0: "c_prev" };

export const is_adjoint = (/** @type {Stage} */ stage) => stage.direction.startsWith("adjoint-");
/** @param {number} unit @param {number | null} columns */
const entry = (unit, columns) => (columns ? [Math.floor(unit / columns), unit % columns] : [unit]);
/** The index of a unit of a value, as an address has it. @param {Trace} trace @param {string} scope @param {string} name @param {number} unit */
export const entry_of = (trace, scope, name, unit) => entry(unit, columns_of(trace, scope, name));

/** Where a number was computed: a state in the previous step, an input in another layer or in x. @param {Trace} trace @param {Key} key @returns {Key} */
function origin(trace, key) {
  const [scope, name, t, b, index] = key;
  if (!scope || trace.lines[scope]?.[name]) return key;
  const stage = stage_of(trace, scope);
  if (!states(stage.cell).has(name)) {
    if (stage.sources[name] === "x") return ["", "x_t", t, b, index];
  } else if (!is_step(trace, step_before(stage, /** @type {number} */ (t)))) return key;
  const before = made(trace, key);
  return before === key ? key : origin(trace, before);
}

/** The place where a number was made that a line reads by the name and step in a key. @param {Trace} trace @param {Key} key @returns {Place} */
export function location_of(trace, [scope, name, t, b, index]) {
  if (scope && t === null) return { scope: owner(stage_of(trace, scope)), name, t, b, unit: index.length === 1 ? entry_of(trace, scope, name, index[0]) : index };
  const [at, made_as, step, row, unit] = origin(trace, [scope, name, t, b, index]);
  return { scope: at, name: made_as, t: step, b: row, unit };
}

/** The full address of a number; for a state, that of its value before the first step. @param {Trace} trace @param {Place} place */
export function address(trace, { scope, name, t, b, unit }) {
  const state = scope && states(stage_of(trace, scope).cell).has(name);
  const parts = [scope, state ? null : t, b].filter((part) => part !== null && part !== "");
  const index = unit.length > 1 ? unit : entry_of(trace, scope, name, unit[0]);
  return `${[...parts, state ? (looked_up(INITIAL, name) ?? name) : name].join("/")}[${index}]`;
}

/** The stage whose line, state, input or parameter it is; undefined for x. @param {Trace} trace @param {Place} place */
export const own_stage = (trace, { scope }) => trace.stages.find((stage) => stage.scope === scope);
/** The line that it is a unit of; undefined for a premise. @param {Trace} trace @param {Place} place */
export function own_line(trace, place) {
  const stage = own_stage(trace, place);
  return stage && place.t !== null ? by_name(stage.cell).get(place.name) : undefined;
}

/** @param {Trace} trace @param {Place} place @returns {"line" | "parameter" | "input" | "initial" | "given" | "sum"} */
export function kind_of(trace, place) {
  const { scope, name, t } = place, stage = own_stage(trace, place);
  if (t === null) return trace.sums[scope]?.[name] ? "sum" : "parameter";
  if (!scope || !stage || stage.sources[name] === "valid") return "input";
  return own_line(trace, place) ? "line" : states(stage.cell).has(name) ? "initial" : "given";
}

/** The stages that read x, each with the name by which it does. @param {Trace} trace @returns {[Stage, string][]} */
const readers_of_x = (trace) => trace.stages.flatMap((stage) => Object.entries(stage.sources).filter(([, source]) => source === "x").map(([name]) => /** @type {[Stage, string]} */ ([stage, name])));
/** The stage and the name by which it is printed: its own; for x those of the first stage that reads it. @param {Trace} trace @param {Place} place @returns {[Stage | undefined, string]} */
export const read_as = (trace, place) => (place.scope ? [own_stage(trace, place), place.name] : (readers_of_x(trace)[0] ?? [undefined, "x_t"]));

/** The array that has a number: of a step and sequence its units, of a parameter its own. @param {Trace} trace @param {Place} place @returns {Values} */
export function array_of(trace, place) {
  const { scope, name, t, b } = place, stage = own_stage(trace, place);
  if (scope && t === null) {
    const found = trace.sums[scope]?.[name] ?? trace.parameters[scope]?.[name];
    if (found) return found;
  }
  const values = scope ? stage && operand(trace, stage, name) : trace.x;
  if (!values || b === null) throw new MissingError(`${scope}/${name} was not recorded`);
  const width = values.shape[2], at = (((t ?? 0) - first_of(trace)) * values.shape[1] + b) * width;
  return { shape: [width], data: values.data.subarray(at, at + width) };
}

/** A number of an array by its index. @param {Values} values @param {number[]} index */
export const entry_at = ({ shape, data }, index) => data[index.length > 1 ? index[0] * shape[1] + index[1] : index[0]];

/** The place that a full address names. @param {Trace} trace @param {string} text @returns {Place} */
export function located(trace, text) {
  const found = /^(.*?)(?:\[(\d+(?:,\d+)?)\])?$/s.exec(text.trim()), index = found?.[2]?.split(",").map(Number);
  const parts = /** @type {RegExpExecArray} */ (found)[1].split("/"), missing = () => new MissingError(`the run has no ${text}`);
  const scoped = trace.stages.some(({ scope }) => scope === `${parts[0]}/${parts[1]}`);
  const scope = scoped ? parts.splice(0, 2).join("/") : "";
  const numbers = [];
  while (parts.length > 1 && /^\d+$/.test(parts[0]) && numbers.length < 2) numbers.push(Number(parts.shift()));
  const name = parts.join("/"), stage = scope ? stage_of(trace, scope) : null, state = looked_up(STATE, name) ?? name;
  /** @type {Place} */
  let place = { scope, name: scope ? name : "x_t", t: null, b: null, unit: [] };
  if (!scope && (numbers.length !== 2 || !trace.x)) throw missing();
  const columns = columns_of(trace, scope, stage && states(stage.cell).has(state) ? state : name);
  const flat = index?.length === 2 && columns && numbers.length ? [index[0] * columns + index[1]] : (index ?? []);
  if (flat !== index && index?.length === 2 && (columns ?? 0) <= index[1]) throw missing();
  if (numbers.length === 2) {
    const [t, b] = numbers;
    if (!is_step(trace, t) || b >= extent(trace)[1]) throw missing();
    place = scope ? location_of(trace, [scope, name, t, b, flat]) : { ...place, t, b, unit: flat };
  } else if (numbers.length === 1 && stage && states(stage.cell).has(state)) {
    if (!trace.initial[scope]?.[state]) throw missing();
    const steps = span(trace);
    place = { scope, name: state, t: /** @type {number} */ (steps.at(backwards(stage) ? -1 : 0)), b: numbers[0], unit: flat };
  } else if (numbers.length === 0 && (trace.parameters[scope]?.[name] || trace.sums[scope]?.[name])) place = { ...place, unit: flat };
  else throw missing();
  const { shape, data } = array_of(trace, place);
  const unit = place.unit.length || data.length > 1 ? place.unit : shape.map(() => 0);
  if (unit.length !== shape.length || unit.some((n, axis) => n >= shape[axis])) throw missing();
  return { ...place, unit };
}

/** The first `most` recorded numbers that read a number, in computing order, and how many more there are. @param {Trace} trace @param {Place} place @param {number} most @returns {[Place[], number]} */
export function consumers(trace, place, most) {
  const { scope, name, t, b, unit } = place, rows = [...Array(extent(trace)[1]).keys()];
  /** @type {Place[]} */
  const found = [];
  let count = 0;
  const seen = new Set();
  // a parameter is read at every step; any other number as itself, as a state in the next step, as another's input
  const known = t === null ? trace.stages.filter((stage) => owner(stage) === scope).map((stage) => /** @type {[Stage, string, null]} */ ([stage, name, null]))
    : (scope ? [/** @type {[Stage, string]} */ ([stage_of(trace, scope), name])] : readers_of_x(trace)).flatMap(([stage, own]) => [...passed(trace, stage, own, t)]);
  for (const [stage, own, step] of known) {
    for (const line of readers(stage.cell).get(own) ?? []) {
      const values = trace.lines[stage.scope]?.[line.name], key = `${stage.scope}/${step}/${line.name}`;
      if (!values || seen.has(key)) continue;
      seen.add(key);
      const units = units_that_read(trace, stage, line, own, unit, values.shape[2]), steps = t === null ? span(trace) : [/** @type {number} */ (step)];
      const those = t === null ? rows : [/** @type {number} */ (b)];
      count += steps.length * those.length * units.length;
      for (const s of steps) for (const row of those) for (const j of units) if (found.length < most) found.push({ scope: stage.scope, name: line.name, t: s, b: row, unit: [j] });
    }
  }
  return [found, count - found.length];
}

/** A value of a stage, and where it is handed on to: to the next step, to other stages. @param {Trace} trace @param {Stage} stage @param {string} name @param {number} t @returns {Generator<[Stage, string, number]>} */
function* passed(trace, stage, name, t) {
  yield [stage, name, t];
  const after = 2 * t - step_before(stage, t);
  if (is_step(trace, after)) for (const [state, line] of stage.cell.carry) if (line === name) yield* passed(trace, stage, state, after);
  for (const other of trace.stages) for (const [fed, of] of Object.entries(other.sources)) if (of === `${stage.scope}/${name}`) yield* passed(trace, other, fed, t);
}

/** The units of a line that read an entry of an operand. @param {Trace} trace @param {Stage} stage @param {Line} line @param {string} name @param {number[]} index @param {number} width @returns {number[]} */
function units_that_read(trace, stage, line, name, index, width) {
  const all = [...Array(width).keys()], { op, operands } = line, kind = OPERATIONS[op].width, columns = columns_of(trace, stage.scope, name) ?? 1;
  const [row, last] = index.length === 1 ? [entry_of(trace, stage.scope, name, index[0])[0], /** @type {number} */ (entry_of(trace, stage.scope, name, index[0]).at(-1))] : index;
  const of_matrix = product(line)?.[0] ?? { memvec: operands[0], vecmem: operands[1] }[op];
  if (of_matrix !== undefined) return name === of_matrix ? [op.startsWith("vec") ? last : row] : all;
  const unit = index.length === 1 ? index[0] : index[0] * columns + index[1];
  if (op === "outer") {
    const grid = columns_of(trace, stage.scope, line.name) ?? 1;
    return all.filter((k) => (name === operands[0] && unit === Math.floor(k / grid)) || (name === operands[1] && unit === k % grid));
  }
  if (kind === "one") return [0];
  if (kind === "slice") return all.filter((k) => k === unit - line.constants[0]);
  const sizes = operands.map((one) => operand(trace, stage, one)?.shape.at(-1) ?? 1);
  if (kind === "concat") return operands.flatMap((one, k) => (one === name ? [sizes.slice(0, k).reduce((a, c) => a + c, 0) + unit] : []));
  return sizes[operands.indexOf(name)] === 1 ? all : [unit]; // a value of width 1 serves every unit
}
