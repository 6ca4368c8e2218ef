"""Numbers that follow each other."""

from __future__ import annotations

from typing import Any

import numpy as np


def runs(numbers: Any) -> list[range]:
    """Rising whole numbers as ranges without gaps.

    >>> runs([0, 1, 2, 5, 7, 8]), runs([])
    ([range(0, 3), range(5, 6), range(7, 9)], [])
    """
    found = np.asarray(numbers, np.int64)
    gaps = np.flatnonzero(np.diff(found) != 1)
    ends = zip(found[[0, *gaps + 1]].tolist(), found[[*gaps, -1]].tolist(), strict=True) if found.size else ()
    return [range(first, last + 1) for first, last in ends]
