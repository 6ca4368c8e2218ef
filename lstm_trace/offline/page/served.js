import { ApiError } from "./api.js";
import { zeros } from "../../service/static/shared/blank.js";
import { parted } from "../../service/static/shared/sources.js";
import { embedded } from "./embedded.js";

// In place of the server's runs: what is opened stands in the page, and everything is computed in it.

const unknown = (source) => new ApiError({ status: 404, title: `This page has no ${source}: it has ${Object.keys(embedded.sources).join(", ")}.` });

/** What a bench begins with: where the address of the page names nothing, the first of the sources. */
export const FIRST = `example:${Object.keys(embedded.sources)[0]}`;

/** A problem of zeros, `<cell>/<steps>/<inputs>/<units>`, with `/biases` where the gates have some: one of a step, from
 *  two inputs to three units, in other sizes. @param {string} text */
function blank(text) {
  const [cell, steps, inputs, units, biases] = text.split("/"), sizes = { 2: Number(inputs), 3: Number(units) };
  const size = biases ? `${cell}/biases` : cell, small = Object.hasOwn(embedded.blanks, size) ? embedded.blanks[size] : null;
  const least = Object.values({ steps, inputs, units }).every((size) => Number(size) >= 1 && Number(size) <= 64);
  if (!small || !least) throw unknown(`blank:${text}`);
  const sized = (values) => (values.length === 1 ? [sized(values[0])] : zeros([sizes[values.length], ...(values[0].length ? [sizes[values[0].length]] : [])]));
  const all = (part) => (Array.isArray(part) ? sized(part) : Object.fromEntries(Object.entries(part).map(([name, value]) => [name, all(value)])));
  const own = all(small.inputs);
  return { ...small, steps: Number(steps), parameters: all(small.parameters), inputs: { ...own, x: Array(Number(steps)).fill(own.x[0]) } };
}

/** A source as a trace. @param {string} source @returns {Promise<{spec: object, run: object | null, json: object | null}>} */
export async function opened(source) {
  const [kind, name] = parted(source);
  if (kind === "blank") return { spec: { blank: name }, run: null, json: blank(name) };
  if (kind !== "example" || !Object.hasOwn(embedded.sources, name)) throw unknown(source);
  return { spec: { example: name }, run: null, json: embedded.sources[name] };
}

/** Nothing is kept elsewhere. */
export const served = null;
