import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { href, part } from "../api.js";
import { useSaving } from "../shared/saving.js";

// What can be taken away: the problem, its report in each format, its values, and a program that gives them again.

/** What each group of files has, in its order; what the server offers beside these comes last, as `other`. */
const FILES = {
  problem: ["problem.yaml"],
  report: ["report.html", "report.pdf", "report.md", "report.txt", "report.tex", "report.typ", "report.ipynb"],
  values: ["trace.json", "trace.safetensors"],
  program: ["run.py"],
};

/** Whether `digits` would round the numbers of a file for good, where elsewhere they are only shown so. */
const isInFull = (name) => isTable(name) && !name.endsWith(".xlsx");

/** Whether it is one of the tables; the server has a list of their formats. */
const isTable = (name) => name.startsWith("values.");

/** @param {{session: object, run: object, title: string}} props title: that stands above the bench, until another is typed here */
export function Downloads({ session, run, title: usual, settings, choices, said }) {
  const [typed, setTyped] = useState(null);
  const title = typed ?? usual;
  useEffect(() => setTyped(null), [usual]);
  const formats = choices.formats ?? [];
  const offered = formats.map((one) => one.file);
  // the settings of the page, as far as the server says that the file reads them
  const query = (name) => {
    const read = formats.find((one) => one.file === name)?.options ?? [];
    const sent = ["language", "notation", "digits", "count_from"].filter((option) => read.includes(option) && !(option === "digits" && isInFull(name)));
    const headed = read.includes("title") && title.trim() && title !== run.title ? { title: title.trim() } : {};
    return { ...Object.fromEntries(sent.map((option) => [option, settings[option]])), ...headed };
  };
  const url = (id, name) => href(`/runs/${part(id)}/download/${part(name)}`, query(name));
  const wanted = (name) => async () => session.runs.file(run, name, title) ?? url((await session.runs.on_server(run)).id, name);
  const on_sheet = formats.length === 0 || formats.some(({ options }) => options.includes("title"));
  const { load, shown: saving } = useSaving(said);
  const shown = (names) => names.filter((name) => offered.length === 0 || offered.includes(name));
  const files = { ...FILES, values: [...offered.filter(isTable), ...FILES.values] };
  const others = offered.filter((name) => !Object.values(files).flat().includes(name));
  const groups = [...Object.entries(files).map(([group, names]) => [group, shown(names)]), ["other", others]].filter(([, names]) => names.length);
  return html`<details class="menu" id="downloads"><summary class="button">${said("bench.downloads")}</summary>
    <div class="sheet">
      <label class="field tall" for="download-title"><span class="label">${said(on_sheet ? "bench.download.title" : "bench.save.title")}</span><input id="download-title" type="text" value=${title} onInput=${(event) => setTyped(event.target.value)} /></label>
      ${groups.map(([group, names]) => html`<div key=${group} class="files"><span class="label">${said(`bench.download.${group}`)}</span>
        <span class="row-of">${names.map((name) => html`<a key=${name} id=${`download-${name.replace(".", "-")}`} href=${url(run.id, name)} download onClick=${(event) => load(event, wanted(name), name)}>${name}</a>`)}</span></div>`)}
      ${saving}
    </div></details>`;
}
