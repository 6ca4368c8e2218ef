// Numbers pasted from a spreadsheet or a CSV file.

/** What is wrong with pasted numbers: a key of the words, and what stands in its gaps. */
export class PasteError extends Error {
  constructor(key, values) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Cells are separated by tabs or semicolons (then a comma is a decimal mark), else by commas, else by blanks. */
function separator(lines) {
  for (const mark of ["\t", ";", ","]) if (lines.some((line) => line.includes(mark))) return mark;
  return /\s+/;
}

/**
 * Rows of numbers, one row for each step.
 * @param {string} text
 * @returns {number[][]}
 * @throws {PasteError}
 */
export function rowsOf(text) {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new PasteError("compare.paste.empty", {});
  const mark = separator(lines);
  const decimal = mark === "\t" || mark === ";";
  const cells = lines.map((line) => (decimal ? line : line.trim()).split(mark).map((cell) => cell.trim().replace("−", "-")));
  const plain = (cell) => (decimal ? cell.replace(",", ".") : cell);
  // A first row without any number holds the names of the columns.
  const header = cells[0].every((cell) => !NUMBER.test(plain(cell))) ? 1 : 0;
  if (cells.length === header) throw new PasteError("compare.paste.empty", {});
  const width = cells[header].length;
  return cells.slice(header).map((row, k) => {
    const at = { row: k + header + 1, found: row.length, expected: width };
    if (row.length !== width) throw new PasteError("compare.paste.ragged", at);
    return row.map((cell, column) => {
      if (!NUMBER.test(plain(cell))) throw new PasteError("compare.paste.number", { ...at, column: column + 1, text: cell });
      return Number(plain(cell));
    });
  });
}
