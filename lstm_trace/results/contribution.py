"""Contributions of inputs, steps and states to a value relative to a baseline, and whether experiments agree.

The exact split is shown next to gradient x input, integrated gradients and occlusion, with the faithfulness of its
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Annotated, Literal, Unpack

import numpy as np

from ..backpropagation.attribution import exact, secants
from ..backpropagation.target import require_finite
from ..base.option import Option
from ..documents.blocks import Block, Heading, Items, Para, marked
from ..documents.tables import SHOWN, LongTable
from ..explanation.account import BINS, Account, Faithfulness, FaithfulnessScore, State, Step, account
from ..explanation.contribution import POINTS, Baseline, baseline_of
from ..explanation.trials import Runs
from ..formulas.tree import Num
from ..languages.strings import Words
from ..plot.figure import Figure
from ..plot.kinds.bars import contribution_figure as picture
from ..report.options import Options
from ..trace.argument_types import checked
from ..trace.trace import Trace
from ..view.hand_size import trained
from ..view.view import View
from .difference import SplitExplanation, by_block, by_entry, by_step, leaders, totals
from .explanation import Worked, counted, step_named

#: The columns whose numbers a worked solution shows with its own digits.
_NUMBERS = {"parameters", "inputs", "together", "occlusion", *FaithfulnessScore._fields}
#: Above this fraction of the difference a sentence reports that a value overshoots the baseline's.
PAST = 0.1
_BASELINE = "zero-input (default), zero-state, a batch element, or a file."


@checked
def contribution(
    trace: Trace,
    of: Annotated[str, Option()],
    baseline: Annotated[Baseline, Option(help=_BASELINE, reads="baseline", metavar="BASELINE")] = "zero-input",
    points: Annotated[int | Literal["auto"], Option(least=1, most=10_000)] = "auto",
    occlusion: Annotated[Runs, Option(reads="runs", metavar="RUNS")] = "auto",
    **worked: Unpack[Worked],
) -> ContributionExplanation:
    """The value relative to a baseline, split exactly over inputs, steps and states, next to the common measures.

    Args:
        trace: the trace.
        of: Address of the value as printed, for example h_3[1], or from 0, 3/h_t[1].
        baseline: `zero-input`, `zero-state`, another sequence of the batch, or a trace.
        points: Number of points on the path (50 to 400, fewer for a large trace).
        occlusion: How many steps to occlude: all, none, or a number (as many as fit into a second or two).
        worked: options of the worked solution.

    Raises:
        OptionError, MissingError, ShapeError: see `explanation.account`.
    """
    require_finite(trace, of)
    told = account(trace, of, baseline, points, occlusion)
    return ContributionExplanation(trace, of, worked, told.split, told, baseline, points == "auto")


@dataclass(frozen=True, eq=False, repr=False)
class ContributionExplanation(SplitExplanation):
    """A value relative to a baseline. automatic: whether the number of points was chosen automatically."""

    account: Account
    baseline: Baseline
    automatic: bool

    def backward(self) -> Trace:
        """The trace with the slopes between it and the baseline."""
        base, row = baseline_of(self.trace, self.baseline, str(self.of))  # not kept: it has as many lines as the trace
        return secants(base, self.trace, str(self.of), row)

    def views(self, format: str, chosen: Options) -> Sequence[View]:
        """The backward pass with the slopes, and the results of the experiments."""
        return [replace(view, experiments=tuple(self._checked(view))) for view in super().views(format, chosen)]

    def _checked(self, view: View) -> Iterator[Block]:
        """The tables by step and of the scores, with numbers as in the worked steps, and their interpretation."""
        words, style = view.words, view.values.style
        if self.nothing:
            return
        yield Heading(2, (words.word("faith.checked" if self.account.occlusion else "split.steps"),))
        number = (lambda value, spec: format(value, spec).replace(".", ",")) if style.comma else format
        if said := tuple((text,) for text in experiments(self.account, words, number)):
            yield Items(said)
        yield from (Para(marked(note)) for note in self._notes(words))
        for table in (self._by_step(words), *self._scores(words)):
            numbers = dict.fromkeys(set(table.columns) & _NUMBERS, lambda value, _: Num(style.show(value), value))
            shown, most = replace(table, said={**table.said, **numbers}), len(table.rows) if view.everything else SHOWN
            yield from shown.blocks(words, most=most, complete="rows.all.json")

    def without(self, words: Words) -> str:
        """Why there are no worked steps: they need float64, and a trained model has too many."""
        for name, one in (("trace", self.trace), ("baseline", self.baseline)):
            if isinstance(one, Trace) and not exact(one):
                kind = one.header.arithmetic or one.header.dtype
                return words.word(f"contribution.exact.{name}", kind=kind)
        return words.word("contribution.trained") if trained(self.trace) and not self.worked else ""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to split."""
        split = self.split
        return not (any(map(np.any, (*split.parts.values(), *split.local.values()))) or split.rounding)

    def title(self, words: Words) -> str:
        """The title, which names the value."""
        return words.word("split.contributions", of=words.address(self.split.of))

    def found(self, words: Words) -> Iterator[str]:
        """Both values, the largest contributions, the gaps of other measures, and the results of the experiments."""
        yield from totals(self.split, "split.baseline", words)
        if not self.nothing:
            yield from leaders(self.split, self.account.steps, words)
            yield from self._gaps(words)
            yield from experiments(self.account, words)
        elif isinstance(self.baseline, str):
            other = {"zero-state": "zero-input", "zero-input": "zero-state"}[self.baseline]
            yield words.word("contribution.nothing.named", name=self.baseline, other=other)
        else:
            yield words.word("contribution.nothing")

    def _gaps(self, words: Words) -> Iterator[str]:
        """The part of the difference that the common measures leave unexplained."""
        for name, other in self.account.others.items():
            gap = words.word(f"contribution.gap.{name}", gap=f"{other.gap:.3g}")
            fewer = self.automatic and other.points < POINTS
            why = words.word("contribution.points.fewer", n=POINTS) if fewer else ""
            more = words.word("contribution.points.more") if other.incomplete else ""
            said = words.count("contribution.points", other.points, gap=gap, why=why, more=more)
            yield said if other.points else gap

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """By block, the scores of faithfulness, by step, and every nonzero entry, the largest first."""
        told = self.account
        others = {name: shares.parts for name, shares in told.others.items()}
        partial = {} if told.occlusion is None else {"occlusion": told.occlusion.parts(self.split)}
        notes = [] if self.nothing else [words.word("split.note"), *told.unmeasured, *self._notes(words)]
        if why := self.without(words):
            notes.append(why)
        entries = by_entry(self.split, self.trace, words, notes, partial, others)
        if self.nothing:
            return (entries,)
        return (by_block(self.split, words), *self._scores(words), self._by_step(words), entries)

    def _notes(self, words: Words) -> Iterator[str]:
        """Explanations of an occlusion, and of the scores."""
        if self.account.occlusion is not None:
            yield words.word("faith.note.occlusion")
        if (faith := self.account.faithfulness) is not None:
            yield words.word("faith.note", bins=_bins(words), count=words.count("faith.count", faith.count))

    def _scores(self, words: Words) -> Iterator[LongTable]:
        if (faith := self.account.faithfulness) is not None:
            n = len(faith.drawn)
            rows = [(words.word(f"faith.order.{name}"), *one) for name, one in faith.orders.items()]
            rows.append((words.word("faith.drawn.mean", n=n), *faith.mean))
            rows.append((words.word("faith.drawn.sd", n=n), *faith.spread))
            yield LongTable(("order", *FaithfulnessScore._fields), rows, words.word("faith.title"))

    def _by_step(self, words: Words) -> LongTable:
        told = self.account
        table = by_step(told.ranked, words, len(told.padding), told.faithfulness is None, sorted(told.unreached))
        return counted(self.trace, table)

    def draw(self, trace: Trace, language: str) -> Figure:
        """The contribution and the occlusion of each step."""
        return picture(trace, self.account, language)


