import { Runs } from "../runs/runs.js";
import { FIRST } from "../runs/served.js";
import { added, continued, same, UNCHANGED } from "./entries.js";
import { overlaid, place_of, same_cell, still, wide } from "./fitting.js";
import { edits_of, params_of, run_of, run_text } from "./link.js";
import { at_number, elsewhere, opened_at, trail, visited } from "./looking.js";
import { array_of, has } from "./places.js";

// What the bench is doing: the source, the edits and their history, the run that they give, what it is compared with,
// and the number that is looked at. Every change gives a new state; the page is drawn from it.

const START = {
  source: "", entries: [UNCHANGED], index: 0, run: null, before: null, drawn: null, premises: [], unit_row: 0, pinned: null,
  busy: false, fault: null, rejected: null, commit: 0, plot: "", options: {}, t: 0, b: 0, scope: "", unit: 0, address: "", of: "", visited: [], visit: -1,
};

export class Session extends EventTarget {
  runs = new Runs();
  settings = {};
  state = START;
  #ticket = 0;
  #shown = null; // the run on show, and the history that gave it; null until the source has one
  #drag = null; // where a drag began, and the value that is still to be sent
  #premises = new WeakMap(); // of each run, edits included

  #set(change, moved = "") {
    this.state = { ...this.state, ...change };
    this.dispatchEvent(new CustomEvent("change", { detail: moved }));
  }

  /** What makes the run of an entry of the history. */
  wanted(entry = this.state.entries[this.state.index]) {
    return { source: this.state.source, ...entry, arithmetic: this.settings.arithmetic };
  }

  // -- the address of the page -------------------------------------------------------------------------------------

  /** The state as parameters of the page's address. */
  params() {
    return params_of(this.state);
  }

  /** Opens what an address says: another source, or another state of this one. */
  async open(params) {
    const entry = { edits: edits_of(params.edits), holds: edits_of(params.hold), equations: params.equations || null };
    const source = params.source || FIRST;
    const other = source !== this.state.source;
    const ticket = ++this.#ticket;
    this.#settle();
    if (other) this.#shown = null;
    const found = other ? -1 : this.state.entries.findIndex((one) => same(one, entry));
    const entries = other ? [entry] : found < 0 ? [...this.state.entries.slice(0, this.state.index + 1), entry] : this.state.entries;
    const change = { source, entries, index: found < 0 ? entries.length - 1 : found, busy: true, fault: null, rejected: null };
    this.#set(other ? { ...START, ...change } : change);
    try {
      const run = await this.runs.make(this.wanted());
      if (ticket !== this.#ticket) return;
      const { pinned, fault } = await this.#pin_of(params.a);
      await this.#arrive(run, ticket, { ...opened_at(this.state, run, params), pinned });
      if (ticket === this.#ticket && fault) this.#set({ fault });
    } catch (error) {
      if (ticket === this.#ticket) this.#restore({ fault: { where: "source", error, retry: () => this.open(params) } });
    }
  }

  /** The run that an address pins as A; where it cannot be made, why. */
  async #pin_of(text) {
    const wanted = text ? run_of(text) : null;
    if (!wanted) return { pinned: null };
    const { pinned } = this.state;
    if (pinned && run_text(pinned.wanted) === text) return { pinned };
    try {
      return { pinned: { wanted, run: await this.runs.make(wanted) } };
    } catch (error) {
      return { pinned: null, fault: { where: "pinned", error, retry: () => this.#pin_again(text) } };
    }
  }

  async #pin_again(text) {
    const { source } = this.state;
    const { pinned, fault = null } = await this.#pin_of(text);
    if (this.state.source === source) this.#set({ pinned, fault }, pinned ? "replace" : "");
  }

  // -- a run arrives -----------------------------------------------------------------------------------------------

  /** Shows a run once the numbers that are looked at are there, so that the page changes at once and not piecemeal. */
  async #arrive(run, ticket, change = {}, moved = "") {
    const next = this.#fitted(run, change);
    await this.#given(run);
    await Promise.allSettled([
      this.runs.view(run, "step", this.step_params(next)),
      this.runs.view(run, `at/${next.address}`, this.at_params(next)),
    ]);
    const premises = await this.#given(run); // there already, unless those of another unit are wanted by now
    if (ticket !== this.#ticket) return;
    const { run: before, drawn, commit } = this.state;
    const { address, t, b, scope, unit, of } = this.#fitted(run, change); // somebody may have looked elsewhere meanwhile
    const place = { address, t, b, scope, unit, of, ...trail(this.state, address) };
    const picture = before && same_cell(before, run) ? drawn : run;
    this.#set({ before, ...change, ...place, run, premises, drawn: picture, busy: false, fault: null, commit: commit + 1 }, moved);
    this.#shown = { run, entries: this.state.entries, index: this.state.index };
  }

  /** Everything as the run on show has it, after what could not be run; without one, only nothing is under way. */
  #restore(change) {
    const { run, ...history } = this.#shown ?? {};
    this.#set({ ...history, ...(run && { premises: this.#premises.get(run) ?? this.state.premises }), busy: false, ...change });
  }

  /** The premises of a run: of a large one, those of the unit that is wanted once they are there. */
  async #given(run) {
    if (this.#premises.has(run)) return this.#premises.get(run);
    const { unit_row } = this.state;
    const { premises } = await this.runs.view(run, "premises", run.live ? {} : { unit: unit_row });
    if (run.live) this.#premises.set(run, premises);
    return run.live || unit_row === this.state.unit_row ? premises : this.#given(run);
  }

  /** The state with what is looked at as a run has it. */
  #fitted(run, change) {
    const next = { ...this.state, ...change, run };
    next.address = still(run, next.address);
    if (!next.of || !has(run, next.of)) next.of = run.target;
    return { ...next, ...place_of(run, next.address, next) };
  }

  #asked() {
    const { language, notation, digits, count_from } = this.settings;
    return { language, notation, digits, count_from };
  }

  step_params(state = this.state) {
    const [layer, direction] = state.scope.split("/");
    return { layer, direction, t: state.t, batch: state.b, unit: state.run && wide(state.run) ? state.unit : undefined, ...this.#asked() };
  }

  at_params(state = this.state) {
    return { of: state.of, ...this.#asked() };
  }

  // -- looking -----------------------------------------------------------------------------------------------------

  /** Looks at a number; `quiet` while keys move over many givens: no trail of them is left, and the step stays. */
  select(address, { quiet = false } = {}) {
    if (address && address !== this.state.address) this.#set(at_number(this.state, address, quiet), quiet ? "replace" : "push");
  }

  /** Back (-1) or forward (1) through the numbers that were looked at. */
  visit(way) {
    const place = visited(this.state, way);
    if (place) this.#set(place, "replace");
  }

  /** Goes to a step, layer, row or unit; the number that is looked at comes along where it has one there. */
  look(change) {
    this.#set(elsewhere(this.state, change), "replace");
  }

  /** Which picture is drawn of the whole run, and with which options. */
  draw(change) {
    this.#set(change, "push");
  }

  /** Which value gradients are of. */
  aim(of) {
    this.#set({ of }, "push");
  }

  /** Of a large model: the unit whose weights are shown. */
  async rows_of(unit_row) {
    const { run } = this.state;
    this.#set({ unit_row });
    const stale = () => this.state.run !== run || this.state.unit_row !== unit_row;
    try {
      const premises = await this.#given(run);
      if (!stale()) this.#set({ premises });
    } catch (error) {
      if (!stale()) this.#set({ fault: { where: "givens", error, retry: () => this.rows_of(unit_row) } });
    }
  }

  // -- editing -----------------------------------------------------------------------------------------------------

  /** Where an edit begins: the history up to now, and the run on show, which may not have its last edits yet. */
  #start() {
    const { entries, index } = this.state;
    return { history: entries.slice(0, index + 1), shown: this.#shown };
  }

  /** The history from there on with one more entry. */
  #continued({ history }, edits, change) {
    return { entries: [...history, continued(history.at(-1), edits, change)], index: history.length };
  }

  /**
   * Runs with some more edits. The history has them at once, so that the next ones build on them while this run is on
   * its way; where the server refuses them, everything is again as the run on show has it.
   * @param {object[]} edits
   * @param {{equations?: string | null, holds?: object[], drag?: object}} [how] equations, holds: new ones; drag: whose value it is
   */
  async edit(edits, { drag, ...change } = {}) {
    if (!drag) this.#settle();
    const from = drag ?? this.#start();
    if (!from.shown) return null; // another source is being opened
    const { run: base } = from.shown;
    const history = this.#continued(from, edits, change);
    const entry = history.entries.at(-1);
    const ticket = ++this.#ticket;
    const more = added(from.shown.entries[from.shown.index], entry);
    const quick = more?.every(({ value }) => typeof value === "number") ?? false;
    const premises = quick && base.live ? more.reduce((all, one) => overlaid(base, all, one), this.#premises.get(base)) : null;
    this.#set({ ...history, busy: true, rejected: null, fault: null, ...(premises && { premises }) });
    try {
      const wanted = this.wanted(entry);
      const run = quick ? await this.runs.change(base, more, wanted) : await this.runs.make(wanted);
      if (premises) this.#premises.set(run, premises);
      await this.#arrive(run, ticket, drag ? { before: base } : {}, drag ? "" : "push");
      return null;
    } catch (error) {
      if (ticket !== this.#ticket) return error;
      const alone = !more || more.length <= edits.length; // else it may be an edit before these, still on its way, that was refused
      const other = Object.keys(change).length > 0; // said where it was asked for
      const rejected = error.status === 422 && alone && edits.length && !other ? { address: edits[0].address, value: edits[0].value, message: error.message } : null;
      const fault = other || rejected ? null : { where: "givens", error, retry: () => this.edit(edits) };
      this.#restore({ rejected, fault });
      return error;
    }
  }

  /** Back to the equations of the source; values of weights that only the others read go with them. */
  async first_equations() {
    const { source } = this.state;
    const base = await this.runs.make({ source, ...UNCHANGED, arithmetic: this.settings.arithmetic });
    if (this.state.source !== source) return;
    this.#settle();
    const { entries, index } = this.state; // with what was changed while that run was made
    const known = new Set(base.premises.map((one) => one.address));
    const edits = entries[index].edits.filter(({ address }) => known.has(address) || known.has(array_of(address)));
    this.#set({ entries: [...entries.slice(0, index + 1), { ...entries[index], edits, equations: null }] });
    await this.#again(index + 1, "push");
  }

  /** A number while it is dragged: one request at a time, and of the values that come meanwhile the last one. */
  async drag(address, value) {
    if (this.#drag?.over) this.#settle();
    this.#drag ??= this.#start();
    const drag = this.#drag;
    drag.next = { address, value };
    if (drag.running) return;
    drag.running = true;
    while (drag.next) {
      const { next } = drag;
      drag.next = null;
      await this.edit([next], { drag });
    }
    drag.running = false;
    if (drag.over) this.#dropped(drag);
  }

  /** The end of a drag. */
  drop() {
    const drag = this.#drag;
    if (!drag) return;
    drag.over = true;
    if (!drag.running) this.#dropped(drag);
  }

  #dropped(drag) {
    if (this.#drag !== drag) return; // something else was done meanwhile, and began with what was dragged
    this.#drag = null;
    this.#set({}, "push");
  }

  /** Ends a drag before something else is done: a value of it that was still to be sent is the history's as it is. */
  #settle() {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag?.next) return;
    this.#set(this.#continued(drag, [drag.next]));
    drag.next = null;
  }

  async undo(way = -1) {
    this.#settle();
    const index = this.state.index + way;
    if (this.state.entries[index]) await this.#again(index, "push");
  }

  /** The run of an entry of the history, with the arithmetic of the settings. */
  async #again(index, moved) {
    const ticket = ++this.#ticket;
    this.#set({ index, busy: true, rejected: null, fault: null });
    try {
      const run = await this.runs.make(this.wanted());
      if (ticket === this.#ticket) await this.#arrive(run, ticket, {}, moved);
    } catch (error) {
      if (ticket === this.#ticket) this.#restore({ fault: { where: "source", error, retry: () => this.#again(index, moved) } });
    }
  }

  rerun() {
    this.#settle();
    return this.#again(this.state.index, "replace");
  }

  // -- the run that is kept beside ---------------------------------------------------------------------------------

  pin() {
    const { run, entries, index } = this.#shown;
    this.#set({ pinned: { wanted: this.wanted(entries[index]), run } }, "push");
  }

  unpin() {
    this.#set({ pinned: null }, "push");
  }

  dismiss() {
    this.#set({ fault: null, rejected: null });
  }
}
