import { index_of, line_address, line_of } from "../../shared/addresses.js";
import { parts_of } from "../runs/holds.js";

// Numbers of lines that are held at other values than their equations give: at one step, or at every step of a row. What
// is held later takes the place of what was held before, by the source too; null releases.

/** The address of the unit of a number at its step, or at every step of its row. */
function place(run, address, every) {
  const { scope, t, b, name, unit } = line_of(run, address);
  if (!every) return line_address(run, scope, t, b, name, unit);
  const number = `${name}[${index_of(run, scope, name, unit)}]`;
  return run.batch > 1 ? `${scope}/${run.first}..${run.first + run.steps - 1}/${b}/${number}` : `${scope}/${number}`;
}

/** Whether what holds a number does so at every step. */
export const at_every_step = (run, { address }) => [undefined, `${run.first}..${run.first + run.steps - 1}`].includes(parts_of(address).steps);

/** Holds what is at an address that may have ranges; value null releases it. @returns {Promise<Error | null>} why it cannot be */
export function hold_at(session, at, value, covered = []) {
  const { source, entries, index } = session.state;
  const others = entries[index].holds.filter((one) => one.address !== at && !covered.includes(one.address));
  const nothing = value === null && !others.length && !session.runs.may_hold(source);
  return session.edit([], { holds: nothing ? [] : [...others, { address: at, value }] });
}

/**
 * Holds a number of a line, or releases it.
 * @param {number | string | null} value `*0.5`: half of what its equation gives; null: released
 * @param {boolean} every at all steps of its row
 * @returns {Promise<Error | null>} why it cannot be
 */
export function hold(session, address, value, every) {
  const { run } = session.state;
  const steps = every ? Array.from({ length: run.steps }, (_, k) => run.first + k) : [];
  const { scope, b, name, unit } = line_of(run, address);
  return hold_at(session, place(run, address, every), value, steps.map((t) => line_address(run, scope, t, b, name, unit)));
}
