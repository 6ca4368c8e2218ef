// From an expression to lines: see cell/expressions.py, whose order of work this keeps, since names follow from it.

import { BUILT_IN, definition, expression, FUNCTIONS, product, unnamed, words } from "./cells.js";
import { nearest, quoted } from "./errors.js";
import { as_typed, LETTERS, told } from "./on_paper.js";
import { DEEP, is_identifier, syntax, SyntaxFault, UNREADABLE } from "./syntax.js";
import { FOREIGN, OPERATIONS } from "./table.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Operand} Operand */
/** @typedef {import("./types.js").FunctionDefinition} FunctionDefinition */
/** @typedef {import("./syntax.js").Node} Node */
/** The number of a row, and its text. @typedef {[number, string]} Row */
/** Where a line was written: its row, the column of its operation, and those of its operands. @typedef {{number: number, row: string, column: number, operands: Map<string, number>}} Place */

const GRAMMAR = "names, numbers, + - * / @ > <, z[2:5], functions";
/** How to get what is not in the grammar. @param {string} a @param {string} b */
export const row_of = (a, b) => `e @ ${a} is a row of ${b}, where e is 1 at that row and 0 elsewhere`;
const MAX_DEPTH = 100; // operations within each other
const MAX_OPEN = 20, MAX_OPERATIONS = 10_000, MAX_NAMES = 1 << 17; // calls within each other, what they expand into
const MAX_UNITS = 1 << 24; // of a vector that a slice may refer to
/** @type {{[sign: string]: string}} */
const PRODUCTS = { "@": "matvec", "*": "mul", "/": "div" };
/** Python's names of operators that are not in the grammar. @type {{[sign: string]: string}} */
const STRANGE = { "**": "Pow", "%": "Mod", "//": "FloorDiv", "&": "BitAnd", "|": "BitOr", "^": "BitXor", "<<": "LShift", ">>": "RShift", "~": "Invert", Not: "Not" };

/** The functions that a cell defines, and those of the table that it calls. operations, names: what their calls expand into. */
export class Functions {
  operations = 0;
  names = 0;

  /** @param {Iterable<FunctionDefinition>} [own] */
  constructor(own = []) {
    this.own = new Map([...own].map((one) => [one.name, one]));
  }

  /** The function with this name; one of the table belongs to the cell from then on. @param {string} name */
  find(name) {
    const table = BUILT_IN.get(name);
    if (table && !this.own.has(name)) this.own.set(name, table);
    return this.own.get(name);
  }
}

/** The column of an operation: its sign, function or bracket. @param {Node} node @param {string} text */
function operator_at({ kind, start, parts }, text) {
  let at = start;
  if (["binary", "compare", "subscript"].includes(kind)) for (at = parts[0].end; " \t)".includes(text[at]); ) at += 1;
  return at;
}

/** A term without its leading signs, and the sign that they amount to. @param {Node} node @returns {[number, Node]} */
function signed(node) {
  let sign = 1;
  for (; node.kind === "unary" && "+-".includes(node.op); node = node.parts[0]) sign = node.op === "-" ? -sign : sign;
  return [sign, node];
}

/** The arguments with the given operands, then with their default values. @param {FunctionDefinition} definition @param {Operand[]} given @returns {Map<string, Operand>} */
function bound(definition, given) {
  const first = definition.arguments.length - definition.defaults.length;
  const values = [...given, ...definition.defaults.slice(given.length - first)];
  return new Map(definition.arguments.map((name, k) => [name, values[k]]));
}

/** Whether it is a line, not a plain operand. @param {Line | Operand} value @returns {value is Line} */
const is_line = (value) => typeof value === "object";

/** Collects lines in single-assignment form; each distinct expression becomes one line. */
export class Builder {
  /** @type {Map<string, Line>} */
  lines = new Map();
  /** @type {Map<string, string>} */
  known = new Map(); // operation, operands and constants to their line
  /** @type {Map<string, Place>} */
  places = new Map();
  name = "";
  /** @type {Row} */
  row = [0, ""];
  start = 0; // column of the expression within the row
  /** @type {Map<string, number>} */
  read = new Map(); // the columns of its operands so far
  /** @type {number | null} */
  call = null; // column of the outermost call whose body is being read
  depth = 0; // of the operand being read
  /** @type {string[]} */
  open = []; // functions whose bodies are being read, the innermost last
  /** @type {Map<string, Operand>} */
  given = new Map(); // the arguments of the innermost

