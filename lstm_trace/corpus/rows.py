"""Sequences as `inputs` reads them: which there are, and a stretch of them with a row for each step.

Every file of a corpus takes pyarrow from here, where a message says that it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from ..base.arrays import Array
from ..base.extras import missing
from ..errors import OptionError

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise OptionError(missing("a corpus", "pyarrow")) from None

__all__ = [
    "SEQUENCE", "STEP", "TOKEN", "Count", "Index", "Place", "Rows", "Span", "checked_seed", "compute", "cut",
    "pa", "parquet", "shuffled",
]  # fmt: skip


#: Columns of a part beside its states; those of the input that are called so mean the same.
SEQUENCE, STEP, TOKEN = "seq_id", "t", "token"


@dataclass(frozen=True)
class Index:
    """The sequences of an input, in its order.

    ids: (N,), whole numbers or texts, each once. lengths: (N,), in steps, at least 1. places: (N + 1,), where each
    begins and the last one ends, in rows of the table.
    """

    ids: Array
    lengths: Array
    places: Array


@dataclass(frozen=True)
class Rows:
    """Whole sequences, one after the other, with a row for each of their R steps.

    ids, lengths: (n,). x: (R, I). t: (R,), the first step of a sequence may be any, the others follow it. token: the
    labels of the steps, a string array of Arrow, None where there are none. targets: further columns, arrays of Arrow
    by name.
    """

    ids: Array
    lengths: Array
    x: Array
    t: Array
    token: Any = None
    targets: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> Array:
        """The first row of each sequence, and the number of rows, (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def steps_of(self, at: Array) -> Array:
        """The rows of some of the sequences, by their places."""
        starts = self.starts
        return np.concatenate([np.arange(starts[k], starts[k + 1]) for k in at])

    def picked(self, at: Array) -> Rows:
        """Some of the sequences, by their places."""
        steps = self.steps_of(at)
        targets = {name: values.take(steps) for name, values in self.targets.items()}
        token = None if self.token is None else self.token.take(steps)
        return Rows(self.ids[at], self.lengths[at], self.x[steps], self.t[steps], token, targets)


Place = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Span(NamedTuple):
    """A stretch of whole sequences: the `number` of the part that it makes, its places, how much there is."""

    number: Place
    first: Place
    stop: Place
    sequences: Count
    steps: Count


def cut(index: Index, steps: int) -> list[Span]:
    """The input in stretches of about so many steps: a sequence that does not fit any more begins the next one.

    >>> index = Index(np.arange(4), np.array([3, 4, 9, 2]), np.arange(5) * 10)
    >>> [(one.first, one.stop, one.steps) for one in cut(index, 8)]
    [(0, 20, 7), (20, 30, 9), (30, 40, 2)]
    """
    found: list[Span] = []
    ends = np.concatenate([[0], np.cumsum(index.lengths, dtype=np.int64)])
    at, steps = 0, min(steps, int(ends[-1]))
    while at < len(index.ids):
        # the last sequence that ends within `steps` of here; at least one
        stop = max(int(np.searchsorted(ends, ends[at] + steps, side="right")) - 1, at + 1)
        found.append(
            Span(len(found), int(index.places[at]), int(index.places[stop]), stop - at, int(ends[stop] - ends[at]))
        )
        at = stop
    return found


def checked_seed(seed: int) -> int:
    """The seed. Raises OptionError for one that random numbers cannot be drawn with."""
    if seed < 0:
        raise OptionError(f"seed: expected a whole number of at least 0; found {seed}")
    return seed


def shuffled(ids: Iterable[Any], seed: int | str) -> Array:
    """The places of ids in a random order, in which two of them come one after the other whatever else is there.

    >>> shuffled(["a", "b", "c", "d"], 0), shuffled(["d", "b", "c"], 0)
    (array([3, 2, 0, 1]), array([0, 2, 1]))
    """
    if isinstance(seed, int):
        checked_seed(seed)
    keys = [blake2b(f"{seed}/{one}".encode(), digest_size=8).digest() for one in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
