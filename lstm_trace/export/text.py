"""Tables as text, a piece at a time: exact, in bounded memory, about ten times as fast as `DataFrame.to_csv`.

Most of a row is text that many rows share (the place, the line, the operation); only the values are new. Many values
at once are written by pydantic's JSON serializer, which gives the shortest text that reads back equal (Ryu, Adams
2018), and are then inserted between the shared texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from ..base.arrays import Array
from ..base.display import guarded
from ..base.writing import Target, written
from ..formulas.numbers import EXACT, Style
from ..frames.table import ENTRY, Coded, Column, pieces, places
from ..printable import printable
from ..trace.rows import TracePart
from .writers import DIALECTS, ExportJob, TextDialect

#: Values in a piece: small enough for the processor's cache, large enough that a piece's fixed cost does not count.
PIECE = 1 << 12
WORKED_PIECE = 1 << 8  # a row of the worked shape holds a whole dot product


@dataclass(frozen=True)
class RowText:
    """How the rows of a table are written as text.

    begin: the start of a row, after the end of the previous one. between: between two cells. end: of the last row.
    named: the text before a cell of a column. text: a cell with a text. empty: an empty cell. special: how NaN and
    infinities are written, in pydantic's words. comma: a decimal comma.
    """

    begin: str
    between: str
    end: str
    named: Callable[[str], str]
    text: Callable[[str], str]
    empty: str
    special: Any
    comma: bool = False

    def cells(self, column: Column) -> list[str]:
        """A column of texts or whole numbers."""
        if isinstance(column, Coded):
            texts = [*map(self.text, column.texts), self.empty]  # the last stands for the code -1
            return [texts[code] for code in column.codes.tolist()]
        if isinstance(column, tuple):
            return [*map(self.text, column)]
        return [self.empty if number < 0 else str(number) for number in column.tolist()]

    def numbers(self, values: Array, style: Style = EXACT, lines: Iterable[str] = ()) -> list[str]:
        """Each value as the shortest text that reads back as the same float64; float32 as the equal float64.

        style, lines: the decimals of the line of each value, in turn, if not all are requested.
        """
        if not style.whole:
            style = replace(style, comma=self.comma)
            return [
                str(style.show(value, line.partition("[:,")[0])) if np.isfinite(value) else self._json(float(value))
                for value, line in zip(values, lines, strict=False)  # W_xi[:,0] has the decimals of W_xi
            ]
        text = self._json(values.tolist())[1:-1]
        return text.replace(",", ";").replace(".", ",").split(";") if self.comma else text.split(",")

    def _json(self, value: Any) -> str:
        return to_json(value, inf_nan_mode=self.special).decode()


def write(job: ExportJob, path: Target) -> None:
    """Write the table as JSON lines, or as CSV; nothing appears under `path` unless it is complete.

    An open stream takes CSV. Raises FileError, MissingError.
    """
    names = job.columns  # a selection that does not exist is refused before a file is begun
    suffix, head = Path(path).suffix.lower() if isinstance(path, str | Path) else "", ""
    if suffix == ".jsonl":
        how = RowText("}\n{", ",", "}\n", lambda name: f"{_json_text(name)}:", _json_text, "null", "strings")
    else:
        dialect = DIALECTS[job.dialect]
        dialect = replace(dialect, separator="\t") if suffix == ".tsv" else dialect
        sep, newline, text = dialect.separator, dialect.newline, partial(_csv_text, dialect=dialect)
        how = RowText(newline, sep, newline, lambda name: "", text, "", "constants", dialect.decimal == ",")
        head = "\ufeff" * dialect.bom + sep.join(map(text, names))
    shape = "worked" if job.blank else job.shape
    rows = {"long": _long, "wide": _wide, "worked": _by_column}[shape](job, how)
    count, first = next(rows)
    with written(path) as file:
        for number, piece in chain([(count, (head + first).removeprefix(how.end))], rows):
            file.write(piece)
            job.progress(number)
        file.write(how.end)


def _long(job: ExportJob, how: RowText) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece of the long shape: what rows share is written once.

    A row consists of a head for its place, a middle for its line and unit, and a number.
    """
    middle = how.between.join(how.named(name) + "%s" for name in job.behind)[:-2]
    for part in job.parts():
        entries = [(entry, how.text(entry.line), how.text(entry.op)) for entry in part.lines]
        names = [(how.text(name),) for name in chain(*job.unit_names(part))] or repeat(())
        units = ((line, op, unit) for entry, line, op in entries for unit in entry.units)
        both = zip(*(entry.entries for entry in part.lines), strict=True) if ENTRY[0] in job.behind else ()
        more = [how.cells(np.concatenate(each)) for each in both]
        middles = [middle % (*cells, *at, *name) for cells, name, *at in zip(units, names, *more, strict=False)]
        lines = [entry.line for entry in part.lines for _ in entry.units]
        for piece in part.pieces(PIECE):
            heads = _heads(job, how, piece)
            cells: list[str] = [""] * (3 * piece.size)
            cells[0::3] = chain.from_iterable(repeat(text, len(middles)) for text in heads)
            cells[1::3] = middles * len(heads)
            cells[2::3] = how.numbers(piece.values.reshape(-1), job.digits, cycle(lines))
            yield piece.size, "".join(cells)


