"""Occlusion: how much a value loses when the input of one step is the baseline's; and whether an order is faithful.

Which inputs are replaced is one row of a table of truth values. Each is a run that equals `lt.run` with those inputs by
the trace's plan, to the last bit (see `trials`).

Comprehensiveness and sufficiency as in ERASER (DeYoung et al. 2020, arXiv:1911.03429, section 5): m is here the value,
and a step is taken away as in an occlusion, by the baseline's input. Both are counted towards the value in which all
inputs and states are the baseline's, so that in a linear model no order beats that of the exact contributions. Their m
is a probability, which ends at 0; a value goes past the baseline's where steps that pull the other way remain, and past
itself where these alone are taken away. How far it goes is part of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from ..backpropagation.attribution import Split
from ..backpropagation.target import Part
from ..base.arrays import Array, describe
from ..cell.network import Stage, X
from ..engine import plan_choice
from ..engine.run import by_its_plan, rows_alone
from ..errors import OptionError
from ..trace.address import INITIAL
from ..trace.trace import Trace
from ..trace.window import cut
from .contribution import Pair
from .trials import TrialRows, Trials, computed_parts, reached

#: How many runs: as many as take EXTRA_SECONDS, all, none, or a number.
Runs = Literal["auto", "all", "none"] | int

#: Begins the draws, so that the same call gives the same table.
SEED = 0


@dataclass(frozen=True)
class Variants:
    """Runs of a trace of one row, in which some of what differs from a baseline is as it is there.

    trials: of the trace, by the compiled plan with the stages, lines and steps alone that the value depends on; base:
    with the same steps. steps: indices of the valid steps whose input differs, x or what is supplied. states: the
    initial states that differ, by scope and name. What can be replaced is counted in that order. valid: of the whole
    trace the steps that are no padding; first: which of them is the first here. reached: the steps on which the value
    depends.
    """

    trials: Trials
    base: Trace
    steps: Array
    states: tuple[tuple[str, str], ...]
    valid: Array
    first: int
    reached: range

    @classmethod
    def of(cls, pair: Pair) -> Variants | None:
        """The runs of a pair; None for a value that is a premise, and where nothing differs that can be replaced."""
        one = by_its_plan(replace(pair.one, header=replace(pair.one.header, ask=())))
        reads = computed_parts(one, pair.of.parts)
        if reads is None:
            return None
        needed, span = _reached(one, reads)
        if rows_alone(one):
            trace = _with(one, needed, span)
        else:  # numpy may round a product of fewer steps, or of fewer matrices, otherwise
            scopes = {stage.scope for stage in needed}
            trace = _with(one, tuple(stage for stage in one.stages if stage.scope in scopes), one.span)
        base = cut(pair.base, trace.span, pair.base.initial, {})
        differs = np.zeros(trace.steps, bool)
        if trace.x is not None and base.x is not None:
            differs |= (trace.x != base.x).any(axis=(1, 2))
        for scope, here in trace.given.items():
            for name, value in here.items():
                differs |= (value != base.given[scope][name]).any(axis=(1, 2))
        states = tuple(
            (stage.scope, name)
            for stage in needed
            for name, value in trace.initial.get(stage.scope, {}).items()  # those that what was asked for needs
            if name in stage.states and not np.array_equal(value, base.initial[stage.scope][name])
        )
        valid, first = one.valid[:, 0, 0] != 0, trace.first - one.first
        there = np.isin(trace.span, span)
        steps = np.flatnonzero(differs & there & valid[first:][: trace.steps])
        trials = Trials(trace, tuple(replace(part, steps=part.steps - first) for part in reads))
        found = cls(trials, base, steps, states, valid, first, span)
        return found if len(found) else None

    def __len__(self) -> int:
        """How much can be replaced."""
        return len(self.steps) + len(self.states)

    @property
    def seconds(self) -> float:
        """What one run takes, roughly."""
        return self.trials.seconds

    @property
    def afforded(self) -> int:
        """How many runs can be made beside what was asked for."""
        return int(min(plan_choice.EXTRA_SECONDS / self.seconds, 1e6))

    def values(self, replaced: Array) -> Array:
        """The value in each of several runs. replaced: (runs, what can be replaced), True where it is."""
        base = self.base

        def change(run: int, row: int, rows: TrialRows) -> None:
            at, states = self.steps[replaced[run, : len(self.steps)]], replaced[run, len(self.steps) :]
            if rows.x is not None and base.x is not None:
                rows.x[at, row] = base.x[at, 0]
            for scope, here in rows.given.items():
                for name, value in here.items():
                    value[at, row] = base.given[scope][name][at, 0]
            for (scope, name), there in zip(self.states, states, strict=True):
                if there:
                    rows.initial[scope][name][row] = base.initial[scope][name][0]

        return self.trials.values(len(replaced), change)


@dataclass(frozen=True)
class Occlusion:
    """What a value loses when the input of one step, or one initial state, is the baseline's.

    value: of the run in which nothing is replaced; it is the recorded one but for rounding. steps: (T,), 0 where the
    input is the same, or comes too late for the value; NaN at padding, and where no run was made. states: by address
    (`0/forward/h0`). lost: of everything that can be replaced (see `Variants`); there: of what a run was made.
    valid: (T,), which steps are no padding. seconds: what one run takes, roughly.
    """

    value: float
    steps: Array
    states: Mapping[str, float]
    lost: Array
    there: Array
    valid: Array
    seconds: float

    @property
    def possible(self) -> int:
        """How many runs there can be."""
        return len(self.lost)

    @property
    def made(self) -> int:
        """How many runs there were."""
        return int(np.count_nonzero(self.there))

    @property
    def complete(self) -> bool:
        """Whether everything was replaced in turn."""
        return bool(self.there.all())

    def parts(self, split: Split) -> dict[str, Array]:
        """By address arrays in the shapes of a split: an entry has what its step or initial state has as a whole.

        There are none for parameters, lengths and masks.
        """
        found = {}
        for place, part in split.parts.items():
            if split.kinds[place] in ("input", "given"):
                found[place] = np.broadcast_to(self.steps[:, None, None], part.shape)
            elif split.kinds[place] == "state":
                found[place] = np.full(part.shape, self.states.get(place, 0.0))
        return found


@np.errstate(all="ignore")  # a value that has overflowed loses NaN
def occlusion(variants: Variants, shares: Array, runs: Runs = "auto") -> Occlusion:
    """Replace one step's input, or one initial state, at a time.

    shares: a size for each of what can be replaced: where not all runs are made, half of them are of the largest, and
    the others are drawn at random.
    """
    count = variants.afforded if runs == "auto" else len(variants) if isinstance(runs, str) else runs
    which = _chosen(np.abs(shares), min(max(count, 1), len(variants)))
    replaced = np.zeros((len(which) + 1, len(variants)), bool)
    replaced[np.arange(len(which)), which] = True
    *without, value = variants.values(replaced)
    lost = np.full(len(variants), np.nan)
    lost[which] = value - np.array(without)
    there = np.zeros(len(variants), bool)
    there[which] = True
    steps = np.where(variants.valid, 0.0, np.nan)
    steps[variants.first + variants.steps] = lost[: len(variants.steps)]
    states = dict(zip(_places(variants), lost[len(variants.steps) :].tolist(), strict=True))
    return Occlusion(float(value), steps, states, lost, there, variants.valid, variants.seconds)


def shares_of(variants: Variants, split: Split) -> Array:
    """What a split has for each of what can be replaced: inputs and supplied values of a step, added up, and states."""
    total = np.zeros(len(variants.valid))
    for place, part in split.parts.items():
        if split.kinds[place] in ("input", "given"):
            total += part.sum(axis=(1, 2))
    states = [float(split.parts[place].sum()) for place in _places(variants)]
    return np.concatenate([total[variants.first + variants.steps], states])


def check_runs(runs: Runs) -> None:
    """Raise OptionError for what says not how many runs are made."""
    known = runs in ("auto", "all", "none") if isinstance(runs, str) else isinstance(runs, int) and runs >= 1
    if not known or isinstance(runs, bool):
        raise OptionError(f"occlusion must be auto, all, none, or how many steps, at least 1; found {describe(runs)}")


def _chosen(sizes: Array, count: int) -> Array:
    """All, or half of `count` the largest, and the others drawn."""
    order = np.argsort(-sizes, kind="stable")
    if count >= len(order):
        return np.arange(len(order))
    half = -(-count // 2)
    drawn = np.random.default_rng(SEED).permutation(order[half:])[: count - half]
    return np.sort(np.concatenate([order[:half], drawn]))


def _places(variants: Variants) -> list[str]:
    return [f"{scope}/{INITIAL.get(name, name)}" for scope, name in variants.states]


def _reached(trace: Trace, reads: Sequence[Part]) -> tuple[tuple[Stage, ...], range]:
    """The stages, with their lines, and the steps on which values depend."""
    stages = reached(trace.stages, reads)
    first, last = min(int(part.steps[0]) for part in reads), max(int(part.steps[-1]) for part in reads)
    if not any(stage.backwards for stage in stages):
        return stages, trace.span[: last + 1]
    return stages, trace.span[first:] if all(stage.backwards for stage in stages) else trace.span


def _with(trace: Trace, stages: tuple[Stage, ...], span: range) -> Trace:
    """The trace with some of its stages and steps, and no lines."""
    names = {stage.scope: (stage.states, stage.inputs) for stage in stages}
    initial, given = (
        {at: {n: v for n, v in part[at].items() if n in names[at][k]} for at in part if at in names}
        for k, part in enumerate((trace.initial, trace.given))
    )
    x = trace.x if any(X in stage.sources.values() for stage in stages) else None
    return cut(replace(trace, stages=stages, x=x, given=given, lines={}), span, initial, {})


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
