// A trace in a notation: its symbols, and [h; x] joined: report/content/notations.py. A notation changes what is printed and
// never a number.
import { assigned, by_name, expression, reads } from "../../../../lines/cells.js";
import { lines_of } from "../../../../lines/sizes.js";
import { extent, looked_up, named, operand, zeros } from "../../../../lines/values.js";
import { held_symbols } from "./held.js";
import { head_of } from "./labels.js";
import { plain } from "./formulas/printer.js";
import { NOTATIONS } from "./formulas/signs.js";
import { distinct, symbol } from "./formulas/symbols.js";
import { sym } from "./formulas/tree.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Cell} Cell */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Values} Values */
/** @typedef {import("./formulas/symbols.js").Own} Own */
/** A sum in which two products become a single product: its name, the products, the joined matrix, and the new lines. @typedef {{sum: string, two: [Line, Line], matrix: string, lines: Line[]}} Merge */

/** What a notation refuses, since it would print something that is not true. */
export class NotationError extends Error {
  name = "NotationError";
  /** As a server would refuse it. */
  problems = [this.message];
}

/** Every name of a cell that has a symbol. @param {Cell} cell */
const names_of = (cell) => [...cell.lines.filter(assigned).map((line) => line.name), ...cell.inputs, ...cell.carry.map(([state]) => state), ...cell.parameters];

/**
 * A trace as it is printed in a notation, and its symbols; those of the author take precedence. join: whether products are
 * joined, if the notation does so. @param {Trace} trace @param {string} notation @param {boolean} [join] @returns {{trace: Trace, own: Own}}
 */
export function in_notation(trace, notation, join = true) {
  const { symbols, cell: { kind } } = head_of(trace), one = /** @type {typeof NOTATIONS[""][""]} */ (looked_up(looked_up(NOTATIONS, kind) ?? {}, notation));
  const given = /** @type {Own} */ ({ ...held_symbols(trace), ...symbols }), usual = notation === "exercise" || notation === "joined";
  if (!one && !usual) throw new NotationError(`notation ${notation} has no symbols for this cell, of kind ${kind}; use exercise`);
  if (join && (notation === "joined" || one?.joined)) trace = joined(trace, notation);
  if (usual) return { trace, own: { ...distinct(trace.stages.flatMap(({ cell }) => names_of(cell)), given), ...given } };
  const renamed = Object.entries(one.names).map(([ours, name]) => [ours, symbol(name)]);
  const turned = one.turned.map((ours) => [ours, { ...symbol(one.names[ours] ?? ours), power: "T" }]);
  const own = named([...renamed, ...turned]);
  for (const [name, found] of Object.entries(given)) own[name] = found;
  const spelled = named(Object.entries(own).filter(([, found]) => typeof found !== "string"));
  for (const { cell } of trace.stages) {
    const printed = /** @type {Map<string, string>} */ (new Map());
    for (const name of names_of(cell)) {
      const text = plain(sym(name), spelled), other = printed.get(text) ?? name;
      if (other !== name) throw new NotationError(`notation ${notation} prints ${other} and ${name} alike, as ${text}; use exercise`);
      printed.set(text, name);
    }
  }
  return { trace, own };
}

// -- [h; x] ------------------------------------------------------------------------------------------------------------

/** @param {Trace} trace @param {string} notation @returns {Trace} */
function joined(trace, notation) {
  const { arithmetic, ask = [] } = head_of(trace);
  if (arithmetic) throw new NotationError(`notation ${notation} adds up two products at once, and in the arithmetic ${arithmetic} each of them is rounded; use another notation`);
  if (trace.stages.some(({ cell }) => cell.gradient.length)) throw new NotationError(`notation ${notation} shows two products as one, which the backward pass does not; use exercise`);
  const kept = new Set(ask.map((/** @type {string} */ text) => text.slice(text.lastIndexOf("/") + 1).replace(/\[[^[\]:]*\]\s*$/, "").trim()));
  const found = trace.stages.map((stage) => merges(stage.cell, kept));
  if (!found.some((some) => some.length)) throw new NotationError(`notation ${notation} finds no sum of W_h… h and W_x… x to join; use exercise`);
  const parameters = { ...trace.parameters }, lines = { ...trace.lines };
  const stages = trace.stages.map((stage, k) => {
    if (!found[k].length) return stage;
    parameters[stage.scope] = matrices(trace.parameters[stage.scope] ?? {}, found[k]);
    lines[stage.scope] = values(trace, stage, found[k]);
    return rewritten(stage, found[k]);
  });
  return { ...trace, stages, parameters, lines };
}

