// Exact arithmetic beside the floats: decides whether a printed equality is true, as lstm_trace/formulas/exact.py does.
// Sums, products and piecewise linear functions of decimals are exact fractions; other functions only at a few points.
import { compared, equal, fraction, minus, over, plus, ratio, times } from "./numbers.js";

/** @typedef {import("./numbers.js").Fraction} Fraction */
/** A node of a formula with numbers, as bench/local/tree.js makes them. @typedef {{kind: string, [part: string]: any}} Node */
/** The exact operands (null if not exact), the constants, and the approximate operands. @typedef {(a: (Fraction | null)[], c: Fraction[], about: number[]) => Fraction | null} Rule */

const ZERO = ratio(0n), ONE = ratio(1n), HALF = ratio(1n, 2n);
const as_float = (/** @type {Fraction} */ { n, d }) => Number(n) / Number(d);
/** Whether a rounded number is clearly below another. @param {number} a @param {number} b */
const clearly_less = (a, b) => a < b - 1e-5 * (1 + Math.abs(b));
const least = (/** @type {Fraction} */ a, /** @type {Fraction} */ b) => (compared(a, b) <= 0 ? a : b);
const most = (/** @type {Fraction} */ a, /** @type {Fraction} */ b) => (compared(a, b) >= 0 ? a : b);
/** A function that is rational at only one point. @param {Fraction} place @param {Fraction} value @returns {Rule} */
const at = (place, value) => ([a]) => (equal(a, place) ? value : null);

/** Clipped between two bounds; a rounded value clearly beyond a bound gives the bound. @param {Fraction | null} value @param {number} about @param {Fraction | null} low @param {Fraction | null} high */
function between(value, about, low, high) {
  if (value) {
    value = low ? most(value, low) : value;
    return high ? least(value, high) : value;
  }
  if (low && clearly_less(about, as_float(low))) return low;
  return high && clearly_less(as_float(high), about) ? high : null;
}

/** The root of a whole number, rounded down. @param {bigint} n */
function whole_root(n) {
  let x = BigInt(Math.floor(Math.sqrt(Number(n))));
  for (let next = x; n > 0n; x = next) if ((next = (x + n / (x || 1n)) / 2n) === x || next === x + 1n) break;
  while (x * x > n) x -= 1n;
  return x;
}

/** @type {Rule} */
function root([a]) {
  if (!a || a.n < 0n) return null;
  const found = ratio(whole_root(a.n), whole_root(a.d));
  return equal(times(found, found), a) ? found : null;
}

/** The floor; that of a rounded value if it is clearly between two whole numbers. @type {Rule} */
function whole([a], _, [about]) {
  if (a) return ratio(a.n / a.d - BigInt(a.n < 0n && a.n % a.d !== 0n));
  const low = Math.floor(about);
  return Number.isFinite(about) && clearly_less(low, about) && clearly_less(about, low + 1) ? ratio(BigInt(low)) : null;
}

/** The largest operand, if it is exact and the inexact ones are clearly smaller. @type {Rule} */
function largest(a, _, about) {
  const there = /** @type {Fraction[]} */ (a.filter((value) => value !== null));
  if (!there.length) return null;
  const top = there.reduce(most);
  return a.every((value, k) => value !== null || clearly_less(about[k], as_float(top))) ? top : null;
}

/** Function to its exact value. @type {{[op: string]: Rule}} */
const EXACT = {
  sigmoid: at(ZERO, HALF), tanh: at(ZERO, ZERO), sin: at(ZERO, ZERO), exp: at(ZERO, ONE), cos: at(ZERO, ONE), log: at(ONE, ZERO),
  sqrt: root, floor: whole, maximum: largest, max: largest,
  relu: ([a], _, [about]) => between(a, about, ZERO, null),
  elu: ([a]) => (a && a.n >= 0n ? a : null),
  clip: ([a], [low, high], [about]) => between(a, about, low, high),
  where: ([a, b, c]) => a && (a.n ? b : c),
};

/** Functions whose values are not rational: lines that depend on one of them are rounded. */
export const ROUNDED = new Set(["sigmoid", "tanh", "exp", "log", "sqrt", "sin", "cos", "elu", "softplus"]);

const about_of = (/** @type {Node} */ node) => (node.kind === "num" ? node.value : NaN);

/**
 * The exact value of a tree with numbers; null if it has none, or if a part of it is left out.
 * @param {Node} node @param {(number: Node) => Fraction | null} leaf @returns {Fraction | null}
 */
export function exact_value(node, leaf) {
  const of = (/** @type {Node} */ part) => exact_value(part, leaf);
  switch (node.kind) {
    case "num": return leaf(node);
    case "sum": {
      let total = ZERO;
      for (const [k, term] of node.terms.entries()) {
        const value = of(term);
        if (!value) return null;
        total = plus(total, node.signs[k] > 0 ? value : minus(value));
      }
      return total;
    }
    case "prod": {
      const [left, right] = [of(node.left), of(node.right)];
      if (left && right) return times(left, right);
      const known = left ?? right, other = left ? node.right : node.left;
      return known && !known.n && other.kind === "num" && Number.isFinite(other.value ?? 0) ? ZERO : null;
    }
    case "factors": {
      const found = node.parts.map(of), there = found.filter(Boolean);
      return there.length === found.length || there.some((/** @type {Fraction} */ { n }) => n === 0n) ? there.reduce(times, ONE) : null;
    }
    case "square": { const value = of(node.of); return value && times(value, value); }
    case "quot": { const [a, b] = [of(node.over), of(node.under)]; return a && b && b.n ? over(a, b) : null; }
    case "neg": { const value = of(node.of); return value && minus(value); }
    case "call": {
      const constants = (node.constants.length || node.op !== "elu" ? node.constants : [1]).map((/** @type {number} */ c) => fraction(c));
      if (constants.some((/** @type {Fraction | null} */ c) => c === null)) return null;
      return EXACT[node.op]?.(node.args.map(of), constants, node.args.map(about_of)) ?? null;
    }
    case "holds": {
      const sides = [node.left, node.right].map(of);
      let order = 0;
      if (sides[0] && sides[1]) order = compared(sides[0], sides[1]);
      else {
        const [a, b] = [about_of(node.left), about_of(node.right)]; // one of them may be infinite
        if (!clearly_less(a, b) && !clearly_less(b, a)) return null;
        order = a > b ? 1 : -1;
      }
      const holds = { ">": order > 0, "≤": order <= 0, "≠": order !== 0, "=": order === 0 }[/** @type {string} */ (node.sign)];
      return holds ? ONE : ZERO;
    }
    default: return null; // dots
  }
}
