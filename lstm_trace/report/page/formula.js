import { compared, equal, minus, over, plus, ratio, times } from "../../lines/numbers.js";

// What a formula of the page comes to for a reader, who has only its printed numbers.

/** @import { Fraction } from "../../lines/numbers.js" */
/**
 * A formula: a number, or an operation with its parts. text: the sign of a number or function, and what is not understood.
 * @typedef {{kind: string, text: string, parts: Formula[], columns?: number, signs?: boolean[]}} Formula
 */
/** A number, vector or matrix. @typedef {Fraction[][]} Matrix */

const children = (/** @type {Element} */ element) => [...element.children];
const text_of = (/** @type {Element | undefined} */ element) => (element?.textContent ?? "").trim();
/** A sign such as + in a row. @param {Element | undefined} element @param {RegExp} signs */
const is_sign = (element, signs) => element?.localName === "mo" && signs.test(text_of(element));

/** @param {string} kind @param {Formula[]} parts @param {string} [text] @returns {Formula} */
const made = (kind, parts, text = "") => ({ kind, parts, text });

/** The formula that some elements show, one after the other. @param {Element[]} elements @returns {Formula} */
export function formula_of(elements) {
  const row = elements.flatMap((element) => (element.matches("math, .stage") ? children(element) : [element])).filter((element) => !element.matches("wbr, mspace"));
  if (row.some((element) => element.matches("math, .stage"))) return formula_of(row);
  let at = Number(is_sign(row[0], /^[=≈]$/));
  const sum = () => {
    const parts = [], signs = [];
    do {
      signs.push(is_sign(row[at], /^−$/));
      if (is_sign(row[at], /^[+−]$/)) at++;
      parts.push(chain("times", /^[⊙⋅·]$/, () => chain("by", /^$/, factor)));
    } while (is_sign(row[at], /^[+−]$/));
    return parts.length > 1 || signs[0] ? { ...made("sum", parts), signs } : parts[0];
  };
  /** @param {string} kind @param {RegExp} between @param {() => Formula} next */
  const chain = (kind, between, next) => {
    const parts = [next()];
    while (at < row.length && (kind === "by" ? !is_sign(row[at], /^[+−⊙⋅·,)]$/) : is_sign(row[at], between))) {
      if (kind !== "by") at++;
      parts.push(next());
    }
    return parts.length > 1 ? made(kind, parts) : parts[0];
  };
  /** What stands in parentheses, each part of it. */
  const inner = () => {
    const parts = [];
    do {
      at++;
      parts.push(sum());
    } while (is_sign(row[at], /^,$/));
    at++;
    return parts;
  };
  /** @returns {Formula} */
  const factor = () => {
    const element = row[at];
    if (is_sign(element, /^\($/)) {
      const parts = inner();
      return parts.length > 1 ? made("list", parts) : parts[0];
    }
    at++;
    if (is_sign(row[at], /^\u2061$/)) {
      at++;
      const of = factor();
      return made("call", of.kind === "list" ? of.parts : [of], text_of(element));
    }
    return element ? one(element) : made("other", []);
  };
  const found = sum();
  return at < row.length ? made("other", [], row.map(text_of).join(" ")) : found;
}

/** The formula of one element. @param {Element} element @returns {Formula} */
function one(element) {
  const parts = children(element), name = element.localName;
  if (name === "mn") return made("number", [], text_of(element).replace(/^\((.*)\)$/, "$1"));
  if (name === "mrow") return formula_of(parts);
  if (name === "mfrac") return made("quotient", parts.map((part) => formula_of([part])));
  if (name === "msqrt") return made("root", [formula_of(parts)]);
  if (name === "msup" && text_of(parts[1]) === "2") return made("square", [formula_of([parts[0]])]);
  if (name === "msup" && text_of(parts[1]) === "⊤") return made("transposed", [formula_of([parts[0]])]);
  if (name !== "mtable") return made("other", [], text_of(element));
  const rows = parts.map(children);
  return { ...made("table", rows.flat().map((entry) => formula_of(children(entry)))), columns: rows[0]?.length };
}

/** @type {Record<string, (entries: Fraction[]) => Fraction>} */
const REDUCED = {
  max: (entries) => entries.reduce((a, b) => (compared(a, b) < 0 ? b : a)),
  sum: (entries) => entries.reduce(plus),
};
/** Functions where their values are rational: an argument, and the value for it. @type {Record<string, [Fraction, Fraction]>} */
const KNOWN = { σ: [ratio(0n), ratio(1n, 2n)], tanh: [ratio(0n), ratio(0n)], exp: [ratio(0n), ratio(1n)] };

