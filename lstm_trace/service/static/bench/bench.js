import { html, useEffect, useMemo, useState } from "../vendor/standalone.module.js";
import { columns_of } from "../shared/addresses.js";
import { benchRuns } from "../shared/bench_runs.js";
import { Fault, memo } from "../parts.js";
import { arithmeticName, cellName, worded } from "../words.js";
import { Equations } from "./equations/equations.js";
import { FirstVisit } from "./first_visit.js";
import { notation_of } from "./local/picture.js";
import { Givens } from "./given/givens.js";
import { by_touch, useMenus, useSession, useSome, useView } from "./hooks.js";
import { useItemTitle } from "./item_title.js";
import { useNotation } from "./notation.js";
import { NumberBar } from "./number/bar.js";
import { NumberPanel } from "./number/panel.js";
import { has_step } from "./state/places.js";
import { Pictures } from "./pictures/pictures.js";
import { Changed } from "./step/changed.js";
import { InWords } from "./step/in_words.js";
import { Picture } from "./step/picture.js";
import { Steps } from "./step/steps.js";
import { by_name, StepTable } from "./step/table.js";
import { Toolbar } from "./toolbar.js";

// large parts of the page, drawn again when what they show has changed and not at each step of a run on its way
const MemoPicture = memo(Picture);
const MemoTable = memo(StepTable);
const MemoNumber = memo(NumberPanel);
const MemoBar = memo(NumberBar);
const MemoPictures = memo(Pictures);

const NARROW = 2; // numbers in a row up to which the sentences of a step find room beside its table

