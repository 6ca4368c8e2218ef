"""Tables as text, a piece at a time: exact, in bounded memory, some ten times as fast as `DataFrame.to_csv`.

Most of a row is text that many rows share (the place, the line, the operation); only the values are new. They are
written many at once by pydantic's JSON serializer, which gives the shortest text that reads back equal (Ryu, Adams
2018), and are then laid between the shared texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from ..base.arrays import Array
from ..base.display import guarded
from ..base.writing import written
from ..formulas.numbers import EXACT, Style
from ..frames.table import Coded, Column, pieces, places
from ..printable import printable
from ..trace.rows import LineUnits, TracePart
from .writers import DIALECTS, ExportJob, TextDialect

#: Values in a piece: small enough for the processor's cache, large enough that a piece's fixed cost does not count.
PIECE = 1 << 12
WORKED_PIECE = 1 << 8  # a row of the worked shape holds a whole dot product


def write_rows(job: ExportJob, path: str | Path) -> None:
    """Write the table as JSON lines, or as CSV; nothing appears under `path` unless it is whole.

    Raises FileError, MissingError.
    """
    names = job.columns  # a selection that is not there is refused before a file is begun
    if Path(path).suffix.lower() == ".jsonl":
        rows, begin, end = _json_rows(job), "", ""
    else:
        dialect = DIALECTS[job.dialect]
        dialect = replace(dialect, separator="\t") if Path(path).suffix.lower() == ".tsv" else dialect
        begin = "\ufeff" * dialect.bom + dialect.separator.join(_text(name, dialect) for name in names)
        rows, end = _csv_rows(job, names, dialect), dialect.newline
    count, first = next(rows)
    with written(path, "wb") as file:
        file.write(begin.encode())
        for number, text in chain([(count, first)], rows):
            file.write(text.encode())
            job.progress(number)
        file.write(end.encode())


def _long(
    job: ExportJob,
    middle: Callable[[LineUnits, int], str],
    heads: Callable[[TracePart], list[str]],
    numbers: Callable[[TracePart], list[str]],
) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece of the long shape: what rows share is written once.

    A row is a head, of its place, a middle, of its line and unit, and a number.
    """
    for part in job.parts():
        middles = [middle(entry, unit) for entry in part.lines for unit in entry.units]
        for piece in part.pieces(PIECE):
            here = heads(piece)
            cells: list[str] = [""] * (3 * piece.size)
            cells[0::3] = chain.from_iterable(repeat(head, len(middles)) for head in here)
            cells[1::3] = middles * len(here)
            cells[2::3] = numbers(piece)
            yield piece.size, "".join(cells)


# -- CSV and TSV -----------------------------------------------------------------------------------------------------


