import { matrices } from "./cells.js";
import { backwards, owner, scope_and_name } from "./sizes.js";

// The values of a trace by the names that its equations read.

/** @import { Operand, Scoped, Stage, Trace, Values } from "./types.js" */

/** A mapping with other values. It has no prototype, since names are those of a stranger: `constructor` is not there
 *  unless it was given. @template A, B @param {{[key: string]: A}} mapping @param {(value: A, key: string) => B} change
 *  @returns {{[key: string]: B}} */
export function mapped(mapping, change) {
  const found = Object.create(null);
  for (const [key, value] of Object.entries(mapping)) found[key] = change(value, key);
  return found;
}

/** Arrays by scope and name, each changed. @param {Scoped} part @param {(values: Values) => Values} change @returns {Scoped} */
export const each_array = (part, change) => mapped(part, (here) => mapped(here, change));

/** Zeros of a shape. @type {(...shape: number[]) => Values} */
export const zeros = (...shape) => ({ shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) });

/** The first recorded step, as a position in the input. @param {Trace} trace */
export const first_of = (trace) => /** @type {any} */ (trace.head).first ?? 0;

/** Steps and sequences. @param {Trace} trace @returns {[number, number]} */
export function extent(trace) {
  const { steps, batch } = /** @type {any} */ (trace.head);
  return [steps, batch];
}

/** 1 at the valid steps of each sequence and 0 at padding: (T, B, 1). @param {Trace} trace */
function valid(trace) {
  const [steps, batch] = extent(trace), found = zeros(steps, batch, 1), first = first_of(trace);
  for (let t = 0; t < steps; t++) {
    for (let b = 0; b < batch; b++) {
      const inside = trace.mask ? trace.mask[t][b] : !trace.lengths || first + t < trace.lengths[b];
      found.data[t * batch + b] = Number(inside);
    }
  }
  return found;
}

/**
 * What a line of a stage reads as `name`: (T, B, width) for lines, inputs and states, parameters in their own shape, and
 * (1,) for a number; null if the trace does not have it.
 * @param {Trace} trace
 * @param {Stage} stage
 * @param {Operand} name
 * @returns {Values | null}
 */
export function operand(trace, stage, name) {
  if (typeof name === "number") return { shape: [1], data: Float64Array.of(name) };
  const line = trace.lines[stage.scope]?.[name];
  if (line) return line;
  const carried = stage.cell.carry.find(([state]) => state === name);
  if (carried) return step_before(trace, stage, name, carried[1]);
  const source = stage.sources[name];
  if (source === "x") return trace.x;
  if (source === "valid") return valid(trace);
  if (source === "given") return trace.given[stage.scope]?.[name] ?? null;
  if (source) {
    const [scope, there] = scope_and_name(source), other = trace.stages.find((one) => one.scope === scope);
    return other ? operand(trace, other, there) : null;
  }
  const found = trace.parameters[owner(stage)]?.[name];
  if (!found) return null;
  return matrices(stage.cell).has(name) ? { shape: [found.data.length], data: found.data } : found;
}

/** A state at every step: the line that it carries one step earlier in the order of computation, the initial value
 *  first. @param {Trace} trace @param {Stage} stage @param {string} state @param {string} line @returns {Values | null} */
function step_before(trace, stage, state, line) {
  const [steps, batch] = extent(trace), back = backwards(stage);
  const later = steps > 1 ? operand(trace, stage, line) : null;
  const width = trace.initial[stage.scope]?.[state]?.shape[1] ?? trace.widths[stage.scope]?.[state];
  if (!width || (steps > 1 && !later)) return null;
  const found = zeros(steps, batch, width), size = batch * width;
  const initial = trace.initial[stage.scope]?.[state]?.data;
  if (initial) found.data.set(initial, back ? size * (steps - 1) : 0);
  if (later) found.data.set(back ? later.data.subarray(size) : later.data.subarray(0, size * (steps - 1)), back ? 0 : size);
  return found;
}
