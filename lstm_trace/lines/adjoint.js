// The adjoint of a cell: back-propagation through it, written as another cell. See cell/adjoint.py.

import { as_name, BUILT_IN, by_name, certain, definition, ending, matrices, number, reads, states } from "./cells.js";
import { CellError } from "./errors.js";
import { parse } from "./grammar.js";
import { is_identifier } from "./syntax.js";
import { DERIVATIVE, OPERATIONS } from "./table.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Operand} Operand */

/**
 * The gradients of a weighted sum of the cell's lines with respect to everything that they depend on, as a cell.
 * @param {Cell} cell
 * @param {{[name: string]: string[]} | null} [seeds]  each weighted line, or input, with the inputs that hold its weights
 * @param {{[name: string]: number} | null} [widths]  of every line, state, input and vector; for cells that concatenate
 * @returns {Cell}
 */
export function adjoint(cell, seeds = null, widths = null) {
  const given = new Map(Object.entries(seeds ?? { [cell.output]: [`seed_${cell.output}`] }));
  const named = new Set([...by_name(cell).keys(), ...cell.inputs, ...states(cell).keys()]);
  const told = new Map([...named].flatMap((name) => (given.has(name) ? [[name, given.get(name) ?? []]] : [])));
  return new Writer(cell, told, widths && new Map(Object.entries(widths))).written();
}

/** Writes the rows of one adjoint, given the derivatives. */
class Writer {
  /** The name of the gradient of each value. @type {Map<string, string>} */
  gradients = new Map();
  /** The contributions of the consumers of each value, by consumer. @type {Map<string, [number, string][]>} */
  terms = new Map();
  /** @type {Set<string>} */
  read = new Set();
  /** @type {string[]} */
  rows = [];
  /** @type {Map<string, string>} */
  helpers = new Map();

  /** @param {Cell} cell @param {Map<string, string[]>} seeds @param {Map<string, number> | null} widths */
  constructor(cell, seeds, widths) {
    this.cell = cell;
    this.seeds = seeds;
    this.widths = widths;
    this.flows = flows(cell, seeds.keys());
    this.narrow = narrow(cell);
    this.values = [...by_name(cell).keys(), ...cell.inputs, ...states(cell).keys(), ...cell.parameters];
    this.taken = new Set([...this.values, ...[...seeds.values()].flat()]);
    this.states = [...states(cell).keys()].filter((state) => this.flows.has(state));
    const named = this.values.filter((name) => is_identifier(name) && this.flows.has(name));
    this.names = new Map(named.map((name) => [name, this.fresh(name)]));
    this.next = new Map(this.states.map((state) => [state, this.fresh(`${state.replace(/_prev$/, "")}_next`)]));
  }

  /** @returns {Cell} */
  written() {
    const { cell, rows, gradients, flows } = this;
    for (let at = cell.lines.length - 1; at >= 0; at -= 1) {
      const line = cell.lines[at];
      if (flows.has(line.name)) this.pass(at, line, this.value(line.name));
    }
    for (const name of [...cell.inputs, ...this.states]) if (flows.has(name)) this.value(name);
    /** @param {string} state */
    const next = (state) => /** @type {string} */ (this.next.get(state));
    const pairs = this.states.map((state) => [next(state), states(cell).get(state)]);
    for (const [name, made] of gradients) pairs.push([made, name]);
    if (this.states.length) rows.push(`carry: ${this.states.map((state) => `${next(state)} <- ${gradients.get(state)}`).join(", ")}`);
    const summed = cell.parameters.filter((name) => this.terms.has(name));
    if (summed.length) rows.push(`sum: ${summed.map((name) => `${this.names.get(name)} <- ${this.sorted(name).join(" + ")}`).join(", ")}`);
    for (const name of summed) pairs.push([this.names.get(name), name]);
    rows.push(`gradient: ${pairs.map(([made, name]) => `${made} <- ${name}`).join(", ")}`);
    const output = cell.inputs.find((name) => flows.has(name));
    rows.push(`output: ${output === undefined ? [...gradients.values()][0] : gradients.get(output)}`);
    const declared = this.declared();
    if (declared.length) rows.push(`matrix: ${declared.join(", ")}`);
    const fed = [...cell.inputs, ...states(cell).keys(), ...by_name(cell).keys()].filter((name) => this.read.has(name));
    const helpers = [...this.helpers].map(([name, made]) => definition({ .../** @type {any} */ (BUILT_IN.get(name)), name: made }));
    const inputs = [...[...this.seeds.values()].flat(), ...fed];
    return parse([...cell.functions.map(definition), ...helpers, `input: ${inputs.join(", ")}`, ...rows].join("\n"));
  }

  /** The inputs, weights and states that are matrices. */
  declared() {
    const { cell, widths } = this, sure = certain(cell), likely = matrices(cell);
    const shown = [...this.seeds].flatMap(([name, seeds]) => seeds.map((seed) => [seed, name]));
    for (const [state, made] of this.next) shown.push([made, state]);
    const values = [...cell.inputs, ...states(cell).keys(), ...by_name(cell).keys(), ...cell.parameters];
    for (const name of values) if (this.read.has(name)) shown.push([name, name]);
    // an input or weight that is as wide as a matrix beside it
    const beside = cell.lines.filter((line) => sure.has(line.name) && OPERATIONS[line.op].width === "same");
    const wide = new Set(beside.flatMap((line) => reads(line).filter((name) => widths?.get(name) === (widths?.get(line.name) ?? 0))));
    return [...new Map(/** @type {[string, string][]} */ (shown))].filter(([, name]) => sure.has(name) || (wide.has(name) && likely.has(name))).map(([made]) => made);
  }

