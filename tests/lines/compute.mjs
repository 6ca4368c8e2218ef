// Runs traces that Python has dumped: a line of JSON for each on standard input, a line of JSON for each result.
import { createInterface } from "node:readline";
import { run } from "../../lstm_trace/lines/run.js";
import { read, written } from "../../lstm_trace/lines/trace.js";

const plain = (scoped) => Object.fromEntries(Object.entries(scoped).map(([scope, here]) =>
  [scope, Object.fromEntries(Object.entries(here).map(([name, { shape, data }]) => [name, { shape, data: [...data].map(word) }]))]));
const word = (value) => (Number.isFinite(value) ? (Object.is(value, -0) ? "-0" : value) : String(value));

for await (const line of createInterface({ input: process.stdin })) {
  const { file } = JSON.parse(line);
  try {
    const trace = read(file);
    const found = run({ ...trace, lines: {}, sums: {} });
    const { widths, grids, lines, sums } = found;
    console.log(JSON.stringify({ again: written(trace), written: written(found), widths, grids, lines: plain(lines), sums: plain(sums) }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
}
