import { html } from "../vendor/standalone.module.js";
import { Fault } from "../parts.js";
import { asSources } from "../shared/bench_runs.js";
import { useLoaded } from "../shared/loaded.js";
import { full } from "../shared/numbers.js";
import { Picker } from "../shared/picker.js";
import { arithmeticName, cellName } from "../words.js";
import { InputChooser, inputName } from "./input.js";
import { NeedsInput, runOf } from "./sources.js";

// One side of a comparison: what was chosen, and for a set of weights its input.

/**
 * The run of a side.
 * @param {number} attempt changes when the runs are to be made again
 * The run before stays until the next one is there, so that the page keeps its place.
 * @returns {{run: object | null, needs: object | null, error: Error | null, loading: boolean, title: string}}
 */
export function useSide(source, x, other, attempt) {
  const key = source ? JSON.stringify([source, x, x === "other" ? other : null, attempt]) : null;
  const { value, error, loading } = useLoaded(key, async () => {
    try {
      return { run: await runOf(source, x, other) };
    } catch (failure) {
      if (failure instanceof NeedsInput) return { needs: failure.item };
      throw failure;
    }
  });
  const run = value?.run ?? null, needs = value?.needs ?? null;
  const title = (run?.item ?? needs)?.title || run?.title || (needs?.label ?? "") || source.replace(/^\w+:/, "");
  return { run, needs, error, loading: Boolean(source) && loading, title: source ? title : "" };
}

function Facts({ run, said }) {
  const layers = new Set(run.stages.map((stage) => stage.layer)).size, directions = new Set(run.stages.map((stage) => stage.direction)).size;
  const facts = [cellName(said, run.cell.kind, run.cell.title), said("compare.steps", { n: run.steps })];
  if (run.batch > 1) facts.push(said("compare.sequences", { n: run.batch }));
  if (layers > 1) facts.push(said("compare.layers", { n: layers }));
  if (directions > 1) facts.push(said("compare.directions"));
  if (run.arithmetic) facts.push(arithmeticName(said, run.arithmetic));
  else if (run.dtype && run.dtype !== "float64") facts.push(run.dtype);
  return html`<p class="quiet-text about-run">${facts.join(" · ")}</p>`;
}

const NAMED = 3; // edits that are written out

/** How a run of the bench was changed: `with W_xf[1,1] = −1`. */
function Edited({ run, said }) {
  if (!run.edits?.length) return null;
  const single = run.stages.length === 1;
  const texts = run.edits.slice(0, NAMED).map(({ address, value }) => {
    const name = (single ? address.split("/").at(-1) : address).replace(/\[([\d,]+)\]$/, (_, at) => `[${at.split(",").map((k) => Number(k) + run.count_from)}]`);
    return Array.isArray(value) ? name : `${name} = ${full(value)}`;
  });
  if (run.edits.length > NAMED) texts.push(said("compare.edited_more", { n: run.edits.length - NAMED }));
  return html`<p class="about-edits">${said("compare.edited", { edits: texts.join(", ") })}</p>`;
}

/**
 * @param {{side: string, other: string, source: string, x: string, found: object, offer: boolean, both: boolean, link: any,
 *   choose: (source: string, x: string) => void}} props
 *   side, other: A and B; found: of useSide; offer: whether the other side has an x; both: whether both are models without one; link: opens it on the bench
 */
export function Side({ side, other, source, x, found, offer, both, link, choose, retry, said }) {
  const { run, needs, error, loading, title } = found;
  return html`<section class="panel chosen-side" aria-label=${said(`compare.side.${side}`)} aria-busy=${loading}>
    <div class="head">
      <h2><b class="letter">${side}</b> ${said(`compare.side.${side}.about`)}</h2>
      ${link}
    </div>
    <${Picker} id=${`source-${side}`} label=${said("compare.pick", { side })} title=${title} bench=${asSources(said)} kinds=${["problem", "trace", "model"]}
      choose=${(to) => choose(to, "")} said=${said} />
    ${run && html`<${Facts} run=${run} said=${said} /><${Edited} run=${run} said=${said} />`}
    ${!run && !needs && !error && html`<p class="quiet-text about-run">${loading ? said("shell.loading") : said("compare.pick_about")}</p>`}
    ${run && x && html`<p class="row-of">${inputName(x, other, said)} <button type="button" class="quiet" onClick=${() => choose(source, "")}>${said("compare.x.change")}</button></p>`}
    ${needs && html`<${InputChooser} side=${side} other=${other} title=${needs.title || needs.label} offer=${offer} both=${both} use=${(to) => choose(source, to)} said=${said} />`}
    <${Fault} error=${error} retry=${error && retry} said=${said} />
    ${error && source.startsWith("run:") && [404, 410].includes(error.status) && html`<p>${said("compare.hint.run")}</p>`}
    ${error && x && html`<button type="button" onClick=${() => choose(source, "")}>${said("compare.x.change")}</button>`}
  </section>`;
}
