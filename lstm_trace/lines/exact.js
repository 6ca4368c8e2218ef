// Decimal numbers of 100 digits, as the arithmetic of cell/arithmetic.py has them: each operation is rounded half to
// even, signs of zero and infinities are those of IEEE 754, nothing is an error.

/** Digits between two roundings. */
const PRECISION = 100;

/**
 * A number ±digits · 10^exponent; `special` is "" for a finite one.
 * @typedef {{negative: boolean, digits: bigint, exponent: number, special: "" | "inf" | "nan"}} Decimal
 */

/** @type {(negative: boolean, digits: bigint, exponent: number) => Decimal} */
const finite = (negative, digits, exponent) => ({ negative, digits, exponent, special: "" });
/** @type {(negative: boolean) => Decimal} */
const infinite = (negative) => ({ negative, digits: 0n, exponent: 0, special: "inf" });
/** @type {Decimal} */
export const NAN = { negative: false, digits: 0n, exponent: 0, special: "nan" };
export const ZERO = finite(false, 0n, 0);
export const ONE = finite(false, 1n, 0);
export const INFINITY = infinite(false);

/** @type {bigint[]} */
const POWERS = [1n];
/** 10^n. @param {number} n */
function ten(n) {
  for (let k = POWERS.length; k <= n && k < 1000; k++) POWERS.push(POWERS[k - 1] * 10n);
  return POWERS[n] ?? 10n ** BigInt(n);
}

/** How many digits. @param {bigint} value */
function length(value) {
  let found = Math.floor((value.toString(16).length - 1) * Math.log10(16)) + 1; // never too many
  while (value >= ten(found)) found++;
  return found;
}
/** The exponent of the first digit. @param {Decimal} a */
export const magnitude = (a) => a.exponent + length(a.digits) - 1;
/** @param {Decimal} a */
export const is_zero = (a) => !a.special && a.digits === 0n;
/** Whether it is a number that is not zero; NaN counts. @param {Decimal} a */
export const nonzero = (a) => !is_zero(a);

/** The quotient by 10^drop as the nearest whole number, halves to the even one or up.
 *  @param {bigint} digits @param {number} drop @param {"even" | "up"} mode @param {boolean} [more] whether digits were cut off below */
function shortened(digits, drop, mode, more = false) {
  const power = ten(drop), whole = digits / power, twice = 2n * (digits % power);
  const up = twice > power || (twice === power && (more || mode === "up" || whole % 2n === 1n));
  return up ? whole + 1n : whole;
}

/** Rounded to the digits of the context. @param {Decimal} a @param {number} [precision] @param {boolean} [more] @returns {Decimal} */
function rounded(a, precision = PRECISION, more = false) {
  const drop = length(a.digits) - precision;
  return drop <= 0 ? a : finite(a.negative, shortened(a.digits, drop, "even", more), a.exponent + drop);
}

// -- from and to floats ---------------------------------------------------------------------------------------------

const VIEW = new DataView(new ArrayBuffer(8));
/** @param {number} value */
function bits_of(value) {
  VIEW.setFloat64(0, value);
  return VIEW.getBigUint64(0);
}

/** @param {number} value @param {() => Decimal} otherwise */
const read = (value, otherwise) => (value !== value ? NAN : Math.abs(value) === Infinity ? infinite(value < 0) : otherwise());

/** The value of a float, all digits. @param {number} value @returns {Decimal} */
export const exactly = (value) => read(value, () => {
  const bits = bits_of(value), power = Number((bits >> 52n) & 2047n);
  const part = (bits & ((1n << 52n) - 1n)) | (power ? 1n << 52n : 0n), exponent = Math.max(power, 1) - 1075;
  const negative = bits >> 63n === 1n;
  return exponent < 0 ? finite(negative, part * 5n ** BigInt(-exponent), exponent) : finite(negative, part << BigInt(exponent), 0);
});

/** The shortest decimal that reads back equal: the number as a person wrote it. @param {number} value @returns {Decimal} */
export const as_written = (value) => read(value, () => {
  const [digits, power] = Math.abs(value).toExponential().split("e"), [whole, part = ""] = digits.split(".");
  return finite(value < 0 || Object.is(value, -0), BigInt(whole + part), Number(power) - part.length);
});

/** The nearest float. @param {Decimal} a */
export function to_number(a) {
  if (a.special) return a.special === "nan" ? NaN : a.negative ? -Infinity : Infinity;
  const size = Number(`${a.digits}e${a.exponent}`);
  return a.negative ? -size : size;
}

/** A float that rounds to every shorter format as the number itself does: rounded to odd. @param {Decimal} a */
export function to_odd(a) {
  const near = to_number(a);
  if (!Number.isFinite(near) || (bits_of(near) & 1n) === 1n) return near;
  const order = compare(a, exactly(near));
  if (order === 0) return near;
  if (near === 0) return order * 5e-324;
  VIEW.setBigUint64(0, bits_of(near) + (order > 0 === near > 0 ? 1n : -1n));
  return VIEW.getFloat64(0);
}

