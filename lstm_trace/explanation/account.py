"""A value relative to a baseline: its exact split, the common attribution measures, and the experiments that check it.

Comprehensiveness and sufficiency are defined as in ERASER (DeYoung et al. 2020, arXiv:1911.03429, section 5), with the
value as m; a step is removed as in an occlusion, by replacing its input with the baseline's. Both are measured towards
the value in which all inputs and states are the baseline's, so that in a linear model no order beats that of the exact
contributions. ERASER's m is a probability, which ends at 0; our value may overshoot that of the baseline if steps with
the opposite sign remain, and overshoot itself if only these are removed. The overshoot is part of the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np

from ..backpropagation.attribution import Split, split
from ..base.arrays import Array
from ..errors import OptionError
from ..trace.labels import step_labels
from ..trace.trace import Trace
from .contribution import Baseline, BaselinePair, Shares, baseline_of, check_points
from .trials import SEED, Occlusion, Runs, Variants, check_runs, occlusion, shares_of

#: Below this fraction of the largest contribution the sign of a number is ignored: it may be rounding.
SMALL = 0.01


class Step(NamedTuple):
    """Contributions of a step, through the parameters that differ and the inputs; and the loss of value without it.

    token: the label of the step, if any. occlusion: None at padding, and if no run was made.
    """

    t: int
    token: str | None
    parameters: float
    inputs: float
    together: float
    occlusion: float | None


class State(NamedTuple):
    """The contribution of an initial state, and the loss of value without it."""

    place: str
    share: float
    occlusion: float | None


@dataclass(frozen=True)
class Account:
    """Contributions of inputs, steps and states to a value.

    others: gradient x input and integrated gradients, by column. steps: in the order of time. states: the initial
    states that differ from the baseline's. occlusion: None if it was not requested, or nothing can be replaced.
    faithfulness: None if there is too little to rank, or if it takes too long: `wanted` is the number of runs needed.
    unmeasured: why a measure is missing. padding, unreached: the padded steps, and others that the value does not
    depend on, such as later ones; their contribution is zero.
    """

    split: Split
    others: dict[str, Shares]
    steps: tuple[Step, ...]
    states: tuple[State, ...]
    occlusion: Occlusion | None
    faithfulness: Faithfulness | None
    wanted: int = 0
    unmeasured: tuple[str, ...] = ()
    padding: frozenset[int] = frozenset()
    unreached: frozenset[int] = frozenset()

    @property
    def ranked(self) -> tuple[Step | State, ...]:
        """The steps and states in the more faithful order; in the order of time if this was not measured.

        Without padding, and without those that the value does not depend on.
        """
        gone, faith = self.padding | self.unreached, self.faithfulness
        every: list[Step | State] = [*(step for step in self.steps if step.t not in gone), *self.states]
        if faith is None or self.occlusion is None:
            return tuple(every)
        lost = faith.best == "occlusion"
        scores = np.array([row.occlusion if lost else share_of(row) for row in every], np.float64) * faith.side
        return tuple(every[k] for k in ordered(scores))

    @property
    def opposed(self) -> tuple[int, int]:
        """Of the largest contributions, how many have the opposite sign in the occlusion, and the number of them; or 0,
        0.
        """
        every: tuple[Step | State, ...] = (*self.steps, *self.states)
        pairs = [(share_of(row), row.occlusion) for row in every if row.occlusion is not None]
        least = SMALL * max((abs(share) for share, _ in pairs), default=0.0)
        large = sorted((pair for pair in pairs if abs(pair[0]) > least), key=lambda pair: -abs(pair[0]))
        first = large[: largest_of(len(pairs))]
        other = sum(share * lost < 0 and abs(lost) > least for share, lost in first)
        return (other, len(first)) if other and other >= COMMON * len(first) else (0, 0)


@np.errstate(all="ignore")
def account(
    trace: Trace, of: str, baseline: Baseline = "zero-input", points: int | Literal["auto"] = "auto",
    runs: Runs = "auto", compared: bool = True,
) -> Account:  # fmt: skip
    """Split a value relative to a baseline, and check the split by experiments.

    points: number of points on the path of integrated gradients; `auto`: 50, fewer for a large trace, up to 400 if 50
    leave more than 1 % of the difference. runs: how many steps are occluded; `auto`: as many as fit into a second or
    two, and faithfulness is measured only if it is as quick. compared: whether to include the common measures and
    faithfulness. Raises OptionError for an invalid baseline or number, and the errors of `split`.
    """
    check_runs(runs)
    if points != "auto":
        check_points(points)
    base, row = baseline_of(trace, baseline, of)
    found = split(base, trace, of, row)
    pair = BaselinePair.of_traces(trace, base, row, of)
    del base  # frees all its lines
    others: dict[str, Shares] = {"gradient_x_input": pair.gradient_times_input()} if compared else {}
    unmeasured: tuple[str, ...] = ()
    if compared:
        try:
            path = pair.integrated_until_complete() if points == "auto" else pair.integrated_gradients(points)
            others["integrated_gradients"] = path
        except OptionError as error:  # no straight path leads to a baseline with other weights; the exact split remains
            unmeasured = (f"No integrated gradients: {error}.",)
    variants = Variants.of(pair)
    without = faith = None
    wanted = 0
    if variants is not None and runs != "none":
        shares = shares_of(variants, found)
        without = occlusion(variants, shares, runs)
        if compared and len(variants) >= LEAST:
            scores = {"contribution": shares} | ({"occlusion": without.lost} if without.complete else {})
            wanted = 2 + 2 * len(BINS) * (len(scores) + FEWEST)
            draws = min((variants.afforded - 2) // (2 * len(BINS)) - len(scores), DRAWS)
            if draws >= FEWEST or runs != "auto":
                faith = faithfulness(variants, scores, max(draws, FEWEST))
    over = tuple(steps(found, without, step_labels(trace, found.of.b)))
    brought = tuple(states(found, without))
    padding = padding_of(trace, found, over)
    nothing = {step.t for step in over if not (step.t in padding or step.parameters or step.inputs)}
    unreached = frozenset() if variants is None else frozenset(nothing.difference(variants.reached))
    return Account(found, others, over, brought, without, faith, wanted, unmeasured, padding, unreached)


def steps(found: Split, without: Occlusion | None = None, labels: Sequence[str] = ()) -> Iterator[Step]:
    """The steps of a split, in the order of time."""
    inputs = [part for name, part in found.parts.items() if found.kinds[name] in ("input", "given")]
    count = max(map(len, (*found.by_step.values(), *inputs)), default=0)
    through, read = np.zeros(count), np.zeros(count)
    for total, parts in ((through, found.by_step.values()), (read, inputs)):
        for part in parts:
            total[: len(part)] += part.reshape(len(part), -1).sum(axis=1)
    values = [np.nan] * count if without is None else without.steps.tolist()
    lost: list[float | None] = [None if np.isnan(value) else value for value in values]
    brought = zip(through.tolist(), read.tolist(), (through + read).tolist(), lost, strict=False)
    for t, (label, numbers) in enumerate(zip_longest(labels[:count], brought)):
        yield Step(found.first + t, label, *numbers)


def padding_of(trace: Trace, found: Split, over: Sequence[Step]) -> frozenset[int]:
    """The padded steps, except those with a contribution."""
    valid = trace.valid[:, found.of.b or 0, 0]
    return frozenset(step.t for k, step in enumerate(over) if not (valid[k] or step.parameters or step.inputs))


def share_of(row: Step | State) -> float:
    """The contribution that an occlusion is compared with."""
    return row.inputs if isinstance(row, Step) else row.share


def states(found: Split, without: Occlusion | None = None) -> Iterator[State]:
    """The initial states of a split that differ, or have a contribution."""
    for place, part in found.parts.items():
        lost = None if without is None else without.states.get(place)
        if found.kinds[place] == "state" and (part.any() or lost is not None):
            yield State(place, float(part.sum()), None if lost is None or np.isnan(lost) else lost)


#: Percentages of the steps that are removed, or kept, as in ERASER.
BINS = (1, 5, 10, 20, 50)
#: Number of random orders; if they take too long fewer are drawn, but at least `FEWEST`. With fewer steps than `LEAST`
#: all orders are much the same.
DRAWS, FEWEST, LEAST = 20, 3, 5
#: Percentage of the steps that are compared with each other (at least two), and the rank correlation and the overlap
#: of those steps below which two orders are said to disagree.
TOP, CORRELATED, COMMON = 10, 0.5, 0.5


class FaithfulnessScore(NamedTuple):
    """Means over `BINS`, in the unit of the value.

    comprehensiveness: how far the value moves towards the baseline's without the top-ranked steps; large is good.
    overshoot: the part of that beyond the baseline's value. sufficiency: how far it moves if only these steps are kept;
    near 0 is good, and below 0 it moves away from the baseline's. distance: the same in either direction; small is
    good.
    """

    comprehensiveness: float
    overshoot: float
    sufficiency: float
    distance: float


@dataclass(frozen=True)
class Faithfulness:
    """The scores of several orders in which inputs and states can be replaced.

    orders: by name (`contribution`, `occlusion`). drawn: scores of random orders. correlation: of the ranks in the two
    orders, NaN if there is only one; common: how many are among the first `top` of both. value, baseline: the value if
    nothing is replaced, and if everything is. count: how many can be replaced.
    """

    orders: Mapping[str, FaithfulnessScore]
    drawn: tuple[FaithfulnessScore, ...]
    correlation: float
    common: int
    top: int
    value: float
    baseline: float
    count: int

    @property
    def side(self) -> float:
        """The side of the baseline's value on which the value is: 1 above, -1 below."""
        return _side(self.value, self.baseline)

    def without(self, score: FaithfulnessScore) -> float:
        """The mean value without the first steps."""
        return self.value - self.side * score.comprehensiveness

    @property
    def best(self) -> str:
        """The order with the largest comprehensiveness; the first of equal ones."""
        return max(self.orders, key=lambda name: self.orders[name].comprehensiveness)

    @cached_property
    def mean(self) -> FaithfulnessScore:
        """The mean score of the random orders."""
        return FaithfulnessScore(*np.mean(self.drawn, axis=0).tolist())

    @cached_property
    def spread(self) -> FaithfulnessScore:
        """The standard deviation of the scores of the random orders."""
        return FaithfulnessScore(*np.std(self.drawn, axis=0, ddof=1).tolist())

    @property
    def disagree(self) -> bool:
        """Whether the two orders disagree."""
        return self.uncorrelated or self.apart

    @property
    def uncorrelated(self) -> bool:
        """Whether the rank correlation shows that the two orders disagree."""
        return self.correlation < CORRELATED

    @property
    def apart(self) -> bool:
        """Whether the first entries of the two orders show that they disagree."""
        return self.common < COMMON * self.top

    @property
    def misleading(self) -> bool:
        """Whether the largest contributions move the value less towards the baseline's than randomly drawn steps."""
        return self.orders["contribution"].comprehensiveness < self.mean.comprehensiveness


