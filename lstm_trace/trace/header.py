"""The metadata of a trace: what it says of itself, beside its arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..cell.variants import Merge, Padding


@dataclass(frozen=True)
class Header:
    """What a trace says of itself, beside its arrays.

    kind, options: the cell's name and its options in full (kind `equations` for a custom cell). ask: addresses or
    names of the lines that were asked for. names: labels of inputs (`x`), hidden units (`h`) and
    outputs of a readout (`y`). symbols: how an own name
    is printed, in TeX. imported: what was done to the weights at import. batched, batch_first: the layout in
    which the input was given. notes: what the author wrote below the title. plan: which plan computed it. arithmetic:
    other than that of dtype, if any. agreement: what was compared with a framework's own result, and how far it was
    off. step_labels: of each row of the batch what its steps are called (tokens, characters, dates), by the
    position in the input; of one row only, where all rows have the same. count_from: 0 or 1, from which a report
    counts steps, units and layers; addresses count from 0.
    """

    title: str = ""
    notes: str = ""
    kind: str = "lstm"
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    merge: Merge = "concat"
    padding: Padding | None = None
    ask: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    imported: tuple[str, ...] = ()
    batched: bool = True
    batch_first: bool = False
    plan: str = "lines"
    arithmetic: str | None = None
    agreement: tuple[str, ...] = ()
    count_from: int = 0
    step_labels: tuple[tuple[str, ...], ...] = ()

    @property
    def called(self) -> str:
        """Title and cell, as the `repr` of a trace and of a model has them."""
        title = self.title if len(self.title) <= 60 else f"{self.title[:59]}…"
        return f"{title!r}, {self.kind}" if title else self.kind

    def until(self, stop: int) -> Header:
        """The header with labels of the steps before `stop` alone."""
        if all(len(row) <= stop for row in self.step_labels):
            return self
        return replace(self, step_labels=tuple(row[:stop] for row in self.step_labels))
