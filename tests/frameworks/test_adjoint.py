"""The adjoint against PyTorch's autograd, which differentiates the same equations run by PyTorch's own operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import backward, by_address, gradients
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.rules import DERIVATIVE
from lstm_trace.trace.address import INITIAL

from ..support.strategies import Case, cells
from ..support.walk_cases import CELLS, case

torch = pytest.importorskip("torch")
from . import torch_network  # noqa: E402 - it needs PyTorch

#: Softmax cross entropy.
READOUT = "r_out = W_out @ {out} + b_out\nL = -sum(target * log_softmax(r_out))"


def agree(trace: lt.Trace, seeds: dict[str, dict[str, np.ndarray]]) -> None:
    """`lt.gradients` and `lt.backward` give what autograd gives, and the trace of the gradients is verified."""
    theirs = torch_network.gradients(trace, seeds)
    weights = {f"{scope}/{name}": w for scope, here in seeds.items() for name, w in here.items()}
    ours = gradients(trace, seeds=weights)
    back = backward(trace, seeds=weights)
    assert lt.verify(back).verdict == "verified"
    largest = max(float(np.abs(v).max()) for v in theirs.values() if v.size)
    for name, mine in by_address(back).items():
        np.testing.assert_allclose(ours[name], mine, rtol=1e-12, atol=1e-14 * largest, err_msg=name)
    for name, other in theirs.items():
        if name.endswith("@"):
            scope, _, state = name.removesuffix("@").rpartition("/")
            if state in INITIAL:
                holders = [s.scope for s in trace.stages if state in trace.initial.get(s.scope, {})]
                mine = ours[INITIAL[state]][holders.index(scope)]
            else:
                mine = ours[f"{scope}/{state}"]
        else:
            mine = ours[name]
        mine = np.swapaxes(mine, 0, 1) if trace.header.batch_first and mine.ndim == 3 else mine
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12 * largest, err_msg=name)


def weighted(trace: lt.Trace, seed: int, most: int = 3) -> dict[str, dict[str, np.ndarray]]:
    """Random weights of up to `most` random lines."""
    rng = np.random.default_rng(seed)
    lines = [(s, n) for s, here in trace.lines.items() for n in here if np.isfinite(here[n]).all()]
    found: dict[str, dict[str, np.ndarray]] = {}
    for k in rng.permutation(len(lines))[:most]:
        scope, name = lines[int(k)]
        found.setdefault(scope, {})[name] = rng.normal(size=trace.lines[scope][name].shape)
    return found


@pytest.mark.parametrize("seed", range(200))
def test_random_nets(seed: int) -> None:
    """Layers, directions, joins, options, lengths, masks, readouts with a loss, own cells, GRU and sLSTM in turn."""
    rng = np.random.default_rng(seed)
    name = list(CELLS)[seed % len(CELLS)]
    layers, both = int(rng.integers(1, 3)), bool(rng.integers(2))
    steps, batch = int(rng.integers(3, 6)), int(rng.integers(1, 4))
    told: dict[str, Any] = {}
    padded = int(rng.integers(3))
    if padded == 1:
        told["lengths"] = rng.integers(1, steps + 1, batch).tolist()
    if padded == 2:
        told["mask"] = rng.integers(0, 2, (steps, batch)).tolist()
    cell = dict(CELLS[name])
    if both and layers == 1:
        cell["merge"] = ["concat", "sum", "mean", "product"][int(rng.integers(4))]
    if padded:
        cell["padding"] = ["zero", "repeat", "carry"][int(rng.integers(3))]
    arguments, trace = case(name, seed, steps, batch, layers, both, **told | {"cell": cell})
    if rng.integers(2):
        last = trace.stages[-1]
        width = trace.lines[last.scope][last.cell.output].shape[-1]
        arguments["cell"] = cell | {"extra": READOUT.format(out=last.cell.output)}
        home = last.scope if last.direction != "joined" else f"{last.layer}/forward"
        readout = {"W_out": rng.normal(size=(3, width)), "b_out": rng.normal(size=3), "target": rng.random(3)}
        arguments["source"] |= {f"{home}/{n}": v for n, v in readout.items()}
        trace = lt.run(**arguments)
        agree(trace, {last.scope: {"L": np.ones((steps, batch, 1))}})
    seeds = weighted(trace, seed)
    last = trace.stages[-1]
    output = trace.lines[last.scope][last.cell.output]
    seeds.setdefault(last.scope, {})[last.cell.output] = rng.normal(size=output.shape)
    agree(trace, seeds)


@settings(max_examples=150, deadline=None)
@given(drawn=cells())
def test_random_cells(drawn: Case) -> None:
    """Cells from the whole grammar; where a line is not finite there is nothing to compare."""
    trace = lt.run(drawn.weights, drawn.x, cell={"equations": drawn.text}, initial=drawn.initial)
    if all(np.isfinite(v).all() for here in trace.lines.values() for v in here.values()):
        agree(trace, weighted(trace, 1, 2))


#: Operations of one operand that need a positive one.
POSITIVE = ("log", "sqrt")
TWO = {"mul": "a * b", "greater": "a * (a > b) + b", "maximum": "max(a, b)"}
MATRIX = {"outer": "outer(a, b * b) @ a", "memvec": "sin(outer(a, b)) @ b", "vecmem": "a @ exp(outer(a, b))"}


@pytest.mark.parametrize("op", sorted({*DERIVATIVE, "add", "concat", "slice"} - {"matvec", "vecmat", "copy", "div"}))
def test_each_operation(op: str) -> None:
    """One line of the operation between products, at random values."""
    found = OPS[op]
    constants = {"clip": ", -0.5, 0.25", "elu": ", 0.7"}.get(op, "")
    text = {
        "add": "a - b + 2 * a",
        "concat": "concat(b, a)[1:4]",
        "slice": "concat(a[0:2], b[1:2])",
        "neg": "-a",
        "where": "where(b > 0, a, b * b)",
        **TWO,
        **MATRIX,
    }.get(op) or f"{found.function}({'exp(a)' if op in POSITIVE else 'a'}{constants}) + b"
    check(text)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_each_composite_function(name: str) -> None:
    """One call of the function between products, at random values."""
    function = BUILT_IN[name]
    free = len(function.arguments) - len(function.defaults)
    check(f"{name}({', '.join(['a', 'exp(b)'][:free])}) + b")


def check(text: str) -> None:
    """Autograd agrees on a small recurrent cell with the expression."""
    rng = np.random.default_rng(len(text))
    cell = f"a = W_a @ x_t + U_a @ h_prev\nb = x_t @ W_b + b_b\nv = {text}\nh_t = tanh(v)\ncarry: h_prev <- h_t"
    weights = {"W_a": (3, 2), "U_a": (3, 3), "W_b": (2, 3), "b_b": (3,)}
    source = {n: rng.normal(size=shape) for n, shape in weights.items()}
    trace = lt.run(
        source, rng.normal(size=(4, 2, 2)), cell={"equations": cell}, initial={"h_prev": np.full((2, 3), 0.3)}
    )
    agree(trace, {"0/forward": {"h_t": rng.normal(size=trace["h_t"].shape), "v": np.ones(trace["v"].shape)}})
