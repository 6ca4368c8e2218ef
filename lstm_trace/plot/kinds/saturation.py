"""How saturated gates are: a panel for each gate and layer, a point for each unit (Karpathy et al. 2015, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import hypot, sqrt
from typing import TYPE_CHECKING, Any

from ...base.text.markup import escape
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import MissingError
from ...explanation.activity import COLUMNS, HIGH, LOW, Activity, Behaviour, behaviour
from ...trace.argument_types import checked
from ...trace.trace import Trace
from .. import vega
from ..figure import Figure
from ..furniture import HEAD, LEFT, LINE, RIGHT, document, of_units, shown_number, text
from ..marked_text import spans
from ..subject import Subject, subject

if TYPE_CHECKING:
    import pandas as pd

#: Panels side by side; what is free between them, above and below one.
_ACROSS, _BETWEEN, _ABOVE, _BELOW = 3, 38.0, 10.0, 46.0
#: Narrow, so that its letters are large where it has the width of a column or of a telephone.
_WIDE = 640.0
#: The radius of a point of one unit, at least and at most; about that of one that stands for all units of a gate.
_LEAST, _MOST, _ALL = 1.0, 4.0, 12.0

#: In Vega-Lite: the area of a point by the number of its units.
_AREA = {"domain": [0, 10], "range": [0, 500]}


@dataclass(frozen=True)
class _Panel:
    """A gate of a layer and direction. symbol: marked. name: where it is, in words."""

    stage: Stage
    line: Line
    symbol: str
    told: str
    place: str
    units: tuple[Activity, ...]


@checked
def saturation(
    trace: Trace,
    low: float = LOW,
    high: float = HIGH,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    language: str = "en",
) -> Figure:
    """The share of steps at which each gate is shut and open; see `plots.Plots`.

    Raises OptionError unless 0 <= low < high <= 1, MissingError where there is no gate.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, language=language)
    measured = behaviour(trace, low, high)
    panels = tuple(_panels(found, measured, lines is not None))
    if not panels:
        raise MissingError(
            "there is nothing to draw: the selection has no gate that was recorded, or no step that is not padding"
        )
    words = found.words
    title = found.titled("plot.saturation")
    kept = [(panel.stage.scope, panel.line.name) for panel in panels]
    caption = words.word("plot.saturation.axes", low=shown_number(low), high=shown_number(high))
    if any(not found.is_gate(panel.stage, panel.line) for panel in panels):
        ends = {"low": shown_number(2 * low - 1), "high": shown_number(2 * high - 1)}
        caption += " " + words.word("plot.saturation.signed", **ends)
    caption = " ".join([caption, words.word("plot.saturation.points"), *found.held(every=True)])
    return Figure(
        "saturation",
        title,
        caption,
        partial(_drawn, found, title, caption, panels),
        partial(_frame, measured, kept),
        partial(_specification, found, panels),
        language,
    )


def _panels(found: Subject, measured: Behaviour, asked: bool) -> Iterator[_Panel]:
    """Gates; of lines that were asked for, those that go from -1 to 1 too."""
    for stage in found.shown.stages:
        for line in found.shown.lines(stage):
            units = tuple(u for u in measured.units if (u.scope, u.line) == (stage.scope, line.name))
            if units and (asked or found.is_gate(stage, line)):
                yield _Panel(
                    stage, line, found.symbol(stage, line), found.told(stage, line), found.shown.place(stage), units
                )


def _drawn(found: Subject, title: str, caption: str, panels: Sequence[_Panel]) -> str:
    side = (_WIDE - LEFT - RIGHT - (_ACROSS - 1) * _BETWEEN) / _ACROSS
    parts, y, told = [], HEAD + 6, []
    for scope in dict.fromkeys(panel.stage.scope for panel in panels):
        row = [panel for panel in panels if panel.stage.scope == scope]
        for at in range(0, len(row), _ACROSS):
            for k, panel in enumerate(row[at : at + _ACROSS]):
                parts.append(_panel(found, panel, LEFT + k * (side + _BETWEEN), y + _ABOVE, side))
                told.append(_told(found, panel))
            y += _ABOVE + side + _BELOW
    return document(title, caption, " ".join([*told, caption]), "".join(parts), y - 8, _WIDE)


