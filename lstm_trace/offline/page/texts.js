import { embedded } from "./embedded.js";

/** The words of the page in a language. @param {string} code */
export const texts = async (code) => embedded.words[code];