// -- arithmetic -----------------------------------------------------------------------------------------------------

/** Both as whole numbers with signs, and the exponent that they share. @param {Decimal} a @param {Decimal} b @returns {[bigint, bigint, number]} */
function aligned(a, b) {
  const exponent = Math.min(a.exponent, b.exponent);
  const whole = (/** @type {Decimal} */ one) => (one.negative ? -one.digits : one.digits) * ten(one.exponent - exponent);
  return [whole(a), whole(b), exponent];
}

/** -1, 0 or 1; NaN if one is. @param {Decimal} a @param {Decimal} b */
export function compare(a, b) {
  if (a.special || b.special) {
    const [one, two] = [a, b].map((x) => (x.special === "nan" ? NaN : x.special ? (x.negative ? -1 : 1) : 0));
    return one === two ? 0 : one < two ? -1 : one > two ? 1 : NaN;
  }
  const [one, two] = aligned(a, b);
  return one < two ? -1 : one > two ? 1 : 0;
}

/** @param {Decimal} a @returns {Decimal} */
export const plus = (a) => (is_zero(a) ? ZERO : a.special ? a : rounded(a));
/** @param {Decimal} a @returns {Decimal} */
const opposite = (a) => ({ ...a, negative: !a.negative });
/** Zero has no sign here. @param {Decimal} a @returns {Decimal} */
export const negated = (a) => plus(opposite(a));

/** @param {Decimal} a @param {Decimal} b @param {number} [precision] @returns {Decimal} */
export function add(a, b, precision = PRECISION) {
  if (a.special || b.special) {
    if (a.special === "nan" || b.special === "nan") return NAN;
    if (a.special && b.special) return a.negative === b.negative ? a : NAN;
    return a.special ? a : b;
  }
  const [one, two, exponent] = aligned(a, b), sum = one + two;
  const negative = sum === 0n ? a.negative && b.negative : sum < 0n;
  return rounded(finite(negative, sum < 0n ? -sum : sum, exponent), precision);
}

/** @param {Decimal} a @param {Decimal} b @param {number} [precision] @returns {Decimal} */
export function multiply(a, b, precision = PRECISION) {
  const negative = a.negative !== b.negative;
  if (a.special || b.special) {
    return a.special === "nan" || b.special === "nan" || is_zero(a) || is_zero(b) ? NAN : infinite(negative);
  }
  return rounded(finite(negative, a.digits * b.digits, a.exponent + b.exponent), precision);
}

/** @param {Decimal} a @param {Decimal} b @param {number} [precision] @returns {Decimal} */
export function divide(a, b, precision = PRECISION) {
  const negative = a.negative !== b.negative;
  if (a.special === "nan" || b.special === "nan" || (a.special && b.special)) return NAN;
  if (a.special) return infinite(negative);
  if (b.special) return finite(negative, 0n, 0);
  if (is_zero(b)) return is_zero(a) ? NAN : infinite(negative);
  const shift = Math.max(precision + 2 + length(b.digits) - length(a.digits), 0), over = a.digits * ten(shift);
  return rounded(finite(negative, over / b.digits, a.exponent - b.exponent - shift), precision, over % b.digits !== 0n);
}

/** To a number of decimals, half away from zero ("up") or half to even. @param {Decimal} a @param {number} places @param {"up" | "even"} mode @returns {Decimal} */
export function to_places(a, places, mode) {
  const drop = -places - a.exponent;
  if (a.special || drop <= 0) return a;
  // far below half a unit: no long power of ten
  return finite(a.negative, drop > length(a.digits) + 1 ? 0n : shortened(a.digits, drop, mode), -places);
}

/** The first of the largest, as Python's `max`; what is compared with NaN is not larger. @param {Decimal} a @param {Decimal} b */
export const first_largest = (a, b) => (compare(b, a) > 0 ? b : a);
/** @param {Decimal} a @param {Decimal} b */
export const first_smallest = (a, b) => (compare(b, a) < 0 ? b : a);

// -- functions ------------------------------------------------------------------------------------------------------

/** Digits of intermediate whole numbers, far beyond those of results. */
const SCALE = 130;

/** The number times 10^scale, cut off. @param {Decimal} a @param {number} scale */
function scaled(a, scale) {
  const shift = a.exponent + scale, size = shift >= 0 ? a.digits * ten(shift) : -shift > length(a.digits) ? 0n : a.digits / ten(-shift);
  return a.negative ? -size : size;
}

/** 2 atanh(p / q), or 2 atan for sign -1, times 10^scale. @param {bigint} p @param {bigint} q @param {number} scale @param {bigint} [sign] */
function twice_arc(p, q, scale, sign = 1n) {
  let term = (2n * p * ten(scale)) / q, total = term;
  const square = p * p, below = q * q;
  for (let k = 3n; term !== 0n; k += 2n) {
    term = (sign * term * square) / below;
    total += term / k;
  }
  return total;
}

