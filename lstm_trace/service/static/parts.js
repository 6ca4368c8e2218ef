import { Component, html, useEffect, useRef } from "./vendor/standalone.module.js";
import { presence } from "./api.js";

// Small pieces that every tab is made of.

/** A component that is drawn again only when one of its properties is another one. */
export const memo = (Drawn) =>
  class Memo extends Component {
    shouldComponentUpdate(next) {
      return Object.keys({ ...this.props, ...next }).some((name) => !Object.is(this.props[name], next[name]));
    }

    render(props) {
      return html`<${Drawn} ...${props} />`;
    }
  };

/** A list to choose from, with its label. options: [value, text] each. */
export function Choice({ id, label, value, options, onChange, hidden_label = false, ...rest }) {
  return html`<label class="field" for=${id}>
    <span class=${hidden_label ? "unseen" : "label"}>${label}</span>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)} ...${rest}>
      ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
    </select>
  </label>`;
}

/**
 * What went wrong, beside what caused it. The detail keeps its lines: the caret of a parser's message points at a
 * column of the line above it. Details come from the server, in English.
 * @param {{error: {title: string, detail?: string, status?: number}, retry?: () => void, close?: () => void}} props
 */
export function Fault({ error, retry, close, said, id }) {
  const again = useRef(null);
  again.current = error?.status === 0 ? retry : null;
  useEffect(() => {
    const back = ({ detail: here }) => here && again.current?.();
    presence.addEventListener("change", back);
    return () => presence.removeEventListener("change", back);
  }, []);
  if (!error || error.status === 0) return null; // that the server does not answer is said at the top of the page
  const text = error.detail || error.title || error.message;
  return html`<div class="fault" role="alert" id=${id}>
    <div class=${text.includes("\n") ? "exact" : ""} lang=${error.detail ? "en" : undefined}>${text}</div>
    ${retry && html`<button type="button" onClick=${retry}>${said("shell.retry")}</button>`}
    ${close && html`<button type="button" class="quiet" onClick=${close}>${said("shell.close")}</button>`}
  </div>`;
}

/** How far a job is, with a button that ends it. progress: 0 to 1, or null where nobody knows. */
export function Progress({ label, progress, cancel, said }) {
  return html`<div class="progress" role="status">
    <label>${label} <progress max="1" value=${progress ?? undefined}></progress></label>
    ${cancel && html`<button type="button" onClick=${cancel}>${said("shell.cancel")}</button>`}
  </div>`;
}

/** A button that opens a file of numbers. @param {{label: string, use: (text: string, name: string) => void}} props */
export function TextFile({ label, use, id }) {
  const read = async ({ target }) => {
    const [chosen] = target.files;
    if (!chosen) return;
    const text = await chosen.text();
    target.value = ""; // so that the same file can be opened again
    use(text, chosen.name);
  };
  return html`<label class="button file">${label}<input id=${id} class="unseen" type="file" accept=".csv,.tsv,.txt,text/csv,text/plain" onChange=${read} /></label>`;
}
