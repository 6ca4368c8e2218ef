// Every text that the page itself says. A language is a file in words/; copy en.json, translate it and list it here.

const LANGUAGES = ["en"];

/** Texts of a language by `tab.part`; English where there is no file of that language. */
export async function words(language) {
  const code = LANGUAGES.includes(language) ? language : "en";
  const reply = await fetch(new URL(`./words/${code}.json`, import.meta.url));
  const texts = await reply.json();
  /**
   * The text of a key, its {fields} filled in. A key with a form for one thing has it under `key.1`, chosen by `n`.
   * @param {string} key `tab.part`
   * @param {Object<string, string | number>} [values]
   */
  return (key, values = {}) => {
    const [tab, part] = key.split(/\.(.*)/s);
    const here = texts[tab] ?? {};
    const text = (values.n === 1 ? here[`${part}.1`] : undefined) ?? here[part];
    if (text === undefined) return key;
    return text.replace(/\{(\w+)\}/g, (field, name) => (name in values ? String(values[name]) : field));
  };
}
