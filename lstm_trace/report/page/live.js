import { Report, is_given } from "./computed.js";
import { shortest } from "../../lines/numbers.js";
import { every, agreement, changed_blocks, decimals, is_said, number_of, read_sentences, word } from "./shown.js";

// What a page does with its numbers: it says whether they follow from the weights, and a given one can be changed. A page
// works without it.

/** @import { Place } from "./computed.js" */

/** An element with a text. @param {string} tag @param {string} kind @param {string} [text] */
function element(tag, kind, text = "") {
  const found = document.createElement(tag);
  found.className = kind;
  found.textContent = text;
  return found;
}

// -- at the foot --------------------------------------------------------------------------------------------------------

/** @param {Report[]} reports @param {{blocks: Set<Element>, other: boolean}} changed */
function checked(reports, { blocks, other }) {
  const found = reports.map((report) => report.check(blocks)), faults = found.flatMap((one) => one.faults);
  for (const [block] of faults) for (let at = /** @type {Element | null} */ (block); at; at = at.parentElement) blocks.delete(at);
  if (other || reports.some((report) => report.lost)) faults.push([document.body, word("missing")]);
  for (const block of other ? [...blocks].slice(0, 1) : blocks) {
    const text = (block.textContent ?? "").replace(/\s+/g, " ").trim();
    faults.push([block, word("text", { text: `${text.slice(0, 60)}${text.length > 60 ? "…" : ""}` })]);
  }
  const count = found.reduce((sum, one) => sum + one.count, 0);
  tell(faults, faults.length ? word("faults") : `${agreement(count)} ${word("limits")}`);
}

/** @param {[Element, string][]} faults @param {string} text */
function tell(faults, text) {
  const note = element("div", faults.length ? "checked faulty" : "checked"), list = element("ul", "");
  note.append(element("p", "", text));
  for (const [at] of faults) if (at !== document.body) at.classList.add("wrong");
  for (const fault of new Set(faults.map(([, fault]) => fault))) list.append(element("li", "", fault));
  if (faults.length) note.append(list);
  for (const unchecked of every("footer p.checked")) unchecked.remove();
  (every("footer").at(-1) ?? document.body).prepend(note);
}

// -- a given number is changed ------------------------------------------------------------------------------------------

const bar = element("div", "changes"), status = element("p", ""), restore = element("button", "");
const field = /** @type {HTMLInputElement} */ (element("input", "new"));
field.inputMode = "decimal";
field.spellcheck = false;
status.setAttribute("role", "status");

/** Whether all numbers beside one are 0: chains leave out products with them. @param {Element} number */
const is_zero = (number) => every("mn[id], td[id]", number.closest(".item, tr, .row") ?? number).every((one) => number_of(one.textContent ?? "") === 0);

