import { html, useEffect, useRef, useState } from "../vendor/standalone.module.js";
import { send } from "../api.js";
import { Fault, Progress } from "../parts.js";
import { bytes, sizes, tagsOf, titleOf } from "../shared/describe.js";

// Files on their way into the library: each is inspected first, and kept only if it is wanted.

/** One file after the other: the server computes two things at once, and the page wants to stay usable. */
let line = Promise.resolve();
function inTurn(work) {
  const mine = line.then(work, work);
  line = mine.catch(() => {});
  return mine;
}

/** One file: inspected when it comes. */
function Upload({ file, limit, done, added, said }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [progress, setProgress] = useState(null);
  const [busy, setBusy] = useState(true);
  const [there, setThere] = useState(null); // the item that the library had of this file
  const [title, setTitle] = useState("");
  const [tags, setTags] = useState("");
  const stop = useRef(new AbortController());
  const options = { signal: stop.current.signal, onProgress: (part) => setProgress(part) };
  const failed = (failure) => { if (!stop.current.signal.aborted) { setError(failure); setBusy(false); } };

  useEffect(() => {
    if (file.size > limit) {
      failed({ title: said("library.upload.large", { size: bytes(file.size, said), limit: bytes(limit, said) }) });
      return undefined;
    }
    inTurn(async () => {
      if (stop.current.signal.aborted) return;
      const answer = await send("/inspections", { label: file.name }, file, options);
      setFound(answer);
      setTitle(answer.title ?? "");
      setBusy(false);
    }).catch(failed);
    return () => stop.current.abort();
  }, []);

  const keep = (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    send("/library", { label: file.name, title: title.trim(), tags: tagsOf(tags).join(",") }, file, options)
      .then((item) => { added(item); if (item.new) done(); else { setThere(item); setBusy(false); } }, failed);
  };
  return html`<li class="panel upload" aria-busy=${busy}>
    <div class="head"><h3>${file.name} <span class="quiet-text">${bytes(file.size, said)}</span></h3>
      ${found && html`<span class="quiet-text">${said(`library.kind.${found.kind}`)} · ${[found.cell, sizes(found.sizes, said)].filter(Boolean).join(" · ")}</span>`}</div>
    ${busy && html`<${Progress} label=${said(found ? "library.upload.keeping" : "library.upload.inspecting")} progress=${progress} cancel=${done} said=${said} />`}
    <${Fault} error=${error} said=${said} />
    ${there && html`<p class="good" role="status">${said("library.upload.there", { name: titleOf(there, said) })}</p>`}
    ${found && !there && html`<div class="exact upload-text" lang="en" tabindex="0" role="region" aria-label=${said("library.upload.found", { name: file.name })}>${found.text}</div>
      <form class="row-of" onSubmit=${keep}>
        <label class="field tall"><span class="label">${said("library.title")}</span><input type="text" value=${title} placeholder=${file.name} onInput=${(event) => setTitle(event.target.value)} /></label>
        <label class="field tall"><span class="label">${said("library.tags_with_commas")}</span><input type="text" value=${tags} onInput=${(event) => setTags(event.target.value)} /></label>
        <span class="row-of upload-choice"><button type="submit" class="main" disabled=${busy}>${said("library.upload.keep")}</button>
        <button type="button" onClick=${done}>${said("library.upload.discard")}</button></span>
      </form>`}
    ${(there || (error && !found)) && html`<button type="button" onClick=${done}>${said("library.upload.dismiss")}</button>`}
  </li>`;
}

/** Whether something that is dragged is a file. */
const files = (event) => Array.from(event.dataTransfer?.types ?? []).includes("Files");

/**
 * The button for files, the whole page as a place to drop them, and the files that are under way.
 * @param {{limit: number, added: (item: object) => void, active: boolean}} props
 */
export function Uploads({ limit, added, active, said }) {
  const [waiting, setWaiting] = useState([]);
  const [over, setOver] = useState(false);
  const count = useRef(0);
  const add = (list) => setWaiting((before) => [...before, ...Array.from(list, (file) => ({ key: (count.current += 1), file }))]);
  useEffect(() => {
    if (!active) return undefined;
    const moved = (event) => { if (files(event)) { event.preventDefault(); setOver(true); } };
    const left = (event) => { if (!event.relatedTarget) setOver(false); };
    const dropped = (event) => {
      if (!files(event)) return;
      event.preventDefault();
      setOver(false);
      add(event.dataTransfer.files);
    };
    const told = { dragover: moved, dragleave: left, drop: dropped };
    for (const [name, listener] of Object.entries(told)) addEventListener(name, listener);
    return () => { for (const [name, listener] of Object.entries(told)) removeEventListener(name, listener); };
  }, [active]);
  const chosen = (event) => { add(event.target.files); event.target.value = ""; };
  return html`<div class=${`drop ${over ? "over" : ""}`}>
      <label class="button main file" for="upload">${said("library.upload.choose")}</label>
      <input class="unseen" id="upload" type="file" multiple onChange=${chosen} />
      <span class="quiet-text">${said(over ? "library.upload.drop" : "library.upload.about", { limit: bytes(limit, said) })}</span>
    </div>
    ${waiting.length > 0 && html`<ul class="uploads">${waiting.map(({ key, file }) => html`<${Upload} key=${key} file=${file} limit=${limit} added=${added}
      done=${() => setWaiting((before) => before.filter((one) => one.key !== key))} said=${said} />`)}</ul>`}`;
}
