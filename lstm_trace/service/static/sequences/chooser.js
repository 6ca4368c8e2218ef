import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { Choice } from "../parts.js";

// Which states, which line of them, which unit.

/** @param {{states: object, listed: object[], line: object, number: number}} props line, number: of the unit that is shown */
export function Chooser({ states, listed, line, number, set, show, said }) {
  const [typed, setTyped] = useState(String(number));
  useEffect(() => setTyped(String(number)), [number, line.line]);
  const to = (text) => {
    const wanted = Number(text);
    setTyped(text);
    if (/^\d{1,9}$/.test(text) && wanted < line.width) show(`${line.line}[${wanted}]`);
  };
  const step = (by) => to(String((number + by + line.width) % line.width));
  const invalid = !(/^\d{1,9}$/.test(typed) && Number(typed) < line.width);
  const other = { sequence: undefined, at: "", span: "", match: "", offset: "" };
  const counts = [said("sequences.count", { n: states.sequences }), said("sequences.steps", { n: states.steps })];
  return html`<div class="row-of">
      ${listed.length > 1 && html`<${Choice} id="states" label=${said("sequences.states")} value=${states.name} options=${listed.map(({ name }) => [name, name])}
        onChange=${(name) => set({ states: name, ...other })} />`}
      ${states.lines.length > 1 && html`<${Choice} id="states-line" label=${said("sequences.line")} value=${line.line} options=${states.lines.map((one) => [one.line, one.line])}
        onChange=${(name) => show(`${name}[0]`)} />`}
      <span class="field"><label class="label" for="states-unit">${said("sequences.unit")}</label>
        <button type="button" class="icon" aria-label=${said("sequences.unit_before")} title=${said("sequences.unit_before")} onClick=${() => step(-1)}>‹</button>
        <input id="states-unit" type="number" min="0" max=${line.width - 1} value=${typed} aria-invalid=${invalid} onInput=${(event) => to(event.target.value)} />
        <button type="button" class="icon" aria-label=${said("sequences.unit_after")} title=${said("sequences.unit_after")} onClick=${() => step(1)}>›</button>
        <span class="quiet-text">${said("sequences.of_units", { last: line.width - 1 })}</span></span>
    </div>
    <p class="quiet-text about-states">${[states.title, ...counts].filter(Boolean).join(" · ")}${states.parts_missing > 0 && ` · ${said("sequences.parts_missing", { n: states.parts_missing })}`}</p>`;
}
