import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { Choice, Fault, Progress } from "../parts.js";
import { useLoaded } from "../shared/loaded.js";
import { short, value_of } from "../shared/numbers.js";

// All units of a line, measured over the whole corpus: to find the one that is worth a look.

const SHOWN = 12; // rows at first
const NUMBERS = ["mean", "sd", "memory"];

/** The rows of a reply as records by column. */
const records = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, k) => [name, row[k]])));

/** The rows from the largest size in a column down, what is no number last; by unit as they are. */
function ordered(rows, column) {
  if (column === "unit") return rows;
  const size = (row) => { const number = Math.abs(value_of(row[column])); return Number.isNaN(number) ? -1 : number; };
  return [...rows].sort((one, two) => size(two) - size(one));
}

/** @param {{open: boolean, sort: string}} props open: whether they are measured and shown; sort: a column */
export function Units({ states, line, unit, open, sort, set, said }) {
  const [all, setAll] = useState(false);
  const [progress, setProgress] = useState(null);
  const query = { line: line.line };
  const { value, error, loading } = useLoaded(open ? JSON.stringify([states.name, query]) : null,
    (signal) => get(`/states/${part(states.name)}/units`, query, { signal, onProgress: (done) => signal.aborted || setProgress(done) }));
  useEffect(() => { setProgress(null); setAll(false); }, [line.line, loading]);
  const targets = (value?.columns ?? []).filter((name) => name.startsWith("r_"));
  const columns = [...targets, ...NUMBERS];
  const by = ["unit", ...columns].includes(sort) ? sort : targets[0] ?? "unit";
  const name = (column) => (column.startsWith("r_") ? said("sequences.r", { target: column.slice(2) }) : said(`sequences.column.${column}`));
  const rows = value ? ordered(records(value), by) : [];
  const shown = all ? rows : rows.slice(0, SHOWN);
  const toggled = (event) => { if (event.target.open !== open) set({ table: event.target.open ? "1" : "" }); };
  return html`<details class="panel units" id="all-units" open=${open} onToggle=${toggled}>
    <summary><h2>${said("sequences.all_units", { line: line.line })}</h2> <span class="quiet-text">${said("sequences.all_units_about")}</span></summary>
    ${open && html`<${Fault} error=${error} said=${said} />
      ${loading && html`<${Progress} label=${said("sequences.measuring")} progress=${progress} cancel=${() => set({ table: "" })} said=${said} />`}
      ${value && !loading && html`<p><${Choice} id="units-sort" label=${said("sequences.sort")} value=${by} options=${["unit", ...columns].map((one) => [one, name(one)])} onChange=${(to) => set({ sort: to })} /></p>
      <div class="scroll" tabindex="0" role="region" aria-label=${said("sequences.all_units", { line: line.line })}><table>
        <thead><tr><th scope="col" class="left">${name("unit")}</th>${columns.map((one) => html`<th key=${one} scope="col" aria-sort=${one === by ? "descending" : undefined}>${name(one)}</th>`)}
          ${states.tokens && html`<th scope="col" class="left">${said("sequences.column.moves_at")}</th>`}</tr></thead>
        <tbody>${shown.map((row) => {
          const one = `${line.line}[${row.unit}]`;
          return html`<tr key=${row.unit} class=${one === unit ? "shown" : ""}><th scope="row"><button type="button" class="quiet" aria-pressed=${one === unit} title=${said("sequences.colour_by", { unit: one })} onClick=${() => set({ unit: one })}><code>${one}</code></button></th>
            ${columns.map((column) => html`<td key=${column} class="number">${short(row[column])}</td>`)}
            ${states.tokens && html`<td class="left"><bdi>${row.moves_at}</bdi></td>`}</tr>`;
        })}</tbody></table></div>
      ${rows.length > shown.length && html`<p><button type="button" onClick=${() => setAll(true)}>${said("sequences.all_active", { n: rows.length })}</button></p>`}`}`}
  </details>`;
}
