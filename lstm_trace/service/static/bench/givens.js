import { html } from "../vendor/standalone.module.js";
import { Fault } from "../parts.js";
import { Grid } from "./grid.js";
import { axes_of, axis_of, labels_of } from "./state/labels.js";
import { entry, premise_address, stored, with_steps } from "./state/places.js";
import { Symbol } from "./symbols.js";

// What is given: the input, the states before the first step, and the weights by gate, as grids that can be edited.

const ROWS = 40; // steps of the input that are shown at once
const OPEN = 160; // numbers of weights up to which every gate is unfolded at first
const NAMED = new Set(["lstm", "slstm", "gru"]); // cells whose gates have names in words

/** Rows and columns of a premise as its grid shows them. */
function laid(premise, { run, b, t }, count) {
  const { values, shape, kind, row: only } = premise;
  const cell = (indices, where = stored(run, premise, indices)) => ({ address: premise_address(premise, indices), value: entry(values, where) });
  const across = (n) => Array.from({ length: n }, (_, k) => k);
  const labels = (axis, n) => labels_of(run, axis, n) ?? across(n).map((k) => String(k + count));
  const stage = run.stages.find((one) => one.scope === premise.scope) ?? run.stages[0];
  const wide = shape.at(-1) ?? 1;
  if (kind === "input" || kind === "given") {
    const from = run.steps > ROWS ? Math.min(Math.max(t - run.first - ROWS / 2, 0), run.steps - ROWS) : 0;
    const steps = across(Math.min(run.steps, ROWS)).map((k) => k + from + run.first);
    return {
      columns: labels(kind === "input" ? "x" : axis_of(stage, premise.name), wide),
      rows: steps.map((at) => ({ label: `t = ${at + count}`, cells: across(wide).map((j) => cell([at, b, j])) })),
    };
  }
  if (kind === "initial") return { columns: labels("h", wide), rows: [{ label: "", cells: across(wide).map((j) => cell([b, j])) }] };
  if (shape.length === 0) return { columns: [""], rows: [{ label: "", cells: [cell([])] }] };
  const [down, along] = axes_of(stage, premise);
  if (shape.length === 1) return { columns: labels(down, wide), rows: [{ label: "", cells: across(wide).map((j) => cell([j])) }] };
  const shown = only === undefined ? across(shape[0]) : [only];
  const names = labels(down, shape[0]);
  return {
    columns: labels(along, wide),
    rows: shown.map((j) => ({ label: names[j], cells: across(wide).map((k) => cell([j, k], only === undefined ? [j, k] : [0, k])) })),
  };
}

function Premise({ premise, count, session, state, said }) {
  if (!premise.values) return html`<p class="quiet-text"><${Symbol} text=${premise.symbol} /> ${said("bench.too_large", { shape: premise.shape.join(" × ") })}</p>`;
  const { rows, columns } = laid(premise, state, count);
  return html`<${Grid} id=${`grid-${premise.address}`} symbol=${premise.symbol} name=${said(`bench.grid.${premise.kind}`, { name: premise.name })} rows=${rows} columns=${columns}
    session=${session} state=${state} count=${count} said=${said} />`;
}

function Input({ premise, ...rest }) {
  const { session, state: { run }, said } = rest;
  const change = (more) => session.edit([{ address: "x", value: with_steps(run, premise, more) }]);
  return html`<section class="given" aria-labelledby="given-x">
    <div class="head"><h3 id="given-x">${said("bench.input")}</h3>
      <div class="row-of"><button type="button" id="fewer-steps" onClick=${() => change(false)} disabled=${run.steps < 2}>− ${said("bench.step_word")}</button>
        <button type="button" id="more-steps" onClick=${() => change(true)}>+ ${said("bench.step_word")}</button></div></div>
    <${Premise} premise=${premise} ...${rest} />
  </section>`;
}

