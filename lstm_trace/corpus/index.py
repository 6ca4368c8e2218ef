"""The index, which says where each sequence is, and the model: files in the folder of the parts."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..base.writing import written
from ..errors import FileError, MissingError, nearest
from ..model.model import Model
from ..model.problem_of import premises
from ..model.sources import prepare
from ..trace.files import trace_file
from .job import corpus_model, digest
from .manifest import INDEX, MODEL
from .part_file import reading
from .rows import SEQUENCE, Index, Span, compute, pa, parquet

#: Rows of a group of the index, so that one sequence is found without reading all; texts that are compared with an id
#: that is not there.
GROUP, MOST_COMPARED = 1 << 16, 5000


def write_model(folder: Path, model: Model, width: int) -> None:
    """Write the model, as the trace of one step. width: I. Raises FileError."""
    trace = model.run(np.zeros((1, 1, width)), lengths=[1], plan="lines", batch_first=False)
    trace_file.save(trace, folder / MODEL)


def read_model(folder: Path, expected: str) -> Model:
    """The model of a folder. expected: its digest. Raises FileError for another one."""
    path = folder / MODEL
    if not path.exists():
        raise FileError(f"{path}: the model is not there; run the corpus again, which writes it")
    found = premises(trace_file.load(path))
    kept = {name: value for name, value in found.items() if name not in ("x", "h0", "c0", "initial", "lengths", "ask")}
    model = corpus_model(prepare(kept, allow_nonfinite=True))
    if digest(model) != expected:
        raise FileError(f"{path}: not the model of these states; run the corpus again with --fresh (fresh=True)")
    return model


def write_index(folder: Path, index: Index, spans: Iterable[Span]) -> None:
    """Write where each sequence is."""
    with written(folder / INDEX, "wb", durable=True) as file:
        parquet.write_table(index_of(index, spans), file, row_group_size=GROUP, compression="zstd")


def is_index(folder: Path, index: Index, spans: Iterable[Span]) -> bool:
    """Whether the file says where each sequence is. Raises FileError."""
    with reading(folder / INDEX):
        return bool(parquet.read_table(folder / INDEX).equals(index_of(index, spans)))


def is_beside(folder: Path, model: str, index: Index, spans: Iterable[Span]) -> bool:
    """Whether the model, of this digest, and the index are there and right."""
    try:
        read_model(folder, model)
        return is_index(folder, index, spans)
    except FileError:
        return False


def index_of(index: Index, spans: Iterable[Span]) -> Any:
    """Of each sequence its part, its first row there, its steps; in the order of the rows of the parts."""
    parts, at = [], 0
    for span in spans:
        which = at + np.argsort(index.ids[at : at + span.sequences], kind="stable")
        at, steps = at + span.sequences, index.lengths[which]
        columns = {SEQUENCE: index.ids[which], "part": np.full(len(which), span.number, np.int32)}
        columns |= {"row": (np.cumsum(steps) - steps).astype(np.int64), "steps": steps.astype(np.int32)}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).combine_chunks()


def place_of(folder: Path, sequence: int | str) -> tuple[int, slice]:
    """The number of the part that a sequence is in, and its rows there. Raises MissingError where there is none."""
    path, wanted = folder / INDEX, None
    with reading(path):
        kind = parquet.read_schema(path).field(SEQUENCE).type
        with suppress(pa.ArrowInvalid):  # where the ids are numbers, and this is none
            wanted = pa.scalar(str(sequence)).cast(kind)
        if wanted is not None:
            rows = parquet.read_table(path, filters=compute.field(SEQUENCE) == wanted)
            for one in rows.to_pylist():
                return one["part"], slice(one["row"], one["row"] + one["steps"])
        raise MissingError(f"{folder}: there is no sequence {sequence!r}{_nearest(path, sequence, wanted)}")


def _nearest(path: Path, sequence: int | str, wanted: Any) -> str:
    """The end of the message that an id is not there."""
    with parquet.ParquetFile(path) as file:
        if wanted is None or not pa.types.is_integer(wanted.type):
            some = next(file.iter_batches(MOST_COMPARED, columns=[SEQUENCE])).column(0).to_pylist()
            return nearest(str(sequence), map(str, some)) or f"; the first is {some[0]!r}"
        ids = (batch.column(0).to_numpy() for batch in file.iter_batches(GROUP, columns=[SEQUENCE]))
        close = [some[np.argmin(np.abs(some - np.float64(wanted.as_py())))] for some in ids]
        return f"; the nearest is {min(close, key=lambda one: abs(int(one) - wanted.as_py()))}"
