"""Slopes of every operation for the reverse walk: derivatives in one trace, secants between two.

A rule gives one slope for each operand: an array that broadcasts against the line's adjoint, a number, or None where
nothing flows. For products they are the vector (slope of the matrix) and the matrix that the adjoint is multiplied by
(slope of the vector; for a slice, too); for `concat` each slope stands for the operand's own part.

The secants of one line add up exactly: out_a - out_b = sum over operands of slope * (in_a - in_b). They are closed
forms, never differences of outputs over differences of inputs, which are noise where the difference is small; only
functions made of straight pieces are ratios, since there both differences are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..base.arrays import Array
from .lines import Line

Slope = Array | float | None


class Here(Protocol):
    """A line with its values at some steps of one trace."""

    line: Line

    def x(self, k: int) -> Array:
        """Operand `k`: (steps, B, width), or a parameter in its own shape, or a number."""

    @property
    def y(self) -> Array:
        """The line's value, (steps, B, width)."""

    def width(self, k: int) -> int:
        """Number of units of operand `k`."""


# -- derivatives --------------------------------------------------------------------------------------------------


def _div(h: Here) -> tuple[Slope, ...]:
    r = 1 / h.x(1)
    return r, -h.x(0) * r * r


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _clip(h: Here) -> tuple[Slope, ...]:
    low, high = h.line.constants
    return (_share((h.x(0) >= low) & (h.x(0) <= high)),)


def _where(h: Here) -> tuple[Slope, ...]:
    chosen = _share(h.x(0) != 0)
    return None, chosen, 1 - chosen


def _maximum(h: Here) -> tuple[Slope, ...]:
    first = np.heaviside(h.x(0) - h.x(1), 0.5)  # a tie is shared, so that the order of the operands does not matter
    return first, 1 - first


def _max(h: Here) -> tuple[Slope, ...]:
    return (_share(np.arange(h.width(0)) == np.argmax(h.x(0), axis=-1)[..., None]),)


def _slice(h: Here) -> tuple[Slope, ...]:
    begin, end = map(int, h.line.constants)
    return (np.eye(end - begin, h.width(0), begin),)


def _share(condition: Array) -> Array:
    """1 where true, 0 elsewhere."""
    return np.asarray(condition, np.float64)


#: Operation to its derivatives; at a kink the value that PyTorch takes (relu 0, clip 1 at its bounds).
DERIVATIVE: dict[str, Callable[[Here], tuple[Slope, ...]]] = {
    "matvec": lambda h: (h.x(1), h.x(0)),
    "vecmat": lambda h: (h.x(1).T, h.x(0)),
    "add": lambda h: h.line.constants,
    "mul": lambda h: (h.x(1), h.x(0)),
    "div": _div,
    "neg": lambda h: (-1.0,),
    "copy": lambda h: (1.0,),
    "sigmoid": lambda h: (h.y * (1 - h.y),),
    "tanh": lambda h: (1 - h.y * h.y,),
    "exp": lambda h: (h.y,),
    "log": lambda h: (1 / h.x(0),),
    "sqrt": lambda h: (0.5 / h.y,),
    "relu": lambda h: (_share(h.y > 0),),
    "elu": lambda h: (np.where(h.x(0) > 0, 1.0, h.line.constants[0] * np.exp(np.minimum(h.x(0), 0))),),
    "softplus": lambda h: (_sigmoid(h.x(0)),),
    "clip": _clip,
    "where": _where,
    "maximum": _maximum,
    "max": _max,
    "sum": lambda h: (1.0,),
    "mean": lambda h: (1.0 / h.width(0),),
    "concat": lambda h: (1.0,) * len(h.line.operands),
    "slice": _slice,
    "greater": lambda h: (None, None),
}


# -- secants ------------------------------------------------------------------------------------------------------


def difference(a: Array, b: Array) -> Array:
    """a - b, and 0 where they are equal (also where both are the same infinity)."""
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


def _gap(a: Here, b: Here, k: int = 0) -> Array:
    return difference(a.x(k), b.x(k))


