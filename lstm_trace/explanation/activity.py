"""The activity of units over a whole trace: saturation, half-life, statistics. All are of the finite values.

Saturation as in Karpathy, Johnson & Fei-Fei 2015: an activation is left-saturated below `low` and right-saturated
above `high`; tanh, which ranges from -1 to 1, is first rescaled to the range from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import Stage, layer_and_direction
from ..engine.plan_choice import pieces
from ..errors import MissingError, OptionError
from ..trace.held import plain
from ..trace.trace import Trace
from .memory import Recurrence, kept as kept_at, recurrences, values_of

#: A half-life is given as a number up to this multiple of the longest sequence.
FORESEEN = 10


class Kept(NamedTuple):
    """What the units of a carried line keep from step to step.

    half_life: (H,), valid steps divided by the number of `halvings`; infinite if nothing was ever lost, NaN if a gate
    was never finite. mean: (H,), mean of the factor. forgets: (T, B), the fraction of units that keep less than half at
    a step; NaN at padding.
    """

    half_life: Array
    mean: Array
    forgets: Array


def halvings(kept: Array) -> Array:
    """How often each factor halves the value that it multiplies: -log2 of it, at least 0 and at most 1.

    At most 1, so that a unit that holds a value for eighty steps and drops it at once has a half-life of eighty,
    however little it kept then. The count does not depend on where a sequence begins or ends.

    >>> halvings(np.array([1.0, 0.5, -0.5, 0.25, 0.0, 2.0])).tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    return 0.0 - np.log2(np.clip(np.abs(kept), 0.5, 1.0))  # not -0 if everything is kept


def foreseen(valid: Array) -> int:
    """The longest half-life that is given as a number: far longer than the observed sequences.

    valid: (T, B, 1), nonzero at the steps that are not padding.
    """
    return FORESEEN * int((valid != 0).sum(axis=0).max(initial=0))