@np.errstate(all="ignore")
def faithfulness(variants: Variants, scores: Mapping[str, Array], draws: int) -> Faithfulness:
    """Remove the first steps of each order, and keep only them; all runs form one batch.

    scores: by name, a number for everything that can be replaced, on the side of the value. The order is descending if
    the value is larger than the baseline's, otherwise ascending. draws: number of random orders.
    """
    count = len(variants)
    value, everything = variants.values(np.array([[False] * count, [True] * count])).tolist()
    draw, side = np.random.default_rng(SEED), _side(value, everything)
    orders = [ordered(side * numbers) for numbers in scores.values()]
    found = _scores(variants, [*orders, *(draw.permutation(count) for _ in range(draws))], value, everything)
    top = largest_of(count)
    common = len(np.intersect1d(orders[0][:top], orders[-1][:top]))
    correlation = rank_correlation(*scores.values()) if len(orders) == 2 else np.nan
    named, drawn = dict(zip(scores, found, strict=False)), tuple(found[len(orders) :])
    return Faithfulness(named, drawn, correlation, common, top, value, everything, count)


def _side(value: float, baseline: float) -> float:
    return -1.0 if value < baseline else 1.0


def ordered(scores: Array) -> Array:
    """Indices in descending order, the first of equal ones first; NaN last."""
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf), kind="stable")


