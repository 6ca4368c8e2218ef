// What a number is for and where it belongs, in words: one_value/equation.py, report/in_words/gates.py.
import { assigned, by_name, product, readers, reads, remembers, states } from "../../../../lines/cells.js";
import { owner } from "../../../../lines/sizes.js";
import { head_of, readout } from "./labels.js";
import { on_paper } from "./formulas/paper.js";
import { array_of, entry_at, is_adjoint, kind_of, own_line, own_stage, stage_of } from "./places.js";
import { plain } from "./formulas/printer.js";
import { sym, value } from "./formulas/tree.js";

/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Cell} Cell */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("./places.js").Place} Place */
/** @typedef {import("./number.js").Writing} Writing */

// -- gates -------------------------------------------------------------------------------------------------------------

/** Whether a line squashes into (0, 1), or is one minus such a line. @param {Cell} cell @param {Line | undefined} line @returns {boolean} */
function opens(cell, line) {
  if (!line) return false;
  if (line.op === "sigmoid" || (line.op === "clip" && line.constants[0] === 0 && line.constants[1] === 1)) return true;
  return is_one_minus(line) && opens_itself(by_name(cell).get(String(line.operands[1])));
}
const opens_itself = (/** @type {Line | undefined} */ line) => line !== undefined && (line.op === "sigmoid" || (line.op === "clip" && line.constants[0] === 0 && line.constants[1] === 1));
const is_one_minus = (/** @type {Line} */ { op, constants: [a, b, ...rest], operands: [one] }) => op === "add" && !rest.length && a === 1 && b === -1 && one === 1;
const is_gate = (/** @type {Cell} */ cell, /** @type {Line} */ line) => assigned(line) && opens(cell, line);

/** The products that a name is a factor of, each with its other factor. @param {Cell} cell @param {string} name @returns {[string, string][]} */
function factors(cell, name) {
  const products = (readers(cell).get(name) ?? []).filter(({ op, operands }) => op === "mul" && operands.every((one) => typeof one === "string"));
  return products.map((line) => [line.name, String(line.operands[Number(line.operands[0] === name)])]);
}

/** The value that a line or input multiplies; of several products one in which it is the first factor. @param {Cell} cell @param {string} name */
function multiplied(cell, name) {
  let second = /** @type {string | null} */ (null);
  for (const line of readers(cell).get(name) ?? []) {
    if (line.op !== "mul" || !line.operands.every((one) => typeof one === "string")) continue;
    const [first, other] = line.operands.map(String), made = by_name(cell).get(first);
    if (first === name) return other;
    if (!made || !is_gate(cell, made)) second ??= first;
  }
  return second;
}

/** What is multiplied by a gate in a sum of gate * a and (1 - gate) * b. @param {Cell} cell @param {string} name */
function mixed(cell, name) {
  for (const rest of readers(cell).get(name) ?? []) {
    if (assigned(rest) || !is_one_minus(rest) || rest.operands[1] !== name) continue;
    for (const [one, signal] of factors(cell, name)) {
      for (const [other] of factors(cell, rest.name)) {
        const sums = (readers(cell).get(one) ?? []).filter(({ op, operands }) => op === "add" && operands.includes(other));
        if (sums.some(({ operands, constants }) => [one, other].every((term) => constants[operands.indexOf(term)] > 0))) return signal;
      }
    }
  }
  return null;
}

/** The factors of a state in a sum; none if others keep it too, inside products. @param {Cell} cell @param {Line} line @param {string} state @returns {{keeps: [number, import("../../../../lines/types.js").Operand | null][]}} */
function kept_in(cell, line, state) {
  const found = line.op === "add" ? line.operands.map((one, k) => ({ sign: line.constants[k], term: one })) : [{ sign: 1, term: line.name }];
  const keeps = /** @type {[number, import("../../../../lines/types.js").Operand | null][]} */ ([]);
  for (const { sign, term } of found) {
    const made = typeof term === "string" ? by_name(cell).get(term) : undefined;
    if (term === state) keeps.push([sign, null]);
    else if (made?.op === "mul" && made.operands.filter((one) => one === state).length === 1) keeps.push([sign, /** @type {any} */ (made.operands.find((one) => one !== state))]);
    else {
      const sums = made?.op === "mul" ? made.operands.map((one) => by_name(cell).get(String(one))) : [];
      if (sums.some((part) => part?.op === "add" && kept_in(cell, part, state).keeps.some(([its]) => sign * its > 0))) return { keeps: [] };
    }
  }
  return { keeps };
}

