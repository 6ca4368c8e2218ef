"""What experiments say of a split: the sentences, notes and table of occlusion and faithfulness."""

from __future__ import annotations

from collections.abc import Iterator

from ..explanation.account import Account
from ..explanation.faithfulness import BINS, Faithfulness, Score
from .explanation import Explanation

_OCCLUSION = (
    "`occlusion`: the value less the value when all inputs of the step, or the initial state, are the baseline's "
    "instead, each by a run. In a table of entries it is that of the whole step."
)
_BINS = ", ".join(map(str, BINS[:-1])) + f" and {BINS[-1]} %"
_FAITHFUL = (
    f"`comprehensiveness`: how far the value moves towards the baseline's as the first {_BINS} of the steps (and "
    "initial states) of an order are taken away, on average; large is good. `sufficiency`: how far it moves if only "
    "they are kept; small is good (ERASER, DeYoung et al. 2020). `sd`: the standard deviation. An order begins with "
    "the largest on the side of the value."
)


def sentences(found: Account) -> Iterator[str]:
    """What was found, and whether the split and the experiments agree."""
    without, faith = found.occlusion, found.faithfulness
    if without is None:
        return
    lost = [(step.occlusion, step) for step in (*found.steps, *found.states) if step.occlusion]
    if lost:
        most, step = max(lost, key=lambda item: abs(item[0]))
        place = f"the step without which the value changes most is t = {step.t}"
        place = place if step.t is not None else f"the value changes most without the initial state {step.label}"
        yield f"occlusion: {place}: {most:+.6g}"
    if without.made < without.possible:
        half = -(-without.made // 2)
        yield (
            f"occlusion of {without.made} of {without.possible} steps and states, for a trace of this size: those "
            f"with the {half} largest contributions and {without.made - half} drawn at random (--occlusion all: of all)"
        )
    if faith is not None:
        yield from _faithful(faith)
    elif found.wanted:
        yield (
            f"faithfulness was not measured: of a trace of this size it takes long ({found.wanted} runs); "
            f"--occlusion {without.made} measures it all the same"
        )


def _faithful(faith: Faithfulness) -> Iterator[str]:
    best, drawn = faith.orders[faith.best], faith.mean
    others = [f"{score.comprehensiveness:+.4g} by {name}" for name, score in faith.orders.items() if name != faith.best]
    others.append(f"{drawn.comprehensiveness:+.4g} ± {faith.spread.comprehensiveness:.2g} at random")
    yield (
        f"faithfulness: taking away the first steps by {faith.best} moves the value by {best.comprehensiveness:+.4g} "
        f"towards the baseline's ({', '.join(others)}); the steps are sorted by {faith.best}"
    )
    if len(faith.orders) > 1 and faith.disagree:
        first = f"{faith.common} of their first {faith.top} are" if faith.top > 1 else "their first step is "
        same = "the same" if faith.common or faith.top > 1 else "not the same"
        yield (
            "split and experiment disagree: the rank correlation of contributions and occlusion is "
            f"{faith.correlation:.2f}, and {first.strip()} {same}"
        )
    if faith.misleading:
        yield (
            "the largest contributions move the value less than steps drawn at random: they add up to the value, and "
            "do not say on which steps it depends"
        )


def notes(found: Account) -> Iterator[str]:
    """What the columns mean."""
    if found.occlusion is not None:
        yield _OCCLUSION
    if found.faithfulness is not None:
        yield _FAITHFUL


def tables(found: Account) -> Iterator[Explanation]:
    """The scores of each order."""
    faith = found.faithfulness
    if faith is None:
        return
    rows: list[tuple[str, Score, Score | None]] = [(name, score, None) for name, score in faith.orders.items()]
    rows.append((f"random, mean of {len(faith.drawn)}", faith.mean, faith.spread))
    columns = ("order", "comprehensiveness", "sufficiency", "comprehensiveness_sd", "sufficiency_sd")
    yield Explanation(
        "Faithfulness",
        (),
        columns,
        [(name, *score, *((None, None) if spread is None else spread)) for name, score, spread in rows],
    )
