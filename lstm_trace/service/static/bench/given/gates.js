import { worded } from "../../words.js";

// What the gates of a cell are called and do, in words.

/** Of a cell whose gates have names: what makes a gate's line, and the product by which it does what is said of it. */
const GATES = {
  lstm: { i: ["i_t", "sigmoid", "i_t * c_tilde"], f: ["f_t", "sigmoid", "f_t * c_prev"], o: ["o_t", "sigmoid", "tanh(c_t)"], c: ["c_tilde", "tanh", "i_t * c_tilde"] },
  gru: { r: ["r_t", "sigmoid", "r_t * h_prev"], u: ["u_t", "sigmoid", "u_t * h_prev"], z: ["z_t", "sigmoid", "z_t * h_prev"], h: ["h_tilde", "tanh", ""] },
};
const NAMED = new Set(["slstm", ...Object.keys(GATES)]);

/** Which cell's names a gate has: those of the kind of the cell, or, where its equations were changed, of the cell
 *  whose equation of that gate is still there; "" where it has none. `whole`: whether it also does the same. */
function of_cell(run, gate) {
  const { kind } = run.cell;
  if (NAMED.has(kind)) return { kind, whole: true };
  for (const stage of run.stages) {
    const family = "c_prev" in stage.states ? "lstm" : "gru";
    const [name, op, product] = GATES[family][gate] ?? [];
    if (stage.lines.some((line) => line.name === name && line.op === op)) return { kind: family, whole: stage.lines.some((line) => line.name === product) };
  }
  return { kind: "", whole: false };
}

/** The name of a gate in words, where the cell is one whose gates have names. */
export function gate_name(run, gate, said) {
  if (!gate) return said("bench.gate.other");
  return worded(said, `bench.gate.${of_cell(run, gate).kind}.${gate}`, said("bench.gate.any"));
}

/** The letter of a gate; that of a candidate has a tilde. */
export function letter(run, gate) {
  const tilde = gate.replace(/^(\w)_tilde$/, "$1\u0303");
  return gate === "c" && of_cell(run, gate).kind ? "c\u0303" : tilde;
}

export function gate_about(run, gate, said) {
  const { kind, whole } = of_cell(run, gate);
  return whole ? worded(said, `bench.gate_about.${kind}.${gate}`, "") : "";
}
