import { html } from "../vendor/standalone.module.js";

/** What the tab is for, and how to begin, where the server has no states. some: whether a corpus has no part yet. */
export function Start({ some, said }) {
  return html`<div class="panel start">
    <h2>${said(some ? "sequences.none_yet" : "sequences.start")}</h2>
    <p>${said("sequences.start.about")}</p>
    <ol>
      <li>${said("sequences.start.run")}<pre class="exact">lstm-trace corpus run model.npz --inputs data.parquet -o states/</pre></li>
      <li>${said("sequences.start.serve")}<pre class="exact">lstm-trace serve --states states/</pre></li>
    </ol>
  </div>`;
}