/** @param {Report[]} reports */
function editable(reports) {
  const of = /** @type {Map<HTMLElement, {report: Report, place: Place, group: Element}>} */ (new Map());
  for (const report of reports) {
    const chained = report.body.querySelector(".chains") !== null;
    for (const place of report.places.filter(is_given)) {
      const [number] = place.elements, button = element("button", "given");
      if (number.dataset.n || (chained && is_zero(number))) continue;
      button.append(...number.childNodes);
      number.append(button);
      place.elements[0] = button;
      const group = number.closest(".item, table, .row") ?? number;
      button.tabIndex = [...of.values()].some((one) => one.group === group) ? -1 : 0;
      of.set(button, { report, place, group });
    }
  }
  for (const report of reports) {
    const section = [...of].find(([, one]) => one.report === report)?.[0].closest("section");
    section?.querySelector("h2, h3")?.after(element("p", "hint", word("hint")));
  }
  const names = () => {
    for (const [button, { place }] of of) button.setAttribute("aria-label", `${place.address} = ${button.textContent}`);
  };
  const changed = () => {
    const addresses = reports.flatMap((report) => [...report.changes.keys()].map((place) => place.address));
    bar.hidden = !addresses.length;
    status.textContent = addresses.length ? word("changed", { addresses: addresses.length > 6 ? `${addresses.slice(0, 6).join(", ")}, …` : addresses.join(", ") }) : "";
    names();
  };
  restore.addEventListener("click", () => {
    for (const report of reports) report.restored();
    changed();
    [...of.keys()].find((button) => button.tabIndex === 0)?.focus();
  });
  restore.textContent = word("given");
  bar.append(status, restore);
  document.body.append(bar, field);
  field.hidden = true;
  changed();

  let open = /** @type {HTMLElement | null} */ (null), before = /** @type {number | null} */ (null);
  const here = () => /** @type {NonNullable<ReturnType<typeof of.get>>} */ (of.get(/** @type {HTMLElement} */ (open)));
  const set = (/** @type {number | null} */ value) => { here().report.change(here().place, value); changed(); };
  const close = () => {
    const button = open;
    [open, field.hidden] = [null, true];
    button?.focus();
  };
  /** The number in the field; what is none is left, and marked. */
  const taken = () => {
    const value = number_of(field.value), fits = Number.isFinite(value) && field.value.trim() !== "";
    field.setAttribute("aria-invalid", String(!fits));
    if (fits) set(value);
    return fits;
  };
  const edit = (/** @type {HTMLElement} */ button) => {
    open = button;
    const { report, place } = here(), box = button.getBoundingClientRect();
    before = report.changes.get(place) ?? null;
    field.value = shortest(report.array(report.ran, place)[place.at], report.single).replace(".", report.style.comma ? "," : ".");
    field.setAttribute("aria-label", word("change", { address: place.address }));
    field.setAttribute("aria-invalid", "false");
    field.hidden = false;
    field.style.left = `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - field.offsetWidth - 8)) + scrollX}px`;
    field.style.top = `${box.top + box.height / 2 - field.offsetHeight / 2 + scrollY}px`;
    field.focus();
    field.select();
  };
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest("button.given")) : null;
    if (button && of.has(button)) edit(button);
  });
  field.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (by || event.key === "Enter") event.preventDefault(); // the button that has the focus next is not pressed
    if (event.key === "Enter" && taken()) close();
    if (event.key === "Escape") { set(before); close(); }
    if (!by) return;
    // by a unit of the last place that is shown, which a number of many decimals has before its own last
    const places = Math.max(1, Math.min(decimals(field.value), decimals(open?.textContent ?? ""))), value = number_of(field.value) + by * 10 ** -places;
    if (Number.isFinite(value)) field.value = String(Number(value.toPrecision(15))).replace(".", here().report.style.comma ? "," : ".");
    taken();
  });
  field.addEventListener("blur", () => { if (open && !field.hidden) { taken(); [open, field.hidden] = [null, true]; } });
  // the numbers of a matrix are one stop of the tabulator
  document.addEventListener("keydown", (event) => {
    const button = /** @type {HTMLElement} */ (event.target), by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !of.has(button)) return;
    event.preventDefault();
    const group = [...of].filter(([, one]) => one.group === of.get(button)?.group).map(([one]) => /** @type {HTMLElement} */ (one));
    const next = group[(group.indexOf(button) + by + group.length) % group.length];
    [button.tabIndex, next.tabIndex] = [-1, 0];
    next.focus();
  });
  // what is printed are the numbers as given
  addEventListener("beforeprint", () => { for (const report of reports) report.show(report.first); });
  addEventListener("afterprint", () => { for (const report of reports) report.show(); });
}

try {
  read_sentences();
  const changed = changed_blocks(); // before the other scripts change the page
  const reports = every("script.trace").map((source) => new Report(source));
  checked(reports, changed);
  editable(reports);
} catch (error) {
  const problem = error instanceof Error ? error.message : String(error);
  if (is_said()) tell([[document.body, word("failed", { problem })]], word("faults"));
  else tell([[document.body, problem]], "This page cannot check its numbers:"); // without the sentences in its language
}
