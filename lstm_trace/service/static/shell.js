import { html, render, useCallback, useEffect, useMemo, useRef, useState } from "./vendor/standalone.module.js";
import { get, presence } from "./api.js";
import { Choice, Fault } from "./parts.js";
import { read, SETTINGS, written } from "./route.js";
import { arithmeticName, worded, words } from "./words.js";

// The shell: tabs, the settings they share, and the address of the page as their state.

/** The component of a tab, loaded when it is first shown. */
function useTab(tab, tabs) {
  const [loaded, setLoaded] = useState({});
  useEffect(() => {
    if (loaded[tab]) return;
    tabs[tab]().then(
      (component) => setLoaded((before) => ({ ...before, [tab]: { component } })),
      (error) => setLoaded((before) => ({ ...before, [tab]: { error } })),
    );
  }, [tab]);
  return loaded;
}

/** Where the page is, and `go(tab, params, {replace})`, which goes elsewhere. */
function useRoute() {
  const [route, setRoute] = useState(() => read(location.hash));
  const settings = useRef(route.settings);
  useEffect(() => {
    const moved = () => { const now = read(location.hash); settings.current = now.settings; setRoute(now); };
    addEventListener("popstate", moved);
    addEventListener("hashchange", moved);
    return () => { removeEventListener("popstate", moved); removeEventListener("hashchange", moved); };
  }, []);
  const go = useCallback((tab, params = {}, { replace = false, settings: set = {} } = {}) => {
    settings.current = { ...settings.current, ...set };
    const hash = written(tab, params, settings.current);
    // whole, since within a frame without an address of its own `#` alone would be that of the page around it
    if (hash !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", location.href.replace(/#.*/s, "") + hash);
    setRoute({ tab, params, settings: settings.current });
  }, []);
  return [route, go];
}

function useChoices() {
  const [choices, setChoices] = useState({ languages: [], notations: [], arithmetics: [], formats: [], models: [] });
  const [error, setError] = useState(null);
  const load = useCallback(() => { setError(null); get("/choices").then(setChoices, setError); }, []);
  useEffect(load, []);
  return [choices, error, load];
}

/** What the page says, in the language that is set; until that is there, in the one before. */
function useWords(language, first) {
  const [said, setSaid] = useState(() => first);
  useEffect(() => {
    let wanted = true;
    const load = () => words(language).then((found) => wanted && setSaid(() => found), () => {}); // without a server it stays as it is
    const back = ({ detail: here }) => here && load();
    load();
    presence.addEventListener("change", back);
    return () => { wanted = false; presence.removeEventListener("change", back); };
  }, [language]);
  useEffect(() => { document.documentElement.lang = said.language; }, [said]);
  return said;
}

/** A bar that says that the server does not answer, until it does. */
function Absence({ said }) {
  const [here, setHere] = useState(true);
  useEffect(() => {
    const told = (event) => setHere(event.detail);
    presence.addEventListener("change", told);
    return () => presence.removeEventListener("change", told);
  }, []);
  if (here) return null;
  return html`<div class="absence" role="alert" id="absence">
    <span>${said("shell.gone")}</span>
    <button type="button" onClick=${() => get("/health").catch(() => {})}>${said("shell.retry")}</button>
  </div>`;
}

/** used: the arithmetic of the run on the bench where none is set: what is kept in the library may have its own. */
function Settings({ settings, set, choices, used, said }) {
  const exact = said("shell.exact");
  const own = settings.arithmetic === "float64" ? said("shell.as_given") : exact;
  const given = used && !settings.arithmetic ? `${said("shell.as_given")}: ${arithmeticName(said, used)}` : own;
  const notation = (name) => [name, worded(said, `shell.notation.${name}`, name)];
  const arithmetic = (name) => [name, arithmeticName(said, name)];
  // a problem may name an arithmetic of its own: then full precision has to be asked for
  const plain = used || settings.arithmetic === "float64" ? [["float64", exact]] : [];
  /** The options, and what is set where they lack it. */
  const with_present = (list, value) => (list.some(([key]) => key === value) ? list : [...list, [value, value]]);
  const digits = ["", "2", "3", "4", "6", "8", "12"];
  return html`<details class="menu settings" id="settings">
    <summary class="button">${said("shell.settings")}</summary>
    <div class="sheet">
      <${Choice} id="setting-language" label=${said("shell.language")} value=${settings.language}
        options=${with_present(choices.languages.map(({ code, name }) => [code, name]), settings.language)} onChange=${(value) => set({ language: value })} />
      <${Choice} id="setting-notation" label=${said("shell.notation")} value=${settings.notation}
        options=${with_present(choices.notations.map(notation), settings.notation)} onChange=${(value) => set({ notation: value })} />
      <${Choice} id="setting-digits" label=${said("shell.digits")} value=${settings.digits}
        options=${with_present(digits.map((d) => [d, d || said("shell.usual")]), settings.digits)} onChange=${(value) => set({ digits: value })} />
      <${Choice} id="setting-count" label=${said("shell.count")} value=${settings.count_from}
        options=${["", "0", "1"].map((n) => [n, n || said("shell.as_given")])} onChange=${(value) => set({ count_from: value })} />
      <${Choice} id="setting-arithmetic" label=${said("shell.arithmetic")} value=${settings.arithmetic}
        options=${with_present([["", given], ...plain, ...choices.arithmetics.map(arithmetic)], settings.arithmetic)}
        onChange=${(value) => set({ arithmetic: value })} />
    </div>
  </details>`;
}

function Page({ first, tabs }) {
  const [route, go] = useRoute();
  const [choices, error, retry] = useChoices();
  const said = useWords(route.settings.language, first);
  const tab = Object.hasOwn(tabs, route.tab) ? route.tab : "bench";
  const [used, setUsed] = useState("");
  const loaded = useTab(tab, tabs);
  const last = useRef({});
  last.current[tab] = route.params; // a tab is found again as it was left
  const { settings } = route;
  const set = (change) => go(tab, route.params, { settings: change });
  const fresh = useMemo(() => settings, Object.keys(SETTINGS).map((name) => settings[name]));
  useEffect(() => { document.title = `${said(`shell.${tab}`)} · lstm-trace`; }, [tab, said]);

  const names = Object.keys(tabs);
  const panel = (name) => {
    const { component, error: failed } = loaded[name] ?? {};
    if (failed) return html`<${Fault} error=${{ title: said("shell.unloaded", { tab: said(`shell.${name}`) }) }} said=${said} retry=${() => location.reload()} />`;
    if (!component) return html`<p class="waiting">${said("shell.loading")}</p>`;
    return html`<${component} params=${last.current[name] ?? {}} go=${go} settings=${fresh} choices=${choices} said=${said} active=${name === tab} tell=${setUsed} alone=${names.length === 1} />`;
  };
  // the bench stays as it is behind the other tabs, so that what was done there can still be undone
  const shown = names.filter((name) => name === tab || (name === "bench" && loaded.bench));
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>${said("shell.skip")}</a>
    <header class="top">
      <strong class="brand">lstm-trace</strong>
      ${names.length > 1 && html`<nav aria-label=${said("shell.tabs")}>
        ${names.map((name) => html`<a key=${name} id=${`tab-${name}`} href=${written(name, last.current[name] ?? {}, settings)}
          aria-current=${name === tab ? "page" : undefined}>${said(`shell.${name}`)}</a>`)}
      </nav>`}
      <${Settings} settings=${settings} set=${set} choices=${choices} used=${used} said=${said} />
    </header>
    <${Absence} said=${said} />
    ${error && error.status !== 0 && html`<${Fault} error=${error} retry=${retry} said=${said} />`}
    <main id="main" tabindex="-1">
      ${route.tab && tab !== route.tab && html`<${Fault} id="no-such-tab" error=${{ title: said("shell.no_tab", { tab: route.tab, shown: said("shell.bench") }) }} close=${() => go("bench", {}, { replace: true })} said=${said} />`}
      ${shown.map((name) => html`<section key=${name} id=${name} hidden=${name !== tab} aria-label=${said(`shell.${name}`)}>${panel(name)}</section>`)}
    </main>`;
}

/**
 * Draws the page.
 * @param {{[name: string]: () => Promise<Function>}} tabs the component of each tab; `bench` is the first
 */
export function show(tabs) {
  const page = document.getElementById("page");
  const begin = () => words(read(location.hash).settings.language).then(
    (first) => render(html`<${Page} first=${first} tabs=${tabs} />`, page),
    () => render(html`<${Wordless} begin=${begin} />`, page),
  );
  page.replaceChildren();
  begin();
}

/** Without any words: nothing is there in which another language could be said. */
const Wordless = ({ begin }) => html`<div class="fault" role="alert" id="wordless">
  <div>The page could not be loaded: the server does not answer, or not as it should. Is lstm-trace serve still running?</div>
  <button type="button" onClick=${begin}>Try again</button></div>`;
