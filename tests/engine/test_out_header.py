"""Writing into a trace again: what it says of itself is that of the new run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

RNG = np.random.default_rng(70)
WEIGHTS: dict[str, Any] = {f"W_x{g}": RNG.normal(size=(2, 3)) for g in "ifco"}
WEIGHTS |= {f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"}


@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
def test_the_layout_of_the_input_may_change(plan: Any) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    model = lt.prepare(WEIGHTS)
    x, h0 = RNG.normal(size=(5, 4, 3)), RNG.normal(size=(4, 2))
    first = model.run(RNG.normal(size=(5, 4, 3)), h0=h0 + 1, plan=plan)
    before = dict(first.lines["0/forward"].items())
    again = model.run(np.swapaxes(x, 0, 1), h0=h0, batch_first=True, plan=plan, out=first)
    assert again.header.batch_first is True
    assert again.output.shape == (4, 5, 2)
    right = model.run(x, h0=h0, plan="lines")
    np.testing.assert_allclose(np.swapaxes(again.output, 0, 1), right.output, rtol=1e-12)
    assert all(np.shares_memory(again[name], array) for name, array in before.items())
    np.testing.assert_array_equal(again.x, x)
    np.testing.assert_array_equal(again.initial["0/forward"]["h_prev"], h0)
    assert lt.verify(again).verdict == "verified"
    back = model.run(x, h0=h0, batch_first=False, plan=plan, out=again)
    assert back.header.batch_first is False
    assert back.output.shape == (5, 4, 2)


def test_the_same_run_gives_the_same_trace_back() -> None:
    model = lt.prepare(WEIGHTS)
    x, h0 = RNG.normal(size=(5, 4, 3)), RNG.normal(size=(4, 2))
    trace = model.run(x, h0=h0, plan="planned")
    assert model.run(x, h0=h0, plan="planned", out=trace) is trace
