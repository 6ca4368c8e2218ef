// The exact values of a trace's lines, as far as they have one: formulas/exact.py.
import { by_name, product, reads, remembers, states } from "../../../../lines/cells.js";
import { exact_value, ROUNDED } from "../../../../lines/equality.js";
import { fraction } from "../../../../lines/numbers.js";
import { backwards } from "../../../../lines/sizes.js";
import { OPERATIONS } from "../../../../lines/table.js";
import { extent } from "../../../../lines/values.js";
import { key_text, range, summed } from "./computing.js";
import { is_step, made, span, stage_of } from "./made.js";
import { substituted } from "./formulas/tree.js";

/** @typedef {import("./values.js").ShownValues} ShownValues */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../lines/types.js").Line} Line */
/** @typedef {import("../../../../lines/numbers.js").Fraction} Fraction */
/** @typedef {import("./formulas/tree.js").Node} Node */
/** @typedef {import("./formulas/tree.js").Key} Key */

/** Up to this size of a trace exact values are carried from line to line; and binary digits that are tracked. */
const SMALL = 20_000, BITS = 1n << 512n;

export class ExactWalk {
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
    this.small = recorded.reduce((n, { stage, line }) => n + this.trace.lines[stage.scope][line.name].data.length * this.terms(stage, line), 0) <= SMALL;
    for (const stage of this.trace.stages) {
      this.mark(stage);
      const lines = this.small ? recorded.filter((one) => one.stage === stage) : [], steps = span(this.trace);
      for (const t of backwards(stage) ? steps.reverse() : steps) {
        for (const b of range(extent(this.trace)[1])) {
          for (const { line } of lines) for (const k of range(this.trace.lines[stage.scope][line.name].shape[2])) this.found.set(key_text([stage.scope, line.name, t, b, [k]]), this.line(stage, line, t, b, k));
        }
      }
    }
  }

  /** The exact value of one number of the trace: a premise, or a line with an exact value. @param {Key} key @returns {Fraction | null} */
  of(key) {
    const [scope, name, t, b, index] = key, stage = stage_of(this.trace, scope), { values } = this;
    if (this.trace.lines[scope]?.[name]) {
      if (values.arithmetic) return fraction(values.recorded(key), values.single);
      const text = key_text(key);
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
