import { useMemo } from "../vendor/standalone.module.js";
import { useView } from "./hooks.js";
import { same_cell } from "./state/fitting.js";

// The symbols of the notation that is set. A run says those of the exercises itself.

/**
 * @returns {{stage: (stage: object) => object, premises: (list: object[]) => object[]}} the same with other symbols; a
 *   notation that joins two products has lines of its own in a stage
 */
export function useNotation(session, run, { notation }) {
  const own = notation === "exercise";
  const { data, run: of } = useView(session, run, own ? "" : "symbols", { notation });
  return useMemo(() => {
    if (own || !data || !run || !same_cell(of, run)) return { stage: (stage) => stage, premises: (list) => list };
    const lines = new Map(data.stages.map((stage) => [stage.scope, stage.lines]));
    return {
      stage: (stage) => (lines.has(stage?.scope) ? { ...stage, lines: lines.get(stage.scope) } : stage),
      premises: (list) => list.map((one) => ({ ...one, symbol: data.premises[one.address] ?? one.symbol })),
    };
  }, [data, run, own]);
}
