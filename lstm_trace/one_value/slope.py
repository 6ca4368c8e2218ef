"""How fast a value of a trace changes with one number: its gradient, by the adjoint of the value's row alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backpropagation.gradients import forward, walked, weighting
from ..backpropagation.target import loss_of
from ..backpropagation.target import target as read
from ..base.arrays import word
from ..formulas.tree import Num
from ..trace.derived import one_row
from ..trace.trace import Trace
from .places import Place, readers_of_x
from .printing import Writing


@dataclass(frozen=True)
class Slope:
    """How fast the number at the address `of` changes with another one."""

    of: str
    value: float
    shown: str

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"of": self.of, "value": word(self.value), "shown": self.shown}


def slope(writing: Writing, place: Place, of: str) -> Slope:
    """The gradient of the value `of` with respect to a number; 0 where it does not depend on it. Raises as `backward`.

    Only the row of that value is walked back: no other one matters.
    """
    trace = forward(writing.trace)
    weights = weighting(trace, of=of)
    target, row = of, place.b  # a loss depends on every row
    if loss_of(trace, of) is None:
        value = read(trace, of)
        target, row = str(value), value.b
        trace = one_row(trace, row)
        weights = {s: {n: v[:, row : row + 1] for n, v in here.items()} for s, here in weights.items()}
    back = walked(trace, weights, record=True)
    found = 0.0
    if place.b in (None, row):
        b = place.b if place.b is None or trace.batch > 1 else 0
        found = sum(_parts(back, place._replace(b=b)))
    dtype = np.dtype(trace.header.dtype).type
    shown = Num(writing.values.style.show(dtype(found)), dtype(found))
    return Slope(target, float(found), writing.shown(shown))


def _parts(back: Trace, place: Place) -> Iterable[float]:
    """What the adjoint stages found for a number; for an x what each stage that reads it found."""
    read: dict[str, set[str]] = {place.scope: {place.name}} if place.scope else {}
    for stage, name in () if place.scope else readers_of_x(back):
        read.setdefault(stage.scope, set()).add(name)
    for stage in back.stages:
        if not stage.is_adjoint:
            continue
        made = [new for new, name in stage.cell.gradient if name in read.get(stage.owner, ())]
        if place.t is None:
            yield from (float(back.sums[stage.scope][new][place.unit]) for new in made)
            continue
        at = back.index(place.t)
        for new in [new for new in made if new in stage.cell.by_name][:1]:  # a state has but what the next step brings
            yield float(back.lines[stage.scope][new][at, place.b, place.unit[0]])
