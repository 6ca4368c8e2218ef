// What the bench knows of a run: its cell, its stages with their lines, premises, requested lines, symbols: the replies of
// runs/describing.py, computed from a trace.
import { assigned, by_name, reads } from "../../../../lines/cells.js";
import { meaning, plain_stage } from "../../../../lines/network.js";
import { forward_stages, inputs_of, states_of } from "../../../../lines/sizes.js";
import { extent, first_of, looked_up, named } from "../../../../lines/values.js";
import { entries, held_symbols } from "./held.js";
import { axis, head_of, label_rows, units, visible } from "./labels.js";
import { in_notation } from "./notations.js";
import { address, columns_of, INITIAL, span, stage_of } from "./places.js";
import { plain } from "./formulas/printer.js";
import { value } from "./formulas/tree.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Values} Values */
/** @typedef {import("./formulas/symbols.js").Own} Own */
/** How a page shows numbers and formulas. @typedef {{notation?: string, digits?: number | null, count_from?: number | null, texts: import("./words.js").Texts}} Look */

/** Maximum number of step labels, and width of one in columns; of held addresses; of units of a line that is shown completely. */
const LABELS = 1 << 13, COLUMNS = 16, HELD = 200, LIVE = 64;

/** A number as JSON can hold it. @param {number} number @returns {number | string} */
export const word = (number) => (Number.isFinite(number) ? number : String(number));

/** Nested lists of numbers. @param {Values} values @returns {any} */
function nested({ shape, data }) {
  if (shape.length === 1) return [...data].map(word);
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, k) => nested({ shape: shape.slice(1), data: data.subarray(k * size, (k + 1) * size) }));
}

/** The trace in the notation of a reply, with the count of a page. @param {Trace} trace @param {Look} look @param {boolean} [join] */
export function looked_at(trace, { notation = "exercise", count_from }, join = true) {
  const counted = count_from === null || count_from === undefined ? trace : { ...trace, head: { ...trace.head, count_from } };
  return in_notation(counted, notation, join);
}

// -- lines and premises ------------------------------------------------------------------------------------------------

/** Whether a line is a smooth or hard sigmoid. @param {import("../../../../lines/types.js").Line} line */
const squashed = ({ op, constants: [low, high] }) => op === "sigmoid" || (op === "clip" && low === 0 && high === 1);

/** @param {Trace} trace @param {Stage} stage @param {Own} own */
function lines(trace, stage, own) {
  const symbols = { ...held_symbols(trace), ...own }, recorded = trace.lines[stage.scope] ?? named();
  return stage.cell.lines.filter(({ name }) => recorded[name]).map((line) => ({
    name: line.name, op: line.op, width: recorded[line.name].shape[2], assigned: assigned(line),
    symbol: plain(value(line.name, stage.cell), symbols), gate: squashed(line), axis: axis(trace, stage, line.name),
  }));
}

/** The gate that a parameter belongs to: `i` if the first named value that uses it is `z_i` or `i_t`. @param {Stage} stage @param {string} name */
function gate(stage, name) {
  /** @type {(line: import("../../../../lines/types.js").Line) => boolean} */
  const through = (line) => reads(line).some((one) => {
    const inner = by_name(stage.cell).get(one);
    return one === name || (inner !== undefined && !assigned(inner) && through(inner));
  });
  const first = stage.cell.lines.find((line) => assigned(line) && through(line))?.name ?? "";
  return first.endsWith("_t") ? first.slice(0, -2) : first.replace(/^z_/, "");
}

/** An array in the layout of the given x. @param {Trace} trace @param {Values} values (T, B, width) @returns {Values} */
function outward(trace, { shape: [steps, batch, width], data }) {
  const { batched = true, batch_first } = head_of(trace);
  if (!batched) return { shape: [steps, width], data }; // a batch of one
  if (!batch_first) return { shape: [steps, batch, width], data };
  const turned = new Float64Array(data.length);
  for (let t = 0; t < steps; t++) for (let b = 0; b < batch; b++) turned.set(data.subarray((t * batch + b) * width, (t * batch + b + 1) * width), (b * steps + t) * width);
  return { shape: [batch, steps, width], data: turned };
}

