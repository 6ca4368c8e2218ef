import { line_of } from "../../shared/addresses.js";
import { first_address } from "./fitting.js";
import { input_of } from "./places.js";

// A state of the bench in the address of the page, and back. Edits and holds are written `address=value;address=value`.

/** JSON in which a zero keeps its sign. @param {any} value @returns {string} */
const json = (value) => (Array.isArray(value) ? `[${value.map(json)}]` : Object.is(value, -0) ? "-0" : JSON.stringify(value));

/** Edits as a text. @param {{address: string, value: any}[]} edits */
export const edits_text = (edits) => edits.map(({ address, value }) => `${address}=${json(value)}`).join(";");

/** The edits of a text; what cannot be read is left out. */
export function edits_of(text = "") {
  const found = [];
  for (const piece of text.split(";").filter(Boolean)) {
    const at = piece.indexOf("=");
    try {
      if (at > 0) found.push({ address: piece.slice(0, at), value: JSON.parse(piece.slice(at + 1)) });
    } catch {
      // a link that was cut off: the edits before it still hold
    }
  }
  return found;
}

/** What makes a run, as one parameter: of the run that is pinned as A. */
export function run_text({ source, edits, holds, equations, arithmetic }) {
  const query = new URLSearchParams({ source });
  if (edits.length) query.set("edits", edits_text(edits));
  if (holds.length) query.set("hold", edits_text(holds));
  if (equations) query.set("equations", equations);
  if (arithmetic) query.set("arithmetic", arithmetic);
  return query.toString();
}

export function run_of(text) {
  const query = new URLSearchParams(text);
  if (!query.get("source")) return null;
  return {
    source: query.get("source"),
    edits: edits_of(query.get("edits") ?? ""),
    holds: edits_of(query.get("hold") ?? ""),
    equations: query.get("equations"),
    arithmetic: query.get("arithmetic") ?? "",
  };
}

/**
 * The edits after one more: a later edit of the same number or array takes the place of the earlier one; a new array
 * takes that of the edits of its entries. within(address) is the address of the array that holds a number.
 */
export function joined(edits, more, within) {
  let all = edits;
  for (const edit of more) {
    const kept = all.filter(({ address }) => address !== edit.address && within(address) !== edit.address);
    all = [...kept, edit];
  }
  return all;
}

/** The options of pictures that an address has. */
export function options_of(params) {
  const names = ["order", "unit", "line", "steps", "low", "high", "baseline", "occlusion"];
  return Object.fromEntries(names.map((name) => [name, params[name]]).filter(([, value]) => value));
}

/** A state of the bench as parameters of the page's address; what is as it would be without them is left out. */
export function params_of({ source, entries, index, run, t, b, scope, address, of, pinned, plot, options }) {
  const { edits, holds, equations } = entries[index];
  const params = { source, edits: edits_text(edits), hold: edits_text(holds), equations };
  if (run) {
    const line = line_of(run, address), input = input_of(run, address);
    if (address !== first_address(run)) params.at = address;
    if (!line && t !== (input?.t ?? run.first)) params.t = t;
    if (!line && scope !== run.stages[0].scope) params.scope = scope;
    if (!line && b !== (input?.b ?? 0)) params.row = b;
    if (of !== run.target) params.of = of;
    if (plot) params.plot = plot;
    if (plot) Object.assign(params, options);
    if (pinned) params.a = run_text(pinned.wanted);
  }
  const said = Object.entries(params).filter(([, value]) => value !== null && value !== "" && value !== undefined);
  return Object.fromEntries(said.map(([name, value]) => [name, String(value)]));
}
