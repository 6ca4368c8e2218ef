"""Gates and states over time: which curves are drawn, of which units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell, Line
from ..cell.network import Stage, forward_stages
from ..errors import MissingError
from ..formulas.plain import Plain
from ..formulas.tree import heading
from ..trace.argument_types import checked, misfit
from ..trace.rows import Selection
from ..trace.trace import Trace
from ..view.extent import view
from ..view.line_groups import is_gate, opens
from ..view.view import View
from .chart import Chart, Curve, Panel, Row
from .drawing import drawn
from .figure import Figure

if TYPE_CHECKING:
    import pandas as pd
from .marked_text import MarkedPlain

#: So many units have room in a picture.
MOST = 8


@checked
def over_time(
    trace: Trace,
    unit: Any = None,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    batch: int | None = None,
    steps: Any = None,
    language: str = "en",
) -> Figure:
    """Gates and states over time; see `plots.Plots`. Raises MissingError for a selection that is not there."""
    row = 0 if batch is None else batch
    chosen = Selection(lines, layer, direction, steps, row)
    shown = view(trace, "summary", 4, chosen, True, language)
    stages = forward_stages(trace.stages) if direction is None else trace.stages  # those of gradients where it says so
    shown = replace(shown, stages=tuple(stage for stage in stages if chosen.places(stage)))
    rows = [found for stage in shown.stages for found in _rows(shown, stage, row)]
    if unit is not None:
        rows = _of_units(rows, unit)
    if not rows:
        raise MissingError(_nothing(shown))
    kept = _most_moving(rows)
    words = shown.words
    notes = [words.word("plot.most", n=len(rows), shown=len(kept))] if len(kept) < len(rows) else []
    notes += [words.word("plot.row", row=shown.row(row))] if batch is None and trace.batch > 1 else []
    if any(curve.broken for found in kept for curve in found.curves):
        notes.append(words.word("plot.gaps"))
    names = {"gates": words.word("plot.gates"), "values": words.word(_kind(shown, kept))}
    title = words.word("plot.title")
    if trace.header.title:
        title = trace.header.title + words.aside(title)
    chart = Chart(title, trace.span[chosen.window(trace)], tuple(kept), names, " ".join(notes), words)
    return Figure("unit", title, chart.caption, partial(drawn, chart), partial(_frame, chart.steps, kept))


def _rows(shown: View, stage: Stage, b: int) -> Iterator[Row]:
    """A row for each unit of a stage that has something to draw."""
    trace, cell = shown.trace, stage.cell
    recorded, lines = trace.lines.get(stage.scope, {}), shown.lines(stage)
    if shown.chosen.names is None:
        if stage.direction == "joined" and shown.chosen.direction is None:
            return
        wanted = _told(cell)
        lines = [line for line in lines if line.name in wanted] or [line for line in lines if line.assigned]
    window = shown.chosen.window(trace)
    valid = trace.valid[window, b, 0] != 0
    widest = max((recorded[line.name].shape[-1] for line in lines), default=0)
    for j in range(widest):
        panels: dict[str, list[Curve]] = {"gates": [], "values": []}
        for line in lines:
            if j < recorded[line.name].shape[-1]:
                values = np.asarray(recorded[line.name][window, b, j], np.float64)
                panels["gates" if is_gate(line, cell) else "values"].append(_curve(shown, stage, line, values, valid))
        if any(np.isfinite(curve.values).any() for curves in panels.values() for curve in curves):
            found = tuple(Panel(kind, tuple(curves)) for kind, curves in panels.items())
            scope = stage.scope if len(shown.stages) > 1 else ""
            yield Row(scope, j, shown.unit(j, widest), shown.place(stage), found)


def _curve(shown: View, stage: Stage, line: Line, values: Array, valid: Array) -> Curve:
    """What is drawn of the values of a line: those at valid steps."""
    own, symbol = shown.trace.header.symbols, heading(line, stage.cell)
    label = MarkedPlain(own)(symbol).replace("-", "−")
    broken = not np.isfinite(values[valid]).all()
    return Curve(line.name, label, Plain(own)(symbol), np.where(valid, values, np.nan), broken)


def _states(cell: Cell) -> set[str]:
    """What is carried; where padding holds it, what the cell computes for it."""
    carried = [cell.by_name[name] for name in cell.states.values() if name in cell.by_name]  # others were supplied
    return {str(line.operands[1]) if line.op == "where" and not line.assigned else line.name for line in carried}


def _told(cell: Cell) -> set[str]:
    """Gates and what they let through, where that has a name; what is carried. A readout has no units of the cell."""
    gates = {line.name for line in cell.lines if opens(line, cell)}
    names = {*_states(cell), *gates}
    for line in cell.lines:
        if line.op == "mul" and gates & set(line.operands):
            names |= set(map(str, line.operands))
    return {name for name in names if name in cell.by_name and cell.by_name[name].assigned}


def _of_units(rows: list[Row], unit: Any) -> list[Row]:
    wanted = list(unit) if isinstance(unit, Iterable) else [unit]
    if not all(isinstance(j, Integral) for j in wanted):
        raise misfit("unit", "a whole number, or a list of them", unit)
    missing = [j for j in wanted if j not in {row.unit for row in rows}]
    if missing:
        last = max((row.unit for row in rows), default=0)
        raise MissingError(f"no unit {missing[0]} to draw: there are 0 to {last}")
    return [row for row in rows if row.unit in wanted]


def _most_moving(rows: list[Row]) -> list[Row]:
    """The rows whose curves have the largest range, in their order; the first of those with the same."""
    if len(rows) <= MOST:
        return rows
    order = sorted(range(len(rows)), key=lambda k: -rows[k].reach)
    return [rows[k] for k in sorted(order[:MOST])]


def _kind(shown: View, rows: Sequence[Row]) -> str:
    """What the curves are that are no gates."""
    there = {curve.line for row in rows for panel in row.panels if panel.kind == "values" for curve in panel.curves}
    cells = [stage.cell for stage in shown.stages]
    if not there <= {name for cell in cells for name in _told(cell)}:
        return "plot.values"
    return "plot.states" if there <= {name for cell in cells for name in _states(cell)} else "plot.candidates"


def _frame(steps: range, rows: Sequence[Row]) -> pd.DataFrame:
    """A row for each step and a column for each curve, called as in a wide table; NaN at padding."""
    import pandas as pd

    columns = {
        f"{row.scope}/{curve.line}[{row.unit}]" if row.scope else f"{curve.line}[{row.unit}]": curve.values
        for row in rows
        for curve in row.curves
    }
    return pd.DataFrame(columns, index=pd.Index(steps, name="t"))


def _nothing(shown: View) -> str:
    if not any(shown.lines(stage) for stage in shown.stages):
        return "there is nothing to draw: the trace has no line that was recorded at each step"
    return "there is nothing to draw: all steps of the selection are padding, or no value is a finite number"