def by_halvings(steps: float | Array, halved: Array) -> Array:
    """The half-life for this many halvings in this many steps; infinite if there were none, NaN for NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(steps, np.float64) / (halved + 0.0)  # -0 would make it negative


@np.errstate(all="ignore")  # 0 / 0: nothing is finite
def kept(trace: Trace, stage: Stage, rule: Recurrence, width: int, rows: slice) -> Kept | None:
    """What each of `width` units keeps at the valid steps of `rows`; None if a gate was not recorded."""
    valid = trace.valid[:, rows, 0] != 0
    (halved, total, count), forgets = np.zeros((3, width)), np.full(valid.shape, np.nan)
    for steps in pieces(trace.steps, valid.shape[1] * width):
        try:
            keep = kept_at(trace, stage, rule, partial(values_of, trace, stage, steps, rows))
        except MissingError:
            return None
        keep = np.broadcast_to(keep, (*valid[steps].shape, width))
        finite = np.isfinite(keep)
        # at padding everything is kept, unless it is held there
        halved += halvings(np.where(finite, keep, 1.0)).sum(axis=(0, 1))
        inside = finite & valid[steps][..., None]
        total += np.where(inside, keep, 0.0).sum(axis=(0, 1))
        count += inside.sum(axis=(0, 1))
        forgets[steps] = (inside & (np.abs(keep) < 0.5)).sum(axis=2) / inside.sum(axis=2)
    return Kept(by_halvings(count, halved), total / count, forgets)


@np.errstate(all="ignore")
def kept_by_step(trace: Trace, stage: Stage, rule: Recurrence, b: int, units: list[int]) -> Array:
    """The size of the share that some units keep at each step of sequence `b`, (T, units); 1 if they held nothing."""
    found = []
    for steps in pieces(trace.steps, trace.lines[stage.scope][rule.carried].shape[-1]):
        read = partial(values_of, trace, stage, steps, slice(b, b + 1))
        keep = np.where(read(rule.state) == 0, 1.0, np.abs(kept_at(trace, stage, rule, read)))
        found.append(keep[:, 0, units])
    return np.concatenate(found)


LOW, HIGH = 0.1, 0.9


class Activity(NamedTuple):
    """One unit of one squashing line over all valid steps and sequences.

    left, right: fractions of values below `low` and above `high`. state: `shut` (never above low), `open` (never below
    high) or empty. half_life: for a gate that multiplies a carried state, the number of steps in which it halves the
    held value (`halvings`); None for other lines. values: how many were finite; if none was, the numbers are NaN.
    """

    scope: str
    line: str
    unit: int
    mean: float
    least: float
    most: float
    left: float
    right: float
    state: str
    half_life: float | None
    values: int

    @property
    def row(self) -> tuple[Any, ...]:
        """The activity as a row of a table with the columns `COLUMNS`."""
        return *layer_and_direction(self.scope), *self[1:-1]


#: Columns of the table of all activities.
COLUMNS = ("layer", "direction", *Activity._fields[1:-1])


@dataclass(frozen=True)
class Behaviour:
    """Every unit's activity."""

    units: tuple[Activity, ...]
    low: float
    high: float

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The activities as a table, with the columns `COLUMNS`."""
        return [unit.row for unit in self.units]


def behaviour(trace: Trace, low: float = LOW, high: float = HIGH, batch: int | None = None) -> Behaviour:
    """Measure every gate and tanh line, unit by unit. batch: one sequence; all if None.

    Raises OptionError unless 0 <= low < high <= 1.
    """
    if not 0 <= low < high <= 1:
        raise OptionError(f"the thresholds must satisfy 0 <= low < high <= 1; found {low} and {high}")
    units = tuple(_activities(trace, low, high, slice(None) if batch is None else slice(batch, batch + 1)))
    return Behaviour(units, low, high)


def _activities(trace: Trace, low: float, high: float, rows: slice) -> Iterator[Activity]:
    inside = trace.valid[:, rows, 0] != 0
    bare = plain(trace)
    for stage, line, values in bare.recorded():
        gate = line.squashed or is_gate(stage, line)
        if not gate and line.op != "tanh":
            continue
        gates, held = keeping(stage), dict[str, Kept]()
        for _, rule in recurrences(stage, stage.cell.by_name) if line.name in gates and bare is not trace else ():
            if [gate for _, gate in rule.keeps] == [line.name] and (
                of := kept(trace, stage, rule, values.shape[2], rows)
            ):
                held[line.name] = of  # what is held keeps nothing of the state, however open the gate
        for unit in range(values.shape[2]):
            every = np.asarray(values[:, rows, unit], np.float64)[inside]
            if not every.size:
                continue
            finite = every[np.isfinite(every)]
            here = finite if finite.size else np.array([np.nan])
            place = here if gate else (here + 1) / 2
            mean, least, most = map(float, (here.mean(), here.min(), here.max()))
            left, right = float((place < low).mean()), float((place > high).mean())
            state = "" if not gate else "shut" if place.max() <= low else "open" if place.min() >= high else ""
            memory = float(by_halvings(here.size, halvings(here).sum())) if line.name in gates else None
            memory = float(held[line.name].half_life[unit]) if line.name in held else memory
            yield Activity(stage.scope, line.name, unit, mean, least, most, left, right, state, memory, finite.size)


def is_gate(stage: Stage, line: Line) -> bool:
    """Whether a line has a name, and squashes into (0, 1) or multiplies a carried state in the sum that replaces it."""
    return stage.cell.is_gate(line) or (line.assigned and line.name in keeping(stage))


def keeping(stage: Stage) -> set[str]:
    """Names of the lines that multiply a carried state in the sum that replaces it."""
    rules = recurrences(stage, stage.cell.by_name)
    return {gate for _, rule in rules for _, gate in rule.keeps if isinstance(gate, str)}


class LineStatistics(NamedTuple):
    """Statistics of a carried line, or of the output, of a layer and direction, by unit: over all valid steps.

    name: name of the line. Arrays are (H,): mean, mean of the magnitudes, smallest and largest value, the value of the
    largest magnitude, its location (index of the step in the trace's arrays, sequence); NaN if no value is finite.
    kept: what it keeps from step to step, None if the line is not a sum of (gate * previous) and other terms, or a gate
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


class Moves(NamedTuple):
    """How far a carried line moved at each step: arrays are (T, B), for the trace's steps and the profile's sequences.

    change: the Euclidean norm, over the units, of the value minus the one carried in; NaN at padding. typical: its
    median over all valid steps (the mean if that is zero). unit: the unit that moved furthest; before, after: its
    values.
    """

    name: str
    change: Array
    typical: float
    unit: Array
    before: Array
    after: Array

    @property
    def times(self) -> Array:
        """The change relative to the typical one, (T, B)."""
        return self.change / (self.typical or 1.0)


def values_at(
    trace: Trace, scope: str, name: str, rows: slice, wanted: Array
) -> Iterator[tuple[slice, Array, Array, Array]]:
    """The values of a line at selected steps and sequences, in pieces: the piece, steps, sequences, values (n, H).

    wanted: (T, B), the selection.
    """
    values = trace.lines[scope][name]
    for steps in pieces(trace.steps, wanted.shape[1] * values.shape[-1]):
        t, b = np.nonzero(wanted[steps])
        if len(t):
            yield steps, t + steps.start, b, np.asarray(values[steps, rows], np.float64)[t, b]


def line_statistics(trace: Trace, stage: Stage, name: str, rows: slice, rule: Recurrence | None) -> LineStatistics:
    """Statistics of a line of `stage` over the valid steps of `rows`, computed unit by unit.

    rule: the recurrence of a state, to determine what its units keep; None if there is none.
    """
    values = trace.lines[stage.scope][name][:, rows]
    t, b = np.nonzero(trace.valid[:, rows, 0])
    found, at = np.full((5, values.shape[-1]), np.nan), np.zeros((values.shape[-1], 2), int)
    with np.errstate(over="ignore"):
        for unit in range(len(at)):
            every = np.asarray(values[t, b, unit], np.float64)
            inside = np.flatnonzero(np.isfinite(every))
            if inside.size:
                here = every[inside]
                furthest = np.argmax(np.abs(here))
                found[:, unit] = here.mean(), np.abs(here).mean(), here.min(), here.max(), here[furthest]
                at[unit] = t[inside[furthest]], b[inside[furthest]] + (rows.start or 0)
    mean, size, least, most, largest = found
    keeps = None if rule is None else kept(trace, stage, rule, len(at), rows)
    return LineStatistics(name, mean, size, least, most, largest, at, keeps)


def moves(trace: Trace, stage: Stage, name: str, rows: slice) -> Moves | None:
    """How far a carried line moved at each step; None if the value carried in is unknown."""
    states = [state for state, line in stage.cell.carry if stage.unpadded(line) == name]
    valid = trace.valid[:, rows, 0] != 0
    change, before, after = np.full((3, *valid.shape), np.nan)
    unit = np.zeros(valid.shape, int)
    for steps, t, b, now in values_at(trace, stage.scope, name, rows, valid):
        old = trace.operand(stage.scope, states[0], steps) if states else None
        if old is None:
            return None
        was = np.asarray(old[:, rows], np.float64)[t - steps.start, b]
        with np.errstate(invalid="ignore", over="ignore"):
            step = now - was
            change[t, b] = np.sqrt((step * step).sum(axis=1))
        furthest = np.argmax(np.abs(step), axis=1)
        at = np.arange(len(t)), furthest
        unit[t, b], before[t, b], after[t, b] = furthest, was[at], now[at]
    finite = change[np.isfinite(change)]
    typical = float(np.median(finite)) or float(finite.mean()) if finite.size else 0.0
    return Moves(name, change, typical, unit, before, after)
