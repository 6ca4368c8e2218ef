// Edits traces that Python wrote: a line of JSON for each on standard input, the text of the new trace for each, or why not.
import { createInterface } from "node:readline";
import { parse } from "../../../../../lstm_trace/lines/grammar.js";
import { read, written } from "../../../../../lstm_trace/lines/trace.js";
import { changes, edited } from "../../../../../lstm_trace/service/static/bench/runs/edits.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { file, change } = JSON.parse(line);
  try {
    const before = edited(read(file, parse), {}), after = edited(before, change);
    console.log(JSON.stringify({ file: written(after), changes: changes(before, after) }));
  } catch (error) {
    console.log(JSON.stringify({ problems: error.problems ?? [error.stack] }));
  }
}
