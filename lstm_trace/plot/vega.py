"""Panels as a Vega-Lite specification: https://vega.github.io/schema/vega-lite/v5.json.

Step numbers, line names and marked positions are the same as in the SVG. A specification has at most about MOST rows of
values; if there are more, its subtitle says which were kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..languages.strings import Words
from .coloured_text import Scale, room
from .furniture import as_text, note_lines
from .panels import Axis, Bar, Cells, Curve, Dot, Grid, Panel, Spans
from .svg import POINTS

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
#: Approximate maximum number of rows of values in a specification: they take about 50 bytes each.
MOST = 20_000
_RESOLVE = {"resolve": {"scale": {"color": "independent"}}}


def specification(title: str, caption: str, grids: Sequence[Grid], words: Words) -> dict[str, Any]:
    """The specification of a picture."""
    panels = [panel for grid in grids for panel in grid.panels]
    size, notes = _size([mark for panel in panels for mark in panel.marks], words)
    lines = [*note_lines(caption, 100), *note_lines(" ".join(notes), 100)]
    views: list[dict[str, Any]] = []
    for grid in grids:
        columns = [[_view(panel, size) for panel in column.panels] for column in grid.columns]
        stacked = [column[0] if len(column) == 1 else {"vconcat": column, **_RESOLVE} for column in columns]
        views += columns[0] if len(columns) == 1 else [{"hconcat": stacked, **_RESOLVE}]
    shown = {"text": title, "anchor": "start", **({"subtitle": lines} if lines else {})}
    return {"$schema": SCHEMA, "title": shown, "vconcat": views} | (_RESOLVE if len(views) > 1 else {})


def _size(marks: Sequence[Any], words: Words) -> tuple[tuple[int, int], list[str]]:
    """How many rows and columns, or steps of a line, share a value; and a sentence about that."""
    if not (maps := [mark for mark in marks if isinstance(mark, Cells)]):
        lines = [len(mark.values) for mark in marks if isinstance(mark, Curve)]
        steps = 1 if sum(lines) <= MOST else -(-2 * sum(lines) // MOST)
        return (1, steps), [words.word("plot.thinned.curves", n=steps)] if steps > 1 else []
    rows, columns = map(max, zip(*(one.values.shape for one in maps), strict=True))
    size = room(rows, columns, len(maps), MOST)
    return size, maps[0].note(size)


def _view(panel: Panel, size: tuple[int, int]) -> dict[str, Any]:
    """A panel, with its marks as rows of values."""
    first = panel.marks[0] if panel.marks else None
    x, y = _axis(panel.x), _axis(panel.y)
    shape = {"title": panel.name, "width": round(panel.wide), "height": max(20, round(panel.tall))}
    match first:
        case Cells():
            mark: dict[str, Any] = {"type": "rect"}
            more = {"color": _field("value", "quantitative", "", scale=_colours(first.scale))}
            rows = list(_fields(panel, first, size))
        case Spans():
            x, y = ({**_field(name, "ordinal"), "axis": None} for name in ("place", "line"))
            colour = _field("value", "quantitative", "", scale=_colours(first.scale))
            label = {"mark": "text", "encoding": {"x": x, "y": y, "text": _field("label", "nominal")}}
            ground = {"mark": {"type": "rect", "tooltip": True}, "encoding": {"x": x, "y": y, "color": colour}}
            return {**shape, "data": {"values": list(_parts(panel, first))}, "layer": [ground, label]}
        case Dot():
            mark = {"type": "circle"}
            more = {"size": {**_field("area", "quantitative"), "scale": None, "legend": None}}
            rows = [
                {panel.x.field: dot.x, panel.y.field: dot.y, "area": math.pi * dot.radius**2, **dot.row}
                for dot in panel.marks
            ]
        case Bar() | None:
            band = round(first.wide * panel.wide / (panel.x.high - panel.x.low), 1) if first else 1
            mark = {"type": "bar", **({"width": band} if panel.x.kind == "number" else {})}
            names = list(dict.fromkeys(as_text(bar.name) for bar in panel.marks))
            faint = sorted({as_text(bar.name) for bar in panel.marks if "faint" in bar.style})
            pale = {"test": {"field": "what", "oneOf": faint}, "value": 0.3}
            more = {
                "y2": {"field": "to"},
                "color": _field("what", "nominal", "", sort=names, **({} if len(names) > 1 else {"legend": None})),
                "opacity": {"condition": pale, "value": 1},
            }
            y = {**y, **_field("from", "quantitative", panel.y.title)}
            rows = [
                {panel.x.field: panel.x.key(bar.at), "what": as_text(bar.name), "value": bar.value,
                 "from": bar.base, "to": bar.base + bar.value} for bar in panel.marks
            ]  # fmt: skip
        case _:
            mark = {"type": "line", "point": len(first.values) <= POINTS}
            more = {"color": _field("line", "nominal", "", sort=[as_text(line.label) for line in panel.marks])}
            rows = [row for line in panel.marks for row in _places(panel, line, size[1])]
    return {**shape, "data": {"values": rows}, "mark": {**mark, "tooltip": True}, "encoding": {"x": x, "y": y, **more}}


def _field(name: str, kind: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    return {"field": name, "type": kind, **({"title": title} if title is not None else {}), **more}


def _axis(axis: Axis) -> dict[str, Any]:
    """The encoding of an axis, with its ticks."""
    if axis.kind in ("ordinal", "nominal"):
        names = {"sort": list(axis.domain), "scale": {"domain": list(axis.domain)}} if axis.domain else {"sort": None}
        return _field(axis.field, axis.kind, axis.title or None, **names, axis={"labelOverlap": True})
    if axis.kind == "step":
        marks = {"values": [axis.key(tick.at) for tick in axis.ticks], "format": "d"}
        return _field(axis.field, "quantitative", axis.title, axis=marks, scale={"zero": False})
    if axis.powers:
        return _field(axis.field, "quantitative", axis.title, scale={"type": "log"})
    ends = {"domain": [axis.low, axis.high], "nice": False}
    return _field(axis.field, "quantitative", axis.title, scale=ends, axis={"values": [at for at, _ in axis.ticks]})


def _colours(scale: Scale) -> dict[str, Any]:
    """A colour scale: values beyond it have the colour of its end."""
    kind = {"type": "log"} if scale.logarithmic else {}
    return {**kind, "domain": [scale.low, scale.high], "clamp": True, "scheme": "blueorange" if scale.two else "blues"}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _fields(panel: Panel, cells: Cells, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """The value of each block that is furthest from the middle of the scale; none for padding."""
    middle, valid = 0.5 if cells.scale.gate else 0.0, np.broadcast_to(cells.valid, cells.values.shape)
    for j in range(0, cells.values.shape[0], size[0]):
        for k in range(0, cells.values.shape[1], size[1]):
            here = slice(j, j + size[0]), slice(k, k + size[1])
            block = cells.values[here][valid[here]]
            if block.size:
                far = np.where(np.isfinite(block), np.abs(block / 2 - middle / 2), np.inf)
                value = _plain(float(block.flat[int(far.argmax())]))
                yield {panel.x.field: panel.x.key(k), panel.y.field: panel.y.key(j), "value": value}


def _parts(panel: Panel, mark: Spans) -> Iterator[dict[str, Any]]:
    for row, line in enumerate(mark.lines):
        for place, k in enumerate(line):
            value = {"label": mark.tokens.shown[k], "value": _plain(float(mark.values[k]))}
            yield {"t": panel.x.key(k), "line": row, "place": place, **value}


def _places(panel: Panel, line: Curve, size: int) -> Iterator[dict[str, Any]]:
    """The values of a line; the lowest and the highest of each `size` of them, or the first if none is finite."""
    for at in range(0, len(line.values), size):
        part = line.values[at : at + size]
        there = size > 1 and np.isfinite(part).any()
        kept = sorted({int(np.nanargmin(part)), int(np.nanargmax(part))}) if there else [0]
        for k in kept:
            yield {panel.x.field: panel.x.key(at + k), "line": as_text(line.label), "value": _plain(float(part[k]))}
