import { html } from "../../vendor/standalone.module.js";
import { shown } from "../number/hold.js";
import { line_address, unit_of } from "../../shared/addresses.js";
import { counted } from "../../shared/ranges.js";
import { parts_of } from "../runs/holds.js";
import { hold_at } from "../state/holding.js";

// What is held at other values than the equations give, by the source or by this page: a way to each, and its release.

/** An address of what is held as numbers are named elsewhere on the page: `c_t[2], t = 1–3, b = 2`. */
function short(run, { scope, steps, rows, name, units }, count) {
  const found = [units === undefined ? name : `${name}[${counted(units, count)}]`];
  if (steps && run.steps > 1) found.push(`t = ${counted(steps, count)}`);
  if (rows && run.batch > 1) found.push(`b = ${counted(rows, count)}`);
  if (run.stages.length > 1) found.push(scope);
  return found.join(", ");
}

/** A number of a range: the one that is looked at, where that is within, else the first. */
function within(range, now) {
  const [first, last = first] = (range ?? `${now}`).split("..").map(Number);
  return now >= first && now <= last ? now : first;
}

export function Held({ session, state, count, said }) {
  const { run, t, b, fault, rejected } = state;
  const pick = ({ scope, steps, rows, name, units = "0" }) => {
    const first = units.split(",").map((part) => parseInt(part, 10)); // of several units, or of the rows and the columns
    session.select(line_address(run, scope, within(steps, t), within(rows, b), name, unit_of(run, scope, name, first) || first[0]));
  };
  return html`<section class="given links" aria-labelledby="given-held"><h3 id="given-held">${said("bench.held_list")}</h3>
    <${AboutHolds} error=${fault?.error ?? rejected} said=${said} />
    <ul>${run.held.map(({ address, value }) => {
      const parts = parts_of(address), name = short(run, parts, count);
      return html`<li key=${address} data-held=${address}>
        <a href="#" onClick=${(event) => { event.preventDefault(); pick(parts); }}><span>${name}</span><span class="number">${shown(value)}</span></a>
        <button type="button" class="quiet icon" aria-label=${said("bench.held_list.release", { name })} title=${said("bench.hold.release")} onClick=${() => hold_at(session, address, null)}>×</button></li>`;
    })}</ul></section>`;
}

/** What can be done about a message that is of something held. */
export function AboutHolds({ error, said }) {
  return /^(.*: )?hold '/m.test(error?.message ?? "") && html`<p class="notice">${said("bench.held_list.fault")}</p>`;
}
