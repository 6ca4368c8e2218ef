import { html, useEffect } from "../vendor/standalone.module.js";
import { get, post } from "../api.js";
import { Choice, Fault, Progress } from "../parts.js";
import { parsed } from "../reading.js";
import { address_of, line_address, line_of } from "../shared/addresses.js";
import { useLoaded } from "../shared/loaded.js";
import { value_of } from "../shared/numbers.js";
import { Chosen } from "./attribution.js";
import { Lines } from "./lines.js";
import { DifferenceMap } from "./map/map.js";
import { Pictures } from "./pictures.js";
import { Tolerance, Verdict } from "./verdict.js";

// Two runs side by side: verdict, map, chosen value, table by line.

/** A line by its place, whether an address names it or the server does. */
const place = ({ scope, line, name = line }) => `${scope}/${name}`;

/** What can be done about an error, as the end of a key of the words. */
function hint({ status, type = "" }) {
  if (type.endsWith("/too-long")) return "long";
  return status === 422 ? "incomparable" : "again";
}

/** The value that is looked at: of the address of the page, else the first that differs, else the furthest. */
function chosenOf(params, found, run) {
  for (const address of [params.at, found.first?.address]) {
    const at = line_of(run, address);
    if (at && found.lines.some((line) => place(line) === place(at))) return line_address(run, at.scope, at.t, at.b, at.name, at.unit);
  }
  const furthest = found.lines.reduce((best, line) => (!best || value_of(line.largest) > value_of(best.largest) || best.t === null ? line : best), null);
  return furthest && furthest.t !== null ? address_of(run, furthest) : "";
}

/** The line of the map: of the address of the page, else that of the chosen value, else the output of the last layer. */
function lineOf(params, found, at, run) {
  const listed = (text) => found.lines.find((line) => place(line) === text);
  const of_value = line_of(run, at), last = run.stages.at(-1), output = `${last.scope}/${last.output}`;
  return listed(params.line) ?? (of_value && listed(place(of_value))) ?? listed(output) ?? found.lines.at(-1);
}

function MapPanel({ a, b, lines, shown, params, at, batch, set, first, said }) {
  const row = Math.min(Number(params.batch) || 0, batch - 1);
  const chosen = line_of(a, at);
  const query = { a: a.id, b: b.id, line: shown.line, layer: shown.scope.split("/")[0], direction: shown.scope.split("/")[1], batch: row };
  const { value: map, error, loading } = useLoaded(JSON.stringify(query), (signal) => get("/diffs/map", query, { signal }));
  const here = map && chosen && place(chosen) === `${map.scope}/${map.line}` && chosen.b === row;
  const cell = here ? { step: map.steps.indexOf(chosen.t), unit: chosen.unit } : null;
  const scale = params.scale === "linear" ? "linear" : "log";
  const choose = ({ step, unit }) => set({ at: address_of(a, { ...map, t: map.steps[step], b: row, unit }), line: `${map.scope}/${map.line}`, batch: row || "" });
  return html`<section class="panel map-panel" aria-labelledby="map" aria-busy=${loading}>
    <div class="head">
      <h2 id="map">${said("compare.map.title")}</h2>
      <div class="row-of">
        <${Choice} id="map-line" label=${said("compare.line")} value=${place(shown)} options=${lines.map((line) => [place(line), place(line)])} onChange=${(line) => set({ line })} />
        ${batch > 1 && html`<${Choice} id="map-batch" label=${said("compare.batch")} value=${String(row)}
          options=${Array.from({ length: batch }, (_, k) => [String(k), String(k + first)])} onChange=${(to) => set({ batch: to === "0" ? "" : to })} />`}
        <${Choice} id="map-scale" label=${said("compare.scale")} value=${scale} options=${["log", "linear"].map((kind) => [kind, said(`compare.scale.${kind}`)])}
          onChange=${(to) => set({ scale: to === "log" ? "" : to })} />
      </div>
    </div>
    <${Fault} error=${error} said=${said} />
    ${map && !error && html`<${DifferenceMap} map=${map} scale=${scale} chosen=${cell?.step >= 0 ? cell : null} choose=${choose} run=${a} first=${first} said=${said} />`}
    ${!map && loading && html`<p class="waiting map-waiting">${said("shell.loading")}</p>`}
  </section>`;
}

/**
 * @param {{a: object, b: object, params: object, set: (change: object) => void, link: (at: string, id: string) => any, lost: () => void}} props
 *   a, b: runs; set: changes parameters of the page's address; link: opens the bench at a value; lost: a run is gone
 */
export function Comparison({ a, b, params, set, link, lost, first, settings, choices, said }) {
  const tolerance = { rtol: params.rtol ?? "", atol: params.atol ?? "", ulps: params.ulps ?? "" };
  const given = Object.fromEntries(Object.entries(tolerance).filter(([, text]) => text !== "").map(([key, text]) => [key, parsed(text)]));
  const body = { a: a.id, b: b.id, language: said.language, ...given };
  const { value: found, error, loading } = useLoaded(JSON.stringify(body), (signal) => post("/diffs", body, { signal }));
  useEffect(() => { if (error?.status === 410) lost(); }, [error]);
  const form = html`<${Tolerance} values=${tolerance} change=${set} said=${said} />`;
  if (error) {
    return html`${form}<${Fault} error=${error} said=${said} />
      <p>${said(`compare.hint.${hint(error)}`)}</p>`;
  }
  if (!found) return html`${form}${loading && html`<${Progress} label=${said("compare.comparing")} progress=${null} said=${said} />`}`;
  const at = chosenOf(params, found, a);
  const shown = lineOf(params, found, at, a);
  const begins = line_of(a, found.first?.address);
  const choose = (to) => set({ at: to, line: place(line_of(a, to)), batch: line_of(a, to).b || "" });
  const show = () => { choose(found.first.address); document.getElementById("map")?.scrollIntoView({ block: "nearest" }); };
  return html`<div class="comparison" aria-busy=${loading}>
    ${form}
    <${Verdict} found=${found} link=${found.first && link(found.first.address, "open-first")} choose=${show} said=${said} />
    ${shown && html`<div class="compare-parts">
      <div class="compare-main">
        <${MapPanel} a=${a} b=${b} lines=${found.lines} shown=${shown} params=${params} at=${at} batch=${Math.min(a.batch, b.batch)} set=${set} first=${first} said=${said} />
        ${at ? html`<${Chosen} a=${a} b=${b} at=${at} link=${link(at, "open-chosen")} said=${said} />` : html`<p class="panel quiet-text">${said("compare.choose_value")}</p>`}
        <${Pictures} a=${a} b=${b} params=${params} set=${set} at=${line_of(a, at)} row=${Math.min(Number(params.batch) || 0, Math.min(a.batch, b.batch) - 1)} choose=${choose} settings=${settings} choices=${choices} first=${first} said=${said} />
      </div>
      <${Lines} run=${a} lines=${found.lines} shown=${shown} begins=${begins ? place(begins) : ""} choose=${choose} show=${(line) => set({ line: place(line) })} first=${first} said=${said} />
    </div>`}
  </div>`;
}
