"""How saturated gates are: a panel for each gate and layer, a point for each unit (Karpathy et al. 2015, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import sqrt
from typing import NamedTuple

from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import MissingError
from ...explanation.activity import COLUMNS, HIGH, LOW, Activity, Behaviour, behaviour
from ...trace.trace import Trace
from ..figure import Figure
from ..furniture import LEFT, RIGHT, of_units, shown_number
from ..panels import Column, Dot, Grid, Panel, share_axis
from ..subject import Subject, rows_frame, subject
from . import Direction, High, Language, Layer, Low, SaturationLines, picture

#: Panels side by side, and what is free between them.
_ACROSS, _BETWEEN = 3, 38.0
#: So many units of a point are named.
NAMED = 12
#: Narrow, so that its letters are large where it has the width of a column or of a telephone.
_WIDE = 640.0
#: The radius of a point of one unit, at least and at most; about that of one that stands for all units of a gate.
_LEAST, _MOST, _ALL = 1.0, 4.0, 12.0


class _Gate(NamedTuple):
    """A gate of a layer and direction, and its units."""

    stage: Stage
    line: Line
    units: tuple[Activity, ...]


@picture
def saturation(
    trace: Trace, low: Low = LOW, high: High = HIGH, lines: SaturationLines = None, layer: Layer = None,
    direction: Direction = None, language: Language = "en",
) -> Figure:  # fmt: skip
    """How often each gate is saturated at 0 and at 1 (Karpathy et al. 2015, figure 3): a point for each unit.

    Returns:
        A picture whose `data` are the rows of `lt.explain(trace, how="gates")` for these lines.

    Raises:
        OptionError: unless 0 <= low < high <= 1.
        MissingError: for a selection that is not there, or has no gate.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, language=language)
    measured = behaviour(trace, low, high)
    gates = list(_gates(found, measured, lines is not None))
    if not gates:
        raise MissingError(
            "there is nothing to draw: the selection has no gate that was recorded, or no step that is not padding"
        )
    words = found.words
    caption = [words.word("plot.saturation.axes", low=shown_number(low), high=shown_number(high))]
    if any(not gate.stage.cell.is_gate(gate.line) for gate in gates):
        ends = {"low": shown_number(2 * low - 1), "high": shown_number(2 * high - 1)}
        caption.append(words.word("plot.saturation.signed", **ends))
    caption += [words.word("plot.saturation.points"), *found.held(every=True)]
    grids: list[Grid] = []
    for scope in dict.fromkeys(gate.stage.scope for gate in gates):
        here = [_panel(found, gate) for gate in gates if gate.stage.scope == scope]
        for at in range(0, len(here), _ACROSS):
            row = [Column([panel]) for panel in here[at : at + _ACROSS]]
            grids.append(Grid(row, between=_BETWEEN, top=0.0 if grids else 6.0))
    kept = {(gate.stage.scope, gate.line.name) for gate in gates}
    units = zip(measured.units, measured.rows, strict=True)
    frame = partial(rows_frame, [row for unit, row in units if (unit.scope, unit.line) in kept], COLUMNS)
    title = found.titled("plot.saturation")
    return Figure("saturation", title, " ".join(caption), tuple(grids), frame, words, wide=_WIDE)


def _gates(found: Subject, measured: Behaviour, asked: bool) -> Iterator[_Gate]:
    """Gates; of lines that were asked for, those that go from -1 to 1 too."""
    for stage in found.shown.stages:
        for line in found.shown.lines(stage):
            units = tuple(u for u in measured.units if (u.scope, u.line) == (stage.scope, line.name))
            if units and (asked or stage.cell.is_gate(line)):
                yield _Gate(stage, line, units)


def _panel(found: Subject, gate: _Gate) -> Panel:
    """The triangle in which all points lie, and in the free corner the units nearest to its ends."""
    words, stage, line = found.words, gate.stage, gate.line
    side = (_WIDE - LEFT - RIGHT - (_ACROSS - 1) * _BETWEEN) / _ACROSS
    x, y = (share_axis(title=words.word(f"plot.saturation.{end}"), field=end) for end in ("left", "right"))
    radius = max(_LEAST, min(_MOST, _ALL / len(gate.units) ** 0.5))
    places: dict[tuple[float, float], list[int]] = {}
    for unit in gate.units:
        places.setdefault((unit.left, unit.right), []).append(unit.unit)
    dots = []
    for (left, right), units in sorted(places.items(), key=lambda item: -len(item[1])):  # none hides a smaller one
        names = [found.unit(stage, line, j) for j in units[:NAMED]]
        shown = words.comma_list(*names, f"+ {len(units) - NAMED}" if len(units) > NAMED else "")
        said = f"{shown}: {shown_number(left)}, {shown_number(right)}"
        attributes, row = of_units(stage.scope, line.name, str(units[0])), {"count": len(units), "units": shown}
        dots.append(Dot(left, right, radius * sqrt(len(units)), said, attributes, row))
    place, extremes = found.shown.place(stage), list(_extremes(found, gate))
    name = words.comma_list(found.told(stage, line), place)
    said = words.labelled(name) + ": " + words.word("semicolon").join(extremes) + "."
    corner = (found.symbol(stage, line), *filter(None, [place]), *extremes)
    return Panel(x, y, dots, name, side, side, frame="floor", said=said, corner=corner)


def _extremes(found: Subject, gate: _Gate) -> Iterator[str]:
    """The unit that is open at most steps, and the one that is shut, with their shares; of equal ones the first."""
    for end in ("right", "left"):
        unit = max(gate.units, key=lambda unit: float(getattr(unit, end)))
        if (share := getattr(unit, end)) > 0:
            name = found.unit(gate.stage, gate.line, unit.unit)
            yield found.words.word(f"plot.saturation.most.{end}", unit=name, share=f"{100 * share:.3g}")
