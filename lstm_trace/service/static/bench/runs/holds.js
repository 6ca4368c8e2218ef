import { line_name, meaning, name_in } from "../../../../lines/network.js";
import { by_name, hold_names, with_holds } from "../../../../lines/cells.js";
import { forward_stages } from "../../../../lines/sizes.js";
import { EditError } from "./premises.js";
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

/** A number, `*0.5` for a multiple, or null to release. @param {string} said @param {any} value */
function read(said, value) {
  const text = typeof value === "string" ? value.trim() : "";
  const factor = text.startsWith("*"), number = typeof value === "number" ? value : text ? Number(text.replace(/^\*/, "")) : NaN;
  if (value !== null && !Number.isFinite(number)) throw new EditError(`${said}: expected a finite number, or '*0.5' for a multiple of its own value; found ${JSON.stringify(value)}`);
  return value === null ? null : { factor, number };
}

/** What an address means. @param {Trace} trace @param {string} address */
function meant(trace, address) {
  // without a slash it is as it is printed, and counts as the problem does
  const from = address.includes("/") ? 0 : /** @type {any} */ (trace.head).count_from ?? 0;
  const text = from ? address.replace(/\[[^[\]:]*\]?\s*$/, (units) => units.replace(/\d+/g, (n) => `${Number(n) - from}`)) : address;
  return meaning(text, forward_stages(trace), /** @type {any} */ (trace.head), holds_name, true);
}

/** @type {import("../../../../lines/network.js").Has} */
const holds_name = ({ cell }, name) => by_name(cell.plain ?? cell).has(name);

/** Whether a trace has the line that an address names. @param {Trace} trace @param {string} address */
export const has_line = (trace, address) => name_in(address, forward_stages(trace), holds_name) !== null;

/** Whole numbers from one to another. @param {import("../../../../lines/network.js").Range} range */
const each = ([first, last]) => Array.from({ length: last - first + 1 }, (_, k) => first + k);

/** Where an address lies: in each of the stages that it can mean. @param {Trace} trace @param {string} address */
function places(trace, address) {
  const found = meant(trace, address), said = `hold '${address}'`;
  if (!has_line(trace, address)) throw new EditError(`${said}: there is no line '${line_name(address)}'`);
  if (!found) throw new EditError(`${said}: the run has no such number; expected layer/direction/t/b/line[j], of which all but the line may be left out, and t, b and j may be ranges such as 5..9`);
  const { name, t, b, units } = found, { first = 0 } = /** @type {any} */ (trace.head);
  return found.stages.map((stage) => {
    const width = trace.widths[stage.scope]?.[name], grid = trace.grids[stage.scope]?.[name], size = grid ?? [width];
    if (!width) throw new EditError(`${said}: none of the requested lines depends on ${stage.scope}/${name}; leave it out`);
    const outside = units && ((grid && units.length !== 2) || units.some(([, last], k) => last >= size[grid ? k : 0]));
    if (outside) throw new EditError(`${said}: the run has no such number`);
    const indices = !units ? each([0, width - 1]) : grid ? each(units[0]).flatMap((row) => each(units[1]).map((column) => row * grid[1] + column)) : units.flatMap(each);
    return { stage, name, width, steps: each(t).map((step) => step - first), rows: each(b), units: indices };
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
    const own = (stage.cell.plain ?? stage.cell).inputs.flatMap((name) => (trace.given[stage.scope]?.[name] ? [[name, trace.given[stage.scope][name]]] : []));
    given[stage.scope] = Object.assign(named(own), arrays);
    return made;
  });
  return { ...trace, stages, given };
}

/** What is wrong with the arrays that say where and at what lines are held. @param {Trace} trace @returns {string[]} */
export const held_faults = (trace) => forward_stages(trace).flatMap(({ scope, cell }) => [...hold_names(cell)].flatMap(([line, { hold, to, scale, by }]) =>
  [hold, to, scale, by].flatMap((name) => {
    const where = name === hold || name === scale;
    const wrong = trace.given[scope]?.[name]?.data.find((one) => (where ? one !== 0 && one !== 1 : !Number.isFinite(one)));
    return wrong === undefined ? [] : [`given ${scope}/${name} says ${where ? "where" : "at what"} ${line} is held: expected ${where ? "0 or 1 everywhere" : "finite numbers"}, found ${wrong}`];
  })));

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
