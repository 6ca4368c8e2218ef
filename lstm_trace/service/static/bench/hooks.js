import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/standalone.module.js";
import { presence } from "../api.js";
import { Session } from "./state/session.js";

/** The session of a bench, kept in step with the address of the page. */
export function useSession({ params, settings, go, active }) {
  const session = useMemo(() => new Session(), []);
  const [state, setState] = useState(session.state);
  const written = useRef(null);
  const ours = useRef(new WeakSet());
  const arithmetic = useRef(settings.arithmetic);
  session.settings = settings;
  useEffect(() => {
    const changed = ({ detail: moved }) => {
      setState(session.state);
      if (!moved) return;
      const now = session.params();
      written.current = JSON.stringify(now);
      ours.current.add(now);
      go("bench", now, { replace: moved === "replace" });
    };
    session.addEventListener("change", changed);
    return () => session.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    if (!active) return;
    // an effect runs after the page is drawn, so these may be what the session wrote before it wrote again
    if (!ours.current.has(params) && written.current !== JSON.stringify(params)) {
      written.current = JSON.stringify(params);
      arithmetic.current = settings.arithmetic;
      session.open(params);
    } else if (arithmetic.current !== settings.arithmetic) {
      arithmetic.current = settings.arithmetic;
      session.rerun();
    }
  }, [params, settings.arithmetic, active]);
  return [session, state];
}

const NOTHING = { data: null, error: null, run: null };

/**
 * A part of a run. What is there already is there at once, without a second drawing; while another one is on its way
 * the one before stays, so that nothing jumps; where it cannot be read, nothing stays that could be taken for it.
 * @returns {{data: any, error: any, run: object | null, retry: () => void}} run: of which the data are; retry: asks
 *   once more for what could not be read, as happens by itself once a server answers that did not
 */
export function useView(session, run, path, params) {
  const [, redraw] = useState(null);
  const [attempt, setAttempt] = useState(0);
  const shown = useRef(NOTHING);
  const key = run && path ? `${run.id} ${path} ${JSON.stringify(params)}` : "";
  const ready = key ? session.runs.ready(run, path, params) : null;
  if (!key) shown.current = NOTHING;
  else if (ready && (shown.current.data !== ready || shown.current.error)) shown.current = { data: ready, error: null, run };
  useLayoutEffect(() => {
    if (!key || ready) return undefined;
    let wanted = true;
    session.runs.view(run, path, params).then(
      () => wanted && redraw({}),
      (error) => {
        if (!wanted) return;
        shown.current = { ...NOTHING, error };
        redraw({});
      },
    );
    return () => { wanted = false; };
  }, [key, attempt]);
  const retry = () => {
    if (shown.current.error) setAttempt((before) => before + 1);
  };
  useEffect(() => {
    const back = ({ detail: here }) => here && shown.current.error?.status === 0 && retry();
    presence.addEventListener("change", back);
    return () => presence.removeEventListener("change", back);
  }, []);
  return { ...shown.current, retry };
}

/** Some properties of a state as an object that stays the same as long as they do. */
export function useSome(state, names) {
  return useMemo(() => Object.fromEntries(names.map((name) => [name, state[name]])), names.map((name) => state[name]));
}

/** Whether the page is used by finger, so that its hints say so. */
export const by_touch = () => matchMedia("(pointer: coarse)").matches;

/** Closes an open menu when something else is used, or by Escape. */
export function useMenus() {
  useEffect(() => {
    const open = () => document.querySelectorAll("details.menu[open]");
    const elsewhere = (event) => open().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    const escaped = (event) => {
      if (event.key === "Escape") open().forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
    };
    addEventListener("pointerdown", elsewhere);
    addEventListener("focusin", elsewhere);
    addEventListener("keydown", escaped);
    return () => { removeEventListener("pointerdown", elsewhere); removeEventListener("focusin", elsewhere); removeEventListener("keydown", escaped); };
  }, []);
}
