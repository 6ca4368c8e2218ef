import { arithmetic, dtype_rounding } from "./arithmetic.js";
import { reads } from "./cells.js";
import { OPERATIONS } from "./operations.js";
import { backwards, lines_of, owner, ShapeError, sizes } from "./sizes.js";
import { each_array, extent, mapped, operand, zeros } from "./values.js";

// A run: the stages of a trace one after the other, line by line, and what adjoint stages sum over all steps.

/** @import { Scoped, Stage, Trace, Values } from "./types.js" */
/** @import { Cursor, Rounding } from "./operations.js" */
/** An operand at some step and sequence, which `move` sets. @implements {Cursor} */
class Moving {
  at = 0;
  /** Of a state: how many steps away its line is read, except at the step `edge`, which comes first. */
  shift = 0;
  edge = -1;

  /** @param {Values} values @param {number} batch @param {Float64Array | null} initial */
  constructor({ shape, data }, batch, initial) {
    const moves = shape.length === 3;
    this.data = data;
    this.later = data;
    this.initial = initial;
    this.width = shape[shape.length - 1];
    this.unit = this.width === 1 ? 0 : 1;
    this.step = moves ? batch * this.width : 0;
    this.row = moves ? this.width : 0;
  }

  /** @param {number} t @param {number} b */
  move(t, b) {
    if (this.initial && t === this.edge) {
      this.data = this.initial;
      this.at = b * this.width;
    } else {
      this.data = this.later;
      this.at = (t - this.shift) * this.step + b * this.row;
    }
  }
}

/** How many numbers a run may compute here: 80 MB. */
const MOST = 10_000_000;
const WHOLE = dtype_rounding("float64");

/**
 * The trace with all lines computed from its premises, and its sums.
 *
 * Throws ShapeError for arrays that are missing or do not fit, and for a run that is too large for a page.
 * @param {Trace} trace   its lines are not read, unless `stages` leaves some out
 * @param {readonly Stage[]} [stages]   only these stages are computed, the lines of others stay as they are
 * @returns {Trace}
 */
export function run(trace, stages = trace.stages) {
  const head = /** @type {any} */ (trace.head), rounded = dtype_rounding(head.dtype);
  const { widths, grids } = sizes(trace);
  const [steps, batch] = extent(trace);
  const count = stages.reduce((sum, stage) => lines_of(stage).reduce((all, line) => all + steps * batch * widths[stage.scope][line.name], sum), 0);
  if (count > MOST) throw new ShapeError([`the run has ${count} numbers; here are at most ${MOST}: run it with the lstm-trace program`]);
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
  trace.lines[stage.scope] = out;
  for (const t of order) {
    for (const { line, width, data, operands } of program) {
      const operation = OPERATIONS[line.op];
      for (let b = 0; b < batch; b++) {
        for (let k = 0; k < operands.length; k++) operands[k].move(t, b);
        const at = (t * batch + b) * width;
        operation(data, at, width, operands, line.constants, rounded);
        if (!whole) for (let k = at; k < at + width; k++) data[k] = rounded(data[k]);
      }
    }
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
  const read = (/** @type {string} */ name) => {
    const values = operand(trace, stage, name);
    if (values) return new Moving(values, batch, null);
    throw new ShapeError([`${stage.scope} reads ${name}, which the trace does not hold: run all stages`]);
  };
  const carried = (/** @type {string} */ name, /** @type {string} */ line) => {
    const later = out[line] ?? (stage.sources[line] ? operand(trace, stage, line) : null);
    // of a single step, the line need not be computed
    const found = new Moving(later ?? zeros(steps, batch, widths[name]), batch, trace.initial[stage.scope][name].data);
    found.edge = order[0];
    found.shift = back ? -1 : 1;
    return found;
  };
  const cursor = (/** @type {import("./types.js").Operand} */ name) => {
    let found = cursors.get(name);
    if (found) return found;
    const line = states.get(String(name));
    if (typeof name === "number") found = new Moving({ shape: [1], data: Float64Array.of(rounded(name)) }, batch, null);
    else found = out[name] ? new Moving(out[name], batch, null) : line === undefined ? read(name) : carried(name, line);
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
          cursor.move(t, b);
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
