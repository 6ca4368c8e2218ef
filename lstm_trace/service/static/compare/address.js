// Addresses of values, "layer/direction/t/b/line[unit]", taken apart and put together. Always counted from 0.

const WHOLE = /^(\d+)\/(forward|reverse|joined)\/(\d+)\/(\d+)\/(.+)\[(\d+)\]$/;

/**
 * The parts of the full address of one unit of a line, or null for anything else.
 * @param {string | undefined} text
 */
export function parts(text) {
  const found = WHOLE.exec(text ?? "");
  if (!found) return null;
  const [, layer, direction, t, b, line, unit] = found;
  return { scope: `${layer}/${direction}`, layer, direction, t: Number(t), b: Number(b), line, unit: Number(unit) };
}

/** The address of a unit of a line. */
export const address = ({ scope, t, b, line, unit }) => `${scope}/${t}/${b}/${line}[${unit}]`;
