import { cell_of, entry, line_address, line_of, stored, with_entry } from "./places.js";

// What of a state fits a run: where to look first, which picture still serves, premises after an edit.

/** What is looked at first: the first unit of the output that was asked for, at the first step; where the directions
 *  of a layer merely meet there is nothing to see, so that the first cell is shown then. */
export function first_address(run, at = {}) {
  const target = line_of(run.target);
  const wanted = at.scope ?? (target?.direction === "joined" ? "" : target?.scope);
  const stage = run.stages.find((one) => one.scope === wanted) ?? run.stages[0];
  const name = target && stage.scope === target.scope ? target.name : stage.lines.find((line) => line.name === stage.output)?.name;
  return line_address(stage.scope, at.t ?? run.first, at.b ?? 0, name ?? stage.lines.at(-1)?.name, 0);
}

/**
 * What the problem asks for, at the last step where it names none.
 * @returns {{scope: string, t: number, b: number, name: string, unit: number | null, width: number}[]} unit: null for all
 */
export function answers(run) {
  return run.asked.flatMap((asked) => {
    const [, scope, numbers, name, unit] = /^(\d+\/[\w-]+)\/((?:\d+\/)*)(.+?)(?:\[(\d+)\])?$/.exec(asked) ?? [];
    const line = run.stages.find((stage) => stage.scope === scope)?.lines.find((one) => one.name === name);
    if (!line) return [];
    const at = numbers.split("/").filter(Boolean).map(Number); // step and row, or the row alone
    const [t, b] = at.length > 1 ? at : [run.first + run.steps - 1, at[0] ?? 0];
    return [{ scope, t, b, name, unit: unit === undefined ? null : Number(unit), width: line.width }];
  });
}

/** Whether two runs are of one cell, so that one picture serves both. */
export const same_cell = (a, b) => JSON.stringify(a.stages) === JSON.stringify(b.stages);

/** Premises of a run after one edit of a number. */
export function overlaid(run, premises, { address, value }) {
  const cell = cell_of(address);
  return premises.map((one) => {
    if (one.address !== cell?.array) return one;
    const at = stored(run, one, cell.indices);
    return entry(one.values, at) === undefined ? one : { ...one, values: with_entry(one.values, at, value) };
  });
}

/** The edits that lead from one entry of the history to another; null where edits alone do not. */
export function added(from, to) {
  const more = to.edits.filter((edit) => !from.edits.includes(edit));
  const covered = ({ address }) => more.some((one) => one.address === address || one.address === cell_of(address)?.array);
  const kept = from.edits.every((edit) => to.edits.includes(edit) || covered(edit));
  return kept && (from.equations ?? null) === (to.equations ?? null) ? more : null;
}
