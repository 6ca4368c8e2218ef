"""A line's value from its operands, with the possible deviation of another correct program, including its operands'.

The slopes by which an error in an operand affects the line are the rows of `cell.rules`, evaluated at given operands.
If two values differ by more than that, rounding does not explain it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache, reduce
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.adjoint import adjoint
from ..cell.lines import Cell, Line
from ..cell.ops import OPS
from .rounding import FEW, Product, Sizes, bound, reach


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
_TAME = 1e100  # products of smaller values are far from overflow in float64, in which magnitudes are summed


class Known:
    """A value at some steps, and the possible deviation of another correct program.

    carried: the part of the deviation that comes from the operands. terms, mass: for a sum, the number of terms,
    through all the sums and products that feed it, and the sum of their magnitudes; 0 terms if it is not a sum.
    """

    carried: Array | float = 0.0
    terms = 0
    mass: Array | float = 0.0
    estimated = False  # whether bounds on the limit cost less than the limit itself

    def __init__(self, value: Array, limit: Array | float = 0.0) -> None:
        self.value, self.limit = value, limit

    @property
    def exact(self) -> bool:
        """Whether there is no deviation, as far as that is known cheaply."""
        return not np.ndim(self.limit)

    @property
    def least(self) -> Array | float:
        """A lower bound of the limit."""
        return 0.0

    @property
    def most(self) -> Array | float:
        """An upper bound of the limit."""
        return self.limit

    @cached_property
    def off(self) -> bool:
        """Whether any of it may deviate."""
        return bool(np.any(self.limit))

    @cached_property
    def wide(self) -> Array:
        """The value in float64, contiguous."""
        return np.ascontiguousarray(self.value, np.float64).reshape(self.value.shape)

    @cached_property
    def size(self) -> Sizes:
        """|value|, in float64."""
        return Sizes(np.abs(self.wide))

    def same(self, other: Known) -> bool:
        """Whether two values are bitwise equal."""
        if other not in self._compared:
            one, two = self.value, other.value
            alike = one.shape == two.shape and one.dtype == two.dtype
            if alike:
                one, two = (values.view(f"u{values.dtype.itemsize}") for values in (one, two))
                # most differ early
                alike = (not one.ndim or bool((one[:1] == two[:1]).all())) and bool((one == two).all())
            self._compared[other] = alike
        return self._compared[other]

    @cached_property
    def _compared(self) -> WeakKeyDictionary[Known, bool]:
        return WeakKeyDictionary()

    def at(self, steps: slice) -> Known:
        """Some steps, if it has steps."""
        found = Known(_at(self.value, steps), _at(self.limit, steps))
        if self.terms:
            found.terms, found.mass, found.carried = self.terms, _at(self.mass, steps), _at(self.carried, steps)
        return found

    def some(self, places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        """The limits of some values of an array with that shape."""
        return np.asarray(np.broadcast_to(self.limit, shape)[places])

    def largest(self) -> float:
        """The largest limit; infinite where one is unknown (inf - inf, 0 inf)."""
        return _largest(self.limit)


class Derived(Known):
    """A line computed by its equation. Its limits cost as much as its value, and are computed on use.

    rounded: the coarser dtype of the two programs, in which premises were compared.
    """

    def __init__(self, line: Line, operands: Sequence[Known], value: Array, rounded: type[np.floating[Any]]) -> None:
        self.line, self.operands, self.value, self.rounded = line, operands, value, rounded
        self._op, self._read = OPS[line.op], [known.value for known in operands]
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
            return sum(known.mass if known.terms else known.size.values for known in self.operands)
        if self._op.ulp is None:
            return self._op.array([known.size.values for known in self.operands], self.line.constants)
        return self.size.values if self.terms else self.value.astype(self.rounded, copy=False)

    def _own(self, mass: Any) -> Any:
        """The rounding bound of this line alone."""
        if not self.terms:
            return bound(self.line, self._read, np.asarray(mass))
        return of_sum(mass, self.terms, self.rounded)

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
        return np.asarray(self.carried + self._own(self.mass))

    @cached_property
    def estimated(self) -> bool:  # type: ignore[override]
        """See `Known`: for a product that is far from overflow."""
        return bool(self.line.product) and all(known.size.largest < _TAME for known in self.operands)

    @property
    def least(self) -> Array | float:
        """For a product n eps |value|, close to the limit if all terms have the same sign."""
        return self.size.values * (self.terms * float(np.finfo(self.rounded).eps)) if self.estimated else 0.0

    @property
    def most(self) -> Array | float:
        """For a product, an upper bound for all limits at the step and sequence."""
        if not self.estimated:
            return self.limit
        return self._own(self._product.most()) + sum(part.most() for part in self._parts)

    def some(self, places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        """See `Known`."""
        if not self.estimated:
            return super().some(places, shape)
        own = self._own(self._product.some(places, shape))
        return np.asarray(own + sum(part.some(places, shape) for part in self._parts))

    @cached_property
    def _product(self) -> Product:
        matrix, vectors = self._factors
        return Product(matrix.size, vectors.size, self.line.op == "vecmat")

    @property
    def _factors(self) -> list[Known]:
        """The matrix and the vectors of a product."""
        return [self.operands[self.line.operands.index(name)] for name in self.line.product or ()]

    @cached_property
    def _parts(self) -> list[Product]:
        """The products whose sum a product propagates."""
        if all(known.exact for known in self.operands):
            return []
        off, near = (Sizes(np.broadcast_to(known.limit, known.value.shape)) for known in self._factors)
        matrix, vectors, flipped = self._product
        both = [Product(matrix, near, flipped), Product(off, Sizes(vectors.values + near.values), flipped)]
        return [part for part, limit in zip(both, (near, off), strict=True) if limit.largest != 0]

    def largest(self) -> float:
        """See `Known`."""
        if isinstance(self.carried, np.ndarray):
            return _largest(self.limit)
        if self.line.product:
            mass: Any = self._product.largest()
        else:
            mass = np.max(self.mass) if self.terms else reach(self.mass)
        return self.carried + _largest(self._own(mass))


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


def _largest(limit: Array | float) -> float:
    found = float(np.max(limit, initial=0.0))
    return np.inf if np.isnan(found) else found


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
        one, two = (known.size.values for known in operands)
        found = op.array([one, reach[1]], ()) if off[1] else 0.0
        return found + op.array([reach[0], two + reach[1]], ()) if off[0] else found
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
    if one.same(two):
        return Apart(np.broadcast_to(0.0, one.value.shape), 0.0)
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
    found = _decided(gap, bounds) if any(known.estimated for known in bounds) else None
    if found is None:
        limit = np.asarray(sum(known.limit for known in bounds))
        if not np.isfinite(limit.max(initial=0.0)):
            limit = np.where(np.isfinite(limit), limit, 0.0)
        found = gap.each > limit
    return found if found.any() else None


def _decided(gap: Apart, bounds: Sequence[Known]) -> Array | None:
    """The same from lower and upper bounds, computing only a few limits; None if there are too many."""
    most = np.asarray(sum(known.most for known in bounds))
    if not np.isfinite(most.max(initial=0.0)):
        return None
    above = gap.each > most if gap.most > most.min(initial=np.inf) else None
    open_ = None if above is None else ~above
    if open_ is None or np.count_nonzero(open_) > FEW * open_.size:
        near = gap.each > sum(known.least for known in bounds)
        open_ = near if open_ is None else np.logical_and(open_, near, out=open_)
    places = np.flatnonzero(open_)
    if places.size > FEW * open_.size:
        return None
    found = np.zeros(open_.shape, bool) if above is None else above
    if places.size:
        at = np.unravel_index(places, open_.shape)
        found[at] = gap.each[at] > sum(known.some(at, open_.shape) for known in bounds)
    return found


def either(one: Array | None, two: Array | None) -> Array | None:
    """Where either is true; None if both are None."""
    return two if one is None else one if two is None else one | two
