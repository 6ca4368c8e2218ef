import { html, useRef, useState } from "./vendor/standalone.module.js";
import { written } from "./route.js";
import { Comparison } from "./compare/comparison.js";
import { Side, useSide } from "./compare/side.js";
import { forget } from "./compare/sources.js";

/**
 * Two runs compared. The address of the page holds the sides (a, b, and ax, bx: the inputs of models), what is shown
 * (line, batch, at, scale, plot) and the tolerance (rtol, atol, ulps).
 */
export function Compare({ params, go, settings, choices, said }) {
  const [attempt, setAttempt] = useState(0);
  const { a = "", b = "", ax = "", bx = "" } = params;
  const left = useSide(a, ax, { source: b, x: bx }, attempt);
  const right = useSide(b, bx, { source: a, x: ax }, attempt);
  const again = () => { forget(); setAttempt(attempt + 1); };
  const set = (change) => go("compare", { ...params, ...change }, { replace: true });
  // What was looked at stays, if the other comparison has it as well. Of two models without an x, both take the same.
  const choose = (side, x, opposite, opposite_x) => (source, input) => {
    const shared = input && input !== "other" && opposite.needs ? { [opposite_x]: "other" } : {};
    go("compare", { ...params, [side]: source, [x]: input, ...shared });
  };
  const opened = (source, run, x, at) => written("bench", { source: x && run ? `run:${run.id}` : source, at }, settings);
  const link = (at, id) => html`<a class="button" id=${id} href=${opened(b, right.run, bx, at)}>${said("compare.open_b")}</a>`;
  const both = Boolean(left.needs && right.needs);
  // the last two that belong together stay on the page until both of the next are there
  const together = useRef(null);
  if (!left.loading && !right.loading) together.current = left.run && right.run ? [left.run, right.run] : null;
  const ready = together.current;
  const swap = () => go("compare", { ...params, a: b, b: a, ax: bx, bx: ax });
  return html`<h1 class="unseen">${said("compare.title")}</h1>
    <div class="sides">
      <${Side} side="A" other="B" source=${a} x=${ax} found=${left} offer=${Boolean(b) && bx !== "other" && !right.needs} both=${both} choose=${choose("a", "ax", right, "bx")} retry=${again}
        link=${left.run && html`<a class="button quiet" href=${opened(a, left.run, ax)}>${said("compare.open")}</a>`} said=${said} />
      <button type="button" class="icon swap" disabled=${!a && !b} title=${said("compare.swap")} aria-label=${said("compare.swap")} onClick=${swap}>⇄</button>
      <${Side} side="B" other="A" source=${b} x=${bx} found=${right} offer=${Boolean(a) && ax !== "other" && !left.needs} both=${both} choose=${choose("b", "bx", left, "ax")} retry=${again}
        link=${right.run && html`<a class="button quiet" href=${opened(b, right.run, bx)}>${said("compare.open")}</a>`} said=${said} />
    </div>
    ${ready && html`<${Comparison} a=${ready[0]} b=${ready[1]} params=${params} set=${set} link=${link} first=${Number(settings.count_from || ready[0].count_from || 0)}
      lost=${() => attempt === 0 && again()} settings=${settings} choices=${choices} said=${said} />`}
    ${!ready && !(a && b) && html`<div class="panel start"><h2>${said("compare.start")}</h2><p>${said("compare.start.about")}</p>
      <p class="row-of"><a class="button" href=${written("library", {}, settings)}>${said("compare.start.library")}</a>
      <a class="button" href=${written("bench", {}, settings)}>${said("compare.start.bench")}</a></p></div>`}`;
}
