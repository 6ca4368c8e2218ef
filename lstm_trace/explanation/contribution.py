"""What inputs, steps and states brought to a value against a baseline; three ways, so that people can compare them.

The secant split is exact. Gradient x input and integrated gradients are the measures in common use: the first does
not add up to anything, the second adds up as well as its path is sampled (the gap is given).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..backward.attribution import Split, difference, split
from ..backward.gradients import Value, Weightings, add_value, forward, one_value, walked
from ..backward.premises import Premise, premises
from ..base.arrays import Array, describe
from ..engine.rerun import Premises, rerun
from ..errors import OptionError
from ..trace.operands import one_row, total
from ..trace.trace import Trace

#: A trace; or a change of the traced input: all inputs 0, all initial states 0, or another row of the batch.
Baseline = Trace | Literal["zero-input", "zero-state"] | int

#: Values of a path that are traced at once, all lines and steps counted: some hundred megabytes.
AT_ONCE = 1 << 24
#: Premises that a path leads through, and the axis of their rows.
_AXIS = {"input": 1, "state": 0, "given": 1}
#: By address the premise and the gradient of the value, of one row.
Gradients = Mapping[str, tuple[Premise, Array]]


def baseline_of(trace: Trace, baseline: Baseline, of: str) -> tuple[Trace, int]:
    """The baseline as a trace, and the row of its batch that stands against the row of the value at `of`.

    Raises OptionError for a baseline that there is not, MissingError for a premise that the trace does not have.
    """
    trace, b = forward(trace), one_value(trace, of).b
    if isinstance(baseline, Trace):
        return baseline, b if baseline.batch > 1 else 0
    if baseline == "zero-input":
        if trace.x is None:
            raise OptionError("baseline zero-input: no line of the trace reads an input; choose zero-state or a trace")
        return rerun(one_row(trace, b), x=np.zeros_like(trace.x[:, b : b + 1])), 0
    if baseline == "zero-state":
        states = one_row(trace, b).initial
        return rerun(one_row(trace, b), initial=_zeros(states)), 0
    if isinstance(baseline, int) and not isinstance(baseline, bool) and 0 <= baseline < trace.batch:
        return trace, baseline
    raise OptionError(
        f"there is no baseline {baseline!r}; expected zero-input, zero-state, a batch element "
        f"(0 to {trace.batch - 1}), or a trace"
    )


def contribution(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Split:
    """The value at `of` minus its value in the baseline, split exactly over all premises that differ."""
    base, b = baseline_of(trace, baseline, of)
    return split(base, trace, of, b)


@dataclass(frozen=True)
class Shares:
    """Shares of inputs, initial states and supplied lines by address, shaped as in `Split`.

    gap: value minus baseline value minus the sum of the shares.
    """

    of: Value
    value: float
    baseline: float
    parts: dict[str, Array]

    @property
    def gap(self) -> float:
        """What the shares leave of value minus baseline value."""
        return self.value - self.baseline - total(self.parts.values())


@np.errstate(all="ignore")  # a value that has overflowed has shares that are NaN
def gradient_times_input(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Shares:
    """The gradient of the value at the input itself, times input minus baseline input."""
    place, one, base = _pair(trace, of, baseline)
    return Shares(place, place.read(one), place.read(base), _parts(one, base, _gradient(one, place)))


@np.errstate(all="ignore")
def integrated_gradients(trace: Trace, of: str, baseline: Baseline = "zero-input", points: int = 50) -> Shares:
    """The mean gradient along the straight path from the baseline's premises, times their difference.

    Sundararajan, Taly & Yan 2017; `points` of the Gauss-Legendre rule, each traced anew, as rows of one batch.
    Raises OptionError where the baseline has other parameters or padding: a path leads through inputs and states.
    """
    place, one, base = _pair(trace, of, baseline)
    for scope, here in one.parameters.items():
        for name, value in here.items():
            if not np.array_equal(value, base.parameters[scope][name]):
                raise OptionError(f"integrated gradients need equal parameters; {scope}/{name} differs in the baseline")
    if bool(one.padded) != bool(base.padded) or not np.array_equal(one.valid, base.valid):
        raise OptionError("integrated gradients need equal lengths, or equal masks, in trace and baseline")
    check_points(points)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    nodes, weights = (nodes + 1) / 2, weights / 2
    total = sum(values.shape[2] for here in one.lines.values() for values in here.values())
    size = max(AT_ONCE // max(one.steps * total, 1), 1)
    means: list[Gradients] = []
    for begin in range(0, points, size):
        at, weight = nodes[begin : begin + size], weights[begin : begin + size]
        means.append(_gradient(_along(one, base, at), place, weight))
    mean = {name: (premise, sum(m[name][1] for m in means)) for name, (premise, _) in means[0].items()}
    return Shares(place, place.read(one), place.read(base), _parts(one, base, mean))


def check_points(points: int) -> None:
    """Raise OptionError for what is no number of points."""
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise OptionError(f"points must be at least 1, a whole number; found {describe(points)}")


def _pair(trace: Trace, of: str, baseline: Baseline) -> tuple[Value, Trace, Trace]:
    """The value as row 0, its row of the trace alone, and the baseline's row alone."""
    place = one_value(trace, of)
    base, b = baseline_of(trace, baseline, of)
    return place._replace(b=0), one_row(forward(trace), place.b), one_row(forward(base), b)


def _gradient(trace: Trace, place: Value, weights: Array | float = 1.0) -> Gradients:
    """Weighted over the rows of the batch, which are added up."""
    seeds: Weightings = {}
    add_value(trace, seeds, place, weights)
    found = [p for p in premises(walked(trace, seeds, record=False)) if p.kind in _AXIS]
    return {p.place: (p, p.gradient.sum(axis=_AXIS[p.kind], keepdims=True)) for p in found}


def _along(one: Trace, base: Trace, at: Array) -> Trace:
    """A trace whose rows have the premises of the points `at` (0: baseline, 1: trace) of the straight path."""

    def mixed(a: Array, b: Array, axis: int) -> Array:
        shape = [1] * a.ndim
        shape[axis] = -1
        return b + at.reshape(shape) * (a - b)

    def part(a: Premises, b: Premises, axis: int) -> dict[str, dict[str, Array]]:
        return {scope: {n: mixed(v, b[scope][n], axis) for n, v in here.items()} for scope, here in a.items()}

    return rerun(
        one,
        x=None if one.x is None else mixed(one.x, base.x, 1),
        initial=part(one.initial, base.initial, 0),
        given=part(one.given, base.given, 1),
        lengths=None if one.lengths is None else np.repeat(one.lengths, len(at)),
        mask=None if one.mask is None else np.repeat(one.mask, len(at), axis=1),
    )


def _parts(one: Trace, base: Trace, found: Gradients) -> dict[str, Array]:
    """Gradient times difference for inputs, initial states and supplied lines."""
    parts = {}
    for premise, gradient in found.values():
        a, b = premise.value(one), premise.value(base)
        parts[premise.place] = np.where(a == b, 0.0, gradient * difference(a, b))
    return parts


def _zeros(arrays: Premises) -> dict[str, dict[str, Array]]:
    return {scope: {name: np.zeros_like(value) for name, value in here.items()} for scope, here in arrays.items()}
