import { html, useState } from "../vendor/standalone.module.js";
import { TextFile } from "../parts.js";
import { rowsOf } from "../reading.js";
import { asSources } from "../shared/bench_runs.js";
import { Picker } from "../shared/picker.js";

// A set of weights computes nothing without an input x: where to take it from.

const SAMPLE = "0.5\t1.0\n0.2\t-0.3";

function Paste({ id, use, said }) {
  const [text, setText] = useState("");
  let rows = null, wrong = "";
  if (text.trim()) {
    try {
      rows = rowsOf(text);
    } catch (error) {
      wrong = said(error.key, error.values);
    }
  }
  return html`<div class="paste">
    <label for=${`${id}-text`}>${said("compare.paste.label")}</label>
    <textarea id=${`${id}-text`} rows="5" spellcheck="false" placeholder=${SAMPLE} value=${text} aria-invalid=${Boolean(wrong)} aria-describedby=${`${id}-found`}
      onInput=${(event) => setText(event.target.value)}></textarea>
    <p id=${`${id}-found`} class=${wrong ? "bad" : "quiet-text"} role="status">${wrong || (rows ? said("compare.paste.found", { rows: rows.length, columns: rows[0].length }) : said("compare.paste.about"))}</p>
    <div class="row-of">
      <button type="button" class="main" disabled=${!rows} onClick=${() => use(JSON.stringify(rows))}>${said("compare.paste.use")}</button>
      <${TextFile} label=${said("compare.paste.file")} use=${setText} />
    </div>
  </div>`;
}

/** In words, what x was chosen. */
export function inputName(x, other, said) {
  if (x === "other") return said("compare.x.from", { side: other });
  if (x.startsWith("[")) return said("compare.x.pasted");
  return said("compare.x.of", { source: x.replace(/^\w+:/, "") });
}

/**
 * @param {{side: string, other: string, title: string, offer: boolean, both: boolean, use: (x: string) => void}} props
 *   offer: whether the other side has an x; both: whether it is a model without one as well
 */
export function InputChooser({ side, other, title, offer, both, use, said }) {
  const [pasting, setPasting] = useState(false);
  return html`<div class="needs-input" role="group" aria-label=${said("compare.x.needed")}>
    <p>${said(both ? "compare.x.about_both" : "compare.x.about", { title, other })}</p>
    <div class="row-of">
      ${offer && html`<button type="button" class="main" onClick=${() => use("other")}>${said("compare.x.other", { side: other })}</button>`}
      <${Picker} id=${`x-${side}`} label=${said("compare.x.picker", { side })} title="" placeholder=${said("compare.x.pick")} bench=${asSources(said)} kinds=${["problem", "trace"]} choose=${use} said=${said} />
      <button type="button" aria-expanded=${pasting} onClick=${() => setPasting(!pasting)}>${said("compare.x.paste")}</button>
    </div>
    ${pasting && html`<${Paste} id=${`paste-${side}`} use=${use} said=${said} />`}
  </div>`;
}
