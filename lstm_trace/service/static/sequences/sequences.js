import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { get } from "../api.js";
import { Fault } from "../parts.js";
import { written } from "../route.js";
import { useLoaded } from "../shared/loaded.js";
import { Active } from "./active.js";
import { Chooser } from "./chooser.js";
import { Matches, Top } from "./contexts.js";
import { SequenceList, usePage } from "./list.js";
import { Start } from "./start.js";
import { TextPanel } from "./text.js";
import { Units } from "./units.js";

// Text of a corpus coloured by a unit. The address holds what is looked at: states, unit, sequence, a step (at), the
// span that was brushed, the level (above or below) with strict, the units that are matched and the least length of a match,
// whether all units are shown (table, sort), and which contexts (end).

const USUAL = 0.3; // the level, as in LSTMVis

/** A unit as its line and number; null for what is none. */
const parted = (unit = "") => /^(.+)\[(\d+)\]$/.exec(unit);

/** What is matched, `c_t[3,5]`: the line and the numbers of the units; null for nothing. */
function matchOf(text = "") {
  const [, line, units] = /^(.+)\[(\d+(?:,\d+)*)\]$/.exec(text) ?? [];
  return line === undefined ? null : { line, units: units.split(",").map(Number) };
}

/** The line and the number of the unit that is looked at: of the address, else the first. */
function unitOf(params, lines) {
  const [, name, number] = parted(params.unit) ?? [];
  const line = lines.find((one) => one.line === name) ?? lines[0];
  return { line, number: line.line === name ? Math.min(Number(number), line.width - 1) : 0 };
}

/** The first and the last step of a span `3..7`; null for none. */
function spanOf(text = "") {
  const [, first, last] = /^(-?\d{1,10})\.\.(-?\d{1,10})$/.exec(text) ?? [];
  return first === undefined ? null : [Math.min(first, last), Math.max(first, last)];
}

/** From where on a unit is active: `above` or `below` a value. */
function levelOf(params) {
  const side = params.below ? "below" : "above", value = Number(params[side]);
  return { side, value: params[side] && Number.isFinite(value) ? value : side === "below" ? -USUAL : USUAL };
}

function Corpus({ states, listed, params, set, settings, said }) {
  const { line, number } = unitOf(params, states.lines);
  const unit = `${line.line}[${number}]`;
  useEffect(() => { if (params.unit && params.unit !== unit) set({ unit }); }, [params.unit, unit]); // one that is not there
  const page = usePage(states, Number(params.offset) || 0);
  const sequence = params.sequence ?? page.value?.sequences[0]?.id;
  const span = spanOf(params.span);
  const level = levelOf(params);
  const match = matchOf(params.match);
  const link = (change) => written("sequences", { ...params, states: states.name, unit, ...change }, settings);
  const show = (to) => set({ unit: to });
  const shared = { states, unit, said };
  return html`<div class="corpus">
    <div class="corpus-choice panel"><${Chooser} listed=${listed} line=${line} number=${number} set=${set} show=${show} ...${shared} /></div>
    <${Units} line=${line} open=${params.table === "1"} sort=${params.sort} set=${set} ...${shared} />
    <div class="corpus-text">
      ${sequence !== undefined && html`<${TextPanel} sequence=${sequence} page=${page.value} at=${params.at || span?.[0]} span=${span} set=${set} ...${shared} />`}
      ${sequence !== undefined && span && html`<${Active} sequence=${sequence} line=${line} span=${span} level=${level} strict=${params.strict === "1"} set=${set} ...${shared} />`}
      ${match && html`<${Matches} match=${match} here=${{ sequence, span }} level=${level} length=${Number(params.length) || 1} link=${link} set=${set} ...${shared} />`}
      <div class="corpus-list panel"><${SequenceList} page=${page} chosen=${sequence} link=${link} set=${set} ...${shared} /></div>
    </div>
    <div class="corpus-top"><${Top} lowest=${params.end === "lowest"} link=${link} set=${set} ...${shared} /></div>
  </div>`;
}

export function Sequences({ params, go, settings, said }) {
  const [attempt, setAttempt] = useState(0);
  const { value: listed, error, loading } = useLoaded(`states ${attempt}`, (signal) => get("/states", {}, { signal }));
  const set = (change, options = { replace: true }) => go("sequences", { ...params, ...change }, options);
  const readable = (listed ?? []).filter((one) => !one.problem && one.sequences > 0);
  const states = readable.find((one) => one.name === params.states) ?? readable[0];
  const unknown = listed && params.states && states && states.name !== params.states;
  return html`<h1 class="unseen">${said("sequences.title")}</h1>
    <${Fault} error=${error} retry=${() => setAttempt(attempt + 1)} said=${said} />
    ${(listed ?? []).filter((one) => one.problem).map((one) => html`<${Fault} key=${one.name} error=${{ detail: one.problem }} said=${said} />`)}
    ${unknown && html`<${Fault} id="no-such-states" error=${{ title: said("sequences.no_states", { name: params.states, shown: states.name }) }} close=${() => set({ states: "" })} said=${said} />`}
    ${!listed && loading && html`<p class="waiting">${said("shell.loading")}</p>`}
    ${listed && !states && html`<${Start} some=${listed.some((one) => !one.problem)} said=${said} />`}
    ${states && html`<${Corpus} key=${states.name} states=${states} listed=${readable} params=${params} set=${set} settings=${settings} said=${said} />`}`;
}
