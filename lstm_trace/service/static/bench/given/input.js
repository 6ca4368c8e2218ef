import { html, useMemo, useRef, useState } from "../../vendor/standalone.module.js";
import { TextFile } from "../../parts.js";
import { rowsOf } from "../../reading.js";
import { array_of, input_of } from "../state/places.js";
import { of_rows, with_block, with_steps } from "../state/inputs.js";
import { Premise } from "./premise.js";

// The input x: it can be made longer and shorter, and comes from a spreadsheet or a file.

const of_x = ({ address }) => address === "x" || array_of(address) === "x";

export function Input({ premise, ...rest }) {
  const { session, state: { run, premises, b, entries, index, source }, said } = rest;
  const [note, setNote] = useState(null); // what was made of a block or file, and the entry of the history that has it
  const edit = (value, text, wrong = "") => {
    session.edit([{ address: "x", value }]);
    setNote({ text, wrong, entry: session.state.entries[session.state.index] });
  };
  const refuse = (wrong) => setNote({ wrong, entry: entries[index] });
  const longer = (numbers, address) => {
    const { value, added, outside } = with_block(run, premise, numbers, input_of(run, address));
    edit(value, added ? said("bench.steps_added", { n: added }) : "", outside ? said("bench.paste_outside", { n: outside }) : "");
  };
  const latest = useRef(null);
  latest.current = longer;
  const take = useMemo(() => (...block) => latest.current(...block), []); // one and the same, so that the grid is not drawn for it
  const opened = (text, name) => {
    const expected = premise.shape.at(-1);
    let rows;
    try {
      rows = rowsOf(text, expected);
    } catch (error) {
      return refuse(said("bench.file_nothing", { name, why: said(error.key, error.values) }));
    }
    if (rows[0].length !== expected) return refuse(said("bench.file_columns", { name, found: rows[0].length, expected }));
    return edit(of_rows(run, premise, rows, b), said("bench.file_read", { name, n: rows.length }));
  };
  const supplied = premises.find((one) => one.kind === "given"); // its numbers at a new step are not known
  const why = supplied && said("bench.steps_supplied", { name: supplied.name, n: run.steps });
  const step = (more) => edit(with_steps(run, premise, more), "");
  const shown = note?.entry === entries[index] ? note : {};
  return html`<section class="given" aria-labelledby="given-x">
    <div class="head"><h3 id="given-x">${said("bench.input")}</h3>
      ${premise.values && html`<div class="row-of"><button type="button" id="fewer-steps" onClick=${() => step(-1)} disabled=${run.steps < 2 || Boolean(supplied)} title=${why}>− ${said("bench.step_word")}</button>
        <button type="button" id="more-steps" disabled=${Boolean(supplied)} title=${why} onClick=${() => step(1)}>+ ${said("bench.step_word")}</button></div>`}</div>
    ${session.runs.weights_alone(source) && !entries[index].edits.some(of_x) && html`<p class="notice" id="no-input">${said("bench.no_input", { n: run.steps })}</p>`}
    <${Premise} premise=${premise} longer=${take} ...${rest} />
    <div role="status">${shown.text && html`<p class="good" id="x-note">${shown.text}</p>`}
      ${shown.wrong && html`<p class="bad" id="x-wrong">${shown.wrong}</p>`}</div>
    <${TextFile} id="x-file" label=${said("compare.paste.file")} use=${opened} />
  </section>`;
}