def _csv_rows(job: ExportJob, names: Sequence[str], dialect: TextDialect) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece; a row begins with the newline that ends the one before."""
    if job.shape == "worked":
        return _worked(job, dialect, names)
    if job.shape == "wide":
        return _wide(job, dialect, names)
    sep = dialect.separator
    return _long(
        job,
        lambda entry, unit: f"{_text(entry.line, dialect)}{sep}{entry.op}{sep}{unit}{sep}",
        lambda piece: _heads(job, piece, dialect),
        lambda piece: _numbers(piece.values, dialect, job.digits, piece.lines),
    )


def _wide(job: ExportJob, dialect: TextDialect, columns: Sequence[str]) -> Iterator[tuple[int, str]]:
    names = list(columns[len(job.places) :])
    for part in job.parts():
        own = job.of(part)
        at = {name: column for column, name in enumerate(own)}
        order = [at.get(name, len(own)) for name in names]  # the last stands for what this layer does not have
        for piece in part.pieces(PIECE):
            rows = []
            for head, values in zip(_heads(job, piece, dialect), piece.values, strict=True):
                cells = _numbers(values, dialect, job.digits, piece.lines)
                if own != names:
                    cells.append("")
                    cells = [cells[column] for column in order]
                rows.append(head + dialect.separator.join(cells))
            yield len(rows), "".join(rows)


def _worked(job: ExportJob, dialect: TextDialect, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    style = replace(job.digits, comma=dialect.decimal == ",")
    for columns in pieces(job, worked=WORKED_PIECE, style=style):
        lines = columns["line"]
        assert isinstance(lines, Coded)
        value = np.asarray(columns["value"])
        entries = {text: (LineUnits(text, "", range(1)),) for text in lines.texts}
        numbers = (
            _numbers(value[at : at + 1], dialect, job.digits, entries[lines.texts[code]])[0]
            for at, code in enumerate(lines.codes.tolist())
        )
        cells = [_texts(columns[name], dialect) for name in names[:-1]]
        rows = (dialect.separator.join(row) for row in zip(*cells, numbers, strict=True))
        yield len(value), "".join(dialect.newline + row for row in rows)


def _heads(job: ExportJob, piece: TracePart, dialect: TextDialect) -> list[str]:
    """The beginning of a row, for each place: newline, and the columns that say where it is."""
    cells = [_texts(column, dialect) for column in places(job, piece).values()]
    return [f"{dialect.newline}{dialect.separator.join(row)}{dialect.separator}" for row in zip(*cells, strict=True)]


def _texts(column: Column, dialect: TextDialect) -> list[str]:
    """The cells of a column of texts or whole numbers."""
    if isinstance(column, Coded):
        texts = [*(_text(text, dialect) for text in column.texts), ""]  # the last stands for the code -1
        return [texts[code] for code in column.codes.tolist()]
    if isinstance(column, tuple):
        return [_text(text, dialect) for text in column]
    return ["" if number < 0 else str(number) for number in column.tolist()]


def _numbers(values: Array, dialect: TextDialect, style: Style = EXACT, lines: Sequence[LineUnits] = ()) -> list[str]:
    """Each value as the shortest text that reads back as the same float64; float32 as the equal float64.

    style, lines: the decimals of each line, where they are not all wanted; the last axis has the units of all lines.
    """
    if not style.whole:
        return _rounded(values, replace(style, comma=dialect.decimal == ","), lines)
    text = to_json(values.reshape(-1).tolist(), inf_nan_mode="constants").decode()[1:-1]
    if dialect.decimal != ".":
        return text.replace(",", ";").replace(".", dialect.decimal).split(";")
    return text.split(",")


def _rounded(values: Array, style: Style, lines: Sequence[LineUnits]) -> list[str]:
    """Each value as a report shows it; NaN and infinities as in every table."""
    names = [entry.line.partition("[:,")[0] for entry in lines for _ in entry.units]  # of W_xi[:,0]: W_xi
    return [
        str(style.show(value, name)) if np.isfinite(value) else to_json(float(value), inf_nan_mode="constants").decode()
        for row in values.reshape(-1, len(names))
        for name, value in zip(names, row, strict=True)
    ]


def _text(cell: str, dialect: TextDialect) -> str:
    """A text cell, never a formula, quoted where it must be (RFC 4180)."""
    text = printable(guarded(cell))
    if any(mark in text for mark in (dialect.separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


# -- JSON lines ------------------------------------------------------------------------------------------------------


def _json_rows(job: ExportJob) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece: an object for each row; numbers exact, NaN and infinities as words."""
    if job.shape == "long":
        return _long(
            job,
            lambda entry, unit: (
                f',{_json({"line": printable(entry.line), "op": entry.op, "unit": unit})[1:-1]},"value":'
            ),
            lambda piece: [row[:-1] for row in _objects(places(job, piece), job.places)],
            lambda piece: (_json(piece.values.reshape(-1).tolist())[1:-1].replace(",", "}\n,") + "}\n").split(","),
        )
    some = pieces(job, PIECE, WORKED_PIECE)
    return ((len(each["t"]), "".join(f"{row}\n" for row in _objects(each, job.columns))) for each in some)


def _objects(columns: Mapping[str, Column], names: Sequence[str]) -> Iterator[str]:
    """The rows as objects with these names; null where a piece does not have a column."""
    count, shown = len(columns["t"]), [printable(name) for name in names]
    for row in zip(*(_cells(columns.get(name), count) for name in names), strict=True):
        yield _json(dict(zip(shown, row, strict=True)))


def _json(value: Any) -> str:
    return to_json(value, inf_nan_mode="strings").decode()


def _cells(column: Column | None, count: int) -> list[Any]:
    """A column as plain values, None (null) for an empty cell and where this piece does not have the column.

    A float is written as the shortest decimal that reads back to the last bit; float32 as the float64 that equals it.
    """
    if column is None:
        return [None] * count
    if isinstance(column, Coded):
        texts = [*map(printable, column.texts), None]  # the last stands for the code -1
        return [texts[code] for code in column.codes.tolist()]
    if isinstance(column, tuple):
        return [printable(cell) for cell in column]
    cells: list[Any] = column.tolist()
    return [None if cell < 0 else cell for cell in cells] if column.dtype.kind == "i" else cells
