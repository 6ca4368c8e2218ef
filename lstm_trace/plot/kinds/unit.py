"""The trajectory of a unit, or of several: its gates, candidate and states over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage
from ...trace.argument_types import checked
from ...trace.trace import Trace
from .. import vega
from ..chart import Chart, Curve, CurvePanel, Row
from ..drawing import drawn
from ..figure import Figure
from ..subject import Subject, chosen_units, subject, told

if TYPE_CHECKING:
    import pandas as pd

#: So many units have room in a picture.
MOST = 8


@checked
def trajectories(
    trace: Trace,
    unit: Any = None,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    batch: int | None = None,
    steps: Any = None,
    language: str = "en",
) -> Figure:
    """Gates and states of units over time; see `plots.Plots`. Raises MissingError for a selection that is not there."""
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    rows = [row for stage in found.shown.stages for row in _rows(found, stage)]
    if not rows:
        raise found.nothing
    wanted = chosen_units(unit, {row.unit for row in rows})
    rows = [row for row in rows if row.unit in wanted]
    kept = _most_moving(rows)
    words = found.words
    notes = [words.word("plot.most", n=len(rows), shown=len(kept))] if len(kept) < len(rows) else []
    notes += found.notes
    if any(curve.broken for row in kept for curve in row.curves):
        notes.append(words.word("plot.gaps"))
    names = {"gates": words.word("plot.gates"), "values": words.word(_kind(found, kept))}
    title, caption = found.titled("plot.title"), " ".join(notes)
    chart = Chart(title, found.steps, tuple(kept), names, caption, words, found.labels)
    return Figure(
        "unit",
        title,
        caption,
        partial(drawn, chart),
        partial(_frame, found, kept),
        partial(_specification, chart),
        language,
    )


def _rows(found: Subject, stage: Stage) -> Iterator[Row]:
    """A row for each unit of a stage that has something to draw."""
    lines = [(line, found.values(stage, line)) for line in found.lines(stage)]
    widest = max((values.shape[-1] for _, values in lines), default=0)
    for j in range(widest):
        panels: dict[str, list[Curve]] = {"gates": [], "values": []}
        for line, values in lines:
            if j < values.shape[-1]:
                panels["gates" if found.is_gate(stage, line) else "values"].append(
                    _curve(found, stage, line, values[:, j])
                )
        if any(np.isfinite(curve.values).any() for curves in panels.values() for curve in curves):
            drawn_panels = tuple(CurvePanel(kind, tuple(curves)) for kind, curves in panels.items())
            shown = found.shown
            scope = stage.scope if len(shown.stages) > 1 else ""
            yield Row(scope, j, shown.unit(j, widest), shown.place(stage), drawn_panels)


def _curve(found: Subject, stage: Stage, line: Line, values: Array) -> Curve:
    """What is drawn of the values of a line: those at valid steps."""
    broken = not np.isfinite(values[found.valid]).all()
    drawn_values = np.where(found.valid, values, np.nan)
    return Curve(line.name, found.symbol(stage, line), found.told(stage, line), drawn_values, broken)


def _most_moving(rows: list[Row]) -> list[Row]:
    """The rows whose curves have the largest range, in their order; the first of those with the same."""
    if len(rows) <= MOST:
        return rows
    order = sorted(range(len(rows)), key=lambda k: -rows[k].reach)
    return [rows[k] for k in sorted(order[:MOST])]


def _kind(found: Subject, rows: Sequence[Row]) -> str:
    """What the curves are that are no gates."""
    there = {curve.line for row in rows for panel in row.panels if panel.kind == "values" for curve in panel.curves}
    stages = found.shown.stages
    if not there <= {name for stage in stages for name in told(stage)}:
        return "plot.values"
    return "plot.states" if there <= {name for stage in stages for name in stage.carried} else "plot.candidates"


def _column(row: Row, curve: Curve) -> str:
    return f"{row.scope}/{curve.line}[{row.unit}]" if row.scope else f"{curve.line}[{row.unit}]"


def _frame(found: Subject, rows: Sequence[Row]) -> pd.DataFrame:
    """A column for each curve, called as in a wide table; NaN at padding."""
    return found.frame({_column(row, curve): curve.values for row in rows for curve in row.curves})


def _specification(chart: Chart, data: pd.DataFrame) -> dict[str, Any]:
    """For each unit a panel of gates and one of values, side by side."""
    columns = [_column(row, curve) for row in chart.rows for curve in row.curves]
    size = vega.steps_between_extremes(len(chart.steps), len(columns))
    panels = []
    for row in chart.rows:
        side = []
        for panel in row.panels:
            if panel.curves:
                names = {_column(row, curve): curve.line for curve in panel.curves}
                scale = {"scale": {"domain": [0, 1]}} if panel.kind == "gates" else {}
                y = vega.field("value", "quantitative", chart.names[panel.kind], **scale)
                side.append({"title": row.title(chart.words), **vega.curves(data, names, size, y)})
        panels.append({"hconcat": side})
    return {"vconcat": panels, "note": chart.words.word("plot.thinned.curves", n=size) if size > 1 else ""}
