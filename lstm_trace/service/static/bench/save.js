import { html, useEffect, useRef, useState } from "../vendor/standalone.module.js";
import { post } from "../api.js";
import { Fault } from "../parts.js";
import { written } from "../route.js";
import { tagsOf } from "../shared/describe.js";

// A run that is put into the library.

export function Save({ session, run, settings, said }) {
  const [title, setTitle] = useState(run.title);
  const [tags, setTags] = useState("");
  const [answer, setAnswer] = useState({});
  const shown = useRef(run);
  shown.current = run;
  useEffect(() => { setTitle(run.title); setAnswer({}); }, [run]);
  const save = async (event) => {
    event.preventDefault();
    setAnswer({ busy: true });
    const kept = ({ id }) => post("/library/runs", { run: id, title, tags: tagsOf(tags) });
    const found = await session.runs.on_server(run).then(kept).then((item) => ({ item }), (error) => ({ error }));
    if (shown.current === run) setAnswer(found); // else it is the answer for another run than the one beside it
  };
  return html`<details class="menu" id="save"><summary class="button">${said("bench.save")}</summary>
    <form class="sheet" onSubmit=${save}>
      <label class="field tall" for="save-title"><span class="label">${said("bench.save.title")}</span><input id="save-title" type="text" value=${title} onInput=${(event) => setTitle(event.target.value)} /></label>
      <label class="field tall" for="save-tags"><span class="label">${said("bench.save.tags")}</span><input id="save-tags" type="text" value=${tags} onInput=${(event) => setTags(event.target.value)} /></label>
      <button type="submit" class="main" disabled=${answer.busy}>${said("bench.save.do")}</button>
      <${Fault} error=${answer.error} said=${said} />
      ${answer.item && html`<p class="good" role="status">${said(answer.item.new ? "bench.save.done" : "bench.save.there")} <a href=${written("library", {}, settings)}>${said("shell.library")}</a></p>`}
    </form></details>`;
}
