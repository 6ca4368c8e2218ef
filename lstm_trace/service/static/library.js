import { html } from "./vendor/standalone.module.js";
export function Library() { return html`<p></p>`; }
