import { useLayoutEffect, useRef, useState } from "../vendor/standalone.module.js";

// A stretch of tokens chosen by dragging, or with Shift and the arrow keys. Places count from 0 in the shown text.

/** The place that a pointer is over; null where it is over none. */
function under({ clientX, clientY }, root) {
  const node = document.elementFromPoint(clientX, clientY)?.closest?.("[data-k]");
  if (!node || !root.contains(node)) return null;
  const box = node.getBoundingClientRect(), n = Number(node.dataset.n);
  return Number(node.dataset.k) + Math.min(Math.max(Math.floor(((clientX - box.left) / box.width) * n), 0), n - 1);
}

/** The token that holds a place. */
const node_of = (root, k) => [...root.querySelectorAll("[data-k]")].findLast((one) => Number(one.dataset.k) <= k);

/** The place in the line above (-1) or below (1) that is nearest. */
function beside(root, k, way) {
  const here = node_of(root, k), nodes = [...root.querySelectorAll("[data-k]")];
  const lines = nodes.filter((one) => way * (one.offsetTop - here.offsetTop) > 4);
  const next = way > 0 ? lines[0] : lines.at(-1);
  if (!next) return way > 0 ? Number(nodes.at(-1).dataset.k) : 0;
  const x = (one) => Math.abs(one.offsetLeft - here.offsetLeft);
  const line = lines.filter((one) => Math.abs(one.offsetTop - next.offsetTop) <= 4);
  return Number(line.reduce((best, one) => (x(one) < x(best) ? one : best)).dataset.k);
}

/** Marks the tokens from one place to another with an attribute, and takes it from all others. */
function mark(root, name, from, to) {
  root.querySelectorAll(`[${name}]`).forEach((one) => one.removeAttribute(name));
  if (from === null) return;
  for (const one of root.querySelectorAll("[data-k]")) {
    const first = Number(one.dataset.k), last = first + Number(one.dataset.n) - 1;
    if (first <= to && from <= last) one.setAttribute(name, "");
  }
}

/**
 * @param {number} count of places
 * @param {[number, number] | null} chosen the first and the last place that are chosen now
 * @param {(span: [number, number] | null) => void} choose
 * @param {any} drawn changes when the text is drawn anew, as with other colours
 * @param {string} which changes with the text itself
 */
export function useBrush(count, chosen, choose, drawn, which) {
  const root = useRef(null), anchor = useRef(0), pressed = useRef(false);
  const [dragged, setDragged] = useState(null); // places that are being chosen
  const [cursor, setCursor] = useState(null);
  const [hovered, setHovered] = useState(null);
  const span = dragged ?? chosen;
  const ordered = (one, two) => [Math.min(one, two), Math.max(one, two)];
  useLayoutEffect(() => mark(root.current, "data-chosen", span?.[0] ?? null, span?.[1]), [span?.[0], span?.[1], drawn]);
  useLayoutEffect(() => mark(root.current, "data-cursor", cursor, cursor), [cursor, drawn]);
  useLayoutEffect(() => { setCursor(null); setHovered(null); setDragged(null); }, [which]);

  const down = (event) => {
    const k = under(event, root.current);
    if (event.button !== 0 || k === null) return;
    if (!event.shiftKey || !span) anchor.current = k;
    pressed.current = true;
    root.current.setPointerCapture(event.pointerId);
    setCursor(null);
    setDragged(ordered(anchor.current, k));
  };
  const move = (event) => {
    const k = under(event, root.current);
    setHovered(k);
    if (pressed.current && k !== null) setDragged(ordered(anchor.current, k));
  };
  const up = () => {
    if (!pressed.current) return;
    pressed.current = false;
    if (dragged) choose(dragged);
    setDragged(null);
  };
  const cancel = () => { pressed.current = false; setDragged(null); };
  const leave = () => setHovered(null);

  const key = (event) => {
    const now = cursor ?? chosen?.[0] ?? 0;
    const to = { ArrowLeft: () => now - 1, ArrowRight: () => now + 1, ArrowUp: () => beside(root.current, now, -1), ArrowDown: () => beside(root.current, now, 1),
      Home: () => 0, End: () => count - 1 }[event.key];
    if (to && !event.ctrlKey && !event.altKey && !event.metaKey) {
      const next = cursor === null && !event.shiftKey ? now : Math.min(Math.max(to(), 0), count - 1);
      if (event.shiftKey) {
        if (!chosen || cursor === null || !(chosen[0] <= now && now <= chosen[1])) anchor.current = now;
        choose(ordered(anchor.current, next));
      }
      setCursor(next);
      setHovered(null);
      node_of(root.current, next)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" || event.key === " ") {
      anchor.current = now;
      setCursor(now);
      choose([now, now]);
    } else if (event.key === "Escape" && chosen) choose(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const handlers = { onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerCancel: cancel, onPointerLeave: leave, onKeyDown: key, onBlur: () => setCursor(null) };
  return { root, handlers, place: hovered ?? cursor, cursor, span };
}
