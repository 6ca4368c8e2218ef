"""Sequences that are drawn by a seeded hash, and intervals that take sequences as units."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Array
from ..corpus.rows import checked_seed, shuffled
from ..errors import OptionError, counted

#: Resamples of a bootstrap, and the part of them that an interval holds.
RESAMPLES, INSIDE = 1000, 0.95
#: Sequences at least, 2 to learn from and 2 to test.
FEWEST = 4
#: Bytes that a sample may hold as float64, whatever its steps.
BYTES = 1 << 28


def generator(seed: int) -> np.random.Generator:
    """Random numbers. Raises OptionError for a seed below 0."""
    return np.random.default_rng(checked_seed(seed))


def drawn(ids: Array, lengths: Array, seed: int, steps: int, width: int) -> Array:
    """The places of whole sequences with at most so many steps together. width: numbers of a step.

    Raises OptionError where they are less than `FEWEST`.
    """
    order = shuffled(ids, seed)
    order = order[np.cumsum(lengths[order]) <= min(steps, BYTES // (8 * width))]
    if len(order) < FEWEST:
        raise OptionError(
            f"{len(order)} of {len(ids):,} sequences were drawn, with at most {steps:,} steps (max_steps) together; "
            f"at least {FEWEST} are needed"
        )
    return order


def enough(steps: Array, target: str) -> Array:
    """(n,), whether a sequence has a target at any step. steps: (n,), at which it has.

    Raises OptionError where they are less than `FEWEST`.
    """
    found = steps > 0
    if (there := np.count_nonzero(found)) < FEWEST:
        raise OptionError(
            f"{target} is there in {there} of {counted(len(steps), 'sequence')} that were drawn; "
            f"at least {FEWEST} are needed"
        )
    return found


def tested(ids: Array, share: float, seed: int) -> Array:
    """(n,), whether a sequence is one that is tested. Raises OptionError."""
    if not 0 < share < 1:
        raise OptionError(f"test is the share of the sequences that are tested, between 0 and 1; found {share}")
    found = np.zeros(len(ids), bool)
    found[shuffled(ids, f"{seed}/test")[: min(max(round(share * len(ids)), 2), len(ids) - 2)]] = True
    return found


def resampled(sums: Array, seed: int) -> Array:
    """(1000, …), sums over as many sequences as there are, drawn with replacement. sums: (n, …), of each sequence."""
    rng, n = generator(seed), len(sums)
    counts = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.stack([np.tensordot(count, sums, 1) for count in counts])


def interval(values: Array) -> tuple[float, float]:
    """Where 95 % of resampled values are."""
    low, high = np.quantile(values, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return float(low), float(high)
