// Everything about one number of a run: the reply of lt.derivation (one_value/), computed from a trace.
import { arithmetic } from "../../../../lines/arithmetic.js";
import { assigned, by_name, product, reads, remembers } from "../../../../lines/cells.js";
import { Gradient } from "../../../../lines/gradient.js";
import { owner, scope_and_name } from "../../../../lines/sizes.js";
import { OPERATIONS } from "../../../../lines/table.js";
import { extent, first_of, named, operand } from "../../../../lines/values.js";
import { about, where } from "./about.js";
import { looked_at, word } from "./describe.js";
import { held_at, hold_of, with_held } from "./held.js";
import { head_of } from "./labels.js";
import { on_paper } from "./formulas/paper.js";
import { address, array_of, consumers, entry_at, is_adjoint, kind_of, located, location_of, MissingError, own_line, own_stage, read_as, stage_of } from "./places.js";
import { mathml, PLAIN, plain, Printer } from "./formulas/printer.js";
import { symbol_of } from "./formulas/symbols.js";
import { computed, here, summed } from "./computing.js";
import { style_of } from "./style.js";
import { ShownValues } from "./values.js";
import { formula, HELD, index, numbers, parts_of, sym, value, written_out } from "./formulas/tree.js";
import { Naming } from "./words.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("./places.js").Place} Place */
/** @typedef {import("./formulas/tree.js").Node} Node */
/** @typedef {import("./formulas/symbols.js").Own} Own */
/** A formula as text and as one MathML element, in which numbers carry `data-address`. @typedef {{text: string, mathml: string}} Formula */

const XMLNS = "http://www.w3.org/1998/Math/MathML";
/** How many readers are listed; how many terms of a sum are written out, and of a longer one, with
 *  dots; how many values a formula that is written out shows, each as often as it is read, before dots follow. */
const READERS = 64, TERMS = 64, SHORT = 16, WRITTEN = 2000;

/** Writes formulas of a trace: its numbers as they are shown, its symbols in a notation, its places in words. */
export class Writing {
  /** @param {Trace} trace @param {Own} own @param {Naming} naming @param {ShownValues} values */
  constructor(trace, own, naming, values) {
    this.trace = trace;
    this.naming = naming;
    this.values = values;
    this.own = { ...own, ...gradient_symbols(trace, own, naming) };
    this.text = new Printer(PLAIN, this.own);
    this.markup = new Printer(mathml(({ key }) => (key?.length ? address(trace, location_of(trace, key)) : "")), this.own);
  }

  /** Parts of a chain, each after the first with an equals sign before it. @param {Node[]} parts @returns {Formula} */
  formula(...parts) {
    const text = parts.map((node) => this.text.print(node)).join(" = "), body = parts.map((node) => this.markup.print(node)).join("<mo>=</mo>");
    return { text, mathml: `<math xmlns="${XMLNS}"${body.includes("<mfrac>") ? ' displaystyle="true"' : ""}>${body}</math>` };
  }

  /** The symbol of one number as a stage reads it. @param {Stage | undefined} stage @param {string} name @param {number | null} t @param {number[]} unit @param {boolean} single whether its array has no other number */
  symbol(stage, name, t, unit, single) {
    let node = value(name, (stage ?? this.trace.stages[0]).cell);
    if (stage && t !== null) node = this.naming.at(stage, t, node);
    if (single) return node;
    return index(node, stage && unit.length === 1 ? this.naming.entry(stage, name, unit[0]) : unit.map((k) => this.naming.nth(k)).join());
  }

  /** The symbol of the number at a place. @param {Place} place */
  symbol_at(place) {
    const [stage, name] = read_as(this.trace, place);
    return this.symbol(stage, name, place.t, place.unit, array_of(this.trace, place).data.length === 1);
  }

  /** The number at a place, as it is shown. @param {Place} place */
  number(place) {
    const { scope, name, t, b, unit } = place, [stage, own] = read_as(this.trace, place);
    if (stage && kind_of(this.trace, place) !== "sum") return this.values.num(stage.scope, own, t, b, unit);
    return this.values.shown(entry_at(array_of(this.trace, place), unit), name, [scope, name, t, b, unit]);
  }

  /** Another number, at the place where it was made. @param {Place} place @param {Node} number @param {Node} symbol as it is read here */
  reference(place, number, symbol) {
    return { address: address(this.trace, place), symbol: this.formula(symbol), value: word(number.value), shown: this.text.number(number.shown), where: where(this, place) };
  }
}

