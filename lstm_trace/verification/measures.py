"""How far two traces are apart in one line, or in one sum over all steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage
from ..trace.address import Address
from ..trace.trace import Trace
from .differences import Gap


@dataclass(frozen=True)
class LineDifference:
    """One line of one layer and direction over all steps, rows and units that both traces have; or one sum over all
    steps and rows, of which `by_step` is empty.

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


class Measure:
    """The measures of one line, gathered block by block in the order in which its steps are visited."""

    def __init__(self, stage: Stage, gap: Gap, steps: int) -> None:
        self.stage, self._gap = stage, gap
        self._values = self._differing = 0
        self._xx = self._yy = self._xy = self._noise = self._squares = 0.0
        self._most: dict[str, float | None] = dict.fromkeys(("local", "inherited"))
        self._most |= dict.fromkeys(("size", "relative", "units", "limit"), 0.0)
        self._by_step = np.zeros(steps)
        self._first: tuple[tuple[int, int, int], tuple[float, float], float | None, float | None, bool] | None = None
        self.largest = 0.0  # of a's values

    def add(self, gap: Gap, spacing: Array, mask: Array, steps: slice) -> None:
        """More steps. spacing: one unit in the last place of a; mask: which values differ."""
        finite = np.isfinite(gap.a) & np.isfinite(gap.b)
        x, y = gap.a[finite], gap.b[finite]
        self._xx, self._yy, self._xy = self._xx + x @ x, self._yy + y @ y, self._xy + x @ y
        self._noise += float(np.sum((y - x) ** 2))
        self._squares += float(np.sum(gap.size**2))
        relative = np.where(gap.size == 0, 0.0, gap.size / np.abs(gap.a))
        units = np.where(gap.size == 0, 0.0, gap.size / spacing)
        parts = {"size": gap.size, "relative": relative, "units": units, "limit": gap.limit}
        for name, part in {**parts, "local": gap.local, "inherited": gap.inherited}.items():
            if part is not None:
                self._most[name] = max(self._most[name] or 0.0, float(part.max(initial=0.0)))
        self._values += gap.size.size
        self._differing += int(mask.sum())
        self.largest = max(self.largest, float(np.abs(gap.a).max(initial=0.0)))
        self._by_step[steps] = gap.size.reshape(len(gap.size), -1).max(axis=1, initial=0.0)
        if self._first is None and (at := _first(self.stage, mask)) is not None:
            own, of_a = (None if part is None else float(part[at]) for part in (gap.local, gap.of_a))
            place = steps.start + at[0], at[1], at[2]
            self._first = place, (float(gap.a[at]), float(gap.b[at])), own, of_a, bool(gap.moved[at])

    @property
    def order(self) -> tuple[int, int]:
        """Of the first value that differs: when it is computed in its stage."""
        assert self._first is not None
        t = self._first[0][0]
        visit = len(self._by_step) - 1 - t if self.stage.backwards else t
        return visit, self.stage.cell.lines.index(self._gap.line)

    def result(self, begin: int) -> LineDifference:
        """All of it. begin: the position in the input of the first step."""
        stage, gap = self.stage, self._gap
        place, values, own, of_a, moved = self._first or (None, None, None, None, False)
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
            first=None if place is None else self._address(place, begin),
            first_values=values,
            first_local=own,
            first_of_a=of_a,
            first_moved=moved,
            equations=gap.equations,
            through=gap.through,
            bound=self._most["limit"] or 0.0,
            by_step=tuple(self._by_step.tolist()),
        )

    def _address(self, place: tuple[int, int, int], begin: int) -> Address:
        t, b, j = place
        return Address(self._gap.line.name, self.stage.layer, self.stage.direction, begin + t, b, (j,))


class SumMeasure(Measure):
    """The measures of what a stage gathered over all steps; its entries are in a row."""

    def __init__(self, stage: Stage, gap: Gap, a: Trace) -> None:
        super().__init__(stage, gap, 0)
        self._shape, self._steps = a.sums[stage.scope][gap.line.name].shape, a.steps

    @property
    def order(self) -> tuple[int, int]:
        """After all steps."""
        return self._steps, [gathered.name for gathered in self.stage.cell.sums].index(self._gap.line.name)

    def _address(self, place: tuple[int, int, int], begin: int) -> Address:
        at = tuple(int(n) for n in np.unravel_index(place[2], self._shape))
        return Address(self._gap.line.name, self.stage.layer, self.stage.direction, unit=at)


def _first(stage: Stage, mask: Array) -> tuple[int, int, int] | None:
    """Where the first differing value in computing order stands in the arrays."""
    places = np.argwhere(mask)
    if not places.size:
        return None
    steps = places[:, 0]
    t, b, j = (int(n) for n in places[steps == (steps.max() if stage.backwards else steps.min())][0])
    return t, b, j
