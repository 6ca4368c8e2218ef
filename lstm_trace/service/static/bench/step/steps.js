import { html, useEffect, useRef, useState } from "../../vendor/standalone.module.js";
import { Choice } from "../../parts.js";
import { columns_of, counted_index, line_of } from "../../shared/addresses.js";
import { step_name } from "../state/labels.js";

const BEAT = 900; // milliseconds for each step that is played: long enough to see which numbers moved

const typing = (element) => element?.closest?.("input, textarea, select, [role=grid], dialog, details[open] > .sheet");

/** Which step, layer and direction, row and unit are looked at. padding: whether this step is none of its sequence. */
export function Steps({ session, state, stage, count, active, padding, said }) {
  const { run, t, b, scope, unit, address } = state;
  const [playing, setPlaying] = useState(false);
  const last = run.first + run.steps - 1;
  const backwards = stage.direction === "reverse";
  const now = useRef();
  now.current = { t, last, first: run.first, backwards };
  const go = (way) => session.look({ t: now.current.t + way });
  useEffect(() => {
    if (!active) { setPlaying(false); return undefined; }
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); go(event.key === "ArrowLeft" ? -1 : 1); }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [active]);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setInterval(() => {
      const { t: at, first, last: end, backwards: back } = now.current;
      if (at === (back ? first : end)) setPlaying(false);
      else go(back ? -1 : 1);
    }, BEAT);
    return () => clearInterval(timer);
  }, [playing]);
  const play = () => {
    const { t: at, first, last: end } = now.current;
    if (!playing && at === (backwards ? first : end)) session.look({ t: backwards ? end : first });
    setPlaying(!playing);
  };
  const matrix = columns_of(run, scope, line_of(run, address)?.name) && line_of(run, address).name; // then its entries are chosen from
  const widest = Math.max(1, ...stage.lines.filter(({ name }) => (matrix ? name === matrix : !columns_of(run, scope, name))).map((line) => line.width));
  const units = Array.from({ length: Math.min(widest, 2048) }, (_, k) => [String(k), (!matrix && run.names?.h?.[k]) || counted_index(run, scope, matrix, k, count)]);
  const place = (one) => said("bench.layer_direction", { layer: said("bench.layer_n", { n: one.layer + count }), direction: said(`bench.${one.direction}`) });
  return html`<div class="steps row-of" role="group" aria-label=${said("bench.steps")}>
    ${run.steps > 1 && html`
      <button type="button" class="icon" onClick=${() => go(-1)} disabled=${t <= run.first} aria-label=${said("bench.step_before")} title=${said("bench.step_before")}>‹</button>
      <button type="button" class="icon" id="play" onClick=${play} aria-pressed=${playing} aria-label=${playing ? said("bench.pause") : said("bench.play")} title=${playing ? said("bench.pause") : said("bench.play")}>${playing ? "❚❚" : "▶"}</button>
      <button type="button" class="icon" onClick=${() => go(1)} disabled=${t >= last} aria-label=${said("bench.step_after")} title=${said("bench.step_after")}>›</button>`}
    <label class="field slider" for="step"><span class="label">${said("bench.step")}</span>
      <input id="step" type="range" min=${run.first} max=${last} value=${t} disabled=${run.steps === 1} aria-valuetext=${step_name(run, t, count, b)} onInput=${(event) => session.look({ t: Number(event.target.value) })} />
      <output class="number" for="step" id="step-shown">${step_name(run, t, count, b)}</output><span class="quiet-text">${said("bench.of_steps", { n: run.steps })}</span></label>
    ${padding && html`<span class="quiet-text" id="padding">${said("bench.padding")}</span>`}
    ${run.stages.length > 1 && html`<${Choice} id="scope" label=${said("bench.place")} value=${scope} options=${run.stages.map((one) => [one.scope, place(one)])} onChange=${(value) => session.look({ scope: value })} />`}
    ${run.batch > 1 && html`<${Choice} id="row" label=${said("bench.row")} value=${String(b)} options=${Array.from({ length: run.batch }, (_, k) => [String(k), String(k + count)])} onChange=${(value) => session.look({ b: Number(value) })} />`}
    ${widest > 1 && html`<${Choice} id="unit" label=${said("bench.unit")} value=${String(Math.min(unit, widest - 1))} options=${units} onChange=${(value) => session.look({ unit: Number(value) })} />`}
  </div>`;
}
