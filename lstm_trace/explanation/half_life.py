"""How long the units of a carried line keep what they hold: counted over a whole trace, for all units at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Operand
from ..cell.network import Stage
from ..errors import MissingError
from ..trace.trace import Trace
from .recurrence import Recurrence
from .recurrence import kept as kept_at

#: So many values are worked on at a time.
PIECE = 1 << 20


class Kept(NamedTuple):
    """What the units of a carried line keep from step to step.

    half_life: (H,), valid steps for each time that what a unit holds has come down to a half or less; infinite where it
    never has, NaN where a gate was no finite number. mean: (H,), of the factor. forgets: (T, B), the share of units
    that keep less than half at a step; NaN at padding.
    """

    half_life: Array
    mean: Array
    forgets: Array


@np.errstate(all="ignore")  # what has overflowed has no half-life
def kept(trace: Trace, stage: Stage, rule: Recurrence, width: int, rows: slice) -> Kept | None:
    """What each of `width` units keeps at the valid steps of `rows`; None where a gate was not recorded.

    Where half is gone the count begins anew: a unit that holds a value for eighty steps and drops it at once has a
    half-life of eighty, however little it kept then.
    """
    valid = trace.valid[:, rows, 0] != 0
    shape = valid.shape[1], width
    left, halved, total, forgets = np.ones(shape), np.zeros(shape), np.zeros(shape), np.full(valid.shape, np.nan)
    for steps in pieces(trace.steps, shape[0] * width, stage.backwards):
        try:
            keep = kept_at(trace, stage, rule, partial(_values, trace, stage, steps, rows))
        except MissingError:
            return None
        keep = np.broadcast_to(keep, (steps.stop - steps.start, *shape))
        for t in range(steps.start, steps.stop)[:: -1 if stage.backwards else 1]:
            inside, here = valid[t], keep[t - steps.start]
            left *= here  # at padding all is kept, unless it is held there
            total[inside] += here[inside]
            forgets[t, inside] = (np.abs(here[inside]) < 0.5).mean(axis=1)
            gone = np.abs(left) <= 0.5
            halved += gone
            left[gone] = 1.0
    count = np.float64(valid.sum())
    times = np.where(np.isfinite(total).all(axis=0), halved.sum(axis=0), np.nan)
    return Kept(count / times, total.sum(axis=0) / count, forgets)


def _values(trace: Trace, stage: Stage, steps: slice, rows: slice, name: Operand) -> Array:
    """The values of an operand, (steps, rows, H) or what is broadcast to that."""
    values = trace.operand(stage.scope, name, steps)
    if values is None:
        raise MissingError(f"{stage.scope}/{name} was not recorded")
    values = np.asarray(values, np.float64)
    return values[:, rows] if values.ndim == 3 else values


def pieces(steps: int, width: int, backwards: bool = False) -> Iterator[slice]:
    """All steps in slices of about PIECE values, of which each step has `width`; the last steps first if `backwards`.

    >>> list(pieces(5, PIECE // 2)), list(pieces(5, PIECE // 3, backwards=True))
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(3, 5, None), slice(0, 3, None)])
    """
    size = max(PIECE // max(width, 1), 1)
    found = [slice(at, min(at + size, steps)) for at in range(0, steps, size)]
    yield from reversed(found) if backwards else found
