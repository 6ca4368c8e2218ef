"""Whether our result and a framework's differ by more than rounding explains, as ARCHITECTURE.md measures it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, Any]
FACTOR = 8  # what one legitimate way of rounding may be off, in what another one was
AMPLIFIED = 64  # the same where errors grow from step to step, or where their scale comes from another dtype
GROWN = 128  # ulp of 1: errors beyond are amplified ones
LIMIT = 1e-3  # where float32 is off by more than that, rounding has grown too large to tell it from a fault
WINDOW = 16  # steps on each side over which the scale of rounding is taken, since it is near zero here and there
COARSE = 0.25  # of the size of the values: a bound above it tells nothing from a fault
HALF = 2.0**-10  # ulp of 1 in float16
SINGLE = float(np.finfo(np.float32).eps)


class Agreement(NamedTuple):
    """Whether they agree (None where it cannot be told), and the sentence that says so."""

    agrees: bool | None
    sentence: str


def compared(
    ours: Arrays,
    single: Arrays,
    double: Arrays,
    theirs: Arrays,
    what: str,
    ulp: float,
    stepwise: Collection[str] = (),
    rounded: Collection[Arrays] = (),
) -> Agreement:
    """Compare arrays by name, ours with a framework's.

    ours: our result in the dtype of the trace; single and double: the same run in float32 and in float64. ulp: of 1,
    in the framework's dtype. stepwise: names of arrays (T, …). Over a sequence no bound is known before the run: errors
    grow with the weights. So the scale of what rounding does is measured at each step, as the difference of float32
    from float64, and brought to that ulp. The framework may be off by 8 times that from the float64 run, plus 8 ulp of
    1, or of the largest value where that is more (64 times where errors are amplified, or the framework's dtype is not
    float32); and where both are float32, we by as many times what it is off. A wrong reading of the weights is off by
    far more, from the first steps on. Where rounding has grown above 1e-3 in float32, or float16 has overflowed,
    nothing is said.

    rounded: float64 runs of numbers that are off by a rounding in the framework's dtype: another measure of that scale.
    The larger one counts; of half types this one alone, and nothing is said where it allows differences above 1/4.
    """
    half = ulp > SINGLE
    if ulp == HALF and not all(np.isfinite(values).all() for values in theirs.values()):
        return Agreement(None, f"agreement with {what} is inconclusive: float16 has overflowed")
    found = {
        name: measured(
            ours[name], single[name], double[name], values, [run[name] for run in rounded], ulp, name in stepwise
        )
        for name, values in theirs.items()
    }
    for name, measure in found.items():
        if wrong := _fault(name, measure, ulp, name in stepwise):
            return Agreement(False, f"does NOT agree with {what}: {wrong}")
    allowed = max((m.bound[m.clear].max(initial=0.0) for m in found.values()), default=0.0)
    if not allowed:
        least = "1/4" if half else "1e-3"
        return Agreement(
            None, f"agreement with {what} is inconclusive: rounding alone makes a difference above {least}"
        )
    most = max(m.apart[m.clear].max(initial=0.0) for m in found.values())
    said = f"agrees with {what}: {_and(list(theirs))} differ by at most {most:.1e}, rounding explains {allowed:.1e}"
    clear = [m.clear for name, m in found.items() if name in stepwise]
    steps, told = sum(c.size for c in clear), sum(int(c.sum()) for c in clear)
    if told < steps:
        said += f"; at {steps - told} of {steps} steps rounding errors are too large to decide"
    return Agreement(True, said)


class Measure(NamedTuple):
    """How far the arrays of one name are apart, and what rounding explains, at each step (T,), or (1,)."""

    off: Any  # the framework's, from the float64 run
    bound: Any  # what it may be off
    own: Any  # ours, from the float64 run
    own_bound: Any
    apart: Any  # ours from the framework's
    clear: Any  # whether the bound tells rounding from a fault


@np.errstate(over="ignore", invalid="ignore")
def measured(
    ours: Any, single: Any, double: Any, theirs: Any, rounded: Sequence[Any], ulp: float, timed: bool
) -> Measure:
    """See `compared`."""
    scale = _scale(single, double, timed)
    seen = np.max([_scale(run, double, timed) for run in rounded], axis=0) if rounded else 0 * scale
    size = np.maximum(1.0, _spread(_sizes(double, timed)))
    floor = FACTOR * ulp * size
    factor = np.where((scale <= GROWN * SINGLE) & (ulp == SINGLE), FACTOR, AMPLIFIED)
    of_single = 0.0 if ulp > SINGLE and rounded else factor * scale * ulp / SINGLE
    bound = np.maximum(of_single, FACTOR * seen) + floor
    off = _peaks(theirs, double, timed)
    return Measure(
        off=off,
        bound=bound,
        own=_scale(ours, double, timed),
        own_bound=factor * np.maximum(_spread(off), seen) + floor,
        apart=_peaks(theirs, ours, timed),
        clear=(scale <= LIMIT) & (bound <= COARSE * size),
    )


def _fault(name: str, m: Measure, ulp: float, timed: bool) -> str:
    """What rounding does not explain, at the first step where it does not; empty where it explains all."""
    bad = m.clear & ~(m.off <= m.bound)
    if bad.any():
        at = int(np.argmax(bad))
        return f"{name} is off by {m.off[at]:.1e}{_place(at, timed)}, rounding explains {m.bound[at]:.1e}"
    bad = m.clear & ~(m.own <= m.own_bound)
    if ulp == SINGLE and bad.any():  # rounding of ours that is worse than theirs is a fault of ours
        at = int(np.argmax(bad))
        return f"the trace's {name} is off by {m.own[at]:.1e}{_place(at, timed)}, its own by {m.off[at]:.1e} only"
    return ""


def _place(at: int, stepwise: bool) -> str:
    return f" at t = {at}" if stepwise else ""


def _sizes(values: Any, stepwise: bool) -> Any:
    """The largest finite value at each step, (T,) or (1,)."""
    return _peaks(np.where(np.isfinite(values), values, 0.0), np.zeros(np.shape(values)), stepwise)


def _scale(a: Any, b: Any, stepwise: bool) -> Any:
    """The largest difference at each step, of the steps around it; of the whole array where it has no steps."""
    return _spread(_peaks(a, b, stepwise))


def _peaks(a: Any, b: Any, stepwise: bool) -> Any:
    """The largest difference at each step (T,), or (1,); infinite where only one of two values is a number."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.where(same, 0.0, np.abs(first - second)), nan=np.inf, posinf=np.inf)
    return apart.reshape(len(apart) if stepwise else 1, -1).max(axis=1, initial=0.0)


def _spread(values: Any) -> Any:
    """The largest of the values around each."""
    padded = np.pad(values, WINDOW, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * WINDOW + 1).max(axis=1)


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
