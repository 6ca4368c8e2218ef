"""Two traces side by side: where they first differ, and for each line how much of it is its own fault.

b's difference from a splits at every line: `local` is b's recorded value against the line derived again by a's
equation from b's own operands, `inherited` is that derivation against a's value, so b - a = local + inherited. By a's
equation: a cell that computes something else has a local error at the line whose equation differs, and a cell that only
writes the same sum in another way has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array
from ..cell.network import Stage
from ..errors import ShapeError
from ..trace.address import Address
from ..trace.trace import Trace
from .alignment import in_both, notes, premises, reshaped, side_by_side
from .differences import Gap, Spread, find_gaps
from .gaps import Tolerance, apart, spacing
from .propagation import Known
from .rederive import coarse

if TYPE_CHECKING:
    import pandas as pd


ROUNDING = Tolerance()
#: A rounding bound above this part of the largest value of a line is reported: smaller errors cannot be detected.
BLUNT = 0.01


@dataclass(frozen=True)
class LineDifference:
    """One line of one layer and direction over all steps, rows and units that both traces have.

    The measures are over the finite common values: largest |b - a|, largest |b - a| / |a|, largest distance in units
    in the last place, root mean square, cosine of the angle between a and b, signal-to-noise in dB. local and
    inherited: largest |.| of each part (None where an operand is missing). first: where it first differs, with the
    value of each side, the local error there, how far a's value is from its own derivation, and whether a premise that
    differs is why. equations: a's and b's
    of this line, or of a line that it was derived through, where they differ. through: the named lines that are not in
    both, by which b's was derived. bound: the most that rounding explains.
    atol, rtol: the smallest of each, alone, with which the line would have passed. by_step: largest |b - a| of each.
    """

    scope: str
    line: str
    op: str
    values: int
    differing: int
    max_abs: float
    max_rel: float
    max_ulp: float
    rms: float
    cosine: float
    snr: float
    local: float | None
    inherited: float | None
    first: Address | None
    first_values: tuple[float, float] | None
    first_local: float | None
    first_of_a: float | None
    first_moved: bool
    equations: tuple[str, str] | None
    through: tuple[str, ...]
    bound: float
    by_step: tuple[float, ...]

    @property
    def atol(self) -> float:
        """The absolute tolerance that would have passed."""
        return self.max_abs

    @property
    def rtol(self) -> float:
        """The relative tolerance that would have passed."""
        return self.max_rel


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. notes: steps, rows, lines and cells that differ or stand on one side only; premises: those
    that differ. first_step: the position in the input of the first step that was compared. shapes: of the operands
    of the first line that differs, where they have another shape in b.
    """

    lines: tuple[LineDifference, ...]
    notes: tuple[str, ...]
    premises: tuple[str, ...]
    first: LineDifference | None
    tolerance: Tolerance
    first_step: int = 0
    shapes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every value that both have agrees; what else differs is reported beside it."""
        return self.first is None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = conveniences.call("comparison.html", self)
        return html

    def to_frame(self) -> pd.DataFrame:
        """One row for each line: see `tables.diff.COLUMNS`."""
        frame: pd.DataFrame = conveniences.call("comparison.to_frame", self)
        return frame


@np.errstate(all="ignore")  # values that have overflowed, and signalling NaNs out of damaged files
def compare(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Comparison:
    """Compare b with a (the reference), aligned by address. Different shapes, lines or cells are notes.

    Raises ShapeError where they have no value in common.
    """
    told = tuple(notes(a, b))
    a, b = side_by_side(a, b)
    differing = premises(a, b)
    measures: dict[tuple[str, str], _Measure] = {}
    for stage, steps, gap, mask in _judged(a, b, tolerance, bool(differing)):
        place = stage.scope, gap.line.name
        if place not in measures:
            measures[place] = _Measure(stage, gap, a.steps, coarse(a, b))
        measures[place].add(gap, mask, steps)
    found = [measure.result(b.first) for measure in measures.values()]
    firsts = [
        (measure.order, difference)
        for measure, difference in zip(measures.values(), found, strict=True)
        if difference.first
    ]
    order = {scope: k for k, scope in enumerate(a.scopes)}
    first = min(firsts, key=lambda item: (order[item[1].scope], *item[0]))[1] if firsts else None
    if tolerance.is_bound:
        told += tuple(_blunt(found, [measure.largest for measure in measures.values()]))
    shapes = () if first is None else reshaped(a, b, first.scope, first.line)
    return Comparison(tuple(found), told, tuple(differing), first, tolerance, b.first, shapes)


@np.errstate(all="ignore")
def agree(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> bool:
    """Whether `compare` would call them the same; it stops at the first value that differs."""
    a, b = side_by_side(a, b)
    return not any(mask is not None and mask.any() for *_, mask in _judged(a, b, tolerance, bool(premises(a, b))))


def _judged(a: Trace, b: Trace, tolerance: Tolerance, moved: bool) -> Iterator[tuple[Stage, slice, Gap, Array | None]]:
    """Each line in both at some steps: stage, steps, gap, and which values differ (None if none does).

    moved: whether a premise differs. Raises ShapeError where they have no value in common.
    """
    common = in_both(a, b)
    if not any(common.values()):
        widths = [note for note in notes(a, b) if ": a has width " in note]
        sides = widths[:3] or [f"{side} has {_some(t)}" for side, t in (("a", a), ("b", b))]
        more = ", …" if len(widths) > 3 else ""
        raise ShapeError(f"the traces have no value in common: {', '.join(sides)}{more}")
    dtype = coarse(a, b)
    spread = Spread(a.steps, a.batch)
    for stage, steps, side in find_gaps(a, b, common, moved):
        for gap, unexplained in spread.take(stage, steps, side):
            yield stage, steps, gap, unexplained if tolerance.is_bound else tolerance.exceeded(gap.a, gap.size, dtype)


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


def _some(trace: Trace) -> str:
    names = [f"{scope}/{name}" for scope, lines in trace.lines.items() for name in lines]
    return f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else "no lines"


class _Measure:
    """The measures of one line, gathered block by block in the order in which its steps are visited."""

    def __init__(self, stage: Stage, gap: Gap, steps: int, dtype: type[np.floating[Any]]) -> None:
        self._stage, self._gap, self._dtype = stage, gap, dtype
        self._values = self._differing = 0
        self._xx = self._yy = self._xy = self._noise = self._squares = 0.0
        self._most: dict[str, float | None] = dict.fromkeys(("local", "inherited"))
        self._most |= dict.fromkeys(("size", "relative", "units", "limit"), 0.0)
        self._by_step = np.zeros(steps)
        self._first: tuple[tuple[int, int, int], tuple[float, float], float | None, float | None, bool] | None = None
        self.largest = 0.0  # of a's values

    def add(self, gap: Gap, mask: Array | None, steps: slice) -> None:
        """More steps. mask: which values differ."""
        size = gap.size
        self._sum(gap)
        self._keep("size", size.most)
        self._keep("limit", gap.bound())
        for name, part in (("local", gap.local), ("inherited", gap.inherited)):
            if part is not None:
                self._keep(name, part)
        if size.most:
            self._by_step[steps] = size.each.reshape(len(size.each), -1).max(axis=1)
            for some in (slice(0, 1), slice(None)):  # a few values tell how large others need to be
                self._compare(gap.a.size.values[some], size.each[some])
        if mask is not None:
            self._differing += int(np.count_nonzero(mask))
            if self._first is None and (at := _first(self._stage, mask)) is not None:
                place = steps.start + at[0], at[1], at[2]
                values = float(gap.a.value[at]), float(gap.b.value[at])
                moved = gap.moved is not None and bool(gap.moved[at])
                self._first = place, values, _off(gap.b, gap.by_a, at), _off(gap.a, gap.of_a, at), moved

    def _sum(self, gap: Gap) -> None:
        """Number and squares of the values; products only of those that are finite in both."""
        x = y = gap.a.wide.ravel()
        largest, most = gap.a.size.largest, gap.size.most
        self.largest = max(self.largest, largest)
        self._values += x.size
        if most:
            y, size = gap.b.wide.ravel(), gap.size.each.ravel()
            squares = float(size @ size)
            self._squares += squares
            self._noise += squares if np.isfinite(most + largest) else 0.0
        if not np.isfinite(most + largest):
            known = np.isfinite(x) & np.isfinite(y)
            x, y = x[known], y[known]
            self._noise += float(np.sum((y - x) ** 2))
        self._xx, self._xy, self._yy = self._xx + float(x @ x), self._xy + float(x @ y), self._yy + float(y @ y)

    def _compare(self, a: Array, size: Array) -> None:
        """Largest difference over |a|, and in units in the last place: of the few values that may be the largest.

        A unit in the last place is between eps |a| / 2 and eps |a|, or more.
        """
        least = (self._most["units"] or 0.0) * float(np.finfo(self._dtype).eps) / 2 * (1 - 1e-6)
        few = size > (a * least if least else 0.0)
        off, values = size[few], a[few]
        self._keep("relative", float(np.max(off / values, initial=0.0)))
        self._keep("units", float(np.max(off / spacing(values, self._dtype), initial=0.0)))

    def _keep(self, name: str, value: float) -> None:
        self._most[name] = max(self._most[name] or 0.0, value)

    @property
    def order(self) -> tuple[int, int]:
        """Of the first value that differs: when its step is visited, and which line it is."""
        assert self._first is not None
        t = self._first[0][0]
        visit = len(self._by_step) - 1 - t if self._stage.backwards else t
        return visit, self._stage.cell.lines.index(self._gap.line)

    def result(self, begin: int) -> LineDifference:
        """All of it. begin: the position in the input of the first step."""
        stage, gap = self._stage, self._gap
        place, values, own, of_a, moved = self._first or (None, None, None, None, False)
        t, b, j = place or (0, 0, 0)
        norms = float(np.sqrt(self._xx) * np.sqrt(self._yy))
        cosine = float(self._xy / norms) if norms else 1.0
        snr = float(10 * np.log10(self._xx / self._noise)) if self._noise and self._xx else np.inf
        return LineDifference(
            scope=stage.scope,
            line=gap.line.name,
            op=gap.line.op,
            values=self._values,
            differing=self._differing,
            max_abs=self._most["size"] or 0.0,
            max_rel=self._most["relative"] or 0.0,
            max_ulp=self._most["units"] or 0.0,
            rms=float(np.sqrt(self._squares / self._values)) if self._values else 0.0,
            cosine=cosine,
            snr=snr,
            local=self._most["local"],
            inherited=self._most["inherited"],
            first=None if place is None else Address(gap.line.name, stage.layer, stage.direction, begin + t, b, (j,)),
            first_values=values,
            first_local=own,
            first_of_a=of_a,
            first_moved=moved,
            equations=gap.equations,
            through=gap.through,
            bound=self._most["limit"] or 0.0,
            by_step=tuple(self._by_step.tolist()),
        )


def _off(recorded: Known, derived: Known | None, at: tuple[int, int, int]) -> float | None:
    """How far a recorded value is from its derivation."""
    if derived is None:
        return None
    values = (np.broadcast_to(known.value, recorded.value.shape) for known in (recorded, derived))
    return apart(*(Known(np.atleast_1d(value[at])) for value in values)).most


def _first(stage: Stage, mask: Array) -> tuple[int, int, int] | None:
    """Where the first differing value in computing order stands in the arrays."""
    steps = np.flatnonzero(mask.any(axis=(1, 2)))
    if not steps.size:
        return None
    t = int(steps[-1 if stage.backwards else 0])
    b, j = (int(n) for n in np.argwhere(mask[t])[0])
    return t, b, j
