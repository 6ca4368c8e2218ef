import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { get, post } from "../api.js";
import { Fault } from "../parts.js";
import { parts } from "./address.js";
import { full, number, short, signed } from "./figures.js";
import { useLoaded } from "./loaded.js";

// The chosen value: what A and B have there, and which weights and inputs made the difference.

const FEW = 12, WIDTH = 160; // bars before a click, and their width with the zero in the middle
const ROUNDING = 1e-12; // what is left of the sum below this part of the largest entry is the rounding of the sum itself

/** The value of a run at an address. */
async function valueAt(run, at, signal) {
  const { layer, direction, t, b, line, unit } = parts(at);
  const reply = await get(`/runs/${run}/values`, { line, layer, direction, t, unit, batch: b }, { signal });
  return reply.values[0].values.flat(2)[0];
}

/** The parts of the difference, largest first. */
function entriesOf({ columns, rows }) {
  const where = columns.indexOf("address"), amount = columns.indexOf("contribution");
  return rows.map((row) => ({ address: row[where], amount: number(row[amount]) })).sort((p, q) => Math.abs(q.amount) - Math.abs(p.amount));
}

function Bars({ entries, most }) {
  const middle = WIDTH / 2;
  return entries.map((entry) => {
    const length = most > 0 ? (Math.abs(entry.amount) / most) * middle : 0;
    return html`<tr key=${entry.address}>
      <th scope="row"><code>${entry.address}</code></th>
      <td class="number">${signed(entry.amount, (x) => short(x, 4))}</td>
      <td><svg class="split" width=${WIDTH} height="12" aria-hidden="true">
        <rect class=${entry.amount < 0 ? "minus" : "plus"} x=${entry.amount < 0 ? middle - length : middle} y="1" width=${Math.max(1, length)} height="10" />
        <line x1=${middle} x2=${middle} y1="0" y2="12" /></svg></td>
    </tr>`;
  });
}

function Split({ found, difference, said }) {
  const [all, setAll] = useState(false);
  useEffect(() => setAll(false), [found]);
  const entries = entriesOf(found).filter((entry) => entry.amount !== 0);
  if (entries.length === 0) return html`<p class="quiet-text">${said("compare.nothing_to_split")}</p>`;
  const shown = all ? entries : entries.slice(0, FEW);
  const sum = shown.reduce((total, entry) => total + entry.amount, 0);
  const hidden = entries.length - shown.length + found.left_out, rest = difference - sum, most = Math.abs(entries[0].amount);
  return html`<div class="scroll"><table class="split-table">
      <thead><tr><th scope="col" class="left">${said("compare.entry")}</th><th scope="col">${said("compare.contribution")}</th><th><span class="unseen">${said("compare.size")}</span></th></tr></thead>
      <tbody>
        <${Bars} entries=${shown} most=${most} />
        ${hidden > 0 && html`<tr class="rest"><th scope="row">${said("compare.more_entries", { n: hidden })}</th><td class="number">${Math.abs(rest) < ROUNDING * most ? "≈ 0" : signed(rest, (x) => short(x, 4))}</td><td></td></tr>`}
      </tbody>
      <tfoot><tr><th scope="row">${said("compare.sum")}</th><td class="number">${signed(difference, (x) => short(x, 6))}</td><td></td></tr></tfoot>
    </table></div>
    ${entries.length > FEW && html`<button type="button" onClick=${() => setAll(!all)}>${all ? said("compare.fewer") : said("compare.show_all", { n: entries.length })}</button>`}
    ${found.text && html`<details class="verdict-text"><summary>${said("compare.split_text")}</summary><div class="exact" lang="en">${found.text}</div></details>`}`;
}

/**
 * @param {{a: string, b: string, at: string, link: any}} props
 *   a, b: run ids; at: the address of the chosen value; link: opens the bench there
 */
export function Chosen({ a, b, at, link, said }) {
  const values = useLoaded(`${a} ${b} ${at}`, (signal) => Promise.all([a, b].map((run) => valueAt(run, at, signal))));
  const split = useLoaded(`${a} ${b} ${at}`, (signal) => post("/explanations", { run: b, how: "attribution", of: at, against: a }, { signal }));
  const [of_a, of_b] = values.value ?? ["", ""];
  const difference = number(of_b) - number(of_a);
  const rows = [["compare.value_a", full(of_a)], ["compare.value_b", full(of_b)], ["compare.difference", signed(difference)]];
  return html`<section class="panel chosen-value" aria-labelledby="chosen" aria-busy=${values.loading || split.loading}>
    <div class="head"><h2 id="chosen">${said("compare.chosen")} <code class="chosen-address">${at}</code></h2>${link}</div>
    <${Fault} error=${values.error} said=${said} />
    ${values.value && html`<dl class="pairs">${rows.map(([key, value]) => html`<div key=${key}><dt>${said(key)}</dt><dd class="number">${value}</dd></div>`)}</dl>`}
    <h3>${said("compare.split")}</h3>
    <p class="quiet-text">${said("compare.split_about")}</p>
    <${Fault} error=${split.error} said=${said} />
    ${split.value && values.value && !split.error && html`<${Split} found=${split.value} difference=${difference} said=${said} />`}
    ${split.loading && !split.value && html`<p class="waiting">${said("compare.splitting")}</p>`}
  </section>`;
}