/** Undo and redo by keys, outside of fields that undo their own text. */
function useUndo(session, active) {
  useEffect(() => {
    if (!active) return undefined;
    const pressed = (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.closest?.("input[type=text], input[type=number], textarea")) return;
      const key = event.key.toLowerCase();
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      session.undo(key === "y" || event.shiftKey ? 1 : -1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [active]);
}

function Summary({ run, said }) {
  const input = run.premises.find((one) => one.kind === "input");
  const [first] = run.stages;
  const facts = [
    cellName(said, run.cell.kind, run.cell.title),
    said("bench.steps_n", { n: run.steps }),
    input && said("bench.inputs_n", { n: input.shape.at(-1) }),
    first.units > 0 && said("bench.units_n", { n: first.units }),
    run.batch > 1 && said("bench.rows_n", { n: run.batch }),
    run.arithmetic && arithmeticName(said, run.arithmetic),
  ];
  return html`<p class="summary quiet-text">${facts.filter(Boolean).join(" · ")}</p>`;
}

/** Offers the runs on the bench to the comparison; the server makes those that it does not have. */
async function offered(session, runs) {
  for (const [name, run] of Object.entries(runs)) {
    const kept = run && (await session.runs.on_server(run).catch(() => null));
    benchRuns[name] = kept ? { id: kept.id, title: run.title } : null;
  }
}

/** One cell: its givens, its picture at a step, and the number that is looked at. */
export function Bench({ params, go, settings: wanted, choices, said, active = true, tell, alone = false }) {
  const [session, state] = useSession({ params, settings: wanted, go, active });
  const [large, setLarge] = useState(false);
  const [wide, setWide] = useState(false); // whether the picture has a row of its own
  useMenus();
  useUndo(session, active);
  const { run, before, pinned, scope, fault } = state;
  const notation = run ? notation_of(run, wanted.notation) : wanted.notation;
  const settings = useMemo(() => ({ ...wanted, notation }), [wanted, notation]);
  const named = useNotation(session, run, settings);
  const item_title = useItemTitle(state.source);
  useEffect(() => tell?.(run?.arithmetic ?? ""), [run?.arithmetic]);
  useEffect(() => { if (!active) offered(session, { present: run, pinned: pinned?.run }); }, [run, pinned, active]);
  const stage = run?.stages.find((one) => one.scope === scope) ?? run?.stages[0];
  const view = useView(session, run, "step", session.step_params());
  const there = (other) => (other && has_step(other, state) ? other : null);
  const view_before = useView(session, there(before), "step", session.step_params());
  const view_pinned = useView(session, there(pinned?.run), "step", session.step_params());
  // numbers and their addresses belong together: both are those of the step that has arrived, not of the one asked for
  const at = useMemo(() => (view.data ? { run: view.run, t: view.data.t, b: view.data.b } : { run, t: state.t, b: state.b }), [view.data, view.run, run, state.t, state.b]);
  const seen = view.run?.stages.find((one) => one.scope === view.data.scope) ?? stage;
  const values = useMemo(() => by_name(view.data, seen), [view.data, seen]);
  // of another step nothing is compared while its numbers are on the way
  const beside = ({ data }, other) => (data && view.data && data.t === view.data.t && data.b === view.data.b && data.scope === view.data.scope ? by_name(data, other?.stages.find((one) => one.scope === data.scope)) : null);
  const values_before = useMemo(() => beside(view_before, before), [view_before.data, view.data]);
  const values_pinned = useMemo(() => (pinned ? beside(view_pinned, pinned.run) : null), [view_pinned.data, view.data, pinned]);
  const pick = useMemo(() => (address) => session.select(address), [session]);
  const pictured = useSome(state, ["drawn", "address", "unit", "commit", "scope"]);
  const tabled = useSome(state, ["address", "commit"]);
  const numbered = useSome(state, ["run", "address", "b", "of", "before", "pinned", "visited", "visit", "index"]);
  const plotted = useSome(state, ["run", "t", "b", "scope", "unit", "address", "plot", "options"]);
  const premises = useMemo(() => named.premises(state.premises), [named, state.premises]);
  const symbols = useMemo(() => named.stage(seen), [named, seen]);
  const toolbar = html`<${Toolbar} session=${session} state=${state} title=${item_title || run?.title || ""} settings=${settings} choices=${choices} go=${go} alone=${alone} said=${said} />`;
  if (!run) return html`${toolbar}${fault ? null : html`<p class="waiting">${said("shell.loading")}</p>`}`;
  const count = settings.count_from === "" ? run.count_from : Number(settings.count_from);
  const shared = { session, state, said };
  const widest = Math.max(...[...values].map(([name, line]) => columns_of(at.run, seen.scope, name) ?? line.size), 1);
  const marks = { values, before: values_before, pinned: values_pinned };
  return html`
    ${toolbar}
    <div class="title"><h1>${item_title || run.title || said("bench.untitled")}${state.entries[state.index].equations && html` <span class="tag">${said("bench.equations")}: ${said("bench.changed_equations")}</span>`}</h1><${Summary} run=${run} said=${said} /></div>
    ${notation !== wanted.notation && html`<p class="quiet-text" id="other-notation" role="status">${said("bench.other_notation", { wanted: worded(said, `shell.notation.${wanted.notation}`, wanted.notation), shown: said("shell.notation.exercise") })}</p>`}
    <${FirstVisit} run=${run} pick=${pick} said=${said} />
    <div class=${`bench${wide ? " wide" : ""}`}>
      <section class="panel givens" aria-labelledby="givens-title"><${Givens} ...${shared} state=${{ ...state, premises }} count=${count} /></section>
      <section class="panel cell-panel" aria-labelledby="picture-title">
        <div class="head"><h2 id="picture-title">${said("bench.picture")}</h2>
          <span class="row-of"><${Changed} run=${run} before=${before} pick=${pick} said=${said} />
          <button type="button" class="quiet" id="full-size" aria-pressed=${large} onClick=${() => setLarge(!large)}>${said("bench.full_size")}</button></span></div>
        <${Steps} session=${session} state=${state} stage=${stage} count=${count} active=${active} padding=${view.data?.inputs?.valid?.[0] === 0} said=${said} />
        <${Fault} error=${view.error} retry=${view.retry} said=${said} />
        ${(view.data || !view.error) && html`<${MemoPicture} session=${session} state=${pictured} settings=${settings} said=${said} at=${at} stage=${seen} step=${view.data} ...${marks} pick=${pick} large=${large} count=${count} set_wide=${setWide} />`}
        <p class="quiet-text hint">${said(by_touch() ? "bench.hint.touch" : "bench.hint")}</p>
      </section>
      <div class=${`middle${widest <= NARROW && !alone ? " narrow" : ""}`}>
        ${!alone && html`<${InWords} session=${session} run=${run} step=${view.data} params=${session.step_params()} language=${settings.language} said=${said} />`}
        <section class="panel table-panel" aria-labelledby="table-title">
          <h2 id="table-title">${said("bench.table")}</h2>
          <${MemoTable} state=${tabled} at=${at} stage=${seen} named=${symbols} step=${view.data} ...${marks} count=${count} pick=${pick} said=${said} />
        </section>
        ${choices.plots && html`<${MemoPictures} session=${session} state=${plotted} settings=${settings} choices=${choices} count=${count} said=${said} />`}
        <${Equations} key=${state.source} session=${session} state=${state} stage=${stage} said=${said} />
      </div>
      <aside class="panel number-panel" aria-labelledby="number-title"><${MemoNumber} session=${session} state=${numbered} settings=${settings} said=${said} count=${count} /></aside>
    </div>
    <${MemoBar} session=${session} state=${numbered} settings=${settings} said=${said} />`;
}
