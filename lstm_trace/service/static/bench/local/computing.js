// Lines computed again from recorded numbers, and what the numbers of a trace are called here.
import { OPERATIONS } from "../../../../lines/operations.js";
import { first_of } from "../../../../lines/values.js";
import { head_of } from "./labels.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Values} Array */
/** @typedef {import("./formulas/tree.js").Key} Key */

export const is_single = (/** @type {Trace} */ trace) => head_of(trace).dtype === "float32";
export const range = (/** @type {number} */ n) => [...globalThis.Array(n).keys()];
/** The same text for equal keys. @param {Key} key */
export const key_text = ([scope, name, t, b, index]) => `${scope}/${name}/${t}/${b}/${index}`;
/** Index of the operand whose units a product or reduction sums. @param {Line} line */
export const summed = ({ op, operands }) => (op === "vecmat" || op === "vecmem" ? 0 : operands.length - 1);

/** A line computed from the numbers of its operands at one step and sequence. @param {Line} line @param {{data: Float64Array, shape: number[]}[]} operands @param {number} width @param {boolean} single */
export function computed({ op, constants }, operands, width, single) {
  const out = new Float64Array(width), rounded = single ? Math.fround : Number;
  const fit = (/** @type {Float64Array} */ data) => (single && data.length === 1 ? data.map(rounded) : data); // a number of an equation
  const read = operands.map(({ data, shape }) => ({ data: fit(data), at: 0, width: /** @type {number} */ (shape.at(-1)), unit: data.length === 1 ? 0 : 1 }));
  OPERATIONS[op](out, 0, width, read, single ? constants.map(rounded) : constants, rounded);
  return single ? out.map(rounded) : out;
}

/** The numbers of an operand at a step and sequence; of a parameter all of them. @param {Trace} trace @param {Array} values @param {number} t @param {number} b @returns {Array} */
export function here(trace, values, t, b) {
  if (values.shape.length < 3) return values;
  const [, batch, width] = values.shape, at = ((t - first_of(trace)) * batch + b) * width;
  return { shape: [width], data: values.data.subarray(at, at + width) };
}
