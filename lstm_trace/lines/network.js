// The stages of a network: cells for padding, for merged directions, with supplied lines and with added equations; and
// other equations in the stages of a trace. See cell/network.py, cell/variants.py, model/edit.py.

import { assigned, by_name, certain, closure, definition, equations, made, readers, reads, states, words, written } from "./cells.js";
import { CellError } from "./errors.js";
import { parse, partition, rows_of, split } from "./grammar.js";
import { forward_stages, inputs_of, states_of, used } from "./sizes.js";
import { COMPOSITES, MERGED } from "./table.js";
import { each_array, mapped, named } from "./values.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").Stage} Stage */
/** @typedef {import("./types.js").Scoped} Scoped */
/** @typedef {import("./types.js").Trace} Trace */
/** @typedef {import("./types.js").Values} Values */
/** @typedef {[string, string][]} Pairs */

const BUILT_IN = new Set(COMPOSITES.map(definition));

/** What is before the first of a mark, without blanks around it. @param {string} text @param {string} mark */
const before = (text, mark) => partition(text, mark)[0].trim();

/** The cell for sequences with padding: at padding every state keeps its value. @param {Cell} cell @param {string} padding  zero, repeat or carry: the output there @param {Iterable<string>} [others]  names that are taken @returns {Cell} */
function masked(cell, padding, others = []) {
  const taken = new Set([...by_name(cell).keys(), ...states(cell).keys(), ...others]);
  const stem = ["y", "out", "out_out"].find((one) => !taken.has(`${one}_t`) && !taken.has(`${one}_prev`));
  const carried = cell.carry.find(([, line]) => line === cell.output)?.[0];
  const past = padding === "zero" ? "0" : padding === "repeat" ? `${stem}_prev` : carried;
  if (!past) throw new CellError(["padding: carry needs a cell that carries its output; choose zero or repeat"]);
  const carry = cell.carry.map(([state, line]) => `${state} <- where(valid, ${line}, ${state})`);
  if (padding === "repeat") carry.push(`${stem}_prev <- ${stem}_t`);
  return parse([
    ...cell.functions.map(definition), `input: ${[...cell.inputs, "valid"].join(", ")}`,
    ...[...equations(cell)].map(([name, right]) => `${name} = ${right}`),
    ...(cell.declared.length ? [`matrix: ${cell.declared.join(", ")}`] : []),
    `${stem}_t = where(valid, ${cell.output}, ${past})`, `carry: ${carry.join(", ")}`, `output: ${stem}_t`,
  ].join("\n"));
}

/** The cell in which the two directions of a layer are merged. @param {string} merge */
export const joined = (merge) => parse(`input: y_forward, y_reverse\ny_t = ${MERGED[merge]}\noutput: y_t`);

/** The cell with more equations after its own; its states and output stay the same. @param {Cell} cell @param {string} extra @param {boolean} [padded] @returns {Cell} */
function extended(cell, extra, padded = false) {
  const added = rows_of(extra), texts = added.map((row) => partition(row, "#")[0]);
  const found = texts.findIndex((row) => before(row, ":") === "carry"), at = found < 0 ? added.length : found;
  const pairs = found < 0 ? [] : split(partition(texts[at], ":")[2]).map(([part]) => part).filter(Boolean);
  const named = new Set([...states(cell).keys(), ...pairs.map((part) => before(part, "<-"))]);
  const given = new Set(texts.map((row) => before(row, "=")));
  for (const word of new Set(words(texts.join("\n")))) { // a total needs no `carry:`
    const stem = word.replace(/_prev$/, "");
    if (stem && stem !== word && given.has(`${stem}_t`) && !named.has(word)) pairs.push(`${word} <- ${stem}_t`);
  }
  const carry = `carry: ${[...pairs, ...cell.carry.map((pair) => pair.join(" <- "))].join(", ")}`;
  added.splice(at, 1, ...(pairs.length ? [carry] : []));
  const rows = rows_of(cell.text).filter((row) => !row.startsWith("input:") && !(pairs.length && row.startsWith("carry:")));
  const last = rows.findIndex((row) => /^(matrix|carry|output):/.test(row));
  const whole = parse([...rows.slice(0, last), ...added, ...rows.slice(last)].join("\n"), cell.inputs, 1 - last);
  if (whole.plain) throw new CellError(["the added equations have the row `hold:` or `scale:`; holds are given separately"]);
  const own = whole.carry.filter(([state]) => !states(cell).has(state));
  const full = made({ ...whole, carry: [...cell.carry, ...own] });
  return parse(padded && own.length ? kept_at_padding(full, own, cell) : full.text);
}

