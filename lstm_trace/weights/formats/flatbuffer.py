"""Tables of a FlatBuffer, read in place: no number is read outside the file, whatever its offsets say."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Tables of one vector: those of large models have some thousands of tensors.
MOST = 100_000


def read_number(data: bytes, form: str, at: int) -> Any:
    """A number at a place in the file, as `struct` writes its form. Raises struct.error outside the file."""
    if at < 0:  # struct counts such places from the end
        raise struct.error("an offset leads to a place before the file")
    return struct.unpack_from(f"<{form}", data, at)[0]


@dataclass(frozen=True)
class FlatTable:
    """A table: its fields by number, in the order of the schema. A field that is left out has its default.

    Every method raises struct.error or ValueError if an offset or a length leads out of the file.
    """

    data: bytes
    at: int

    def _place(self, field: int) -> int:
        """The place of a field; 0 if it is left out."""
        fields = self.at - read_number(self.data, "i", self.at)
        entry = 4 + 2 * field
        offset = read_number(self.data, "H", fields + entry) if entry < read_number(self.data, "H", fields) else 0
        return self.at + offset if offset else 0

    def number(self, field: int, form: str, default: Any = 0) -> Any:
        """A number or truth value."""
        return read_number(self.data, form, place) if (place := self._place(field)) else default

    def table(self, field: int) -> FlatTable | None:
        """A table, or the one that a union holds."""
        place = self._place(field)
        return FlatTable(self.data, place + read_number(self.data, "I", place)) if place else None

    def vector(self, field: int, dtype: str) -> Any:
        """A vector of numbers, as an array over the bytes of the file."""
        start, count = self._vector(field)
        return np.frombuffer(self.data, dtype, count, start) if count else np.empty(0, dtype)

    def tables(self, field: int) -> list[FlatTable]:
        """A vector of tables."""
        start, offsets = self._vector(field)[0], self.vector(field, "<u4")
        if len(offsets) > MOST:
            raise ValueError(f"{len(offsets):,} tables in one vector; expected at most {MOST:,}")
        return [FlatTable(self.data, start + 4 * at + int(offset)) for at, offset in enumerate(offsets)]

    def text(self, field: int) -> str:
        """A text; empty if it is left out."""
        return bytes(self.vector(field, "u1")).decode("utf-8", "replace")

    def _vector(self, field: int) -> tuple[int, int]:
        """Where a vector begins, and its length."""
        if not (place := self._place(field)):
            return 0, 0
        start = place + read_number(self.data, "I", place)
        return start + 4, read_number(self.data, "I", start)
