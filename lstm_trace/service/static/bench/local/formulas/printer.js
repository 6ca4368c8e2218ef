// Prints formula trees as plain text and as MathML, as lstm_trace/formulas/printer.py does: what comes in which order, and
// where parentheses are needed. A format says how each piece is written.
import { PRINTED } from "../../../../../lines/table.js";
import { ACCENTS, FUNCTIONS } from "./signs.js";
import { at, lower, NAMED, symbol, translated } from "./symbols.js";
import { number } from "./tree.js";
import { looked_up } from "../../../../../lines/values.js";

/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./symbols.js").Own} Own */
/** @typedef {import("./symbols.js").Symbol} Symbol */
/** @typedef {import("../../../../../lines/numbers.js").Shown} Shown */
/**
 * @typedef {object} Format
 * @property {boolean} slash whether a quotient is on one line and needs parentheses
 * @property {string} negative
 * @property {(number: string, exponent: number) => string} scaled
 * @property {(text: string, node: Node) => string} num
 * @property {string} dots
 * @property {(c: string) => string} letter
 * @property {(style: string, text: string) => string} word
 * @property {(name: string, body: string) => string} accent
 * @property {(base: string, sub: string, sup: string) => string} scripts
 * @property {(parts: string[]) => string} joined
 * @property {(text: string) => string} upright
 * @property {string} transposed
 * @property {(name: string) => string} name
 * @property {{minus: string, plus: string, less: string, space: string, times: string}} signs
 * @property {(parts: string[]) => string} row
 * @property {(body: string) => string} parens
 * @property {(body: string) => string} around
 * @property {(op: string) => string} function
 * @property {string} apply
 * @property {(texts: string[]) => string} arguments
 * @property {(place: string) => string} at
 * @property {(over: string, under: string) => string} fraction
 * @property {(left: string, sign: string, right: string) => string} holds
 * @property {(of: string, through: string) => string} gradient
 * @property {(body: string) => string} squared
 * @property {string} tanh_squared
 * @property {{[op: string]: (body: string) => string}} enclosed
 * @property {(vectors: string[]) => string} concatenated
 */

// -- plain text --------------------------------------------------------------------------------------------------------

/** The characters that exist as superscripts. */
const RAISED = new Map([..."0123456789+-−()ijklnt⊤T∗′"].map((c, k) => [c, [..."⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁱʲᵏˡⁿᵗᵀᵀ*′"][k]]));
const SCRIPTS = { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ" };
const script = (/** @type {string} */ text) => text.replace(/[A-Z]/g, (c) => /** @type {any} */ (SCRIPTS)[c] ?? String.fromCodePoint(0x1d49c + c.charCodeAt(0) - 65));
const braced = (/** @type {string} */ text) => (/^(?:[\p{L}\p{N}]+|⟨[^⟨⟩]*⟩)$/u.test(text) ? text : `{${text}}`);
/** A power, in superscript characters if they exist; otherwise after ^. @param {string} text */
const raised = (text) => ([...text].every((c) => RAISED.has(c)) ? [...text].map((c) => RAISED.get(c)).join("") : `^${braced(text)}`);
const listed = (/** @type {string[]} */ texts) => texts.join(texts.some((text) => /\d,\d/.test(text)) ? "; " : ", ");
/** A function as plain text. @param {string} op */
const called = (op) => looked_up(FUNCTIONS, op) ?? (looked_up(PRINTED, op) ?? op).replace(/\*$/, "");

/** @type {Format} */
export const PLAIN = {
  slash: true, negative: "-", scaled: (number, exponent) => `${number}e${exponent}`, num: (text) => text,
  dots: "…",
  letter: (c) => looked_up(NAMED, c) ?? c,
  word: (style, text) => (style === "script" ? script(text) : text),
  accent: (name, body) => body + ACCENTS[name],
  scripts: (base, sub, sup) => base + (sub && `_${braced(sub)}`) + (sup && raised(sup)),
  joined: (parts) => parts.join(""), upright: String, transposed: "T", name: String,
  signs: { minus: "-", plus: " + ", less: " - ", space: " ", times: " ⊙ " },
  row: (parts) => parts.join(""), parens: (body) => `(${body})`, around: (body) => `(${body})`,
  function: called, apply: "", arguments: (texts) => `(${listed(texts)})`, at: (place) => `[${place}]`,
  fraction: (over, under) => `${over} / ${under}`, holds: (left, sign, right) => `[${left} ${sign} ${right}]`,
  gradient: (of, through) => `∂L/∂${of}${through && `|${through}`}`,
  squared: (body) => `${body}²`, tanh_squared: "",
  enclosed: { sqrt: (body) => `√(${body})`, floor: (body) => `⌊${body}⌋`, abs: (body) => `|${body}|` },
  concatenated: (vectors) => `[${vectors.join("; ")}]`,
};

// -- MathML ------------------------------------------------------------------------------------------------------------

/** Text that cannot become markup, without characters that act. @param {string} text */
export const escape = (text) => text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]|(?![\ud800-\udbff][\udc00-\udfff])(?<![\ud800-\udbff])[\ud800-\udfff]/g, "\ufffd")
  .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#x27;");
