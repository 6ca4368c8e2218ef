import { html, useRef } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { Fault } from "../parts.js";
import { useLoaded } from "../shared/loaded.js";
import { short } from "../shared/numbers.js";
import { useBrush } from "./brush.js";
import { Legend } from "./legend.js";
import { labels, Tokens } from "./tokens.js";

const WINDOW = 1000; // steps that are shown at once

/** The sequence before and the one after in the list, where it has them. */
const neighbours = (page, sequence) => {
  const at = page ? page.sequences.findIndex((one) => one.id === sequence) : -1;
  return at < 0 ? [] : [page.sequences[at - 1], page.sequences[at + 1]];
};

function Shown({ text, span, choose, said }) {
  const { first, values, spaced, scale } = text;
  const count = values.length;
  const chosen = span && span[1] >= first && span[0] < first + count ? [Math.max(span[0] - first, 0), Math.min(span[1] - first, count - 1)] : null;
  const brush = useBrush(count, chosen, (to) => choose(to && [first + to[0], first + to[1]]), text, `${text.sequence} ${first}`);
  const shown = labels(text);
  const words = (k) => said("sequences.value", { t: first + k, token: text.tokens ? shown[k].replaceAll("\n", "↵") : "", value: short(values[k], 6) });
  const told = (k) => (text.tokens ? words(k) : said("sequences.value_plain", { t: first + k, value: short(values[k], 6) }));
  const chosen_words = brush.span ? said("sequences.span", { first: first + brush.span[0], last: first + brush.span[1] }) : "";
  return html`<div class=${`tokens lstm-text${text.tokens ? "" : " numbers"}`} id="sequence-tokens" dir="auto" ref=${brush.root} tabindex="0" role="application"
      aria-label=${said("sequences.text_of", { id: text.sequence, unit: text.unit })} aria-roledescription=${said("sequences.text_kind")} aria-describedby="brush-keys" ...${brush.handlers}>
      <${Tokens} tokens=${text.tokens} values=${values} first=${first} spaced=${spaced} scale=${scale} /></div>
    <p class="readout"><bdi class="number" id="sequence-readout">${brush.place === null ? "\u00a0" : told(brush.place)}</bdi></p>
    <p class="unseen" role="status" aria-live="polite">${brush.cursor === null ? "" : `${told(brush.cursor)} ${chosen_words}`}</p>
    <p class="quiet-text keys" id="brush-keys">${said("sequences.keys")}</p>`;
}

/** The step by which the window is asked for that `wanted` is in: of the window that is shown, if it is in that. */
function useWindow(key, wanted) {
  const last = useRef({});
  const { text } = last.current;
  const inside = text && last.current.key === key && (wanted === undefined ? text.first === text.begin : text.first <= wanted && wanted < text.first + text.values.length);
  const at = inside ? last.current.at : wanted;
  return [at, (shown) => { last.current = { key, at, text: shown }; }];
}

/**
 * @param {{states: object, unit: string, sequence: string, page: object, at: string | number, span: number[] | null}} props
 *   page: the part of the list that is shown; at: a step that is to be seen; span: the first and the last step that were brushed
 */
export function TextPanel({ states, unit, sequence, page, at, span, set, said }) {
  const [window, seen] = useWindow(JSON.stringify([states.name, sequence]), at === undefined || at === "" ? undefined : Number(at));
  const query = { sequence, unit, at: window, steps: WINDOW };
  const { value: text, error, loading } = useLoaded(JSON.stringify([states.name, query]), (signal) => get(`/states/${part(states.name)}/text`, query, { signal }));
  if (text && !loading) seen(text);
  const [before, after] = neighbours(page, sequence);
  const open = (one) => set({ sequence: one.id, at: "", span: "" });
  const choose = (to) => set({ span: to ? `${to[0]}..${to[1]}` : "", at: text.first > text.begin ? text.first : "" });
  const last = text && text.first + text.values.length - 1;
  return html`<section class="panel sequence-panel" aria-labelledby="sequence-title" aria-busy=${loading}>
    <div class="head">
      <h2 id="sequence-title">${said("sequences.sequence", { id: sequence })}</h2>
      ${text && html`<span class="row-of"><code>${text.unit}</code> <${Legend} scale=${text.scale} said=${said} /></span>`}
      <span class="row-of">
        <button type="button" class="icon" disabled=${!before} aria-label=${said("sequences.before")} title=${said("sequences.before")} onClick=${() => open(before)}>‹</button>
        <button type="button" class="icon" disabled=${!after} aria-label=${said("sequences.after")} title=${said("sequences.after")} onClick=${() => open(after)}>›</button>
      </span>
    </div>
    <${Fault} error=${error} said=${said} />
    ${text && !error && html`<${Shown} text=${text} span=${span} choose=${choose} said=${said} />`}
    ${!text && loading && html`<p class="waiting">${said("shell.loading")}</p>`}
    ${text && text.values.length < text.steps && html`<nav class="pages row-of" aria-label=${said("sequences.windows")}>
      <button type="button" disabled=${text.first === text.begin} onClick=${() => set({ at: text.first - 1 })}>${said("library.before")}</button>
      <span>${said("sequences.window", { first: text.first, last, end: text.begin + text.steps - 1 })}</span>
      <button type="button" disabled=${last >= text.begin + text.steps - 1} onClick=${() => set({ at: last + 1 })}>${said("library.after")}</button>
    </nav>`}
  </section>`;
}
