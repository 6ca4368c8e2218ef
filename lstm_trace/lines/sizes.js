import { certain, hold_names, matrices, reads } from "./cells.js";
import { OPERATIONS } from "./table.js";

// The widths of values, and the rows and columns of matrices, as lstm_trace/cell/shapes.py decides them for arrays that
// are all there. A matrix that is a value lies in a row of rows * columns numbers.

/** @import { Line, Stage, Trace } from "./types.js" */

/** What does not fit: `problems` has a message for each array or line. */
export class ShapeError extends Error {
  /** @param {string[]} problems */
  constructor(problems) {
    super(problems.join("\n"));
    this.name = "ShapeError";
    this.problems = problems;
  }
}

/** Whether an operation acts on each unit, and so keeps rows and columns. @param {string} op */
const keeps = (op) => OPERATIONS[op].width === "same";
/** Whether its value is a single number for any number of units. @param {string} op */
const reduces = (op) => OPERATIONS[op].width === "one";

/** `layer/direction` and name of a source. @type {(source: string) => [string, string]} */
export function scope_and_name(source) {
  const cut = source.lastIndexOf("/");
  return cut < 0 ? ["", source] : [source.slice(0, cut), source.slice(cut + 1)];
}

/** Whether a stage goes from the last step to the first. @param {Stage} stage */
export const backwards = (stage) => ["reverse", "adjoint-forward", "adjoint-joined"].includes(stage.direction);

/** The stages that are not adjoints. @param {Trace} trace */
export const forward_stages = (trace) => trace.stages.filter((stage) => !stage.direction.startsWith("adjoint-"));

/** The scope whose parameters a stage uses: for an adjoint, that of its stage. @param {Stage} stage */
export const owner = (stage) => stage.scope.replace("adjoint-", "");

/** The lines that a stage computes. @type {(stage: Stage) => Line[]} */
export function lines_of(stage) {
  if (!stage.computed) return stage.cell.lines;
  const there = new Set(stage.computed);
  return stage.cell.lines.filter((line) => there.has(line.name));
}

/** The names that computed lines use. @param {Stage} stage */
export const used = (stage) => new Set(lines_of(stage).flatMap(reads));
/** The carried states that computed lines use. @param {Stage} stage */
export function states_of(stage) {
  const read = used(stage);
  return stage.cell.carry.map(([state]) => state).filter((state) => read.has(state));
}
/** The inputs that computed lines or carried states use. @param {Stage} stage */
export function inputs_of(stage) {
  const read = used(stage), carried = new Set(stage.cell.carry.filter(([state]) => read.has(state)).map(([, line]) => line));
  return stage.cell.inputs.filter((name) => read.has(name) || carried.has(name));
}

/** The widths and grids of every stage. Throws ShapeError for what does not fit or is missing.
 *  @param {Trace} trace
 *  @returns {Pick<Trace, "widths" | "grids">} */
export function sizes(trace) {
  /** @type {Trace["widths"]} */
  const widths = Object.create(null);
  /** @type {Trace["grids"]} */
  const grids = Object.create(null);
  const problems = [];
  for (const stage of trace.stages) {
    const found = new StageSizes(trace, stage, widths, grids);
    found.derive();
    problems.push(...found.problems());
    widths[stage.scope] = Object.assign(Object.create(null), Object.fromEntries(found.widths));
    grids[stage.scope] = found.whole();
  }
  if (problems.length) throw new ShapeError(problems);
  return { widths, grids };
}

const shaped = (/** @type {number[]} */ shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
const product = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);

class StageSizes {
  /** @param {Trace} trace @param {Stage} stage @param {Trace["widths"]} before @param {Trace["grids"]} grids */
  constructor(trace, stage, before, grids) {
    const { cell, scope } = stage;
    this.stage = stage;
    this.lines = lines_of(stage);
    this.matrices = matrices(cell);
    this.certain = certain(cell);
    const used = new Set(this.lines.flatMap(reads)), carried = new Set(cell.carry.map(([, line]) => line));
    /** @type {Map<string, number>} */
    this.widths = new Map();
    /** @type {Map<string, [number, number]>} rows and columns; 0: not known */
    this.grids = new Map();
    /** @type {Map<string, number[]>} of the parameters */
    this.shapes = new Map();
    this.missing = [];
    for (const name of cell.inputs) {
      const source = stage.sources[name], [other, line] = scope_and_name(source ?? "");
      const values = source === "x" ? trace.x : source === "given" ? trace.given[scope]?.[name] : null;
      const width = values ? values.shape[values.shape.length - 1] : source === "valid" ? 1 : before[other]?.[line];
      if (width) this.widths.set(name, width);
      else if (used.has(name) || carried.has(name)) this.missing.push(`the trace does not hold the input ${name} of ${scope}`);
      if (other && this.matrices.has(name) && grids[other]?.[line]) this.grids.set(name, [...grids[other][line]]);
    }
    for (const [state] of cell.carry) {
      const values = trace.initial[scope]?.[state];
      if (values) this.widths.set(state, values.shape[1]);
    }
    for (const name of cell.parameters) {
      const values = trace.parameters[owner(stage)]?.[name];
      if (values) this.shapes.set(name, values.shape);
      else if (used.has(name)) this.missing.push(`the trace does not hold the parameters ${name} of ${scope}`);
      if (!values) continue;
      const flat = this.matrices.has(name);
      if (values.shape.length === 1 || flat) this.widths.set(name, product(values.shape));
      if (flat && values.shape.length === 2) this.grids.set(name, [values.shape[0], values.shape[1]]);
    }
  }

