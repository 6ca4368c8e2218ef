// How a number is displayed: rounded for display only; noise is never shown as a value, nor a value as zero. As in
// lstm_trace/formulas/numbers.py: a float stands for the shortest decimal that reads back equal in its dtype.

/** @typedef {{negative: boolean, digits: string, exponent: number | null}} Shown   a number as printed, in parts; digits: `0.4`, `0,4`, or a word (`nan`, `inf`) */
/** @typedef {{n: bigint, d: bigint}} Fraction   in lowest terms, d > 0 */
/**
 * How numbers are displayed. digits: decimals, all if null. significant: this many significant digits instead. lines:
 * decimals of single lines. comma: a decimal comma. kept: whether trailing zeros are kept. written: whether given numbers
 * are shown as they were written, if that is not longer; given: their decimals, `digits` if undefined.
 * @typedef {{digits: number | null, significant?: number | null, lines?: {[name: string]: number}, comma?: boolean, kept?: boolean, written?: boolean, given?: number | null}} Style
 */
/** @typedef {{c: bigint, e: number}} Decimal   a magnitude, c × 10^e */

/** Numbers from this size are written with an exponent. */
const LARGE = 12;
const ten = (/** @type {number} */ power) => 10n ** BigInt(power);

// -- fractions --------------------------------------------------------------------------------------------------------

const size = (/** @type {bigint} */ n) => (n < 0n ? -n : n);

/** n/d in lowest terms; d is not 0. @param {bigint} n @param {bigint} [d] @returns {Fraction} */
export function ratio(n, d = 1n) {
  let [a, b] = [size(n), size(d)];
  while (b) [a, b] = [b, a % b];
  const by = d < 0n ? -(a || 1n) : a || 1n;
  return by === 1n ? { n, d } : { n: n / by, d: d / by };
}

/** @param {Fraction} a @param {Fraction} b */
export const plus = (a, b) => ratio(a.n * b.d + b.n * a.d, a.d * b.d);
/** @param {Fraction} a @param {Fraction} b */
export const times = (a, b) => ratio(a.n * b.n, a.d * b.d);
/** @param {Fraction} a @param {Fraction} b */
export const over = (a, b) => ratio(a.n * b.d, a.d * b.n);
/** @param {Fraction} a @returns {Fraction} */
export const minus = (a) => ({ n: -a.n, d: a.d });
/** Below 0, 0 or above 0, as a - b. @param {Fraction} a @param {Fraction} b */
export const compared = (a, b) => Number(a.n * b.d > b.n * a.d) - Number(a.n * b.d < b.n * a.d);
/** @param {Fraction | null} a @param {Fraction | null} b */
export const equal = (a, b) => a === b || (a !== null && b !== null && a.n === b.n && a.d === b.d);
/** @param {Decimal} size @returns {Fraction} */
const as_fraction = ({ c, e }) => (e < 0 ? ratio(c, ten(-e)) : { n: c * ten(e), d: 1n });

// -- decimals ---------------------------------------------------------------------------------------------------------

/** The shortest text that reads back as the same number, in float32 if it is one of that. @param {number} value @param {boolean} [single] */
export function shortest(value, single = false) {
  if (!single || value === 0 || !Number.isFinite(value)) return String(value);
  let digits = 1;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  const exact = magnitude(value.toPrecision(60)); // of two that are as near, the even one
  const { c, e } = to_significant(exact, digits);
  return String(Number(`${value < 0 ? "-" : ""}${c}e${e}`));
}

/** The magnitude of a decimal text. @param {string} text @returns {Decimal} */
function magnitude(text) {
  const [, whole, part = "", e = "0"] = /** @type {RegExpExecArray} */ (/^-?(\d+)(?:[.,](\d*))?(?:e([+-]?\d+))?$/.exec(text));
  return { c: BigInt(whole + part), e: Number(e) - part.length };
}

/** The exponent of its first digit. @param {Decimal} size */
const adjusted = ({ c, e }) => String(c).length - 1 + e;

