"""What a document is made of, neutral to the format, and the walk over it that the printer of each format completes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..formulas.tree import Node


@dataclass(frozen=True)
class Code:
    """Text that stands as it is: an option of the command line."""

    text: str


Inline = str | Node | Code
Text = tuple[Inline, ...]


def marked(text: str) -> Text:
    """Words in which what stands between backquotes is code.

    >>> marked("`value`: what it is")
    (Code(text='value'), ': what it is')
    """
    pieces = text.split("`")
    return tuple(Code(piece) if at % 2 else piece for at, piece in enumerate(pieces) if piece)


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: Text


@dataclass(frozen=True)
class Para:
    """A paragraph of words and formulas. leads: whether it stays on one page with what follows it."""

    text: Text
    leads: bool = False


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    rows: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table of numbers and words. The first `places` columns say which row it is.

    texts: the columns of words, which are aligned at the left; numbers are aligned at the right. head: may be empty.
    """

    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    places: int = 1
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Listing:
    """Lines that stand as they are: commands for a shell."""

    rows: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of a derivation: what it is about, then (sign, formula) pairs; the sign `:` follows a word.

    under: whether it belongs under the row before it.
    """

    left: Text
    parts: tuple[tuple[str, Node], ...] = ()
    under: bool = False


@dataclass(frozen=True)
class Derivation:
    """Lines of a calculation, each a few rows that belong together."""

    lines: tuple[tuple[Row, ...], ...]


@dataclass(frozen=True)
class Stacked:
    """Equations one under the other, each after what it is: `a has c_t = …` over `b has c_t = …`."""

    rows: tuple[tuple[Text, Text], ...]


@dataclass(frozen=True)
class Premises:
    """Values that are given, side by side in rows of what belongs together: symbol, sign, vector or matrix."""

    rows: tuple[tuple[tuple[Node, str, Node], ...], ...]


@dataclass(frozen=True)
class Chain:
    """A gate or state worked out in stages: what it is in words, and a row for each value on the way."""

    title: Text
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chains:
    """Values worked out one after the other, in two columns where they fit; none is parted between two pages."""

    chains: tuple[Chain, ...]


@dataclass(frozen=True)
class Boxed:
    """Blocks with a frame around them, on one page: the answers."""

    blocks: tuple[Premises | Derivation | Table | Para, ...]


@dataclass(frozen=True)
class Picture:
    """A picture, which is drawn when a format that has pictures asks for it.

    drawing: makes the SVG, which may stand alone. file: what a document that refers to pictures calls the file beside
    it; empty where there is none. beside: a table that stands beside it.
    """

    drawing: Callable[[], str]
    title: str
    caption: str
    file: str = ""
    beside: Table | None = None


Block = Heading | Para | Items | Table | Listing | Derivation | Stacked | Premises | Chains | Boxed | Picture


@dataclass(frozen=True)
class Body:
    """The blocks of one report, or one of several in a document, with the symbols that its author gave to names.

    compact: whether vectors stand as columns in a line of text. tight: whether paper is to be saved. small: whether it
    is set small, so that a page holds it. legible: whether its Markdown is also read as it stands, in a terminal:
    columns of tables are padded, and only what would act as markup at its place is escaped.
    """

    blocks: tuple[Block, ...]
    own: Mapping[str, Any] = field(default_factory=dict)
    compact: bool = False
    tight: bool = False
    small: bool = False
    legible: bool = False


class BlockPrinter(ABC):
    """Prints blocks in one format, whose class has a method for each kind of block, named after it: `heading`, …"""

    def __call__(self, block: Block) -> str:
        """A block as text."""
        return str(getattr(self, type(block).__name__.lower())(block))

    @abstractmethod
    def inline(self, part: Inline) -> str:
        """Words or a formula in running text."""

    @abstractmethod
    def table(self, block: Table) -> str:
        """A table, in several where one does not fit."""

    def text(self, text: Text) -> str:
        """Words and formulas in running text."""
        return "".join(map(self.inline, text))

    def stacked(self, block: Stacked) -> str:
        """The equations as a table of two columns without a head."""
        return self.table(Table((), block.rows, texts=frozenset({0, 1})))

    def picture(self, block: Picture) -> str:
        """What a format without pictures has: the table beside it, or the caption."""
        return self(block.beside or Para((block.caption,)))
