import { ApiError } from "./api.js";
import { blank_trace } from "../../service/static/bench/local/blank.js";
import { parted } from "../../service/static/shared/sources.js";
import { embedded } from "./embedded.js";

// In place of the server's runs: what is opened stands in the page, and everything is computed in it.

const unknown = (source) => new ApiError({ status: 404, title: `This page has no ${source}: it has ${Object.keys(embedded.sources).join(", ")}.` });

/** What a bench begins with: where the address of the page names nothing, the first of the sources. */
export const FIRST = `example:${Object.keys(embedded.sources)[0]}`;

/** A source as a trace. @param {string} source @returns {Promise<{spec: object, run: object | null, json: object | null}>} */
export async function opened(source) {
  const [kind, name] = parted(source);
  if (kind === "blank") return { spec: { blank: name }, run: null, json: blank_trace(name, embedded.cells) };
  if (kind !== "example" || !Object.hasOwn(embedded.sources, name)) throw unknown(source);
  return { spec: { example: name }, run: null, json: embedded.sources[name] };
}

/** Nothing is kept elsewhere. */
export const served = null;
