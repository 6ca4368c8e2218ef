import { html, useEffect, useMemo, useRef, useState } from "../../vendor/standalone.module.js";
import { post } from "../../api.js";
import { parameter_shapes } from "../state/sources.js";
import { parsed } from "../state/numbers.js";

// The equations of the cell as text that can be changed: checked while it is typed, run when it is applied.

const PAUSE = 300; // milliseconds after the last key before a text is checked

const zeros = ([first, ...rest]) => Array.from({ length: first }, () => (rest.length ? zeros(rest) : 0));

/** Checks a text; what is said about it belongs to that text alone. */
function useCheck(text, wanted) {
  const [answer, setAnswer] = useState({ text: "", found: null, error: null });
  useEffect(() => {
    if (!wanted) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      post("/equations", { equations: text }, { signal: stop.signal }).then(
        (found) => setAnswer({ text, found, error: null }),
        (error) => !stop.signal.aborted && setAnswer({ text, found: null, error }),
      );
    }, PAUSE);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [text, wanted]);
  return answer;
}

/** A parameter without values: the shape that it is to have, of zeros. */
function Missing({ name, shape, set, said }) {
  const typed = (event) => {
    const sizes = event.target.value.split(/[×x*,;\s]+/).filter(Boolean).map(parsed);
    set(sizes.length > 0 && sizes.length < 3 && sizes.every((n) => Number.isInteger(n) && n > 0) ? sizes : null);
  };
  return html`<label class="field" for=${`shape-${name}`}><code>${name}</code>
    <input id=${`shape-${name}`} type="text" size="7" defaultValue=${shape.join(" × ")} onInput=${typed} aria-label=${said("bench.shape_of", { name })} />
    <span class="quiet-text">${said("bench.zeros")}</span></label>`;
}

export function Equations({ session, state, stage, said }) {
  const { run, entries, index } = state;
  const custom = entries[index].equations;
  const own = custom ?? stage.equations;
  const [text, setText] = useState(own);
  const [open, setOpen] = useState(false);
  const [failed, setFailed] = useState(null);
  const [shapes, setShapes] = useState({});
  const shown = useRef(own);
  useEffect(() => {
    // the text follows the run (undo, another layer, another source) as long as nobody is in the middle of changing it
    if (text === shown.current || custom === text) setText(own);
    shown.current = own;
  }, [own]);
  const edited = text !== own;
  const { text: checked, found, error } = useCheck(text, open && edited);
  const known = useMemo(() => new Set(run.premises.map((one) => one.name)), [run]);
  const missing = edited && checked === text && found ? found.parameters.filter((name) => !known.has(name)) : [];
  const sizes = useMemo(() => {
    const width = (name) => stage.lines.find((line) => line.name === name)?.width;
    const x = run.premises.find((one) => one.kind === "input");
    return { units: width(stage.output) ?? 1, inputs: x?.shape.at(-1) ?? 1 };
  }, [run, stage]);
  const suggested = useMemo(() => parameter_shapes(text, sizes.inputs, sizes.units), [text, sizes]);
  const shape_of = (name) => (name in shapes ? shapes[name] : suggested[name] ?? [sizes.units]);
  const complete = missing.every((name) => shape_of(name));
  const apply = async () => {
    const added = missing.map((name) => ({ address: `${stage.scope}/${name}`, value: zeros(shape_of(name)) }));
    setFailed(null);
    setFailed(await session.edit(added, { equations: text }));
  };
  const revert = () => { setText(own); setFailed(null); };
  const base = () => { setFailed(null); session.first_equations().catch(setFailed); };
  const message = edited && checked === text ? error : null;
  return html`<details class="panel equations" id="equations" onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h2>${said("bench.equations")}</h2>${custom && html` <span class="tag">${said("bench.changed_equations")}</span>`}</summary>
    <p class="quiet-text">${said("bench.equations_hint")}</p>
    <label class="field tall" for="equations-text"><span class="unseen">${said("bench.equations")}</span>
      <textarea id="equations-text" rows=${Math.min(Math.max(text.split("\n").length + 1, 6), 28)} wrap="off" spellcheck=${false} autocapitalize="off" aria-invalid=${message ? "true" : undefined} aria-describedby="equations-said"
        value=${text} onInput=${(event) => { setText(event.target.value); setFailed(null); }}></textarea></label>
    <div id="equations-said" aria-live="polite">
      ${message && html`<pre class="exact fault" id="equations-fault" lang="en">${message.message}</pre>`}
      ${!message && failed && html`<pre class="exact fault" id="equations-failed" lang="en" role="alert">${failed.message}</pre>`}
      ${edited && !message && !failed && checked === text && found && html`<p class="good" id="equations-good">${said("bench.lines_read", { n: found.lines.length })}</p>`}
      ${missing.length > 0 && html`<div class="sheet missing" id="missing"><p>${said("bench.missing", { names: missing.join(", "), n: missing.length })}</p>
        ${missing.map((name) => html`<${Missing} key=${name} name=${name} shape=${shape_of(name) ?? []} set=${(shape) => setShapes((before) => ({ ...before, [name]: shape }))} said=${said} />`)}</div>`}
    </div>
    <div class="row-of">
      <button type="button" class="main" id="apply" disabled=${!edited || checked !== text || !found || !complete} onClick=${apply}>${missing.length ? said("bench.apply_zeros") : said("bench.apply")}</button>
      <button type="button" id="revert" disabled=${!edited} onClick=${revert}>${said("bench.revert")}</button>
      ${custom && html`<button type="button" id="first-equations" onClick=${base}>${said("bench.first_equations")}</button>`}
    </div>
  </details>`;
}
