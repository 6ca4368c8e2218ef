import { html, useEffect, useState } from "../../vendor/standalone.module.js";
import { Choice } from "../../parts.js";
import { counted, ends, ranges_of } from "../../shared/ranges.js";
import { SymbolText } from "../symbols.js";

// What can be chosen for a picture: a row of controls, of those that its kind takes. Left empty, it is as usual.

const ORDERS = ["", "index", "cluster", "memory", "activity"];

/** Units or steps as they are counted on the page, from the first to the last; what does not fit stays, to be put right. */
function Ranges({ id, label, value, first, last, single, count, onChange }) {
  const [wrong, setWrong] = useState(null);
  useEffect(() => setWrong(null), [value, count]);
  const take = ({ target }) => {
    const found = ranges_of(target.value, count);
    const there = found ? ends(found).flat().every((n) => n >= first && n <= last) : found === "";
    const fits = there && !(single && found.includes(","));
    setWrong(fits ? null : target.value);
    if (fits) onChange(found);
  };
  return html`<label class="field" for=${id}><span class="label">${label}</span>
    <input id=${id} type="text" size="7" autocomplete="off" placeholder=${counted(`${first}..${last}`, count)} value=${wrong ?? counted(value, count)} aria-invalid=${wrong !== null} onChange=${take} /></label>`;
}

/** Lines that are drawn, chosen one by one; none chosen: those that are usual. */
function Lines({ lines, chosen, onChange, said }) {
  const toggle = (name) => onChange(lines.map((one) => one.name).filter((one) => chosen.includes(one) !== (one === name)));
  return html`<details class="menu" id="plot-lines"><summary class="button">${said("bench.picture.lines")}${chosen.length > 0 && ` (${chosen.length})`}</summary>
    <div class="sheet" role="group" aria-label=${said("bench.picture.lines")}>${lines.map(({ name, symbol }) => html`<label key=${name} class="field">
      <${SymbolText} text=${symbol} /><input type="checkbox" value=${name} checked=${chosen.includes(name)} onChange=${() => toggle(name)} /></label>`)}</div></details>`;
}

/** @param {{options: object, choose: (change: object) => void}} props options: what is chosen, as the address of the page has it */
export function Options({ kind, run, scope, options, choose, count, said }) {
  const stage = run.stages.find((one) => one.scope === scope) ?? run.stages[0];
  const lines = stage.lines.filter((one) => kind.kind !== "saturation" || one.gate);
  const widest = Math.max(...stage.lines.map((one) => one.width));
  const put = (name) => (value) => choose({ [name]: value });
  const level = (name, usual) => html`<label class="field" for=${`plot-${name}`}><span class="label">${said(`bench.picture.${name}`)}</span>
    <input id=${`plot-${name}`} type="number" min="0" max="1" step="0.05" placeholder=${usual} value=${options[name] ?? ""} onChange=${(event) => choose({ [name]: event.target.value })} /></label>`;
  const sequences = Array.from({ length: run.batch > 1 ? run.batch : 0 }, (_, b) => [String(b), said("bench.picture.baseline.row", { n: b + count })]);
  const controls = {
    order: () => html`<${Choice} id="plot-order" label=${said("bench.order")} value=${options.order ?? ""} options=${ORDERS.map((one) => [one, said(`bench.order.${one || "usual"}`)])} onChange=${put("order")} />`,
    line: () => html`<${Lines} lines=${lines} chosen=${options.line?.split(";") ?? []} onChange=${(names) => choose({ line: names.join(";") })} said=${said} />`,
    unit: () => widest > 1 && html`<${Ranges} id="plot-unit" label=${said("bench.picture.units")} value=${options.unit ?? ""} first=${0} last=${widest - 1} count=${count} onChange=${put("unit")} />`,
    steps: () => run.steps > 1 && html`<${Ranges} id="plot-steps" label=${said("bench.picture.steps")} value=${options.steps ?? ""} first=${run.first} last=${run.first + run.steps - 1} single count=${count} onChange=${put("steps")} />`,
    low: () => level("low", "0.1"),
    high: () => level("high", "0.9"),
    baseline: () => html`<${Choice} id="plot-baseline" label=${said("bench.picture.baseline")} value=${options.baseline ?? ""} options=${[["", said("bench.picture.baseline.input")], ["zero-state", said("bench.picture.baseline.state")], ...sequences]} onChange=${put("baseline")} />`,
    occlusion: () => html`<${Choice} id="plot-occlusion" label=${said("bench.picture.occlusion")} value=${options.occlusion ?? ""} options=${["", "all", "none"].map((one) => [one, said(`bench.picture.occlusion.${one || "auto"}`)])} onChange=${put("occlusion")} />`,
  };
  const shown = Object.keys(controls).filter((name) => kind.options.includes(name));
  return shown.length > 0 && html`<div class="row-of kinds options" role="group" aria-label=${said("bench.picture.options")}>${shown.map((name) => controls[name]())}</div>`;
}
