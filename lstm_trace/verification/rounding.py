"""A line derived again from its recorded operands, and how far rounding may move it from the recorded value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.arithmetic import find
from ..cell.lines import GatheredSum, Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..trace.derived import Gathered, derived_sums
from ..trace.trace import Trace

#: Fraction of a line's values that are examined individually: more are processed faster all together.
FEW = 1 / 16
_TAME = 1e-15, 1e15  # products of numbers in this range neither vanish nor overflow in float32


def bound(line: Line, operands: Sequence[Array], derived: Array) -> Array | float:
    """How far two correct computations of `line` from equal operands may differ (see ARCHITECTURE.md).

    operands: arrays that broadcast over steps and sequences; derived: the line's value. Zero for operations that IEEE
    754 rounds correctly; for sums and products see `of_sum`; a few ulp for functions, plus the smallest normal number:
    exp overflows at different arguments in different libraries.
    """
    op = OPS[line.op]
    info = np.finfo(derived.dtype)
    if op.ulp == 0:
        return 0.0
    if op.ulp is None:
        sizes = op.array([np.abs(o) for o in operands], line.constants)
        bounds: Array = of_sum(sizes, operands[line.summed].shape[-1] - (line.op == "sum"), derived.dtype)
        return bounds
    return op.ulp * info.eps * np.abs(derived) + info.tiny


def derive(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """The line's value from its recorded operands at `steps`, and the bound; both (steps, B, width).

    A trace of another arithmetic is derived in that arithmetic, exactly.
    """
    operands = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    shape = trace.lines[stage.scope][line.name][steps].shape
    value, limit = _computed(trace, line, operands)
    return np.broadcast_to(value, shape), np.broadcast_to(limit, shape)


def _computed(trace: Trace, line: Line, operands: Sequence[Any]) -> tuple[Array, Array | float]:
    """The line's value in the arithmetic of a trace, and the bound: exact unless that is the arithmetic of its
    dtype.
    """
    if trace.header.arithmetic is not None:
        arithmetic = find(trace.header.arithmetic)
        return arithmetic.compute(line, [arithmetic.read(o) for o in operands]), 0.0
    with np.errstate(all="ignore"):
        value = np.asarray(OPS[line.op].array(operands, line.constants), trace.header.dtype)
        return value, bound(line, operands, value)


def derive_one(trace: Trace, stage: Stage, line: Line, t: int, b: int, unit: int) -> tuple[Array, Array] | None:
    """One value of a line from its recorded operands, and the bound, as `derive` does; None if one is missing.

    t: a position in the input.
    """
    steps = slice(trace.index(t), trace.index(t) + 1)
    operands = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    known = [operand[:, b : b + 1] if operand.ndim == 3 else operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    elementwise = OPS[line.op].width == "same"
    if line.op in ("matvec", "vecmat") or elementwise:  # the row or column of the unit, or the unit itself
        part = slice(unit, unit + 1)
        if elementwise:
            known = [value[..., part] if value.shape[-1] > 1 else value for value in known]
        else:
            at = int(line.op == "vecmat")
            known[at] = known[at][:, part] if at else known[at][part]
        unit = 0
    value, limit = map(np.atleast_1d, np.broadcast_arrays(*_computed(trace, line, known)))
    return value.reshape(-1, value.shape[-1])[0, unit], limit.reshape(-1, value.shape[-1])[0, unit]


def check_sums(trace: Trace, stage: Stage, sums: Sequence[GatheredSum]) -> dict[str, tuple[Array, Array, Gathered]]:
    """(wrong, inconclusive, expected value) of each entry of some recorded sums whose terms are all recorded."""
    recorded = trace.sums.get(stage.scope, {})
    found = derived_sums(trace, stage.scope, sums)
    return {name: (*beyond(recorded[name], one.value, one.limit), one) for name, one in found.items()}


def beyond(recorded: Array, derived: Array, limit: Array) -> tuple[Array, Array]:
    """(wrong, inconclusive): a value that deviates by more than the limit is wrong, unless the limit is not finite.

    Zero passes for a number below the normal range: processors have a mode that rounds it so, used by backward passes.
    """
    with np.errstate(all="ignore"):
        same = (recorded == derived) | (np.isnan(recorded) & np.isnan(derived))
        same |= (recorded == 0) & (np.abs(derived) < np.finfo(recorded.dtype).tiny)
        off = ~same & ~(np.abs(recorded - derived) <= limit)
    unsure = ~np.isfinite(limit)
    return off & ~unsure, unsure


class Sizes:
    """Nonnegative numbers, and quantities computed from them once for several products."""

    def __init__(self, values: Array) -> None:
        self.values = values

    @cached_property
    def single(self) -> Array:
        """In float32."""
        return self.values.astype(np.float32, copy=False)

    @cached_property
    def lengths(self) -> Array:
        """Norms of the vectors on the last axis."""
        return np.sqrt(np.einsum("...n,...n->...", self.values, self.values))

    @cached_property
    def largest(self) -> float:
        """The largest number."""
        return float(self.values.max(initial=0.0))


class Product(NamedTuple):
    """A matrix times vectors on the last axis. flipped: a unit corresponds to a column of the matrix, not to a row."""

    matrix: Sizes
    vectors: Sizes
    flipped: bool

    def some(self, places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        """Some values of a product of that shape."""
        matrix, vectors = self.matrix.values, self.vectors.values
        if vectors.shape[:-1] != shape[:-1]:
            vectors = np.broadcast_to(vectors, (*shape[:-1], vectors.shape[-1]))
        rows = (matrix.T if self.flipped else matrix)[places[-1]]
        return np.einsum("kn,kn->k", rows, np.broadcast_to(vectors[places[:-1]], rows.shape))  # maybe one for all

    def most(self) -> Array:
        """An upper bound for the values at each step and sequence, by the Cauchy-Schwarz inequality."""
        lengths = Sizes(self.matrix.values.T).lengths if self.flipped else self.matrix.lengths
        return np.asarray(self.vectors.lengths * (np.max(lengths, initial=0.0) * (1 + 1e-9)))[..., None]

    def largest(self) -> float:
        """The largest value: located in float32, which takes half the time, and computed in float64."""
        low, high = _TAME
        if all(low < part.largest < high for part in (self.matrix, self.vectors)):
            near = _whole(self.matrix.single, self.vectors.single, self.flipped)
            terms = self.vectors.values.shape[-1]
            close = near >= near.max() * (1 - 4 * (terms + 2) * float(np.finfo(np.float32).eps))
            places = np.flatnonzero(close)
            if places.size <= max(FEW * close.size, 1000):
                return float(self.some(np.unravel_index(places, close.shape), close.shape).max())
        return float(np.max(_whole(self.matrix.values, self.vectors.values, self.flipped), initial=0.0))


def _whole(matrix: Array, vectors: Array, flipped: bool) -> Array:
    rows = vectors.reshape(-1, vectors.shape[-1]) @ (matrix if flipped else matrix.T)
    return rows.reshape(*vectors.shape[:-1], rows.shape[-1])


def reach(values: Array) -> Any:
    """The largest magnitude of some values."""
    return np.maximum(values.max(initial=0), -values.min(initial=0))