/** What is done entry by entry; a single number is taken with each entry. @param {(Matrix | null)[]} parts @param {(...entries: Fraction[]) => Fraction | null} of @returns {Matrix | null} */
function each(parts, of) {
  const wide = Math.max(...parts.map((part) => part?.[0].length ?? 0)), high = Math.max(...parts.map((part) => part?.length ?? 0));
  const fit = parts.every((part) => part && ((part.length === 1 && part[0].length === 1) || (part.length === high && part[0].length === wide)));
  if (!fit) return null;
  const entry = (/** @type {Matrix} */ part, /** @type {number} */ i, /** @type {number} */ k) => (part.length * part[0].length === 1 ? part[0][0] : part[i][k]);
  const found = Array.from({ length: high }, (_, i) => Array.from({ length: wide }, (_, k) => of(.../** @type {Matrix[]} */ (parts).map((part) => entry(part, i, k)))));
  return found.flat().includes(null) ? null : /** @type {Matrix} */ (found);
}

/** @param {Matrix | null} a @param {Matrix | null} b @returns {Matrix | null} */
function product(a, b) {
  if (!a || !b) return null;
  if ([a, b].some((one) => one.length * one[0].length === 1)) return each([a, b], times);
  return a[0].length === b.length ? a.map((row) => b[0].map((_, k) => row.map((x, i) => times(x, b[i][k])).reduce(plus))) : null;
}

/** The exact value of what is printed; null if it has none. @param {Formula} formula @returns {Matrix | null} */
export function value_of({ kind, text, parts, columns = 1, signs = [] }) {
  const found = parts.map(value_of), whole = /** @type {Matrix[]} */ (found);
  if (kind === "number") {
    const [, less, before, after = "", exponent = "0"] = /^(−?)(\d+)(?:[.,](\d+))?(?:×10(−?\d+))?$/.exec(text) ?? [];
    if (before === undefined) return null;
    const digits = ratio(BigInt(before + after), 10n ** BigInt(after.length)), power = Number(exponent.replace("−", "-"));
    const scaled = power < 0 ? over(digits, ratio(10n ** BigInt(-power))) : times(digits, ratio(10n ** BigInt(power)));
    return [[less ? minus(scaled) : scaled]];
  }
  if (!parts.length || found.includes(null)) return null;
  if (kind === "sum") return each(found, (...terms) => terms.map((term, k) => (signs[k] ? minus(term) : term)).reduce(plus));
  if (kind === "times") return each(found, (...factors) => factors.reduce(times));
  if (kind === "by") return whole.reduceRight((b, a) => /** @type {Matrix} */ (product(a, b)));
  if (kind === "quotient") return each(found, (a, b) => (b.n ? over(a, b) : null));
  if (kind === "square") return each(found, (a) => times(a, a));
  if (kind === "transposed") return whole[0][0].map((_, k) => whole[0].map((row) => row[k]));
  if (kind === "table") return whole.some((one) => one.length * one[0].length > 1) ? null : rows_of(whole.map((one) => one[0][0]), columns);
  if (kind === "call" && text in REDUCED) return parts.length > 1 ? each(found, (...args) => REDUCED[text](args)) : [[REDUCED[text](whole.flat(2))]];
  if (kind === "call" && text in KNOWN) return each(found, (a) => (equal(a, KNOWN[text][0]) ? KNOWN[text][1] : null));
  return null;
}

/** @param {Fraction[]} entries @param {number} columns @returns {Matrix} */
const rows_of = (entries, columns) => Array.from({ length: entries.length / columns }, (_, i) => entries.slice(i * columns, (i + 1) * columns));

/** Whether two values are equal. @param {Matrix} a @param {Matrix} b */
export const same = (a, b) => a.length === b.length && a[0].length === b[0].length && a.every((row, i) => row.every((x, k) => equal(x, b[i][k])));

/** Whether two formulas come to the same part by part, although not all of it can be computed. @param {Formula} a @param {Formula} b @returns {boolean} */
export function alike(a, b) {
  const [left, right] = [value_of(a), value_of(b)];
  if (left && right) return same(left, right);
  return a.kind === b.kind && a.kind !== "number" && a.text === b.text && String(a.signs) === String(b.signs) &&
    a.columns === b.columns && a.parts.length === b.parts.length && a.parts.every((part, k) => alike(part, b.parts[k]));
}

/** @param {Formula} formula @returns {Formula[]} */
export const all_parts = (formula) => [formula, ...formula.parts.flatMap(all_parts)];
