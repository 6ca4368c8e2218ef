import { html, useEffect, useState } from "../vendor/standalone.module.js";
import { file, href, part } from "../api.js";
import { Fault, Progress } from "../parts.js";

// What can be taken away: the problem, its report in each format, its values, and a program that gives them again.

/** What each group of files has, in its order; what the server offers beside these comes last, as `other`. */
const FILES = {
  problem: ["problem.yaml"],
  report: ["report.html", "report.pdf", "report.md", "report.txt", "report.tex", "report.typ", "report.ipynb"],
  values: ["values.csv", "values.xlsx", "values.parquet", "trace.json", "trace.safetensors"],
  program: ["run.py"],
};

/** Files whose numbers `digits` would round for good, where elsewhere they are only shown so. */
const IN_FULL = ["values.csv"];

/** @param {{run: object, title: string}} props title: that stands above the bench, until another is typed here */
export function Downloads({ run, title: usual, settings, choices, said }) {
  const [state, setState] = useState({});
  const [typed, setTyped] = useState(null);
  const title = typed ?? usual;
  useEffect(() => setTyped(null), [usual]);
  const formats = choices.formats ?? [];
  const offered = formats.map((one) => one.file);
  // the settings of the page, as far as the server says that the file reads them
  const query = (name) => {
    const read = formats.find((one) => one.file === name)?.options ?? [];
    const sent = ["language", "notation", "digits", "count_from"].filter((option) => read.includes(option) && !(option === "digits" && IN_FULL.includes(name)));
    const headed = read.includes("title") && title.trim() && title !== run.title ? { title: title.trim() } : {};
    return { ...Object.fromEntries(sent.map((option) => [option, settings[option]])), ...headed };
  };
  const load = async (event, name) => {
    event.preventDefault();
    const stop = new AbortController();
    setState({ name, stop, progress: null });
    try {
      const { blob, label } = await file(href(`/runs/${part(run.id)}/download/${part(name)}`, query(name)), { signal: stop.signal, onProgress: (progress) => setState({ name, stop, progress }) });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = label || name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a minute: browsers read it after the click returns
      setState({});
    } catch (error) {
      setState(stop.signal.aborted ? {} : { error, name });
    }
  };
  const shown = (names) => names.filter((name) => offered.length === 0 || offered.includes(name));
  const others = offered.filter((name) => !Object.values(FILES).flat().includes(name));
  const groups = [...Object.entries(FILES).map(([group, names]) => [group, shown(names)]), ["other", others]].filter(([, names]) => names.length);
  return html`<details class="menu" id="downloads"><summary class="button">${said("bench.downloads")}</summary>
    <div class="sheet">
      <label class="field tall" for="download-title"><span class="label">${said("bench.download.title")}</span><input id="download-title" type="text" value=${title} onInput=${(event) => setTyped(event.target.value)} /></label>
      ${groups.map(([group, names]) => html`<div key=${group} class="files"><span class="label">${said(`bench.download.${group}`)}</span>
        <span class="row-of">${names.map((name) => html`<a key=${name} id=${`download-${name.replace(".", "-")}`} href=${href(`/runs/${part(run.id)}/download/${part(name)}`, query(name))} download onClick=${(event) => load(event, name)}>${name}</a>`)}</span></div>`)}
      ${state.stop && html`<${Progress} label=${said("bench.preparing", { name: state.name })} progress=${state.progress} cancel=${() => state.stop.abort()} said=${said} />`}
      <${Fault} error=${state.error} said=${said} close=${() => setState({})} />
    </div></details>`;
}
