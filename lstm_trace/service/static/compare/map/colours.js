// The colours of a map: nine of the style sheet, with 247 between them, and a scale from values to colours.

const STOPS = 9, COUNT = 256;
/** On a logarithmic scale everything below this part of the largest value has the first colour. */
const DEEPEST = 1e-12;

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/**
 * The colours of the present scheme, light or dark.
 * @param {Element} element whose style holds --map-0 … --map-8, --map-zero and --map-none
 */
export function colours(element) {
  const style = getComputedStyle(element);
  const stop = (name) => rgb(style.getPropertyValue(`--map-${name}`).trim());
  const stops = Array.from({ length: STOPS }, (_, k) => stop(k));
  const table = Array.from({ length: COUNT }, (_, k) => {
    const at = (k / (COUNT - 1)) * (STOPS - 1);
    const low = Math.min(Math.floor(at), STOPS - 2);
    return stops[low].map((from, channel) => Math.round(from + (stops[low + 1][channel] - from) * (at - low)));
  });
  return { table, zero: stop("zero"), none: stop("none") };
}

/**
 * A scale for the values of a map.
 * @param {Float64Array} values not negative; NaN where nothing is known
 * @param {"log" | "linear"} kind
 * @returns {{kind: string, from: number, to: number, at: (value: number) => number, unknown: boolean, zeros: boolean}}
 *   at: 0 to 1
 */
export function scaleOf(values, kind) {
  let to = 0, smallest = Infinity, unknown = false, zeros = false;
  for (const value of values) {
    if (!Number.isFinite(value)) unknown = true;
    else if (value === 0) zeros = true;
    else {
      if (value > to) to = value;
      if (value < smallest) smallest = value;
    }
  }
  const from = kind === "log" ? Math.max(Math.min(smallest, to), to * DEEPEST) : 0;
  const span = kind === "log" ? Math.log(to / from) : to;
  const part = kind === "log" ? (value) => Math.log(value / from) / span : (value) => value / span;
  return { kind, from, to, unknown, zeros, at: (value) => (span > 0 ? Math.min(1, Math.max(0, part(value))) : 1) };
}

/** Values to be written along a scale, from its first to its last colour: [place 0 to 1, value]. */
export function marks({ kind, from, to }) {
  if (to === 0) return [];
  if (kind === "linear") return [0, 0.5, 1].map((place) => [place, to * place]);
  if (from === to) return [[1, to]];
  return [[0, from], [0.5, Math.sqrt(from * to)], [1, to]];
}

/** The colour of a value. */
export const colourOf = ({ table, zero, none }, scale, value) =>
  !Number.isFinite(value) ? none : value === 0 ? zero : table[Math.round(scale.at(value) * (COUNT - 1))];
