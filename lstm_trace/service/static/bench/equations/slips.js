// Which name a mistyped one of a text of equations was to be.

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
export const renamed = (text, from, to) => text.replace(new RegExp(`(?<!\\w)${from}(?!\\w)`, "g"), to);
