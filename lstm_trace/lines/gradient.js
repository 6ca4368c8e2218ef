import { adjoint } from "./adjoint.js";
import { by_name, made, matrices } from "./cells.js";
import { run } from "./run.js";
import { forward_stages, lines_of, scope_and_name, sizes } from "./sizes.js";
import { each_array, extent, first_of, mapped, named, zeros } from "./values.js";

// The gradient of a number with respect to every premise and line: the adjoint of each stage is a stage as well, as
// lstm_trace/backpropagation makes them.

/** @import { Cell, Scoped, Stage, Trace, Values } from "./types.js" */
/**
 * One number: t, a position in the input, and b are null for a parameter; `unit` counts the numbers of a parameter row by
 * row; an x has no scope. As a target, t null means every value of a line, which is a loss.
 * @typedef {{scope: string, name: string, t: number | null, b: number | null, unit: number}} Place
 */

/** @template T @param {{[scope: string]: T}} part @param {Stage[]} stages @returns {{[scope: string]: T}} */
const of_stages = (part, stages) => mapped(named(stages.filter(({ scope }) => part[scope]).map(({ scope }) => [scope, part[scope]])), (here) => here);

/** The trace without adjoint stages. @param {Trace} trace @returns {Trace} */
export function forward(trace) {
  const stages = forward_stages(trace);
  if (stages.length === trace.stages.length) return trace;
  const { initial, given, lines } = trace;
  return { ...trace, stages, initial: of_stages(initial, stages), given: of_stages(given, stages), lines: of_stages(lines, stages), sums: {} };
}

/** The weights of one number, or of every value of a line: 1 there. @param {Trace} trace @param {Place} of @returns {Scoped} */
function weights(trace, { scope, name, t, b, unit }) {
  const [steps, batch] = extent(trace), values = zeros(steps, batch, trace.widths[scope][name]);
  if (t === null) values.data.fill(1);
  else values.data[((t - first_of(trace)) * batch + (b ?? 0)) * values.shape[2] + unit] = 1;
  return mapped({ [scope]: null }, () => mapped({ [name]: null }, () => values));
}

/** For each weighted value of a stage, the input of its adjoint that holds the weights. @param {Stage} stage @param {string[]} names */
function seed_names({ cell }, names) {
  const taken = new Set([...by_name(cell).keys(), ...cell.inputs, ...cell.carry.map(([state]) => state), ...cell.parameters]);
  return names.map((name) => {
    let seed = `seed_${name.replace(/[^\p{L}\p{N}_]+/gu, "_").replace(/^_+|_+$/g, "")}`;
    while (taken.has(seed)) seed += "_";
    taken.add(seed);
    return seed;
  });
}

/** The cell with only the computed lines; a state whose line is not computed becomes an input. @param {Stage} stage @returns {Cell} */
function active(stage) {
  const { cell, computed } = stage;
  if (!computed) return cell;
  const there = new Set([...computed, ...cell.inputs]), fed = cell.carry.filter(([, line]) => !there.has(line)).map(([state]) => state);
  const declared = [...cell.declared, ...fed.filter((state) => matrices(cell).has(state))];
  return made({ ...cell, lines: lines_of(stage), carry: cell.carry.filter(([, line]) => there.has(line)), inputs: [...cell.inputs, ...fed], declared });
}

/** @type {WeakMap<Cell, Map<string, Cell>>} */
const known = new WeakMap();

/** The adjoint of a stage's cell; it depends on no number, so that one is made for all runs with other premises.
 *  @param {Stage} stage @param {{[name: string]: string[]}} seeds @param {{[name: string]: number}} widths */
function adjoint_of(stage, seeds, widths) {
  const made_of = known.get(stage.cell) ?? new Map(), key = JSON.stringify([stage.computed, seeds, widths]);
  known.set(stage.cell, made_of);
  if (!made_of.has(key)) made_of.set(key, adjoint(active(stage), seeds, widths));
  return /** @type {Cell} */ (made_of.get(key));
}

