// The recorded numbers of a trace as displayed, and whether the relation printed between them is = or ≈: formulas/values.py.
import { assigned, by_name, states } from "../../../../lines/cells.js";
import { exact_value } from "../../../../lines/equality.js";
import { equal, fraction, is_short, is_whole, printed, styled } from "../../../../lines/numbers.js";
import { operand } from "../../../../lines/values.js";
import { is_single, key_text } from "./computing.js";
import { ExactWalk } from "./exact.js";
import { on_paper } from "./formulas/paper.js";
import { call, DOTS, HELD, num, number, numbers, pieces, substituted } from "./formulas/tree.js";
import { head_of } from "./labels.js";
import { columns_of, is_step, made, number_at, stage_of } from "./made.js";
import { Noise } from "./residue.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/types.js").Operand} Operand */
/** @typedef {import("../../../../lines/types.js").Values} Array */
/** @typedef {import("../../../../lines/numbers.js").Style} Style */
/** @typedef {import("./formulas/tree.js").Node} Node */
/** @typedef {import("./formulas/tree.js").Key} Key */

const COPIES = new Set(["copy", "slice", "concat"]);

/** The numbers of a trace as they are displayed in a style. */
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
    /** @type {ExactWalk | null} */
    this.walk = null;
    /** @type {Noise | null} */
    this.zeros = null;
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
    const key = /** @type {Key} */ ([scope, name, t, b, index]), text = key_text(key), known = this.nums.get(text);
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

  /** The same with only the numbers of named values: the expressions of unnamed ones are written out. size: how many values, each as often as it is read, before dots follow. @param {Stage} stage @param {Line} line @param {number} t @param {number} b @param {number} unit @param {number | null} [most] @param {number} [size] @returns {Node | null} */
  whole(stage, line, t, b, unit, most = null, size = Infinity) {
    let count = 0;
    /** @type {(name: Operand, t: number | null, b: number | null, index: number[]) => Node} */
    const leaf = (name, ...at) => {
      if ((count += 1) > size) return DOTS;
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
