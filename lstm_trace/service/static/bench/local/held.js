// The holds of a run: where lines have other values than their equations give: trace/held.py, view/line_groups.py.
import { hold_names } from "../../../../lines/cells.js";
import { plain_stage } from "../../../../lines/network.js";
import { extent, first_of, named } from "../../../../lines/values.js";
import { columns_of, number_at } from "./places.js";
import { symbol_of } from "./formulas/symbols.js";
import { call, HELD, value } from "./formulas/tree.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Values} Values */
/** Steps, sequences and units that are held alike (null: all), and the value: a number, `*0.5` for a multiple, null for several. @typedef {{scope: string, line: string, address: string, steps: number[] | null, rows: number[] | null, units: number[] | null, value: number | string | null}} Hold */

/** Maximum number of different values of one line that are listed. */
const FEW = 4;

/** The units of each line that are held, or scaled, at a step. @param {Trace} trace @param {Stage} stage @param {number} t @param {number} b @returns {{[line: string]: number[]}} */
export function held_units(trace, stage, t, b) {
  const given = trace.given[stage.scope] ?? {}, found = /** @type {{[line: string]: number[]}} */ (named());
  for (const [line, { hold, scale }] of hold_names(stage.cell)) {
    const there = [hold, scale].flatMap((name) => given[name] ?? []);
    const units = [...Array(Math.max(0, ...there.map(({ shape }) => shape[2]))).keys()].filter((k) => there.some((values) => number_at(trace, values, t, b, k) !== 0));
    if (units.length) found[line] = units;
  }
  return found;
}

/** The stage as shown if these lines are held, and no others. @param {Stage} stage @param {Set<string>} held @returns {Stage} */
export function with_held(stage, held) {
  const names = hold_names(stage.cell), plain = plain_stage(stage);
  if (!held.size) return plain;
  const lines = plain.cell.lines.flatMap((line) => {
    const free = held.has(line.name) ? names.get(line.name)?.free : undefined;
    return free ? [{ ...line, name: free }, { name: line.name, op: "copy", operands: [free], constants: [], call: [HELD, free] }] : [line];
  });
  return { ...plain, cell: { ...plain.cell, lines } };
}

/** Symbols for holds: c_t⁰ is the value of its equation, held(c_t) whether it is held. @param {Trace} trace @returns {import("./formulas/symbols.js").Own} */
export function held_symbols(trace) {
  const found = /** @type {import("./formulas/symbols.js").Own} */ (named());
  for (const { cell } of trace.stages) {
    for (const [line, { hold, to, scale, by, free }] of hold_names(cell)) {
      const printed = value(line, cell.plain ?? cell);
      found[free] = symbol_of({ node: { kind: "baseline", of: printed } });
      found[hold] = found[scale] = symbol_of({ node: call(HELD, [printed]) });
      for (const name of [to, by]) found[name] = symbol_of({ name });
    }
  }
  return found;
}

