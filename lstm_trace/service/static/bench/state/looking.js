import { line_address, line_of } from "../../shared/addresses.js";
import { first_address, input_at, place_of, step_of, still } from "./fitting.js";
import { options_of } from "./link.js";
import { has } from "./places.js";

// Where the bench looks: changes of its state for another number, step, layer, row or unit.

/** The numbers that were looked at, with one more; `replace`: in place of the last one. */
export function trail({ visited: before, visit }, address, replace = false) {
  if (before[visit] === address) return { visited: before, visit };
  const kept = before.slice(0, replace ? Math.max(visit, 0) : visit + 1);
  return { visited: [...kept, address], visit: kept.length };
}

/** What is looked at, as an address of the page says it; what the run does not have is left to its beginning. */
export function opened_at(state, run, params) {
  // an empty page shows its example where the gates have something to keep and to forget, which is at its end
  const end = params.source || params.t ? undefined : run.first + run.steps - 1;
  const address = params.at ? still(run, params.at) : first_address(run, { t: end });
  const given = step_of(run, address);
  const at = { t: Number(params.t ?? given?.t ?? run.first), b: Number(params.row ?? given?.b ?? 0), scope: params.scope };
  const of = params.of && has(run, params.of) ? params.of : run.target;
  return { address, of, plot: params.plot ?? "", options: options_of(params), ...place_of(run, address, { ...state, ...at }) };
}

/** At a number; `quiet`: by keys, which leave the bench at its step. */
export function at_number(state, address, quiet) {
  const where = quiet ? null : step_of(state.run, address);
  return { address, ...place_of(state.run, address, { ...state, ...where }), ...trail(state, address, quiet) };
}

/** At the number before (-1) or after (1) this one of those that were looked at; null where there is none. */
export function visited(state, way) {
  const visit = state.visit + way;
  const address = state.visited[visit];
  return address ? { address, visit, ...place_of(state.run, address, { ...state, ...step_of(state.run, address) }) } : null;
}

/** At another step, layer, row or unit, with the number that is looked at where it has one there. */
export function elsewhere(state, change) {
  const { run, address } = state;
  const next = { ...state, ...change };
  next.t = Math.min(Math.max(next.t, run.first), run.first + run.steps - 1);
  const line = line_of(run, address);
  let moved = input_at(run, address, next);
  if (line) {
    const found = run.stages.find((one) => one.scope === next.scope)?.lines.find((one) => one.name === line.name);
    if (found) moved = line_address(run, next.scope, next.t, next.b, line.name, Math.min(next.unit, found.width - 1));
    else moved = first_address(run, next);
  }
  return { t: next.t, b: next.b, scope: next.scope, unit: next.unit, address: moved, ...trail(state, moved, true) };
}
