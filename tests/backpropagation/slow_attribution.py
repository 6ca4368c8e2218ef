"""A difference splits exactly: on random pairs of every cell, with one weight changed, by hand, in wrong traces."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import Split, split

from ..support.held_lstm import random_network
from ..support.walk_cases import CELLS, case

PAIRS = 200


def pairs(name: str, count: int) -> list[Split]:
    """Splits of `count` pairs with other parameters, inputs, states and lengths: one for each row of a batch."""
    steps = 50
    a, b = (
        case(name, seed, steps=steps, batch=count, lengths=np.random.default_rng(seed).integers(25, 51, size=count))[1]
        for seed in (21, 22)
    )
    rng = np.random.default_rng(23)
    shape = a.output.shape
    places = [(rng.integers(steps), row, rng.integers(shape[2])) for row in range(count)]
    return [split(a, b, f"1/joined/{t}/{row}/y_t[{j}]") for t, row, j in places]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CELLS)
def test_parts_add_up(name: str) -> None:
    """50 steps, 2 layers, both directions, every cell; 200 pairs in all, with a difference above 1e-3."""
    found = [s for s in pairs(name, 16) if abs(s.difference) > 1e-3]
    assert len(found) * len(CELLS) >= PAIRS
    for one in found:
        most = 1e-12 * max(1, one.size)
        assert abs(one.residual) <= most
        assert not one.local
        assert all(np.isfinite(part).all() for part in one.parts.values())
        for place, by_step in one.by_step.items():
            total = one.parts[place].sum()
            assert by_step.sum() == pytest.approx(total, rel=1e-9, abs=most)
    kinds = set(found[0].kinds.values())
    assert kinds == {"parameter", "state", "input", "lengths"}
    assert all(any(np.any(s.parts[k]) for k, v in s.kinds.items() if v == "parameter") for s in found)


def test_a_split_of_float32_holds_no_copies_of_the_traces() -> None:
    """Two traces in float64 would be four times the one in float32."""
    weights = {k: v.astype(np.float32) for k, v in random_network(40, inputs=8, units=16).items()}
    x = np.random.default_rng(41).normal(size=(2000, 1, 8)).astype(np.float32)
    one, base = (lt.run(weights, values, plan="planned") for values in (x, x * 0))
    held = sum(values.nbytes for here in one.lines.values() for values in here.values())
    tracemalloc.start()
    try:
        split(base, one, "1/forward/1999/h_t[0]")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * held, (peak, held)
