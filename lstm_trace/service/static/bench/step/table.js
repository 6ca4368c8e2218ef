import { html, useRef, useState } from "../../vendor/standalone.module.js";
import { columns_of } from "../../shared/addresses.js";
import { spoken, unit_name } from "../spoken.js";
import { full, minus, rounded, signed, value_of } from "../../shared/numbers.js";
import { LIVE_UNITS } from "../state/fitting.js";
import { axis_of } from "../state/labels.js";
import { spot_address } from "../state/places.js";
import { SymbolText } from "../symbols.js";

// All numbers of a step as a table, each with what it was before and how far it is from the pinned run.

const FLASHES = 120; // numbers that flash when they change: an animation of many more would take longer than a frame

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
  if (kept !== undefined) texts.push(`${said("bench.in_a")} ${full(kept)}, Δ ${signed(value_of(now) - value_of(kept), (gap) => rounded(gap, 6))}`);
  return texts;
}

export const differs = (now, was) => was !== undefined && now !== undefined && !Object.is(value_of(was), value_of(now));

/** Rows of units of one kind that follow one another: inputs, hidden units, outputs of a readout; matrices with so many columns. */
function grouped(run, stage, sizes, joined) {
  const groups = [];
  for (const [name, size] of sizes) {
    if (joined.has(name)) continue;
    const axis = axis_of(stage, name), matrix = columns_of(run, stage.scope, name);
    const last = groups.at(-1);
    const single = size === 1 && last?.width > 1 && last.axis !== "x"; // a sum or a mean of the units above it
    if ((last?.axis !== axis || last.matrix !== matrix) && !single) groups.push({ axis, matrix, names: [], width: 0 });
    groups.at(-1).names.push(name);
    groups.at(-1).width = Math.max(groups.at(-1).width, size);
  }
  return groups;
}

/** Decimals of a number as it is printed. */
const decimals = (text) => /\.(\d+)/.exec(text)?.[1].length ?? 4;

function Cell({ address, words, span, now, text, was, kept, held, state, flashes, pick, stop, said }) {
  if (now === undefined) return html`<td></td>`;
  const changed = differs(now, was);
  const texts = [...(held ? [said("bench.held")] : []), ...history_of({ now, was, kept, said })];
  const delta = kept === undefined ? null : value_of(now) - value_of(kept);
  const classes = ["num", changed && "changed", changed && flashes && `flash-${state.commit % 2}`, address === state.address && "chosen", held && "held"].filter(Boolean).join(" ");
  // what a notation makes of two products has no address: it is shown, and nothing is behind it
  if (address === null) return html`<td colspan=${span}><span class="num plain" title=${full(now)}>${text}</span></td>`;
  return html`<td colspan=${span} class=${span > 1 ? "single" : undefined}>
    <button type="button" class=${classes} data-address=${address} tabindex=${stop ? 0 : -1} aria-pressed=${address === state.address} title=${[`${words} = ${full(now)}`, ...texts].join("\n")}
      aria-label=${[`${words}: ${text}`, ...texts].join(", ")} onClick=${() => pick(address)}>
      ${text}</button>
    ${delta !== null && html`<span class=${`delta${delta ? "" : " none"}`}>${delta ? signed(delta, (gap) => rounded(gap, decimals(text))) : "±0"}</span>`}
  </td>`;
}

