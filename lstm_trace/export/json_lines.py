"""JSON lines: an object for each row, with the columns of the CSV; numbers exact, NaN and infinities as words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic_core import to_json

from ..base.files import written
from ..frames.columns import Coded, Column, pieces
from ..printable import printable
from .writers import Job

#: Values in a piece: what is held in memory at once.
PIECE = 1 << 12
WORKED_PIECE = 1 << 8  # a row of the worked shape holds a whole dot product


def write(job: Job, path: str | Path) -> None:
    """Write the table; nothing appears under `path` unless it is whole. Raises FileError, MissingError."""
    names = job.columns
    shown = [printable(name) for name in names]
    with written(path, "wb") as file:
        for columns in pieces(job, PIECE, WORKED_PIECE):
            count = len(columns["t"])
            cells = [_cells(columns.get(name), count) for name in names]
            for row in zip(*cells, strict=True):
                file.write(to_json(dict(zip(shown, row, strict=True)), inf_nan_mode="strings") + b"\n")
            job.progress(count)


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
