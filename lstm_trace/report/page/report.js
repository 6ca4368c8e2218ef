"use strict";
// Everything here adds to a page that works without it: links lead to where a number was made, steps fold.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const pop = $("#pop");
  document.documentElement.classList.add("js");

  // -- the equation that made a number -----------------------------------------------------------------------------
  let marked = [];
  const mark = (elements) => { marked.forEach((e) => e.classList.remove("hit")); marked = elements; marked.forEach((e) => e.classList.add("hit")); };
  const hide = () => { pop.hidden = true; mark([]); };
  const target = (link) => document.getElementById(link.getAttribute("href").slice(1));
  const place = (element) => {
    const box = element.getBoundingClientRect();
    pop.hidden = false;
    const wide = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(box.left, wide - pop.offsetWidth - 8));
    const above = box.top - pop.offsetHeight - 8;
    pop.style.left = `${left + scrollX}px`;
    pop.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
  };
  const copy = (element) => {
    const twin = element.cloneNode(true);
    twin.querySelectorAll("[id]").forEach((e) => e.removeAttribute("id"));
    twin.querySelectorAll("button").forEach((e) => e.replaceWith(...e.childNodes));
    twin.querySelectorAll("a").forEach((e) => { e.removeAttribute("href"); e.classList.add("hit"); });
    return twin;
  };
  const told = (text) => { const p = document.createElement("p"); p.textContent = text; return p; };
  const explain = (at, made) => {
    const row = made.closest(".row");
    pop.replaceChildren();
    if (row) {
      const first = row.closest(".line").firstElementChild;
      pop.append(told(made.dataset.a), ...(first === row ? [copy(row)] : [copy(first), copy(row)]));
      mark([made, ...$$("a[href^='#n']", row).map(target).filter(Boolean)]);
    } else {
      const item = made.closest(".item");
      const value = made.textContent;
      pop.append(told(`${made.dataset.a} = ${value}`));
      if (item && $$("mn", item).length <= 24) { const twin = copy(item); pop.append(twin); }
      mark([made]);
    }
    place(at);
  };
  const pointed = (event) => {
    const link = event.target.closest("a[href^='#n']");
    if (link && target(link)) return explain(link, target(link));
    const made = event.target.closest("mn[data-a], td[data-a]");
    if (made) return explain(made, made);
    const spot = event.target.closest("g.tip");
    if (spot) return node(spot);
    return hide();
  };
  // a tap shows the equation; a second tap on the same number goes there
  let tapped = null;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#n']");
    if (link && event.pointerType === "touch" && tapped !== link) { event.preventDefault(); pointed(event); }
    tapped = link;
    const jump = event.target.closest("a[href^='#t']"); // also to the step of the address, which is no new one
    if (jump) reveal(target(jump));
    if (link && !event.defaultPrevented) reveal(target(link));
  });
  document.addEventListener("pointerover", (event) => { if (event.pointerType !== "touch") pointed(event); });
  document.addEventListener("focusin", pointed);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // -- the picture: what leads to a node ---------------------------------------------------------------------------
  const node = (spot) => {
    const svg = spot.ownerSVGElement;
    const key = spot.dataset.spot;
    const edges = $$(".edge", svg).filter((e) => e.dataset.to === key);
    const from = new Set(edges.map((e) => e.dataset.from));
    mark([...edges, ...$$("[data-spot]", svg).filter((e) => !e.classList.contains("tip") && from.has(e.dataset.spot))]);
    pop.replaceChildren(told(spot.dataset.said), told($("text", spot).textContent));
    place(spot);
  };
  $$(".live g.tip").forEach((spot) => {
    const title = $("title", spot);
    spot.dataset.said = title.textContent;
    title.remove(); // the browser's own hint would lie over ours
    spot.setAttribute("tabindex", "0");
    spot.setAttribute("role", "img");
    spot.setAttribute("aria-label", `${spot.dataset.said}: ${$("text", spot).textContent}`);
  });

  // -- the mark of the step on a heat map ---------------------------------------------------------------------------
  const now_of = (map) => {
    if (map.nextElementSibling && map.nextElementSibling.matches(".now")) return map.nextElementSibling;
    const now = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const place = { class: "now", y: map.getAttribute("y"), height: map.getAttribute("height"), width: Math.max(map.dataset.pitch, 1.5) };
    Object.entries(place).forEach(([key, value]) => now.setAttribute(key, value));
    map.after(now);
    return now;
  };

  // -- the slider ---------------------------------------------------------------------------------------------------
  // of each of several reports on a page; what it gives shows a step
  const slider = (report) => {
    const bar = $(".bar", report);
    if (!bar) return () => {};
    const steps = $$(".step", report);
    const data = JSON.parse($(".texts", report).textContent);
    const [range, output, all] = [$("[name=t]", bar), $("output", bar), $("[name=all]", bar)];
    const chosen = (name, otherwise) => ($(`[name=${name}]`, bar) || { value: otherwise }).value;
    const show = () => {
      const t = data.steps[range ? range.value : 0];
      const scope = chosen("s", Object.keys(data.cells)[0]);
      const row = chosen("b", Object.keys(data.texts[scope])[0]);
      const token = data.tokens ? data.tokens[row][data.steps.indexOf(t)] : "";
      const named = token ? `${t + data.first} ${token}` : t + data.first;
      const told = `t = ${named}`;
      if (output) output.textContent = named;
      if (range) range.setAttribute("aria-valuetext", told);
      let found = false;
      steps.forEach((step) => {
        const here = +step.dataset.t === t && step.dataset.s === scope && step.dataset.b === row;
        step.hidden = !all.checked && !here;
        if (here) { step.open = true; found = true; }
      });
      $(".no-step", report).hidden = found;
      $$(".live", report).forEach((figure) => {
        figure.hidden = figure.id !== data.cells[scope];
        if (figure.hidden) return;
        // other ones if a given number was changed
        const texts = report.texts ? report.texts(figure, t, +row) : data.texts[scope][row][data.steps.indexOf(t)];
        $$("g.tip", figure).forEach((spot, k) => {
          $("text", spot).textContent = texts[k];
          spot.setAttribute("aria-label", `${spot.dataset.said}: ${texts[k]}`);
        });
        const step = steps.find((e) => +e.dataset.t === t && e.dataset.s === scope && e.dataset.b === row);
        const names = [...$$("select", bar).map((e) => e.selectedOptions[0].textContent), range ? told : ""];
        $("figcaption", figure).textContent = step ? $("summary", step).textContent : names.filter(Boolean).join(", ");
      });
      $$("image.heat", report).forEach((map) => {
        const now = now_of(map), { first, pitch } = map.dataset;
        now.setAttribute("x", +map.getAttribute("x") + (t - first) * pitch);
      });
    };
    // a link to a number in a step that is not shown shows that step
    const reveal = (step) => {
      if (step.hidden) {
        const at = data.steps.indexOf(+step.dataset.t);
        if (range && at >= 0) range.value = at;
        for (const name of ["s", "b"]) { const select = $(`[name=${name}]`, bar); if (select) select.value = step.dataset[name]; }
        show();
      }
      step.open = true;
    };
    bar.hidden = false;
    bar.addEventListener("input", show);
    show();
    return reveal;
  };
  const reports = $$("article");
  const sliders = new Map((reports.length ? reports : [$("main")]).map((report) => [report, slider(report)]));
  const reveal = (element) => {
    const step = element && element.closest(".step");
    if (step) sliders.get(step.closest("article, main"))(step);
  };
  const arrived = () => {
    const element = /^#[nt]/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (element) { reveal(element); element.scrollIntoView({ block: element.matches(".step") ? "start" : "center" }); }
  };
  addEventListener("hashchange", arrived);
  arrived();

  // -- paper: browsers that cannot unfold by style ------------------------------------------------------------------
  let opened = [];
  addEventListener("beforeprint", () => { hide(); opened = $$(".steps:not(.many) .step:not([open])"); opened.forEach((e) => { e.open = true; }); });
  addEventListener("afterprint", () => opened.forEach((e) => { e.open = false; }));
})();
