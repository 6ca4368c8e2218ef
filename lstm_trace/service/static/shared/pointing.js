// Where in a picture of the server something is. Its SVG says so: of what lies over the steps `data-first`, where that
// stands and how far apart they are; of rows `data-line` and `data-units`; of a matrix `data-weight` and its shape.

const POINTED = "[data-t], [data-first], [data-units], [data-weight]";
const NS = "http://www.w3.org/2000/svg";

const part = (share, n) => Math.min(Math.max(Math.floor(share * n), 0), n - 1);
const number = (node, name) => Number(node.getAttribute(name));

/**
 * What is at a place of a node, across and down from 0 to 1.
 * @returns {{t?: number, scope?: string, name?: string, unit?: number, weight?: string, indices?: number[]}}
 */
export function place_of(node, across, down) {
  const { t, first, start, pitch, line, units, weight, shape } = node.dataset;
  if (t !== undefined) return { t: Number(t) };
  if (weight) return { weight, indices: shape.split(" ").map((n, k) => part(k ? across : down, Number(n))) };
  const found = {};
  if (first !== undefined) {
    const x = number(node, "x") + across * number(node, "width");
    found.t = Number(first) + Math.max(Number(pitch) ? Math.round((x - start) / pitch) : 0, 0);
  }
  if (line) {
    const [layer, direction, ...name] = line.split("/"), rows = units.split(" ").map(Number);
    Object.assign(found, { scope: `${layer}/${direction}`, name: name.join("/"), unit: rows[part(down, rows.length)] });
  }
  return found;
}

/** What is below a pointer; null where there is nothing. */
export function place_at({ target, clientX, clientY }) {
  const node = target.closest?.(POINTED) ?? target.closest?.("g")?.querySelector("[data-first]");
  if (!node) return null;
  const box = node.getBoundingClientRect();
  return place_of(node, (clientX - box.left) / box.width, (clientY - box.top) / box.height);
}

/** How many columns and rows keys move through. */
export function size_of(node) {
  const { units = "0", pitch, start, shape } = node.dataset;
  if (shape) return { rows: Number(shape.split(" ")[0]), columns: Number(shape.split(" ")[1] ?? 1) };
  const wide = number(node, "x") + number(node, "width") - start;
  return { rows: units.split(" ").length, columns: Number(pitch) ? Math.floor(wide / pitch) + 1 : 1 };
}

/** Marks the step, and the row of the unit, that are looked at. */
export function mark(svg, { t, scope, unit }) {
  svg.querySelectorAll(".here").forEach((old) => old.remove());
  const add = (node, d) => {
    const path = document.createElementNS(NS, "path");
    path.setAttribute("class", "here");
    path.setAttribute("d", d);
    node.after(path);
  };
  for (const node of svg.querySelectorAll("[data-first]")) {
    const { first, start, pitch, line = "", units = "" } = node.dataset;
    const [x, y, wide, tall] = ["x", "y", "width", "height"].map((name) => number(node, name));
    const at = Number(start) + (t - first) * pitch;
    if (t >= first && at <= x + wide) add(node, `M${at} ${y}v${tall}`);
    const rows = units.split(" "), row = line.startsWith(`${scope}/`) ? rows.indexOf(String(unit)) : -1;
    const high = tall / rows.length;
    if (row >= 0) add(node, `M${x} ${y + row * high}h${wide}v${high}h${-wide}z`);
  }
}
