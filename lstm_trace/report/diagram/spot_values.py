"""The values of a step as they stand in a picture, and the room that they take there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...cell.network import Stage
from ...formulas.plain import number
from ...formulas.values import Values
from ...trace.labels import axis
from ...trace.trace import Trace

if TYPE_CHECKING:
    from .diagram import Diagram

#: Decimals and units of the values that stand in a picture.
DIGITS, UNITS = 3, 3


def shown(picture: Diagram, values: Values, t: int, b: int, unit: int | None = None) -> dict[str, str]:
    """The values of one step and row by spot, rounded: the first few of more than `UNITS`.

    unit: of a line of more than `UNITS` hidden units the one that is shown instead, alone.
    """
    found: dict[str, str] = {}
    scope = picture.stage.scope
    for spot in picture.flow.spots:
        array = values.array(scope, spot.line)
        if spot.kind == "sink" or array is None or array.ndim != 3:
            continue
        wide = array.shape[-1]
        places, more = range(wide if wide <= UNITS else UNITS - 1), wide > UNITS
        if more and unit is not None and unit < wide and _of_units(values.trace, picture.stage, spot.line):
            places, more = range(unit, unit + 1), False
        texts = [number(values.num(scope, spot.line, t, b, (k,)).shown) for k in places]
        texts += ["…"] if more else []
        found[spot.key] = ("; " if values.style.comma else ", ").join(texts).replace("-", "−")
    return found


def _of_units(trace: Trace, stage: Stage, name: str) -> bool:
    """Whether a line, state or input has a value for each hidden unit: not one for each input or output."""
    line = stage.cell.by_name.get(name)
    return axis(trace, stage, stage.cell.states.get(name, name)) == "h" and (line is None or line.op != "concat")


def count(trace: Trace, stage: Stage, name: str, wide: int, alone: bool) -> int:
    """For how many of the `wide` values of a name there is to be room. alone: one of many hidden units is shown."""
    return 1 if alone and wide > UNITS and _of_units(trace, stage, name) else min(wide, UNITS)


def widths(stage: Stage, values: Values, alone: bool = False) -> dict[str, int]:
    """About how many characters the values of each name of a stage take, at any step; alone: as for `count`."""
    found: dict[str, int] = {}
    for name in (*stage.cell.states, *stage.cell.inputs, *(line.name for line in stage.lines)):
        array = values.array(stage.scope, name)
        if array is None or not array.size:
            continue
        size = np.abs(array[np.isfinite(array)])
        whole = len(str(int(min(float(size.max(initial=0.0)), 1e6))))
        n = count(values.trace, stage, name, array.shape[-1], alone)
        found[name] = n * (whole + 1 + DIGITS + bool((array < 0).any())) + 2 * (n - 1)
    return found