/** @type {{[name: string]: string}} */
const OVER = { tilde: "~", hat: "^", bar: "¯", dot: "˙", vec: "→", overleftarrow: "←" };
/** @type {{[style: string]: [string, string]}} */
const STYLES = {
  upright: ['<mi mathvariant="normal">', "</mi>"], bold: ['<mi mathvariant="normal" class="bold">', "</mi>"], "bold italic": ['<mi class="bold">', "</mi>"],
  italic: ['<mi class="italic">', "</mi>"], mono: ['<mtext class="name">', "</mtext>"], script: ["<mi>", "</mi>"],
};
const OPERATORS = new Set([..."-+,:;|/.[]′∗†∘⊤⟨⟩∑⊙⊕·×←→<>≤≥≠≈∈±="]);

/** @param {string} c */
function letter(c) {
  c = looked_up(NAMED, c) ?? c;
  if (/^\p{Nd}+$/u.test(c)) return `<mn>${c}</mn>`;
  if ("()[]|⟨⟩".includes(c)) return `<mo stretchy="false">${c}</mo>`;
  return OPERATORS.has(c) ? `<mo>${c === "-" ? "−" : escape(c)}</mo>` : `<mi>${escape(c)}</mi>`;
}

/** In parentheses or other signs, which grow only around tall contents. @param {string} body */
function parens(body, signs = "()") {
  const rest = `lspace="0" rspace="0"${/<mfrac|<mtable/.test(body) ? "" : ' stretchy="false"'}`;
  return `<mo form="prefix" ${rest}>${signs[0]}</mo>${body}<mo form="postfix" ${rest}>${signs[1]}</mo>`;
}
const mrow = (/** @type {string[]} */ parts) => `<mrow>${parts.join("")}</mrow>`;

/** @param {(number: Node) => string} address of a number of a formula; empty if it has none @returns {Format} */
export const mathml = (address) => ({
  slash: false, negative: "−", scaled: (number, exponent) => `${number}×10${raised(String(exponent))}`,
  num: (text, node) => { const at = escape(address(node)); return `<mn${at && ` data-address="${at}"`}>${text}</mn>`; },
  dots: "<mo>⋯</mo>",
  letter,
  word: (style, text) => STYLES[style].join(PLAIN.word(style, escape(text))),
  accent: (name, body) => `<mover accent="true">${body}<mo stretchy="false">${OVER[name]}</mo></mover>`,
  scripts: (base, sub, sup) => { const kind = sub && sup ? "msubsup" : sub ? "msub" : "msup"; return `<${kind}>${base}${sub}${sup}</${kind}>`; },
  joined: (parts) => (parts.length > 1 ? mrow(parts) : parts.join("")),
  upright: (text) => `<mi>${escape(text)}</mi>`,
  transposed: "<mo>⊤</mo>",
  name: (name) => `<mtext class="name">${escape(name)}</mtext>`,
  signs: { minus: '<mo form="prefix">−</mo>', plus: "<mo>+</mo>", less: "<mo>−</mo>", space: '<mspace width="0.17em"/>', times: "<mo>⊙</mo>" },
  row: mrow, parens, around: (body) => mrow([parens(body)]),
  function: (op) => {
    const [base, ...sub] = Object.hasOwn(FUNCTIONS, op) ? called(op).split("_") : [escape(called(op))];
    return sub.length ? `<msub><mi>${base}</mi><mi>${sub.join("_")}</mi></msub>` : `<mi>${base}</mi>`;
  },
  apply: "<mo>\u2061</mo>", arguments: (texts) => parens(texts.join("<mo>,</mo>")), at: (place) => `<mtext>[${escape(place)}]</mtext>`,
  fraction: (over, under) => `<mfrac>${over}${under}</mfrac>`,
  holds: (left, sign, right) => mrow(["<mo>[</mo>", left, `<mo>${escape(sign)}</mo>`, right, "<mo>]</mo>"]),
  gradient: (of, through) => {
    const text = `<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo>${of}</mrow></mfrac>`;
    return through ? `<msub>${mrow([text, "<mo>|</mo>"])}<mtext>${escape(through)}</mtext></msub>` : text;
  },
  squared: (body) => `<msup>${body}<mn>2</mn></msup>`, tanh_squared: "<msup><mi>tanh</mi><mn>2</mn></msup><mo>\u2061</mo>",
  enclosed: { sqrt: (body) => `<msqrt>${body}</msqrt>`, floor: (body) => mrow([parens(body, "⌊⌋")]), abs: (body) => mrow([parens(body, "||")]) },
  concatenated: (vectors) => (vectors.length > 1 ? `<mtable>${vectors.map((one) => `<mtr><mtd>${one}</mtd></mtr>`).join("")}</mtable>` : vectors[0]),
});

