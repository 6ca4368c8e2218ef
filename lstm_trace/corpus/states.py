"""The states in a folder: their description, a unit over all sequences, part after part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.conveniences import Convenience
from ..base.extras import missing
from ..errors import FileError, MissingError, NotFoundError, OptionError
from ..trace.argument_types import checked
from .manifest import INDEX, MANIFEST, Manifest, place_of, read_failed, read_manifest, read_model
from .part_file import Part
from .rows import SEQUENCE, STEP, TOKEN, Span, StateLayout, pa

if TYPE_CHECKING:
    import pandas as pd

    from ..model.model import Model
    from ..tracking import Contexts, Units
    from ..tracking.probe import Probe
    from .verification import CorpusVerification


@checked
@dataclass(frozen=True, eq=False, repr=False)
class States:
    """The states of a corpus, in the files of a folder. Made by `corpus.run`, or opened by `corpus.open`."""

    folder: Path

    @cached_property
    def manifest(self) -> Manifest:
        """The folder's description of itself. Raises FileError."""
        if (found := read_manifest(self.folder)) is None:
            said = f"{self.folder}: there is no {MANIFEST}; give a folder that lstm-trace corpus run has made"
            raise NotFoundError(said, filename=self.folder / MANIFEST)
        return found

    @property
    def layout(self) -> StateLayout:
        """The recorded lines."""
        return self.manifest.layout

    @cached_property
    def failed(self) -> dict[int, str]:
        """By number, the reason why a part could not be computed."""
        return read_failed(self.folder)

    def __repr__(self) -> str:
        there = self.manifest
        lines = ", ".join(f"{b.scope}/{b.line} ({b.width})" for b in there.layout.blocks)
        sequences, steps = (sum(getattr(s, name) for s in there.parts) for name in ("sequences", "steps"))
        return f"<States {str(self.folder)!r}: {sequences:,} sequences, {steps:,} steps; {lines}>"

    @property
    def spans(self) -> list[Span]:
        """The parts that exist."""
        return [span for span in self.manifest.parts if self._is_there(span.number)]

    def _is_there(self, number: int) -> bool:
        return (self.folder / self.manifest.files_of(number)[-1]).exists()

    def parts(self) -> Iterator[Part]:
        """The parts that exist, in order. Raises MissingError if there is none."""
        if not (spans := self.spans):
            failed = next((f"; part {n} failed: {error}" for n, error in self.failed.items()), "")
            raise MissingError(f"{self.folder}: no part is there{failed or ' yet; run the corpus first'}")
        return map(self.part, spans)

    def part(self, span: Span) -> Part:
        """One of the parts."""
        return Part(self.folder, self.manifest, span)

    @cached_property
    def place_columns(self) -> list[str]:
        """The columns of a part that are not states. Raises MissingError if no part exists."""
        return next(self.parts()).place_columns

    @property
    def targets(self) -> list[str]:
        """The further columns of the input."""
        return [n for n in self.place_columns if n not in (SEQUENCE, STEP, TOKEN, "layer", "direction")]

    def model(self) -> Model:
        """The model, as it was run over the corpus. Raises FileError if it is not that of the manifest."""
        return read_model(self.folder, str(self.manifest.premises.get("model")))

    def rows_of(self, sequence: int | str) -> tuple[Part, slice]:
        """The part of a sequence, and its rows there. sequence: its id.

        Raises MissingError if there is none, or if its part does not exist yet.
        """
        number, rows = place_of(self.folder, sequence)
        span = next((span for span in self.manifest.parts if span.number == number), None)
        if span is None or not 0 <= rows.start < rows.stop <= span.steps:
            raise FileError(f"{self.folder / INDEX}: sequence {sequence!r} has rows that are not in part {number}")
        if not self._is_there(number):
            raise MissingError(f"{self.folder}: sequence {sequence!r} is in part {number}, which does not exist yet")
        return self.part(span), rows

    def unit(self, address: str) -> pd.DataFrame:
        """The values of one unit over the corpus.

        Args:
            address: `c_t[35]`, or `1/reverse/c_t[35]` if several layers or directions are stored; `C_t[2,1]` for an
                entry of a matrix.

        Returns:
            A row for each step, with the columns `seq_id`, `t`, the columns of the input, and the address.

        Raises:
            MissingError: for a unit that was not recorded.
        """
        block, unit = self.layout.unit(address)
        name = block.name(unit)
        tables = [p.places.append_column(name, pa.array(p.values(block, [unit])[:, 0])) for p in self.parts()]
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return frame

    def to_duckdb(self, connection: Any = None) -> Any:
        """The rows of all parts, as a relation of DuckDB, which reads only what a query needs from the files.

        Args:
            connection: of DuckDB; its default connection if None.

        Returns:
            The relation; `.filter(…)`, `.aggregate(…)` and `.df()` work on it, and SQL refers to it by its Python name.

        Raises:
            OptionError: if DuckDB is missing, or the states are in files that it does not read.
        """
        try:
            import duckdb
        except ImportError:
            raise OptionError(missing("to_duckdb", "duckdb", "read the files with polars or pandas")) from None
        if self.manifest.files != "parquet":
            raise OptionError(f"the states are in .{self.manifest.files} files; DuckDB reads Parquet")
        files = [str(self.folder / self.manifest.files_of(span.number)[0]) for span in self.spans]
        return (connection or duckdb).read_parquet(files)

    def probe(
        self, target: str, line: str | None = "c_t", *, labels: str | Path | None = None, test: float = 0.25,
        seed: int = 0, max_steps: int = 200_000,
    ) -> Probe:  # fmt: skip
        """Decode a target from the states with a linear probe, using scikit-learn (docs/corpus.md, Probes).

        Args:
            target: a column of the states: text, true or false, and whole numbers of few values by a logistic
                regression, other numbers by a ridge regression.
            line: `c_t`, or `1/reverse/c_t`; all that are stored if None.
            labels: a file with the columns `seq_id`, `t` and the target (Parquet or CSV), to be used instead.
            test: the share of the sequences that is kept for testing.
            seed: random seed.
            max_steps: whole sequences are drawn, with at most this many steps in total.

        Returns:
            Scores with intervals, the weights of each unit, and a comparison with a majority baseline and a control
            task.

        Raises:
            MissingError: for a line or target that does not exist.
            OptionError: if there is too little to learn from, or scikit-learn is not installed.
            FileError: if the labels cannot be read.
        """
        asked = target, line, labels, test, seed, max_steps
        return Convenience["Probe"]("states.probe")(self, *asked)

    def verify(
        self, sample: int | str | None = 100, *, seed: int = 0, model: Any = None, inputs: str | Path | None = None
    ) -> CorpusVerification:
        """Verify a sample: compute it again line by line, and compare it with what is stored (docs/corpus.md,
        Verification).

        Args:
            sample: number of sequences, drawn by a seeded hash; all if `"all"` or None.
            seed: of the sample.
            model: the model from which the states were computed, as `corpus.run` takes it; that of the folder if None.
            inputs: the present path of the file from which they were computed.

        Returns:
            A verdict (`verified`, `failed`, `inconclusive`), the largest deviation, each value that is wrong; whether
            every byte of all parts is as it was written, and whether they contain each sequence of the input once; and
            for the sample whether steps, tokens and targets are those of the input.

        Raises:
            FileError: if the input cannot be read.
        """
        from .verification import verify

        return verify(self, None if sample == "all" else sample, seed, model, inputs)

    def units(
        self, line: str | None = None, contexts: int = 3, progress: Callable[[int, int], None] | None = None
    ) -> Units:
        """Summarize every unit, in one pass over the parts.

        Args:
            line: the line whose units are summarized, `c_t` or `1/reverse/c_t`; all if None.
            contexts: how many contexts of the highest and of the lowest values are given, at most one per sequence.
            progress: called with (steps done, steps in all).

        Returns:
            `to_frame()` has a row for each unit: `layer, direction, line, unit`; `row, column` if a line is a matrix;
            `mean`, `sd`, `least`, `most`; quantiles `q05` to `q95`, from about 16,384 steps, which are chosen by a hash
            of sequence and step if there are more; `left`, `right`, the shares of values that are saturated (below 0.1
            and above 0.9 for a gate, below -0.8 and above 0.8 for tanh, where its tanh is for c_t), NaN for other
            lines; `memory` in steps: the half-life by the forget gate if it was recorded, else ln 2 / -ln r of the
            correlation r with the previous step, as `memory_by` says; `dead`, whether all values are the same except
            for rounding; `not_finite`, how many values are NaN or infinite, which are ignored; the correlation `r_…`
            with each column of numbers or truth values of the input; `moves_at`, the tokens at which a unit changes
            most, on average, from the step that was computed before; `highest`, `lowest`, the text around these values.

        Raises:
            MissingError: for a line that was not recorded, or if no part exists.
            OptionError: for less than one context.
        """
        return Convenience["Units"]("states.units")(self, line, contexts, progress)

    def top(self, unit: str, n: int = 20, lowest: bool = False, before: int = 30, after: int = 10) -> Contexts:
        """The text around the highest values of a unit, once per sequence.

        Args:
            unit: as for `unit`.
            n: the most contexts.
            lowest: the lowest values instead.
            before, after: steps around the value.

        Returns:
            The contexts, the highest value first: to print, for a page, or as a frame.

        Raises:
            MissingError, OptionError: for a unit that was not recorded, or numbers that make no sense.
        """
        return Convenience["Contexts"]("states.top")(self, unit, n, lowest, before, after)

    def match(
        self, units: Sequence[int], line: str = "c_t", above: float | None = None, below: float | None = None,
        min_length: int = 1, max_length: int | None = None, n: int = 20, exact: bool = False, before: int = 10,
        after: int = 10,
    ) -> Contexts:  # fmt: skip
        """The stretches in which some units of a line are on together, the longest first: the question of LSTMVis.

        LSTMVis (Strobelt et al. 2018) prefers stretches with most of the chosen units on, then those with fewest others
        on throughout, then long ones. Here all chosen ones must be on; `exact` puts few others before length, for which
        all units of the line are read. A stretch ends when one of the chosen units is off, and with its sequence.

        Args:
            units: their numbers.
            line: the line of the units.
            above, below: a unit is on if its value is above the one, or below the other, or both; above 0.3 if
                neither is given. LSTMVis compares tanh(c_t); this compares the values as they are stored.
            min_length, max_length: steps of a stretch.
            n: the most stretches.
            exact: those with the fewest other units on first.
            before, after: steps around a stretch.

        Returns:
            The contexts; the value of a step is that of the chosen unit that is nearest to the level, and `value` is
            the mean of these over the stretch.

        Raises:
            MissingError, OptionError: for units that were not recorded, or numbers that make no sense.
        """
        asked = units, line, above, below, min_length, max_length, n, exact, before, after
        return Convenience["Contexts"]("states.match")(self, *asked)

    def select(
        self, sequence: int | str, first: int, last: int, line: str = "c_t", above: float | None = None,
        below: float | None = None, exclusive: bool = False,
    ) -> list[int]:  # fmt: skip
        """The units that are on throughout a span of a sequence.

        Args:
            sequence: its id.
            first, last: steps, both in the span.
            line: the line of the units.
            above, below: as for `match`.
            exclusive: only those that are off at the step before and at the step after, if there are such steps.

        Returns:
            The numbers of the units.

        Raises:
            MissingError: for a sequence, span or line that does not exist.
        """
        asked = sequence, first, last, line, above, below, exclusive
        return Convenience[list[int]]("states.select")(self, *asked)


@checked
def opened(folder: str | Path) -> States:
    """The states in a folder.

    Args:
        folder: a folder written by `corpus.run` or `lstm-trace corpus run`.

    Returns:
        Its states; a run may still be adding to them.

    Raises:
        FileError: if it is not such a folder.
    """
    found = States(Path(folder))
    found.manifest  # noqa: B018 - to raise what is wrong with it
    return found
