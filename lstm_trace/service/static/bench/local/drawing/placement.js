// Places for the nodes of a small acyclic graph, in columns from left to right, with few crossings and straight lanes:
// the method, and the numbers, of report/diagram/placement.py. A place is the number of a node, or of a lane, which is
// an edge where it passes a column; lanes are numbered after the nodes.

/** @typedef {{tall: number, last: boolean}} Box   last: whether it stands in the last column */
/** @typedef {{from: number, to: number, pull: number}} Link   pull: how straight it should run */
/** @typedef {{column: number[], paths: number[][], y: number[]}} Placed
 *   column, y: of each place, the latter its middle from the top; paths: for each edge the places that it passes, ends included */

const GAP = 18, LANE = 14; // between two nodes of a column, and between two lanes
const NEARLY = 10; // below this an edge between two neighbours is drawn level

/**
 * Places for some nodes, which are sorted by their edges.
 * @param {Box[]} nodes
 * @param {Link[]} edges
 * @returns {Placed}
 */
export function placed(nodes, edges) {
  const column = columns(nodes, edges);
  /** @type {number[][]} */
  const rows = Array.from({ length: Math.max(-1, ...column) + 1 }, () => []);
  nodes.forEach((_, node) => rows[column[node]].push(node));
  const paths = edges.map(({ from, to }) => {
    const lanes = [];
    for (let k = column[from] + 1; k < column[to]; k++) {
      rows[k].push(column.length);
      lanes.push(column.push(k) - 1);
    }
    return [from, ...lanes, to];
  });
  const fixed = new Set([0, nodes.some(({ last }) => last) ? rows.length - 1 : 0]);
  const ordered = order(rows, paths, column.length, fixed);
  return { column, paths, y: heights(ordered, nodes, edges, paths) };
}

/** @param {Box[]} nodes @param {Link[]} edges */
function columns(nodes, edges) {
  /** @type {number[]} */
  const found = [];
  nodes.forEach((_, node) => found.push(1 + Math.max(-1, ...edges.filter(({ to }) => to === node).map(({ from }) => found[from]))));
  const end = 1 + Math.max(0, ...found.filter((_, node) => !nodes[node].last));
  return found.map((one, node) => (nodes[node].last ? end : one));
}

/** The pairs of neighbours of a list. @template T @param {T[]} list @returns {[T, T][]} */
const pairs = (list) => list.slice(1).map((one, k) => [list[k], one]);

/**
 * The places of each column from top to bottom; columns in `fixed` stay as they are.
 * @param {number[][]} rows @param {number[][]} paths @param {number} count @param {Set<number>} fixed
 */
function order(rows, paths, count, fixed) {
  /** @type {number[][][]} */
  const [left, right] = [0, 1].map(() => Array.from({ length: count }, () => []));
  for (const [a, b] of paths.flatMap(pairs)) {
    right[a].push(b);
    left[b].push(a);
  }
  /** @type {number[]} */
  const at = [];
  const numbered = (/** @type {number[]} */ row) => row.forEach((place, i) => { at[place] = i; });
  rows.forEach(numbered);
  /** How many edges on one side cross if `a` lies above `b`. */
  const crossed = (/** @type {number[][]} */ near, /** @type {number} */ a, /** @type {number} */ b) => {
    let found = 0;
    for (const one of near[a]) for (const other of near[b]) if (at[one] > at[other]) found += 1;
    return found;
  };
  const crossings = () => {
    let found = 0;
    for (const row of rows) for (let i = 0; i < row.length; i++) for (let j = i + 1; j < row.length; j++) found += crossed(left, row[i], row[j]);
    return found;
  };
  const free = rows.filter((_, k) => !fixed.has(k));
  let best = rows.map((row) => [...row]), fewest = crossings();
  for (let sweep = 0; sweep < 12; sweep++) {
    const near = sweep % 2 === 0 ? left : right;
    for (const row of sweep % 2 === 0 ? free : [...free].reverse()) {
      const mean = at.map((own, place) => (near[place].length ? near[place].reduce((sum, one) => sum + at[one], 0) / near[place].length : own));
      row.sort((a, b) => mean[a] - mean[b]);
      numbered(row);
    }
    for (const row of free) {
      for (let i = 0; i + 1 < row.length; i++) { // neighbours swap places as long as that removes crossings
        const [a, b] = [row[i], row[i + 1]];
        if (crossed(left, b, a) + crossed(right, b, a) < crossed(left, a, b) + crossed(right, a, b)) {
          [row[i], row[i + 1]] = [b, a];
          numbered(row);
        }
      }
    }
    const now = crossings();
    if (now < fewest) [best, fewest] = [rows.map((row) => [...row]), now];
  }
  return best;
}

/**
 * The middle of each place from the top: near its neighbours, never closer together than the gaps.
 * @param {number[][]} rows @param {Box[]} nodes @param {Link[]} edges @param {number[][]} paths
 */
