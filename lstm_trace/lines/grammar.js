// From text to cell: equations are parsed with a whitelist and checked, never evaluated. See cell/parse.py.

import { assigned, by_name, certain, FUNCTIONS, live, made, matrices, number, product, reads, remembers, states, with_holds, written } from "./cells.js";
import { CellError, nearest, quoted, refuse } from "./errors.js";
import { Builder, Functions, row_of } from "./expressions.js";
import { as_typed, LETTERS, told } from "./on_paper.js";
import { DEEP, is_identifier, is_keyword, SyntaxFault } from "./syntax.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").FunctionDefinition} FunctionDefinition */
/** @typedef {import("./cells.js").Parts} Parts */
/** @typedef {import("./expressions.js").Place} Place */
/** Row number and message. @typedef {[number, string]} Problem */
/** Row number, row, what follows the colon, its column. @typedef {[number, string, string, number]} Declared */

const MAX_TEXT = 64 * 1024; // characters
const HOLDS = ["hold", "scale"];
const DECLARED = new Set(["input", "matrix", "carry", "sum", "gradient", "output", ...HOLDS]);
const WIDE = 100; // characters of an equation in a message

/** Where the lines and states of a parsed cell were written. @type {WeakMap<Cell, Map<string, Place>>} */
export const places_of = new WeakMap();

/** Blanks as wide as a text in a monospaced font. @param {string} text */
function as_wide(text) {
  const wide = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{Emoji_Presentation}\uff01-\uff60\uffe0-\uffe6]/u;
  return [...text].map((sign) => (/\p{Mn}/u.test(sign) ? "" : sign === "\t" ? sign : wide.test(sign) ? "\u3000" : " ")).join("");
}

/** The message with the equation, and a caret below a column. @param {string} message @param {number} number @param {string} row @param {number} column */
function at_column(message, number, row, column) {
  const place = number > 0 ? `equation ${number}` : "the cell's own equations";
  if (row.length > WIDE) {
    const begin = Math.max(Math.min(column - WIDE / 2, row.length - WIDE), 0), last = begin + WIDE < row.length;
    row = (begin > 0 ? "…" : "") + row.slice(begin, begin + WIDE) + (last ? "…" : "");
    column += Number(begin > 0) - begin;
  }
  return `${place}: ${message}\n    ${row}\n    ${as_wide(row.slice(0, column))}^`;
}

/** The message with a caret below an operation, or one of its operands; unchanged if nobody wrote it. @param {string} message @param {Place | undefined} place @param {string} [operand] */
export function pointed(message, place, operand = "") {
  return place ? at_column(message, place.number, place.row, place.operands.get(operand) ?? place.column) : message;
}

/** Text before, and after, the first mark; all before it if there is none. @param {string} text @param {string} mark @returns {[string, boolean, string]} */
export function partition(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, false, ""] : [text.slice(0, at), true, text.slice(at + mark.length)];
}

/** The rows of a text, as Python splits it. @param {string} text */
export function rows_of(text) {
  // eslint-disable-next-line no-control-regex
  const rows = text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  return rows.at(-1) === "" ? rows.slice(0, -1) : rows;
}

/** @param {string} text */
const lead = (text) => text.length - text.trimStart().length;

/** Parts between the commas outside parentheses, with their columns; the last goes to the end of the text. @param {string} text @returns {[string, number][]} */
export function split(text) {
  /** @type {[string, number][]} */
  const parts = [];
  let depth = 0, begin = 0;
  for (let at = 0; at <= text.length; at += 1) {
    depth += Number(text[at] === "(") - Number(text[at] === ")");
    if (at < text.length && (text[at] !== "," || depth > 0)) continue;
    const part = text.slice(begin, at);
    parts.push([part.trim(), begin + lead(part)]);
    begin = at + 1;
  }
  return parts;
}

/** Whether an equation may assign, or a definition may define, this name. @param {string} text */
const is_name = (text) => is_identifier(text) && !is_keyword(text) && !FUNCTIONS.has(text);

/** @param {string} text */
const normal = (text) => text.trim().normalize("NFKC");

