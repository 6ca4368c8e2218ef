import * as exact from "./exact.js";
import { larger } from "./operations.js";

// Other arithmetics, as lstm_trace/cell/arithmetic.py defines them: by hand, in a smaller float format, or in fixed point.
// A number is a decimal by hand and in fixed point, and a float64 in a float format; results are equal bit by bit.

/** @import { Decimal } from "./exact.js" */
/** @typedef {Decimal | number} Num */
/**
 * The calculations of one representation; `of` reads a stored float, `to` stores, `full` computes a function in full.
 * @typedef {{of(value: number): any, to(value: any): number, plus(a: any): any, add(a: any, b: any): any, negated(a: any): any,
 *   multiply(a: any, b: any): any, divide(a: any, b: any): any, greater(a: any, b: any): boolean, nonzero(a: any): boolean,
 *   larger(a: any, b: any): any, full(op: string, a: any, constants: Decimal[]): any}} Field
 */
/** @typedef {{rounded(value: any): any, field: Field, premises: boolean, products: boolean, sums: boolean}} Rules */

/** Digits of the significand and smallest normal exponent, in base 2. @type {Record<string, [number, number]>} */
const FORMATS = { float32: [24, -126], float16: [11, -14], bfloat16: [8, -126] };
const MOST_DECIMALS = 15, MOST_BITS = 32;

const VIEW = new DataView(new ArrayBuffer(8));
const WHOLE = 2 ** 52; // from here on, a float64 has no places after the point

/** A float64 rounded to fewer binary digits, half to even; below 2^smallest it loses digits. @param {number} value @param {number} digits @param {number} smallest */
function round_binary(value, digits, smallest) {
  if (!Number.isFinite(value) || value === 0) return value;
  VIEW.setFloat64(0, value);
  const unit = 2 ** (Math.max(((VIEW.getUint16(0) >> 4) & 2047) - 1023, smallest) - digits + 1);
  const size = (Math.abs(value) / unit + WHOLE - WHOLE) * unit, largest = (2 - 2 ** (1 - digits)) * 2 ** (1 - smallest);
  return (value < 0 ? -1 : 1) * (size > largest ? Infinity : size);
}

/** How the numbers of a dtype are rounded. @param {string | undefined} dtype @returns {(value: number) => number} */
export function dtype_rounding(dtype) {
  return dtype === "float32" ? Math.fround : dtype === "float16" ? HALF : AS_IT_IS;
}
const AS_IT_IS = (/** @type {number} */ value) => value;
const HALF = (/** @type {number} */ value) => round_binary(value, ...FORMATS.float16);

// -- functions in full, of decimals -----------------------------------------------------------------------------------

const { add, divide, exp, log, multiply, negated, compare, ONE, ZERO, INFINITY } = exact;
const TWO = add(ONE, ONE);

/** @param {Decimal} x @param {Decimal} low @param {Decimal} high */
const pool = (x, low, high) => (x.special === "nan" ? x : exact.first_smallest(exact.first_largest(x, low), high));

/** @type {Record<string, (x: Decimal, ...constants: Decimal[]) => Decimal>} */
const FULL = {
  sigmoid: (x) => divide(ONE, add(ONE, exp(negated(x)))),
  tanh: (x) => add(ONE, opposite(divide(TWO, add(ONE, exp(multiply(TWO, x)))))),
  exp,
  log,
  sqrt: exact.sqrt,
  sin: (x) => exact.sine(x, 0),
  cos: (x) => exact.sine(x, 1),
  floor: exact.floor,
  relu: (x) => pool(x, ZERO, INFINITY),
  elu: (x, alpha) => (compare(x, ZERO) < 0 ? multiply(alpha, add(exp(x), opposite(ONE))) : x),
  softplus: (x) => add(exact.first_largest(x, ZERO), log(add(ONE, exp(negated({ ...x, negative: false }))))),
  clip: pool,
};

/** @param {Decimal} a @returns {Decimal} */
function opposite(a) {
  return { ...a, negative: !a.negative };
}

