// Equations as written on paper or in LaTeX, and how to type them: for messages only. See cell/on_paper.py.

import { BUILT_IN, FUNCTIONS } from "./cells.js";
import { is_identifier, is_keyword, syntax, SyntaxFault } from "./syntax.js";
import { CALLED, TYPED } from "./table.js";

/** Something not typed as it is written: its position, and the message. @typedef {{at: number, said: string}} Slip */
/** kind: operand, function, open, close, sign, dot; lead: blanks before it. @typedef {{at: number, typed: string, kind: string, lead: string}} Part */
/** @typedef {{[group: string]: string | undefined}} Groups */

const MOST = 3, LONGEST = 200; // sentences in a message, and characters of an equation in it
/** Characters that are accepted in names: W·x is a name, and xₜ equals xt. */
export const LETTERS = /[\u00b7\u0387]|(?<!_)ₜ/;
const DOTS = ["·", "\u0387", "⋅", "∙", "×", "\\cdot", "\\times"]; // signs of a product that are also used with a matrix
/** @type {{[command: string]: string}} */
const COMMANDS = { odot: "*", circ: "*", cdot: "*", times: "*", left: "", right: "" };
const called = new Map(Object.entries(CALLED));

const W = "[\\p{L}\\p{N}_]", S = "[\\p{L}\\p{Nl}\\p{No}_]"; // a letter of a word, and its first
const STEP = "\\s*t\\s*(?:[-−–]\\s*1\\s*)?", SMALL = "[₀-₎ₐ-ₜᵢᵣᵤᵥⱼ]";
const TOKEN = new RegExp(
  [
    "(?<space>\\s+)",
    "(?<number>\\p{Nd}[\\p{Nd}.]*(?:[eE][+-]?\\p{Nd}+)?)",
    "\\\\(?<command>[A-Za-z]+)",
    `(?<turned>${S}${W}*?)\\s?(?:\\^\\s?(?:T|\\\\top|⊤|\\{\\s*(?:T|\\\\top)\\s*\\})|ᵀ)(?!${W})\\s*(?:[@*·⋅∙]\\s*)?(?<vector>${S}${W}*(?:\\{[^{}]*\\}|${SMALL}+)?)`,
    `(?<base>${S}${W}*?)(?:_?\\{(?<below>[^{}]*)\\}|_?\\s?[(\\[](?<at>${STEP})[)\\]]|(?<small>${SMALL}+)(?!${W}))`,
    `(?<tight>${S}${W}*?)_t[-−–]1(?!${W})`,
    `\\[(?=[^\\[\\]]*\\])(?=[^\\[\\]]*${S})(?<joined>[^\\[\\]]*[,;][^\\[\\]]*)\\]`,
    "(?<!\\|)\\|(?<size>[^|]+)\\|(?!\\|)",
    `(?<name>${S}${W}*)`,
    "(?<sign>.)",
  ].join("|"),
  "gsu",
);
const TOKEN_AT = new RegExp(TOKEN.source, "suy");

/** How a part is shown as a factor of a product. @param {Part} part */
const factor = (part) => (part.kind === "open" || part.kind === "close" ? "(…)" : part.typed + (part.kind === "function" ? "(…)" : ""));

/** Whether it has the name of a matrix: W, W_xi, Wx; not X_t, which has a value at each step. @param {Part} part */
function matrix({ kind, typed }) {
  const capital = kind === "operand" && /^\p{Lu}/u.test(typed) && is_identifier(typed);
  return capital && !/(_t|_prev)$/.test(typed) && (typed.length < 3 || typed.includes("_"));
}

/** @param {Part[]} parts */
const joined = (parts) => parts.map((part, k) => (k ? part.lead : "") + part.typed).join("");

/** @param {Part} part */
const nesting = ({ kind }) => Number(kind === "open") - Number(kind === "close");

