// The recorded numbers of a trace as displayed, and whether the relation printed between them is = or ≈:
// formulas/values.py, view/hand_size.py. Round-off residue near zero is shown as 0, if no value that depends on it would be
// printed with other digits.
import { assigned, by_name, hold_names, product, reads, remembers, states } from "../../../../lines/cells.js";
import { exact_value, ROUNDED } from "../../../../lines/equality.js";
import { as_rounded, equal, exactly, fraction, is_short, is_whole, printed, styled } from "../../../../lines/numbers.js";
import { OPERATIONS as COMPUTED } from "../../../../lines/operations.js";
import { backwards } from "../../../../lines/sizes.js";
import { OPERATIONS } from "../../../../lines/table.js";
import { extent, first_of, operand } from "../../../../lines/values.js";
import { head_of } from "./labels.js";
import { on_paper } from "./paper.js";
import { columns_of, forward_stages, is_adjoint, is_step, made, number_at, span, stage_of } from "./places.js";
import { call, HELD, num, number, numbers, pieces, substituted } from "./tree.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Operand} Operand */
/** @typedef {import("../../../../lines/types.js").Values} Array */
/** @typedef {import("../../../../lines/numbers.js").Style} Style */
/** @typedef {import("../../../../lines/numbers.js").Fraction} Fraction */
/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./tree.js").Key} Key */

const is_single = (/** @type {Trace} */ trace) => head_of(trace).dtype === "float32";
const size_of = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);
const range = (/** @type {number} */ n) => [...globalThis.Array(n).keys()];

/** A line computed from the numbers of its operands at one step and sequence. @param {Line} line @param {{data: Float64Array, shape: number[]}[]} operands @param {number} width @param {boolean} single */
export function computed({ op, constants }, operands, width, single) {
  const out = new Float64Array(width), rounded = single ? Math.fround : Number;
  const read = operands.map(({ data, shape }) => ({ data, at: 0, width: /** @type {number} */ (shape.at(-1)), unit: data.length === 1 ? 0 : 1 }));
  COMPUTED[op](out, 0, width, read, single ? constants.map(rounded) : constants, rounded);
  return single ? out.map(rounded) : out;
}

/** The numbers of an operand at a step and sequence; of a parameter all of them. @param {Trace} trace @param {Array} values @param {number} t @param {number} b @returns {Array} */
export function here(trace, values, t, b) {
  if (values.shape.length < 3) return values;
  const [, batch, width] = values.shape, at = ((t - first_of(trace)) * batch + b) * width;
  return { shape: [width], data: values.data.subarray(at, at + width) };
}

// -- the style of a page -----------------------------------------------------------------------------------------------

/** The largest matrix that is written out; maximum count of individual numbers; decimals of a problem of hand size. */
const MATRIX = [4, 6], SCALARS = 400, FEW = [4, 5], DECIMALS = 5;

/** How every part of a page shows the numbers of a run. @param {Trace} trace @param {number | null} digits those asked for @returns {Style} */
export function style_of(trace, digits) {
  const written = { kept: true, written: true }, { arithmetic } = head_of(trace);
  if (digits !== null) return { digits, ...written };
  const found = usual_style(trace);
  return { ...found, digits: arithmetic ? found.digits : Math.min(/** @type {number} */ (found.digits), DECIMALS), ...written };
}

/** The decimals of a report if none are requested: those of the problem; few at hand size; those used by hand; or 8. @param {Trace} trace @returns {Style} */
function usual_style(trace) {
  const { digits, arithmetic } = head_of(trace), noted = Number(/^by-hand-(\d+)$/.exec(arithmetic ?? "")?.[1] ?? 0);
  if (typeof digits === "number") return { digits };
  if (noted > 0) return { digits: noted, given: Math.max(8, noted) };
  const weights = Object.values(trace.parameters).flatMap((some) => Object.values(some)).filter(({ shape }) => shape.length === 2);
  const fit = weights.every(({ shape }) => shape.every((n, axis) => n <= MATRIX[axis]));
  const count = forward_stages(trace).flatMap(({ scope }) => Object.values(trace.lines[scope] ?? {})).reduce((n, { data }) => n + data.length, 0);
  const of_hand = fit && count <= SCALARS;
  if (arithmetic || !(trace.stages.some(is_adjoint) ? of_hand : fit)) return { digits: 8 };
  if (!of_hand) return { digits: FEW[0] };
  const [few, more] = FEW.map((places) => astray(trace, places));
  return { digits: more < few ? FEW[1] : FEW[0] };
}