/** The name on the left of an equation; if written as on paper, as it is typed. @param {string} text */
function left_name(text) {
  const name = normal(text);
  return LETTERS.test(text) || !is_identifier(name) ? as_typed(text.trim()) || name : name;
}

/** Where a name was defined before. @param {number} [number] */
const before = (number = 0) => (number > 0 ? `first in equation ${number}` : "the cell has it already");

/** The function that the left side of a definition and its body give; throws an Error that says what is wrong. @param {string} name @param {string[]} given @param {string} body @returns {FunctionDefinition} */
function defined(name, given, body) {
  /** @type {string[]} */
  const names = [];
  /** @type {number[]} */
  const defaults = [];
  if (!is_name(name)) throw new Error(`${name} ${FUNCTIONS.has(name) ? "is an operation" : "cannot be a name"}; give the function another name`);
  for (const argument of given) {
    const [one, mark, rest] = partition(argument, "="), own = one.trim(), text = rest.trim();
    if (!is_name(own) || names.includes(own) || own.endsWith("_prev")) {
      throw new Error(`expected different names as arguments of ${name}; found ${quoted(own)}`);
    }
    if (!mark && defaults.length) throw new Error(`the argument ${own} of ${name} needs a default value, as those before it have`);
    const value = /^[+-]?(\d(_?\d)*(\.(\d(_?\d)*)?)?|\.\d(_?\d)*)(e[+-]?\d(_?\d)*)?$/i.test(text) ? Number(text.replaceAll("_", "")) : NaN;
    if (mark && !Number.isFinite(value)) throw new Error(`the default value of ${own} must be a number; found ${quoted(text)}`);
    if (mark) defaults.push(value || 0);
    names.push(own);
  }
  return { name, arguments: names, defaults, body };
}

/**
 * Parses and checks a cell's equations; throws CellError with every fault.
 * @param {string} text
 * @param {string[]} [more]  inputs in addition to those declared in the text
 * @param {number} [first]  number of the first row in messages
 * @returns {Cell}
 */
export function parse(text, more = [], first = 1) {
  if (text.length > MAX_TEXT) throw new CellError([`the equations have ${text.length} characters; at most ${MAX_TEXT} are read`]);
  return new Reading(text, more, first).cell();
}

/** One text as it is read. */
class Reading {
  /** @type {Problem[]} */
  problems = [];
  functions = new Functions();
  /** Row number, row, name, right side, its column. @type {[number, string, string, string, number][]} */
  equations = [];
  /** @type {Map<string, Declared>} */
  declared = new Map();

  /** @param {string} text @param {string[]} more @param {number} first */
  constructor(text, more, first) {
    this.sort(text, first);
    this.inputs = this.input_names(more);
    this.carry = this.pairs("carry");
    /** The first of two assignments. @type {Map<string, number>} */
    const later = new Map([...this.equations].reverse().map(([count, , name]) => [name, count]));
    this.builder = new Builder(later, this.inputs, new Set(this.carry.map(([state]) => state)), this.functions);
  }

  /** @param {number} number @param {string} row @param {number} column @param {string} message @param {Problem[]} [problems] */
  note(number, row, column, message, problems = this.problems) {
    problems.push([number, at_column(message, number, row, column)]);
  }

  /** Does something; a fault that it throws becomes a problem. @param {number} number @param {string} row @param {number} column  of a text that is too deep @param {() => void} work @param {Problem[]} [problems] */
  noted(number, row, column, work, problems = this.problems) {
    try {
      work();
    } catch (fault) {
      if (fault instanceof RangeError) this.note(number, row, column, DEEP, problems); // the stack
      else if (fault instanceof SyntaxFault) this.note(number, row, fault.column, fault.message, problems);
      else throw fault;
    }
  }

  /** Throws if there are problems. @param {Problem[]} problems */
  refuse(problems) {
    refuse([...problems].sort((a, b) => a[0] - b[0]).map(([, message]) => message));
  }

