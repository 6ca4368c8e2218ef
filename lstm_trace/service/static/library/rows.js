import { html, useLayoutEffect, useRef, useState } from "../vendor/standalone.module.js";
import { href, part } from "../api.js";
import { Fault } from "../parts.js";
import { bytes, sizes, tagsOf, titleOf, when } from "../shared/describe.js";

// The rows of the library: items, with what can be done with them, and the examples, which are only read.

/** Title and tags as fields, in place of the row's own. */
function Edit({ item, save, cancel, said }) {
  const [title, setTitle] = useState(item.title);
  const [tags, setTags] = useState(item.tags.join(", "));
  const [error, setError] = useState(null);
  const field = useRef(null);
  useLayoutEffect(() => field.current.focus(), []);
  const submit = (event) => {
    event.preventDefault();
    save({ title: title.trim(), tags: tagsOf(tags) }).catch(setError);
  };
  return html`<form class="edit" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && cancel()}>
    <label class="field tall"><span class="label">${said("library.title")}</span>
      <input type="text" ref=${field} value=${title} onInput=${(event) => setTitle(event.target.value)} /></label>
    <label class="field tall"><span class="label">${said("library.tags_with_commas")}</span>
      <input type="text" value=${tags} onInput=${(event) => setTags(event.target.value)} /></label>
    <div class="row-of"><button type="submit" class="main">${said("library.save")}</button>
      <button type="button" onClick=${cancel}>${said("shell.cancel")}</button></div>
    <${Fault} error=${error} said=${said} />
  </form>`;
}

function Tick({ source, name, ticks, tick, said }) {
  const ticked = ticks.includes(source);
  return html`<td role="cell" class="tick"><label><input type="checkbox" checked=${ticked} disabled=${!ticked && ticks.length === 2} onChange=${() => tick(source, name)} />
    <span class="unseen">${said("library.tick", { name })}</span>${ticked && html`<b class="letter" aria-hidden="true">${"AB"[ticks.indexOf(source)]}</b>`}</label></td>`;
}

/** A cell of a row; one that is empty leaves no gap on a narrow screen. */
const Cell = ({ name, children }) => html`<td role="cell" class=${`of-${name} ${children ? "" : "nothing"}`}>${children}</td>`;

/**
 * @param {{item: object, ticks: string[], tick: Function, open: string, change: Function, ask: Function, filter: Function}} props
 *   open: the bench's address with it; change: saves title and tags; ask: asks whether to delete it; filter: shows a tag
 */
export function ItemRow({ item, ticks, tick, open, change, ask, filter, language, said }) {
  const [editing, setEditing] = useState(false);
  const edit = useRef(null);
  const name = titleOf(item, said), time = when(item.created, language);
  const back = () => { setEditing(false); requestAnimationFrame(() => edit.current?.focus()); };
  const save = async (to) => { await change(item, to); back(); };
  return html`<tr role="row" id=${`item-${item.id}`}>
    <${Tick} source=${`item:${item.id}`} name=${name} ticks=${ticks} tick=${tick} said=${said} />
    <th role="rowheader" scope="row" class="left">
      ${editing ? html`<${Edit} item=${item} save=${save} cancel=${back} said=${said} />` : html`
        <a class="item-title" href=${open}>${name}</a>
        ${item.label && item.label !== name && html`<span class="quiet-text file-name">${item.label}</span>`}
        ${item.missing && html`<span class="bad"> ${said("library.missing")}</span>`}
        ${item.tags.length > 0 && html`<span class="tags">${item.tags.map((tag) => html`<button type="button" key=${tag} class="tag" onClick=${() => filter(tag)}
          ><span class="unseen">${said("library.tagged")} </span>${tag}</button>`)}</span>`}`}
    </th>
    <${Cell} name="kind">${said(`library.kind.${item.kind}`)}</${Cell}>
    <${Cell} name="cell">${item.cell}</${Cell}>
    <${Cell} name="sizes">${sizes(item.sizes, said)}</${Cell}>
    <${Cell} name="when"><time datetime=${item.created} title=${time.full}>${time.short}</time></${Cell}>
    <${Cell} name="bytes">${bytes(item.bytes, said)}</${Cell}>
    <td role="cell" class="actions"><div class="row-of">
      <a class="button" href=${href(`/library/${part(item.id)}/file`)} download aria-label=${said("library.download_named", { name })}>${said("library.download")}</a>
      <button type="button" ref=${edit} disabled=${editing} onClick=${() => setEditing(true)} aria-label=${said("library.edit_named", { name })}>${said("library.edit")}</button>
      <button type="button" class="delete" onClick=${() => ask(item)} aria-label=${said("library.delete_named", { name })}>${said("library.delete")}</button>
    </div></td>
  </tr>`;
}

export function ExampleRow({ example, ticks, tick, open, said }) {
  return html`<tr role="row" class="example">
    <${Tick} source=${`example:${example.name}`} name=${example.title} ticks=${ticks} tick=${tick} said=${said} />
    <th role="rowheader" scope="row" class="left"><a class="item-title" href=${open}>${example.title}</a>
      <span class="quiet-text file-name">${example.name}</span></th>
    <${Cell} name="kind">${said("library.kind.example")}</${Cell}>
    <${Cell} name="cell">${example.cell}</${Cell}>
    <${Cell} name="sizes">${sizes(example.sizes, said)}</${Cell}>
    <td role="cell" class="nothing" colspan="3"></td>
  </tr>`;
}
