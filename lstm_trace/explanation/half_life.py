"""How long the units of a carried line keep what they hold: counted over a whole trace, for all units at once."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Operand
from ..cell.network import Stage
from ..engine.plan_choice import pieces
from ..errors import MissingError
from ..trace.trace import Trace
from .recurrence import Recurrence
from .recurrence import kept as kept_at

#: A half-life of at most so many times the longest sequence is given as a number.
FORESEEN = 10


class Kept(NamedTuple):
    """What the units of a carried line keep from step to step.

    half_life: (H,), valid steps by the number of `halvings`; infinite where nothing was ever lost, NaN where a gate was
    no finite number. mean: (H,), of the factor. forgets: (T, B), the share of units that keep less than half at a step;
    NaN at padding.
    """

    half_life: Array
    mean: Array
    forgets: Array


def halvings(kept: Array) -> Array:
    """How often each factor halves what it multiplies: -log2 of it, at least 0 and at most 1.

    At most 1, so that a unit that holds a value for eighty steps and drops it at once has a half-life of eighty,
    however little it kept then. What is counted does not depend on where a sequence begins or ends.

    >>> halvings(np.array([1.0, 0.5, -0.5, 0.25, 0.0, 2.0])).tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    return 0.0 - np.log2(np.clip(np.abs(kept), 0.5, 1.0))  # not -0 for what is kept whole


def foreseen(valid: Array) -> int:
    """The longest half-life that is given as a number: it is far more than the steps that were seen.

    valid: (T, B, 1), not 0 at the steps that are no padding.
    """
    return FORESEEN * int((valid != 0).sum(axis=0).max(initial=0))


def by_halvings(steps: float, halved: Array) -> Array:
    """The half-life of what was halved so often in so many steps; infinite where it never was, NaN of NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float64(steps) / (halved + 0.0)  # -0 would make it negative


@np.errstate(all="ignore")  # what has overflowed has no half-life
def kept(trace: Trace, stage: Stage, rule: Recurrence, width: int, rows: slice) -> Kept | None:
    """What each of `width` units keeps at the valid steps of `rows`; None where a gate was not recorded."""
    valid = trace.valid[:, rows, 0] != 0
    halved, total, forgets = np.zeros(width), np.zeros(width), np.full(valid.shape, np.nan)
    for steps in pieces(trace.steps, valid.shape[1] * width):
        try:
            keep = kept_at(trace, stage, rule, partial(_values, trace, stage, steps, rows))
        except MissingError:
            return None
        inside = valid[steps]
        keep = np.broadcast_to(keep, (*inside.shape, width))
        halved += halvings(keep).sum(axis=(0, 1))  # at padding all is kept, unless it is held there
        here = keep[inside]
        total += here.sum(axis=0)
        forgets[steps][inside] = (np.abs(here) < 0.5).mean(axis=1)
    count = np.float64(valid.sum())
    return Kept(by_halvings(count, np.where(np.isfinite(total), halved, np.nan)), total / count, forgets)


def _values(trace: Trace, stage: Stage, steps: slice, rows: slice, name: Operand) -> Array:
    """The values of an operand, (steps, rows, H) or what is broadcast to that."""
    values = trace.operand(stage.scope, name, steps)
    if values is None:
        raise MissingError(f"{stage.scope}/{name} was not recorded")
    values = np.asarray(values, np.float64)
    return values[:, rows] if values.ndim == 3 else values