/** How many numbers, shown with so many decimals, do not follow from the numbers shown before them. @param {Trace} trace @param {number} digits */
function astray(trace, digits) {
  const single = is_single(trace), shown = (/** @type {number} */ value) => as_rounded(value, digits, single);
  const each = (/** @type {Array} */ { shape, data }) => ({ shape, data: data.map(shown) });
  const all = (/** @type {import("../../../../lines/types.js").Scoped} */ part) => Object.fromEntries(Object.entries(part).map(([scope, some]) => [scope, Object.fromEntries(Object.entries(some).map(([name, values]) => [name, each(values)]))]));
  const { lines, parameters, initial, given, x } = trace;
  const rounded = { ...trace, lines: all(lines), parameters: all(parameters), initial: all(initial), given: all(given), x: x && each(x) };
  let found = 0;
  for (const stage of trace.stages) {
    for (const line of stage.cell.lines) {
      const values = rounded.lines[stage.scope]?.[line.name], operands = line.operands.map((name) => operand(rounded, stage, name));
      if (!values || operands.some((one) => !one)) continue;
      for (const t of span(trace)) {
        for (let b = 0; b < extent(trace)[1]; b++) {
          const again = computed(line, operands.map((one) => here(trace, /** @type {Array} */ (one), t, b)), values.shape[2], single);
          again.forEach((value, k) => { found += Number(shown(value) !== number_at(trace, values, t, b, k)); });
        }
      }
    }
  }
  return found;
}

// -- numbers as displayed ----------------------------------------------------------------------------------------------

const COPIES = new Set(["copy", "slice", "concat"]);
/** @param {Key} key */
const text_of = ([scope, name, t, b, index]) => `${scope}/${name}/${t}/${b}/${index}`;

export class ShownValues {
  /** @param {Trace} trace @param {Style} style */
  constructor(trace, style) {
    this.trace = trace;
    this.style = style;
    this.single = is_single(trace);
    this.arithmetic = Boolean(head_of(trace).arithmetic);
    /** @type {Map<string, Array | null>} */
    this.arrays = new Map();
    /** @type {Map<string, Node>} */
    this.nums = new Map();
    /** @type {Map<Array, boolean>} */
    this.short = new Map();
  }

  /** All recorded values of an operand; null if there are none. @param {string} scope @param {Operand} name @returns {Array | null} */
  array(scope, name) {
    const key = `${scope}/${typeof name}/${name}`;
    if (!this.arrays.has(key)) this.arrays.set(key, operand(this.trace, stage_of(this.trace, scope), name));
    return this.arrays.get(key) ?? null;
  }

  /** One number: of a line, input or state at step t and sequence b; of a parameter if those are null. @param {string} scope @param {Operand} name @param {number | null} t @param {number | null} b @param {number[]} index @returns {Node} */
  num(scope, name, t, b, index) {
    if (typeof name !== "string") return number(name);
    const values = /** @type {Array} */ (this.array(scope, name)), columns = columns_of(this.trace, scope, name);
    if (index.length > 1 && values.shape.length < 2 && columns) index = [index[0] * columns + index[1]]; // a matrix that lies in one row
    const key = /** @type {Key} */ ([scope, name, t, b, index]), text = text_of(key), known = this.nums.get(text);
    if (known) return known;
    const value = this.recorded(key), line = states(stage_of(this.trace, scope).cell).get(name) ?? name;
    const given = this.premise(key);
    if (given && !this.short.has(given)) this.short.set(given, is_short(this.style, given.data, this.single)); // no value has more decimals than are shown
    const noise = !is_whole(this.style) && !this.arithmetic && this.noise.hides(key, value);
    const found = num(styled(this.style, value, { name: line, noise, given: given !== null, short: given !== null && this.short.get(given), single: this.single }), value, key);
    this.nums.set(text, found);
    return found;
  }

