// The words of replies in a language, and the names of steps, units, layers and sequences: languages/strings.py,
// view/naming.py. The strings come from Python (`number_texts`).
import { percent } from "../../../../lines/numbers.js";
import { backwards, forward_stages, owner } from "../../../../lines/sizes.js";
import { extent, first_of } from "../../../../lines/values.js";
import { axis, labels, step_label, vectors } from "./labels.js";
import { entry_of, stage_of } from "./places.js";
import { at_step } from "./formulas/tree.js";

/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Stage} Stage */
/** The strings of a language by key. @typedef {{[key: string]: string}} Texts */

/** The names of the places of a trace in a language, counted from 0 or 1. */
export class Naming {
  /** @param {Trace} trace @param {Texts} texts @param {number} count_from */
  constructor(trace, texts, count_from) {
    this.trace = trace;
    this.texts = texts;
    this.count_from = count_from;
  }

  /** @param {string} key */
  has(key) {
    return Object.hasOwn(this.texts, key);
  }

  /** The string of a key, with its fields filled in. @param {string} key @param {{[field: string]: string | number}} [fields] */
  word(key, fields = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (_, name) => String(fields[name]));
  }

  /** The parts that are not empty, separated by commas. @param {string[]} parts */
  comma_list(...parts) {
    return parts.filter(Boolean).join(this.texts.list);
  }

  /** The displayed number of a step, unit, row or layer. @param {number} place */
  nth(place) {
    return place + this.count_from;
  }

  /** A number between 0 and 1 in percent. @param {number} value @param {boolean} single */
  share(value, single) {
    const [sign, n] = percent(value, single);
    return this.word({ "<": "share.little", ">": "share.much", "": "share" }[sign], { n });
  }

  /** A unit in words, with its label if the problem has this many labels. @param {number} j @param {number} width @param {import("./labels.js").Axis} of */
  unit(j, width, of) {
    const key = { x: "entry", y: "output", h: "unit" }[of], [name] = labels(this.trace, of, width).slice(j, j + 1);
    return name === undefined ? this.word(key, { j: this.nth(j) }) : this.word(`${key}.named`, { j: this.nth(j), name });
  }

  /** A unit of a line in words; in concatenated vectors it is the unit of its own vector, unless two would have the same name. @param {Stage} stage @param {string} name @param {number} j @param {number} width */
  label(stage, name, j, width) {
    if (this.trace.grids[stage.scope]?.[name]) return this.word("unit.matrix", { at: this.entry(stage, name, j) });
    const parts = vectors(this.trace, stage, name, width);
    let at = j;
    if (new Set(parts.map(([of]) => of)).size === parts.length) {
      for (const [of, size] of parts) {
        if (at < size) return this.unit(at, size, of);
        at -= size;
      }
    }
    return this.unit(parts.length > 1 && new Set(parts.map(([of]) => of)).size === parts.length ? at : j, width, axis(this.trace, stage, name));
  }

  /** The index of a unit of a value, as numbers are counted here. @param {Stage} stage @param {string} name @param {number} j */
  entry(stage, name, j) {
    return entry_of(this.trace, stage.scope, name, j).map((k) => this.nth(k)).join();
  }

  /** A step in words, with its label if there is one. @param {number} t @param {number | null} b */
  step(t, b) {
    const step = this.word("step", { t: this.nth(t) }), name = step_label(this.trace, t, b);
    return name ? this.word("step.named", { step, name }) : step;
  }

  /** A formula at a step: with step numbers for the indices t and t - 1, if the first step has number 1. @param {Stage} stage @param {number} t @param {import("./formulas/tree.js").Node} node */
  at(stage, t, node) {
    if (this.count_from === 0) return node;
    const own = stage_of(this.trace, owner(stage)), now = this.nth(t);
    return at_step(node, new Set(own.cell.parameters), [now, now + (backwards(own) ? 1 : -1)]);
  }

  /** Layer and direction in words; empty if there is only one. @param {Stage} stage */
  place(stage) {
    const every = forward_stages(this.trace);
    if (every.length === 1) return "";
    const layer = this.word("layer", { n: this.nth(stage.layer) });
    if (every.every(({ direction }) => direction === "forward")) return layer;
    return this.word("place", { layer, direction: this.word(`direction.${stage.direction.replace("adjoint-", "")}`) });
  }

  /** Layer, direction, step and sequence in words, those of which there are several. @param {Stage | undefined} stage @param {number | null} t @param {number | null} b */
  where(stage, t, b) {
    const [steps, batch] = extent(this.trace), found = stage ? [this.place(stage)] : [];
    if (t !== null && (steps > 1 || first_of(this.trace) || step_label(this.trace, t, b))) found.push(this.step(t, b));
    if (b !== null && batch > 1) found.push(this.word("row", { b: this.nth(b) }));
    return this.comma_list(...found);
  }
}