/** The adjoint stages, in order of computation, and the weights that they are given. @param {Trace} trace @param {Scoped} seeds @returns {{stages: Stage[], given: Scoped}} */
function adjoint_stages(trace, seeds) {
  /** @type {Stage[]} */
  const stages = [];
  /** @type {Scoped} */
  const given = Object.create(null);
  /** @type {Map<string, [string, string][]>} to `scope/line`, the gradients of the inputs that have its value */
  const brought = new Map();
  for (const stage of [...trace.stages].reverse()) {
    const { cell, scope, layer } = stage, direction = `adjoint-${stage.direction}`, own = `${layer}/${direction}`;
    /** @type {{[input: string]: string}} */
    const sources = Object.create(null);
    /** @type {{[name: string]: string[]}} */
    const here = Object.create(null);
    const weighted = Object.keys(seeds[scope] ?? {});
    seed_names(stage, weighted).forEach((seed, k) => {
      here[weighted[k]] = [seed];
      sources[seed] = "given";
      (given[own] ??= Object.create(null))[seed] = seeds[scope][weighted[k]];
    });
    for (const name of [...by_name(cell).keys(), ...cell.inputs, ...cell.carry.map(([state]) => state)]) {
      for (const [from, line] of brought.get(`${scope}/${name}`) ?? []) {
        const input = `${line}_${from.replace("adjoint-", "").replace("/", "_")}`;
        (here[name] ??= []).push(input);
        sources[input] = `${from}/${line}`;
      }
    }
    if (!Object.keys(here).length) continue;
    const back = adjoint_of(stage, here, trace.widths[scope]);
    for (const name of back.inputs) sources[name] ??= `${scope}/${name}`;
    stages.push({ layer, direction, scope: own, cell: back, sources, computed: null });
    const of = new Map(back.gradient.map(([line, name]) => [name, line]));
    for (const [name, source] of Object.entries(stage.sources)) {
      const line = of.get(name);
      if (line !== undefined && scope_and_name(source)[0]) brought.set(source, [...(brought.get(source) ?? []), [own, line]]);
    }
  }
  return { stages, given };
}

/** The trace of one sequence of the batch alone. @param {Trace} trace @param {number} b @returns {Trace} */
function one_row(trace, b) {
  const [steps, batch] = extent(trace);
  const cut = (/** @type {Values} */ { shape, data }) => {
    const width = shape[shape.length - 1], found = zeros(...shape.slice(0, -2), 1, width), rows = shape.length === 3 ? steps : 1;
    for (let t = 0; t < rows; t++) found.data.set(data.subarray((t * batch + b) * width, (t * batch + b + 1) * width), t * width);
    return found;
  };
  const all = (/** @type {Scoped} */ part) => each_array(part, cut);
  const { head, x, initial, given, lines, lengths, mask } = trace;
  return {
    ...trace, head: { ...head, batch: 1 }, x: x && cut(x), initial: all(initial), given: all(given), lines: all(lines), sums: {},
    lengths: lengths && [lengths[b]], mask: mask && mask.map((row) => [row[b]]),
  };
}

/**
 * The trace with the adjoint of each stage as a stage: its line `d_c_t` is the gradient of the weighted sum with respect
 * to `c_t`, its sums are the gradients of the parameters.
 * @param {Trace} trace   with every line that the sum depends on
 * @param {Scoped} seeds   the weight of each value of some lines, (T, B, width)
 * @returns {Trace}
 */
function backward(trace, seeds) {
  const before = forward(trace), { stages, given } = adjoint_stages(before, seeds);
  const whole = { ...before, stages: [...before.stages, ...stages], given: { ...before.given, ...given } };
  return run({ ...whole, ...sizes(whole) }, stages);
}

/** The gradient of a number, or of a loss, with respect to any other number. */
export class Gradient {
  /** @param {Trace} trace @param {Place} of */
  constructor(trace, of) {
    const alone = of.t !== null && extent(trace)[1] > 1; // no other sequence matters
    this.row = alone ? (of.b ?? 0) : null;
    const own = alone ? one_row(forward(trace), of.b ?? 0) : forward(trace);
    this.trace = backward(own, weights(own, { ...of, b: alone ? 0 : of.b }));
  }

  /** With respect to the number at a place; 0 if nothing depends on it. @param {Place} place */
  at({ scope, name, t, b, unit }) {
    const { trace, row } = this, [, batch] = extent(trace);
    if (b !== null && row !== null && b !== row) return 0;
    const reading = scope ? [[scope, name]] : trace.stages.flatMap((stage) =>
      Object.entries(stage.sources).filter(([, source]) => source === "x").map(([input]) => [stage.scope, input]));
    let total = 0;
    for (const stage of trace.stages) {
      const own = stage.scope.replace("adjoint-", "");
      if (own === stage.scope) continue;
      const lines = stage.cell.gradient.filter(([, of]) => reading.some(([there, input]) => there === own && input === of)).map(([line]) => line);
      if (t === null) for (const line of lines) total += trace.sums[stage.scope][line].data[unit];
      else {
        const values = trace.lines[stage.scope][lines.find((line) => by_name(stage.cell).has(line)) ?? ""];
        if (values) total += values.data[((t - first_of(trace)) * batch + (row === null ? (b ?? 0) : 0)) * values.shape[2] + unit];
      }
    }
    return total;
  }
}
