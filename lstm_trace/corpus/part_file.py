"""The files of a part: rows sorted by sequence and step, a column for each unit, its key in the metadata.

Parquet holds all of it. In the other format the states are in a .safetensors file instead, (R, width) for each line,
beside the .parquet file with the rest; that one is written first, so that a part is whole when its states are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.writing import OPEN, has_size, is_sealed, seal, written
from ..cell.network import Scope, layer_and_direction
from ..errors import FileError, LstmTraceError, OptionError, reason
from .job import Job
from .layout import name_of
from .rows import SEQUENCE, STEP, TOKEN, Rows, Span, pa, parquet

#: Key of the metadata: JSON of the run's key, the part's number, how much is in it, and the seal of the file.
META = "lstm_trace_corpus"
#: Rows of a group: a page of a float32 column is then 64 KiB, and a stretch of a sequence can be read alone.
GROUP = 1 << 14
#: The fastest of zstd that still looks for repetitions: 50,000 steps of 256 floats, 51.2 MB, take 0.11 s to write and
#: 0.055 to read in 47.0 MB; at 1 it is 0.13, 0.074 and 46.4 MB, at 3 0.16, 0.073 and 45.9.
LEVEL = -1
#: Rows that are transposed at once, so that they stay in the cache: half the time of all of them.
FEW = 64

#: What helps where a part is missing or damaged.
AGAIN = "run the corpus again, which makes it"

#: Types whose bytes are split into streams. DuckDB reads no others so: of float16 there is little to gain by it.
SPLIT = ("float32", "float64")

States = Mapping[tuple[Scope, str], Array]


def write(job: Job, span: Span, rows: Rows, states: States) -> None:
    """Write a part; it appears under its name when it is whole and on the disk.

    Raises OptionError for a value that the type of the stored values cannot hold.
    """
    _check_range(job, states)
    order = np.argsort(rows.ids, kind="stable")
    if (order != np.arange(len(order))).any():
        at = rows.steps_of(order)
        rows, states = replace(rows, x=rows.x[:, :0]).picked(order), {key: values[at] for key, values in states.items()}
    said = {"key": job.key, "part": span.number, "sequences": span.sequences, "steps": span.steps, "seal": OPEN}
    places, meta = _places(job, rows), json.dumps(said)
    if job.format == "safetensors":
        _write_table(job, span, places, {}, meta)
        _write_tensors(job, span, states, meta)
    else:
        _write_table(job, span, places, states, meta)


def _check_range(job: Job, states: States) -> None:
    most = float(np.finfo(job.dtype).max)
    for block in job.layout.blocks:
        values = states[block.scope, block.line]
        if float(np.finfo(values.dtype).max) > most:
            largest = float(np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0))
            if largest > most:
                raise OptionError(
                    f"{block.scope}/{block.line} has a value of size {largest:g}, and {job.dtype} goes to {most:g}: "
                    "store a wider type, --dtype (dtype=)"
                )


def _write_table(job: Job, span: Span, places: Any, states: States, meta: str) -> None:
    blocks = [(block, states[block.scope, block.line]) for block in job.layout.blocks if states]
    floats = [name for block, _ in blocks for name in block.columns]
    kind = pa.from_numpy_dtype(np.dtype(job.dtype))
    job.layout.check_apart(places.schema.names)
    schema = pa.schema([*places.schema, *(pa.field(name, kind) for name in floats)], metadata={META: meta})
    few = [f.name for f in places.schema if f.name != STEP and not pa.types.is_floating(f.type)]
    look: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": LEVEL,
        "use_dictionary": few,
        "use_byte_stream_split": floats if floats and job.dtype in SPLIT else False,
        "write_page_checksum": True,
        "write_statistics": places.schema.names,
        "sorting_columns": parquet.SortingColumn.from_ordering(schema, [(SEQUENCE, "ascending"), (STEP, "ascending")]),
    }
    path = job.folder / name_of(span.number, "parquet")
    with written(path, "w+b", durable=True) as file:
        with parquet.ParquetWriter(pa.PythonFile(file, "w"), schema, **look) as out:
            for first in range(0, places.num_rows, GROUP):
                columns = places.slice(first, GROUP).combine_chunks().columns
                for _, values in blocks:
                    columns += [pa.array(unit) for unit in _transposed(values[first : first + GROUP], job.dtype)]
                out.write_table(pa.table(columns, schema=schema), row_group_size=GROUP)
        seal(file, last=True)


def _transposed(values: Array, dtype: str) -> Array:
    """(units, R) of (R, units), in another type."""
    found = np.empty(values.shape[::-1], dtype)
    for first in range(0, len(values), FEW):
        found[:, first : first + FEW] = values[first : first + FEW].T
    return found


def _write_tensors(job: Job, span: Span, states: States, meta: str) -> None:
    from safetensors.numpy import save

    tensors = {b.stem: np.ascontiguousarray(states[b.scope, b.line].astype(job.dtype)) for b in job.layout.blocks}
    with written(job.folder / name_of(span.number, "safetensors"), "w+b", durable=True) as file:
        file.write(save(tensors, {META: meta}))
        seal(file, last=False)


def _places(job: Job, rows: Rows) -> Any:
    """The columns that say where a row belongs, and those that the input brings."""
    repeated = np.repeat(np.arange(len(rows.ids), dtype=np.int32), rows.lengths)
    columns = {SEQUENCE: pa.array(rows.ids).take(pa.array(repeated)), STEP: pa.array(rows.t.astype(np.int32))}
    columns |= ({} if rows.token is None else {TOKEN: rows.token}) | dict(rows.targets)
    if len(job.layout.scopes) == 1:  # of several, the names of the columns say it
        layer, direction = layer_and_direction(job.layout.scopes[0])
        zeros = np.zeros(len(rows.x), np.int8)
        columns["layer"] = pa.array(zeros + np.int8(layer))
        columns["direction"] = pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array([direction]))
    return pa.table(columns)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise FileError for a file that is missing, unreadable, cut off or damaged, whatever the library says of it."""
    try:
        yield
    except (LstmTraceError, MemoryError):
        raise
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file (any more); run the corpus again") from None
    except Exception as error:  # each library has errors of its own, some of them no more than an Exception
        if isinstance(error, OSError) and error.errno:  # of the system, not of what is in the file
            raise FileError(f"{path}: cannot be read: {reason(error)}") from None
        raise FileError(f"{path}: no part of a corpus, or damaged; {AGAIN}") from None


