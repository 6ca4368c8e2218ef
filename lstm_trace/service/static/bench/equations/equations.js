import { html, useEffect, useMemo, useRef, useState } from "../../vendor/standalone.module.js";
import { parameter_shapes, zeros } from "../../shared/blank.js";
import { AboutHolds } from "../given/held.js";
import { Missing } from "./missing.js";
import { renamed } from "./slips.js";

// The equations of the cell as text that can be changed: checked while it is typed, run when it is applied.

const PAUSE = 300; // milliseconds after the last key before a text is checked

/** Checks a text; what is said about it belongs to that text alone. */
function useCheck(session, run, text, wanted) {
  const [answer, setAnswer] = useState({ text: "", found: null, error: null });
  useEffect(() => {
    if (!wanted) return undefined;
    const check = () => {
      try {
        setAnswer({ text, found: session.runs.equations(text, run), error: null });
      } catch (error) {
        setAnswer({ text, found: null, error });
      }
    };
    const timer = setTimeout(check, PAUSE);
    return () => clearTimeout(timer);
  }, [text, wanted, run]);
  return answer;
}

/** The shape that the equations of a stage suggest for a weight. */
function suggestions(run, stage, text) {
  const width = (scope, name) => run.stages.find((one) => one.scope === scope)?.lines.find((line) => line.name === name)?.width;
  const source = stage.inputs.x_t ?? "x", cut = source.lastIndexOf("/");
  const units = width(stage.scope, stage.output) ?? stage.lines.at(-1).width; // what is requested may not need the output
  const inputs = cut < 0 ? run.premises.find((one) => one.kind === "input")?.shape.at(-1) : width(source.slice(0, cut), source.slice(cut + 1));
  const shapes = parameter_shapes(text, inputs ?? 1, units);
  return (name) => (Object.hasOwn(shapes, name) ? shapes[name] : [units]);
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
  const refused = useRef(null); // a text that could not be run: it stays, to be put right
  useEffect(() => {
    // the text follows the run (undo, another layer, another source) as long as nobody is in the middle of changing it
    if (text !== refused.current && (text === shown.current || custom === text)) setText(own);
    shown.current = own;
  }, [own]);
  const edited = text !== own;
  const { text: checked, found, error } = useCheck(session, run, text, open && edited);
  const known = useMemo(() => new Set(run.premises.map((one) => one.name)), [run]);
  const lacking = edited && checked === text && found ? found.lacking : [];
  const missing = [...new Set(lacking.map(({ name }) => name))];
  const suggested = useMemo(() => Object.fromEntries(run.stages.map((one) => [one.scope, suggestions(run, one, text)])), [run, text]);
  const shape_of = (name, scope = lacking.find((one) => one.name === name).scope) => (Object.hasOwn(shapes, name) ? shapes[name] : suggested[scope](name));
  const shapeless = missing.find((name) => !shape_of(name));
  // what a name without values may be a slip in: whatever lines, states and inputs are called, and the weights there are
  const taken = found ? [...found.lines.map((line) => line.name), ...found.carry.map(([state]) => state), ...found.inputs, ...known].filter((name) => /^\w+$/.test(name)) : [];
  const apply = async () => {
    const added = lacking.map(({ scope, name }) => ({ address: `${scope}/${name}`, value: zeros(shape_of(name, scope)) }));
    setFailed(null);
    refused.current = text;
    const error = await session.edit(added, { equations: text });
    if (!error) refused.current = null;
    setFailed(error);
  };
  const write = (to) => { refused.current = null; setText(to); setFailed(null); };
  const revert = () => write(own);
  const base = () => { setFailed(null); session.first_equations().catch(setFailed); };
  const message = edited && checked === text ? error : null;
  const why = !edited ? "same" : message ? "invalid" : shapeless ? "shape" : "";
  return html`<details class="panel equations" id="equations" onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h2>${said("bench.equations")}</h2>${custom && html` <span class="tag">${said("bench.changed_equations")}</span>`}</summary>
    <p class="quiet-text">${said("bench.equations_hint")}</p>
    <label class="field tall" for="equations-text"><span class="unseen">${said("bench.equations")}</span>
      <textarea id="equations-text" rows=${Math.min(Math.max(text.split("\n").length + 1, 6), 28)} wrap="off" spellcheck=${false} autocapitalize="off" aria-invalid=${message ? "true" : undefined} aria-describedby="equations-said"
        value=${text} onInput=${(event) => write(event.target.value)}></textarea></label>
    <div id="equations-said" aria-live="polite">
      ${message && html`<pre class="exact fault" id="equations-fault" lang="en">${message.message}</pre>`}
      ${!message && failed && html`<pre class="exact fault" id="equations-failed" lang="en" role="alert">${failed.message}</pre><${AboutHolds} error=${failed} said=${said} />`}
      ${edited && !message && !failed && checked === text && found && html`<p class="good" id="equations-good">${said("bench.lines_read", { n: found.lines.length })}</p>`}
      ${missing.length > 0 && html`<${Missing} names=${missing} known=${taken} shape_of=${shape_of} set=${(name, shape) => setShapes((before) => ({ ...before, [name]: shape }))} rename=${(name, to) => write(renamed(text, name, to))} said=${said} />`}
    </div>
    <div class="row-of">
      <button type="button" class="main" id="apply" disabled=${!edited || checked !== text || !found || Boolean(shapeless)} aria-describedby="apply-why" onClick=${apply}>${missing.length ? said("bench.apply_zeros") : said("bench.apply")}</button>
      <button type="button" id="revert" disabled=${!edited} onClick=${revert}>${said("bench.revert")}</button>
      ${custom && html`<button type="button" id="first-equations" onClick=${base}>${said("bench.first_equations")}</button>`}
      <span class="quiet-text" id="apply-why">${why && said(`bench.apply_why.${why}`, { name: shapeless })}</span>
    </div>
  </details>`;
}