  /**
   * @param {Map<string, number>} later  every assigned name with its row, to detect use before assignment
   * @param {string[]} inputs
   * @param {Set<string>} states
   * @param {Functions} functions
   */
  constructor(later, inputs, states, functions) {
    this.later = later;
    this.inputs = inputs;
    this.states = states;
    this.functions = functions;
    // an input that is an expression is supplied whole, and may refer to another cell's states
    this.mentioned = new Set(inputs.filter((text) => !is_identifier(text)).flatMap(words));
  }

  /** Adds the lines of an equation, whose right side begins at a column of a row. @param {string} name @param {string} text @param {number} start @param {Row} row */
  assign(name, text, start, row) {
    this.name = name;
    const node = this.begin(text, start, row);
    let line = this.line(node, text, true);
    if (!is_line(line)) line = unnamed("copy", [line]);
    else {
      const same = this.same(line);
      if (same !== undefined) line = unnamed("copy", [same]);
    }
    this.add({ ...line, name }, node, text);
  }

  /** The tree of the text read from now on; if it is written as on paper, the message says how to type it. @param {string} text @param {number} start @param {Row} row */
  begin(text, start, row) {
    Object.assign(this, { row, start, depth: 0, read: new Map() });
    const slip = LETTERS.test(text) ? this.on_paper(text) : null;
    if (slip) throw slip;
    try {
      return syntax(text, start);
    } catch (fault) {
      throw fault instanceof SyntaxFault && fault.unreadable ? this.on_paper(text) ?? fault : fault;
    }
  }

  /** A message about an expression, after its left side if that is so too, that is written as on paper. @param {string} text @param {number} [at] @param {string} [left] */
  on_paper(text, at, left = "") {
    const slip = told(left + text, at);
    if (!slip) return null;
    const typed = as_typed(text) || (left && text);
    const name = left && `${as_typed(left.replace(/[=: ]+$/, ""))} = `;
    const advice = typed && this.parses(typed) ? `; type \`${name}${typed}\`` : "";
    return new SyntaxFault(`${UNREADABLE} (${slip.said})${advice}`, this.start + slip.at);
  }

  /** Whether an expression can be parsed if all names have values except states that are not carried. @param {string} text */
  parses(text) {
    const named = [...this.lines.keys(), ...this.later.keys()].filter(is_identifier);
    const states = this.states.size ? this.states : new Set(words(text).filter((word) => word.endsWith("_prev")));
    const trial = new Builder(new Map(), [...this.inputs, ...named], states, new Functions(this.functions.own.values()));
    Object.assign(trial, { open: this.open, given: this.given });
    try {
      const line = trial.line(syntax(text, 0), text, true);
      const every = [...trial.lines.values(), ...(is_line(line) ? [line] : [])].filter((one) => one.op === "memvec");
      const left = every.map((one) => trial.lines.get(String(one.operands[0])));
      return !left.some((one) => one && product(one)); // a vector, and no computed matrix
    } catch (fault) {
      if (fault instanceof SyntaxFault || fault instanceof RangeError) return false;
      throw fault;
    }
  }

  /** The operand that an expression evaluates to; its new lines are added. @param {string} text @param {number} start @param {Row} row */
  value(text, start, row) {
    return this.operand(this.begin(text, start, row), text);
  }

  /** The terms of a sum over all steps; its new lines are added. @param {string} text @param {number} start @param {Row} row */
  gathered(text, start, row) {
    let node = this.begin(text, start, row);
    const nodes = [];
    for (; node.kind === "binary" && node.op === "+"; node = node.parts[0]) nodes.unshift(node.parts[1]);
    return [node, ...nodes].map((term) => {
      const [called, ...given] = term.parts;
      const outer = term.kind === "call" && called.name === "outer" && given.length === 2 && term.plain;
      const names = (outer ? given : [term]).map((part) => this.operand(part, text));
      if (names.some((name) => typeof name !== "string") || names.every((name) => this.weight(String(name)))) {
        throw new SyntaxFault("only values that the cell computes or is fed are gathered", this.start + term.start);
      }
      return /** @type {string[]} */ (names);
    });
  }

  /** @param {Line} line */
  key = ({ op, operands, constants }) => JSON.stringify([op, operands, constants]);

  /** The line, or the input, with the same value as an unnamed line. @param {Line} line */
  same(line) {
    const text = expression(line);
    return this.known.get(this.key(line)) ?? (this.inputs.includes(text) ? text : undefined);
  }

