import { texts } from "./texts.js";

// Every text that the page itself says. The server makes words/CODE.json from lstm_trace/languages/page/CODE.toml: copy
// en.toml to a file named by the language's code, translate it, and list the code here.

const LANGUAGES = ["de", "en", "es", "fr", "zh"];

/** The text of a key in one language, or undefined. A key with a form for one thing has it under `key.1`. */
function text(language, key, one) {
  const [tab, part] = key.split(/\.(.*)/s);
  const here = language[tab] ?? {};
  return (one ? here[`${part}.1`] : undefined) ?? here[part];
}

/**
 * What the page says in a language. What a language lacks is said in English, and so is all of one that has no file.
 * @param {string} language its code
 * @returns {Promise<((key: string, values?: Object<string, string | number>) => string) & {language: string}>}
 *   The text of a key `tab.part`, its {fields} filled in, `n` choosing the form for one thing; an unknown key itself.
 *   language: the code of the language that is spoken.
 */
export async function words(language) {
  const code = LANGUAGES.includes(language) ? language : "en";
  const [own, english] = await Promise.all([texts(code), texts("en")]);
  const plural = new Intl.PluralRules(code); // in French nothing is one thing, too: 0 élément
  const said = (key, values = {}) => {
    const one = "n" in values && plural.select(values.n) === "one";
    const found = text(own, key, one) ?? text(english, key, values.n === 1) ?? key;
    return found.replace(/\{(\w+)\}/g, (field, name) => (name in values ? String(values[name]) : field));
  };
  return Object.assign(said, { language: code });
}

/** The text of a key, or `otherwise` where the page has no word of its own for it. */
export function worded(said, key, otherwise) {
  const found = said(key);
  return found === key ? otherwise : found;
}

/** A cell by its kind; `title`: what the server calls it. */
export const cellName = (said, kind, title) => worded(said, `shell.cell.${kind}`, title || kind);

/** An arithmetic by its name, `by-hand-4` for example. */
export function arithmeticName(said, name) {
  const decimals = /^by-hand-(\d+)$/.exec(name);
  return decimals ? said("shell.by_hand", { n: Number(decimals[1]) }) : worded(said, `shell.arithmetic.${name}`, name);
}
