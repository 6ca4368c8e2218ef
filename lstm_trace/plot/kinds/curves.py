"""Lines over time: gates, candidate and states of units, and how far a gradient reaches back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...backpropagation.gradients import Norm, Norms, norms
from ...cell.network import Stage
from ...errors import MissingError
from ...formulas.numbers import show
from ...formulas.plain import number
from ...trace.trace import Trace
from ..figure import Figure
from ..furniture import as_text, shown_number
from ..panels import BETWEEN, ROOM, Axis, Column, Grid, Line, Panel, Tick, round_axis, step_axis
from ..subject import Subject, chosen_units, subject, told
from . import Address, Batch, Direction, Language, Layer, Lines, Steps, Units, picture

if TYPE_CHECKING:
    import pandas as pd

#: So many units have room in a picture.
MOST = 8
#: Strokes that the style sheet has: three for gates, then a dotted one for a candidate and a bold one for a state.
STROKES = 8


class _Unit(NamedTuple):
    """The lines of a unit by kind, `gates` and `values`: name of each, and the line. named: where it is, in words."""

    stage: Stage
    unit: int
    named: str
    lines: dict[str, list[tuple[str, Line]]]

    @property
    def reach(self) -> float:
        """The largest range of a line."""
        every = (line.values for lines in self.lines.values() for _, line in lines)
        finite = (values[np.isfinite(values)] for values in every)
        return max((float(values.max() - values.min()) for values in finite if values.size), default=0.0)


@picture
def unit(
    trace: Trace,
    unit: Units = None,
    lines: Lines = None,
    layer: Layer = None,
    direction: Direction = None,
    batch: Batch = None,
    steps: Steps = None,
    language: Language = "en",
) -> Figure:
    """Gates, candidate and states of a unit, or of several, over time.

    Returns:
        A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

    Raises:
        MissingError: for a selection that is not there.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    units = [unit for stage in found.shown.stages for unit in _units(found, stage)]
    if not units:
        raise found.nothing
    wanted = chosen_units(unit, {one.unit for one in units})
    units = [one for one in units if one.unit in wanted]
    moving = sorted(range(len(units)), key=lambda k: -units[k].reach)[:MOST]
    kept = [units[k] for k in sorted(moving)]
    words = found.words
    notes = [words.word("plot.most", n=len(units), shown=len(kept))] if len(kept) < len(units) else []
    notes += found.notes
    if any(_broken(found, one.stage, name, one.unit) for one in kept for name, _ in _lines(one)):
        notes.append(words.word("plot.gaps"))
    rows = [(one.named, {kind: [line for _, line in lines] for kind, lines in one.lines.items()}) for one in kept]
    names = {"gates": words.word("plot.gates"), "values": words.word(_values(found, kept))}
    grid = _grid(found, rows, {kind: name for kind, name in names.items() if any(one.lines[kind] for one in kept)})
    return Figure("unit", found.titled("plot.title"), " ".join(notes), (grid,), partial(_wide, found, kept), words)


def _lines(unit: _Unit) -> Iterator[tuple[str, Line]]:
    return (one for lines in unit.lines.values() for one in lines)


def _units(found: Subject, stage: Stage) -> Iterator[_Unit]:
    """The units of a stage that have something to draw."""
    lines = [(line, found.values(stage, line)) for line in found.lines(stage)]
    widest = max((values.shape[-1] for _, values in lines), default=0)
    for j in range(widest):
        kinds: dict[str, list[tuple[str, Line]]] = {"gates": [], "values": []}
        for line, values in lines:
            if j < values.shape[-1]:
                drawn = np.where(found.valid, values[:, j], np.nan)
                one = Line("", found.symbol(stage, line), found.told(stage, line), drawn)
                kinds["gates" if found.is_gate(stage, line) else "values"].append((line.name, one))
        if any(np.isfinite(line.values).any() for lines in kinds.values() for _, line in lines):
            parts = (found.shown.place(stage), found.shown.unit(j, widest))
            yield _Unit(stage, j, found.words.word("list").join(filter(None, parts)), kinds)


def _broken(found: Subject, stage: Stage, name: str, j: int) -> bool:
    """Whether there are steps at which the value of a line is no finite number."""
    return not np.isfinite(found.values(stage, stage.cell.by_name[name])[found.valid, j]).all()


def _values(found: Subject, units: Sequence[_Unit]) -> str:
    """What the lines are that are no gates."""
    there, stages = {name for one in units for name, _ in one.lines["values"]}, found.shown.stages
    if not there <= {name for stage in stages for name in told(stage)}:
        return "plot.values"
    return "plot.states" if there <= {name for stage in stages for name in stage.carried} else "plot.candidates"


def _wide(found: Subject, units: Sequence[_Unit]) -> pd.DataFrame:
    """A column for each line, called as in a wide table; NaN at padding."""
    by_name = {(one.stage.scope, line.name): line for one in units for line in one.stage.cell.lines}
    return found.frame(
        {
            found.column(one.stage, by_name[one.stage.scope, name], one.unit): line.values
            for one in units
            for name, line in _lines(one)
        }
    )


# -- gradient --------------------------------------------------------------------------------------------------------


@picture
def gradient(trace: Trace, of: Address = None, batch: Batch = None, language: Language = "en") -> Figure:
    """How far a gradient reaches back: its size with respect to what each layer carries, at each step.

    Returns:
        A picture, on a logarithmic scale, whose `data` has the size for each layer, direction, line and step: the
        2-norm of the gradient, or the Frobenius norm of the Jacobian.

    Raises:
        MissingError: for a value that is not there, or a line of the backward pass that was not recorded.
        TooLargeError: for a Jacobian that would take minutes.
    """
    return gradient_figure(trace, of, batch, language)