  /** The rows as equations, declarations and definitions. @param {string} text @param {number} first */
  sort(text, first) {
    /** @type {Map<string, [number, string, number]>} */
    const definitions = new Map();
    /** @type {Problem[]} */
    const wrong = []; // wrong definitions: calls of them have no meaning
    rows_of(text).forEach((line, k) => {
      const count = first + k, row = partition(line, "#")[0].trimEnd(), column = lead(row);
      const [what, mark, rest] = partition(row, ":"), key = what.trim();
      const head = /^\s*([\p{L}\p{N}_]+)\s*\(([^()]*)\)\s*=(?!=)\s*/u.exec(row);
      if (mark && DECLARED.has(key)) {
        if (this.declared.has(key)) this.note(count, row, column, `${key} is declared twice; write all of it in one row`);
        this.declared.set(key, [count, row, rest, what.length + 1]);
      } else if (head) {
        const name = head[1].normalize("NFKC"), start = head[0].length, other = definitions.get(name);
        try {
          if (other) throw new Error(`${name} is defined twice (${before(other[0])})`);
          this.functions.own.set(name, defined(name, head[2].normalize("NFKC").split(",").map((part) => part.trim()), row.slice(start)));
          definitions.set(name, [count, row, start]);
        } catch (error) {
          this.note(count, row, column, /** @type {Error} */ (error).message, wrong);
        }
      } else if (row) this.equation(count, row, column);
    });
    for (const [name, [count, row, start]] of definitions) {
      this.noted(count, row, start, () => {
        const one = /** @type {FunctionDefinition} */ (this.functions.own.get(name));
        try {
          new Builder(new Map(), [], new Set(), this.functions).checked(one, start, [count, row]);
        } catch (fault) {
          if (!(fault instanceof SyntaxFault)) throw fault;
          const meant = one.arguments.join() === "t" ? `; if its value at step t is meant, it is written ${name}_t` : "";
          throw new SyntaxFault(fault.message + meant, fault.column);
        }
      }, wrong);
    }
    if (wrong.length) this.refuse([...this.problems, ...wrong]);
  }

  /** @param {number} count @param {string} row @param {number} column */
  equation(count, row, column) {
    const [before_mark, mark, behind] = partition(row, "="), written_name = before_mark.trimEnd();
    const twice = behind.startsWith("=") || written_name.endsWith(":");
    const name = left_name(written_name.replace(/:$/, "")), right = behind.replace(/^=/, "");
    if (!mark || !is_identifier(name) || is_keyword(name)) {
      this.note(count, row, column, "expected `name = expression`, or input:, matrix:, carry: or output:");
      return;
    }
    // the meaning is clear, so no second message is needed
    if (twice) this.note(count, row, column, `an equation is written with one =: \`${name} = ${right.trim()}\``);
    this.equations.push([count, row, name, right.trim(), row.length - right.trimStart().length]);
  }

  /** @param {string[]} more @returns {string[]} */
  input_names(more) {
    const declared = this.declared.get("input");
    if (!declared) return more.length ? more : ["x_t"];
    const [count, row, rest, offset] = declared;
    const known = new Set(split(this.declared.get("carry")?.[2] ?? "").map(([part]) => normal(partition(part, "<-")[0])));
    /** @type {string[]} */
    const found = [];
    for (const [part, column] of split(rest)) {
      const name = this.canonical(part, known);
      if (name !== null && !found.includes(name)) found.push(name);
      else this.note(count, row, offset + column, name ? `duplicate input ${name}` : `an input must be a name, or an expression; found ${quoted(part)}`);
    }
    return [...new Set([...more, ...found])];
  }

  /** A name, or an expression in canonical form; null for any other text. @param {string} part @param {Set<string>} known @returns {string | null} */
  canonical(part, known) {
    const text = part.normalize("NFKC");
    if (is_name(text)) return text;
    try {
      const value = new Builder(new Map(), [text], known, this.functions).value(text, 0, [0, text]);
      return typeof value === "string" && !is_identifier(value) ? value : null;
    } catch (fault) {
      if (fault instanceof SyntaxFault || fault instanceof RangeError) return null;
      throw fault;
    }
  }

  /** The names in a declaration, with their columns. @param {string} what @returns {[string, number][]} */
  listed(what) {
    const [, , rest, offset] = this.declared.get(what) ?? [0, "", "", 0];
    return split(rest).flatMap(([part, column]) => (part ? [/** @type {[string, number]} */ ([part, offset + column])] : []));
  }

