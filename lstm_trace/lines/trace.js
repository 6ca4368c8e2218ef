import { dtype_rounding } from "./arithmetic.js";
import { by_name, number, reads, within } from "./cells.js";
import { parse } from "./grammar.js";
import { lines_of, sizes } from "./sizes.js";
import { extent, mapped } from "./values.js";

// Trace files as JSON: read with checks, since they come from strangers, and written as Python writes them.

/** @import { Cell, Scoped, Stage, Trace, Values } from "./types.js" */

const FORMAT = "lstm-trace/1";
/** How many numbers a trace may have here; larger ones are for the program. */
const MOST = 1_000_000;
/** The names that stand for the initial values of the usual states. @type {[string, string][]} */
const INITIAL = [["h0", "h_prev"], ["c0", "c_prev"]];
/** @type {Record<string, number>} */
const WORDS = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };
const PARTS = ["stages", "parameters", "inputs", "lines", "sums"];

/** What is wrong with a file. */
class FileError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "FileError";
  }
}

/** @param {unknown} value @returns {Record<string, any>} */
function mapping(value, where = "") {
  if (value === undefined) return {};
  if (!value || typeof value !== "object" || Array.isArray(value)) throw new FileError(`${where}: expected a mapping, as in {name: value}`);
  return value;
}

/** How many numbers of a file were read. */
class Reader {
  count = 0;

  /** @param {any} head */
  constructor(head) {
    this.rounded = dtype_rounding(head.dtype);
  }

