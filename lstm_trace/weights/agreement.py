"""Whether our result and a framework's differ by more than rounding explains, as design.md measures it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    most = allowed = 0.0
    told = steps = 0
    wrong = ""
    half = ulp > SINGLE
    if ulp == HALF and not all(np.isfinite(values).all() for values in theirs.values()):
        return Agreement(None, f"cannot tell whether it agrees with {what}: float16 has overflowed")
    for name, values in theirs.items():
        timed = name in stepwise
        scale = _scale(single[name], double[name], timed)
        seen = np.max([_scale(run[name], double[name], timed) for run in rounded], axis=0) if rounded else 0 * scale
        size = np.maximum(1.0, _spread(_sizes(double[name], timed)))
        floor = FACTOR * ulp * size
        off = _peaks(values, double[name], timed)
        factor = np.where((scale <= GROWN * SINGLE) & (ulp == SINGLE), FACTOR, AMPLIFIED)
        bound = (
            FACTOR * seen if half and rounded else np.maximum(factor * scale * ulp / SINGLE, FACTOR * seen)
        ) + floor
        clear = (scale <= LIMIT) & (bound <= COARSE * size)
        bad = clear & ~(off <= bound)
        if bad.any() and not wrong:
            at = int(np.argmax(bad))
            wrong = f"{name} is off by {off[at]:.1e}{_place(at, timed)}, rounding explains {bound[at]:.1e}"
        elif ulp == SINGLE and not wrong:  # rounding of ours that is worse than theirs is a fault of ours
            own = _scale(ours[name], double[name], timed)
            most_own = factor * np.maximum(_spread(off), seen) + floor
            bad = clear & ~(own <= most_own)
            if bad.any():
                at = int(np.argmax(bad))
                wrong = f"the trace's {name} is off by {own[at]:.1e}{_place(at, timed)}, its own by {off[at]:.1e} only"
        if timed:
            told, steps = told + int(clear.sum()), steps + clear.size
        apart = _peaks(values, ours[name], timed)[clear]
        most = max(most, float(apart.max(initial=0.0)))
        allowed = max(allowed, float(bound[clear].max(initial=0.0)))
    if wrong:
        return Agreement(False, f"does NOT agree with {what}: {wrong}")
    if not allowed:
        least = "1/4" if half else "1e-3"
        return Agreement(
            None, f"cannot tell whether it agrees with {what}: rounding alone makes a difference above {least}"
        )
    said = f"agrees with {what}: {_and(list(theirs))} differ by at most {most:.1e}, rounding explains {allowed:.1e}"
    if told < steps:
        said += f"; at {steps - told} of {steps} steps the errors of rounding have grown too large to tell"
    return Agreement(True, said)


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