def _mean(a: Array, b: Array) -> Array:
    return a if a is b else 0.5 * (a + b)


def _over(rise: Array, run: Array, level: Array | float) -> Array:
    """rise / run, and `level` where run is 0."""
    return np.where(run == 0, level, rise / np.where(run == 0, 1.0, run))


def _products(a: Here, b: Here) -> tuple[Slope, ...]:
    return _mean(a.x(1), b.x(1)), _mean(a.x(0), b.x(0))


def _s_div(a: Here, b: Here) -> tuple[Slope, ...]:
    """A product with the reciprocal, whose secant is -1 / (q_a q_b)."""
    ra, rb = 1 / a.x(1), 1 / b.x(1)
    return _mean(ra, rb), -_mean(a.x(0), b.x(0)) * ra * rb


def _s_sigmoid(a: Here, b: Here) -> tuple[Slope, ...]:
    half = 0.5 * _gap(a, b)
    return (0.5 * _over(np.tanh(half), half, 1.0) * (a.y * (1 - b.y) + b.y * (1 - a.y)),)


def _s_tanh(a: Here, b: Here) -> tuple[Slope, ...]:
    gap = _gap(a, b)
    return (_over(np.tanh(gap), gap, 1.0) * (1 - a.y * b.y),)


def _s_exp(a: Here, b: Here) -> tuple[Slope, ...]:
    """expm1(-|d|) / -|d| times the larger value: neither factor can overflow."""
    gap = -np.abs(_gap(a, b))
    return (_over(np.expm1(gap), gap, 1.0) * np.maximum(a.y, b.y),)


def _s_log(a: Here, b: Here) -> tuple[Slope, ...]:
    """log1p(|d| / smaller) / |d|; where that overflows the plain ratio is exact enough."""
    gap, small = np.abs(_gap(a, b)), np.minimum(a.x(0), b.x(0))
    ratio = gap / small
    rise = np.where(np.isfinite(ratio), np.log1p(ratio), np.abs(a.y - b.y))
    return (_over(rise, gap, 1 / small),)


def _s_sqrt(a: Here, b: Here) -> tuple[Slope, ...]:
    total = a.y + b.y
    return (_over(np.ones_like(total), total, 0.0),)  # sqrt(0) - sqrt(0): any slope is exact, 0 stays finite


def _ratio(a: Here, b: Here, ya: Array, yb: Array, level: Array | float) -> Array:
    """The slope of the chord of a function of straight pieces."""
    return _over(difference(ya, yb), _gap(a, b), level)


def _s_relu(a: Here, b: Here) -> tuple[Slope, ...]:
    return (_ratio(a, b, a.y, b.y, _share(b.y > 0)),)


def _s_elu(a: Here, b: Here) -> tuple[Slope, ...]:
    (alpha,) = a.line.constants
    xa, xb = a.x(0), b.x(0)
    gap = -np.abs(_gap(a, b))
    below = alpha * _over(np.expm1(gap), gap, 1.0) * np.exp(np.minimum(np.maximum(xa, xb), 0))
    across = _ratio(a, b, a.y, b.y, below)
    return (np.where((xa > 0) & (xb > 0), 1.0, np.where((xa <= 0) & (xb <= 0), below, across)),)


def _s_softplus(a: Here, b: Here) -> tuple[Slope, ...]:
    """log1p(sigmoid(x_b) expm1(d)) / d; over long ways, where that would cancel, the ratio is exact enough."""
    gap = _gap(a, b)
    near = np.log1p(_sigmoid(b.x(0)) * np.expm1(np.clip(gap, -1, 1)))
    rise = np.where(np.abs(gap) <= 1, near, a.y - b.y)
    return (_over(rise, gap, _sigmoid(b.x(0))),)


def _s_clip(a: Here, b: Here) -> tuple[Slope, ...]:
    return (_ratio(a, b, a.y, b.y, _clip(b)[0]),)


