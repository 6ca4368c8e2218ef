import { html, useState } from "../../vendor/standalone.module.js";
import { short } from "../../shared/numbers.js";

// The map for those who do not see it: all its numbers where they are few, otherwise the largest.

const FEW = { steps: 16, numbers: 256 }, LARGEST = 12;

function Whole({ values, numbers, units, named, first, said }) {
  return html`<table>
    <thead><tr><th scope="col">${said("compare.map.unit")}</th>${numbers.map((t) => html`<th key=${t} scope="col">${said("compare.at_step", { t: t + first })}</th>`)}</tr></thead>
    <tbody>${Array.from({ length: units }, (_, unit) => html`<tr key=${unit}>
      <th scope="row">${named(unit)}</th>${numbers.map((t, k) => html`<td key=${t} class="number">${short(values[k * units + unit])}</td>`)}
    </tr>`)}</tbody>
  </table>`;
}

function Top({ values, numbers, units, named, first, choose, said }) {
  const size = (k) => (Number.isFinite(values[k]) ? values[k] : Infinity);
  const order = Array.from(values.keys()).filter((k) => values[k] !== 0).sort((p, q) => size(q) - size(p) || p - q);
  return html`<p class="quiet-text">${said("compare.map.top", { shown: Math.min(LARGEST, order.length), of: order.length })}</p>
  <table>
    <thead><tr><th scope="col">${said("compare.map.step")}</th><th scope="col">${said("compare.map.unit")}</th><th scope="col">|b − a|</th><th></th></tr></thead>
    <tbody>${order.slice(0, LARGEST).map((k) => {
      const cell = { step: Math.floor(k / units), unit: k % units };
      return html`<tr key=${k}><td>${numbers[cell.step] + first}</td><td>${named(cell.unit)}</td><td class="number">${short(values[k], 6)}</td>
        <td><button type="button" class="quiet where" onClick=${() => choose(cell)}>${said("compare.map.choose")}</button></td></tr>`;
    })}</tbody>
  </table>`;
}

/** The values of a map as a table that opens. */
export function MapTable(props) {
  const [open, setOpen] = useState(false);
  const few = props.numbers.length <= FEW.steps && props.values.length <= FEW.numbers;
  return html`<details class="map-table" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${props.said("compare.map.table")}</summary>
    ${open && html`<div class="scroll">${few ? html`<${Whole} ...${props} />` : html`<${Top} ...${props} />`}</div>`}
  </details>`;
}
