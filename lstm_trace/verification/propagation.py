"""A line's value from its operands, with how far another correct program may be off, theirs included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.ops import OPS
from ..cell.slopes import DERIVATIVE
from .rounding import bound

# Operations that round once; what is neither these nor in the table of ulps only chooses or copies numbers.
_ROUNDED = frozenset({"mul", "div", "sqrt"})
# Between two bounds, and never turning back: what comes in with the operand, however much, stays between them.
_SQUASHING = frozenset({"sigmoid", "tanh", "clip"})
_TAME = 1e100  # products of values below it are far from overflow in float64, in which sizes are added up


class Known:
    """A value at some steps, and how far another correct program may be off.

    carried: what of that came in with the operands. terms, mass: of a sum the number of terms, through all the sums and
    products that feed it, and the sum of their sizes; 0 terms where it is no sum.
    """

    carried: Array | float = 0.0
    terms = 0
    mass: Array | float = 0.0
    least: Array | float = 0.0  # what `limit` is at least

    def __init__(self, value: Array, limit: Array | float = 0.0) -> None:
        self.value, self.limit = value, limit

    def at(self, steps: slice) -> Known:
        """Some steps of a value that has them."""
        return Known(self.value[steps], self.limit[steps] if isinstance(self.limit, np.ndarray) else self.limit)


class _Sum(Known):
    """A sum, or a product: its sizes cost as much as its value, and are worked out when they are read."""

    def __init__(
        self,
        value: Array,
        carried: Array | float,
        terms: int,
        sizes: Callable[[], Array | float],
        read: Sequence[Array],
        rounded: type[np.floating[Any]],
    ) -> None:
        self.value, self.carried, self.terms, self._sizes, self._read = value, carried, terms, sizes, read
        self._info = np.finfo(rounded)

    @cached_property
    def mass(self) -> Array | float:  # type: ignore[override]
        """See `Known`."""
        return self._sizes()

    @cached_property
    def limit(self) -> Array | float:  # type: ignore[override]
        """See `Known`."""
        own = 2 * self.terms * (float(self._info.eps) * self.mass + float(self._info.smallest_subnormal))
        return self.carried + own

    @property
    def least(self) -> Array | float:  # type: ignore[override]
        """n eps |value|, half of the limit where all terms have one sign; 0 where the limit may not be finite."""
        if isinstance(self.carried, np.ndarray) or not all(np.max(np.abs(v), initial=0.0) < _TAME for v in self._read):
            return 0.0
        return self.terms * float(self._info.eps) * np.abs(self.value).astype(np.float64)


def derived(line: Line, operands: Sequence[Known], dtype: str, rounded: type[np.floating[Any]]) -> Known:
    """The line's value with its bound; rounded: the coarser dtype of the two, in which premises were compared."""
    op = OPS[line.op]
    read = [known.value for known in operands]
    value = np.asarray(op.array(read, line.constants), dtype)

    def sizes(values: Sequence[Array]) -> list[Array]:
        return [np.abs(v).astype(np.float64) for v in values]

    if line.op == "add":
        # a term that is itself a sum or product counts with all its terms: another program may add them up in one go
        carried = sum(known.carried if known.terms else known.limit for known in operands)
        terms = sum(max(known.terms, 1) for known in operands)

        def mass() -> Array | float:
            return sum(known.mass if known.terms else sizes([known.value])[0] for known in operands)

    elif op.ulp is None:
        carried, terms = _carried(line, operands), read[line.summed].shape[-1]

        def mass() -> Array | float:
            return op.array(sizes(read), line.constants)

    elif line.op in _ROUNDED:
        carried, terms = _carried(line, operands), 1

        def mass() -> Array | float:
            return sizes([value])[0]

    else:
        return Known(value, _carried(line, operands) + bound(line, read, value.astype(rounded)))
    return _Sum(value, carried, terms, mass, read, rounded)


def _carried(line: Line, operands: Sequence[Known]) -> Array | float:
    """How far the line may be off because its operands are: slope times that, the steepest of the slopes at the middle
    and at both ends; where it squashes, as much as it rises or falls from the middle, no more than from end to end.
    """
    limits = [known.limit for known in operands]
    if not any(np.any(limit) for limit in limits):
        return 0.0
    read = [np.asarray(known.value, np.float64) for known in operands]
    op = OPS[line.op]
    reach = [np.broadcast_to(limit, v.shape) for limit, v in zip(limits, read, strict=True)]
    if line.product:
        found = op.array([np.abs(read[0]), reach[1]], ()) if np.any(reach[1]) else 0.0
        return found + op.array([reach[0], np.abs(read[1]) + reach[1]], ()) if np.any(reach[0]) else found
    if op.width in ("concat", "slice"):
        return op.array(reach, line.constants)
    if line.op == "greater":  # whether it holds is not known where the two can be equal
        return np.where((reach[0] + reach[1] > 0) & (np.abs(read[0] - read[1]) <= reach[0] + reach[1]), 1.0, 0.0)
    total: Array | float = 0.0
    around = [_Near(line, [v + side * r for v, r in zip(read, reach, strict=True)]) for side in (-1, 0, 1)]
    for slopes, limit in zip(zip(*(DERIVATIVE[line.op](near) for near in around), strict=True), reach, strict=True):
        if np.any(limit) and slopes[0] is not None:
            total = total + reduce(np.maximum, [np.abs(slope) for slope in slopes]) * limit
    if line.op == "where":  # nor which of two values is chosen, where the condition can be 0
        total = total + np.where((reach[0] > 0) & (np.abs(read[0]) <= reach[0]), np.abs(read[1] - read[2]), 0.0)
    if op.width == "one":
        return np.sum(total, axis=-1, keepdims=True)
    if line.op in _SQUASHING:
        low, middle, high = (near.y for near in around)
        rounding = bound(line, read, middle) + float(np.finfo(np.float64).eps) * np.abs(middle)
        return np.fmin(
            reduce(np.fmax, (total, np.abs(high - middle), np.abs(middle - low))), np.abs(high - low) + rounding
        )
    return total


class _Near:
    """A line with operands near its own: what the slope rules read (see `slopes.Here`)."""

    def __init__(self, line: Line, operands: Sequence[Array]) -> None:
        self.line, self.operands = line, operands

    def x(self, k: int) -> Array:
        """Operand `k`."""
        return self.operands[k]

    @property
    def y(self) -> Array:
        """The line's value."""
        return OPS[self.line.op].array(self.operands, self.line.constants)

    def width(self, k: int) -> int:
        """Number of units of operand `k`."""
        return int(self.operands[k].shape[-1])
