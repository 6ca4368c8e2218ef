// From a text to its tree: Python's grammar of expressions, which the equations borrow. What is not in our grammar is
// read as well where a message can say what it is.

import { KEYWORDS } from "./table.js";

/**
 * A part of an expression. start, end: its columns, without parentheses around it; height: levels of the tree below it.
 * kind: name, number, unary, binary, compare, call, subscript, slice, attribute, constant (anything but a number), or
 * the name that Python has for what is not in our grammar.
 * @typedef {{kind: string, start: number, end: number, height: number, name: string, value: number, whole: boolean,
 *   op: string, parts: Node[], plain: boolean}} Node
 */

/** One fault at a column of the row being read. */
export class SyntaxFault extends Error {
  /** @param {string} message @param {number} [column] @param {{inner?: boolean, unreadable?: boolean}} [kind] */
  constructor(message, column = 0, { inner = false, unreadable = false } = {}) {
    super(message);
    this.column = column;
    this.inner = inner; // whether it already names the definition in which it was found
    this.unreadable = unreadable;
  }
}

export const DEEP = "the expression is nested too deeply, or holds a character that cannot be read; split it";
export const UNREADABLE = "this cannot be read as an equation";
const MAX_LEVELS = 1000; // of a tree, which has one level for each term of a sum
const MAX_OPEN = 200; // brackets within each other

const DIGITS = "[0-9](?:_?[0-9])*";
const NUMBER = `0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?[jJ]?`;
const SIGN = "\\*\\*|//|<<|>>|<=|>=|==|!=|:=|\\.\\.\\.|[-+*@/%&|^~<>()\\[\\]{},:.=;]";
const TOKEN = new RegExp(`[ \\t\\f]*(?:(?<number>${NUMBER})|(?<name>[\\p{XID_Start}_]\\p{XID_Continue}*)|(?<sign>${SIGN})|(?<string>"[^"]*"|'[^']*'))`, "yu");
/** How tightly operators bind, from the loosest. @type {{[sign: string]: number}} */
const BINDS = { "|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "@": 6, "/": 6, "%": 6, "//": 6 };
const COMPARISONS = new Set(["<", ">", "<=", ">=", "==", "!=", "in", "is", "not"]);
/** @type {{[bracket: string]: string}} */
const CLOSES = { ")": "(", "]": "[", "}": "{" };
const words = new Set(KEYWORDS);

/** Whether a text is a name in Python's grammar. @param {string} text */
export const is_identifier = (text) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(text);

/** Whether it is one that means something in Python's grammar. @param {string} text */
export const is_keyword = (text) => words.has(text);

/**
 * The tree of an expression that begins at a column of its row. Throws SyntaxFault if it is invalid or too deep.
 * @param {string} text
 * @param {number} start
 * @returns {Node}
 */
export function syntax(text, start) {
  if (!text) throw new SyntaxFault("an expression is missing here", start);
  try {
    const tree = new Reader(text).whole();
    if (tree.height <= MAX_LEVELS) return tree;
  } catch (fault) {
    if (fault instanceof SyntaxFault) throw new SyntaxFault(`${UNREADABLE} (${fault.message})`, start + fault.column, { unreadable: true });
    if (!(fault instanceof RangeError)) throw fault; // the stack
  }
  throw new SyntaxFault(DEEP, start);
}

/** @typedef {{kind: string, text: string, start: number, end: number}} Token */

/** The tokens of a text, and the bracket that it does not close. @param {string} text */
function tokenized(text) {
  /** @type {Token[]} */
  const tokens = [];
  /** @type {Token[]} */
  const open = [];
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    const rest = found ? 0 : at + /** @type {RegExpExecArray} */ (/^[ \t\f]*/.exec(text.slice(at)))[0].length;
    if (!found && rest === text.length) break;
    if (!found) throw new SyntaxFault(unread(text, rest), rest + Number(text[rest] === "\\"));
    const { number, name, sign, string } = /** @type {{[kind: string]: string}} */ (found.groups);
    at = TOKEN.lastIndex;
    const token = { kind: number ? "number" : name ? "name" : sign ? "sign" : "string", text: number || name || sign || string, start: at, end: at };
    token.start -= token.text.length;
    if (number && (/^(?!(?:and|or|if|in|is|not)\b)\w/.test(text.slice(at)) || (text.codePointAt(at) ?? 0) > 127)) throw new SyntaxFault("invalid decimal literal", at - 1);
    if (/^0[0-9_]*[1-9][0-9_]*$/.test(number)) throw new SyntaxFault("leading zeros in decimal integer literals are not permitted", token.start);
    if ("([{".includes(token.text)) open.push(token);
    if (open.length > MAX_OPEN) throw new SyntaxFault("too many nested parentheses", token.start);
    if (Object.hasOwn(CLOSES, token.text)) {
      const last = open.pop();
      if (!last) throw new SyntaxFault(`unmatched '${token.text}'`, token.start);
      if (last.text !== CLOSES[token.text]) {
        throw new SyntaxFault(`closing parenthesis '${token.text}' does not match opening parenthesis '${last.text}'`, token.start);
      }
    }
    tokens.push(token);
  }
  tokens.push({ kind: "end", text: "", start: text.length, end: text.length });
  return { tokens, open: open.at(-1) };
}

