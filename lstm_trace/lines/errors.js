// Faults of a cell's equations, in the words of lstm_trace/errors.py.

/** Equations that are wrong: `problems` has one message for each fault. */
export class CellError extends Error {
  /** @param {Iterable<string>} problems */
  constructor(problems) {
    const distinct = [...new Set([...problems].map(harmless))];
    super(distinct.join("\n"));
    this.name = "CellError";
    this.problems = distinct;
  }
}

/** Throws if there are any problems. @param {Iterable<string>} problems */
export function refuse(problems) {
  const error = new CellError(problems);
  if (error.problems.length) throw error;
}

const MOST = 4000; // characters of a message

/** A message without characters that have an effect instead of a glyph, short enough to read. @param {string} text */
export function harmless(text) {
  // eslint-disable-next-line no-control-regex
  const acting = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]|\p{Surrogate}/gu;
  const plain = text.replace(acting, "\ufffd").replace(/\S{401,}/g, (word) => `${word.slice(0, 200)}…${word.slice(-60)}`);
  return plain.length <= MOST ? plain : `${plain.slice(0, MOST - 600)} … ${plain.slice(-500)}`;
}

/** A text in quotes, as Python shows it. @param {string} text */
export function quoted(text) {
  const sign = text.includes("'") && !text.includes('"') ? '"' : "'";
  const acting = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
  /** @param {string} one */
  const escaped = (one) => (one === "\t" ? "\\t" : `\\${one < "\u0100" ? "x" : "u"}${one.charCodeAt(0).toString(16).padStart(one < "\u0100" ? 2 : 4, "0")}`);
  return sign + text.replaceAll("\\", "\\\\").replaceAll(sign, `\\${sign}`).replace(acting, escaped) + sign;
}

/**
 * The end of a message about an unknown name: '; did you mean …?' for the closest of those that are known.
 * @param {string} name
 * @param {Iterable<string>} known
 * @param {string} [otherwise]  words before the list of all known names if none is close; no list without them
 */
export function nearest(name, known, otherwise = "") {
  const names = [...new Set(known)];
  const same = [name.toLowerCase(), `${name}_t`.toLowerCase()];
  const close = names.find((one) => same.includes(one.toLowerCase())) ?? closest(name, names);
  if (close !== undefined) return `; did you mean ${quoted(close)}?`;
  const simple = names.filter((one) => !/[ ()]/.test(one));
  const told = simple.length ? simple : names;
  return otherwise && told.length ? `; ${otherwise} ${told.join(", ")}` : "";
}

/** The name that is most like another; of several the one that starts most like it. @param {string} name @param {string[]} known */
function closest(name, known) {
  let best, most = 0.6, begun = -1;
  for (const one of known) {
    if (one.length * name.length > MOST_LETTERS) continue;
    const likeness = (2 * alike(one, name)) / (one.length + name.length || 1);
    let start = 0;
    while (start < Math.min(one.length, name.length) && one[start] === name[start]) start += 1;
    if (likeness > most || (likeness === most && start > begun)) [best, most, begun] = [one, likeness, start];
  }
  return best;
}

const MOST_LETTERS = 200 * 200; // of two names that are compared

/** How many letters two texts have in common: in the longest part of both, and in what is on either side of it. @param {string} a @param {string} b @returns {number} */
function alike(a, b) {
  let size = 0, i = 0, j = 0;
  for (let k = 0; k < a.length; k += 1) {
    for (let l = 0; l < b.length; l += 1) {
      let n = 0;
      while (k + n < a.length && l + n < b.length && a[k + n] === b[l + n]) n += 1;
      if (n > size) [size, i, j] = [n, k, l];
    }
  }
  return size && size + alike(a.slice(0, i), b.slice(0, j)) + alike(a.slice(i + size), b.slice(j + size));
}
