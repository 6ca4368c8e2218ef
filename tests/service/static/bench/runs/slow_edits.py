"""Hundreds of random edits of random traces in the page, against those of the package."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.network import forward_stages
from lstm_trace.engine.run import with_holds
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.held import plain_stage
from lstm_trace.trace.trace import Trace
from tests.lines.problems import jumps, matrices, network, problem, same
from tests.support.walk_cases import CELLS, I, cell_of, states, weights

from .test_edits import asked as as_row, edited_in_page

COUNT, BLOCK = 600, 100
#: What the package refuses, since it first writes the trace as a problem, and the page can do.
ONLY_IN_THE_PAGE = re.compile(r"which the requested lines do not need: run it without ask")
FUNCTIONS = ("tanh", "sigmoid", "softsign", "relu", "hard_sigmoid", "softplus")


def asked(rng: random.Random, draw: np.random.Generator) -> Trace:
    """A network of which some lines are requested, at any depth."""
    options = CELLS[rng.choice([*CELLS])]
    layers, both = rng.randint(1, 3), rng.random() < 0.6
    directions = ("forward", "reverse") if both else (rng.choice(("forward", "reverse")),)
    layers = layers if both or directions == ("forward",) else 1
    merge = rng.choice(("concat", "none")) if layers == 1 else "concat"
    steps, batch = rng.randint(1, 4), rng.randint(1, 3)
    scopes = [f"{layer}/{direction}" for layer in range(layers) for direction in directions]
    lines = [line.name for line in cell_of(options).lines]
    cell = {**options, **({"merge": merge} if both else {})}
    if rng.random() < 0.4:
        cell["padding"] = rng.choice(("zero", "repeat", "carry"))
    if directions == ("reverse",):
        cell["direction"] = "reverse"
    ask = [f"{rng.choice(scopes)}/" * (rng.random() < 0.5) + rng.choice(lines) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.2:
        ask = [f"{rng.choice(scopes)}/{rng.randrange(steps)}/{rng.randrange(batch)}/{rng.choice(lines)}"]
    return lt.run(
        weights(draw, options, layers, directions),
        draw.normal(size=(steps, batch, I)), cell=cell, ask=ask,
        initial=states(draw, options, len(scopes), batch),
        lengths=[rng.randint(0, steps) for _ in range(batch)] if "padding" in cell else None,
    )  # fmt: skip


def start(rng: random.Random) -> Trace:
    while True:
        draw = np.random.default_rng(rng.getrandbits(32))
        try:
            return rng.choice((asked, asked, network, matrices, problem))(rng, draw)
        except LstmTraceError:
            continue


def other(rng: random.Random, trace: Trace, edits: dict[str, Any]) -> str:
    """Other equations; weights that they add are among the edits."""
    stage = plain_stage(rng.choice([one for one in forward_stages(trace.stages) if one.direction != "joined"]))
    rows = stage.cell.text.splitlines()
    found = [k for k, row in enumerate(rows) if re.match(r"\w+ = ", row)]
    at = rng.choice(found)
    name, right = rows[at].split(" = ", 1)
    how = rng.randrange(7)
    if how == 0:
        one = rng.choice(FUNCTIONS)
        return re.sub(r"\b(?:tanh|sigmoid)\(", f"{one}(", "\n".join(rows), count=rng.randint(1, 3))
    if how == 1:
        rows[at] = f"{name} = {right} + v_new"
        widths = {n: a.shape[-1] for here in trace.lines.values() for n, a in here.items()}
        edits["v_new"] = [rng.uniform(-1, 1) for _ in range(widths.get(name, 2))]
    if how == 2:
        rows[at] = f"u_t = 0.5 * u_prev + {right}\n{name} = u_t"
        text = "\n".join(rows)
        return text.replace("carry: ", "carry: u_prev <- u_t, ")
    if how == 3:
        return re.sub(r" \+ b_\w+", "", "\n".join(rows))
    if how == 4:
        return re.sub(rf"\b{name}\b", "renamed_t", "\n".join(rows))
    if how == 5:
        rows[at] = f"{name} = 0.5 * ({right})"
    return "\n".join(rows)


def change_of(rng: random.Random, trace: Trace) -> dict[str, Any]:
    """A random change."""
    draw = np.random.default_rng(rng.getrandbits(32))
    edits: dict[str, Any] = {}
    change: dict[str, Any] = {"edits": edits}
    if rng.random() < 0.7:
        change["equations"] = other(rng, trace, edits)
    if rng.random() < 0.4:
        scope = rng.choice([*trace.parameters])
        name = rng.choice([*trace.parameters[scope]] or ["none"])
        array = trace.parameters[scope].get(name, np.zeros(2))
        index = ",".join(str(rng.randrange(n)) for n in array.shape)
        edits[f"{scope}/{name}[{index}]" if index else f"{scope}/{name}"] = rng.uniform(-2, 2)
    if rng.random() < 0.3 and trace.x is not None:
        t, b, width = rng.randrange(trace.steps), rng.randrange(trace.batch), trace.x.shape[2]
        edits[f"{t}/{b}/x_t[{rng.randrange(width)}]"] = 0.75
    elif rng.random() < 0.4 and trace.x is not None:
        shape = (rng.randint(1, 5), trace.batch, trace.x.shape[2])
        x = draw.normal(size=shape)
        x = np.swapaxes(x, 0, 1) if trace.header.batch_first else x
        edits["x"] = (x if trace.header.batched else x.reshape(shape[0], shape[2])).tolist()
    if rng.random() < 0.3:
        stage = rng.choice(forward_stages(trace.stages))
        line = rng.choice([*(stage.cell.plain or stage.cell).by_name])
        t = rng.randrange(trace.steps)
        parts = ("", f"0..{trace.steps - 1}/*/", f"{t}/0/")
        where = rng.choice(("", f"{t}/", f"*/*/{t}/0/", *(f"{stage.scope}/{part}" for part in parts)))
        change["holds"] = {f"{where}{line}{rng.choice(('', '', '[0]', '[*]', '[0..1]'))}": rng.choice((0.5, "*2", 0))}
    return change


def expected(trace: Trace, change: dict[str, Any]) -> Trace:
    edits = {address: np.array(value) for address, value in change["edits"].items()}
    made = lt.edit(trace, edits, change.get("equations")) if edits or "equations" in change else trace
    holds = [{address: value} for address, value in change.get("holds", {}).items()]
    return with_holds(made, holds) if holds else made


@pytest.mark.parametrize("first", range(0, COUNT, BLOCK))
def test_random_edits(first: int) -> None:
    asks = []
    for seed in range(first, first + BLOCK):
        rng = random.Random(seed)  # noqa: S311 - the same each time
        trace = start(rng)
        asks.append((trace, change_of(rng, trace)))
    answers = edited_in_page([as_row(*one) for one in asks])
    accepted = 0
    for seed, ((trace, change), answer) in enumerate(zip(asks, answers, strict=True), first):
        try:
            own = expected(trace, change)
        except LstmTraceError as refused:
            if "file" in answer and not ONLY_IN_THE_PAGE.search(str(refused)):
                raise AssertionError(f"seed {seed}: {change}: the package refuses it") from refused
            continue
        accepted += 1
        check(trace, change, answer, own, f"seed {seed}: {change}")
    assert accepted > BLOCK / 3


def check(trace: Trace, change: dict[str, Any], answer: dict[str, Any], own: Trace, where: str) -> None:
    assert "file" in answer, f"{where}: the page refuses: {answer['problems']}"
    found = lt.load(answer["file"].encode())
    assert lt.verify(found).verdict == lt.verify(own).verdict != "failed", where
    assert found.steps == own.steps, where
    assert [(s.scope, s.cell.text, s.computed, dict(s.sources)) for s in found.stages] == [
        (s.scope, s.cell.text, s.computed, dict(s.sources)) for s in own.stages
    ], where
    assert found.header.ask == own.header.ask, where
    assert found.header.step_labels == own.header.step_labels, where
    for part in ("parameters", "initial", "given"):
        same(getattr(own, part), getattr(found, part), f"{where} {part}", exact=True)
    if not jumps(own) and own.header.dtype == "float64":
        same(own.lines, found.lines, where, exact=False)
