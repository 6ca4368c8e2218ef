import { html, useMemo, useRef } from "../../vendor/standalone.module.js";
import { Fault } from "../../parts.js";
import { Held } from "./held.js";
import { gate_about, gate_name, letter } from "./gates.js";
import { Input } from "./input.js";
import { Premise } from "./premise.js";
import { by_touch } from "../hooks.js";
import { edited, same_grids } from "../state/fitting.js";
import { SymbolText } from "../symbols.js";

// What is given: the input, the states before the first step, and the weights by gate, as grids that can be edited.

const OPEN = 160; // numbers of weights up to which every gate is unfolded at first

function Weights({ premises, run, ...rest }) {
  const { said } = rest;
  const gates = [...new Set(premises.map((one) => one.gate))].sort((one, two) => (one === "") - (two === ""));
  const small = premises.reduce((sum, one) => sum + one.shape.reduce((all, n) => all * n, 1), 0) <= OPEN;
  return gates.map((gate, k) => html`<details key=${`${run.cell.kind} ${gate}`} class="gate" open=${small || k === 0} id=${`gate-${gate || "other"}`}>
    <summary><span class="gate-name">${gate_name(run, gate, said)}</span>${gate && html` <${SymbolText} text=${letter(run, gate)} />`}</summary>
    <p class="quiet-text gate-about">${gate_about(run, gate, said)}</p>
    <div class="side">${premises.filter((one) => one.gate === gate).map((one) => html`<${Premise} key=${one.address} premise=${one} ...${rest} />`)}</div>
  </details>`);
}

/** The run whose layout the grids have: the same one, as long as only numbers change. */
function useLayout(run) {
  const layout = useRef(run);
  if (!same_grids(layout.current, run)) layout.current = run;
  return layout.current;
}

export function Givens({ session, state, count, said }) {
  const { run, premises, scope, fault, unit_row } = state;
  const layout = useLayout(run);
  const marks = useMemo(() => edited(state), [state.entries, state.index]);
  const shared = { session, state, layout, marks, count, said };
  const of_scope = premises.filter((one) => one.scope === scope);
  const here = of_scope.length ? of_scope : premises.filter((one) => one.scope === run.stages[0].scope);
  const kinds = (kind) => here.filter((one) => one.kind === kind);
  const input = premises.find((one) => one.kind === "input");
  const [weights, initial, given] = [kinds("parameter"), kinds("initial"), kinds("given")];
  const units = Math.max(1, ...weights.map((one) => one.shape[0] ?? 1));
  return html`
    <div class="head"><h2 id="givens-title">${said("bench.givens")}</h2><span class="quiet-text">${said(by_touch() ? "bench.edit_hint.touch" : "bench.edit_hint")}</span></div>
    ${fault?.where === "givens" && html`<${Fault} error=${fault.error} retry=${fault.retry} close=${() => session.dismiss()} said=${said} />`}
    ${input && html`<${Input} premise=${input} ...${shared} />`}
    ${initial.length > 0 && html`<section class="given" aria-labelledby="given-initial"><h3 id="given-initial">${said("bench.initial")}</h3>
      <div class="side">${initial.map((one) => html`<${Premise} key=${one.address} premise=${one} ...${shared} />`)}</div></section>`}
    ${given.length > 0 && html`<section class="given" aria-labelledby="given-lines"><h3 id="given-lines">${said("bench.supplied")}</h3>
      ${given.map((one) => html`<${Premise} key=${one.address} premise=${one} ...${shared} />`)}</section>`}
    ${run.held.length > 0 && html`<${Held} session=${session} state=${state} count=${count} said=${said} />`}
    ${weights.length > 0 && html`<section class="given" aria-labelledby="given-weights"><div class="head"><h3 id="given-weights">${said("bench.weights")}</h3>
      ${!run.live && html`<label class="field" for="unit-row"><span class="label">${said("bench.weights_of_unit")}</span>
        <input id="unit-row" type="number" min=${count} max=${units - 1 + count} value=${unit_row + count} onChange=${(event) => session.rows_of(Math.min(Math.max(Number(event.target.value) - count || 0, 0), units - 1))} /></label>`}</div>
      <${Weights} premises=${weights} run=${run} ...${shared} /></section>`}`;
}
