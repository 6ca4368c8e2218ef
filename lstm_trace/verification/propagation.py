"""A line's value from its operands, with the possible deviation of another correct program, including its operands'.

The slopes by which an error in an operand affects the line are the rows of `cell.rules`, evaluated at given operands.
A wave turns between them and a step jumps, so these have bounds that hold for all operands within the error (`_FAR`).
If two values differ by more than that, rounding does not explain it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.adjoint import adjoint
from ..cell.lines import Cell, Line
from ..cell.ops import OPS
from .rounding import bound


def slopes(line: Line, operands: Sequence[Array]) -> tuple[Array | None, ...]:
    """The derivative of the sum of the line's units with respect to each operand; None if nothing flows back.

    operands: one array for each, numbers too.

    >>> [slope.tolist() for slope in slopes(Line("y", "mul", ("p", "q")), [np.array([2.0]), np.array([3.0])])]
    [[3.0], [2.0]]
    """
    names = ("a", "b", "c")[: len(operands)]
    back = _adjoint(line.op, names, line.constants)
    value = OPS[line.op].array(operands, line.constants)
    known = computed(back, {"y": value, "d": np.ones(np.shape(value)), **dict(zip(names, operands, strict=True))})
    gradients = {name: known[new] for new, name in back.gradient}
    return tuple(gradients.get(name) for name in names)


@lru_cache(256)
def _adjoint(op: str, names: tuple[str, ...], constants: tuple[float, ...]) -> Cell:
    return adjoint(Cell((Line("y", op, names, constants),), (), "y", names), {"y": ("d",)})


def computed(cell: Cell, known: Mapping[str, Array]) -> dict[str, Array]:
    """The lines of a cell without carry, from its inputs."""
    values = dict(known)
    with np.errstate(all="ignore"):
        for line in cell.lines:
            operands = [values[o] if isinstance(o, str) else np.asarray(o) for o in line.operands]
            values[line.name] = OPS[line.op].array(operands, line.constants)
    return values


# Operations that round once; those not here and not in the ulp table only choose or copy numbers.
_ROUNDED = frozenset({"mul", "div", "sqrt"})
# Bounded and monotonic: a deviation of the operand, however large, stays within these bounds.
_SQUASHING = frozenset({"sigmoid", "tanh", "clip"})


def _wave(value: Array, slope: Array, reach: Array) -> Array:
    """The mean value theorem to second order: the slope of a wave nowhere changes faster than the operand. Both stay
    between -1 and 1.
    """
    curved = reach * np.abs(slope) + 0.5 * reach * reach
    return reduce(np.fmin, (curved, reach, 1 + np.abs(value)))


#: Operation to its largest deviation, from its operand and the largest deviation of that.
_FAR: dict[str, Callable[[Array, Array], Array]] = {
    "sin": lambda a, reach: _wave(np.sin(a), np.cos(a), reach),
    "cos": lambda a, reach: _wave(np.cos(a), np.sin(a), reach),
    # sums are rounded to numbers on the same side of a whole number, or to it
    "floor": lambda a, reach: np.maximum(np.floor(a + reach) - np.floor(a), np.floor(a) - np.floor(a - reach)),
}


class Known:
    """A value at some steps, and the possible deviation of another correct program.

    carried: the part of the deviation that comes from the operands. terms, mass: for a sum, the number of terms,
    through all the sums and products that feed it, and the sum of their magnitudes; 0 terms if it is not a sum.
    """

    carried: Array | float = 0.0
    terms = 0
    mass: Array | float = 0.0

    def __init__(self, value: Array, limit: Array | float = 0.0) -> None:
        self.value, self.limit = value, limit

    @property
    def exact(self) -> bool:
        """Whether there is no deviation, as far as that is known cheaply."""
        return not np.ndim(self.limit)

    @cached_property
    def off(self) -> bool:
        """Whether any of it may deviate."""
        return bool(np.any(self.limit))

    @cached_property
    def wide(self) -> Array:
        """The value in float64, contiguous."""
        return np.ascontiguousarray(self.value, np.float64).reshape(self.value.shape)

    @cached_property
    def size(self) -> Array:
        """|value|, in float64."""
        return np.abs(self.wide)

    def at(self, steps: slice) -> Known:
        """Some steps, if it has steps."""
        found = Known(_at(self.value, steps), _at(self.limit, steps))
        if self.terms:
            found.terms, found.mass, found.carried = self.terms, _at(self.mass, steps), _at(self.carried, steps)
        return found

    def largest(self) -> float:
        """The largest limit; infinite where one is unknown (inf - inf, 0 inf)."""
        found = float(np.max(self.limit, initial=0.0))
        return np.inf if np.isnan(found) else found


class Derived(Known):
    """A line computed by its equation. Its limits cost as much as its value, and are computed on use.

    dtype: of its value. rounded: the coarser dtype of the two programs, in which premises were compared.
    """

    def __init__(self, line: Line, operands: Sequence[Known], dtype: str, rounded: type[np.floating[Any]]) -> None:
        self.line, self.operands, self.rounded = line, operands, rounded
        self._op, self._read = OPS[line.op], [known.value for known in operands]
        self.value = np.asarray(self._op.array(self._read, line.constants), dtype)
        if line.op == "add":
            # a term that is itself a sum or product counts with all its terms: another program may add them in one go
            self.terms = sum(max(known.terms, 1) for known in operands)
        elif self._op.ulp is None:
            self.terms = self._read[line.summed].shape[-1]
        elif line.op in _ROUNDED:
            self.terms = 1

    @property
    def exact(self) -> bool:
        """See `Known`."""
        return not self.terms and self._op.ulp == 0 and all(known.exact for known in self.operands)

    @cached_property
    def mass(self) -> Array | float:  # type: ignore[override]
        """See `Known`; for a function, the value itself."""
        if self.line.op == "add":
            return sum(known.mass if known.terms else known.size for known in self.operands)
        if self._op.ulp is None:
            return self._op.array([known.size for known in self.operands], self.line.constants)
        return self.size if self.terms else self.value.astype(self.rounded, copy=False)

    @cached_property
    def carried(self) -> Array | float:  # type: ignore[override]
        """See `Known`."""
        if all(known.exact for known in self.operands):
            return 0.0
        if self.line.op == "add":
            return sum(known.carried if known.terms else known.limit for known in self.operands)
        return _carried(self.line, self.operands)

    @cached_property
    def limit(self) -> Array | float:  # type: ignore[override]
        """See `Known`."""
        mass = np.asarray(self.mass)
        own = of_sum(mass, self.terms, self.rounded) if self.terms else bound(self.line, self._read, mass)
        return np.asarray(self.carried + own)


def joined(parts: Sequence[Known | None], rows: int) -> Known:
    """A line that was derived step by step; NaN, with unlimited deviation, where that is None."""
    some = next(part for part in parts if part is not None)
    shape = 1, rows, some.value.shape[-1]
    unknown = Known(np.full(shape, np.nan, some.value.dtype), np.inf)

    def whole(name: str) -> Array:
        return np.concatenate([np.broadcast_to(getattr(part or unknown, name), shape) for part in parts])

    found = Known(whole("value"), whole("limit"))
    if some.terms:
        found.terms, found.mass, found.carried = some.terms, whole("mass"), whole("carried")
    return found


def _at(values: Any, steps: slice) -> Any:
    return values[steps] if np.ndim(values) == 3 else values


def _carried(line: Line, operands: Sequence[Known]) -> Array | float:
    """The possible deviation of the line due to its operands: slope times that, the steepest of the slopes at the
    middle
    and at both ends; for a squashing function, its rise or fall from the middle, at most from end to end.
    """
    off = [known.off for known in operands]
    if not any(off):
        return 0.0
    read = [known.wide for known in operands]
    op = OPS[line.op]
    reach = [np.broadcast_to(known.limit, v.shape) for known, v in zip(operands, read, strict=True)]
    if line.product:
        one, two = (known.size for known in operands)
        found = op.array([one, reach[1]], ()) if off[1] else 0.0
        return found + op.array([reach[0], two + reach[1]], ()) if off[0] else found
    if line.op in _FAR:
        return np.where(reach[0] == 0, 0.0, _FAR[line.op](read[0], reach[0]))
    if op.width in ("concat", "slice"):
        return op.array(reach, line.constants)
    if line.op == "greater":  # its truth is unknown if the two may be equal
        return np.where((reach[0] + reach[1] > 0) & (np.abs(read[0] - read[1]) <= reach[0] + reach[1]), 1.0, 0.0)
    total: Array | float = 0.0
    around = [[v + side * r for v, r in zip(read, reach, strict=True)] for side in (-1, 0, 1)]
    steep = zip(*(slopes(line, near) for near in around), strict=True)
    for steepness, limit, any_ in zip(steep, reach, off, strict=True):
        if any_ and steepness[0] is not None:
            spread = reduce(np.maximum, [np.abs(slope) for slope in steepness]) * limit
            total = total + np.where(limit == 0, 0.0, spread)  # zero stays zero, however steep: sqrt at 0
    if line.op == "where":  # the choice is unknown if the condition may be 0
        total = total + np.where((reach[0] > 0) & (np.abs(read[0]) <= reach[0]), np.abs(read[1] - read[2]), 0.0)
    if op.reduces:
        return np.sum(total, axis=-1, keepdims=True)
    if line.op in _SQUASHING:
        low, middle, high = (op.array(near, line.constants) for near in around)
        rounding = bound(line, read, middle) + float(np.finfo(np.float64).eps) * np.abs(middle)
        far = reduce(np.fmax, (total, np.abs(high - middle), np.abs(middle - low)))
        return np.fmin(far, np.abs(high - low) + rounding)
    return total


class Apart(NamedTuple):
    """|one - two| of each value, in float64, and the largest."""

    each: Array
    most: float

    @property
    def finite(self) -> float:
        """The largest of those that are finite."""
        return self.most if np.isfinite(self.most) else float(self.each[np.isfinite(self.each)].max(initial=0.0))


def apart(one: Known, two: Known) -> Apart:
    """|one - two|: 0 if both are the same infinity or both are NaN, infinite if only one is NaN."""
    with np.errstate(all="ignore"):
        gap = np.subtract(one.wide, two.wide)
        gap = np.abs(gap, out=gap)
    most = float(gap.max(initial=0.0))
    if np.isfinite(most):
        return Apart(gap, most)
    nan = np.isnan(one.wide), np.isnan(two.wide)
    gap[(one.wide == two.wide) | (nan[0] & nan[1])] = 0.0
    gap[nan[0] ^ nan[1]] = np.inf
    return Apart(gap, float(np.max(gap)))


def sizes_apart(one: Array, two: Array) -> Array:
    """|one - two| of each value in float64, as in `apart`; read-only."""
    return apart(Known(one), Known(two)).each


def spacing(sizes: Array, dtype: type[np.floating[Any]]) -> Array:
    """One unit in the last place for values of that magnitude."""
    return np.spacing(sizes.astype(dtype)).astype(np.float64)


def beyond(gap: Apart, bounds: Sequence[Known]) -> Array | None:
    """Where a gap exceeds the sum of some limits, None if nowhere; a sum that is not finite counts as 0."""
    if not gap.most:
        return None
    limit = np.asarray(sum(known.limit for known in bounds))
    found = gap.each > np.where(np.isfinite(limit), limit, 0.0)
    return found if found.any() else None


def either(one: Array | None, two: Array | None) -> Array | None:
    """Where either is true; None if both are None."""
    return two if one is None else one if two is None else one | two
