import { html, useState } from "../vendor/standalone.module.js";
import { address_of, counted_index } from "../shared/addresses.js";
import { short, value_of } from "../shared/numbers.js";
import { SIGNS } from "./verdict.js";

// The table by line, in computing order: where a difference begins, and how it grows.

const BAR = 56, LEAST_DECADES = 2; // the width of a bar, and how many powers of ten it shows at least

/** How many powers of ten lie between the smallest and the largest difference, with a bit of bar for the smallest. */
function decadesOf(differences) {
  const span = Math.log10(Math.max(...differences) / Math.min(...differences));
  return Math.max(LEAST_DECADES, span * 1.1);
}

/** A difference as a length, by powers of ten. */
function Bar({ value, most, decades }) {
  const x = value_of(value);
  const part = x > 0 && most > 0 ? Math.max(0.02, 1 + Math.log10(x / most) / decades) : Number.isNaN(x) ? 1 : 0;
  return html`<svg class="bar" width=${BAR} height="8" aria-hidden="true"><rect width=${Math.min(1, part) * BAR} height="8" rx="1" /></svg>`;
}

/** Whether a line has a largest difference: one without any has no place for it. */
const placed = (line) => line.t !== null;

/**
 * @param {{run: object, lines: object[], shown: {scope: string, line: string}, begins: string, choose: (address: string) => void,
 *   show: (line: object) => void}} props
 *   shown: the line of the map; begins: the line of the first difference; choose: a value was chosen; show: a line was
 */
export function Lines({ run, lines, shown, begins, choose, show, first, said }) {
  const [all, setAll] = useState(false);
  const differing = lines.filter((line) => value_of(line.largest) !== 0);
  const listed = all || differing.length === 0 ? lines : differing;
  const finite = differing.map((line) => value_of(line.largest)).filter(Number.isFinite);
  const most = Math.max(0, ...finite), decades = decadesOf(finite);
  const scopes = new Set(lines.map((line) => line.scope)).size;
  return html`<section class="panel by-line" aria-labelledby="by-line">
    <div class="head">
      <h2 id="by-line">${said("compare.by_line")}</h2>
      ${differing.length > 0 && differing.length < lines.length && html`<label class="field">
        <input type="checkbox" checked=${all} onChange=${() => setAll(!all)} /> ${said("compare.all_lines", { n: lines.length - differing.length })}</label>`}
    </div>
    <p class="quiet-text">${said("compare.computing_order")}</p>
    <div class="scroll"><table>
      <thead><tr>
        <th scope="col" class="left">${said("compare.line")}</th>
        <th scope="col"><abbr title=${said("compare.largest")}>max |b − a|</abbr></th>
        <th scope="col" class="bars"><span class="unseen">${said("compare.size")}</span></th>
        <th scope="col" class="left">${said("compare.where")}</th>
      </tr></thead>
      <tbody>${listed.map((line) => {
        const here = line.scope === shown.scope && line.line === shown.line;
        return html`<tr key=${`${line.scope}/${line.line}`} class=${here ? "shown" : ""}>
          <th scope="row"><span class=${`mark ${line.verdict}`} title=${said(`compare.verdict.${line.verdict}`)}>${SIGNS[line.verdict]}<span class="unseen"> ${said(`compare.verdict.${line.verdict}`)}</span></span>
            ${scopes > 1 && html`<span class="quiet-text">${line.scope}/</span>`}<code>${line.line}</code>${begins === `${line.scope}/${line.line}` && html` <span class="tag begins" title=${said("compare.is_first_about")}>${said("compare.is_first")}</span>`}</th>
          <td class="number" title=${said("compare.bound_is", { bound: short(line.bound) })}>${short(line.largest)}</td>
          <td class="bars"><${Bar} value=${line.largest} most=${most} decades=${decades} /></td>
          <td class="left"><button type="button" class="quiet where" aria-current=${here ? "true" : undefined} onClick=${() => (placed(line) ? choose(address_of(run, line)) : show(line))}
            >${placed(line) ? said("compare.step_unit", { t: line.t + first, unit: counted_index(run, line.scope, line.line, line.unit, first) }) : said("compare.show_line")}<span class="unseen"> ${said("compare.of_line", { line: line.line })}</span></button></td>
        </tr>`;
      })}</tbody>
    </table></div>
  </section>`;
}
