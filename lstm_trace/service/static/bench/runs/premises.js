/** @import { Scoped, Stage, Trace, Values } from "../../../../lines/types.js" */
import { labelled } from "../../../../lines/network.js";
import { forward_stages } from "../../../../lines/sizes.js";
import { looked_up, named } from "../../../../lines/values.js";
import { STATE } from "../local/places.js";

// Premises of a trace with other numbers in them, as lstm_trace/model/edit.py puts them there. Nothing is computed here.

/** An edit that cannot be made: `problems` says why. */
export class EditError extends Error {
  /** @param {string[]} problems */
  constructor(...problems) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

const PLACE = /^(?:(\d+\/[a-z][\w-]*)\/)?(?:(\d+)\/)?(?:(\d+)\/)?(\w+)(?:\[([\d,\s]*)\])?$/;

/** Nested lists of numbers as an array. @param {string} text the address, for messages @param {any} value @returns {Values} */
export function array_of(text, value) {
  const shape = [];
  for (let part = value; Array.isArray(part); part = part[0]) shape.push(part.length);
  const data = Float64Array.from([value].flat(Infinity), (one) => (typeof one === "number" || typeof one === "string" ? Number(one) : NaN));
  if (data.length !== shape.reduce((all, n) => all * n, 1)) throw new EditError(`${text}: expected an array of numbers, all of whose rows have the same length`);
  return { shape, data };
}

const shaped = (/** @type {number[]} */ shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

/** @param {string} text @param {Values} values */
function finite(text, values) {
  const wrong = values.data.find((one) => !Number.isFinite(one));
  if (wrong !== undefined) throw new EditError(`${text}: a weight is a finite number; found ${wrong}`);
}

/**
 * Premises with some values changed.
 * @param {Trace} trace
 * @param {{address: string, value: any}[]} edits later ones win
 * @returns {{trace: Trace, missing: {scope: string, name: string, values: Values, text: string}[]}}
 *   missing: weights that the equations do not read yet; trace: without lines that fit, where its input is longer or
 *   shorter, or a weight has another shape
 */
export function with_premises(trace, edits) {
  const found = { ...trace, parameters: { ...trace.parameters }, initial: { ...trace.initial }, given: { ...trace.given } };
  const missing = /** @type {{scope: string, name: string, values: Values, text: string}[]} */ ([]);
  for (const { address, value } of edits) {
    const left = put(found, address, value);
    if (left) missing.push(left);
  }
  return { trace: found, missing };
}

/** Whether a trace has the premise that an address names. @param {Trace} trace @param {string} address */
export function has_premise(trace, address) {
  const [, scope, , , name = ""] = PLACE.exec(address.trim()) ?? [], state = looked_up(STATE, name) ?? name;
  const stages = forward_stages(trace).filter((stage) => !scope || stage.scope === scope);
  return (name[0] === "x" && trace.x !== null) || stages.some((stage) => trace.parameters[stage.scope]?.[name] || trace.given[stage.scope]?.[name] || stage.cell.carry.some(([one]) => one === state));
}

/** Puts one value into premises that may be changed; returns a weight that is not there yet.
 *  @param {Trace} trace @param {string} text @param {any} value */
function put(trace, text, value) {
  const [, scope, first, second, name, index] = PLACE.exec(text.trim()) ?? [];
  if (name === undefined) throw new EditError(`${text}: expected the address of a premise, such as W_xi[0,1], 2/0/x_t[1] or x`);
  const values = array_of(text, value), numbers = [first, second].filter((one) => one !== undefined).map(Number);
  // an address without a place is as it is printed, and counts as the problem does
  const from = text.includes("/") ? 0 : /** @type {any} */ (trace.head).count_from ?? 0;
  const indices = index === undefined ? null : index.split(",").map((one) => Number(one) - from);
  if ((name === "x" || name === "x_t") && trace.x) return put_input(trace, text, numbers, indices, values);
  const stages = forward_stages(trace).filter((stage) => !scope || stage.scope === scope);
  const owners = stages.filter((stage) => trace.parameters[stage.scope]?.[name]);
  const state = looked_up(STATE, name) ?? name;
  const carrying = stages.filter((stage) => stage.cell.carry.some(([one]) => one === state));
  const taking = stages.filter((stage) => trace.given[stage.scope]?.[name]);
  if (owners.length) return put_weight(trace, one_of(text, name, owners), name, text, indices, values);
  if (carrying.length && !taking.length) return put_state(trace, text, carrying, state, numbers, indices, values);
  if (taking.length) return put_given(trace, text, one_of(text, name, taking), name, numbers, indices, values);
  if (stages.some((stage) => stage.cell.lines.some((line) => line.name === name))) throw new EditError(`${name} is computed, and only premises can be edited: ${names_of(trace)}`);
  if (indices || numbers.length || !values.shape.length) throw new EditError(`${text}: the trace has no such premise; it has ${names_of(trace)}`);
  finite(text, values);
  return { scope: scope ?? forward_stages(trace)[0].scope, name, values, text };
}

/** @param {string} text @param {string} name @param {Stage[]} stages */
function one_of(text, name, stages) {
  if (stages.length > 1) throw new EditError(`${text} is in ${stages.map((stage) => stage.scope).join(", ")}: write ${stages[0].scope}/${name}`);
  return stages[0].scope;
}

/** The names of the premises, for messages. @param {Trace} trace */
function names_of(trace) {
  const inner = (/** @type {Scoped} */ part) => Object.values(part).flatMap((here) => Object.keys(here));
  const states = inner(trace.initial).map((state) => Object.keys(STATE).find((short) => STATE[short] === state) ?? state);
  return [...new Set([...inner(trace.parameters), ...(trace.x ? ["x_t"] : []), ...states, ...inner(trace.given)])].join(", ");
}

/** Some axes of an array at the given places, all of it where there are none, with other numbers.
 *  @param {string} text @param {Values} there @param {number[]} at @param {Values} values @returns {Values} */
function replaced(text, there, at, values) {
  const outside = at.length > there.shape.length || at.some((k, axis) => !(k >= 0 && k < there.shape[axis]));
  if (outside) throw new EditError(`${text}: there is no such number; its shape is ${shaped(there.shape)}`);
  const rest = there.shape.slice(at.length), size = rest.reduce((all, n) => all * n, 1);
  const plain = (/** @type {number[]} */ shape) => String(shape.filter((n) => n !== 1));
  if (values.data.length !== size || plain(values.shape) !== plain(rest)) {
    const said = (/** @type {number[]} */ shape) => (shape.length ? `an array of shape ${shaped(shape)}` : "a number");
    throw new EditError(`${text}: expected ${said(rest)}, found ${said(values.shape)}`);
  }
  const data = there.data.slice();
  data.set(values.data, at.reduce((from, k, axis) => from + k * there.shape.slice(axis + 1).reduce((all, n) => all * n, 1), 0));
  return { shape: there.shape, data };
}

/** Indices of a unit, of a matrix by row and column. @param {Trace} trace @param {string} scope @param {string} name @param {number[] | null} indices */
function unit(trace, scope, name, indices) {
  const grid = trace.grids[scope]?.[name];
  if (!indices) return [];
  if (grid && indices.length === 2 && indices[1] < grid[1]) return [indices[0] * grid[1] + indices[1]];
  return grid || indices.length !== 1 ? [Infinity] : indices;
}

/** @param {Trace} trace @param {"parameters" | "initial" | "given"} part @param {string} scope @param {string} name @param {Values} values */
const set = (trace, part, scope, name, values) => { trace[part][scope] = Object.assign(named(Object.entries(trace[part][scope] ?? {})), named([[name, values]])); };

/** @param {Trace} trace @param {string} scope @param {string} name @param {string} text @param {number[] | null} indices @param {Values} values */
function put_weight(trace, scope, name, text, indices, values) {
  const there = trace.parameters[scope][name];
  finite(text, values);
  if (!indices && there.shape.length && !values.shape.length) throw new EditError(`${text}: expected an array of shape ${shaped(there.shape)}, found a number`);
  const other = !indices && String(values.shape) !== String(there.shape) && !(values.data.length === 1 && there.data.length === 1);
  set(trace, "parameters", scope, name, other ? values : replaced(text, there, indices ?? [], values));
  return null;
}

/** @param {Trace} trace @param {string} text @param {Stage[]} stages @param {string} state @param {number[]} numbers @param {number[] | null} indices @param {Values} values */
function put_state(trace, text, stages, state, numbers, indices, values) {
  const scopes = indices || numbers.length ? [one_of(text, state, stages)] : stages.map((stage) => stage.scope);
  for (const scope of scopes) {
    const there = trace.initial[scope]?.[state];
    if (!there) throw new EditError(`${text}: no computed line reads the initial state of ${scope}`);
    const rows = numbers.length ? [numbers[numbers.length - 1]] : there.shape[0] === 1 ? [0] : [];
    const at = indices ? [rows[0] ?? 0, ...unit(trace, scope, state, indices)] : rows;
    const every = !indices && !rows.length && values.data.length === there.shape[1]; // one row, for every sequence
    const given = every ? { shape: there.shape, data: Float64Array.from(there.data, (_, k) => values.data[k % there.shape[1]]) } : values;
    set(trace, "initial", scope, state, replaced(text, there, at, given));
  }
  return null;
}

/** @param {Trace} trace @param {string} text @param {string} scope @param {string} name @param {number[]} numbers @param {number[] | null} indices @param {Values} values */
function put_given(trace, text, scope, name, numbers, indices, values) {
  const there = trace.given[scope][name];
  const whole = !indices && !numbers.length;
  const given = whole ? inward(trace, values) : values;
  set(trace, "given", scope, name, replaced(text, there, whole ? [] : [...step_of(trace, text, numbers), ...unit(trace, scope, name, indices)], given));
  return null;
}

/** Step and sequence as indices. @param {Trace} trace @param {string} text @param {number[]} numbers */
function step_of(trace, text, numbers) {
  const { first = 0, steps, batch } = /** @type {any} */ (trace.head), [t = first, b = 0] = numbers;
  if (t < first || t >= first + steps || b >= batch) throw new EditError(`${text}: the run has steps ${first} to ${first + steps - 1} of ${batch} sequence${batch === 1 ? "" : "s"}`);
  return [t - first, b];
}

/** An array [step][sequence][unit] from the layout in which x is given. @param {Trace} trace @param {Values} values @returns {Values} */
function inward(trace, { shape, data }) {
  if (shape.length === 2) return { shape: [shape[0], 1, shape[1]], data };
  if (shape.length !== 3 || !(/** @type {any} */ (trace.head).batch_first)) return { shape, data };
  const [batch, steps, width] = shape, turned = new Float64Array(data.length);
  for (let b = 0; b < batch; b += 1) for (let t = 0; t < steps; t += 1) turned.set(data.subarray((b * steps + t) * width, (b * steps + t + 1) * width), (t * batch + b) * width);
  return { shape: [steps, batch, width], data: turned };
}

/** @param {Trace} trace @param {string} text @param {number[]} numbers @param {number[] | null} indices @param {Values} values */
function put_input(trace, text, numbers, indices, values) {
  const there = /** @type {Values} */ (trace.x), head = /** @type {any} */ (trace.head);
  if (indices || numbers.length) {
    trace.x = replaced(text, there, [...step_of(trace, text, numbers), ...unit(trace, forward_stages(trace)[0].scope, "x_t", indices)], values);
    return null;
  }
  const x = inward(trace, values), [steps, batch, width] = x.shape;
  if (x.shape.length !== 3 || width !== there.shape[2] || !steps) throw new EditError(`${text}: expected steps of ${there.shape[2]} numbers, found an array of shape ${shaped(values.shape)}`);
  if (batch !== head.batch) throw new EditError(`${text}: expected ${head.batch} sequence${head.batch === 1 ? "" : "s"}, found ${batch}`);
  trace.x = x;
  if (steps !== head.steps) trace.head = { ...head, steps, names: labelled(head.names, steps) };
  return null;
}
