"""The operations: a closed table from name to arity, array function, shape rule and rounding.

Arrays have the units on their last axis; every other axis is a batch of steps and sequences. A value that is a matrix
lies there row by row, as r * c numbers, and the width of the vector beside it says how many columns, or rows, it has.
An operation's array
function takes the operands and the line's constants. Everything else about an operation (slopes, printing, spreadsheet
formulas, plans) is in separate tables with the same keys; a test asserts that each covers this one.
A function that can be expressed in these is not a row here but a composite function (see `composites`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Array

Function = Callable[[Sequence[Array], Sequence[float]], Array]


@dataclass(frozen=True)
class Op:
    """One operation.

    function: its name in the text of a cell; None if it is written as an operator.
    arity: number of operands; None for one or more.
    width: shape rule: `matvec` (rows of the matrix), `vecmat` (its columns), `same` (equal widths, width 1 broadcasts),
    `one`, `concat`, `slice`; `outer` (the product of both widths), `memvec` and `vecmem` (the matrix is a value).
    ulp: maximum error of a correct implementation in units in the last place; 0 for operations that IEEE 754 rounds
    correctly; None if the bound grows with the number of terms (products and reductions).
    constants: names and default values of the numbers that follow the operands (None: required).
    """

    name: str
    array: Function
    arity: int | None = 1
    function: str | None = None
    width: str = "same"
    ulp: float | None = 0.0
    constants: tuple[tuple[str, float | None], ...] = ()

    @property
    def reduces(self) -> bool:
        """Whether its value is a single number for any number of units."""
        return self.width == "one"

    @property
    def keeps(self) -> bool:
        """Whether it acts on each unit, and so keeps the rows and columns of a matrix."""
        return self.width == "same"

    @property
    def signature(self) -> str:
        """The form of a call of the function: `clip(a, low, high)`."""
        operands = ["a", "b", "c"][: self.arity] if self.arity else ["a", "…"]
        return f"{self.function}({', '.join(operands + [c for c, _ in self.constants])})"


def negated(a: Array) -> Array:
    """-a, computed as a difference, with zeros of both signs included.

    `np.negative` (numpy 2.1 to 2.4.6) reads memory other than its operand's if the operand has a stride of exactly 64
    bytes (float64; 16 for float32) and the result is strided too: docs/limits.md.
    """
    return np.subtract(-0.0, a)


def _product(vector: Array, matrix: Array) -> Array:
    """x: (…, M), W: (M, N) -> (…, N); steps and sequences form one axis, so that one product computes them all."""
    return np.matmul(vector.reshape(-1, vector.shape[-1]), matrix).reshape(*vector.shape[:-1], matrix.shape[1])


def _outer(a: Sequence[Array], _: Sequence[float]) -> Array:
    """a: (…, r), b: (…, c) -> (…, r * c)."""
    grid = np.multiply(a[0][..., :, None], a[1][..., None, :])
    return grid.reshape(*grid.shape[:-2], -1)


def as_grid(matrix: Array, vector: Array, axis: int) -> Array:
    """(…, r * c) as (…, r, c), of which an axis, the first (0) or the last (-1), has a number for each of a vector."""
    sides = (vector.shape[-1], -1) if axis == 0 else (-1, vector.shape[-1])
    return matrix.reshape(*matrix.shape[:-1], *sides)


def _memvec(a: Sequence[Array], _: Sequence[float]) -> Array:
    """C: (…, r * c), v: (…, c) -> (…, r)."""
    return np.matmul(as_grid(a[0], a[1], -1), a[1][..., None])[..., 0]


def _vecmem(a: Sequence[Array], _: Sequence[float]) -> Array:
    """v: (…, r), C: (…, r * c) -> (…, c)."""
    return np.matmul(a[0][..., None, :], as_grid(a[1], a[0], 0))[..., 0, :]


def _add(terms: Sequence[Array], signs: Sequence[float]) -> Array:
    """Signed terms from left to right, never re-associated: the order is part of the line."""
    total = terms[0] if signs[0] > 0 else negated(terms[0])
    for term, sign in zip(terms[1:], signs[1:], strict=True):
        total = np.add(total, term) if sign > 0 else np.subtract(total, term)
    return total


def _elu(a: Sequence[Array], c: Sequence[float]) -> Array:
    return np.where(a[0] < 0, c[0] * np.expm1(np.minimum(a[0], 0)), a[0])


def _softplus(a: Sequence[Array], _: Sequence[float]) -> Array:
    return np.maximum(a[0], 0) + np.log1p(np.exp(negated(np.abs(a[0]))))


def _slice(a: Sequence[Array], c: Sequence[float]) -> Array:
    return a[0][..., int(c[0]) : int(c[1])]


def _clip(a: Sequence[Array], c: Sequence[float]) -> Array:
    return np.minimum(np.maximum(a[0], c[0]), c[1])


def _concat(a: Sequence[Array], _: Sequence[float]) -> Array:
    parts = [np.atleast_1d(np.asarray(v, np.result_type(*a))) for v in a]  # a number is a part of width 1
    lead = np.broadcast_shapes(*(v.shape[:-1] for v in parts))
    return np.concatenate([np.broadcast_to(v, (*lead, v.shape[-1])) for v in parts], axis=-1)


def _reduction(function: Callable[..., Array]) -> Function:
    return lambda a, _: function(np.atleast_1d(a[0]), axis=-1, keepdims=True)


OPS: dict[str, Op] = {
    op.name: op
    for op in (
        Op("matvec", lambda a, _: _product(a[1], a[0].T), 2, width="matvec", ulp=None),
        Op("vecmat", lambda a, _: _product(a[0], a[1]), 2, width="vecmat", ulp=None),
        Op("outer", _outer, 2, function="outer", width="outer"),
        Op("memvec", _memvec, 2, width="memvec", ulp=None),
        Op("vecmem", _vecmem, 2, width="vecmem", ulp=None),
        Op("add", _add, None),
        Op("mul", lambda a, _: np.multiply(a[0], a[1]), 2),
        Op("div", lambda a, _: np.divide(a[0], a[1]), 2),
        Op("neg", lambda a, _: negated(a[0])),
        Op("copy", lambda a, _: np.positive(a[0])),
        Op("greater", lambda a, _: np.greater(a[0], a[1]).astype(np.result_type(*a)), 2),
        Op("slice", _slice, width="slice", constants=(("begin", None), ("end", None))),
        # named functions: 4 ulp for those that a math library rounds to 1 or 2, 6 if two of them are composed
        # accurate to about an ulp everywhere: exp overflows to inf and gives 0, which is correct
        Op("sigmoid", lambda a, _: 1 / (1 + np.exp(negated(a[0]))), function="sigmoid", ulp=6),
        Op("tanh", lambda a, _: np.tanh(a[0]), function="tanh", ulp=4),
        Op("exp", lambda a, _: np.exp(a[0]), function="exp", ulp=4),
        Op("log", lambda a, _: np.log(a[0]), function="log", ulp=4),
        Op("sqrt", lambda a, _: np.sqrt(a[0]), function="sqrt"),
        Op("sin", lambda a, _: np.sin(a[0]), function="sin", ulp=4),
        Op("cos", lambda a, _: np.cos(a[0]), function="cos", ulp=4),
        Op("floor", lambda a, _: np.floor(a[0]), function="floor"),
        Op("relu", lambda a, _: np.maximum(a[0], 0), function="relu"),
        Op("elu", _elu, function="elu", ulp=6, constants=(("alpha", 1.0),)),
        Op("softplus", _softplus, function="softplus", ulp=6),
        Op("clip", _clip, function="clip", constants=(("low", None), ("high", None))),
        Op("where", lambda a, _: np.where(np.not_equal(a[0], 0), a[1], a[2]), 3, function="where"),
        Op("maximum", lambda a, _: np.maximum(a[0], a[1]), 2, function="max"),
        Op("max", _reduction(np.max), function="max", width="one"),
        Op("sum", _reduction(np.sum), function="sum", width="one", ulp=None),
        Op("mean", _reduction(np.mean), function="mean", width="one", ulp=None),
        Op("concat", _concat, None, function="concat", width="concat"),
    )
}

FUNCTIONS: frozenset[str] = frozenset(op.function for op in OPS.values() if op.function)
