import { ApiError } from "../../api.js";
import { notation_of } from "../local/picture.js";
import { read, written } from "../../../../lines/trace.js";
import { harmless } from "../../../../lines/errors.js";
import { parse } from "../../../../lines/grammar.js";
import { Latest } from "../state/latest.js";
import { at, awaited, describe, premises, step, symbols } from "./answers.js";
import { bounded, changes, edited, lacks, small } from "./edits.js";
import { opened, served } from "./served.js";

// Runs of the bench. Small ones are computed in the page, which needs the trace of their source alone; the server
// makes large ones, and those that are saved, downloaded, compared or plotted. A run never changes.

const VIEWS = 400; // replies that are kept
const RUNS = 100; // that are kept: a drag makes several in a second, and each may hold a large problem

const VIEW = { step, premises, symbols };

const SAID = 20; // problems that a refusal says

/** What is wrong with an edit or with equations, in the form in which a server refuses it; any other error is ours. */
function refusal(error) {
  if (!error.problems) return error;
  const left = error.problems.length - SAID, problems = error.problems.slice(0, SAID).map(harmless);
  if (left > 0) problems.push(`… and ${left} more`);
  return new ApiError({ status: 422, title: problems[0], detail: problems.join("\n"), problems });
}

/** A trace computed in the page, so that an edit changes what follows from it and no last digit of anything else; but
 *  what another program recorded stays as it is. */
function computed(recorded) {
  const own = edited(recorded, {}), near = recorded.head.dtype === "float64" ? 1e-9 : 1e-3;
  const close = (a, b) => Object.is(a, b) || Math.abs(a - b) <= near * (1 + Math.abs(b));
  const every = Object.entries(recorded.lines).every(([scope, here]) => Object.entries(here).every(([name, { data }]) => data.every((value, k) => close(value, own.lines[scope][name].data[k]))));
  return every ? own : recorded;
}

export class Runs {
  #sources = new Map(); // a source to what it is, once it is opened
  #made = new Latest(RUNS); // text of what is wanted to the run
  #views = new Latest(VIEWS); // path to a reply that is on its way or there
  #ready = new WeakMap(); // what came of such a reply
  #specs = new WeakMap(); // a run to the specification that makes it on a server
  #traces = new WeakMap(); // a run that was computed here to its trace
  #kept = new WeakMap(); // such a run to the same run on the server, once it is needed there
  #count = 0;

  /** A source: what makes it, and its run; with its trace where runs of it are computed here. */
  #open(source, options) {
    if (!this.#sources.has(source)) {
      const found = opened(source, options).then(({ spec, run, json }) => {
        if (!json) return { spec, run };
        const trace = computed(read(JSON.stringify(json), parse));
        const own = run ?? { ...describe(trace), id: source, parent: null, changed: null };
        this.#traces.set(own, trace);
        return { spec, run: own, trace };
      });
      this.#sources.set(source, found);
      found.then((it) => this.#sources.set(source, Object.assign(found, { it })), () => this.#sources.delete(source));
    }
    return this.#sources.get(source);
  }

  /** Whether a source that was made into a run holds weights alone, so that its x is made up, of zeros. */
  weights_alone(source) {
    const { model, x } = this.#sources.get(source)?.it?.spec ?? {};
    return Boolean(model) && [x].flat(Infinity).every((number) => number === 0);
  }

  /** Whether a source may hold something itself: what is in a file of the library is not known here. */
  may_hold(source) {
    const { spec = {}, run } = this.#sources.get(source)?.it ?? {};
    return Boolean(run?.held.length || spec.item || spec.hold || spec.holds || spec.problem?.hold);
  }

