"""Curves over time: gates, candidate and states of units, and how far a gradient reaches back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...backpropagation.gradients import Norm, Norms, norms
from ...base.arrays import by_key
from ...cell.network import Stage
from ...errors import MissingError
from ...formulas.numbers import show
from ...formulas.plain import number
from ...trace.trace import Trace
from ..figure import Figure
from ..furniture import as_text, remarks
from ..panels import BETWEEN, ROOM, Axis, Column, Curve, Grid, Panel, round_axis, share_axis, step_axis
from ..subject import Subject, chosen_units, rows_frame, subject, told
from . import Address, Batch, Direction, Language, Layer, Lines, Steps, Units, picture

#: Maximum number of units in a picture.
MOST = 8
#: Strokes of the style sheet: three for gates, then a dotted one for a candidate and a bold one for a state.
STROKES = 8
_Kinds = dict[str, list[Curve]]


class _Drawn(NamedTuple):
    """A unit to draw. named: its location, in words. kinds: its lines by name, of gates and of other values."""

    stage: Stage
    unit: int
    named: str
    kinds: dict[str, dict[str, Curve]]

    @property
    def lines(self) -> dict[str, Curve]:
        """All of its lines."""
        return self.kinds["gates"] | self.kinds["values"]

    @property
    def reach(self) -> float:
        """The largest range of a line."""
        finite = (line.values[np.isfinite(line.values)] for line in self.lines.values())
        return max((float(np.ptp(values)) for values in finite if values.size), default=0.0)


@picture
def unit(
    trace: Trace, unit: Units = None, lines: Lines = None, layer: Layer = None, direction: Direction = None,
    batch: Batch = None, steps: Steps = None, language: Language = None,
) -> Figure:  # fmt: skip
    """Gates, candidate and states of one or several units over time.

    Returns:
        A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

    Raises:
        MissingError: if the trace does not contain the selection.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    if not (units := [unit for stage in found.shown.stages for unit in _units(found, stage)]):
        raise found.nothing
    wanted = chosen_units(unit, {one.unit for one in units})
    units = [one for one in units if one.unit in wanted]
    moving = sorted(range(len(units)), key=lambda k: -units[k].reach)[:MOST]
    kept = [units[k] for k in sorted(moving)]
    words = found.words
    notes = [words.word("plot.most", n=len(units), shown=len(kept))] if len(kept) < len(units) else []
    notes += found.notes
    finite = all(np.isfinite(line.values[found.valid]).all() for one in kept for line in one.lines.values())
    notes += remarks(words, {"plot.gaps": not finite})
    rows = [(one.named, {kind: list(lines.values()) for kind, lines in one.kinds.items()}) for one in kept]
    names = {"gates": words.word("plot.gates"), "values": words.word(_values(found, kept))}
    grid = _grid(found, rows, {kind: name for kind, name in names.items() if any(one.kinds[kind] for one in kept)})

    columns = ((one, name, line) for one in kept for name, line in one.lines.items())
    frame = partial(found.frame, {found.column(one.stage, name, one.unit): line.values for one, name, line in columns})
    return Figure("unit", found.titled("plot.title"), " ".join(notes), (grid,), frame, words)


def _units(found: Subject, stage: Stage) -> Iterator[_Drawn]:
    """The units of a stage that have something to draw; an entry of a matrix is a unit of its own."""
    lines = [(line, found.values(stage, line)) for line in found.lines(stage)]
    alike = by_key((found.trace.grid(stage.scope, line.name) and line, (line, values)) for line, values in lines)
    for matrix, some in alike.items():
        widest = max(values.shape[-1] for _, values in some)
        for j in range(widest):
            kinds: dict[str, dict[str, Curve]] = {"gates": {}, "values": {}}
            for line, values in some:
                if j < values.shape[-1]:
                    drawn = np.where(found.valid, values[:, j], np.nan)
                    kind = kinds["gates" if stage.cell.is_gate(line) else "values"]
                    kind[line.name] = Curve("", found.symbol(stage, line), found.told(stage, line), drawn)
            name = found.unit(stage, matrix, j) if matrix else found.shown.unit(j, widest)
            unit = _Drawn(stage, j, found.words.comma_list(found.shown.place(stage), name), kinds)
            if any(np.isfinite(line.values).any() for line in unit.lines.values()):
                yield unit


def _values(found: Subject, units: Sequence[_Drawn]) -> str:
    """The names of the lines that are not gates."""
    there, stages = {name for one in units for name in one.kinds["values"]}, found.shown.stages
    if not there <= {name for stage in stages for name in told(stage)}:
        return "plot.values"
    return "plot.states" if there <= {name for stage in stages for name in stage.carried} else "plot.candidates"