  /** A number computed here, as it is shown. @param {number} value @param {string} [name] of its line @param {Key | null} [key] */
  shown(value, name = "", key = null) {
    return num(styled(this.style, value, { name, single: this.single }), value, key);
  }

  /** @param {Key} key @returns {number} */
  recorded([scope, name, t, b, index]) {
    const values = /** @type {Array} */ (this.array(scope, name));
    if (t !== null) return number_at(this.trace, values, t, /** @type {number} */ (b), index[0]);
    return values.data[index.length > 1 ? index[0] * values.shape[1] + index[1] : index[0]];
  }

  /** One unit of a line with numbers in place of symbols; null without operands. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit @param {number | null} [most] terms of a sum @param {(name: Operand, t: number | null, b: number | null, index: number[]) => Node} [leaf] @returns {Node | null} */
  tree(stage, line, t, b, unit, most = null, leaf = (...at) => this.num(stage.scope, ...at)) {
    const found = substituted(line, t, b, unit, (name) => this.array(stage.scope, name), leaf, most);
    return found && line.call[0] === HELD ? call(HELD, [found]) : found;
  }

  /** The same with only the numbers of named values: the expressions of unnamed ones are written out. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit @param {number | null} [most] @returns {Node | null} */
  whole(stage, line, t, b, unit, most = null) {
    /** @type {(name: Operand, t: number | null, b: number | null, index: number[]) => Node} */
    const leaf = (name, ...at) => {
      const inner = by_name(stage.cell).get(String(name));
      if (typeof name !== "string" || !inner || assigned(inner)) return this.num(stage.scope, name, ...at);
      if (inner.call[0] === "count") return number(this.array(stage.scope, inner.call[1])?.shape.at(-1) ?? 1);
      return this.tree(stage, inner, t, b, at[2][0], most, leaf) ?? this.num(stage.scope, name, ...at);
    };
    const found = this.tree(stage, line, t, b, unit, most, leaf);
    return found && on_paper(found);
  }

  /** `=` if the printed numbers on both sides are exactly equal, otherwise `≈`. @param {Node} result @param {Node | null} tree the left side; null for a symbol */
  relation(result, tree) {
    const finite = (/** @type {Node} */ { shown }) => printed(shown) !== null;
    if (!finite(result)) return tree && !numbers(tree).every(finite) ? "=" : "≈";
    const terms = tree?.kind === "quot" ? tree.over : tree;
    if (!tree || pieces(terms).some(({ kind }) => kind === "dots")) return this.is_exact(result) ? "=" : "≈";
    const value = exact_value(tree, ({ shown }) => printed(shown));
    return value && equal(value, printed(result.shown)) ? "=" : "≈";
  }

  /** Whether a number is displayed exactly. @param {Node} result */
  is_exact({ key, shown, value }) {
    if (!key || printed(shown) === null) return true;
    const exact = this.exact.of(key);
    if (exact) return equal(exact, printed(shown));
    const [scope, name] = key, carried = states(stage_of(this.trace, scope).cell).get(name) ?? name;
    return !this.exact.rounded(scope, carried) && equal(fraction(value, this.single), printed(shown));
  }