# -- experiments -----------------------------------------------------------------------------------------------------


def experiments(told: Account, words: Words, show: Callable[[float, str], str] = format) -> Iterator[str]:
    """The results of the experiments, and whether the split agrees with them. show: formats a number."""
    without, faith = told.occlusion, told.faithfulness
    if without is None:
        return
    every: list[Step | State] = [*told.steps, *told.states]
    lost = [(row.occlusion, row) for row in every if row.occlusion]
    if lost:
        most, row = max(lost, key=lambda item: abs(item[0]))
        place = words.address(row.place) if isinstance(row, State) else ""
        if isinstance(row, Step):
            place = words.word("faith.step", step=step_named(row.t, row.token, words))
        measured = "" if without.complete else ".measured"
        yield words.word(f"faith.lost{measured}", place=place, lost=show(most, "+.6g"), n=without.made)
    opposed, largest = told.opposed
    if largest == 1:
        yield words.word("faith.opposed.only")
    elif largest:
        yield words.count("faith.opposed", opposed, largest=largest)
    if not without.complete:
        half, steps = -(-without.made // 2), words.count("explanation.steps", without.possible)
        made = {"made": without.made, "half": half, "random": without.made - half, "steps": steps}
        time = _lasts(without.possible * without.seconds, words)
        yield words.word("faith.partly", time=time, **made)
    if faith is not None:
        yield from _faithful(faith, words, show)
    elif told.wanted:
        time = _lasts(told.wanted * without.seconds, words)
        yield words.count("faith.unmeasured", told.wanted, time=time, made=without.made)


def _lasts(seconds: float, words: Words) -> str:
    """An estimate of time.

    >>> from lstm_trace.languages.strings import words
    >>> [_lasts(seconds, words()) for seconds in (0.2, 41.7, 900)]
    ['about 1 s', 'about 42 s', 'about 15 min']
    """
    key, n = ("faith.seconds", max(seconds, 1)) if seconds < 100 else ("faith.minutes", seconds / 60)
    return words.word(key, n=f"{n:.0f}")


def _faithful(faith: Faithfulness, words: Words, show: Callable[[float, str], str]) -> Iterator[str]:
    """The scores of the best order next to the others, and whether they show that it is not faithful."""
    best, order, listed = faith.orders[faith.best], words.word(f"faith.order.{faith.best}"), words.word("list")

    def beside(number: Callable[[FaithfulnessScore], float], spread: float) -> str:
        """The scores of the other orders, and of the random ones."""
        orders = [(words.word(f"faith.order.{name}"), one) for name, one in faith.orders.items() if name != faith.best]
        texts = [words.word("faith.by", order=name, number=show(number(one), ".4g")) for name, one in orders]
        mean = words.word("faith.random", number=show(number(faith.mean), ".4g"), spread=show(spread, ".2g"))
        return listed.join([*texts, mean])

    others = beside(faith.without, faith.spread.comprehensiveness)
    alone = beside(attrgetter("distance"), faith.spread.distance)
    orders = {"order": order, "bins": _bins(words), "range": f"{BINS[0]}–{BINS[-1]}", "others": others, "alone": alone}
    sizes = {"away": faith.without(best), "value": faith.value, "baseline": faith.baseline, "distance": best.distance}
    yield words.word("faith.scores", **orders, **{name: show(size, ".4g") for name, size in sizes.items()})
    mean, spread = faith.mean, faith.spread
    ahead = best.comprehensiveness - mean.comprehensiveness
    for what, number, drawn, lead, chance in (  # chance: the spread between random orders
        ("away", faith.without(best), faith.without(mean), ahead, spread.comprehensiveness),
        ("kept", best.distance, mean.distance, mean.distance - best.distance, spread.distance),
    ):
        if lead <= 0:
            key = f"faith.chance.{what}{'.worse' if lead < -chance else ''}"
            yield words.word(key, order=order, value=show(number, ".4g"), mean=show(drawn, ".4g"))
    if best.overshoot > PAST * abs(faith.value - faith.baseline):
        yield words.word("faith.past", past=show(best.overshoot, ".4g"))
    if len(faith.orders) > 1 and faith.disagree:
        key = "both" if faith.uncorrelated and faith.apart else "ranks" if faith.uncorrelated else "top"
        ranks = show(faith.correlation, ".2f") if faith.uncorrelated else ""
        yield words.count(f"faith.{key}", faith.common, common=faith.common, top=faith.top, correlation=ranks)
    if faith.misleading:
        yield words.word("faith.misleading")


def _bins(words: Words) -> str:
    return words.word("faith.bins", some=words.word("list").join(map(str, BINS[:-1])), last=BINS[-1])