/** The symbols of the gradients of adjoint stages. @param {Trace} trace @param {Own} own symbols of the author @param {Naming} naming @returns {Own} */
function gradient_symbols(trace, own, naming) {
  const adjoints = trace.stages.filter(({ cell }) => cell.gradient.length), seeds = adjoints.flatMap(weights), found = /** @type {Own} */ (named());
  const free = !trace.stages.some(({ cell }) => by_name(cell).has("w_t") || [...cell.inputs, ...cell.parameters, ...cell.carry.map(([state]) => state)].includes("w_t"));
  const slope = (/** @type {Node} */ of, through = "") => symbol_of({ node: { kind: "gradient", of, through } });
  const names = (/** @type {Stage} */ { cell }, /** @type {string} */ line) => cell.gradient.filter(([made]) => made === line).map(([, name]) => name);
  for (const stage of adjoints) {
    const gradient = new Map([...stage.cell.gradient].reverse()), { cell } = trace.stages.find(({ scope }) => scope === owner(stage)) ?? stage;
    const of = (/** @type {string} */ name) => on_paper(value(name, cell));
    for (const [made, name] of gradient) found[made] = slope(of(name));
    for (const [state, line] of stage.cell.carry) {
      const several = stage.cell.carry.filter(([other]) => gradient.get(other) === gradient.get(state)).length > 1, its = names(stage, line);
      const stem = state.replace(/^d_/, "").replace(/_next$/, ""), name = its.find((one) => one.replace(/_prev$/, "") === stem) ?? its[0];
      found[state] = slope(of(gradient.get(state) ?? ""), several ? `next, ${plain(sym(name), own)}` : "next");
    }
    for (const [name, source] of Object.entries(stage.sources)) {
      const [scope, line] = scope_and_name(source), above = trace.stages.find((one) => one.scope === scope);
      if (weights(stage).includes(name)) found[name] = symbol_of(free && seeds.length === 1 ? { base: "w", sub: "t" } : { base: "w", sub: name.replace(/^seed_/, ""), word: true });
      else if (above?.cell.gradient.length) {
        const its = names(above, line), inputs = Object.values(above.sources).map((one) => scope_and_name(one)[1]);
        found[name] = slope(on_paper(value(its.find((one) => inputs.includes(one)) ?? its[0], above.cell)), naming.place(above));
      } else if (scope === owner(stage) && name !== line && assigned({ name, op: "", operands: [], constants: [], call: [] })) found[name] = symbol_of({ node: of(line) });
    }
  }
  return named(Object.entries(found).filter(([name]) => !Object.hasOwn(own, name)));
}

/** The inputs of an adjoint that hold the weights of L. @param {Stage} stage */
const weights = (stage) => (is_adjoint(stage) ? stage.cell.inputs.filter((name) => stage.sources[name] === "given" && name.startsWith("seed_")) : []);

// -- its equation ------------------------------------------------------------------------------------------------------

/** What computed a number; empty for a premise. numbers: those in `substituted`. @param {Writing} writing @param {Place} place @param {Node} result */
function equation(writing, place, result) {
  const { trace, values } = writing, { t, b, unit: [unit] } = place, none = { equation: null, substituted: null, relation: "", written_out: null, written_out_relation: "", numbers: /** @type {Node[]} */ ([]), left_out: 0 };
  let stage = own_stage(trace, place), line = own_line(trace, place);
  if (!line || !stage || t === null || b === null) return none;
  const shown = with_held(stage, held_at(trace, stage, t, b, unit)), as_shown = by_name(shown.cell).get(line.name);
  if (as_shown) [stage, line] = [shown, as_shown];
  const { cell } = stage, at = (/** @type {Node} */ node) => writing.naming.at(/** @type {Stage} */ (stage), t, node);
  // a line in symbols: its name if it has one, what it computes, what a composite function is short for
  const symbols = [value(line.name, cell), assigned(line) ? formula(line, cell) : null, written_out(line, cell)];
  const [terms, long] = terms_of(trace, stage, line), tree = values.tree(stage, line, t, b, unit, long ? SHORT : null);
  const read = tree ? numbers(tree).filter(({ key }) => key !== null) : [];
  const found = {
    ...none, equation: writing.formula(...symbols.flatMap((node) => (node ? [at(node)] : []))), substituted: tree && writing.formula(tree),
    relation: values.relation(result, line.call[0] === HELD ? null : tree), numbers: read, left_out: is_dotted(tree) ? Math.max(terms - read.length, 0) : 0,
  };
  const inner = [...through(stage, line)];
  if (!assigned(line) || !inner.length) return found; // its own operands all have a name
  const all = [line, ...inner].reduce((n, one) => n + terms_of(trace, /** @type {Stage} */ (stage), one)[0], 0);
  const whole = values.whole(stage, line, t, b, unit, all > TERMS ? SHORT : null, WRITTEN); // of every sum: a nested sum has the product of their terms
  return whole ? { ...found, written_out: writing.formula(whole), written_out_relation: values.relation(result, is_dotted(whole) ? null : whole) } : found;
}

