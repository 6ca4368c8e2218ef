import { html } from "../../vendor/standalone.module.js";
import { Markup } from "../../markup.js";
import { useView } from "../hooks.js";
import { brief, value_of } from "../../shared/numbers.js";
import { has } from "../state/places.js";

// On narrow screens, where what is given, the picture and the number lie below one another: a bar that stays in sight,
// with the number that is looked at, a way back, and a way to all about it.

export function NumberBar({ session, state, said }) {
  const { run, address, before, index } = state;
  const { data: at } = useView(session, run, `at/${address}`, session.at_params());
  const { data: older } = useView(session, before && has(before, address) ? before : null, `at/${address}`, { ...session.at_params(), of: before && has(before, state.of) ? state.of : undefined });
  const was = older && at && older.address === at.address && !Object.is(value_of(older.value), value_of(at.value)) ? older.value : null;
  const show = () => {
    const title = document.getElementById("number-title");
    title.setAttribute("tabindex", "-1"); // so that readers of screens and keys go there as well
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "start" });
  };
  return html`<div class="number-bar" id="number-bar" role="group" aria-label=${said("bench.number")}>
    ${at && html`<p data-address=${at.address}><${Markup} text=${at.symbol.mathml} otherwise=${at.symbol.text} /> = <span class="number" id="bar-value">${brief(at.value)}</span>
      ${was !== null && html` <span class="was">${brief(was)} → ${brief(at.value)}</span>`}</p>`}
    <span class="row-of"><button type="button" disabled=${index === 0} onClick=${() => session.undo(-1)}>↶ ${said("bench.undo")}</button>
      <button type="button" class="main" id="bar-show" onClick=${show}>${said("bench.show_number")}</button></span>
  </div>`;
}
