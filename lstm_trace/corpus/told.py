"""Results of a corpus: sentences and tables, of which a terminal and a notebook show the first rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..documents.formats import Show
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..languages.strings import Words
from ..languages.strings import words as strings

if TYPE_CHECKING:
    import pandas as pd

#: Rows of the main table that are shown.
FIRST = 12


class CorpusText(NamedTuple):
    """What a result says, in English: its title, its sentences and its tables, of which the last has the rows."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[LongTable, ...]


class Told(Finding):
    """A result of a corpus."""

    def account(self, most: int | None = None) -> CorpusText:
        """Title, sentences and tables; most: rows of the last table, all with all their digits if None."""
        raise NotImplementedError

    def title(self, words: Words) -> str:
        """What was done."""
        return self.account(FIRST).title

    def sentences(self, words: Words) -> Iterator[str]:
        """What was found."""
        yield from self.account(FIRST).sentences

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """All rows."""
        return self.account().tables

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The first rows of each table."""
        return self.account(FIRST).tables

    def frame(self) -> pd.DataFrame:
        """The last table, with all its rows."""
        return self.account().tables[-1].to_frame()

    def __str__(self) -> str:
        """What the command prints."""
        return self.printed(strings(), Show("md", digits=4))
