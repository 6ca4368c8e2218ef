import { html, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/standalone.module.js";
import { Markup } from "../../markup.js";
import { columns_of, counted_index, line_of } from "../../shared/addresses.js";
import { NotationError } from "../local/notations.js";
import { digits_of, picture, texts_of } from "../local/picture.js";
import { spoken, unit_name } from "../spoken.js";
import { ROOM } from "../state/fitting.js";
import { axis_of } from "../state/labels.js";
import { spot_address } from "../state/places.js";
import { differs, history_of } from "./table.js";

// The picture of the cell with the values of a step; every spot of it leads to the number behind it.

const LEAST = 0.59; // of its size: smaller, a picture could not be read (its letters have 13 to 17 px, here 7 to 10)

const LETTER = 7.8; // width of a letter of a value

/** Puts the texts and marks of a step into the picture that is there. */
function written(svg, { spots, texts, room, held, values, before, pinned, state, at, stage, count, said }) {
  const chosen = line_of(at.run, state.address);
  const here = new Map(spots.map((spot) => [spot.key, spot]));
  const from = new Set();
  for (const edge of svg.querySelectorAll(".edge")) {
    const to = here.get(edge.dataset.to);
    const lit = to?.kind !== "sink" && to?.line === chosen?.name && chosen?.scope === stage.scope && chosen?.t === at.t;
    edge.classList.toggle("hit", Boolean(lit));
    if (lit) from.add(edge.dataset.from);
  }
  for (const node of svg.querySelectorAll("[data-spot]")) {
    const spot = here.get(node.dataset.spot);
    if (!spot) continue;
    const last = [...(values.get(spot.line)?.keys() ?? [0])].at(-1); // of fewer units than the line of which one was chosen
    const address = spot_address(at.run, stage, spot.line, at.t, at.b, Math.min(state.unit, last));
    const looked = spot.kind !== "sink" && address !== null && same_line(address, state.address);
    if (!node.classList.contains("tip")) {
      node.classList.toggle("hit", looked);
      node.classList.toggle("leads", from.has(spot.key));
      continue;
    }
    const text = node.querySelector("text");
    text.textContent = texts[spot.key] ?? "";
    if (text.textContent.length > room[spot.line]) { // a number of 100 or more
      text.setAttribute("textLength", Math.round(LETTER * room[spot.line]));
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else text.removeAttribute("textLength");
    const [now, was, kept] = [values, before, pinned].map((all) => all?.get(spot.line) ?? new Map());
    const words = address && spoken(at.run, address, { count, said });
    const changed = [...now].some(([unit, value]) => differs(value, was.get(unit)));
    const off = [...now].some(([unit, value]) => differs(value, kept.get(unit)));
    text.classList.toggle("changed", changed);
    text.classList.toggle("flash-0", changed && state.commit % 2 === 0);
    text.classList.toggle("flash-1", changed && state.commit % 2 === 1);
    text.classList.toggle("off", off);
    const fixed = Boolean(held?.[spot.line]);
    text.classList.toggle("held", fixed);
    const notes = [...(fixed ? [said("bench.held")] : []), ...[...now].slice(0, 8).flatMap(([unit, value]) => {
      const found = history_of({ now: value, was: was.get(unit), kept: kept.get(unit), said });
      return found.length ? [`[${counted_index(at.run, stage.scope, spot.line, unit, count)}] ${found.join("; ")}`] : [];
    })];
    const title = node.querySelector("title");
    node.dataset.said ??= title?.textContent ?? spot.line;
    if (title) title.textContent = [node.dataset.said, words, ...notes].filter(Boolean).join("\n");
    node.setAttribute("aria-label", [`${node.dataset.said}: ${texts[spot.key] ?? ""}`, ...notes].join(", "));
    if (address) node.dataset.address = address;
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
  }
}

/** Room for a picture: small ones are not blown up, and large ones scroll rather than become too small to read. */
function sized(svg, width) {
  svg.style.maxWidth = `${Math.round(1.15 * width)}px`;
  svg.style.minWidth = `${Math.round(LEAST * width)}px`;
}

/** Whether a picture needs more than the middle column to be read; what it has is asked of the grid, not of where it is. */
function too_wide(frame, width) {
  const tracks = getComputedStyle(frame.closest(".bench")).gridTemplateColumns.split(" ").map(parseFloat);
  const beside = frame.closest(".panel").offsetWidth - frame.clientWidth;
  return tracks.length > 1 && LEAST * width > tracks[tracks.length - 2] - beside;
}

const same_line = (one, two) => one.replace(/\[[\d,]*\]$/, "") === (two ?? "").replace(/\[[\d,]*\]$/, "");

/** The drawing of the cell; null until its values are there, undefined in a notation that does not have this cell, as the step says. */
function useDrawing({ drawn, scope, step, settings: { notation, digits }, said }) {
  const decimals = useMemo(() => (digits === "" || digits === undefined ? step && digits_of(step) : Number(digits)), [drawn, digits, Boolean(step)]);
  return useMemo(() => {
    if (!step || !drawn?.stages.some((stage) => stage.scope === scope)) return null;
    try {
      return picture(drawn, scope, { notation, digits: decimals, said });
    } catch (error) {
      if (error instanceof NotationError) return undefined;
      throw error;
    }
  }, [drawn, scope, notation, decimals, said]);
}

export function Picture({ settings, state, at, stage, step, values, before, pinned, pick, said, large, count, set_wide }) {
  const [wider, setWider] = useState(false);
  const place = useRef(null);
  const data = useDrawing({ drawn: state.drawn, scope: stage?.scope, step, settings, said });
  useLayoutEffect(() => {
    const svg = place.current?.querySelector("svg");
    if (svg && data && step) written(svg, { spots: data.spots, texts: texts_of(data, step, state.unit, count), room: data.room, held: step.held, values, before, pinned, state, at, stage, count, said });
  });
  useLayoutEffect(() => {
    const frame = place.current;
    if (!frame) return undefined;
    const watch = new ResizeObserver(() => {
      if (data) set_wide(too_wide(frame, data.width));
      setWider(frame.scrollWidth > frame.clientWidth + 1);
    });
    watch.observe(frame);
    return () => watch.disconnect();
  }, [data, large]);
  const chosen = (event) => {
    const spot = event.target.closest("g.tip[data-address]");
    if (!spot || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    pick(spot.dataset.address);
  };
  const long = (stage?.lines ?? []).filter((line) => line.width > ROOM && axis_of(stage, line.name) === "h");
  const matrices = long.filter((line) => columns_of(at.run, stage.scope, line.name));
  const wide = Math.max(0, ...long.filter((line) => !matrices.includes(line)).map((line) => line.width));
  return html`<div class=${`scroll picture${large ? " large" : ""}`} ref=${place} onClick=${chosen} onKeyDown=${chosen}>
    ${data ? html`<${Markup} text=${data.svg} otherwise=${data.description} ready=${(svg) => sized(svg, data.width)} />` : data === null && html`<p class="waiting">${said("shell.loading")}</p>`}
  </div>
  ${wider && html`<p class="quiet-text hint" id="picture-scrolls">↔ ${said("bench.picture_scrolls")}</p>`}
  ${wide > 0 && html`<p class="quiet-text hint" id="picture-unit">${said("bench.picture_unit", { unit: unit_name(at.run, "h", wide, Math.min(state.unit, wide - 1), count, said) })}</p>`}
  ${matrices.length > 0 && html`<p class="quiet-text hint" id="picture-entry">${said("bench.picture_entry")}</p>`}`;
}
