import { html, useRef, useState } from "../vendor/standalone.module.js";
import { full, rounded, signed, value_of } from "./state/numbers.js";
import { axis_of, labels_of } from "./state/labels.js";
import { spot_address } from "./state/places.js";
import { Symbol } from "./symbols.js";

// All numbers of a step as a table, each with what it was before and how far it is from the pinned run.

/** The values of a step by name: lines, states and inputs, each as unit to value. */
export function by_name(step, stage) {
  const found = new Map();
  if (!step || !stage) return found;
  const put = (name, values, units) => found.set(name, new Map(values.map((value, k) => [units?.[k] ?? k, value])));
  for (const [name, values] of Object.entries(step.inputs ?? {})) put(name, values);
  for (const [name, values] of Object.entries(step.states ?? {})) put(name, values);
  for (const line of step.lines) put(line.name, line.values, line.units);
  return found;
}

/** What a number was and is against A, in words for its title. */
export function history_of({ now, was, kept, said }) {
  const texts = [];
  if (was !== undefined && !Object.is(value_of(was), value_of(now))) texts.push(`${said("bench.before")} ${full(was)} → ${full(now)}`);
  if (kept !== undefined) texts.push(`${said("bench.in_a")} ${full(kept)}, Δ ${signed(value_of(now) - value_of(kept), 6)}`);
  return texts;
}

export const differs = (now, was) => was !== undefined && now !== undefined && !Object.is(value_of(was), value_of(now));

/** Rows of units of one kind that follow one another: inputs, hidden units, outputs of a readout. */
function grouped(stage, values) {
  const groups = [];
  for (const [name, { size }] of values) {
    const axis = axis_of(stage, name);
    const last = groups.at(-1);
    const single = size === 1 && last?.width > 1 && last.axis !== "x"; // a sum or a mean of the units above it
    if (last?.axis !== axis && !single) groups.push({ axis, names: [], width: 0 });
    groups.at(-1).names.push(name);
    groups.at(-1).width = Math.max(groups.at(-1).width, size);
  }
  return groups;
}

const WORDS = { x: "bench.entry_n", h: "bench.unit_n", y: "bench.output_n" };

function Cell({ address, name, unit, now, was, kept, state, digits, pick, stop, said }) {
  if (now === undefined) return html`<td></td>`;
  const changed = differs(now, was);
  const texts = history_of({ now, was, kept, said });
  const delta = kept === undefined ? null : value_of(now) - value_of(kept);
  const classes = ["num", changed && `changed flash-${state.commit % 2}`, address === state.address && "chosen"].filter(Boolean).join(" ");
  return html`<td>
    <button type="button" class=${classes} data-address=${address} tabindex=${stop ? 0 : -1} aria-pressed=${address === state.address} title=${[`${address} = ${full(now)}`, ...texts].join("\n")}
      aria-label=${[`${[name, unit].filter(Boolean).join(", ")}: ${rounded(now, digits)}`, ...texts].join(", ")} onClick=${() => pick(address)}>
      ${rounded(now, digits)}</button>
    ${delta !== null && html`<span class=${`delta${delta ? "" : " none"}`}>${delta ? signed(delta, digits) : "±0"}</span>`}
  </td>`;
}

export function StepTable({ state, at, stage, values, before, pinned, digits, count, pick, said }) {
  const { run, t, b } = at;
  // of a large cell the step has one unit of each line; the states, which it has in full, are shown at that unit too
  const shown = run.live ? [...values.values()] : stage.lines.map((line) => values.get(line.name) ?? new Map());
  const units = [...new Set(shown.flatMap((line) => [...line.keys()]))].sort((one, two) => one - two);
  const symbols = new Map(stage.lines.map((line) => [line.name, line]));
  const widest = units.slice(0, 64);
  const groups = grouped(stage, values).map(({ axis, names, width }) => {
    const labels = labels_of(run, axis, run.live ? width : run.names?.[axis]?.length);
    return { axis, names, labels: widest.map((unit) => labels?.[unit] ?? said(WORDS[axis], { n: unit + count })), width };
  });
  // Tab stops at one row; up and down go through the rows, left and right through the steps as everywhere
  const table = useRef(null);
  const [row, setRow] = useState("");
  const names = [...values.keys()];
  const current = values.has(row) ? row : names[0];
  const keyed = (event) => {
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const here = event.target.closest("tr"); // not the row of the last drawing: keys may be faster
    const column = [...(here?.querySelectorAll("td") ?? [])].indexOf(event.target.closest("td"));
    const next = names[names.indexOf(here?.dataset.line) + way];
    if (!way || column < 0) return;
    event.preventDefault();
    if (next === undefined) return;
    const cells = [...table.current.querySelectorAll("tr[data-line]")][names.indexOf(next)].querySelectorAll("td");
    (cells[column]?.querySelector("button") ?? cells[0]?.querySelector("button"))?.focus();
  };
  return html`<div class="scroll step-table" role="region" aria-label=${said("bench.table")}>
    <table id="step-table" ref=${table} onKeyDown=${keyed} onFocusIn=${(event) => setRow(event.target.closest("tr")?.dataset.line ?? "")}>
      <caption class="unseen">${said("bench.table")}</caption>
      ${groups.map(({ axis, names: lines, labels, width }, k) => html`<tbody key=${`${axis} ${k}`}>
        <tr class="heads"><th scope="col" class="left">${k === 0 ? said("bench.line") : ""}</th>${widest.map((unit, column) => html`<th key=${unit} scope="col">${!run.live || unit < width ? labels[column] : ""}</th>`)}</tr>
        ${lines.map((name) => {
          const [line, about] = [values.get(name), symbols.get(name)];
          return html`<tr key=${name} class=${about ? (about.assigned ? "assigned" : "part") : "given"} data-line=${name}>
            <th scope="row"><${Symbol} text=${about?.symbol ?? given_symbol(name)} /></th>
            ${widest.map((unit, column) => html`<${Cell} key=${unit} address=${line.has(unit) ? spot_address(run, stage, name, t, b, unit) : null} name=${name} unit=${line.size === 1 && width > 1 ? "" : labels[column]} now=${line.get(unit)}
              was=${before?.get(name)?.get(unit)} kept=${pinned?.get(name)?.get(unit)} state=${state} digits=${digits} pick=${pick} stop=${name === current} said=${said} />`)}
          </tr>`;
        })}</tbody>`)}
    </table>
  </div>`;
}

const given_symbol = (name) => name.replace(/_prev$/, "_{t-1}");