/** The parts of a text that are written as on paper, and the text as it would be typed. @param {string} text @returns {[Slip[], string]} */
function slips(text) {
  /** @type {Slip[]} */
  const found = [];
  /** @type {Part[]} */
  const parts = [];
  for (let part of pieces(text, found)) {
    const before = parts.at(-1);
    if (before && part.kind === "dot") {
      const sign = matrix(before) ? "@" : "*";
      TOKEN_AT.lastIndex = part.at;
      const as_written = TOKEN_AT.exec(text)?.[0];
      found.push({ at: part.at, said: `${as_written} is typed ${sign}${sign === "@" ? " between a matrix and a vector" : ""}` });
      part = { ...part, typed: sign, kind: "sign" };
    } else if (before && adjacent(before, part)) {
      const sign = matrix(before) || (matrix(part) && !/^\p{Nd}/u.test(before.typed)) ? "@" : "*";
      const what = matrix(before) ? "a matrix times a vector" : sign === "*" ? "a product" : "a vector times a matrix";
      found.push({ at: before.at, said: `${what} is written \`${factor(before)} ${sign} ${factor(part)}\`` });
      parts.push({ at: part.at, typed: sign, kind: "sign", lead: " " });
      part = { ...part, lead: " " };
    }
    parts.push(part);
  }
  for (let k = parts.length - 1; k >= 0; k -= 1) if (parts[k]?.kind === "function") enclose(parts, k, found);
  for (let k = parts.length - 1; k >= 0; k -= 1) separate(parts, k);
  return [found.sort((a, b) => a.at - b.at || (a.said < b.said ? -1 : 1)), joined(parts)];
}

/** Whether two parts are adjacent as factors are; a name before a parenthesis may be a function. @param {Part} one @param {Part} other */
function adjacent(one, other) {
  const value = one.kind === "close" || matrix(one) || /^\p{Nd}/u.test(one.typed) || /(_t|_prev)$/.test(one.typed);
  const follows = other.kind === "operand" || other.kind === "function" || (other.kind === "open" && value);
  return (one.kind === "operand" || one.kind === "close") && follows;
}

/** Adds the missing parentheses of a function, up to a product; before a sum the extent is ambiguous. @param {Part[]} parts @param {number} k @param {Slip[]} found */
function enclose(parts, k, found) {
  const first = k + 1;
  if (first === parts.length || !["operand", "function"].includes(parts[first].kind)) return;
  found.push({ at: parts[k].at, said: `a function is written with parentheses: \`${parts[k].typed}(…)\`` });
  let depth = 0, last = 0, n = first, sums = parts[first].typed.startsWith("_"); // an index, as in a sum
  for (; n < parts.length; n += 1) {
    const { typed } = parts[n];
    depth += nesting(parts[n]);
    if (depth < 0 || (!depth && (typed === "," || typed === "="))) break;
    sums ||= !depth && (typed === "+" || typed === "-");
    if (!depth && (typed === "*" || typed === "/") && !last) last = n;
  }
  if (sums) parts[k] = { ...parts[k], typed: `${parts[k].typed} ` }; // not an expression, so that it is not suggested
  else {
    const end = last || n;
    const typed = `${parts[k].typed}(${joined(parts.slice(first, end))})`;
    parts.splice(k, end - k, { ...parts[k], typed, kind: "operand" });
  }
}

/** Puts a matrix times a vector after * or / into parentheses, because @ does not bind more tightly. @param {Part[]} parts @param {number} k */
function separate(parts, k) {
  if (!k || !matrix(parts[k]) || !["*", "/"].includes(parts[k - 1].typed) || parts[k + 1]?.typed !== "@") return;
  for (let n = k + 2, depth = 0; n < parts.length; n += 1) {
    depth += nesting(parts[n]);
    if (depth || parts[n].kind === "function") continue;
    parts.splice(k, n + 1 - k, { ...parts[k], typed: `(${joined(parts.slice(k, n + 1))})` });
    return;
  }
}

