"""Whether our result and a framework's differ by more than rounding explains, as design.md measures it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, Any]
FACTOR = 8  # what one legitimate way of rounding may be off, in what another one was


class Agreement(NamedTuple):
    """The largest difference over all arrays, what rounding explains, and the sentence that says so."""

    difference: float
    allowed: float
    agrees: bool
    sentence: str


def compared(ours: Arrays, single: Arrays, double: Arrays, theirs: Arrays, what: str, ulp: float) -> Agreement:
    """Compare arrays by name, ours with a framework's.

    ours: our result in the dtype of the trace; single and double: the same run in float32 and in float64. ulp: of 1,
    in the framework's dtype. Over a sequence no bound is known before the run: errors grow with the weights. So the
    scale of what rounding does here is measured, as the difference of float32 from float64, and brought to that ulp.
    The framework may be off by 8 times that from the float64 run, plus 8 ulp of 1; and where both are float32, we by
    8 times what it is off. A wrong reading of the weights is off by far more.
    """
    difference, allowed, wrong = 0.0, 0.0, ""
    single_ulp = float(np.finfo(np.float32).eps)
    for name, values in theirs.items():
        their = np.asarray(values)
        scale = _most(single[name], double[name]) * ulp / single_ulp
        off = _most(their, double[name])
        bound = FACTOR * (scale + ulp)
        difference, allowed = max(difference, _most(their, ours[name])), max(allowed, bound)
        turned = FACTOR * (off + ulp)
        exceeded = not off <= bound or (ulp == single_ulp and not scale <= turned)
        if exceeded and not wrong:
            wrong = f"{name} is off by {off:.1e}, rounding explains {bound:.1e}"
    if wrong:
        return Agreement(difference, allowed, False, f"does NOT agree with {what}: {wrong}")
    names = " and ".join(theirs)
    sentence = f"agrees with {what}: {names} differ by at most {difference:.1e}, rounding explains {allowed:.1e}"
    return Agreement(difference, allowed, True, sentence)


def _most(a: Any, b: Any) -> float:
    """The largest difference; infinite where one has a value that is no number and the other has not."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        return float("inf")
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(first - second))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
