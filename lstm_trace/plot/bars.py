"""Signed bars over the steps: panels above each other with one axis below them, and a place apart for what was before.

Of more steps than have room several share a column, in which what is above 0 and what is below it are added up
separately: nothing that cancels out is hidden, and all bars together still add up to what they added up to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.text.markup import escape
from ..languages.strings import Words
from ..trace.operands import total
from . import vega
from .chart import marks
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
    step_in_words,
    step_marks,
    text,
    text_width,
)

#: Columns at most: two pixels each. How wide a column is at most; how far the one apart is from the others at least.
COLUMNS, _WIDEST, _APART = 365, 44.0, 26.0
#: Steps up to which all are drawn; of more, the part of all sizes that is left out, and how many are drawn at least.
WHOLE, REST, LEAST = 100, 0.01, 30
#: Heights: of a panel, of the only one, of the name above it, below it. What is free at the ends of a panel.
_TALL, _ALONE, _NAME, _GAP, _INSET = 120.0, 220.0, 19.0, 14.0, 8.0


#: What Vega-Lite says of a bar that is pointed at.
_TOLD = (("step", "nominal"), ("what", "nominal"), ("value", "quantitative"))


class Bar(NamedTuple):
    """A bar of a value in a column, which begins at `base`. kind: its class. name: what the value is, marked
    (`marked_text`).
    """

    column: int
    value: float
    kind: str
    name: str
    base: float = 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """Its lower and its upper end."""
        return min(self.base, self.base + self.value), max(self.base, self.base + self.value)


class BarPanel(NamedTuple):
    """Bars that share a scale. name: stands above them; may be empty."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class BarChart:
    """Panels of bars.

    steps, labels: of the axis. size: see `steps_in_column`. before: the name of the column apart, or none;
    behind: whether that stands behind the steps, as where time runs backwards. legend: classes and what they are.
    shaded: columns that are marked.
    """

    title: str
    caption: str
    words: Words
    steps: range
    labels: Sequence[str]
    panels: tuple[BarPanel, ...]
    legend: tuple[tuple[str, str], ...] = ()
    size: int = 1
    before: str = ""
    behind: bool = False
    shaded: tuple[int, ...] = ()

    @cached_property
    def columns(self) -> int:
        """How many columns there are for the steps."""
        return -(-len(self.steps) // self.size)

    @property
    def apart(self) -> int:
        """The column of what was before."""
        return self.columns if self.behind else -1

    @cached_property
    def scale(self) -> tuple[float, ...]:
        """The marks of all panels."""
        ends = [end for panel in self.panels for bar in panel.bars for end in bar.ends]
        return marks(min([0.0, *ends]), max([0.0, *ends]))

    def where(self, column: int) -> str:
        """A column in words: its step, with the label of that, or its steps."""
        if column == self.apart:
            return as_text(self.before)
        steps = self.steps[column * self.size : (column + 1) * self.size]
        if len(steps) > 1:
            return f"t = {self.words.span(steps)}"
        return step_in_words(self.words, steps[0], self.labels[column] if self.labels else "")


def steps_in_column(steps: int) -> int:
    """How many steps share a column."""
    return -(-steps // COLUMNS)


def focus(sizes: Array) -> slice:
    """Of many steps the places between which all is but for the `REST` of it; all where that spares less than half."""
    steps, whole = len(sizes), float(sizes.sum())
    if steps <= WHOLE or not 0 < whole < np.inf:
        return slice(0, steps)
    before, behind = (np.cumsum(part) <= REST / 2 * whole for part in (sizes, sizes[::-1]))
    first, last = int(before.sum()), steps - int(behind.sum())
    first, last = max(min(first, last - LEAST), 0), max(last, LEAST)
    return slice(first, last) if last - first <= steps / 2 else slice(0, steps)


def left_out(words: Words, steps: range, shown: slice, values: Sequence[tuple[str, Array]]) -> Iterator[str]:
    """What is said of the steps that `focus` leaves out. values: names, and what there is at every step."""
    drawn = steps[shown]
    if len(drawn) == len(steps):
        return
    rest = np.ones(len(steps), bool)
    rest[shown] = False
    items = (
        f"{words.labelled(name)}: {shown_number(total([part[rest & np.isfinite(part)]]))}" for name, part in values
    )
    ends = {"first": words.nth(drawn[0]), "last": words.nth(drawn[-1])}
    yield words.word("plot.focus", n=len(steps), **ends, items=words.word("semicolon").join(items))


def summed(values: Array, size: int) -> Iterator[tuple[int, float, float]]:
    """The columns of values that are not all 0: the sum of what is below 0, and of what is above it."""
    finite = np.where(np.isfinite(values), values, 0.0)
    starts = np.arange(0, len(values), size)
    below, above = (np.add.reduceat(part, starts) for part in (np.minimum(finite, 0), np.maximum(finite, 0)))
    for column in np.flatnonzero((below < 0) | (above > 0)):
        yield int(column), float(below[column]), float(above[column])


def drawn(chart: BarChart) -> str:
    """The SVG of a chart."""
    picture = _Picture(chart)
    body = "".join(picture.parts())
    return document(chart.title, chart.caption, f"{chart.title}. {chart.caption}", body, picture.bottom)


def specification(chart: BarChart) -> dict[str, Any]:
    """The same bars for Vega-Lite."""
    columns = [*range(chart.columns)]
    if chart.before:
        columns.insert(len(columns) if chart.behind else 0, chart.apart)
    places = list(map(chart.where, columns))
    x = vega.field("step", "nominal", "t", sort=places, scale={"domain": places}, axis={"labelOverlap": True})
    names = {as_text(bar.name): bar.kind for panel in chart.panels for bar in panel.bars}
    panels, ends = [], [chart.scale[0], chart.scale[-1]]
    legend = {} if chart.legend else {"legend": None}  # panels have their names above them
    for panel in chart.panels:
        rows = [
            {"step": chart.where(bar.column), "value": bar.value, "from": bar.base, "to": bar.base + bar.value,
             "what": as_text(bar.name)} for bar in panel.bars
        ]  # fmt: skip
        panels.append({
            **({"title": panel.name} if panel.name else {}),
            "width": 700,
            "height": 200 if len(chart.panels) == 1 else 110,
            "data": {"values": rows},
            "mark": {"type": "bar", "tooltip": True},
            "encoding": {
                "x": x,
                "y": vega.field("from", "quantitative", "", scale={"domain": ends}),
                "y2": {"field": "to"},
                "color": vega.field("what", "nominal", "", sort=list(names), **legend),
                "opacity": {
                    "condition": {"test": {"field": "what", "oneOf": [n for n, k in names.items() if "faint" in k]},
                                  "value": 0.3},
                    "value": 1,
                },
                "tooltip": [vega.field(name, kind) for name, kind in _TOLD],
            },
        })  # fmt: skip
    return {"vconcat": panels}


class _Picture:
    """Where everything stands."""

    def __init__(self, chart: BarChart) -> None:
        self.chart = chart
        self.tall = _ALONE if len(chart.panels) == 1 else _TALL
        inner = WIDE - LEFT - RIGHT - 2 * _INSET
        self.pitch = min(inner / (chart.columns + (1.6 if chart.before else 0)), _WIDEST)
        self.apart = max(1.6 * self.pitch, _APART) if chart.before else 0.0
        self.pitch = min(self.pitch, (inner - self.apart) / chart.columns)
        self.start = LEFT + _INSET + (0.0 if chart.behind else self.apart)
        self.wide = 2 * _INSET + self.apart + self.pitch * chart.columns
        self.bar = self.pitch * (0.8 if self.pitch > 5 else 1.0)
        self.bottom = 0.0

    def x(self, column: float) -> float:
        """The middle of a column."""
        if column == self.chart.apart:
            return LEFT + self.wide - _INSET - self.bar / 2 if self.chart.behind else LEFT + _INSET + self.bar / 2
        return self.start + self.pitch * (column + 0.5)

    def y(self, top: float, value: float) -> float:
        """The height of a value."""
        low, high = self.chart.scale[0] / 2, self.chart.scale[-1] / 2  # or the difference may overflow
        return top + self.tall * (1 - (value / 2 - low) / (high - low))

    def parts(self) -> Iterator[str]:
        """Everything from top to bottom."""
        chart, y = self.chart, HEAD + 8
        if chart.legend:
            found, y = self._legend(y + 6)
            yield found
        top = y
        for panel in chart.panels:
            if panel.name:
                yield f"{text('kind', LEFT, y + _NAME - 5, escape(panel.name))}\n"
                y += _NAME
            yield self._panel(panel, y)
            y += self.tall + _GAP
        y -= _GAP
        wide = self.pitch
        for column in chart.shaded:
            left = self.x(column) - wide / 2
            yield f'<rect class="shaded" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{y - top:.1f}"/>\n'
        if chart.before:
            at = self.x(chart.apart) + (0 if self.bar > 9 else -3 if chart.behind else 3)
            yield f"{text('mark', at, y + 16, spans(chart.before))}\n"
        found, tall = step_marks(
            chart.words, chart.steps, chart.labels, lambda k: self.x(k // chart.size), y, LEFT, self._numbers()
        )
        yield found
        self.bottom = y + tall + 10

    def _numbers(self) -> int:
        """How many numbers the axis has room for."""
        return max(1, min(20, int(self.pitch * self.chart.columns / 34)))

    def _legend(self, y: float) -> tuple[str, float]:
        x, parts = LEFT, []
        for kind, name in self.chart.legend:
            wide = 40 + text_width(name, 12)
            if x + wide > WIDE - RIGHT and x > LEFT:
                x, y = LEFT, y + LINE
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y - 5:.1f}" width="14" height="10"/>')
            parts.append(text("entry", x + 20, y + 4, spans(name)))
            x += wide
        return f"<g>{''.join(parts)}</g>\n", y + 12

    def _panel(self, panel: BarPanel, top: float) -> str:
        pitch = self.pitch / self.chart.size
        at = over_time(self.chart.steps[0], self.start + pitch / 2, pitch)
        parts = [
            f'<rect class="panel" x="{LEFT:.1f}" y="{top:.1f}" width="{self.wide:.1f}" height="{self.tall:.0f}"{at}/>'
        ]
        scale = self.chart.scale
        step = scale[1] - scale[0]
        zero = ""
        for mark in scale:
            y = self.y(top, mark)
            way = f"M{LEFT:.1f} {y:.1f}h{self.wide:.1f}"
            if abs(mark) < step / 2:
                zero = f'<path class="zero" d="{way}"/>'
            elif mark not in (scale[0], scale[-1]):
                parts.append(f'<path class="rule" d="{way}"/>')
            parts.append(text("mark end", LEFT - 6, y + 4, shown_number(mark, 6)))
        parts += [self._bar(bar, top) for bar in panel.bars]
        return f"<g>{''.join(parts)}{zero}</g>\n"

    def _bar(self, bar: Bar, top: float) -> str:
        lower, upper = (self.y(top, end) for end in bar.ends)
        told = f"{self.chart.where(bar.column)}, {as_text(bar.name)}: {shown_number(bar.value)}"
        return (
            f'<rect class="{bar.kind}" x="{self.x(bar.column) - self.bar / 2:.2f}" y="{upper:.2f}" '
            f'width="{self.bar:.2f}" height="{lower - upper:.2f}"><title>{escape(told)}</title></rect>'
        )
