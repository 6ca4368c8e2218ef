// Numbers as they are shown: a few digits in tables, all of them where one value is looked at.

const SPECIAL = { NaN: "NaN", Infinity: "∞", "-Infinity": "−∞" };

/** A number of a reply, in which infinities and NaN are texts; NaN where there is none. */
export const value_of = (given) => (given === null || given === undefined ? NaN : Number(given));

/** With a minus sign; the point is a point in every language, as it is in reports. */
const dressed = (text) => text.replace(/^-/, "−").replace("e-", "e−").replace("e+", "e");

/** A text in which negative numbers have a minus sign. */
export const minus = (text) => text.replace(/(^|[^\w.,])-(?=[\d.∞])/g, "$1−").replace(/-(?=\d+\})/g, "−");

/** The number in full: the shortest text that is read back as the same number. */
export function full(given) {
  const number = value_of(given);
  if (!Number.isFinite(number)) return SPECIAL[String(number)];
  return dressed(Object.is(number, -0) ? "-0" : String(number));
}

/** The number in full where it is short, else its first four digits: for grids, in which columns stand close. */
export function brief(given) {
  const text = full(given);
  const number = value_of(given);
  if (text.length <= 7 || !Number.isFinite(number)) return text;
  const size = Math.abs(number);
  return dressed(size >= 1e5 || size < 1e-3 ? number.toExponential(1) : number.toPrecision(4).replace(/\.$/, ""));
}

/** Rounded to so many decimals; what they would round to zero keeps two digits of its own. */
export function rounded(given, digits = 4) {
  const number = value_of(given);
  if (!Number.isFinite(number)) return SPECIAL[String(number)];
  const size = Math.abs(number);
  if (size === 0) return "0";
  if (size >= 1e7 || size < 0.5 * 10 ** -digits) return dressed(number.toExponential(2));
  return dressed(number.toFixed(digits));
}

/** A number with a few significant digits, short enough for a table. */
export function short(given, digits = 3) {
  const number = value_of(given);
  if (!Number.isFinite(number)) return SPECIAL[String(number)];
  if (number === 0) return "0";
  const size = Math.abs(number);
  const plain = size >= 1e-4 && size < 1e6;
  return dressed(plain ? String(Number(number.toPrecision(digits))) : number.toExponential(digits - 1).replace(/\.?0*e/, "e"));
}

/** A difference, with its sign. @param {(given: any) => string} [shown] how its size is written */
export const signed = (given, shown = full) => (value_of(given) > 0 ? "+" : "") + shown(given);
