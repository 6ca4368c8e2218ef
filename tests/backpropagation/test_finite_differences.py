"""The adjoint of every operation, composite function and random cell against differences of whole runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.ops import OPS

from ..support.strategies import Case, cells

STEP = 1e-4
#: Expressions of a and b, of three units, for operations that are not a function of one operand.
TEXTS = {
    "matvec": "W_a @ x_t - a",
    "vecmat": "x_t @ W_b + b",
    "add": "a - b + 2 * a",
    "mul": "a * b",
    "div": "quotient(a, 2 + b * b)",
    "neg": "-a",
    "copy": "a",
    "greater": "a * (a > b) + b",
    "slice": "concat(a[0:2], b[1:2])",
    "concat": "concat(b, a)[1:4]",
    "where": "where(b > 0, a, b * b)",
    "maximum": "max(a, b)",
    "clip": "clip(a, -0.5, 0.25) + b",
    "elu": "elu(a, 0.7) + b",
    "log": "log(exp(a) + 1)",
    "sqrt": "sqrt(exp(b))",
    "floor": "floor(a) * b",
    "outer": "outer(a, b * b) @ a",
    "memvec": "sin(outer(a, b)) @ b",
    "vecmem": "a @ exp(outer(a, b))",
}
CASES = {op: TEXTS.get(op) or f"{found.function}(a) + b" for op, found in OPS.items()}
CASES |= {
    name: f"{name}({', '.join(['a', 'exp(b)'][: len(f.arguments) - len(f.defaults)])}) + b"
    for name, f in BUILT_IN.items()
}


def slope(
    weights: dict[str, np.ndarray], way: dict[str, np.ndarray], step: float, told: dict[str, Any], of: Any
) -> float:
    """d L / d size of a move of the weights along `way`: a central difference."""

    def at(size: float) -> float:
        return of(lt.run({n: w + size * way[n] for n, w in weights.items()}, plan="lines", **told))

    return (at(step) - at(-step)) / (2 * step)


@pytest.mark.few(5)
@pytest.mark.parametrize("name", CASES)
def test_each_operation_and_function(name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    cell = f"a = W_a @ x_t + U_a @ h_prev\nb = x_t @ W_b + b_b\nv = {CASES[name]}\nh_t = tanh(v)\ncarry: h_prev <- h_t"
    shapes = {"W_a": (3, 2), "U_a": (3, 3), "W_b": (2, 3), "b_b": (3,)}
    weights = {n: rng.normal(size=shape) for n, shape in shapes.items()}
    told = {"x": rng.normal(size=(4, 2)), "cell": {"equations": cell}, "initial": {"h_prev": np.full(3, 0.3)}}
    trace = lt.run(weights, **told)
    seeds = {"h_t": rng.normal(size=trace["h_t"].shape), "v": rng.normal(size=trace["v"].shape)}
    found = lt.gradients(trace, seeds=seeds)
    way = {n: rng.normal(size=w.shape) for n, w in weights.items()}
    near = slope(weights, way, STEP, told, lambda t: sum(float((t[n] * w).sum()) for n, w in seeds.items()))
    total = sum(float((found[f"0/forward/{n}"] * way[n]).sum()) for n in weights)
    assert total == pytest.approx(near, rel=1e-5, abs=1e-6)


@pytest.mark.few(0)
@settings(max_examples=100, deadline=None)
@given(drawn=cells())
def test_random_cells(drawn: Case) -> None:
    """Where two steps of different size agree: not at a corner."""
    told = {"x": drawn.x, "cell": {"equations": drawn.text}, "initial": drawn.initial}
    trace = lt.run(drawn.weights, **told)
    assume(drawn.weights and all(np.isfinite(v).all() for here in trace.lines.values() for v in here.values()))
    rng = np.random.default_rng(0)
    seed = rng.normal(size=trace[drawn.output].shape)
    way = {n: rng.normal(size=np.shape(w)) for n, w in drawn.weights.items()}

    def value(t: lt.Trace) -> float:
        return float((t[drawn.output] * seed).sum())

    with np.errstate(all="ignore"):
        near, far = (slope(drawn.weights, way, step, told, value) for step in (STEP, 3 * STEP))
    assume(np.isfinite(near) and abs(near - far) <= 1e-5 * abs(near) + 1e-7 and abs(near) < 1e6)
    found = lt.gradients(trace, seeds={drawn.output: seed})
    read = [n for n in drawn.weights if f"0/forward/{n}" in found]
    total = sum(float((found[f"0/forward/{n}"] * way[n]).sum()) for n in read)
    assert total == pytest.approx(near, rel=1e-4, abs=1e-5 * max(1.0, float(np.abs(trace[drawn.output]).max())))
