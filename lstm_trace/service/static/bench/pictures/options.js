import { html, useEffect, useState } from "../../vendor/standalone.module.js";
import { Choice } from "../../parts.js";
import { counted, ends, ranges_of } from "../../shared/ranges.js";
import { worded } from "../../words.js";
import { SymbolText } from "../symbols.js";

// What can be chosen for a picture: a row of controls, of those that its kind takes. Left empty, it is as usual.

// Words of options whose keys do not end in their names, and the choice that holds if none is made.
const WORDS = { unit: "bench.picture.units", line: "bench.picture.lines" };
const USUAL = { order: "usual", baseline: "input", occlusion: "auto" };
const VALUES = { "bench.picture.baseline.zero-state": "bench.picture.baseline.state" };

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
  const widest = Math.max(...stage.lines.map((one) => one.width));
  const put = (name) => (value) => choose({ [name]: value });
  const key = (name) => WORDS[name] ?? `bench.picture.${name}`;
  const label = (name) => worded(said, key(name), name);
  const sequences = Array.from({ length: run.batch > 1 ? run.batch : 0 }, (_, b) => [String(b), said("bench.picture.baseline.row", { n: b + count })]);
  const choice = ({ option, choices, usual }, more = []) => {
    const value = (one) => `${key(option)}.${one}`;
    const named = ["", ...choices.filter((one) => one !== usual)].map((one) => [one, worded(said, VALUES[value(one)] ?? value(one || USUAL[option] || "usual"), one || "…")]);
    return html`<${Choice} id=${`plot-${option}`} label=${label(option)} value=${options[option] ?? ""} options=${[...named, ...more]} onChange=${put(option)} />`;
  };
  const lines_of = ({ option }, lines) => html`<${Lines} lines=${lines} chosen=${options[option]?.split(";") ?? []} onChange=${(names) => choose({ [option]: names.join(";") })} said=${said} />`;
  const ranges = ({ option }, first, last, single) => last > first && html`<${Ranges} id=${`plot-${option}`} label=${label(option)} value=${options[option] ?? ""} first=${first} last=${last} single=${single} count=${count} onChange=${put(option)} />`;
  // by what the value of an option is; others follow from what is looked at
  const controls = {
    choice,
    runs: choice,
    baseline: (one) => choice(one, sequences),
    lines: (one) => lines_of(one, stage.lines),
    gates: (one) => lines_of(one, stage.lines.filter(({ gate }) => gate)),
    units: (one) => ranges(one, 0, widest - 1),
    steps: (one) => ranges(one, run.first, run.first + run.steps - 1, true),
    share: ({ option, usual }) => html`<label class="field" for=${`plot-${option}`}><span class="label">${label(option)}</span>
      <input id=${`plot-${option}`} type="number" min="0" max="1" step="0.05" placeholder=${usual} value=${options[option] ?? ""} onChange=${(event) => put(option)(event.target.value)} /></label>`,
  };
  const shown = kind.controls.filter(({ control }) => controls[control]);
  return shown.length > 0 && html`<div class="row-of kinds options" role="group" aria-label=${said("bench.picture.options")}>${shown.map((one) => controls[one.control](one))}</div>`;
}
