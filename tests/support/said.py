"""What results say, in English; and a result that is made of a title, sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lstm_trace.documents.result import Finding
from lstm_trace.documents.tables import LongTable
from lstm_trace.languages.strings import Words, words


def sentences_of(found: Finding) -> list[str]:
    """The sentences of a result."""
    return [*map(str, found.sentences(words()))]


def tables(found: Finding) -> dict[str, LongTable]:
    """The tables of a result by their headings; the last one has the rows."""
    return {table.heading: table for table in found.tables(words())}


@dataclass(frozen=True)
class Told(Finding):
    """A result of one table."""

    name: str
    said: tuple[str, ...]
    table: LongTable

    def title(self, words: Words) -> str:
        return self.name

    def sentences(self, words: Words) -> Iterator[str]:
        yield from self.said

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        return (self.table,)