/** The name of a gate in words, where the cell is one whose gates have names. */
export function gate_name(run, gate, said) {
  if (!gate) return said("bench.gate.other");
  const known = said(`bench.gate.${run.cell.kind}.${gate}`);
  return NAMED.has(run.cell.kind) && !known.startsWith("bench.") ? known : said("bench.gate.any");
}

function Weights({ premises, run, ...rest }) {
  const { said } = rest;
  const gates = [...new Set(premises.map((one) => one.gate))].sort((one, two) => (one === "") - (two === ""));
  const small = premises.reduce((sum, one) => sum + one.shape.reduce((all, n) => all * n, 1), 0) <= OPEN;
  return gates.map((gate, k) => html`<details key=${`${run.cell.kind} ${gate}`} class="gate" open=${small || k === 0} id=${`gate-${gate || "other"}`}>
    <summary><span class="gate-name">${gate_name(run, gate, said)}</span>${gate && html` <${Symbol} text=${letter(run, gate)} />`}</summary>
    <p class="quiet-text gate-about">${gate_about(run, gate, said)}</p>
    <div class="side">${premises.filter((one) => one.gate === gate).map((one) => html`<${Premise} key=${one.address} premise=${one} ...${rest} />`)}</div>
  </details>`);
}

/** The letter of a gate; that of a candidate has a tilde. */
function letter(run, gate) {
  const tilde = gate.replace(/^(\w)_tilde$/, "$1\u0303");
  return gate === "c" && NAMED.has(run.cell.kind) ? "c\u0303" : tilde;
}

function gate_about(run, gate, said) {
  const text = said(`bench.gate_about.${run.cell.kind}.${gate}`);
  return text.startsWith("bench.") ? "" : text;
}

export function Givens({ session, state, count, said }) {
  const { run, premises, scope, fault, unit_row } = state;
  const shared = { session, state, count, said };
  const of_scope = premises.filter((one) => one.scope === scope);
  const here = of_scope.length ? of_scope : premises.filter((one) => one.scope === run.stages[0].scope);
  const kinds = (kind) => here.filter((one) => one.kind === kind);
  const input = premises.find((one) => one.kind === "input");
  const [weights, initial, given] = [kinds("parameter"), kinds("initial"), kinds("given")];
  const units = Math.max(1, ...weights.map((one) => one.shape[0] ?? 1));
  return html`
    <div class="head"><h2 id="givens-title">${said("bench.givens")}</h2><span class="quiet-text">${said("bench.edit_hint")}</span></div>
    ${fault?.where === "givens" && html`<${Fault} error=${fault.error} retry=${fault.retry} close=${() => session.dismiss()} said=${said} />`}
    ${input && html`<${Input} premise=${input} ...${shared} />`}
    ${initial.length > 0 && html`<section class="given" aria-labelledby="given-initial"><h3 id="given-initial">${said("bench.initial")}</h3>
      <div class="side">${initial.map((one) => html`<${Premise} key=${one.address} premise=${one} ...${shared} />`)}</div></section>`}
    ${given.length > 0 && html`<section class="given" aria-labelledby="given-lines"><h3 id="given-lines">${said("bench.supplied")}</h3>
      ${given.map((one) => html`<${Premise} key=${one.address} premise=${one} ...${shared} />`)}</section>`}
    ${weights.length > 0 && html`<section class="given" aria-labelledby="given-weights"><div class="head"><h3 id="given-weights">${said("bench.weights")}</h3>
      ${!run.live && html`<label class="field" for="unit-row"><span class="label">${said("bench.weights_of_unit")}</span>
        <input id="unit-row" type="number" min=${count} max=${units - 1 + count} value=${unit_row + count} onChange=${(event) => session.rows_of(Math.min(Math.max(Number(event.target.value) - count || 0, 0), units - 1))} /></label>`}</div>
      <${Weights} premises=${weights} run=${run} ...${shared} /></section>`}`;
}
