"""Random traces of every kind that the page runs, and what of the page's run must hold beside Python's."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import backward, forward
from lstm_trace.cell.lines import Cell
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.derived import sizes
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.trace import Trace

from ..fuzz.plans import cell as random_cell
from ..fuzz.problems import random_problem
from ..support.page_modules import computed
from ..support.random_matrices import RandomCell
from ..support.walk_cases import CELLS, H, I, P, cell_of, states, weights

ARITHMETICS = (
    "by-hand-0", "by-hand-2", "by-hand-4", "by-hand-15", "float16", "bfloat16", "float32", "q4.12", "q8.8", "q16.16",
)  # fmt: skip
#: Reads traces, runs them, and writes them back.
RUN = """
import { run } from "LINES/run.js";
import { read, written } from "LINES/trace.js";
export const answer = (texts) => texts.map((text) => {
  try {
    const trace = read(text), found = run({ ...trace, lines: {}, sums: {} });
    return { again: written(trace), written: written(found), widths: found.widths, grids: found.grids };
  } catch (error) {
    return { error: error.stack };
  }
});
"""


def any_cell(rng: random.Random, draw: np.random.Generator) -> Trace:
    """A cell of any operations, in either direction."""
    text, shapes, width = random_cell(rng)
    x = draw.normal(size=(rng.randint(1, 4), rng.randint(1, 3), width))
    made = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    options = {"direction": rng.choice(("forward", "reverse"))}
    return lt.run(made, x, cell={"equations": text}, options=options, dtype=rng.choice(("float64", "float32")))


def matrices(rng: random.Random, draw: np.random.Generator) -> Trace:
    """A cell whose memory is a matrix."""
    cell = RandomCell(rng)
    made = {name: draw.normal(size=shape) for name, shape in cell.shapes.items()}
    batch, extents = rng.randint(1, 2), cell.widths
    initial = {state: draw.normal(size=(batch, extents[state])) for state in ("C_prev", "h_prev")}
    x = draw.normal(size=(rng.randint(1, 4), batch, extents["x_t"]))
    options = {"direction": rng.choice(("forward", "reverse"))}
    return lt.run(made, x, cell={"equations": cell.text}, initial=initial, options=options)


def network(rng: random.Random, draw: np.random.Generator) -> Trace:
    """Layers and directions of a named cell, with padding, holds, supplied lines, in any dtype or arithmetic."""
    options = CELLS[rng.choice([*CELLS])]
    layers, both = rng.randint(1, 2), rng.random() < 0.6
    directions = ("forward", "reverse") if both else ("forward",)
    steps, batch = rng.randint(1, 5), rng.randint(1, 3)
    chosen: dict[str, Any] = {"padding": rng.choice(("zero", "repeat", "carry"))} if rng.random() < 0.6 else {}
    if both:
        chosen["merge"] = "concat" if layers > 1 else rng.choice(("concat", "sum", "mean", "product", "none"))
    told: dict[str, Any] = {
        "source": weights(draw, options, layers, directions),
        "x": draw.normal(size=(steps, batch, I)),
        "initial": states(draw, options, layers * len(directions), batch),
        "cell": {**options, **chosen},
        "hold": {},
    }
    if "padding" in chosen and rng.random() < 0.6:
        told["lengths"] = [rng.randint(0, steps) for _ in range(batch)]
    elif "padding" in chosen:
        told["mask"] = draw.integers(0, 2, size=(steps, batch)).astype(bool)
    where = [f"{layer}/{direction}" for layer in range(layers) for direction in directions]
    lines = [line.name for line in cell_of(options).lines]
    for _ in range(rng.choice((0, 0, 1, 2))):
        scope, line, t = rng.choice(where), rng.choice(lines), rng.randrange(steps)
        told["hold"][f"{scope}/{t}/{line}"] = rng.choice((0.25, -1.0, "*0.5", "*-2"))
    if rng.random() < 0.2:
        gate = next((line.name for line in cell_of(options).lines if line.assigned and line.op == "sigmoid"), None)
        width = P if options.get("projection") and gate == "h_t" else H
        if gate is not None:
            told["given"] = {f"{where[0]}/{gate}": draw.uniform(0, 1, size=(steps, batch, width))}
    if rng.random() < 0.4:
        told["arithmetic"] = rng.choice(ARITHMETICS)
    else:
        told["dtype"] = rng.choice(("float64", "float64", "float32", "float16"))
    if rng.random() < 0.3:
        told["ask"] = [f"{where[-1]}/{rng.randrange(steps)}/{rng.choice(lines)}"]
    return lt.run(**told)


def problem(rng: random.Random, _: np.random.Generator) -> Trace:
    """A problem as the tests of files make them."""
    return lt.run(random_problem(rng))


def adjoint(rng: random.Random, draw: np.random.Generator) -> Trace:
    """A trace with adjoint stages, of the sum of some lines with random weights."""
    trace = rng.choice((any_cell, matrices, network, network))(rng, draw)
    seeds = {}
    for _ in range(rng.randint(1, 2)):
        scope, name = line_of(rng, trace)
        shape = trace.steps, trace.batch, sizes(trace)[scope][name]
        seeds[f"{scope}/{name}"] = draw.normal(size=shape)
    return backward(trace, seeds=seeds)


def line_of(rng: random.Random, trace: Trace) -> tuple[str, str]:
    """The scope and name of a line."""
    found = [(stage.scope, line.name) for stage in forward(trace).stages for line in stage.lines]
    return rng.choice(found)


KINDS: Sequence[Callable[[random.Random, np.random.Generator], Trace]] = (
    any_cell, matrices, network, network, adjoint, problem,
)  # fmt: skip


def random_trace(seed: int) -> Trace:
    """The random trace of a seed; its kinds take turns. What the package refuses is drawn again."""
    rng = random.Random(seed)  # noqa: S311 - it has to be the same each time
    while True:
        try:
            return KINDS[seed % len(KINDS)](rng, np.random.default_rng(rng.getrandbits(32)))
        except LstmTraceError:
            continue


def ran(traces: Sequence[Trace]) -> list[Any]:
    """What the page makes of traces."""
    found: list[Any] = computed(RUN, [to_json(trace) for trace in traces])
    return found


def check(trace: Trace, reply: dict[str, Any], where: str) -> None:
    """The page reads and writes the trace, and its own run has the same premises, and lines that are proven."""
    assert "error" not in reply, f"{where}: {reply['error']}\n{trace.stages[0].cell.text}"
    text = to_json(trace)
    assert json.loads(reply["again"]) == json.loads(text), where
    new = lt.load(reply["written"].encode())
    verdict = lt.verify(new)
    assert verdict.verdict == ("inconclusive" if lt.verify(trace).verdict == "inconclusive" else "verified"), (
        f"{where}: {verdict}"
    )
    assert (new.header, new.stages) == (trace.header, trace.stages), where
    for part in ("parameters", "initial", "given"):
        same(getattr(trace, part), getattr(new, part), f"{where} {part}", exact=True)
    same({"": {"x": trace.x}}, {"": {"x": new.x}}, where, exact=True)
    assert {scope: [*here] for scope, here in new.lines.items()} == {
        stage.scope: [line.name for line in stage.lines] for stage in trace.stages
    }, where
    if trace.header.arithmetic is not None:
        same(trace.lines, new.lines, where, exact=True)
        same(trace.sums, new.sums, where, exact=True)
    elif trace.header.dtype == "float64" and not jumps(trace):
        same(trace.lines, new.lines, where, exact=False)
        same(trace.sums, new.sums, where, exact=False)
    for scope, widths in sizes(trace).items():
        used = used_names(trace, scope)
        assert {n: w for n, w in widths.items() if n in used} == {
            n: w for n, w in reply["widths"][scope].items() if n in widths and n in used
        }, f"{where} {scope}"
    grids = {scope: {name: [*grid] for name, grid in here.items()} for scope, here in trace.grids.items()}
    for scope, here in grids.items():
        used = used_names(trace, scope)
        found = {name: grid for name, grid in reply["grids"][scope].items() if name in used}
        assert found == {name: grid for name, grid in here.items() if name in used}, f"{where} {scope}"


def used_names(trace: Trace, scope: str) -> set[str]:
    """The computed lines of a stage and what they read."""
    stage = trace.stage(scope)
    return {line.name for line in stage.lines} | stage.reads


def jumps(trace: Trace) -> bool:
    """Whether rounding may change a value much: at a jump, or where an operation is very steep."""
    steep = {"greater", "where", "floor", "div", "log", "sqrt", "exp", "max", "maximum"}
    cells: list[Cell] = [stage.cell.plain or stage.cell for stage in forward(trace).stages]
    return any(line.op in steep and "valid" not in line.reads for cell in cells for line in cell.lines)


def same(one: Any, two: Any, where: str, exact: bool) -> None:
    """Arrays by scope and name are equal, or nearly."""
    assert {scope: {*here} for scope, here in one.items() if here} == {s: {*h} for s, h in two.items() if h}, where
    for scope, here in one.items():
        for name, values in here.items():
            if values is None:
                assert two[scope][name] is None
            elif exact:
                np.testing.assert_array_equal(two[scope][name], values, f"{where} {scope}/{name}")
            else:
                np.testing.assert_allclose(two[scope][name], values, 1e-7, 1e-9, err_msg=f"{where} {scope}/{name}")
