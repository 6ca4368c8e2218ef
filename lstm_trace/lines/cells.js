// A cell as a list of lines: what follows from them, their text, and lines that can be held. See cell/lines.py.

import { COMPOSITES, OPERATIONS } from "./table.js";
import { is_identifier, syntax } from "./syntax.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Operand} Operand */
/** @typedef {import("./types.js").Cell} Cell */
/** What a cell is made of: the rest follows. @typedef {Omit<Cell, "parameters" | "text">} Parts */

export const FUNCTIONS = new Set(Object.values(OPERATIONS).flatMap((op) => op.function ?? []));
export const BUILT_IN = new Map(COMPOSITES.map((one) => [one.name, one]));

/** A function whose answer for an object is kept as long as the object. @template {object} A, B @param {(given: A) => B} compute @returns {(given: A) => B} */
export function kept(compute) {
  /** @type {WeakMap<A, B>} */
  const known = new WeakMap();
  return (given) => {
    if (!known.has(given)) known.set(given, compute(given));
    return /** @type {B} */ (known.get(given));
  };
}

// -- lines -----------------------------------------------------------------------------------------------------------

/** A number as an equation has it: as Python writes it, without '.0'. @param {number} value */
export function number(value) {
  const [digits, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (value === 0 || (exponent >= -4 && exponent < 16)) return String(value);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** The operands of a line that are names. @param {Line} line @returns {string[]} */
export const reads = (line) => /** @type {string[]} */ (line.operands.filter((one) => typeof one === "string"));

/** Whether the author named it; other lines are named by their expression. @param {Line} line */
export const assigned = (line) => is_identifier(line.name);

/** The weight matrix of a product, and its vector. @param {Line} line @returns {[string, string] | null} */
export function product(line) {
  if (line.op !== "matvec" && line.op !== "vecmat") return null;
  const [left, right] = line.operands.map(String);
  return line.op === "matvec" ? [left, right] : [right, left];
}

/** Whether it is a product with a computed matrix. @param {Line} line */
export const remembers = (line) => line.op === "memvec" || line.op === "vecmem";

/** @type {Map<string, number>} */
const bindings = new Map();

/** How tightly an expression binds. @param {string} text @returns {number} */
function binding(text) {
  let found = bindings.get(text);
  if (found === undefined) {
    const { kind, op } = syntax(text, 0);
    found = kind === "compare" ? 0 : kind === "binary" ? (op === "+" || op === "-" ? 1 : 2) : kind === "unary" ? 3 : 4;
    if (bindings.size > 4096) bindings.clear();
    bindings.set(text, found);
  }
  return found;
}

/** @type {{[op: string]: string}} */
const SIGNS = { matvec: " @ ", vecmat: " @ ", memvec: " @ ", vecmem: " @ ", mul: " * ", div: " / " };

/** @param {Operand} operand */
const argument = (operand) => (typeof operand === "string" ? operand : number(operand));

/** @param {Operand} operand @param {number} least */
function term(operand, least) {
  const text = argument(operand);
  return binding(text) < least ? `(${text})` : text;
}

/** The expression of a line in canonical form: blanks around operators, fewest parentheses. @param {Line} line @returns {string} */
export function expression({ op, operands, constants, call }) {
  if (call.length) return `${call[0]}(${call.slice(1).map(argument).join(", ")})`;
  const [one, two] = operands;
  if (op === "add") {
    const first = (constants[0] < 0 ? "-" : "") + term(one, constants[0] > 0 ? 2 : 3);
    return first + operands.slice(1).map((operand, k) => (constants[k + 1] < 0 ? " - " : " + ") + term(operand, 2)).join("");
  }
  if (op === "neg") return `-${term(one, 3)}`;
  if (op in SIGNS) return term(one, 2) + SIGNS[op] + term(two, 3);
  if (op === "copy") return argument(one);
  if (op === "greater") return `${term(one, 1)} > ${term(two, 1)}`;
  if (op === "slice") return `${term(one, 4)}[${number(constants[0])}:${number(constants[1])}]`;
  const usual = OPERATIONS[op].constants;
  const shown = constants.every((value, k) => value === usual[k][1]) ? [] : constants;
  return `${OPERATIONS[op].function}(${[...operands, ...shown].map(argument).join(", ")})`;
}

// -- what follows from the lines of a cell -----------------------------------------------------------------------------

/** The lines by name. */
export const by_name = kept((/** @type {Parts} */ cell) => new Map(cell.lines.map((line) => [line.name, line])));

/** Each state with the line that it carries. */
export const states = kept((/** @type {Parts} */ cell) => new Map(cell.carry));

/** Each operand with the lines that use it in the same step. */
export const readers = kept((/** @type {Parts} */ cell) => {
  /** @type {Map<string, Line[]>} */
  const found = new Map();
  for (const line of cell.lines) for (const name of new Set(reads(line))) found.set(name, [...(found.get(name) ?? []), line]);
  return found;
});

/** Each assigned name with its right side in canonical form. */
export const equations = kept((/** @type {Parts} */ cell) => new Map(cell.lines.filter(assigned).map((line) => [line.name, expression(line)])));

/** The values that the text alone shows to be matrices: outer products, those declared, and what they become. */
export const certain = kept((/** @type {Parts} */ cell) => {
  const found = new Set([...cell.declared, ...cell.lines.filter((line) => line.op === "outer").map((line) => line.name)]);
  for (let before = 0; found.size > before; ) {
    before = found.size;
    for (const line of cell.lines) if (OPERATIONS[line.op].width === "same" && reads(line).some((name) => found.has(name))) found.add(line.name);
    for (const [state, line] of cell.carry) if (found.has(line)) found.add(state);
  }
  return found;
});

/** The values that are matrices; what is only read beside matrices may be a number too. */
export const matrices = kept((/** @type {Parts} */ cell) => {
  const sure = certain(cell);
  /** @type {Set<string>} */
  const beside = new Set();
  const elsewhere = new Set([...by_name(cell).keys(), ...states(cell).keys()]);
  for (const line of sure.size ? cell.lines : []) {
    const { width } = OPERATIONS[line.op];
    const into = width === "same" && sure.has(line.name) ? beside : elsewhere;
    if (width !== "one") for (const name of reads(line)) into.add(name);
  }
  return new Set([...sure, ...[...beside].filter((name) => !elsewhere.has(name))]);
});

/** The values that leave a step: carried and summed ones. @param {Parts} cell */
const ends = (cell) => [...states(cell).values(), ...cell.sums.flatMap((sum) => sum.terms.flat())];

/** The lines that some names depend on, themselves included; through the carry. @param {Parts} cell @param {Iterable<string>} wanted @param {boolean} [carried] */
export function closure(cell, wanted, carried = true) {
  /** @type {Set<string>} */
  const found = new Set();
  const open = [...wanted];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const line = by_name(cell).get(name), next = states(cell).get(name);
    if (line && !found.has(name)) {
      found.add(name);
      open.push(...reads(line));
    } else if (!line && carried && next !== undefined) open.push(next);
  }
  return found;
}

/** A line after its operands, each once, up to the lines that are done; these are added to them. @param {Parts} cell @param {string} name @param {Set<string>} done @returns {Generator<Line>} */
function* brought(cell, name, done) {
  const line = by_name(cell).get(name);
  if (!line || done.has(name)) return;
  done.add(name);
  for (const operand of reads(line)) yield* brought(cell, operand, done);
  yield line;
}

/** The lines with these names in the order in which the equations introduce them. @param {Parts} cell @param {Set<string>} names */
export function written(cell, names) {
  const done = new Set([...by_name(cell).keys()].filter((name) => !names.has(name)));
  const roots = [...cell.lines.filter(assigned).map((line) => line.name), ...ends(cell), cell.output];
  return roots.flatMap((name) => [...brought(cell, name, done)]);
}

/** The names of all lines that some start from: those assigned, what leaves a step, the output. @param {Parts} cell */
export const live = (cell) => closure(cell, [...cell.lines.filter(assigned).map((line) => line.name), ...ends(cell), cell.output]);

/** Each call of a composite function with the lines inside that call, in order of computation. */
export const within = kept((/** @type {Parts} */ cell) => {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const line of cell.lines.filter((one) => one.call.length)) {
    const given = new Set(line.call.slice(1).map(String));
    // a sum that is an argument may have become part of another sum
    for (const name of [...given]) {
      const inner = is_identifier(name) ? undefined : by_name(cell).get(name);
      for (const operand of inner ? reads(inner) : []) given.add(operand);
    }
    found.set(line.name, reads(line).flatMap((operand) => [...brought(cell, operand, given)].map((inner) => inner.name)));
  }
  return found;
});

