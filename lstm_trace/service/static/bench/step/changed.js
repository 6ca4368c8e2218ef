import { html } from "../../vendor/standalone.module.js";
import { line_address } from "../../shared/addresses.js";
import { SymbolText } from "../symbols.js";

const LISTED = 12;

/** Lines that the last edit changed most, each a way to where it did; over the picture, which stays where it is. */
export function Changed({ run, before, pick, said }) {
  const list = run.changed?.filter((one) => one.largest !== 0) ?? [];
  if (!before || run.parent !== before.id || list.length === 0) return null;
  const about = ({ scope, line }) => run.stages.find((stage) => stage.scope === scope)?.lines.find((one) => one.name === line);
  const named = list.filter((one) => about(one)?.assigned);
  const shown = (named.length ? named : list).slice(0, LISTED);
  return html`<details class="menu changes"><summary class="button">${said("bench.changed_lines", { n: list.length })}</summary>
    <div class="sheet"><p class="row-of">${shown.map((one) => {
      const address = line_address(run, one.scope, one.t, one.b, one.line, one.unit);
      return html`<a key=${address} href="#" data-address=${address} onClick=${(event) => { event.preventDefault(); pick(address); }}><${SymbolText} text=${about(one)?.symbol ?? one.line} /></a>`;
    })}</p></div></details>`;
}
