// In the place of the grammar, the syntax and the other arithmetics, which a report need not carry (`script` of live.py):
// its cells stand in the page as they were parsed.

/** @import { Cell, Trace } from "../../lines/types.js" */

/** The cells of the page by their equations. @type {Map<string, Cell>} */
export const cells = new Map();

/** @param {string} equations @returns {Cell} */
export function parse(equations) {
  const found = cells.get(equations);
  if (!found) throw new Error("its equations were changed");
  return found;
}

/** @param {string} text */
export const is_identifier = (text) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(text);

/** @param {string} what @returns {never} */
const missing = (what) => { throw new Error(`this page has no ${what}`); };
/** @param {string} text */
export const syntax = (text) => missing(text);
/** @param {string} name */
export const arithmetic = (name) => missing(name);
/** @param {string} dtype @returns {(value: number) => number} */
export const dtype_rounding = (dtype) => (dtype === "float32" ? Math.fround : (value) => value);

/** What a trace says of itself. @param {Trace} trace @returns {any} */
export const head_of = (trace) => trace.head;
