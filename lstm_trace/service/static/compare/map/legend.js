import { html, useLayoutEffect, useRef } from "../../vendor/standalone.module.js";
import { colours, marks } from "./colours.js";
import { short } from "../../shared/numbers.js";

// What the colours of a map mean.

const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** A square of one colour that has a meaning of its own. */
const Swatch = ({ kind, text }) => html`<span class="map-swatch"><i class=${kind}></i>${text}</span>`;

/** @param {{scale: object, scheme: number}} props scheme: changes with the colours */
export function Legend({ scale, scheme, said }) {
  const bar = useRef(null);
  useLayoutEffect(() => {
    if (!bar.current) return;
    const { table } = colours(bar.current);
    bar.current.width = table.length;
    const context = bar.current.getContext("2d");
    table.forEach((colour, k) => {
      context.fillStyle = css(colour);
      context.fillRect(k, 0, 1, 1);
    });
  }, [scheme, scale.to > 0]);
  return html`<figcaption class="map-legend">
    <span>${said(`compare.scale.${scale.kind}`)}</span>
    ${scale.zeros && html`<${Swatch} kind="zero" text=${said("compare.map.zero")} />`}
    ${scale.to > 0 && html`<span class="map-scale">
      <canvas ref=${bar} height="1" aria-hidden="true"></canvas>
      <span class="map-marks">${marks(scale).map(([place, value]) => html`<span key=${place}>${short(value, 2)}</span>`)}</span>
    </span>`}
    ${scale.unknown && html`<${Swatch} kind="none" text=${said("compare.map.none")} />`}
  </figcaption>`;
}
