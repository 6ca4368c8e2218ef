import { html, useEffect, useState } from "../../vendor/standalone.module.js";
import { parsed } from "../../reading.js";
import { Choice, Fault } from "../../parts.js";
import { brief } from "../../shared/numbers.js";
import { hold, held_by, release } from "../state/holding.js";

// A number that is computed can be held at another value; what follows from it is computed from that.

/** A value as it is typed: a number, or `*0.5` for a multiple of what the equation gives; null for another text. */
function value_of_text(text) {
  const factor = /^\s*[*×]/.test(text);
  const number = parsed(text.replace(/^\s*[*×]/, ""));
  return number === null ? null : factor ? `*${number}` : number;
}

const shown = (value) => (typeof value === "string" ? `× ${value.slice(1)}` : brief(value)).replace("-", "−");

/** is_held: whether it is held now, by this page or by what it began with. */
export function Hold({ session, run, address, is_held, said }) {
  const [text, setText] = useState("");
  const [every, setEvery] = useState("");
  const [error, setError] = useState(null);
  const own = held_by(session, address);
  useEffect(() => { setText(""); setError(null); }, [address, run]);
  const told = async (work) => setError(await work);
  const value = value_of_text(text);
  const put = (event) => {
    event.preventDefault();
    if (value === null) setError({ title: said("bench.hold.wrong", { text }) });
    else told(hold(session, address, value, Boolean(every)));
  };
  return html`<section class="hold" aria-labelledby="hold">
    <h3 id="hold">${said("bench.hold")}</h3>
    ${is_held
      ? html`<p class="row-of held-now" id="held-now"><span>${own.length ? said("bench.hold.is", { value: own.map((one) => shown(one.value)).join(", ") }) : said("bench.hold.given")}</span>
          ${own.length > 0 && html`<button type="button" id="release" onClick=${() => told(release(session, address))}>${said("bench.hold.release")}</button>`}</p>`
      : html`<p class="quiet-text">${said("bench.hold.about")}</p>`}
    <form class="row-of" onSubmit=${put}>
      <label class="field" for="hold-value"><span class="label">${said("bench.hold.at")}</span>
        <input id="hold-value" type="text" size="7" autocomplete="off" placeholder="0 · *0.5" value=${text} aria-invalid=${Boolean(error)} onInput=${(event) => { setText(event.target.value); setError(null); }} /></label>
      ${run.steps > 1 && html`<${Choice} id="hold-steps" label=${said("bench.hold.steps")} hidden_label value=${every} options=${[["", said("bench.hold.here")], ["every", said("bench.hold.every")]]} onChange=${setEvery} />`}
      <button type="submit" id="hold-do" disabled=${text.trim() === ""}>${said("bench.hold.do")}</button>
    </form>
    <${Fault} id="hold-fault" error=${error && error.status === 0 ? null : error} said=${said} close=${() => setError(null)} />
  </section>`;
}
