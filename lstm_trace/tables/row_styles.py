"""How the rows of a table are written as text: CSV and JSON, the same from tuples and from arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, word
from ..base.display import guarded
from ..printable import json_text, printable


class RowStyle(NamedTuple):
    """cell: the text of one value; row: that of a row, from its columns and its cells; between: what parts two rows.

    floats: float64 values as what `%s` prints as the text that `cell` gives; text: any text as it stands within a row.
    """

    cell: Callable[[Any], str]
    row: Callable[[Sequence[str], Sequence[str]], str]
    between: str
    floats: Callable[[Array], list[Any]]
    text: Callable[[str], str]


def _csv_cell(value: Any) -> str:
    """Floats with the digits that read back equal; nothing for None."""
    if isinstance(value, str):
        return guarded(value)
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _csv_row(columns: Sequence[str], cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return printable(text.getvalue())


def _json_cell(value: Any) -> str:
    """NaN and infinities as words."""
    return json_text(word(value))


def _json_row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """A row as `json_text(…, indent=1)` has it in a list within an object."""
    pairs = (f"   {json_text(name)}: {cell}" for name, cell in zip(columns, cells, strict=True))
    return "  {\n" + ",\n".join(pairs) + "\n  }"


def _json_floats(values: Array) -> list[Any]:
    return values.tolist() if np.isfinite(values).all() else [_json_cell(value) for value in values.tolist()]


def _csv_text(value: str) -> str:
    return _csv_row((), [guarded(value), ""]).removesuffix(",\n")  # an empty text alone would be quoted


CSV = RowStyle(_csv_cell, _csv_row, "", np.ndarray.tolist, _csv_text)
JSON = RowStyle(_json_cell, _json_row, ",\n", _json_floats, json_text)