function heights(rows, nodes, edges, paths) {
  const lane = (/** @type {number} */ place) => place >= nodes.length;
  const half = (/** @type {number} */ place) => (lane(place) ? 0 : nodes[place].tall / 2);
  const gap = (/** @type {[number, number]} */ [a, b]) => half(a) + half(b) + (lane(a) || lane(b) ? LANE : GAP);
  const gaps = rows.map((row) => pairs(row).map(gap));
  const y = Array(rows.flat().length).fill(0);
  rows.forEach((row, k) => {
    const down = sums(gaps[k]);
    row.forEach((place, i) => { y[place] = down[i] - down[down.length - 1] / 2; });
  });
  /** @type {{one: number, weight: number}[][]} */
  const near = y.map(() => []);
  paths.forEach((path, edge) => {
    for (const [a, b] of pairs(path)) {
      const weight = lane(a) && lane(b) ? 40 : edges[edge].pull; // a long edge runs level and bends at its ends
      near[a].push({ one: b, weight });
      near[b].push({ one: a, weight });
    }
  });
  const weights = rows.map((row) => row.map((place) => near[place].reduce((sum, { weight }) => sum + weight, 0) || 1));
  const columns_in_turn = rows.map((_, k) => k);
  for (let sweep = 0; sweep < 160; sweep++, columns_in_turn.reverse()) {
    for (const k of columns_in_turn) {
      const wanted = rows[k].map((place, i) => {
        if (!near[place].length) return y[place];
        let sum = 0;
        for (const { one, weight } of near[place]) sum += y[one] * weight;
        return sum / weights[k][i];
      });
      const now = apart(wanted, weights[k], gaps[k]);
      for (let i = 0; i < now.length; i++) y[rows[k][i]] = now[i];
    }
  }
  const below = rows.flatMap((row, k) => pairs(row).map(([a, b], i) => ({ a, b, gap: gaps[k][i] })));
  const level = levelled(y, below, paths, lane);
  const top = Math.min(...level.map((value, place) => value - half(place)));
  return level.map((value) => value - top);
}

/** The sums of the first numbers: of none, of one, … @param {number[]} numbers */
function sums(numbers) {
  const found = [0];
  for (const one of numbers) found.push(found[found.length - 1] + one);
  return found;
}

/**
 * Heights near `y` at which long edges run level from lane to lane, and out of a place or into one if no other edge
 * does; so does a short edge that is nearly level.
 * @param {number[]} y @param {{a: number, b: number, gap: number}[]} below @param {number[][]} paths
 * @param {(place: number) => boolean} lane
 */
function levelled(y, below, paths, lane) {
  const [leaves, enters] = [y.map(() => 0), y.map(() => 0)];
  for (const path of paths) {
    leaves[path[0]] += 1;
    enters[path[path.length - 1]] += 1;
  }
  let found = y.map((_, place) => place); // the first of the places that run level with it
  for (const path of [...paths].sort((a, b) => b.length - a.length)) { // the longest first: its bends would be most visible
    for (const [a, b] of pairs(path)) {
      const alone = (lane(a) || leaves[a] === 1) && (lane(b) || enters[b] === 1);
      if (lane(a) || lane(b) ? !alone : enters[b] !== 1 || Math.abs(y[a] - y[b]) >= NEARLY) continue;
      const trial = found.map((one) => (one === found[b] ? found[a] : one));
      if (downwards(trial, below)) found = trial; // two edges that cross have to bend
    }
  }
  const count = y.map(() => 0), low = y.map(() => 0);
  found.forEach((one, place) => { count[one] += 1; low[one] += y[place]; });
  low.forEach((_, one) => { low[one] /= count[one] || 1; });
  const high = [...low], down = downwards(found, below) ?? [];
  for (const one of down) for (const { a, b, gap } of below) if (found[a] === one) low[found[b]] = Math.max(low[found[b]], low[one] + gap);
  for (const one of down.reverse()) for (const { a, b, gap } of below) if (found[b] === one) high[found[a]] = Math.min(high[found[a]], high[one] - gap);
  return found.map((one) => (low[one] + high[one]) / 2); // both keep the gaps, so the mean does
}

/**
 * What runs level together, from the top down; null if that is impossible.
 * @param {number[]} found @param {{a: number, b: number}[]} below
 */
function downwards(found, below) {
  const above = found.map(() => 0);
  /** @type {number[][]} */
  const under = found.map(() => []);
  for (const { a, b } of below) {
    above[found[b]] += 1;
    under[found[a]].push(found[b]);
  }
  const down = [...new Set(found)].filter((one) => !above[one]);
  for (const one of down) for (const next of under[one]) if (--above[next] === 0) down.push(next);
  return down.length === new Set(found).size ? down : null;
}

/**
 * Positions nearest to the wanted ones, in order and at least `gaps` apart (pooled, least squares).
 * @param {number[]} wanted @param {number[]} weights @param {number[]} gaps
 */
export function apart(wanted, weights, gaps) {
  const offset = sums(gaps), found = Array(wanted.length).fill(0);
  /** @type {{mean: number, mass: number, from: number}[]} */
  const pools = []; // of neighbours that touch
  for (let i = 0; i < wanted.length; i++) {
    let mean = wanted[i] - offset[i], mass = weights[i], from = i;
    for (let last = pools[pools.length - 1]; last && last.mean > mean; last = pools[pools.length - 1]) {
      mean = (last.mean * last.mass + mean * mass) / (last.mass + mass);
      mass += last.mass;
      from = last.from;
      pools.pop();
    }
    pools.push({ mean, mass, from });
  }
  pools.forEach(({ mean, from }) => found.fill(mean, from));
  return found.map((mean, i) => mean + offset[i]);
}