/** The gates that keep part of a state, each with that state. @param {Cell} cell */
function keeping(cell) {
  const found = /** @type {Map<string, string>} */ (new Map());
  for (const carried of states(cell).values()) {
    const made = cell.carry.filter(([state, line]) => carried === line || carried === chosen(cell, state, line));
    const state = (made.find(([, line]) => line === carried) ?? made[0])[0], name = chosen(cell, state, states(cell).get(state) ?? "") ?? carried;
    let line = by_name(cell).get(name);
    if (line?.op === "clip") line = by_name(cell).get(String(line.operands[0])) ?? line;
    for (const [, gate] of line ? kept_in(cell, line, state).keeps : []) {
      if (typeof gate === "string" && assigned({ .../** @type {Line} */ (line), name: gate }) && (by_name(cell).has(gate) || cell.inputs.includes(gate)) && !found.has(gate)) found.set(gate, state);
    }
  }
  return found;
}

/** The other line if one chooses between it and the previous state, as at padding. @param {Cell} cell @param {string} state @param {string} name */
function chosen(cell, state, name) {
  const line = by_name(cell).get(name), other = String(line?.operands[1]);
  return line?.op === "where" && line.operands[2] === state && (by_name(cell).has(other) || cell.inputs.includes(other)) ? other : null;
}

/** The gates of a cell, each with what it multiplies. @param {Cell} cell @param {(name: string) => boolean} named whether the cell calls a line a gate, whatever its activation */
function gates(cell, named) {
  const kept = keeping(cell), found = /** @type {Map<string, string>} */ (new Map());
  for (const name of [...cell.inputs, ...by_name(cell).keys()]) {
    const line = by_name(cell).get(name);
    const signal = kept.get(name) ?? (line && is_gate(cell, line) ? multiplied(cell, name) : null) ?? (line && named(name) ? multiplied(cell, name) : null);
    if (signal !== null) found.set(name, mixed(cell, name) ?? signal);
  }
  return found;
}

// -- about -------------------------------------------------------------------------------------------------------------

/** The sentence of a key, beginning with a capital, or with the symbol that it begins with. @param {Writing} writing @param {string} key @param {{[field: string]: string}} [fields] */
function said({ naming }, key, fields = {}) {
  const [first, ...rest] = naming.word(key, fields);
  return (naming.texts[key].startsWith("{") ? first : first.toUpperCase()) + rest.join("") + naming.texts.stop;
}

/** Whether the cell calls a line a gate, whatever its activation. @param {Writing} writing @param {string} name */
function is_named_gate({ naming, trace }, name) {
  return naming.has(`the.${head_of(trace).cell.kind}.${name}`); // a page has these strings of gates alone
}

/** A value of a stage as it is printed. @param {Writing} writing @param {Stage} stage @param {string} name */
const symbol = (writing, stage, name) => plain(on_paper(value(name, stage.cell)), writing.own);

/** What such a number is for; for a gate also how far it is open here. @param {Writing} writing @param {Place} place */
export function about(writing, place) {
  const { trace, naming } = writing, stage = own_stage(trace, place), line = own_line(trace, place);
  if (stage && is_adjoint(stage)) {
    const of = stage.cell.gradient.find(([made]) => made === place.name)?.[1];
    return of ? said(writing, "about.gradient", { of: symbol(writing, trace.stages.find(({ scope }) => scope === owner(stage)) ?? stage, of) }) : said(writing, "about.back");
  }
  if (!line || !stage) return of_premise(writing, stage, place);
  const [key, fields] = of_line(writing, stage, line), number = entry_at(array_of(trace, place), place.unit);
  const told = said(writing, key, fields);
  if (!(is_named_gate(writing, line.name) || is_gate(stage.cell, line)) || !(number >= 0 && number <= 1)) return told;
  return told + naming.texts["stop.next"].slice(1) + said(writing, "about.here", { share: naming.share(number, head_of(trace).dtype === "float32") });
}

