import { html, useEffect, useRef, useState } from "../vendor/standalone.module.js";
import { Fault } from "../parts.js";

/**
 * Asks before something is done that cannot be undone. Escape and the first button leave everything as it is.
 * @param {{title: string, text: string, yes: string, act: () => Promise<any>, close: () => void}} props
 */
export function Confirm({ title, text, yes, act, close, said }) {
  const dialog = useRef(null), no = useRef(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    no.current.focus();
    return () => before?.isConnected && before.focus();
  }, []);
  const confirmed = () => {
    setBusy(true);
    act().catch((failure) => { setError(failure); setBusy(false); });
  };
  return html`<dialog ref=${dialog} aria-labelledby="confirm-title" onClose=${close} class="confirm">
    <h2 id="confirm-title">${title}</h2>
    <p>${text}</p>
    <${Fault} error=${error} said=${said} />
    <div class="row-of end">
      <button type="button" ref=${no} onClick=${close}>${said("library.keep")}</button>
      <button type="button" class="delete" disabled=${busy} onClick=${confirmed}>${yes}</button>
    </div>
  </dialog>`;
}
