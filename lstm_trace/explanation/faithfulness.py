"""Whether an order of the steps is faithful to the model: what the value does as the first are taken away, or kept.

Comprehensiveness and sufficiency as in ERASER (DeYoung et al. 2020, arXiv:1911.03429, section 5): m is here the value,
and a step is taken away as in an occlusion, by the baseline's input. Both are counted towards the value in which all
inputs and states are the baseline's, so that in a linear model no order beats that of the exact contributions. Their m
is a probability, which ends at 0; a value goes past the baseline's where steps that pull the other way remain, and past
itself where these alone are taken away. So it is said how far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from .experiments.occlusion import SEED, Variants

#: Percent of the steps that are taken away, or kept: ERASER's.
BINS = (1, 5, 10, 20, 50)
#: Orders drawn at random; fewer, but not less than `FEWEST`, where that takes too long. Of fewer steps than `LEAST`
#: every order is much the same.
DRAWS, FEWEST, LEAST = 20, 3, 5
#: Percent of the steps that are compared with each other (at least two), and the rank correlation and the part of
#: those steps in common below which two orders disagree.
TOP, CORRELATED, COMMON = 10, 0.5, 0.5


class Score(NamedTuple):
    """Means over `BINS`, in the unit of the value.

    comprehensiveness: how far the value moves towards the baseline's without the top-ranked steps; large is good.
    overshoot: how much of that is past the baseline's. sufficiency: how far it moves if only they are kept; near 0 is
    good, and below 0 it moves away from the baseline's. distance: the same
    in either direction; small is good.
    """

    comprehensiveness: float
    overshoot: float
    sufficiency: float
    distance: float


@dataclass(frozen=True)
class Faithfulness:
    """The scores of some orders of what can be replaced.

    orders: by name (`contribution`, `occlusion`). drawn: of orders drawn at random. correlation: of the ranks in the
    two orders, nan where there is one; common: how many are among the first `top` of both. value, baseline: the value
    when nothing is replaced, and when everything is. count: how much can be.
    """

    orders: Mapping[str, Score]
    drawn: tuple[Score, ...]
    correlation: float
    common: int
    top: int
    value: float
    baseline: float
    count: int

    @property
    def side(self) -> float:
        """On which side of the baseline's the value is: 1 above, -1 below."""
        return _side(self.value, self.baseline)

    def without(self, score: Score) -> float:
        """What the value is without the first steps, on average."""
        return self.value - self.side * score.comprehensiveness

    @property
    def best(self) -> str:
        """The order of the largest comprehensiveness; of equal ones the first."""
        return max(self.orders, key=lambda name: self.orders[name].comprehensiveness)

    @cached_property
    def mean(self) -> Score:
        """Of the orders drawn at random."""
        return Score(*np.mean(self.drawn, axis=0).tolist())

    @cached_property
    def spread(self) -> Score:
        """Their standard deviation."""
        return Score(*np.std(self.drawn, axis=0, ddof=1).tolist())

    @property
    def disagree(self) -> bool:
        """Whether the two orders disagree."""
        return self.uncorrelated or self.apart

    @property
    def uncorrelated(self) -> bool:
        """Whether the ranks in the two orders say that they disagree."""
        return self.correlation < CORRELATED

    @property
    def apart(self) -> bool:
        """Whether what comes first in the two orders says that they disagree."""
        return self.common < COMMON * self.top

    @property
    def chance(self) -> tuple[bool, bool]:
        """Whether the best order does no better than orders drawn at random: taken away, and kept alone."""
        best = self.orders[self.best]
        return best.comprehensiveness <= self.mean.comprehensiveness, best.distance >= self.mean.distance

    @property
    def worse(self) -> tuple[bool, bool]:
        """Whether it does worse than those by more than their standard deviation: likewise."""
        best, mean, spread = self.orders[self.best], self.mean, self.spread
        return (
            best.comprehensiveness < mean.comprehensiveness - spread.comprehensiveness,
            best.distance > mean.distance + spread.distance,
        )

    @property
    def misleading(self) -> bool:
        """Whether the largest contributions move the value less towards the baseline's than steps that are drawn."""
        return self.orders["contribution"].comprehensiveness < self.mean.comprehensiveness


