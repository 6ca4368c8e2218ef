import { html, useEffect, useRef, useState } from "../vendor/standalone.module.js";
import { get } from "../api.js";
import { allExamples } from "./examples.js";
import { useLoaded, useSettled } from "./loaded.js";

// A field that finds a source: what is on the bench, the examples, the library. Type to search, arrow keys to move.

const LISTED = 30;

const holds = (text, search) => text.toLowerCase().includes(search.trim().toLowerCase());

/** The sources that a search finds, in groups. */
async function found(search, bench, kinds, said, signal) {
  const [listed, library] = await Promise.all([allExamples(), get("/library", { search: search.trim(), limit: LISTED }, { signal })]);
  const items = library.items.filter((item) => kinds.includes(item.kind));
  return [
    { key: "bench", options: bench.filter((one) => holds(one.title, search)) },
    { key: "library", more: library.total - library.items.length,
      options: items.map((item) => ({ source: `item:${item.id}`, title: item.title || item.label, about: said(`library.kind.${item.kind}`) })) },
    { key: "examples", options: listed.filter((one) => holds(`${one.title} ${one.name}`, search)).map((one) => ({ source: `example:${one.name}`, title: one.title, about: one.name })) },
  ].filter((group) => group.options.length > 0 || group.more > 0);
}

/**
 * @param {{id: string, label: string, title: string, placeholder?: string, bench: object[], kinds: string[], choose: (source: string) => void}} props
 *   title: of what is chosen; placeholder: shown while nothing is; bench: {source, title} of runs on the bench; kinds: of library items that are offered
 */
export function Picker({ id, label, title, placeholder, bench, kinds, choose, said }) {
  const [open, setOpen] = useState(false);
  const [search, setSearch] = useState("");
  const [active, setActive] = useState(0);
  const settled = useSettled(search);
  const field = useRef(null), list = useRef(null);
  const { value, error, loading } = useLoaded(open ? JSON.stringify([settled, bench]) : null, (signal) => found(settled, bench, kinds, said, signal));
  // until the answer for what is typed now is there, only what fits of the last one: Enter takes nothing by mistake
  const stale = loading || search !== settled;
  const groups = (value ?? []).map((group) => (stale ? { ...group, more: 0, options: group.options.filter((one) => holds(one.title, search)) } : group));
  const options = groups.flatMap((group) => group.options);
  useEffect(() => setActive(0), [search, settled, open]);
  useEffect(() => { list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }); }, [active]);

  const close = () => { setOpen(false); setSearch(""); };
  const take = (option) => { close(); choose(option.source); };
  // Enter before the answer is there takes its first, once it is
  const awaited = useRef(false);
  useEffect(() => {
    if (stale || !awaited.current) return;
    awaited.current = false;
    if (options[0]) take(options[0]);
  }, [stale]);
  const pressed = (event) => {
    awaited.current = event.key === "Enter" && open && stale && !options[active];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && open) { event.preventDefault(); close(); }
    else if (event.key === "Enter" && open && options[active]) { event.preventDefault(); take(options[active]); }
    else if (step && !open) { event.preventDefault(); setOpen(true); }
    else if (step && options.length) { event.preventDefault(); setActive((active + step + options.length) % options.length); }
  };
  let count = -1;
  const option = (one) => {
    count += 1;
    const k = count;
    return html`<li key=${one.source} id=${`${id}-${k}`} role="option" aria-selected=${k === active} onPointerMove=${() => setActive(k)}
      onMouseDown=${(event) => event.preventDefault()} onClick=${() => take(one)}><span>${one.title}</span> <span class="quiet-text">${one.about}</span></li>`;
  };
  return html`<div class="picker" onFocusOut=${(event) => { if (!event.currentTarget.contains(event.relatedTarget)) close(); }}>
    <label class="unseen" for=${id}>${label}</label>
    <input id=${id} ref=${field} type="text" role="combobox" autocomplete="off" spellcheck="false" aria-expanded=${open} aria-controls=${`${id}-list`}
      aria-autocomplete="list" aria-activedescendant=${open && options[active] ? `${id}-${active}` : undefined}
      placeholder=${title || placeholder || said("compare.choose")} value=${open ? search : title}
      onFocus=${(event) => event.target.select()} onClick=${() => setOpen(true)} onKeyDown=${pressed}
      onInput=${(event) => { setSearch(event.target.value); setOpen(true); }} />
    ${open && html`<div class="picker-list" id=${`${id}-list`} ref=${list} role="listbox" aria-label=${label}>
      ${error && html`<p class="bad">${error.message}</p>`}
      ${groups.filter((group) => group.options.length > 0).map((group) => html`<ul key=${group.key} role="group" aria-label=${said(`compare.group.${group.key}`)}>
        <li class="picker-group" role="presentation">${said(`compare.group.${group.key}`)}</li>
        ${group.options.map(option)}
        ${group.more > 0 && html`<li class="quiet-text" role="presentation">${said("compare.group.more", { n: group.more })}</li>`}
      </ul>`)}
      ${value && !stale && options.length === 0 && html`<p class="quiet-text">${said("compare.nothing_found", { search: settled })}</p>`}
      ${!value && loading && html`<p class="waiting">${said("shell.loading")}</p>`}
    </div>`}
  </div>`;
}
