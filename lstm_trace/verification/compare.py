"""Two traces side by side: where they first differ, and for each line how much of it is its own fault.

b's difference from a splits at every line: `local` is b's recorded value against the line derived again by a's
equation from b's own operands, `inherited` is that derivation against a's value, so b - a = local + inherited. By a's
equation: a cell that computes something else has a local error at the line whose equation differs, and a cell that only
writes the same sum in another way has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array, describe
from ..base.conveniences import Convenience
from ..base.remark import Remark
from ..cell.named_cells import is_number
from ..cell.network import Scope, Stage, counted_at_padding
from ..documents.result import Result
from ..errors import MissingError, OptionError, ShapeError, counted, nearest, raise_all, some
from ..languages.strings import words
from ..model.model import Model
from ..trace.address import Address, columns_of
from ..trace.argument_types import checked
from ..trace.derived import on_one_thread
from ..trace.held import said_at
from ..trace.not_finite import NotFinite
from ..trace.trace import Trace
from ..trace.window import arrays
from .alignment import in_both, notes, padding, premises, reshaped, side_by_side, undecided
from .content import content
from .differences import Absent, Gap, Spread, completed, find_gaps, sum_gaps
from .measures import LineDifference, Measure, Modifications, OutputDifference, UnitDifference, Verdict
from .propagation import Known, apart, sizes_apart, spacing
from .rederive import coarse

if TYPE_CHECKING:
    import pandas as pd

    from ..mistakes.cause import Cause
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
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        wrong = [(name, n) for name, n in given if n is not None and not (is_number(n) and n >= 0)]
        expected = "expected a finite number of at least 0"
        raise_all(OptionError, (f"{name}: {expected}, found {describe(n)}" for name, n in wrong))

    @property
    def is_bound(self) -> bool:
        """Whether the rounding bound decides."""
        return self.rtol is None and self.atol is None and self.ulps is None


ROUNDING = Tolerance()
#: A rounding bound above this part of the largest value of a line is reported: smaller errors cannot be detected.
BLUNT = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """What `compare` found. remarks: steps, rows, lines and cells that differ or stand on one side only; of_premises:
    how premises differ; of_content: what b's weights are of a's. In English these are `notes`, `premises` and
    `content`. first_step: the position in the input of the first
    step that was compared. shapes: of the operands of the first line that differs, where they have another shape in b.
    step_labels: those of the header of a, or of b.
    first_padding: where the first value that differs is padding: `both`, `a`, `b`, or nothing. first_held: at what each
    side holds it. rows: how many sequences were compared. undecided: why nothing follows from
    it that no value differs, where steps are padding: see `alignment.undecided`.
    changes, units, output: what was changed, which units differ, the furthest first, and what becomes of the output;
    `lt.diff` and `lstm-trace diff` find them where a value differs. every_unit: how many units were compared. names:
    what the two are called, if anything. drawing: makes its picture. sides: a and b, cut to the steps and rows that
    both have. absent: where b was given no value of a line that it was given in part. shape: of the table of their
    values, if none is given. not_finite: the first value of each that is NaN or infinite.
    """

    more = MappingProxyType({".xlsx": "xlsx"})

    lines: tuple[LineDifference, ...]
    remarks: tuple[Remark, ...]
    of_premises: tuple[Remark, ...]
    first: LineDifference | None
    tolerance: Tolerance
    first_step: int = 0
    shapes: tuple[Remark, ...] = ()
    step_labels: tuple[tuple[str, ...], ...] = ()
    units: tuple[UnitDifference, ...] = ()
    output: OutputDifference | None = None
    changes: Modifications | None = None
    every_unit: int = 0
    first_padding: str = ""
    first_held: tuple[Remark, ...] = ()
    rows: int = 1
    undecided: Remark | None = None
    names: Remark | None = None
    drawing: Callable[[str], Figure] | None = field(default=None, compare=False)
    sides: tuple[Trace, ...] = field(default=(), compare=False)
    absent: Absent = field(default_factory=dict, compare=False)
    shape: str = "long"
    not_finite: tuple[NotFinite | None, NotFinite | None] = (None, None)
    of_content: tuple[Remark, ...] = ()

    @property
    def counted(self) -> Trace | None:
        """The trace whose problem decides how steps and units count: a."""
        return self.sides[0] if self.sides else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs beside values, in sentences."""
        return tuple(remark.said(self.words()) for remark in self.remarks)

    @property
    def premises(self) -> tuple[str, ...]:
        """How premises differ, in sentences."""
        return tuple(remark.said(self.words()) for remark in self.of_premises)

    @property
    def content(self) -> tuple[str, ...]:
        """What b's weights are of a's (the same in another place, order, form or precision), in sentences."""
        return tuple(remark.said(self.words()) for remark in self.of_content)

    @property
    def weights_alone(self) -> bool:
        """Whether two models were compared without a run."""
        return not self.lines and self.undecided is None

    @property
    def verdict(self) -> Verdict:
        """Whether every value that both have agrees; inconclusive where they agree but for rounding, and the bound of
        that is not finite, or where no step is valid in either, or one in only one of the two. What else differs is
        reported beside it.
        """
        if self.first is not None or (self.weights_alone and self.of_premises):
            return "different"
        return "inconclusive" if self.undecided or any(d.verdict == "inconclusive" for d in self.lines) else "same"

    @property
    def same(self) -> bool:
        """Whether the verdict is "same"."""
        return self.verdict == "same"

    @cached_property
    def cause(self) -> Cause | None:
        """The mistake with which the first line that differs follows from b's own operands, if the table has one."""
        return Convenience["Cause | None"]("comparison.cause")(self)

    def __repr__(self) -> str:
        lines = counted(len(self.lines), "line")
        if self.first is None:
            return f"<Comparison {self.verdict}: {lines}>"
        differing = sum(line.differing > 0 for line in self.lines)
        first = self.words().address(self.first.first)
        return f"<Comparison different: {differing} of {lines} differ, first at {first}; print(…) has all>"

    def to_frame(self, shape: str | None = None) -> pd.DataFrame:
        """The values that both have as a table.

        Args:
            shape: `long`, one row per value: layer, direction, t, batch, line, unit, a, b, difference (b - a), own (the
                part of it that is b's own), inherited (the part that comes from its operands); or `wide`, one row per
                step, with a column per line and unit, which holds b - a. By default that of the comparison.

        Returns:
            The frame; a difference that is not finite is NaN, and so are its parts, which are NaN as well if an operand
            was not recorded.

        Raises:
            OptionError: for another shape.
        """
        return Convenience["pd.DataFrame"]("comparison.to_frame")(self, shape or self.shape)

    def lines_frame(self) -> pd.DataFrame:
        """One row for each line, with its measures: see `results.comparison.COLUMNS`."""
        return Convenience["pd.DataFrame"]("comparison.lines_frame")(self)

    def units_frame(self) -> pd.DataFrame:
        """One row for each unit that differs, the furthest first: see `results.comparison.UNIT_COLUMNS`."""
        return Convenience["pd.DataFrame"]("comparison.units_frame")(self)