def _wide(job: ExportJob, how: RowText) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece of the wide shape: a template has an empty cell for what a layer does not have."""
    names = job.columns[len(job.places) :]
    for part in job.parts():
        own = {name: at for at, name in enumerate(job.of(part))}
        lines = [entry.line for entry in part.lines for _ in entry.units]
        texts = (how.named(name).replace("%", "%%") + ("%s" if name in own else how.empty) for name in names)
        row, order = how.between.join(texts), [own[name] for name in names if name in own]
        for piece in part.pieces(PIECE):
            heads = _heads(job, how, piece)
            numbers = how.numbers(piece.values.reshape(-1), job.digits, cycle(lines))
            rows = (numbers[at : at + len(own)] for at in range(0, len(numbers), len(own)))
            if order != [*own.values()]:
                rows = ([cells[at] for at in order] for cells in rows)
            yield len(heads), "".join(head + row % tuple(cells) for head, cells in zip(heads, rows, strict=True))


def _heads(job: ExportJob, how: RowText, piece: TracePart) -> list[str]:
    """The beginning of a row, for each place: the columns that give the place."""
    head = how.begin + "".join(how.named(name).replace("%", "%%") + "%s" + how.between for name in job.places)
    columns = (how.cells(column) for column in places(job, piece).values())
    return [*map(head.__mod__, zip(*columns, strict=True))]


def _by_column(job: ExportJob, how: RowText) -> Iterator[tuple[int, str]]:
    """(rows, text) of each piece of a table with any columns: of the worked shape, or with empty cells."""
    row = how.begin + how.between.join(how.named(name).replace("%", "%%") + "%s" for name in job.columns)
    for columns in pieces(job, PIECE, WORKED_PIECE, style=replace(job.digits, comma=how.comma)):
        lines, count = columns.get("line"), len(columns["t"])
        named = [lines.texts[code] for code in lines.codes.tolist()] if isinstance(lines, Coded) else ()
        cells: list[list[str]] = []
        for name in job.columns:
            column = columns.get(name)
            if column is None:
                cells.append([how.empty] * count)
            elif isinstance(column, Coded | tuple) or column.dtype.kind != "f":
                cells.append(how.cells(column))
            else:
                cells.append(how.numbers(column, job.digits, named))
                for at in np.flatnonzero(np.isnan(column)) if name in job.blank else ():
                    cells[-1][at] = how.empty
        yield count, "".join(map(row.__mod__, zip(*cells, strict=True)))


def _csv_text(cell: str, dialect: TextDialect) -> str:
    """A text cell, never a formula, quoted where it must be (RFC 4180)."""
    text = printable(guarded(cell))
    if any(mark in text for mark in (dialect.separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_text(cell: str) -> str:
    return to_json(printable(cell)).decode()