  /** @param {import("./types.js").Operand} operand */
  width(operand) {
    return typeof operand === "string" ? (this.widths.get(operand) ?? 0) : 1;
  }

  /** Sets rows (0) or columns (1) of a matrix, if they are not known. @param {string} name @param {number} axis @param {number} size */
  axis(name, axis, size) {
    if (!size || !this.matrices.has(name)) return;
    const grid = this.grids.get(name) ?? [0, 0];
    if (!grid[axis]) grid[axis] = size;
    this.grids.set(name, grid);
  }

  /** Gives each of two matrices what only the other one has. @param {string} one @param {string} two */
  alike(one, two) {
    if (!this.matrices.has(one) || !this.matrices.has(two)) return;
    for (const axis of [0, 1]) {
      this.axis(one, axis, this.grids.get(two)?.[axis] ?? 0);
      this.axis(two, axis, this.grids.get(one)?.[axis] ?? 0);
    }
  }

  /** Repeats the rules until they say nothing new; a state that no array gives has the width of its line, or 1. */
  derive() {
    const size = () => this.widths.size + [...this.grids.values()].reduce((n, grid) => n + Number(grid[0] > 0) + Number(grid[1] > 0), 0);
    for (let before = -1; before < size(); ) {
      before = size();
      for (const line of this.lines) {
        const width = this.rule(line);
        if (width && !this.widths.has(line.name)) this.widths.set(line.name, width);
      }
      for (const [state, line] of this.stage.cell.carry) {
        if (!this.widths.has(state) && this.widths.has(line)) this.widths.set(state, this.width(line));
        this.alike(state, line);
      }
      if (this.matrices.size) this.complete();
      if (before === size()) {
        const open = this.stage.cell.carry.find(([state]) => !this.widths.has(state));
        if (open) this.widths.set(open[0], this.multiplied(open[0]));
      }
    }
  }

  /** The columns (or rows) of a weight that a state of unknown width is multiplied by, or 1. @param {string} name */
  multiplied(name) {
    for (const { op, operands } of this.lines) {
      if (op === "matvec" && operands[1] === name) return this.shapes.get(String(operands[0]))?.[1] ?? 1;
      if (op === "vecmat" && operands[0] === name) return this.shapes.get(String(operands[1]))?.[0] ?? 1;
    }
    return 1;
  }

  /** Of rows, columns and width of a matrix, two imply the third. */
  complete() {
    for (const name of this.matrices) {
      const grid = this.grids.get(name), width = this.width(name);
      if (grid && grid[0] && grid[1] && !width) this.widths.set(name, grid[0] * grid[1]);
      else if (grid && width && !grid[0] !== !grid[1]) grid[grid[0] ? 1 : 0] = width / (grid[0] || grid[1]);
    }
  }

  /** The width of a line; 0 if it is not known. @param {Line} line */
  rule({ name, op, operands, constants }) {
    const widths = operands.map((operand) => this.width(operand));
    const [first, second] = operands.map(String);
    if (op === "matvec") return this.shapes.get(first)?.[0] ?? 0;
    if (op === "vecmat") return this.shapes.get(second)?.[1] ?? 0;
    if (op === "memvec" || op === "vecmem") {
      const [matrix, vector, own] = op === "memvec" ? [first, second, 0] : [second, first, 1];
      this.axis(matrix, 1 - own, this.width(vector));
      this.axis(matrix, own, this.width(name));
      this.complete();
      return this.grids.get(matrix)?.[own] ?? 0;
    }
    if (op === "outer") widths.forEach((width, axis) => this.axis(name, axis, width));
    if (op === "outer") return product(widths);
    if (op === "slice") return constants[1] - constants[0];
    if (op === "concat") return widths.includes(0) ? 0 : widths.reduce((a, b) => a + b, 0);
    if (reduces(op)) return 1;
    for (const operand of operands) if (typeof operand === "string" && this.wide(operand)) this.alike(name, operand);
    const most = Math.max(...widths);
    return most > 1 || !widths.includes(0) ? most : 0;
  }

  /** Whether a value is a matrix of more than one number, or one by the text. @param {string} name */
  wide(name) {
    return this.certain.has(name) || this.width(name) > 1 || this.shapes.get(name)?.length === 2;
  }

  /** The grids; a matrix whose width alone is known has one column. */
  whole() {
    /** @type {{[name: string]: [number, number]}} */
    const found = Object.create(null);
    for (const name of this.matrices) {
      const [rows, columns] = this.grids.get(name) ?? [0, 0], width = this.width(name);
      if (this.wide(name) && width) found[name] = rows * columns === width ? [rows, columns] : [width, 1];
    }
    return found;
  }