def _s_where(a: Here, b: Here) -> tuple[Slope, ...]:
    """q + n (p - q) with n = 1 where the condition holds: a product, and a chord over the condition's own value."""
    na, nb = _share(a.x(0) != 0), _share(b.x(0) != 0)
    chosen = _mean(na, nb)
    if (na == nb).all():
        return None, chosen, 1 - chosen
    switch = 0.5 * ((a.x(1) - a.x(2)) + (b.x(1) - b.x(2)))
    return np.where(na == nb, 0.0, switch * _over(na - nb, _gap(a, b), 0.0)), chosen, 1 - chosen


def _s_greater(a: Here, b: Here) -> tuple[Slope, ...]:
    """The chord of the step over p - q."""
    da, db = difference(a.x(0), a.x(1)), difference(b.x(0), b.x(1))
    slope = _over(_share(da > 0) - _share(db > 0), difference(da, db), 0.0)
    return slope, -slope


def _s_maximum(a: Here, b: Here) -> tuple[Slope, ...]:
    """max(p, q) = q + relu(p - q)."""
    da, db = difference(a.x(0), a.x(1)), difference(b.x(0), b.x(1))
    rise = difference(np.maximum(da, 0), np.maximum(db, 0))
    first = _over(rise, difference(da, db), np.heaviside(db, 0.5))
    first = np.where((da > 0) & (db > 0), 1.0, np.where((da < 0) & (db < 0), 0.0, first))
    return first, 1 - first


def _s_max(a: Here, b: Here) -> tuple[Slope, ...]:
    """For each unit the share of the straight way from b to a on which it is the largest.

    Along that way every unit is a straight line, so the largest is their upper envelope; each turn of the loop goes
    to the next crossing for all steps and rows at once.
    """
    start = b.x(0)
    gap = np.broadcast_to(_gap(a, b), np.broadcast_shapes(np.shape(a.x(0)), np.shape(start)))
    start = np.broadcast_to(start, gap.shape)
    shares = np.zeros(gap.shape)
    top = np.max(start, axis=-1, keepdims=True)
    best = np.argmax(np.where(start == top, gap, -np.inf), axis=-1, keepdims=True)
    at = np.zeros(best.shape)
    while (at < 1).any():
        lead, speed = np.take_along_axis(start, best, -1), np.take_along_axis(gap, best, -1)
        closing = gap - speed
        when = np.where(closing > 0, (lead - start) / np.where(closing > 0, closing, 1.0), np.inf)
        when = np.maximum(when, at)
        after = np.minimum(np.min(when, axis=-1, keepdims=True), 1.0)
        np.put_along_axis(shares, best, np.take_along_axis(shares, best, -1) + (after - at), -1)
        best = np.where(after < 1, np.argmax(np.where(when == after, closing, -np.inf), -1)[..., None], best)
        at = after
    return (shares,)


#: Operation to its secants between two traces; at equal operands these are the derivatives.
SECANT: dict[str, Callable[[Here, Here], tuple[Slope, ...]]] = {
    "matvec": _products,
    "vecmat": lambda a, b: (_mean(a.x(1), b.x(1)).T, _mean(a.x(0), b.x(0))),
    "add": lambda a, b: a.line.constants,
    "mul": _products,
    "div": _s_div,
    "neg": lambda a, b: (-1.0,),
    "copy": lambda a, b: (1.0,),
    "sigmoid": _s_sigmoid,
    "tanh": _s_tanh,
    "exp": _s_exp,
    "log": _s_log,
    "sqrt": _s_sqrt,
    "relu": _s_relu,
    "elu": _s_elu,
    "softplus": _s_softplus,
    "clip": _s_clip,
    "where": _s_where,
    "maximum": _s_maximum,
    "max": _s_max,
    "sum": lambda a, b: (1.0,),
    "mean": lambda a, b: (1.0 / a.width(0),),
    "concat": lambda a, b: (1.0,) * len(a.line.operands),
    "slice": lambda a, b: _slice(a),
    "greater": _s_greater,
}
