"""Parquet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrow import parquet
from ..rows import SEQUENCE, STEP, TOKEN, Index, Rows, Span


@dataclass(frozen=True)
class StepTable:
    """A table with a row for each step (a first version)."""

    path: Path

    @property
    def _x(self) -> list[str]:
        names = parquet.read_schema(self.path).names
        return sorted((n for n in names if n.startswith("x_")), key=lambda n: int(n[2:]))

    @property
    def width(self) -> int:
        return len(self._x)

    def index(self) -> Index:
        ids = parquet.read_table(self.path, columns=[SEQUENCE]).column(0).to_numpy()
        first = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1])
        places = np.concatenate([first, [len(ids)]])
        return Index(ids[first], np.diff(places), places)

    def digest(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, span: Span) -> Rows:
        names = parquet.read_schema(self.path).names
        file = parquet.ParquetFile(self.path)
        groups, at, offset = [], 0, None
        for g in range(file.num_row_groups):
            n = file.metadata.row_group(g).num_rows
            if at < span.stop and at + n > span.first:
                groups.append(g)
                offset = at if offset is None else offset
            at += n
        table = file.read_row_groups(groups).slice(span.first - (offset or 0), span.steps)
        ids = table.column(SEQUENCE).to_numpy()
        first = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1])
        x = np.stack([table.column(n).to_numpy() for n in self._x], axis=1)
        rest = {n: table.column(n).combine_chunks() for n in names if n not in (SEQUENCE, STEP, TOKEN, *self._x)}
        token = table.column(TOKEN).combine_chunks() if TOKEN in names else None
        return Rows(ids[first], np.diff([*first, len(ids)]), x, table.column(STEP).to_numpy(), token, rest)

    def described(self) -> dict[str, Any]:
        return {"path": str(self.path)}
