// How names are printed: as a person would typeset a name by its parts, as lstm_trace/formulas/symbols.py has it; and the
// small part of TeX that an author may use in a symbol (formulas/user_tex.py).
import { ACCENTS, GREEK, SIGNS } from "./signs.js";
import { at_step } from "./tree.js";
import { looked_up, named } from "../../../../../lines/values.js";

/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./printer.js").Format} Format */
/**
 * A printed symbol in parts. sub: its index; word: whether the whole index is one word; upright: whether the base is a word;
 * name: if the whole is printed as this name; tex: if the author wrote TeX; power: T if transposed, 0 of the baseline; node:
 * what is printed in its place.
 * @typedef {{base: string, sub: string, accent: string, word: boolean, upright: boolean, name: string, tex: string, power: string, node: Node | null}} Symbol
 */
/** The symbols that are not in our table: TeX of the author, or a symbol. @typedef {{[name: string]: string | Symbol}} Own */

/** @param {Partial<Symbol>} parts @returns {Symbol} */
export const symbol_of = (parts) => ({ base: "", sub: "", accent: "", word: false, upright: false, name: "", tex: "", power: "", node: null, ...parts });

const LETTERS = Object.values(GREEK).join("");
/** A combining mark to its accent. @type {{[mark: string]: string}} */
const MARKS = named(Object.entries(ACCENTS).map(([name, mark]) => [mark, name]));
/** A word in an index; two letters are two indices, except for this one. */
const WORD = /([A-Za-z]{3,}[0-9]*|(?<![A-Za-z])in(?![A-Za-z]))/;
const LETTER = new RegExp(`^(?:(?:(${Object.keys(GREEK).join("|")}|[A-Za-z${LETTERS}])([${Object.values(ACCENTS).join("")}]?)([0-9]*))|(?=W[a-z]|[UVb][a-z][0-9]*$)([A-Z]|b)([a-z]{1,2}[0-9]*))$`);
const PART = new RegExp(`^[A-Za-z0-9${LETTERS}]+$`);
/** Symbols that do not follow from the parts of a name. @type {{[name: string]: Symbol}} */
const KNOWN = {
  "ΔL": symbol_of({ base: "L", tex: "\\Delta L" }), lambda_: symbol_of({ base: "λ" }), "Σ": symbol_of({ base: "Σ" }),
  ...Object.fromEntries(["t", "b", "t, b"].map((over) => [`Σ_${over}`, symbol_of({ base: "Σ", sub: over })])),
};

/** @type {Map<string, Symbol>} */
const found_before = new Map();

/** The symbol of a name by its parts. @param {string} name @returns {Symbol} */
function by_parts(name) {
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name];
  const tilde = /^([A-Za-z])_tilde$/.exec(name);
  if (tilde) return symbol_of({ base: tilde[1], sub: "t", accent: "tilde" });
  const [first, ...index] = name.split("_");
  const found = LETTER.exec(first.normalize("NFD"));
  if (!index.every((part) => PART.test(part)) || !(found || PART.test(first))) return symbol_of({ name });
  let [, base = "", mark = "", digits = "", weight = "", behind = ""] = found ?? ["", first];
  let accent = MARKS[mark] ?? "";
  if (found && !accent && ["hat", "tilde", "bar"].includes(index[0])) accent = /** @type {string} */ (index.shift());
  while (!found && index.length && new RegExp(`^(?:${WORD.source})$`).test(index[0]) && index[0] !== "prev") base = `${base}_${index.shift()}`;
  if (index.at(-1) === "prev") index.splice(index.length === 2 && index[0] === "t" ? -2 : -1, 2, "t-1");
  return symbol_of({ base: looked_up(GREEK, base) ?? (base || weight), sub: [digits || behind, ...index].filter(Boolean).join(), accent, upright: found === null });
}

/** The symbol of a name. @param {string} name @param {Own} [own] @returns {Symbol} */
export function symbol(name, own = {}) {
  const given = looked_up(own, name);
  if (given !== undefined && typeof given !== "string") return given;
  if (!found_before.has(name)) found_before.set(name, by_parts(name));
  const known = /** @type {Symbol} */ (found_before.get(name));
  return given === undefined ? known : { ...known, tex: given.replaceAll("`", "'").split(/\s+/).filter(Boolean).join(" ") };
}

/** A symbol with numbers in place of its indices t and t - 1. @param {Symbol} found @param {[number, number]} steps @returns {Symbol} */
export function at(found, steps) {
  const [now, before] = steps, earlier = 2 * before - now;
  const numbered = (/** @type {string} */ text) => text.replace(/(?<![\\A-Za-z])t\s*-\s*([12])(?!\d)/g, (_, n) => String(n === "1" ? before : earlier)).replace(/(?<![\\A-Za-z])t(?![A-Za-z])/g, String(now));
  const tex = found.tex.replace(/([_^])(?:t(?![A-Za-z])|\{((?:[^{}]|\{[^{}]*\})*)\})/g, (_, mark, within = "t") => `${mark}{${numbered(within)}}`);
  const sub = found.sub.split(",").map((part) => (part === "t" ? now : part === "t-1" ? before : part)).join();
  return { ...found, sub, tex, node: found.node && at_step(found.node, new Set(), steps) };
}

/** Its index in parts, every second of which is a word. @param {Symbol} found */
export const lower = ({ word, sub }) => (word ? ["", sub, ""] : sub.split(WORD));

