import { by_name, closure } from "../../../../lines/cells.js";
import { parse, places_of, pointed, rows_of } from "../../../../lines/grammar.js";
import { edited as with_equations } from "../../../../lines/network.js";
import { run } from "../../../../lines/run.js";
import { sizes } from "../../../../lines/sizes.js";
import { has_line, with_held } from "./holds.js";
import { array_of, EditError, forward_stages, has_premise, with_premises } from "./premises.js";
import { named } from "../../../../lines/values.js";

/** @import { Scoped, Stage, Trace, Values } from "../../../../lines/types.js" */

// A trace with other premises, equations, holds or arithmetic: the same as lstm_trace/model/edit.py makes of it.

/** The largest cell that a page computes and draws at once; larger ones are for the program. */
const LINES = 400, NAMES = 400, LETTERS = 200;

/** @param {number} found @param {number} most @param {string} what */
function at_most(found, most, what) {
  if (found > most) throw new EditError(`the equations have ${what.replace("{n}", String(found))}; a page computes at most ${most}. The lstm-trace program runs larger cells`);
}

/** Throws EditError for equations that are too large, before anything is made of them. @param {string} text */
export function bounded(text) {
  const rows = rows_of(text), listed = rows.filter((row) => /^\s*\w+\s*:/.test(row)).map((row) => row.split(",").length);
  at_most(rows.length, 2 * LINES, "{n} rows");
  at_most(Math.max(0, ...listed), NAMES, "{n} names in a row");
  at_most(Math.max(0, ...(text.match(/[\p{L}\p{N}_]+/gu) ?? []).map((name) => name.length)), LETTERS, "a name of {n} letters");
}

/** A cell with few enough lines; those that have no name are lines as well. @template {{lines: unknown[]}} T @param {T} cell @returns {T} */
export function small(cell) {
  at_most(cell.lines.length, LINES, "{n} operations");
  return cell;
}

/**
 * @param {Trace} trace it is not changed
 * @param {{edits?: {address: string, value: any}[], holds?: {address: string, value: any}[], equations?: string | null, arithmetic?: string}} change
 *   edits of premises, by address, of which later ones win; holds likewise, null releases; equations: of the cell, in
 *   place of its own; arithmetic: of the run, `float64` for none
 * @returns {Trace} computed
 */
export function edited(trace, { edits = [], holds = [], equations = null, arithmetic = "" }) {
  try {
    return run(changed(trace, edits, holds, equations, arithmetic));
  } catch (error) {
    throw equations ? advised(error, equations) : error;
  }
}

/** @param {Trace} trace @param {{address: string, value: any}[]} edits @param {{address: string, value: any}[]} holds @param {string | null} equations @param {string} arithmetic @returns {Trace} to be run */
function changed(trace, edits, holds, equations, arithmetic) {
  let now = arithmetic ? in_arithmetic(trace, arithmetic) : trace;
  if (equations) {
    bounded(equations);
    now = whole(with_arrays(with_cell(now, equations), edits));
    now = { ...now, ...sizes(now) };
  }
  // what was changed of premises that the equations do not read any more goes with them
  const { trace: put, missing } = with_premises(now, edits.filter(({ address }) => has_premise(now, address) || !has_premise(trace, address)));
  if (missing.length) throw new EditError(...missing.map(({ text, name }) => `${text}: no equation reads ${name}`));
  const other = equations || holds.length || put.head !== now.head || reshaped(now, put);
  now = other ? fitted(put, now) : put;
  // what was held of equations that are not there any more is not held any more
  const left = holds.filter(({ address }) => has_line(now, address) || !has_line(trace, address));
  return left.length ? with_held({ ...now, ...sizes(now) }, left) : now;
}

/** An error that says how the product of a matrix is written, where one is multiplied by `*`. @param {any} error @param {string} equations */
function advised(error, equations) {
  if (error instanceof EditError) return error;
  const places = places_of.get(parse(equations));
  return new EditError(...(error.problems ?? [error.message]).map((/** @type {string} */ problem) => {
    const [, shaped, matrix, line] = /((\w+) has shape \(\d+, \d+\)); line `(.* \* .*)` needs a vector$/.exec(problem) ?? [];
    if (!line) return problem;
    const other = line.split(" * ").filter((part) => part !== matrix).join(" * "), factor = /^\w+$/.test(other) ? other : `(${other})`;
    return pointed(`${shaped}: * multiplies unit by unit; a matrix times a vector is written \`${matrix} @ ${factor}\``, places?.get(line), matrix);
  }));
}

/** The line that an address names. @param {string} address */
const line_of = (address) => address.replace(/\[[^\]]*\]$/, "").replace(/^(\d+\/)?([a-z][\w-]*\/)?(\d+\/){0,2}/, "");

/** With other equations in every stage; what the problem asks for stays as far as they have it. @param {Trace} trace @param {string} equations @returns {Trace} */
function with_cell(trace, equations) {
  const now = with_equations(trace, equations);
  now.stages.forEach(({ cell }) => small(cell));
  const head = /** @type {any} */ (now.head), before = /** @type {any} */ (trace.head);
  const known = new Set(now.stages.flatMap(({ cell }) => [...by_name(cell).keys(), ...cell.inputs]));
  const ask = (before.ask ?? []).filter((/** @type {string} */ address) => known.has(line_of(address)));
  return ask.length ? { ...now, head: { ...head, ask } } : now;
}

/** @param {Trace} trace @param {string} arithmetic @returns {Trace} */
function in_arithmetic(trace, arithmetic) {
  const name = arithmetic === "float64" ? null : arithmetic, head = /** @type {any} */ (trace.head);
  return head.arithmetic === name && head.dtype === "float64" ? trace : { ...trace, head: { ...head, dtype: "float64", arithmetic: name } };
}

