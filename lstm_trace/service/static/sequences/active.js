import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { Choice, Fault } from "../parts.js";
import { useLoaded, useSettled } from "../shared/loaded.js";
import { short, value_of } from "../shared/numbers.js";

const LISTED = 24, MATCHED = 8; // units that are listed, and ticked at first

/** The units of a line that are beyond a level in the whole span that was brushed. */
export function Active({ states, unit, sequence, line, span: [first, last], level: { side, value: limit }, strict, set, said }) {
  const [level, setLevel] = useState(String(limit));
  const [changed, setChanged] = useState([]); // units whose tick was changed
  const [all, setAll] = useState(false);
  const settled = useSettled(level);
  useEffect(() => { if (Number(settled) !== limit && settled.trim() !== "" && Number.isFinite(Number(settled))) set({ [side]: settled, match: "" }); }, [settled]);
  useEffect(() => { if (Number(level) !== limit) setLevel(String(limit)); }, [limit]);
  const query = { sequence, first, last, line: line.line, [side]: limit, strict };
  const { value, error, loading } = useLoaded(JSON.stringify([states.name, query]), (signal) => get(`/states/${part(states.name)}/select`, query, { signal }));
  useEffect(() => { setChanged([]); setAll(false); }, [value]);
  const units = value?.units ?? [];
  const ticked = units.map((one) => one.unit).filter((one, k) => (k < MATCHED) !== changed.includes(one));
  const tick = (one) => setChanged(changed.includes(one) ? changed.filter((other) => other !== one) : [...changed, one]);
  const find = () => set({ match: `${line.line}[${ticked.map((one) => /(\d+)\]$/.exec(one)[1]).join(",")}]`, length: String(last - first + 1) }, {});
  const most = Math.max(1, ...units.map((one) => Math.abs(value_of(one.mean))));
  const shown = all ? units : units.slice(0, LISTED);
  const top = Math.max(1, Math.ceil(Math.abs(Number(level)) || 0));
  const turn = (to) => set({ above: "", below: "", [to]: String(to === "below" ? -Math.abs(limit) : Math.abs(limit)), match: "" });
  return html`<section class="panel active" aria-labelledby="active-title" aria-busy=${loading}>
    <div class="head"><h2 id="active-title">${said("sequences.active", { first, last, line: line.line })}</h2>
      <button type="button" class="quiet" onClick=${() => set({ span: "", match: "" })}>${said("sequences.clear")}</button></div>
    <div class="row-of">
      <${Choice} id="level-side" label=${said("sequences.level")} value=${side} options=${["above", "below"].map((one) => [one, said(`sequences.${one}`)])} onChange=${turn} />
      <input type="range" id="level-slider" min=${side === "below" ? -top : 0} max=${side === "below" ? 0 : top} step="0.01" value=${level} aria-label=${said("sequences.level")} onInput=${(event) => setLevel(event.target.value)} />
      <input type="number" id="level" step="0.05" value=${level} aria-label=${said("sequences.level")} onInput=${(event) => setLevel(event.target.value)} />
      <label class="field"><input type="checkbox" id="strict" checked=${strict} onChange=${(event) => set({ strict: event.target.checked ? "1" : "", match: "" })} /> ${said("sequences.strict")}</label>
    </div>
    <${Fault} error=${error} said=${said} />
    ${value && units.length === 0 && html`<p>${value.beside > 0 ? said("sequences.none_strict", { n: value.beside, strict: said("sequences.strict") }) : said("sequences.none_active")}</p>`}
    ${units.length > 0 && html`<ul class="active-units">${shown.map((one) => html`<li key=${one.unit} class=${one.unit === unit ? "shown" : ""}>
      <input type="checkbox" checked=${ticked.includes(one.unit)} aria-label=${said("sequences.tick", { unit: one.unit })} onChange=${() => tick(one.unit)} />
      <button type="button" class="quiet" aria-pressed=${one.unit === unit} title=${said("sequences.colour_by", { unit: one.unit })} onClick=${() => set({ unit: one.unit })}><code>${one.unit}</code></button>
      <span class="number" title=${said("sequences.mean")}>${short(one.mean)}</span>
      <svg class="mean" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * Math.abs(value_of(one.mean))) / most} height="10" /></svg></li>`)}</ul>
      ${units.length > shown.length && html`<p><button type="button" onClick=${() => setAll(true)}>${said("sequences.all_active", { n: units.length })}</button></p>`}
      <p class="row-of"><button type="button" class="main" id="find-matches" disabled=${ticked.length === 0} onClick=${find}>${said("sequences.find", { n: ticked.length })}</button>
        <span class="quiet-text">${said("sequences.find_about")}</span></p>`}
  </section>`;
}
