// The value of each operation of lstm_trace/cell/ops.py, in float64; `run` rounds what it stores to smaller formats.

/**
 * Where an operation reads: `width` numbers of `data` from `at` on; `unit` is 0 if one number stands for all units.
 * @typedef {{data: Float64Array, at: number, width: number, unit: number}} Cursor
 */
/** @typedef {(value: number) => number} Rounding */
/**
 * Writes `count` numbers into `out` from `at` on. `rounded`: the rounding of each partial sum, which no bound covers.
 * @typedef {(out: Float64Array, at: number, count: number, read: Cursor[], constants: number[], rounded: Rounding) => void} Operation
 */

/** @type {(a: number, b: number) => number} The larger one; NaN if there is one. */
export const larger = (a, b) => (a >= b || a !== a ? a : b);
/** @type {(a: number, b: number) => number} The smaller one; NaN if there is one. */
const smaller = (a, b) => (a <= b || a !== a ? a : b);

/** @type {(f: (a: number, c: number[]) => number) => Operation} */
const of_one = (f) => (out, at, count, [a], constants) => {
  const { data, at: begin, unit } = a;
  for (let k = 0; k < count; k++) out[at + k] = f(data[begin + k * unit], constants);
};

/** @type {(f: (a: number, b: number) => number) => Operation} */
const of_two = (f) => (out, at, count, [a, b]) => {
  for (let k = 0; k < count; k++) out[at + k] = f(a.data[a.at + k * a.unit], b.data[b.at + k * b.unit]);
};

/** @type {(f: (sum: number, a: number) => number, last: (sum: number, count: number) => number) => Operation} */
const of_units = (f, last) => (out, at, _, [a]) => {
  let found = a.data[a.at];
  for (let k = 1; k < a.width; k++) found = f(found, a.data[a.at + k]);
  out[at] = last(found, a.width);
};

/** A matrix, row by row, times a vector. @type {Operation} */
function matrix_by_vector(out, at, count, [matrix, vector]) {
  const { data: w, at: first } = matrix, { data: x, at: begin, width } = vector;
  for (let row = 0; row < count; row++) {
    let total = 0;
    for (let k = 0, entry = first + row * width; k < width; k++) total += w[entry + k] * x[begin + k];
    out[at + row] = total;
  }
}

/** A vector times a matrix: row after row, since rows are adjacent. @type {Operation} */
function vector_by_matrix(out, at, count, [vector, matrix]) {
  const { data: w, at: first } = matrix;
  out.fill(0, at, at + count);
  for (let row = 0; row < vector.width; row++) {
    const factor = vector.data[vector.at + row];
    for (let k = 0, entry = first + row * count; k < count; k++) out[at + k] += factor * w[entry + k];
  }
}

/** Signed terms from left to right: the order is part of the line. @type {Operation} */
function add(out, at, count, read, signs, rounded) {
  const [first, ...others] = read;
  for (let k = 0; k < count; k++) {
    let total = first.data[first.at + k * first.unit];
    if (signs[0] < 0) total = -total;
    for (let n = 0; n < others.length; n++) {
      const term = others[n].data[others[n].at + k * others[n].unit];
      total = rounded(signs[n + 1] > 0 ? total + term : total - term);
    }
    out[at + k] = total;
  }
}

/** @type {Operation} */
function outer(out, at, _, [a, b]) {
  for (let row = 0; row < a.width; row++) {
    for (let k = 0; k < b.width; k++) out[at + row * b.width + k] = a.data[a.at + row] * b.data[b.at + k];
  }
}

/** @type {Operation} */
function where(out, at, count, [test, a, b]) {
  for (let k = 0; k < count; k++) {
    const read = test.data[test.at + k * test.unit] !== 0 ? a : b;
    out[at + k] = read.data[read.at + k * read.unit];
  }
}

/** @type {Operation} */
function concat(out, at, _, read) {
  for (const { data, at: begin, width } of read) {
    for (let k = 0; k < width; k++) out[at++] = data[begin + k];
  }
}

/** From name to function, with the names of `OPS`. @type {Record<string, Operation>} */
export const OPERATIONS = {
  matvec: matrix_by_vector,
  vecmat: vector_by_matrix,
  outer,
  memvec: matrix_by_vector,
  vecmem: vector_by_matrix,
  add,
  mul: of_two((a, b) => a * b),
  div: of_two((a, b) => a / b),
  neg: of_one((a) => -a),
  copy: of_one((a) => a),
  greater: of_two((a, b) => (a > b ? 1 : 0)),
  slice: (out, at, count, [a], [begin]) => {
    for (let k = 0; k < count; k++) out[at + k] = a.data[a.at + begin + k];
  },
  sigmoid: of_one((a) => 1 / (1 + Math.exp(-a))),
  tanh: of_one((a) => Math.tanh(a)),
  exp: of_one((a) => Math.exp(a)),
  log: of_one((a) => Math.log(a)),
  sqrt: of_one((a) => Math.sqrt(a)),
  sin: of_one((a) => Math.sin(a)),
  cos: of_one((a) => Math.cos(a)),
  floor: of_one((a) => Math.floor(a)),
  relu: of_one((a) => larger(a, 0)),
  elu: of_one((a, [alpha]) => (a < 0 ? alpha * Math.expm1(a) : a)),
  softplus: of_one((a) => larger(a, 0) + Math.log1p(Math.exp(-Math.abs(a)))),
  clip: of_one((a, [low, high]) => smaller(larger(a, low), high)),
  where,
  maximum: of_two(larger),
  max: of_units(larger, (found) => found),
  sum: of_units((sum, a) => sum + a, (sum) => sum),
  mean: of_units((sum, a) => sum + a, (sum, count) => sum / count),
  concat,
};