@on_one_thread
@np.errstate(all="ignore")  # values that have overflowed, and signalling NaNs out of damaged files
def compare(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Comparison:
    """Compare b with a (the reference), aligned by address. Different shapes, lines or cells are notes.

    Raises ShapeError where they have no value in common.
    """
    told = tuple(notes(a, b))
    a, b, absent = _sides(a, b)
    differing = premises(a, b)
    measures: dict[tuple[str, str], Measure] = {}
    for stage, at, gap, mask in _judged(a, b, tolerance, bool(differing), absent):
        place = stage.scope, gap.line.name
        if place not in measures:
            measures[place] = Measure(a, b, stage, gap)
        measures[place].add(gap, mask, at)
    made = sorted(measures.values(), key=lambda m: a.scopes.index(m.stage.scope))  # sums behind their stage's lines
    found = [measure.result(tolerance.is_bound) for measure in made]
    both = list(zip(made, found, strict=True))
    firsts = [(a.scopes.index(d.scope), *m.order(d.first), d) for m, d in both if d.first]
    first = min(firsts, key=itemgetter(0, 1, 2), default=(None,))[-1]
    alike = [(a.scopes.index(d.scope), *m.order(d.first_alike), d) for m, d in both if d.first_alike]
    if alike:
        *_, line = min(alike, key=itemgetter(0, 1, 2))
        told += (Remark("diff.alike", {"n": sum(d.alike for d in found), "address": str(line.first_alike)}),)
    if tolerance.is_bound:
        told += tuple(_blunt(found, [measure.largest for measure in made]))
    if (outside := padding(a, b)) is not None:
        told += (Remark("diff.padded", {"n": int(outside.sum())}),)
    return Comparison(
        lines=tuple(found),
        remarks=told,
        of_premises=tuple(differing),
        first=first,
        tolerance=tolerance,
        first_step=b.first,
        shapes=() if first is None else reshaped(a, b, first.scope, first.line),
        step_labels=a.header.step_labels or b.header.step_labels,
        first_padding=_padded(a, b, None if first is None else first.first),
        first_held=() if first is None else tuple(_held(a, b, first)),
        rows=a.batch,
        undecided=undecided(a, b),
        sides=(a, b),
        absent=absent,
        of_content=content(a.parameters, b.parameters) if differing else (),
    )


def compare_weights(a: Model, b: Model) -> Comparison:
    """Compare the weights of two models, b with a, without a run."""
    one, two = (
        Trace(m.header, m.stages(), 0, 1, None, None, {s: {**here} for s, here in m.weights.items()}, {}, {}, {})
        for m in (a, b)
    )
    found = content(a.weights, b.weights)
    return Comparison((), tuple(notes(one, two)), tuple(premises(one, two)), None, ROUNDING, of_content=found)


@on_one_thread
@np.errstate(all="ignore")
def judge(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Verdict:
    """The verdict of `compare` alone; it stops at the first value that differs.

    Raises ShapeError where they have no value in common.
    """
    a, b, absent = _sides(a, b)
    sure = not undecided(a, b)
    for *_, gap, mask in _judged(a, b, tolerance, bool(premises(a, b)), absent):
        if mask is not None and mask.any():
            return "different"
        exact = not gap.size.most or not tolerance.is_bound
        sure = sure and (exact or bool(np.isfinite(gap.bound())))
    return "same" if sure else "inconclusive"


def _sides(a: Trace, b: Trace) -> tuple[Trace, Trace, Absent]:
    """The steps and rows that both have; b with all values of each of its lines, and where it was not given them."""
    a, b = side_by_side(a, b)
    return a, *completed(a, b)


def _judged(
    a: Trace, b: Trace, tolerance: Tolerance, moved: bool, absent: Absent
) -> Iterator[tuple[Stage, slice, Gap, Array | None]]:
    """Each line in both at some steps: stage, steps, gap, and which values differ (None if none does).
    Then each sum over all steps in both, at no steps.

    moved: whether a premise differs. absent: where b was given no value. Raises ShapeError where they have no value in
    common.
    """
    common = in_both(a, b)
    gathered = any(a.sums.get(scope, {}).keys() & here.keys() for scope, here in b.sums.items())
    if not any(common.values()) and not gathered:
        sides = [note.said(words()) for note in notes(a, b) if note.key == "diff.width"]
        for name, trace in (("a", a), ("b", b)) if not sides else ():
            held = [f"{scope}/{line}" for _, scope, line, _ in arrays(trace, "lines")]
            sides.append(f"{name} has {some(held, 3) or 'no lines'}")
        raise ShapeError(f"the traces have no value in common: {some(sides, 3)}")
    outside, used = padding(a, b), counted_at_padding(a.stages)
    if outside is not None and outside.all() and not gathered and not any(used[s] & {*n} for s, n in common.items()):
        raise ShapeError(
            "nothing to compare: every step is padding in both traces, where only kept states and outputs are compared"
        )
    dtype = coarse(a, b)
    spread = Spread(a.steps, a.batch)
    found = find_gaps(a, b, common, moved)
    lines = ((stage, steps, spread.take(stage, steps, gaps, alone)) for stage, steps, gaps, alone in found)
    sums = ((stage, slice(0, 0), sum_gaps(a, b, stage, spread)) for stage in a.stages)
    for stage, steps, gaps in chain(lines, sums):
        for gap, unexplained in gaps:
            differs = unexplained if tolerance.is_bound else _apart(gap, dtype, tolerance)
            gone = absent.get((stage.scope, gap.line.name))
            yield stage, steps, gap, differs if differs is None or gone is None else differs & ~gone[steps]


def _padded(a: Trace, b: Trace, first: Address | None) -> str:
    """Whose padding the first value that differs is: see `Comparison`."""
    if first is None or first.t is None:
        return ""
    sides = "".join(side for side, trace in (("a", a), ("b", b)) if not trace.valid[a.index(first.t), first.b, 0])
    return "both" if sides == "ab" else sides


def _held(a: Trace, b: Trace, first: LineDifference) -> Iterator[Remark]:
    """Which side holds the first value that differs, and at what."""
    address = first.first
    if address is None or address.t is None or address.b is None or not address.unit:
        return
    at = a.index(address.t), address.b, address.unit[0]
    for side, trace in (("a", a), ("b", b)):
        if first.scope in trace.scopes and (said := said_at(trace, trace.stage(first.scope), first.line, at)):
            yield Remark("diff.held", {"side": side, "value": said})


def _blunt(found: Sequence[LineDifference], largest: Sequence[float]) -> Iterator[Remark]:
    """That the rounding bound hides errors which are not small, with the line where it hides most."""
    shares = [(d.bound / size, d) for d, size in zip(found, largest, strict=True) if size and np.isfinite(d.bound)]
    most, worst = max(shares, default=(0.0, None), key=itemgetter(0))
    if worst is not None and most > BLUNT:
        yield Remark("diff.blunt", {"place": f"{worst.scope}/{worst.line}", "bound": f"{worst.bound:.2g}"})


def _apart(gap: Gap, dtype: type[np.floating[Any]], tolerance: Tolerance) -> Array:
    """Which values differ by more than a tolerance that was given; dtype: whose units in the last place count.

    What was printed with few digits is within half a unit of the last one. The same infinity is the same within any
    tolerance; none excuses what is no number on one side alone.
    """
    limit = (tolerance.atol or 0.0) + (tolerance.rtol or 0.0) * gap.a.size + gap.b.limit
    if tolerance.ulps is not None:
        limit = np.maximum(limit, tolerance.ulps * spacing(gap.a.size, dtype))
    size = gap.size.each
    return np.asarray((size > 0) & ~((size <= limit) & np.isfinite(size)))


# -- what changed from one trace to another ----------------------------------------------------------------------------


class LineChange(NamedTuple):
    """A line that differs in two traces: the largest |b - a|, and the place of that value."""

    scope: Scope
    line: str
    largest: float
    t: int
    b: int
    unit: int


@checked
def changes(a: Trace, b: Trace) -> list[LineChange]:
    """The lines that an edit changed: those of which a value is another in `b` than in `a`.

    Compared are the values at the steps, rows and units that both have, as numbers. It says what moved, and not
    whether rounding explains it, which is what `lt.diff` does.

    Args:
        a: the trace before.
        b: the trace after.

    Returns:
        (scope, line, largest |b - a|, t, b, unit) of each such line in the computing order of `b`; infinite where only
        one of the two is a number.

    >>> import lstm_trace as lt
    >>> a = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
    >>> [tuple(change) for change in changes(a, lt.edit(a, {"h0[0]": 1.0})) if change.line in ("i_t", "W_xi @ x_t")]
    [('0/forward', 'i_t', 0.056719..., 0, 0, 0)]
    """
    found = []
    for stage, line, _ in b.recorded():
        if line.name not in a.lines.get(stage.scope, {}):
            continue
        one, two, first = _common(a, b, stage.scope, line.name)
        each = apart(Known(one), Known(two))
        if each.most:
            t, row, unit = map(int, np.unravel_index(np.argmax(each.each), each.each.shape))
            found.append(LineChange(stage.scope, line.name, each.most, first + t, row, unit))
    return found


@checked
def gap(a: Trace, b: Trace, line: str, scope: Scope | None = None, row: int = 0) -> Array:
    """|b - a| of one line for one row of the batch, at the steps and units that both traces have.

    Args:
        a: the trace before.
        b: the trace after.
        line: its name.
        scope: `layer/direction`; may be left out where one has the line.
        row: of the batch.

    Returns:
        (T, width) in float64; infinite where only one of the two is a number.

    Raises:
        MissingError: for a line that is not in both.
        ShapeError: where the traces have no such row, or no step in common.

    >>> import lstm_trace as lt
    >>> a, b = (lt.run({"W_xi": [[w]], "W_hi": [[0.0]]}, [[1.0]], ask="z_i") for w in (0.5, 2.0))
    >>> gap(a, b, "z_i")
    array([[1.5]])
    """
    if scope is not None:
        a.stage(scope)  # raises, where there is none
    both = {s: here.keys() & b.lines.get(s, {}).keys() for s, here in a.lines.items() if scope in (None, s)}
    scopes = [s for s, names in both.items() if line in names]
    if not scopes:
        known = sorted(set().union(*both.values()))
        raise MissingError(f"the traces do not both have a line {line!r}{nearest(line, known, 'they have')}")
    if len(scopes) > 1:
        raise MissingError(f"{line} is in {', '.join(scopes)}: choose one, scope={scopes[0]!r}")
    one, two, _ = _common(a, b, scopes[0], line)
    if not 0 <= row < one.shape[1] or not one.size:
        units = counted(one.shape[2], "unit")
        raise ShapeError(f"row {row}: the traces have T, B = {one.shape[:2]} in common, with {units}")
    return np.array(sizes_apart(one[:, row], two[:, row]))


def _common(a: Trace, b: Trace, scope: Scope, line: str) -> tuple[Array, Array, int]:
    """A line at the steps, rows and units that both traces have, and the position of the first of those steps.

    Matrices with other columns have no unit in common.
    """
    first, end = max(a.first, b.first), max(min(a.span.stop, b.span.stop), max(a.first, b.first))
    sides = [(trace, trace.lines[scope][line]) for trace in (a, b)]
    rows, units = (min(values.shape[axis] for _, values in sides) for axis in (1, 2))
    units *= columns_of(a, scope, line) == columns_of(b, scope, line)
    mine, theirs = (values[trace.index(first) : trace.index(end), :rows, :units] for trace, values in sides)
    return mine, theirs, first
