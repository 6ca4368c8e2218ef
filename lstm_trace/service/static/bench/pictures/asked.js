import { line_address, line_of } from "../../shared/addresses.js";
import { ends } from "../../shared/ranges.js";

// What is asked of the server for a picture of a kind: its options follow from what is looked at.

const SUMS = ["add", "where"]; // operations of what is carried on with something added

/** The value that a memory is of: what is looked at where that is carried, else what its cell carries. */
function carried(run, line) {
  const stage = run.stages.find((one) => one.scope === line.scope);
  const names = Object.values(stage?.states ?? {}).filter((name) => SUMS.includes(stage.lines.find((one) => one.name === name)?.op));
  return names.length && !names.includes(line.name) ? { ...line, name: names[0] } : line;
}

/** The unit of what the cell carries that is the nearest one: a line that is not drawn may have more. */
function nearest(run, scope, unit) {
  const { lines, states } = run.stages.find((one) => one.scope === scope);
  const widths = lines.filter((line) => Object.values(states).includes(line.name)).map((line) => line.width);
  return Math.min(unit, ...(widths.length ? [Math.max(...widths) - 1] : []));
}

/** What is chosen for a picture, as the server takes it. */
function chosen({ unit, line, steps, ...rest }) {
  const found = Object.entries({
    unit: unit && ends(unit).flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, k) => first + k)).join(","),
    line: line && line.split(";"),
    steps: steps && ends(steps).map(([first, last]) => `${first}:${last + 1}`).join(),
    ...rest,
  });
  return Object.fromEntries(found.filter(([, value]) => value));
}

/**
 * @param {{kind: string, options: string[], required: string[]}} kind
 * @param {object} state of the bench @param {object} settings of the page
 * @returns {object | null} null where it needs a value and none of the run can be taken
 */
export function asked(kind, { run, address, scope, b, unit, options }, { language, notation, count_from }) {
  const [layer, direction] = scope.split("/");
  const line = line_of(run, address) ?? line_of(run, run.target);
  const value = line && (kind.kind === "memory" ? carried(run, line) : line);
  if (kind.required.includes("of") && !value) return null;
  const all = {
    of: kind.kind === "weights" || !value ? undefined : line_address(run, value.scope, value.t, value.b, value.name, value.unit),
    unit: { text: unit, unit: nearest(run, scope, unit) }[kind.kind], // all of them where a picture has room
    line: kind.kind === "text" && line?.scope === scope ? line.name : undefined,
    layer,
    direction,
    batch: run.batch > 1 ? b : undefined,
    language,
    ...chosen(options),
  };
  const own = Object.entries(all).filter(([name, one]) => kind.options.includes(name) && one !== undefined && one !== "");
  return { ...Object.fromEntries(own), notation, count_from };
}
