// How every part of a page shows the numbers of a run, if nothing else is asked for: view/hand_size.py.
import { kept } from "../../../../lines/cells.js";
import { as_rounded } from "../../../../lines/numbers.js";
import { each_array, extent, operand } from "../../../../lines/values.js";
import { computed, here } from "./computing.js";
import { head_of } from "./labels.js";
import { forward_stages, is_adjoint, number_at, span } from "./places.js";

/** @typedef {import("../../../../lines/types.js").Scoped} Scoped */
/** @typedef {import("../../../../lines/types.js").Trace} Trace */
/** @typedef {import("../../../../lines/types.js").Values} Array */
/** @typedef {import("../../../../lines/numbers.js").Style} Style */

/** The largest matrix that is written out; maximum count of individual numbers; decimals of a problem of hand size. */
const MATRIX = [4, 6], SCALARS = 400, FEW = [4, 5], DECIMALS = 5;
/** Half a unit of the last decimal, and the part of a number that rounding may be off by, with room for floats. */
const HALF = 0.5000005, ROUNDING = 1e-12;

/** How every part of a page shows the numbers of a run. @param {Trace} trace @param {number | null} digits those asked for @returns {Style} */
export function style_of(trace, digits) {
  const written = { kept: true, written: true }, { arithmetic } = head_of(trace);
  if (digits !== null) return { digits, ...written };
  const found = usual_style(trace);
  return { ...found, digits: arithmetic ? found.digits : Math.min(/** @type {number} */ (found.digits), DECIMALS), ...written };
}

/** The decimals of a report if none are requested: those of the problem; few at hand size; those used by hand; or 8. */
const usual_style = kept((/** @type {Trace} */ trace) => {
  const { digits, arithmetic } = head_of(trace), noted = Number(/^by-hand-(\d+)$/.exec(arithmetic ?? "")?.[1] ?? 0);
  if (typeof digits === "number") return { digits };
  if (noted > 0) return { digits: noted, given: Math.max(8, noted) };
  const weights = Object.values(trace.parameters).flatMap((some) => Object.values(some)).filter(({ shape }) => shape.length === 2);
  const fit = weights.every(({ shape }) => shape.every((n, axis) => n <= MATRIX[axis]));
  const count = forward_stages(trace).flatMap(({ scope }) => Object.values(trace.lines[scope] ?? {})).reduce((n, { data }) => n + data.length, 0);
  const of_hand = fit && count <= SCALARS;
  if (arithmetic || !(trace.stages.some(is_adjoint) ? of_hand : fit)) return { digits: 8 };
  if (!of_hand) return { digits: FEW[0] };
  const [few, more] = FEW.map((places) => astray(trace, places));
  return { digits: more < few ? FEW[1] : FEW[0] };
});

/**
 * How many numbers, shown with so many decimals, do not follow from the numbers shown before them: are not within half a
 * unit of the last decimal, as floats may round a 5 up or down.
 * @param {Trace} trace @param {number} digits
 */
function astray(trace, digits) {
  const shown = (/** @type {number} */ value) => as_rounded(value, digits, false), half = HALF / 10 ** digits;
  const each = (/** @type {Array} */ { shape, data }) => ({ shape, data: data.map(shown) });
  const all = (/** @type {Scoped} */ part) => each_array(part, each);
  const { lines, parameters, initial, given, x } = trace;
  const rounded = { ...trace, lines: all(lines), parameters: all(parameters), initial: all(initial), given: all(given), x: x && each(x) };
  let found = 0;
  for (const stage of trace.stages) {
    for (const line of stage.cell.lines) {
      const values = rounded.lines[stage.scope]?.[line.name], operands = line.operands.map((name) => operand(rounded, stage, name));
      if (!values || operands.some((one) => !one)) continue;
      for (const t of span(trace)) {
        for (let b = 0; b < extent(trace)[1]; b++) {
          const again = computed(line, operands.map((one) => here(trace, /** @type {Array} */ (one), t, b)), values.shape[2], false);
          again.forEach((value, k) => {
            const other = number_at(trace, values, t, b, k);
            found += Number(value !== other && !(Math.abs(value - other) <= half + ROUNDING * Math.abs(value)));
          });
        }
      }
    }
  }
  return found;
}
