"""Whether one number is right: derived again from its recorded operands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ..base.arrays import Array, word
from ..trace.trace import Trace
from ..verification.rounding import beyond, check_sums, derive_one
from .places import Place


@dataclass(frozen=True)
class Verified:
    """A number derived again from its recorded operands.

    verdict: `verified`, `failed`, `inconclusive` (an operand was not recorded, or a value overflowed) or `premise`.
    bound: how far rounding may set the two apart (docs/verify.md).
    """

    verdict: Literal["verified", "failed", "inconclusive", "premise"]
    found: float
    rederived: float | None = None
    bound: float | None = None

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {name: word(found) for name, found in asdict(self).items()}


def verified(trace: Trace, place: Place) -> Verified:
    """The number derived again from its recorded operands, and whether rounding explains how far the two are apart."""
    stage, line = place.stage(trace), place.line(trace)
    recorded: Array = place.array(trace)[place.unit]
    found = float(recorded)
    if stage is not None and place.kind(trace) == "sum":
        sums = [gathered for gathered in stage.cell.sums if gathered.name == place.name]
        try:
            gathered = check_sums(trace, stage, sums)[place.name][2]
        except (KeyError, TypeError):  # a term was not recorded
            return Verified("inconclusive", found)
        again: tuple[Array, Array] | None = gathered.value[place.unit], np.asarray(gathered.limit)[place.unit]
    elif line is None or stage is None or place.t is None or place.b is None:
        return Verified("premise", found)
    else:
        again = derive_one(trace, stage, line, place.t, place.b, place.unit[0])
    if again is None:
        return Verified("inconclusive", found)
    wrong, unsure = beyond(np.asarray(recorded), *map(np.asarray, again))
    verdict: Any = "failed" if wrong else "inconclusive" if unsure else "verified"
    return Verified(verdict, found, float(again[0]), float(again[1]))