def gradient_figure(
    trace: Trace, of: str | None = None, batch: int | None = None, language: str = "en", output: Any = None
) -> Figure:
    """The picture, also of a weighting of the output: see `norms`."""
    measured = norms(trace, of, 0 if batch is None else batch, output)
    found = subject(trace, batch=measured.b if of is not None else batch, language=language)
    words, what = found.words, _what(found, measured, output is not None)
    rows = list(_sizes(found, measured))
    if not rows:
        raise MissingError(f"there is nothing to draw: no gradient of {what} is a finite number other than 0")
    caption = [words.word(f"plot.gradient.{'matrix' if measured.vector else 'norm'}", what=what)]
    caption += found.notes if of is None else found.held()
    sizes = np.array([row.norm for row in measured.rows])
    if (sizes == 0).any():
        caption.append(words.word("plot.gradient.zero"))
    if not np.isfinite(sizes).all():
        caption.append(words.word("plot.gaps"))
    places = {place for place, _ in _places(found)}
    heading = words.word("plot.gradient.places") if len(places) > 1 else ""
    grid = _grid(found, rows, {"norms": heading}, powers=True)
    title, frame = found.titled("plot.gradient", what=what), partial(_norm_frame, measured)
    return Figure("gradient", title, " ".join(caption), (grid,), frame, words)


def _what(found: Subject, measured: Norms, weighted: bool) -> str:
    """What the gradient is of, in words."""
    if not measured.of:
        return found.words.word("plot.gradient.weighted" if weighted else "plot.gradient.last")
    return found.explained(measured.of) if "/" in measured.of else measured.of  # or a loss, at all steps


def _places(found: Subject) -> list[tuple[str, Stage]]:
    return [(found.shown.place(stage), stage) for stage in found.shown.stages if stage.cell.carry]


def _sizes(found: Subject, measured: Norms) -> Iterator[tuple[str, dict[str, list[Line]]]]:
    """For each carried line what it is called, marked, and a line for each layer and direction that has it."""
    for name in dict.fromkeys(row.line for row in measured.rows):
        lines, symbol = [], ""
        for place, stage in _places(found):
            called = place or found.words.word("plot.gradient.size" + (".matrix" if measured.vector else ""))
            values = np.full(len(found.steps), np.nan)
            for row in measured.rows:
                if (row.layer, row.direction, row.line) == (stage.layer, stage.direction, name):
                    values[row.t - found.steps[0]] = row.norm
            values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
            if not symbol and name in stage.cell.by_name:
                symbol = found.symbol(stage, stage.cell.by_name[name])
            if np.isfinite(values).any():
                lines.append(Line("", called, called, values))
        if lines:
            yield found.words.word("plot.gradient.to", line=symbol), {"norms": lines}


def _norm_frame(measured: Norms) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(measured.rows), columns=list(Norm._fields))


# -- the grid of both ------------------------------------------------------------------------------------------------


def _grid(
    found: Subject, rows: Sequence[tuple[str, dict[str, list[Line]]]], kinds: dict[str, str], powers: bool = False
) -> Grid:
    """A row of panels for each name, marked, with a column for each kind of lines; kinds: their headings."""
    wide = (ROOM - BETWEEN * (len(kinds) - 1)) / len(kinds)
    tall = {1: 190.0, 2: 130.0}.get(len(rows), 84.0)
    x = step_axis(found.words, found.steps, found.labels, 10, inset=8.0)
    columns = []
    for n, (kind, heading) in enumerate(kinds.items()):
        every = [line for _, lines in rows for line in lines[kind]]
        labels = list(dict.fromkeys(line.label for line in every))
        first = 0 if kind != "values" else 3 if len(labels) > 1 else 4
        style = {label: f"c{k % STROKES}" for k, label in enumerate(labels, first)}
        y = _scale(kind, every, powers)
        panels = [
            Panel(
                x, y, [line._replace(style=style[line.label]) for line in lines[kind]], as_text(name), wide, tall,
                heading=name if n == 0 else "", style="unit", above=17.0, below=10.0 if k == len(rows) - 1 else 12.0,
                said="" if n else " ".join(_said(found, as_text(name), lines)),
            ) for k, (name, lines) in enumerate(rows)
        ]  # fmt: skip
        columns.append(Column(panels, heading, [(style[label], label) for label in labels]))
    return Grid(columns)


def _scale(kind: str, lines: Sequence[Line], powers: bool) -> Axis:
    """The y axis of a kind: from 0 to 1 for gates, else as far as all lines reach."""
    if kind == "gates":
        return Axis(0.0, 1.0, tuple(Tick(at, shown_number(at)) for at in (0.0, 0.5, 1.0)), field="value")
    every = np.concatenate([line.values for line in lines])
    finite = every[np.isfinite(every)]
    if powers:
        logs = np.log10(finite) if finite.size else np.array([0.0, 1.0])
        return round_axis(float(logs.min()), float(logs.max()), powers=True, field="value")
    low, high = (float(end(finite, initial=0.0)) for end in (np.min, np.max))
    return round_axis(min(low, 0.0), max(high, 0.0), field="value")


def _said(found: Subject, name: str, kinds: dict[str, list[Line]]) -> Iterator[str]:
    """Text alternative of each line in a row."""
    for line in (line for lines in kinds.values() for line in lines):
        finite = line.values[np.isfinite(line.values)]
        if finite.size:
            least, most = (number(show(value, 4)) for value in (finite.min(), finite.max()))
            yield found.words.word("plot.curve", name=line.told, where=name, least=least, most=most)
