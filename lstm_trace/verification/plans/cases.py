"""Every operation with every kind of operand, made from the operation table: a new row there is covered here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line, Operand
from ...cell.ops import OPS, Op
from ..rounding import bound

#: Operands as wide as the value, one that is one unit wide, a parameter, a number; a matrix for each kind of product.
WIDE, ONE, VECTOR, NUMBER = ("a", "b", "c"), "n", "v", 0.5
MATRICES = {"matvec": ("M", WIDE[0]), "vecmat": (WIDE[0], "K")}
#: Rows of M, columns of K.
ROWS = 3
DTYPES = ("float64", "float32")
#: Signs of the terms of sums that are tried: as they are read, and with a minus in front.
_SIGNS = (1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)


def cases(width: int) -> Iterator[Line]:
    """Lines of every operation on values of `width` units, which differ in what is broadcast.

    >>> [line.operands for line in cases(2) if line.op == "div"]
    [('a', 'b'), ('n', 'b'), ('a', 'n'), ('v', 'b'), ('a', 'v'), (0.5, 'b'), ('a', 0.5)]
    """
    for op in OPS.values():
        for constants in _constants(op, width):
            for operands in _operands(op, width):
                yield Line("", op.name, operands, constants)


def _constants(op: Op, width: int) -> Sequence[tuple[float, ...]]:
    if op.name == "add":
        return _SIGNS
    if op.width == "slice":
        return [(width // 3, width), (0, 1)]
    return [tuple(float(k) if c is None else c for k, (_, c) in enumerate(op.constants))]


def _operands(op: Op, width: int) -> Iterator[tuple[Operand, ...]]:
    if op.name in MATRICES:
        yield MATRICES[op.name]
        return
    wide: tuple[Operand, ...] = WIDE[: len(WIDE) if op.arity is None else op.arity]
    yield wide
    if len(wide) > 1:
        for other in (ONE, VECTOR, NUMBER) if width > 1 else (NUMBER,):
            for at in range(len(wide)):
                yield (*wide[:at], other, *wide[at + 1 :])


def off(line: Line, operands: Sequence[Array], found: Array, expected: Array, ulps: bool, signs: bool) -> Array:
    """Where a value is not what its definition gives; NaN is NaN.

    ulps: whether a named function may be off by the ulp of the operation table: numpy before 2 gives other last digits
    at strides. Sums and products may be off by their rounding bound. signs: whether zeros of both signs are told apart:
    the larger of two zeros has either sign, on some processors.
    """
    same = (found == expected) & ((np.signbit(found) == np.signbit(expected)) | (not signs))
    same |= np.isnan(found) & np.isnan(expected)
    ulp = OPS[line.op].ulp
    if same.all() or ulp == 0 or not (ulps or ulp is None):
        return ~same
    with np.errstate(all="ignore"):
        return ~same & ~(np.abs(found - expected) <= bound(line, operands, expected))


class Fault(NamedTuple):
    """A value that is not what its operation defines. plan: whose; where: the sizes; at: the index of the value."""

    plan: str
    line: Line
    dtype: str
    where: str
    at: tuple[int, ...]
    found: float
    expected: float

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.line.operands))
        return (
            f"plan {self.plan}, {self.dtype}, {self.where}: {self.line.op} of {operands} "
            f"is {self.found!r} at {list(self.at)}; by its definition {self.expected!r}"
        )


def first(plan: str, line: Line, where: str, wrong: Array, found: Array, expected: Array) -> Fault:
    """The first of some wrong values."""
    at = tuple(np.argwhere(wrong)[0].tolist())
    return Fault(plan, line, str(found.dtype), where, at, float(found[at]), float(expected[at]))
