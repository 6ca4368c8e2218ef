// The address of the page is its state: `#bench?source=example:q22&t=2`. Settings stand in it as well, where they are
// not the usual ones, so that a link shows a colleague what its sender sees.

/** The settings of the page and their usual values; an empty text leaves the choice to the problem. */
export const SETTINGS = { language: "en", notation: "exercise", digits: "", count_from: "", arithmetic: "" };

/** What a setting may be, where not any text is refused with a message of its own; another value counts as left out. */
const POSSIBLE = { language: /^[a-z]{2,8}$/, digits: /^(\d|1[0-7])?$/, count_from: /^[01]?$/ };

/** Characters that a fragment may hold as they are; encoded, an address would be unreadable. */
const PLAIN = { "%3A": ":", "%2F": "/", "%5B": "[", "%5D": "]", "%2C": ",", "%3B": ";", "%28": "(", "%29": ")", "%3D": "=" };

const encoded = (text) => encodeURIComponent(text).replace(/%(3A|2F|5B|5D|2C|3B|28|29|3D)/g, (code) => PLAIN[code]);

const decoded = (text) => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // a link that was cut in the middle of a character
  }
};

/**
 * What an address says.
 * @param {string} hash location.hash
 * @returns {{tab: string, params: Object<string, string>, settings: Object<string, string>}}
 */
export function read(hash) {
  const [tab, query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const params = {};
  const settings = { ...SETTINGS };
  for (const pair of query.split("&").filter(Boolean)) {
    const at = pair.indexOf("=");
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decoded(pair.slice(at + 1));
    if (!Object.hasOwn(SETTINGS, name)) params[name] = value;
    else if (POSSIBLE[name]?.test(value) ?? true) settings[name] = value;
  }
  return { tab, params, settings };
}

/** The address that says so; what is empty or usual is left out. */
export function written(tab, params, settings) {
  const pairs = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const unusual = Object.entries(settings).filter(([name, value]) => value !== SETTINGS[name]);
  const query = [...pairs, ...unusual].map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`).join("&");
  return `#${tab}${query && `?${query}`}`;
}
