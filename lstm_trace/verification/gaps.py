"""How far two arrays are apart, and where that is more than rounding explains, or a tolerance allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, describe
from ..cell.options import is_number
from ..errors import OptionError, raise_all
from .products import FEW
from .propagation import Known


class Apart(NamedTuple):
    """|one - two| of each value, in float64, and the largest."""

    each: Array
    most: float


def apart(one: Known, two: Known) -> Apart:
    """|one - two|: 0 where both are the same infinity or both are NaN, infinite where only one is no number."""
    if one.same(two):
        return Apart(_zeros(one.value.shape), 0.0)
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


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same: |a - b| <= atol + rtol |a|, or at most `ulps` apart; the rounding bound if all None.

    The rounding bound is local: a value that differs only because its operands differ within rounding is the same.
    Raises OptionError for what is no finite number of at least 0.
    """

    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None

    def __post_init__(self) -> None:
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        wrong = [(name, value) for name, value in values if value is not None and not (is_number(value) and value >= 0)]
        expected = "expected a finite number of at least 0"
        raise_all(OptionError, (f"{name}: {expected}, found {describe(value)}" for name, value in wrong))

    @property
    def is_bound(self) -> bool:
        """Whether the rounding bound decides."""
        return self.rtol is None and self.atol is None and self.ulps is None

    def exceeded(self, a: Known, gap: Apart, dtype: type[np.floating[Any]]) -> Array:
        """Which values differ by more than a tolerance that was given; dtype: whose units in the last place count."""
        limit = (self.atol or 0.0) + (self.rtol or 0.0) * a.size.values
        if self.ulps is not None:
            limit = np.maximum(limit, self.ulps * spacing(a.size.values, dtype))
        return np.asarray(~(gap.each <= limit))


def spacing(sizes: Array, dtype: type[np.floating[Any]]) -> Array:
    """One unit in the last place of values of that size."""
    return np.spacing(sizes.astype(dtype)).astype(np.float64)


@lru_cache
def _zeros(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(0.0, shape)


def beyond(gap: Apart, bounds: Sequence[Known]) -> Array | None:
    """Where a gap is more than the sum of some limits explains, None if nowhere; a limit that is not finite explains
    nothing.
    """
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
    """The same by what the limits are at least and at most, a few limits worked out; None where they are many."""
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
    """Where one or the other is true; None if neither is anywhere."""
    return two if one is None else one if two is None else one | two
