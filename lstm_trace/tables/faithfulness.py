"""What experiments say of a split: the value without each step, and how faithful an order of the steps is, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from ..explanation.account import Account, State, Step
from ..explanation.faithfulness import BINS, Faithfulness, Score
from .explanation import Explanation, step_named

#: Above this part of the difference it is said that a value goes past the baseline's.
PAST = 0.1

_OCCLUSION = (
    "`occlusion`: the value less the value when all inputs of the step, or the initial state, are the baseline's "
    "instead, each by a run. In a table of entries it is that of the whole step."
)
_BINS = ", ".join(map(str, BINS[:-1])) + f" and {BINS[-1]} %"
_FAITHFUL = (
    f"`comprehensiveness`: how far the value moves towards the baseline's as the first {_BINS} of the steps (and "
    "initial states) of an order are taken away, on average; large is good. `past the baseline`: how much of that lies "
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
            f"faithfulness was not measured, since it takes {counted(found.wanted, 'run')} more "
            f"({_lasts(found.wanted * without.seconds)}), and the steps are in the order of time; any number measures "
            f"it: --occlusion {without.made}"
        )


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
    away.append(f"at random {faith.without(faith.mean):.4g} ± {faith.spread.comprehensiveness:.2g}")
    kept = [f"{name} {score.distance:.4g}" for name, score in other.items()]
    kept.append(f"at random {faith.mean.distance:.4g} ± {faith.spread.distance:.2g}")
    yield (
        f"faithfulness: without the first steps by {faith.best} the value is {faith.without(best):.4g} on average "
        f"({', '.join(away)}); with all steps it is {faith.value:.4g}, with none {faith.baseline:.4g}. With the first "
        f"steps alone it is off by {best.distance:.4g} ({', '.join(kept)}). The steps are sorted by {faith.best}"
    )
    if best.overshoot > PAST * abs(faith.value - faith.baseline):
        yield (
            f"without the first steps the value goes past the baseline's, by {best.overshoot:.4g} on average, since "
            "steps that pull the other way remain: that it moves far does not mean that it depends on the first steps "
            "alone"
        )
    if len(faith.orders) > 1 and faith.disagree:
        yield (
            "split and experiment disagree: the rank correlation of contributions and occlusion is "
            f"{faith.correlation:.2f}, and {faith.common} of their first {faith.top} are the same"
        )
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
