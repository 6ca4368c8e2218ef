import { get, part, post } from "../../api.js";
import { specification } from "../../shared/sources.js";

// Runs as the server keeps them: what a bench opens, and what is too large for the page, is made there.

/** Units of a line, and values in all, up to which a run is computed in the page. */
const UNITS = 64, VALUES = 200_000;

/** What a bench begins with: several steps, so that the gates have something to keep and to forget. */
export const FIRST = "example:three-steps";

/**
 * A source, run once.
 * @param {string} source
 * @param {object} [options] of requests
 * @returns {Promise<{spec: object, run: object, json: object | null}>} spec: what makes it; run: as the server describes
 *   it; json: its trace, or null where it is too large for the page
 */
export async function opened(source, options) {
  const spec = await specification(source), run = await post("/runs", spec, options);
  const small = run.stages.every((stage) => stage.lines.every((line) => line.width <= UNITS)) && run.numbers <= VALUES;
  return { spec, run, json: small ? await get(`/runs/${part(run.id)}/download/trace.json`, {}, options) : null };
}

const gone = (error) => error.status === 410 || error.status === 404;

/** What the server does with runs; one that it has dropped meanwhile (it keeps the latest ones) is made again. */
export const served = {
  /** The run of a specification. */
  make: (spec, options) => post("/runs", spec, options),

  /** The run after some edits of another one, which says what changed; null where that one was dropped. */
  async change(id, edits, options) {
    try {
      return await post(`/runs/${part(id)}/edits`, { edits }, options);
    } catch (error) {
      if (gone(error)) return null;
      throw error;
    }
  },

  /** A part of a run. */
  async read(id, spec, path, params) {
    const at = `/${path.split("/").map(encodeURIComponent).join("/")}`;
    try {
      return await get(`/runs/${part(id)}${at}`, params);
    } catch (error) {
      if (!spec || !gone(error)) throw error;
      const again = await post("/runs", spec);
      return get(`/runs/${part(again.id)}${at}`, params);
    }
  },
};
