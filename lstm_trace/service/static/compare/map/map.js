import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/standalone.module.js";
import { colourOf, colours, scaleOf } from "./colours.js";
import { counted_index } from "../../shared/addresses.js";
import { short } from "../../shared/numbers.js";
import { draw, gridOf, largest, stepAt, ticks, valuesOf } from "./grid.js";
import { Legend } from "./legend.js";
import { MapTable } from "./table.js";

// The map of |b − a| of one line: steps from left to right, units from top to bottom.

/** The width of an element and the ratio of the screen's pixels to CSS pixels, as they change. */
function useRoom(element) {
  const [room, setRoom] = useState({ width: 0, ratio: 1 });
  useLayoutEffect(() => {
    const measure = () => setRoom((before) => {
      const now = { width: element.current.clientWidth, ratio: devicePixelRatio || 1 };
      return now.width === before.width && now.ratio === before.ratio ? before : now;
    });
    const observer = new ResizeObserver(measure);
    observer.observe(element.current);
    addEventListener("resize", measure);
    measure();
    return () => { observer.disconnect(); removeEventListener("resize", measure); };
  }, []);
  return room;
}

/** Counts the changes between the light and the dark scheme. */
function useScheme() {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setCount((before) => before + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);
  return count;
}

/** Where a key takes the cursor, or null for a key that is not ours. */
function moved(event, { step, unit }, steps, units) {
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], PageUp: [0, -10], PageDown: [0, 10] }[event.key] ?? [0, 0];
  const all = event.ctrlKey || event.metaKey;
  if (event.key === "Home") return { step: 0, unit: all ? 0 : unit };
  if (event.key === "End") return { step: steps - 1, unit: all ? units - 1 : unit };
  if (!across && !down) return null;
  const within = (value, count) => Math.max(0, Math.min(count - 1, value));
  return { step: within(step + across * (all ? 10 : 1), steps), unit: within(unit + down * (all ? 10 : 1), units) };
}

/** A frame round one cell. */
function Frame({ grid, cell, kind }) {
  if (!cell) return null;
  const px = (value) => `${value / grid.ratio}px`;
  const left = Math.floor(cell.step / grid.together) * grid.cellWidth;
  return html`<div class=${`map-frame ${kind}`} style=${{
    left: px(left), top: px(cell.unit * grid.cellHeight), width: px(grid.cellWidth), height: px(grid.cellHeight),
  }}></div>`;
}

/**
 * @param {{map: object, run: object, scale: "log" | "linear", chosen: {step: number, unit: number} | null, first: number,
 *   choose: (cell: {step: number, unit: number}) => void}} props
 *   first: the number of the first step and unit, 0 or 1
 */
export function DifferenceMap({ map, run, scale: kind, chosen, choose, first, said }) {
  const { units, steps: numbers } = map;
  const steps = numbers.length;
  const values = useMemo(() => valuesOf(map), [map]);
  const scale = useMemo(() => scaleOf(values, kind), [values, kind]);
  const top = useMemo(() => largest(values, units), [values, units]);
  const [cursor, setCursor] = useState(chosen ?? top);
  const [hovered, setHovered] = useState(null);
  const [spoken, setSpoken] = useState("");
  const canvas = useRef(null), field = useRef(null), place = useRef(null);
  const { width, ratio } = useRoom(place);
  const scheme = useScheme();
  const grid = useMemo(() => gridOf(width, ratio, steps, units), [width, ratio, steps, units]);

  useEffect(() => { setCursor(chosen ?? top); setHovered(null); }, [map, chosen?.step, chosen?.unit]);
  useLayoutEffect(() => {
    if (!width) return;
    const palette = colours(canvas.current);
    [canvas.current.width, canvas.current.height] = [grid.width, grid.height];
    draw(canvas.current, grid, values, units, (value) => colourOf(palette, scale, value));
  }, [grid, values, scale, scheme, width]);

  const named = (unit) => counted_index(run, map.scope, map.line, unit, first);
  const words = ({ step, unit }) => said("compare.map.cell", {
    t: numbers[step] + first, unit: named(unit), value: short(values[step * units + unit], 6),
  });
  const under = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * grid.columns);
    const unit = Math.floor(((event.clientY - box.top) / box.height) * grid.rows);
    if (column < 0 || column >= grid.columns || unit < 0 || unit >= grid.rows) return null;
    return { step: stepAt(grid, values, units, column, unit), unit };
  };
  const pressed = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(cursor);
      return;
    }
    const to = moved(event, cursor, steps, units);
    if (!to) return;
    event.preventDefault();
    setHovered(null);
    setCursor(to);
    setSpoken(words(to));
    const y = (to.unit * grid.cellHeight) / ratio, shown = field.current;
    if (y < shown.scrollTop) shown.scrollTop = y;
    else if (y + 24 > shown.scrollTop + shown.clientHeight) shown.scrollTop = y + 24 - shown.clientHeight;
  };
  const summary = said("compare.map.summary", {
    line: map.line, steps, units, value: short(values[top.step * units + top.unit]), t: numbers[top.step] + first, unit: named(top.unit),
  });
  const size = { width: `${grid.width / ratio}px`, height: `${grid.height / ratio}px` };
  const rowsShown = ticks(units, Math.max(2, Math.floor(grid.height / ratio / 18)));
  const columnsShown = ticks(steps, Math.max(2, Math.floor(grid.width / ratio / 34)));
  return html`<figure class="map">
    <div class="map-axes">
      <span class="map-corner" aria-hidden="true">${said("compare.map.unit")}</span>
      <div class="map-field" ref=${field} tabindex="0" role="application" aria-label=${summary}
        aria-roledescription=${said("compare.map.kind")} aria-describedby="map-keys" onKeyDown=${pressed}>
        <div class="map-units" aria-hidden="true">
          ${rowsShown.map((unit) => html`<span key=${unit} style=${{ top: `${((unit + 0.5) * grid.cellHeight) / ratio}px` }}>${named(unit)}</span>`)}
        </div>
        <div class="map-place" ref=${place}>
          <div class="map-canvas" style=${size} onPointerMove=${(event) => setHovered(under(event))} onPointerLeave=${() => setHovered(null)}
            onClick=${(event) => { const cell = under(event); if (cell) choose(cell); }}>
            <canvas ref=${canvas} style=${size}></canvas>
            <${Frame} grid=${grid} cell=${chosen} kind="at-value" />
            <${Frame} grid=${grid} cell=${hovered} kind="hovered" />
            <${Frame} grid=${grid} cell=${cursor} kind="cursor" />
          </div>
        </div>
      </div>
      <div class="map-steps" aria-hidden="true">
        ${columnsShown.map((t) => html`<span key=${t} style=${{ left: `${((Math.floor(t / grid.together) + 0.5) * grid.cellWidth) / ratio}px` }}>${numbers[t] + first}</span>`)}
        <em>${said("compare.map.step")}</em>
      </div>
    </div>
    <p class="map-readout number">${words(hovered ?? cursor)}</p>
    <p class="unseen" role="status" aria-live="polite">${spoken}</p>
    <${Legend} scale=${scale} scheme=${scheme} said=${said} />
    ${map.left_out > 0 && html`<p class="quiet-text">${said("compare.map.left_out", { n: map.left_out })}</p>`}
    ${grid.together > 1 && html`<p class="quiet-text">${said("compare.map.together", { n: grid.together })}</p>`}
    <p id="map-keys" class="quiet-text keys">${said("compare.map.keys")}</p>
    <${MapTable} values=${values} numbers=${numbers} units=${units} named=${named} first=${first} choose=${choose} said=${said} />
  </figure>`;
}
