import { html, useEffect, useState } from "../../vendor/standalone.module.js";
import { parsed } from "../../reading.js";
import { Choice, Fault } from "../../parts.js";
import { brief } from "../../shared/numbers.js";
import { at_every_step, hold } from "../state/holding.js";

// A number that is computed can be held at another value; what follows from it is computed from that.

/** A value as it is typed: a number, or `*0.5` for a multiple of what the equation gives; null for another text. */
function value_of_text(text) {
  const factor = /^\s*[*×]/.test(text);
  const number = parsed(text.replace(/^\s*[*×]/, ""));
  return number === null ? null : factor ? `*${number}` : number;
}

/** What a line is held at, in few characters; null: at values that differ. */
export const shown = (value) => (value === null ? "…" : typeof value === "string" ? `× ${value.slice(1)}` : brief(value)).replace("-", "−");

/** held: the address and the value of what holds the number, by this page or by what it began with; null for none. */
export function Hold({ session, run, address, held, said }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => { setText(""); setChosen(null); setError(null); }, [address, run]);
  const every = chosen ?? (held && at_every_step(run, held) ? "every" : "");
  const put = async (to) => setError(await hold(session, address, to, Boolean(every)));
  const value = value_of_text(text);
  const typed = (event) => {
    event.preventDefault();
    if (value === null) setError({ title: said("bench.hold.wrong", { text }) });
    else put(value);
  };
  return html`<section class="hold" aria-labelledby="hold">
    <h3 id="hold">${said("bench.hold")}</h3>
    ${held ? html`<p class="held-now" id="held-now">${said("bench.hold.is", { value: shown(held.value) })}</p>` : html`<p class="quiet-text">${said("bench.hold.about")}</p>`}
    <form class="row-of" onSubmit=${typed}>
      <label class="field" for="hold-value"><span class="label">${said("bench.hold.at")}</span>
        <input id="hold-value" type="text" size="7" autocomplete="off" placeholder="0 · *0.5" value=${text} aria-invalid=${Boolean(error)} onInput=${(event) => { setText(event.target.value); setError(null); }} /></label>
      ${run.steps > 1 && html`<${Choice} id="hold-steps" label=${said("bench.hold.steps")} hidden_label value=${every} options=${[["", said("bench.hold.here")], ["every", said("bench.hold.every")]]} onChange=${setChosen} />`}
      <button type="submit" id="hold-do" disabled=${text.trim() === ""}>${said("bench.hold.do")}</button>
      ${held && html`<button type="button" id="release" onClick=${() => put(null)}>${said("bench.hold.release")}</button>`}
    </form>
    <${Fault} id="hold-fault" error=${error && error.status === 0 ? null : error} said=${said} close=${() => setError(null)} />
  </section>`;
}
