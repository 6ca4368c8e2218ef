// The types that the modules of the page share: see lstm_trace/cell/lines.py and lstm_trace/trace/ for what they mean.

/** @typedef {string | number} Operand   a name or a number */
/** @typedef {{name: string, op: string, operands: Operand[], constants: number[], call: Operand[]}} Line   as Python's Line: names and order the same */
/** @typedef {{name: string, arguments: string[], defaults: number[], body: string}} FunctionDefinition */
/** @typedef {{lines: Line[], carry: [string, string][], output: string, inputs: string[], functions: FunctionDefinition[],
 *   sums: {name: string, terms: string[][]}[], gradient: [string, string][], declared: string[], parameters: string[],
 *   plain: Cell | null, held: string[], scaled: string[], text: string}} Cell   parameters in Python's order; text: canonical, as saved in a trace */
/** @typedef {{layer: number, direction: string, scope: string, cell: Cell, sources: {[input: string]: string}, computed: string[] | null}} Stage */
/** @typedef {{shape: number[], data: Float64Array}} Values   row by row */
/** @typedef {{[scope: string]: {[name: string]: Values}}} Scoped */
/** @typedef {{head: object, stages: Stage[], parameters: Scoped, x: Values | null, initial: Scoped, given: Scoped,
 *   lengths: number[] | null, mask: number[][] | null, lines: Scoped, sums: Scoped,
 *   widths: {[scope: string]: {[name: string]: number}}, grids: {[scope: string]: {[name: string]: [number, number]}}}} Trace
 *   head: the manifest of a trace file (title, dtype, first, steps, batch, arithmetic, names, symbols, count_from, …) as in JSON;
 *   lines: shape [T, B, width]; a trace without lines is what is to be run */

export {};