def largest_of(count: int) -> int:
    """How many of this count are compared as the largest."""
    return max(first_of(TOP, count), 2)


def first_of(percent: int, count: int) -> int:
    """This percentage of a count, at least one.

    >>> first_of(5, 20), first_of(5, 21), first_of(1, 3)
    (1, 2, 1)
    """
    return max(-(-percent * count // 100), 1)


def _scores(variants: Variants, orders: list[Array], value: float, everything: float) -> list[FaithfulnessScore]:
    """Each set of removed steps is run once, however many orders and bins contain it."""
    count = len(variants)
    first = np.array([first_of(percent, count) for percent in BINS])
    away = np.argsort(orders, axis=1)[:, None] < first[:, None]  # (orders, bins, count)
    rows = np.stack([away, ~away], axis=2)
    different, places = np.unique(rows.reshape(-1, count), axis=0, return_inverse=True)
    values = variants.values(different)[places.ravel()].reshape(rows.shape[:3])
    side = _side(value, everything)
    away, kept = np.moveaxis(side * (value - values), 2, 0)
    past = np.maximum(away - abs(value - everything), 0.0)
    return [FaithfulnessScore(*row) for row in np.stack([away, past, kept, np.abs(kept)]).mean(axis=2).T.tolist()]


@np.errstate(invalid="ignore")  # if all ranks are equal
def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's: the correlation of the ranks, equal numbers sharing theirs; NaN if all are equal.

    >>> rank_correlation(np.array([1.0, 5.0, 2.0]), np.array([10.0, 30.0, 20.0])).__round__(6)
    1.0
    """
    import pandas as pd

    return float(np.corrcoef([pd.Series(numbers).rank() for numbers in (a, b)])[0, 1])