/** The unnamed lines that a line reads, direct or through others. @param {Stage} stage @param {Line} line @returns {Set<Line>} */
function through(stage, line, found = new Set()) {
  for (const name of reads(line)) {
    const made = by_name(stage.cell).get(name);
    if (made && !assigned(made) && !found.has(made)) through(stage, made, found.add(made));
  }
  return found;
}

/** How many numbers a unit of a line reads, and whether that is a long sum. @param {Trace} trace @param {Stage} stage @param {Line} line @returns {[number, boolean]} */
function terms_of(trace, stage, line) {
  const both = product(line) || remembers(line);
  if (!both && OPERATIONS[line.op].width !== "one") return [line.operands.length, false];
  const terms = operand(trace, stage_of(trace, stage.scope), line.operands[summed(line)])?.shape ?? [0], count = Number(line.op === "vecmat" && terms.length === 2 ? terms[0] : terms.at(-1));
  return [count * (both ? 2 : 1), count > TERMS];
}

/** Whether something was left out of a formula. @param {Node | null} node */
const is_dotted = (node) => node !== null && parts_of(node).some(({ kind }) => kind === "dots");

// -- its verdict -------------------------------------------------------------------------------------------------------

/** The number derived again from its recorded operands, and whether rounding explains the difference. @param {Trace} trace @param {Place} place */
function verified(trace, place) {
  const found = entry_at(array_of(trace, place), place.unit), stage = own_stage(trace, place), line = own_line(trace, place);
  const is_sum = kind_of(trace, place) === "sum", none = { found: word(found), rederived: null, bound: null };
  if (!is_sum && (!line || !stage)) return { verdict: "premise", ...none };
  const again = is_sum ? gathered(trace, /** @type {Stage} */ (stage), place) : derived(trace, /** @type {Stage} */ (stage), /** @type {Line} */ (line), place);
  if (!again) return { verdict: "inconclusive", ...none };
  const [rederived, bound] = again, tiny = head_of(trace).dtype === "float32" ? 2 ** -126 : 2 ** -1022;
  const alike = found === rederived || (Number.isNaN(found) && Number.isNaN(rederived)) || (found === 0 && Math.abs(rederived) < tiny) || Math.abs(found - rederived) <= bound;
  return { verdict: !Number.isFinite(bound) ? "inconclusive" : alike ? "verified" : "failed", found: word(found), rederived: word(rederived), bound: word(bound) };
}

/** Precision of a trace: the distance from 1 to the next number, the smallest normal and subnormal ones. @param {Trace} trace */
const precision = (trace) => (head_of(trace).dtype === "float32" ? { eps: 2 ** -23, tiny: 2 ** -126, least: 2 ** -149 } : { eps: 2 ** -52, tiny: 2 ** -1022, least: 2 ** -1074 });

/** The bound on sums, from the sum of the magnitudes of their terms: base/rounding.py. @param {Trace} trace @param {number} size @param {number} roundings */
function bound_of_sum(trace, size, roundings) {
  const { eps, least } = precision(trace), room = 1 - (roundings + 2) * eps, each = room > roundings * eps ? roundings / room : Infinity;
  return size * (each * eps) + each * least;
}

/** A value of a line from its recorded operands, and the bound; null if one is missing. @param {Trace} trace @param {Stage} stage @param {Line} line @param {Place} place @returns {[number, number] | null} */
function derived(trace, stage, line, { t, b, unit: [unit] }) {
  const found = line.operands.map((name) => operand(trace, stage, name));
  if (found.some((one) => !one)) return null;
  const operands = found.map((one) => here(trace, /** @type {any} */ (one), /** @type {number} */ (t), /** @type {number} */ (b)));
  const { dtype, arithmetic: name } = head_of(trace), width = trace.lines[stage.scope][line.name].shape[2], { ulp } = OPERATIONS[line.op], { eps, tiny } = precision(trace);
  if (name) {
    const own = arithmetic(name);
    return [own.compute(line.op, operands.map(({ data }) => own.read(data)), line.constants, width)[unit], 0];
  }
  const value = computed(line, operands, width, dtype === "float32")[unit];
  if (ulp === 0) return [value, 0];
  if (ulp !== null) return [value, ulp * eps * Math.abs(value) + tiny];
  const sizes = computed(line, operands.map(({ shape, data }) => ({ shape, data: data.map(Math.abs) })), width, dtype === "float32");
  return [value, bound_of_sum(trace, sizes[unit], Number(operands[summed(line)].shape.at(-1)) - Number(line.op === "sum"))];
}

