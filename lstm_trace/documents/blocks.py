"""The elements of a document, independent of the format, and the walk that each format's printer completes."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..formulas.tree import Node, Written
from ..formulas.user_tex import pieces


@dataclass(frozen=True)
class Code:
    """Literal text: an option of the command line."""

    text: str


class Jump(str):
    """A step that a page links to where it is worked. place: its layer and direction, step and sequence."""

    place: tuple[str, int, int]

    def __new__(cls, text: str, place: tuple[str, int, int]) -> Jump:
        """The step as it is named, which is all that other formats print."""
        found = super().__new__(cls, text)
        found.place = place
        return found


Inline = str | Node | Code
Text = tuple[Inline, ...]


def marked(text: str) -> Text:
    """Text in which parts between backquotes are code.

    >>> marked("`value`: what it is")
    (Code(text='value'), ': what it is')
    >>> marked("step 1 (‘`’)")
    ('step 1 (‘`’)',)
    """
    # a name that stands in the sentence may have a backquote of its own, which stays
    pieces = re.split(r"`(-{0,2}\w(?:[^`\n]*[\w)\]])?)`", text)
    return tuple(Code(piece) if at % 2 else piece for at, piece in enumerate(pieces) if piece)


def with_formulas(text: str) -> Text:
    """An author's text, in which parts between dollars are formulas."""
    return tuple(Written(piece) if found else piece for piece, found in pieces(text))


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: Text


@dataclass(frozen=True)
class Para:
    """A paragraph of words and formulas.

    leads: whether it stays on one page with the following block. of_values: whether it may be wrong for other values.
    """

    text: Text
    leads: bool = False
    of_values: bool = False


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    rows: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table of numbers and words. The first `places` columns identify a row.

    texts: the columns of words, which are left-aligned; numbers are right-aligned. head: may be empty.
    """

    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    places: int = 1
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Listing:
    """Literal lines: commands for a shell."""

    rows: tuple[str, ...]


#: Formulas of a row, each with the sign before it.
Parts = tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Row:
    """One row of a derivation: its subject, then (sign, formula) pairs; the sign `:` follows a word.

    under: whether it belongs below the previous row.
    """

    left: Text
    parts: Parts = ()
    under: bool = False


@dataclass(frozen=True)
class Derivation:
    """Lines of a calculation, each consisting of a few rows that belong together."""

    lines: tuple[tuple[Row, ...], ...]


@dataclass(frozen=True)
class Stacked:
    """Equations one below the other, each preceded by a label: `a has c_t = …` over `b has c_t = …`."""

    rows: tuple[tuple[Text, Text], ...]


@dataclass(frozen=True)
class Premises:
    """Given values, side by side in rows that belong together: symbol, sign, vector or matrix."""

    rows: tuple[tuple[tuple[Node, str, Node], ...], ...]


@dataclass(frozen=True)
class Chain:
    """A gate or state worked out in stages: its name in words, and a row for each intermediate value."""

    title: Text
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chains:
    """Values worked out one after the other, in two columns if they fit; none is split between two pages."""

    chains: tuple[Chain, ...]


@dataclass(frozen=True)
class Boxed:
    """Blocks in a frame, on one page: the answers."""

    blocks: tuple[Premises | Derivation | Table | Para, ...]


@dataclass(frozen=True)
class Picture:
    """A picture, which is drawn when a format that supports pictures requests it.

    drawing: makes the SVG, which is self-contained. file: name of the picture's file in documents that refer to it;
    empty if there is none. beside: a table shown next to it.
    """

    drawing: Callable[[], str]
    title: str
    caption: str
    file: str = ""
    beside: Table | None = None


Block = Heading | Para | Items | Table | Listing | Derivation | Stacked | Premises | Chains | Boxed | Picture


@dataclass(frozen=True)
class Body:
    """The blocks of one report, or of one of several in a document, with the symbols that its author gave to names.

    compact: whether vectors are columns within a line of text. tight: whether to save paper. small: whether it is set
    in small type, so that it fits on a page. legible: whether its Markdown is also read unrendered, in a terminal:
    table columns are padded, and only characters that would act as markup in their place are escaped. tall: whether
    text draws the matrices of a calculation over several lines.
    """

    blocks: tuple[Block, ...]
    own: Mapping[str, Any] = field(default_factory=dict)
    compact: bool = False
    tight: bool = False
    small: bool = False
    legible: bool = False
    tall: bool = False


class BlockPrinter(ABC):
    """Prints blocks in one format; a subclass has a method for each kind of block, named after it: `heading`, …"""

    def __call__(self, block: Block) -> str:
        """A block as text."""
        return str(getattr(self, type(block).__name__.lower())(block))

    @abstractmethod
    def inline(self, part: Inline) -> str:
        """Words or a formula in running text."""

    @abstractmethod
    def table(self, block: Table) -> str:
        """A table, split into several if it does not fit."""

    def text(self, text: Text) -> str:
        """Words and formulas in running text."""
        return "".join(map(self.inline, text))

    def stacked(self, block: Stacked) -> str:
        """The equations as a table of two columns without a head."""
        return self.table(Table((), block.rows, texts=frozenset({0, 1})))

    def picture(self, block: Picture) -> str:
        """The substitute in a format without pictures: the table beside it, or the caption."""
        return self(block.beside or Para((block.caption,)))
