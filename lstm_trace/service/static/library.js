import { html, useEffect, useRef, useState } from "./vendor/standalone.module.js";
import { get, part, patch, remove } from "./api.js";
import { allExamples } from "./shared/examples.js";
import { useLoaded, useSettled } from "./shared/loaded.js";
import { Confirm } from "./library/confirm.js";
import { titleOf } from "./shared/describe.js";
import { ExampleRow, ItemRow } from "./library/rows.js";
import { Uploads } from "./library/upload.js";
import { Choice, Fault } from "./parts.js";
import { written } from "./route.js";

const PAGE = 25; // rows
const KINDS = ["", "problem", "trace", "model", "example"];
const COLUMNS = ["kind", "cell", "sizes", "when", "bytes"];

/** The limits of the server; until they are there, those it has if nothing else is set. */
function useLimit() {
  const { value } = useLoaded("limits", (signal) => get("/limits", {}, { signal }));
  return value?.body_bytes ?? 64_000_000;
}

function Pages({ offset, total, show, said }) {
  if (total <= PAGE) return null;
  return html`<nav class="pages row-of" aria-label=${said("library.pages")}>
    <button type="button" disabled=${offset === 0} onClick=${() => show(offset - PAGE)}>${said("library.before")}</button>
    <span>${said("library.range", { from: offset + 1, to: Math.min(total, offset + PAGE), total })}</span>
    <button type="button" disabled=${offset + PAGE >= total} onClick=${() => show(offset + PAGE)}>${said("library.after")}</button>
  </nav>`;
}

/** What two ticks are for. */
function Ticked({ ticks, names, compare, clear, said }) {
  const text = ticks.length === 2 ? said("library.ticked_two", { a: names[ticks[0]], b: names[ticks[1]] })
    : ticks.length === 1 ? said("library.ticked_one", { a: names[ticks[0]] }) : said("library.ticked_none");
  return html`<div class="ticked row-of"><span class="quiet-text" role="status">${text}</span>
    <span class="row-of"><button type="button" id="compare" class=${ticks.length === 2 ? "main" : ""} disabled=${ticks.length !== 2} onClick=${compare}>${said("library.compare")}</button>
    <button type="button" class="quiet" disabled=${ticks.length === 0} onClick=${clear}>${said("library.clear")}</button></span></div>`;
}

