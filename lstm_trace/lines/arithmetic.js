/** @param {string} name @returns {any} */
export function arithmetic(name) { throw new Error(name); }
/** @param {string} dtype @returns {(v: number) => number} */
export const dtype_rounding = (dtype) => dtype === "float32" ? Math.fround : (v) => v;
