"""A part of a corpus that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from . import part_file
from .arrow import pa, parquet
from .layout import Block, name_of
from .manifest import Manifest
from .rows import SEQUENCE, STEP, TOKEN, Span


@dataclass(frozen=True)
class Part:
    """A part that is there: `places` are its columns that are no states, values are read when they are asked for."""

    folder: Path
    manifest: Manifest
    span: Span

    @cached_property
    def places(self) -> Any:
        """`seq_id`, `t`, and what else the input brought, as a table of Arrow."""
        names = part_file.place_columns(self.folder, self.span.number, self.manifest.layout)
        return part_file.read_places(self.folder, self.span.number, names)

    @cached_property
    def _file(self) -> Any:
        path = self.folder / name_of(self.span.number, "parquet")
        with part_file.reading(path):
            return parquet.ParquetFile(path)

    @cached_property
    def _sequences(self) -> Any:
        return part_file.read_places(self.folder, self.span.number, [SEQUENCE]).column(0)

    @cached_property
    def ids(self) -> Array:
        """(n,), the sequences in the order of the rows."""
        return self._sequences.take(pa.array(self.starts[:-1])).to_numpy()

    @cached_property
    def starts(self) -> Array:
        """(n + 1,), the first row of each sequence, and the number of rows."""
        ids = self._sequences.combine_chunks().dictionary_encode()
        codes = ids.indices.to_numpy()
        return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])

    @cached_property
    def t(self) -> Array:
        """(R,), the step of each row."""
        return self.places.column(STEP).to_numpy()

    @cached_property
    def tokens(self) -> list[str] | None:
        """(R,), the labels of the steps; None where there are none."""
        if TOKEN not in self.places.column_names:
            return None
        return [text or "" for text in self.places.column(TOKEN).to_pylist()]

    def values(self, block: Block, units: Sequence[int] | None = None) -> Array:
        """(R, units), the values of a recorded line; of some of its units."""
        return part_file.read_states(self.folder, self.span.number, self.manifest.files, block, units, self._file)