def runs_needed(orders: int, draws: int) -> int:
    """How many runs the scores of some orders take, at most."""
    return 2 + 2 * len(BINS) * (orders + draws)


def draws_afforded(variants: Variants, orders: int) -> int:
    """How many orders can be drawn in a second or two; 0 where those are too few."""
    draws = min((variants.afforded - 2) // (2 * len(BINS)) - orders, DRAWS)
    return draws if draws >= FEWEST else 0


@np.errstate(all="ignore")
def faithfulness(variants: Variants, scores: Mapping[str, Array], draws: int = DRAWS) -> Faithfulness:
    """Take the first steps of each order away, and keep only them; all runs are one batch.

    scores: by name a number for each of what can be replaced, on the side of the value. The order is from the largest
    on, towards the value where that is larger than the baseline's; the smallest on where it is smaller.
    """
    count = len(variants)
    value, everything = variants.values(np.array([[False] * count, [True] * count]))
    side = _side(value, everything)
    orders = {name: ordered(side * numbers) for name, numbers in scores.items()}
    draw = np.random.default_rng(SEED)
    drawn = [draw.permutation(count) for _ in range(draws)]
    found = _scores(variants, [*orders.values(), *drawn], float(value), float(everything))
    top = largest_of(count)
    pair = list(orders.values())
    common = len(np.intersect1d(pair[0][:top], pair[-1][:top]))
    correlation = rank_correlation(*scores.values()) if len(pair) == 2 else np.nan
    named = dict(zip(orders, found, strict=False))
    drawn_scores = tuple(found[len(named) :])
    return Faithfulness(named, drawn_scores, correlation, common, top, float(value), float(everything), count)


def _side(value: float, baseline: float) -> float:
    return -1.0 if value < baseline else 1.0


def ordered(scores: Array) -> Array:
    """The largest first, of equal ones the first; what is not a number last."""
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf), kind="stable")


def largest_of(count: int) -> int:
    """How many of so many are compared as the largest."""
    return max(first_of(TOP, count), 2)


def first_of(percent: int, count: int) -> int:
    """How many are so many percent, at least one.

    >>> first_of(5, 20), first_of(5, 21), first_of(1, 3)
    (1, 2, 1)
    """
    return max(-(-percent * count // 100), 1)


def _scores(variants: Variants, orders: list[Array], value: float, everything: float) -> list[Score]:
    """Each set of steps that is taken away is run once, however many orders and bins have it."""
    rows = np.zeros((len(orders), len(BINS), 2, len(variants)), bool)
    for order, here in zip(orders, rows, strict=True):
        for percent, (away, kept) in zip(BINS, here, strict=True):
            first = order[: first_of(percent, len(order))]
            away[first] = True
            kept[:] = ~away
    different, places = np.unique(rows.reshape(-1, len(variants)), axis=0, return_inverse=True)
    values = variants.values(different)[places.ravel()].reshape(rows.shape[:3])
    side = _side(value, everything)
    away, kept = np.moveaxis(side * (value - values), 2, 0)
    past = np.maximum(away - abs(value - everything), 0.0)
    return [Score(*row) for row in np.stack([away, past, kept, np.abs(kept)]).mean(axis=2).T.tolist()]


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's: the correlation of the ranks, equal numbers sharing theirs; nan where all are equal.

    >>> rank_correlation(np.array([1.0, 5.0, 2.0]), np.array([10.0, 30.0, 20.0])).__round__(6)
    1.0
    """
    ranks = [_ranks(numbers) for numbers in (a, b)]
    x, y = (rank - rank.mean() for rank in ranks)
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size else np.nan


def _ranks(numbers: Array) -> Array:
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]
