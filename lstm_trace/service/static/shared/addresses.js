// Addresses of lines, `layer/direction/t/b/line[unit]`, taken apart and put together. Always counted from 0.

const LINE = /^(\d+)\/([\w-]+)\/(\d+)\/(\d+)\/(.+?)(?:\[(\d+)\])?$/;

/** The parts of an address of a line; null for that of a premise. */
export function line_of(address) {
  const found = LINE.exec(address ?? "");
  if (!found) return null;
  const [, layer, direction, t, b, name, unit] = found;
  return { scope: `${layer}/${direction}`, layer: Number(layer), direction, t: Number(t), b: Number(b), name, unit: Number(unit ?? 0) };
}

export const line_address = (scope, t, b, name, unit) => `${scope}/${t}/${b}/${name}[${unit}]`;

/** The address of a unit of a line as a comparison describes it. */
export const address_of = ({ scope, t, b, line, unit }) => line_address(scope, t, b, line, unit);