// -- the walk ----------------------------------------------------------------------------------------------------------

/** How tightly each kind binds; a looser one inside a tighter one is put in parentheses. @type {{[kind: string]: number}} */
const BINDING = { sum: 1, neg: 2, prod: 3, factors: 3, matvec: 3, quot: 3, square: 4, transposed: 4, baseline: 4 };
/** How tightly a right factor, and the part below a slash, must bind. */
const RIGHT = 4;

/** Whether a term is printed with a minus at its beginning. @param {Node} node @param {boolean} slash @returns {boolean} */
function minus_first(node, slash) {
  if (node.kind === "prod" || node.kind === "matvec") {
    const [first, second] = [node.left ?? node.matrix, node.right ?? node.vector];
    return !(first.kind === "num" && second.kind === "num") && minus_first(first, slash);
  }
  if (node.kind === "quot") return slash && minus_first(node.over, slash);
  return node.kind === "num" && node.shown.negative;
}

export class Printer {
  /** @param {Format} format @param {Own} [own] symbols of the author, or of a notation */
  constructor(format, own = {}) {
    this.format = format;
    this.own = own;
  }

  /** The text of a tree. @param {Node} node @returns {string} */
  print(node) {
    const f = this.format, { signs } = f;
    switch (node.kind) {
      case "sym": return this.symbol(this.found(node));
      case "index": return f.row([this.inside(node.of, 5), f.at(node.at)]);
      case "num": return f.num(this.number(node.shown), node);
      case "sum": return f.row(node.terms.flatMap((/** @type {Node} */ one, /** @type {number} */ k) => {
        const negative = node.signs[k] < 0, after = k > 0 || negative, term = one;
        const part = this.inside(term, after ? 3 : 2);
        return [k ? (negative ? signs.less : signs.plus) : negative ? signs.minus : "", after && minus_first(term, f.slash) ? f.row([f.parens(part)]) : part];
      }));
      case "prod": case "matvec": return this.product(node);
      case "factors": return this.factors(node.parts);
      case "square": return this.square(node.of);
      case "transposed": return this.raised(node.of, "T");
      case "baseline": return this.raised(node.of, "0");
      case "holds": return f.holds(this.print(node.left), node.sign, this.print(node.right));
      case "gradient": return f.gradient(this.inside(node.of, 5), node.through);
      case "quot": return this.quotient(node);
      case "neg": {
        const of = node.of;
        return f.row([signs.minus, minus_first(of, f.slash) ? f.parens(this.print(of)) : this.inside(of, 3)]);
      }
      case "call": return this.call(node);
      default: return f.dots;
    }
  }

  /** A number. @param {Shown} shown */
  number({ negative, digits, exponent }) {
    const text = `${negative ? this.format.negative : ""}${/** @type {any} */ ({ inf: "∞", nan: "NaN" })[digits] ?? digits}`;
    return exponent === null ? text : this.format.scaled(text, exponent);
  }