/** The text of a cell that was extended by states of its own, which keep their values at padding. @param {Cell} whole @param {Pairs} own @param {Cell} cell */
function kept_at_padding(whole, own, cell) {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const pairs = new Map(whole.carry.filter(([state]) => states(cell).has(state))), rights = equations(whole);
  for (const [state, line] of own) {
    pairs.set(state, line);
    const right = rights.get(line);
    if (right === undefined || by_name(cell).has(line) || kept.has(line)) pairs.set(state, `where(valid, ${line}, ${state})`);
    else if (at_valid(whole, state) === null) kept.set(line, `where(valid, ${right.replace(/(.+) \/ (.+)/g, "quotient($1, $2)")}, ${state})`);
  }
  const rows = rows_of(whole.text).filter((row) => !/^(input|carry):/.test(row)).map((row) => {
    const name = partition(row, " = ")[0];
    return kept.has(name) ? `${name} = ${kept.get(name)}` : row;
  });
  const inputs = [...new Set([...whole.inputs, "valid"])].join(", ");
  return [`input: ${inputs}`, ...rows, `carry: ${[...pairs].map((pair) => pair.join(" <- ")).join(", ")}`].join("\n");
}

/** The value at valid steps of the line that a state takes over, if the line keeps it at padding. @param {Cell} cell @param {string} state */
function at_valid(cell, state) {
  const line = by_name(cell).get(states(cell).get(state) ?? "");
  const keeps = line && assigned(line) && line.op === "where" && line.operands[0] === "valid" && line.operands[2] === state;
  return keeps ? String(line.operands[1]) : null;
}

/** The same cell with some lines supplied as inputs; lines that only they needed are removed. @param {Cell} cell @param {string[]} names @returns {Cell} */
function supplied(cell, names) {
  for (const name of names) {
    if (!by_name(cell).has(name) && !cell.inputs.includes(name)) throw new CellError([`given '${name}' is not a line of the cell`]);
  }
  if (!names.length) return cell;
  const lines = cell.lines.filter((line) => !names.includes(line.name));
  const fed = { ...cell, lines, inputs: [...new Set([...cell.inputs, ...names])] };
  const unread = cell.lines.map((line) => line.name).filter((name) => !readers(cell).has(name));
  const ends = [...unread, cell.output, ...states(cell).values()].filter((name) => !names.includes(name));
  const left = made({ ...fed, lines: written(fed, closure(fed, ends)) });
  const declared = new Set([...cell.declared, ...names.filter((name) => certain(cell).has(name))]);
  const known = new Set([...left.inputs, ...states(left).keys(), ...left.parameters]);
  return made({ ...left, declared: [...declared].filter((name) => known.has(name)) });
}

/** @typedef {{layers: number, directions: string[], merge: string, padding: string | null}} Form  of a network */

/**
 * The stages of layers of a cell.
 * @param {Cell} cell
 * @param {Form} form
 * @param {string} [extra]  equations added to the last stage
 * @param {{[scope: string]: string[]}} [given]  lines that are supplied
 * @returns {Stage[]}
 */
export function stack(cell, { layers, directions, merge, padding }, extra = "", given = {}) {
  const inner = padding ? masked(cell, padding, rows_of(extra).map((row) => before(row, "="))) : cell;
  /** @type {Stage[]} */
  const stages = [];
  /** @param {number} layer @param {string} direction @param {Cell} own @param {{[input: string]: string}} from @param {boolean} last */
  const add = (layer, direction, own, from, last) => {
    const scope = `${layer}/${direction}`, names = Object.hasOwn(given, scope) ? given[scope] : [];
    const here = extra && last && layer === layers - 1 ? extended(own, extra, padding !== null) : own;
    const sources = here.inputs.map((name) => [name, Object.hasOwn(from, name) ? from[name] : "given"]);
    for (const name of names) sources.push([name, "given"]);
    stages.push({ layer, direction, scope, cell: supplied(here, names), sources: named(sources), computed: null });
    return `${scope}/${own.output}`;
  };
  const meets = directions.length > 1 && merge !== "none";
  let source = "x";
  for (let layer = 0; layer < layers; layer += 1) {
    const ends = directions.map((direction) => add(layer, direction, inner, { x_t: source, valid: "valid" }, !meets));
    [source] = ends;
    if (meets) source = add(layer, "joined", joined(merge), { y_forward: ends[0], y_reverse: ends[1], valid: "valid" }, true);
  }
  return stages;
}

