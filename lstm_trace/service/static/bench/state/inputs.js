import { entry, stored, with_entry } from "./places.js";

// The input x as an array in the layout in which it was given: [t][k], [t][b][k] or, with the batch first, [b][t][k].

/** An input with so many steps more, of zeros, or fewer. */
export function with_steps(run, { shape, values }, more) {
  const zeros = Array(shape.at(-1)).fill(0);
  const longer = (steps, zero) => (more > 0 ? [...steps, ...Array(more).fill(zero)] : steps.slice(0, steps.length + more));
  if (shape.length === 2) return longer(values, zeros);
  return run.batch_first ? values.map((row) => longer(row, zeros)) : longer(values, Array(shape[1]).fill(zeros));
}

/**
 * An input with a block of numbers from a step and an entry on; what is longer than it adds steps.
 * @returns {{value: any, added: number, outside: number}} outside: numbers of columns that the input does not have
 */
export function with_block(run, premise, numbers, { t, b, unit }) {
  const added = Math.max(t + numbers.length - run.first - run.steps, 0);
  let value = added ? with_steps(run, premise, added) : premise.values;
  let outside = 0;
  numbers.forEach((row, i) => row.forEach((number, j) => {
    const at = stored(run, premise, [t + i, b, unit + j]);
    if (entry(value, at) === undefined) outside += 1;
    else value = with_entry(value, at, number);
  }));
  return { value, added, outside };
}

/** An input of these rows alone; of several sequences, one that has them. */
export function of_rows(run, premise, rows, b) {
  if (premise.shape.length === 2) return rows;
  if (run.batch === 1) return run.batch_first ? [rows] : rows.map((row) => [row]);
  return with_block(run, premise, rows, { t: run.first, b, unit: 0 }).value;
}