# -- gradient --------------------------------------------------------------------------------------------------------


@picture
def gradient(trace: Trace, of: Address = None, batch: Batch = None, language: Language = None) -> Figure:
    """How far a gradient reaches back: its norm with respect to the values that each layer carries, at each step.

    Args:
        of: address of a value, h_5[1] (from 0, 5/h_t[1]), of a vector, h_5, or the name of a loss (the last output).

    Returns:
        A picture, on a logarithmic scale, whose `data` has the norm for each layer, direction, line and step: the
        2-norm of the gradient, or the Frobenius norm of the Jacobian.

    Raises:
        MissingError: if the value does not exist, or a line of the backward pass was not recorded.
        TooLargeError: if the Jacobian would take minutes.
    """
    return gradient_figure(trace, of, batch, language)


def gradient_figure(
    trace: Trace, of: str | None = None, batch: int | None = None, language: str | None = None, output: Any = None
) -> Figure:
    """The picture, also for a weighting of the output: see `norms`."""
    measured = norms(trace, of, 0 if batch is None else batch, output)
    found = subject(trace, batch=measured.b if of is not None else batch, language=language)
    words = found.words
    what = words.word("plot.gradient.last" if output is None else "plot.gradient.weighted")
    if measured.of:
        what = found.explained(measured.of) if "/" in measured.of else measured.of  # otherwise a loss, at all steps
    places = [(found.shown.place(stage), stage) for stage in found.shown.stages if stage.cell.carry]
    if not (rows := list(_sizes(found, measured, places))):
        raise MissingError(f"there is nothing to draw: no gradient of {what} is a finite number other than 0")
    sizes = np.array([row.norm for row in measured.rows])
    caption = [
        words.word(f"plot.gradient.{'matrix' if measured.vector else 'norm'}", what=what),
        *(found.notes if of is None else found.held()),
        *remarks(words, {"plot.gradient.zero": (sizes == 0).any(), "plot.gaps": not np.isfinite(sizes).all()}),
    ]
    heading = words.word("plot.gradient.places") if len({place for place, _ in places}) > 1 else ""
    grid = _grid(found, rows, {"norms": heading}, powers=True)
    title, frame = found.titled("plot.gradient", what=what), partial(rows_frame, measured.rows, Norm._fields)
    return Figure("gradient", title, " ".join(caption), (grid,), frame, words)


def _sizes(found: Subject, measured: Norms, places: Sequence[tuple[str, Stage]]) -> Iterator[tuple[str, _Kinds]]:
    """For each carried line its marked name, and a curve for each layer and direction that has it."""
    size = found.words.word("plot.gradient.size" + (".matrix" if measured.vector else ""))
    for name in dict.fromkeys(row.line for row in measured.rows):
        lines, symbol = [], ""
        for place, stage in places:
            values = np.full(len(found.steps), np.nan)
            for row in measured.rows:
                if (row.layer, row.direction, row.line) == (stage.layer, stage.direction, name):
                    values[row.t - found.steps[0]] = row.norm if 0 < row.norm < np.inf else np.nan
            if not symbol and name in stage.cell.by_name:
                symbol = found.symbol(stage, stage.cell.by_name[name])
            if np.isfinite(values).any():
                lines.append(Curve("", place or size, place or size, values))
        if lines:
            yield found.words.word("plot.gradient.to", line=symbol), {"norms": lines}


# -- the grid of both ------------------------------------------------------------------------------------------------


def _grid(found: Subject, rows: Sequence[tuple[str, _Kinds]], kinds: dict[str, str], powers: bool = False) -> Grid:
    """A row of panels for each marked name, with a column for each kind of lines; kinds: their headings."""
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


def _scale(kind: str, lines: Sequence[Curve], powers: bool) -> Axis:
    """The y axis of a kind: from 0 to 1 for gates, otherwise the range of all lines."""
    if kind == "gates":
        return share_axis(field="value")
    finite = np.concatenate([line.values[np.isfinite(line.values)] for line in lines])
    if powers:
        logs = np.log10(finite) if finite.size else np.array([0.0, 1.0])
        return round_axis(float(logs.min()), float(logs.max()), powers=True, field="value")
    low, high = (float(end(finite, initial=0.0)) for end in (np.min, np.max))
    return round_axis(min(low, 0.0), max(high, 0.0), field="value")


def _said(found: Subject, name: str, kinds: _Kinds) -> Iterator[str]:
    """Text alternative of each line in a row."""
    for line in (line for lines in kinds.values() for line in lines):
        finite = line.values[np.isfinite(line.values)]
        if finite.size:
            least, most = (number(show(value, 4)) for value in (finite.min(), finite.max()))
            yield found.words.word("plot.curve", name=line.told, where=name, least=least, most=most)