  /** Nested lists of numbers as an array whose first axes are given. @param {any} nested @param {string} where
   *  @param {number[]} lead @param {number[]} ranks   how many axes it may have @returns {Values} */
  values(nested, where, lead, ranks) {
    /** @type {number[]} */
    const shape = [];
    for (let inner = nested; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
    const size = shape.reduce((a, b) => a * b, 1), expected = [...lead, ...["width", "columns"].slice(0, ranks[ranks.length - 1] - lead.length)];
    if (!ranks.includes(shape.length) || lead.some((many, axis) => shape[axis] !== many) || !size) {
      throw new FileError(`${where} has shape (${shape.join(", ")}); expected (${expected.join(", ")})`);
    }
    this.count += size;
    if (this.count > MOST) throw new FileError(`the trace has more than ${MOST} numbers: open it with the lstm-trace program`);
    const data = new Float64Array(size);
    let at = 0;
    const fill = (/** @type {any} */ part, /** @type {number} */ axis) => {
      if (axis === shape.length) {
        const read = typeof part === "string" && Object.hasOwn(WORDS, part) ? WORDS[part] : part;
        if (typeof read !== "number") throw new FileError(`${where}: expected a number, found ${JSON.stringify(part).slice(0, 40)}`);
        data[at++] = this.rounded(read);
      } else if (!Array.isArray(part) || part.length !== shape[axis]) {
        throw new FileError(`${where} is ragged: expected ${shape[axis]} entries at each place of axis ${axis}`);
      } else for (const one of part) fill(one, axis + 1);
    };
    fill(nested, 0);
    return { shape, data };
  }

  /** @param {any} part @param {string} where @param {number[]} lead @param {number[]} ranks @returns {Scoped} */
  scoped(part, where, lead, ranks) {
    return mapped(mapping(part, where), (here, scope) => mapped(mapping(here, `${where} ${scope}`), (array, name) =>
      this.values(array, `${where} ${scope}/${name}`, lead, ranks)));
  }
}

/**
 * The trace in the text of a file. Throws FileError for what is not a trace or too large, CellError for its equations,
 * ShapeError for arrays that do not fit them.
 * @param {string} text
 * @returns {Trace}
 */
export function read(text) {
  let file;
  try {
    file = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new FileError(`not complete JSON (${/** @type {Error} */ (error).message}); expected a trace as lstm-trace saves it in a .json file`);
  }
  const format = file && typeof file === "object" ? file.format : undefined;
  if (format !== FORMAT) {
    const newer = typeof format === "string" && format.startsWith("lstm-trace/") ? "; is it from a newer version?" : "; a problem is opened with the lstm-trace program";
    throw new FileError(`not a trace: its format is ${JSON.stringify(format) ?? "not given"}, expected "${FORMAT}"${newer}`);
  }
  const head = Object.fromEntries(Object.entries(file).filter(([key]) => !PARTS.includes(key)));
  for (const key of ["steps", "batch"]) {
    if (!(Number.isInteger(head[key]) && head[key] > 0)) throw new FileError(`${key}: expected a whole number from 1, found ${head[key]}`);
  }
  const { steps, batch } = head, lead = [steps, batch];
  if (steps * batch > MOST) throw new FileError(`the trace has ${steps} steps of ${batch} sequences: open it with the lstm-trace program`);
  if (!["float64", "float32", "float16", undefined].includes(head.dtype)) throw new FileError(`dtype: expected float64, float32 or float16, found ${head.dtype}`);
  const stages = stages_of(file.stages), reader = new Reader(head), inputs = mapping(file.inputs, "inputs");
  /** @type {Scoped} */
  const initial = Object.create(null);
  const starts = INITIAL.filter(([short]) => inputs[short]).map(([short, state]) => [state, inputs[short]]);
  for (const [state, values] of [...starts, ...Object.entries(mapping(inputs.initial, "initial"))]) {
    for (const [scope, array] of Object.entries(mapping(values, String(state)))) {
      (initial[scope] ??= Object.create(null))[String(state)] = reader.values(array, `initial ${scope}/${state}`, [batch], [2]);
    }
  }
  const trace = {
    head, stages, initial, widths: {}, grids: {},
    parameters: reader.scoped(file.parameters, "parameters", [], [1, 2]),
    x: inputs.x == null ? null : reader.values(inputs.x, "inputs.x", lead, [3]),
    given: reader.scoped(inputs.given, "given", lead, [3]),
    lengths: inputs.lengths == null ? null : [...reader.values(inputs.lengths, "inputs.lengths", [batch], [1]).data],
    mask: inputs.mask == null ? null : inputs.mask,
    lines: reader.scoped(file.lines, "lines", lead, [3]),
    sums: reader.scoped(file.sums, "sums", [], [1, 2]),
  };
  if (trace.mask) reader.values(trace.mask.map((/** @type {any} */ row) => Array.isArray(row) ? row.map(Number) : row), "inputs.mask", lead, [2]);
  return { ...trace, ...sizes(trace) };
}

/** @param {any} infos @returns {Stage[]} */
function stages_of(infos) {
  if (!Array.isArray(infos) || !infos.length) throw new FileError("stages: expected a list of stages, as in [{layer: 0, direction: forward, …}]");
  /** @type {Map<string, Stage>} */
  const found = new Map();
  for (const { layer, direction, equations, sources, computed } of infos) {
    const scope = `${layer}/${direction}`;
    if (!Number.isInteger(layer) || !/^(adjoint-)?(forward|reverse|joined)$/.test(direction)) throw new FileError(`stages: there is no layer and direction ${scope}`);
    if (found.has(scope)) throw new FileError(`stages: duplicate stage ${scope}`);
    if (typeof equations !== "string") throw new FileError(`${scope}: its equations are missing`);
    const cell = parse(equations);
    /** @type {Stage} */
    const stage = { layer, direction, scope, cell, sources: mapped(mapping(sources, `${scope}: sources`), String), computed: null };
    if (computed != null) stage.computed = computed_of(cell, computed, scope);
    const lines = lines_of(stage), used = new Set([...lines.flatMap(reads), ...cell.carry.map(([, line]) => line)]);
    for (const [name, source] of Object.entries(stage.sources)) {
      const known = ["x", "valid", "given"].includes(source) || found.has(source.split("/", 2).join("/")) || !used.has(name);
      if (!known) throw new FileError(`${scope}: the source of ${name} is ${source}, which no earlier stage has`);
    }
    found.set(scope, stage);
  }
  return [...found.values()];
}

/** The names of the lines that a stage computes. In older files a function may be one operation: then also those in its
 *  call. @param {Cell} cell @param {any} computed @param {string} scope */
function computed_of(cell, computed, scope) {
  const lines = by_name(cell), names = new Set();
  if (!Array.isArray(computed) || !computed.length) throw new FileError(`${scope}: computed: expected a list of names of lines`);
  for (const name of computed) {
    for (const inner of within(cell).get(name) ?? []) if (!computed.includes(inner)) names.add(inner);
    const line = lines.get(name), lacking = line && reads(line).find((one) => lines.has(one) && !names.has(one));
    if (!line) throw new FileError(`${scope}: computed names ${name}, a line that the equations do not have`);
    if (lacking !== undefined) throw new FileError(`${scope}: computed leaves out ${lacking}, which ${name} reads`);
    names.add(name);
  }
  return [...names];
}

/** A float as Python writes it: `1.0`, `1e-05`, and `-0.0`, which JavaScript would write as 0. @param {number} value */
export function float_text(value) {
  if (!Number.isFinite(value)) return `"${value}"`;
  const text = Object.is(value, -0) ? "-0" : number(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** An array as nested lists, one row to a line. @param {Values} values @param {string} pad */
function rows({ shape, data }, pad) {
  let at = 0;
  /** @type {(axis: number) => string} */
  const inner = (axis) => {
    if (axis === shape.length) return float_text(data[at++]);
    return `[${Array.from({ length: shape[axis] }, () => inner(axis + 1)).join(", ")}]`;
  };
  if (shape.length < 2) return inner(0);
  return `[${pad} ${Array.from({ length: shape[0] }, () => inner(1)).join(`,${pad} `)}${pad}]`;
}

/**
 * The text of a trace file, which `read` and Python's `load` read.
 * @param {Trace} trace
 */
export function written(trace) {
  /** @type {(value: any, depth: number) => string} */
  const pretty = (value, depth) => {
    const pad = `\n${" ".repeat(depth)}`;
    if (value?.data instanceof Float64Array) return rows(value, pad);
    const record = value && typeof value === "object" && !Array.isArray(value);
    if (!record && !(Array.isArray(value) && typeof value[0] === "object" && !Array.isArray(value[0]))) return JSON.stringify(value);
    const parts = record
      ? Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${pretty(one, depth + 1)}`)
      : value.map((/** @type {any} */ one) => pretty(one, depth + 1));
    const [open, close] = record ? "{}" : "[]";
    return parts.length ? `${open}${pad} ${parts.join(`,${pad} `)}${pad}${close}` : open + close;
  };
  const { head, x, lengths, mask, given, parameters, lines, sums } = trace;
  /** @type {Record<string, any>} */
  const states = Object.create(null);
  /** @type {Record<string, any>} */
  const inputs = {};
  for (const [scope, here] of Object.entries(trace.initial)) {
    for (const [state, values] of Object.entries(here)) (states[state] ??= Object.create(null))[scope] = values;
  }
  Object.assign(inputs, x && { x }, lengths && { lengths }, mask && { mask });
  for (const [short, state] of INITIAL) {
    if (states[state]) inputs[short] = states[state];
    delete states[state];
  }
  if (Object.keys(states).length) inputs.initial = states;
  if (Object.keys(given).length) inputs.given = given;
  const stages = trace.stages.map(({ layer, direction, cell, sources, computed }) =>
    ({ layer, direction, sources, computed, equations: cell.text }));
  const [steps, batch] = extent(trace);
  const data = { ...head, format: FORMAT, steps, batch, stages, parameters, inputs, lines };
  return `${pretty(Object.keys(sums).length ? { ...data, sums } : data, 0)}\n`;
}
