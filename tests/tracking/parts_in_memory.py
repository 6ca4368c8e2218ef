"""Parts whose values are arrays, cut from random sequences: what a corpus of them says can be compared with pandas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lstm_trace.corpus.rows import Block, Span, StateLayout

BLOCKS = (Block("0/forward", "f_t", 2, "f_t", "gate"), Block("0/forward", "c_t", 2, "c_t", "before tanh", "f_t"))
COLUMNS = [name for block in BLOCKS for name in block.columns]


@dataclass(frozen=True)
class PartInMemory:
    """A part as `States.parts` gives it."""

    span: Span
    frame: pd.DataFrame = field(repr=False)
    read: list[str] = field(default_factory=list)

    @property
    def places(self) -> Any:
        names = [name for name in self.frame if name not in COLUMNS]
        return pa.Table.from_pandas(self.frame[names], preserve_index=False)

    @property
    def starts(self) -> np.ndarray:
        first = ~self.frame["seq_id"].duplicated()
        return np.append(np.flatnonzero(first), len(self.frame))

    @property
    def ids(self) -> np.ndarray:
        return self.frame["seq_id"].unique()

    @property
    def t(self) -> np.ndarray:
        return self.frame["t"].to_numpy()

    @property
    def tokens(self) -> list[str] | None:
        return self.frame["token"].tolist() if "token" in self.frame else None

    def values(self, block: Block, units: Sequence[int] | None = None) -> np.ndarray:
        names = block.columns if units is None else [block.columns[unit] for unit in units]
        self.read.extend(names)
        return self.frame[names].to_numpy()


class StatesInMemory:
    """The states of some parts."""

    layout = StateLayout(BLOCKS)

    def __init__(self, frames: Sequence[pd.DataFrame]) -> None:
        self.all = [PartInMemory(Span(k, 0, 0, f["seq_id"].nunique(), len(f)), f) for k, f in enumerate(frames)]
        self.spans = [part.span for part in self.all]
        self.place_columns = [name for name in frames[0] if name not in COLUMNS]
        self.targets = [name for name in self.place_columns if name not in ("seq_id", "t", "token")]

    def parts(self) -> Any:
        return iter(self.all)

    def part(self, span: Span) -> PartInMemory:
        return self.all[span.number]

    def rows_of(self, id_: Any) -> Any:
        for part in self.all:
            rows = np.flatnonzero(part.frame["seq_id"] == id_)
            if len(rows):
                return part, slice(int(rows[0]), int(rows[-1]) + 1)
        raise AssertionError


def sequences(seed: int, count: int, offset: float = 0.0, broken: float = 0.0) -> pd.DataFrame:
    """Sequences of 1 to 9 steps with float32 units, some of their values not finite, with tokens and three targets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 10, count)
    rows = int(lengths.sum())
    found = pd.DataFrame({"seq_id": np.repeat(np.arange(count) * 7 + 3, lengths)})
    found["t"] = found.groupby("seq_id").cumcount() + 5
    found["token"] = rng.choice(["a", "b", " ", "ü"], rows, p=[0.5, 0.3, 0.15, 0.05])
    found["depth"] = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows) + offset)
    found["quoted"] = rng.random(rows) < 0.5
    found["named"] = "x"
    for name in COLUMNS:
        values = rng.random(rows) if name.startswith("f_t") else 2 * rng.normal(size=rows) + offset
        if broken and name != "f_t_0":
            values = np.where(rng.random(rows) < broken, rng.choice([np.nan, np.inf, -np.inf], rows), values)
        found[name] = values.astype(np.float32)
    return found


def cut(frame: pd.DataFrame, seed: int, parts: int) -> list[pd.DataFrame]:
    """The frame in so many parts at most, of whole sequences."""
    ids = frame["seq_id"].unique()
    at = np.sort(np.random.default_rng(seed).integers(1, max(len(ids), 2), parts - 1))
    groups = [group for group in np.split(ids, at) if len(group)]
    return [frame[frame["seq_id"].isin(group)].reset_index(drop=True) for group in groups]
