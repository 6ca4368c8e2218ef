// Where a line reads the numbers of a trace: exact.py has `made`, and trace.py the steps.
import { states } from "../../../../lines/cells.js";
import { backwards, scope_and_name } from "../../../../lines/sizes.js";
import { extent, first_of } from "../../../../lines/values.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Values} Values */
/** @typedef {import("./formulas/tree.js").Key} Key */

/** What a page cannot show, since the trace does not have it. */
export class MissingError extends Error {
  name = "MissingError";
  /** As a server would refuse it. */
  problems = [this.message];
}

/** @param {Trace} trace @param {string} scope @returns {Stage} */
export function stage_of(trace, scope) {
  const found = trace.stages.find((stage) => stage.scope === scope);
  if (!found) throw new MissingError(`there is no '${scope}'; there are ${trace.stages.map((stage) => stage.scope).join(", ")}`);
  return found;
}

/** The recorded steps, as positions in the input. @param {Trace} trace */
export const span = (trace) => Array.from({ length: extent(trace)[0] }, (_, k) => k + first_of(trace));
/** @param {Trace} trace @param {number | null} t */
export const is_step = (trace, t) => t !== null && t >= first_of(trace) && t < first_of(trace) + extent(trace)[0];
/** The step before another one in the order of computation. @param {Stage} stage @param {number} t */
export const step_before = (stage, t) => t + (backwards(stage) ? 1 : -1);
/** The number of an array at a step, which is a position in the input, and sequence. @param {Trace} trace @param {Values} values @param {number} t @param {number} b @param {number} unit */
export function number_at(trace, { shape, data }, t, b, unit) {
  return data[((t - first_of(trace)) * shape[1] + b) * shape[2] + unit];
}

/** The columns of a value that is a matrix; null for any other. @param {Trace} trace @param {string} scope @param {string} name */
export const columns_of = (trace, scope, name) => trace.grids[scope]?.[name]?.[1] ?? null;

/** Where a state or another layer's input comes from; for anything else the key itself. @param {Trace} trace @param {Key} key @returns {Key} */
export function made(trace, key) {
  const [scope, name, t, b, index] = key, stage = stage_of(trace, scope), line = states(stage.cell).get(name);
  if (line !== undefined) return [scope, line, step_before(stage, /** @type {number} */ (t)), b, index];
  const [source, there] = scope_and_name(stage.sources[name] ?? "");
  return source ? [source, there, t, b, index] : key;
}
