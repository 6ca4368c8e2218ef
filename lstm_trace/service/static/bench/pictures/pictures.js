import { html, useMemo } from "../../vendor/standalone.module.js";
import { href, part } from "../../api.js";
import { Fault } from "../../parts.js";
import { line_address, line_of } from "../../shared/addresses.js";
import { Drawn, Kinds } from "../../shared/drawn.js";
import { useSettled } from "../../shared/loaded.js";
import { useSaving } from "../../shared/saving.js";
import { worded } from "../../words.js";
import { useView } from "../hooks.js";
import { spoken } from "../spoken.js";
import { step_name } from "../state/labels.js";
import { asked } from "./asked.js";
import { Options } from "./options.js";

// Pictures of the whole run, each of what is looked at: its unit, its value, its layer. Their places lead on.

/** The address at a place of a picture: of a line at a step, or of a weight; null where it is a step alone. */
function address_at({ t, scope, name, unit, weight, indices }, { run, t: now, b }) {
  if (weight) return `${weight}[${indices}]`;
  return name === undefined ? null : line_address(run, scope, t ?? now, b, name, unit);
}

export function Pictures({ session, state, settings, choices, count, said }) {
  const { run, t, b, scope, unit, plot, options, address } = state;
  const { kinds = [], formats = [] } = choices.plots ?? {};
  const single = kinds.filter(({ two }) => two !== "must be");
  const kind = single.find((one) => one.kind === plot);
  const query = kind ? asked(kind, state, settings) : null;
  const text = JSON.stringify(query);
  // while a number is dragged, or steps are played, it is drawn once they rest
  const wanted = useSettled(useMemo(() => ({ run, query, path: query && `plot/${kind.kind}` }), [run, kind?.kind, text]));
  const { data, error, retry } = useView(session, wanted.run, wanted.path, wanted.query);
  const { load, shown: saving } = useSaving(said);
  const name = (one) => worded(said, `bench.plot.${one}`, one);
  const busy = Boolean(wanted.path) && !error && session.runs.ready(wanted.run, wanted.path, wanted.query) === undefined;
  const tell = (place) => {
    if (place.whole) return name(plot);
    const at = address_at(place, state);
    return at ? spoken(run, at, { count, said }) : step_name(run, Math.min(place.t, run.first + run.steps - 1), count, b);
  };
  const choose = (place) => {
    const at = address_at(place, state);
    if (at) session.select(at);
    else session.look({ t: place.t });
  };
  const url = (id, format) => href(`/runs/${part(id)}/plot/${kind.kind}`, { ...query, format });
  const wanted_file = (format) => async () => url((await session.runs.on_server(run)).id, format);
  const here = { t, scope: line_of(run, address)?.scope ?? scope, unit };
  return html`<section class="panel pictures" id="pictures" aria-labelledby="pictures-title">
    <h2 id="pictures-title">${said("bench.pictures")}</h2>
    <p class="quiet-text hint">${said("bench.pictures_about")}</p>
    <${Kinds} kinds=${single.map((one) => one.kind)} chosen=${plot} choose=${(to) => session.draw({ plot: to })} name=${name} said=${said} />
    ${kind && html`<${Options} kind=${kind} run=${run} scope=${scope} options=${options} choose=${(change) => session.draw({ options: { ...options, ...change } })} count=${count} said=${said} />`}
    ${kind && !query && html`<p class="quiet-text">${said("bench.no_target")}</p>`}
    ${kind && html`<${Fault} error=${error} retry=${retry} said=${said} />`}
    ${kind && busy && !data && html`<p class="waiting">${said("shell.loading")}</p>`}
    ${kind && data && !error && html`<${Drawn} svg=${data} here=${here} choose=${choose} tell=${tell} language=${settings.language} busy=${busy} said=${said} />
      <p class="row-of saves"><span class="label">${said("bench.picture_save")}</span>${formats.map((format) => html`<a key=${format} id=${`save-${format}`} href=${url(run.id, format)} download onClick=${(event) => load(event, wanted_file(format), `${name(plot)}, ${format.toUpperCase()}`)}>${format === "json" ? "Vega-Lite" : format.toUpperCase()}</a>`)}</p>
      ${saving}`}
  </section>`;
}
