"""What experiments say of a split: the value without each step, and how faithful an order of the steps is, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from ..explanation.account import Account, State, Step
from ..explanation.occlusion import BINS, Faithfulness, Score
from .explanation import Explanation, step_named

#: Above this part of the difference it is said that a value goes past the baseline's.
PAST = 0.1

_OCCLUSION = (
    "`occlusion`: the value less the value when all inputs of the step, or the initial state, are the baseline's "
    "instead, each by a run. In a table of entries it is that of the whole step."
)
_BINS = ", ".join(map(str, BINS[:-1])) + f" and {BINS[-1]} %"
_FAITHFUL = (
    f"`comprehensiveness`: how far the value moves towards the baseline's as the top {_BINS} of the steps (and initial "
    "states) of an order are taken away, the mean of these; large is good. `past the baseline`: how much of that lies "
    "beyond the baseline's value. `sufficiency`: how far it moves if only they are kept; near zero is good, below zero "
    "the value moves away from the baseline's (ERASER, DeYoung et al. 2020). `distance`: how far, in either "
    "direction. `sd`: standard deviation. An order begins with the largest on the side of the value."
)


def sentences(found: Account, asked: bool) -> Iterator[str]:
    """What the experiments found, and whether the split agrees with them. asked: whether for a number of them."""
    without, faith = found.occlusion, found.faithfulness
    if without is None:
        return
    every: list[Step | State] = [*found.steps, *found.states]
    lost = [(row.occlusion, row) for row in every if row.occlusion]
    if lost:
        most, row = max(lost, key=lambda item: abs(item[0]))
        place = f"step t = {step_named(row.t, row.token)}" if isinstance(row, Step) else row.place
        among = "" if without.complete else f", of the {without.made} that were measured"
        yield f"occlusion: the value changes most without {place}{among}: {most:+.6g}"
    yield from _opposed(*found.opposed)
    if not without.complete:
        half = -(-without.made // 2)
        yield (
            f"occlusion was measured for {without.made} of {counted(without.possible, 'step')} and states"
            f"{', as asked' if asked else ' only'}: those "
            f"with the {half} largest contributions, and {without.made - half} drawn at random; the others are empty "
            f"in the table. --occlusion all measures every one ({_lasts(without.possible * without.seconds)})"
            f"{'' if asked else ', --occlusion N as many as you name'}"
        )
    if faith is not None:
        yield from _faithful(faith)
    elif found.wanted:
        yield (
            f"faithfulness was not measured: it takes {counted(found.wanted, 'more run')} "
            f"({_lasts(found.wanted * without.seconds)}). The steps are in the order of time. With --occlusion and a "
            f"number, as in --occlusion {without.made}, it is measured"
        )


def _opposed(other: int, largest: int) -> Iterator[str]:
    if largest:
        said = f"of the {largest} largest contributions {other} {'has' if other == 1 else 'have'}"
        said = "the largest contribution has" if largest == 1 else said
        yield f"split and experiment disagree: {said} an occlusion of the other sign"


def _lasts(seconds: float) -> str:
    """An estimate of time.

    >>> _lasts(0.2), _lasts(41.7), _lasts(900)
    ('about 1 s', 'about 42 s', 'about 15 min')
    """
    return f"about {max(seconds, 1):.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def _faithful(faith: Faithfulness) -> Iterator[str]:
    best = faith.orders[faith.best]
    other = {f"by {name}": score for name, score in faith.orders.items() if name != faith.best}
    away = [f"{name} {faith.without(score):.4g}" for name, score in other.items()]
    away.append(f"in random order {faith.without(faith.mean):.4g} ± {faith.spread.comprehensiveness:.2g}")
    kept = [f"{name} {score.distance:.4g}" for name, score in other.items()]
    kept.append(f"in random order {faith.mean.distance:.4g} ± {faith.spread.distance:.2g}")
    yield (
        f"faithfulness: without the top-ranked steps ({BINS[0]}–{BINS[-1]} %) by {faith.best} the value is "
        f"{faith.without(best):.4g}, the mean over {_BINS} ({', '.join(away)}); with all steps it is "
        f"{faith.value:.4g}, with none {faith.baseline:.4g}. With the top-ranked steps alone it is off by "
        f"{best.distance:.4g} ({', '.join(kept)}). The steps are sorted by {faith.best}"
    )
    away_too, kept_too = faith.chance
    do_away, do_kept = ("do worse than" if worse else "do no better than" for worse in faith.worse)
    if away_too:
        yield (
            f"taken away, the top-ranked steps by {faith.best} {do_away} steps drawn at random: the value is "
            f"{faith.without(best):.4g}, against {faith.without(faith.mean):.4g}"
        )
    if kept_too:
        yield (
            f"kept alone, the top-ranked steps by {faith.best} {do_kept} steps drawn at random: the value is "
            f"off by {best.distance:.4g}, against {faith.mean.distance:.4g}"
        )
    if best.overshoot > PAST * abs(faith.value - faith.baseline):
        yield (
            f"without the top-ranked steps the value goes past the baseline's, by {best.overshoot:.4g} on average, "
            "since steps that pull the other way remain: that it moves far does not mean that it depends on the "
            "top-ranked steps alone"
        )
    if len(faith.orders) > 1 and faith.disagree:
        ranks = f"the rank correlation of contributions and occlusion is {faith.correlation:.2f}"
        many = f"only {faith.common}" if faith.apart else str(faith.common)
        first = f"they have {many} of their top {faith.top} in common"
        why = ", and ".join([ranks] * faith.uncorrelated + [first] * faith.apart)
        but = "" if faith.apart else f", although {first}"
        yield f"split and experiment disagree: {why}{but}"
    if faith.misleading:
        yield (
            "the largest contributions move the value less towards the baseline's than steps drawn at random: they add "
            "up to the difference, and do not say on which steps it depends"
        )


def notes(found: Account) -> Iterator[str]:
    """What the columns mean."""
    if found.occlusion is not None:
        yield _OCCLUSION
    if found.faithfulness is not None:
        many = counted(found.faithfulness.count, "step")
        yield f"{_FAITHFUL} {many} and states count: what differs from the baseline's and can reach the value."


def scores(found: Account) -> Iterator[Explanation]:
    """The scores of each order."""
    faith = found.faithfulness
    if faith is None:
        return
    rows: list[tuple[str, Score]] = list(faith.orders.items())
    rows.append((f"random, mean of {len(faith.drawn)}", faith.mean))
    rows.append((f"random, sd of {len(faith.drawn)}", faith.spread))
    yield Explanation("Faithfulness", (), ("order", *Score._fields), [(name, *score) for name, score in rows])
