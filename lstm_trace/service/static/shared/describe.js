// How an item of the library is described: its sizes, its size in bytes, when it came.

const UNITS = ["bytes", "kB", "MB", "GB"];

/** Bytes with a unit, three digits at most. */
export function bytes(count, said) {
  let size = count, unit = 0;
  for (; size >= 1000 && unit < UNITS.length - 1; unit += 1) size /= 1000;
  return said(`library.size.${UNITS[unit]}`, { n: unit === 0 ? size : Number(size.toPrecision(3)) });
}

/** Sizes by their letters, in the order of the docs: steps, sequences, inputs, units; layers and directions beyond one. */
export function sizes(found, said) {
  const letters = ["T", "B", "I", "H"].filter((letter) => found?.[letter] && !(letter === "B" && found.B === 1));
  const text = letters.map((letter) => `${letter} ${found[letter]}`);
  if (found?.layers > 1) text.push(said("library.layers", { n: found.layers }));
  if (found?.directions > 1) text.push(said("library.directions"));
  return text.join(" · ");
}

/**
 * A time of the server (ISO, UTC) in the reader's time zone: short, and in full.
 * @returns {{short: string, full: string}}
 */
export function when(created, language) {
  const time = new Date(created);
  if (Number.isNaN(time.getTime())) return { short: created, full: created };
  const locale = (style) => {
    try {
      return new Intl.DateTimeFormat(language, style);
    } catch {
      return new Intl.DateTimeFormat(undefined, style);
    }
  };
  return {
    short: locale({ dateStyle: "medium", timeStyle: "short" }).format(time),
    full: locale({ dateStyle: "full", timeStyle: "long" }).format(time),
  };
}

/** Tags as they are typed: words between commas, Chinese ones too, each once. */
export const tagsOf = (text) => [...new Set(text.split(/[,，、]/).map((tag) => tag.trim()).filter(Boolean))];

/** What an item is called: its title, else the name of its file. */
export const titleOf = (item, said) => item.title || item.label || said("library.untitled");
