"use strict";
// Everything here adds to a picture that works without it. The numbers are read from the images themselves: a PNG of ours
// has a byte for each field, 0 for padding, 1 for no number, and 2 to 255 along the scale.
document.querySelectorAll(".heatmaps").forEach(async (whole) => {
  const $ = (selector, root = whole) => root.querySelector(selector);
  const { panels, steps, first, every, labels, words, named } = JSON.parse($("script").textContent);
  const images = [...whole.querySelectorAll("image.heat")];
  const pop = $(".pointed"), below = $(".trajectory");
  const NS = "http://www.w3.org/2000/svg";

  const read = async (image) => {
    const bytes = Uint8Array.from(atob(image.getAttribute("href").split(",")[1]), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const wide = view.getUint32(16), tall = view.getUint32(20);
    for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
      if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) !== "IDAT") continue;
      const packed = new Blob([bytes.subarray(at + 8, at + 8 + view.getUint32(at))]);
      const stream = packed.stream().pipeThrough(new DecompressionStream("deflate"));
      return { wide, tall, levels: new Uint8Array(await new Response(stream).arrayBuffer()) };
    }
    return null;
  };
  const maps = await Promise.all(images.map(read));
  const level = (k, row, column) => maps[k].levels[row * (maps[k].wide + 1) + column + 1];
  const value = (k, n) => {
    const { low, high, log } = panels[k], share = (n - 2) / 253;
    return log ? 10 ** (Math.log10(low) * (1 - share) + Math.log10(high) * share) : low * (1 - share) + high * share;
  };
  const shown = (number) => String(Number(number.toPrecision(3))).replace("-", "−");
  const told = (k, n) => (n === 0 ? words["is.padding"] : n === 1 ? words["is.broken"] : `${panels[k].log && n === 2 ? "≤ " : ""}${shown(value(k, n))}`);
  const time = (column) => {
    const from = column * every, to = Math.min(from + every, steps) - 1;
    const step = `t = ${first + from}${to > from ? `–${first + to}` : ""}`;
    const there = labels.slice(from, to + 1).filter((label) => label.trim());
    const name = there.slice(0, 4).join(" ") + (there.length > 4 ? " …" : "");
    return name ? named.replace("{step}", () => step).replace("{name}", () => name) : step;
  };

  // -- what is pointed at ------------------------------------------------------------------------------------------
  const cursor = { k: 0, row: 0, column: 0 };
  const point = (k, row, column, x, y) => {
    Object.assign(cursor, { k, row, column });
    pop.textContent = `${panels[k].line}, ${panels[k].units[row]}, ${time(column)}: ${told(k, level(k, row, column))}`;
    pop.hidden = false;
    const wide = document.documentElement.clientWidth;
    pop.style.left = `${scrollX + Math.max(8, Math.min(x + 14, wide - pop.offsetWidth - 8))}px`;
    pop.style.top = `${scrollY + y + 16}px`;
  };
  const field = (event, k) => {
    const box = images[k].getBoundingClientRect();
    const place = (at, from, size, n) => Math.max(0, Math.min(n - 1, Math.floor(((at - from) / size) * n)));
    return [place(event.clientY, box.top, box.height, maps[k].tall), place(event.clientX, box.left, box.width, maps[k].wide)];
  };

  // -- the unit of a row -------------------------------------------------------------------------------------------
  const make = (name, attributes, parent, text = "") => {
    const element = document.createElementNS(NS, name);
    Object.entries(attributes).forEach(([key, one]) => element.setAttribute(key, one));
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const LEFT = 96, WIDE = 728, TALL = 44, APART = 14, LETTERS = 11, ROW = 13;
  const open = (k, row) => {
    const name = panels[k].units[row];
    const here = panels.map((panel, at) => [panel, at, panel.units.indexOf(name)]).filter(([panel, , at]) => at >= 0 && panel.stage === panels[k].stage);
    const pitch = WIDE / maps[k].wide, labelled = every === 1 && labels.some((label) => label.trim());
    const longest = labelled ? Math.max(...labels.map((label) => label.length)) * 7 : 0;
    const rows = [1, 2].find((n) => longest <= n * pitch) ?? 0; // of upright labels; none where they have to be turned
    const tall = here.length * (TALL + APART) + 16 + (labelled ? 6 + (rows * ROW || longest) : 0);
    $("p", below).textContent = [panels[k].place, name].filter(Boolean).join(", ");
    const svg = document.createElementNS(NS, "svg");
    Object.entries({ class: "lstm-plot", viewBox: `0 0 840 ${tall}`, width: 840, height: tall, role: "img" }).forEach(([key, one]) => svg.setAttribute(key, one));
    here.forEach(([panel, at, mine], n) => {
      const top = 8 + n * (TALL + APART), { wide } = maps[at];
      const x = (column) => LEFT + ((column + 0.5) / wide) * WIDE;
      const y = (share) => top + TALL * (1 - share);
      make("rect", { class: "panel", x: LEFT, y: top, width: WIDE, height: TALL }, svg);
      if (panel.low < 0) make("path", { class: "zero", d: `M${LEFT} ${y(0.5)}h${WIDE}` }, svg);
      const symbol = images[at].closest("g").querySelector("text.label").cloneNode(true);
      Object.entries({ x: 4, y: top + TALL / 2 + 5 }).forEach(([key, one]) => symbol.setAttribute(key, one));
      svg.append(symbol);
      make("text", { class: "mark end", x: LEFT - 5, y: top + 9 }, svg, shown(panel.high));
      make("text", { class: "mark end", x: LEFT - 5, y: top + TALL }, svg, shown(panel.low));
      let d = "", pen = "M";
      for (let column = 0; column < wide; column += 1) {
        const found = level(at, mine, column);
        if (found < 2) { pen = "M"; continue; }
        d += `${pen}${x(column).toFixed(1)} ${y((found - 2) / 253).toFixed(1)}`;
        if (pen === "M") d += "h.01";
        pen = "L";
      }
      make("path", { class: `${panel.low < 0 ? "c4" : "c0"} round`, d }, svg);
      if (n === here.length - 1) {
        const apart = Math.ceil(wide / 10);
        for (let column = 0; column < wide; column += apart) make("text", { class: "mark", x: x(column), y: top + TALL + 15 }, svg, String(first + column * every));
        const under = top + TALL + 18;
        for (let column = 0; labelled && column < wide; column += rows ? 1 : Math.ceil(LETTERS / pitch)) {
          if (rows) make("text", { class: "mark step", x: x(column), y: under + LETTERS + ROW * (column % rows) }, svg, labels[column]);
          else make("text", { class: "mark end step", transform: `translate(${x(column) + 4} ${under + 2}) rotate(-90)` }, svg, labels[column]);
        }
      }
    });
    $(".scroll", below).replaceChildren(svg);
    below.hidden = false; // it keeps to the lower edge of the window, below the row that was clicked
    const behind = images[k].getBoundingClientRect().top + ((row + 1) / maps[k].tall) * images[k].getBoundingClientRect().height - below.getBoundingClientRect().top;
    if (behind > 0) scrollBy(0, behind + 8);
  };
  $("button", below).addEventListener("click", () => { below.hidden = true; });

  images.forEach((image, k) => {
    image.setAttribute("tabindex", "0");
    image.setAttribute("role", "img");
    image.setAttribute("aria-label", panels[k].line);
    image.addEventListener("pointermove", (event) => point(k, ...field(event, k), event.clientX, event.clientY));
    image.addEventListener("pointerleave", () => { pop.hidden = true; });
    image.addEventListener("click", (event) => { const [row, column] = field(event, k); point(k, row, column, event.clientX, event.clientY); open(k, row); });
    image.addEventListener("blur", () => { pop.hidden = true; });
    image.addEventListener("keydown", (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      const inside = cursor.k === k ? cursor : { row: 0, column: 0 };
      if (event.key === "Enter" || event.key === " ") open(k, inside.row);
      else if (event.key === "Escape") { pop.hidden = below.hidden = true; return; }
      else if (move) {
        const row = Math.max(0, Math.min(maps[k].tall - 1, inside.row + move[0])), column = Math.max(0, Math.min(maps[k].wide - 1, inside.column + move[1]));
        const box = image.getBoundingClientRect();
        point(k, row, column, box.left + ((column + 0.5) / maps[k].wide) * box.width, box.top + ((row + 0.5) / maps[k].tall) * box.height);
      } else return;
      event.preventDefault();
    });
  });
});