// -- the equations of a stage without those of the network -----------------------------------------------------------

/** The lines that padding replaced, by what replaced them. @param {Cell} cell */
const at_padding = (cell) => new Map(cell.lines.filter((line) => line.op === "where").map((line) => [line.name, line]));

/** The carry of a cell with padding as it is without. @param {Cell} cell @returns {Pairs} */
function carried(cell) {
  const past = `${cell.output.replace(/_t$/, "")}_prev`, replaced = at_padding(cell);
  return cell.carry.filter(([state, line]) => state !== past || line !== cell.output).map(([state, name]) => {
    const line = replaced.get(name);
    return [state, line && (name === cell.output || !assigned(line)) ? String(line.operands[1]) : name];
  });
}

/** The equations of a cell without those that padding added after and between them, and later ones. @param {Cell} cell @param {boolean} padded */
function own_text(cell, padded) {
  const { output } = cell, last = by_name(cell).get(output);
  if (!padded || !last) return cell.text;
  const inputs = cell.inputs.filter((name) => name !== "valid"), lines = cell.lines.slice(0, cell.lines.indexOf(last));
  const known = new Set([...inputs, ...lines.map((line) => line.name)]); // no totals
  const replaced = last.op === "where" ? String(last.operands[1]) : output;
  return made({ ...cell, lines, carry: carried(cell).filter(([, line]) => known.has(line)), output: replaced, inputs }).text;
}

/** The equations that a cell has in addition to a bare one. @param {Cell} bare @param {Cell} cell @param {string[]} [padding]  names that padding added */
function added_text(bare, cell, padding = []) {
  const known = new Set([...by_name(bare).keys(), ...padding]), own = padding.length ? carried(cell) : cell.carry;
  const definitions = bare.functions.map(definition), added = own.filter(([state]) => !states(bare).has(state));
  const totals = new Map((padding.length ? added : []).map(([state]) => [states(cell).get(state), at_valid(cell, state)]));
  const fed = cell.inputs.filter((name) => !bare.inputs.includes(name) && !known.has(name));
  const sums = rows_of(cell.text).filter((row) => row.startsWith("sum: ") && !bare.sums.length);
  return [
    ...cell.functions.map(definition).filter((text) => !definitions.includes(text) && !BUILT_IN.has(text)),
    ...(fed.length ? [`input: ${fed.join(", ")}`] : []),
    ...[...equations(cell)].filter(([name]) => !known.has(name)).map(([name, right]) => `${name} = ${totals.get(name) ?? right}`),
    ...(added.length ? [`carry: ${added.map((pair) => pair.join(" <- ")).join(", ")}`] : []),
    ...sums,
  ].map((row) => `${row}\n`).join("");
}

// -- addresses of lines, `layer/direction/t/b/line[j]`, of which parts may be left out: trace/address.py ---------------

/** The first and the last of adjacent numbers. @typedef {[number, number]} Range */
/** What an address means: stages that have the line, positions of steps, sequences, and units (null: all).
 *  @typedef {{name: string, stages: Stage[], t: Range, b: Range, units: Range[] | null}} Meant */

const BEHIND = /\[([^[\]:]*)\]?\s*$/, WHOLE = "(?:0|[1-9]\\d{0,14})";
const RANGE = new RegExp(`^\\s*(${WHOLE})(?:\\s*\\.\\.\\s*(${WHOLE}))?\\s*$`);

/** The name in an address. @param {string} text */
export const line_name = (text) => text.slice(text.lastIndexOf("/") + 1).replace(BEHIND, "").trim();

/** The numbers of `5` or `5..9`; null for any other text. @param {string} text @returns {Range | null} */
function range(text) {
  const [, first, last = first] = RANGE.exec(text) ?? [];
  return first !== undefined && Number(first) <= Number(last) ? [Number(first), Number(last)] : null;
}

/** @typedef {(stage: Stage, name: string) => boolean} Has */

/** The name of a line in an address, in which there may be a slash; the parts before it; null if no stage has it.
 *  @param {string} text @param {Stage[]} stages @param {Has} has @returns {{name: string, before: string[]} | null} */
