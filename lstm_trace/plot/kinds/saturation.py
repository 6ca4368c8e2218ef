"""Saturation of gates: one panel per gate and layer, one point per unit (Karpathy et al. 2015, figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import sqrt
from operator import attrgetter

from ...base.arrays import by_key
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import MissingError
from ...explanation.activity import COLUMNS, HIGH, LOW, Activity, behaviour, is_gate
from ...trace.trace import Trace
from ..figure import Figure
from ..furniture import LEFT, RIGHT, of_units, shown_number
from ..panels import Column, Dot, Grid, Panel, share_axis
from ..subject import Subject, rows_frame, subject
from . import Direction, Language, Layer, SaturationLines, Share, picture

#: Number of panels side by side, and the space between them.
_ACROSS, _BETWEEN = 3, 38.0
#: Maximum number of units named at a point.
NAMED = 12
#: Narrow, so that its letters are large when it fills a column or the screen of a phone.
_WIDE = 640.0
#: Smallest and largest radius of a point for one unit; approximate radius of one that represents all units of a gate.
_LEAST, _MOST, _ALL = 1.0, 4.0, 12.0


@picture
def saturation(
    trace: Trace, low: Share = LOW, high: Share = HIGH, lines: SaturationLines = None, layer: Layer = None,
    direction: Direction = None, language: Language = None,
) -> Figure:  # fmt: skip
    """How often each gate is saturated at 0 and at 1 (Karpathy et al. 2015, figure 3): one point per unit.

    Args:
        low: value below which a gate is saturated at 0 (0.1).
        high: value above which a gate is saturated at 1 (0.9).
        lines: names of gates, or of tanh lines, which are rescaled from −1…1 to 0…1 (all gates).

    Returns:
        A picture whose `data` are the rows of `lt.explain(trace, how="gates")` for these lines.

    Raises:
        OptionError: unless 0 <= low < high <= 1.
        MissingError: if the trace does not contain the selection, or the selection has no gate.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, language=language)
    measured = behaviour(trace, low, high)
    units = by_key(((unit.scope, unit.line), unit) for unit in measured.units)
    every = [(stage, line) for stage in found.shown.stages for line in found.shown.lines(stage)]
    gates = {  # for lines chosen by name, also those that range from -1 to 1
        (stage.scope, line.name): (stage, line) for stage, line in every
        if (stage.scope, line.name) in units and (lines is not None or is_gate(stage, line))
    }  # fmt: skip
    if not gates:
        said = "there is nothing to draw: the selection has no gate that was recorded, or no step that is not padding"
        raise MissingError(said)
    words = found.words
    caption = [words.word("plot.saturation.axes", low=shown_number(low), high=shown_number(high))]
    if any(not is_gate(stage, line) for stage, line in gates.values()):
        ends = {"low": shown_number(2 * low - 1), "high": shown_number(2 * high - 1)}
        caption.append(words.word("plot.saturation.signed", **ends))
    caption += [words.word("plot.saturation.points"), *found.held(every=True)]
    grids: list[Grid] = []
    for scope in dict.fromkeys(scope for scope, _ in gates):
        here = [_panel(found, *gate, units[key]) for key, gate in gates.items() if key[0] == scope]
        for at in range(0, len(here), _ACROSS):
            row = [Column([panel]) for panel in here[at : at + _ACROSS]]
            grids.append(Grid(row, between=_BETWEEN, top=0.0 if grids else 6.0))
    pairs = zip(measured.units, measured.rows, strict=True)
    frame = partial(rows_frame, [row for unit, row in pairs if (unit.scope, unit.line) in gates], COLUMNS)
    title = found.titled("plot.saturation")
    return Figure("saturation", title, " ".join(caption), tuple(grids), frame, words, wide=_WIDE)


def _panel(found: Subject, stage: Stage, line: Line, gate: Sequence[Activity]) -> Panel:
    """The triangle that contains all points, and in the free corner the units closest to its ends."""
    words = found.words
    side = (_WIDE - LEFT - RIGHT - (_ACROSS - 1) * _BETWEEN) / _ACROSS
    x, y = (share_axis(title=words.word(f"plot.saturation.{end}"), field=end) for end in ("left", "right"))
    radius = max(_LEAST, min(_MOST, _ALL / len(gate) ** 0.5))
    places = by_key(((unit.left, unit.right), unit.unit) for unit in gate)
    dots = []
    for (left, right), units in sorted(places.items(), key=lambda item: -len(item[1])):  # small points in front
        names = [found.unit(stage, line, j) for j in units[:NAMED]]
        shown = words.comma_list(*names, f"+ {len(units) - NAMED}" if len(units) > NAMED else "")
        said = f"{shown}: {shown_number(left)}, {shown_number(right)}"
        attributes, row = of_units(stage.scope, line.name, str(units[0])), {"count": len(units), "units": shown}
        dots.append(Dot(left, right, radius * sqrt(len(units)), said, attributes, row))
    place, extremes = found.shown.place(stage), []
    for end in ("right", "left"):  # the unit that is most often saturated at 1, then at 0
        most = max(gate, key=attrgetter(end))
        if (share := getattr(most, end)) > 0:
            called = found.unit(stage, line, most.unit)
            extremes.append(words.word(f"plot.saturation.most.{end}", unit=called, share=f"{100 * share:.3g}"))
    name = words.comma_list(found.told(stage, line), place)
    said = words.labelled(name) + ": " + words.word("semicolon").join(extremes) + "."
    corner = (found.symbol(stage, line), *filter(None, [place]), *extremes)
    return Panel(x, y, dots, name, side, side, frame="floor", said=said, corner=corner)
