import { parse, places_of, pointed, rows_of } from "../../../../lines/grammar.js";
import { forward } from "../../../../lines/gradient.js";
import { answering, edited as with_equations, plain_stage } from "../../../../lines/network.js";
import { run } from "../../../../lines/run.js";
import { forward_stages, sizes, used } from "../../../../lines/sizes.js";
import { extent, first_of, named } from "../../../../lines/values.js";
import { entries } from "../local/held.js";
import { entry_of, number_at } from "../local/places.js";
import { has_line, held_faults, with_held } from "./holds.js";
import { array_of, EditError, has_premise, with_premises } from "./premises.js";

/** @import { Trace } from "../../../../lines/types.js" */

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
    now = with_equations(with_arrays(now, edits), equations);
    now.stages.forEach(({ cell }) => small(cell));
    now = { ...now, ...sizes(now) };
  }
  // what was changed of premises that the equations do not read any more goes with them
  const { trace: put, missing } = with_premises(now, edits.filter(({ address }) => has_premise(now, address) || !has_premise(trace, address)));
  const unread = missing.filter(({ name }) => !now.stages.some(({ cell }) => cell.parameters.includes(name)));
  if (unread.length) throw new EditError(...unread.map(({ text, name }) => `${text}: no equation reads ${name}`));
  const faults = held_faults(put), { steps } = /** @type {any} */ (now.head);
  if (faults.length) throw new EditError(...faults);
  const resized = /** @type {any} */ (put.head).steps !== steps;
  const own = equations || resized || holds.length ? held_before(equations ? trace : { ...put, head: now.head }) : [];
  if (equations) refuse_lost(trace, now, [...own, ...holds]);
  // a release of a line that is not there any more has no effect
  const left = [...own, ...holds].filter(({ address, value }) => has_line(now, address) || (value !== null && !has_line(trace, address)));
  now = equations || holds.length || put.head !== now.head || reshaped(now, put) ? forward(put) : put;
  if (resized) now = longer(now, steps);
  return left.length ? with_held({ ...now, ...sizes(now) }, left) : now;
}

/** The weights that a run with other equations reads and a trace does not have. @param {Trace} trace @param {string} equations */
export const lacks = (trace, equations) => lacking(trace, with_equations(trace, equations));

/** @param {Trace} trace @param {Trace} now  to be run */
const lacking = (trace, now) => now.stages.flatMap((stage) => stage.cell.parameters.filter((name) => used(stage).has(name) && !trace.parameters[stage.scope]?.[name]).map((name) => ({ scope: stage.scope, name })));

/** Throws EditError for what is held of lines that other equations do not have: like the package, it never goes unsaid.
 *  @param {Trace} trace @param {Trace} now @param {{address: string, value: any}[]} holds in order, of which later ones win, or release */
function refuse_lost(trace, now, holds) {
  const gone = holds.filter(({ address }) => has_line(trace, address) && !has_line(now, address));
  const lost = gone.length ? entries(with_held({ ...trace, ...sizes(trace) }, gone)) : [];
  if (lost.length) throw new EditError(...lost.map(({ address, line }) => `hold '${address}': there is no line '${line}' in these equations; release what is held first, or keep the name of the line`));
}

/** What a trace holds, by address; values that differ one by one. @param {Trace} trace @returns {{address: string, value: any}[]} */
function held_before(trace) {
  const [steps, batch] = extent(trace).map((n) => [...Array(n).keys()]);
  return entries(trace).flatMap(({ scope, line, address, steps: times, rows, units, value }) => (value !== null ? [{ address, value }] : (times ?? steps.map((t) => t + first_of(trace))).flatMap((t) => (rows ?? batch).flatMap((b) =>
    (units ?? [...Array(trace.widths[scope][line]).keys()]).map((unit) => ({ address: `${scope}/${t}/${b}/${line}[${entry_of(trace, scope, line, unit)}]`, value: number_at(trace, trace.lines[scope][line], t, b, unit) }))))));
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

/** @param {Trace} trace @param {string} arithmetic @returns {Trace} */
function in_arithmetic(trace, arithmetic) {
  const name = arithmetic === "float64" ? null : arithmetic, head = /** @type {any} */ (trace.head);
  return head.arithmetic === name && head.dtype === "float64" ? trace : { ...trace, head: { ...head, dtype: "float64", arithmetic: name } };
}

/** With the weights that edits give as a whole and that are not there yet. @param {Trace} trace @param {{address: string, value: any}[]} edits @returns {Trace} */
function with_arrays(trace, edits) {
  const parameters = { ...trace.parameters };
  for (const { address, value } of edits) {
    const cut = address.lastIndexOf("/"), name = address.slice(cut + 1);
    if (!Array.isArray(value) || !/^\w+$/.test(name)) continue;
    const scopes = forward_stages(trace).map((stage) => stage.scope), scope = cut < 0 ? scopes[0] : address.slice(0, cut);
    if (cut >= 0 || scopes.length === 1) parameters[scope] = Object.assign(named([[name, array_of(address, value)]]), parameters[scope]);
  }
  return { ...trace, parameters };
}

/** Whether a weight has another shape. @param {Trace} before @param {Trace} after */
function reshaped(before, after) {
  return Object.entries(after.parameters).some(([scope, here]) => here !== before.parameters[scope] && Object.entries(here).some(([name, { shape }]) => String(shape) !== String(before.parameters[scope]?.[name]?.shape)));
}

/** A trace with an x of another number of steps: sequences that were longer end where it does.
 *  @param {Trace} trace @param {number} before @returns {Trace} */
function longer(trace, before) {
  const { steps, ask = [] } = /** @type {any} */ (trace.head), stages = trace.stages.map(plain_stage);
  const all = trace.stages.every(({ computed }) => !computed), lengths = trace.lengths?.map((length) => Math.min(length, steps)) ?? null;
  const now = answering({ ...trace, lengths }, stages.map((stage) => ({ ...stage, computed: null })), all ? [] : ask);
  const given = [...Object.values(now.given).flatMap((here) => Object.keys(here)), ...(now.mask ? ["the mask"] : [])];
  const names = [...new Set(lacking(now, now).map(({ name }) => name))];
  if (names.length) throw new EditError(`x has ${steps} steps now, and the step before one needs ${names.join(", ")}, which this problem leaves out, since it asks for ${ask.join(", ")} at ${before === 1 ? "one step" : `${before} steps`} alone: give an x of as many steps, or open a problem with all weights`);
  if (given.length) throw new EditError(...given.map((name) => `${name} is given for ${before} steps, and the input has ${steps}`));
  return now;
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