/** stage: the lines as they are addressed; named: as the notation calls them. */
export function StepTable({ state, at, stage, named, step, values, before, pinned, count, pick, said }) {
  const { run, t, b } = at;
  const printed = new Map(step?.lines.map((line) => [line.name, new Map(line.units.map((unit, k) => [unit, step.shown[line.name]?.[k]]))]));
  const text = (name, unit) => minus((printed.has(name) ? printed.get(name).get(unit) : step?.shown[name]?.[unit]) ?? full(values.get(name).get(unit)));
  // of a large cell the step has one unit of each line; the states, which it has in full, are shown at that unit too
  const shown = run.live ? stage.lines.concat(Object.keys({ ...stage.inputs, ...stage.states }).map((name) => ({ name }))).map((line) => values.get(line.name) ?? new Map()) : stage.lines.map((line) => values.get(line.name) ?? new Map());
  const units = [...new Set(shown.flatMap((line) => [...line.keys()]))].sort((one, two) => one - two);
  const symbols = new Map(named.lines.map((line) => [line.name, line]));
  const columns = units.slice(0, Math.max(LIVE_UNITS, ...stage.lines.map((line) => line.width))); // an input may have more
  // vectors that a notation alone sets one after the other stand above by themselves
  const joined = new Set(named.lines.filter((line) => line.op === "concat" && !stage.lines.some((one) => one.name === line.name)).map((line) => line.name));
  const sizes = new Map([...values].map(([name, line]) => [name, symbols.get(name)?.width ?? line.size])); // of a large cell values are few
  const groups = grouped(run, named, sizes, joined).map(({ axis, matrix, names, width }) => {
    const there = columns.filter((unit) => !run.live || unit < width);
    const heads = matrix ? [...new Set(there.map((unit) => unit % matrix))] : there;
    const label = (k) => (matrix ? `[·,${k + count}]` : unit_name(run, axis, run.live ? width : run.names?.[axis]?.length, k, count, said));
    const rows = names.flatMap((name) => {
      const line = values.get(name);
      if (sizes.get(name) === 1 && width > 1) return { key: name, name, cells: [0], alone: true }; // a number by itself stands below no unit
      if (!matrix) return { key: name, name, cells: heads };
      const numbers = new Set(there.filter((unit) => line.has(unit)).map((unit) => Math.floor(unit / matrix)));
      return [...numbers].map((row) => ({ key: `${name} ${row}`, name, place: `[${row + count},·]`, cells: heads.map((k) => row * matrix + k) }));
    });
    return { labels: heads.map(label), rows };
  });
  const moved = before ? [...values].reduce((n, [name, line]) => n + [...line].filter(([unit, value]) => differs(value, before.get(name)?.get(unit))).length, 0) : 0;
  const flashes = moved <= FLASHES;
  const wide = [...Array(Math.max(0, ...groups.map(({ labels }) => labels.length))).keys()];
  // Tab stops at one row; up and down go through the rows, left and right through the steps as everywhere
  const table = useRef(null);
  const [row, setRow] = useState("");
  const keys = groups.flatMap((group) => group.rows.map(({ key }) => key));
  const current = keys.includes(row) ? row : keys[0];
  const keyed = (event) => {
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const here = event.target.closest("tr"); // not the row of the last drawing: keys may be faster
    const column = [...(here?.querySelectorAll("td") ?? [])].indexOf(event.target.closest("td"));
    const rows = [...table.current.querySelectorAll("tr[data-line]")];
    if (!way || column < 0) return;
    event.preventDefault();
    const cells = rows[rows.indexOf(here) + way]?.querySelectorAll("td") ?? [];
    (cells[column]?.querySelector("button") ?? cells[0]?.querySelector("button"))?.focus();
  };
  return html`<div class=${`scroll step-table${pinned ? " deltas" : ""}`} role="group" aria-label=${said("bench.table")}>
    <table id="step-table" ref=${table} onKeyDown=${keyed} onFocusIn=${(event) => setRow(event.target.closest("tr")?.dataset.row ?? "")}>
      <caption class="unseen">${said("bench.table")}</caption>
      ${groups.map(({ labels, rows }, k) => html`<tbody key=${rows[0].key}>
        <tr class="heads">${k === 0 ? html`<th scope="col" class="left">${said("bench.line")}</th>` : html`<td class="left"></td>`}${wide.map((column) => (labels[column] === undefined ? html`<td key=${column}></td>` : html`<th key=${column} scope="col">${labels[column]}</th>`))}</tr>
        ${rows.map(({ key, name, place, cells, alone }) => {
          const [line, about] = [values.get(name), symbols.get(name)];
          return html`<tr key=${key} class=${about ? (about.assigned ? "assigned" : "part") : "given"} data-line=${name} data-row=${key}>
            <th scope="row"><${SymbolText} text=${about?.symbol ?? given_symbol(name)} />${place && html` <span class="quiet-text">${place}</span>`}</th>
            ${(alone ? [0] : wide).map((column) => {
              const unit = cells[column];
              const address = line.has(unit) ? spot_address(run, stage, name, t, b, unit) : null;
              return html`<${Cell} key=${column} address=${address} words=${address && spoken(run, address, { count, said })} span=${alone ? wide.length : 1} now=${line.get(unit)} text=${line.has(unit) && text(name, unit)}
                was=${before?.get(name)?.get(unit)} kept=${pinned?.get(name)?.get(unit)} held=${step?.held?.[name]?.includes(unit)} state=${state} flashes=${flashes} pick=${pick} stop=${key === current} said=${said} />`;
            })}
          </tr>`;
        })}</tbody>`)}
    </table>
  </div>`;
}

const given_symbol = (name) => name.replace(/_prev$/, "_{t-1}");
