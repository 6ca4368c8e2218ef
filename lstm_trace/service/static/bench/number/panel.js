import { html, useState } from "../../vendor/standalone.module.js";
import { Markup } from "../../markup.js";
import { Fault } from "../../parts.js";
import { useView } from "../hooks.js";
import { Hold } from "./hold.js";
import { full, minus, rounded, signed, value_of } from "../../shared/numbers.js";
import { counted_index, line_address, line_of } from "../../shared/addresses.js";
import { broken } from "../../shared/breaking.js";
import { answers } from "../state/fitting.js";
import { step_name } from "../state/labels.js";
import { has } from "../state/places.js";
import { Prose } from "../symbols.js";

// The number that is looked at: what it is, where it comes from, where it goes.

const UNITS = 8; // of a line that is asked for, of which gradients are offered

/** Values from which gradients may be asked: what the problem asks for, each unit by itself and of sequence b as well,
 *  and the present choice. */
function targets(run, of, b) {
  const asked = answers(run).flatMap(({ scope, t, b: own, name, unit, width }) => {
    const units = unit === null ? Array.from({ length: Math.min(width, UNITS) }, (_, j) => j) : [unit];
    return [...new Set([b, own])].flatMap((row) => units.map((j) => line_address(run, scope, t, row, name, j)));
  });
  return [...new Set([run.target, ...asked.slice(0, 40), of])].filter(Boolean);
}

/** An address of a line in few characters: the name and unit, and the step; the place where there are several. */
function short_address(run, address, count) {
  const line = line_of(run, address);
  if (!line) return address;
  const width = run.stages.find((stage) => stage.scope === line.scope)?.lines.find((one) => one.name === line.name)?.width;
  const parts = [width === 1 ? line.name : `${line.name}[${counted_index(run, line.scope, line.name, line.unit, count)}]`];
  if (run.steps > 1) parts.push(step_name(run, line.t, count, line.b));
  if (run.batch > 1) parts.push(`b = ${line.b + count}`);
  if (run.stages.length > 1) parts.push(line.scope);
  return parts.join(", ");
}

const inside = ({ mathml }) => mathml.replace(/^<math[^>]*>|<\/math>$/g, "");

/** The derivative of one number with respect to another. */
const slope = (of, by) => `<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true"><mfrac>${[of, by].map((one) => `<mrow><mo lspace="0" rspace="0">∂</mo>${inside(one.symbol)}</mrow>`).join("")}</mfrac></math>`;

/** Numbers that belong to this one, as links with their values; those of one symbol also with their step and sequence. */
function Links({ title, list, left_out, pick, said, none, id }) {
  const times = list.reduce((all, { symbol: { text } }) => all.set(text, (all.get(text) ?? 0) + 1), new Map());
  return html`<section aria-labelledby=${id} class="links">
    <h3 id=${id}>${title}</h3>
    ${list.length === 0
      ? html`<p class="quiet-text">${none}</p>`
      : html`<ul>${list.map((one) => html`<li key=${one.address}>
          <a href="#" data-address=${one.address} onClick=${(event) => { event.preventDefault(); pick(one.address); }}>
            <${Markup} text=${one.symbol.mathml} otherwise=${one.symbol.text} ready=${broken} /><span class="number">${minus(one.shown)}</span>
            ${times.get(one.symbol.text) > 1 && html`<span class="quiet-text where">${one.where}</span>`}
          </a></li>`)}</ul>`}
    ${left_out > 0 && html`<p class="quiet-text">${said("bench.left_out", { n: left_out })}</p>`}
  </section>`;
}

/** A formula; a click on one of its numbers that have an address leads there. Keys, and whoever hears the page, have the
 *  links of the list below: what has the role of mathematics has no links in it. */
function Formula({ formula, pick, label }) {
  const chosen = (event) => {
    const number = event.target.closest("[data-address]");
    if (number) pick(number.dataset.address);
  };
  return formula && html`<span class="formula" role="group" aria-label=${label} onClick=${chosen}><${Markup} key=${label} text=${formula.mathml} otherwise=${formula.text} ready=${broken} /></span>`;
}

/** How a number is computed: its equation, with numbers down to its value, and with what only has an expression written out. */
function Chain({ at, pick, said }) {
  const row = (formula, label, relation) => html`<p class="numbers">
    <${Markup} text=${at.symbol.mathml} otherwise=${at.symbol.text} />
    <span class="relation">=</span> <${Formula} formula=${formula} pick=${pick} label=${said(label)} />
    <span class="result"> <span class="relation">${relation}</span> <b class="number">${minus(at.shown)}</b></span></p>`;
  return html`<h3>${said("bench.equation")}</h3>
    <div class="chain" id="chain">
      <${Formula} formula=${at.equation} pick=${pick} label=${said("bench.equation")} />
      ${at.substituted && row(at.substituted, "bench.substituted", at.relation)}
      ${at.written_out && row(at.written_out, "bench.written_out", at.written_out_relation)}
    </div>`;
}

const VERDICTS = { verified: "✓", failed: "✗", inconclusive: "?", premise: "·" };

