"""x of tokens: rows of an embedding, or a 1 at the number that the vocabulary gives."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...errors import FileError, MissingError, OptionError, ShapeError, nearest
from ...model.tokens import read_vocabulary
from ...weights.formats.arrays import array_in
from ..arrow import compute, pa
from ..rows import TOKEN
from .columns import spot


class Lookup(NamedTuple):
    """Where x comes from if a file has none: files, or arrays in files (`FILE:NAME`).

    ids: the column with the numbers of the tokens, if it is not the vocabulary that gives them. unknown: the token that
    stands for those that the vocabulary has not.
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
        words = self._words
        if self.unknown is not None and self.unknown not in words:
            said = f"the vocabulary has no {self.unknown!r}, which --unknown (unknown=) names"
            raise MissingError(said + nearest(self.unknown, words))
        return 1 + max(words.values()) if self.embedding is None else int(_kept(_matrix, self.embedding).shape[1])

    @property
    def _words(self) -> dict[str, int]:
        found: dict[str, int] = {} if self.vocabulary is None else _kept(read_vocabulary, self.vocabulary)
        return found

    def numbers(self, table: Any, where: str) -> Array:
        """The numbers of the tokens of a table, (R,). Raises MissingError, ShapeError for the first that has no x."""
        if self.ids in table.column_names and pa.types.is_integer(table.column(self.ids).type):
            found = table.column(self.ids).to_numpy()
        elif self.ids is not None:
            there = nearest(self.ids, table.column_names, "there are")
            raise MissingError(f"{where}: there is no column {self.ids!r} of whole numbers{there}")
        elif not self._words or TOKEN not in table.column_names:
            lacks = "a vocabulary" if not self._words else f"a column {TOKEN}"
            raise OptionError(f"{where}: x of tokens needs {lacks}, or a column of numbers that --ids names (ids=)")
        else:
            found = self._looked_up(table, where)
        end = self.width if self.embedding is None else len(_kept(_matrix, self.embedding))
        if (wrong := np.flatnonzero((found < 0) | (found >= end))).size:
            said = f"the token has the number {found[wrong[0]]}; expected 0 to {end - 1}"
            raise ShapeError(f"{where}: {spot(table, int(wrong[0]))}: {said}")
        return found

    def _looked_up(self, table: Any, where: str) -> Array:
        words, tokens = self._words, table.column(TOKEN).cast(pa.string())
        places = compute.index_in(tokens, pa.array(words))
        if places.null_count and self.unknown is None:
            r = compute.index(places.is_null(), True).as_py()
            said = f"{tokens[r].as_py()!r} is not in the vocabulary; say what stands for such with --unknown (unknown=)"
            raise MissingError(f"{where}: {spot(table, r)}: {said}")
        numbers = np.array([*words.values(), words.get(self.unknown or "", 0)])
        return numbers[places.fill_null(len(words)).to_numpy()]

    def x(self, table: Any, where: str) -> tuple[Any, Array]:
        """The table, with tokens where it has their numbers alone, and its x, (R, I). Raises as `numbers`."""
        numbers = self.numbers(table, where)
        if self._words and TOKEN not in table.column_names:
            named = {number: word for word, number in self._words.items()}
            table = table.append_column(TOKEN, pa.array([named.get(k, "") for k in numbers.tolist()]))
        if self.embedding is not None:
            return table, _kept(_matrix, self.embedding)[numbers]
        x = np.zeros((len(numbers), self.width), np.float32)
        x[np.arange(len(numbers)), numbers] = 1
        return table, x

    def digest(self) -> str:
        """SHA-256 of what x follows from."""
        found = hashlib.sha256(json.dumps([self.ids, self.unknown, list(self._words.items())]).encode())
        if self.embedding is not None:
            matrix = _kept(_matrix, self.embedding)
            found.update(f"{matrix.dtype}{matrix.shape}".encode() + matrix.tobytes())
        return found.hexdigest()


@lru_cache(maxsize=4)
def _read(read: Any, path: Path, name: str, *_now: int) -> Any:
    return read(path, name)


def _kept(read: Any, reference: str) -> Any:
    """What is read of a file, or of the array called so in it, once a process for each state of the file."""
    path, name = Path(reference), ""
    if not path.exists() and ":" in reference:
        before, _, name = reference.rpartition(":")
        path = Path(before)
    try:
        now = path.stat()
    except OSError:
        raise FileError(f"{path}: there is no such file") from None
    return _read(read, path, name, now.st_mtime_ns, now.st_size)


def _matrix(path: Path, name: str) -> Array:
    found = array_in(path, name)
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        said = f"{name or 'the array'} has the shape {found.shape} and the dtype {found.dtype}"
        raise ShapeError(f"{path}: {said}; expected a row of numbers for each token")
    return found.astype(np.result_type(found.dtype, np.float32))
