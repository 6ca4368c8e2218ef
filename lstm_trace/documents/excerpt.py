"""Which rows of a long table are shown: those that are large, and its beginning and end where it runs over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..base.arrays import Array

#: Where sizes add up, the rows that are shown hold so much of the sum before smaller ones are left out.
ENOUGH = 0.999


def excerpt(sizes: Sequence[float] | Array, most: int, timed: bool = False, adds: bool = True) -> list[int | range]:
    """The rows of a table in order: the number of each that is shown, a range for those that are left out in between.

    All rows where there are at most `most`. Otherwise the largest of `sizes`. timed: the first and last rows stay
    whatever their size. adds: whether it makes sense to add the sizes up: then fewer rows are shown where the rest
    hardly counts, and a gap takes one of the `most` lines, for its sum; if not, fewer where the rest is 0. What is not
    a number counts as infinite.

    >>> excerpt([0, 0, 0, 0, 9, 0, 0, 0, 0], 7, timed=True)
    [0, range(1, 4), 4, range(5, 8), 8]
    """
    rows = len(sizes)
    if rows <= most:
        return list(range(rows))
    size = np.abs(np.nan_to_num(np.asarray(sizes, np.float64), nan=np.inf))
    ends = max(most // 10, 1) if timed else 0
    kept = {*range(ends), *range(rows - ends, rows)}
    least = len(kept) if timed else most // 4
    scale = np.max(size[np.isfinite(size)], initial=0.0) or 1.0
    little = (1 - ENOUGH) * float(np.sum(size / scale))
    left = float(np.sum(np.delete(size, sorted(kept)) / scale))
    for row in largest(size, most + len(kept) + 1).tolist():  # a row that is kept takes a line of its own
        if len(kept) >= least and (left <= little < np.inf if adds else size[row] == 0):
            break
        if row in kept:
            continue
        if (len(_lines(kept | {row}, rows)) if adds else len(kept) + 1) > most:
            break
        kept.add(row)
        left -= float(size[row] / scale)
    return _lines(kept, rows)


def largest(size: Array, count: int) -> Array:
    """Where the `count` largest are (all of fewer), the largest first, of equal ones the first; none is NaN.

    >>> largest(np.array([1.0, 3.0, 2.0, 3.0, 2.0]), 3).tolist()
    [1, 3, 2]
    """
    if count >= len(size):
        return np.argsort(-size, kind="stable")
    least = np.partition(size, -count)[-count]
    above = np.flatnonzero(size > least)
    found = np.concatenate([above, np.flatnonzero(size == least)[: count - len(above)]])
    return found[np.argsort(-size[found], kind="stable")]


def _lines(kept: set[int], rows: int) -> list[int | range]:
    """The rows that are kept with the gaps between them; a gap of one row is that row."""
    found: list[int | range] = []
    for before, row in pairwise((-1, *sorted(kept), rows)):
        gap = range(before + 1, row)
        found += [gap] if len(gap) > 1 else [*gap]
        found.append(row)
    return found[:-1]


def left_out(entries: Sequence[int | range]) -> list[int]:
    """The numbers of the rows that are left out."""
    return [row for entry in entries if isinstance(entry, range) for row in entry]
