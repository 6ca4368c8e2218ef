import { html, useMemo } from "../vendor/standalone.module.js";
import { get, post } from "../api.js";
import { Fault } from "../parts.js";
import { line_of } from "../shared/addresses.js";
import { Document, Folded, sectioned } from "../shared/document.js";
import { useLoaded } from "../shared/loaded.js";
import { full, signed, value_of } from "../shared/numbers.js";
import { Split } from "./split.js";

// The chosen value: what A and B have there, and which weights and inputs made the difference.

/** The value of a run at an address. */
async function valueAt(run, at, signal) {
  const { layer, direction, t, b, name: line, unit } = line_of(run, at);
  const reply = await get(`/runs/${run.id}/values`, { line, layer, direction, t, unit, batch: b }, { signal });
  return reply.values[0].values.flat(2)[0];
}

/**
 * @param {{a: object, b: object, at: string, link: any}} props
 *   a, b: runs; at: the address of the chosen value; link: opens the bench there
 */
export function Chosen({ a, b, at, link, said }) {
  const values = useLoaded(`${a.id} ${b.id} ${at}`, (signal) => Promise.all([a, b].map((run) => valueAt(run, at, signal))));
  const { language } = said;
  const split = useLoaded(`${a.id} ${b.id} ${at} ${language}`, (signal) => post("/explanations", { run: b.id, how: "attribution", of: at, against: a.id, language }, { signal }));
  const { lead, sections } = useMemo(() => sectioned(split.value?.document ?? []), [split.value]);
  const [of_a, of_b] = values.value ?? ["", ""];
  const difference = value_of(of_b) - value_of(of_a);
  const rows = [["compare.value_a", full(of_a)], ["compare.value_b", full(of_b)], ["compare.difference", signed(difference)]];
  return html`<section class="panel chosen-value" aria-labelledby="chosen" aria-busy=${values.loading || split.loading}>
    <div class="head"><h2 id="chosen">${said("compare.chosen")} <code class="chosen-address">${at}</code></h2>${link}</div>
    <${Fault} error=${values.error} said=${said} />
    ${values.value && html`<dl class="pairs">${rows.map(([key, value]) => html`<div key=${key}><dt>${said(key)}</dt><dd class="number">${value}</dd></div>`)}</dl>`}
    <h3>${said("compare.split")}</h3>
    <${Fault} error=${split.error} said=${said} />
    ${split.value && values.value && !split.error && html`<${Document} blocks=${lead} under=${2} language=${language} />
      <p class="quiet-text">${said("compare.split_about")}</p>
      <${Split} found=${split.value} said=${said} />
      <${Folded} sections=${sections} under=${2} language=${language} />`}
    ${split.loading && !split.value && html`<p class="waiting">${said("compare.splitting")}</p>`}
  </section>`;
}
