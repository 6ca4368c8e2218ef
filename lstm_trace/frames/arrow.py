"""A trace as tables of Arrow: pyarrow, polars, DuckDB and Parquet take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..base.extras import missing
from ..errors import OptionError
from ..trace.files.manifest import manifest
from ..trace.trace import Trace
from .columns import Coded, Column, pieces
from .table import UNORDERED, VALID, Table, code_type

#: Values (in the shape worked: rows) in a piece: what is held in memory at once.
PIECE = 1 << 19
WORKED_PIECE = 1 << 14
#: Key of the manifest in the schema's metadata.
MANIFEST = b"lstm_trace"


def selected(trace: Trace, **options: Any) -> Any:
    """The table of Arrow by its options, as `Table.selected` has them.

    Raises OptionError where pyarrow is missing, MissingError for a selection that is not there.
    """
    _, tables = arrow(Table.selected(trace, **options), "to_arrow", "use to_frame")
    import pyarrow as pa

    return pa.concat_tables(tables)


def arrow(
    table: Table, what: str, instead: str = "write .csv", values: int | None = None, worked: int | None = None
) -> tuple[Any, Iterator[Any]]:
    """The schema of a table, and its pieces as tables of Arrow.

    what: it is for, to begin the message. instead: what to do without pyarrow, to end it. values, worked: in a piece.
    Raises OptionError where pyarrow is missing, MissingError for a selection that is not there.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise OptionError(missing(what, "pyarrow", instead)) from None
    schema = _schema(pa, table)

    def printed(columns: Mapping[str, Column]) -> Any:
        found = [_column(pa, columns.get(field.name), field.type, len(columns["t"])) for field in schema]
        return pa.table(found, schema=schema)

    return schema, map(printed, pieces(table, values or PIECE, worked or WORKED_PIECE))


def _schema(pa: Any, table: Table) -> Any:
    """The columns with their types; texts of which there are few are ordered dictionaries, as pandas has them."""
    value = pa.from_numpy_dtype(np.dtype(table.trace.header.dtype))
    types = dict.fromkeys(("symbol", "formula", "substituted"), pa.string())
    types |= {name: pa.from_numpy_dtype(kind) for name, kind in table.whole.items()} | {VALID: pa.bool_()}
    for name, texts in table.texts.items():
        types[name] = pa.dictionary(pa.from_numpy_dtype(code_type(texts)), pa.string(), ordered=name not in UNORDERED)
    about = manifest(table.trace).model_dump_json().encode()
    return pa.schema([(name, types.get(name, value)) for name in table.columns], metadata={MANIFEST: about})


def _column(pa: Any, column: Column | None, kind: Any, rows: int) -> Any:
    """A column as an array of Arrow; one that this piece does not have is all null."""
    if column is None:
        return pa.nulls(rows, kind)
    if isinstance(column, Coded):
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts, pa.string()), ordered=column.ordered)
    if isinstance(column, tuple):
        return pa.array(column, kind)
    empty = column < 0 if column.dtype.kind == "i" else None
    values = column > 0 if pa.types.is_boolean(kind) else column
    return pa.array(values, kind, mask=empty if empty is not None and empty.any() else None)  # no copy without a mask
