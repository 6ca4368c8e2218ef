import { columns_of, counted_index, line_of } from "../shared/addresses.js";
import { axes_of, axis_of, labels_of, step_name } from "./state/labels.js";
import { cell_of } from "./state/places.js";

// Numbers in words, for tooltips and for readers: `W_xi, unit 2, input 1`. Their addresses are for programs. Where the
// rows and the columns of a matrix are units, both say which they are: `W_hi, unit 2 (row), unit 1 (column)`.

const WORDS = { x: "bench.entry_n", h: "bench.unit_n", y: "bench.output_n" };

/** What one of `width` inputs, units or outputs is called: by the problem's label, or by its number. */
export const unit_name = (run, axis, width, unit, count, said) => labels_of(run, axis, width)?.[unit] ?? said(WORDS[axis], { n: unit + count });

/** What a number of a value is called: an entry of a matrix by its row and column, any other as a unit. */
function number_name(run, { scope, name }, axis, width, unit, count, said) {
  if (!columns_of(run, scope, name)) return unit_name(run, axis, width, unit, count, said);
  return said("bench.matrix_entry", { at: counted_index(run, scope, name, unit, count) });
}

const product = (name) => name.replaceAll(" @ ", " ");

/** Where there are several steps, sequences or layers, which one. */
function place(run, { t, b, scope }, count, said) {
  const found = [];
  if (scope && run.stages.length > 1) found.push(scope.replace("/", ", "));
  if (t !== undefined && run.steps > 1) found.push(step_name(run, t, count, b));
  if (b !== undefined && run.batch > 1) found.push(`${said("bench.row")} ${b + count}`);
  return found;
}

function words_of_line(run, line, count, said) {
  const stage = run.stages.find((one) => one.scope === line.scope);
  const found = stage?.lines.find((one) => one.name === line.name);
  const given = run.premises.find((one) => one.kind === "given" && one.address === `${line.scope}/${line.name}`);
  const width = found?.width ?? given?.shape.at(-1) ?? 1;
  const unit = stage && width > 1 ? [number_name(run, line, axis_of(stage, line.name), width, line.unit, count, said)] : [];
  return [product(line.name), ...unit, ...place(run, line, count, said)];
}

const known = new WeakMap(); // words by address, for the stages of a run, which an edit of a number leaves as they are

/** A number of a run in words. @param {{count: number, said: Function}} how */
export function spoken(run, address, { count, said }) {
  if (!known.has(run.stages)) known.set(run.stages, new Map());
  const here = known.get(run.stages), key = `${said.language} ${count} ${address}`;
  if (!here.has(key)) here.set(key, in_words(run, address, count, said));
  return here.get(key);
}

function in_words(run, address, count, said) {
  const line = line_of(run, address);
  const cell = cell_of(run, address);
  const premise = run.premises.find((one) => one.address === cell?.array);
  if (!premise) return line ? words_of_line(run, line, count, said).join(", ") : address;
  const { indices } = cell;
  const stage = run.stages.find((one) => one.scope === premise.scope) ?? run.stages[0];
  if (premise.kind === "input") {
    const [t, b, unit] = indices;
    return [premise.name, number_name(run, { scope: "", name: "x_t" }, "x", premise.shape.at(-1), unit, count, said), ...place(run, { t, b }, count, said)].join(", ");
  }
  if (premise.kind === "parameter") {
    const axes = axes_of(stage, premise);
    const units = indices.map((unit, k) => unit_name(run, axes[k], premise.shape[k], unit, count, said));
    const named = units.length === 2 && axes[0] === axes[1] ? [said("bench.of_row", { name: units[0] }), said("bench.of_column", { name: units[1] })] : units;
    return [premise.name, ...named, ...place(run, { scope: premise.scope }, count, said)].join(", ");
  }
  if (line) return words_of_line(run, line, count, said).join(", ");
  const axis = axis_of(stage, premise.name);
  return [premise.name, number_name(run, premise, axis, premise.shape.at(-1), indices.at(-1), count, said), ...place(run, { scope: premise.scope }, count, said)].join(", ");
}
