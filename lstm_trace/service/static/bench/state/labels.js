import { looked_up } from "../../../../lines/values.js";

// What the units of a line are called: by the labels of the problem, or by their numbers.

/** What the units of a line, state or input of a stage are: entries of the input (x), hidden units (h) or outputs (y). */
export function axis_of(stage, name) {
  const axis = looked_up(stage.axes ?? {}, name);
  if (axis) return axis;
  if (looked_up(stage.inputs, name) === "x") return "x";
  return stage.lines.find((line) => line.name === (looked_up(stage.states, name) ?? name))?.axis ?? "h";
}

/** What the rows and the columns of a parameter are, by the product that reads it. */
export function axes_of(stage, { name, gate }) {
  const before = `${name} @ `, after = ` @ ${name}`; // a matrix from the left, or, as Keras and JAX write it, from the right
  const left = stage.lines.find((line) => line.name.startsWith(before));
  if (left) return [left.axis, axis_of(stage, left.name.slice(before.length))];
  const right = stage.lines.find((line) => line.name.endsWith(after));
  if (right) return [axis_of(stage, right.name.slice(0, -after.length)), right.axis];
  const reader = stage.lines.find((line) => line.name.replace(/^z_/, "").replace(/_t$/, "") === gate);
  return [reader?.axis ?? "h", "h"];
}

/** A step by its number, with its label where it has one. b: the sequence whose label it is. */
export function step_name(run, t, count, b = 0) {
  const rows = run.step_labels ?? [];
  const label = rows[rows.length > 1 ? b : 0]?.[t - run.first];
  return label ? `t = ${t + count} ‘${label}’` : `t = ${t + count}`;
}

/** The problem's labels of an axis, where it gives them for so many. */
export function labels_of(run, axis, width) {
  const found = run.names?.[axis];
  return found?.length === width ? found : null;
}
