"""Two traces side by side: where they first differ, and for each line how much of it is its own fault.

b's difference from a splits at every line: `local` is b's recorded value against the line derived again by a's
equation from b's own operands, `inherited` is that derivation against a's value, so b - a = local + inherited. By a's
equation: a cell that computes something else has a local error at the line whose equation differs, and a cell that only
writes the same sum in another way has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array, describe
from ..cell.named_cells import is_number
from ..cell.network import Stage, counted_at_padding
from ..documents.result import Result
from ..errors import OptionError, ShapeError, counted, raise_all
from ..trace.derived import GATHERED, on_one_thread
from ..trace.held import said_at
from ..trace.trace import Trace
from .alignment import PremiseDifference, in_both, notes, padding, premises, reshaped, side_by_side, undecided
from .differences import Gap, Spread, find_gaps, sum_gaps
from .gaps import spacing
from .measures import LineDifference, Measure, OutputDifference, SumMeasure, UnitDifference, Verdict
from .rederive import coarse

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.figure import Figure


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same: |a - b| <= atol + rtol |a|, or at most `ulps` apart; the rounding bound if all None.

    The rounding bound is local: a value that differs only because its operands differ within rounding is the same.
    Raises OptionError for what is no finite number of at least 0.
    """

    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None

    def __post_init__(self) -> None:
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        wrong = [(name, value) for name, value in values if value is not None and not (is_number(value) and value >= 0)]
        expected = "expected a finite number of at least 0"
        raise_all(OptionError, (f"{name}: {expected}, found {describe(value)}" for name, value in wrong))

    @property
    def is_bound(self) -> bool:
        """Whether the rounding bound decides."""
        return self.rtol is None and self.atol is None and self.ulps is None


ROUNDING = Tolerance()
#: A rounding bound above this part of the largest value of a line is reported: smaller errors cannot be detected.
BLUNT = 0.01


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """What `compare` found. notes: steps, rows, lines and cells that differ or stand on one side only;
    premise_differences: how premises differ. first_step: the position in the input of the first step that was compared.
    shapes: of the operands
    of the first line that differs, where they have another shape in b. step_labels: those of the header of a, or of b.
    first_padding: where the first value that differs is padding: `both`, `a`, `b`, or nothing. first_held: at what each
    side holds it, in words. rows: how many sequences were compared. undecided: why nothing follows from
    it that no value differs, where steps are padding: see `alignment.undecided`.
    units, output: which units differ, the furthest first, and what becomes of the output; `lt.diff` and
    `lstm-trace diff` find them where a value differs. every_unit: how many units were compared. names: what the two
    are called. drawing: makes its picture.
    """

    lines: tuple[LineDifference, ...]
    notes: tuple[str, ...]
    premise_differences: tuple[PremiseDifference, ...]
    first: LineDifference | None
    tolerance: Tolerance
    first_step: int = 0
    shapes: tuple[str, ...] = ()
    step_labels: tuple[tuple[str, ...], ...] = ()
    units: tuple[UnitDifference, ...] = ()
    output: OutputDifference | None = None
    every_unit: int = 0
    first_padding: str = ""
    first_held: tuple[tuple[str, str], ...] = ()
    rows: int = 1
    undecided: str = ""
    names: str = ""
    drawing: Callable[[str], Figure] | None = field(default=None, compare=False)

    @property
    def premises(self) -> tuple[str, ...]:
        """How premises differ, in sentences."""
        return tuple(map(str, self.premise_differences))

    @property
    def verdict(self) -> Verdict:
        """Whether every value that both have agrees; inconclusive where they agree but for rounding, and the bound of
        that is not finite, or where no step is valid in either, or one in only one of the two. What else differs is
        reported beside it.
        """
        if self.first is not None:
            return "different"
        unsure = self.undecided or any(d.verdict == "inconclusive" for d in self.lines)
        return "inconclusive" if unsure else "same"

    @property
    def same(self) -> bool:
        """Whether the verdict is "same"."""
        return self.verdict == "same"

    def __repr__(self) -> str:
        lines = counted(len(self.lines), "line")
        if self.first is None:
            return f"<Comparison {self.verdict}: {lines}>"
        differing = sum(line.differing > 0 for line in self.lines)
        return f"<Comparison different: {differing} of {lines} differ, first at {self.first.first}; print(…) has all>"

    def units_frame(self) -> pd.DataFrame:
        """One row for each unit that differs, the furthest first: see `results.comparison.UNIT_COLUMNS`."""
        frame: pd.DataFrame = conveniences.call("comparison.units_frame", self)
        return frame