/** Each premise that can be edited, with its values: the input, then those of each layer and direction. @param {Trace} trace @param {Own} own */
function given(trace, own) {
  const found = /** @type {{premise: any, values: Values}[]} */ ([]);
  const add = (/** @type {string} */ kind, /** @type {string} */ scope, /** @type {string} */ name, /** @type {Values} */ values, of = "") => {
    const symbol = plain(value(scope ? name : "x_t", (scope ? stage_of(trace, scope) : trace.stages[0]).cell), own);
    found.push({ premise: { address: scope ? `${scope}/${name}` : name, name, scope, kind, shape: values.shape, gate: of, symbol }, values });
  };
  if (trace.x) add("input", "", "x", outward(trace, trace.x));
  for (const stage of forward_stages(trace)) {
    const { scope } = stage, inputs = inputs_of(plain_stage(stage));
    for (const [name, values] of Object.entries(trace.parameters[scope] ?? {})) add("parameter", scope, name, values, gate(stage, name));
    for (const [name, values] of Object.entries(trace.initial[scope] ?? {})) {
      add("initial", scope, looked_up(INITIAL, name) ?? name, head_of(trace).batched === false ? { shape: values.shape.slice(1), data: values.data } : values); // then x has no batch axis
    }
    for (const [name, values] of Object.entries(trace.given[scope] ?? {})) if (inputs.includes(name)) add("given", scope, name, outward(trace, values));
  }
  return found;
}

/** All premises with their values, as `PremisesReply` has them; of a large matrix only one row. @param {Trace} trace @param {number | null} [unit] @param {number} [listed] */
export function premises(trace, unit = null, listed = 10_000) {
  return {
    premises: given(trace, head_of(trace).symbols ?? {}).map(({ premise, values }) => {
      const { shape, data } = values;
      if (shape.length !== 2 || premise.kind !== "parameter" || (unit === null && data.length <= listed)) return { ...premise, values: data.length <= listed ? nested(values) : null, row: null };
      const row = Math.min(unit ?? 0, shape[0] - 1);
      return { ...premise, values: [[...data.subarray(row * shape[1], (row + 1) * shape[1])].map(word)], row };
    }),
  };
}

/** The symbols of a run in a notation, which may show two products as one: `SymbolsReply`. @param {Trace} trace @param {Look} look */
export function symbols(trace, look) {
  const { trace: printed, own } = looked_at(trace, look);
  return {
    stages: forward_stages(printed).map((stage) => ({ scope: stage.scope, lines: lines(printed, stage, own) })),
    premises: named(given(trace, own).map(({ premise }) => [premise.address, premise.symbol])),
  };
}

// -- the run -----------------------------------------------------------------------------------------------------------

/** The fields of a `RunReply` that follow from its trace; the page has a name of its own for a cell. @param {Trace} trace */
export function describe(trace) {
  const head = head_of(trace), stages = forward_stages(trace), [steps, batch] = extent(trace), rows = label_rows(trace);
  const { trace: exercise, own } = in_notation(trace, "exercise");
  const widths = stages.flatMap(({ scope }) => Object.values(trace.lines[scope] ?? {}).map(({ shape }) => shape[2]));
  const { title = "", dtype, arithmetic = null, batch_first = false, count_from = 0 } = head;
  const columns = named(stages.map((stage) => [stage.scope, columns_by_name(trace, stage)]).filter(([, found]) => Object.keys(found).length));
  const labelled = rows.length * steps <= LABELS ? rows : [];
  const { t: _, ...names } = head.names ?? {};
  return {
    title, dtype, arithmetic, batch_first, count_from, steps, batch, first: first_of(trace),
    ...(Object.keys(columns).length ? { columns } : {}),
    ...(Object.keys(head.symbols ?? {}).length ? { symbols: head.symbols } : {}),
    cell: { kind: head.cell.kind, options: head.cell.options ?? {}, title: "" },
    names,
    step_labels: labelled.map((/** @type {string[]} */ row) => span(trace).map((t) => visible(row[t] ?? "", COLUMNS))),
    numbers: steps * batch * widths.reduce((a, b) => a + b, 0),
    stages: stages.map((stage) => described(exercise, stage, own)),
    premises: given(exercise, own).map(({ premise }) => premise),
    asked: asked(trace).map((one) => one.text),
    held: entries(trace).slice(0, HELD).map(({ address: at, value: to }) => ({ address: at, value: to })),
    target: target(trace, stages),
    live: Math.max(0, ...widths) <= LIVE,
  };
}

