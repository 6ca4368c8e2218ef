"""Splits of a value or a difference as explanations: by block, by step, by entry, beside the measures in common use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from ..backpropagation.attribution import Split, secants, split
from ..base.arrays import Array
from ..errors import OptionError, counted
from ..explanation.account import Account, State, Step, account, steps
from ..explanation.contribution import POINTS, Baseline, Shares, baseline_of
from ..explanation.experiments.occlusion import Occlusion, Runs
from ..explanation.faithfulness import BINS, Faithfulness, Score
from ..plot.kinds.contribution import figure as contribution_picture
from ..report import explained, report
from ..trace.labels import step_labels
from ..trace.operands import total
from ..trace.trace import Trace
from .attribution_frame import COLUMNS, grids
from .entries import STEP_LABEL, Entries, largest_first
from .explanation import Explanation, step_named

#: The formats of the worked solution.
WORKED = ("text", "html", "tex", "typ")
_NOTE = (
    "A contribution is a part of value − baseline value. The contributions add up; a product is split in equal halves "
    "between its factors, and other complete splits exist (docs/attribution.md)."
)
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


@dataclass(frozen=True)
class Contributions(Explanation):
    """A split as a table; in the formats of a report that are no tables the worked solution.

    worked: makes the trace with the slopes between both. options: those of a report. told: what experiments say.
    """

    worked: Callable[[], Trace] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    told: Account | None = None

    def pieces(self, form: str, file: str = "") -> Iterator[str]:
        """`md`, `csv`, `json`, or the worked solution in `WORKED`. Raises OptionError, MissingError."""
        if form in WORKED:
            try:
                solution = self._solution()
            except OptionError as error:  # it needs float64; picture and tables do not
                if self.figure is None:
                    raise
                without = replace(self, notes=(*self.notes, f"Without worked steps: {error}."))
                return super(Contributions, without).pieces(form)
            before = explained.before_worked(self.figure, form)
            before += (*self.more[-1].table(),) if before else ()
            return iter([report.split(solution, self.told, form, alone="back", **self.options, pictured=before)])
        if self.options:
            names = ", ".join(self.options)
            raise OptionError(f"{names}: of the worked solution of a split, and {form} is its table; "
                              f"write it as {', '.join(WORKED)} or pdf")  # fmt: skip
        return super().pieces(form, file)

    def _solution(self) -> Trace:
        assert self.worked is not None
        return self.worked()


@np.errstate(all="ignore")
def difference(a: Trace, b: Trace, of: str) -> Contributions:
    """The difference of one value, b's minus a's, split exactly over parameters, inputs and states."""
    found = split(a, b, of)
    over = tuple(steps(found, labels=step_labels(b, found.of.b or 0)))
    return Contributions(
        title=f"Difference of {found.of}",
        sentences=(*_totals(found, "a", "b"), *_leaders(found, over)),
        columns=_columns(b),
        rows=_entries(found, b, {}),
        shown=_shown(b, "contribution"),
        notes=(_NOTE,),
        more=(_by_block(found), _by_step(over, timed=True)),
        ranked=("contribution",),
        worked=lambda: secants(a, b, of),
    )


def value(
    trace: Trace,
    of: str,
    baseline: Baseline = "zero-input",
    points: int | Literal["auto"] = "auto",
    occlusion: Runs = "auto",
    **options: Any,
) -> Contributions:
    """A value against a baseline, split exactly over inputs, steps and states; gradient x input, integrated gradients
    and occlusion stand beside it. points, occlusion: see `account`. options: see `Contributions`.
    """
    found = account(trace, of, baseline, points, occlusion)

    def worked() -> Trace:
        base, row = baseline_of(trace, baseline, of)  # anew: a baseline has as many lines as the trace
        return secants(base, trace, of, row)

    columns = _columns(trace, *found.others, *([] if found.occlusion is None else ["occlusion"]))
    return Contributions(
        title=f"Contributions to {found.split.of}",
        sentences=(
            *_totals(found.split, "the baseline", "the trace"),
            *_leaders(found.split, found.steps),
            *_gaps(found, points == "auto"),
            *_experiments(found),
        ),
        columns=columns,
        rows=_entries(found.split, trace, found.others, found.occlusion),
        shown=_shown(trace, "contribution", *found.others),
        notes=(_NOTE, *found.unmeasured, *_meanings(found)),
        more=(_by_block(found.split), *_scores(found), _by_step(found.ranked, found.faithfulness is None)),
        ranked=("contribution", *found.others),
        figure=cache(partial(contribution_picture, trace, found, options.get("language", "en"))),
        worked=worked,
        options=options,
        told=found,
    )


def _gaps(found: Account, automatic: bool) -> Iterator[str]:
    for name, other in found.others.items():
        text = f"{name.replace('_', ' ')}: the contributions leave {other.gap:.3g} unexplained"
        if automatic and found.points < POINTS and name == "integrated_gradients":
            text += f" ({counted(found.points, 'point')} of the path instead of {POINTS}, for a trace of this size)"
        yield text


def _experiments(found: Account) -> Iterator[str]:
    """What the experiments found, and whether the split agrees with them."""
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
            f"occlusion was measured for {without.made} of {counted(without.possible, 'step')} and states only: those "
            f"with the {half} largest contributions, and {without.made - half} drawn at random; the others are empty "
            f"in the table. --occlusion all measures every one ({_lasts(without.possible * without.seconds)}), "
            "--occlusion N as many as you name"
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
    best, drawn = faith.orders[faith.best], faith.mean
    others = [f"{score.comprehensiveness:+.4g} by {name}" for name, score in faith.orders.items() if name != faith.best]
    others.append(f"{drawn.comprehensiveness:+.4g} ± {faith.spread.comprehensiveness:.2g} at random")
    yield (
        f"faithfulness: taking away the first steps by {faith.best} moves the value by {best.comprehensiveness:+.4g} "
        f"towards the baseline's ({', '.join(others)}); the steps are sorted by {faith.best}"
    )
    if len(faith.orders) > 1 and faith.disagree:
        yield (
            "split and experiment disagree: the rank correlation of contributions and occlusion is "
            f"{faith.correlation:.2f}, and {faith.common} of their first {faith.top} are the same"
        )
    if faith.misleading:
        yield (
            "the largest contributions move the value less than steps drawn at random: they add up to the value, and "
            "do not say on which steps it depends"
        )


def _meanings(found: Account) -> Iterator[str]:
    """What the columns mean."""
    if found.occlusion is not None:
        yield _OCCLUSION
    if found.faithfulness is not None:
        yield _FAITHFUL


def _scores(found: Account) -> Iterator[Explanation]:
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


def _totals(found: Split, a: str, b: str) -> Iterable[str]:
    yield f"{found.of}: {a} has {found.baseline!r}, {b} has {found.value!r}, the difference is {found.difference!r}"
    yield f"the parts add up to {found.total!r}; residual {found.residual:.2g} (rounding)"
    local = total(found.local.values())
    if local:
        yield f"{local:.6g} of it comes from values that differ from their own equation (kind local)"


def _leaders(found: Split, over: Sequence[Step]) -> Iterable[str]:
    parts = sorted(_blocks(found), key=lambda item: -abs(item[1]))[:3]
    told = [f"{name} {part:+.6g}" for name, part in parts if part]
    if told:
        yield f"largest: {', '.join(told)}"
    if len(over) > 1 and any(step.together for step in over):
        step = max(over, key=lambda step: abs(step.together))
        yield f"the step that contributed most is t = {step_named(step.t, step.token)}: {step.together:+.6g}"
    timed = {name for name, kind in found.kinds.items() if kind in ("parameter", "input", "given")}
    rest = [f"{name} {part:+.6g}" for name, part in _blocks(found) if part and name not in timed]
    if rest:
        yield f"of no step: {', '.join(rest)}"


def _blocks(found: Split) -> list[tuple[str, float]]:
    return [(name, float(np.sum(part))) for name, part in _arrays(found)]


def _arrays(found: Split) -> list[tuple[str, Array]]:
    parts = [*found.parts.items(), *((f"{name} (local)", part) for name, part in found.local.items())]
    return [*parts, ("rounding of float32", np.array(found.rounding))]


def _by_block(found: Split) -> Explanation:
    size = found.size or 1.0
    rows = [(n, float(np.sum(part)), float(np.abs(part).sum()) / size) for n, part in _arrays(found) if np.any(part)]
    rows.sort(key=lambda row: -abs(row[1]))
    return Explanation("By block", (), ("block", "contribution", "share"), rows, ranked=("contribution",))


def _by_step(rows: Sequence[Step | State], timed: bool) -> Explanation:
    """The steps, and the states: their address is their token. Columns without anything are left out.

    timed: whether time is the order.
    """
    cells = [
        row if isinstance(row, Step) else (None, row.place, 0.0, row.share, row.share, row.occlusion) for row in rows
    ]
    there = [k for k, name in enumerate(Step._fields) if any(row[k] is not None for row in cells)]
    columns = tuple(Step._fields[k] for k in there)
    table = [tuple(row[k] for k in there) for row in cells]
    ranked = ("together", "parameters", "inputs")
    return Explanation("By step", (), columns, table, ranked=ranked, timed=timed)


def _columns(trace: Trace, *others: str) -> tuple[str, ...]:
    """The columns of all entries, with the labels of the steps behind what says which."""
    at = COLUMNS.index("batch") + 1
    return (*COLUMNS[:at], *([STEP_LABEL] if trace.header.step_labels else []), *COLUMNS[at:], *others)


def _shown(trace: Trace, *measures: str) -> tuple[str, ...]:
    """The columns of the table of entries."""
    return ("address", *([STEP_LABEL] if trace.header.step_labels else []), *measures)


def _entries(found: Split, trace: Trace, others: Mapping[str, Shares], occlusion: Occlusion | None = None) -> Entries:
    """One row for each entry that is not 0 by every measure, the largest contribution first."""
    measures = ("contribution", *others)
    parts = {name: other.parts for name, other in others.items()}
    partial = {} if occlusion is None else {"occlusion": occlusion.parts(found)}
    labels = trace.header.step_labels
    columns = _columns(trace, *others, *partial)
    return Entries(columns, lambda: [largest_first(list(grids(found, parts, partial, labels)), measures)])
