import { by_name, hold_names, with_holds } from "../../../../lines/cells.js";
import { EditError, forward_stages } from "./premises.js";
import { named } from "../../../../lines/values.js";

/** @import { Stage, Trace, Values } from "../../../../lines/types.js" */

// Lines of a run held at other values than their equations give: see lstm_trace/trace/holding.py. Where, and at what
// value, is supplied to the run as arrays (step, sequence, unit).

/** @typedef {{hold: Float64Array, to: Float64Array, scale: Float64Array, by: Float64Array}} Held */

/**
 * The parts of an address of what is held: steps, rows and units are ranges, or undefined for all of them.
 * @param {string} address
 * @returns {{scope: string, steps?: string, rows?: string, name: string, units?: string}}
 */
export function parts_of(address) {
  const [, scope = "", steps, rows, name = "", units] = /^(\d+\/[\w-]+)\/(?:([\d.]+)\/([\d.]+)\/)?(.+?)(?:\[([\d.,]+)\])?$/.exec(address) ?? [];
  return { scope, steps, rows, name, units };
}

const LONGEST = 1 << 20; // numbers of a range

/** A number, `*0.5` for a multiple, or null to release. @param {string} said @param {any} value */
function read(said, value) {
  const text = typeof value === "string" ? value.trim() : "";
  const factor = text.startsWith("*"), number = typeof value === "number" ? value : text ? Number(text.replace(/^\*/, "")) : NaN;
  if (value !== null && !Number.isFinite(number)) throw new EditError(`${said}: expected a finite number, or '*0.5' for a multiple of its own value; found ${JSON.stringify(value)}`);
  return value === null ? null : { factor, number };
}

/** The numbers of a range `2..4`, or of one number; none that there is where it has more than any run. @param {string} text */
function range(text) {
  const [first, last = first] = text.split("..").map(Number);
  if (!(last - first < LONGEST)) return [Infinity];
  return Array.from({ length: last - first + 1 }, (_, k) => first + k);
}

/** The units of an index, which may have ranges; of a matrix by row and column.
 *  @param {string | undefined} text @param {number} from the number of the first one @param {number} width @param {[number, number] | undefined} grid */
function units_of(text, from, width, grid) {
  if (text === undefined) return range(`0..${width - 1}`);
  const parts = text.split(",").map((one) => range(one).map((k) => k - from));
  if (parts.some((some) => some.length > width)) return [Infinity];
  if (grid && parts.length === 2) return parts[0].flatMap((row) => parts[1].map((column) => (column < grid[1] ? row * grid[1] + column : Infinity)));
  return grid || parts.length !== 1 ? [Infinity] : parts[0];
}

/** The stages whose line an address names. @param {Trace} trace @param {string} scope @param {string} name */
const having = (trace, scope, name) => forward_stages(trace).filter((stage) => (scope === ANY || stage.scope === scope) && by_name(stage.cell.plain ?? stage.cell).has(name));

const ANY = "0/any";
const parts = (/** @type {string} */ address) => parts_of(address.includes("/") ? address : `${ANY}/${address}`);

/** Whether a trace has the line that an address names. @param {Trace} trace @param {string} address */
export const has_line = (trace, address) => having(trace, parts(address).scope, parts(address).name).length > 0;

/** Where an address lies: in each of the stages that it can mean. @param {Trace} trace @param {string} address */
function places(trace, address) {
  const { first = 0, steps, batch } = /** @type {any} */ (trace.head), said = `hold '${address}'`;
  const { scope, steps: times, rows, name, units } = parts(address), stages = having(trace, scope, name);
  const from = scope === ANY ? /** @type {any} */ (trace.head).count_from ?? 0 : 0; // as it is printed, where it names no place
  if (!stages.length) throw new EditError(`${said}: there is no line '${name}'`);
  return stages.map((stage) => {
    const width = trace.widths[stage.scope]?.[name];
    const at = { steps: range(times ?? `${first}..${first + steps - 1}`).map((t) => t - first), rows: range(rows ?? `0..${batch - 1}`), units: units_of(units, from, width, trace.grids[stage.scope]?.[name]) };
    const outside = at.steps.some((t) => t < 0 || t >= steps) || at.rows.some((b) => b >= batch) || at.units.some((unit) => !(unit >= 0 && unit < width));
    if (outside || !width) throw new EditError(`${said}: the run has no such number`);
    return { stage, name, width, ...at };
  });
}

