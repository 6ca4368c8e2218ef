import { by_name, closure, readers, states } from "../../../../lines/cells.js";
import { parse } from "../../../../lines/grammar.js";
import { plain_stage } from "../../../../lines/network.js";
import { picture as drawing } from "./drawing/drawing.js";
import { room_of, text_of } from "./drawing/values.js";
import { in_notation, NotationError } from "./notations.js";
import { named } from "../../../../lines/values.js";

// The picture of a run's cell: it follows from what is known of the run without its values, so that the picture of a large
// run, which a server computes, is drawn here too.

/** @typedef {import("./drawing/values.js").Extent} Extent */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/**
 * A picture: the SVG with empty texts, its size, in words, and its spots with what their values are.
 * @typedef {{svg: string, width: number, height: number, description: string, spots: {key: string, line: string, kind: string}[], room: {[name: string]: number}, extents: Map<string, Extent>}} Picture
 *   room: characters for the values of each name */

/** A stage of a run with its cell; lines that were not recorded are those that others need. @param {any} described @returns {Stage} */
function stage_of({ layer, direction, scope, equations, inputs, lines }) {
  const cell = parse(equations), there = closure(cell, lines.map((/** @type {{name: string}} */ { name }) => name), false);
  return { layer, direction, scope, cell, sources: inputs, computed: cell.lines.map(({ name }) => name).filter((name) => there.has(name)) };
}

/** What the values of each name of a stage are. @param {any} run @param {any} described @param {Stage} stage @returns {Map<string, Extent>} */
function extents_of(run, described, { cell }) {
  const { scope } = described, columns = run.columns?.[scope] ?? {};
  const widths = new Map(run.stages.flatMap((/** @type {any} */ one) => one.lines.map((/** @type {any} */ line) => [`${one.scope}/${line.name}`, line.width])));
  const premise = (/** @type {string[]} */ ...names) => run.premises.find((/** @type {any} */ one) => names.includes(one.address))?.shape.at(-1);
  /** @param {string} name @returns {number} */
  const wide = (name) => {
    const line = by_name(cell).get(name), known = widths.get(`${scope}/${name}`), source = described.inputs[name], carried = states(cell).get(name);
    if (known) return known;
    if (carried) return widths.get(`${scope}/${carried}`) ?? premise(`${scope}/${name}`, `${scope}/${name.replace("_prev", "0")}`) ?? 0;
    if (source) return widths.get(source) ?? premise(source, `${scope}/${name}`) ?? 1;
    if (line?.op === "concat") return line.operands.reduce((/** @type {number} */ sum, one) => sum + (typeof one === "string" ? wide(one) : 1), 0);
    return readers(cell).get(name)?.map((one) => widths.get(`${scope}/${one.name}`) ?? 0)[0] ?? 0; // a product that a notation has made
  };
  const axes = new Map([...described.lines.map((/** @type {any} */ line) => [line.name, line.axis]), ...Object.entries(described.axes)]);
  return new Map([...states(cell).keys(), ...cell.inputs, ...by_name(cell).keys()].map((name) => {
    const alone = (axes.get(name) ?? "h") === "h" && by_name(cell).get(name)?.op !== "concat";
    return [name, { wide: wide(name), alone, columns: columns[name] ?? null }];
  }));
}

/** The stages of a run in a notation, and the symbols. Throws NotationError. @param {any} run as `RunReply` describes it @param {string} notation */
function printed(run, notation) {
  const head = { cell: run.cell, symbols: run.symbols, arithmetic: run.arithmetic, ask: run.asked, steps: run.steps, batch: run.batch };
  const blank = { head, parameters: {}, x: null, initial: {}, given: {}, lengths: null, mask: null, lines: {}, sums: {}, widths: {}, grids: {} };
  return in_notation({ ...blank, stages: run.stages.map(stage_of) }, notation);
}

/** Of the stages of a run the notation that prints them, by the one that is wanted. @type {WeakMap<object, Map<string, string>>} */
const shown = new WeakMap();

/** The notation in which a run is shown: the one that is wanted, or that of the exercises, which prints every cell. @param {any} run as `RunReply` describes it @param {string} wanted @returns {string} */
export function notation_of(run, wanted) {
  if (wanted === "exercise") return wanted;
  const known = shown.get(run.stages) ?? new Map();
  shown.set(run.stages, known);
  if (!known.has(wanted)) {
    try {
      printed(run, wanted);
      known.set(wanted, wanted);
    } catch (error) {
      if (!(error instanceof NotationError)) throw error;
      known.set(wanted, "exercise");
    }
  }
  return known.get(wanted);
}

/**
 * The picture of a stage. Throws NotationError for a notation that does not have this cell.
 * @param {any} run as `RunReply` describes it
 * @param {string} scope
 * @param {{notation?: string, digits: number, said: (key: string) => string}} look digits: decimals of the values
 * @returns {Picture}
 */
export function picture(run, scope, { notation = "exercise", digits, said }) {
  const { trace, own } = printed(run, notation);
  const stage = plain_stage(/** @type {Stage} */ (trace.stages.find((one) => one.scope === scope)));
  const extents = extents_of(run, run.stages.find((/** @type {any} */ one) => one.scope === scope), stage);
  const words = { next: said("bench.diagram.next"), out: said("bench.diagram.out") };
  const room = room_of(extents, digits);
  return { ...drawing(stage, room, own, words), room, extents };
}

/** Decimals of the values of a step. @param {any} step as `StepReply` describes it */
export const digits_of = ({ lines, shown }) =>
  Math.max(3, ...lines.flatMap((/** @type {any} */ { name }) => shown[name]).map((/** @type {string} */ text) => /\.(\d+)/.exec(text)?.[1].length ?? 0));

/** The texts of a step in its picture, by spot. @param {Picture} drawn @param {any} step as `StepReply` describes it @param {number} unit @param {number} count the number of the first unit @returns {{[key: string]: string}} */
export function texts_of({ spots, extents }, { lines, shown }, unit, count) {
  const units = new Map(lines.map((/** @type {any} */ line) => [line.name, line.units]));
  return named(spots.filter(({ kind }) => kind !== "sink").map(({ key, line }) => {
    const texts = (shown[line] ?? []).map((/** @type {string} */ text, /** @type {number} */ k) => [units.get(line)?.[k] ?? k, text]);
    const extent = extents.get(line);
    return [key, extent ? text_of(extent, new Map(texts), unit, count) : ""];
  }));
}
