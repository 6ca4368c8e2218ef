// Where in a text of equations a message points, and which name a mistyped one was to be.

/** What of an expression may stand with or without blanks around it. */
const pieces = (expression) => expression.match(/\w+|[^\w\s]/g) ?? [];
const escaped = (piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/**
 * The row of a text that a message quotes, with carets below what it quotes, as the parser's messages have them.
 * @param {string} message for example: W_xi has shape (2, 2); line `W_xi * x_t` needs a vector
 * @returns {string | null} null where the message quotes nothing that the text has
 */
export function marked(text, message) {
  for (const [, quoted] of message.matchAll(/`([^`]+)`/g)) {
    const pattern = new RegExp(`(?<!\\w)${pieces(quoted).map(escaped).join("[^\\S\\n]*")}(?!\\w)`);
    for (const row of text.split("\n")) {
      const found = pattern.exec(row.replace(/#.*/, ""));
      if (found) return `    ${row}\n    ${" ".repeat(found.index)}${"^".repeat(found[0].length)}`;
    }
  }
  return null;
}

const CLOSE = 5; // letters from which a name may be a slip in another one: shorter ones, b_f and b_i, differ by a letter in earnest

const plain = (name) => name.toLowerCase().replaceAll("_", "");

/** Whether one letter more, fewer, other or two of them swapped make one name of the other. */
function slip(one, two) {
  if (Math.abs(one.length - two.length) > 1) return false;
  let from = 0;
  while (from < one.length && one[from] === two[from]) from += 1;
  const rest = (k, l) => one.slice(from + k) === two.slice(from + l);
  const swapped = one[from] === two[from + 1] && one[from + 1] === two[from] && rest(2, 2);
  return rest(1, 0) || rest(0, 1) || rest(1, 1) || swapped;
}

/** The known name that a new one was probably to be; undefined where it is none. */
export const nearest = (name, known) =>
  known.find((one) => plain(one) === plain(name)) ?? known.find((one) => Math.min(one.length, name.length) >= CLOSE && slip(one, name));

/** The text with one name in place of another. */
export const renamed = (text, from, to) => text.replace(new RegExp(`(?<!\\w)${escaped(from)}(?!\\w)`, "g"), to);