  /**
   * Left side, text of the right side and its column of each declared pair `left <- right`.
   * @param {string} what
   * @param {Set<string>} [known]  possible left sides; without it they are new names
   * @returns {[string, string, number][]}
   */
  pairs(what, known) {
    const [count, row] = this.declared.get(what) ?? [0, ""];
    /** @type {Set<string>} */
    const seen = new Set();
    const done = what === "carry" ? "carried" : "gathered";
    const sides = what === "carry" ? "state <- line" : what === "sum" ? "name <- outer(a, b)" : "name <- value";
    /** @type {[string, string, number][]} */
    const found = [];
    for (const [part, column] of this.listed(what)) {
      const [front, mark, behind] = partition(part, "<-");
      const left = normal(front), right = normal(behind);
      const arrow = mark ? null : /(?:[←⟵⇐=]|:=|<[−–])\s*/.exec(part);
      const typed = arrow ? left_name(part.slice(0, arrow.index)) : "", end = arrow ? arrow.index + arrow[0].length : 0;
      if (arrow && is_name(typed) && part.slice(end)) {
        this.note(count, row, column + part.slice(0, arrow.index).trimEnd().length, "the arrow is typed `<-`");
        found.push([typed, part.slice(end).trim(), column + end]);
        seen.add(typed);
        continue;
      }
      let fault = "";
      if (known) fault = known.has(left) ? "" : `there is no line, state or sum ${quoted(left)}`;
      else if (this.inputs.includes(left)) fault = `${left} is an input; it cannot be ${done}`;
      else if (seen.has(left)) fault = `${left} is ${done} twice`;
      if (!fault && !(mark && is_name(left) && right)) {
        const slip = told(left);
        fault = `expected \`${sides}\`${slip ? ` (${slip.said})` : ""}`;
      }
      if (fault) this.note(count, row, column, fault);
      else found.push([left, right, column + part.length - behind.trimStart().length]);
      seen.add(left);
    }
    return found;
  }

  /** @returns {Cell} */
  cell() {
    const { builder, inputs, functions } = this;
    for (const [count, row, name, right, start] of this.equations) {
      this.noted(count, row, start, () => this.assign(count, row, name, right, start));
      if (!builder.lines.has(name)) builder.lines.set(name, { name, op: "copy", operands: [0], constants: [], call: [] }); // so that one fault is reported once
    }
    /** @type {[string, string][]} */
    const carry = [];
    for (const [state, target, start] of this.carry) {
      const [count, row] = /** @type {Declared} */ (this.declared.get("carry"));
      this.noted(count, row, start, () => {
        const value = String(builder.value(target, start, [count, row]));
        if (!builder.lines.has(value) && !inputs.includes(value)) throw new SyntaxFault(`the carry is open: no equation gives ${target} a value`, start);
        carry.push([state, value]);
        builder.places.set(state, { number: count, row, column: start, operands: new Map() });
      });
    }
    const sums = this.sums();
    const known = new Set([...builder.lines.keys(), ...builder.states, ...sums.map((sum) => sum.name)]);
    const gradient = this.pairs("gradient", known).map(([name, of]) => /** @type {[string, string]} */ ([name, of]));
    const output = this.output();
    const { places } = builder;
    if (this.problems.length) this.refuse([...this.problems, ...mixed([...builder.lines.values()], places)]);
    const declared = this.listed("matrix").map(([part]) => this.canonical(part, builder.states) ?? part);
    /** @type {Parts} */
    let parts = {
      lines: [...builder.lines.values()], carry, output, inputs, functions: [...functions.own.values()], sums, gradient, declared,
      plain: null, held: [], scaled: [],
    };
    parts = decided({ ...parts, lines: written(parts, live(parts)) }); // an input that is an expression has no need of the lines in it
    const cell = made(parts);
    this.refuse([...mixed(cell.lines, places, certain(cell)), ...ranks(cell, places), ...this.undeclared(cell)]);
    refuse(cell.parameters.filter((name) => name.endsWith("_prev")).map((name) => `${name} is read but the carry is open: declare \`carry: ${name} <- …\``));
    if (cell.text.length > MAX_TEXT) throw new CellError([`the equations have ${cell.text.length} characters as they are saved; at most ${MAX_TEXT} are read`]);
    const chosen = HOLDS.map((key) => this.listed(key).map(([name]) => name)), lines = by_name(cell);
    refuse(HOLDS.flatMap((key, k) => chosen[k].filter((name) => !lines.has(name)).map(
      (name) => `${key}: ${quoted(name)} is not a line${nearest(name, lines.keys(), "its lines are")}`,
    )));
    const held = with_holds(cell, chosen[0], chosen[1]);
    places_of.set(held, places);
    return held;
  }

