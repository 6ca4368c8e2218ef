"""A part of a corpus that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from .layout import Block, name_of
from .manifest import Manifest
from .part_file import META, check, reading
from .rows import SEQUENCE, STEP, TOKEN, Span, pa, parquet


@dataclass(frozen=True)
class Part:
    """A part that is there: `places` are its columns that are no states, values are read when they are asked for.

    Its file is opened once. Raises FileError where it cannot be read, or is a part of another run.
    """

    folder: Path
    manifest: Manifest
    span: Span

    @cached_property
    def _file(self) -> Any:
        path = self.folder / name_of(self.span.number, "parquet")
        with reading(path):
            found = parquet.ParquetFile(path, page_checksum_verification=True)
            check(path, found.metadata.metadata[META.encode()], self.manifest.key, self.span.number)
            return found

    def _columns(self, names: Sequence[str]) -> Any:
        with reading(self.folder / name_of(self.span.number, "parquet")):
            return self._file.read(columns=names).select(names)  # a name with a dot reads more than itself

    @cached_property
    def place_columns(self) -> list[str]:
        """The names of the columns that are no states."""
        floats = {name for block in self.manifest.layout.blocks for name in block.columns}
        return [name for name in self._file.schema_arrow.names if name not in floats]

    @cached_property
    def places(self) -> Any:
        """`seq_id`, `t`, and what else the input brought, as a table of Arrow."""
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
        """(R, units), the values of a recorded line, those of a unit side by side; of some of its units."""
        if self.manifest.files == "safetensors":
            return self._tensor(block, units)
        names = block.columns if units is None else [block.columns[unit] for unit in units]
        found = self._columns(names)
        return np.stack([found.column(name).to_numpy() for name in names]).T

    def _tensor(self, block: Block, units: Sequence[int] | None) -> Array:
        from safetensors import safe_open

        path = self.folder / name_of(self.span.number, "safetensors")
        with reading(path), safe_open(path, "numpy") as opened:
            check(path, opened.metadata()[META], self.manifest.key, self.span.number)
            first, last = (0, block.width - 1) if units is None else (min(units), max(units))
            values: Array = opened.get_slice(block.stem)[:, first : last + 1]
            return values if units is None else values[:, [unit - first for unit in units]]
