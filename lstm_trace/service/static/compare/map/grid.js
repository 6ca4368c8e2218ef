// A map as numbers and as pixels: which cell of the canvas shows which unit at which step.

import { value_of } from "../../shared/numbers.js";

const LARGEST_CELL = { width: 44, height: 22 }; // CSS pixels: of a map of few steps and units
const HEIGHT = 330; // CSS pixels that a map of many units fills, as long as a unit has a pixel of the screen
const TALLEST = 16384; // pixels of the screen: browsers refuse larger canvases

/** The values of a reply, step by step, in one array; NaN and infinities arrive as strings. */
export function valuesOf({ values, units }) {
  const flat = new Float64Array(values.length * units);
  values.forEach((row, t) => row.forEach((value, unit) => { flat[t * units + unit] = Math.abs(value_of(value)); }));
  return flat;
}

/** Where the largest value is, as {step, unit}; a value that is not finite counts as the largest. */
export function largest(values, units) {
  let best = 0;
  for (let k = 1; k < values.length; k += 1) {
    if (!Number.isFinite(values[best])) break;
    if (!(values[k] <= values[best])) best = k;
  }
  return { step: Math.floor(best / units), unit: best % units };
}

/**
 * The grid of a canvas. Every cell is a whole number of the screen's pixels; where there are more steps than pixels,
 * a column stands for several steps, and shows the largest value of each unit among them.
 * @param {number} width CSS pixels
 * @param {number} ratio devicePixelRatio
 */
export function gridOf(width, ratio, steps, units) {
  const room = Math.max(1, Math.floor(width * ratio));
  const together = Math.ceil(steps / room);
  const columns = Math.ceil(steps / together);
  const cellWidth = Math.max(1, Math.min(Math.floor(room / columns), Math.round(LARGEST_CELL.width * ratio)));
  const tall = Math.floor((HEIGHT * ratio) / units);
  const cellHeight = Math.max(1, Math.min(tall, Math.round(LARGEST_CELL.height * ratio)));
  const rows = Math.min(units, TALLEST);
  return { ratio, together, columns, rows, cellWidth, cellHeight, width: columns * cellWidth, height: rows * cellHeight };
}

/** The step that a column shows for a unit: of several, that of the largest value. */
export function stepAt({ together }, values, units, column, unit) {
  const steps = values.length / units;
  let best = column * together;
  for (let t = best + 1; t < Math.min(steps, (column + 1) * together); t += 1) {
    if (!(values[t * units + unit] <= values[best * units + unit])) best = t;
  }
  return best;
}

/**
 * Draw the map.
 * @param {HTMLCanvasElement} canvas of the grid's size
 * @param {(value: number) => number[]} colour red, green and blue of a value
 */
export function draw(canvas, grid, values, units, colour) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, grid.width, grid.height);
  const small = new ImageData(grid.columns, grid.rows);
  for (let unit = 0; unit < grid.rows; unit += 1) {
    for (let column = 0; column < grid.columns; column += 1) {
      const [red, green, blue] = colour(values[stepAt(grid, values, units, column, unit) * units + unit]);
      small.data.set([red, green, blue, 255], (unit * grid.columns + column) * 4);
    }
  }
  const once = document.createElement("canvas");
  [once.width, once.height] = [grid.columns, grid.rows];
  once.getContext("2d").putImageData(small, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(once, 0, 0, grid.width, grid.height);
  const gap = Math.round(grid.ratio), apart = Math.min(grid.cellWidth, grid.cellHeight) >= 8 * gap;
  for (let k = 1; k < grid.columns && apart; k += 1) context.clearRect(k * grid.cellWidth - gap, 0, gap, grid.height);
  for (let k = 1; k < grid.rows && apart; k += 1) context.clearRect(0, k * grid.cellHeight - gap, grid.width, gap);
}

/** Whole numbers from 0 to below `count`, at most about `most` of them, at even distances of 1, 2 or 5 times a power of 10. */
export function ticks(count, most) {
  let distance = 1;
  for (let k = 0; count / distance > most; k += 1) distance = [1, 2, 5][k % 3] * 10 ** Math.floor(k / 3);
  return Array.from({ length: Math.ceil(count / distance) }, (_, k) => k * distance);
}