/** A definition as written among the equations. @param {import("./types.js").FunctionDefinition} one */
export function definition(one) {
  const first = one.arguments.length - one.defaults.length;
  const named = one.arguments.map((name, k) => (k < first ? name : `${name}=${number(one.defaults[k - first])}`));
  return `${one.name}(${named.join(", ")}) = ${one.body}`;
}

/** @param {{name: string, terms: string[][]}} sum */
function sum_text({ name, terms }) {
  const texts = terms.map((one) => (one.length > 1 ? `outer(${one.join(", ")})` : one[0]));
  return `${name} <- ${texts.map((text) => (binding(text) < 2 ? `(${text})` : text)).join(" + ")}`;
}

/** The text of a cell, of which `parse` gives an equal cell. @param {Parts} cell */
function text_of(cell) {
  /** @param {[string, string[]][]} pairs */
  const declarations = (pairs) => pairs.filter(([, texts]) => texts.length).map(([what, texts]) => `${what}: ${texts.join(", ")}\n`).join("");
  if (cell.plain) return cell.plain.text + declarations([["hold", cell.held], ["scale", cell.scaled]]);
  const rows = [
    ...cell.functions.map(definition),
    ...(cell.inputs.length === 1 && cell.inputs[0] === "x_t" ? [] : [`input: ${cell.inputs.join(", ")}`]),
    ...[...equations(cell)].map(([name, right]) => `${name} = ${right}`),
  ];
  const rest = declarations([
    ["matrix", cell.declared], ["carry", cell.carry.map(([state, line]) => `${state} <- ${line}`)],
    ["sum", cell.sums.map(sum_text)], ["gradient", cell.gradient.map(([made, name]) => `${made} <- ${name}`)],
  ]);
  return `${rows.map((row) => `${row}\n`).join("")}${rest}output: ${cell.output}\n`;
}

