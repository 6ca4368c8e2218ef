"""Panels of heat maps over time, one for each line: drawn, as a specification, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.text.markup import escape
from ...base.text.visible import visible
from ...cell.lines import Line
from ...cell.network import Stage
from ...printable import json_text
from ...trace.labels import axis, labels
from .. import vega
from ..colours import Scale
from ..figure import Figure, Live
from ..furniture import (
    HEAD,
    LABEL,
    LEFT,
    LINE,
    RIGHT,
    WIDE,
    document,
    of_units,
    over_time,
    reach,
    step_marks,
    text,
)
from ..page import framed
from ..subject import Subject
from .image import ABOVE, COLUMN, Heat, names, reduced, row_height

if TYPE_CHECKING:
    import pandas as pd

#: What makes pages with such pictures answer.
SCRIPT = "plot/heat/heat.js"
#: Panels stand side by side where each step has so much room then; between them is so much, and below them.
_NARROW, _BETWEEN, _GAP = 11.0, 52.0, 10.0


class HeatPanel(NamedTuple):
    """A line of a stage.

    units: in the order in which they are drawn. values: (units, steps). by: the line that they are ordered by. marked:
    the place of a step that is marked.
    """

    stage: Stage
    line: Line
    units: Array
    values: Array
    scale: Scale
    by: str = ""
    marked: int | None = None


@dataclass(frozen=True)
class HeatPicture:
    """What is drawn, and how many rows and columns share a pixel in the picture."""

    found: Subject
    panels: tuple[HeatPanel, ...]
    size: tuple[int, int]
    title: str
    caption: str

    def heat(self, panel: HeatPanel, size: tuple[int, int] | None = None) -> Heat:
        """The map of a panel."""
        levels = panel.scale.levels(panel.values, self.found.valid)
        label = self.found.symbol(panel.stage, panel.line)
        return Heat(label, panel.scale, reduced(levels, panel.scale, size or self.size))


def about_blocks(found: Subject, size: tuple[int, int]) -> list[str]:
    """What is said of pixels of several values."""
    rows, columns = size
    if rows == columns == 1:
        return []
    key = "plot.blocks" if rows > 1 < columns else "plot.blocks.units" if rows > 1 else "plot.blocks.steps"
    return [found.words.word(key, units=rows, steps=columns)]


def figure(kind: str, picture: HeatPicture) -> Figure:
    """The picture of a kind."""
    return Figure(
        kind,
        picture.title,
        picture.caption,
        partial(_drawn, picture),
        partial(_frame, picture),
        partial(_specification, picture),
        picture.found.words.language,
        partial(_live, picture),
    )


# -- the drawing -----------------------------------------------------------------------------------------------------


def _drawn(picture: HeatPicture) -> str:
    found = picture.found
    n = len(found.steps)
    half = (WIDE - LEFT - RIGHT - _BETWEEN) / 2
    columns = 2 if n * _NARROW <= half and len(picture.panels) > 1 else 1
    whole = half if columns == 2 else WIDE - LEFT - RIGHT
    parts, y, told = [], HEAD, []
    for stage in dict.fromkeys(panel.stage.scope for panel in picture.panels):
        here = [panel for panel in picture.panels if panel.stage.scope == stage]
        if place := found.shown.place(here[0].stage):
            parts.append(text("kind", LEFT, y + 14, escape(place[:1].upper() + place[1:])))
            y += LINE
        bottom = y
        for k, column in enumerate(_columns(found, here, columns)):
            top, left = y, LEFT + k * (whole + _BETWEEN)
            for panel in column:
                svg, tall = _map(picture, panel, left, top, whole, panel is column[-1])
                parts.append(svg)
                told.append(_said(found, panel))
                top += tall + _GAP
            bottom = max(bottom, top)
        y = bottom
    return document(picture.title, picture.caption, " ".join([*told, picture.caption]), "".join(parts), y)


def _columns(found: Subject, panels: Sequence[HeatPanel], columns: int) -> list[Sequence[HeatPanel]]:
    """What stands below one another: gates left and states right, or half of the panels each."""
    if columns == 1 or len(panels) == 1:
        return [panels]
    gates = [panel for panel in panels if found.is_gate(panel.stage, panel.line)]
    states = [panel for panel in panels if not found.is_gate(panel.stage, panel.line)]
    half = -(-len(panels) // 2)
    return [gates, states] if gates and states else [panels[:half], panels[half:]]


def _map(picture: HeatPicture, panel: HeatPanel, x: float, y: float, whole: float, marked: bool) -> tuple[str, float]:
    """A panel, and its height. marked: whether the steps are below it."""
    found, heat = picture.found, picture.heat(panel)
    n = len(found.steps)
    rows, columns = heat.levels.shape
    wide = min(whole, n * COLUMN)
    pitch = wide / (columns * picture.size[1])  # of a step; the last column may have fewer
    tall = row_height(len(panel.units)) * picture.size[0]
    top = y + ABOVE
    units = " ".join(str(j) for j in panel.units[:: picture.size[0]])
    place = of_units(panel.stage.scope, panel.line.name, units)
    place += over_time(found.steps[0], x + pitch / 2, pitch)
    body = heat.above(x, y, max(wide, 260.0)) + heat.image(x, top, wide, tall * rows, place)
    body += names(_names(found, panel)[:: picture.size[0]], x, top, tall)
    if panel.marked is not None:
        at = x + (panel.marked + 0.5) * pitch
        line, tip = f"M{at:.1f} {top:.1f}v{tall * rows:.1f}", top + tall * rows + 6  # above is the name of the line
        body += f'<path class="tip" d="M{at - 4:.1f} {tip:.1f}h8l-4 -6z"/><path class="first" d="{line}"/>'
    below = 0.0
    if marked:
        bottom = top + tall * rows
        svg, below = step_marks(
            found.words,
            found.steps,
            found.labels,
            lambda k: x + (k + 0.5) * pitch,
            bottom,
            x,
            max(2, int(wide // 36)),
        )
        body += svg
    return f"<g>{body}</g>\n", ABOVE + tall * rows + below


def _names(found: Subject, panel: HeatPanel) -> list[str]:
    """The names of the rows: labels, or the numbers of the units."""
    of = axis(found.trace, panel.stage, panel.line.name)
    named = labels(found.trace, of, found.width(panel.stage, panel.line))
    return [named[j] if named else str(found.words.nth(int(j))) for j in panel.units]


def _said(found: Subject, panel: HeatPanel) -> str:
    """A panel in words, for who cannot see it."""
    words = found.words
    rows = "map.outputs" if axis(found.trace, panel.stage, panel.line.name) == "y" else "map.units"
    return words.word(
        "map.title",
        name=found.told(panel.stage, panel.line),
        where=words.aside(found.shown.place(panel.stage)),
        steps=len(found.steps),
        units=words.count(rows, len(panel.units)),
        **reach(panel.values[:, found.valid]),
    )


# -- what is behind it -----------------------------------------------------------------------------------------------


def _frame(picture: HeatPicture) -> pd.DataFrame:
    """A row for each step, a column for each unit of each line in the order that is drawn; NaN at padding."""
    found = picture.found
    there = found.valid
    return found.frame(
        {
            found.column(panel.stage, panel.line, int(j)): np.where(there, values, np.nan)
            for panel in picture.panels
            for j, values in zip(panel.units, panel.values, strict=True)
        }
    )


def _specification(picture: HeatPicture, data: pd.DataFrame) -> dict[str, Any]:
    """A panel of rectangles for each line."""
    found = picture.found
    largest = max(len(panel.units) for panel in picture.panels)
    n, size = len(found.steps), [1, 1]
    while -(-largest // size[0]) * -(-n // size[1]) * len(picture.panels) > vega.MOST:
        size[1 if n / size[1] >= largest / size[0] else 0] += 1
    views = []
    for panel in picture.panels:
        order = [int(j) for j in panel.units[:: size[0]]]
        rows = _fields(found, panel, (size[0], size[1]))
        place = found.shown.place(panel.stage)
        views.append(
            {
                "title": f"{panel.line.name}, {place}" if place else panel.line.name,
                "data": {"values": rows},
                "mark": {"type": "rect", "tooltip": True},
                "width": 700,
                "height": max(20, min(400, 14 * len(order))),
                "encoding": {
                    "x": vega.field("t", "ordinal", "t", axis={"labelOverlap": True, "labelAngle": 0}),
                    "y": vega.field("unit", "ordinal", None, sort=order, axis={"labelOverlap": True}),
                    "color": vega.field("value", "quantitative", panel.line.name, scale=vega.colour(panel.scale)),
                },
            }
        )
    return {
        "vconcat": views,
        "resolve": {"scale": {"color": "independent"}},
        "note": " ".join(about_blocks(found, (size[0], size[1]))),
    }


def _fields(found: Subject, panel: HeatPanel, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The values of a panel, of each block that furthest from the middle of the scale; none of padding."""
    middle = 0.5 if panel.scale.gate else 0.0
    rows = []
    for at in range(0, len(panel.units), size[0]):
        for t in range(0, len(found.steps), size[1]):
            block = panel.values[at : at + size[0], t : t + size[1]][:, found.valid[t : t + size[1]]]
            if block.size:
                far = np.where(np.isfinite(block), np.abs(block / 2 - middle / 2), np.inf)
                value = float(block.flat[int(far.argmax())])
                rows.append({"t": found.steps[t], "unit": int(panel.units[at]), "value": vega.plain(value)})
    return rows


