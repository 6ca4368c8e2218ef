// Round-off residue near zero, which is shown as 0 if no value that depends on it would be printed with other digits:
// formulas/values.py.
import { by_name, reads } from "../../../../lines/cells.js";
import { exactly, fraction } from "../../../../lines/numbers.js";
import { computed, here, key_text, range, summed } from "./computing.js";
import { is_step, made, number_at, stage_of } from "./made.js";

/** @typedef {import("./values.js").ShownValues} ShownValues */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Operand} Operand */
/** @typedef {import("../../../../lines/types.js").Values} Array */
/** @typedef {import("./formulas/tree.js").Node} Node */
/** @typedef {import("./formulas/tree.js").Key} Key */

/** Maximum number of values followed back to a residue, and of values checked together against their consumers. */
const DEEP = 30, MANY = 1000;
const SUMS = new Set(["matvec", "vecmat", "memvec", "vecmem", "add", "sum", "mean"]);

export class Noise {
  /** @param {ShownValues} values */
  constructor(values) {
    this.values = values;
    this.trace = values.trace;
    this.eps = values.single ? 2 ** -23 : 2 ** -52;
    this.deep = 0;
    /** @type {Map<string, boolean>} */
    this.left = new Map();
    /** @type {Map<string, boolean>} */
    this.needed = new Map();
    /** @type {Map<string, [Float64Array, Float64Array] | null>} */
    this.both = new Map();
    /** @type {Map<string, {stage: Stage, line: Line, later: number}[]>} lines by the line that they use, and how many steps later */
    this.read_by = new Map();
    for (const stage of this.trace.stages) {
      for (const line of stage.cell.lines) {
        for (const name of new Set(reads(line))) {
          const [scope, own, t] = made(this.trace, [stage.scope, name, 0, 0, []]), key = `${scope}/${own}`;
          this.read_by.set(key, [...(this.read_by.get(key) ?? []), { stage, line, later: -Number(t) }]);
        }
      }
    }
  }

  /** Whether a value may be round-off residue by its size. @param {number} value */
  is_small(value) {
    return value !== 0 && Math.abs(value) < Math.sqrt(this.eps);
  }

  /** Whether a value is shown as 0 although it was recorded as another number. @param {Key} key @param {number} value */
  hides(key, value) {
    if (!this.is_small(value)) return false;
    const own = made(this.trace, key), text = key_text(own);
    if (!this.is_left(own)) return false;
    if (!this.needed.has(text)) {
      const [group, needed] = this.group(own);
      for (const one of group) this.needed.set(one, needed);
    }
    return !this.needed.get(text);
  }

  /** The values that are 0 together with one, and whether a consumer needs them unchanged. @param {Key} key @returns {[Set<string>, boolean]} */
  group(key) {
    const found = new Set([key_text(key)]), todo = [key];
    let needed = false;
    while (todo.length && found.size < MANY) {
      const own = /** @type {Key} */ (todo.pop()), [scope, name, t, b] = own, stage = stage_of(this.trace, scope);
      const near = this.places(stage, /** @type {Line} */ (by_name(stage.cell).get(name)), /** @type {number} */ (t), /** @type {number} */ (b)).map(([, , one]) => one);
      for (const [reader, changes] of this.readers(own)) {
        if (this.is_left(reader)) near.push(reader);
        else needed ||= changes;
      }
      for (const one of near) {
        if (found.has(key_text(one))) continue;
        found.add(key_text(one));
        todo.push(one);
      }
    }
    return [found, needed];
  }

  /** Whether a value is round-off residue, regardless of its consumers. @param {Key} key */
  is_left(key) {
    const text = key_text(key), known = this.left.get(text);
    if (known !== undefined) return known;
    const [scope, name, t, b, [unit]] = key, stage = stage_of(this.trace, scope), line = by_name(stage.cell).get(name), values = this.trace.lines[scope]?.[name];
    if (!line || !values || t === null || b === null || !is_step(this.trace, t)) return false;
    const value = number_at(this.trace, values, t, b, unit);
    if (!this.is_small(value)) return false;
    if (this.deep === DEEP) { // shown from here on, for every request
      this.left.set(text, false);
      return false;
    }
    this.deep += 1;
    const both = this.without(stage, line, t, b);
    let left = Boolean(both && both[0][unit] !== 0 && both[1][unit] === 0);
    const sum = SUMS.has(line.op);
    if (left || !sum || Math.abs(value) <= this.most(stage, line, t, b)[unit]) {
      const exact = this.values.exact.of(key);
      if (exact) left = exact.n === 0n; // from given numbers as written: 0.1 + 0.2 - 0.3, but not 1 - 0.9999999
      else if (sum) left ||= Math.abs(value) <= this.rounding(stage, line, t, b, unit);
    }
    this.deep -= 1;
    this.left.set(text, left);
    return left;
  }

  /** @param {Stage} stage @param {Line} line @param {number} t @param {number} b @returns {Array[] | null} */
  operands(stage, line, t, b) {
    const arrays = line.operands.map((name) => this.values.array(stage.scope, name));
    return arrays.some((one) => !one) ? null : arrays.map((one) => here(this.trace, /** @type {Array} */ (one), t, b));
  }