/** What is wrong with a character. @param {string} text @param {number} at */
function unread(text, at) {
  const code = /** @type {number} */ (text.codePointAt(at)), sign = String.fromCodePoint(code);
  if ("'\"".includes(sign)) return "unterminated string literal (detected at line 1)";
  if (sign === "\\") return "unexpected character after line continuation character";
  if (code < 128) return "invalid syntax";
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return /[\p{C}\p{Z}]/u.test(sign) ? `invalid non-printable character ${number}` : `invalid character '${sign}' (${number})`;
}

class Reader {
  /** @param {string} text */
  constructor(text) {
    const { tokens, open } = tokenized(text);
    this.tokens = tokens;
    this.open = open; // a bracket that is not closed
    this.at = 0;
  }

  get next() {
    return this.tokens[this.at];
  }

  /** Whether the next token is this sign or word. @param {string} text */
  is(text) {
    return this.next.text === text && this.next.kind !== "string";
  }

  /** Takes the next token if it is this one. @param {string} text */
  takes(text) {
    const is = this.is(text);
    if (is) this.at += 1;
    return is;
  }

  /** @param {string} text */
  expect(text) {
    if (!this.takes(text)) throw this.fault();
  }

  fault() {
    if (this.open && this.next.kind === "end") return new SyntaxFault(`'${this.open.text}' was never closed`, this.open.start);
    return new SyntaxFault("invalid syntax", this.next.start);
  }

  /** @param {string} kind @param {number} start @param {Node[]} parts @param {object} [more] @returns {Node} */
  node(kind, start, parts, more = {}) {
    const height = 1 + Math.max(1, ...parts.map((part) => part.height));
    return { kind, start, end: this.tokens[this.at - 1].end, height, name: "", value: 0, whole: false, op: "", parts, plain: true, ...more };
  }

  whole() {
    const tree = this.listed("", "Tuple", this.next.start);
    if (this.next.kind !== "end") throw this.fault();
    return tree;
  }

  /** One expression, or a tuple of several up to a closing bracket. @param {string} closing @param {string} kind @param {number} start @returns {Node} */
  listed(closing, kind, start) {
    const parts = [this.expression()];
    let commas = 0;
    while (this.takes(",")) {
      commas += 1;
      if (this.is(closing) || this.next.kind === "end") break;
      parts.push(this.expression());
    }
    if (closing) this.expect(closing);
    return commas || kind !== "Tuple" ? this.node(kind, start, parts) : parts[0];
  }

  /** @returns {Node} */
  expression() {
    const start = this.next.start;
    const first = this.either("or", "Or", () => this.either("and", "And", () => this.comparison()));
    if (!this.takes("if")) return first;
    const condition = this.comparison();
    this.expect("else");
    return this.node("IfExp", start, [first, condition, this.expression()]);
  }

  /** @param {string} word @param {string} kind @param {() => Node} part @returns {Node} */
  either(word, kind, part) {
    const start = this.next.start;
    let left = part();
    while (this.takes(word)) left = this.node(kind, start, [left, part()]);
    return left;
  }

