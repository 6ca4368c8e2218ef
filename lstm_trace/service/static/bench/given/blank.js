import { html, useState } from "../../vendor/standalone.module.js";
import { Choice } from "../../parts.js";
import { cellName } from "../../words.js";
import { LIVE_UNITS } from "../state/fitting.js";

// A problem of zeros to begin with: which cell, how large.

const MOST = LIVE_UNITS; // steps, inputs or units of a problem that is filled by hand

const sized = (text) => /^\d+$/.test(text.trim()) && Number(text) >= 1 && Number(text) <= MOST;

export function Blank({ cells, open, cancel, said }) {
  const [cell, setCell] = useState("lstm");
  const [biases, setBiases] = useState(true);
  const [sizes, setSizes] = useState({ steps: "3", inputs: "2", units: "2" });
  const wrong = Object.keys(sizes).find((name) => !sized(sizes[name]));
  const size = (name) => html`<label class="field" for=${`blank-${name}`}><span class="label">${said(`bench.blank.${name}`)}</span>
    <input id=${`blank-${name}`} type="number" min="1" max=${MOST} value=${sizes[name]} aria-invalid=${sized(sizes[name]) ? undefined : "true"} aria-describedby="blank-limits"
      onInput=${(event) => setSizes({ ...sizes, [name]: event.target.value })} /></label>`;
  const submitted = (event) => {
    event.preventDefault();
    const { steps, inputs, units } = sizes;
    if (!wrong) open(`blank:${[cell, Number(steps), Number(inputs), Number(units), ...(biases ? ["biases"] : [])].join("/")}`);
  };
  return html`<form class="sheet" noValidate onSubmit=${submitted}>
    <h3>${said("bench.blank")}</h3>
    <${Choice} id="blank-cell" label=${said("bench.blank.cell")} value=${cell} options=${cells.map((one) => [one.name, cellName(said, one.name, one.title)])} onChange=${setCell} />
    ${size("steps")}${size("inputs")}${size("units")}
    <p id="blank-limits" class=${wrong ? "bad" : "quiet-text"} aria-live="polite">${wrong ? said("bench.blank.wrong", { name: said(`bench.blank.${wrong}`), most: MOST }) : said("bench.blank.limits", { most: MOST })}</p>
    <label class="field" for="blank-biases"><span class="label">${said("bench.blank.biases")}</span>
      <input id="blank-biases" type="checkbox" checked=${biases} onChange=${(event) => setBiases(event.target.checked)} /></label>
    <div class="row-of end">
      <button type="button" id="blank-cancel" onClick=${cancel}>${said("shell.cancel")}</button>
      <button type="submit" class="main" id="blank-open" disabled=${Boolean(wrong)}>${said("bench.blank.open")}</button>
    </div>
  </form>`;
}
