"""Weights as heat maps: a field for each entry, with the norms of the matrices; or what two sources differ by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.text.markup import escape
from ...cell.network import Stage, X, forward_stages
from ...errors import MissingError, ShapeError, nearest
from ...formulas.plain import Plain
from ...formulas.tree import Sym
from ...languages.strings import Words, words
from ...model.model import Model
from ...trace.labels import readout
from ...trace.trace import Trace
from .. import vega
from ..colours import Scale, symmetric
from ..figure import Figure
from ..furniture import HEAD, LEFT, LINE, RIGHT, WIDE, MarkedPlain, column_names, document, reach, shown_number, text
from ..heat.image import ABOVE, Heat, names, reduced, room

if TYPE_CHECKING:
    import pandas as pd

#: Side of a field at most; the longest side of a matrix about; between matrices; below them; width of one at least;
#: width of the scale beside a column; side of a field that is seen well.
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


@dataclass(frozen=True)
class Matrices:
    """What is drawn. symbols: the author's own. size: how many rows and columns share a pixel."""

    panels: tuple[Matrix, ...]
    symbols: Mapping[str, Any]
    size: tuple[int, int]
    words: Words
    title: str
    caption: str


def weights(
    source: Trace | Model,
    of: str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    against: Trace | Model | None = None,
    language: str = "en",
) -> Figure:
    """The weights of a trace or a model; see `plots.Plots.weights`."""
    said = words(language, source.header.count_from)
    stages = _stages(source, layer, direction)
    found = _chosen([(stage, *one) for stage in stages for one in _arrays(source)[stage.scope].items()], of)
    if against is not None:
        found = [(stage, name, _apart(stage, name, array, against)) for stage, name, array in found]
    every = _stages(source, None, None)
    panels = _one_scale([_panel(source, *one, _place(said, one[0], every)) for one in found], against is not None)
    rows, columns = np.max([panel.values.shape for panel in panels], axis=0)
    size = room(int(rows), int(columns), len(panels))
    notes = [said.word("plot.weights.norms")] if any(_has_norms(panel) for panel in panels) else []
    notes += [said.word("plot.broken")] if any(not np.isfinite(panel.values).all() for panel in panels) else []
    notes += [said.word("plot.weights.blocks", rows=size[0], columns=size[1])] if size != (1, 1) else []
    notes += _beyond(said, source.header.symbols, panels)
    title, own = said.word("plot.weights"), source.header.title
    if against is not None:
        a, b, sides = own, against.header.title, []
        if not (a and b) or a == b:
            a, b, sides = "a", "b", [said.word("plot.sides")]
        title, own = said.word("plot.weights.less", a=a, b=b), own if sides else ""
        notes += sides if any(panel.values.any() for panel in panels) else [said.word("plot.diff.none")]
    title = own + said.aside(title) if own else title
    picture = Matrices(tuple(panels), source.header.symbols, size, said, title, " ".join(notes))
    drawn, frame, specification = partial(_drawn, picture), partial(_frame, picture), partial(_specification, picture)
    return Figure("weights", title, picture.caption, drawn, frame, specification, language)


# -- what is chosen --------------------------------------------------------------------------------------------------


def _arrays(source: Trace | Model) -> Mapping[str, Mapping[str, Array]]:
    return source.weights if isinstance(source, Model) else source.parameters


def _stages(source: Trace | Model, layer: int | None, direction: str | None) -> list[Stage]:
    """The stages that have parameters. Raises MissingError where none is meant."""
    every = source.stages() if isinstance(source, Model) else forward_stages(source.stages)
    there = [stage for stage in every if _arrays(source).get(stage.scope)]
    found = [stage for stage in there if layer in (None, stage.layer) and direction in (None, stage.direction)]
    if not there:
        raise MissingError("there is nothing to draw: the trace has no weights")
    if not found:
        said = f"layer {layer}" if direction is None else f"{'' if layer is None else f'layer {layer}, '}{direction}"
        raise MissingError(f"{said} has no weights; there are {', '.join(stage.scope for stage in there)}")
    return found


Found = list[tuple[Stage, str, Array]]


def _chosen(found: Found, of: str | None) -> Found:
    """The parameters that `of` names: by name, or by layer, direction and name; several with commas between."""
    if of is None:
        return found
    kept: Found = []
    known = dict.fromkeys([*(name for _, name, _ in found), *(f"{stage.scope}/{name}" for stage, name, _ in found)])
    for wanted in (part.strip() for part in of.split(",")):
        here = [one for one in found if wanted in (one[1], f"{one[0].scope}/{one[1]}")]
        if not here:
            raise MissingError(f"there is no weight {wanted!r}{nearest(wanted, known, 'there are')}")
        kept += [one for one in here if one[:2] not in [other[:2] for other in kept]]
    order = list(dict.fromkeys(stage.scope for stage, _, _ in found))
    return sorted(kept, key=lambda one: order.index(one[0].scope))


