"""How the gates of a cell behave over a trace: saturation, units that are always shut or open, half-life, first NaN.

Saturation as in Karpathy, Johnson & Fei-Fei 2015: an activation is left-saturated below `low` and right-saturated
above `high`; tanh, which goes from -1 to 1, is measured by its place between its ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..cell.lines import Line
from ..cell.network import Stage, layer_and_direction
from ..cell.ops import OPS
from ..errors import OptionError
from ..trace.address import Address
from ..trace.held import plain
from ..trace.trace import Trace
from .half_life import by_halvings, halvings
from .recurrence import recurrence

LOW, HIGH = 0.1, 0.9


class Activity(NamedTuple):
    """One unit of one squashing line over all valid steps and rows.

    left, right: share of values below `low` and above `high`. state: `shut` (never above low), `open` (never below
    high) or nothing. half_life: for a gate that multiplies a carried state, how many steps it takes to halve what is
    held (`half_life.halvings`); None for other lines.
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


#: Of the table of all activities.
COLUMNS = ("layer", "direction", *Activity._fields[1:])


class NotFinite(NamedTuple):
    """The first value, in computing order, that is NaN or infinite, and the operands that it came from."""

    address: Address
    value: float
    op: str
    operands: tuple[tuple[str, float], ...]
    premise: bool  # an operand that is a premise is not finite itself


@dataclass(frozen=True)
class Behaviour:
    """Every unit's activity, and the first value that is not finite, if any."""

    units: tuple[Activity, ...]
    not_finite: NotFinite | None
    low: float
    high: float

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The activities as a table, with the columns `COLUMNS`."""
        return [(*layer_and_direction(unit.scope), *unit[1:]) for unit in self.units]


def behaviour(trace: Trace, low: float = LOW, high: float = HIGH, batch: int | None = None) -> Behaviour:
    """Measure every gate and tanh line, unit by unit. batch: one row; all rows if None.

    Raises OptionError unless 0 <= low < high <= 1.
    """
    if not 0 <= low < high <= 1:
        raise OptionError(f"the thresholds must satisfy 0 <= low < high <= 1; found {low} and {high}")
    units = tuple(_activities(trace, low, high, slice(None) if batch is None else slice(batch, batch + 1)))
    return Behaviour(units, first_not_finite(trace), low, high)


def _activities(trace: Trace, low: float, high: float, rows: slice) -> Iterator[Activity]:
    inside = trace.valid[:, rows, 0] != 0
    for stage, line, values in plain(trace).recorded():
        gate = line.squashed or stage.cell.is_gate(line)
        if not gate and line.op != "tanh":
            continue
        gates = keeping(stage)
        for unit in range(values.shape[2]):
            here = np.asarray(values[:, rows, unit], np.float64)[inside]
            place = here if gate else (here + 1) / 2
            if not here.size:
                continue
            state = "shut" if place.max() <= low else "open" if place.min() >= high else ""
            yield Activity(
                stage.scope,
                line.name,
                unit,
                float(here.mean()),
                float(here.min()),
                float(here.max()),
                float((place < low).mean()),
                float((place > high).mean()),
                state if gate else "",
                float(by_halvings(here.size, halvings(here).sum())) if line.name in gates else None,
            )


def keeping(stage: Stage) -> set[str]:
    """Names of the lines that multiply a carried state in the sum that replaces it."""
    names: set[str] = set()
    for line in stage.cell.lines:
        try:
            names |= {gate for _, gate in recurrence(stage, line.name).keeps if isinstance(gate, str)}
        except OptionError:
            continue
    return names


def first_not_finite(trace: Trace) -> NotFinite | None:
    """The first value in computing order that is NaN or infinite; None where all are finite."""
    for stage in trace.stages:
        recorded = trace.lines.get(stage.scope, {})
        bad = {name: ~np.isfinite(values).all(axis=(1, 2)) for name, values in recorded.items()}
        steps = np.flatnonzero(np.any(list(bad.values()), axis=0)) if bad else np.empty(0, int)
        if steps.size:
            t = int(steps[-1] if stage.backwards else steps[0])
            line = next(line for line in stage.cell.lines if line.name in bad and bad[line.name][t])
            return _described(trace, stage, line, t)
    return None


def _described(trace: Trace, stage: Stage, line: Line, t: int) -> NotFinite:
    values = trace.lines[stage.scope][line.name][t]
    b, j = (int(n) for n in np.argwhere(~np.isfinite(values))[0])
    found: list[tuple[str, float]] = []
    premise = False
    for name in line.reads:
        operand = trace.operand(stage.scope, name, slice(t, t + 1))
        if operand is None:
            continue
        if np.ndim(operand) == 3:
            row = operand[0, b]
        else:
            row = operand if np.ndim(operand) == 1 else operand[j] if line.op == "matvec" else operand[:, j]
        if line.op == "slice":
            row = OPS["slice"].array([row], line.constants)
        whole = OPS[line.op].width not in ("same", "slice") or row.shape[0] == 1
        worst = row[int(np.argmax(np.where(np.isfinite(row), np.abs(row), np.inf)))] if whole else row[j]
        found.append((name, float(worst)))
        premise |= name not in stage.cell.by_name and not np.isfinite(worst)
    address = Address(line.name, stage.layer, stage.direction, trace.span[t], b, (j,))
    return NotFinite(address, float(values[b, j]), line.op, tuple(found), premise)