/** With at most so many decimals, half to even; all if null. @param {Decimal} size @param {number | null} digits @returns {Decimal} */
function rounded({ c, e }, digits) {
  if (digits === null || -e <= digits) return { c, e };
  const unit = ten(-e - digits), rest = c % unit, half = 2n * rest;
  let up = c / unit;
  if (half > unit || (half === unit && up % 2n)) up += 1n;
  return { c: up, e: -digits };
}

/** With so many significant digits, half to even. @param {Decimal} size @param {number} count @returns {Decimal} */
function to_significant(size, count) {
  const places = count - 1 - adjusted(size);
  if (places >= 0 || size.e + places >= 0) return rounded(size, places);
  return { c: rounded({ c: size.c, e: size.e + places }, 0).c, e: -places }; // before the point, too
}

/** With the decimals that it needs, and at least so many zeros. @param {Decimal} size @param {number} [zeros] */
function text({ c, e }, zeros = 1) {
  const digits = e < 0 ? String(c).padStart(1 - e, "0") : String(c * ten(e));
  const point = e < 0 ? digits.length + e : digits.length;
  const part = digits.slice(point).replace(/0+$/, "").padEnd(zeros, "0");
  return digits.slice(0, point) + (part && `.${part}`);
}

/** The number that a person wrote for a value, exactly; null for NaN and infinities. @param {number} value @param {boolean} [single] @returns {Fraction | null} */
export function fraction(value, single = false) {
  if (!Number.isFinite(value)) return null;
  const found = as_fraction(magnitude(shortest(value, single)));
  return value < 0 ? minus(found) : found;
}

/** A float64 exactly. @param {number} value @returns {Fraction} */
export function exactly(value) {
  let d = 1n;
  for (; !Number.isInteger(value); value *= 2) d *= 2n;
  return ratio(BigInt(value), d);
}

/** The exact printed value; null for the words. @param {Shown} shown @returns {Fraction | null} */
export function printed({ negative, digits, exponent }) {
  if (digits === "nan" || digits === "inf") return null;
  const { c, e } = magnitude(digits);
  const found = as_fraction({ c, e: e + (exponent ?? 0) });
  return negative ? minus(found) : found;
}

// -- as displayed -----------------------------------------------------------------------------------------------------

const word = (/** @type {number} */ value) => ({ negative: value < 0, digits: Number.isNaN(value) ? "nan" : "inf", exponent: null });
const is_zero = (/** @type {number} */ value, /** @type {boolean} */ noise) => noise || value === 0;

/** Whether a number is so small that too few of its digits would be left: it is written with an exponent. @param {Decimal} size @param {number | null} digits */
const is_small = (size, digits) => adjusted(size) < (digits === null ? -6 : Math.min(Math.max(digits - 4, 1), 3) - 1 - digits);

/**
 * A value with at most so many decimals (all if null), without trailing zeros except `zeros` decimals.
 * @param {number} value @param {number | null} [digits]
 * @param {{noise?: boolean, zeros?: number, single?: boolean}} [how] noise: whether it is round-off residue near zero, shown as 0; single: whether it is a float32
 * @returns {Shown}
 */
export function show(value, digits = 8, { noise = false, zeros = 1, single = false } = {}) {
  if (!Number.isFinite(value)) return word(value);
  if (is_zero(value, noise)) return { negative: false, digits: text({ c: 0n, e: 0 }, zeros), exponent: null };
  const exact = magnitude(shortest(value, single)), negative = value < 0;
  let exponent = adjusted(exact);
  if (exponent < LARGE && !is_small(exact, digits)) return { negative, digits: text(rounded(exact, digits), zeros), exponent: null };
  let mantissa = rounded({ c: exact.c, e: exact.e - exponent }, digits);
  if (adjusted(mantissa) > 0) [mantissa, exponent] = [{ c: mantissa.c, e: mantissa.e - 1 }, exponent + 1];
  return { negative, digits: text(mantissa, zeros), exponent };
}