/** What is held in a stage, by line. @param {Trace} trace @param {Stage} stage @returns {Map<string, Held>} */
function held_in(trace, stage) {
  const given = trace.given[stage.scope] ?? {}, found = new Map(), { steps, batch } = /** @type {any} */ (trace.head);
  for (const [line, names] of hold_names(stage.cell)) {
    const own = (/** @type {"hold" | "to" | "scale" | "by"} */ kind) => given[names[kind]]?.data.slice() ?? new Float64Array(steps * batch * trace.widths[stage.scope][line]);
    found.set(line, { hold: own("hold"), to: own("to"), scale: own("scale"), by: own("by") });
  }
  return found;
}

/**
 * A trace with more holds; later ones take the place of earlier ones, and null releases. Its lines are not computed again.
 * @param {Trace} trace of which the widths of the lines are known
 * @param {{address: string, value: any}[]} holds
 * @returns {Trace}
 */
export function with_held(trace, holds) {
  const { steps, batch } = /** @type {any} */ (trace.head);
  const all = new Map(forward_stages(trace).map((stage) => [stage.scope, held_in(trace, stage)]));
  for (const { address, value } of holds) {
    const wanted = read(`hold '${address}'`, value);
    for (const { stage, name, width, ...at } of places(trace, address)) {
      const here = /** @type {Map<string, Held>} */ (all.get(stage.scope));
      const empty = () => new Float64Array(steps * batch * width);
      const own = here.get(name) ?? { hold: empty(), to: empty(), scale: empty(), by: empty() };
      here.set(name, own);
      for (const t of at.steps) for (const b of at.rows) for (const unit of at.units) {
        const k = (t * batch + b) * width + unit;
        own.hold[k] = own.scale[k] = own.to[k] = own.by[k] = 0;
        if (wanted) [own[wanted.factor ? "scale" : "hold"][k], own[wanted.factor ? "by" : "to"][k]] = [1, wanted.number];
      }
    }
  }
  const given = { ...trace.given };
  const stages = forward_stages(trace).map((stage) => {
    const here = [...(all.get(stage.scope) ?? [])];
    const names = (/** @type {"hold" | "scale"} */ kind) => here.filter(([, own]) => own[kind].some(Boolean)).map(([name]) => name);
    const { stage: made, arrays } = holdable(stage, names("hold"), names("scale"), new Map(here), trace);
    given[stage.scope] = Object.assign(without_holds(stage, trace.given[stage.scope] ?? {}), arrays);
    return made;
  });
  return { ...trace, stages, given };
}

/** @param {Stage} stage @param {{[name: string]: Values}} given */
function without_holds(stage, given) {
  const names = new Set([...hold_names(stage.cell).values()].flatMap(({ hold, to, scale, by }) => [hold, to, scale, by]));
  return named(Object.entries(given).filter(([name]) => !names.has(name)));
}

/** A stage with exactly these lines holdable and scalable, and the arrays that they are supplied with.
 *  @param {Stage} stage @param {string[]} held @param {string[]} scaled @param {Map<string, Held>} values @param {Trace} trace */
function holdable(stage, held, scaled, values, trace) {
  const arrays = /** @type {{[name: string]: Values}} */ (named());
  if (!held.length && !scaled.length && !stage.cell.plain) return { stage, arrays };
  const cell = with_holds(stage.cell, held, scaled), plain = by_name(cell.plain ?? cell);
  const kept = new Set(stage.computed ?? []);
  for (const { name } of cell.lines) if (!plain.has(name)) kept.add(name);
  const { steps, batch } = /** @type {any} */ (trace.head);
  for (const [line, names] of hold_names(cell)) {
    const own = /** @type {Held} */ (values.get(line)), shape = [steps, batch, own.hold.length / (steps * batch)];
    for (const kind of /** @type {("hold" | "to" | "scale" | "by")[]} */ (["hold", "to", "scale", "by"])) if (cell.inputs.includes(names[kind])) arrays[names[kind]] = { shape, data: own[kind] };
  }
  const sources = named(cell.inputs.map((name) => [name, stage.sources[name] ?? "given"]));
  return { stage: { ...stage, cell, sources, computed: stage.computed && cell.lines.map((line) => line.name).filter((name) => kept.has(name)) }, arrays };
}
