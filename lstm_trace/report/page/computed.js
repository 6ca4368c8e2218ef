import { equal, fraction, is_short, printed as exactly_printed, styled } from "../../lines/numbers.js";
import { run } from "../../lines/run.js";
import { backwards } from "../../lines/sizes.js";
import { read } from "../../lines/trace.js";
import { each_array, extent, first_of } from "../../lines/values.js";
import { ShownValues } from "../../service/static/bench/local/values.js";
import { alike, all_parts, formula_of, same, value_of } from "./formula.js";
import { every, BLOCKS, decimals, json, number_of, printed, word, write } from "./shown.js";
import { cells } from "./unparsed.js";

// A report on the page, whose numbers are computed from the premises of its trace: what does not agree, and what follows
// from another premise.

/** @import { Style } from "../../lines/numbers.js" */
/** @import { Cell, Scoped, Trace, Values } from "../../lines/types.js" */
/**
 * A number: its place in the trace, how it is displayed, and where it is in the page.
 * @typedef {{part: string, scope: string, name: string, at: number, given: boolean, short: boolean, residue: boolean,
 *   address: string, elements: HTMLElement[], as_written: Node[][], written?: boolean}} Place   written: whether it is another than given
 */

/** A trace with other premises. @param {Trace} trace @param {(values: Float64Array) => Float64Array} other @returns {Trace} */
function with_premises(trace, other) {
  const one = (/** @type {Values} */ values) => ({ ...values, data: other(values.data) });
  const all = (/** @type {Scoped} */ scoped) => each_array(scoped, one);
  return { ...trace, x: trace.x && one(trace.x), parameters: all(trace.parameters), initial: all(trace.initial), given: all(trace.given) };
}

/** @param {HTMLElement[]} elements @param {(element: HTMLElement) => string | undefined} key */
function grouped(elements, key) {
  const found = /** @type {Map<string | undefined, HTMLElement[]>} */ (new Map());
  for (const element of elements) found.set(key(element), [...(found.get(key(element)) ?? []), element]);
  return found;
}

/** A cell as it stands in the page. @param {any} cell @returns {Cell} */
const cell_of = (cell) => ({
  ...cell, functions: [], plain: null, held: [], scaled: [], text: "",
  lines: cell.lines.map((/** @type {any} */ [name, op, operands, constants]) => ({ name, op, operands, constants, call: [] })),
});

/** Whether a number is a premise. @param {Place} place */
export const is_given = (place) => place.part !== "lines" && place.part !== "sums";

/** What a negative number does not follow without parentheses. */
const SIGN = /^[+−⊙⋅·]$/;

export class Report {
  lost = false;

