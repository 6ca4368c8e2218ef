import { html } from "../vendor/standalone.module.js";
import { get, href } from "../api.js";
import { Fault } from "../parts.js";
import { counted_index, line_address } from "../shared/addresses.js";
import { Drawn, Kinds } from "../shared/drawn.js";
import { useLoaded } from "../shared/loaded.js";
import { useSaving } from "../shared/saving.js";
import { worded } from "../words.js";

// Two runs in pictures: where all of their lines differ, unit by step, and how their weights do.

/**
 * @param {{a: object, b: object, at: object | null, choose: (address: string) => void}} props
 *   at: the parts of the address of the chosen value; choose: another one was chosen
 */
export function Pictures({ a, b, params, set, at, row, choose, settings, choices, first, said }) {
  const { kinds = [], formats = [] } = choices.plots ?? {};
  const pairs = kinds.filter(({ two }) => two !== "never");
  const usual = a.steps === b.steps && a.batch === b.batch ? "diff" : "";
  const chosen = params.plot ?? usual;
  const kind = pairs.find((one) => one.kind === chosen);
  const { language, notation, count_from } = settings;
  const query = kind && { a: a.id, b: b.id, batch: kind.options.includes("batch") && a.batch > 1 ? row : undefined, language, notation, count_from };
  const { value, error, loading } = useLoaded(query ? JSON.stringify([kind.kind, query]) : null, (signal) => get(`/diffs/plot/${kind.kind}`, query, { signal }));
  const { load, shown: saving } = useSaving(said);
  const name = (one) => worded(said, one === "weights" ? "compare.plot.weights" : `bench.plot.${one}`, one);
  const url = (format) => href(`/diffs/plot/${kind.kind}`, { ...query, format });
  const tell = ({ whole, weight, indices, scope, name: line, unit, t }) => {
    if (whole) return name(chosen);
    if (weight) return `${weight}[${indices.map((k) => k + first)}]`;
    return `${a.stages.length > 1 ? `${scope}/` : ""}${line}: ${said("compare.step_unit", { t: t + first, unit: counted_index(a, scope, line, unit, first) })}`;
  };
  const pick = ({ scope, name: line, unit, t }) => line && choose(line_address(a, scope, t, row, line, unit));
  return html`<section class="panel pictures" id="compare-pictures" aria-labelledby="compare-pictures-title">
    <h2 id="compare-pictures-title">${said("bench.pictures")}</h2>
    <${Kinds} kinds=${pairs.map((one) => one.kind)} chosen=${chosen} choose=${(plot) => set({ plot: plot || "none" })} name=${name} said=${said} />
    <${Fault} error=${error} said=${said} />
    ${kind && loading && !value && html`<p class="waiting">${said("shell.loading")}</p>`}
    ${kind && value && !error && html`<${Drawn} svg=${value} here=${at ?? {}} choose=${pick} tell=${tell} language=${language} busy=${loading} said=${said} />
      <p class="row-of saves"><span class="label">${said("bench.picture_save")}</span>${formats.map((format) => html`<a key=${format} id=${`save-${format}-of-two`} href=${url(format)} download onClick=${(event) => load(event, async () => url(format), `${name(chosen)}, ${format.toUpperCase()}`)}>${format === "json" ? "Vega-Lite" : format.toUpperCase()}</a>`)}</p>
      ${saving}`}
  </section>`;
}
