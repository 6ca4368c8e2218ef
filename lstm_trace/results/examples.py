"""The example problems as a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..documents.result import Finding
from ..documents.tables import LongTable
from ..languages.strings import Words


@dataclass(frozen=True, eq=False, repr=False)
class ExampleList(Finding):
    """The examples: their titles by name."""

    examples: Mapping[str, str]

    def title(self, words: Words) -> str:
        """What they are."""
        return words.word("examples.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """How to print one."""
        yield words.word("examples.print")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each."""
        return (LongTable(("name", "title"), [*self.examples.items()]),)

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """A line for each."""
        wide = max(map(len, self.examples))
        return "".join(f"{name:<{wide}}  {title}\n" for name, title in self.examples.items())