/** A sum over all steps from its recorded terms, and the bound; null if one is missing. @param {Trace} trace @param {Stage} stage @param {Place} place @returns {[number, number] | null} */
function gathered(trace, stage, { name, unit }) {
  const sum = stage.cell.sums.find((one) => one.name === name), [steps, batch] = extent(trace), found = (sum?.terms ?? []).map((term) => term.map((one) => operand(trace, stage, one)));
  if (!sum || found.flat().some((one) => !one) || head_of(trace).arithmetic) return null;
  const fit = head_of(trace).dtype === "float32" ? Math.fround : Number, { shape } = trace.sums[stage.scope][name];
  const flat = unit.length > 1 ? unit[0] * shape[1] + unit[1] : unit[0];
  let total = 0, size = 0;
  for (const term of found) {
    const columns = term.length > 1 ? Number(term[1]?.shape.at(-1)) : 1, index = term.length > 1 ? [Math.floor(flat / columns), flat % columns] : [flat];
    for (let t = 0; t < steps; t++) {
      for (let b = 0; b < batch; b++) {
        const made = term.reduce((product, one, k) => product * here(trace, /** @type {any} */ (one), t + first_of(trace), b).data[index[k]], 1);
        total += made;
        size += Math.abs(made);
      }
    }
  }
  return [fit(total), bound_of_sum(trace, size, steps * batch * sum.terms.length - Number(sum.terms.every((term) => term.length === 1)))];
}

// -- its gradient ------------------------------------------------------------------------------------------------------

/** The last gradient that was asked for: of the same value, the page asks for many. @type {{trace: Trace, of: string, gradient: Gradient} | null} */
let last = null;

/** How fast the value `of`, or a loss, changes with a number. @param {Writing} writing @param {Place} place @param {string} of */
function slope(writing, place, of) {
  const { trace } = writing, [scope, name] = scope_and_name(of);
  const losses = trace.stages.filter((stage) => ["", stage.scope].includes(scope) && trace.lines[stage.scope]?.[name]?.shape[2] === 1);
  const [steps, batch] = extent(trace), is_loss = losses.length === 1 && steps * batch > 1;
  const target = is_loss ? { scope: losses[0].scope, name, t: null, b: null, unit: [0] } : located(trace, of);
  if (!is_loss && kind_of(trace, target) !== "line") throw new MissingError(`${of} is a premise, not computed`);
  const flat = (/** @type {Place} */ at) => ({ ...at, unit: at.unit.length > 1 ? at.unit[0] * array_of(trace, at).shape[1] + at.unit[1] : at.unit[0] });
  const text = is_loss ? of : address(trace, target);
  if (last?.trace.lines !== trace.lines || last.of !== text) last = { trace, of: text, gradient: new Gradient(trace, flat(target)) };
  const found = last.gradient.at(flat(place)), fitted = head_of(trace).dtype === "float32" ? Math.fround(found) : found;
  return { of: text, value: word(found), shown: writing.text.number(writing.values.shown(fitted).shown) };
}

/**
 * Everything about the number at an address: `NumberReply`, whose formulas are without TeX.
 * @param {Trace} whole @param {string} at @param {import("./describe.js").Look & {of?: string | null}} look of: the value whose gradient is asked for
 */
export function number(whole, at, look) {
  const { trace, own } = looked_at(whole, look, false), place = located(trace, at);
  const writing = new Writing(trace, own, new Naming(trace, look.texts, head_of(trace).count_from ?? 0), new ShownValues(trace, style_of(whole, look.digits ?? null)));
  const result = writing.number(place), { numbers: read, left_out, ...made } = equation(writing, place, result), [consumed_by, more] = consumers(trace, place, READERS), kind = kind_of(trace, place);
  const operands = /** @type {Map<string, any>} */ (new Map()), reader = own_stage(trace, place);
  for (const one of read) {
    const [, name, t, , unit] = one.key, from = location_of(trace, one.key), key = address(trace, from);
    if (!operands.has(key)) operands.set(key, writing.reference(from, one, writing.symbol(reader, name, t, unit, array_of(trace, from).data.length === 1)));
  }
  return {
    address: address(trace, place), kind, value: word(result.value), shown: writing.text.number(result.shown), symbol: writing.formula(writing.symbol_at(place)),
    where: where(writing, place), about: about(writing, place), ...made, operands: [...operands.values()], operands_left_out: left_out,
    readers: consumed_by.map((one) => writing.reference(one, writing.number(one), writing.symbol_at(one))), readers_left_out: more,
    verified: verified(trace, place), gradient: look.of ? slope(writing, place, look.of) : null, held: kind === "line" ? hold_of(trace, place) : null,
  };
}