  /** @param {number} count @param {string} row @param {string} name @param {string} right @param {number} start */
  assign(count, row, name, right, start) {
    const { builder, inputs } = this, column = lead(row);
    if (builder.lines.has(name)) throw new SyntaxFault(`${name} is assigned twice (${before(builder.later.get(name))}); choose another name`, column);
    const kind = builder.states.has(name) ? "a carried state" : inputs.includes(name) ? "an input" : FUNCTIONS.has(name) ? "a function" : "";
    if (kind) throw new SyntaxFault(`${name} is ${kind}; an equation cannot assign it`, column);
    if (name.endsWith("_prev")) throw new SyntaxFault(`${name} ends in _prev, as states do; choose another name, or declare it in carry`, column);
    if (name !== normal(partition(row, "=")[0].trimEnd().replace(/:$/, ""))) {
      builder.start = column;
      throw builder.on_paper(right, undefined, row.slice(column, start)) ?? new SyntaxFault("", column);
    }
    builder.assign(name, right, start, [count, row]);
  }

  /** The sums of the cell over all steps; lines needed only for them are added. */
  sums() {
    const { builder } = this;
    /** @type {{name: string, terms: string[][]}[]} */
    const found = [];
    for (const [name, text, start] of this.pairs("sum")) {
      const [count, row] = /** @type {Declared} */ (this.declared.get("sum"));
      this.noted(count, row, start, () => {
        if (builder.lines.has(name) || builder.states.has(name)) throw new SyntaxFault(`${name} has a value at each step; give the sum another name`, start);
        found.push({ name, terms: builder.gathered(text, start, [count, row]) });
      });
    }
    return found;
  }

  output() {
    const { builder, problems } = this;
    const lines = [...builder.lines.values()].filter(assigned).map((line) => line.name);
    const [count, row, rest, offset] = this.declared.get("output") ?? [0, "", "", 0], name = normal(rest);
    if (!lines.length && !this.inputs.includes(name)) {
      if (!problems.length) problems.push([0, "the cell has no equations"]);
      return "";
    }
    if (!this.declared.has("output")) return builder.lines.has("h_t") ? "h_t" : lines[lines.length - 1];
    if (!builder.lines.has(name) && !this.inputs.includes(name)) {
      this.note(count, row, offset + lead(rest), `the output ${name} is not a line of the cell${nearest(name, lines)}`);
    }
    return name;
  }

  /** Faults in the names that are declared to be matrices. @param {Cell} cell @returns {Problem[]} */
  undeclared(cell) {
    const products = matrix_products(cell.lines), known = [...cell.inputs, ...states(cell).keys(), ...cell.parameters];
    const columns = this.listed("matrix").map(([, column]) => column);
    return cell.declared.flatMap((name, k) => {
      const [count, row] = /** @type {Declared} */ (this.declared.get("matrix"));
      const fault = by_name(cell).has(name) ? `${name} has an equation, which decides whether it is a matrix; inputs and weights are declared`
        : products.has(name) ? `\`${products.get(name)}\` shows that ${name} is a matrix; leave it out here`
        : known.includes(name) ? "" : `no equation reads ${quoted(name)}${nearest(name, known)}`;
      return fault ? [/** @type {Problem} */ ([count, at_column(fault, count, row, columns[k])])] : [];
    });
  }
}

/** Each weight matrix with the product that shows that it is one. @param {Line[]} lines @returns {Map<string, string>} */
const matrix_products = (lines) => new Map(lines.flatMap((line) => {
  const factors = product(line);
  return factors ? [/** @type {[string, string]} */ ([factors[0], line.name])] : [];
}));

