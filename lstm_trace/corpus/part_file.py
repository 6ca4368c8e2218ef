"""The parts: computed, written and read again. In their files rows are sorted by sequence and step.

Parquet holds the whole part, with a column for each unit and its key in the metadata. In the other format the states
are in a .safetensors file instead, (R, width) for each line, next to the .parquet file with the rest, which is
written first, so that a part is complete when its states exist.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark
from ..base.writing import OPEN, has_size, is_sealed, seal, written
from ..cell.network import Scope, layer_and_direction
from ..errors import FileError, LstmTraceError, NotFoundError, OptionError, reason
from ..model.model import Model
from .job import CorpusJob, states
from .rows import SEQUENCE, STEP, TOKEN, Block, Rows, Span, name_of, pa, parquet

if TYPE_CHECKING:
    from .manifest import Manifest
    from .states import States


#: Key of the metadata: JSON of the run's key, the part's number, the part's size, and the seal of the file.
META = "lstm_trace_corpus"
#: Rows of a group: a page of a float32 column is then 64 KiB, and a stretch of a sequence can be read alone.
GROUP = 1 << 14
#: The fastest of zstd that still looks for repetitions: 50,000 steps of 256 floats, 51.2 MB, take 0.11 s to write and
#: 0.055 to read in 47.0 MB; at 1 it is 0.13, 0.074 and 46.4 MB, at 3 0.16, 0.073 and 45.9.
LEVEL = -1
#: What to do if a part is missing or damaged.
AGAIN = "run the corpus again, which makes it"

#: Types whose bytes are split into streams. DuckDB reads no others in this form; float16 would gain little by it.
SPLIT = ("float32", "float64")

LineValues = Mapping[tuple[Scope, str], Array]


def write(job: CorpusJob, span: Span, rows: Rows, states: LineValues) -> None:
    """Write a part; it appears under its name once it is complete and on the disk.

    Raises OptionError for a value that the type of the stored values cannot hold.
    """
    most = float(np.finfo(job.manifest.dtype).max)
    for (scope, line), values in states.items():
        if float(np.finfo(values.dtype).max) > most:
            largest = float(np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0))
            if largest > most:
                said = f"{scope}/{line} has a value of size {largest:g}, and {job.manifest.dtype} goes to {most:g}"
                raise OptionError(f"{said}: store a wider type, --dtype (dtype=)")
    order = np.argsort(rows.ids, kind="stable")
    if (order != np.arange(len(order))).any():
        at = rows.steps_of(order)
        rows, states = replace(rows, x=rows.x[:, :0]).picked(order), {key: values[at] for key, values in states.items()}
    apart, key = job.manifest.files == "safetensors", {"key": job.manifest.key, "part": span.number}
    meta = json.dumps(key | {"sequences": span.sequences, "steps": span.steps, "seal": OPEN})
    _write_table(job, span, _places(job, rows), {} if apart else states, meta)
    if apart:
        from safetensors.numpy import save

        blocks, dtype = job.manifest.blocks, job.manifest.dtype
        tensors = {b.stem: np.ascontiguousarray(states[b.scope, b.line].astype(dtype)) for b in blocks}
        with written(job.folder / name_of(span.number, "safetensors"), "w+b", durable=True) as file:
            file.write(save(tensors, {META: meta}))
            seal(file, last=False)


def _write_table(job: CorpusJob, span: Span, places: Any, states: LineValues, meta: str) -> None:
    dtype = job.manifest.dtype
    blocks = [(block, states[block.scope, block.line]) for block in job.manifest.blocks if states]
    floats = [name for block, _ in blocks for name in block.columns]
    kind = pa.from_numpy_dtype(np.dtype(dtype))

    schema = pa.schema([*places.schema, *(pa.field(name, kind) for name in floats)], metadata={META: meta})
    few = [f.name for f in places.schema if f.name != STEP and not pa.types.is_floating(f.type)]
    ordered = parquet.SortingColumn.from_ordering(schema, [(SEQUENCE, "ascending"), (STEP, "ascending")])
    with written(job.folder / name_of(span.number, "parquet"), "w+b", durable=True) as file:
        with parquet.ParquetWriter(
            pa.PythonFile(file, "w"), schema, compression="zstd", compression_level=LEVEL, use_dictionary=few,
            use_byte_stream_split=floats if floats and dtype in SPLIT else False, write_page_checksum=True,
            write_statistics=places.schema.names, sorting_columns=ordered,
        ) as out:  # fmt: skip
            for first in range(0, places.num_rows, GROUP):
                columns = places.slice(first, GROUP).combine_chunks().columns
                for _, values in blocks:
                    columns += map(pa.array, np.array(values[first : first + GROUP].T, dtype, order="C"))
                out.write_table(pa.table(columns, schema=schema), row_group_size=GROUP)
        seal(file, last=True)


def _places(job: CorpusJob, rows: Rows) -> Any:
    """The columns that say where a row belongs, and those that come from the input."""
    repeated = np.repeat(np.arange(len(rows.ids), dtype=np.int32), rows.lengths)
    columns = {SEQUENCE: pa.array(rows.ids).take(pa.array(repeated)), STEP: pa.array(rows.t.astype(np.int32))}
    columns |= ({} if rows.token is None else {TOKEN: rows.token}) | dict(rows.targets)
    if len(job.manifest.layout.scopes) == 1:  # if there are several, the column names say it
        layer, direction = layer_and_direction(job.manifest.layout.scopes[0])
        zeros = np.zeros(len(rows.x), np.int8)
        columns["layer"] = pa.array(zeros + np.int8(layer))
        columns["direction"] = pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array([direction]))
    return pa.table(columns)


class DamagedPartError(FileError):
    """A file that its reader cannot read."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise FileError for a file that is missing, unreadable, cut off or damaged, whatever the library raises."""
    try:
        yield
    except (LstmTraceError, MemoryError):
        raise
    except FileNotFoundError:
        said = f"{path}: this file does not exist (any more); run the corpus again"
        raise NotFoundError(said, filename=path) from None
    except Exception as error:  # each library has its own errors, some of them plain Exceptions
        if isinstance(error, OSError) and error.errno:  # from the system, not from the content
            raise FileError(f"{path}: cannot be read: {reason(error)}") from None
        raise DamagedPartError(f"{path}: not a part of a corpus, or damaged; {AGAIN}") from None


