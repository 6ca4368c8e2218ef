"""Slopes where a function has a corner, and between points on or beside one: the convention, and what adds up."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support.slopes import At, derivative, secant

#: Constants of the functions with corners, and their slope left of, at and right of each corner (relu 0, clip 1 at its
#: bounds, as PyTorch has it).
CORNERS: list[tuple[str, tuple[float, ...], float, tuple[float, float, float]]] = [
    ("relu", (), 0.0, (0, 0, 1)),
    ("clip", (-0.5, 1.25), -0.5, (0, 1, 1)),
    ("clip", (-0.5, 1.25), 1.25, (1, 1, 0)),
    ("elu", (0.5,), 0.0, (0.5, 0.5, 1)),
]


@pytest.mark.parametrize(("op", "constants", "at", "slopes"), CORNERS)
def test_the_slope_at_a_corner(op: str, constants: tuple[float, ...], at: float, slopes: Any) -> None:
    z = np.array([at - 2.0**-30, at, at + 2.0**-30])
    here = At(op, z, constants=constants)
    found = np.broadcast_to(derivative(here)[0], 3)
    np.testing.assert_allclose(found, slopes, atol=2.0**-29)
    same = np.broadcast_to(secant(here, At(op, z.copy(), constants=constants))[0], 3)
    np.testing.assert_array_equal(same, found, "between equal points it is the derivative")


@pytest.mark.parametrize(("op", "constants", "at", "slopes"), CORNERS)
def test_the_slope_across_a_corner_is_that_of_the_chord(
    op: str, constants: tuple[float, ...], at: float, slopes: Any
) -> None:
    points = [at - 3.0, at - 0.5, at, at + 0.5, at + 3.0]
    for a, b in itertools.permutations(points, 2):
        one, two = At(op, [a], constants=constants), At(op, [b], constants=constants)
        slope = float(np.ravel(secant(one, two)[0])[0])
        assert slope == pytest.approx((one.y.item() - two.y.item()) / (a - b), rel=1e-14, abs=1e-15), (a, b)


def test_the_absolute_value_is_flat_at_zero() -> None:
    """As PyTorch has it; and two that are equal share the smaller of them."""
    x = [[-2.0, -0.0, 0.0, 3.0]]
    trace = lt.run({}, x, cell={"equations": "y_t = abs(x_t)"})
    assert lt.gradients(trace, output=[[1.0] * 4])["x"].tolist() == [[-1, 0, 0, 1]]
    trace = lt.run({}, x, cell={"equations": "y_t = min(x_t, 0.5 * x_t)"})
    assert trace["y_t"].tolist() == [[[-2, 0, 0, 1.5]]]
    assert lt.gradients(trace, output=[[1.0] * 4])["x"].tolist() == [[1, 0.75, 0.75, 0.5]]


#: (p, q) in the two traces, and the shares of p and q in the difference of max(p, q).
PAIRS = [
    ((1.0, 1.0), (1.0, 1.0), 0.5),
    ((2.0, 2.0), (1.0, 1.0), 0.5),  # a tie in both
    ((2.0, 1.0), (1.0, 1.0), 1.0),
    ((1.0, 2.0), (1.0, 1.0), 0.0),
    ((3.0, 1.0), (2.0, 0.0), 1.0),
    ((1.0, 3.0), (0.0, 2.0), 0.0),
    ((3.0, 0.0), (0.0, 1.0), 0.75),
    ((0.0, 3.0), (1.0, 0.0), 0.25),
    ((np.inf, 1.0), (2.0, 1.0), 1.0),
]


@pytest.mark.parametrize(("a", "b", "share"), PAIRS)
def test_the_larger_of_two(a: tuple[float, float], b: tuple[float, float], share: float) -> None:
    for one, two in ((a, b), (b, a)):
        with np.errstate(all="ignore"):  # as the walk does
            first, second = secant(At("maximum", [one[0]], [one[1]]), At("maximum", [two[0]], [two[1]]))
            turned = secant(At("maximum", [one[1]], [one[0]]), At("maximum", [two[1]], [two[0]]))
        assert (float(np.ravel(first)[0]), float(np.ravel(second)[0])) == (share, 1 - share)
        assert [float(np.ravel(s)[0]) for s in turned] == [1 - share, share]


def test_the_largest_of_several_share_a_tie_evenly() -> None:
    (shares,) = derivative(At("max", [[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]))
    np.testing.assert_allclose(shares, [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-15)
    # from a tie the one leads that grows fastest: (1, 1, 0) to (2, 4, 0)
    (shares,) = secant(At("max", [2.0, 4.0, 0.0]), At("max", [1.0, 1.0, 0.0]))
    assert shares.tolist() == [0, 1, 0]
    # three lead one after the other: 2, then t + 1.5 from t = 1/2 on, then 4 t from 1/2 on is above both
    (shares,) = secant(At("max", [2.0, 2.5, 6.0]), At("max", [2.0, 1.0, -3.0]))
    np.testing.assert_allclose(shares, [5 / 9, 0, 4 / 9], rtol=1e-15)


@pytest.mark.parametrize("condition", [(0.0, 0.0), (1.0, 2.5), (0.0, 1.0), (-1.0, 0.0)])
def test_where_shares_its_difference(condition: tuple[float, float]) -> None:
    p, q, r, s = 3.0, -1.0, 2.0, 0.5
    one, two = At("where", [condition[0]], [p], [q]), At("where", [condition[1]], [r], [s])
    slopes = secant(one, two)
    gaps = (condition[0] - condition[1], p - r, q - s)
    parts = [0.0 if slope is None else float(np.ravel(slope)[0]) * gap for slope, gap in zip(slopes, gaps, strict=True)]
    assert sum(parts) == pytest.approx(one.y.item() - two.y.item(), rel=1e-14)
    if (condition[0] != 0) == (condition[1] != 0):
        assert parts[0] == 0, "the condition holds in both or in neither: it made no difference"
    chosen = [0.5 * ((condition[0] != 0) + (condition[1] != 0))]
    assert [float(np.ravel(slopes[1])[0]), float(np.ravel(slopes[2])[0])] == [*chosen, 1 - chosen[0]]


@pytest.mark.parametrize(("a", "b"), [(1e300, 1e-300), (1e-300, 1e300), (1e308, 5e-324), (2.0, 1e-310)])
def test_the_slope_of_log_over_a_way_that_overflows(a: float, b: float) -> None:
    with np.errstate(all="ignore"):  # as the walk does
        (slope,) = secant(At("log", [a]), At("log", [b]))
    assert slope.item() * (a - b) == pytest.approx(np.log(a) - np.log(b), rel=1e-12)