export function name_in(text, stages, has) {
  const pieces = text.trim().replace(/^\//, "").split("/");
  const names = pieces.map((_, k) => pieces.slice(k).join("/").replace(BEHIND, "").trim());
  const cut = names.findIndex((name) => stages.some((stage) => has(stage, name)));
  return cut < 0 ? null : { name: names[cut], before: pieces.slice(0, cut).map((part) => part.trim()) };
}

/**
 * What an address means; null if it means nothing there.
 * @param {string} text
 * @param {Stage[]} stages
 * @param {{first?: number, steps: number, batch: number}} head
 * @param {Has} has
 * @param {boolean} [held]  of what is held: where directions meet, an address without one means the value that they have together
 * @returns {Meant | null}
 */
export function meaning(text, stages, { first = 0, steps, batch }, has, held = false) {
  const { name = "", before = [] } = name_in(text, stages, has) ?? {}, index = BEHIND.exec(text)?.[1];
  const units = index === undefined || index.trim() === "*" ? null : index.split(",").map(range);
  if (!name || units?.includes(null)) return null;
  const there = stages.filter((stage) => has(stage, name)), meets = held && there.some((stage) => stage.direction === "joined");
  const layers = [...new Set(there.map((stage) => stage.layer))], directions = [...new Set(there.map((stage) => stage.direction))];
  /** @type {Range[]} */
  const spans = [[first, first + steps - 1], [0, batch - 1]];
  const several = [layers.length > 1, directions.length > 1 && !meets, steps > 1, batch > 1];
  const skipped = (/** @type {number[]} */ way) => several.filter((many, part) => many && !way.includes(part)).length;
  // first leave out only parts with one value, then name as few of those as possible
  const ways = [...Array(16).keys()].map((bits) => [0, 1, 2, 3].filter((part) => bits & (8 >> part))).filter((way) => way.length === before.length).reverse();
  const rank = (/** @type {number[]} */ way) => (skipped(way) ? 8 : 0) + (held ? way.filter((part) => !several[part]).length : 0);
  for (const way of ways.sort((one, two) => rank(one) - rank(two))) {
    const said = [0, 1, 2, 3].map((part) => (way.includes(part) ? before[way.indexOf(part)] : "*"));
    const [layer, direction] = [said[0] === "*" ? null : (range(said[0]) ?? [NaN])[0], said[1] === "*" ? null : said[1]];
    const [t, b] = spans.map((span, k) => (said[k + 2] === "*" ? span : range(said[k + 2])));
    const fits = (/** @type {Range | null} */ one, /** @type {number} */ k) => one !== null && one[0] >= spans[k][0] && one[1] <= spans[k][1];
    if (!fits(t, 0) || !fits(b, 1) || !(layer === null || layers.includes(layer)) || !(direction === null || directions.includes(direction))) continue;
    const met = meets && !way.includes(1) ? "joined" : direction;
    const own = there.filter((stage) => (layer ?? stage.layer) === stage.layer && (met ?? stage.direction) === stage.direction);
    return { name, stages: own, t: /** @type {Range} */ (t), b: /** @type {Range} */ (b), units: /** @type {Range[] | null} */ (units) };
  }
  return null;
}

/** @type {Has} */
const has_name = ({ cell }, name) => by_name(cell).has(name) || cell.inputs.includes(name);

/** What is requested of some stages. Throws CellError. @param {string} text @param {Stage[]} stages @param {any} head @returns {Meant} */
function requested(text, stages, head) {
  const found = meaning(text, stages, head, has_name);
  if (!found) throw new CellError([`ask: '${text}' is not an address of a line here`]);
  return found;
}

// -- other equations -------------------------------------------------------------------------------------------------

/** The number of layers, and the directions of each. @param {Stage[]} stages @param {string} merge @param {string | null} padding @returns {Form} */
function form_of(stages, merge, padding) {
  const there = new Set(stages.map((stage) => stage.direction));
  const layers = 1 + Math.max(...stages.map((stage) => stage.layer));
  return { layers, directions: ["forward", "reverse"].filter((one) => there.has(one)), merge, padding };
}

/** The equations that the last stage has in addition to those of the cell: whichever stage shows the cell of which all are
 *  made. @param {Stage[]} stages @param {Form} form */
function extra_of(stages, form) {
  const top = stages[stages.length - 1], padded = form.padding !== null;
  const alike = (/** @type {Stage} */ { cell }) => [...cell.inputs].sort() + made({ ...cell, inputs: [], functions: [] }).text;
  const given = named(stages.map(({ scope, sources }) => [scope, Object.keys(sources).filter((name) => sources[name] === "given")]));
  for (const stage of stages.filter(({ direction }) => direction !== "joined")) {
    const cell = parse(own_text(stage.cell, padded)), bare = top.direction === "joined" ? joined(form.merge) : cell;
    try {
      const extra = added_text(bare, top.cell, padded ? ["valid", top.cell.output] : []);
      const again = new Map(stack(cell, form, extra, given).map((one) => [one.scope, alike(one)]));
      if (stages.every((one) => again.get(one.scope) === alike(one))) return extra;
    } catch (error) {
      if (!(error instanceof CellError)) throw error;
    }
  }
  throw new CellError(["the layers and directions do not have the equations of one cell"]);
}

/** The equations of the cell in a text, and those that the last stage adds. @param {Stage[]} stages @param {Form} form @param {string} text @returns {[string, string]} */
function separated(stages, form, text) {
  const read = parse(text), cell = read.plain ?? read, alone = stages.length === 1;
  const own = read.plain ? cell.text : text;
  const halves = cell.inputs.filter((name) => name === "y_forward" || name === "y_reverse");
  if (halves.length) {
    const said = `the equations read ${halves.join(" and ")}: they merge the two directions, as set by the option merge`;
    throw new CellError([`${said}; change the equations of a direction, ${stages[0].scope} for example`]);
  }
  const extra = alone ? "" : extra_of(stages, form);
  if (form.padding !== null && cell.inputs.includes("valid") && by_name(cell).has(cell.output)) {
    const bare = own_text(cell, true), names = [...equations(cell).keys()];
    const added = added_text(masked(parse(bare), form.padding, names.slice(names.indexOf(cell.output) + 1)), cell);
    return [bare, added || extra];
  }
  const declared = rows_of(extra).filter((row) => row.startsWith("input:"));
  const names = rows_of(extra).filter((row) => row.includes("=") && !declared.includes(row)).map((row) => before(row, "="));
  if (alone || !names.some((name) => equations(cell).has(name))) return [own, extra];
  const moved = rows_of(own).filter((row) => names.includes(before(row, "=")));
  /** @param {string[]} rows */
  const text_of = (rows) => rows.map((row) => `${row}\n`).join("");
  return [text_of(rows_of(own).filter((row) => !moved.includes(row))), text_of([...declared, ...moved])];
}

/** A stage without holds. @param {Stage} stage @returns {Stage} */
export function plain_stage(stage) {
  const { plain } = stage.cell;
  if (!plain) return stage;
  const sources = named(plain.inputs.map((name) => [name, stage.sources[name]]));
  return { ...stage, cell: plain, sources, computed: stage.computed && stage.computed.filter((name) => by_name(plain).has(name)) };
}

/** What is requested of the last stage if nothing else is: its output, and what its equations end in. @param {Stage} stage @returns {string[]} */
function answers({ scope, direction, cell: whole }) {
  const cell = whole.plain ?? whole, carried = new Set(states(cell).values()), there = cell.inputs.includes(cell.output);
  const reading = cell.lines.filter((line) => assigned(line) || !carried.has(line.name)).flatMap(reads);
  const inner = new Set([...closure(cell, [cell.output]), ...reading]);
  const ends = cell.lines.filter((line) => assigned(line) && !inner.has(line.name)).map((line) => line.name);
  return [...(there ? [] : [direction === "joined" ? `${scope}/${cell.output}` : cell.output]), ...ends];
}

/** Addresses that a problem asks for, though everything is computed; none where that is what is requested if nothing else is.
 *  @param {Trace} trace @returns {string[]} */
function asked(trace) {
  const { ask = [] } = /** @type {any} */ (trace.head), last = forward_stages(trace).at(-1);
  return last && String(ask) !== String(answers(last)) ? ask : [];
}

/** The stages with only the lines that some values (`layer/direction/name`) follow from; stages without any are left out.
 *  @param {Stage[]} stages @param {string[]} wanted @param {boolean} carried  whether a step depends on the one before */
function restricted(stages, wanted, carried) {
  const names = new Set(wanted), kept = /** @type {Stage[]} */ ([]);
  for (const stage of [...stages].reverse()) {
    const here = [...by_name(stage.cell).keys(), ...stage.cell.inputs].filter((name) => names.has(`${stage.scope}/${name}`));
    if (!here.length) continue;
    const needed = closure(stage.cell, here, carried);
    const small = { ...stage, computed: stage.cell.lines.map((line) => line.name).filter((name) => needed.has(name)) };
    for (const name of inputs_of(small)) names.add(stage.sources[name]);
    kept.unshift(small);
  }
  return kept;
}

/**
 * A trace with other stages, or another number of steps: with what is requested alone, and with the premises that it
 * reads. It is to be run.
 * @param {Trace} trace
 * @param {Stage[]} stages  whole
 * @param {string[]} ask  addresses; everything where there are none, and what was asked for of that is asked for as far as it is there
 * @returns {Trace}
 */
export function answering(trace, stages, ask) {
  const head = /** @type {any} */ (trace.head), found = ask.map((text) => requested(text, stages, head));
  const there = asked(trace).filter((text) => meaning(text, stages, head, has_name));
  const wanted = found.flatMap(({ stages: those, name }) => those.map(({ scope }) => `${scope}/${name}`));
  let kept = wanted.length ? restricted(stages, wanted, head.steps > 1) : stages, { steps } = head;
  if (wanted.length && kept.every((stage) => stage.direction === "forward")) { // a step never depends on a later one
    steps = 1 + Math.max(...found.map(({ t }) => t[1]));
    kept = restricted(kept, wanted, steps > 1);
  }
  /** @param {Scoped} part @param {(stage: Stage) => Iterable<string>} names @returns {Scoped} */
  const read = (part, names) => named(kept.flatMap((stage) => {
    const here = new Map(Object.entries(part[stage.scope] ?? {})), known = [...names(stage)].filter((name) => here.has(name));
    return known.length ? [[stage.scope, named(known.map((name) => [name, /** @type {any} */ (here.get(name))]))]] : [];
  }));
  const now = {
    ...trace, stages: kept, head: { ...head, ask: [ask, there, answers(kept[kept.length - 1])].find((some) => some.length) ?? [] }, lines: {}, sums: {}, widths: {}, grids: {},
    parameters: read(trace.parameters, (stage) => stage.cell.parameters.filter((name) => used(stage).has(name))),
    initial: read(trace.initial, states_of), given: read(trace.given, inputs_of),
  };
  return steps < head.steps ? shortened(now, steps) : now;
}

/** The first steps of the premises of a trace. @param {Trace} trace @param {number} steps @returns {Trace} */
function shortened(trace, steps) {
  const first = (/** @type {Values} */ { shape: [, rows, width], data }) => ({ shape: [steps, rows, width], data: data.slice(0, steps * rows * width) });
  const head = { ...trace.head, steps, names: labelled(/** @type {any} */ (trace.head).names, steps) };
  return { ...trace, head, x: trace.x && first(trace.x), given: each_array(trace.given, first), mask: trace.mask && trace.mask.slice(0, steps) };
}

/** The names of a trace for another number of steps: new ones have no label. @param {any} names @param {number} steps */
export const labelled = (names, steps) => (names?.t ? { ...names, t: names.t.map((/** @type {string[]} */ row) => Array.from({ length: steps }, (_, t) => row[t] ?? "")) } : names);

/**
 * A trace with other equations, written as in a problem, or as in a stage, and the premises that these read, to be run.
 * States that they add start at zero; adjoint stages and holds are left out. What they read and the trace does not have
 * is for the run to refuse.
 * @param {Trace} trace
 * @param {string} text
 * @returns {Trace}
 */
export function edited(trace, text) {
  const { merge = "concat", padding = null, ask = [] } = /** @type {any} */ (trace.head);
  const stages = forward_stages(trace).map(plain_stage), form = form_of(stages, merge, padding);
  const [own, extra] = separated(stages, form, text), cell = parse(own);
  const known = new Set([...words(extra), ...cell.parameters, ...by_name(cell).keys(), ...cell.inputs]);
  const supplied = mapped(trace.given, (here) => Object.keys(here).filter((name) => known.has(name)));
  const kept = stages.some(({ computed }) => computed) ? ask.filter((/** @type {string} */ address) => known.has(line_name(address))) : [];
  const now = { ...trace, head: { ...trace.head, cell: { kind: "equations", options: {} }, agreement: [] } };
  return answering(now, stack(cell, form, extra, supplied), kept);
}