/** Stored problems, traces and models, and the examples. The address holds search, kind, tag and offset. */
export function Library({ params, go, settings, choices, said, active = true }) {
  const { kind = "", tag = "" } = params;
  const offset = Math.max(0, Number(params.offset) || 0);
  const [typed, setTyped] = useState(params.search ?? "");
  const search = useSettled(typed);
  const [version, setVersion] = useState(0); // counts what was changed
  const [ticks, setTicks] = useState([]);
  const [names, setNames] = useState({});
  const [asked, setAsked] = useState(null);
  const [news, setNews] = useState("");
  const heading = useRef(null);
  const limit = useLimit();
  const set = (change) => go("library", { ...params, offset: "", ...change }, { replace: true });
  useEffect(() => { if (search !== (params.search ?? "")) set({ search }); }, [search]);
  useEffect(() => { if ((params.search ?? "") !== search) setTyped(params.search ?? ""); }, [params.search]);

  const query = { search, kind, tag, limit: PAGE, offset };
  const listed = useLoaded(kind === "example" ? null : JSON.stringify([query, version]), (signal) => get("/library", query, { signal }));
  const examples = useLoaded("examples", allExamples);
  const { items = [], total = 0 } = listed.value ?? {};
  useEffect(() => { if (listed.value && offset > 0 && items.length === 0) set({ offset: String(Math.max(0, offset - PAGE)) }); }, [listed.value]);

  const matching = kind && kind !== "example" ? [] : (examples.value ?? []).filter((one) => !tag && `${one.title} ${one.name}`.toLowerCase().includes(search.trim().toLowerCase()));
  const shown_examples = kind === "example" || total <= offset + PAGE ? matching : [];
  const tick = (source, name) => {
    setNames({ ...names, [source]: name });
    setTicks(ticks.includes(source) ? ticks.filter((one) => one !== source) : [...ticks, source]);
  };
  const change = async (item, to) => {
    await patch(`/library/${part(item.id)}`, to);
    setNews(said("library.saved", { name: to.title || item.label }));
    setVersion((before) => before + 1);
  };
  const erase = async (item) => {
    await remove(`/library/${part(item.id)}`);
    setTicks(ticks.filter((one) => one !== `item:${item.id}`));
    setAsked(null);
    setNews(said("library.deleted", { name: titleOf(item, said) }));
    setVersion((before) => before + 1);
    requestAnimationFrame(() => heading.current?.focus()); // once the dialog is gone
  };
  const added = (item) => {
    if (item.new) setNews(said("library.kept", { name: titleOf(item, said) }));
    setVersion((before) => before + 1);
  };
  const open = (source) => written("bench", { source }, settings);
  const compare = () => go("compare", { a: ticks[0], b: ticks[1] });
  const filtered = search || kind || tag;
  const empty = listed.value && items.length === 0 && kind !== "example";
  return html`<div class="library-head"><h1 ref=${heading} tabindex="-1">${said("library.heading")}</h1>
      <${Uploads} limit=${limit} added=${added} active=${active} said=${said} /></div>
    <p class="unseen" role="status">${news}</p>
    <div class="filters row-of" role="search">
      <label class="field search"><span class="unseen">${said("library.search")}</span>
        <input type="search" id="library-search" placeholder=${said("library.search")} value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>
      <${Choice} id="library-kind" label=${said("library.kind")} value=${kind} options=${KINDS.map((one) => [one, said(one ? `library.kinds.${one}` : "library.kinds.all")])} onChange=${(to) => set({ kind: to })} />
      ${tag && html`<button type="button" class="tag-filter" onClick=${() => set({ tag: "" })}>${said("library.tagged")} ${tag} <span aria-hidden="true">×</span><span class="unseen">${said("library.untag")}</span></button>`}
      <span class="quiet-text count" role="status">${listed.value && kind !== "example" ? said("library.count", { n: total }) : ""}</span>
    </div>
    <${Ticked} ticks=${ticks} names=${names} compare=${compare} clear=${() => setTicks([])} said=${said} />
    <${Fault} error=${listed.error ?? examples.error} retry=${() => setVersion(version + 1)} said=${said} />
    ${empty && html`<div class="panel empty">${filtered ? html`<p>${said("library.no_match")}</p>` : html`<h2>${said("library.empty")}</h2><p>${said("library.empty_about", { models: choices.models.join(", ") })}</p>`}</div>`}
    <table class="items" role="table" aria-busy=${listed.loading && kind !== "example"} aria-label=${said("library.heading")}>
      <thead role="rowgroup"><tr role="row">
        <th role="columnheader" scope="col" class="tick"><span class="unseen">${said("library.choose")}</span></th><th role="columnheader" scope="col" class="left">${said("library.title")}</th>
        ${COLUMNS.map((name) => html`<th key=${name} role="columnheader" scope="col" class=${`of-${name}`}>${said(`library.${name}`)}</th>`)}
        <th role="columnheader" scope="col"><span class="unseen">${said("library.actions")}</span></th>
      </tr></thead>
      <tbody role="rowgroup">${kind !== "example" && items.map((item) => html`<${ItemRow} key=${item.id} item=${item} ticks=${ticks} tick=${tick} open=${open(`item:${item.id}`)} change=${change}
        ask=${setAsked} filter=${(to) => set({ tag: to })} language=${settings.language} said=${said} />`)}</tbody>
      ${shown_examples.length > 0 && html`<tbody role="rowgroup" class="examples">
        <tr role="row" class="group"><th role="rowheader" scope="rowgroup" colspan="8" class="left">${said("library.examples")} <span class="quiet-text">${said("library.examples_about")}</span></th></tr>
        ${shown_examples.map((one) => html`<${ExampleRow} key=${one.name} example=${one} ticks=${ticks} tick=${tick} open=${open(`example:${one.name}`)} said=${said} />`)}</tbody>`}
    </table>
    ${kind !== "example" && html`<${Pages} offset=${offset} total=${total} show=${(to) => set({ offset: to > 0 ? String(to) : "" })} said=${said} />`}
    ${asked && html`<${Confirm} title=${said("library.delete_title", { name: titleOf(asked, said) })} text=${said("library.delete_about")} yes=${said("library.delete_yes")}
      act=${() => erase(asked)} close=${() => setAsked(null)} said=${said} />`}`;
}
