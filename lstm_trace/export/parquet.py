"""Parquet: typed columns, the trace's manifest in the file's metadata (key `lstm_trace`)."""

from __future__ import annotations

from ..base.writing import Target, written
from ..frames.frame import arrow
from .writers import ExportJob


def write(job: ExportJob, path: Target) -> None:
    """Write the table, a row group for each piece; nothing appears under `path` unless it is complete.

    Numbers rarely repeat, so a dictionary of them would only enlarge the file; their bytes are split into streams by
    position (sign and exponent first), which compress better.
    Raises OptionError if pyarrow is missing, MissingError for an empty selection.
    """
    schema, tables = arrow(job, ".parquet")
    import pyarrow as pa
    from pyarrow import parquet

    numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
    split = [name for name in numbers if not pa.types.is_float16(schema.field(name).type)]
    others = [name for name in schema.names if name not in set(numbers)]
    look = {"compression": "zstd", "use_dictionary": others or False, "use_byte_stream_split": split or False}
    with written(path, "wb") as file, parquet.ParquetWriter(file, schema, **look) as writer:
        for table in tables:
            writer.write_table(table)
            job.progress(table.num_rows)
