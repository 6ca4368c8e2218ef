// The values in a picture: which of them are shown, and how much room they take, as report/diagram/diagram.py has it.
import { named } from "../../../../../lines/values.js";

/** What a value of a cell is made of. @typedef {{wide: number, alone: boolean, columns: number | null}} Extent
 *   wide: its units; alone: whether one of them is shown if there are many, as of hidden units; columns: those of a matrix */

const UNITS = 3; // of a value that are shown side by side
const ROOM = 4; // characters of a number below 100 besides its decimals: sign, two digits, mark

const single = (/** @type {Extent} */ { wide, alone }) => alone && wide > UNITS;

/**
 * Characters for the values of each name at any step: enough for numbers below 100, so that edits keep the layout.
 * @param {Map<string, Extent>} extents
 * @param {number} digits decimals
 * @returns {{[name: string]: number}}
 */
export function room_of(extents, digits) {
  return named([...extents].map(([name, extent]) => {
    const { wide, columns } = extent, count = single(extent) ? 1 : Math.min(wide, UNITS);
    const entry = single(extent) && columns ? `[${wide / columns},${columns}] `.length : 0; // is named if it stands alone
    return [name, Math.max(count * (ROOM + digits) + 2 * (count - 1), 0) + entry];
  }));
}

/**
 * The values of a name at a step: all, the first few if there are many, or the chosen one, in a matrix with its row and column.
 * @param {Extent} extent
 * @param {Map<number, string>} shown its units as texts, of more than 64 perhaps the chosen one alone
 * @param {number} unit the chosen one
 * @param {number} count the number of the first unit
 */
export function text_of(extent, shown, unit, count) {
  const { wide, columns } = extent, chosen = Math.min(unit, wide - 1);
  const units = single(extent) ? [chosen] : [...Array(wide <= UNITS ? wide : UNITS - 1).keys()];
  let texts = units.flatMap((one) => shown.get(one) ?? []);
  if (single(extent) && columns) texts = texts.map((text) => `[${Math.floor(chosen / columns) + count},${(chosen % columns) + count}] ${text}`);
  if (!texts.length && shown.has(chosen)) texts = ["…", shown.get(chosen) ?? ""];
  if (!single(extent) && wide > UNITS) texts.push("…");
  return texts.join(", ").replaceAll("-", "−");
}
