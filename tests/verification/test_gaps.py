"""Gaps and the bounds that explain them."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_trace.cell.lines import Line
from lstm_trace.verification.propagation import Apart, Derived, Known, apart, beyond

LINES = [Line("p", "matvec", ("W", "x")), Line("p", "vecmat", ("x", "W"))]


def product(line: Line, dtype: type, off: float, scale: float = 1.0) -> Derived:
    """A product of 6 terms, 7 units wide, whose operands are off by up to `off` of their size."""
    rng = np.random.default_rng(4)
    values = {"x": rng.normal(size=(30, 3, 6)) * scale, "W": rng.normal(size=(7, 6) if line.op == "matvec" else (6, 7))}
    values["x"][4] = 0.0
    values = {name: array.astype(dtype) for name, array in values.items()}
    limits = {
        name: off * rng.uniform(size=array.shape) * np.abs(array) if off else 0.0 for name, array in values.items()
    }
    operands = [Known(values[n], limits[n]) for n in map(str, line.operands)]
    return Derived(line, operands, np.dtype(dtype).name, dtype)


@pytest.mark.few(24)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.op)
@pytest.mark.parametrize("off", [0.0, 1e-3])
@pytest.mark.parametrize("times", [0.0, 0.01, 0.5, 1.0, 3.0, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e200], ids=str)
def test_verdicts_are_those_of_every_limit(line: Line, off: float, times: float, scale: float) -> None:
    """Gaps around and far from the limits; one of a kind, and large values."""
    rng = np.random.default_rng(6)
    for known in (product(line, np.float64, off, scale), product(line, np.float32, off)):
        limit = np.asarray(known.limit)
        assert known.largest() == limit.max()
        for gaps in (
            times * rng.uniform(0, 2, size=limit.shape) * limit,
            np.where(rng.uniform(size=limit.shape) < 0.02, limit * 3.1, 0.0),
        ):
            gaps[3, 1, 2] = np.inf
            for bounds in ([known], [known, known]):
                found = beyond(Apart(gaps, float(gaps.max())), bounds)
                assert found is not None
                np.testing.assert_array_equal(found, gaps > limit * len(bounds))
    assert beyond(Apart(np.zeros(limit.shape), 0.0), [known]) is None


def test_a_limit_that_is_not_finite_explains_nothing() -> None:
    gap = Apart(np.array([0.0, 1.0, 2.0]), 2.0)
    known = Known(np.zeros(3), np.array([np.inf, np.nan, 3.0]))
    assert (beyond(gap, [known]) == [False, True, False]).all()  # type: ignore[union-attr]


def test_how_far_values_are_apart() -> None:
    nan, inf = np.nan, np.inf
    a, b = np.array([1.0, nan, nan, inf, inf, -0.0]), np.array([1.5, nan, 1.0, inf, -inf, 0.0])
    found = apart(Known(a), Known(b))
    assert found.each.tolist() == [0.5, 0, inf, 0, inf, 0]
    assert found.most == inf
    assert apart(Known(a), Known(a.copy())).most == 0
    wide = apart(Known(np.array([0.1], np.float32)), Known(np.array([0.1])))
    assert wide.most == abs(float(np.float32(0.1)) - 0.1)
