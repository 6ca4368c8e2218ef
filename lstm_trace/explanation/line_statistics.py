"""The lines of a layer and direction over a trace, unit by unit, and how far its state went at each step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage
from ..engine.plan_choice import pieces
from ..trace.trace import Trace
from .half_life import Kept, kept
from .recurrence import Recurrence


class LineStatistics(NamedTuple):
    """A carried line, or the output, of a layer and direction, unit by unit: over all valid steps of the rows.

    name: of the line. Arrays are (H,): mean, mean of the sizes, the least and the largest value, the value of the
    largest size, where that is (index of the step in the trace's arrays, row), NaN where a value is not finite.
    kept: what it keeps from step to step, None where the line is no sum of (gate * before) and other terms, or a gate
    was not recorded.
    """

    name: str
    mean: Array
    size: Array
    least: Array
    most: Array
    largest: Array
    at: Array
    kept: Kept | None = None

    @property
    def range(self) -> Array:
        """From the least to the largest value, (H,)."""
        return self.most - self.least


class Moves(NamedTuple):
    """How far a carried line went at each step: arrays are (T, B) by the trace's steps and the rows of the profile.

    change: the Euclidean norm, over the units, of the value minus the one carried in; NaN at padding. typical: its
    median over all valid steps (the mean where that is zero). unit: which unit moved furthest; before, after: from
    where to where.
    """

    name: str
    change: Array
    typical: float
    unit: Array
    before: Array
    after: Array

    @property
    def times(self) -> Array:
        """The change by the typical one, (T, B)."""
        return self.change / (self.typical or 1.0)


def line_statistics(trace: Trace, stage: Stage, name: str, rows: slice, rule: Recurrence | None) -> LineStatistics:
    """What a line of `stage` is like over the valid steps of `rows`, a piece of the steps at a time.

    rule: the recurrence of a state, for what its units keep; None where there is none.
    """
    values = trace.lines[stage.scope][name]
    valid = trace.valid[:, rows, 0] != 0
    width = values.shape[-1]
    total, size, largest = np.zeros(width), np.zeros(width), np.zeros(width)
    least, most = np.full(width, np.inf), np.full(width, -np.inf)
    at = np.zeros((width, 2), int)
    first, begun = rows.start or 0, False
    for steps in pieces(trace.steps, valid.shape[1] * width):
        t, b = np.nonzero(valid[steps])
        here = np.asarray(values[steps, rows], np.float64)[t, b]
        if not len(here):
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, of a line that overflowed
            total += here.sum(axis=0)
            size += np.abs(here).sum(axis=0)
        least, most = np.minimum(least, here.min(axis=0)), np.maximum(most, here.max(axis=0))
        where = np.argmax(np.abs(here), axis=0)
        value = here[where, np.arange(width)]
        larger = (np.abs(value) > np.abs(largest)) | (not begun)
        begun = True
        largest = np.where(larger, value, largest)
        at[larger] = np.stack([t[where] + steps.start, b[where] + first], axis=1)[larger]
    count = np.float64(valid.sum())
    finite = np.isfinite(total)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, size, least, most, largest = (
            np.where(finite, array, np.nan) for array in (total / count, size / count, least, most, largest)
        )
        keeps = None if rule is None else kept(trace, stage, rule, width, rows)
        return LineStatistics(name, mean, size, least, most, largest, at, keeps)


def moves(trace: Trace, stage: Stage, name: str, rows: slice) -> Moves | None:
    """How far a carried line went at each step; None where what was carried in is not known."""
    states = [state for state, line in stage.cell.carry if stage.unpadded(line) == name]
    valid = trace.valid[:, rows, 0] != 0
    shape = valid.shape
    change, before, after = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    unit = np.zeros(shape, int)
    for steps in pieces(trace.steps, shape[1] * trace.lines[stage.scope][name].shape[-1]):
        old = trace.operand(stage.scope, states[0], steps) if states else None
        if old is None:
            return None
        t, b = np.nonzero(valid[steps])
        was = np.asarray(old[:, rows], np.float64)[t, b]
        now = np.asarray(trace.lines[stage.scope][name][steps, rows], np.float64)[t, b]
        with np.errstate(invalid="ignore", over="ignore"):
            step = now - was
            place = t + steps.start, b
            change[place] = np.sqrt((step * step).sum(axis=1))
        furthest = np.argmax(np.abs(step), axis=1)
        at = np.arange(len(t)), furthest
        unit[place], before[place], after[place] = furthest, was[at], now[at]
    finite = change[np.isfinite(change)]
    typical = float(np.median(finite)) or float(finite.mean()) if finite.size else 0.0
    return Moves(name, change, typical, unit, before, after)
