"""Gates and states over time, of every unit: a row of pixels for each unit, a column for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import OptionError, nearest
from ...trace.argument_types import checked
from ...trace.trace import Trace
from ..colours import gate, symmetric
from ..figure import Figure
from ..heat.image import room
from ..heat.order import ORDERS, ordered
from ..heat.panels import HeatPanel, HeatPicture, about_blocks, figure
from ..subject import Subject, chosen_units, subject

#: Units up to which they stand in their own order, if no other is asked for.
FEW = 16


@checked
def states(
    trace: Trace,
    unit: Any = None,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    batch: int | None = None,
    steps: Any = None,
    order: str | None = None,
    language: str = "en",
) -> Figure:
    """Gates and states of all units over time; see `plots.Plots.states`."""
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    return figure("states", picture(found, unit, order))


def picture(found: Subject, unit: Any = None, order: str | None = None, most: int | None = None) -> HeatPicture:
    """What is drawn of a subject, in images of at most so many pixels; see `states`."""
    if order is not None and order not in ORDERS:
        raise OptionError(f"there is no order {order!r}{nearest(order, ORDERS, 'expected')}")
    lines = [(stage, found.lines(stage, candidates=False)) for stage in found.shown.stages]
    widest = max((found.width(stage, line) for stage, here in lines for line in here), default=0)
    wanted = chosen_units(unit, range(widest)) if widest else ()
    panels = [panel for stage, here in lines for panel in _panels(found, stage, here, wanted, order)]
    if not any(np.isfinite(panel.values[:, found.valid]).any() for panel in panels):
        raise found.nothing
    largest = max(len(panel.units) for panel in panels)
    size = room(largest, len(found.steps), len(panels), most)
    caption = " ".join([*found.notes, *_notes(found, panels, order), *about_blocks(found, size)])
    return HeatPicture(found, tuple(panels), size, found.titled("plot.states.title"), caption)


def _panels(
    found: Subject, stage: Stage, lines: Sequence[Line], wanted: Sequence[int], order: str | None
) -> Iterator[HeatPanel]:
    """The lines of a stage; units of one width are in one order."""
    orders: dict[int, tuple[Array, str]] = {}
    for line in lines:
        values = found.values(stage, line).T
        width = len(values)
        if width not in orders:
            orders[width] = _order(found, stage, width, order)
        units, by = orders[width]
        units = units[np.isin(units, wanted)]
        scale = gate() if found.is_gate(stage, line) else symmetric(values[units][:, found.valid])
        if len(units):
            yield HeatPanel(stage, line, units, values[units], scale, by)


def _order(found: Subject, stage: Stage, width: int, order: str | None) -> tuple[Array, str]:
    """The units of lines that have so many, and the line by which they are ordered, if any."""
    how = order or ("cluster" if width > FEW else "index")
    if how == "index":
        return np.arange(width), ""
    try:
        units, by = ordered(found, stage, how)
    except OptionError:
        if order is not None:
            raise
        return np.arange(width), ""
    return (units, by) if len(units) == width else (np.arange(width), "")


def _notes(found: Subject, panels: Sequence[HeatPanel], order: str | None) -> list[str]:
    """The order, and what the colours do not show."""
    words = found.words
    notes = []
    if by := next((panel for panel in panels if panel.by), None):
        line = found.told(by.stage, by.stage.cell.by_name[by.by])
        notes.append(words.word(f"plot.order.{order or 'cluster'}", line=line))
    for panel in panels:
        if panel.scale.beyond:
            place = found.words.aside(found.shown.place(panel.stage))
            notes.append(panel.scale.clipped(words, found.told(panel.stage, panel.line) + place))
    if not found.valid.all():
        notes.append(words.word("plot.padding"))
    if any(not np.isfinite(panel.values[:, found.valid]).all() for panel in panels):
        notes.append(words.word("plot.broken"))
    return notes