/** A multiple as text. @param {number} factor */
const multiple = (factor) => `*${short(factor)}`;
/** As Python's %g, if that reads back equal. @param {number} factor */
function short(factor) {
  const text = String(Number(factor.toPrecision(6)));
  if (Number(text) !== factor) return python(factor);
  return python(Number(text)).replace(/\.0$/, "");
}
/** As Python writes a float. @param {number} value */
function python(value) {
  const [digits, power] = value.toExponential().split("e"), e = Number(power);
  if (value !== 0 && (e < -4 || e >= 16)) return `${digits}e${e < 0 ? "-" : "+"}${String(Math.abs(e)).padStart(2, "0")}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Adjacent numbers, together. @param {number[]} numbers */
function runs(numbers) {
  const found = /** @type {number[][]} */ ([]);
  for (const n of numbers) {
    if (found.length && found[found.length - 1].at(-1) === n - 1) found[found.length - 1].push(n);
    else found.push([n]);
  }
  return found;
}

/** Items with equal keys, together. @template T @param {T[]} items @param {(item: T) => string} key @returns {T[][]} */
function alike(items, key) {
  const found = /** @type {Map<string, T[]>} */ (new Map());
  for (const item of items) found.set(key(item), [...(found.get(key(item)) ?? []), item]);
  return [...found.values()];
}

const range = (/** @type {number[]} */ some) => (some.length > 1 ? `${some[0]}..${some.at(-1)}` : `${some[0]}`);
const count = (/** @type {number} */ n) => [...Array(n).keys()];

/** Everything held in a trace, line by line, in as few addresses as possible. @param {Trace} trace @returns {Hold[]} */
export function entries(trace) {
  return trace.stages.flatMap(({ scope, cell }) => {
    const given = trace.given[scope] ?? {};
    return [...hold_names(cell)].flatMap(([line, { hold, to, scale, by }]) => {
      const held = (/** @type {number} */ at) => Boolean(given[hold]?.data[at]);
      const first = given[hold] ? of_line(trace, scope, line, given[hold].shape, held, given[to].data, false) : [];
      const scaled = given[scale] ? of_line(trace, scope, line, given[scale].shape, (at) => given[scale].data[at] !== 0 && !held(at), given[by].data, true) : [];
      return [...first, ...scaled];
    });
  });
}

/** @param {Trace} trace @param {string} scope @param {string} line @param {number[]} shape @param {(at: number) => boolean} where @param {Float64Array} values @param {boolean} scales @returns {Hold[]} */
function of_line(trace, scope, line, [, , width], where, values, scales) {
  const [steps, batch] = extent(trace), columns = columns_of(trace, scope, line), first = first_of(trace);
  const place = (/** @type {number} */ t, /** @type {number} */ b, /** @type {number} */ k) => (t * batch + b) * width + k;
  const found = [...new Set(count(steps * batch * width).filter(where).map((at) => values[at]))].sort((a, b) => a - b);
  const few = scales || found.length <= FEW;
  return (few ? found : [null]).flatMap((one) => {
    const there = (/** @type {number} */ at) => where(at) && (one === null || values[at] === one);
    const held = count(width).filter((k) => count(steps * batch).some((row) => there(row * width + k)));
    return alike(held, (k) => count(steps * batch).map((row) => Number(there(row * width + k))).join("")).flatMap((units) => {
      const rows_held = count(batch).filter((b) => count(steps).some((t) => there(place(t, b, units[0]))));
      const parts = columns ? rectangles(units, columns) : [units];
      return parts.flatMap((those) => alike(rows_held, (b) => count(steps).map((t) => Number(there(place(t, b, units[0])))).join("")).flatMap((rows) =>
        runs(count(steps).filter((t) => there(place(t, rows[0], units[0])))).flatMap((span) => runs(rows).map((run) => {
          const whole = span.length === steps && run.length === batch, all = those.length === width;
          const positions = span.map((t) => t + first), value = values[place(span[0], run[0], those[0])];
          const index = !columns ? runs(those).map(range).join() : [Math.floor, (/** @type {number} */ k) => k].map((_, axis) => range([...new Set(those.map((k) => (axis ? k % columns : Math.floor(k / columns))))].sort((a, b) => a - b))).join();
          const address = [scope, ...(whole ? [] : [range(positions), range(run)]), line].join("/") + (all ? "" : `[${index}]`);
          return { scope, line, address, steps: whole ? null : positions, rows: whole ? null : run, units: all ? null : those, value: scales ? multiple(value) : few ? value : null };
        }))));
    });
  });
}

/** Units of a matrix in parts of adjacent rows and columns. @param {number[]} units @param {number} columns */
function rectangles(units, columns) {
  const rows = alike(units, (k) => `${Math.floor(k / columns)}`).map((some) => ({ row: Math.floor(some[0] / columns), some: some.map((k) => k % columns) }));
  return alike(rows, ({ some }) => some.join()).flatMap((same) => runs(same.map(({ row }) => row)).flatMap((those) => runs(same[0].some).map((run) => those.flatMap((r) => run.map((c) => r * columns + c)))));
}

/** The hold of a number; null if it is not held. @param {Trace} trace @param {import("./places.js").Place} place @returns {{address: string, value: number | string | null} | null} */
export function hold_of(trace, { scope, name, t, b, unit: [unit] }) {
  const inside = (/** @type {number[] | null} */ some, /** @type {number | null} */ n) => some === null || some.includes(/** @type {number} */ (n));
  const found = entries(trace).find((one) => one.scope === scope && one.line === name && inside(one.steps, t) && inside(one.rows, b) && inside(one.units, unit));
  return found ? { address: found.address, value: found.value ?? number_at(trace, trace.lines[scope][name], /** @type {number} */ (t), /** @type {number} */ (b), unit) } : null;
}

/** The lines held at a unit. @param {Trace} trace @param {Stage} stage @param {number} t @param {number} b @param {number} unit */
export function held_at(trace, stage, t, b, unit) {
  const given = trace.given[stage.scope] ?? {};
  const is_held = (/** @type {string} */ name) => given[name] && number_at(trace, given[name], t, b, unit < given[name].shape[2] ? unit : NaN);
  return new Set([...hold_names(stage.cell)].filter(([, { hold, scale }]) => is_held(hold) || is_held(scale)).map(([line]) => line));
}
