import { get, part } from "../api.js";
import { blank, zeros } from "./blank.js";

// What a run can be made from, written as in addresses of the page: `example:q22`, `item:<id>`, `run:<id>`,
// `blank:<cell>/<steps>/<inputs>/<units>`, with `/biases` where the gates have some.

const STEPS = 3; // of zeros, for a model that has no input of its own

async function item(id) {
  const kept = await get(`/library/${part(id)}`);
  if (kept.kind !== "model") return { item: id };
  return { model: id, x: zeros([STEPS, 1, kept.sizes?.I ?? 1]) };
}

/** What a source is, and which one of its kind. @returns {[string, string]} */
export function parted(source) {
  const [kind, name = ""] = source.split(/:(.*)/s);
  return [kind, name];
}

/** The part of a run's specification that says where it comes from. */
export async function specification(source) {
  const [kind, name] = parted(source);
  if (kind === "example") return { example: name };
  if (kind === "item") return item(name);
  if (kind === "blank") return blank(name);
  if (kind === "run") return get(`/runs/${part(name)}/spec`);
  return { example: source };
}
