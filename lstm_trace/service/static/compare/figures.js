// Numbers as they are shown: a few digits in tables, all of them where one value is looked at.

/** A number of a reply: infinities and NaN arrive as strings. */
export const number = (value) => (value === null || value === undefined ? NaN : Number(value));

/**
 * A number with a few significant digits, short enough for a table.
 * @param {number | string | null} value
 * @param {number} digits significant digits
 */
export function short(value, digits = 3) {
  const x = number(value);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-4 && size < 1e6 ? String(Number(x.toPrecision(digits))) : x.toExponential(digits - 1).replace(/\.?0*e/, "e");
  return text.replace("e+", "e").replaceAll("-", "−");
}

/** A number in full: the shortest text that reads back as the same float64. */
export function full(value) {
  const x = number(value);
  return Number.isFinite(x) ? String(x).replaceAll("-", "−") : short(x);
}

/** The same with its sign, for differences. */
export const signed = (value, shown = full) => (number(value) > 0 ? "+" : "") + shown(value);