  /** @returns {Node} */
  comparison() {
    const start = this.next.start;
    if (this.takes("not")) return this.node("unary", start, [this.comparison()], { op: "Not" });
    const parts = [this.binary(1)];
    let op = "";
    while (COMPARISONS.has(this.next.text)) {
      op = this.next.text;
      this.at += 1;
      if (op === "not" && !this.takes("in")) throw this.fault();
      if (op === "is") this.takes("not");
      parts.push(this.binary(1));
    }
    return op ? this.node("compare", start, parts, { op }) : parts[0];
  }

  /** Operators that bind at least so tightly. @param {number} least @returns {Node} */
  binary(least) {
    const start = this.next.start;
    let left = this.unary();
    for (let op = this.next.text; BINDS[op] >= least && this.next.kind === "sign"; op = this.next.text) {
      this.at += 1;
      const right = this.binary(BINDS[op] + 1);
      left = this.node("binary", start, [left, right], { op });
    }
    return left;
  }

  /** @returns {Node} */
  unary() {
    const { start, text } = this.next;
    if (this.takes("-") || this.takes("+") || this.takes("~")) return this.node("unary", start, [this.unary()], { op: text });
    const base = this.primary();
    return this.takes("**") ? this.node("binary", start, [base, this.unary()], { op: "**" }) : base;
  }

  /** @returns {Node} */
  primary() {
    const start = this.next.start;
    let value = this.atom();
    for (;;) {
      if (this.takes("(")) value = this.call(start, value);
      else if (this.takes("[")) value = this.node("subscript", start, [value, this.slices()]);
      else if (this.takes(".")) {
        if (this.next.kind !== "name") throw this.fault();
        const name = this.next.text.normalize("NFKC");
        this.at += 1;
        value = this.node("attribute", start, [value], { name });
      } else return value;
    }
  }

  /** The arguments of a call. @param {number} start @param {Node} called @returns {Node} */
  call(start, called) {
    const parts = [called];
    let plain = true;
    while (!this.is(")")) {
      const keyword = this.next.kind === "name" && this.tokens[this.at + 1].text === "=";
      if (keyword) this.at += 2;
      plain = !(keyword || this.takes("*") || this.takes("**")) && plain;
      parts.push(this.expression());
      if (!this.takes(",")) break;
    }
    this.expect(")");
    return this.node("call", start, parts, { plain });
  }

  /** What is between the brackets of a part of a vector. @returns {Node} */
  slices() {
    const start = this.next.start;
    const parts = [];
    do {
      const first = this.next.start;
      const ends = this.is(":") ? [] : [this.expression()];
      const plain = ends.length === 1;
      let colons = 0;
      while (this.takes(":")) {
        colons += 1;
        if (![":", ",", "]"].includes(this.next.text)) ends.push(this.expression());
      }
      if (colons > 2) throw this.fault();
      // lower and upper end, and nothing else
      parts.push(colons ? this.node("slice", first, ends, { plain: plain && colons === 1 && ends.length === 2 }) : ends[0]);
    } while (this.takes(",") && !this.is("]"));
    const many = this.tokens[this.at - 1].text === "," || parts.length > 1;
    this.expect("]");
    return many ? this.node("Tuple", start, parts) : parts[0];
  }

  /** @returns {Node} */
  atom() {
    const { kind, text, start } = this.next;
    if (kind === "end" || (kind === "name" && words.has(text) && !["True", "False", "None"].includes(text))) throw this.fault();
    this.at += 1;
    if (kind === "name" && !words.has(text)) return this.node("name", start, [], { name: text.normalize("NFKC"), height: 2 });
    if (kind === "number" && !/^[^xX]*[jJ]$/.test(text)) {
      const whole = /^0[xXoObB]|^[0-9_]+$/.test(text);
      return this.node("number", start, [], { value: Number(text.replaceAll("_", "")), whole, height: 1 });
    }
    if (kind !== "sign") return this.node("constant", start, [], { height: 1 });
    if (text === "(" && !this.is(")")) return this.listed(")", "Tuple", start);
    if (text === "[" && !this.is("]")) return this.listed("]", "List", start);
    if ((text === "(" && this.takes(")")) || (text === "[" && this.takes("]"))) return this.node(text === "(" ? "Tuple" : "List", start, []);
    this.at -= 1;
    throw this.fault();
  }
}
