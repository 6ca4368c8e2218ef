"""The columns of a table, in pieces: what frames, Arrow and the writers of files print, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..formulas.numbers import Style
from ..trace.rows import TracePart
from ..view.worked_rows import WorkedRow, worked_rows
from .table import TITLE, TOKEN, UNORDERED, VALID, Table, code_type

#: More values than a trace has.
ALL = 1 << 62


class Coded(NamedTuple):
    """A column of few texts: texts[codes[row]]; the code -1 is an empty cell. ordered: their order has a meaning."""

    codes: Array
    texts: tuple[str, ...]
    ordered: bool


#: In an array of whole numbers -1 is an empty cell; a tuple has a text for each row.
Column = Array | Coded | tuple[str, ...]


def pieces(
    table: Table, values: int = ALL, worked: int = ALL, style: Style | None = None
) -> Iterator[dict[str, Column]]:
    """The table in pieces of so many values (in the shape worked: rows), each as columns by name, in order.

    A column of the shape wide that a piece does not have is left out there. style: of the numbers in formulas. No
    array is one of the trace's.
    """
    if table.shape == "worked":
        rows = iter(worked_rows(table.trace, table.selection, style, padding=table.padding))
        while some := list(islice(rows, worked)):
            yield _worked(table, some)
    else:
        made = _long if table.shape == "long" else _wide
        yield from (made(table, piece) for part in table.parts() for piece in part.pieces(values))


def joined(table: Table) -> dict[str, Column]:
    """The whole table as columns; NaN where the shape wide has an empty cell."""
    found = list(pieces(table))
    if len(found) == 1:
        return found[0]
    rows = [len(piece["t"]) for piece in found]
    return {name: _joined([piece.get(name) for piece in found], rows) for name in table.columns}


def _joined(columns: Sequence[Column | None], rows: Sequence[int]) -> Column:
    there = next(column for column in columns if column is not None)
    if isinstance(there, Coded):
        return there._replace(codes=np.concatenate([c.codes for c in columns if isinstance(c, Coded)]))
    if isinstance(there, tuple):
        return tuple(text for column in columns if column is not None for text in column)
    return np.concatenate(
        [np.full(n, np.nan, there.dtype) if c is None else np.asarray(c) for c, n in zip(columns, rows, strict=True)]
    )


def places(table: Table, part: TracePart) -> dict[str, Column]:
    """The columns that say where each place of a part is."""
    at, row = part.places
    none, count = np.full(1, -1), len(at)
    return _places(
        table,
        np.full(count, -1 if part.layer is None else part.layer),
        np.full(count, -1 if part.direction is None else table.texts["direction"].index(part.direction)),
        (none if part.steps is None else np.array(part.steps))[at],
        (none if part.batch is None else np.array(part.batch))[row],
        np.full(count, -1) if part.valid is None else part.valid[at, row],
    )


def _places(table: Table, layer: Array, direction: Array, t: Array, batch: Array, valid: Array) -> dict[str, Column]:
    """The columns of places, of which these are the numbers."""
    found: dict[str, Column] = {
        name: numbers.astype(table.whole[name])
        for name, numbers in {"layer": layer, "t": t, "batch": batch, VALID: valid}.items()
    }
    found["direction"] = _coded(table, "direction", direction)
    for name in table.places:
        if name == TITLE:
            found[name] = _coded(table, name, np.zeros(len(t), int))
        if name == TOKEN:
            codes = table.tokens[1]
            token = codes[np.where(t < 0, 0, t - table.trace.first), np.where(batch < codes.shape[1], batch, 0)]
            found[name] = _coded(table, name, np.where(t < 0, -1, token))
    return {name: found[name] for name in table.places}


def _coded(table: Table, name: str, codes: Array) -> Coded:
    texts = table.texts[name]
    return Coded(codes.astype(code_type(texts)), texts, name not in UNORDERED)


def _repeated(column: Column, times: int) -> Column:
    if isinstance(column, Coded):
        return column._replace(codes=np.repeat(column.codes, times))
    return np.repeat(np.asarray(column), times)


def _long(table: Table, part: TracePart) -> dict[str, Column]:
    """A row for each value."""
    counts = [len(entry.units) for entry in part.lines]
    lines, ops = (_at(table, name) for name in ("line", "op"))
    line = np.repeat([lines[entry.line] for entry in part.lines], counts)
    op = np.repeat([ops[entry.op] for entry in part.lines], counts)
    unit = np.concatenate([np.arange(entry.units.start, entry.units.stop) for entry in part.lines])
    return {
        **{name: _repeated(column, part.width) for name, column in places(table, part).items()},
        "line": _tiled(_coded(table, "line", line), part.count),
        "op": _tiled(_coded(table, "op", op), part.count),
        "unit": np.tile(unit.astype(table.whole["unit"]), part.count),
        "value": np.array(part.values).reshape(-1),
    }


def _tiled(column: Coded, times: int) -> Coded:
    return column._replace(codes=np.tile(column.codes, times))


def _at(table: Table, name: str) -> dict[str, int]:
    return {text: code for code, text in enumerate(table.texts[name])}


def _wide(table: Table, part: TracePart) -> dict[str, Column]:
    """A row for each place, a column for each line and unit."""
    return places(table, part) | dict(zip(table.of(part), np.array(part.values.T, order="C"), strict=True))


def _worked(table: Table, rows: Sequence[WorkedRow]) -> dict[str, Column]:
    """A row for each value, with its formula."""
    of = dict(zip(WorkedRow._fields, zip(*rows, strict=True), strict=True))
    directions, lines = (_at(table, name) for name in ("direction", "line"))
    direction = np.array([directions[name] for name in of["direction"]])
    layer, t, batch, valid = (np.array(of[name]) for name in ("layer", "t", "batch", "valid"))
    return {
        **_places(table, layer, direction, t, batch, valid),
        "line": _coded(table, "line", np.array([lines[name] for name in of["line"]])),
        "unit": np.array(of["unit"]).astype(table.whole["unit"]),
        **{name: of[name] for name in ("symbol", "formula", "substituted")},
        "value": np.array(of["value"], table.trace.header.dtype),
    }