/** Function values, by what they are of: gates are computed often, of few numbers. @type {Map<string, any>} */
const KNOWN = new Map();
const MANY = 1 << 14;

/** @template T @param {string} key @param {() => T} make @returns {T} */
function remembered(key, make) {
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  if (KNOWN.size >= MANY) KNOWN.clear();
  const made = make();
  KNOWN.set(key, made);
  return made;
}

/** @type {Omit<Field, "of">} */
const DECIMALS = {
  to: exact.to_number,
  plus: exact.plus,
  add: (a, b) => add(a, b),
  negated,
  multiply: (a, b) => multiply(a, b),
  divide: (a, b) => divide(a, b),
  greater: (a, b) => compare(a, b) > 0,
  nonzero: exact.nonzero,
  larger: (a, b) => (compare(a, b) >= 0 ? a : b),
  full: (op, a, constants) => remembered(`${op} ${constants.map(exact.to_number)} ${a.special}${a.negative}${a.digits}e${a.exponent}`, () => FULL[op](a, ...constants)),
};

/** @type {Field} */
const FLOATS = {
  of: (value) => value,
  to: (value) => value,
  plus: (a) => a,
  add: (a, b) => a + b,
  negated: (a) => -a,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  greater: (a, b) => a > b,
  nonzero: (a) => a !== 0,
  larger,
  full: (op, a, constants) => remembered(`${op} ${constants.map(exact.to_number)} ${Object.is(a, -0) ? "-0" : a}`, () => exact.to_odd(FULL[op](exact.exactly(a), ...constants))),
};

/** @param {string} name @returns {Rules} */
function rules_of(name) {
  const hand = /^by-hand-([0-9]{1,3})$/.exec(name), fixed = /^q([0-9]{1,3})\.([0-9]{1,3})$/.exec(name);
  if (hand) {
    const places = Number(hand[1]);
    if (places > MOST_DECIMALS) throw new RangeError(`${name}: at most ${MOST_DECIMALS} decimals, since values are stored as float64`);
    const noted = (/** @type {Decimal} */ value) => (value.special || exact.magnitude(value) >= 60 ? value : exact.to_places(value, places, "up"));
    return { rounded: noted, field: { ...DECIMALS, of: exact.as_written }, premises: false, products: true, sums: false };
  }
  if (fixed) {
    const whole = Number(fixed[1]), part = Number(fixed[2]);
    if (whole < 1 || whole + part > MOST_BITS) throw new RangeError(`${name}: expected at least 1 bit (the sign) before the point and ${MOST_BITS} in all`);
    const steps = exact.exactly(2 ** part), low = exact.exactly(-(2 ** (whole - 1 + part))), high = exact.exactly(2 ** (whole - 1 + part) - 1);
    const nearest = (/** @type {Decimal} */ value) => {
      if (value.special === "nan") return value;
      const inside = exact.first_smallest(exact.first_largest(multiply(value, steps), low), high);
      return divide(exact.to_places(inside, 0, "even"), steps);
    };
    return { rounded: nearest, field: { ...DECIMALS, of: exact.exactly }, premises: true, products: false, sums: false };
  }
  if (!Object.hasOwn(FORMATS, name)) throw new RangeError(`there is no arithmetic ${JSON.stringify(name)}; expected by-hand-N (N decimals), float32, float16, bfloat16, or qM.N (fixed point of M + N bits)`);
  const rounded = (/** @type {number} */ value) => round_binary(value, ...FORMATS[name]);
  return { rounded, field: FLOATS, premises: true, products: true, sums: true };
}

/** @type {Map<string, Arithmetic>} */
const MADE = new Map();

/** The arithmetic of this name. Throws RangeError. @param {string} name */
export function arithmetic(name) {
  let found = MADE.get(name);
  if (!found) MADE.set(name, (found = new Arithmetic(rules_of(name))));
  return found;
}

class Arithmetic {
  /** @param {Rules} rules */
  constructor(rules) {
    this.rules = rules;
  }