  /** @param {Line} line @param {Node} node @param {string} text */
  add(line, node, text) {
    if (this.open.length) this.functions.names += line.name.length;
    this.lines.set(line.name, line);
    if (!this.known.has(this.key(line))) this.known.set(this.key(line), line.name);
    const operands = new Map([...this.read].filter(([name]) => line.operands.includes(name)));
    this.places.set(line.name, { number: this.row[0], row: this.row[1], column: this.place(operator_at(node, text)), operands });
  }

  /** The column of what stands there; everything inside a call has the column of the call. @param {number} at */
  place(at) {
    return this.call ?? this.start + at;
  }

  /** @param {Node} node @param {string} text @returns {Operand} */
  operand(node, text) {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) throw new SyntaxFault(DEEP, this.start + node.start);
    let operand = this.line(node, text);
    this.depth -= 1;
    if (is_line(operand)) {
      const same = this.same(operand), name = same ?? expression(operand);
      if (same === undefined) this.add({ ...operand, name }, node, text);
      operand = name;
    }
    if (typeof operand === "string") this.read.set(operand, this.place(node.start));
    return operand;
  }

  /** The (unnamed) line or plain operand that a node represents. @param {Node} node @param {string} text @param {boolean} [top] @returns {Line | Operand} */
  line(node, text, top = false) {
    while (node.kind === "unary" && node.op === "+") node = node.parts[0];
    const { kind, op, parts } = node, column = this.start + node.start;
    const { functions } = this;
    functions.operations += Number(this.open.length > 0);
    if (functions.operations > MAX_OPERATIONS || functions.names > MAX_NAMES) {
      throw new SyntaxFault("the functions of this cell expand into too many operations", column);
    }
    if (kind === "name") return this.given.get(node.name) ?? this.named(node, text, column);
    if (kind === "constant") throw new SyntaxFault("only names and numbers are allowed here", column);
    if (kind === "number") {
      if (!Number.isFinite(node.value)) throw new SyntaxFault("this number is too large for a float", column);
      return node.value;
    }
    if (kind === "unary" && op === "-") {
      const operand = this.operand(parts[0], text);
      return typeof operand === "string" ? unnamed("neg", [operand]) : -operand || 0; // zero has no sign
    }
    if (kind === "binary" && "+-".includes(op)) return this.sum(node, text);
    if (kind === "binary" && op in PRODUCTS) return this.product(node, text, column, top);
    if (kind === "call") return this.called(node, text, column);
    if (kind === "compare") {
      if (parts.length > 2 || !"<>".includes(op)) throw new SyntaxFault("a comparison is written a > b or a < b; its value is 1 or 0", column);
      const sides = parts.map((part) => this.operand(part, text));
      return unnamed("greater", op === ">" ? sides : sides.reverse());
    }
    if (kind === "subscript") return this.slice(node, text, column);
    const slip = this.on_paper(text);
    if (slip) throw slip;
    const what = STRANGE[op] ?? (kind === "attribute" ? "Attribute" : kind), at = this.start + operator_at(node, text);
    const base = parts[0]?.name;
    if (base && parts[0].kind === "name" && (what === "Pow" || what === "BitXor")) {
      throw new SyntaxFault(`a power is written as a product: \`${base} * ${base}\``, at);
    }
    throw new SyntaxFault(`${FOREIGN[what] ?? what} is not in the grammar (${GRAMMAR})`, at);
  }

  /** A name that has a value here. @param {Node} node @param {string} text @param {number} column */
  named({ name, end }, text, column) {
    const is_function = FUNCTIONS.has(name);
    if (this.open.length && !is_function) {
      throw new SyntaxFault(`${name} is not an argument of ${this.open.at(-1)}; a definition reads its arguments only`, column);
    }
    if (this.later.has(name) && !this.lines.has(name)) {
      const back = `${name.replace(/_t$/, "")}_prev`;
      if (this.states.has(back) && /^\s*-\s*1(?![\p{L}\p{N}_])/u.test(text.slice(end))) {
        throw new SyntaxFault(`${name} - 1 is one less than ${name}; the previous step's state is written ${back}`, column);
      }
      const place = name === this.name ? "in its own equation" : `equation ${this.later.get(name)} gives it one`;
      throw new SyntaxFault(`${name} is read before it has a value (${place})`, column);
    }
    if (is_function) throw new SyntaxFault(`${name} is a function; write ${name}(…)`, column);
    const known = this.states.has(name) || this.inputs.includes(name) || this.lines.has(name) || this.mentioned.has(name);
    if (name.endsWith("_prev") && !known) {
      this.mentioned.add(name); // so that it is reported once
      throw new SyntaxFault(`${name} is read but the carry is open: declare \`carry: ${name} <- …\``, column);
    }
    return name;
  }

  /** @param {Node} whole @param {string} text @returns {Line} */
  sum(whole, text) {
    /** @type {[number, Node][]} */
    const terms = [];
    let [sign, node] = signed(whole);
    while (sign > 0 && node.kind === "binary" && "+-".includes(node.op)) {
      terms.unshift([node.op === "+" ? 1 : -1, node.parts[1]]);
      [sign, node] = signed(node.parts[0]); // a sum at the start of a sum is part of it, whatever signs cancel before it
    }
    terms.unshift([sign, node]);
    /** @type {number[]} */
    let signs = [];
    /** @type {Operand[]} */
    let operands = [];
    for (const [before, inner] of terms) {
      const [more, term] = signed(inner);
      let operand = this.operand(term, text), own = before * more;
      let line = this.argument(operand);
      for (; line?.op === "neg"; line = this.argument(operand)) [own, operand] = [-own, line.operands[0]]; // like a written sign
      if (line?.op === "add" && !operands.length && own > 0) {
        [signs, operands] = [[...line.constants], [...line.operands]];
        continue;
      }
      if (typeof operand === "number" && operand < 0) [own, operand] = [-own, -operand];
      signs.push(own);
      operands.push(operand);
    }
    return { ...unnamed("add", operands), constants: signs };
  }

  /** The line of an argument of a call that is an expression, or of an input that is one. @param {Operand} operand @returns {Line | null} */
  argument(operand) {
    if (!this.open.length || typeof operand !== "string" || is_identifier(operand)) return null;
    /** @type {Line | Operand | undefined} */
    let line = this.lines.get(operand);
    if (!line && this.inputs.includes(operand)) line = this.inside({ open: [], given: new Map(), start: 0 }).line(syntax(operand, 0), operand);
    return line && is_line(line) && !line.call.length ? line : null;
  }

  /** @param {Node} node @param {string} text @param {number} column @param {boolean} top @returns {Line} */
  product(node, text, column, top) {
    let op = PRODUCTS[node.op];
    if (op === "div" && !top) {
      const inside = "a quotient within an expression is written quotient(a, b) here";
      throw new SyntaxFault(this.open.length ? inside : "give this quotient a name of its own: `q = a / b` in an equation before", column);
    }
    const left = this.operand(node.parts[0], text), right = this.operand(node.parts[1], text);
    if (op === "matvec") {
      if (typeof left === "number" || typeof right === "number") {
        throw new SyntaxFault("@ does not take a number: one side is a weight matrix, the other a vector", column);
      }
      this.read.set(left, this.place(node.parts[0].start)); // which may also be read within the right side
      // which of two computed values is the matrix is known when all equations are
      op = this.weight(left) ? "matvec" : this.weight(right) ? "vecmat" : "memvec";
    }
    return unnamed(op, [left, right]);
  }

  /** Whether it is a parameter: something that `@` reads as a matrix. @param {string} name */
  weight(name) {
    return !this.lines.has(name) && !this.states.has(name) && !this.inputs.includes(name);
  }

  /** `z[2:5]`: units 2, 3 and 4 of z. @param {Node} node @param {string} text @param {number} column @returns {Line} */
  slice({ parts: [vector, part] }, text, column) {
    const one = part.kind === "number" && part.whole;
    const both = part.kind === "slice" && part.plain && part.parts.every((end) => end.kind === "number" && end.whole);
    const [begin, end] = one ? [part.value, part.value + 1] : both ? part.parts.map((end) => end.value) : [0, 0];
    if (begin >= end && begin <= MAX_UNITS) {
      let said = "a part of a vector is written z[2:5], with the first unit and the one after the last";
      const slip = part.kind === "Tuple" ? null : this.on_paper(text);
      if (slip) throw slip;
      if (part.kind === "Tuple") said += `; an entry or a part of a matrix C is not in the grammar: ${row_of("C", "C")}, and (e @ C)[0] an entry`;
      throw new SyntaxFault(said, column);
    }
    if (end > MAX_UNITS) throw new SyntaxFault(`a vector of an equation has at most ${MAX_UNITS} units`, column);
    const operand = this.operand(vector, text);
    if (typeof operand === "number") throw new SyntaxFault("a number has no parts", column);
    return { ...unnamed("slice", [operand]), constants: [begin, end] };
  }

  /** @param {Node} node @param {string} text @param {number} column @returns {Line | Operand} */
  called({ parts: [func, ...given], plain }, text, column) {
    const name = func.kind === "name" ? func.name : "";
    const own = FUNCTIONS.has(name) ? undefined : this.functions.find(name);
    if (!own && !FUNCTIONS.has(name)) {
      const slip = this.on_paper(text, name ? column - this.start : undefined);
      if (slip) throw slip;
      const known = [...[...FUNCTIONS].sort(), ...new Set([...BUILT_IN.keys(), ...this.functions.own.keys()].sort())];
      const inner = func.kind === "attribute" ? func.name : "";
      const said = FUNCTIONS.has(inner) || (inner && this.functions.find(inner)) ? `; write ${inner}` : nearest(name, known, "there are");
      const shown = name || text.slice(func.start, func.end);
      throw new SyntaxFault(`unknown function ${quoted(shown.length <= 40 ? shown : `${shown.slice(0, 39)}…`)}${said}`, column);
    }
    if (!plain) throw new SyntaxFault(`${name} takes plain operands only, by position`, column);
    const count = given.length;
    const omitted = own ? own.arguments.length - count : -1;
    if (own && omitted >= 0 && omitted <= own.defaults.length) return this.expanded(own, given.map((one) => this.operand(one, text)), column);
    const operations = Object.entries(OPERATIONS).filter(([, op]) => op.function === name);
    for (const [op, { arity, constants }] of operations) {
      const operands = arity ?? Math.max(count, 1);
      const least = constants.filter(([, value]) => value === null).length;
      if (count < operands + least || count > operands + constants.length) continue;
      const read = given.slice(0, operands).map((one) => this.operand(one, text));
      const numbers = given.slice(operands).map((one) => this.number(one, text));
      const rest = constants.slice(numbers.length).flatMap(([, value]) => value ?? []);
      return { ...unnamed(op, read), constants: [...numbers, ...rest] };
    }
    const forms = operations.map(([, op]) => `${name}(${[...(op.arity ? ["a", "b", "c"].slice(0, op.arity) : ["a", "…"]), ...op.constants.map(([one]) => one)].join(", ")})`);
    const wanted = [...new Set(own ? [definition(own).slice(0, -own.body.length - 3)] : forms)].join(" or ");
    throw new SyntaxFault(`${name} has ${count} argument${count === 1 ? "" : "s"}; write ${wanted}`, column);
  }

  /** Checks a definition by parsing it; its arguments are arbitrary values, or their default values. @param {FunctionDefinition} one @param {number} start @param {Row} row */
  checked(one, start, row) {
    const given = bound(one, one.arguments.slice(0, one.arguments.length - one.defaults.length));
    Object.assign(this, { open: [one.name], given });
    this.line(this.begin(one.body, start, row), one.body, true);
  }

  /** The value of a call: the function's body, parsed with the operands in place of its arguments. @param {FunctionDefinition} one @param {Operand[]} given @param {number} column @returns {Line | Operand} */
  expanded(one, given, column) {
    if (this.open.includes(one.name)) throw new SyntaxFault(`${one.name} is defined by itself (${[...this.open, one.name].join(" → ")})`, column);
    if (this.open.length === MAX_OPEN) throw new SyntaxFault(`more than ${MAX_OPEN} functions call each other`, column);
    const values = bound(one, given);
    const inner = this.inside({ open: [...this.open, one.name], given: values, start: 0, call: this.call ?? column });
    let line;
    try {
      line = inner.line(syntax(one.body, 0), one.body, true);
    } catch (fault) {
      if (!(fault instanceof SyntaxFault)) throw fault;
      throw new SyntaxFault(fault.inner ? fault.message : `${fault.message} (in ${definition(one)})`, column, { inner: true });
    }
    if (!is_line(line)) return line;
    let call = [...values.values()];
    const first = call.length - one.defaults.length;
    if (one.defaults.every((value, k) => value === call[first + k])) call = call.slice(0, first); // these can be omitted
    return { ...line, call: [one.name, ...call] };
  }

  /** A builder of the same lines for a text within the one being read. @param {object} state  where it differs @returns {Builder} */
  inside(state) {
    return Object.assign(Object.create(Builder.prototype), this, state);
  }

  /** @param {Node} node @param {string} text */
  number(node, text) {
    const value = this.line(node, text);
    if (typeof value !== "number") throw new SyntaxFault("a number is expected here", this.start + node.start);
    return value;
  }
}
