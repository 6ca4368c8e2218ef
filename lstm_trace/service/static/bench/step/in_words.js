import { html, useMemo, useState } from "../../vendor/standalone.module.js";
import { useSettled } from "../../shared/loaded.js";
import { useView } from "../hooks.js";
import { Prose } from "../symbols.js";

// What the gates and states did at a step, in sentences. They are written by the server, also of runs that are computed in
// the page; so these are asked for only where somebody reads them, and once nothing changes for a moment.

/** step: a reply of the server has its sentences. */
export function InWords({ session, run, step, params, language, said }) {
  const [open, setOpen] = useState(false);
  const own = step?.in_words?.length > 0;
  const wanted = useSettled(useMemo(() => (open && !own ? { run, params } : {}), [open, own, run, JSON.stringify(params)]));
  const { data } = useView(session, wanted.run ?? null, "in_words", wanted.params);
  const sentences = own ? step.in_words : open ? data?.in_words : [];
  return html`<details class="panel words" aria-live="polite" lang=${language} open=${own || open} onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h2 id="words-title">${said("bench.in_words")}</h2></summary>
    ${sentences ? html`<ul>${sentences.map((sentence, k) => html`<li key=${k}><${Prose} text=${sentence} /></li>`)}</ul>` : html`<p class="waiting">${said("shell.loading")}</p>`}
  </details>`;
}
