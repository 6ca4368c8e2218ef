import { embedded } from "./embedded.js";

/** The words of the page in a language. @param {string} code */
export const loaded = (code) => embedded.words[code];

export const texts = async (code) => loaded(code);