/** What it was before the last edit, and how far it is from the run that is pinned. */
function Compared({ at, older, pinned, said }) {
  const now = value_of(at.value);
  const was = older && value_of(older.value);
  const kept = pinned && value_of(pinned.value);
  return html`<div class="compared" aria-live="polite">
    ${was !== null && was !== undefined && !Object.is(was, now) && html`<p class="was" id="was"><span class="label">${said("bench.before")}</span>
      <span class="number">${full(was)}</span> → <span class="number">${full(now)}</span></p>`}
    ${kept !== null && kept !== undefined && html`<p class="kept" id="against-a"><span class="label">${said("bench.in_a")}</span>
      <span class="number">${full(kept)}</span> <span class="label">Δ</span> <span class="number" id="delta">${signed(now - kept, (gap) => rounded(gap, 6))}</span></p>`}
  </div>`;
}

export function NumberPanel({ session, state, count, said }) {
  const { run, address, of, before, pinned, visited, visit } = state;
  const where = (other) => (other && has(other, address) ? other : null);
  const aimed = (other) => ({ ...session.at_params(), of: other && has(other, of) ? of : undefined });
  const { data: at, error, retry } = useView(session, run, `at/${address}`, session.at_params());
  const { data: older } = useView(session, where(before), `at/${address}`, aimed(before));
  const { data: kept } = useView(session, where(pinned?.run), `at/${address}`, aimed(pinned?.run));
  const { data: target } = useView(session, run, of ? `at/${of}` : "", session.at_params());
  const [copied, setCopied] = useState("");
  const pick = (to) => session.select(to);
  const copy = () => navigator.clipboard?.writeText(address).then(() => setCopied(address), () => setCopied(""));
  const arrows = html`<div class="row-of">
    <button type="button" class="icon" disabled=${visit <= 0} onClick=${() => session.visit(-1)} aria-label=${said("bench.back")} title=${said("bench.back")}>←</button>
    <button type="button" class="icon" disabled=${visit >= visited.length - 1} onClick=${() => session.visit(1)} aria-label=${said("bench.forward_number")} title=${said("bench.forward_number")}>→</button>
  </div>`;
  if (!at) return html`<div class="head"><h2 id="number-title">${said("bench.number")}</h2>${arrows}</div><${Fault} error=${error} retry=${retry} said=${said} />`;
  const of_older = older?.address === at.address ? older : null;
  const of_kept = kept?.address === at.address ? kept : null;
  const gradient = at.gradient;
  return html`
    <div class="head"><h2 id="number-title">${said("bench.number")}</h2>${arrows}</div>
    <${Fault} error=${error} retry=${retry} said=${said} />
    <p class="value" data-address=${at.address}>
      <${Markup} text=${at.symbol.mathml} otherwise=${at.symbol.text} /> <span class="relation">=</span>
      <output class="number" id="value">${full(at.value)}</output>
    </p>
    <p class="facts">
      <span title=${said(`bench.verdict.${at.verified.verdict}`)} class=${`proof ${at.verified.verdict}`} id="verdict"><span aria-hidden="true">${VERDICTS[at.verified.verdict]}</span> ${said(`bench.verdict.${at.verified.verdict}.short`)}</span>
      ${!at.substituted && html`<span>${said("bench.shown", { value: minus(at.shown) })}</span>`}
      <span>${at.where}</span>
    </p>
    <${Compared} at=${at} older=${of_older} pinned=${of_kept} said=${said} />
    ${at.about && html`<p class="about" id="about"><${Prose} text=${at.about} /></p>`}
    ${at.equation && html`<${Chain} at=${at} pick=${pick} said=${said} />`}
    ${at.kind === "line" && html`<${Links} id="operands" title=${said("bench.operands")} list=${at.operands} left_out=${at.operands_left_out} pick=${pick} said=${said} none=${said("bench.no_operands")} />`}
    <${Links} id="readers" title=${said("bench.readers")} list=${at.readers} left_out=${at.readers_left_out} pick=${pick} said=${said} none=${said("bench.no_readers")} />
    ${at.kind === "line" && html`<${Hold} session=${session} run=${run} address=${at.address} held=${at.held} said=${said} />`}
    <section class="slope" aria-labelledby="slope">
      <h3 id="slope">${said("bench.gradient")}</h3>
      <p class="quiet-text">${said(of ? "bench.target_about" : "bench.no_target")}</p>
      ${of && html`<label class="field tall" for="target"><span class="label">${said("bench.target")}</span>
        <select id="target" value=${of} onChange=${(event) => session.aim(event.target.value)}>
          ${targets(run, of, state.b).map((one) => html`<option key=${one} value=${one} selected=${one === of}>${short_address(run, one, count)}</option>`)}
        </select></label>`}
      ${of && html`<p class="slope-is">${target?.address === of && (of === at.address || target.symbol.text !== at.symbol.text) ? html`<${Markup} text=${slope(target, at)} otherwise=${said("bench.gradient_is")} />` : html`<span>∂ (${short_address(run, of, count)}) / ∂ (${short_address(run, at.address, count)})</span>`} <span class="relation">=</span> <output class="number" id="gradient">${gradient ? full(gradient.value) : "—"}</output></p>`}
      ${gradient && Number.isFinite(value_of(gradient.value)) && html`<p class="quiet-text">${said("bench.gradient_means", { of: short_address(run, gradient.of, count), change: full(Number((0.01 * value_of(gradient.value)).toPrecision(2))) })}</p>`}
      ${at.kind === "line" && at.address !== of && html`<button type="button" id="make-target" onClick=${() => session.aim(at.address)}>${said("bench.make_target")}</button>`}
    </section>
    <p class="copy"><code>${at.address}</code> <button title=${said("bench.copy_about")} type="button" class="quiet" id="copy-address" onClick=${copy}>${copied === address ? said("bench.copied") : said("bench.copy")}</button></p>`;
}
