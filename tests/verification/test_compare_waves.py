"""diff of cells in which a wave turns and a step jumps: rounding is excused as far as it goes, and no further."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.verification.compare import compare

from ..support.results import verdict
from ..support.tiers import seeds

EQUATIONS = """
z_t = W @ x_t + V @ h_prev
p_t = 3 * z_t - floor(3 * z_t)
s_t = sin(5 * z_t) * cos(z_t * z_t)
h_t = 0.5 * s_t + 0.1 * p_t
carry: h_prev <- h_t
output: h_t
"""


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", seeds(60))
@pytest.mark.parametrize("record", [None, {"lines": ["h_t"]}], ids=["all", "states"])
def test_two_dtypes_are_the_same_and_a_wrong_value_is_not(record: Any, seed: int) -> None:
    """Where only the states of one are recorded, the bounds are carried on through every line of the cell."""
    rng = np.random.default_rng(seed)
    shapes = {"W": (4, 3), "V": (4, 4)}
    weights = {name: rng.normal(size=shape).astype(np.float32).astype(float) for name, shape in shapes.items()}
    x = rng.normal(size=(15, 2, 3)).astype(np.float32).astype(float) * (50 if seed % 2 else 1)
    a = lt.run(weights, x, cell={"equations": EQUATIONS})
    b = lt.run(weights, x, cell={"equations": EQUATIONS}, dtype="float32", record=record)
    found = compare(a, b)
    assert found.same, verdict(found)
    if seed % 2 == 0:  # the sine of a large number is rounded by more
        at = tuple(rng.integers(n) for n in (15, 2, 4))
        b.lines["0/forward"]["h_t"][at] += 1e-3
        first = compare(a, b).first
        assert first is not None
        assert first.first is not None
        assert (first.first.t, first.first.b, first.first.unit) == (at[0], at[1], (at[2],))
