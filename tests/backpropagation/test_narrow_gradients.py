"""Gradients through values that are narrower, or wider, than what they are computed from, with many rows or few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support.tiers import some

#: A cell, its weights, and the lines of its state.
CELLS: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "sum": ("u = W @ x_t\nh_t = tanh(sum(u * w) * x_t)", {"W": (4, 3), "w": (4,)}),
    "mean of a product": ("h_t = V @ mean(W @ x_t) + b", {"V": (3, 1), "W": (2, 3), "b": (3,)}),
    "largest": ("u = W @ x_t\nh_t = max(u) * w", {"W": (4, 3), "w": (2,)}),
    "one number": ("s = v @ x_t\nh_t = s * tanh(s + tanh(W @ x_t))", {"v": (1, 3), "W": (4, 3)}),
    "weight of one number": ("h_t = b * tanh(x_t * b)", {"b": (1,)}),
    "state of one number": (
        "m_t = 0.5 * m_prev + mean(x_t)\nh_t = m_t * x_t * w\ncarry: m_prev <- m_t\noutput: h_t", {"w": (3,)},
    ),
    "three of one vector": ("u = W @ x_t\nh_t = sum(u) * w + mean(u) + max(u)", {"W": (4, 3), "w": (2,)}),
    "in another order": ("u = W @ x_t\nh_t = max(u) * w + mean(u) + sum(u)", {"W": (4, 3), "w": (2,)}),
    "row vector": ("h_t = tanh(x_t @ W) @ V + (x_t * x_t)[0] @ v", {"W": (3, 4), "V": (4, 2), "v": (1, 2)}),
    "one column": ("s = x_t @ v\nh_t = s * tanh(x_t + s)", {"v": (3, 1)}),
    "parts": ("u = W @ x_t\nh_t = u[0] * u + concat(u[2:4], x_t[1], b[0]) + b[1:5]", {"W": (4, 3), "b": (5,)}),
    "part of a part": ("u = tanh(W @ x_t)\nh_t = u[1:4][1:3] * w[1]", {"W": (4, 3), "w": (2,)}),
    "parts that meet": ("u = W @ x_t\nh_t = u[0:3] * u[1:4] + sum(u[1:3])", {"W": (4, 3)}),
    "comparison": ("u = W @ x_t\nh_t = u * (u > 0.3) + where(x_t[0] < 0.1, u, w)", {"W": (4, 3), "w": (4,)}),
    "concat": ("u = concat(sum(x_t), x_t, W @ x_t)\nh_t = V @ (u * u)", {"W": (2, 3), "V": (2, 6)}),
}  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("name", some(CELLS, 4))
def test_the_gradient_is_the_slope_of_the_value(name: str, rows: int) -> None:
    """Against central differences of our own runs, whose equations other tests hold against scalar loops."""
    text, shapes = CELLS[name]
    rng = np.random.default_rng(60 + rows)
    weights: dict[str, Any] = {n: rng.normal(size=shape) for n, shape in shapes.items()}
    x = rng.normal(size=(3, rows, 3))
    seed = rng.normal(size=lt.run(weights, x, cell={"equations": text}).output.shape)

    def value(weights: dict[str, Any], x: Any) -> float:
        return float((lt.run(weights, x, cell={"equations": text}, plan="lines").output * seed).sum())

    found = lt.gradients(lt.run(weights, x, cell={"equations": text}), seed)
    step = 1e-6
    premises: dict[str, np.ndarray] = {"x": x, **weights}
    for name_, array in premises.items():
        slope = found["x" if name_ == "x" else f"0/forward/{name_}"]
        assert slope.shape == array.shape
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[at] += sign * step
                ends.append(value(weights, moved) if name_ == "x" else value({**weights, name_: moved}, x))
            assert slope[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-7), (name_, at)
