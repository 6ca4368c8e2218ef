"""Contributions of inputs, steps and states to a value relative to a baseline; three measures, for comparison.

The secant split is exact. Gradient x input and integrated gradients are the common measures: the first has no
meaningful sum, the second adds up as well as its path is sampled (the gap is reported).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..backpropagation.attribution import Split, compared_rows, difference, split
from ..backpropagation.gradients import Premise, forward, premises, walked
from ..backpropagation.target import Target, Weightings, target
from ..base.arrays import Array, describe
from ..engine import plan_choice
from ..engine.run import Premises, rerun, run_seconds
from ..errors import OptionError
from ..trace.derived import one_row, total
from ..trace.trace import Trace

#: A trace; or a change to the traced input: all inputs 0, all initial states 0, or another sequence of the batch.
Baseline = Trace | Literal["zero-input", "zero-state"] | int

#: Default number of points on a path: this many, or as many as take EXTRA_SECONDS. It is doubled while the points
#: leave more than COMPLETE of the difference: if a gate saturates on the path, 50 may leave 6 %, and 400 a millionth.
#: For more than 400, numpy takes longer to find the points (1 s for 800) than most runs.
POINTS, MOST_POINTS, COMPLETE = 50, 400, 0.01
#: Premises that vary along a path.
PATH = ("input", "state", "given")
#: By address, the premise and the gradient of the value with respect to it, for one sequence.
Gradients = Mapping[str, tuple[Premise, Array]]


def baseline_of(trace: Trace, baseline: Baseline, of: str) -> tuple[Trace, int]:
    """The baseline as a trace, and the sequence in it that corresponds to the sequence of the value at `of`.

    Raises OptionError for an unknown baseline, MissingError for a premise that the trace does not have.
    """
    trace, b = forward(trace), target(trace, of).b
    if isinstance(baseline, Trace):
        return baseline, b if baseline.batch > 1 else 0
    if baseline == "zero-input":
        if trace.x is None:
            raise OptionError("baseline zero-input: no line of the trace reads an input; choose zero-state or a trace")
        return rerun(one_row(trace, b), x=np.zeros_like(trace.x[:, b : b + 1])), 0
    if baseline == "zero-state":
        one = one_row(trace, b)
        zeros = {at: {name: np.zeros_like(value) for name, value in here.items()} for at, here in one.initial.items()}
        return rerun(one, initial=zeros), 0
    if isinstance(baseline, int) and not isinstance(baseline, bool) and 0 <= baseline < trace.batch:
        return trace, baseline
    known = f"zero-input, zero-state, a batch element (0 to {trace.batch - 1}), or a trace"
    raise OptionError(f"there is no baseline {baseline!r}; expected {known}")


def contribution(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Split:
    """The value at `of` minus its value in the baseline, split exactly over all premises that differ."""
    base, b = baseline_of(trace, baseline, of)
    return split(base, trace, of, b)


@dataclass(frozen=True)
class Shares:
    """Shares of inputs, initial states and supplied lines by address, shaped as in `Split`.

    gap: value minus baseline value minus the sum of the shares. points: number of points on the path, 0 without one.
    """

    of: Target
    value: float
    baseline: float
    parts: dict[str, Array]
    points: int = 0

    @property
    def gap(self) -> float:
        """The part of value minus baseline value that the shares do not explain."""
        return self.value - self.baseline - total(self.parts.values())

    @property
    def incomplete(self) -> bool:
        """Whether the gap exceeds `COMPLETE` of the difference, and the effect of rounding."""
        size = sum(float(np.abs(part).sum() * np.finfo(part.dtype).eps) for part in self.parts.values())
        return abs(self.gap) > max(COMPLETE * abs(self.value - self.baseline), 64 * size)


@dataclass(frozen=True)
class BaselinePair:
    """A value in its own sequence of a trace, and the baseline of that sequence, reduced to its premises."""

    of: Target
    one: Trace
    base: Trace
    value: float
    baseline: float

    @classmethod
    def of_traces(cls, trace: Trace, base: Trace, row: int, of: str) -> BaselinePair:
        """row: the sequence of the baseline."""
        place, other, one = compared_rows(base, trace, of, row)
        return cls(place, one, replace(other, lines={}), place.read(one), place.read(other))

    @np.errstate(all="ignore")  # if a value has overflowed, its shares are NaN
    def gradient_times_input(self) -> Shares:
        """See `gradient_times_input`."""
        return self._shares(_gradient(self.one, self.of))

    @np.errstate(all="ignore")
    def integrated_gradients(self, points: int) -> Shares:
        """See `integrated_gradients`."""
        one, base = self.one, self.base
        for scope, name, value in ((s, n, v) for s, here in one.parameters.items() for n, v in here.items()):
            if not np.array_equal(value, base.parameters[scope][name]):
                raise OptionError(f"integrated gradients need equal parameters; {scope}/{name} differs in the baseline")
        if bool(one.padded) != bool(base.padded) or not np.array_equal(one.valid, base.valid):
            raise OptionError("integrated gradients need equal lengths, or equal masks, in trace and baseline")
        check_points(points)
        nodes, weights = np.polynomial.legendre.leggauss(points)
        nodes, weights = (nodes + 1) / 2, weights / 2
        size = plan_choice.at_once(sum(values.nbytes for _, _, values in one.recorded()))
        some = [slice(begin, begin + size) for begin in range(0, points, size)]
        parts = [_gradient(_along(one, base, nodes[at]), self.of, weights[at]) for at in some]
        found = {place: (p, sum(part[place][1] for part in parts)) for place, (p, _) in parts[0].items()}
        return self._shares(found, points)

    def integrated_until_complete(self) -> Shares:
        """With enough points to leave less than `COMPLETE` of the difference, within EXTRA_SECONDS for all of them."""
        afforded = plan_choice.EXTRA_SECONDS / (2 * run_seconds(self.one))  # a run and its backward pass
        points = spent = min(POINTS, max(int(afforded), 1))
        found = self.integrated_gradients(points)
        while found.incomplete and points < MOST_POINTS and spent + 2 * points <= afforded:
            points *= 2
            spent += points
            found = self.integrated_gradients(points)
        return found

    def _shares(self, slopes: Gradients, points: int = 0) -> Shares:
        parts = {}
        for premise, gradient in slopes.values():  # times difference, for inputs, initial states and supplied lines
            a, b = premise.value(self.one), premise.value(self.base)
            parts[premise.place] = np.where(a == b, 0.0, gradient * difference(a, b))
        return Shares(self.of, self.value, self.baseline, parts, points)


def gradient_times_input(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Shares:
    """The gradient of the value at the actual input, times input minus baseline input."""
    return BaselinePair.of_traces(trace, *baseline_of(trace, baseline, of), of).gradient_times_input()


def integrated_gradients(trace: Trace, of: str, baseline: Baseline = "zero-input", points: int = POINTS) -> Shares:
    """The mean gradient along the straight path from the baseline's premises, times their difference.

    Sundararajan, Taly & Yan 2017; with `points` nodes of the Gauss-Legendre rule, each a new run, all in one batch.
    Raises OptionError if the baseline has other parameters or padding: a path varies only inputs and states.
    """
    return BaselinePair.of_traces(trace, *baseline_of(trace, baseline, of), of).integrated_gradients(points)


def check_points(points: int) -> None:
    """Raise OptionError for an invalid number of points."""
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise OptionError(f"points must be at least 1, a whole number; found {describe(points)}")


def _gradient(trace: Trace, place: Target, weights: Array | None = None) -> Gradients:
    """The gradient, weighted and summed over the sequences of the batch."""
    seeds: Weightings = {}
    place.weigh(trace, seeds, weights)
    found = [p for p in premises(walked(trace, seeds, record=False)) if p.kind in PATH]
    return {p.place: (p, p.gradient.sum(axis=-2, keepdims=True)) for p in found}  # over the sequences


def _along(one: Trace, base: Trace, at: Array) -> Trace:
    """A trace whose sequences have the premises of the points `at` (0: baseline, 1: trace) of the straight path."""

    def mixed(a: Array, b: Array) -> Array:
        return b + at[:, None] * (a - b)  # the batch axis is the last but one

    def part(a: Premises, b: Premises) -> dict[str, dict[str, Array]]:
        return {scope: {n: mixed(v, b[scope][n]) for n, v in here.items()} for scope, here in a.items()}

    return rerun(
        one, x=None if one.x is None else mixed(one.x, base.x), initial=part(one.initial, base.initial),
        given=part(one.given, base.given), lengths=None if one.lengths is None else np.repeat(one.lengths, len(at)),
        mask=None if one.mask is None else np.repeat(one.mask, len(at), axis=1),
    )  # fmt: skip
