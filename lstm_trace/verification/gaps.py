"""How far two arrays are apart, and where that is more than rounding explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Scope
from ..errors import MissingError, ShapeError, nearest
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .propagation import Known
from .rounding import FEW


class Apart(NamedTuple):
    """|one - two| of each value, in float64, and the largest."""

    each: Array
    most: float


def apart(one: Known, two: Known) -> Apart:
    """|one - two|: 0 where both are the same infinity or both are NaN, infinite where only one is no number."""
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
    """|one - two| of each value in float64, as `apart` has it; not to be written into."""
    return apart(Known(one), Known(two)).each


def spacing(sizes: Array, dtype: type[np.floating[Any]]) -> Array:
    """One unit in the last place of values of that size."""
    return np.spacing(sizes.astype(dtype)).astype(np.float64)


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


# -- what changed from one trace to another ----------------------------------------------------------------------------


class Change(NamedTuple):
    """A line that differs in two traces: the largest |b - a|, and the place of that value."""

    scope: Scope
    line: str
    largest: float
    t: int
    b: int
    unit: int


@checked
def changes(a: Trace, b: Trace) -> list[Change]:
    """The lines that an edit changed: those of which a value is another in `b` than in `a`.

    Compared are the values at the steps, rows and units that both have, as numbers. It says what moved, and not
    whether rounding explains it, which is what `lt.diff` does.

    Args:
        a: the trace before.
        b: the trace after.

    Returns:
        (scope, line, largest |b - a|, t, b, unit) of each such line in the computing order of `b`; infinite where only
        one of the two is a number.

    >>> import lstm_trace as lt
    >>> a = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
    >>> [tuple(change) for change in changes(a, lt.edit(a, {"h0[0]": 1.0})) if change.line in ("i_t", "W_xi @ x_t")]
    [('0/forward', 'i_t', 0.056719..., 0, 0, 0)]
    """
    found = []
    for stage, line, after in b.recorded():
        before = a.lines.get(stage.scope, {}).get(line.name)
        if before is None:
            continue
        one, two, first = _common(a, b, before, after)
        each = apart(Known(one), Known(two))
        if each.most:
            t, row, unit = map(int, np.unravel_index(np.argmax(each.each), each.each.shape))
            found.append(Change(stage.scope, line.name, each.most, first + t, row, unit))
    return found


@checked
def gap(a: Trace, b: Trace, line: str, scope: Scope | None = None, row: int = 0) -> Array:
    """|b - a| of one line for one row of the batch, at the steps and units that both traces have.

    Args:
        a: the trace before.
        b: the trace after.
        line: its name.
        scope: `layer/direction`; may be left out where one has the line.
        row: of the batch.

    Returns:
        (T, width) in float64; infinite where only one of the two is a number.

    Raises:
        MissingError: for a line that is not in both.
        ShapeError: where the traces have no such row, or no step in common.

    >>> import lstm_trace as lt
    >>> a, b = (lt.run({"W_xi": [[w]], "W_hi": [[0.0]]}, [[1.0]], ask="z_i") for w in (0.5, 2.0))
    >>> gap(a, b, "z_i")
    array([[1.5]])
    """
    if scope is not None:
        a.stage(scope)  # raises, where there is none
    both = {s: here.keys() & b.lines.get(s, {}).keys() for s, here in a.lines.items() if scope in (None, s)}
    scopes = [s for s, names in both.items() if line in names]
    if len(scopes) > 1:
        raise MissingError(f"{line} is in {', '.join(scopes)}: choose one, scope={scopes[0]!r}")
    if not scopes:
        known = sorted({name for names in both.values() for name in names})
        raise MissingError(f"the traces do not both have a line {line!r}{nearest(line, known, 'they have')}")
    one, two, _ = _common(a, b, a.lines[scopes[0]][line], b.lines[scopes[0]][line])
    if not 0 <= row < one.shape[1] or not one.size:
        raise ShapeError(f"row {row}: the traces have T, B = {one.shape[:2]} in common")
    return np.array(sizes_apart(one[:, row], two[:, row]))


def _common(a: Trace, b: Trace, one: Array, two: Array) -> tuple[Array, Array, int]:
    """Both lines at the steps, rows and units that both traces have, and the position of the first of those steps."""
    first, end = max(a.first, b.first), max(min(a.span.stop, b.span.stop), max(a.first, b.first))
    rows, units = (min(one.shape[axis], two.shape[axis]) for axis in (1, 2))
    sides = ((a, one), (b, two))
    mine, theirs = (values[trace.index(first) : trace.index(end), :rows, :units] for trace, values in sides)
    return mine, theirs, first