/** The sums of a cell in which two products can be shown as one without losing anything else. @param {Cell} cell @param {Set<string>} kept @returns {Merge[]} */
function merges(cell, kept) {
  const names = new Set([...by_name(cell).keys(), ...cell.inputs, ...cell.carry.map(([state]) => state), ...cell.parameters]);
  const read = cell.lines.flatMap(reads), times = (/** @type {string} */ name) => read.filter((one) => one === name).length;
  return cell.lines.flatMap((line) => {
    if (line.op !== "add") return [];
    const terms = /** @type {Map<string, Line>} */ (new Map());
    line.operands.forEach((name, k) => {
      const product = by_name(cell).get(String(name));
      if (product?.op !== "matvec" || assigned(product) || kept.has(product.name) || line.constants[k] < 0) return;
      if (times(product.name) === 1 && times(String(product.operands[0])) === 1) terms.set(String(product.operands[0]), product);
    });
    return [..."ifcogrznuh"].flatMap((gate) => {
      const [state, given, matrix] = [terms.get(`W_h${gate}`), terms.get(`W_x${gate}`), `W_${gate}`];
      return state && given && !names.has(matrix) ? [merged(line, [state, given], matrix)] : [];
    });
  });
}

/** The sum with one product instead of two, in the place of the first of them. @param {Line} line @param {[Line, Line]} two @param {string} matrix @returns {Merge} */
function merged(line, two, matrix) {
  const made = (/** @type {string} */ op, /** @type {import("../../../../lines/types.js").Operand[]} */ operands) => ({ name: "", op, operands, constants: /** @type {number[]} */ ([]), call: [] });
  const vector = made("concat", two.map((one) => one.operands[1]));
  vector.name = expression(vector);
  const product = made("matvec", [matrix, vector.name]);
  product.name = `${matrix} @ ${vector.name}`;
  const [first, second] = two.map((one) => one.name).sort((a, b) => line.operands.indexOf(a) - line.operands.indexOf(b));
  const rest = line.operands.flatMap((name, k) => (name === second ? [] : [{ name: name === first ? product.name : name, sign: line.constants[k] }]));
  const lines = rest.length === 1 ? [vector, { ...product, name: line.name }]
    : [vector, product, { ...made("add", rest.map(({ name }) => name)), name: line.name, constants: rest.map(({ sign }) => sign) }];
  return { sum: line.name, two, matrix, lines };
}

/** The stage with joined products in place of two. @param {Stage} stage @param {Merge[]} found @returns {Stage} */
function rewritten(stage, found) {
  const gone = new Set(found.flatMap(({ two }) => two.map((one) => one.name))), there = new Set(lines_of(stage).map((line) => line.name));
  const lines = stage.cell.lines.filter((line) => !gone.has(line.name)).flatMap((line) => {
    const made = found.find(({ sum }) => sum === line.name)?.lines ?? [line];
    if (there.has(line.name)) for (const one of made) there.add(one.name);
    return made;
  });
  const own = [...new Map(lines.map((line) => [line.name, line])).values()], merged = new Map(found.flatMap(({ two, matrix }) => two.map((one) => [String(one.operands[0]), matrix])));
  const parameters = [...new Set(stage.cell.parameters.map((name) => merged.get(name) ?? name))];
  return { ...stage, cell: { ...stage.cell, lines: own, parameters }, computed: own.map((line) => line.name).filter((name) => there.has(name)) };
}

/** The parameters with each pair side by side, in the position of the first of the pair. @param {{[name: string]: Values}} there @param {Merge[]} found */
function matrices(there, found) {
  const joint = new Map(found.flatMap(({ two, matrix }) => {
    const parts = two.map((one) => String(one.operands[0])), [left, right] = parts.map((name) => there[name]);
    if (!left || !right) return []; // a run that needs no gate has no weights of it
    const whole = zeros(left.shape[0], left.shape[1] + right.shape[1]);
    for (let row = 0; row < left.shape[0]; row++) [left, right].forEach(({ shape: [, n], data }, k) => whole.data.set(data.subarray(row * n, (row + 1) * n), row * whole.shape[1] + k * left.shape[1]));
    return parts.map((name) => /** @type {[string, [string, Values]]} */ ([name, [matrix, whole]]));
  }));
  return named(Object.entries(there).map(([name, own]) => joint.get(name) ?? [name, own]));
}

/** The recorded lines; a joined vector and product, if what they are made of was recorded. @param {Trace} trace @param {Stage} stage @param {Merge[]} found */
function values(trace, stage, found) {
  const there = /** @type {{[name: string]: Values}} */ (Object.assign(named(), trace.lines[stage.scope])), [steps, batch] = extent(trace);
  for (const { two, lines: [vector, product, added] } of found) {
    const parts = /** @type {Values[]} */ (vector.operands.map((name) => operand(trace, stage, name)).filter(Boolean));
    if (parts.length === 2) {
      const whole = zeros(steps, batch, parts[0].shape[2] + parts[1].shape[2]), [, , width] = whole.shape;
      for (let row = 0; row < steps * batch; row++) parts.forEach(({ shape: [, , n], data }, k) => whole.data.set(data.subarray(row * n, (row + 1) * n), row * width + k * parts[0].shape[2]));
      there[vector.name] = whole;
    }
    const products = two.flatMap((one) => there[one.name] ?? []);
    for (const one of two) delete there[one.name];
    const fit = head_of(trace).dtype === "float32" ? Math.fround : Number;
    if (products.length === 2 && added) there[product.name] = { shape: products[0].shape, data: products[0].data.map((one, k) => fit(one + products[1].data[k])) };
  }
  return there;
}
