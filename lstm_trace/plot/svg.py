"""Panels as SVG: their positions, axes, legends and marks.

The picture has a background of its own, so that it is legible on light and dark pages, and in print. Attributes
`data-…` identify steps, units and weights, for a page that leads from a position in a picture to its number.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby
from math import hypot
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.display import cells, escape
from ..formulas.numbers import show
from ..formulas.plain import number
from .coloured_text import FIRST, LEVELS, Scale, extremes, strength
from .furniture import HEAD, LEFT, LINE, RIGHT, WIDE, as_text, document, shown_number, spans, text, text_width
from .panels import Axis, Bar, Cells, Column, Curve, Dot, Grid, Panel, Spans, Tick
from .png import encoded

#: Up to this many positions, each value of a line is a point with a tooltip; beyond this, several share a position.
POINTS, PLACES = 25, 160
#: Height of the numbers below an axis; font size, row height and spacing of its labels.
_MARKS, _LETTERS, _ROW, _FREE = 18.0, 11.0, 13.0, 2.0
#: Width and height of a drawn scale; pixels between the names of rows; maximum width of such a name in columns.
_BAR, _THICK, _APART, _NAMED = 110.0, 9.0, 11.0, 8
#: The colours of a scale, from its lower end.
_SHADES = np.arange(FIRST, FIRST + LEVELS, dtype=np.uint8)
#: Maps a position on an axis to a pixel.
Pixels = Callable[[Any], Any]


def drawn(title: str, caption: str, grids: Sequence[Grid], wide: float = WIDE) -> str:
    """The SVG of a picture."""
    y, parts = HEAD, []
    for grid in grids:
        body, y = _grid(grid, y, wide)
        parts.append(body)
    said = [panel.said for grid in grids for panel in grid.panels if panel.said] or [f"{title}."]
    return document(title, caption, " ".join([*said, caption]).strip(), "".join(parts), y, wide)


def _grid(grid: Grid, y: float, wide: float) -> tuple[str, float]:
    """A grid that begins at y, and its lower end."""
    parts = []
    if grid.heading:
        parts.append(f"{text('kind', LEFT, y + 14, spans(grid.heading[:1].upper() + grid.heading[1:]))}\n")
        y += LINE
    y += grid.top
    taken = ((one.wide or max(panel.room or panel.wide for panel in one.panels)) + grid.between for one in grid.columns)
    placed = list(zip(grid.columns, accumulate(taken, initial=LEFT), strict=False))
    legends, heights = zip(*(_legend(column, left, y, wide) for column, left in placed), strict=True)
    bodies, ends = zip(*(_column(column, left, y + max(heights)) for column, left in placed), strict=True)
    return "".join([*parts, *legends, *bodies]), max(ends)


def _legend(column: Column, left: float, y: float, wide: float) -> tuple[str, float]:
    """The heading and the styles of a column, and their height."""
    if not (column.heading or column.legend):
        return "", 0
    bars = any(isinstance(mark, Bar) for mark in column.panels[0].marks)
    first, last, end = (14.0, 12.0, wide - RIGHT) if bars else (14.2, LINE, left + column.panels[0].wide)
    y += first
    body = text("kind", left, y + 4, escape(column.heading)) if column.heading else ""
    start = x = left + (0.0 if bars else 7.4 * cells(column.heading) + 16)
    row = 0
    for style, label in column.legend:
        taken = 40 + text_width(label, 12) if bars else 42 + text_width(label, 15)
        if x + taken > end and x > start:
            x, row = left, row + 1
        at = y + row * LINE
        if bars:
            body += f'<rect class="{style}" x="{x:.1f}" y="{at - 5:.1f}" width="14" height="10"/>'
            body += text("entry", x + 20, at + 4, spans(label))
        else:
            body += f'<path class="{style}" d="M{x:.1f} {at:.1f}h24"/>{text("label", x + 29, at + 4, spans(label))}'
        x += taken
    return f"<g>{body}</g>\n", first + row * LINE + last


def _column(column: Column, left: float, y: float) -> tuple[str, float]:
    """The panels of a column, and their lower end."""
    parts, top = [], y
    for panel in column.panels:
        body, below = _Panel(panel, left, y + panel.above).drawn(panel is column.panels[-1])
        parts.append(body)
        bottom = y + panel.above + panel.tall
        y = bottom + below + panel.below
    for place in column.shaded:
        x = _Panel(column.panels[-1], left, 0.0).x
        wide = x(place + 0.5) - x(place - 0.5)
        parts.append(f'<rect class="shaded" {_box(x(place) - wide / 2, top, wide, bottom - top)}/>\n')
    return "".join(parts), y


def _box(x: float, y: float, wide: float, tall: float) -> str:
    return f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"'


class _Panel:
    """A panel at a position."""

    def __init__(self, panel: Panel, left: float, top: float) -> None:
        self.panel, self.left, self.top = panel, left, top
        self.bottom = top + panel.tall

    def x(self, at: Any) -> Any:
        """Pixel of a position on the x axis."""
        axis = self.panel.x
        return self.left + axis.inset + (self.panel.wide - 2 * axis.inset) * axis.share(at)

    def y(self, value: Any) -> Any:
        """Pixel of a value on the y axis."""
        return self.top + self.panel.tall * (1 - self.panel.y.share(value))

    def drawn(self, ticks: bool) -> tuple[str, float]:
        """The panel, and the height of everything below it. ticks: whether its x axis has ticks."""
        panel = self.panel
        first = panel.marks[0] if panel.marks else None
        draw: dict[type, Callable[[Any], str]] = {
            Curve: self._line, Bar: self._bar, Dot: self._dot, Cells: self._cells, Spans: self._spans,
        }  # fmt: skip
        rules, zero = (self._names(), "") if panel.y.kind == "ordinal" else self._scale(isinstance(first, Bar))
        body = self._frame() + rules + "".join(draw[type(mark)](mark) for mark in panel.marks) + zero
        below, axis = 0.0, ""
        if ticks and panel.x.kind == "number":
            numbers, below = self._numbers()
            body += numbers
        elif ticks:
            axis, below = below_axis(panel.x, self.x, self.bottom, self.left)
        if panel.under:
            axis += text("mark begin", self.left, self.bottom + below + 12, panel.under)
            below += 16
        lines = enumerate(panel.corner)  # in the upper right corner, in front of the content
        x, y = self.left + panel.wide, self.top + 12
        body += "".join(text("named" if k else "label end", x, y + k * (LINE - 3), spans(line)) for k, line in lines)
        if panel.frame == "panel":
            return f"{self._heading(first)}<g>{body}</g>\n{axis}", below
        return f"<g>{self._heading(first)}{body}{axis}</g>\n", below

    # -- around the marks --------------------------------------------------------------------------------------------

    def _heading(self, first: Any) -> str:
        panel, y = self.panel, self.top - self.panel.above + 15
        if not panel.heading:
            return ""
        if panel.style != "label":
            return f"{text(panel.style, self.left, self.top - 5, spans(panel.heading))}\n"
        label = text("label", self.left, y, spans(panel.heading))
        right = self.left + (panel.room or panel.wide)
        if isinstance(first, Spans):
            where = text("unit", self.left + text_width(panel.heading, 15) + 10, y, escape(panel.aside))
            return label + where + _ramp(first.scale, right, y)
        if isinstance(first, Cells) and first.values.shape[1] == 1 and panel.x.kind == "nominal":
            return label + _upright(first.scale, self.left + panel.wide + 8, self.top, panel.tall)
        return label + (_level(first.scale, panel.heading, self.left, right, y - 2) if isinstance(first, Cells) else "")

    def _frame(self) -> str:
        panel = self.panel
        if panel.frame == "floor":
            body = f'<path class="floor" d="M{self.left:.1f} {self.top:.1f}V{self.bottom:.1f}H{self.x(1.0):.1f}z"/>'
            for tick in panel.y.ticks[1:-1]:
                way = f"M{self.left:.1f} {self.y(tick.at):.1f}H{self.x(1 - tick.at):.1f}V{self.bottom:.1f}"
                body += f'<path class="rule" d="{way}"/>'
            return body
        if not panel.frame:
            return ""
        box = f'x="{self.left:.1f}" y="{self.top:.1f}" width="{panel.wide:.1f}" height="{panel.tall:.0f}"'
        return f'<rect class="panel" {box}{self._over_time()}/>'

    def _over_time(self) -> str:
        """Attributes of an element drawn over the steps: the first step, its position, and the distance of steps."""
        axis = self.panel.x
        if axis.first is None:
            return ""
        pitch = (self.x(1) - self.x(0)) / axis.size
        start = self.x(0) - pitch * (axis.size - 1) / 2
        return f' data-first="{axis.first}" data-start="{start:.2f}" data-pitch="{pitch:.5g}"'

    def _scale(self, bars: bool) -> tuple[str, str]:
        """The ticks of the y axis, with rules inside the panel; separately the zero line, which is drawn in front of
        bars.
        """
        panel, body, front = self.panel, "", ""
        first, second, *_ = (*(tick.at for tick in panel.y.ticks), 0.0, 1.0)  # one row has one tick
        for at, label in panel.y.ticks:
            y, is_zero = self.y(at), abs(at) < abs(second - first) / 2
            rule = f'<path class="{"zero" if is_zero else "rule"}" d="M{self.left:.1f} {y:.1f}h{panel.wide:.1f}"/>'
            if bars and is_zero:
                front += rule
            elif panel.y.low < at < panel.y.high and panel.frame == "panel":
                body += rule
            body += text("mark end", self.left - self._clear(self.left, y, 6.0), y + 4, label)
        if panel.y.title and self.left == LEFT:
            at_left = f"translate({self.left - 26:.1f} {self.top + panel.tall / 2:.1f}) rotate(-90)"
            body += f'<text class="mark" transform="{at_left}">{escape(panel.y.title)}</text>'
        return body, front

    def _names(self) -> str:
        """The names of as many rows as fit."""
        ticks = self.panel.y.ticks
        every = max(1, int(-(-_APART // (self.panel.tall / max(len(ticks), 1)))))
        shown = [(at, label if cells(label) <= _NAMED else f"{label[: _NAMED - 1]}…") for at, label in ticks[::every]]
        return "".join(text("mark end", self.left - 5, self.y(at) + 4, escape(label)) for at, label in shown)

    def _numbers(self) -> tuple[str, float]:
        """The ticks of an x axis of numbers, and its title."""
        body, axis = "", self.panel.x
        for at, label in axis.ticks:
            x = self.x(at)
            if self.panel.frame == "panel":
                body += f'<path class="rule" d="M{x:.1f} {self.bottom:.1f}v4"/>'
            body += text("mark", x, self.bottom + 9 + self._clear(x, self.bottom, 7.0), label)
        if not axis.title:
            return body, _MARKS
        return body + text("mark", self.left + self.panel.wide / 2, self.bottom + 30, escape(axis.title)), 36.0

    def _clear(self, x: float, y: float, least: float) -> float:
        """The distance of a number from its mark at (x, y), so that it is clear of a large point there."""
        dots = (mark for mark in self.panel.marks if isinstance(mark, Dot))
        near = (dot.radius for dot in dots if hypot(self.x(dot.x) - x, self.y(dot.y) - y) <= dot.radius)
        return max(least, max(near, default=0.0) + 3)

    # -- marks -------------------------------------------------------------------------------------------------------

    def _line(self, line: Curve) -> str:
        """A line with gaps where there is no value; an isolated value is drawn as a point."""
        finite, path, points = np.isfinite(line.values), "", list[int]()
        for is_there, run in groupby(range(len(finite)), key=lambda k: bool(finite[k])):
            if is_there:
                places = list(run)
                kept = places if len(finite) <= PLACES else _thinned(line.values, places)
                if len(kept) > 1:
                    ways = zip(kept, self.y(self.panel.y.along(line.values[kept])), strict=True)
                    path += f"M{' '.join(f'{self.x(k):.1f} {height:.1f}' for k, height in ways)}"
                points += places if len(places) == 1 or len(finite) <= POINTS else []
        dense = " dense" if len(finite) > PLACES else ""
        body = f'<path class="{line.style}{dense}" d="{path}"/>' if path else ""
        return body + "".join(self._point(line, k, float(line.values[k])) for k in points)

    def _point(self, line: Curve, k: int, value: float) -> str:
        panel = self.panel
        said = f"{line.told}, {panel.name}, {panel.x.where(k)}: {number(show(value, 4)).replace('-', '−')}"
        y = float(self.y(panel.y.along(np.float64(value))))
        return (
            f'<circle class="{line.style}" cx="{self.x(k):.1f}" cy="{y:.1f}" r="2.6">'
            f"<title>{escape(said)}</title></circle>"
        )

    def _bar(self, bar: Bar) -> str:
        wide = self.x(bar.at + bar.wide) - self.x(bar.at)
        wide *= 0.8 if wide > 5 else 1.0
        lower, upper = (self.y(end) for end in bar.ends)
        said = f"{self.panel.x.where(bar.at)}, {as_text(bar.name)}: {shown_number(bar.value)}"
        return (
            f'<rect class="{bar.style}" x="{self.x(bar.at) - wide / 2:.2f}" y="{upper:.2f}" width="{wide:.2f}" '
            f'height="{lower - upper:.2f}"><title>{escape(said)}</title></rect>'
        )

    def _dot(self, dot: Dot) -> str:
        return (
            f'<circle class="dot"{dot.attributes} cx="{self.x(dot.x):.2f}" cy="{self.y(dot.y):.2f}" '
            f'r="{dot.radius:.2f}"><title>{escape(dot.said)}</title></circle>'
        )

    def _cells(self, map: Cells) -> str:
        panel = self.panel
        levels = extremes(map.scale.levels(map.values, map.valid), *map.size, map.scale.middle)
        box = _box(self.left, self.top, panel.wide, panel.tall)
        body = _image("heat", levels, map.scale, box, map.attributes + self._over_time())
        if panel.marked is not None:  # the name of the line is above
            x, tip = self.x(panel.marked), self.bottom + 6
            body += f'<path class="tip" d="M{x - 4:.1f} {tip:.1f}h8l-4 -6z"/>'
            body += f'<path class="first" d="M{x:.1f} {self.top:.1f}v{panel.tall:.1f}"/>'
        return body

    def _spans(self, mark: Spans) -> str:
        """The parts of a text on their colours; grey at padding, and in a box if a value is not finite."""
        strengths, gap, body = strength(mark.scale, mark.values), 5.0 if mark.tokens.spaced else 0.0, ""
        for row, line in enumerate(mark.lines):
            x, y = self.left, self.top + 25.0 * row
            for k in line:
                wide = mark.widths[k]
                kind = "padded" if not mark.valid[k] else "box" if np.isnan(strengths[k]) else ""
                inner = f'<path class="inside" d="M{x:.1f} {y + 22:.1f}h{wide:.1f}"/>' if k in mark.marked else ""
                box = f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="21"/>'
                ground = box if kind else _ground(strengths[k], x, y, wide, 21.0)
                token = text("token", x + wide / 2, y + 15.5, escape(mark.tokens.shown[k]))
                title = f"<title>{escape(mark.said[k])}</title>"
                body += f'<g data-t="{(self.panel.x.first or 0) + k}">{ground}{token}{inner}{title}</g>\n'
                x += wide + gap
        return body


def _thinned(values: Array, places: list[int]) -> list[int]:
    """The first, last, lowest and highest of the steps that share a position along the panel."""
    size = -(-len(values) // PLACES)
    parts = [places[at : at + size] for at in range(0, len(places), size)]
    ends = ({part[0], part[-1], part[values[part].argmin()], part[values[part].argmax()]} for part in parts)
    return [k for part in ends for k in sorted(part)]


# -- scales of colours -----------------------------------------------------------------------------------------------


def _image(kind: str, levels: Array, scale: Scale, box: str, more: str = "") -> str:
    """Colour numbers as an image. more: attributes."""
    return (
        f'<rect class="padded" {box}/><image class="{kind}" {box} preserveAspectRatio="none" '
        f'image-rendering="pixelated"{more} href="data:image/png;base64,'
        f'{b64encode(encoded(levels, scale.palette)).decode()}"/>'
    )


def _level(scale: Scale, label: str, left: float, right: float, y: float) -> str:
    """A scale at the right end of the line that contains the label of its map."""
    low, high = scale.ends
    if scale.empty:
        return text("mark end", right, y, high)
    taken = text_width(label, 15) + 6.2 * (cells(low) + cells(high)) + 24
    wide = float(np.clip(right - left - taken, 24.0, _BAR))
    x = right - 7 - 6.2 * cells(high) - wide
    image = _image("scale", _SHADES[None], scale, _box(x, y - 8, wide, _THICK))
    return text("mark end", x - 5, y, low) + image + text("mark end", right, y, high)


def _upright(scale: Scale, x: float, y: float, tall: float) -> str:
    """A scale next to a map of one column."""
    low, high = scale.ends
    if scale.empty:
        return text("mark begin", x + 4, y + 9, high)
    bar = min(tall, _BAR)
    alone = f"±{high}" if scale.two else high
    ends = ((y + 9, high), (y + bar, low)) if bar >= 2 * _APART else ((y + 9, alone),)
    image = _image("scale", _SHADES[::-1, None], scale, _box(x, y, _THICK, bar))
    return image + "".join(text("mark begin", x + _THICK + 4, at, label) for at, label in ends)


def _ramp(scale: Scale, right: float, y: float) -> str:
    """The scale of a text, in the colours of its style sheet."""
    low, high = scale.ends
    x, n = right - 7 - 6.2 * cells(high) - _BAR, 22
    shares = (np.arange(n) + 0.5) / n * (2 if scale.two else 1) - scale.two
    grounds = (_ground(share, x + k * _BAR / n, y - 10, _BAR / n, _THICK) for k, share in enumerate(shares))
    frame = f'<rect class="frame" x="{x:.1f}" y="{y - 10:.1f}" width="{_BAR:.0f}" height="{_THICK:.0f}"/>'
    return "".join(grounds) + frame + text("mark end", x - 5, y - 1, low) + text("mark end", right, y - 1, high)


def _ground(share: float, x: float, y: float, wide: float, tall: float) -> str:
    kind = "above" if share >= 0 else "below"
    return f'<rect class="{kind}" {_box(x, y, wide, tall)} fill-opacity="{abs(share):.3f}"/>'


# -- names below an axis ---------------------------------------------------------------------------------------------


def below_axis(axis: Axis, x: Pixels, y: float, left: float) -> tuple[str, float]:
    """The ticks and names of an axis.

    Args:
        axis: an axis over time, or of categories.
        x: from a position to a pixel.
        y: the lower end of the panel.
        left: where the name of the axis ends.

    Returns:
        SVG, and its height.
    """
    body = text("mark", left - 9, y + 16, f'<tspan class="m">{escape(axis.title)}</tspan>') if axis.title else ""
    for at, label in axis.ticks:
        body += f'<path class="rule" d="M{x(at):.1f} {y:.1f}v4"/>{text("mark", x(at), y + 16, spans(label))}'
    tall = _MARKS if body else 0.0
    body = f"<g>{body}</g>\n" if body else ""
    if not any(label for _, label in axis.labels):
        return body, tall
    names, more = _labels(axis.labels, x, y + tall + 2)
    return f"{body}<g>{names}</g>\n", tall + more + (0 if tall else 2)


def _labels(labels: Sequence[Tick], x: Pixels, y: float) -> tuple[str, float]:
    """Labels upright if they fit side by side in one row, or alternating in two; otherwise rotated.

    If too many would be rotated, only every second, third, … is shown.
    """
    n = len(labels)
    at = [float(x(place)) for place, _ in labels]
    widths = [text_width(label, _LETTERS) for _, label in labels]
    for rows in (1, 2):
        between = ((widths[k] + widths[k + rows]) / 2 - (at[k + rows] - at[k]) for k in range(n - rows))
        if max(between, default=0.0) + _FREE <= 0 or n == 1:
            named = [(k, escape(label)) for k, (_, label) in enumerate(labels) if label]
            upright = (text("mark step", at[k], y + 11 + _ROW * (k % rows), label) for k, label in named)
            return "".join(upright), 16.0 + _ROW * (rows - 1)
    pitch = (at[-1] - at[0]) / (n - 1)  # on average: several may share a column
    every = max(1, int(-(-_LETTERS // max(pitch, 0.01))))
    turned = (
        f'<text class="mark end step" transform="translate({at[k] + 4:.1f} {y + 4:.1f}) rotate(-90)">'
        f"{escape(labels[k].label)}</text>"
        for k in range(0, n, every)
        if labels[k].label
    )
    return "".join(turned), max(widths) + 8