def check(path: Path, meta: str | bytes, key: str, number: int) -> None:
    """Raise FileError if a file is not the part of this number of the run with this key. meta: of the file."""
    said = json.loads(meta)
    if (said.get("key"), said.get("part")) != (key, number):
        raise FileError(f"{path} is a part of another run; remove it, or use --fresh (fresh=True)")


def fault(path: Path, key: str, number: int, every_byte: bool = True) -> Remark | None:
    """What is wrong with the file of a part, as the end of a sentence; None if it is as it was written.

    every_byte: whether it is read, not only its key and its length. Raises FileError for an intact file that does not
    belong to this run, and for one that the system does not let us read.
    """
    if not path.exists():
        return Remark("corpus.part.missing")
    try:
        with reading(path):
            sealed = is_sealed(path, path.suffix == ".parquet") if every_byte else True
            meta = _metadata(path)
            if META not in meta and sealed is None:  # intact, but another program's
                raise FileError(f"{path}: not a part of a corpus; move it")
            said = json.loads(meta[META])
            if not sealed or not has_size(str(said.get("seal", "")), path.stat().st_size):
                return Remark("corpus.part.damaged" if said.get("seal") else "corpus.part.unsealed")
            check(path, meta[META], key, said["part"])
    except DamagedPartError:
        return Remark("corpus.part.damaged")
    return None if said["part"] == number else Remark("corpus.part.other", {"number": said["part"]})


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a file, as texts."""
    if path.suffix == ".parquet":
        return {name.decode(): text.decode() for name, text in (parquet.read_metadata(path).metadata or {}).items()}
    from safetensors import safe_open

    with safe_open(path, "numpy") as opened:
        return dict(opened.metadata())


@dataclass(frozen=True)
class Part:
    """A part that exists: `places` are its columns other than states; values are read when they are requested.

    Its file is opened once. Raises FileError if it cannot be read, or is a part of another run.
    """

    folder: Path
    manifest: Manifest
    span: Span

    @cached_property
    def _path(self) -> Path:
        return self.folder / name_of(self.span.number, "parquet")

    @cached_property
    def _file(self) -> Any:
        with reading(self._path):
            found = parquet.ParquetFile(self._path, page_checksum_verification=True)
            check(self._path, found.metadata.metadata[META.encode()], self.manifest.key, self.span.number)
            return found

    def _columns(self, names: Sequence[str]) -> Any:
        with reading(self._path):
            return self._file.read(columns=names).select(names)  # a name with a dot reads more than itself

    @cached_property
    def place_columns(self) -> list[str]:
        """The names of the columns that are not states."""
        floats = {name for block in self.manifest.layout.blocks for name in block.columns}
        return [name for name in self._file.schema_arrow.names if name not in floats]

    @cached_property
    def places(self) -> Any:
        """`seq_id`, `t`, and the other columns of the input, as a table of Arrow."""
        return self._columns(self.place_columns)

    @cached_property
    def _sequences(self) -> Any:
        return self._columns([SEQUENCE]).column(0)

    @cached_property
    def ids(self) -> Array:
        """(n,), the sequences in the order of the rows."""
        return self._sequences.take(pa.array(self.starts[:-1])).to_numpy()

    @cached_property
    def starts(self) -> Array:
        """(n + 1,), the first row of each sequence, and the number of rows."""
        codes = self._sequences.combine_chunks().dictionary_encode().indices.to_numpy()
        return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])

    @cached_property
    def t(self) -> Array:
        """(R,), the step of each row."""
        return self.places.column(STEP).to_numpy()

    @cached_property
    def tokens(self) -> list[str] | None:
        """(R,), the labels of the steps; None if there are none."""
        if TOKEN not in self.places.column_names:
            return None
        return [text or "" for text in self.places.column(TOKEN).to_pylist()]

    def values(self, block: Block, units: Sequence[int] | None = None) -> Array:
        """(R, units), the values of a recorded line, those of a unit side by side; or of some of its units."""
        if self.manifest.files == "parquet":
            columns = block.columns
            names = columns if units is None else [columns[unit] for unit in units]
            found = self._columns(names)
            return np.stack([found.column(name).to_numpy() for name in names]).T
        from safetensors import safe_open

        path = self._path.with_suffix(".safetensors")
        with reading(path), safe_open(path, "numpy") as opened:
            check(path, opened.metadata()[META], self.manifest.key, self.span.number)
            stored = opened.get_slice(block.stem)
            values: Array = stored[:] if units is None else stored[:, min(units) : max(units) + 1]
            return values if units is None else values[:, np.subtract(units, min(units))]


#: How often a part is tried after errors that may be temporary: system errors, which file readers turn into FileError.
TRIES, PASSING = 3, (OSError, FileError)


class HaltError(LstmTraceError):
    """An error with which no part can succeed, so that the run ends: an unwritable folder, an unsuitable worker."""


class Done(NamedTuple):
    """A part that was computed, or could not be. error: the reason, in words."""

    span: Span
    error: str = ""


def run_part(job: CorpusJob, model: Model, span: Span) -> Done:
    """Compute one part and write it. It is the same for the same job, wherever and however often it is computed.

    Raises HaltError if it cannot be written, and errors that may be temporary: see `PASSING`.
    """
    try:
        return _write(job, span, *_compute(job, model, span))
    except (HaltError, *PASSING):
        raise
    except Exception as error:
        return Done(span, in_words(error))


def in_words(error: BaseException) -> str:
    """An error as a message; with its kind if it is not one of ours."""
    return str(error) if isinstance(error, LstmTraceError) else f"{type(error).__name__}: {error}".rstrip(": ")


def _compute(job: CorpusJob, model: Model, span: Span, tries: int = 1) -> tuple[Rows, LineValues]:
    for _ in range(1, tries):
        with suppress(*PASSING):
            return _compute(job, model, span)
    rows = job.source.read(span)
    return rows, states(model, rows, job.way)


def _write(job: CorpusJob, span: Span, rows: Rows, found: LineValues) -> Done:
    try:
        write(job, span, rows, found)
    except (FileError, OSError) as error:
        raise HaltError(f"{error}; finished parts are kept: run it again for the others") from None
    except Exception as error:
        return Done(span, in_words(error))
    return Done(span)


def by_loop(job: CorpusJob, model: Model, todo: Iterable[Span]) -> Generator[Done]:
    """The parts one after the other, in this process; a second thread writes one while the next is computed.

    Writing takes about as long as computing, and neither holds the interpreter lock: with two threads the whole job
    takes 0.7 of the time, and the memory of one more part.
    """
    with ThreadPoolExecutor(1, "lstm-trace writer") as writer:
        behind: list[Future[Done]] = []
        for span in todo:
            try:
                found = _compute(job, model, span, TRIES)
            except Exception as error:  # whatever it is, the other parts may succeed
                yield Done(span, in_words(error))
                continue
            yield from (one.result() for one in behind)
            behind = [writer.submit(_write, job, span, *found)]
        yield from (one.result() for one in behind)


def faults(states: States, span: Span, every_byte: bool = True) -> list[Remark | str]:
    """What is wrong with the files of a part, in sentences. every_byte: see `fault`."""
    found: list[Remark | str] = []
    for name in states.manifest.files_of(span.number):
        try:
            if wrong := fault(states.folder / name, states.manifest.key, span.number, every_byte):
                found.append(Remark("corpus.part", {"file": name, "wrong": wrong}))
        except LstmTraceError as error:
            found += error.problems
    return found


def damaged(states: States) -> dict[int, list[Remark | str]]:
    """By number, what is wrong with the existing parts, judging by the length and the metadata of their files alone."""
    found = {span.number: faults(states, span, every_byte=False) for span in states.spans}
    return {number: said for number, said in found.items() if said}