  /** Operand, unit and key of operands of a line that are 0 up to rounding. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @returns {[number, number, Key][]} */
  places(stage, line, t, b) {
    const found = /** @type {[number, number, Key][]} */ ([]);
    (this.operands(stage, line, t, b) ?? []).forEach(({ data }, n) => {
      if (this.values.array(stage.scope, line.operands[n])?.shape.length !== 3) return;
      data.forEach((value, unit) => {
        const key = this.is_small(value) ? made(this.trace, [stage.scope, String(line.operands[n]), t, b, [unit]]) : null;
        if (key && this.is_left(key)) found.push([n, unit, key]);
      });
    });
    return found;
  }

  /** A line's values, and those with such operands replaced by 0; null if there are none. @param {Stage} stage @param {Line} line @param {number} t @param {number} b */
  without(stage, line, t, b) {
    const text = key_text([stage.scope, line.name, t, b, []]), known = this.both.get(text);
    if (known !== undefined) return known;
    const places = this.places(stage, line, t, b), operands = this.operands(stage, line, t, b), width = this.trace.lines[stage.scope]?.[line.name]?.shape[2];
    let found = /** @type {[Float64Array, Float64Array] | null} */ (null);
    if (places.length && operands && width) {
      const zeroed = operands.map(({ shape, data }) => ({ shape, data: data.slice() }));
      for (const [n, unit] of places) zeroed[n].data[unit] = 0;
      found = [computed(line, operands, width, this.values.single), computed(line, zeroed, width, this.values.single)];
    }
    this.both.set(text, found);
    return found;
  }

  /** Values that change with a residue, and whether their digits on the page change. @param {Key} key @returns {Generator<[Key, boolean]>} */
  *readers([scope, name, t, b]) {
    for (const { stage, line, later } of this.read_by.get(`${scope}/${name}`) ?? []) {
      const step = Number(t) + later;
      if (!is_step(this.trace, step) || !this.trace.lines[stage.scope]?.[line.name]) continue;
      const both = this.without(stage, line, step, /** @type {number} */ (b));
      for (const unit of both ? range(both[0].length).filter((k) => both[0][k] !== both[1][k]) : []) {
        const [was, now] = /** @type {[Float64Array, Float64Array]} */ (both).map((some) => JSON.stringify(this.values.shown(some[unit], line.name).shown));
        yield [[stage.scope, line.name, step, b, [unit]], was !== now];
      }
    }
  }

  /** A cheap upper bound of `rounding` for each unit. @param {Stage} stage @param {Line} line @param {number} t @param {number} b */
  most(stage, line, t, b) {
    const operands = (this.operands(stage, line, t, b) ?? []).map(({ shape, data }) => ({ shape, data: data.map(Math.abs) }));
    const count = line.op === "add" ? operands.length : /** @type {number} */ (operands[summed(line)].shape.at(-1));
    const sizes = computed({ ...line, constants: line.constants.map(Math.abs) }, operands, this.trace.lines[stage.scope][line.name].shape[2], this.values.single);
    return sizes.map((size) => (count + 2) * this.eps * size);
  }

  /** The possible rounding error of a sum: that of its terms, and of the partial sums from left to right. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit */
  rounding(stage, line, t, b, unit) {
    let tree = this.values.exact.tree(stage, line, t, b, unit);
    if (tree?.kind === "quot" && line.op === "mean") tree = tree.over;
    if (tree?.kind !== "sum") return 0;
    const fit = this.values.single ? Math.fround : Number;
    let off = 0, total = /** @type {number | null} */ (null);
    for (const [k, term] of tree.terms.entries()) {
      const [value, error] = this.term(term), signed = tree.signs[k] > 0 ? value : -value;
      off += error + (total === null ? 0 : this.half(fit(total + signed)));
      total = total === null ? signed : fit(total + signed);
    }
    if (line.op === "mean") off /= tree.terms.length;
    return Number.isFinite(off) ? off : 0;
  }

  /** A number or a product of two as computed, and its possible error. @param {Node} term @returns {[number, number]} */
  term(term) {
    const { single } = this.values;
    if (term.kind === "prod") {
      const [[a, off_a], [b, off_b]] = [this.term(term.left), this.term(term.right)], found = single ? Math.fround(a * b) : a * b;
      let off = Math.abs(a) * off_b + Math.abs(b) * off_a;
      if (Number.isFinite(found)) {
        const [x, y, z] = [a, b, found].map(exactly);
        if (x.n * y.n * z.d !== z.n * x.d * y.d) off += this.half(found);
      }
      return [found, off];
    }
    const exact = term.key ? this.values.exact.of(term.key) : fraction(term.value);
    if (!exact || !Number.isFinite(term.value)) return [term.value, this.half(term.value)];
    const own = exactly(term.value), n = own.n * exact.d - exact.n * own.d, d = own.d * exact.d;
    return [term.value, quotient(n < 0n ? -n : n, d)];
  }

  /** Half a unit in the last place. @param {number} value */
  half(value) {
    const size = Math.abs(value), least = this.values.single ? 2 ** -149 : 2 ** -1074;
    if (!Number.isFinite(size)) return NaN;
    let unit = 2 ** Math.floor(Math.log2(size)) * this.eps;
    if (size < unit / this.eps) unit /= 2; // the logarithm was rounded up
    return Math.max(unit || least, least) / 2;
  }
}

/** A quotient of whole numbers as a float. @param {bigint} n @param {bigint} d */
function quotient(n, d) {
  const more = Math.max(0, d.toString(2).length - n.toString(2).length + 60);
  return Number((n << BigInt(more)) / d) * 2 ** -Math.min(more, 1074);
}
