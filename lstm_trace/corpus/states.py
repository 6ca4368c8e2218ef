"""The states in a folder: what there is, a unit of all sequences, part after part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..base.files import read_bytes, read_json
from ..errors import FileError, MissingError
from ..trace.argument_types import checked
from . import part_file
from .arrow import pa
from .layout import Block, Layout
from .manifest import FAILED, MANIFEST, Manifest, read_manifest
from .rows import SEQUENCE, STEP, TOKEN, Span

if TYPE_CHECKING:
    import pandas as pd

    from .sampled.probe import Probe
    from .sampled.verify import CorpusVerification


@dataclass(frozen=True)
class Part:
    """A part that is there: `places` are its columns that are no states, values are read when they are asked for."""

    states: States
    span: Span

    @cached_property
    def places(self) -> Any:
        """`seq_id`, `t`, and what else the input brought, as a table of Arrow."""
        folder, number = self.states.folder, self.span.number
        return part_file.read_places(folder, number, part_file.place_columns(folder, number, self.states.layout))

    @cached_property
    def ids(self) -> Array:
        """(n,), the sequences in the order of the rows."""
        return self.places.column(SEQUENCE).take(pa.array(self.starts[:-1])).to_numpy()

    @cached_property
    def starts(self) -> Array:
        """(n + 1,), the first row of each sequence, and the number of rows."""
        ids = self.places.column(SEQUENCE).combine_chunks().dictionary_encode()
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
        return part_file.read_states(self.states.folder, self.span.number, self.states.manifest.files, block, units)


@checked
@dataclass(frozen=True, repr=False)
class States:
    """The states of a corpus, in the files of a folder. Made by `corpus.run`, or opened by `corpus.open`."""

    folder: Path

    @cached_property
    def manifest(self) -> Manifest:
        """What the folder says of itself. Raises FileError."""
        found = read_manifest(self.folder)
        if found is None:
            raise FileError(f"{self.folder}: there is no {MANIFEST}; give a folder that lstm-trace corpus run has made")
        return found

    @property
    def layout(self) -> Layout:
        """The recorded lines."""
        return self.manifest.layout

    @cached_property
    def failed(self) -> dict[int, str]:
        """By number, why a part could not be computed."""
        path = self.folder / FAILED
        if not path.exists():
            return {}
        return {int(one["part"]): str(one["error"]) for one in read_json(path, read_bytes(path))}

    def __repr__(self) -> str:
        there = self.manifest
        lines = ", ".join(f"{b.scope}/{b.line} ({b.width})" for b in there.layout.blocks)
        sequences, steps = (sum(getattr(s, name) for s in there.spans) for name in ("sequences", "steps"))
        return f"<States {str(self.folder)!r}: {sequences:,} sequences, {steps:,} steps; {lines}>"

    @property
    def spans(self) -> list[Span]:
        """The parts that are there."""
        return [s for s in self.manifest.spans if (self.folder / self.manifest.files_of(s.number)[-1]).exists()]

    def parts(self) -> Iterator[Part]:
        """The parts that are there, in order. Raises MissingError where there is none."""
        spans = self.spans
        if not spans:
            raise MissingError(f"{self.folder}: no part is there yet; run the corpus first")
        return map(self.part, spans)

    def part(self, span: Span) -> Part:
        """One of the parts."""
        return Part(self, span)

    @cached_property
    def place_columns(self) -> list[str]:
        """The columns of a part that are no states."""
        return part_file.place_columns(self.folder, self.spans[0].number, self.layout)

    @property
    def targets(self) -> list[str]:
        """The further columns that the input brought."""
        return [n for n in self.place_columns if n not in (SEQUENCE, STEP, TOKEN, "layer", "direction")]

    @checked
    def unit(self, address: str) -> pd.DataFrame:
        """The values of one unit over the corpus.

        Args:
            address: `c_t[35]`, or `1/reverse/c_t[35]` where several layers or directions are stored.

        Returns:
            A row for each step, with the columns `seq_id`, `t`, what the input brought, and the address.

        Raises:
            MissingError: for a unit that was not recorded.
        """
        block, unit = self.layout.unit(address)
        tables = []
        for part in self.parts():
            column = pa.array(part.values(block, [unit])[:, 0])
            tables.append(part.places.append_column(f"{block.line}[{unit}]", column))
        found: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return found

    @checked
    def probe(
        self, target: str, line: str | None = "c_t", *, labels: str | Path | None = None, test: float = 0.25,
        seed: int = 0, max_steps: int = 200_000,
    ) -> Probe:  # fmt: skip
        """Decode a target from the states, linearly, with scikit-learn (docs/corpus.md, Probes).

        Args:
            target: a column of the states: text, true or false, and whole numbers of few values by a logistic
                regression, other numbers by a ridge regression.
            line: `c_t`, or `1/reverse/c_t`; all that are stored if None.
            labels: a file with the columns `seq_id`, `t` and the target (Parquet or CSV), instead.
            test: the share of the sequences that are tested, and not learned from.
            seed: of all that is random.
            max_steps: whole sequences are drawn with at most so many steps together.

        Returns:
            Scores with intervals, the weights of each unit, and what they are worth against a majority and a control.

        Raises:
            MissingError: for a line or target that there is not.
            OptionError: where there is too little to learn from, or scikit-learn is not installed.
            FileError: where the labels cannot be read.
        """
        from .sampled.probe import probe

        return probe(self, target, line, labels, test, seed, max_steps)

    @checked
    def verify(
        self, sample: int | None = 100, *, seed: int = 0, model: Any = None, inputs: str | Path | None = None
    ) -> CorpusVerification:
        """Compute a sample again, line by line, and compare what is stored with it (docs/corpus.md, Proof).

        Args:
            sample: how many sequences, drawn by a seeded hash; all if None.
            seed: of the drawing.
            model: from which the states were computed, as `corpus.run` takes it; that of the folder if None.
            inputs: where the file is now from which they were computed.

        Returns:
            A verdict (`verified`, `failed`, `inconclusive`), the largest deviation, each value that is wrong; and
            whether ids, steps, tokens and targets of the parts are those of the input, each sequence once.

        Raises:
            FileError: where the input cannot be read.
        """
        from .sampled.verify import verify

        return verify(self, sample, seed, model, inputs)


@checked
def opened(folder: str | Path) -> States:
    """The states in a folder.

    Args:
        folder: that `corpus.run` or `lstm-trace corpus run` has written.

    Returns:
        Its states; a run may still be adding to them.

    Raises:
        FileError: where it is no such folder.
    """
    found = States(Path(folder))
    found.manifest  # noqa: B018 - to raise what is wrong with it
    return found
