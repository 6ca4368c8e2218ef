import { html, useState } from "../vendor/standalone.module.js";
import { line_address } from "../shared/addresses.js";
import { answers } from "./state/fitting.js";
import { by_touch } from "./hooks.js";
import { SymbolText } from "./symbols.js";

// Three lines for whoever is here for the first time.

const KEY = "lstm-trace.bench-explained";
const LISTED = 4; // answers that are named

// a browser may refuse to keep anything: then the lines come back with the next visit
const seen = () => { try { return localStorage.getItem(KEY) !== null; } catch { return false; } };
const keep = () => { try { localStorage.setItem(KEY, "yes"); } catch { /* nothing is lost but this */ } };

export function FirstVisit({ run, pick, said }) {
  const [shown, setShown] = useState(() => !seen());
  if (!shown) return null;
  const symbol = ({ scope, name }) => run.stages.find((stage) => stage.scope === scope).lines.find((line) => line.name === name).symbol;
  const touch = by_touch();
  const asked = answers(run).slice(-LISTED);
  return html`<section class="panel first-visit" id="first-visit" aria-label=${said("bench.first")}>
    <ul>
      <li>${said(touch ? "bench.first.click.touch" : "bench.first.click")}</li>
      <li>${said(touch ? "bench.first.change.touch" : "bench.first.change")}</li>
      <li>${said(asked.length ? "bench.first.answer" : "bench.first.table")}${asked.map((one) => {
        const address = line_address(run, one.scope, one.t, one.b, one.name, one.unit ?? 0);
        return html` <a key=${address} href="#" data-address=${address} onClick=${(event) => { event.preventDefault(); pick(address); }}><${SymbolText} text=${symbol(one)} /></a>`;
      })}</li>
    </ul>
    <button type="button" id="first-visit-close" onClick=${() => { keep(); setShown(false); }}>${said("bench.first.close")}</button>
  </section>`;
}