/** Names that are used both as a matrix and as a vector, or beside a matrix. @param {Line[]} lines @param {Map<string, Place>} places @param {Set<string>} [sure]  lines that are matrices @returns {Problem[]} */
function mixed(lines, places, sure = new Set()) {
  const products = matrix_products(lines);
  return lines.flatMap((line) => (product(line)?.slice(1) ?? reads(line)).filter((name) => products.has(name)).map((name) => {
    const advice = `unit by unit; give the weight a second name there, and the same values: ${name}_2`;
    const said = sure.has(line.name) ? advice : `as a vector; write ${name} @ … or … @ ${name}`;
    const fault = `${name} is a matrix in \`${products.get(name)}\`, but \`${line.name}\` reads it ${said}`;
    return /** @type {Problem} */ ([places.get(line.name)?.number ?? 0, pointed(fault, places.get(line.name), name)]);
  }));
}

/** The cell with each product with a computed matrix as that of a matrix and a vector, or of a vector and a matrix. @template {Parts} C @param {C} cell @returns {C} */
function decided(cell) {
  const sure = certain(cell);
  const lines = cell.lines.map((line) => {
    const computed = remembers(line) || sure.has(product(line)?.[1] ?? "");
    return computed ? { ...line, op: sure.has(String(line.operands[1])) ? "vecmem" : "memvec" } : line;
  });
  return { ...cell, lines };
}

/** Matrices that the cell computes where a vector is needed, and products of two vectors. @param {Cell} cell @param {Map<string, Place>} places @returns {Problem[]} */
function ranks(cell, places) {
  /** @type {Problem[]} */
  const problems = [];
  /** @type {Set<string>} */
  const wrong = new Set(); // and what reads these
  const sure = certain(cell);
  for (const line of cell.lines) {
    const found = reads(line).filter((name) => sure.has(name));
    const fault = of_rank(line, found, cell), follows = reads(line).some((name) => wrong.has(name));
    if (fault || follows) wrong.add(line.name);
    if (!fault || (follows && !found.length)) continue;
    const odd = found[0] ?? (remembers(line) ? reads(line)[0] : ""); // else the operation
    problems.push([places.get(line.name)?.number ?? 0, pointed(fault, places.get(line.name), odd)]);
  }
  for (const [state, target] of cell.carry) {
    if (!sure.has(state) || matrices(cell).has(target)) continue;
    const fault = `${state} is declared to be a matrix, and ${target}, which it takes over, is a vector`;
    problems.push([places.get(state)?.number ?? 0, pointed(fault, places.get(state))]);
  }
  return problems;
}

/** What is wrong with the operands of a line. @param {Line} line @param {string[]} found  those that are matrices @param {Cell} cell @returns {string} */
function of_rank(line, found, cell) {
  const [one] = reads(line), { op } = line;
  if (remembers(line) && !found.length) {
    const advice = by_name(cell).has(one) ? "let outer(a, b) compute it" : `declare \`matrix: ${one}\``;
    return `one side of @ must be a weight matrix, and both are computed or fed; if ${one} is a matrix, ${advice}`;
  }
  if (remembers(line) && found.length > 1) {
    return `${found.join(" and ")} are both matrices, and one side of @ must be a vector; unit by unit their product is written ${found.join(" * ")}`;
  }
  if (op === "outer" && found.length) return `outer takes two vectors, and ${found[0]} is a matrix`;
  if (op === "where" && line.call[0] === "ones" && one === undefined) {
    const value = number(Number(line.call[1]));
    return `ones(${value}) is a single 1: ones(u) has a 1 for each unit of u; write a vector in place of ${value}`;
  }
  if (op === "outer" && reads(line).length < 2) {
    const parts = line.operands.map((operand) => (typeof operand === "string" ? operand : number(operand)));
    return `outer takes two vectors, and a number has no units; write ${parts.sort().join(" * ")}`;
  }
  if (!found.length || (op !== "slice" && op !== "concat")) return "";
  const fault = op === "slice" ? "a part of a matrix is not in the grammar" : "concat joins vectors";
  return `${fault}, and ${found[0]} is a matrix; ${row_of(found[0], "it")}`;
}