  /** The given array that contains a number; null for a computed one, also in another layer or step. @param {Key} key @returns {Array | null} */
  premise(key) {
    const [scope, name, t, b, index] = key, { trace } = this, stage = stage_of(trace, scope);
    if (t === null) return this.array(scope, name);
    if (trace.given[scope]?.[name]) return trace.given[scope][name];
    const line = by_name(stage.cell).get(name);
    if (line) { // for concatenations and slices, the number itself
      const copied = COPIES.has(line.op) ? this.tree(stage, line, t, /** @type {number} */ (b), index[0]) : null;
      return copied?.kind === "num" && copied.key ? this.premise(copied.key) : null;
    }
    const before = made(trace, key), carried = states(stage.cell).has(name);
    if (carried && !is_step(trace, before[2])) return trace.initial[scope]?.[name] ?? null;
    if (before !== key) return carried && by_name(stage.cell).has(before[1]) ? null : this.premise(before); // in another layer, or an input that the state carries
    if (stage.sources[name] === "valid") return this.array(scope, name); // determined by lengths or a mask
    return stage.sources[name] === "x" ? trace.x : null;
  }

  get exact() {
    return (this.walk ??= new ExactWalk(this));
  }

  get noise() {
    return (this.zeros ??= new Noise(this));
  }
}

// -- exact values ------------------------------------------------------------------------------------------------------

/** Up to this size of a trace exact values are carried from line to line; and binary digits that are tracked. */
const SMALL = 20_000, BITS = 1n << 512n;

class ExactWalk {
  /** @param {ShownValues} values */
  constructor(values) {
    this.values = values;
    this.trace = values.trace;
    /** @type {Map<string, Fraction | null>} */
    this.found = new Map();
    /** @type {Set<string>} lines that depend on a rounded function */
    this.marked = new Set();
    this.small = false;
    if (values.arithmetic) return; // its values are exact by definition
    const recorded = this.trace.stages.flatMap((stage) => stage.cell.lines.flatMap((line) => (this.trace.lines[stage.scope]?.[line.name] ? [{ stage, line }] : [])));
    this.small = recorded.reduce((n, { stage, line }) => n + size_of(this.trace.lines[stage.scope][line.name].shape) * this.terms(stage, line), 0) <= SMALL;
    for (const stage of this.trace.stages) {
      this.mark(stage);
      const lines = this.small ? recorded.filter((one) => one.stage === stage) : [], steps = span(this.trace);
      for (const t of backwards(stage) ? steps.reverse() : steps) {
        for (const b of range(extent(this.trace)[1])) {
          for (const { line } of lines) for (const k of range(this.trace.lines[stage.scope][line.name].shape[2])) this.found.set(text_of([stage.scope, line.name, t, b, [k]]), this.line(stage, line, t, b, k));
        }
      }
    }
  }

  /** The exact value of one number of the trace: a premise, or a line with an exact value. @param {Key} key @returns {Fraction | null} */
  of(key) {
    const [scope, name, t, b, index] = key, stage = stage_of(this.trace, scope), { values } = this;
    if (this.trace.lines[scope]?.[name]) {
      if (values.arithmetic) return fraction(values.recorded(key), values.single);
      const text = text_of(key);
      if (!this.found.has(text) && !this.small) this.found.set(text, this.line(stage, /** @type {Line} */ (by_name(stage.cell).get(name)), /** @type {number} */ (t), /** @type {number} */ (b), index[0]));
      return this.found.get(text) ?? null;
    }
    const before = made(this.trace, key);
    if (before !== key && is_step(this.trace, before[2])) return this.of(before);
    if (states(stage.cell).has(name)) {
      const first = this.trace.initial[scope]?.[name];
      return first ? fraction(first.data[/** @type {number} */ (b) * first.shape[1] + index[0]], values.single) : null;
    }
    return values.array(scope, name) && fraction(values.recorded(key), values.single);
  }

  /** @param {string} scope @param {string} name */
  rounded(scope, name) {
    return this.marked.has(`${scope}/${name}`);
  }

  /** @param {Stage} stage @param {Line} line */
  terms(stage, line) {
    if (!product(line) && !remembers(line) && OPERATIONS[line.op].width !== "one") return line.operands.length;
    return this.values.array(stage.scope, line.operands[summed(line)])?.shape.at(-1) ?? 1;
  }

