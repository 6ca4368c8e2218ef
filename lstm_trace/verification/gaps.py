"""How far two arrays are apart, and where that is more than rounding explains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from .propagation import Known
from .rounding import FEW


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
