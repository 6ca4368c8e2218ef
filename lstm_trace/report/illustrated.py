"""The picture of a report: of the cell, for a document that has it in a file beside it; of the gates in a profile."""

from __future__ import annotations

from ..cell.network import forward_stages
from ..documents.blocks import Picture
from ..errors import MissingError
from ..languages.strings import words
from ..plot.kinds.saturation import saturation
from ..trace.trace import Trace
from .content.notations import applied
from .diagram.diagram import caption, diagram
from .options import Options

#: Of so many layers and directions the gates are drawn.
PICTURED = 2


def of_gates(trace: Trace, chosen: Options) -> Picture | None:
    """The picture of all gates; none of many layers, which would take pages, and of one row of a batch."""
    trace, part = chosen.counted(trace), chosen.selection
    stages = [stage for stage in forward_stages(trace.stages) if stage.cell.carry and part.places(stage)]
    if len(stages) > PICTURED or (part.batch is not None and trace.batch > 1):
        return None
    try:
        figure = saturation(trace, layer=part.layer, direction=part.direction, language=chosen.language)
    except MissingError:  # there is no gate that lies between 0 and 1
        return None
    return Picture(figure.svg, figure.title, figure.caption, chosen.file)


def of_cell(trace: Trace, chosen: Options) -> Picture | None:
    """The cell of the first layer and direction of the selection, at its first step in computing order.

    None where nothing was selected.
    """
    trace, selection = chosen.counted(trace), chosen.selection
    stages = [stage for stage in trace.stages if selection.places(stage)]
    if not stages:
        return None
    stage = stages[0]
    steps = trace.span[selection.window(trace)]
    t = steps[-1 if stage.backwards else 0]
    b = range(trace.batch)[selection.rows(trace)][0]
    trace, _ = applied(trace, chosen.notation, selection, chosen.language)
    title = caption(trace, stage, t, b, words(chosen.language, trace.header.count_from))
    return Picture(lambda: diagram(trace, stage.scope, t, b, chosen.language), title, "", chosen.file)