def _panel(found: Subject, panel: _Panel, left: float, top: float, side: float) -> str:
    """The triangle in which all points lie, the points, and in the free corner the units nearest to its ends."""
    words, bottom = found.words, top + side
    radius = max(_LEAST, min(_MOST, _ALL / len(panel.units) ** 0.5))
    places = {place: (units, radius * sqrt(len(units))) for place, units in _places(panel.units).items()}
    marks: list[str] = []

    def clear(x: float, y: float, least: float) -> float:
        """How far a number stands from its mark at (x, y), so that it is clear of a large point there."""
        near = [r for place, (_, r) in places.items() if hypot(place[0] - x, place[1] - y) * side <= r]
        return max(least, max(near, default=0.0) + 3)

    parts = [f'<path class="floor" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{left + side:.1f}z"/>']
    for mark in (0.0, 0.5, 1.0):
        x, y, shown = left + side * mark, bottom - side * mark, shown_number(mark)
        marks.append(text("mark", x, bottom + 9 + clear(mark, 0.0, 7.0), shown))
        marks.append(text("mark end", left - clear(0.0, mark, 6.0), y + 4, shown))
        if mark == 0.5:
            parts.append(f'<path class="rule" d="M{left:.1f} {y:.1f}H{x:.1f}V{bottom:.1f}"/>')
    parts.append(text("mark", left + side / 2, bottom + 30, escape(words.word("plot.saturation.left"))))
    if left == LEFT:
        at = f"translate({left - 26:.1f} {top + side / 2:.1f}) rotate(-90)"
        parts.append(f'<text class="mark" transform="{at}">{escape(words.word("plot.saturation.right"))}</text>')
    for (x, y), (units, size) in places.items():
        names = _units(found, panel, [unit.unit for unit in units])
        said = f"{names}: {shown_number(x)}, {shown_number(y)}"
        of = of_units(panel.stage.scope, panel.line.name, str(units[0].unit))
        parts.append(
            f'<circle class="dot"{of} cx="{left + side * x:.2f}" cy="{bottom - side * y:.2f}" '
            f'r="{size:.2f}"><title>{escape(said)}</title></circle>'
        )
    corner, y = left + side, top + 12
    parts += marks
    parts.append(text("label end", corner, y, spans(panel.symbol)))
    for line in (*([panel.place] if panel.place else []), *_extremes(found, panel)):
        y += LINE - 3
        parts.append(text("named", corner, y, escape(line)))
    return f"<g>{''.join(parts)}</g>\n"


def _places(units: Sequence[Activity]) -> dict[tuple[float, float], list[Activity]]:
    """The units by their exact place, those of the largest groups first, so that no point hides a smaller one."""
    found: dict[tuple[float, float], list[Activity]] = {}
    for unit in units:
        found.setdefault((unit.left, unit.right), []).append(unit)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _units(found: Subject, panel: _Panel, units: Sequence[int], most: int = 12) -> str:
    words = found.words
    names = [found.unit(panel.stage, panel.line, j) for j in units[:most]]
    more = [f"+ {len(units) - most}"] if len(units) > most else []
    return words.word("list").join([*names, *more])


def _extremes(found: Subject, panel: _Panel) -> Iterator[str]:
    """The unit that is open at most steps, and the one that is shut, with their shares; of equal ones the first."""
    for end in ("right", "left"):
        unit = max(panel.units, key=lambda unit: float(getattr(unit, end)))
        if (share := getattr(unit, end)) > 0:
            name = found.unit(panel.stage, panel.line, unit.unit)
            yield found.words.word(f"plot.saturation.most.{end}", unit=name, share=f"{100 * share:.3g}")


def _told(found: Subject, panel: _Panel) -> str:
    """The panel in words, for who cannot see it."""
    words = found.words
    where = words.word("list").join(part for part in (panel.told, panel.place) if part)
    return words.labelled(where) + ": " + words.word("semicolon").join(_extremes(found, panel)) + "."


def _frame(measured: Behaviour, kept: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The activity of every unit that is drawn, as `lt.explain(how="gates")` has it."""
    import pandas as pd

    rows = [row for unit, row in zip(measured.units, measured.rows, strict=True) if (unit.scope, unit.line) in kept]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _specification(found: Subject, panels: Sequence[_Panel], data: pd.DataFrame) -> dict[str, Any]:
    words = found.words
    drawn = []
    for panel in panels:
        rows = [
            {"left": x, "right": y, "count": len(units), "units": _units(found, panel, [u.unit for u in units])}
            for (x, y), units in _places(panel.units).items()
        ]
        axis: dict[str, Any] = {"scale": {"domain": [0, 1]}}
        drawn.append({
            "title": words.word("list").join(part for part in (panel.told, panel.place) if part),
            "width": 220,
            "height": 220,
            "layer": [
                {
                    "data": {"values": [{"x": 0, "y": 1, "x2": 1, "y2": 0}]},
                    "mark": "rule",
                    "encoding": {
                        "x": vega.field("x", "quantitative", words.word("plot.saturation.left"), **axis),
                        "y": vega.field("y", "quantitative", words.word("plot.saturation.right"), **axis),
                        "x2": {"field": "x2"},
                        "y2": {"field": "y2"},
                    },
                },
                {
                    "data": {"values": rows},
                    "mark": {"type": "circle", "tooltip": {"content": "data"}, "opacity": 0.6},
                    "encoding": {
                        "x": vega.field("left", "quantitative", **axis),
                        "y": vega.field("right", "quantitative", **axis),
                        "size": vega.field("count", "quantitative", legend=None, scale=_AREA),
                    },
                },
            ],
        })  # fmt: skip
    return {"concat": drawn, "columns": _ACROSS}
