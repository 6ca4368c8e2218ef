"""Several traces compared with one: which of them differ, in which lines, and at which steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..base.arrays import by_key
from ..documents.blocks import Block
from ..documents.formats import Show
from ..documents.result import Finding, Result
from ..documents.tables import LongTable
from ..frames.differences import DifferenceTable
from ..frames.frame import frame as table_frame
from ..frames.table import TITLE
from ..languages.strings import Words, words as strings
from ..trace.trace import Trace
from ..verification.compare import Comparison
from ..verification.measures import Verdict
from . import changes

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Comparisons(Finding, Sequence[Comparison]):
    """A comparison of each trace with the reference, a sequence of them.

    reference: its name; names: those of the others, in the same order. shape: of the table of their values.
    """

    reference: str
    names: tuple[str, ...]
    found: tuple[Comparison, ...]
    shape: str = "long"
    _csv = Result._csv

    @property
    def counted(self) -> Trace | None:
        """The trace whose problem decides how steps and units count: a."""
        return self.found[0].counted

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, at: int) -> Comparison:  # type: ignore[override]
        return self.found[at]

    @property
    def verdict(self) -> Verdict:
        """`same` if all are, `different` if one is, otherwise inconclusive."""
        verdicts = [one.verdict for one in self.found]
        return next((verdict for verdict in ("different", "inconclusive") if verdict in verdicts), "same")

    @property
    def same(self) -> bool:
        """Whether all are the same."""
        return self.verdict == "same"

    def title(self, words: Words) -> str:
        """The title, which names the reference."""
        return words.word("diff.several", a=self.reference)

    def sentences(self, words: Words) -> Iterator[str]:
        """The names of those that differ, of those that do not, and of those of which it cannot be said."""
        there = by_key((one.verdict, name) for name, one in zip(self.names, self.found, strict=True))
        for verdict in ("different", "same", "inconclusive"):
            if verdict in there:
                said = words.word(f"diff.verdict.{verdict}")
                yield words.word("diff.several.those", verdict=said, names=words.comma_list(*there[verdict]))
        for name, one in zip(self.names, self.found, strict=True):
            of_a, of_b = one.not_finite
            if of_b is not None and of_b != of_a:
                yield f"{words.word('label', what=name)} {of_b.said(words)}"

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """See `Finding.blocks`; no caption stands without its picture."""
        return super().blocks(words, replace(show, captions=False))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each set; and a row for each line, with the largest |b - a| in each set."""
        notes = (words.word("diff.several.one", a=self.reference, b=self.names[0]),)
        columns = ("set", "verdict", "changed", "first", "largest_change", "where", "at_end")
        said: dict[str, Callable[[Any, Words], Any]] = dict.fromkeys(("largest_change", "at_end", *self.names), _finite)
        said["verdict"] = lambda verdict, words: words.word(f"diff.verdict.{verdict}")
        sizes = [{f"{line.scope}/{line.line}": line.atol for line in one.lines} for one in self.found]
        places = dict.fromkeys(place for size in sizes for place in size)
        rows = [(place, *(size.get(place) for size in sizes)) for place in places]
        each, where = words.word("diff.several.each"), words.word("diff.several.where")
        sets = LongTable(columns, [*self._sets(words)], each, columns[:-1], notes, said=said)
        return sets, LongTable(("line", *self.names), rows, where, ranked=self.names, adds=False, said=said)

    def _sets(self, words: Words) -> Iterator[tuple[str | float | None, ...]]:
        for name, one in zip(self.names, self.found, strict=True):
            first = None if one.first is None else str(one.first.first)
            why = one.undecided.said(words) if one.undecided else ""
            row = name, one.verdict, changes.first(one, words) or why, first
            output = one.output
            if output is not None and output.nonfinite is not None:
                yield (*row, math.inf, str(output.nonfinite), output.at_end)
            elif output is None or not output.most:
                yield (*row, None, None, None)
            else:
                yield (*row, output.values[1] - output.values[0], str(output.address), output.at_end)

    def to_frame(self, shape: str | None = None) -> pd.DataFrame:
        """The values of all as a table, with the name of the set as first column; see `Comparison.to_frame`."""
        return replace(self, shape=shape or self.shape).frame()

    def frame(self) -> pd.DataFrame:
        """The values of all, one set below the other, with the name of the set as first column."""
        import pandas as pd

        pairs = [*zip(self.names, self.found, strict=True)]
        pairs = [(name, one) for name, one in pairs if one.lines] or pairs  # those with a value in common
        tables = (DifferenceTable.between(*one.sides, shape=self.shape, title=name) for name, one in pairs)
        whole = pd.concat([table_frame(table, flat=True) for table in tables], ignore_index=True)
        return whole.rename(columns={TITLE: "set"})

    def panels(self, language: str = "en") -> Figure | None:
        """Where each set differs: the largest |b - a| of the output at each step; None if none differs in it."""
        from ..plot.kinds.maps import several

        there = [(one.sides[0], of.address) for one in self.found if (of := one.output)]
        if not there:
            return None
        a, place = there[0][0], f"{there[0][1].scope}/{there[0][1].line}"
        sizes = {
            name: dict(zip(one.sides[0].span, line.by_step, strict=True))
            for name, one in zip(self.names, self.found, strict=True)
            for line in one.lines
            if f"{line.scope}/{line.line}" == place
        }
        title = strings(language).word("diff.several.picture", line=place)
        return several(a, place, sizes, title, language)


def _finite(value: float, words: Words) -> float | str:
    return value if math.isfinite(value) else words.word("diff.several.infinite")


def letter(k: int) -> str:
    """What a trace without a name is called, by its place: a is the reference."""
    return chr(97 + k) if k < 26 else str(k)


def compared_with(
    traces: Sequence[Trace], found: Sequence[Comparison], named: Sequence[str] | None = None
) -> Comparisons:
    """The comparisons with the first of the traces, under names, or their titles if these differ, or as b, c, …"""
    titles = [trace.header.title for trace in traces]
    known = all(titles) and len({*titles}) == len(titles)
    reference, *names = named or (titles if known else map(letter, range(len(traces))))
    return Comparisons(reference, tuple(names), tuple(found))
