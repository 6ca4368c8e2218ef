import { loaded, texts as loading } from "../../texts.js";
import * as description from "../local/describe.js";
import { number } from "../local/number.js";
import * as steps from "../local/step.js";

// What the page says of a run that it computed, in the form in which the server says it of its own.

/** The words of numbers and formulas in a language, which are there before anything is asked. @param {string} [language] */
const texts = (language = "en") => (loaded(language) ?? loaded("en"))?.values ?? {};

/** Until those of a language are there; null where they are. @param {{language?: string}} params */
export const awaited = ({ language = "en" }) => (loaded(language) ? null : loading(language).catch(() => null)); // then in English

/** @param {{language?: string, notation?: string, digits?: any, count_from?: any}} params as in addresses: an empty text is the usual choice */
const look = ({ language, digits, count_from, ...rest }) => ({
  ...rest, texts: texts(language), digits: digits === "" || digits === undefined ? null : Number(digits), count_from: count_from === "" || count_from === undefined ? null : Number(count_from),
});

const place = ({ layer, direction, ...rest }) => ({ ...look(rest), layer: layer === undefined ? null : Number(layer), direction: direction ?? null });

export const describe = (trace) => description.describe(trace, texts());
export const premises = (trace, { unit = null }) => description.premises(trace, unit);
export const symbols = (trace, params) => description.symbols(trace, look(params));
export const step = (trace, params) => steps.step(trace, place(params));
export const at = (trace, address, params) => number(trace, address, look(params));
