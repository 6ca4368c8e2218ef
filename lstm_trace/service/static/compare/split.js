import { html, useEffect, useMemo, useState } from "../vendor/standalone.module.js";
import { minus, short, signed, value_of } from "../shared/numbers.js";

// A difference in its parts: a row for each matrix, vector and input, which opens to its entries.

const FEW = 12, WIDTH = 160; // rows before a click; the width of a bar, with the zero in the middle
const ROUNDING = 1e-12; // what is left of a sum below this part of the largest entry is the rounding of the sum itself
const LEAST = 0.1; // per cent that are written out

/** The rows of a table of the server, each by its columns. */
const records = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, k) => [name, row[k]])));

/** What the server's table by block calls the array that an entry is of. */
function block_of({ kind, layer, direction, name }) {
  if (kind === "input") return "x";
  if (kind === "lengths" || kind === "mask") return kind;
  return `${layer}/${direction}/${name}${kind === "local" ? " (local)" : ""}`;
}

/** The blocks with their entries, each largest first; that of rounding has none. */
function blocks_of(found) {
  const with_amount = (row) => ({ ...row, amount: value_of(row.contribution), share: value_of(row.share) });
  const blocks = records(found.more.find((table) => table.columns[0] === "block")).map((row) => ({ ...with_amount(row), entries: [] }));
  const named = new Map(blocks.map((block) => [block.block, block]));
  for (const entry of records(found)) named.get(block_of(entry))?.entries.push(with_amount(entry));
  return blocks;
}

const sum = (rows, part = "amount") => rows.reduce((total, row) => total + row[part], 0);

const amount_text = (amount, digits = 4) => signed(amount, (x) => short(x, digits));

function share_text(share, said) {
  if (!Number.isFinite(share)) return ""; // of a difference of 0
  const percent = 100 * share;
  return said("compare.share_is", { percent: Math.abs(percent) < LEAST ? `< ${LEAST}` : minus(percent.toFixed(1)) });
}

function Bar({ amount, most }) {
  const middle = WIDTH / 2, length = most > 0 ? (Math.abs(amount) / most) * middle : 0;
  return html`<svg class="split" width=${WIDTH} height="12" aria-hidden="true">
    <rect class=${amount < 0 ? "minus" : "plus"} x=${amount < 0 ? middle - length : middle} y="1" width=${Math.max(1, length)} height="10" />
    <line x1=${middle} x2=${middle} y1="0" y2="12" /></svg>`;
}

function Name({ block, said }) {
  if (block.startsWith("rounding")) return said("compare.block.rounding");
  const [line, local] = block.split(" (local)");
  return local === undefined ? html`<code>${block}</code>` : said("compare.block.local", { line });
}

/** The address of an entry without its layer and direction, which the row of its block says. */
const shortened = ({ address, layer, direction }) => address.replace(`${layer}/${direction}/`, "");

/** Entries of a block, those that are left out as one row. some: whether the server left out entries. */
function Entries({ block, some, most, said }) {
  const [all, setAll] = useState(false);
  const { entries } = block;
  const shown = all ? entries : entries.slice(0, FEW);
  const rest = block.amount - sum(shown), hidden = entries.length - shown.length;
  const left = some && Math.abs(rest) >= ROUNDING * most;
  return html`${shown.map((entry) => html`<tr key=${entry.address} class="entry">
      <th scope="row"><code>${shortened(entry)}</code></th>
      <td class="number">${amount_text(entry.amount)}</td><td></td>
      <td class="bars"><${Bar} amount=${entry.amount} most=${most} /></td></tr>`)}
    ${(hidden > 0 || left) && html`<tr class="entry rest">
      <th scope="row">${left ? said("compare.more_smaller") : said("compare.more_entries", { n: hidden })}</th>
      <td class="number">${Math.abs(rest) < ROUNDING * most ? "≈ 0" : amount_text(rest)}</td><td></td><td class="bars"></td></tr>`}
    ${entries.length > FEW && html`<tr class="entry"><td class="left" colspan="4"><button type="button" onClick=${() => setAll(!all)}>${all ? said("compare.fewer") : said("compare.show_all", { n: entries.length })}</button></td></tr>`}`;
}

/** alone: whether there is no other block, so that the sum alone would say little. */
function Block({ block, alone, some, most, said }) {
  const [open, setOpen] = useState(null);
  const opens = block.entries.length > 0, opened = opens && (open ?? alone);
  const name = html`<${Name} block=${block.block} said=${said} />`;
  return html`<tbody>
    <tr class="block" data-block=${block.block}>
      <th scope="row">${opens ? html`<button type="button" class="quiet" aria-expanded=${opened} onClick=${() => setOpen(!opened)}><span aria-hidden="true">${opened ? "▾" : "▸"}</span> ${name}</button>` : name}</th>
      <td class="number">${amount_text(block.amount)}</td>
      <td class="number">${share_text(block.share, said)}</td>
      <td class="bars"><${Bar} amount=${block.amount} most=${most} /></td></tr>
    ${opened && html`<${Entries} block=${block} some=${some} most=${most} said=${said} />`}
  </tbody>`;
}

/** @param {{found: object}} props found: the reply of /explanations, an attribution */
export function Split({ found, said }) {
  const [all, setAll] = useState(false);
  useEffect(() => setAll(false), [found]);
  const blocks = useMemo(() => blocks_of(found), [found]);
  if (blocks.length === 0) return html`<p class="quiet-text">${said("compare.nothing_to_split")}</p>`;
  const shown = all ? blocks : blocks.slice(0, FEW), hidden = blocks.slice(shown.length);
  const most = Math.max(...blocks.flatMap(({ amount, entries }) => [amount, entries[0]?.amount ?? 0]).map(Math.abs));
  return html`<div class="scroll"><table class="split-table">
      <thead><tr><th scope="col" class="left">${said("compare.entry")}</th><th scope="col">${said("compare.contribution")}</th><th scope="col">${said("compare.share")}</th><td class="bars"></td></tr></thead>
      ${shown.map((block) => html`<${Block} key=${block.block} block=${block} alone=${blocks.length === 1} some=${found.left_out > 0} most=${most} said=${said} />`)}
      ${hidden.length > 0 && html`<tbody><tr class="rest"><th scope="row">${said("compare.more_entries", { n: hidden.length })}</th>
        <td class="number">${amount_text(sum(hidden))}</td><td class="number">${share_text(sum(hidden, "share"), said)}</td><td class="bars"></td></tr></tbody>`}
      <tfoot><tr><th scope="row">${said("compare.sum")}</th><td class="number">${amount_text(sum(blocks), 6)}</td><td class="number">${share_text(sum(blocks, "share"), said)}</td><td class="bars"></td></tr></tfoot>
    </table></div>
    ${blocks.length > FEW && html`<button type="button" onClick=${() => setAll(!all)}>${all ? said("compare.fewer") : said("compare.show_all", { n: blocks.length })}</button>`}`;
}
