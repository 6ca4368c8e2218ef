import { get } from "../api.js";

let examples = null;
/** The examples, asked for once. */
export function allExamples() {
  examples ??= get("/examples").catch((error) => { examples = null; throw error; });
  return examples;
}
