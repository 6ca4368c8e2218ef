import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/standalone.module.js";
import { parsed, rowsOf } from "../../reading.js";
import { brief, full } from "../../shared/numbers.js";
import { spoken } from "../spoken.js";
import { SymbolText } from "../symbols.js";
import { drag_rate, tidy } from "./dragging.js";
import { Entry } from "./entry.js";

// A grid of numbers that are edited where they stand: by typing, by dragging, or by pasting a block.

const SLACK = 4; // pixels that a pointer may move before a click becomes a drag
const REST = 150; // milliseconds on a cell before its number is looked at: keys move fast over many

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @param {{id: string, symbol: string, name: string, rows: {label: string, cells: {address: string, value: any}[]}[], columns: string[],
 *   longer?: (numbers: number[][], address: string) => void, chosen: string, rejected: object | null, marks: string}} props
 *   longer: takes a block with more rows than there are; chosen: the address that is looked at, rejected: what the server refused,
 *   marks: addresses that the last edit changed, each only where it is of this grid
 */
export function Grid({ id, symbol, name, rows: offered, columns, layout, count, longer, chosen, rejected: refused, marks, session, said }) {
  const [at, setAt] = useState([0, 0]);
  const [opening, setTyped] = useState(null); // the address of the cell that is edited, and its text
  const [fault, setFault] = useState(null);
  const table = useRef(null);
  const wants_focus = useRef(false);
  const drag = useRef(null);
  const tapped = useRef(false); // whether a finger or a pen began what now ends as a click
  const rest = useRef(0);
  const begun = useRef(false); // whether the key that opened the field is the first of its text
  // the rows of a long input go along with the steps that are played, but not from under whoever types in one of them
  const still = useRef({});
  if (opening === null || still.current.layout !== layout) still.current = { rows: offered, layout };
  const { rows } = still.current;
  const of_address = (address) => rows.flatMap((row) => row.cells).find((one) => one.address === address);
  const typed = opening && of_address(opening.address) ? opening : null;
  const height = rows.length;
  const width = columns.length;
  const here = rows[at[0]]?.cells[at[1]] ? at : [0, 0];
  const cell = (r, c) => rows[r].cells[c];
  const rejected = refused ?? fault;
  const changed = new Set(marks.split(" "));

  useLayoutEffect(() => {
    if (!wants_focus.current || typed !== null) return;
    wants_focus.current = false;
    table.current.querySelector(`[data-place="${here}"]`)?.focus();
  });
  useEffect(() => () => clearTimeout(rest.current), []);

  const look = (address, quiet) => { // quiet: by keys, which move in the grid and leave the bench at its step
    clearTimeout(rest.current);
    // whoever has gone elsewhere meanwhile is not brought back
    const stays = () => !quiet || table.current?.contains(document.activeElement);
    rest.current = setTimeout(() => stays() && session.select(address, { quiet }), quiet ? REST : 0);
  };
  const move = (r, c) => {
    const to = [Math.min(Math.max(r, 0), height - 1), Math.min(Math.max(c, 0), width - 1)];
    setAt(to);
    wants_focus.current = true;
    look(cell(...to).address, true);
  };
  const put = (edits) => {
    setFault(null);
    // numbers that are there already are no edit; while a run is under way, those on show may be older ones
    const others = session.state.busy ? edits : edits.filter(({ address, value }) => !Object.is(value, Number(of_address(address).value)));
    if (others.length) session.edit(others);
    else if (refused) session.dismiss();
  };
  const opened = (r, c) => { begun.current = false; setTyped({ address: cell(r, c).address, text: full(cell(r, c).value) }); };
  /** Takes what was typed; where it is no number, it stays and says so. */
  const take = (text, [dr, dc] = [0, 0]) => {
    const [r, c] = here;
    const { address } = typed;
    const number = parsed(text);
    setTyped(null);
    if (number === null && text.trim() !== "") {
      setFault({ address, value: text, message: said("bench.no_number", { text }) });
      return;
    }
    if (number !== null) put([{ address, value: number }]);
    else setFault(null);
    if (dr || dc) move(r + dr, c + dc);
  };
  const pasted = (event) => {
    if (typed !== null) return;
    event.preventDefault();
    const [r, c] = here;
    const wrong = (message) => setFault({ address: cell(r, c).address, value: null, message });
    let numbers;
    try {
      numbers = rowsOf(event.clipboardData.getData("text"), width - c);
    } catch (error) {
      return wrong(said("bench.paste_nothing", { why: said(error.key, error.values) }));
    }
    if (longer && r + numbers.length > height) {
      setFault(null);
      return longer(numbers, cell(r, c).address);
    }
    const edits = numbers.flatMap((row, i) => row.flatMap((value, j) => (r + i < height && c + j < width ? [{ address: cell(r + i, c + j).address, value }] : [])));
    const outside = numbers.flat().length - edits.length;
    if (edits.length) put(edits);
    return outside ? wrong(said("bench.paste_outside", { n: outside })) : undefined;
  };
  const keyed = (event) => {
    if (typed !== null || event.altKey) return;
    // the cell that has the focus, which somebody may have put there without keys or pointer: a screen reader does
    const [r, c] = event.target.dataset.place?.split(",").map(Number) ?? here;
    setAt([r, c]);
    const copies = (event.ctrlKey || event.metaKey) && event.key === "c";
    if (copies) { navigator.clipboard?.writeText(full(cell(r, c).value).replace("−", "-")); return; }
    if (event.ctrlKey || event.metaKey) return;
    if (MOVES[event.key]) { event.preventDefault(); move(r + MOVES[event.key][0], c + MOVES[event.key][1]); }
    else if (event.key === "Home") { event.preventDefault(); move(r, 0); }
    else if (event.key === "End") { event.preventDefault(); move(r, width - 1); }
    else if (event.key === "Enter" || event.key === "F2") { event.preventDefault(); opened(r, c); }
    else if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); put([{ address: cell(r, c).address, value: 0 }]); }
    else if (/^[\d.,+\-−]$/.test(event.key)) { event.preventDefault(); begun.current = true; setTyped({ address: cell(r, c).address, text: event.key }); }
  };
  const typing = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") { event.preventDefault(); wants_focus.current = true; setTyped(null); }
    else if (event.key === "Enter") { event.preventDefault(); take(event.target.value, [event.shiftKey ? -1 : 1, 0]); wants_focus.current = true; }
    else if (event.key === "Tab") { event.preventDefault(); take(event.target.value, [0, event.shiftKey ? -1 : 1]); wants_focus.current = true; }
  };
  const pressed = (event, r, c) => {
    if (event.button !== 0 || typed?.address === cell(r, c).address) return;
    if (typed !== null) document.activeElement.blur(); // takes what was typed elsewhere in the grid
    const number = Number(cell(r, c).value);
    drag.current = { x: event.clientX, pointer: event.pointerId, number, address: cell(r, c).address, on: false, ...drag_rate(number, rows.flatMap((row) => row.cells.map((one) => Number(one.value)))) };
    tapped.current = event.pointerType !== "mouse";
    setAt([r, c]);
  };
  const moved = (event) => {
    const now = drag.current;
    if (!now || now.pointer !== event.pointerId) return;
    const way = event.clientX - now.x;
    if (!now.on && Math.abs(way) < SLACK) return;
    if (!now.on) { now.on = true; tapped.current = false; event.currentTarget.setPointerCapture(event.pointerId); setFault(null); }
    const step = now.step * (event.shiftKey ? 10 : 1);
    session.drag(now.address, tidy(now.number + Math.trunc(way / now.pixels) * step, now.step));
  };
  const released = () => {
    const now = drag.current;
    drag.current = null;
    if (now?.on) session.drop();
    else if (now) look(now.address, false);
  };

  /** A tap opens the field: a screen has no keys with which typing could begin, and shows some for a field alone. */
  const clicked = (r, c) => {
    if (!tapped.current || typed?.address === cell(r, c).address) return;
    tapped.current = false;
    opened(r, c);
  };

  // the symbol of a vector stands before its numbers, that of a matrix where its rows and columns meet
  const named = html`<${SymbolText} text=${symbol} />`;
  const vector = height === 1 && rows[0].label === "";
  return html`<figure class="grid" id=${id}>
    <div class="scroll"><table role="grid" ref=${table} aria-label=${name} aria-rowcount=${height} aria-colcount=${width} onKeyDown=${keyed} onPaste=${pasted}>
      ${(columns.length > 1 || !vector) && html`<thead><tr role="row"><td>${!vector && named}</td>${columns.map((label, c) => html`<th key=${c} scope="col" title=${label}>${label}</th>`)}</tr></thead>`}
      <tbody>${rows.map((row, r) => html`<tr key=${row.label} role="row">
        <th scope="row" title=${row.label || undefined}>${vector ? named : row.label}</th>
        ${row.cells.map((one, c) => {
          const current = here[0] === r && here[1] === c;
          const wrong = rejected?.address === one.address;
          const called = spoken(layout, one.address, { count, said });
          const text = wrong && rejected.value !== null && typeof rejected.value !== "object" ? String(rejected.value) : full(one.value);
          return html`<td key=${c} role="gridcell" tabindex=${current && typed === null ? 0 : -1} data-place=${`${r},${c}`} data-address=${one.address}
            class=${`number${one.address === chosen ? " chosen" : ""}${changed.has(one.address) ? " edited" : ""}`} aria-description=${changed.has(one.address) ? said("bench.edited") : undefined} aria-selected=${one.address === chosen} aria-invalid=${wrong ? "true" : undefined} aria-label=${`${called}: ${text}`}
            title=${text.length > 7 ? text : undefined} onPointerDown=${(event) => pressed(event, r, c)} onPointerMove=${moved} onPointerUp=${released} onPointerCancel=${released} onClick=${() => clicked(r, c)} onDblClick=${() => opened(r, c)}>
            ${typed?.address === one.address
              ? html`<${Entry} text=${typed.text} whole=${!begun.current} label=${called} keyed=${typing} left=${(value) => take(value)} />`
              : html`<span>${wrong ? text : brief(one.value)}</span>`}</td>`;
        })}
      </tr>`)}</tbody>
    </table></div>
    ${rejected && html`<div class="fault" role="alert"><div class="exact">${rejected.message}</div><button type="button" class="quiet" onClick=${() => { setFault(null); session.dismiss(); }}>${said("shell.close")}</button></div>`}
  </figure>`;
}