  /** The text of a tree, in parentheses if it binds more loosely than `least`. @param {Node} node @param {number} least */
  inside(node, least) {
    const loose = (BINDING[node.kind] ?? 5) < least || (least >= RIGHT && node.kind === "num" && node.shown.negative);
    const needed = loose && (this.format.slash || least > RIGHT || node.kind !== "quot");
    return needed ? this.format.around(this.print(node)) : this.print(node);
  }

  /** The symbol of a name. @param {Node} node @returns {Symbol} */
  found({ name, steps }) {
    const known = symbol(name, this.own);
    return steps ? at(known, steps) : known;
  }

  /** @param {Symbol} found @returns {string} */
  symbol(found) {
    const f = this.format;
    if (found.node) return this.print(found.node);
    const own = found.tex && translated(found.tex, f);
    if (own || found.name) return own || f.name(found.name);
    let base = (found.upright ? f.upright : f.letter)(found.base);
    if (found.accent) base = f.accent(found.accent, base);
    const sub = f.joined(lower(found).flatMap((text, k) => (k % 2 ? [f.upright(text)] : (text.match(/[0-9]+|./gu) ?? []).map(f.letter))));
    return sub || found.power ? f.scripts(base, sub, this.upper(found.power)) : base;
  }

  /** The superscript after a symbol. @param {string} power */
  upper(power) {
    return power === "T" ? this.format.transposed : power ? this.format.letter(power) : "";
  }

  /** @param {Node} node */
  product(node) {
    const f = this.format;
    const [left, right] = [node.left ?? node.matrix, node.right ?? node.vector];
    if (left.kind === "num" && right.kind === "num") return this.factors([left, right]);
    const sign = node.kind === "prod" && left.kind !== "num" ? f.signs.times : f.signs.space;
    // (a ⊙ b) cᵀ and (a bᵀ) ⊙ C: a product of vectors that is a matrix is kept apart from one of their units
    const row = left.kind === "matvec" ? left.vector : node.kind === "matvec" ? node.vector : null;
    const apart = row !== null && row.kind === "transposed" && left.kind !== node.kind;
    return f.row([this.inside(left, apart ? RIGHT : 3), sign, this.inside(right, RIGHT)]);
  }

  /** @param {Node[]} parts */
  factors(parts) {
    return this.format.row(parts.map((part) => this.format.parens(this.print(part))));
  }

  /** @param {Node} of */
  square(of) {
    const f = this.format;
    if (of.kind === "gradient") return f.squared(f.around(this.print(of))); // its contents are not squared
    if (f.tanh_squared && of.kind === "call" && of.op === "tanh") return f.row([f.tanh_squared, f.parens(this.print(of.args[0]))]);
    return f.squared(of.kind === "num" ? this.factors([of]) : this.inside(of, 5));
  }

  /** A symbol with a power, or without one if it was transposed before; anything else followed by it. @param {Node} of @param {string} power */
  raised(of, power) {
    const f = this.format;
    for (let inner; of.kind === "sym" && (inner = this.found(of).node);) of = inner;
    if (of.kind === "gradient") return f.scripts(f.around(this.print(of)), "", this.upper(power)); // not of what it is a gradient of
    const found = of.kind === "sym" ? this.found(of) : null;
    if (found && !found.tex && !found.name && ["", power].includes(found.power)) return this.symbol({ ...found, power: found.power ? "" : power });
    return f.scripts(this.inside(of, 5), "", this.upper(power));
  }

  /** @param {Node} node */
  quotient({ over, under }) {
    const f = this.format;
    return f.slash ? f.fraction(this.inside(over, 3), this.inside(under, RIGHT)) : f.fraction(this.print(over), this.print(under));
  }

  /** @param {Node} node */
  call({ op, args, constants }) {
    const f = this.format;
    const texts = [...args, ...constants.map(number)].map((one) => this.print(one));
    if (op === "concat") return f.concatenated(texts);
    if (Object.hasOwn(f.enclosed, op) && texts.length === 1) return f.enclosed[op](texts[0]);
    return f.row([f.function(op), f.apply, f.arguments(texts)]);
  }
}

/** A tree as text. @param {Node} node @param {Own} [own] */
export const plain = (node, own) => new Printer(PLAIN, own).print(node);
/** A number as text. @param {Shown} shown */
export const number_text = (shown) => new Printer(PLAIN).number(shown);