/** The key and fields of the sentence on a line: the cell's own, or one by its role among the equations. @param {Writing} writing @param {Stage} stage @param {Line} line @returns {[string, {[field: string]: string}?]} */
function of_line(writing, stage, line) {
  const { cell } = stage, { trace, naming } = writing, own = `about.${head_of(trace).cell.kind}.${line.name}`;
  const shown = (/** @type {import("../../../../lines/types.js").Operand} */ name) => symbol(writing, stage, String(name));
  if (line.op === "where" && stage.sources[line.operands[0]] === "valid") return [states(cell).has(String(line.operands[2])) ? "about.held" : "about.padded", { line: shown(line.operands[1]) }];
  if (stage.direction === "joined" && line.name === cell.output) return ["about.joined"];
  const found = gates(cell, (name) => is_named_gate(writing, name)), signal = found.get(line.name), of = product(line);
  if (naming.has(own)) return [signal !== undefined && naming.has(`${own}.${signal}`) ? `${own}.${signal}` : own];
  if (remembers(line)) {
    const [matrix, vector] = line.op === "memvec" ? line.operands : [...line.operands].reverse();
    return ["about.read", { matrix: shown(matrix), vector: shown(vector) }];
  }
  if (of) return ["about.product", { vector: shown(of[1]), line: target(writing, stage, line) }];
  if (signal !== undefined) return ["about.gate", { signal: shown(signal) }];
  for (const [gate, its] of found) {
    const both = [gate, its];
    if (line.op === "mul" && line.operands.every((one) => both.includes(String(one))) && both.every((one) => line.operands.includes(one))) return ["about.lets", { gate: shown(gate), signal: shown(its) }];
  }
  const carried = cell.carry.find(([, name]) => name === line.name);
  if (carried) return ["about.state", { state: shown(carried[0]) }];
  if (readout(cell).has(line.name)) return ["about.readout"];
  if (line.name === cell.output) return ["about.output"];
  const others = trace.stages.filter((other) => !is_adjoint(other)).flatMap(({ sources }) => Object.values(sources));
  if (!readers(cell).has(line.name) && !others.includes(`${stage.scope}/${line.name}`)) return [trace.lines[stage.scope]?.[line.name]?.shape[2] === 1 ? "about.result.1" : "about.result"];
  const sum = line.op === "add" && reads(line).some((name) => { const made = by_name(cell).get(name); return made && product(made); });
  return [sum ? "about.sum" : "about.line", { line: target(writing, stage, line) }];
}

/** The line that another one leads to: the nearest that has a name of its own, beyond its sums. @param {Writing} writing @param {Stage} stage @param {Line} line */
function target(writing, stage, line) {
  const { cell } = stage, seen = new Set([line.name]);
  let { name } = line;
  for (let reader = readers(cell).get(name)?.[0]; reader && !seen.has(reader.name); reader = readers(cell).get(name)?.[0]) {
    ({ name } = reader);
    seen.add(name);
    const summed = reader.op === "add" && readers(cell).get(name)?.length === 1;
    if (writing.naming.has(`${head_of(writing.trace).cell.kind}.${name}`) || (assigned(reader) && !summed)) break;
  }
  return symbol(writing, stage, name);
}

/** The sentence on a number that is given. @param {Writing} writing @param {Stage | undefined} stage @param {Place} place */
function of_premise(writing, stage, place) {
  const kind = kind_of(writing.trace, place);
  if (kind === "input") return said(writing, place.scope ? "about.valid" : "about.input");
  if (kind === "initial" && stage) return said(writing, "about.initial", { state: plain(sym(states(stage.cell).get(place.name) ?? ""), writing.own) });
  const [reader] = stage ? (readers(stage.cell).get(place.name) ?? []) : [];
  if (kind === "given" || !stage || !reader) return said(writing, "about.given");
  const line = target(writing, stage, reader), of = product(reader);
  if (of) {
    const [to, unit] = ends(writing, stage, place);
    return said(writing, "about.weight", { unit, vector: symbol(writing, stage, of[1]), line, to });
  }
  return said(writing, reader.op === "add" ? "about.bias" : "about.parameter", { line });
}

// -- where -------------------------------------------------------------------------------------------------------------

/** Layer, direction, step, sequence and unit in words; for a weight the units that it goes from and to. @param {Writing} writing @param {Place} place */
export function where(writing, place) {
  const { trace, naming } = writing, stage = own_stage(trace, place), { shape } = array_of(trace, place);
  const found = [naming.where(stage, kind_of(trace, place) === "initial" ? null : place.t, place.b)];
  if (!place.scope) found.push(naming.unit(place.unit[0], shape[0], "x"));
  else if (stage && place.t === null) found.push(ends(writing, stage, place).join(" ← "));
  else if (stage && (shape.length > 1 || shape[0] !== 1)) found.push(naming.label(stage, place.name, place.unit[0], shape[0])); // a single number belongs to no unit
  return naming.comma_list(...found);
}

/** The unit that a weight goes to, and the unit that it comes from if it is in a matrix. @param {Writing} writing @param {Stage} stage @param {Place} place @returns {string[]} */
function ends({ trace, naming }, stage, place) {
  const { shape } = array_of(trace, place), { unit } = place, own = stage_of(trace, owner(stage));
  const weight = new Map(stage.cell.gradient).get(place.name) ?? place.name;
  if (trace.grids[own.scope]?.[weight]) return [naming.label(own, weight, unit[0] * shape[1] + unit[1], shape[0] * shape[1])];
  const [reader] = readers(own.cell).get(weight) ?? [], of = reader && product(reader);
  if (!of || shape.length === 1) return unit.map((j, axis) => naming.label(own, reader?.name ?? weight, j, shape[axis]));
  const [to, from] = reader.op === "matvec" ? [0, 1] : [1, 0];
  return [naming.label(own, reader.name, unit[to], shape[to]), naming.label(own, of[1], unit[from], shape[from])];
}