/** The text in pieces, as typed; adds those that are typed differently from how they are written. @param {string} text @param {Slip[]} found @returns {Generator<Part>} */
function* pieces(text, found) {
  /** @type {boolean[]} */
  const calls = []; // for each open parenthesis, whether it belongs to a function
  let before = "", lead = "";
  for (const token of text.matchAll(TOKEN)) {
    const [whole] = token, at = token.index, rest = text.slice(at + whole.length);
    const groups = /** @type {Groups} */ (token.groups);
    let kind = "operand", typed = whole;
    /** @param {string} said */
    const slip = (said) => found.push({ at, said });
    if (groups.space) {
      lead = whole;
      continue;
    }
    if (is_keyword(whole)) kind = "sign";
    else if (groups.command || groups.name) {
      const name = groups.command ?? whole;
      const known = FUNCTIONS.has(name) || BUILT_IN.has(name) ? name : called.get(name) ?? called.get(name.toLowerCase());
      const applied = new RegExp(`^(?:\\s*\\(|\\s+${S}|\\s*\\\\[A-Za-z])`, "u").test(rest);
      if (known && (applied || groups.command || name === "σ" || name === "Σ")) {
        [typed, kind] = [known, "function"];
        const why = name.toLowerCase() === known && known !== name ? ": functions are written in lower case" : "";
        if (typed !== whole) slip(`${whole} is typed ${typed}${why}`);
      } else if (groups.command && rest.startsWith("{")) slip(`${whole}{…} is LaTeX, which is not read here`);
      else if (groups.command) {
        typed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : name;
        kind = DOTS.includes(whole) ? "dot" : is_identifier(typed) ? "operand" : "sign";
        if (kind !== "dot") slip(typed ? `${whole} is typed ${typed}` : `${whole} is left out`);
      }
    } else if (groups.turned) {
      const product = `${slips(groups.vector ?? "")[1]} @ ${groups.turned}`;
      typed = before === "*" || before === "/" ? `(${product})` : product;
      slip(`the product with the transpose is written \`${product}\``);
    } else if (groups.joined) {
      typed = `concat(${groups.joined.split(/[,;]/).map((one) => slips(one.trim())[1]).join(", ")})`;
      slip(`vectors one after the other are written \`${typed}\``);
    } else if (groups.size) {
      const inner = slips(groups.size.trim())[1];
      typed = `max(${inner}, -${is_identifier(inner) ? inner : `(${inner})`})`;
      slip(`an absolute value is written \`${typed}\``);
    } else if (groups.sign) {
      kind = whole === "(" ? "open" : whole === ")" || whole === "]" ? "close" : DOTS.includes(whole) ? "dot" : "sign";
      if (whole === "(") calls.push(is_identifier(before));
      else if (whole === ")") calls.pop();
      const sign = kind === "dot" ? undefined : TYPED[whole] ?? called.get(whole);
      if (sign) {
        [typed, kind] = [sign, whole === "∑" ? "function" : kind];
        slip(`${whole} is typed ${typed}`);
      } else if (whole === "," && /\p{Nd}/u.test(text[at - 1] ?? "") && /^\p{Nd}/u.test(rest) && !calls.includes(true)) {
        [typed, kind] = [".", "sign"];
        slip("a decimal comma is typed .");
      }
    } else if (!groups.number) {
      yield* indexed(whole, at, groups, found, lead);
      [before, lead] = ["x", ""];
      continue;
    }
    yield { at, typed, kind, lead };
    [before, lead] = [typed, ""];
  }
}

/** A name with an index in braces, in parentheses or in small letters. @param {string} whole @param {number} at @param {Groups} groups @param {Slip[]} found @param {string} lead @returns {Generator<Part>} */
function* indexed(whole, at, groups, found, lead) {
  let base = groups.tight || groups.base || "", start = at;
  const below = (groups.below || groups.at || groups.small?.normalize("NFKC") || "t-1").replace(/[\s,]/g, "");
  const back = /^t[-−–]1$/.test(below);
  const both = back || below === "t" ? /^([A-Z](?:_[a-z]+)?)([a-z])$/.exec(base) : null; // W_hh_{t-1}
  if (both) {
    yield { at, typed: both[1], kind: "operand", lead };
    [start, base, lead] = [at + both[1].length, both[2], ""];
  }
  const index = (below.match(/[0-9A-Za-z]+/g) ?? []).join("");
  const typed = back ? `${base.replace(/_t$/, "")}_prev` : base + (groups.small && base.includes("_") ? "" : "_") + index;
  found.push({ at: start, said: back ? `the previous step's state is written ${typed}` : `${whole.slice(start - at)} is typed ${typed}` });
  yield { at: start, typed, kind: "operand", lead };
}

/** The message about the first thing in a text that is written as on paper; null if there is nothing, or nothing at a column. @param {string} text @param {number} [at] @returns {Slip | null} */
export function told(text, at) {
  const [found] = slips(text);
  if (!found.some((slip) => at === undefined || slip.at === at)) return null;
  /** @type {Map<string, string>} */
  const causes = new Map(); // each cause once, with its first instance
  for (const { said } of found) {
    const cause = said.replace(/`.*`|^.*[{([].* is typed .*/g, "");
    if (!causes.has(cause)) causes.set(cause, said);
  }
  return { at: found[0].at, said: [...causes.values()].slice(0, MOST).join("; ") };
}

/** What to type for a text that is written as on paper; empty if that is not an expression either, or is long. @param {string} text */
export function as_typed(text) {
  const [, typed] = slips(text);
  try {
    syntax(typed, 0);
  } catch (fault) {
    if (fault instanceof SyntaxFault) return "";
    throw fault;
  }
  return typed !== text && typed.length <= LONGEST ? typed : "";
}
