import { html } from "../vendor/standalone.module.js";
import { short } from "../shared/numbers.js";

/** What the colours mean: from the lower to the upper end of a scale. */
export function Legend({ scale: { low, high, two, beyond }, said }) {
  return html`<span class="ends lstm-text" role="img" aria-label=${said("sequences.scale", { low: short(low), high: short(high) })}>
    ${beyond && two ? "≤ " : ""}${short(low)} <b class=${two ? "two" : "one"}></b> ${beyond ? "≥ " : ""}${short(high)}</span>`;
}
