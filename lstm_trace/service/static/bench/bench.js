import { html } from "../vendor/standalone.module.js";

/** One cell with its givens, its picture and the number that was chosen. */
export function Bench({ said }) {
  return html`<p class="waiting">${said("shell.loading")}</p>`;
}