  /** @param {{source: string, edits: object[], holds?: object[], equations?: string, arithmetic?: string}} wanted */
  #specify(base, { edits, holds = [], equations, arithmetic }) {
    const all = [...(base.edits ?? []), ...edits];
    const held = [...(base.holds ?? []), ...holds];
    const spec = { ...base, ...(all.length && { edits: all }), ...(held.length && { holds: held }), ...(equations && { equations }) };
    if (arithmetic) spec.arithmetic = arithmetic;
    return spec;
  }

  /** The run that is wanted, made where it is not there yet. */
  async make(wanted, options) {
    const source = await this.#open(wanted.source, options);
    const spec = this.#specify(source.spec, wanted), key = JSON.stringify(spec);
    const known = this.#made.get(key) ?? (key === JSON.stringify(source.spec) ? this.#keep(key, spec, source.run) : null);
    if (known) return known;
    if (!source.trace) return this.#keep(key, spec, await served.make(spec, options));
    return this.#keep(key, spec, this.#computed(source.run, wanted, spec));
  }

  /** The run after some edits of another one: quicker than a run from the beginning, and it says what changed. */
  async change(run, edits, wanted, options) {
    const source = await this.#open(wanted.source, options);
    const spec = this.#specify(source.spec, wanted), key = JSON.stringify(spec);
    const known = this.#made.get(key);
    if (known) return known;
    if (this.#specs.get(run)?.arithmetic !== spec.arithmetic) return this.make(wanted, options); // one that was set meanwhile
    if (this.#traces.has(run)) return this.#keep(key, spec, this.#computed(run, { edits }, spec));
    const made = await served.change(run.id, edits, options);
    return made ? this.#keep(key, spec, made) : this.make(wanted, options);
  }

  /** A run computed here from another one. Throws ApiError. */
  #computed(from, change) {
    const before = this.#traces.get(from);
    try {
      const trace = edited(before, change);
      const same = trace.stages === before.stages && trace.head === before.head;
      const run = { ...(same ? from : describe(trace)), id: `here-${(this.#count += 1)}`, parent: from.id, changed: changes(before, trace) };
      this.#traces.set(run, trace);
      return run;
    } catch (error) {
      throw refusal(error);
    }
  }

  #keep(key, spec, run) {
    this.#made.set(key, run);
    this.#specs.set(run, spec);
    return run;
  }

  /** Whether a part of a run is computed here. */
  #here(run, path) {
    return this.#traces.has(run) && (path in VIEW || path.startsWith("at/"));
  }

  /** A part of a run: `step`, `at/…`, `premises`, `symbols`; `plot/…` and `in_words`, which only a server makes.
   *  In a notation that does not print this run, that of the exercises is used. */
  view(run, path, asked = {}) {
    const key = `${run.id} ${path} ${JSON.stringify(asked)}`;
    const params = asked.notation ? { ...asked, notation: notation_of(run, asked.notation) } : asked;
    let reply = this.#views.get(key);
    if (reply) return reply;
    const words = this.#here(run, path) && awaited(params);
    if (words) reply = words.then(() => this.#answer(this.#traces.get(run), path, params));
    else if (this.#here(run, path)) {
      try {
        const found = this.#answer(this.#traces.get(run), path, params);
        reply = Promise.resolve(found);
        this.#ready.set(reply, found);
      } catch (error) {
        return Promise.reject(refusal(error));
      }
    } else reply = this.#read(run, path, params);
    this.#views.set(key, reply);
    reply.then((found) => this.#ready.set(reply, found), () => this.#views.delete(key));
    return reply;
  }

  #answer(trace, path, params) {
    return path.startsWith("at/") ? at(trace, path.slice(3), params) : VIEW[path](trace, params);
  }

  /** That part, if it is there already. */
  ready(run, path, params = {}) {
    const key = `${run.id} ${path} ${JSON.stringify(params)}`;
    if (!this.#views.has(key) && this.#here(run, path)) this.view(run, path, params).catch(() => {});
    return this.#ready.get(this.#views.get(key));
  }

  async #read(run, path, params) {
    return served.read((await this.on_server(run)).id, this.#specs.get(run), path === "in_words" ? "step" : path, params);
  }

  /** The same run on the server, which makes it where it was computed here. @returns {Promise<{id: string}>} */
  async on_server(run) {
    if (!this.#traces.has(run) || !/^here-/.test(run.id)) return run;
    if (!this.#kept.has(run)) {
      const made = served.make(this.#specs.get(run));
      this.#kept.set(run, made);
      made.catch(() => this.#kept.delete(run));
    }
    return this.#kept.get(run);
  }

  /** A file of a run that the page itself makes, where there is no server; null where there is one. */
  file(run, name, title) {
    if (served) return null;
    const trace = this.#traces.get(run);
    return { blob: new Blob([written({ ...trace, head: { ...trace.head, title } })], { type: "application/json" }), label: name };
  }

  /** The cell in a text of equations, and which weights a run with them lacks. Throws ApiError. */
  equations(text, run) {
    try {
      bounded(text);
      const cell = small(parse(text)), trace = this.#traces.get(run);
      const known = new Set(run?.premises.map((one) => one.address));
      const every = run?.stages.filter(({ direction }) => direction !== "joined").flatMap(({ scope }) => cell.parameters.map((name) => ({ scope, name })));
      const lacking = trace ? lacks(trace, text) : every?.filter(({ scope, name }) => !known.has(`${scope}/${name}`));
      return { ...cell, lacking };
    } catch (error) {
      throw refusal(error);
    }
  }
}