  /** One unit of a line with the recorded numbers, for computing and not for display. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit */
  tree(stage, line, t, b, unit) {
    const { values } = this;
    return substituted(line, t, b, unit, (name) => values.array(stage.scope, name), (name, ...at) => {
      const key = typeof name === "string" ? /** @type {Key} */ ([stage.scope, name, ...at]) : null;
      return { kind: "num", value: key ? values.recorded(key) : name, key };
    });
  }

  /** @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit */
  line(stage, line, t, b, unit) {
    const tree = this.tree(stage, line, t, b, unit), found = tree && exact_value(tree, (one) => this.leaf(one));
    return found && found.n < BITS && -found.n < BITS && found.d < BITS ? found : null;
  }

  /** @param {Node} number */
  leaf({ key, value }) {
    if (!key) return fraction(value);
    const [scope, name] = key;
    if (!this.small && this.trace.lines[scope]?.[name]) return null; // a long trace: only lines directly computed from premises
    return this.of(key);
  }

  /** Finds the lines that depend on a rounded function, through carry and layers. @param {Stage} stage */
  mark(stage) {
    for (let before = -1; before < this.marked.size; ) {
      before = this.marked.size;
      for (const line of stage.cell.lines) {
        const sources = reads(line).map((name) => made(this.trace, [stage.scope, name, 0, 0, []]));
        if (ROUNDED.has(line.op) || sources.some(([scope, name]) => this.rounded(scope, name))) this.marked.add(`${stage.scope}/${line.name}`);
      }
    }
  }
}

/** Index of the operand whose units a product or reduction sums. @param {Line} line */
export const summed = ({ op, operands }) => (op === "vecmat" || op === "vecmem" ? 0 : operands.length - 1);

// -- round-off residue -------------------------------------------------------------------------------------------------

/** Maximum number of values followed back to a residue, and of values checked together against their consumers. */
const DEEP = 30, MANY = 1000;
const SUMS = new Set(["matvec", "vecmat", "memvec", "vecmem", "add", "sum", "mean"]);

class Noise {
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
    const own = made(this.trace, key), text = text_of(own);
    if (!this.is_left(own)) return false;
    if (!this.needed.has(text)) {
      const [group, needed] = this.group(own);
      for (const one of group) this.needed.set(one, needed);
    }
    return !this.needed.get(text);
  }

  /** The values that are 0 together with one, and whether a consumer needs them unchanged. @param {Key} key @returns {[Set<string>, boolean]} */
  group(key) {
    const found = new Set([text_of(key)]), todo = [key];
    let needed = false;
    while (todo.length && found.size < MANY) {
      const own = /** @type {Key} */ (todo.pop()), [scope, name, t, b] = own, stage = stage_of(this.trace, scope);
      const near = this.places(stage, /** @type {Line} */ (by_name(stage.cell).get(name)), /** @type {number} */ (t), /** @type {number} */ (b)).map(([, , one]) => one);
      for (const [reader, changes] of this.readers(own)) {
        if (this.is_left(reader)) near.push(reader);
        else needed ||= changes;
      }
      for (const one of near) {
        if (found.has(text_of(one))) continue;
        found.add(text_of(one));
        todo.push(one);
      }
    }
    return [found, needed];
  }

  /** Whether a value is round-off residue, regardless of its consumers. @param {Key} key */
  is_left(key) {
    const text = text_of(key), known = this.left.get(text);
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
    const text = text_of([stage.scope, line.name, t, b, []]), known = this.both.get(text);
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

/** The lines held at a unit. @param {Trace} trace @param {Stage} stage @param {number} t @param {number} b @param {number} unit */
export function held_at(trace, stage, t, b, unit) {
  const given = trace.given[stage.scope] ?? {};
  const is_held = (/** @type {string} */ name) => given[name] && number_at(trace, given[name], t, b, unit < given[name].shape[2] ? unit : NaN);
  return new Set([...hold_names(stage.cell)].filter(([, { hold, scale }]) => is_held(hold) || is_held(scale)).map(([line]) => line));
}
