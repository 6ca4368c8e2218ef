// Numbers as people write them: typed, pasted from a spreadsheet, or in a CSV file.

const finite = (number) => (Number.isFinite(number) ? number : null);

/**
 * The number that a person typed: with a decimal point or comma, with a hyphen or a minus sign.
 * @returns {number | null} null where it is no finite number
 */
export function parsed(text) {
  const plain = text.trim().replace(/[−–]/g, "-").replace(/[\s\u00a0\u202f'’_]/g, "");
  const point = /^[^,.]*,[^,.]*$/.test(plain) ? plain.replace(",", ".") : plain;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(point) ? finite(Number(point)) : null;
}

/** What is wrong with pasted numbers: a key of the words, and what stands in its gaps. */
class PasteError extends Error {
  constructor(key, values) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

/**
 * What stands between the numbers: tabs or semicolons (then a comma is a decimal mark), else commas, else blanks. One
 * comma in a line, `0,5`, may be of either kind: where one column is awaited, or one line is pasted into a grid, it is
 * a decimal mark.
 */
function separator(lines, columns) {
  for (const mark of ["\t", ";"]) if (lines.some((line) => line.includes(mark))) return mark;
  if (!lines.some((line) => line.includes(","))) return /\s+/;
  if (lines.some((line) => /\d,\d+\s+[-+−]?[\d.]/.test(line))) return /\s+/; // 0,25 -1
  const single = lines.every((line) => /^[^,.]*,[^,.\s]*$/.test(line));
  return single && (columns === 1 || (columns > 1 && lines.length === 1)) ? /\s+/ : ",";
}

/**
 * Rows of numbers, one row for each step. A first row without any number holds the names of the columns.
 * @param {string} text
 * @param {number} [columns] how many the place has to which they go
 * @returns {number[][]}
 * @throws {PasteError}
 */
export function rowsOf(text, columns = 0) {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new PasteError("compare.paste.empty", {});
  const mark = separator(lines.map((line) => line.trim()), columns);
  const blank = mark instanceof RegExp;
  const cells = lines.map((line) => (blank ? line.trim() : line).split(mark).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  const header = cells[0].every((cell) => parsed(cell) === null) ? 1 : 0;
  if (cells.length === header) throw new PasteError("compare.paste.empty", {});
  const width = cells[header].length;
  return cells.slice(header).map((row, k) => {
    const at = { row: k + header + 1, found: row.length, expected: width };
    if (row.length !== width) throw new PasteError("compare.paste.ragged", at);
    return row.map((cell, column) => {
      const number = parsed(cell);
      if (number === null) throw new PasteError("compare.paste.number", { ...at, column: column + 1, text: cell });
      return number;
    });
  });
}
