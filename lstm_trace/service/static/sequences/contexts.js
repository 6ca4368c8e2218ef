import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { Fault, Progress } from "../parts.js";
import { useLoaded } from "../shared/loaded.js";
import { short } from "../shared/numbers.js";
import { Tokens } from "./tokens.js";

// Places of the corpus as pieces of coloured text, each of which leads to its sequence.

const SHOWN = 10, MOST = 100; // contexts

/** Contexts, fetched with how far that is. */
function useContexts(path, query) {
  const [progress, setProgress] = useState(undefined);
  const found = useLoaded(JSON.stringify([path, query]), (signal) => get(path, query, { signal, onProgress: (done) => signal.aborted || setProgress(done) }));
  useEffect(() => { if (!found.loading) setProgress(undefined); }, [found.loading]);
  return { ...found, progress };
}

function Context({ context, found, link }) {
  const { sequence, t, length, tokens, values, first, value } = context;
  const last = t + length - 1;
  const spans = html`<${Tokens} tokens=${tokens} values=${values} first=${first} spaced=${found.spaced} scale=${found.scale} from=${t} to=${last} />`;
  return html`<li><a class="context" href=${link({ sequence, at: "", span: `${t}..${last}` })}>
    <span class="context-place"><bdi>${sequence}</bdi><span class="quiet-text"> t ${t}${length > 1 ? `–${last}` : ""}</span></span>
    <bdi class=${`tokens lstm-text${tokens ? "" : " numbers"}`}>${spans}</bdi>
    <span class="number">${short(value)}</span></a></li>`;
}

function Listed({ found, error, loading, progress, link, none, said }) {
  return html`<${Fault} error=${error} said=${said} />
    ${loading && progress !== undefined && html`<${Progress} label=${said("sequences.reading")} progress=${progress} said=${said} />`}
    ${!found && loading && progress === undefined && html`<p class="waiting">${said("shell.loading")}</p>`}
    ${found && !error && (found.contexts.length ? html`<ol class="contexts" aria-busy=${loading}>${found.contexts.map((one) => html`<${Context} key=${`${one.sequence} ${one.t}`} context=${one} found=${found} link=${link} />`)}</ol>`
      : html`<p>${none}</p>`)}`;
}

/** Where a unit is highest, or lowest, in the corpus. */
export function Top({ states, unit, lowest, link, set, said }) {
  const { value, error, loading, progress } = useContexts(`/states/${part(states.name)}/top`, { unit, n: SHOWN, lowest });
  return html`<section class="panel" aria-labelledby="top-title">
    <div class="head"><h2 id="top-title">${said("sequences.top", { unit })}</h2>
      <span class="row-of" role="group" aria-label=${said("sequences.which")}>
        <button type="button" aria-pressed=${!lowest} onClick=${() => set({ end: "" })}>${said("sequences.highest")}</button>
        <button type="button" aria-pressed=${lowest} onClick=${() => set({ end: "lowest" })}>${said("sequences.lowest")}</button></span></div>
    <${Listed} found=${value} error=${error} loading=${loading} progress=${progress} link=${link} none=${said("sequences.no_top")} said=${said} />
  </section>`;
}

/** Whether a stretch is the one that was brushed, or holds some of it. */
const brushed = ({ sequence, t, length }, here) => here.span && sequence === here.sequence && t <= here.span[1] && here.span[0] < t + length;

/** Other stretches in which the chosen units are beyond the level together. */
export function Matches({ states, match: { line, units }, here, level, length, link, set, said }) {
  const [n, setN] = useState(SHOWN);
  const { value, error, loading, progress } = useContexts(`/states/${part(states.name)}/match`, { line, units, [level.side]: level.value, min_length: length, n: n + 1 });
  const others = value && { ...value, contexts: value.contexts.filter((one) => !brushed(one, here)).slice(0, n) };
  const more = value && !loading && value.contexts.length > n && n < MOST;
  return html`<section class="panel" id="matches" aria-labelledby="match-title">
    <div class="head"><h2 id="match-title">${said("sequences.matches")}</h2>
      <button type="button" class="quiet" onClick=${() => set({ match: "" })}>${said("shell.close")}</button></div>
    <p class="quiet-text">${said(`sequences.matches_${level.side}`, { units: units.map((one) => `${line}[${one}]`).join(", "), level: short(level.value) })}<br />${said("sequences.match_number")}</p>
    <p><label class="field"><span class="label">${said("sequences.length")}</span>
      <input type="number" id="match-length" min="1" value=${length} onChange=${(event) => set({ length: String(Math.max(1, Math.floor(Number(event.target.value)) || 1)) })} /></label></p>
    <${Listed} found=${others} error=${error} loading=${loading} progress=${progress} link=${link} none=${said("sequences.no_match")} said=${said} />
    ${more && html`<p><button type="button" onClick=${() => setN(MOST)}>${said("sequences.more")}</button></p>`}
  </section>`;
}
