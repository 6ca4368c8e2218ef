"""How far two arrays are apart, and where that is more than rounding explains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
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
    most = float(np.max(gap, initial=0.0))
    if np.isfinite(most):
        return Apart(gap, most)
    nan = np.isnan(one.wide), np.isnan(two.wide)
    gap[(one.wide == two.wide) | (nan[0] & nan[1])] = 0.0
    gap[nan[0] ^ nan[1]] = np.inf
    return Apart(gap, float(np.max(gap)))


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
        if not np.isfinite(np.max(limit, initial=0.0)):
            limit = np.where(np.isfinite(limit), limit, 0.0)
        found = gap.each > limit
    return found if found.any() else None


def _decided(gap: Apart, bounds: Sequence[Known]) -> Array | None:
    """The same by what the limits are at least and at most, a few limits worked out; None where they are many."""
    most = np.asarray(sum(known.most for known in bounds))
    if not np.isfinite(np.max(most, initial=0.0)):
        return None
    above = gap.each > most if gap.most > np.min(most, initial=np.inf) else None
    if above is not None and above.all():
        return above
    near = gap.each > sum(known.least for known in bounds)
    if above is not None:
        near &= ~above
    places = np.flatnonzero(near)
    if places.size > FEW * near.size:
        return None
    if places.size:
        at = np.unravel_index(places, near.shape)
        near[at] = gap.each[at] > sum(known.some(at, near.shape) for known in bounds)
    return near if above is None else near | above


def either(one: Array | None, two: Array | None) -> Array | None:
    """Where one or the other is true; None if neither is anywhere."""
    return two if one is None else one if two is None else one | two