  /** @param {Element} source the element with its premises */
  constructor(source) {
    const data = json(source);
    /** Where the pictures and the slider are; a single report has its title outside of it. */
    this.body = /** @type {HTMLElement} */ (source.closest("article, main"));
    this.root = this.body.matches("article") ? this.body : document.body;
    /** @type {Style} */
    this.style = data.style;
    /** @type {[number, number]} decimals and units of the values in a picture */
    this.picture = data.picture;
    data.trace.stages.forEach((/** @type {any} */ stage, /** @type {number} */ n) => cells.set(stage.equations, cell_of(data.cells[n])));
    /** @type {Trace} */
    this.premises = read(JSON.stringify(data.trace));
    /** @type {{whole: boolean, terms: number | null}} how formulas with numbers are written */
    this.written = data;
    this.single = /** @type {any} */ (this.premises.head).dtype === "float32";
    this.ran = this.first = run(this.premises);
    this.values = new ShownValues(this.ran, this.style);
    /** Those of the pictures. @type {ShownValues | null} */
    this.drawn = null;
    /** @type {Place[]} */
    this.places = [];
    /** Numbers that follow from values, and are not computed here. @type {Element[]} */
    this.others = [];
    const uses = grouped(every('a[href^="#n"]', this.root), (link) => link.getAttribute("href")?.slice(1));
    const loose = grouped(every("[data-n]", this.root), (number) => number.dataset.n);
    const mark = this.root === this.body ? `${this.root.id.slice(1)}-` : "";
    this.#place(data.numbers, (n) => {
      const id = `n${mark}${n.toString(36)}`, made = document.getElementById(id);
      return made ? [made, ...(uses.get(id) ?? [])] : [];
    });
    this.#place(data.loose, (n) => loose.get(String(n)) ?? []);
    const by_hand = /** @type {any} */ (this.premises.head).arithmetic ? this.others.filter((number) => !number.closest(".tells")) : [];
    /** Steps of chains with what a person rounded, and values in full precision: they are not computed here, and would
     *  be wrong beside numbers that are. @type {Map<Element, Node[]>} */
    this.steps = new Map(by_hand.flatMap((number) => {
      const part = number.closest("math");
      return part?.firstElementChild?.matches('mo[form="infix"]') ? [[part, [...part.childNodes]]] : [];
    }));
    /** @type {Map<Element, Node[]>} */
    this.full = new Map(by_hand.flatMap((number) => (this.steps.has(/** @type {Element} */ (number.closest("math"))) ? [] : [[number, [...number.childNodes]]])));
    /** Negative numbers that are in parentheses since they follow a sign, with those. @type {Map<Element, Element[]>} */
    this.bracketed = new Map(this.places.flatMap(({ elements }) => elements).flatMap((element) => {
      const number = element.closest("mn"), row = number?.parentElement, parts = row ? [...row.children] : [], alone = parts.length === 3 && parts[1] === number;
      return number && alone && row?.matches("mo + mrow") && SIGN.test(row.previousElementSibling?.textContent ?? "") && parts[0].textContent === "(" ? [[number, parts]] : [];
    }));
    this.changes = /** @type {Map<Place, number>} */ (new Map());
    this.signs = this.#signs();
    this.spots = new Map(every(".live g.tip text", this.body).map((spot) => [spot, spot.textContent]));
  }

  /**
   * The places of numbers with their elements.
   * @param {[number, string, string, string, number, number][]} runs   numbers that follow one another in an array
   * @param {(n: number) => HTMLElement[]} elements_of
   */
  #place(runs, elements_of) {
    let count = 0;
    for (const [n, part, scope, name, first, flags] of runs) {
      for (let k = 0; k < n; k++) {
        const elements = elements_of(count++), at = first + k, [given, short, residue] = [1, 2, 4].map((flag) => Boolean(flags & flag));
        if (part === undefined) this.others.push(...elements);
        if (!elements.length) this.lost = true;
        if (!elements.length || part === undefined) continue;
        const as_written = elements.map((element) => [...element.childNodes]);
        this.places.push({ part, scope, name, at, given, short, residue, elements, as_written, address: elements[0].dataset.a ?? this.#address(part, scope, name, at) });
      }
    }
  }

  /** The address of a number. @param {string} part @param {string} scope @param {string} name @param {number} at */
  #address(part, scope, name, at) {
    const { shape } = part === "x" ? /** @type {any} */ (this.first.x) : /** @type {any} */ (this.first)[part][scope][name];
    const [wide, high] = [shape.at(-1), shape.at(-2) ?? 1], unit = at % wide, rest = Math.floor(at / wide);
    if (part === "parameters" || part === "sums") return `${scope}/${name}[${shape.length > 1 ? `${rest},` : ""}${unit}]`;
    const steps = part === "initial" ? "" : `${Math.floor(rest / high) + first_of(this.premises)}/`;
    return `${scope && `${scope}/`}${steps}${rest % high}/${name || "x_t"}[${unit}]`;
  }

  /** The values of an array of a trace. @param {Trace} trace @param {{part: string, scope: string, name: string}} place @returns {Float64Array} */
  array(trace, { part, scope, name }) {
    return part === "x" ? /** @type {any} */ (trace.x).data : /** @type {any} */ (trace)[part][scope][name].data;
  }

  /** A number as it was written. @param {Place} place @param {number} value */
  text(place, value) {
    const residue = place.residue && Math.abs(value) < 1e-7;
    const { scope, name, given, single } = { ...place, single: this.single };
    const carry = this.premises.stages.find((stage) => stage.scope === scope)?.cell.carry;
    const carried = carry?.find(([state]) => state === name)?.[1] ?? name; // an initial value is displayed like the state
    const short = place.short && is_short(this.style, [value], single);
    return printed(styled(this.style, value, { name: carried, given, short, noise: residue, single }));
  }

  /** How a report of the numbers as they are now has a number. @param {Place} place */
  #num({ part, scope, name, at }) {
    const { shape } = /** @type {Values} */ (part === "x" ? this.ran.x : /** @type {any} */ (this.ran)[part][scope][name]);
    const wide = /** @type {number} */ (shape.at(-1)), unit = at % wide, rest = Math.floor(at / wide);
    if (part === "parameters") return this.values.num(scope, name, null, null, shape.length > 1 ? [rest, unit] : [unit]);
    if (part === "sums") return this.values.shown(this.array(this.ran, { part, scope, name })[at], name);
    const { stages } = this.ran, read = stages.flatMap((stage) => Object.entries(stage.sources).flatMap(([own, source]) => (source === "x" ? [[stage.scope, own]] : [])));
    const [there, own] = part === "x" ? read[0] : [scope, name], steps = part === "initial" ? 1 : shape[0], batch = shape.at(-2) ?? 1;
    const start = part === "initial" && backwards(/** @type {any} */ (stages.find((stage) => stage.scope === scope))) ? extent(this.ran)[0] - 1 : 0;
    return this.values.num(there, own, first_of(this.ran) + start + (steps > 1 ? Math.floor(rest / batch) : 0), rest % batch, [unit]);
  }

  /** How far from what was computed here a number may be, since another program may round otherwise. By how much the
   *  numbers change if every premise changes in its last digit measures it. */
  #leeway() {
    const unit = this.single ? 2 ** -23 : 2 ** -52, exact = /** @type {any} */ (this.premises.head).arithmetic;
    let seed = 1;
    const nudged = (/** @type {number} */ value) => {
      seed = (seed * 48271) % 2147483647;
      return (this.single ? Math.fround : Number)(value * (1 + (seed & 64 ? unit : -unit)));
    };
    const other = exact ? this.first : run(with_premises(this.premises, (values) => values.map(nudged)));
    const found = /** @type {Map<Float64Array, number>} */ (new Map());
    return (/** @type {Place} */ place) => {
      if (is_given(place) || exact) return 0;
      const [here, there] = [this.array(this.first, place), this.array(other, place)];
      if (!found.has(here)) {
        const off = [...here].map((value, k) => Math.abs(value - there[k]) + unit * Math.abs(value)).filter(Number.isFinite);
        found.set(here, 32 * Math.max(0, ...off));
      }
      return found.get(here) ?? 0;
    };
  }

  /** What is wrong: elements, with a sentence. @param {Set<Element>} blocks those that are not as they were written */
  check(blocks) {
    const faults = /** @type {[Element, string][]} */ ([]), leeway = this.#leeway();
    let count = 0;
    for (const place of this.places) {
      const value = this.array(this.first, place)[place.at], right = this.text(place, value), allowed = leeway(place);
      for (const element of place.elements) {
        const text = element.textContent ?? "", unit = 10 ** -Math.max(decimals(text), decimals(right));
        const near = Math.abs(number_of(text) - value) <= allowed + unit * (0.5 + 1e-6) || (place.residue && text === right);
        const same = text === right || near;
        count++;
        if (same && (text === right || !blocks.has(/** @type {Element} */ (element.closest([...BLOCKS].join()))))) continue;
        faults.push([element, word(is_given(place) ? "other" : "wrong", { address: place.address, shown: text, computed: right })]);
      }
    }
    return { count, faults };
  }

  // -- changes ----------------------------------------------------------------------------------------------------------

  /** The signs = and ≈ before numbers, each with the formula to its left and to its right, and the places of the numbers in them. */
  #signs() {
    const of = new Map(this.places.flatMap((place) => place.elements.map((element) => [element, place])));
    const within = (/** @type {Element} */ part) => [part, ...every("mn, a", part)].flatMap((element) => of.get(/** @type {HTMLElement} */ (element)) ?? []);
    const starts = (/** @type {Element} */ part, /** @type {RegExp} */ signs) => signs.test(part.querySelector('mo[form="infix"]:first-child')?.textContent ?? "");
    return every("mo", this.root).filter((sign) => /^[=≈]$/.test(sign.textContent ?? "") && sign.nextElementSibling).flatMap((sign) => {
      const part = /** @type {Element} */ (sign.closest(".stage") ?? sign.parentElement), left = [], right = [], steps = /** @type {Element[]} */ ([]);
      for (let at = part.previousElementSibling; at?.matches("math, wbr, .stage"); at = at.previousElementSibling) {
        if (this.steps.has(at)) { steps.push(at); continue; }
        left.unshift(at);
        if (at.matches("math, .stage") && !starts(at, /^[+−]/)) break;
      }
      for (let at = sign.nextElementSibling; at; at = at.nextElementSibling) right.push(at);
      let at = (part === sign.parentElement ? part : /** @type {Element} */ (sign.parentElement)).nextElementSibling;
      for (; at?.matches("math, wbr") && !starts(at, /^[=≈]/); at = at.nextElementSibling) right.push(at);
      const before = left.flatMap(within), after = right.flatMap(within), last = !at && !part.nextElementSibling?.matches("math, wbr, .stage");
      return after.length ? [{ sign, was: sign.textContent, left, right, before, after, last, steps }] : [];
    });
  }

  /** Whether what is printed on both sides of a sign is equal. @param {{sign: Element, left: Element[], right: Element[], before: Place[], after: Place[], last: boolean, was: string | null, steps: Element[]}} sign */
  #equal({ left, right, before, after, last, was, steps }) {
    const [one, two] = [left, right].map(formula_of), [a, b] = [one, two].map(value_of), parts = all_parts(one);
    if (a && b) return same(a, b);
    if (steps.length) return false;
    const is_value = /^(number|table)$/.test(two.kind);
    if (!before.length && !(last && is_value)) return was === "="; // numbers are put in
    if (alike(one, two)) return true;
    if (one.kind === "call" && !is_value && two.text !== one.text) return was === "="; // what the function stands for
    const known = before.length > 0 && !parts.some(({ kind, text }) => /[…⋯⋮]/.test(text) || (kind === "call" && text === "held"));
    return is_value && after.every((place) => this.#relation(place, known) === "=");
  }

  /** The sign before a number. @param {Place} place @param {boolean} with_numbers whether it follows a formula with numbers, not a symbol */
  #relation(place, with_numbers) {
    const found = this.#num(place), stage = this.ran.stages.find((one) => one.scope === place.scope);
    const line = stage?.cell.lines.find((one) => one.name === place.name);
    if (!found.key) return equal(fraction(found.value, this.single), exactly_printed(found.shown)) ? "=" : "≈";
    if (!with_numbers || place.part !== "lines" || !stage || !line) return this.values.relation(found, null);
    const [, , t, b, [unit]] = found.key, whole = this.written.whole || stage.direction.startsWith("adjoint-");
    const tree = this.values[whole ? "whole" : "tree"](stage, line, t, b, unit, this.written.terms);
    return this.values.relation(found, tree?.kind === "num" ? null : tree);
  }

  /** Put another number in the place of a given one. @param {Place} place @param {number | null} value as given if null */
  change(place, value) {
    const given = this.array(this.first, place)[place.at];
    const fitted = this.single && value !== null ? Math.fround(value) : value;
    if (fitted === null || fitted === given) this.changes.delete(place);
    else this.changes.set(place, fitted);
    this.compute();
  }

  /** As given, or with all changes. */
  compute() {
    const trace = with_premises(this.premises, (values) => values.slice());
    for (const [place, value] of this.changes) this.array(trace, place)[place.at] = value;
    this.ran = this.changes.size ? run(trace) : this.first;
    this.values = new ShownValues(this.ran, this.style);
    this.drawn = null;
    this.show();
  }

  /** All premises as given. */
  restored() {
    this.changes.clear();
    this.compute();
  }

  /** Write the numbers of a run, and mark those that are others than at first. @param {Trace} [ran] */
  show(ran = this.ran) {
    const moved = new Set(), given = ran === this.first;
    for (const place of this.places) {
      const [before, now] = [this.first, ran].map((trace) => this.array(trace, place)[place.at]);
      const was = this.text(place, before), text = given ? was : printed(this.#num(place).shown), follows = was !== text;
      if (!Object.is(now, before)) moved.add(place);
      if (!follows && !place.written) continue;
      place.written = follows;
      place.elements.forEach((element, k) => {
        if (element.closest(".tells :is(p, li), p.tells")) return; // a sentence is about the numbers as given
        element.classList.toggle("moved", follows && now !== before && !this.changes.has(place));
        element.classList.toggle("edited", follows && this.changes.has(place));
        const number = element.closest("mn"), around = this.bracketed.get(/** @type {Element} */ (number));
        if (number && around) number.parentElement?.replaceChildren(...(text.startsWith("−") ? around : [number]));
        if (!follows) return element.replaceChildren(...place.as_written[k]);
        const holder = element.matches("a") || !element.querySelector("a") ? element : /** @type {Element} */ (element.querySelector("a"));
        const behind = (number ?? element).previousElementSibling;
        const bracketed = text.startsWith("−") && !was.startsWith("−") && behind?.matches("mo") && SIGN.test(behind.textContent ?? "");
        return write(holder, bracketed ? `(${text})` : text);
      });
    }
    for (const one of this.signs) {
      const follows = [...one.before, ...one.after].some((place) => moved.has(place)), other = follows && (this.style.digits !== null || one.steps.length);
      for (const step of one.steps) step.replaceChildren(...(follows ? [] : this.steps.get(step) ?? []));
      one.sign.textContent = other ? (this.#equal(one) ? "=" : "≈") : one.was;
    }
    for (const part of every(".tells :is(p:not(.hint), li, figure, td:not([id], :has(a))), p.tells", this.root)) part.classList.toggle("dimmed", !given);
    for (const other of this.others) other.classList.toggle("dimmed", !given);
    for (const [number, as_written] of this.full) number.replaceChildren(...(given ? as_written : ["–"]));
    this.#pictures(given);
  }

  /** The values of the picture of a cell, in the order of its spots. @param {Element} figure @param {number} t position in the arrays @param {number} b */
  #texts(figure, t, b) {
    const stage = this.premises.stages.find((one) => one.scope === figure.getAttribute("data-s"));
    const values = this.drawn ??= new ShownValues(this.ran, { ...this.style, digits: this.picture[0], significant: null, lines: {} });
    return every("g.tip text", figure).map((spot) => {
      const name = spot.dataset.line ?? "", array = stage && values.array(stage.scope, name);
      if (!stage || array?.shape.length !== 3) return spot.textContent ?? "";
      const wide = array.shape[2], most = this.picture[1], units = [...Array(wide > most ? most - 1 : wide).keys()];
      const texts = units.map((unit) => printed(values.num(stage.scope, name, t + first_of(this.ran), b, [unit]).shown, false));
      return (wide > most ? [...texts, "…"] : texts).join(this.style.comma ? "; " : ", ");
    });
  }

  /** The texts of the pictures follow; the slider asks for them. */
  #pictures(/** @type {boolean} */ given) {
    const bar = this.body.querySelector(".bar"), first = first_of(this.premises);
    /** @type {any} */ (this.body).texts = given
      ? null
      : (/** @type {Element} */ figure, /** @type {number} */ t, /** @type {number} */ b) => this.#texts(figure, t - first, b);
    if (bar) bar.dispatchEvent(new Event("input"));
    else {
      for (const figure of every(".live", this.body)) {
        const texts = this.#texts(figure, 0, 0);
        every("g.tip text", figure).forEach((spot, k) => { spot.textContent = given ? this.spots.get(spot) ?? "" : texts[k]; });
      }
    }
  }
}
