import { line_name, meaning, name_in, plain_stage } from "../../../../lines/network.js";
import { by_name, hold_names, with_holds } from "../../../../lines/cells.js";
import { forward_stages } from "../../../../lines/sizes.js";
import { EditError } from "./premises.js";
import { named } from "../../../../lines/values.js";

/** @import { Trace } from "../../../../lines/types.js" */

// Lines of a run held at other values than their equations give: see lstm_trace/trace/holding.py. Where, and at what
// value, is supplied to the run as arrays (step, sequence, unit).

const KINDS = /** @type {("hold" | "to" | "scale" | "by")[]} */ (["hold", "to", "scale", "by"]);
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

/**
 * A trace in which these lines are held, and no others; later holds take the place of earlier ones, and null releases.
 * Its lines are not computed again.
 * @param {Trace} trace of which the widths of the lines are known
 * @param {{address: string, value: any}[]} holds
 * @returns {Trace}
 */
export function with_held(trace, holds) {
  const { steps, batch } = /** @type {any} */ (trace.head), given = { ...trace.given };
  const all = /** @type {Map<string, Map<string, Held>>} */ (new Map(forward_stages(trace).map(({ scope }) => [scope, new Map()])));
  for (const { address, value } of holds) {
    const wanted = read(`hold '${address}'`, value);
    for (const { stage, name, width, ...at } of places(trace, address)) {
      const here = /** @type {Map<string, Held>} */ (all.get(stage.scope)), empty = () => new Float64Array(steps * batch * width);
      const own = here.get(name) ?? { hold: empty(), to: empty(), scale: empty(), by: empty() };
      here.set(name, own);
      for (const t of at.steps) for (const b of at.rows) for (const unit of at.units) {
        const k = (t * batch + b) * width + unit;
        own.hold[k] = own.scale[k] = own.to[k] = own.by[k] = 0;
        if (wanted) [own[wanted.factor ? "scale" : "hold"][k], own[wanted.factor ? "by" : "to"][k]] = [1, wanted.number];
      }
    }
  }
  const stages = forward_stages(trace).map(plain_stage).map((stage) => {
    const { scope, computed } = stage, here = /** @type {Map<string, Held>} */ (all.get(scope)), there = trace.given[scope] ?? {}, plain = by_name(stage.cell);
    const names = (/** @type {"hold" | "scale"} */ kind) => [...here].filter(([, own]) => own[kind].some(Boolean)).map(([name]) => name);
    const cell = with_holds(stage.cell, names("hold"), names("scale"));
    const arrays = [...hold_names(cell)].flatMap(([line, inputs]) => KINDS.filter((kind) => cell.inputs.includes(inputs[kind])).map((kind) =>
      [inputs[kind], { shape: [steps, batch, trace.widths[scope][line]], data: /** @type {Held} */ (here.get(line))[kind] }]));
    given[scope] = named([...stage.cell.inputs.filter((name) => there[name]).map((name) => [name, there[name]]), ...arrays]);
    const sources = named(cell.inputs.map((name) => [name, stage.sources[name] ?? "given"]));
    return { ...stage, cell, sources, computed: computed && cell.lines.map((line) => line.name).filter((name) => !plain.has(name) || computed.includes(name)) };
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
