"""Parquet: typed columns, the trace's manifest in the file's metadata (key `lstm_trace`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..base.extras import missing
from ..base.files import written
from ..errors import OptionError
from ..tables.frames import WIDE, WORKED, Coded, long_columns, wide_columns, wide_names, with_valid
from ..trace.files.manifest import manifest
from ..trace.rows import LONG, parts
from .writers import Job

#: Values in a row group: what is held in memory at once.
PIECE = 1 << 19
WORKED_PIECE = 1 << 14
#: Key of the manifest in the schema's metadata.
MANIFEST = b"lstm_trace"
_WHOLE = ("layer", "t", "batch", "unit", "valid")
_FEW = ("direction", "line", "op")  # columns of few texts, kept as dictionaries


def write(job: Job, path: str | Path) -> None:
    """Write the table; nothing appears under `path` unless it is whole. Raises OptionError where pyarrow is missing."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise OptionError(missing(".parquet", "pyarrow", "write .csv")) from None
    schema = _schema(pa, job)
    pieces = {"long": _long, "wide": _wide, "worked": _worked}[job.shape](pa, job, schema)
    with written(path, "wb") as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in pieces:
            writer.write_table(table)
            job.progress(table.num_rows)


def _schema(pa: Any, job: Job) -> Any:
    """The columns with their types; whole numbers are 64-bit, as pandas has them."""
    value = pa.from_numpy_dtype(np.dtype(job.trace.header.dtype))
    few = pa.dictionary(pa.int32(), pa.string())
    there = list(parts(job.trace, job.selection, job.with_inputs, job.padding))
    places = with_valid(WIDE, job.padding)
    names = {
        "long": with_valid(LONG, job.padding),
        "wide": (*places, *wide_names(there)),
        "worked": with_valid(WORKED, job.padding),
    }[job.shape]
    texts = {"symbol": pa.string(), "formula": pa.string(), "substituted": pa.string()}
    types = {**dict.fromkeys(_WHOLE, pa.int64()), **dict.fromkeys(_FEW, few), **texts}
    if job.shape == "wide":
        types = {name: types[name] for name in places}
    about = manifest(job.trace).model_dump_json().encode()
    return pa.schema([(name, types.get(name, value)) for name in names], metadata={MANIFEST: about})


def _long(pa: Any, job: Job, schema: Any) -> Iterator[Any]:
    for part in parts(job.trace, job.selection, job.with_inputs, job.padding):
        for piece in part.pieces(PIECE):
            yield _table(pa, long_columns([piece]), schema)


def _wide(pa: Any, job: Job, schema: Any) -> Iterator[Any]:
    for part in parts(job.trace, job.selection, padding=job.padding):
        for piece in part.pieces(PIECE):
            yield _table(pa, wide_columns([piece]), schema)


def _worked(pa: Any, job: Job, schema: Any) -> Iterator[Any]:
    from ..report.content.worked_rows import WorkedRow, worked_rows

    rows = iter(worked_rows(job.trace, job.selection, padding=job.padding))
    while some := list(islice(rows, WORKED_PIECE)):
        columns = dict(zip(WorkedRow._fields, zip(*some, strict=True), strict=True))
        yield pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _table(pa: Any, columns: dict[str, Any], schema: Any) -> Any:
    """The columns as a table; a column that this piece does not have is all null."""
    rows = len(columns["t"])
    return pa.table([_column(pa, columns.get(field.name), field.type, rows) for field in schema], schema=schema)


def _column(pa: Any, column: Any, kind: Any, rows: int) -> Any:
    if column is None:
        return pa.nulls(rows, kind)
    if isinstance(column, Coded):
        codes = pa.array(column.codes.astype(np.int32), mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts))
    if column.dtype.kind == "i":
        return pa.array(column, kind, mask=column < 0)
    return pa.array(column, kind)