def check(path: Path, meta: str | bytes, key: str, number: int) -> None:
    """Raise FileError where a file is not the part of this number of the run with this key. meta: of the file."""
    said = json.loads(meta)
    if (said.get("key"), said.get("part")) != (key, number):
        raise FileError(f"{path} is a part of another run; remove it, or use --fresh (fresh=True)")


def fault(path: Path, key: str, number: int, every_byte: bool = True) -> str:
    """What is wrong with the file of a part, as the end of a sentence; empty where it is as it was written.

    every_byte: whether it is read, not only its key and its length. Raises FileError for a whole file that is none of
    this run, and for one that the system does not let us read.
    """
    if not path.exists():
        return "is missing"
    try:
        sealed = is_sealed(path, path.suffix == ".parquet") if every_byte else True
        meta = _metadata(path)
        if META not in meta and sealed is None:  # whole, and another program's
            raise FileError(f"{path}: no part of a corpus; move it")
        said = json.loads(meta[META])
        if not sealed or not has_size(str(said.get("seal", "")), path.stat().st_size):
            return "is damaged" if said.get("seal") else "has no checksum of its own"
        check(path, meta[META], key, said["part"])
    except LstmTraceError:
        raise
    except Exception as error:  # see `reading`
        if isinstance(error, OSError) and error.errno:
            raise FileError(f"{path}: cannot be read: {reason(error)}") from None
        return "is damaged"
    return "" if said["part"] == number else f"is part {said['part']}"


def _metadata(path: Path) -> dict[str, str]:
    """Those that a file brings, as texts."""
    if path.suffix == ".parquet":
        return {name.decode(): text.decode() for name, text in (parquet.read_metadata(path).metadata or {}).items()}
    from safetensors import safe_open

    with safe_open(path, "numpy") as opened:
        return dict(opened.metadata())