# -- the page --------------------------------------------------------------------------------------------------------


def _live(picture: HeatPicture, svg: str) -> Live:
    """The page: it shows the value that is pointed at, and draws the unit of a row that is clicked."""
    return Live(interactive(picture, svg), SCRIPT)


def interactive(picture: HeatPicture, svg: str) -> str:
    """A picture for a page that has SCRIPT: HTML."""
    found, words = picture.found, picture.found.words
    panels = [
        {
            "line": found.told(panel.stage, panel.line),
            "place": found.shown.place(panel.stage),
            "stage": panel.stage.scope,
            "log": panel.scale.logarithmic,
            "low": panel.scale.low,
            "high": panel.scale.high,
            "units": [found.unit(panel.stage, panel.line, int(j)) for j in panel.units[:: picture.size[0]]],
        }
        for panel in picture.panels
    ]
    data = {
        "panels": panels,
        "steps": len(found.steps),
        "first": words.nth(found.steps[0]),
        "every": picture.size[1],
        "labels": [visible(label, LABEL) for label in found.labels],
        "words": {key: words.word(f"plot.{key}") for key in ("is.padding", "is.broken")},
        "named": words.word("step.named", step="{step}", name="{name}"),
    }
    content = json_text(data, separators=(",", ":")).replace("<", "\\u003c")
    hint, close = escape(words.word("plot.click")), escape(words.word("plot.close"))
    return (
        f'<div class="heatmaps"><p class="hint">{hint}</p>{framed(svg, words.language)}'
        '<div class="trajectory" aria-live="polite" hidden><p></p>'
        f'<button type="button" aria-label="{close}" title="{close}">×</button><div class="scroll"></div></div>'
        '<div class="pointed" role="tooltip" hidden></div>'
        f'<script type="application/json">{content}</script></div>'
    )
