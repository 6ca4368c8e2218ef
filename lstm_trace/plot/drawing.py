"""A chart as SVG: small panels of one size, a row for each unit, with one legend above each column.

The picture has a ground of its own, so that it can be read in a page that is light or dark, and print.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from ..base.arrays import Array
from ..base.text.columns import cells
from ..base.text.markup import escape
from ..formulas.plain import raised
from .chart import Chart, Curve, CurvePanel
from .furniture import (
    HEAD,
    LEFT,
    LINE,
    RIGHT,
    WIDE,
    as_text,
    document,
    over_time,
    shown_number,
    spans,
    step_marks,
    text_width,
)

#: What is left free between panels; where the legends stand.
_BETWEEN, _TOP = 52.0, HEAD + 14.2
#: Heights: of a panel, of one of two, of the only one, of the name above it, below it.
_TALL, _TWO, _ALONE, _NAME, _GAP = 84.0, 130.0, 190.0, 17.0, 12.0
#: Steps up to which each value is a point that can be pointed at, and beyond which several share a place.
POINTS, PLACES = 25, 160
#: Strokes that the style sheet has: three for gates, then a dotted one for a candidate and a bold one for a state.
STROKES = 8


def drawn(chart: Chart) -> str:
    """The SVG of a chart."""
    picture = _Picture(chart)
    body = "".join(picture.parts())
    return document(chart.title, chart.caption, _described(chart), body, picture.bottom)


def _described(chart: Chart) -> str:
    """Each curve in words, for who cannot see it."""
    told = []
    for row in chart.rows:
        for curve in row.curves:
            finite = curve.values[np.isfinite(curve.values)]
            if finite.size:
                least, most = (chart.shown(value) for value in (finite.min(), finite.max()))
                where = as_text(row.title(chart.words))
                told.append(chart.words.word("plot.curve", name=curve.told, where=where, least=least, most=most))
    return " ".join([*told, chart.caption]).strip()


class _Picture:
    """Where everything stands."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        columns = len(chart.kinds)
        self.wide = (WIDE - LEFT - RIGHT - _BETWEEN * (columns - 1)) / columns
        self.tall = {1: _ALONE, 2: _TWO}.get(len(chart.rows), _TALL)
        self.left = {kind: LEFT + k * (self.wide + _BETWEEN) for k, kind in enumerate(chart.kinds)}
        self.scales = {kind: chart.scale(kind) for kind in chart.kinds}
        self.stroke = {
            name: k % STROKES
            for kind, names in chart.labels.items()
            for k, name in enumerate(names, 0 if kind != "values" else 3 if len(names) > 1 else 4)
        }
        self.bottom = 0.0

    def x(self, kind: str, at: float) -> float:
        """Where the step at place `at` stands in a panel; a single step in its middle."""
        inset, n = 8.0, len(self.chart.steps)
        inner = self.wide - 2 * inset
        return self.left[kind] + inset + (inner / 2 if n == 1 else inner * at / (n - 1))

    def y(self, kind: str, top: float, value: Array | float) -> Array | float:
        """Where a value stands in a panel."""
        low, high = self.scales[kind][0] / 2, self.scales[kind][-1] / 2  # or the difference may overflow
        return top + self.tall * (1 - (value / 2 - low) / (high - low))

    def parts(self) -> Iterator[str]:
        """Everything from top to bottom."""
        y = _TOP + max([self._legend_rows(kind) for kind in self.chart.kinds]) * LINE
        yield from (self._legend(kind, _TOP) for kind in self.chart.kinds)
        for row in self.chart.rows:
            name = row.title(self.chart.words)
            yield f'<text class="unit" x="{LEFT:.0f}" y="{y + _NAME - 5:.1f}">{spans(name)}</text>\n'
            y += _NAME
            for panel in row.panels:
                if panel.kind in self.left:
                    yield self._panel(panel, y, as_text(name))
            y += self.tall + _GAP
        y -= _GAP
        below = 0.0
        for kind in self.chart.kinds:
            marked, tall = self._times(kind, y)
            below = max(below, tall)
            yield marked
        self.bottom = y + below + 10

    # -- legend ------------------------------------------------------------------------------------------------------

    def _places(self, kind: str) -> Iterator[tuple[str, str, float, int]]:
        """Name, label, place and row of each entry of a legend."""
        start = 7.4 * cells(self.chart.names[kind]) + 16
        x, row = start, 0
        for name, label in self.chart.labels[kind].items():
            wide = 42 + text_width(label, 15)
            if x + wide > self.wide and x > start:
                x, row = 0.0, row + 1
            yield name, label, x, row
            x += wide

    def _legend_rows(self, kind: str) -> int:
        return 1 + max((row for *_, row in self._places(kind)), default=0)

    def _legend(self, kind: str, y: float) -> str:
        left = self.left[kind]
        text = f'<text class="kind" x="{left:.1f}" y="{y + 4:.1f}">{escape(self.chart.names[kind])}</text>'
        for name, label, at, row in self._places(kind):
            x, level = left + at, y + row * LINE
            text += f'<path class="c{self.stroke[name]}" d="M{x:.1f} {level:.1f}h24"/>'
            text += f'<text class="label" x="{x + 29:.1f}" y="{level + 4:.1f}">{spans(label)}</text>'
        return f"<g>{text}</g>\n"

    # -- panels ------------------------------------------------------------------------------------------------------

    def _panel(self, panel: CurvePanel, top: float, name: str) -> str:
        kind, left = panel.kind, self.left[panel.kind]
        pitch = self.x(kind, 1) - self.x(kind, 0) if len(self.chart.steps) > 1 else 0.0
        at = over_time(self.chart.steps[0], self.x(kind, 0), pitch)
        text = (
            f'<rect class="panel" x="{left:.1f}" y="{top:.1f}" width="{self.wide:.1f}" height="{self.tall:.0f}"{at}/>'
        )
        scale = self.scales[kind]
        step = scale[1] - scale[0]
        for mark in scale:
            y = self.y(kind, top, mark)
            if mark not in (scale[0], scale[-1]):
                way = f"M{left:.1f} {y:.1f}h{self.wide:.1f}"
                text += f'<path class="{"zero" if abs(mark) < step / 2 else "rule"}" d="{way}"/>'
            label = f"10{raised(shown_number(mark))}" if self.chart.powers else shown_number(mark, 6)
            text += f'<text class="mark end" x="{left - 6:.1f}" y="{y + 4:.1f}">{label}</text>'
        return f"<g>{text}{''.join(self._curve(curve, kind, top, name) for curve in panel.curves)}</g>\n"

    def _curve(self, curve: Curve, kind: str, top: float, name: str) -> str:
        """A curve with gaps where there is no value; a value that stands alone is a point."""
        finite = np.isfinite(curve.values)
        path, points = "", []
        for is_there, run in groupby(range(len(finite)), key=lambda k: bool(finite[k])):
            places = list(run)
            if is_there:
                kept = places if len(curve.values) <= PLACES else _thinned(curve.values, places)
                if len(kept) > 1:
                    heights = self.y(kind, top, curve.values[kept])
                    way = [f"{self.x(kind, k):.1f} {h:.1f}" for k, h in zip(kept, np.atleast_1d(heights), strict=True)]
                    path += f"M{' '.join(way)}"
                points += places if len(places) == 1 or len(finite) <= POINTS else []
        dense = " dense" if len(finite) > PLACES else ""
        text = f'<path class="c{self.stroke[curve.line]}{dense}" d="{path}"/>' if path else ""
        return text + "".join(self._point(curve, kind, top, name, k) for k in points)

    def _point(self, curve: Curve, kind: str, top: float, name: str, k: int) -> str:
        x, y = self.x(kind, k), self.y(kind, top, float(curve.values[k]))
        shown = self.chart.shown(curve.values[k]).replace("-", "−")
        said = f"{curve.told}, {name}, t = {self.chart.words.nth(self.chart.steps[k])}: {shown}"
        return (
            f'<circle class="c{self.stroke[curve.line]}" cx="{x:.1f}" cy="{y:.1f}" r="2.6">'
            f"<title>{escape(said)}</title></circle>"
        )

    def _times(self, kind: str, y: float) -> tuple[str, float]:
        """The marks and labels of the steps, below the last row."""
        chart, left = self.chart, self.left[kind]
        return step_marks(chart.words, chart.steps, chart.labels_of_steps, lambda k: self.x(kind, k), y, left)


def _thinned(values: Array, places: list[int]) -> list[int]:
    """Of the steps that share a place along the panel the first, the last, the lowest and the highest."""
    size = -(-len(values) // PLACES)
    kept: list[int] = []
    for at in range(0, len(places), size):
        part = places[at : at + size]
        here = values[part]
        kept += sorted({part[0], part[-1], part[int(here.argmin())], part[int(here.argmax())]})
    return kept