/** For all but one of the names that would be printed alike, the symbol is the name itself; one keeps its symbol. @param {Iterable<string>} names @param {Own} own @returns {Own} */
export function distinct(names, own) {
  const found = [...new Set(names)].filter((name) => !Object.hasOwn(own, name)).map((name) => ({ name, printed: symbol(name, own) }));
  const key = (/** @type {Symbol} */ printed) => JSON.stringify(printed);
  const usual = (/** @type {{name: string, printed: Symbol}} */ { name, printed }) => Number(name !== `${printed.base}_${printed.sub}`);
  /** @type {Map<string, string>} */
  const first = new Map();
  for (const { name, printed } of [...found].sort((a, b) => usual(a) - usual(b))) if (!first.has(key(printed))) first.set(key(printed), name);
  return named(found.filter(({ name, printed }) => first.get(key(printed)) !== name).map(({ name }) => [name, symbol_of({ name })]));
}

// -- TeX of an author --------------------------------------------------------------------------------------------------

/** Commands that typeset a word, with its style. @type {{[command: string]: string}} */
const WORDS = { mathrm: "upright", text: "upright", operatorname: "upright", mathbf: "bold", mathit: "italic", boldsymbol: "bold italic", mathtt: "mono", mathcal: "script" };
/** Commands that are wider or renamed forms of others. @type {{[command: string]: string}} */
const SAME = { widetilde: "tilde", widehat: "hat", overline: "bar", overrightarrow: "vec", star: "ast", bm: "boldsymbol", leq: "le", geq: "ge", neq: "ne", to: "rightarrow", dots: "ldots", cdots: "ldots" };
/** Letters and signs by their commands. @type {{[command: string]: string}} */
export const NAMED = { ...GREEK, ...SIGNS };
/** @type {{[sign: string]: string}} */
const COMMANDS = { ...Object.fromEntries(Object.entries(NAMED).map(([name, sign]) => [sign, name])), "*": "ast", "<": "langle", ">": "rangle", "−": "-" };
const SPACE = /\\(?:[,;:! ]|(?:left|right)(?![A-Za-z]))|[\s~]/y;
const TOKEN = new RegExp(`\\\\(?<set>${Object.keys(WORDS).join("|")})\\{(?<inner>[A-Za-z0-9\\s]*)\\}|\\\\(?<command>[A-Za-z]+)|(?<mark>[_^{}])|(?<sign>[A-Za-z0-9+,:;|/.()[\\]\\-]|[${Object.keys(COMMANDS).join("")}])(?<over>[${Object.keys(MARKS).join("")}]?)`, "uy");
const DEEPEST = 8;

/** A symbol in another format; null if the TeX goes beyond what is understood. @param {string} tex @param {Format} format @returns {string | null} */
export function translated(tex, format) {
  const text = [...tex].map((c) => (c in COMMANDS ? c : c.normalize("NFD"))).join("").replace(/['′]+/g, (marks) => `^{${"\\prime ".repeat(marks.length)}}`);
  /** @type {{[group: string]: string}[]} */
  const tokens = [];
  for (let at = 0; at < text.length;) {
    const [space, token] = [SPACE, TOKEN].map((pattern) => { pattern.lastIndex = at; return pattern.exec(text); });
    if (!space && !token) return null;
    if (!space) tokens.push({ .../** @type {any} */ (token).groups });
    at += /** @type {RegExpExecArray} */ (space ?? token)[0].length;
  }
  tokens.reverse(); // the next one is the last
  try {
    const body = row(tokens, format, 0);
    return tokens.length || !body ? null : body;
  } catch {
    return null;
  }
}

/** Atoms with their indices, up to a closing brace or the end. @param {{[group: string]: string}[]} tokens @param {Format} format @param {number} depth @returns {string} */
function row(tokens, format, depth) {
  const parts = [];
  while (tokens.length && tokens.at(-1)?.mark !== "}") {
    const base = atom(tokens, format, depth);
    /** @type {{[mark: string]: string}} */
    const scripts = { _: "", "^": "" };
    for (let mark = tokens.at(-1)?.mark; mark === "_" || mark === "^"; mark = tokens.at(-1)?.mark) {
      if (scripts[mark]) throw new SyntaxError(mark);
      tokens.pop();
      scripts[mark] = atom(tokens, format, depth, true);
    }
    parts.push(scripts._ || scripts["^"] ? format.scripts(base, scripts._, scripts["^"]) : base);
  }
  return format.joined(parts);
}

/** @param {{[group: string]: string}[]} tokens @param {Format} format @param {number} depth @param {boolean} [scripted] @returns {string} */
function atom(tokens, format, depth, scripted = false) {
  const token = tokens.pop();
  if (!token || depth > DEEPEST) throw new SyntaxError("the end");
  const { set, inner, mark, sign, over } = token;
  const command = looked_up(SAME, token.command) ?? token.command;
  if (set) return in_style(format, set, inner.replace(/\s+/g, " "));
  if (mark === "{") {
    const body = row(tokens, format, depth + 1);
    if (!tokens.pop()) throw new SyntaxError("the end");
    return body;
  }
  if (Object.hasOwn(ACCENTS, command)) return format.accent(command, atom(tokens, format, depth + 1, true));
  if (Object.hasOwn(WORDS, command)) {
    const letter = (/** @type {string} */ c) => {
      if (!WORDS[command].includes("bold") && !/^[A-Za-z0-9]$/.test(c)) throw new SyntaxError(c);
      return in_style(format, command, looked_up(NAMED, c) ?? c);
    };
    return atom(tokens, { ...format, letter }, depth + 1, true);
  }
  if (mark || (command && !Object.hasOwn(NAMED, command))) throw new SyntaxError(mark || command);
  const letter = format.letter(command ?? COMMANDS[sign] ?? sign);
  return over ? format.accent(MARKS[over], letter) : letter;
}

/** @param {Format} format @param {string} command @param {string} text */
function in_style(format, command, text) {
  if (WORDS[command] === "script" && !/^[A-Z]+$/.test(text)) throw new SyntaxError(text);
  return format.word(WORDS[command], text);
}
