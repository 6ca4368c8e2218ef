"""CSV and TSV, a piece at a time: exact, in bounded memory, some ten times as fast as `DataFrame.to_csv`.

Most of a row is text that many rows share (the place, the line, the operation); only the values are new. They are
written many at once by pydantic's JSON serializer, which gives the shortest text that reads back equal (Ryu, Adams
2018), and are then laid between the shared texts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from ..base.arrays import Array
from ..base.files import written
from ..formulas.numbers import EXACT, Style
from ..printable import printable
from ..tables.frames import WIDE, WORKED, wide_names, with_valid
from ..trace.rows import LONG, Entry, Part
from ..view.worked_rows import WorkedRow, worked_rows
from .writers import DIALECTS, Dialect, Job

#: Values in a piece: small enough for the processor's cache, large enough that a piece's fixed cost does not count.
PIECE = 1 << 12
WORKED_PIECE = 1 << 8  # a row of the worked shape holds a whole dot product
#: How a spreadsheet's formula may begin (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(job: Job, path: str | Path) -> None:
    """Write the table; nothing appears under `path` unless it is whole. Raises FileError."""
    dialect = DIALECTS[job.dialect]
    if Path(path).suffix.lower() == ".tsv":
        dialect = replace(dialect, separator="\t")
    pieces = {"long": _long, "wide": _wide, "worked": _worked}[job.shape](job, dialect)
    first = next(pieces)  # a selection that is not there is refused before a file is begun
    with written(path, "wb") as file:
        if dialect.bom:
            file.write("\ufeff".encode())
        for rows, text in chain([first], pieces):
            file.write(text.encode())
            job.progress(rows)
        file.write(dialect.newline.encode())


def _long(job: Job, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece; a row begins with the newline that ends the one before."""
    sep = dialect.separator
    header = sep.join(with_valid(LONG, job.padding))
    for part in job.parts():
        middles = [
            f"{_text(entry.line, dialect)}{sep}{entry.op}{sep}{unit}{sep}"
            for entry in part.lines
            for unit in entry.units
        ]
        for piece in part.pieces(PIECE):
            heads = _heads(piece, dialect)
            cells: list[str] = [""] * (3 * piece.size)
            cells[0::3] = chain.from_iterable(repeat(head, len(middles)) for head in heads)
            cells[1::3] = middles * len(heads)
            cells[2::3] = _numbers(piece.values, dialect, job.digits, piece.lines)
            yield piece.size, header + "".join(cells)
            header = ""


def _wide(job: Job, dialect: Dialect) -> Iterator[tuple[int, str]]:
    there = list(job.parts())
    names = wide_names(there)
    header = dialect.separator.join([*with_valid(WIDE, job.padding), *(_text(name, dialect) for name in names)])
    for part in there:
        own = wide_names([part])
        columns = {name: column for column, name in enumerate(own)}
        order = [columns.get(name, len(own)) for name in names]  # the last stands for what this layer does not have
        for piece in part.pieces(PIECE):
            heads = _heads(piece, dialect)
            rows = []
            for head, values in zip(heads, piece.values, strict=True):
                cells = _numbers(values, dialect, job.digits, piece.lines)
                if own != names:
                    cells.append("")
                    cells = [cells[column] for column in order]
                rows.append(head + dialect.separator.join(cells))
            yield len(rows), header + "".join(rows)
            header = ""


def _worked(job: Job, dialect: Dialect) -> Iterator[tuple[int, str]]:
    style = replace(job.digits, comma=dialect.decimal == ",")
    rows = iter(worked_rows(job.trace, job.selection, style, padding=job.padding))
    names = with_valid(WORKED, job.padding)
    places = [WorkedRow._fields.index(name) for name in names[:-1]]
    header = dialect.separator.join(names)
    while some := list(islice(rows, WORKED_PIECE)):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=dialect.separator, lineterminator=dialect.newline)
        for row in some:
            (number,) = _numbers(np.array([row.value]), dialect, job.digits, (Entry(row.line, "", range(1)),))
            writer.writerow([*(_guarded(row[at], dialect) for at in places), number])
        yield len(some), header + dialect.newline + text.getvalue().removesuffix(dialect.newline)
        header = ""


def _heads(piece: Part, dialect: Dialect) -> list[str]:
    """The beginning of a row, for each place: newline, layer, direction, t, batch, and whether it is no padding."""
    sep = dialect.separator
    layer = "" if piece.layer is None else piece.layer
    begin = f"{dialect.newline}{layer}{sep}{piece.direction or ''}{sep}"
    steps: Sequence[Any] = [""] if piece.steps is None else piece.steps
    batch: Sequence[Any] = [""] if piece.batch is None else piece.batch
    places = zip(*(axis.tolist() for axis in piece.places), strict=True)
    heads = [f"{begin}{steps[at]}{sep}{batch[row]}{sep}" for at, row in places]
    if piece.padding:
        valid = [""] * len(heads) if piece.valid is None else piece.valid[piece.places].astype(int)
        return [f"{head}{inside}{sep}" for head, inside in zip(heads, valid, strict=True)]
    return heads


def _numbers(values: Array, dialect: Dialect, style: Style = EXACT, lines: Sequence[Entry] = ()) -> list[str]:
    """Each value as the shortest text that reads back as the same float64; float32 as the equal float64.

    style, lines: the decimals of each line, where they are not all wanted; the last axis has the units of all lines.
    """
    if not style.whole:
        return _rounded(values, replace(style, comma=dialect.decimal == ","), lines)
    text = to_json(values.reshape(-1).tolist(), inf_nan_mode="constants").decode()[1:-1]
    if dialect.decimal != ".":
        return text.replace(",", ";").replace(".", dialect.decimal).split(";")
    return text.split(",")


def _rounded(values: Array, style: Style, lines: Sequence[Entry]) -> list[str]:
    """Each value as a report shows it; NaN and infinities as in every table."""
    names = [entry.line.partition("[:,")[0] for entry in lines for _ in entry.units]  # of W_xi[:,0]: W_xi
    return [
        str(style.show(value, name)) if np.isfinite(value) else to_json(float(value), inf_nan_mode="constants").decode()
        for row in values.reshape(-1, len(names))
        for name, value in zip(names, row, strict=True)
    ]


def _guarded(cell: Any, dialect: Dialect) -> Any:
    """A printable text, with ' before it where a spreadsheet would run it as a formula; numbers stay."""
    if not isinstance(cell, str):
        return cell
    return f"'{printable(cell)}" if dialect.guard and cell.startswith(FORMULA) else printable(cell)


def _text(cell: str, dialect: Dialect) -> str:
    """A text cell, quoted where it must be (RFC 4180)."""
    text = str(_guarded(cell, dialect))
    if any(mark in text for mark in (dialect.separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text
