"""Functions of h and c: each is paired with one parameter and one returned value, and the trace is that loop's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

INPUTS, H, T = 3, 2, 4
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(T, INPUTS))
WEIGHTS = {"W": RANDOM.normal(size=(4 * H, INPUTS)), "U": RANDOM.normal(size=(4 * H, H))}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def lstm(x: Any, h: Any, c: Any, W: Any, U: Any) -> Any:
    i, f, o, g = np.split(W @ x + U @ h, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def c_first(x: Any, long: Any, short: Any, W: Any, U: Any) -> Any:
    new, long = lstm(x, short, long, W, U)
    return long, new


def c_taken_first(x: Any, long: Any, short: Any, W: Any, U: Any) -> Any:
    return lstm(x, short, long, W, U)


def c_returned_first(x: Any, h: Any, c: Any, W: Any, U: Any) -> Any:
    h, c = lstm(x, h, c, W, U)
    return c, h


def of_a_tuple(x: Any, pair: Any, W: Any, U: Any) -> Any:
    first, c = pair
    first, c = lstm(x, first, c, W, U)
    return {"y": None}, (c, first)


@pytest.mark.parametrize(
    ("step", "loop"),
    [
        (c_first, "c_t, h_t = c_first(x=x_t, long=c_prev, short=h_prev)"),
        (c_taken_first, "h_t, c_t = c_taken_first(x=x_t, long=c_prev, short=h_prev)"),
        (c_returned_first, "c_t, h_t = c_returned_first(x=x_t, h=h_prev, c=c_prev)"),
        (of_a_tuple, "_, (c_t, h_t) = of_a_tuple(x=x_t, pair=(h_prev, c_prev))"),
    ],
)
def test_h_and_c_are_paired_as_the_trace_says(step: Callable[..., Any], loop: str) -> None:
    h, c = RANDOM.normal(size=(2, H))
    found = lt.lift(step, WEIGHTS, X, h=h, c=c)
    assert found.sentence == "an LSTM"
    assert str(found).splitlines()[1] == f"each step: {loop}"
    for t, x in enumerate(X):
        h, c = lstm(x, h, c, **WEIGHTS)
        np.testing.assert_allclose((found.trace["h_t"][t, 0], found.trace["c_t"][t, 0]), (h, c), rtol=1e-13)


def test_of_a_cell_of_numbers_h_is_multiplied_by_weights() -> None:
    def unit(x: Any, long: Any, short: Any, w: Any, u: Any) -> Any:
        long = long * sigmoid(w * x + u * short)
        return long, np.tanh(long)

    for step in (unit, lambda x, long, short, w, u: [*unit(x, long, short, w, u)]):
        found = lt.lift(step, {"w": 0.3, "u": 0.7}, X[:, 0], h=0.5, c=0.2)
        np.testing.assert_allclose(found.trace.output.flat[0], unit(X[0, 0], 0.2, 0.5, 0.3, 0.7)[1], rtol=1e-13)


def test_where_nothing_tells_h_from_c_both_go_by_their_places() -> None:
    def step(x: Any, one: Any, two: Any, W: Any) -> Any:
        one = one + W @ x
        return one, np.tanh(one) + two

    found = lt.lift(step, {"W": WEIGHTS["W"][:H]}, X, h=np.ones(H), c=np.zeros(H))
    np.testing.assert_allclose(found.trace["h_t"][0, 0], 1 + WEIGHTS["W"][:H] @ X[0], rtol=1e-13)
