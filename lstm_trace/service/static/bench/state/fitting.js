import { line_address, line_of, numbers_of, unit_of } from "../../shared/addresses.js";
import { array_of, cell_of, entry, has, input_address, input_of, stored, with_entry } from "./places.js";

// What of a state fits a run: where to look first, which picture still serves, premises after an edit.

/** Units of a line up to which all of a run is shown, unless the server has another limit: `live_units` of /limits. */
export const LIVE_UNITS = 64;

/** Units of a line that stand in the picture side by side. */
export const ROOM = 3;

/** Whether a line has more units than the picture has room for: then it shows the one that is chosen. */
export const wide = (run) => run.stages.some((stage) => stage.lines.some((line) => line.width > ROOM));

/** What is looked at first: the first unit of the output that was asked for, at the first step; where the directions
 *  of a layer merely meet there is nothing to see, so that the first cell is shown then. */
export function first_address(run, at = {}) {
  const target = line_of(run, run.target);
  const wanted = at.scope ?? (target?.direction === "joined" ? "" : target?.scope);
  const stage = run.stages.find((one) => one.scope === wanted) ?? run.stages[0];
  const name = target && stage.scope === target.scope ? target.name : stage.lines.find((line) => line.name === stage.output)?.name;
  return line_address(run, stage.scope, at.t ?? run.first, at.b ?? 0, name ?? stage.lines.at(-1)?.name, 0);
}

/** The address, or where the run begins if it has no such number. */
export function still(run, address) {
  if (has(run, address)) return address;
  const line = line_of(run, address);
  if (!line) return first_address(run);
  const t = Math.min(Math.max(line.t, run.first), run.first + run.steps - 1);
  const near = line_address(run, line.scope, t, Math.min(line.b, run.batch - 1), line.name, 0);
  return has(run, near) ? near : first_address(run);
}

/** Where the bench stands when it looks at a number: at the step of a line; a given leaves it where it is. */
export function place_of(run, address, { t, b, scope, unit }) {
  const line = line_of(run, address);
  const stages = run.stages.map((stage) => stage.scope);
  const own = line?.scope ?? array_of(address).replace(/\/[^/]*$/, "");
  return {
    scope: [own, scope].find((one) => stages.includes(one)) ?? stages[0],
    t: Math.min(Math.max(line?.t ?? (t || 0), run.first), run.first + run.steps - 1),
    b: Math.min(Math.max(line?.b ?? (b || 0), 0), run.batch - 1),
    unit: line?.unit ?? unit,
  };
}

/** The step and the row of an input, for whoever goes there with it; null for any other number. */
export function step_of(run, address) {
  const input = input_of(run, address);
  return input && { t: input.t, b: input.b };
}

/** The address of the same entry of an input at another step or in another row; any other address as it is. */
export function input_at(run, address, { t, b }) {
  const input = input_of(run, address);
  return input ? input_address(run, t, b, input.unit) : address;
}

/**
 * What the problem asks for, at the last step where it names none.
 * @returns {{scope: string, t: number, b: number, name: string, unit: number | null, width: number}[]} unit: null for all
 */
export function answers(run) {
  return run.asked.flatMap((asked) => {
    const [, scope, numbers, name, index] = /^(\d+\/[\w-]+)\/((?:\d+\/)*)(.+?)(?:\[([\d,]+)\])?$/.exec(asked) ?? [];
    const line = run.stages.find((stage) => stage.scope === scope)?.lines.find((one) => one.name === name);
    if (!line) return [];
    const at = numbers.split("/").filter(Boolean).map(Number); // step and row, or the row alone
    const [t, b] = at.length > 1 ? at : [run.first + run.steps - 1, at[0] ?? 0];
    return [{ scope, t, b, name, unit: index ? unit_of(run, scope, name, numbers_of(index)) : null, width: line.width }];
  });
}

/** Whether two runs are of one cell, so that one picture serves both. */
export const same_cell = (a, b) => JSON.stringify(a.stages) === JSON.stringify(b.stages);

/** Whether what is given has the same grids in two runs, whatever their numbers are. */
export const same_grids = (a, b) =>
  a === b || (a.first === b.first && a.steps === b.steps && a.batch === b.batch && JSON.stringify([a.names, a.stages]) === JSON.stringify([b.names, b.stages]));

/** Premises of a run after one edit of a number. */
export function overlaid(run, premises, { address, value }) {
  const cell = cell_of(run, address);
  return premises.map((one) => {
    if (one.address !== cell?.array) return one;
    const at = stored(run, one, cell.indices);
    return entry(one.values, at) === undefined ? one : { ...one, values: with_entry(one.values, at, value) };
  });
}

/** Addresses of the numbers and arrays that the last entry of the history changed. */
export function edited({ entries, index }) {
  const before = entries[index - 1]?.edits ?? [];
  return new Set(entries[index].edits.filter((edit) => !before.includes(edit)).map(({ address }) => address));
}
