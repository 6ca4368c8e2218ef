import { html, useState } from "../vendor/standalone.module.js";
import { file } from "../api.js";
import { Fault, Progress } from "../parts.js";

// Files of the server that are kept: a link that is followed by the page itself, since the file may take some time.

/**
 * `load(event, wanted, name)` saves a file; `shown` says how far it is, or why it is not there.
 * wanted: finds its address on the server, or the file itself, `{blob, label}`.
 */
export function useSaving(said) {
  const [state, setState] = useState({});
  const load = async (event, wanted, name) => {
    event.preventDefault();
    const stop = new AbortController();
    setState({ name, stop, progress: null });
    try {
      const found = await wanted();
      const { blob, label } = found.blob ? found : await file(found, { signal: stop.signal, onProgress: (progress) => setState({ name, stop, progress }) });
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
  const shown = html`${state.stop && html`<${Progress} label=${said("bench.preparing", { name: state.name })} progress=${state.progress} cancel=${() => state.stop.abort()} said=${said} />`}
    <${Fault} error=${state.error} said=${said} close=${() => setState({})} />`;
  return { load, shown };
}
