"""x of tokens: rows of an embedding, or a 1 at the number that the vocabulary gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...errors import FileError, MissingError, OptionError, ShapeError, nearest
from ...model.tokens import TokenTable, token_table
from ...weights.guards import afford, told
from ..rows import SEQUENCE, STEP, TOKEN, Rows, SequenceIndex, Span, pa, parquet
from .columns import WIDE, Names, X, check_full, columns_of, indexed, inputs, rows, spot


class Lookup(NamedTuple):
    """Where x comes from if a file has none: files, or arrays in files (`FILE:NAME`).

    ids: the column with the numbers of the tokens, if the vocabulary does not give them. unknown: the token that
    replaces those that are not in the vocabulary.
    """

    ids: str | None = None
    vocabulary: str | None = None
    embedding: str | None = None
    unknown: str | None = None

    @property
    def width(self) -> int:
        """I: the width of the embedding, or how many numbers the vocabulary has. Raises MissingError, OptionError."""
        if self.vocabulary is None and self.embedding is None:
            raise OptionError("the input has no x: give a vocabulary, an embedding, or both (docs/corpus.md)")
        return self._table.width

    @property
    def _table(self) -> TokenTable:
        return token_table(self.vocabulary, self.embedding, self.unknown)

    def numbers(self, table: Any, where: str) -> Array:
        """The numbers of the tokens of a table, (R,). Raises MissingError, ShapeError for the first that has no x."""
        known = self._table
        if self.ids in table.column_names and pa.types.is_integer(table.column(self.ids).type):
            return known.numbers(table.column(self.ids).to_numpy(), lambda r: f"{where}: {spot(table, r)}")
        if self.ids is not None:
            there = nearest(self.ids, table.column_names, "there are")
            raise MissingError(f"{where}: there is no column {self.ids!r} of whole numbers{there}")
        if not known.words or TOKEN not in table.column_names:
            lacks = "a vocabulary" if not known.words else f"a column {TOKEN}"
            raise OptionError(f"{where}: x of tokens needs {lacks}, or a column of numbers that --ids names (ids=)")
        each = table.column(TOKEN).cast(pa.string()).combine_chunks().dictionary_encode("encode")
        at, words = each.indices.to_numpy(), each.dictionary.to_pylist()  # in the order in which they occur
        return known.numbers(words, lambda k: f"{where}: {spot(table, int(np.argmax(at == k)))}")[at]

    def x(self, table: Any, where: str) -> tuple[Any, Array]:
        """The table, with tokens if it has only their numbers, and its x, (R, I). Raises as `numbers`."""
        numbers, known = self.numbers(table, where), self._table
        if known.words and TOKEN not in table.column_names:
            table = table.append_column(TOKEN, pa.array(known.labels(numbers.tolist())))
        return table, known.x(numbers)

    def digest(self) -> str:
        """SHA-256 of everything that determines x."""
        known = self._table
        found = hashlib.sha256(json.dumps([self.ids, self.unknown, list(known.words.items())]).encode())
        if (matrix := known.matrix) is not None:
            found.update(f"{matrix.dtype}{matrix.shape}".encode() + matrix.tobytes())
        return found.hexdigest()


#: Roughly how many values are decoded at a time; rows with lists, which may be long; bytes of a column read ahead.
PIECE, LISTS, BUFFER = 1 << 20, 1 << 10, 1 << 16
#: The size of a step besides its x: its place, its token, and so on.
STEP_BYTES = 64


class Cursor:
    """Files of one schema, read forwards: a part begins where another ended, also within a group of rows."""

    def __init__(self, paths: Sequence[Path], names: Names, called: str) -> None:
        self.called = called
        stored = parquet.read_metadata(paths[0]).schema
        leaves = [stored.column(k) for k in range(len(stored))]
        flat = [leaf for leaf in leaves if not leaf.max_repetition_level]
        # texts stay dictionaries until their lengths are known: a file may repeat a long one at every row
        texts = [leaf.path for leaf in flat if str(leaf.logical_type) == "String"]
        look: dict[str, Any] = {"pre_buffer": False, "buffer_size": BUFFER, "read_dictionary": texts}
        self.files = [parquet.ParquetFile(path, **look) for path in paths]
        schema = self.files[0].schema_arrow
        self.columns = columns_of(schema, names, called)
        for path, file in zip(paths, self.files, strict=True):
            if not file.schema_arrow.equals(schema):
                raise FileError(f"{path} has other columns than {paths[0].name}; expected the same in all files")
        heads = [(k, f.metadata.row_group(g)) for k, f in enumerate(self.files) for g in range(f.num_row_groups)]
        self.groups = [k for k, _ in heads]
        self.first = np.cumsum([0, *(head.num_rows for _, head in heads)])
        # not by `head.column(k).num_values`: pyarrow 26 aborts the process there if a footer is damaged
        size = sum(head.total_byte_size for _, head in heads) // max(int(self.first[-1]), 1)
        most = PIECE // len(flat) if len(flat) == len(leaves) else LISTS
        self.piece = max(1, min(most, 4 * PIECE // max(size, 1)))
        self.at, self.batches, self.left = 0, self.pieces(), None

    def pieces(self, group: int = 0, columns: list[str] | None = None) -> Iterator[Any]:
        """The rows from a group on, with some of their columns."""
        columns = columns or list(self.columns.names)
        for k, file in enumerate(self.files):
            own = [g - self.groups.index(k) for g in range(group, len(self.groups)) if self.groups[g] == k]
            yield from file.iter_batches(self.piece, own, columns, use_threads=False) if own else ()

    def read(self, first: int, stop: int) -> Any:
        """The rows from `first` to before `stop`. Raises FileError if there are not so many."""
        group = int(np.searchsorted(self.first, first, "right")) - 1
        if first < self.at or self.first[group] > self.at:
            self.at, self.batches, self.left = int(self.first[group]), self.pieces(group), None
        found = []
        while self.at < stop:
            batch = self.left if self.left is not None else next(self.batches, None)
            if batch is None:
                raise FileError(f"{self.called}: there are {self.at:,} rows; expected {stop:,} or more")
            begins, ends = self.at, self.at + len(batch)
            if ends > first:
                found.append(batch.slice(max(first - begins, 0), min(stop, ends) - max(first, begins)))
            self.at = min(stop, ends)
            self.left = batch.slice(stop - begins) if ends > stop else None
        return pa.Table.from_batches(found)


def files_in(folder: Path, *suffixes: str) -> list[Path]:
    """The data files of a folder, in the order of their names: other files begin with `_` or `.`."""
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes and p.name[0] not in "_."]


def hashed(files: Iterable[Path], options: Any) -> str:
    """SHA-256 of files and of how they are read."""
    found = hashlib.sha256(json.dumps(options).encode())
    for path in files:
        with told(path), path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


#: By the files and their state when they were opened: a cursor that nobody is reading with.
_IDLE: dict[Any, Cursor] = {}


@dataclass(frozen=True)
class TableFile:
    """Sequences in Parquet. names: of its columns. width: I. lookup: of x, if the file has none."""

    path: Path
    names: Names
    lookup: Lookup | None = None
    width: int = 0

    @property
    def files(self) -> list[Path]:
        """The file, or those in the folder."""
        return files_in(self.path, ".parquet") if self.path.is_dir() else [self.path]

    @property
    def called(self) -> str:
        """How messages refer to it: nobody knows the name of a file that was written only to be read."""
        return "the inputs" if self.path.name.startswith("_inputs-") else str(self.path)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with told(self.called, pa.lib.ArrowException, ValueError, TypeError, KeyError):
            files = [(path, path.stat()) for path in self.files]
            key = self.names, *((path, now.st_mtime_ns, now.st_size) for path, now in files)
            cursor = _IDLE.pop(key, None) or Cursor(self.files, self.names, self.called)
            yield cursor
            _IDLE.clear()  # files stay open until here
            _IDLE[key] = cursor

    def _steps(self, first: int, stop: int) -> Any:
        with self._cursor() as cursor:
            table = cursor.columns.steps(cursor.columns.renamed(cursor.read(first, stop)), self.called)
        check_full(table, self.called)
        return table

    def targets(self) -> list[str]:
        """The further columns that a part has for each step, by their names there."""
        with self._cursor() as cursor:
            names = cursor.columns.names.values()
        return [name for name in names if name not in (SEQUENCE, STEP, TOKEN, X) and not WIDE.fullmatch(name)]

    def measured(self) -> int:
        """I according to the first row; 0 if the file has no x."""
        return 0 if (x := inputs(self._steps(0, 1), self.called)) is None else int(x.shape[1])

    def index(self) -> SequenceIndex:
        """The sequences. Their places are rows. Raises FileError, ShapeError."""
        with self._cursor() as cursor:
            columns, where = cursor.columns, self.called
            wanted = {SEQUENCE, STEP} | ({TOKEN, self.names.ids} if self.lookup else set())
            wanted.update(sorted(columns.lists, key=lambda name: name == X)[:1])  # one tells the length; x costs most
            read = [name for name, ours in columns.names.items() if ours in wanted]

            def pieces() -> Iterator[tuple[Any, Array | None]]:
                for batch in cursor.pieces(0, read):
                    table = columns.renamed(pa.Table.from_batches([batch]))
                    if self.lookup:
                        self.lookup.numbers(columns.steps(table, where), where)
                    yield table, columns.lengths(table)

            return indexed(pieces(), where)

    def digest(self) -> str:
        """SHA-256 of the files, of how they are read, and of where x is looked up."""
        return hashed(self.files, [*self.names, self.lookup and self.lookup.digest()])

    def read(self, span: Span) -> Rows:
        """The rows of a span. Raises FileError, ShapeError."""
        where, need = self.called, span.steps * (8 * self.width + STEP_BYTES)
        afford(need, need, f"{where}: a part of {span.steps:,} steps")
        with told(where, pa.lib.ArrowException, ValueError, TypeError):
            table = self._steps(span.first, span.stop)
            table, x = self.lookup.x(table, where) if self.lookup else (table, inputs(table, where, self.width))
            found = rows(table, x, where)
        if (len(found.ids), len(found.x)) != (span.sequences, span.steps):
            raise ShapeError(f"{where} has changed since the run began; run into another folder")
        return found

    def described(self) -> dict[str, Any]:
        """The arguments with which `opened` makes the same source."""
        said = self.names._asdict() | (self.lookup._asdict() if self.lookup else {})
        return {"path": str(self.path), **{k: v for k, v in said.items() if v != Names()._asdict().get(k)}}
