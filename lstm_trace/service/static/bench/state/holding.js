import { line_address, line_of } from "../../shared/addresses.js";

// Numbers of lines that are held at other values than their equations give: at one step, or at every step of a row.

/** The address of what is held of the unit of an address. */
function place(run, address, every) {
  const { scope, t, b, name, unit } = line_of(address);
  if (!every) return line_address(scope, t, b, name, unit);
  return run.batch > 1 ? `${scope}/${run.first}..${run.first + run.steps - 1}/${b}/${name}[${unit}]` : `${scope}/${name}[${unit}]`;
}

/** The holds of the present state: what this page holds, and what its source does. value null: released. */
function holds_of({ runs, state: { source, entries, index } }) {
  const own = entries[index].holds, taken = own.map((one) => one.address);
  return [...own, ...runs.held(source).filter((one) => !taken.includes(one.address))];
}

/** What this page would release to release a number; nothing where another address holds it, or none. */
export function held_by(session, address) {
  const { run } = session.state;
  if (!line_of(address)) return [];
  const names = [false, true].map((every) => place(run, address, every));
  return holds_of(session).filter((one) => one.value !== null && names.includes(one.address));
}

/** Holds that go where a number is held anew: a value is held once. every: at all steps. */
function replaced(session, address, every) {
  const { scope, b, name, unit } = line_of(address);
  const whole = place(session.state.run, address, true);
  const within = (line) => line && line.scope === scope && line.name === name && line.unit === unit && line.b === b;
  return holds_of(session).filter((one) => one.address === whole || one.address === address || (every && within(line_of(one.address))));
}

/** Holds of the page without some; those of the source are released by name. */
function without(session, gone) {
  const { source, entries, index } = session.state;
  const names = gone.map((one) => one.address);
  const released = session.runs.held(source).filter((one) => names.includes(one.address));
  return [...entries[index].holds.filter((one) => !names.includes(one.address)), ...released.map(({ address }) => ({ address, value: null }))];
}

/**
 * Holds a number of a line.
 * @param {number | string} value `*0.5`: half of what its equation gives @param {boolean} every at all steps of its row
 * @returns {Promise<Error | null>} why it cannot be
 */
export function hold(session, address, value, every) {
  const at = place(session.state.run, address, every);
  const others = without(session, replaced(session, address, every)).filter((one) => one.address !== at);
  return session.edit([], { holds: [...others, { address: at, value }] });
}

/** Releases a number that is held. @returns {Promise<Error | null>} */
export const release = (session, address) => session.edit([], { holds: without(session, held_by(session, address)) });
