import { get } from "../api.js";

// A problem in which every number is zero, to begin with.

/** Nested lists of zeros. @param {number[]} shape */
export const zeros = ([first, ...rest]) => (first === undefined ? 0 : Array.from({ length: first }, () => zeros(rest)));

/** Parameters that equations read, each with the shape that its use suggests. */
export function parameter_shapes(equations, inputs, units) {
  const lines = equations.split("\n").map((line) => line.replace(/#.*/, "")).filter((line) => /^\s*\w+\s*=/.test(line));
  const assigned = new Set(lines.map((line) => /\w+/.exec(line)[0]));
  const shapes = {};
  for (const line of lines) {
    const right = line.slice(line.indexOf("=") + 1);
    for (const [, name, at] of right.matchAll(/([A-Za-z_]\w*)(\s*@\s*\w+|\s*@\s*\()?(?!\w*\()/g)) {
      if (assigned.has(name) || name === "x_t" || /_prev$/.test(name) || name in shapes) continue;
      shapes[name] = at ? [units, /@\s*x_t/.test(at) ? inputs : units] : [units];
    }
  }
  return shapes;
}

/** Biases of the gates that equations compute, by their pre-activations: b_f of z_f. */
const biases_of = (equations, units) => Object.fromEntries([...equations.matchAll(/^\s*z_(\w+)\s*=/gm)].map(([, gate]) => [`b_${gate}`, [units]]));

/** A problem in which every number is zero. */
export async function blank(text) {
  const [kind, ...sizes] = text.split("/");
  const biases = sizes[3] === "biases";
  const [steps = 3, inputs = 2, units = 2] = sizes.slice(0, 3).map(Number);
  const cells = await get("/cells");
  const cell = cells.find((one) => one.name === kind) ?? cells[0];
  const shapes = { ...parameter_shapes(cell.equations, inputs, units), ...(biases && biases_of(cell.equations, units)) };
  const weights = {};
  for (const [name, shape] of Object.entries(shapes)) weights[name] = zeros(shape);
  return { problem: { title: "", cell: cell.name, weights, x: zeros([steps, inputs]) } };
}
