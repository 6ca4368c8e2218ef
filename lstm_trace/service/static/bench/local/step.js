// One step of one layer and direction as the bench shows it: the reply of runs/reading.py, computed from a trace.
import { plain_stage } from "../../../../lines/network.js";
import { forward_stages, inputs_of, states_of } from "../../../../lines/sizes.js";
import { extent, named } from "../../../../lines/values.js";
import { looked_at, word } from "./describe.js";
import { held_units } from "./held.js";
import { head_of } from "./labels.js";
import { is_step, MissingError, span } from "./places.js";
import { number_text } from "./formulas/printer.js";
import { here } from "./computing.js";
import { style_of } from "./style.js";
import { ShownValues } from "./values.js";
import { Naming } from "./words.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */

/** Maximum number of units of a line that is shown completely. */
const LIVE = 64;
const range = (/** @type {number} */ n) => [...Array(n).keys()];

/** The stage of a layer and direction; the first that matches. @param {Trace} trace @param {number | null} [layer] @param {string | null} [direction] */
function place(trace, layer = null, direction = null) {
  const found = forward_stages(trace).find((stage) => (layer === null || stage.layer === layer) && (direction === null || stage.direction === direction));
  if (!found) throw new MissingError(`no layer ${layer}, direction ${direction}; there are ${trace.stages.map(({ scope }) => scope).join(", ")}`);
  return found;
}

/**
 * Everything that a page shows of a step: `StepReply`, without sentences (`in_words`).
 * @param {Trace} whole
 * @param {import("./describe.js").Look & {layer?: number | null, direction?: string | null, t?: number, batch?: number, unit?: number | null}} look
 */
export function step(whole, look) {
  const { trace } = looked_at(whole, look), stage = place(trace, look.layer, look.direction), { scope, cell } = stage;
  const { batch = 0, unit = null } = look, steps = span(trace), t = (look.t ?? 0) < 0 ? /** @type {number} */ (look.t) + steps[0] + steps.length : (look.t ?? 0);
  if (!is_step(trace, t) || batch >= extent(trace)[1]) throw new MissingError(`the run has no step ${t} of sequence ${batch}`);
  const values = new ShownValues(trace, style_of(whole, look.digits ?? null)), shown = /** @type {{[name: string]: string[]}} */ (named());
  const numbers = (/** @type {string} */ name, /** @type {number[]} */ units) => {
    const array = values.array(scope, name), data = array && here(trace, array, t, batch).data;
    if (!array || !data) return null;
    shown[name] = units.map((k) => number_text(values.num(scope, name, t, batch, [k]).shown));
    return units.map((k) => word(data[k]));
  };
  const all = (/** @type {string} */ name) => numbers(name, range(values.array(scope, name)?.shape.at(-1) ?? 0));
  const lines = cell.lines.filter(({ name }) => trace.lines[scope]?.[name]).map(({ name }) => {
    const width = trace.lines[scope][name].shape[2];
    const units = unit !== null && width > LIVE ? [Math.min(unit, width - 1)] : range(Math.min(width, LIVE));
    return { name, values: numbers(name, units), units };
  });
  const own = whole.stages.find((one) => one.scope === scope);
  return {
    t, b: batch, scope, lines, held: held_units(whole, own ?? stage, t, batch),
    states: named(states_of(stage).map((name) => [name, all(name)])),
    inputs: named(inputs_of(plain_stage(stage)).map((name) => [name, all(name)])),
    x: trace.x ? [...here(trace, trace.x, t, batch).data].map(word) : [],
    shown, caption: caption(trace, stage, t, batch, look.texts), in_words: [],
  };
}

/** What a picture shows, in words. @param {Trace} trace @param {Stage} stage @param {number} t @param {number} b @param {import("./words.js").Texts} texts */
function caption(trace, stage, t, b, texts) {
  const naming = new Naming(trace, texts, head_of(trace).count_from ?? 0), [steps, batch] = extent(trace), parts = [];
  if (forward_stages(trace).length > 1) parts.push(naming.word("layer", { n: naming.nth(stage.layer) }), naming.word(`direction.${stage.direction}`));
  if (steps > 1) parts.push(naming.step(t, b));
  if (batch > 1) parts.push(naming.word("row", { b: naming.nth(b) }));
  const text = parts.join(texts.list);
  return (head_of(trace).title || texts.diagram) + (text && naming.word("aside", { text }));
}
