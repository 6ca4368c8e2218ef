import { html } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { Fault } from "../parts.js";
import { useLoaded } from "../shared/loaded.js";

const PAGE = 25; // sequences

/** Some of the sequences of states, from one on. */
export function usePage(states, offset) {
  const query = { offset: Math.max(0, Math.min(offset, states.sequences - 1)), limit: PAGE };
  return useLoaded(JSON.stringify([states.name, query]), (signal) => get(`/states/${part(states.name)}/sequences`, query, { signal }));
}

/** @param {{page: object, chosen: string, link: (change: object) => string}} props page: of usePage */
export function SequenceList({ page, chosen, link, set, said }) {
  const { total = 0, offset = 0, sequences = [] } = page.value ?? {};
  const go_to = (event) => {
    event.preventDefault();
    const id = new FormData(event.target).get("id").trim();
    if (id) set({ sequence: id, at: "", span: "" }, {});
  };
  const turn = (to) => set({ offset: to > 0 ? String(to) : "" });
  return html`<div class="head"><h2>${said("sequences.list")}</h2>
      <form class="row-of" role="search" onSubmit=${go_to}>
        <label class="field"><span class="label">${said("sequences.id")}</span><input type="text" name="id" id="sequence-id" autocomplete="off" spellcheck="false" /></label>
        <button type="submit">${said("sequences.open")}</button></form></div>
    <${Fault} error=${page.error} said=${said} />
    <ol class="sequence-list" aria-busy=${page.loading}>${sequences.map(({ id, steps, text }) => html`<li key=${id}>
      <a href=${link({ sequence: id, at: "", span: "" })} aria-current=${id === chosen ? "true" : undefined}>
        <bdi class="sequence-id">${id}</bdi> <bdi class="sequence-text">${text}</bdi> <span class="quiet-text">${said("sequences.steps", { n: steps })}</span></a></li>`)}</ol>
    ${total > PAGE && html`<nav class="pages row-of" aria-label=${said("library.pages")}>
      <button type="button" disabled=${offset === 0} onClick=${() => turn(offset - PAGE)}>${said("library.before")}</button>
      <span>${said("library.range", { from: offset + 1, to: Math.min(total, offset + PAGE), total })}</span>
      <button type="button" disabled=${offset + PAGE >= total} onClick=${() => turn(offset + PAGE)}>${said("library.after")}</button>
    </nav>`}`;
}
