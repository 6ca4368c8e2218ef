"""How far two traces differ in one line, or in one sum over all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark
from ..cell.network import Stage
from ..trace.address import Address, columns_of
from ..trace.derived import GATHERED
from ..trace.trace import Trace
from .differences import Gap
from .propagation import Known, apart, spacing
from .rederive import coarse

#: Verdict of a comparison and of each line. Inconclusive: no value differs, but the rounding bound is not finite.
Verdict = Literal["same", "different", "inconclusive"]
ChangeKind = Literal["parameter", "input", "state", "given", "valid", "equation", "option", "line"]


class UnitDifference(NamedTuple):
    """One unit of a layer and direction, represented by the carried line or output in which it differs most.

    most: the largest |b - a| at a valid step, `t` in sequence `b`, where it changes from `value` to `other`; of_range:
    that divided by the range of the unit in both traces, so at most 1. since: the first step, as the direction visits
    them, at which the unit differs by more than a hundredth of its range, in sequence `since_b`; None if there is none.
    name: label of the unit, if the traces have one; of a matrix the entry, `C_t[2,1]`. held: whether one of the two
    holds it at any step, in a line by which units are compared. nonfinite: the first step, likewise, at which |b - a|
    is not finite, since one of the two is NaN or infinite; such values count in no other measure.
    """

    scope: str
    unit: int
    line: str
    most: float
    of_range: float
    value: float
    other: float
    t: int
    b: int
    since: int | None
    since_b: int | None
    name: str = ""
    held: bool = False
    nonfinite: int | None = None


class Modification(NamedTuple):
    """One thing in which the premises, options or equations of two traces differ.

    place: the full address of an entry (`0/forward/W_xf[1,0]`, `3/0/x_t[1]`, `0/forward/0/h0[1]`), of a step of x, of
    what one side alone holds (`0/forward/f_t[0]`), or of an equation (`0/forward/z_i`), or the name of an option; of
    kind `line`, a line whose values do not follow from its operands, or its only value that differs: they are edited,
    or those of another program. a, b: the number or text of each side; None if there is none, or if several `entries`
    differ at once. contribution: to the largest change of the output, in the exact split; share: the same as a fraction
    of that change. Both are None if it is not split, or if an option contributes through its equations. array: of an
    entry, the place of its array.
    """

    kind: ChangeKind
    place: str
    a: float | str | Remark | None
    b: float | str | Remark | None
    entries: int = 1
    contribution: float | None = None
    share: float | None = None
    array: str = ""


@dataclass(frozen=True, eq=False)
class Modifications:
    """What was changed from a to b.

    most: the changes that explain most of the largest change of the output. differences: how many values, options and
    equations differ in all; following: how many equations differ because an option does. These are not among them, nor
    in `most`, unless they follow from several options at once.
    arrays: of those that are not in `most`, by array, option, equation or line: its place, how many entries, their
    contribution and share. rest: the contribution of all that are not in `most`, rounding included; None without
    contributions. residual: by how much all contributions miss the change. why: the reason why there are none.
    """

    __array_ufunc__ = None  # as for a trace

    most: tuple[Modification, ...]
    differences: int
    following: int
    arrays: tuple[tuple[str, int, float | None, float | None], ...]
    rest: float | None = None
    residual: float = 0.0
    why: Remark | None = None


class OutputDifference(NamedTuple):
    """The effect on the output, or on the requested readout: its largest |b - a| at a valid step, a's and b's value
    there, and where it is largest at the last step of a sequence. held: whether some of its values are held in one of
    the two; those are left out. nonfinite: the first value for which |b - a| is not finite, since one of the two is NaN
    or infinite; such values count in no other measure, but `at_end` is infinite if one of them is the last.
    """

    address: Address
    most: float
    values: tuple[float, ...]
    end: Address
    at_end: float
    held: bool = False
    nonfinite: Address | None = None


@dataclass(frozen=True)
class LineDifference:
    """One line of one layer and direction over all steps, sequences and units that both traces have; or one sum over
    all steps and sequences, whose `by_step` is empty.

    The measures are over the values that are finite in both: largest |b - a|, largest |b - a| / |a|, largest distance
    in units in the last place, root mean square, cosine of the angle between a and b, signal-to-noise ratio in dB.
    local and inherited: the largest |.| of each part (None if an operand is missing; inherited is 0 if nothing
    differs). first: where it first differs, with the value of each side, the local error there, the deviation of a's
    value from its own derivation, whether a differing premise is the cause, and the rounding bound there. equations:
    a's and b's equation of this line, or of a line through which it was derived, if they differ. through: the named
    lines that are not in both, and through which b's was derived; addresses for those of earlier stages. lacking:
    operands of a's equation that b lacks, so that no error is b's own.
    bound: the largest rounding bound of any value of the line; by_bound: whether the bound decides what differs.
    atol, rtol: the smallest of each with which alone the line would have passed. by_step: largest |b - a| at each step,
    infinite where it is not finite. nonfinite: how many values differ by nothing finite, since one of the two is NaN or
    infinite. alike: how many are the same NaN or infinity in both; they count as equal. first_alike: the first of them.
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
    first_bound: float | None
    equations: tuple[str | Remark, str | Remark] | None
    through: tuple[str, ...]
    lacking: tuple[str | Remark, ...]
    bound: float
    by_bound: bool
    by_step: tuple[float, ...]
    nonfinite: int = 0
    alike: int = 0
    first_alike: Address | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the line is the same; inconclusive if the decision needs a rounding bound that is not finite."""
        if self.differing:
            return "different"
        apart = self.max_abs > 0 or self.nonfinite > 0
        return "inconclusive" if self.by_bound and apart and not np.isfinite(self.bound) else "same"

    @property
    def atol(self) -> float:
        """The absolute tolerance with which it would have passed."""
        return np.inf if self.nonfinite else self.max_abs

    @property
    def rtol(self) -> float:
        """The relative tolerance with which it would have passed."""
        return np.inf if self.nonfinite else self.max_rel


class Measure:
    """The measures of one line, or of one sum over all steps, accumulated block by block in visiting order."""

    def __init__(self, a: Trace, b: Trace, stage: Stage, gap: Gap) -> None:
        self.stage, self._gap, self._dtype, self._begin, self._steps = stage, gap, coarse(a, b), b.first, a.steps
        #: For a sum, whose entries form one row of the gap.
        self._shape = a.sums[stage.scope][gap.line.name].shape if gap.line.op == GATHERED else None
        self._columns = columns_of(a, stage.scope, gap.line.name)
        self._values = self._differing = self._nonfinite = self._alike = 0
        self._first_alike: Address | None = None
        self._xx = self._yy = self._xy = self._squares = 0.0
        self._most: dict[str, Any] = dict.fromkeys(("local", "inherited"))
        self._most |= dict.fromkeys(("max_abs", "max_rel", "max_ulp", "bound"), 0.0)
        self._by_step = np.zeros(a.steps if self._shape is None else 0)
        self._first: dict[str, Any] = {"first_moved": False}
        self._first |= dict.fromkeys(("first", "first_values", "first_local", "first_of_a", "first_bound"))
        self.largest = 0.0  # of a's values

    def add(self, gap: Gap, mask: Array | None, steps: slice) -> None:
        """Add further steps. mask: which values differ."""
        size = gap.size
        each = self._sum(gap, steps)
        self._keep("max_abs", size.finite)
        self._keep("bound", gap.bound())
        for name, part in (("local", gap.local), ("inherited", gap.inherited)):
            if part is not None:
                self._keep(name, part)
        if size.most:
            self._by_step[steps] = size.each.reshape(len(size.each), -1).max(axis=1)
            off, values = each[each > 0], gap.a.size[each > 0]
            self._keep("max_rel", float(np.max(off / values, initial=0.0)))
            self._keep("max_ulp", float(np.max(off / spacing(values, self._dtype), initial=0.0)))
        if mask is not None:
            self._differing += int(np.count_nonzero(mask))
            if self._first["first"] is None and (at := first_index(self.stage, mask)) is not None:
                self._first = {
                    "first": self._address(steps.start + at[0], *at[1:]),
                    "first_values": (float(gap.a.value[at]), float(gap.b.value[at])),
                    "first_local": None if gap.lacking else _off(gap.b, gap.by_a, at),
                    "first_of_a": _off(gap.a, gap.of_a, at),
                    "first_moved": gap.moved is not None and bool(gap.moved[at]),
                    "first_bound": gap.bound_at(at),
                }

    def _address(self, t: int, b: int, j: int) -> Address:
        name, layer, direction = self._gap.line.name, self.stage.layer, self.stage.direction
        if self._shape is None:
            return Address(name, layer, direction, self._begin + t, b, (j,), self._columns)
        return Address(name, layer, direction, unit=tuple(int(n) for n in np.unravel_index(j, self._shape)))

    def _sum(self, gap: Gap, steps: slice) -> Array:
        """Count and squares of the values; products only of those that are finite in both. Returns |b - a|, with 0
        where it is not finite.
        """
        x, each, most = gap.a.wide.ravel(), gap.size.each, gap.size.most
        y, largest = gap.b.wide.ravel() if most else x, float(gap.a.size.max(initial=0.0))
        self._values += gap.values
        if not np.isfinite(most + largest):
            known = np.isfinite(x) & np.isfinite(y)
            alike = ~known & (each.ravel() == 0)
            if self._first_alike is None and (at := first_index(self.stage, alike.reshape(each.shape))) is not None:
                self._first_alike = self._address(steps.start + at[0], *at[1:])
            self._alike += int(alike.sum())
            self._nonfinite += int(np.count_nonzero(~np.isfinite(each)))
            each = np.where(np.isfinite(each), each, 0.0)
            x, y = x[known], y[known]
            largest = float(np.abs(x).max(initial=0.0))
        self.largest = max(self.largest, largest)
        if most:
            self._squares += float(each.ravel() @ each.ravel())
        self._xx, self._xy, self._yy = self._xx + float(x @ x), self._xy + float(x @ y), self._yy + float(y @ y)
        return each

    def _keep(self, name: str, value: float) -> None:
        self._most[name] = max(self._most[name] or 0.0, value)

    def order(self, address: Address) -> tuple[int, int]:
        """When a value of this line is computed in its stage; a sum comes after all steps."""
        name, cell = self._gap.line.name, self.stage.cell
        if self._shape is not None:
            return self._steps, [gathered.name for gathered in cell.sums].index(name)
        t = (self._begin if address.t is None else address.t) - self._begin
        return self._steps - 1 - t if self.stage.backwards else t, cell.lines.index(self._gap.line)

    def result(self, by_bound: bool) -> LineDifference:
        """The finished measures. by_bound: whether rounding decides."""
        gap, most = self._gap, self._most
        norms = float(np.sqrt(self._xx) * np.sqrt(self._yy))
        if most["inherited"] and not most["max_abs"]:
            most["inherited"] = 0.0
        return LineDifference(
            scope=self.stage.scope,
            line=gap.line.name,
            op=gap.line.op,
            values=self._values,
            differing=self._differing,
            rms=float(np.sqrt(self._squares / self._values)) if self._values else 0.0,
            cosine=float(self._xy / norms) if norms else 1.0,
            snr=float(10 * np.log10(self._xx / self._squares)) if self._squares and self._xx else np.inf,
            equations=gap.equations,
            through=gap.through,
            lacking=gap.lacking,
            by_bound=by_bound,
            by_step=tuple(self._by_step.tolist()),
            nonfinite=self._nonfinite,
            alike=self._alike,
            first_alike=self._first_alike,
            **most,
            **self._first,
        )


def _off(recorded: Known, derived: Known | None, at: tuple[int, int, int]) -> float | None:
    """How far a recorded value deviates from its derivation."""
    if derived is None:
        return None
    values = (np.broadcast_to(known.value, recorded.value.shape)[at] for known in (recorded, derived))
    return apart(*map(Known, map(np.atleast_1d, values))).most


def first_index(stage: Stage, mask: Array) -> tuple[int, int, int] | None:
    """Index of the first differing value, in order of computation."""
    steps = np.flatnonzero(mask.any(axis=(1, 2)))
    if not steps.size:
        return None
    t = int(steps[-1 if stage.backwards else 0])
    b, j = (int(n) for n in np.argwhere(mask[t])[0])
    return t, b, j
