import { html } from "../../vendor/standalone.module.js";
import { columns_of, counted_index } from "../../shared/addresses.js";
import { axes_of, axis_of, labels_of, step_name } from "../state/labels.js";
import { array_of, entry, premise_address, stored } from "../state/places.js";
import { memo } from "../../parts.js";
import { SymbolText } from "../symbols.js";
import { Grid } from "./grid.js";

// One array that is given, as a grid.

const ROWS = 40; // steps of the input that are shown at once

/** Rows and columns of a premise as its grid shows them. */
function laid(premise, { run, b, t }, count) {
  const { values, shape, kind } = premise, only = premise.row ?? undefined;
  const cell = (indices, where = stored(run, premise, indices)) => ({ address: premise_address(run, premise, indices), value: entry(values, where) });
  const across = (n) => Array.from({ length: n }, (_, k) => k);
  const labels = (axis, n) => labels_of(run, axis, n) ?? across(n).map((k) => String(k + count));
  const stage = run.stages.find((one) => one.scope === premise.scope) ?? run.stages[0];
  const wide = shape.at(-1) ?? 1;
  const name = kind === "input" ? "x_t" : premise.name, matrix = columns_of(run, premise.scope, name);
  if (kind === "input" || kind === "given") {
    const from = run.steps > ROWS ? Math.min(Math.max(t - run.first - ROWS / 2, 0), run.steps - ROWS) : 0;
    const steps = across(Math.min(run.steps, ROWS)).map((k) => k + from + run.first);
    return {
      columns: matrix ? across(wide).map((j) => counted_index(run, premise.scope, name, j, count)) : labels(kind === "input" ? "x" : axis_of(stage, name), wide),
      rows: steps.map((at) => ({ label: step_name(run, at, count, b), cells: across(wide).map((j) => cell([at, b, j])) })),
    };
  }
  if (kind === "initial" && matrix) {
    const rows = across(wide / matrix).map((r) => ({ label: String(r + count), cells: across(matrix).map((c) => cell([b, r * matrix + c])) }));
    return { columns: across(matrix).map((c) => String(c + count)), rows };
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

const MemoGrid = memo(function Laid({ premise, layout, b, t, count, ...rest }) {
  const { rows, columns } = laid(premise, { run: layout, b, t }, count);
  return html`<${Grid} id=${`grid-${premise.address}`} symbol=${premise.symbol} name=${rest.said(`bench.grid.${premise.kind}`, { name: premise.name })} rows=${rows} columns=${columns} layout=${layout} count=${count} ...${rest} />`;
});

/** A grid is given only what concerns it, so that it is drawn again when that changes. */
export function Premise({ premise, layout, marks, count, longer, session, state, said }) {
  if (!premise.values) return html`<p class="quiet-text"><${SymbolText} text=${premise.symbol} /> ${said("bench.too_large", { shape: premise.shape.join(" × ") })}</p>`;
  const own = (address) => address === premise.address || array_of(address) === premise.address;
  const { rejected } = state;
  return html`<${MemoGrid} premise=${premise} layout=${layout} b=${state.b} t=${layout.steps > ROWS ? state.t : 0} count=${count} longer=${longer} session=${session} said=${said}
    chosen=${own(state.address) ? state.address : ""} rejected=${rejected && own(rejected.address) ? rejected : null} marks=${[...marks].filter(own).join(" ")} />`;
}
