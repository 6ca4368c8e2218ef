"""Splits of a value or a difference as explanations: by block, by step, by entry, beside the measures in common use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from ..backpropagation.attribution import Split, exact, secants, split
from ..base.arrays import Array
from ..documents.excerpt import trained
from ..documents.rows import STEP_LABEL, Entries, largest_first
from ..errors import OptionError, counted
from ..explanation.account import Account, State, Step, account, padding_of, steps
from ..explanation.contribution import POINTS, Baseline, Shares, baseline_of
from ..explanation.occlusion import Occlusion, Runs
from ..plot.kinds.bars import contribution_figure as contribution_picture
from ..report import explained, report
from ..trace.derived import total
from ..trace.labels import step_labels
from ..trace.trace import Trace
from . import faithfulness
from .attribution_frame import COLUMNS, grids
from .explanation import Explanation, step_named

#: What is said of the measures in common use, before what they leave of a difference.
MEASURES = {"gradient_x_input": "gradient × input leaves", "integrated_gradients": "integrated gradients leave"}
#: So many times as large as their sum are contributions of which it is said that they cancel.
CANCEL = 10
#: The formats of the worked solution.
WORKED = ("text", "html", "tex", "typ")
#: Options whose keyword is another word.
_OPTION = {"everything": "all", "digits_of": "digits", "arithmetic": "by-hand"}
_NOTE = (
    "A contribution is a part of value − baseline value. The contributions add up; a product is split in equal halves "
    "between its factors, and other complete splits exist (docs/attribution.md)."
)


_SHARE = (
    "`share`: the sizes of the block's entries, added up, as a part of those of all entries. Entries that cancel each "
    "other have a small contribution and a large share."
)


def typed(name: str) -> str:
    """An option as it is typed.

    >>> typed("everything"), typed("count_from")
    ('--all', '--count-from')
    """
    return f"--{_OPTION.get(name, name.replace('_', '-'))}"


@dataclass(frozen=True)
class Contributions(Explanation):
    """A split as a table; in the formats of a report that are no tables the worked solution.

    worked: makes the trace with the slopes between both. options: those of a report. told: what experiments say.
    without: why the document has no worked steps, where it has none.
    """

    worked: Callable[[], Trace] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    told: Account | None = None
    without: str = ""

    def pieces(self, form: str, file: str = "") -> Iterator[str]:
        """`md`, `csv`, `json`, or the worked solution in `WORKED`. Raises OptionError, MissingError."""
        if self.options and (self.without or form not in WORKED):
            raise OptionError(self._refused(form))
        if form in WORKED and self.without:
            return super(Contributions, replace(self, notes=(*self.notes, self.without))).pieces(form)
        if form in WORKED:
            solution = self._solution()
            before = explained.before_worked(self.figure, form)
            before += (*self.more[-1].table(),) if before and self.more else ()
            return iter([report.split(solution, self.told, form, alone="back", **self.options, pictured=before)])
        return super().pieces(form, file)

    def _refused(self, form: str) -> str:
        """Why the options of a report change nothing, and what to do."""
        names = ", ".join(map(typed, self.options))
        many = len(self.options) > 1
        of = f"{names} {'belong' if many else 'belongs'} to the worked steps of a split"
        if self.without:
            why = self.without.partition(": ")[2].removesuffix(".")
            return f"{of}, and there are none: {why}. Leave {names} out; the tables are in English"
        return f"{of}, and {form} has only its tables: choose --format {', '.join(WORKED)} or pdf"

    def _solution(self) -> Trace:
        assert self.worked is not None
        return self.worked()


@np.errstate(all="ignore")
def difference(a: Trace, b: Trace, of: str) -> Contributions:
    """The difference of one value, b's minus a's, split exactly over parameters, inputs and states."""
    found = split(a, b, of)
    over = tuple(steps(found, labels=step_labels(b, found.of.b or 0)))
    padding = padding_of(b, found, over)
    return Contributions(
        title=f"Difference of {found.of}",
        sentences=(*_totals(found, "a", "b"), *_leaders(found, over)),
        columns=_columns(b),
        rows=_entries(found, b, {}),
        shown=_shown(b, "contribution"),
        notes=(_NOTE,),
        more=(_by_block(found), _by_step([row for row in over if row.t not in padding], len(padding), timed=True)),
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

    nothing = not any(np.any(part) for _, part in _arrays(found.split))
    columns = _columns(trace, *found.others, *([] if found.occlusion is None else ["occlusion"]))
    return Contributions(
        title=f"Contributions to {found.split.of}",
        sentences=(
            *_totals(found.split, "the baseline", "the trace"),
            *(_nothing(baseline) if nothing else _found(found, points == "auto", isinstance(occlusion, int))),
        ),
        columns=columns,
        rows=_entries(found.split, trace, found.others, found.occlusion),
        shown=_shown(trace, "contribution", *found.others),
        notes=() if nothing else (_NOTE, *found.unmeasured, *faithfulness.notes(found)),
        more=() if nothing else _parts(found),
        ranked=("contribution", *found.others),
        figure=cache(partial(contribution_picture, trace, found, options.get("language", "en"))),
        worked=worked,
        options=options,
        told=found,
        without=_without(trace, baseline, options),
    )


def _parts(found: Account) -> tuple[Explanation, ...]:
    by_step = _by_step(found.ranked, len(found.padding), found.faithfulness is None, sorted(found.unreached))
    return _by_block(found.split), *faithfulness.scores(found), by_step


def _without(trace: Trace, baseline: Baseline, options: Mapping[str, Any]) -> str:
    """Why a document has no worked steps: they need float64, and of a trained model they are many."""
    for name, one in (("trace", trace), ("baseline", baseline)):
        if isinstance(one, Trace) and not exact(one):
            kind = one.header.arithmetic or one.header.dtype
            return f"Worked steps are left out: the {name} was computed in {kind}, and they need float64."
    if trained(trace) and not options:
        return "Worked steps are left out; `--detail vector` writes them, and so does any other option of a report."
    return ""


def _gaps(found: Account, automatic: bool) -> Iterator[str]:
    for name, other in found.others.items():
        text = f"for comparison: {MEASURES[name]} {other.gap:.3g} of the difference unexplained"
        if other.points:
            why = f" instead of {POINTS}, for a trace of this size" if automatic and other.points < POINTS else ""
            more = "; more may leave less, --points" if other.incomplete else ""
            text += f" ({counted(other.points, 'point')} of the path{why}{more})"
        yield text


def _totals(found: Split, a: str, b: str) -> Iterable[str]:
    values = f"{a} has {found.baseline:.6g}, {b} has {found.value:.6g}"
    yield f"{found.of}: {values}, the difference is {found.difference + 0.0:.6g}"
    yield f"the parts add up to {found.total + 0.0:.6g}; residual {found.residual:.2g} (rounding)"
    local = total(found.local.values())
    if local:
        yield f"{local:.6g} of it comes from values that differ from their own equation (kind local)"


def _nothing(baseline: Baseline) -> Iterator[str]:
    """That there is nothing to split, and what to do."""
    others = {"zero-state": "zero-input", "zero-input": "zero-state"}
    other = f"{others[baseline]} or " if isinstance(baseline, str) else ""
    called = f" {baseline}" if isinstance(baseline, str) else ""
    yield f"nothing that the value depends on differs in the baseline{called}: choose {other}another trace"


def _found(found: Account, automatic: bool, asked: bool) -> Iterator[str]:
    """What was found. automatic: whether no number of points was asked for; asked: whether one of occlusions was."""
    yield from _leaders(found.split, found.steps)
    yield from _gaps(found, automatic)
    yield from faithfulness.sentences(found, asked)


def _leaders(found: Split, over: Sequence[Step]) -> Iterable[str]:
    parts = sorted(_blocks(found), key=lambda item: -abs(item[1]))[:3]
    told = [f"{name} {part:+.6g}" for name, part in parts if part]
    if told:
        yield f"largest: {', '.join(told)}"
    if len(over) > 1 and any(step.together for step in over):
        step = max(over, key=lambda step: abs(step.together))
        yield f"the step that contributed most is t = {step_named(step.t, step.token)}: {step.together:+.6g}"
    ups, downs = (total([np.maximum(sign * step.together, 0.0) for step in over]) for sign in (1.0, -1.0))
    if ups and downs and ups + downs > CANCEL * abs(ups - downs):
        yield f"the contributions of the steps cancel: {ups:+.6g} and {-downs:+.6g} leave {ups - downs:+.3g}"
    timed = {name for name, kind in found.kinds.items() if kind in ("parameter", "input", "given")}
    rest = [f"{name} {part:+.6g}" for name, part in _blocks(found) if part and name not in timed]
    if rest:
        yield f"not tied to a step: {', '.join(rest)}"


def _blocks(found: Split) -> list[tuple[str, float]]:
    return [(name, float(np.sum(part))) for name, part in _arrays(found)]


def _arrays(found: Split) -> list[tuple[str, Array]]:
    parts = [*found.parts.items(), *((f"{name} (local)", part) for name, part in found.local.items())]
    return [*parts, ("rounding of float32", np.array(found.rounding))]


def _by_block(found: Split) -> Explanation:
    size = found.size or 1.0
    rows = [(n, float(np.sum(part)), float(np.abs(part).sum()) / size) for n, part in _arrays(found) if np.any(part)]
    rows.sort(key=lambda row: -abs(row[1]))
    return Explanation(
        "By block", (), ("block", "contribution", "share"), rows, notes=(_SHARE,), ranked=("contribution",)
    )


def _by_step(rows: Sequence[Step | State], padding: int, timed: bool, unreached: Sequence[int] = ()) -> Explanation:
    """The steps, and the states: their address is their token. Columns without anything are left out.

    padding: so many steps were left out as padding. timed: whether time is the order. unreached: steps that follow each
    other and were left out since the value does not depend on them.
    """
    cells = [
        row if isinstance(row, Step) else (None, row.place, 0.0, row.share, row.share, row.occlusion) for row in rows
    ]
    there = [k for k, name in enumerate(Step._fields) if any(row[k] is not None for row in cells)]
    columns = tuple(Step._fields[k] for k in there)
    table = [tuple(row[k] for k in there) for row in cells]
    ranked = ("together", "parameters", "inputs")
    notes = []
    if padding:
        notes.append(f"{counted(padding, 'step')} of padding {'is' if padding == 1 else 'are'} left out.")
    if len(unreached) == 1:
        notes.append(f"Step {unreached[0]} is left out: the value does not depend on it.")
    elif unreached:
        notes.append(f"Steps {unreached[0]} to {unreached[-1]} are left out: the value does not depend on them.")
    return Explanation("By step", (), columns, table, notes=tuple(notes), ranked=ranked, timed=timed)


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