def _apart(stage: Stage, name: str, array: Array, other: Trace | Model) -> Array:
    """A parameter of the other source less this one, as in `diff`. Raises MissingError or ShapeError without one."""
    there = _arrays(other).get(stage.scope, {})
    if name not in there:
        raise MissingError(f"the other has no {stage.scope}/{name}{nearest(name, there, 'there are')}")
    if there[name].shape != array.shape:
        raise ShapeError(f"{stage.scope}/{name} has shape {array.shape}, and in the other {there[name].shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(there[name], np.float64) - np.asarray(array, np.float64)


def _panel(source: Trace | Model, stage: Stage, name: str, array: Array, place: str) -> Matrix:
    """A parameter with the labels of its rows and columns; a vector is a column, a number a field."""
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
    """What a matrix is multiplied by; empty where it is in no product."""
    return next((line.product[1] for line in stage.cell.lines if line.product and line.product[0] == name), "")


def _one_scale(panels: Sequence[Matrix], apart: bool) -> list[Matrix]:
    """Parameters of one shape have one scale in a stage, so that gates can be compared. apart: as of `symmetric`."""
    found: dict[tuple[str, tuple[int, ...]], Scale] = {}
    for panel in panels:
        key = panel.stage.scope, panel.values.shape
        if key not in found:
            alike = [other.values.ravel() for other in panels if (other.stage.scope, other.values.shape) == key]
            found[key] = symmetric(np.concatenate(alike), apart)
    return [panel._replace(scale=found[panel.stage.scope, panel.values.shape]) for panel in panels]


def _place(said: Words, stage: Stage, every: Sequence[Stage]) -> str:
    """Layer and direction in words; empty where there is one."""
    if len(every) == 1:
        return ""
    place = said.word("layer", n=said.nth(stage.layer))
    plain = all(other.direction == "forward" for other in every)
    return place if plain else said.word("place", layer=place, direction=said.word(f"direction.{stage.direction}"))


def _has_norms(panel: Matrix) -> bool:
    """Whether it is a matrix whose norms are soon computed."""
    return min(panel.values.shape) > 1 and max(panel.values.shape) <= _LARGE and bool(np.isfinite(panel.values).all())


def _norms(panel: Matrix) -> str:
    """The largest singular value of a matrix and, of a recurrent one, the largest size of an eigenvalue."""
    values = panel.values
    if not _has_norms(panel):
        return ""
    size = float(np.abs(values).max()) or 1.0  # or squares may overflow
    said = f"σ₁ {shown_number(size * float(np.linalg.norm(values / size, 2)), 3)}"
    if values.shape[0] == values.shape[1] and _operand(panel.stage, panel.name) in panel.stage.cell.states:
        said += f"  ρ {shown_number(size * float(np.abs(np.linalg.eigvals(values / size)).max()), 3)}"
    return said


def _beyond(said: Words, symbols: Mapping[str, Any], panels: Sequence[Matrix]) -> list[str]:
    """Of each scale that ends before its values, that it does."""
    notes = []
    for scale in dict.fromkeys(panel.scale for panel in panels if panel.scale.beyond):
        alike = [Plain(symbols)(Sym(panel.name)) for panel in panels if panel.scale == scale]
        place = said.aside(next(panel.place for panel in panels if panel.scale == scale))
        notes.append(scale.clipped(said, said.word("list").join(alike) + place))
    return notes


# -- the drawing -----------------------------------------------------------------------------------------------------


def _group(panel: Matrix) -> tuple[str, str]:
    """The stage and what a weight is for, by its name: weights and bias of a gate stand in one row."""
    return panel.stage.scope, re.sub(r"^[A-Za-z]+_[xhc]?(?=.)", "", panel.name)


def _drawn(picture: Matrices) -> str:
    y, parts, place = HEAD, [], None
    groups = [list(group) for _, group in groupby(picture.panels, key=_group)]
    field = _field(groups)
    for panels in groups:
        if panels[0].place != place:
            place = panels[0].place
            parts.append(text("kind", LEFT, y + 14, escape(place[:1].upper() + place[1:])) if place else "")
            y += LINE if place else 0
        x, tallest = LEFT, 0.0
        for panel in panels:
            wide = panel.values.shape[1] * field
            taken = wide + _SCALE if panel.values.shape[1] == 1 else max(wide, _LEAST)
            if x > LEFT and x + taken > WIDE - RIGHT:
                x, y, tallest = LEFT, y + tallest + _GAP, 0.0
            svg, tall = _map(picture, panel, x, y, min(wide, WIDE - RIGHT - LEFT), field)
            parts.append(svg)
            x += taken + _BETWEEN
            tallest = max(tallest, tall)
        y += tallest + _GAP
    told = " ".join(_said(picture, panel) for panel in picture.panels)
    return document(picture.title, picture.caption, f"{told} {picture.caption}", "".join(parts), y)


def _field(groups: Sequence[Sequence[Matrix]]) -> float:
    """The side of a field: the panels of a group stand in a row where that leaves fields that can be seen well."""
    longest = max(max(panel.values.shape) for panels in groups for panel in panels)
    side = float(np.clip(_LONG // longest, 1.0, _FIELD))
    for panels in groups:
        columns = [panel.values.shape[1] for panel in panels]
        room = WIDE - RIGHT - LEFT - _BETWEEN * (len(panels) - 1) - _SCALE * columns.count(1)
        side = min(side, max(room // sum(columns), min(side, _SEEN)))
    return side


def _map(picture: Matrices, panel: Matrix, x: float, y: float, wide: float, field: float) -> tuple[str, float]:
    """A parameter, and its height."""
    rows, columns = panel.values.shape
    symbol = MarkedPlain(picture.symbols)(Sym(panel.name)).replace("-", "−")
    heat = Heat(symbol, panel.scale, reduced(panel.scale.levels(panel.values), panel.scale, picture.size))
    top, tall = y + ABOVE, rows * field
    body = heat.above(x, y, max(wide, _LEAST)) if columns > 1 else text("label", x, y + 15, heat.heading)
    body += heat.beside(x + wide + 8, top, tall) if columns == 1 else ""
    shape = f"{rows}" if panel.columns == [""] else f"{rows} {columns}"
    place = f' data-weight="{escape(panel.stage.scope)}/{escape(panel.name)}" data-shape="{shape}"'
    body += heat.image(x, top, wide, tall, place) + names(panel.rows, x, top, field)
    below, height = column_names(panel.columns, lambda k: x + (k + 0.5) * wide / columns, top + tall)
    norms = _norms(panel)
    body += below + (text("mark begin", x, top + tall + height + 12, norms) if norms else "")
    return f"<g>{body}</g>\n", ABOVE + tall + height + (16.0 if norms else 0.0)


def _said(picture: Matrices, panel: Matrix) -> str:
    name, where = Plain(picture.symbols)(Sym(panel.name)), "×".join(map(str, panel.values.shape))
    where = picture.words.word("list").join(part for part in (panel.place, where) if part)
    return picture.words.word("plot.curve", name=name, where=where, **reach(panel.values))


# -- what is behind it -----------------------------------------------------------------------------------------------


def _frame(picture: Matrices) -> pd.DataFrame:
    """A row for each entry: layer, direction, name, row and column, from 0."""
    import pandas as pd

    panels = picture.panels
    at = np.repeat(np.arange(len(panels)), [panel.values.size for panel in panels])
    row, column = np.concatenate([np.indices(panel.values.shape, np.int32).reshape(2, -1) for panel in panels], axis=1)
    told = {
        "layer": np.array([panel.stage.layer for panel in panels], np.int32)[at],
        "direction": pd.Categorical([panel.stage.direction for panel in panels]).take(at),
        "weight": pd.Categorical([panel.name for panel in panels]).take(at),
    }
    value = np.concatenate([panel.values.ravel() for panel in panels])
    return pd.DataFrame({**told, "row": row, "column": column, "value": value})


def _specification(picture: Matrices, data: pd.DataFrame) -> dict[str, Any]:
    """A panel of rectangles for each parameter."""
    size = 1
    while sum(-(-p.values.shape[0] // size) * -(-p.values.shape[1] // size) for p in picture.panels) > vega.MOST:
        size += 1
    views = []
    for panel in picture.panels:
        fields = []
        for j in range(0, panel.values.shape[0], size):
            for k in range(0, panel.values.shape[1], size):
                block = panel.values[j : j + size, k : k + size]
                far = np.where(np.isfinite(block), np.abs(block), np.inf)
                fields.append({"row": j, "column": k, "value": vega.plain(float(block.flat[int(far.argmax())]))})
        views.append(
            {
                "title": f"{panel.name}, {panel.place}" if panel.place else panel.name,
                "data": {"values": fields},
                "mark": {"type": "rect", "tooltip": True},
                "encoding": {
                    "x": vega.field("column", "ordinal", None, axis={"labelOverlap": True, "labelAngle": 0}),
                    "y": vega.field("row", "ordinal", None, axis={"labelOverlap": True}),
                    "color": vega.field("value", "quantitative", "", scale=vega.colour(panel.scale)),
                },
            }
        )
    note = picture.words.word("plot.weights.blocks", rows=size, columns=size) if size > 1 else ""
    return {"concat": views, "columns": 3, "resolve": {"scale": {"color": "independent"}}, "note": note}
