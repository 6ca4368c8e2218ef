// The values in a picture: which of them are shown, and how much room they take, as report/diagram/diagram.py has it.

/** @typedef {import("../../../../../lines/types.js").Stage} Stage */
/** @typedef {import("../../../../../lines/types.js").Values} Values */
/**
 * What is asked of the values of a stage: all values of a line, input or state (a state before each step), null if there are
 * none; what their units are; the rows and columns of a matrix; whether one number counts from 0 or 1.
 * @typedef {{stage: Stage, array: (name: string) => Values | null, axis: (name: string) => "x" | "h" | "y",
 *   grid: (name: string) => [number, number] | undefined, count_from: number}} Given
 */

const UNITS = 3, DIGITS = 3; // of values that are shown completely
const ROOM = 4; // characters of numbers below 100 besides their decimals: sign, two digits, mark

/** Whether of the hidden units of a name, which are too many, one is shown. @param {Given} given @param {string} name @param {number} wide */
function alone({ stage: { cell }, axis }, name, wide) {
  const carried = new Map(cell.carry).get(name) ?? name;
  return wide > UNITS && axis(carried) === "h" && cell.lines.find((line) => line.name === name)?.op !== "concat";
}

/**
 * The values of one step by spot, rounded: the first few if there are many, or the chosen one.
 * @param {Given} given
 * @param {{key: string, line: string, kind: string}[]} spots
 * @param {number | null} unit the only one that is shown of more than three hidden units; in a matrix with its row and column
 * @param {(name: string, unit: number) => string} shown the text of a value
 * @param {boolean} comma whether numbers have a decimal comma
 * @returns {{[key: string]: string}}
 */
export function texts_of(given, spots, unit, shown, comma) {
  return Object.fromEntries(spots.flatMap(({ key, line, kind }) => {
    const values = kind === "sink" ? null : given.array(line);
    if (values?.shape.length !== 3) return [];
    const wide = values.shape[2], single = unit !== null && alone(given, line, wide), chosen = Math.min(unit ?? 0, wide - 1);
    const units = single ? [chosen] : [...Array(wide <= UNITS ? wide : UNITS - 1).keys()];
    const texts = units.map((one) => shown(line, one)), columns = given.grid(line)?.[1];
    if (single && columns) texts[0] = `[${Math.floor(chosen / columns) + given.count_from},${(chosen % columns) + given.count_from}] ${texts[0]}`;
    if (!single && units.length < wide) texts.push("…");
    return [[key, texts.join(comma ? "; " : ", ").replaceAll("-", "−")]];
  }));
}

/**
 * Characters for the values of each name at any step: enough for any number below 100, so that edits keep the layout.
 * @param {Given} given
 * @param {number} digits decimals
 * @returns {{[name: string]: number}}
 */
export function room_of(given, digits = DIGITS) {
  const { cell, computed } = given.stage;
  const names = [...cell.carry.map(([state]) => state), ...cell.inputs, ...(computed ?? cell.lines.map(({ name }) => name))];
  return Object.fromEntries(names.flatMap((name) => {
    const values = given.array(name);
    if (!values?.data.length) return [];
    const finite = values.data.filter(Number.isFinite), wide = values.shape[values.shape.length - 1];
    const most = finite.reduce((found, value) => Math.max(found, Math.abs(value)), 0);
    const single = alone(given, name, wide), count = single ? 1 : Math.min(wide, UNITS), grid = single ? given.grid(name) : undefined;
    const whole = String(Math.trunc(Math.min(most, 1e6))).length, signed = values.data.some((value) => value < 0) ? 1 : 0;
    const each = Math.max(whole + 1 + Math.max(digits, DIGITS) + signed, ROOM + digits);
    return [[name, count * each + 2 * (count - 1) + (grid ? `[${grid[0]},${grid[1]}] `.length : 0)]]; // is named if it stands alone
  }));
}