/** @param {Trace} trace @param {Stage} stage @param {Own} own */
function described(trace, stage, own) {
  const { cell, scope, layer, direction, sources } = stage, inputs = inputs_of(plain_stage(stage));
  const carried = [...inputs.map((name) => [name, name]), ...cell.carry];
  return {
    scope, layer, direction, equations: cell.text, output: cell.output, units: units(trace, stage),
    states: named(cell.carry), inputs: named(inputs.map((name) => [name, sources[name]])),
    lines: lines(trace, stage, own), axes: named(carried.map(([name, line]) => [name, axis(trace, stage, line)])),
  };
}

/** The columns of each matrix among the lines, states and inputs; of a state under both of its names. @param {Trace} trace @param {Stage} stage */
function columns_by_name(trace, stage) {
  const names = [...inputs_of(plain_stage(stage)), ...states_of(stage), ...Object.keys(trace.lines[stage.scope] ?? {})];
  const found = /** @type {{[name: string]: number}} */ (named());
  for (const name of names) {
    const columns = columns_of(trace, stage.scope, name);
    if (columns) for (const key of [name, looked_up(INITIAL, name) ?? name]) found[key] = columns;
  }
  return found;
}

/** The requested values: of a bare name one for each layer and direction that has it. @param {Trace} trace */
function asked(trace) {
  const found = /** @type {Map<string, {scope: string, line: string, t: number | null, b: number | null, unit: number[] | null, text: string}>} */ (new Map());
  const has = (/** @type {Stage} */ { scope, cell }, /** @type {string} */ name) => Boolean(trace.lines[scope]?.[name]) || cell.inputs.includes(name);
  for (const text of head_of(trace).ask ?? []) {
    const { name: line = "", stages = [], t, b, units } = meaning(text, trace.stages, head_of(trace), has) ?? {};
    for (const { scope } of stages) {
      if (!trace.lines[scope]?.[line] && !trace.given[scope]?.[line]) continue;
      const columns = columns_of(trace, scope, line), at = units?.map(([first]) => first) ?? null;
      const unit = at && at.length > 1 && columns ? [at[0] * columns + at[1]] : at;
      const [step, row] = [t, b].map((some) => (some && some[0] === some[1] ? some[0] : null)); // null: all
      const shown = at && at.length === 1 && columns ? [Math.floor(at[0] / columns), at[0] % columns] : at;
      const full = `${[scope, step, row, line].filter((part) => part !== null).join("/")}${shown ? `[${shown}]` : ""}`;
      found.set(full, { scope, line, t: step, b: row, unit, text: full });
    }
  }
  return [...found.values()];
}

/** A value to take gradients of: a requested number, or the first unit of the last output. @param {Trace} trace @param {Stage[]} stages */
function target(trace, stages) {
  const all = asked(trace), last = stages[stages.length - 1], steps = span(trace);
  const end = steps[last.direction === "reverse" ? 0 : steps.length - 1];
  let found = all.find(({ scope, line, unit }) => unit || trace.lines[scope]?.[line]?.shape[2] === 1), t = steps[steps.length - 1];
  if (!found) {
    const line = last.cell.output;
    if (trace.lines[last.scope]?.[line]) return address(trace, { scope: last.scope, name: line, t: end, b: 0, unit: [0] });
    if (!all.length) return null; // for example in a part of a trace
    [found, t] = [all[all.length - 1], end];
  }
  return address(trace, { scope: found.scope, name: found.line, t: found.t ?? t, b: found.b ?? 0, unit: found.unit ?? [0] });
}
