"""How far a gradient reaches back: its size with respect to what each layer carries, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...backpropagation.norms import Norm, Norms, norms
from ...base.arrays import Array
from ...cell.network import Stage
from ...errors import MissingError
from ...trace.argument_types import checked
from ...trace.trace import Trace
from .. import vega
from ..chart import Chart, Curve, CurvePanel, Row
from ..drawing import drawn
from ..figure import Figure
from ..furniture import as_text
from ..subject import Subject, subject

if TYPE_CHECKING:
    import pandas as pd


@checked
def gradient(trace: Trace, of: str | None = None, batch: int | None = None, language: str = "en") -> Figure:
    """The norm of a gradient over time; see `plots.Plots`. Raises what `backpropagation.norms.norms` does."""
    return figure(trace, of, batch, language)


def figure(
    trace: Trace, of: str | None = None, batch: int | None = None, language: str = "en", output: Any = None
) -> Figure:
    """The picture, also of a weighting of the output: see `norms`."""
    measured = norms(trace, of, 0 if batch is None else batch, output)
    found = subject(trace, batch=measured.b if of is not None else batch, language=language)
    words, what = found.words, _what(found, measured, output is not None)
    title = found.titled("plot.gradient", what=what)
    rows = dict(_rows(found, measured))
    if not rows:
        raise MissingError(f"there is nothing to draw: no gradient of {what} is a finite number other than 0")
    caption = [words.word(f"plot.gradient.{'matrix' if measured.vector else 'norm'}", what=what)]
    caption += found.notes if of is None else found.held()
    sizes = np.array([row.norm for row in measured.rows])
    if (sizes == 0).any():
        caption.append(words.word("plot.gradient.zero"))
    if not np.isfinite(sizes).all():
        caption.append(words.word("plot.gaps"))
    chart = Chart(
        title,
        found.steps,
        tuple(rows.values()),
        {"norms": words.word("plot.gradient.places") if len({p for p, *_ in _places(found)}) > 1 else ""},
        " ".join(caption),
        words,
        found.labels,
        powers=True,
    )
    return Figure(
        "gradient",
        title,
        chart.caption,
        partial(drawn, chart),
        partial(_frame, measured),
        partial(_specification, chart, tuple(rows)),
        language,
    )


def _what(found: Subject, measured: Norms, weighted: bool) -> str:
    """What the gradient is of, in words."""
    if not measured.of:
        return found.words.word("plot.gradient.weighted" if weighted else "plot.gradient.last")
    if "/" not in measured.of:
        return measured.of  # a loss, at all steps
    return found.explained(measured.of)


def _rows(found: Subject, measured: Norms) -> Iterator[tuple[str, Row]]:
    """A row for each name of a carried line, with a curve for each layer and direction that has it."""
    for line in dict.fromkeys(row.line for row in measured.rows):
        curves = []
        for place, stage in _places(found):
            name = place or found.words.word("plot.gradient.size" + (".matrix" if measured.vector else ""))
            values = np.full(len(found.steps), np.nan)
            for row in measured.rows:
                if (row.layer, row.direction, row.line) == (stage.layer, stage.direction, line):
                    values[row.t - found.steps[0]] = row.norm
            values = _logarithms(values)
            if np.isfinite(values).any():
                curves.append(Curve(stage.scope, name, name, values))
        if curves:
            stage = next(stage for _, stage in _places(found) if line in stage.cell.by_name)
            symbol = found.symbol(stage, stage.cell.by_name[line])
            named = found.words.word("plot.gradient.to", line=symbol)
            yield line, Row("", 0, named, "", (CurvePanel("norms", tuple(curves)),))


def _places(found: Subject) -> list[tuple[str, Stage]]:
    return [(found.shown.place(stage), stage) for stage in found.shown.stages if stage.cell.carry]


def _logarithms(values: Array) -> Array:
    """NaN where there is none."""
    with np.errstate(all="ignore"):
        found = np.log10(values)
    return np.where(np.isfinite(found), found, np.nan)


def _frame(measured: Norms) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(measured.rows), columns=list(Norm._fields))


def _specification(chart: Chart, lines: Sequence[str], data: pd.DataFrame) -> dict[str, Any]:
    """A panel for each row, its curves by layer and direction."""
    curves = [curve for row in chart.rows for curve in row.curves]
    size = vega.steps_between_extremes(len(chart.steps), len(curves))
    panels = []
    for row, line in zip(chart.rows, lines, strict=True):
        here = data[(data["line"] == line) & (data["norm"] > 0)]
        scopes = here["layer"].astype(str) + "/" + here["direction"]
        table = here.assign(scope=scopes).pivot(index="t", columns="scope", values="norm").reindex(chart.steps)
        names = {curve.line: curve.told or line for curve in row.curves if curve.line in table}
        y = vega.field("value", "quantitative", as_text(row.named), scale={"type": "log"})
        panels.append({"width": 700, "height": 120, **vega.curves(table, names, size, y)})
    return {"vconcat": panels, "note": chart.words.word("plot.thinned.curves", n=size) if size > 1 else ""}
