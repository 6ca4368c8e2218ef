"""Parquet: typed columns, the trace's manifest in the file's metadata (key `lstm_trace`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..base.extras import missing
from ..base.files import written
from ..errors import OptionError
from ..tables.frames import Coded
from ..trace.files.manifest import manifest
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
    schema, tables = arrow(job, ".parquet")
    from pyarrow import parquet

    with written(path, "wb") as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            job.progress(table.num_rows)


def arrow(job: Job, what: str) -> tuple[Any, Iterator[Any]]:
    """The schema of a table and its pieces as tables of Arrow.

    what: it is for, to begin the message. Raises OptionError where pyarrow is missing.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise OptionError(missing(what, "pyarrow", "write .csv")) from None
    schema = _schema(pa, job)

    def table(columns: Mapping[str, Any]) -> Any:
        found = [_column(pa, columns.get(field.name), field.type, len(columns["t"])) for field in schema]
        return pa.table(found, schema=schema)

    return schema, map(table, job.pieces(PIECE, WORKED_PIECE))


def _schema(pa: Any, job: Job) -> Any:
    """The columns with their types; whole numbers are 64-bit, as pandas has them."""
    value = pa.from_numpy_dtype(np.dtype(job.trace.header.dtype))
    texts = dict.fromkeys(("symbol", "formula", "substituted"), pa.string())
    few = dict.fromkeys(_FEW, pa.dictionary(pa.int32(), pa.string()))
    types = {**dict.fromkeys(_WHOLE, pa.int64()), **few, **texts}
    about = manifest(job.trace).model_dump_json().encode()
    return pa.schema([(name, types.get(name, value)) for name in job.columns], metadata={MANIFEST: about})


def _column(pa: Any, column: Any, kind: Any, rows: int) -> Any:
    """A column as an array of Arrow; one that this piece does not have is all null."""
    if column is None:
        return pa.nulls(rows, kind)
    if isinstance(column, Coded):
        codes = pa.array(column.codes.astype(np.int32), mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts))
    whole = not isinstance(column, tuple) and column.dtype.kind == "i"
    return pa.array(column, kind, mask=column < 0 if whole else None)