  /** Messages about what does not fit. */
  *problems() {
    yield* this.missing;
    if (this.missing.length) return;
    const { scope, cell } = this.stage, blamed = new Set();
    for (const line of this.lines) {
      const [name, said] = (line.op.endsWith("vec") || line.op.startsWith("vec") ? this.apart(line) : this.unlike(line)) ?? [];
      if (name && !blamed.has(name)) yield `${scope}: ${said}`;
      blamed.add(name);
    }
    for (const [state, line] of cell.carry) {
      const [here, there] = [this.width(line), this.width(state)];
      if (here && here !== there) yield `${scope}: line \`${line}\` has width ${here}, and is carried as ${state}, which has width ${there}`;
    }
    for (const [line, { hold, to, scale, by }] of hold_names(cell)) {
      const odd = [hold, to, scale, by].find((name) => this.widths.has(name) && this.width(name) !== this.width(line));
      if (odd && this.width(line)) yield `${scope}: ${odd} has width ${this.width(odd)}; ${line}, which is held, has ${this.width(line)}`;
    }
  }

  /** The name that is wrong in a product, and a message; nothing if it fits. @param {Line} line @returns {[string, string] | undefined} */
  apart({ name, op, operands }) {
    const inner = op.endsWith("vec") ? 1 : 0, [matrix, vector] = [operands[1 - inner], operands[inner]].map(String);
    const memory = op.includes("mem"), width = this.width(vector), at = `line \`${name}\``;
    const shape = memory ? (this.grids.get(matrix) ?? []) : (this.shapes.get(matrix) ?? []);
    const needed = shape.map((size, axis) => (axis === inner ? width : size)), found = `has shape ${shaped(shape)}`;
    if (shape.length !== 2) return [matrix, `${matrix} ${found}; ${at} needs a matrix (rows, columns)`];
    if (shape[inner] === width && (!memory || product([...shape]) === this.width(matrix))) return undefined;
    const others = this.lines.filter((one) => one.op === op && one.operands[inner] === vector);
    const alone = others.length > 1 && others.every((one) => this.shapes.get(String(one.operands[1 - inner]))?.[inner] === shape[inner]);
    if (alone) return [vector, `${vector} has width ${width}; ${at} needs ${shape[inner]}`];
    return [matrix, `${matrix} ${found}; ${at} needs ${shaped(needed)}, since ${vector} has width ${width}`];
  }

  /** The name that is wrong in any other line, and a message; nothing if it fits. @param {Line} line @returns {[string, string] | undefined} */
  unlike(line) {
    const { name, op, operands, constants } = line, named = [...new Set(reads(line))], at = `line \`${name}\``, own = this.width(name);
    const grid = named.find((one) => this.shapes.get(one)?.length === 2 && !this.matrices.has(one));
    if (grid) return [grid, `${grid} has shape ${shaped(this.shapes.get(grid) ?? [])}; ${at} needs a vector`];
    const flat = keeps(op) && this.certain.has(name) ? named.find((one) => this.shapes.get(one)?.length === 1 && this.width(one) > 1) : undefined;
    if (flat) return [flat, `${at} has a vector beside a matrix: write outer(${flat}, ones(u)), or outer(ones(u), ${flat})`];
    if (op === "slice" && constants[1] > this.width(operands[0])) {
      return [name, `${at} reads units ${constants[0]} to ${constants[1] - 1} of ${operands[0]}, which has width ${this.width(operands[0])}`];
    }
    const odd = keeps(op) ? named.filter((one) => this.width(one) !== own && (this.width(one) > 1 || this.rigid(one, line))) : [];
    if (own && !odd.length && !(keeps(op) && this.crossed(line))) return undefined;
    const weight = odd.length ? named.find((one) => this.shapes.has(one) && this.width(one) > 1) : undefined;
    const other = named.find((one) => one !== weight && this.width(one) > 1);
    if (weight && other) return [weight, `${weight} has shape ${shaped(this.shapes.get(weight) ?? [])}; ${at} needs (${this.width(other)},)`];
    return [name, `${at}: the widths of its operands do not fit (${named.map((one) => `${one}: ${this.width(one)}`).join(", ")})`];
  }

  /** Whether a value of one unit may not stand for all units of a line: a product that is added to wider ones, for which
   *  a matrix of one row is a mistake. @param {string} name @param {Line} line */
  rigid(name, line) {
    const of = (/** @type {string} */ one) => this.lines.find((other) => other.name === one)?.op ?? "";
    const bare = (/** @type {string} */ one) => ["matvec", "vecmat"].includes(of(one));
    return line.op === "add" && bare(name) && reads(line).some((one) => bare(one) && this.width(one) > 1);
  }

  /** Whether a line on each unit reads matrices of other rows and columns than its own. @param {Line} line */
  crossed(line) {
    const own = this.grids.get(line.name);
    if (!own) return false;
    return (own[0] && own[1] && own[0] * own[1] !== this.width(line.name)) || reads(line).some((name) => {
      const grid = this.wide(name) && this.grids.get(name);
      return grid && grid.some((size, axis) => size && size !== own[axis]);
    });
  }
}
