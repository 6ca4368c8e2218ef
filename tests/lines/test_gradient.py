"""The gradient of one number in the page, with respect to premises and lines: as Python's adjoints have it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import backward, premises
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.derived import sizes
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.trace import Trace

from ..support.page_modules import computed
from ..support.tiers import seeds
from ..support.walk_cases import case
from .problems import any_cell, jumps, line_of, matrices, network

#: The gradient of one place with respect to others, and the trace with its adjoints.
GRADIENT = """
import { Gradient } from "LINES/gradient.js";
import { read, written } from "LINES/trace.js";
export const answer = (cases) => cases.map(([text, of, places]) => {
  try {
    const gradient = new Gradient(read(text), of);
    return [written(gradient.trace), places.map((place) => String(gradient.at(place)))];
  } catch (error) {
    return [error.stack, null];
  }
});
"""


def place(scope: str, name: str, t: int | None, b: int | None, unit: int) -> dict[str, Any]:
    return {"scope": scope, "name": name, "t": t, "b": b, "unit": unit}


def target(rng: random.Random, trace: Trace) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The place of a number of a line, or of a whole line of one unit, and what `backward` calls it."""
    scope, name = line_of(rng, trace)
    width = sizes(trace)[scope][name]
    t, b, unit = rng.choice(trace.span), rng.randrange(trace.batch), rng.randrange(width)
    if width == 1 and trace.steps * trace.batch > 1 and rng.random() < 0.5:
        return place(scope, name, None, None, 0), name, np.ones((trace.steps, trace.batch, 1))
    weights = np.zeros((trace.steps, trace.batch, width))
    weights[trace.index(t), b, unit] = 1
    return place(scope, name, t, b, unit), name, weights


def expected(trace: Trace, of: dict[str, Any], weights: Any) -> list[tuple[dict[str, Any], float]]:
    """The gradients with respect to every premise, and every line, by Python's own adjoints."""
    back = backward(trace, seeds={f"{of['scope']}/{of['name']}": weights})
    found: list[tuple[dict[str, Any], float]] = []
    edge = {stage.scope: trace.span[-1] if stage.backwards else trace.first for stage in trace.stages}
    for one in premises(back):
        values = one.gradient
        if one.kind == "valid":
            continue
        if one.kind == "parameter":
            found += ((place(one.scope, one.name, None, None, k), v) for k, v in enumerate(values.ravel().tolist()))
            continue
        values = values[None] if one.kind == "state" else values
        for (t, b, unit), value in np.ndenumerate(values):
            at = edge[one.scope] if one.kind == "state" else trace.first + t
            found.append((place(one.scope, one.name if one.scope else "x_t", at, b, unit), float(value)))
    for stage in back.stages:
        for new, name in stage.cell.gradient if stage.is_adjoint else ():
            if new in stage.cell.by_name and name in trace.lines[stage.owner]:
                for (t, b, unit), value in np.ndenumerate(back.lines[stage.scope][new]):
                    found.append((place(stage.owner, name, trace.first + t, b, unit), float(value)))
    return found


def test_gradients_of_random_numbers() -> None:
    cases: list[Any] = []
    for seed in seeds(300, 3):
        rng = random.Random(1000 + seed)  # noqa: S311 - it has to be the same each time
        while True:
            try:
                made = rng.choice((any_cell, matrices, network))(rng, np.random.default_rng(rng.getrandbits(32)))
                of, _name, weights = target(rng, made)
                cases.append((seed, made, of, expected(made, of, weights)))
                break
            except LstmTraceError:
                continue
    replies = computed(GRADIENT, [(to_json(t), of, [at for at, _ in found]) for _, t, of, found in cases])
    for (seed, trace, of, found), (text, values) in zip(cases, replies, strict=True):
        assert values is not None, f"seed {seed}: {text}"
        back = lt.load(text.encode())
        assert lt.verify(back).verdict in ("verified", "inconclusive"), seed
        coarse = trace.header.dtype != "float64" or trace.header.arithmetic is not None
        if coarse or jumps(trace):
            continue
        largest = max([abs(value) for _, value in found if np.isfinite(value)], default=1)
        wanted = [value for _, value in found]
        np.testing.assert_allclose([float(v) for v in values], wanted, 1e-6, 1e-9 * largest, err_msg=f"{seed} {of}")


def test_it_is_what_a_derivation_says() -> None:
    _, trace = case("peephole", seed=5, steps=3, batch=2)
    of = place("1/reverse", "c_t", 0, 1, 2)
    places = [
        ("0/forward/W_xi[1,2]", place("0/forward", "W_xi", None, None, 5)),
        ("2/1/x_t[0]", place("", "x_t", 2, 1, 0)),
        ("2/0/x_t[1]", place("", "x_t", 2, 0, 1)),
        ("0/reverse/1/1/tanh(c_t)[3]", place("0/reverse", "tanh(c_t)", 1, 1, 3)),
        ("1/reverse/0/1/f_t[2]", place("1/reverse", "f_t", 0, 1, 2)),
        ("1/forward/0/1/f_t[2]", place("1/forward", "f_t", 0, 1, 2)),
        ("0/forward/0/1/h_t[2]", place("0/forward", "h_t", 0, 1, 2)),
    ]
    ((_, values),) = computed(GRADIENT, [(to_json(trace), of, [at for _, at in places])])
    for (address, _), value in zip(places, values, strict=True):
        said = lt.derivation(trace, address, of="1/reverse/0/1/c_t[2]").gradient
        assert said is not None
        np.testing.assert_allclose(float(value), said.value, 1e-9, 1e-15, err_msg=address)