/** @type {Map<number, bigint>} */
const LN2 = new Map();
/** ln 2 times 10^scale. @param {number} scale */
function ln2(scale) {
  let found = LN2.get(scale);
  if (found === undefined) LN2.set(scale, (found = twice_arc(1n, 3n, scale)));
  return found;
}
const ln10 = once(() => 3n * ln2(SCALE) + twice_arc(1n, 9n, SCALE));
/** Digits of the right angle: those of the context are right after the reduction of any float. */
const REDUCING = 500;
/** pi / 2, by Machin's formula. */
const right_angle = once(() => {
  const half = 4n * twice_arc(1n, 5n, REDUCING + 20, -1n) - twice_arc(1n, 239n, REDUCING + 20, -1n);
  return rounded(finite(false, half, -REDUCING - 20), REDUCING);
});

/** @template T @param {() => T} make @returns {() => T} */
function once(make) {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
}

/** @param {Decimal} x @returns {Decimal} */
export function exp(x) {
  if (x.special === "nan") return NAN;
  const size = is_zero(x) ? -Infinity : magnitude(x);
  if (x.special || size > 3) return x.negative ? ZERO : INFINITY; // no result of a line differs from that
  if (size < -PRECISION - 5) return ONE;
  const one = ten(SCALE), whole = scaled(x, SCALE), powers = whole / ln10(), halvings = 8n;
  const rest = (whole - powers * ln10()) >> halvings;
  let total = one;
  for (let term = one, k = 1n; term !== 0n; k++) {
    term = (term * rest) / (one * k);
    total += term;
  }
  for (let k = 0n; k < halvings; k++) total = (total * total) / one;
  return rounded(finite(false, total, Number(powers) - SCALE));
}

/** The natural logarithm. @param {Decimal} x @returns {Decimal} */
export function log(x) {
  if (x.special === "nan" || (x.negative && nonzero(x))) return NAN;
  if (x.special || is_zero(x)) return infinite(!x.special);
  const apart = add(x, opposite(ONE), 2000);
  if (is_zero(apart)) return ZERO;
  // x = m 10^tens, m near 2^twos; close to 1 there is neither, and a small logarithm needs more decimals
  const close = magnitude(apart) < -1, tens = close ? 0 : magnitude(x), scale = SCALE - (close ? magnitude(apart) : 0);
  const unit = ten(Math.max(tens - x.exponent, 0)), digits = x.digits * ten(Math.max(x.exponent - tens, 0));
  const twos = close ? 0 : Math.round(Math.log2(to_number({ ...x, exponent: x.exponent - tens }))), part = unit << BigInt(twos);
  let total = twice_arc(digits - part, digits + part, scale);
  if (!close) total += BigInt(tens) * ln10() + BigInt(twos) * ln2(scale);
  return rounded(finite(total < 0n, total < 0n ? -total : total, -scale));
}

/** @param {Decimal} x @returns {Decimal} */
export function sqrt(x) {
  if (is_zero(x)) return x;
  if (x.special === "nan" || x.negative) return NAN;
  if (x.special) return x;
  let shift = Math.max(2 * PRECISION + 4 - length(x.digits), 0);
  if ((x.exponent - shift) % 2) shift++;
  const square = x.digits * ten(shift);
  let root = 1n << BigInt((square.toString(2).length + 1) >> 1);
  for (let next = (root + square / root) >> 1n; next < root; next = (root + square / root) >> 1n) root = next;
  return rounded(finite(false, root, (x.exponent - shift) / 2), PRECISION, root * root !== square);
}

/** @param {Decimal} x @returns {Decimal} */
export function floor(x) {
  if (x.special || x.exponent >= 0) return x;
  const power = ten(-x.exponent), whole = x.digits / power;
  return finite(x.negative, x.negative && x.digits % power ? whole + 1n : whole, 0);
}

/** sin(x + ahead pi / 2), by the power series at what is left of x beside a multiple of pi / 2. @param {Decimal} x @param {number} ahead @returns {Decimal} */
export function sine(x, ahead) {
  if (x.special) return NAN;
  const turns = to_places(divide(x, right_angle(), REDUCING), 0, "even");
  const rest = add(x, opposite(multiply(turns, right_angle(), REDUCING)), REDUCING);
  const counted = Number(scaled(turns, 0) % 4n) + ahead, quarter = ((counted % 4) + 4) % 4;
  let total = quarter % 2 ? ONE : rest, term = total;
  const square = multiply(negated(rest), rest), size = (/** @type {Decimal} */ a) => ({ ...a, negative: false });
  for (let k = 1 - (quarter % 2); compare(size(term), { ...size(total), exponent: total.exponent - PRECISION - 1 }) > 0; k += 2) {
    term = multiply(term, divide(square, finite(false, BigInt((k + 1) * (k + 2)), 0)));
    total = add(total, term);
  }
  return quarter > 1 ? negated(total) : total;
}
