// Addresses of lines, `layer/direction/t/b/line[unit]`, taken apart and put together. Always counted from 0. A matrix lies
// row by row in a line: its numbers are units as well, which addresses name by row and column, `line[row,column]`.

const LINE = /^(\d+)\/([\w-]+)\/(\d+)\/(\d+)\/(.+?)(?:\[([\d,]+)\])?$/;

/** The columns of a value of a run that is a matrix; undefined for any other. scope: empty for the run's own input. */
export function columns_of(run, scope, name) {
  const columns = run.columns?.[scope || run.stages[0].scope];
  return columns && Object.hasOwn(columns, name) ? columns[name] : undefined; // not what every object has
}

/** The index of a unit of a value, as its address has it. */
export function index_of(run, scope, name, unit) {
  const columns = columns_of(run, scope, name);
  return columns ? [Math.floor(unit / columns), unit % columns] : [unit];
}

/** The index of a unit as the page counts. */
export const counted_index = (run, scope, name, unit, count) => index_of(run, scope, name, unit).map((k) => k + count).join();

/** The unit of an index; NaN where it is none of such a value. */
export function unit_of(run, scope, name, index) {
  const columns = columns_of(run, scope, name);
  if (index.length !== (columns ? 2 : 1) || index[1] >= columns) return NaN;
  return columns ? index[0] * columns + index[1] : index[0];
}

/** The numbers in the brackets of an address. */
export const numbers_of = (text = "") => text.split(",").filter(Boolean).map(Number);

/** The parts of an address of a line; null for that of a premise. */
export function line_of(run, address) {
  const found = LINE.exec(address ?? "");
  if (!found) return null;
  const [, layer, direction, t, b, name, index] = found;
  const scope = `${layer}/${direction}`, unit = index ? unit_of(run, scope, name, numbers_of(index)) : 0;
  return Number.isNaN(unit) ? null : { scope, layer: Number(layer), direction, t: Number(t), b: Number(b), name, unit };
}

export const line_address = (run, scope, t, b, name, unit) => `${scope}/${t}/${b}/${name}[${index_of(run, scope, name, unit)}]`;

/** The address of a unit of a line as a comparison describes it. */
export const address_of = (run, { scope, t, b, line, unit }) => line_address(run, scope, t, b, line, unit);
