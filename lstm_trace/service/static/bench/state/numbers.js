// Numbers as they are shown and dragged.

const SPECIAL = { NaN: "NaN", Infinity: "∞", "-Infinity": "−∞" };

/** A number of a reply: finite ones are numbers, the others texts. */
export const value_of = (given) => (typeof given === "string" ? Number(given) : given);

/** With a minus sign; the point is a point in every language, as it is in reports. */
const dressed = (text) => text.replace(/^-/, "−").replace("e-", "e−").replace("e+", "e");

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

/** A difference, with its sign. */
export function signed(number, digits = 4) {
  const text = rounded(number, digits);
  return number > 0 ? `+${text}` : text;
}

const hundredth = (size) => (size < 0.1 ? 0.001 : 10 ** (Math.floor(Math.log10(size)) - 2)); // of the leading digit's place

/**
 * How fast a number changes when it is dragged: by `step` for each `pixels`. A zero has no digit to go by: it follows
 * the largest number beside it, and moves by a hundredth for each pixel at least.
 * @param {number[]} beside numbers of its grid
 */
export function drag_rate(number, beside) {
  if (number !== 0) return { step: hundredth(Math.abs(number)), pixels: 3 };
  return { step: Math.max(0.01, ...beside.map(Math.abs).filter(Number.isFinite).map(hundredth)), pixels: 1 };
}

/** A sum of a number and steps, without the digits that binary fractions leave behind. */
export const tidy = (number, step) => Number(number.toFixed(Math.max(0, Math.min(15, 2 - Math.floor(Math.log10(step))))));