/** The words of a text: names, in any expression. @param {string} text */
export const words = (text) => text.match(/[\p{L}\p{N}_]+/gu) ?? [];

/** The parameters in the order of the equations, in each of which matrices come first. @param {Parts} cell */
function parameters_of(cell) {
  const values = new Set([...by_name(cell).keys(), ...states(cell).keys(), ...cell.inputs]);
  const found = new Set([...readers(cell).keys()].filter((name) => !values.has(name)));
  const first = new Set(cell.lines.flatMap((line) => product(line)?.slice(0, 1) ?? []));
  const rows = [...equations(cell).values()].flatMap((right) => {
    const named = words(right);
    return [...named.filter((name) => first.has(name)), ...named.filter((name) => !first.has(name))];
  });
  return [...new Set([...rows, ...found])].filter((name) => found.has(name));
}

/** A cell with what follows from its parts. @param {Parts} parts @returns {Cell} */
export const made = (parts) => ({ ...parts, parameters: parameters_of(parts), text: text_of(parts) });

// -- lines that can be held ------------------------------------------------------------------------------------------

/** The part of a name that is made from the text of an unnamed line. @param {string} text */
export const as_name = (text) => text.replace(/[^\p{L}\p{N}_]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 40);

/** A suffix that makes all stems new names. @param {string[]} stems @param {Set<string>} taken */
export function ending(stems, taken) {
  let end = "";
  for (let n = 2; stems.some((stem) => taken.has(stem + end)); n += 1) end = `_${n}`;
  return end;
}

/** @typedef {{hold: string, to: string, scale: string, by: string, free: string}} HoldNames */

/** For every line that can be held or scaled the inputs that do so, and the name of the value of its equation. @param {Parts} cell */
export function hold_names(cell) {
  /** @type {Map<string, HoldNames>} */
  const found = new Map();
  const { plain } = cell;
  if (!plain) return found;
  const taken = new Set([...by_name(plain).keys(), ...plain.inputs, ...states(plain).keys(), ...plain.parameters]);
  for (const { name } of plain.lines) {
    if (!cell.held.includes(name) && !cell.scaled.includes(name)) continue;
    const stems = ["hold", "to", "scale", "by", "free"].map((part) => `${part}_${as_name(name)}`);
    const end = ending(stems, taken);
    const [hold, to, scale, by, free] = stems.map((stem) => stem + end);
    for (const one of [hold, to, scale, by, free]) taken.add(one);
    found.set(name, { hold, to, scale, by, free });
  }
  return found;
}

/** @param {string} op @param {Operand[]} operands @returns {Line} */
export const unnamed = (op, operands) => ({ name: "", op, operands, constants: [], call: [] });

/** The cell with exactly these lines made holdable, and these made scalable. @param {Cell} cell @param {string[]} held @param {string[]} [scaled] @returns {Cell} */
export function with_holds(cell, held, scaled = []) {
  const plain = cell.plain ?? cell;
  const [own, multiples] = [held, scaled].map((chosen) => plain.lines.map((line) => line.name).filter((name) => chosen.includes(name)));
  if (!own.length && !multiples.length) return plain;
  const found = { ...plain, plain, held: own, scaled: multiples };
  const names = hold_names(found);
  /** @type {Line[]} */
  const lines = [];
  const inputs = [...plain.inputs];
  for (const line of plain.lines) {
    // a call of a composite function no longer equals its definition if a line inside it is held
    const free = within(plain).get(line.name)?.some((inner) => names.has(inner)) ? { ...line, call: [] } : line;
    const made_names = names.get(line.name);
    if (!made_names) {
      lines.push(free);
      continue;
    }
    let last = made_names.free;
    lines.push({ ...free, name: last });
    if (multiples.includes(line.name)) {
      inputs.push(made_names.scale, made_names.by);
      const multiple = unnamed("mul", [made_names.by, made_names.free]);
      const choice = unnamed("where", [made_names.scale, expression(multiple), made_names.free]);
      last = own.includes(line.name) ? expression(choice) : line.name;
      lines.push({ ...multiple, name: expression(multiple) }, { ...choice, name: last });
    }
    if (own.includes(line.name)) {
      inputs.push(made_names.hold, made_names.to);
      lines.push({ ...unnamed("where", [made_names.hold, made_names.to, last]), name: line.name });
    }
  }
  // where the output of a padded cell is also what it carries, holding it changes the output, not the carried value
  const carry = plain.carry.map(([state, name]) => {
    const line = name === plain.output && names.has(name) ? by_name(plain).get(name) : undefined;
    const padded = line?.op === "where" && line.operands[0] === "valid" && line.operands[2] === state;
    return /** @type {[string, string]} */ ([state, padded ? /** @type {HoldNames} */ (names.get(name)).free : name]);
  });
  return made({ ...found, lines, inputs, carry });
}