@on_one_thread
@np.errstate(all="ignore")  # values that have overflowed, and signalling NaNs out of damaged files
def compare(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Comparison:
    """Compare b with a (the reference), aligned by address. Different shapes, lines or cells are notes.

    Raises ShapeError where they have no value in common.
    """
    told = tuple(notes(a, b))
    a, b = side_by_side(a, b)
    differing = premises(a, b)
    measures: dict[tuple[str, str], Measure] = {}
    for stage, at, gap, mask in _judged(a, b, tolerance, bool(differing)):
        place = stage.scope, gap.line.name
        if place not in measures:
            summed = gap.line.op == GATHERED
            dtype = coarse(a, b)
            measures[place] = SumMeasure(stage, gap, a, dtype) if summed else Measure(stage, gap, a.steps, dtype)
        measures[place].add(gap, mask, at)
    order = {scope: k for k, scope in enumerate(a.scopes)}
    made = sorted(measures.values(), key=lambda measure: order[measure.stage.scope])  # sums behind their stage's lines
    found = [measure.result(b.first, tolerance.is_bound) for measure in made]
    firsts = [(m.order, d) for m, d in zip(made, found, strict=True) if d.first]
    first = min(firsts, key=lambda item: (order[item[1].scope], *item[0]))[1] if firsts else None
    if tolerance.is_bound:
        told += tuple(_blunt(found, [measure.largest for measure in made]))
    if (outside := padding(a, b)) is not None:
        steps, verb = int(outside.sum()), "step is" if outside.sum() == 1 else "steps are"
        told += (
            f"{steps:,} {verb} padding in both; there, only the states that are kept and the outputs are compared",
        )
    shapes = () if first is None else reshaped(a, b, first.scope, first.line)
    labels = a.header.step_labels or b.header.step_labels
    return Comparison(
        lines=tuple(found),
        notes=told,
        premise_differences=tuple(differing),
        first=first,
        tolerance=tolerance,
        first_step=b.first,
        shapes=shapes,
        step_labels=labels,
        first_padding=_padded(a, b, first),
        first_held=() if first is None else tuple(_held(a, b, first)),
        rows=a.batch,
        undecided=undecided(a, b),
    )


@on_one_thread
@np.errstate(all="ignore")
def judge(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Verdict:
    """The verdict of `compare` alone; it stops at the first value that differs.

    Raises ShapeError where they have no value in common.
    """
    a, b = side_by_side(a, b)
    sure = not undecided(a, b)
    for *_, gap, mask in _judged(a, b, tolerance, bool(premises(a, b))):
        if mask is not None and mask.any():
            return "different"
        exact = not gap.size.most or not tolerance.is_bound
        sure = sure and (exact or bool(np.isfinite(gap.bound())))
    return "same" if sure else "inconclusive"


def _judged(a: Trace, b: Trace, tolerance: Tolerance, moved: bool) -> Iterator[tuple[Stage, slice, Gap, Array | None]]:
    """Each line in both at some steps: stage, steps, gap, and which values differ (None if none does).
    Then each sum over all steps in both, at no steps.

    moved: whether a premise differs. Raises ShapeError where they have no value in common.
    """
    common = in_both(a, b)
    gathered = any(a.sums.get(scope, {}).keys() & here.keys() for scope, here in b.sums.items())
    if not any(common.values()) and not gathered:
        widths = [note for note in notes(a, b) if ": a has width " in note]
        sides = widths[:3]
        for name, trace in (("a", a), ("b", b)) if not widths else ():
            names = [f"{scope}/{line}" for scope, lines in trace.lines.items() for line in lines]
            some = f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else "no lines"
            sides.append(f"{name} has {some}")
        more = ", …" if len(widths) > 3 else ""
        raise ShapeError(f"the traces have no value in common: {', '.join(sides)}{more}")
    outside, used = padding(a, b), counted_at_padding(a.stages)
    if outside is not None and outside.all() and not gathered and not any(used[s] & {*n} for s, n in common.items()):
        raise ShapeError(
            "nothing to compare: every step is padding in both traces, where only kept states and outputs are compared"
        )
    dtype = coarse(a, b)
    spread = Spread(a.steps, a.batch)
    for stage, steps, side in find_gaps(a, b, common, moved):
        for gap, unexplained in spread.take(stage, steps, side):
            yield stage, steps, gap, unexplained if tolerance.is_bound else _apart(gap, dtype, tolerance)
    for stage in a.stages:
        for gap, unexplained in sum_gaps(a, b, stage, spread):
            yield stage, slice(0, 0), gap, unexplained if tolerance.is_bound else _apart(gap, dtype, tolerance)


def _padded(a: Trace, b: Trace, first: LineDifference | None) -> str:
    """Whose padding the first value that differs is: see `Comparison`."""
    if first is None or first.first is None or first.first.t is None:
        return ""
    t, row = a.index(first.first.t), first.first.b
    sides = [side for side, trace in (("a", a), ("b", b)) if not trace.valid[t, row, 0]]
    return "both" if len(sides) == 2 else "".join(sides)


def _held(a: Trace, b: Trace, first: LineDifference) -> Iterator[tuple[str, str]]:
    """Which side holds the first value that differs, and at what."""
    address = first.first
    if address is None or address.t is None or address.b is None or not address.unit:
        return
    at = a.index(address.t), address.b, address.unit[0]
    for side, trace in (("a", a), ("b", b)):
        if first.scope in trace.scopes and (said := said_at(trace, trace.stage(first.scope), first.line, at)):
            yield side, said


def _blunt(found: Sequence[LineDifference], largest: Sequence[float]) -> Iterator[str]:
    """That the rounding bound hides errors which are not small, with the line where it hides most."""
    most, worst = max(
        ((d.bound / size, d) for d, size in zip(found, largest, strict=True) if size),
        default=(0.0, None),
        key=itemgetter(0),
    )
    if worst is not None and most > BLUNT:
        yield (
            f"{worst.scope}/{worst.line}: the rounding bound is {worst.bound:.2g} here; smaller errors cannot be "
            "detected. Compare more lines, or give a tolerance"
        )


def _apart(gap: Gap, dtype: type[np.floating[Any]], tolerance: Tolerance) -> Array:
    """Which values differ by more than a tolerance that was given; dtype: whose units in the last place count.

    The same infinity is the same within any; no tolerance excuses what is no number on one side alone.
    """
    limit = (tolerance.atol or 0.0) + (tolerance.rtol or 0.0) * gap.a.size.values
    if tolerance.ulps is not None:
        limit = np.maximum(limit, tolerance.ulps * spacing(gap.a.size.values, dtype))
    size = gap.size.each
    return np.asarray((size > 0) & ~((size <= limit) & np.isfinite(size)))
