"""Gaps decided by what bounds are at least and at most: the same verdicts as with the bound of every value."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lstm_trace.cell.lines import Line
from lstm_trace.verification.propagation import Apart, Derived, Known, apart, beyond
from lstm_trace.verification.rederive import StepBlock
from lstm_trace.verification.rounding import Product, Sizes

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
    return StepBlock().derive(line, operands, np.dtype(dtype).name, dtype)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.op)
@pytest.mark.parametrize("off", [0.0, 1e-3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_limits_of_a_product_are_between_the_least_and_the_most(line: Line, dtype: type, off: float) -> None:
    known = product(line, dtype, off)
    limit, shape = np.asarray(known.limit), known.value.shape
    assert known.estimated
    assert limit.shape == shape
    assert (known.least <= limit).all()
    assert (limit <= known.most).all()
    assert np.median(known.most / limit) < 4, "an estimate that decides something"
    places = (np.array([0, 4, 29]), np.array([2, 0, 1]), np.array([6, 3, 0]))
    np.testing.assert_allclose(known.some(places, shape), limit[places], rtol=1e-14)
    assert known.largest() == pytest.approx(limit.max(), rel=1e-14)


@pytest.mark.few(24)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.op)
@pytest.mark.parametrize("off", [0.0, 1e-3])
@pytest.mark.parametrize("times", [0.0, 0.01, 0.5, 1.0, 3.0, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e200], ids=str)
def test_verdicts_are_those_of_every_limit(line: Line, off: float, times: float, scale: float) -> None:
    """Gaps around and far from the limits; one of a kind, and values too large to be estimated."""
    rng = np.random.default_rng(6)
    for known in (product(line, np.float64, off, scale), product(line, np.float32, off)):
        limit = np.asarray(known.limit)
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


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30], ids=str)
@pytest.mark.parametrize("equal", [False, True])
def test_the_largest_of_a_product(scale: float, equal: bool) -> None:
    """Exactly, from fractions: among values that all round to one float32 as well, and outside the range of those."""
    rng = np.random.default_rng(8)
    matrix, vectors = (1 + 1e-9 * rng.uniform(size=shape) for shape in ((5, 6), (40, 2, 6)))
    if not equal:
        matrix, vectors = matrix * rng.uniform(size=(5, 1)), vectors * rng.uniform(size=(40, 2, 6))
    vectors = vectors * scale
    exact = max(
        sum(Fraction(float(w)) * Fraction(float(v)) for w, v in zip(row, vector, strict=True))
        for row in matrix
        for vector in vectors.reshape(-1, 6)
    )
    for flipped in (False, True):
        found = Product(Sizes(matrix.T if flipped else matrix), Sizes(vectors), flipped).largest()
        assert found == pytest.approx(float(exact), rel=1e-15)


def test_how_far_values_are_apart() -> None:
    nan, inf = np.nan, np.inf
    a, b = np.array([1.0, nan, nan, inf, inf, -0.0]), np.array([1.5, nan, 1.0, inf, -inf, 0.0])
    found = apart(Known(a), Known(b))
    assert found.each.tolist() == [0.5, 0, inf, 0, inf, 0]
    assert found.most == inf
    assert apart(Known(a), Known(a.copy())).most == 0
    wide = apart(Known(np.array([0.1], np.float32)), Known(np.array([0.1])))
    assert wide.most == abs(float(np.float32(0.1)) - 0.1)