/** With the weights in the order of the equations, and those that edits give as a whole and that are not there yet.
 *  @param {Trace} trace @param {{address: string, value: any}[]} edits @returns {Trace} */
function with_arrays(trace, edits) {
  const parameters = { ...trace.parameters };
  for (const { scope, cell } of forward_stages(trace)) {
    parameters[scope] = named(cell.parameters.flatMap((name) => {
      const there = trace.parameters[scope]?.[name];
      const given = edits.find(({ address, value }) => Array.isArray(value) && (address === name || address === `${scope}/${name}`));
      return there || given ? [[name, there ?? array_of(given?.address ?? "", given?.value)]] : [];
    }));
  }
  return { ...trace, parameters };
}

/** Where weights are missing, only the lines that the problem asks for. @param {Trace} trace @returns {Trace} */
function whole(trace) {
  const complete = trace.stages.every(({ scope, cell }) => cell.parameters.every((name) => trace.parameters[scope]?.[name]));
  const ask = /** @type {any} */ (trace.head).ask?.map(line_of) ?? [];
  if (complete || !ask.length) return trace;
  return { ...trace, stages: trace.stages.map((stage) => carrying({ ...stage, computed: ask.filter((/** @type {string} */ name) => by_name(stage.cell).has(name)) })) };
}

/** Whether a weight has another shape. @param {Trace} before @param {Trace} after */
function reshaped(before, after) {
  return Object.entries(after.parameters).some(([scope, here]) => here !== before.parameters[scope] && Object.entries(here).some(([name, { shape }]) => String(shape) !== String(before.parameters[scope]?.[name]?.shape)));
}

/** Without the adjoints, which belong to the network as it was; and with what it needs for another number of steps.
 *  @param {Trace} trace @param {Trace} before @returns {Trace} */
function fitted(trace, before) {
  const { steps, batch } = /** @type {any} */ (trace.head), old = /** @type {any} */ (before.head);
  const stages = forward_stages(trace), there = new Set(stages.map((stage) => stage.scope));
  const kept = (/** @type {Scoped} */ part) => named(Object.entries(part).filter(([scope]) => there.has(scope)));
  const now = { ...trace, stages, parameters: kept(trace.parameters), initial: kept(trace.initial), given: kept(trace.given), lines: {}, sums: {} };
  return steps === old.steps && batch === old.batch ? now : { ...longer(now, old), stages: steps > 1 ? stages.map(carrying) : stages };
}

/** A stage with all that its lines follow from, at the step before as well, which a single step may lack. @param {Stage} stage @returns {Stage} */
function carrying(stage) {
  if (!stage.computed) return stage;
  const wanted = closure(stage.cell, stage.computed);
  return { ...stage, computed: stage.cell.lines.map((line) => line.name).filter((name) => wanted.has(name)) };
}

/** What is supplied, for another number of steps: what is the same at each step, a hold for example, is so at new ones;
 *  sequences that were longer end where the input does.
 *  @param {Trace} trace @param {any} old the head before @returns {Trace} */
function longer(trace, old) {
  const { steps, batch } = /** @type {any} */ (trace.head);
  if (batch !== old.batch) throw new EditError(`x: expected ${old.batch} sequences, found ${batch}`);
  const fit = (/** @type {string} */ name, /** @type {Values} */ { shape, data }) => {
    const size = batch * shape[2], same = data.every((value, k) => value === data[k % size]);
    if (steps > old.steps && !same) throw new EditError(`${name} is given for ${old.steps} steps, and the input has ${steps}`);
    return { shape: [steps, batch, shape[2]], data: Float64Array.from({ length: steps * size }, (_, k) => data[k < data.length ? k : k % size]) };
  };
  const given = named(Object.entries(trace.given).map(([scope, here]) => [scope, named(Object.entries(here).map(([name, values]) => [name, fit(name, values)]))]));
  if (trace.mask) throw new EditError(`the mask is given for ${old.steps} steps, and the input has ${steps}`);
  return { ...trace, given, lengths: trace.lengths?.map((length) => Math.min(length, steps)) ?? null };
}

/**
 * The lines that differ in two traces, each with its largest difference and where that is.
 * @param {Trace} before
 * @param {Trace} after
 */
export function changes(before, after) {
  const found = [];
  const [one, two] = [before, after].map(({ head }) => /** @type {{first: number, steps: number, batch: number}} */ (head));
  const first = Math.max(one.first, two.first), end = Math.min(one.first + one.steps, two.first + two.steps), rows = Math.min(one.batch, two.batch);
  for (const { scope } of after.stages) {
    for (const [line, { shape: [, , wide], data }] of Object.entries(after.lines[scope] ?? {})) {
      const was = before.lines[scope]?.[line];
      if (!was || String(before.grids[scope]?.[line]) !== String(after.grids[scope]?.[line])) continue;
      const width = was.shape[2];
      let [largest, at] = [0, [0, 0, 0]];
      for (let t = first; t < end; t += 1) {
        for (let b = 0; b < rows; b += 1) {
          const here = ((t - two.first) * two.batch + b) * wide, there = ((t - one.first) * one.batch + b) * width;
          for (let unit = 0; unit < Math.min(wide, width); unit += 1) {
            const gap = apart(was.data[there + unit], data[here + unit]);
            if (gap > largest) [largest, at] = [gap, [t, b, unit]];
          }
        }
      }
      if (largest) found.push({ scope, line, largest: Number.isFinite(largest) ? largest : "Infinity", t: at[0], b: at[1], unit: at[2] });
    }
  }
  return found;
}

/** |a - b|; infinite where only one of the two is a number. @param {number} a @param {number} b */
const apart = (a, b) => (Object.is(a, b) || a === b ? 0 : Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity);
