// A line as one formula, as on paper: unnamed values are written out, factors form one product, as
// lstm_trace/formulas/whole.py has it.
import { call, holds, neg, number, pieces, prod, remade, same, sum, text_of } from "./tree.js";

/** @typedef {import("./tree.js").Node} Node */

/** The key of a condition whose numbers are known: 1 or 0, a factor that is kept. */
const KEPT = /** @type {any} */ ([]);
/** @type {{[sign: string]: string}} */
const OPPOSITE = { ">": "≤", "≤": ">", "≠": "=", "=": "≠" };
/** The sign of a comparison to its meaning. @type {{[sign: string]: (order: number) => boolean}} */
const COMPARED = { ">": (order) => order > 0, "≤": (order) => order <= 0, "≠": (order) => order !== 0, "=": (order) => order === 0 };

const is_number = (/** @type {Node} */ node, /** @type {number} */ value) => same(node, number(value));

/** The same formula as a person would write it. @param {Node} node @returns {Node} */
export function on_paper(node) {
  switch (node.kind) {
    case "prod": case "factors": return times(...pieces(node).map(on_paper));
    case "sum": return total(node.terms.map((/** @type {Node} */ term, /** @type {number} */ k) => [node.signs[k], on_paper(term)]));
    case "neg": {
      const of = on_paper(node.of);
      return of.kind === "neg" ? of.of : neg(of);
    }
    case "call": return function_of(node);
    default: return remade(node, on_paper);
  }
}

/** @param {Node} node @returns {Node[]} */
const factors_of = (node) => (node.kind === "prod" || node.kind === "factors" ? pieces(node).flatMap(factors_of) : [node]);
/** Whether a formula contains only single numbers, and neither symbols nor vectors. @param {Node} node @returns {boolean} */
const of_numbers = (node) => node.kind !== "sym" && pieces(node).every(of_numbers);

/** A product: numbers each in parentheses, symbols and vectors with a sign between them, equal ones squared. @param {Node[]} parts @returns {Node} */
function times(...parts) {
  /** @type {Node[]} */
  const factors = [];
  let minus = false;
  for (let factor of parts.flatMap(factors_of)) {
    if (factor.kind === "neg") [minus, factor] = [!minus, factor.of];
    const last = factors.at(-1);
    if (last && same(factor, last)) factors[factors.length - 1] = { kind: "square", of: factor };
    else if (!is_number(factor, 1)) factors.push(factor);
  }
  let found = number(1);
  if (factors.length > 1 && factors.every(of_numbers)) {
    found = factors.length === 2 && factors.every(({ kind }) => kind === "num") ? prod(factors[0], factors[1]) : { kind: "factors", parts: factors };
  } else if (factors.length) {
    const constants = factors.filter(({ kind, key }) => kind === "num" && key === null);
    found = [...constants, ...factors.filter((factor) => !constants.some((one) => same(one, factor)))].reduce(prod);
  }
  return minus ? neg(found) : found;
}

/** A sum of terms with their signs: nested sums are merged into it, equal symbols are counted. @param {[number, Node][]} terms @returns {Node} */
function total(terms) {
  let flat = /** @type {[number, Node][]} */ (terms.flatMap(([sign, term]) => {
    while (term.kind === "neg") [sign, term] = [-sign, term.of];
    return term.kind === "sum" ? term.terms.map((/** @type {Node} */ part, /** @type {number} */ k) => [sign * term.signs[k], part]) : [[sign, term]];
  }));
  /** @type {Map<string, {sign: number, term: Node, n: number}>} */
  const counts = new Map();
  for (const [sign, term] of flat) {
    const key = `${sign}${text_of(term)}`, seen = counts.get(key);
    counts.set(key, { sign, term, n: (seen?.n ?? 0) + 1 });
  }
  if ([...counts.values()].some(({ term, n }) => n > 1 && !of_numbers(term))) {
    flat = [...counts.values()].map(({ sign, term, n }) => [sign, n === 1 ? term : times(number(n), term)]);
  }
  if (flat.length === 1) return flat[0][0] > 0 ? flat[0][1] : neg(flat[0][1]);
  return sum(flat.map(([sign]) => sign), flat.map(([, term]) => term));
}

/** A call; a choice between a value and zero is a product with its condition. @param {Node} node @returns {Node} */
function function_of(node) {
  const args = node.args.map(on_paper);
  if (node.op !== "where") {
    if (node.op === "sum" && args[0].kind === "neg") return neg({ ...node, args: [args[0].of] });
    return { ...node, args };
  }
  let [condition, then, other] = args;
  if (condition.kind === "num" && condition.key === null) return condition.value ? then : other; // `expand`: one number per unit of another value
  if (condition.kind !== "holds") condition = holds(condition, number(0), "≠");
  if (is_number(other, 0) || is_number(then, 0)) {
    const here = is_number(other, 0) ? condition : { ...condition, sign: OPPOSITE[condition.sign] };
    const known = outcome(here), factor = known === null ? here : { ...number(known ? 1 : 0), key: KEPT };
    const rest = is_number(other, 0) ? then : other;
    return is_number(rest, 1) ? factor : times(rest, factor);
  }
  if (condition.sign === ">" && is_number(condition.right, 0)) other = below(other, condition.left);
  const known = outcome(condition);
  return known === null ? call("where", [condition, then, other]) : known ? then : other;
}

/** A formula where `at` is not above 0: -relu(-at) is `at`. @param {Node} part @param {Node} at @returns {Node} */
function below(part, at) {
  if (part.kind === "neg" && part.of.kind === "call" && part.of.op === "relu") {
    const [of] = part.of.args;
    if (same(of, neg(at)) || (of.kind === "num" && at.kind === "num" && of.value === -at.value)) return at;
  }
  return remade(part, (one) => below(one, at));
}

/** Whether a comparison of numbers is true; null if it is not one of numbers. @param {Node} condition */
function outcome({ left, right, sign }) {
  if (left.kind !== "num" || right.kind !== "num") return null;
  const [a, b] = [left.value, right.value];
  return Number.isNaN(a) || Number.isNaN(b) ? sign === "≠" : COMPARED[sign](a > b ? 1 : a < b ? -1 : 0);
}
