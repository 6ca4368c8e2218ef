import { html, useEffect, useMemo, useState } from "../vendor/standalone.module.js";
import { parsed } from "../reading.js";
import { Document, Folded, sectioned } from "../shared/document.js";
import { full, short, signed } from "../shared/numbers.js";

// What the comparison found: the verdict in a word, its document, the first difference, the tolerance.

export const SIGNS = { same: "=", different: "≠", inconclusive: "?" };

function First({ first, link, choose, said }) {
  const rows = [["compare.value_a", full(first.a)], ["compare.value_b", full(first.b)], ["compare.difference", signed(first.difference, (x) => short(x, 6))],
    ["compare.bound", short(first.bound)]];
  return html`<div class="first">
    <h2>${said("compare.first")}</h2>
    <p><code class="first-address">${first.address}</code></p>
    <dl class="pairs">${rows.map(([key, value]) => html`<div key=${key}><dt>${said(key)}</dt><dd class="number">${value}</dd></div>`)}</dl>
    <p class="row-of"><button type="button" onClick=${choose}>${said("compare.show_on_map")}</button>${link}</p>
  </div>`;
}

/**
 * @param {{found: object, link: any, choose: () => void}} props
 *   found: the reply of /diffs; link: opens the bench at the first difference; choose: shows it on the map
 */
export function Verdict({ found, link, choose, said }) {
  const { lead, sections } = useMemo(() => sectioned(found.document), [found]);
  return html`<section class=${`panel verdict ${found.verdict}`} aria-labelledby="verdict">
    <div role="status">
      <h2 id="verdict"><span class="verdict-sign" aria-hidden="true">${SIGNS[found.verdict]}</span> ${said(`compare.verdict.${found.verdict}`)}</h2>
      <${Document} blocks=${lead} under=${1} language=${said.language} />
    </div>
    ${found.first && html`<${First} first=${found.first} link=${link} choose=${choose} said=${said} />`}
    <${Folded} sections=${sections} under=${1} language=${said.language} />
  </section>`;
}

const NAMES = ["rtol", "atol", "ulps"];
const valid = (text) => text === "" || (parsed(text) ?? -1) >= 0;

/** Three fields; empty ones leave the judgement to the rounding bound. */
export function Tolerance({ values, change, said }) {
  const [typed, setTyped] = useState(values);
  useEffect(() => setTyped(values), NAMES.map((name) => values[name]));
  const apply = (event) => {
    event.preventDefault();
    if (NAMES.every((name) => valid(typed[name]))) change(typed);
  };
  const wrong = NAMES.filter((name) => !valid(typed[name]));
  return html`<form class="tolerance row-of" onSubmit=${apply} aria-label=${said("compare.tolerance")}>
    ${NAMES.map((name) => html`<label key=${name} class="field" title=${said(`compare.tolerance_about.${name}`)}><span class="label">${said(`compare.${name}`)}</span>
      <input type="text" inputmode="decimal" size="8" id=${`tolerance-${name}`} value=${typed[name]} aria-invalid=${!valid(typed[name])} placeholder=${said("compare.by_bound")}
        onInput=${(event) => setTyped({ ...typed, [name]: event.target.value.trim() })} onBlur=${apply} /></label>`)}
    <button type="submit">${said("compare.apply")}</button>
    ${NAMES.every((name) => values[name] === "") ? html`<span class="quiet-text">${said("compare.judged_by_bound")}</span>`
      : html`<button type="button" class="quiet" onClick=${() => change({ rtol: "", atol: "", ulps: "" })}>${said("compare.use_bound")}</button>`}
    ${wrong.length > 0 && html`<span class="bad" role="alert">${said("compare.not_a_tolerance", { name: wrong.join(", ") })}</span>`}
  </form>`;
}
