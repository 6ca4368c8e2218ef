import { looked_up } from "../../../../lines/values.js";
import { columns_of, index_of, line_address, line_of, numbers_of, unit_of } from "../../shared/addresses.js";

// Addresses of what is given, `layer/direction/W_xi[j,k]`, `t/b/x_t[k]`, `layer/direction/b/h0[j]`, and where numbers stand.

const INPUT = /^(\d+)\/(\d+)\/([^/]+)\[([\d,]+)\]$/;
const PREMISE = /^(\d+\/[\w-]+)\/((?:\d+\/)*)([^/]+?)(?:\[([\d,]+)\])?$/;

/** The step and row of an address of an input, `t/b/x_t[k]`. */
export function input_of(run, address) {
  const found = INPUT.exec(address ?? "");
  return found && { t: Number(found[1]), b: Number(found[2]), name: found[3], unit: unit_of(run, "", found[3], numbers_of(found[4])) };
}

/** The address of the array that holds a number. */
export function array_of(address) {
  const [, scope, , name] = PREMISE.exec(address) ?? [];
  return INPUT.test(address) ? "x" : name ? `${scope}/${name}` : "";
}

/** The array's address and the indices within it, as the grids hold it, of an address of one premise's number. */
export function cell_of(run, address) {
  const input = input_of(run, address);
  if (input) return { array: "x", indices: [input.t, input.b, input.unit] };
  const found = PREMISE.exec(address ?? "");
  if (!found) return null;
  const [, scope, before, name, last] = found;
  const index = numbers_of(last), own = columns_of(run, scope, name) ? [unit_of(run, scope, name, index)] : index;
  return { array: `${scope}/${name}`, indices: [...before.split("/").filter(Boolean).map(Number), ...own] };
}

/**
 * The address of one number of a premise.
 * @param {{address: string, kind: string, scope: string, name: string}} premise
 * @param {number[]} indices [t, b, k] of an input or a given line, [b, j] of an initial state, [j, k] of a matrix
 */
export function premise_address(run, { kind, address, scope, name }, indices) {
  if (kind === "input") return input_address(run, ...indices);
  if (kind === "parameter") return indices.length ? `${address}[${indices}]` : address;
  return `${scope}/${indices.slice(0, -1).join("/")}/${name}[${index_of(run, scope, name, indices.at(-1))}]`;
}

/**
 * Where a premise's array, in the layout in which it was given, holds the number of an address.
 * @param {number[]} indices as in the address: [t, b, k] of an input or a given line, [b, j] of an initial state
 */
export function stored(run, { kind, shape }, indices) {
  if (kind === "parameter") return indices;
  if (kind === "initial") return shape.length === 1 ? indices.slice(-1) : indices;
  const [t, b, k] = indices;
  const at = t - run.first;
  if (shape.length === 2) return [at, k];
  return run.batch_first ? [b, at, k] : [at, b, k];
}

/** Where a state of the cell comes from at a step: the line or input that the step before carries on, or what it begins with. */
function state_address(run, stage, state, t, b, unit) {
  const back = stage.direction === "reverse" ? 1 : -1;
  const before = t + back;
  const line = looked_up(stage.states, state);
  if (line && before >= run.first && before < run.first + run.steps) return line in stage.inputs ? source_address(run, stage, line, before, b, unit) : line_address(run, stage.scope, before, b, line, unit);
  const names = [state.replace(/_prev$/, "0"), state];
  const premise = run.premises.find((p) => p.kind === "initial" && p.scope === stage.scope && names.includes(p.name));
  return premise ? premise_address(run, premise, [b, unit]) : null;
}

/** The address of an entry of the problem's x. */
export const input_address = (run, t, b, unit) => `${t}/${b}/x_t[${index_of(run, "", "x_t", unit)}]`;

/** The address of what a cell reads as an input: of the problem's x, or of another stage's line. */
function source_address(run, stage, input, t, b, unit) {
  const from = looked_up(stage.inputs, input);
  if (!from || from === "x") return input_address(run, t, b, unit);
  const cut = from.lastIndexOf("/");
  return cut < 0 ? null : line_address(run, from.slice(0, cut), t, b, from.slice(cut + 1), unit);
}

/** The address of the value at a name of the picture or table: a line, a state or an input of the stage. */
export function spot_address(run, stage, name, t, b, unit) {
  if (Object.hasOwn(stage.states, name)) return state_address(run, stage, name, t, b, unit);
  if (Object.hasOwn(stage.inputs, name)) return source_address(run, stage, name, t, b, unit);
  const line = stage.lines.find((one) => one.name === name);
  return line ? line_address(run, stage.scope, t, b, name, Math.min(unit, line.width - 1)) : null;
}

/** The entry of nested lists. */
export const entry = (values, indices) => indices.reduce((list, k) => (Array.isArray(list) ? list[k] : undefined), values);

/** Nested lists with one entry changed; what is not on its way is shared. */
export function with_entry(values, [first, ...rest], value) {
  if (first === undefined) return value;
  const copy = [...values];
  copy[first] = rest.length ? with_entry(copy[first], rest, value) : value;
  return copy;
}

/** Whether a run has the number of an address. */
export function has(run, address) {
  const line = line_of(run, address);
  if (line) {
    const found = run.stages.find((stage) => stage.scope === line.scope)?.lines.find((one) => one.name === line.name);
    return Boolean(found) && line.unit < found.width && has_step(run, line);
  }
  const cell = cell_of(run, address);
  const premise = run.premises.find((one) => one.address === cell?.array);
  if (!premise) return false;
  return premise.kind === "input" ? has_step(run, { t: cell.indices[0], b: cell.indices[1] }) && cell.indices[2] < premise.shape.at(-1) : true;
}

/** Whether a run has a step, in a row and at a place. */
export function has_step(run, { t, b, scope }) {
  return t >= run.first && t < run.first + run.steps && b < run.batch && (!scope || run.stages.some((stage) => stage.scope === scope));
}
