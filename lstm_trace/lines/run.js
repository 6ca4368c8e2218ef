import { arithmetic, dtype_rounding } from "./arithmetic.js";
import { reads } from "./cells.js";
import { OPERATIONS } from "./operations.js";
import { backwards, lines_of, owner, sizes } from "./sizes.js";
import { each_array, extent, mapped, operand, zeros } from "./values.js";

// A run: the stages of a trace one after the other, line by line, and what adjoint stages sum over all steps.

/** @import { Scoped, Stage, Trace, Values } from "./types.js" */
/** @import { Cursor, Rounding } from "./operations.js" */
/**
 * An operand at some step and sequence: `data` and `at` are set before each use. A state reads `initial` at the first
 * step that is computed, and everywhere else `later`, `shift` steps away.
 * @typedef {Cursor & {later: Float64Array, step: number, row: number, shift: number, initial: Float64Array | null, edge: number}} Moving
 */

const WHOLE = dtype_rounding("float64");

/**
 * The trace with all lines computed from its premises, and its sums.
 *
 * Throws ShapeError for arrays that are missing or do not fit.
 * @param {Trace} trace   its lines are not read, unless `stages` leaves some out
 * @param {readonly Stage[]} [stages]   only these stages are computed, the lines of others stay as they are
 * @returns {Trace}
 */
export function run(trace, stages = trace.stages) {
  const head = /** @type {any} */ (trace.head), rounded = dtype_rounding(head.dtype);
  const { widths, grids } = sizes(trace);
  /** @type {Scoped} */
  const lines = Object.create(null);
  /** @type {Trace} */
  const found = { ...premises(trace, rounded), widths, grids, lines, sums: Object.create(null) };
  found.initial = starts(found);
  for (const stage of trace.stages) {
    if (!stages.includes(stage)) {
      lines[stage.scope] = trace.lines[stage.scope];
      if (trace.sums[stage.scope]) found.sums[stage.scope] = trace.sums[stage.scope];
    } else {
      if (head.arithmetic) by_arithmetic(found, stage, head.arithmetic);
      else by_definition(found, stage, rounded);
      if (stage.cell.sums.length) add_sums(found, stage, rounded);
    }
  }
  return found;
}

/** The trace with premises that its dtype can hold. @param {Trace} trace @param {Rounding} rounded @returns {Trace} */
function premises(trace, rounded) {
  if (rounded === WHOLE) return trace;
  const each = (/** @type {Values} */ { shape, data }) => ({ shape, data: data.map(rounded) });
  const all = (/** @type {Scoped} */ part) => each_array(part, each);
  const { x, parameters, initial, given } = trace;
  return { ...trace, x: x && each(x), parameters: all(parameters), initial: all(initial), given: all(given) };
}

/** The initial states, zero where none are given. @param {Trace} trace @returns {Scoped} */
function starts(trace) {
  const [, batch] = extent(trace), found = mapped(trace.initial, (here) => mapped(here, (values) => values));
  for (const { scope, cell, lines } of trace.stages.map((stage) => ({ ...stage, lines: lines_of(stage) }))) {
    const used = new Set(lines.flatMap(reads));
    for (const [state] of cell.carry) {
      if (used.has(state) && !found[scope]?.[state]) (found[scope] ??= Object.create(null))[state] = zeros(batch, trace.widths[scope][state]);
    }
  }
  return found;
}

/** Computes the lines of a stage into the trace. @param {Trace} trace @param {Stage} stage @param {Rounding} rounded */
function by_definition(trace, stage, rounded) {
  const whole = rounded === WHOLE;
  const { program, out, order, batch } = laid_out(trace, stage, rounded);
  const steps = program.map(({ line, width, data, operands }) =>
    ({ operation: OPERATIONS[line.op], width, data, operands, constants: whole ? line.constants : line.constants.map(rounded) }));
  trace.lines[stage.scope] = out;
  for (const t of order) {
    for (const { operation, width, data, operands, constants } of steps) {
      for (let b = 0; b < batch; b++) {
        for (let k = 0; k < operands.length; k++) move(operands[k], t, b);
        const at = (t * batch + b) * width;
        operation(data, at, width, operands, constants, rounded);
        if (!whole) for (let k = at; k < at + width; k++) data[k] = rounded(data[k]);
      }
    }
  }
}

/** @param {Moving} cursor @param {number} t @param {number} b */
function move(cursor, t, b) {
  if (cursor.initial && t === cursor.edge) {
    cursor.data = cursor.initial;
    cursor.at = b * cursor.width;
  } else {
    cursor.data = cursor.later;
    cursor.at = (t - cursor.shift) * cursor.step + b * cursor.row;
  }
}

/** Memory for the lines of a stage, where each reads its operands, and the order of steps.
 *  @param {Trace} trace @param {Stage} stage @param {Rounding} rounded */
