import { html, useEffect, useRef, useState } from "../vendor/standalone.module.js";
import { get } from "../api.js";
import { Fault } from "../parts.js";
import { allExamples } from "../shared/examples.js";
import { Downloads } from "./downloads.js";
import { Blank } from "./given/blank.js";
import { Save } from "./save.js";

// Above the bench: what it starts from, what was done, and where its results go.

const KEPT = 100; // items of the library in the list; the Library tab has all

function useSources() {
  const [examples, setExamples] = useState([]);
  const [items, setItems] = useState([]);
  const [cells, setCells] = useState([]);
  const library = () => get("/library", { limit: KEPT }).then(({ items: found }) => setItems(found), () => setItems([]));
  useEffect(() => {
    allExamples().then(setExamples, () => {});
    get("/cells").then(setCells, () => {});
    library();
  }, []);
  return { examples, items, cells, library };
}

export function Toolbar({ session, state, title, settings, choices, go, alone, said }) {
  const { run, source, entries, index, pinned, busy, fault } = state;
  const { examples, items, cells, library } = useSources();
  const blank = useRef(null);
  const [choosing, setChoosing] = useState(false);
  const open = (name) => { setChoosing(false); go("bench", { source: name }); };
  const known = [...examples.map((one) => `example:${one.name}`), ...items.map((one) => `item:${one.id}`)].includes(source);
  useEffect(() => { if (choosing) blank.current?.showModal?.(); else blank.current?.close?.(); }, [choosing]);
  const compare = async () => {
    const [a, b] = await Promise.all([pinned.run, run].map((one) => session.runs.on_server(one)));
    go("compare", { a: `run:${a.id}`, b: `run:${b.id}` });
  };
  return html`<div class="toolbar">
    <label class="field" for="source"><span class="label">${said("bench.source")}</span>
      <select id="source" value=${source} onFocus=${library} onChange=${(event) => (event.target.value === "blank" ? setChoosing(true) : open(event.target.value))}>
        ${!known && html`<option value=${source} selected>${run?.title || (source.startsWith("blank:") ? said("bench.blank") : source)}</option>`}
        <optgroup label=${said("bench.examples")}>${examples.map((one) => html`<option key=${one.name} value=${`example:${one.name}`} selected=${source === `example:${one.name}`}>${one.title}</option>`)}</optgroup>
        ${items.length > 0 && html`<optgroup label=${said("shell.library")}>${items.map((one) => html`<option key=${one.id} value=${`item:${one.id}`} selected=${source === `item:${one.id}`}>${one.title || one.label}</option>`)}</optgroup>`}
        <option value="blank">${said("bench.blank.choose")}</option>
      </select></label>
    <dialog ref=${blank} aria-label=${said("bench.blank")} onClose=${() => setChoosing(false)}>
      <${Blank} cells=${cells} open=${open} cancel=${() => setChoosing(false)} said=${said} />
    </dialog>
    ${run && html`
      <div class="row-of" role="group" aria-label=${said("bench.history")}>
        <button type="button" id="undo" disabled=${index === 0} onClick=${() => session.undo(-1)} title="Ctrl+Z">↶ ${said("bench.undo")}</button>
        <button type="button" id="redo" disabled=${index === entries.length - 1} onClick=${() => session.undo(1)} title="Ctrl+Shift+Z">↷ ${said("bench.redo")}</button>
      </div>
      <div class="row-of" role="group" aria-label=${said("bench.against")}>
        ${pinned
          ? html`<span class="tag pinned" id="pinned" title=${pinned.run.id}>A</span>
            <button type="button" id="repin" onClick=${() => session.pin()}>${said("bench.repin")}</button>
            <button type="button" id="unpin" onClick=${() => session.unpin()}>${said("bench.unpin")}</button>
            ${!alone && html`<button type="button" id="compare-a" onClick=${compare} disabled=${pinned.run.id === run.id}>${said("bench.compare")}</button>`}`
          : html`<button type="button" id="pin" onClick=${() => session.pin()} title=${said("bench.pin_hint")}>${said("bench.pin")}</button>`}
      </div>
      <div class="row-of taken">
        <${Downloads} session=${session} run=${run} title=${title} settings=${settings} choices=${choices} said=${said} />
        ${!alone && html`<${Save} session=${session} run=${run} settings=${settings} said=${said} />`}
      </div>`}
    <span class="busy" role="status" aria-label=${busy ? said("bench.busy") : ""} data-busy=${String(busy)}></span>
    ${fault?.where === "pinned" && html`<div class="whole"><p class="bad">${said("bench.pin_failed")}</p>
      <${Fault} id="pinned-fault" error=${fault.error} retry=${fault.retry} close=${() => session.dismiss()} said=${said} /></div>`}
    ${fault?.where === "source" && html`<div class="whole"><${Fault} id="source-fault" error=${fault.error} retry=${fault.retry} close=${() => session.dismiss()} said=${said} />
      ${!run && (entries[index].edits.length > 0 || entries[index].holds.length > 0 || entries[index].equations) && html`<button type="button" id="without-edits" onClick=${() => open(source)}>${said("bench.without_edits")}</button>`}</div>`}
  </div>`;
}
