import { html, useLayoutEffect, useRef, useState } from "../vendor/standalone.module.js";
import { Markup } from "../markup.js";
import { mark, place_at, place_of, size_of } from "./pointing.js";

// A picture of values that the server drew, with its title and its caption as text. Its places lead to numbers: by
// pointer, and by keys in its maps.

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Takes title and caption out of a picture; they come back as texts. */
export function parted(svg) {
  const texts = (kind) => [...svg.querySelectorAll(`text.${kind}`)].map((one) => one.textContent);
  const [top, tall] = svg.dataset.body.split(" "), wide = svg.viewBox.baseVal.width;
  const found = { title: texts("title").join(" "), notes: texts("note") };
  svg.querySelectorAll("text.title, text.note").forEach((one) => one.remove());
  svg.setAttribute("viewBox", `0 ${top} ${wide} ${tall}`);
  svg.setAttribute("height", tall);
  svg.querySelector(".ground")?.setAttribute("y", top);
  return found;
}

/**
 * @param {{svg: string, here: object, choose: (place: object) => void, tell: (place: object) => string, language: string}} props
 *   here: the step, scope and unit that are looked at; tell: a place in words
 */
export function Drawn({ svg, here, choose, tell, language, busy, said }) {
  const [texts, setTexts] = useState({ title: "", notes: [] });
  const [pointed, setPointed] = useState("");
  const place = useRef(null);
  const cursor = useRef({ row: 0, column: 0 });
  const drawn = () => place.current?.querySelector("svg");
  useLayoutEffect(() => { if (drawn()) mark(drawn(), here); }, [svg, here.t, here.scope, here.unit]);
  const ready = (made) => {
    setTexts(parted(made));
    setPointed("");
    for (const map of made.querySelectorAll("image.heat")) {
      map.setAttribute("tabindex", "0");
      map.setAttribute("role", "img");
      map.setAttribute("aria-label", tell({ ...place_of(map, 0, 0), whole: true }));
    }
  };
  const show = (found) => setPointed(found ? tell(found) : "");
  const clicked = (event) => {
    const found = place_at(event);
    if (found) choose(found);
  };
  const keyed = (event) => {
    const map = event.target.closest?.("image.heat");
    if (!map) return;
    const { rows, columns } = size_of(map), now = cursor.current;
    const at = () => place_of(map, (now.column + 0.5) / columns, (now.row + 0.5) / rows);
    if (KEYS[event.key]) {
      const [down, across] = KEYS[event.key];
      now.row = Math.min(Math.max(now.row + down, 0), rows - 1);
      now.column = Math.min(Math.max(now.column + across, 0), columns - 1);
      show(at());
    } else if (event.key === "Enter" || event.key === " ") choose(at());
    else return;
    event.preventDefault();
    event.stopPropagation(); // the arrow keys go from step to step elsewhere
  };
  const focused = (event) => {
    if (event.target.closest?.("image.heat")) cursor.current = { row: 0, column: 0 };
  };
  return html`<figure class="drawn" aria-busy=${busy} lang=${language}>
    <h3>${texts.title}</h3>
    <div class="scroll" ref=${place} onClick=${clicked} onPointerMove=${(event) => show(place_at(event))} onPointerLeave=${() => show(null)} onKeyDown=${keyed} onFocusIn=${focused}>
      <${Markup} text=${svg} ready=${ready} /></div>
    <p class="pointed number" role="status">${pointed || "\u00a0"}</p>
    <figcaption class="quiet-text">${texts.notes.join(language === "zh" ? "" : " ")}</figcaption>
  </figure>`;
}

/** The buttons of the kinds of pictures; the one that is pressed is drawn, and none once it is pressed again. */
export function Kinds({ kinds, chosen, choose, name, said }) {
  return html`<div class="row-of kinds" role="group" aria-label=${said("bench.pictures")}>
    ${kinds.map((kind) => html`<button key=${kind} type="button" data-kind=${kind} aria-pressed=${kind === chosen} onClick=${() => choose(kind === chosen ? "" : kind)}>${name(kind)}</button>`)}
  </div>`;
}