function laid_out(trace, stage, rounded) {
  const [steps, batch] = extent(trace), widths = trace.widths[stage.scope], back = backwards(stage);
  const order = Array.from({ length: steps }, (_, t) => (back ? steps - 1 - t : t));
  const lines = lines_of(stage), states = new Map(stage.cell.carry);
  /** @type {{[name: string]: Values}} */
  const out = Object.create(null);
  for (const line of lines) out[line.name] = zeros(steps, batch, widths[line.name]);
  /** @type {Map<import("./types.js").Operand, Moving>} */
  const cursors = new Map();
  const of = (/** @type {Values | null} */ values, /** @type {string} */ name) => {
    if (!values) throw new Error(`${stage.scope}: the trace does not hold ${name}`); // `sizes` has checked it
    const moves = values.shape.length === 3, width = values.shape[values.shape.length - 1];
    const cursor = { data: values.data, at: 0, width, unit: width === 1 ? 0 : 1, later: values.data };
    return { ...cursor, step: moves ? batch * width : 0, row: moves ? width : 0, shift: 0, initial: null, edge: -1 };
  };
  const cursor = (/** @type {import("./types.js").Operand} */ name) => {
    const known = cursors.get(name);
    if (known) return known;
    /** @type {Moving} */
    let found;
    if (typeof name === "number") found = of({ shape: [1], data: Float64Array.of(rounded(name)) }, "");
    else if (out[name]) found = of(out[name], name);
    else if (states.has(name)) {
      const line = states.get(name) ?? "", later = out[line] ?? (stage.sources[line] ? operand(trace, stage, line) : null);
      const { data: initial } = trace.initial[stage.scope][name];
      // of a single step, the line need not be computed
      found = { ...of(later ?? zeros(steps, batch, widths[name]), name), initial, edge: order[0], shift: back ? -1 : 1 };
    } else found = of(operand(trace, stage, name), name);
    cursors.set(name, found);
    return found;
  };
  const program = lines.map((line) =>
    ({ line, width: widths[line.name], data: out[line.name].data, operands: line.operands.map(cursor) }));
  return { program, out, order, batch };
}

/** The same in another arithmetic: each line is stored as float64, and read again. @param {Trace} trace @param {Stage} stage @param {string} name */
function by_arithmetic(trace, stage, name) {
  const own = arithmetic(name);
  const { program, out, order, batch } = laid_out(trace, stage, WHOLE);
  trace.lines[stage.scope] = out;
  for (const t of order) {
    for (const { line, width, data, operands } of program) {
      for (let b = 0; b < batch; b++) {
        const read = operands.map((cursor, k) => {
          move(cursor, t, b);
          const matrix = k === (line.op === "matvec" ? 0 : 1) && (line.op === "matvec" || line.op === "vecmat");
          return own.read(cursor.data.subarray(cursor.at, matrix ? undefined : cursor.at + cursor.width));
        });
        data.set(own.compute(line.op, read, line.constants, width), (t * batch + b) * width);
      }
    }
  }
}

/** The sums of a stage over all steps and sequences, each in the shape of the parameter whose gradient it is; none if
 *  the trace does not have all terms. @param {Trace} trace @param {Stage} stage @param {Rounding} rounded */
function add_sums(trace, stage, rounded) {
  const name = /** @type {any} */ (trace.head).arithmetic, [steps, batch] = extent(trace), rows = steps * batch;
  const of = new Map(stage.cell.gradient), own = name ? arithmetic(name) : null;
  /** @type {{[name: string]: Values}} */
  const found = Object.create(null);
  for (const { name, terms } of stage.cell.sums) {
    const read = terms.map((term) => term.map((one) => operand(trace, stage, one)));
    if (read.flat().some((values) => !values)) return;
    const parts = read.map((term) => term.map((values) => throughout(/** @type {Values} */ (values), steps, batch)));
    const shape = parts[0].map((values) => values.width);
    const like = trace.parameters[owner(stage)]?.[of.get(name) ?? ""];
    const data = own ? own.gathered(parts, rows) : gathered(parts, rows).map(rounded);
    found[name] = { shape: like && like.data.length === data.length ? like.shape : shape, data };
  }
  trace.sums[stage.scope] = found;
}

/** Values at every step and sequence: a bias is the same at each. @param {Values} values @param {number} steps @param {number} batch */
function throughout({ shape, data }, steps, batch) {
  const width = shape[shape.length - 1];
  if (shape.length === 3) return { data, width };
  const whole = new Float64Array(steps * batch * width);
  for (let at = 0; at < whole.length; at += width) whole.set(data, at);
  return { data: whole, width };
}

/** The sum of values, or of outer products of two. @param {{data: Float64Array, width: number}[][]} terms @param {number} rows */
function gathered(terms, rows) {
  const [first, second] = terms[0], columns = second ? second.width : 1;
  const total = new Float64Array(first.width * columns);
  for (const [a, b] of terms) {
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < a.width; j++) {
        const factor = a.data[row * a.width + j];
        for (let k = 0; k < columns; k++) total[j * columns + k] += b ? factor * b.data[row * columns + k] : factor;
      }
    }
  }
  return total;
}
