import { escape, PLAIN } from "../formulas/printer.js";

// Text in a picture: symbols marked as such, the width of text, and its SVG, as plot/furniture.py writes them. A symbol
// is a base and an index between marks, which are characters of private use, until it is typeset.

const OPEN = "\ue000", MIDDLE = "\ue001", CLOSE = "\ue002"; // around a base and its index
const NAME = "\ue003", UPRIGHT = "\ue004", UPPER = "\ue005"; // before a base that is a name, or upright; before a superscript
const ROOM = 30; // maximum length of a formula in a box; longer ones are cut
const MARKS = /[\ue000-\ue005]/g;

/** Approximate width of a letter in ems, by lowest code point: of South and South-East Asian scripts. */
const WIDTHS = [[1424, 0.75], [2304, 0.85], [2944, 1.2], [3072, 0.9], [3328, 1.2], [3584, 0.68], [4096, 1.13], [4256, 0.75], [6016, 0.95], [6144, 0.8], [7680, 0.52]];
/** Latin letters and signs that are narrower or wider than most, in ems of DejaVu Serif, the widest of the fonts used. */
const LATIN = new Map([["fijltIJ ,.;:'!|·()[]{}", 0.4], ["rsz_/", 0.53], ["ABCDEFGHKLNOPQRSTUVXYZ+−=⊙×÷<>≈≤≥^", 0.84], ["mwMW@%", 1.03]]
  .flatMap(([letters, width]) => [...String(letters)].map((c) => /** @type {[string, number]} */ ([c, width]))));
const ROUND = "ခဂငစဎဒဓနပဖဗမရဝ"; // Burmese letters of a single circle, which are as narrow as signs
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** @param {string} c */
function advance(c) {
  if (/[\ue000-\ue005]|\p{Mn}|\p{Me}/u.test(c)) return 0;
  if (WIDE.test(c)) return 1;
  if (c >= "\u0590" && c < "\u1e00") {
    const wide = WIDTHS.reduce((found, [first, width]) => (c >= String.fromCharCode(first) ? width : found), 1);
    return ROUND.includes(c) || !/[\p{L}\p{N}]/u.test(c) ? 0.58 * wide : wide;
  }
  return LATIN.get(c) ?? 0.64;
}

const total = (/** @type {string} */ text) => [...text].reduce((sum, c) => sum + advance(c), 0);
const SYMBOL = /\ue000(.*?)\ue001(.*?)\ue002|([^\ue000]+)/gs;

/** The text without its marks, except those in `kept`. @param {string} text */
const unmarked = (text, kept = "") => text.replace(MARKS, (c) => (kept.includes(c) ? c : ""));

/** A symbol with its index. @param {string} base */
const marked = (base, sub = "") => `${OPEN}${base}${MIDDLE}${sub.replaceAll("-", "−")}${CLOSE}`;

/** Plain text in which every symbol is marked, so that letters and indices can be typeset. @type {import("../formulas/printer.js").Format} */
export const MARKED = {
  ...PLAIN,
  letter: (c) => marked(PLAIN.letter(c)),
  word: (style, text) => marked((["italic", "bold italic", "script"].includes(style) ? "" : UPRIGHT) + PLAIN.word(style, text)),
  accent: (name, body) => marked(PLAIN.accent(name, unmarked(body, UPRIGHT))),
  scripts: (base, sub, sup) => {
    const [letter, below, above] = [unmarked(base, UPRIGHT), unmarked(sub), PLAIN.scripts("", "", unmarked(sup))];
    return above.startsWith("^") ? marked(letter, below + UPPER + unmarked(sup)) : marked(letter, below) + above;
  },
  upright: (text) => marked(UPRIGHT + text),
  name: (name) => marked(NAME + name),
};

/** Approximate width of a marked text; indices are smaller. @param {string} text @param {number} size */
export function width_of(text, size) {
  const indices = [...text.matchAll(/\ue001(.*?)\ue002/gs)].map((found) => found[1]).join("");
  return size * (total(text) - 0.28 * total(indices));
}

/** A marked text as SVG: letters in italics, indices lowered; everything escaped. @param {string} text */
export const spans = (text) => text.replace(SYMBOL, (_, base, index, rest) => {
  if (rest) return escape(rest);
  const kind = base[0] === NAME ? "n" : base[0] === UPRIGHT ? "u" : "m";
  const [sub, sup = ""] = escape(index).split(UPPER);
  const lowered = sub && `<tspan class="s" dy="0.28em">${sub}</tspan><tspan dy="-0.2em">\u200b</tspan>`;
  const above = sup && `<tspan class="s" dy="-0.5em">${sup}</tspan><tspan dy="0.36em">\u200b</tspan>`;
  return `<tspan class="${kind}">${escape(unmarked(base))}</tspan>${lowered}${above}`;
});

/** At most ROOM characters of a marked text, never cut in the middle of a symbol. @param {string} text */
export function cut(text) {
  let room = ROOM - 2, kept = "";
  if ([...unmarked(text)].length <= ROOM) return text;
  for (const part of text.match(/\ue000.*?\ue002|./gsu) ?? []) {
    room -= [...unmarked(part)].length;
    if (room < 0) break;
    kept += part;
  }
  return `${kept.replace(/[ +\-−(]+$/, "")} …`;
}