/** With so many significant digits. zeros: all significant ones are kept if null. @param {number} value @param {number} count @param {{noise: boolean, zeros: number | null, single: boolean}} how @returns {Shown} */
function significant(value, count, { noise, zeros, single }) {
  if (!Number.isFinite(value) || is_zero(value, noise)) return show(value, null, { noise, zeros: zeros ?? 1, single });
  const exact = magnitude(shortest(value, single)), size = to_significant(exact, count);
  const exponent = adjusted(size), [plain, own] = [as_fraction(size), as_fraction(exact)];
  const whole = plain.d === 1n && equal(plain, own) && exponent < LARGE;
  if ((-5 < exponent && exponent < count) || whole) return { negative: value < 0, digits: text(size, zeros ?? Math.max(count - 1 - exponent, 0)), exponent: null };
  return { negative: value < 0, digits: text({ c: size.c, e: size.e - exponent }, zeros ?? count - 1), exponent };
}

/** Half to even. @param {number} value */
function nearest(value) {
  const low = Math.floor(value), rest = value - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** Rounded as numpy does: scaled, in the dtype. @param {number} value @param {number} digits @param {boolean} single */
export function as_rounded(value, digits, single) {
  const fit = single ? Math.fround : Number, unit = fit(10 ** digits);
  return fit(nearest(fit(value * unit)) / unit);
}

/** Whether no value has more decimals than are shown of given numbers. @param {Style} style @param {Iterable<number>} values @param {boolean} [single] */
export function is_short(style, values, single = false) {
  const digits = style.given ?? style.digits;
  if (digits === null) return true;
  for (const value of values) if (as_rounded(value, digits, single) !== value && !Number.isNaN(value)) return false;
  return true;
}

/** Whether all digits are shown. @param {Style} style */
export const is_whole = (style) => style.digits === null && !style.significant && !Object.keys(style.lines ?? {}).length;

/**
 * A value in a style.
 * @param {Style} style @param {number} value
 * @param {{name?: string, noise?: boolean, given?: boolean, short?: boolean, single?: boolean}} [how]
 *   name: of the line; noise: round-off residue, shown as 0; given: whether a person wrote it down; short: whether the matrix
 *   that contains it has no more decimals than are shown, the value alone if undefined; single: whether it is a float32
 * @returns {Shown}
 */
export function styled(style, value, { name = "", noise = false, given = false, short, single = false } = {}) {
  given = given && Boolean(style.written);
  const as_written = given && (short ?? is_short(style, [value], single));
  const own = Object.hasOwn(style.lines ?? {}, name);
  const digits = own ? (style.lines ?? {})[name] : given ? (style.given ?? style.digits) : style.digits;
  const found = style.significant && !own
    ? significant(value, style.significant, { noise, zeros: as_written ? 0 : style.kept ? null : 1, single })
    : show(value, digits, { noise, zeros: as_written ? 0 : style.kept && digits !== null ? digits : 1, single });
  return style.comma ? { ...found, digits: found.digits.replace(".", ",") } : found;
}

/** A number between 0 and 1 in whole percent: 0 and 100 only if exact, otherwise `<` 1 and `>` 99. @param {number} share @param {boolean} [single] @returns {["" | "<" | ">", number]} */
export function percent(share, single = false) {
  const exact = /** @type {Fraction} */ (fraction(share, single));
  const found = Number((200n * exact.n + exact.d) / (2n * exact.d)); // half up: it is not negative
  if (found === 0 && exact.n > 0n) return ["<", 1];
  return found === 100 && exact.n < exact.d ? [">", 99] : ["", found];
}

/** As plain text, which `Number` reads: `-0.4`, `1.5e-12`. @param {Shown} shown */
export const plain = ({ negative, digits, exponent }) => `${negative ? "-" : ""}${digits}${exponent === null ? "" : `e${exponent}`}`;