  /** The function that a rule calls; renamed if the cell has another with that name. @param {string} name */
  helper(name) {
    const table = BUILT_IN.get(name);
    const theirs = this.cell.functions.some((one) => one.name === name && !(table && definition(one) === definition(table)));
    if (theirs && !this.helpers.has(name)) this.helpers.set(name, this.fresh(name, "rule_"));
    return this.helpers.get(name) ?? name;
  }

  /** A name that is not in use. @param {string} name @param {string} [prefix] */
  fresh(name, prefix = "d_") {
    const stem = prefix + as_name(name.replaceAll("_prev", "_before"));
    const made = stem + ending([stem], this.taken);
    this.taken.add(made);
    return made;
  }

  /** The contributions to the gradient of a value, in the order of the lines. @param {string} name */
  sorted(name) {
    const terms = this.terms.get(name) ?? [];
    return terms.sort(([a, one], [b, other]) => a - b || (one < other ? -1 : 1)).map(([, text]) => text);
  }

  /** Adds the row of the gradient of a value, if it needs one; the name of that gradient. @param {string} name @returns {string} */
  value(name) {
    const carried = [...this.next].filter(([state]) => states(this.cell).get(state) === name).map(([, made]) => made);
    const terms = [...(this.seeds.get(name) ?? []), ...this.sorted(name), ...carried];
    this.terms.delete(name);
    const [only] = terms;
    if (terms.length === 1 && [...this.gradients.values()].includes(only)) {
      this.gradients.set(name, only); // a term of a sum has the gradient of the sum
      return only;
    }
    const made = this.names.get(name) ?? this.fresh(name);
    this.gradients.set(name, made);
    this.rows.push(`${made} = ${terms.join(" + ")}`);
    return made;
  }

  /** Adds the contributions of a line to the gradients of its operands. @param {number} at @param {Line} line @param {string} d */
  pass(at, line, d) {
    const rules = this.rules(line), values = matrices(this.cell);
    line.operands.forEach((operand, k) => {
      if (typeof operand !== "string" || !rules[k]) return;
      const called = rules[k].replace(/\b([a-z_]+)\(/g, (_, name) => `${this.helper(name)}(`);
      const text = called.replace(/\b[a-z]+0?\b(?!\()/g, (word) => this.word(word, line, d));
      const own = this.widths?.get(operand), whole = this.widths?.get(line.name);
      let narrower = own !== undefined && whole !== undefined ? own < whole : this.narrow.has(operand) && !this.narrow.has(line.name);
      narrower ||= values.has(line.name) && !values.has(operand);
      const term = narrower && OPERATIONS[line.op].width === "same" ? `sum(${text})` : text; // a single number in a line of several units
      this.terms.set(operand, [...(this.terms.get(operand) ?? []), [at, term]]);
    });
  }

  /** The rules of a line, one for each operand. @param {Line} line @returns {string[]} */
  rules(line) {
    if (line.op === "add") return line.constants.map((sign) => (sign > 0 ? "d" : "-d"));
    if (line.op === "concat") {
      let end = 0;
      return line.operands.map((operand) => {
        const begin = end;
        end += this.width(operand, line);
        return `d[${begin}:${end}]`;
      });
    }
    if (line.op !== "slice") return DERIVATIVE[line.op];
    const [begin, end] = line.constants, width = this.width(line.operands[0], line);
    const parts = [...(begin > 0 ? [`where(0, a[0:${begin}], 0)`] : []), "d", ...(end < width ? [`where(0, a[${end}:${width}], 0)`] : [])];
    return [`concat(${parts.join(", ")})`];
  }

  /** The expression that replaces a word of a rule for a line. @param {string} word @param {Line} line @param {string} d */
  word(word, line, d) {
    if (word === "d") return d;
    const at = OPERATIONS[line.op].constants.findIndex(([name]) => name === word);
    const operand = word === "y" ? line.name : at < 0 ? line.operands["abc".indexOf(word)] : line.constants[at];
    if (typeof operand === "number") return `(${number(operand)})`;
    this.read.add(operand);
    return is_identifier(operand) ? operand : `(${operand})`;
  }

  /** @param {Operand} operand @param {Line} line @returns {number} */
  width(operand, line) {
    const found = typeof operand === "number" ? 1 : this.widths?.get(operand);
    if (found !== undefined) return found;
    throw new CellError([`the adjoint of \`${line.name}\` needs to know how wide ${operand} is: give the widths of the cell's values`]);
  }
}

/** The lines, inputs and states on which a weighted value depends along a path with a gradient. @param {Cell} cell @param {Iterable<string>} seeds */
function flows(cell, seeds) {
  const found = new Set(seeds);
  for (let before = -1; found.size > before; ) {
    before = found.size;
    for (const [state, line] of cell.carry) if (found.has(state)) found.add(line);
    for (const line of [...cell.lines].reverse()) {
      if (!found.has(line.name)) continue;
      line.operands.forEach((operand, k) => {
        if (typeof operand === "string" && (DERIVATIVE[line.op]?.[k] ?? "d")) found.add(operand);
      });
    }
  }
  return found;
}

/** The lines and states that are a single number for any shapes of the arrays. @param {Cell} cell */
export function narrow(cell) {
  const found = new Set([...states(cell).keys()].filter((state) => !matrices(cell).has(state)));
  for (;;) {
    for (const line of cell.lines) {
      const { width } = OPERATIONS[line.op], [begin, end] = line.constants;
      const one = width === "one" || (width === "slice" && end - begin === 1);
      if (one || (width === "same" && reads(line).every((name) => found.has(name)))) found.add(line.name);
      else found.delete(line.name);
    }
    const wide = [...states(cell)].filter(([state, line]) => found.has(state) && !found.has(line));
    if (!wide.length) return found;
    for (const [state] of wide) found.delete(state);
  }
}
