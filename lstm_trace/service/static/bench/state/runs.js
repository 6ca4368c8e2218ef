import { get, part, post } from "../../api.js";
import { specification } from "../../shared/sources.js";
import { Latest } from "./latest.js";

// Runs as the server keeps them. A run never changes, so what was read of it can be kept; one that the server has
// dropped meanwhile (it keeps the latest ones) is made again from its specification.

const VIEWS = 400; // replies that are kept
const RUNS = 100; // that are kept, with what makes them: a drag makes several in a second, and each may hold a large problem

export class Runs {
  #specifications = new Map(); // source to what makes it
  #made = new Latest(RUNS); // text of a specification to the run
  #views = new Latest(VIEWS); // path to a reply that is on its way or there
  #ready = new WeakMap(); // what came of such a reply
  #whole = new WeakMap(); // a run to the specification that makes it

  async #base(source) {
    if (!this.#specifications.has(source)) this.#specifications.set(source, await specification(source));
    return this.#specifications.get(source);
  }

  /** Whether a source that was made into a run holds weights alone, so that its x is made up, of zeros. */
  weights_alone(source) {
    const base = this.#specifications.get(source);
    return Boolean(base?.model) && [base.x].flat(Infinity).every((number) => number === 0);
  }

  /** Whether a source may hold something itself: what is in a file of the library is not known here. */
  may_hold(source) {
    const { item, hold, holds, problem } = this.#specifications.get(source) ?? {};
    return Boolean(item || hold || holds || problem?.hold);
  }

  /** @param {{source: string, edits: object[], holds?: object[], equations?: string, arithmetic?: string}} wanted */
  async #specify({ source, edits, holds = [], equations, arithmetic }) {
    const base = await this.#base(source);
    const all = [...(base.edits ?? []), ...edits];
    const held = [...(base.holds ?? []), ...holds];
    const spec = { ...base, ...(all.length && { edits: all }), ...(held.length && { holds: held }), ...(equations && { equations }) };
    if (arithmetic) spec.arithmetic = arithmetic;
    return spec;
  }

  /** The run that is wanted, made where it is not there yet. */
  async make(wanted, options) {
    const spec = await this.#specify(wanted);
    return this.#made.get(JSON.stringify(spec)) ?? this.#keep(spec, await post("/runs", spec, options));
  }

  /** The run after some edits of another one: quicker than a run from the beginning, and it says what changed. */
  async change(run, edits, wanted, options) {
    const spec = await this.#specify(wanted);
    const known = this.#made.get(JSON.stringify(spec));
    if (known) return known;
    if (this.#whole.get(run)?.arithmetic !== spec.arithmetic) return this.make(wanted, options); // one that was set meanwhile
    try {
      return this.#keep(spec, await post(`/runs/${part(run.id)}/edits`, { edits }, options));
    } catch (error) {
      if (error.status !== 410 && error.status !== 404) throw error;
      return this.make(wanted, options);
    }
  }

  #keep(spec, run) {
    this.#made.set(JSON.stringify(spec), run);
    this.#whole.set(run, spec);
    return run;
  }

  /** A part of a run, `step`, `at/…`, `picture` or `premises`, as the server tells it. */
  view(run, path, params = {}) {
    const query = JSON.stringify(params);
    const key = `${run.id} ${path} ${query}`;
    let reply = this.#views.get(key);
    if (reply) return reply;
    reply = this.#read(run, path, params);
    this.#views.set(key, reply);
    reply.then((found) => this.#ready.set(reply, found), () => this.#views.delete(key));
    return reply;
  }

  /** That part, if it is there already. */
  ready(run, path, params = {}) {
    return this.#ready.get(this.#views.get(`${run.id} ${path} ${JSON.stringify(params)}`));
  }

  async #read(run, path, params) {
    const at = `/${path.split("/").map(encodeURIComponent).join("/")}`;
    try {
      return await get(`/runs/${part(run.id)}${at}`, params);
    } catch (error) {
      const spec = this.#whole.get(run);
      if (!spec || (error.status !== 410 && error.status !== 404)) throw error;
      const again = await post("/runs", spec);
      return get(`/runs/${part(again.id)}${at}`, params);
    }
  }
}
