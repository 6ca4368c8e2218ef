"""Which rows of a long table are shown: large ones, and if it runs over time, its beginning and end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..base.arrays import Array

#: If magnitudes add up, shown rows account for this fraction of the sum before smaller ones are left out.
ENOUGH = 0.999


def excerpt(sizes: Sequence[float] | Array, most: int, timed: bool = False, adds: bool = True) -> list[int | range]:
    """The rows of a table in order: the number of each shown row, and a range for those left out in between.

    All rows if there are at most `most`; otherwise those with the largest `sizes`. timed: the first and last rows are
    kept whatever their size. adds: whether the sizes can meaningfully be added: then fewer rows are shown if the rest
    hardly counts, and a gap takes one of the `most` lines, for its sum; if not, fewer rows if the rest is 0. NaN counts
    as infinite.

    >>> excerpt([0, 0, 0, 0, 9, 0, 0, 0, 0], 7, timed=True)
    [0, range(1, 4), 4, range(5, 8), 8]
    """
    if (rows := len(sizes)) <= most:
        return list(range(rows))
    size = np.abs(np.nan_to_num(np.asarray(sizes, np.float64), nan=np.inf))
    ends = max(most // 10, 1) if timed else 0
    kept = {*range(ends), *range(rows - ends, rows)}
    least = len(kept) if timed else most // 4
    scale = np.max(size[np.isfinite(size)], initial=0.0) or 1.0
    little = (1 - ENOUGH) * float(np.sum(size / scale))
    left = float(np.sum(np.delete(size, sorted(kept)) / scale))
    for row in largest(size, most + len(kept) + 1).tolist():  # a kept row takes a line of its own
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
    """Indices of the `count` largest (all if fewer), the largest first, the first of equal ones first; without NaN.

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
    """The kept rows with the gaps between them; a gap of one row becomes that row."""
    found: list[int | range] = []
    for before, row in pairwise((-1, *sorted(kept), rows)):
        gap = range(before + 1, row)
        found += [gap] if len(gap) > 1 else [*gap]
        found.append(row)
    return found[:-1]


def left_out(entries: Sequence[int | range]) -> list[int]:
    """The numbers of the rows left out."""
    return [row for entry in entries if isinstance(entry, range) for row in entry]