  /** Stored values as numbers of this arithmetic. @param {ArrayLike<number>} values @returns {any[]} */
  read(values) {
    const { rules: { field, premises, rounded } } = this;
    return Array.from(values, (value) => (premises ? rounded(field.of(value)) : field.of(value)));
  }

  /** The sum from left to right; each partial sum rounded if the arithmetic does so, otherwise only the last one. @param {any[]} terms */
  total(terms) {
    const { field, sums, rounded } = this.rules;
    if (terms.length === 1) return sums ? terms[0] : rounded(terms[0]);
    const whole = terms.reduce((sum, term) => (sums ? rounded(field.add(sum, term)) : field.add(sum, term)));
    return sums ? whole : rounded(whole);
  }

  /** A product of a row and a vector. @param {number} count @param {(k: number) => [any, any]} factors */
  dot(count, factors) {
    const { field, products, rounded } = this.rules;
    return this.total(Array.from({ length: count }, (_, k) => {
      const term = field.multiply(...factors(k));
      return products ? rounded(term) : term;
    }));
  }

  /**
   * The value of a line, as floats to store.
   * @param {string} op
   * @param {any[][]} read   numbers of this arithmetic; a matrix row by row
   * @param {number[]} constants
   * @param {number} width   of the line
   * @returns {number[]}
   */
  compute(op, read, constants, width) {
    const { field, rounded } = this.rules, [a, b, c] = read;
    const at = (/** @type {any[]} */ values, /** @type {number} */ k) => values[values.length === 1 ? 0 : k];
    const each = (/** @type {(k: number) => any} */ f) => Array.from({ length: width }, (_, k) => field.to(f(k)));
    switch (op) {
      case "matvec": case "memvec": return each((row) => this.dot(b.length, (k) => [a[row * b.length + k], b[k]]));
      case "vecmat": case "vecmem": return each((column) => this.dot(a.length, (k) => [b[k * width + column], a[k]]));
      case "outer": return each((k) => rounded(field.multiply(a[Math.floor(k / b.length)], b[k % b.length])));
      case "add": return each((k) => this.total(read.map((term, n) => (constants[n] > 0 ? at(term, k) : field.negated(at(term, k))))));
      case "mul": return each((k) => rounded(field.multiply(at(a, k), at(b, k))));
      case "div": return each((k) => rounded(field.divide(at(a, k), at(b, k))));
      case "neg": return each((k) => rounded(field.negated(at(a, k))));
      case "greater": return each((k) => rounded(this.read([Number(field.greater(at(a, k), at(b, k)))])[0]));
      case "sum": return each(() => this.total(a));
      case "mean": return each(() => rounded(field.divide(this.total(a), field.of(a.length))));
      case "copy": return each((k) => field.plus(at(a, k)));
      case "where": return each((k) => (field.nonzero(at(a, k)) ? at(b, k) : at(c, k)));
      case "maximum": return each((k) => field.larger(at(a, k), at(b, k)));
      case "max": return each(() => a.reduce((most, one) => field.larger(most, one)));
      case "concat": return read.flat().map(field.to);
      case "slice": return a.slice(constants[0], constants[1]).map(field.to);
      default: {
        const written = constants.map(exact.as_written);
        return each((k) => rounded(field.full(op, at(a, k), written)));
      }
    }
  }

  /** A sum over steps and sequences of values, or of outer products of two, as floats to store.
   *  @param {{data: Float64Array, width: number}[][]} terms @param {number} rows @returns {Float64Array} */
  gathered(terms, rows) {
    const parts = terms.map(([a, b]) => {
      const left = this.read(a.data), right = b ? this.read(b.data) : this.read([1]), columns = b ? b.width : 1;
      return Array.from({ length: a.width * columns }, (_, at) => {
        const j = Math.floor(at / columns), k = at % columns;
        return this.rules.field.to(this.dot(rows, (row) => [left[row * a.width + j], b ? right[row * columns + k] : right[0]]));
      });
    });
    if (parts.length === 1) return Float64Array.from(parts[0]);
    const signs = parts.map(() => 1);
    return Float64Array.from(this.compute("add", parts.map((part) => this.read(part)), signs, parts[0].length));
  }
}

