import { edits_text, joined } from "./link.js";
import { array_of } from "./places.js";

// An entry of the history: what was changed of the source. Premises by `edits`, lines by `holds`, each a list of an
// address and a value; `equations`: others than the source's, or null.

export const UNCHANGED = { edits: [], holds: [], equations: null };

/** Whether two entries are of one run. */
export const same = (a, b) => edits_text(a.edits) === edits_text(b.edits) && alike(a, b);

/** Whether two entries differ by edits alone. */
export const alike = (a, b) => (a.equations ?? null) === (b.equations ?? null) && edits_text(a.holds) === edits_text(b.holds);

/** An entry after some more edits, and with other equations or holds. */
export const continued = (entry, edits, change) => ({ ...entry, edits: joined(entry.edits, edits, array_of), ...change });

/** The edits that lead from one entry of the history to another; null where edits alone do not. */
export function added(from, to) {
  const more = to.edits.filter((edit) => !from.edits.includes(edit));
  const covered = ({ address }) => more.some((one) => one.address === address || one.address === array_of(address));
  const kept = from.edits.every((edit) => to.edits.includes(edit) || covered(edit));
  return kept && alike(from, to) ? more : null;
}
