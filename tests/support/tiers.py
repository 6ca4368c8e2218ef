"""The two tiers of the tests: `make test` runs a part in less than two minutes, `make test-all` everything.

What takes long stands in `slow_*.py`, which only `make test-all` collects. What is only repeated (properties, seeds,
one case for each language and notation) is repeated less often by `make test`: a test with many dear cases is marked
`@pytest.mark.few(4)`, and `make test` takes 4 of them; with `few(4, slow=8)`, or `few(slow=8)` in a slow file,
`make test-all` takes 8. Whoever names a test gets all its cases: `pytest file::test`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

#: The variable by which `make test-all` asks for everything.
VARIABLE = "LSTM_TRACE_TESTS"
ALL = os.environ.get(VARIABLE) == "all"
#: How often the fast tests try a property, and how many seeds they have.
FEW = 10


def seeds(count: int, few: int = FEW) -> range:
    """The seeds of a test that has `count` of them: all, or the first few in the fast tests."""
    return range(count if ALL else min(count, few))


def some(cases: Iterable[T], few: int) -> list[T]:
    """All cases, or a few in the fast tests."""
    return list(cases) if ALL else spread(cases, few)


def spread(cases: Iterable[T], few: int) -> list[T]:
    """A few cases: the first, the last, and those at equal distances between."""
    every = list(cases)
    if len(every) <= few:
        return every
    if few == 1:
        return every[len(every) // 2 :][:1]
    return [every[round(k * (len(every) - 1) / (few - 1))] for k in range(few)]
