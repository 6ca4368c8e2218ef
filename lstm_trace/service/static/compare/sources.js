// From a source in the URL ("example:q22", "item:3f…", "run:9a…") to a run of the service.

import { get, part, post } from "../api.js";
import { parted, specification } from "../shared/sources.js";

/** Weights without an input: a model, or a problem that leaves x to whoever runs it. */
export class NeedsInput extends Error {
  constructor(item) {
    super("needs an input");
    this.item = item;
  }
}

/** Promises by what was asked for: the two sides, and the x of one for the other, ask for the same. */
const known = new Map();

/** Forget the runs: the service keeps a limited number of them, and one that was dropped is made again. */
export const forget = () => known.clear();

function once(key, make) {
  if (!known.has(key)) {
    const promise = make();
    promise.catch(() => known.delete(key));
    known.set(key, promise);
  }
  return known.get(key);
}

/** x of a run in the order in which it was given, and which order that is: (T, I), (T, B, I) or (B, T, I). */
async function inputOf(run) {
  const { premises } = await get(`/runs/${run.id}/premises`);
  const { values, shape } = premises.find((premise) => premise.address === "x");
  const spec = await get(`/runs/${run.id}/spec`);
  const made = { ...spec.problem, ...spec };
  const [padding] = ["lengths", "mask"].filter((name) => made[name]); // a run has one of them at most
  return { x: values, ...(shape.length === 3 && { batch_first: run.batch_first }), ...(padding && { [padding]: made[padding] }) };
}

/** x as a run wants it: pasted numbers as they are, the x of another source as that source has it. */
async function input(x, other, item) {
  if (x.startsWith("[")) return { x: JSON.parse(x) };
  if (x === "other" && !other.source) throw new NeedsInput(item);
  const from = x === "other" ? runOf(other.source, other.x === "other" ? "" : other.x) : runOf(x);
  const run = await from.catch((error) => {
    throw error instanceof NeedsInput ? new NeedsInput(item) : error; // the other side has no x either
  });
  return inputOf(run);
}

async function make(source, x, other) {
  const [kind, name] = parted(source);
  if (kind === "run") {
    const at = `/runs/${part(name)}`;
    const [run, { edits = [] }] = await Promise.all([get(at), get(`${at}/spec`)]);
    return { ...run, edits };
  }
  if (kind !== "item") return post("/runs", await specification(source));
  const item = await get(`/library/${part(name)}`);
  const whole = item.kind !== "model" && item.sizes.T !== undefined;
  if (!whole && !x) throw new NeedsInput(item);
  const spec = { [item.kind === "model" ? "model" : "item"]: name, ...(whole ? {} : await input(x, other, item)) };
  return { ...(await post("/runs", spec)), item };
}

/**
 * The run of a source.
 * @param {string} source
 * @param {string} x for a model or a problem without one: "other", a source, or rows of numbers as JSON
 * @param {{source: string, x: string}} other the other side, whose x may be taken
 * @throws {NeedsInput} where x is needed and empty
 */
export function runOf(source, x = "", other = { source: "", x: "" }) {
  const key = JSON.stringify([source, x, x === "other" ? other : null]);
  return once(key, () => make(source, x, other));
}
