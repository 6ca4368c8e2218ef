"""Weights as heat maps, one cell per entry, with the norm of each matrix; or the differences between two sources."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array, by_key
from ...base.display import escape, visible
from ...cell.network import Stage, X, forward_stages
from ...errors import MissingError, ShapeError, nearest, require_known
from ...formulas.plain import Plain
from ...formulas.tree import Sym
from ...languages.strings import Words, words
from ...model.model import Model
from ...trace.labels import readout
from ...trace.trace import Trace
from ...view.naming import place_in_words
from ..coloured_text import Scale, room, symmetric
from ..figure import Figure
from ..furniture import LABEL, MarkedPlain, reach, remarks, shown_number
from ..panels import ROOM, Axis, Cells, Column, Grid, Panel, Tick
from . import Direction, Language, Layer, OtherWeights, WeightNames, picture

if TYPE_CHECKING:
    import pandas as pd

#: Maximum side of a cell; approximate longest side of a matrix; space between matrices; below them; minimum width of
#: one; width of the scale next to a column; side of a clearly visible cell.
_FIELD, _LONG, _BETWEEN, _GAP, _LEAST, _SCALE, _SEEN = 18.0, 340.0, 60.0, 12.0, 190.0, 56.0, 12.0
#: Matrices up to this size have their norms computed.
_LARGE = 512


class Matrix(NamedTuple):
    """A parameter, (rows, columns). place: in words. rows, columns: their labels, or their numbers."""

    stage: Stage
    name: str
    place: str
    values: Array
    scale: Scale
    rows: Sequence[str]
    columns: Sequence[str]


@picture
def weights(
    trace: Trace | Model, of: WeightNames = None, layer: Layer = None, direction: Direction = None,
    against: OtherWeights = None, language: Language = None,
) -> Figure:  # fmt: skip
    """Heat maps of the weights, one cell per entry, with the norm of each matrix.

    Args:
        of: comma-separated names of weights: W_hi, 0/forward/W_hi (all).
        against: another trace or model, whose weights minus these are drawn.

    Returns:
        A picture; its `data` has one row per entry.

    Raises:
        MissingError: if the weights do not exist.
        ShapeError: if the weights of the other source have other shapes.
    """
    source, said = trace, words(language or trace.header.language, trace.header.count_from)
    every: Sequence[Stage] = source.stages() if isinstance(source, Model) else forward_stages(source.stages)
    if not (every := [stage for stage in every if _arrays(source).get(stage.scope)]):
        raise MissingError("there is nothing to draw: the trace has no weights")
    stages = [stage for stage in every if layer in (None, stage.layer) and direction in (None, stage.direction)]
    if not stages:
        what = ", ".join(filter(None, (None if layer is None else f"layer {layer}", direction)))
        raise MissingError(f"{what} has no weights; there are {', '.join(stage.scope for stage in every)}")
    found = _chosen([(stage, *one) for stage in stages for one in _arrays(source)[stage.scope].items()], of)
    if against is not None:
        found = [(stage, name, _apart(stage, name, array, against)) for stage, name, array in found]
    panels = [_matrix(source, *one, place_in_words(said, one[:1], every)) for one in found]
    # by stage and shape, so that gates can be compared
    alike = by_key(((panel.stage.scope, panel.values.shape), panel.values.ravel()) for panel in panels)
    scales = {key: symmetric(np.concatenate(values), against is not None) for key, values in alike.items()}
    panels = [panel._replace(scale=scales[panel.stage.scope, panel.values.shape]) for panel in panels]
    rows, columns = np.max([panel.values.shape for panel in panels], axis=0)
    size = room(int(rows), int(columns), len(panels))
    broken = not all(np.isfinite(panel.values).all() for panel in panels)
    notes = remarks(said, {"plot.weights.norms": any(map(_has_norms, panels)), "plot.broken": broken})
    notes += _blocks(said, size)
    for scale in dict.fromkeys(panel.scale for panel in panels if panel.scale.beyond):  # say that values exceed it
        here = [panel for panel in panels if panel.scale == scale]
        names = said.comma_list(*(Plain(source.header.symbols)(Sym(panel.name)) for panel in here))
        notes.append(scale.clipped(said, names + said.aside(here[0].place)))
    title, own = said.word("plot.weights"), source.header.title
    if against is not None:
        a, b = own, against.header.title
        unnamed = not (a and b) or a == b
        a, b, own = ("a", "b", own) if unnamed else (a, b, "")
        title = said.word("plot.weights.less", a=a, b=b)
        same = not any(panel.values.any() for panel in panels)
        notes += remarks(said, {"plot.diff.none": same, "plot.sides": unnamed and not same})
    title = own + said.aside(title) if own else title
    grids = _grids(panels, source.header.symbols, size, said)
    return Figure("weights", title, " ".join(notes), tuple(grids), partial(_frame, panels), said)


# -- what is chosen --------------------------------------------------------------------------------------------------


def _arrays(source: Trace | Model) -> Mapping[str, Mapping[str, Array]]:
    return source.weights if isinstance(source, Model) else source.parameters


Found = list[tuple[Stage, str, Array]]


def _chosen(found: Found, of: str | None) -> Found:
    """The parameters that `of` names: by name, or by layer, direction and name; several separated by commas."""
    if of is None:
        return found
    kept: dict[tuple[str, str], tuple[Stage, str, Array]] = {}
    known = dict.fromkeys([*(name for _, name, _ in found), *(f"{stage.scope}/{name}" for stage, name, _ in found)])
    for wanted in map(str.strip, of.split(",")):
        require_known("weight", wanted, known, kind=MissingError)
        for one in found:
            scope, name = one[0].scope, one[1]
            if wanted in (name, f"{scope}/{name}"):
                kept.setdefault((scope, name), one)
    scopes = list(dict.fromkeys(stage.scope for stage, _, _ in found))
    return sorted(kept.values(), key=lambda one: scopes.index(one[0].scope))


def _apart(stage: Stage, name: str, array: Array, other: Trace | Model) -> Array:
    """A parameter of the other source minus this one, as in `diff`. Raises MissingError or ShapeError if impossible."""
    there = _arrays(other).get(stage.scope, {})
    if name not in there:
        raise MissingError(f"the other has no {stage.scope}/{name}{nearest(name, there, 'there are')}")
    if there[name].shape != array.shape:
        raise ShapeError(f"{stage.scope}/{name} has shape {array.shape}, and in the other {there[name].shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(there[name], np.float64) - np.asarray(array, np.float64)


def _matrix(source: Trace | Model, stage: Stage, name: str, array: Array, place: str) -> Matrix:
    """A parameter with the labels of its rows and columns; a vector is a column, a number a single cell."""
    values = np.asarray(array, np.float64)
    values = values.reshape(values.shape[0] if values.ndim else 1, -1)
    labels = source.header.names
    outputs, operand = readout(stage.cell), _operand(stage, name)
    of = "x" if stage.sources.get(operand) == X else "y" if operand in outputs else "h"
    row = "y" if any(line.name in outputs for line in stage.cell.lines if name in line.operands) else "h"
    first = source.header.count_from

    def named(key: str, n: int) -> list[str]:
        found = labels.get(key, ())
        return list(found) if len(found) == n else [str(k + first) for k in range(n)]

    columns = named(of, values.shape[1]) if values.shape[1] > 1 or array.ndim == 2 else [""]
    return Matrix(stage, name, place, values, symmetric(values), named(row, values.shape[0]), columns)


def _operand(stage: Stage, name: str) -> str:
    """The factor that a matrix is multiplied by; empty if it is in no product."""
    return next((line.product[1] for line in stage.cell.lines if line.product and line.product[0] == name), "")


def _has_norms(panel: Matrix) -> bool:
    """Whether it is a matrix whose norms are quickly computed."""
    return min(panel.values.shape) > 1 and max(panel.values.shape) <= _LARGE and bool(np.isfinite(panel.values).all())


def _norms(panel: Matrix) -> str:
    """The largest singular value of a matrix and, for a recurrent one, the largest magnitude of an eigenvalue."""
    values = panel.values
    if not _has_norms(panel):
        return ""
    size = float(np.abs(values).max()) or 1.0  # because squares may overflow
    said = f"σ₁ {shown_number(size * float(np.linalg.norm(values / size, 2)), 3)}"
    if values.shape[0] == values.shape[1] and _operand(panel.stage, panel.name) in panel.stage.cell.states:
        said += f"  ρ {shown_number(size * float(np.abs(np.linalg.eigvals(values / size)).max()), 3)}"
    return said


# -- the grids -------------------------------------------------------------------------------------------------------


def _grids(matrices: Sequence[Matrix], symbols: Mapping[str, Any], size: tuple[int, int], said: Words) -> list[Grid]:
    """One row for matrices that belong together, such as the weights and the bias of a gate; as many as fit."""
    groups = [
        list(group)
        for _, group in groupby(matrices, key=lambda m: (m.stage.scope, re.sub(r"^[A-Za-z]+_[xhc]?(?=.)", "", m.name)))
    ]
    longest = max(max(panel.values.shape) for panel in matrices)
    field, grids, place = float(np.clip(_LONG // longest, 1.0, _FIELD)), [], None
    for group in groups:  # a group is placed in one row if its cells remain clearly visible
        columns = [panel.values.shape[1] for panel in group]
        free = ROOM - _BETWEEN * (len(group) - 1) - _SCALE * columns.count(1)
        field = min(field, max(free // sum(columns), min(field, _SEEN)))
    for group in groups:
        heading, place = group[0].place if group[0].place != place else "", group[0].place
        row: list[Column] = []
        for panel in (_panel(matrix, symbols, size, said, field) for matrix in group):
            taken = sum(column.panels[0].room + _BETWEEN for column in row)
            if row and taken + panel.room > ROOM:
                grids.append(Grid(row, heading, _BETWEEN))
                row, heading = [], ""
            row.append(Column([panel]))
        grids.append(Grid(row, heading, _BETWEEN))
    return grids


def _panel(matrix: Matrix, symbols: Mapping[str, Any], size: tuple[int, int], said: Words, field: float) -> Panel:
    """The panel of a parameter."""
    (rows, columns), (scope, name) = matrix.values.shape, (matrix.stage.scope, matrix.name)
    shape = f"{rows}" if matrix.columns == [""] else f"{rows} {columns}"
    place = f' data-weight="{escape(scope)}/{escape(name)}" data-shape="{shape}"'
    cells = Cells(matrix.values, matrix.scale, size=size, note=partial(_blocks, said), attributes=place)
    below = tuple(Tick(k, visible(label, LABEL)) for k, label in enumerate(matrix.columns))
    x = Axis(-0.5, columns - 0.5, labels=below, field="column", kind="nominal", key=int)
    beside = tuple(Tick(k, label) for k, label in enumerate(matrix.rows))
    y = Axis(rows - 0.5, -0.5, beside, field="row", kind="ordinal", key=int)
    text, symbol = Plain(symbols)(Sym(name)), MarkedPlain(symbols)(Sym(name)).replace("-", "−")
    where = said.comma_list(matrix.place, f"{rows}×{columns}")
    return Panel(
        x, y, (cells,), said.comma_list(text, matrix.place), min(columns * field, ROOM), rows * field, symbol, "label",
        above=22.0, below=_GAP, room=columns * field + _SCALE if columns == 1 else max(columns * field, _LEAST),
        frame="", said=said.word("plot.curve", name=text, where=where, **reach(matrix.values)), under=_norms(matrix),
    )  # fmt: skip


def _blocks(said: Words, size: tuple[int, int]) -> list[str]:
    """Sentences about cells that cover several entries."""
    return [said.word("plot.weights.blocks", rows=size[0], columns=size[1])] if size != (1, 1) else []


def _frame(panels: Sequence[Matrix]) -> pd.DataFrame:
    """One row per entry: layer, direction, name, row and column, from 0."""
    import pandas as pd

    at = np.repeat(np.arange(len(panels)), [panel.values.size for panel in panels])
    row, column = np.concatenate([np.indices(panel.values.shape, np.int32).reshape(2, -1) for panel in panels], axis=1)
    told = {
        "layer": np.array([panel.stage.layer for panel in panels], np.int32)[at],
        "direction": pd.Categorical([panel.stage.direction for panel in panels]).take(at),
        "weight": pd.Categorical([panel.name for panel in panels]).take(at),
    }
    value = np.concatenate([panel.values.ravel() for panel in panels])
    return pd.DataFrame({**told, "row": row, "column": column, "value": value})
