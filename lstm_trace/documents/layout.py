"""The width of formulas, where long ones are broken, and the levels of headings: shared by all formats."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from ..base.packaged import asset
from ..errors import OptionError, nearest
from ..formulas import tree
from ..formulas.plain import Plain
from ..formulas.symbols import sign as sign_of
from ..formulas.tex import Tex
from ..formulas.tree import Mat, Node, Num, Vec, broken
from .blocks import Block, BlockPrinter, Body, Boxed, Chain, Chains, Code, Heading, Premises, Row, Table, Text

#: Widths of a sign between two terms or formulas with surrounding space, of growing parentheses, and of brackets.
_SIGN, _AROUND, _BRACKETS = 2.6, 2.8, 2.0
#: Width between two columns of a matrix if closely spaced; of a letter, of a W, and of each letter of an index.
_GAP, _LETTER, _BROAD, _INDEX = 1.2, 1.4, 2.0, 0.65
#: Extra width of × 10 compared with e.
_POWER = 3.4
#: Characters that plain text uses for an index, and paper does not.
_UNSEEN = str.maketrans("", "", "_{}")


def widths(plain: Plain) -> Callable[[Node], float]:
    """The width of a formula on paper, in digits; matrices have closely spaced columns.

    >>> from lstm_trace.formulas.tree import Mat, MatVec, Vec, number
    >>> widths(Plain())(MatVec(Mat(((number(1), number(-2)),)), Vec((number(0.5), number(10)))))
    12.2
    """

    def width(node: Node) -> float:
        if isinstance(node, Vec):
            return _BRACKETS + max(map(width, node.entries))
        if isinstance(node, Mat):
            columns = [max(map(width, column)) for column in zip(*node.rows, strict=True)]
            return _BRACKETS + sum(columns) + _GAP * (len(columns) - 1)
        if isinstance(node, tree.Sum):
            return sum(map(width, node.terms)) + _SIGN * (len(node.terms) - 1 + (node.signs[0] < 0))
        if isinstance(node, tree.Prod):
            return _SIGN + width(node.left) + width(node.right)
        if isinstance(node, tree.MatVec):
            return 1 + _inside(node.matrix) + _inside(node.vector)
        if isinstance(node, tree.Factors):
            return sum(1.6 + width(part) for part in node.parts)
        if isinstance(node, tree.Neg | tree.Square):
            return 1.6 + _inside(node.of) + (isinstance(node.of, Num) and 1.6)
        if isinstance(node, tree.Quot):
            parts = width(node.over), width(node.under)
            return 3 + sum(parts) if isinstance(node.over, Vec) else 1 + max(parts)
        if isinstance(node, tree.Call):
            return len(sign_of(node.op)[1]) + _AROUND + sum(map(width, node.args)) + len(node.args) - 1
        if isinstance(node, tree.Blank | tree.Field):
            return node.width
        text = plain(node)
        if isinstance(node, Num):  # a power of ten is written out: 1.5 × 10⁻⁹ for 1.5e-9
            return len(text) + (_POWER if node.shown.exponent is not None else 0)
        return (_BROAD if text[:1] == "W" else _LETTER) + _INDEX * (len(text.translate(_UNSEEN)) - 1)

    def _inside(node: Node) -> float:
        return width(node) + (_AROUND if isinstance(node, tree.Sum | tree.Prod) else 0)

    return width


#: Space between two values side by side, normally and if closely spaced.
GAP, CLOSE = 4, 2.6
#: Returns the width of a formula.
Width = Callable[[Node], float]
#: The sign between a formula and its value, in TeX.
TEX_SIGNS = {"=": "=", "≈": r"\approx", "←": r"\leftarrow"}
#: The signs with which a long sum or product continues, in TeX.
TEX_LEADS = {"+": "+", "-": "-", "⊙": r"\odot"}
#: A printed row of a derivation: 0 for its start, 1 for a continuation, 2 within a sum or product; signs and formulas.
Piece = tuple[int, list[tuple[str, Node]]]


def sizes(plain: Plain) -> Callable[[Node], int]:
    """Approximate width of a formula in characters; a vector is as wide as its widest entry."""

    def size(node: Node) -> int:
        if isinstance(node, Vec):
            return 3 + max(map(size, node.entries))
        if isinstance(node, Mat):
            return 1 + sum(2 + max(map(size, column)) for column in zip(*node.rows, strict=True))
        if isinstance(node, tree.Sum):
            return sum(3 + size(term) for term in node.terms)
        if isinstance(node, tree.Prod):
            return 3 + size(node.left) + size(node.right)
        if isinstance(node, tree.Quot):
            return max(size(node.over), size(node.under))
        if isinstance(node, tree.Call):
            return len(node.op) + sum(2 + size(arg) for arg in node.args)
        return len(plain(node))

    return size


def divided(node: Node, size: Width, room: float) -> list[tuple[str, Node]]:
    """A sum in pieces that fit into `room`, or the two factors of a product element by element that does not; each
    except the first preceded by its sign.
    """
    if (
        isinstance(node, tree.Prod)
        and size(node) > room
        and all(isinstance(x, Vec | Mat) for x in (node.left, node.right))
    ):
        return [("", node.left), ("⊙", node.right)]
    return broken(node, size, room)


def pieces(row: Row, size: Width, room: float, taken: Sequence[float] = (0, 0, 0, 0)) -> list[Piece]:
    """One row of a derivation, broken into rows that fit into `room`: first before signs, then within a long sum
    or product.

    taken: the room taken at the start of each kind of row, and by a sign.
    """
    found: list[Piece] = [(0, [])]
    used: float = taken[0]
    for sign, node in row.parts:
        wide = taken[3] + min(size(node), room)
        if used and used + wide > room:
            found.append((1, []))
            used = taken[1]
        used += wide
        for lead, piece in divided(node, size, room - taken[1] - taken[3]):
            if lead:
                found.append((2, []))
                used = taken[2] + taken[3] + size(piece)
            found[-1][1].append((lead or sign, piece))
    return found


def tex_rows(
    row: Row, tex: Tex, size: Width, room: float, words: Callable[[str], str], colon: str, page: bool = False
) -> Iterator[str]:
    """One row of a derivation in aligned rows of TeX; a long sum continues below.

    words: typesets a text within a formula. colon: between a word and a formula. page: whether nothing may be wider
    than `room`, since a page does not scroll.
    """
    texts = (part.text if isinstance(part, Code) else part for part in row.left)
    left = "".join(rf"\text{{{words(text)}}}" if isinstance(text, str) else tex(text) for text in texts)
    left += colon if row.parts and row.parts[0][0] == ":" else ""
    begin = 2 * row.under + breadth(row.left, size)
    for depth, parts in pieces(row, size, room, (begin, 4, 8, 3)) if page else pieces(row, size, room):
        text = ((r"&\quad " if row.under else "&") + left, r"&\qquad", r"&\qquad\qquad {}")[depth]
        for sign, node in parts:
            text += ("" if sign == ":" else TEX_LEADS.get(sign) or f" {TEX_SIGNS[sign]}") + " " + tex(node)
        yield text


def packed(block: Premises, size: Width, room: int, gap: float = GAP) -> list[list[tuple[Node, str, Node]]]:
    """Given values in rows that fit into `room`; gap: the space between two of them."""
    rows: list[list[tuple[Node, str, Node]]] = []
    for items in block.rows:
        used: float = room
        for item in items:
            wide = 2 + gap + size(item[0]) + size(item[2])
            if used + wide > room:
                rows.append([])
                used = 0.0
            rows[-1].append(item)
            used += wide
    return rows


def tex_equations(rows: Sequence[Sequence[tuple[Node, str, Node]]], tex: Tex) -> list[list[str]]:
    """Given values in TeX, each with its symbol."""
    return [[f"{tex(left)} {TEX_SIGNS[sign]} {tex(right)}" for left, sign, right in items] for items in rows]


def with_names(block: Boxed) -> tuple[list[tuple[Block, ...]], bool]:
    """The blocks of a frame, each table with the name above it; and whether these are several tables."""
    found: list[tuple[Block, ...]] = []
    for one in block.blocks:
        if found and isinstance(one, Table):
            found[-1] = (*found[-1], one)
        else:
            found.append((one,))
    return found, len(found) > 1 and all(isinstance(part[-1], Table) for part in found)


@dataclass(frozen=True)
class PaperPrinter(BlockPrinter):
    """Prints blocks for paper.

    size: returns the width of a formula. tight: whether to save paper. part: the level of a fragment, None in a
    document.
    room: maximum width of a formula on one row. small: whether letters are small.
    """

    size: Width
    tight: bool
    part: Level | None
    room: int
    small: bool

    @property
    def given(self) -> int:
        """The room for given values; a document that saves paper puts as many on a row as fit."""
        return self.room + 2 if self.tight and self.part is None else self.room

    def packed(self, block: Premises) -> list[list[tuple[Node, str, Node]]]:
        """Given values in rows."""
        return packed(block, self.size, self.given, CLOSE if self.tight else GAP)

    def tables(self, block: Table, room: int, wraps: bool = False) -> Iterator[tuple[list[int], list[list[str]]]]:
        """A table split into tables that fit into `room`: the columns of each, and the cells of its rows, the head
        first. wraps: whether the format wraps words.
        """
        rows = [*([block.head] if block.head else []), *block.rows]
        widths = [max(breadth(cell, self.size) for cell in column) for column in zip(*rows, strict=True)]
        for k in block.texts.difference(range(block.places)) if wraps else ():
            widths[k] = min(widths[k], NARROW)
        cells = [list(map(self.text, row)) for row in rows]
        for shown in fitting(widths, block.places, room):
            yield shown, [[row[k] for k in shown] for row in cells]


def breadth(text: Text, size: Width) -> float:
    """The width of words and formulas on one line."""
    parts = (part.text if isinstance(part, Code) else part for part in text)
    return sum(len(part) if isinstance(part, str) else size(part) for part in parts)


#: Words of a table are not wrapped in a narrower column.
NARROW = 16


def fitting(widths: Sequence[float], places: int, room: int) -> list[list[int]]:
    """The columns of a table, split into tables that fit into `room`, each starting with the first `places` ones.

    >>> fitting([1, 4, 4, 4], 1, 15)
    [[0, 1, 2], [0, 3]]
    """
    tables: list[list[int]] = []
    for k in range(places, len(widths)):
        if not tables or sum(widths[c] + 2 for c in (*tables[-1], k)) > room:
            tables.append(list(range(places)))
        tables[-1].append(k)
    return tables or [list(range(places))]


# -- chains -----------------------------------------------------------------------------------------------------------

#: Width of a line of A4 (`compact.width.widths`); the part of it next to the name of a chain, and in a column; how much
#: more of a formula fits on a line of small type, which is 9 pt instead of 10 (`blocks.typ`; \small in `blocks.tex`).
FULL, BESIDE, HALF, SMALL = 95, 0.83, 0.485, 10 / 9
#: Minimum room next to a name.
ROOMY = 50
#: Width of a sign with surrounding space. Columns are used if they take at most this fraction of the height.
SIGN, MUCH = 2.6, 0.85
#: Approximate height, in lines, from which a chain may be longer than a page; with one of 68 (`ltc`) it is.
TALL = 40
#: A symbol wider than this fraction of a line is put on a line of its own; signs stand at least so far to the right.
APART, INDENT = 0.3, 4
#: Formulas on one line, each preceded by its sign; the first sign of the first line follows the symbol.
Stretch = list[tuple[str, Node]]


def symbols_of(chain: Chain, size: Width, most: float = math.inf) -> float:
    """The width of the widest symbol of a chain, behind which the signs of all its lines stand; wider ones than `most`
    stand on lines of their own.
    """
    return max((wide for row in chain.rows if (wide := breadth(row.left, size)) <= most), default=0)


def stretches(row: Row, size: Width, room: float, left: float) -> list[Stretch]:
    """The formulas of a chain in lines that fit into `room` behind its symbols: broken between formulas, then within
    sums and products.

    left: the width of the symbols.
    """
    found: list[Stretch] = [[]]
    used = left
    for sign, node in row.parts:
        for lead, piece in divided(node, size, room - left - SIGN):
            wide = SIGN + size(piece)
            if found[-1] and (lead or used + wide > room):
                found.append([])
                used = left
            found[-1].append((lead or sign, piece))
            used += wide
    return found


def tex_stretches(chain: Chain, tex: Tex, size: Width, room: float, apart: str = "") -> Iterator[str]:
    """A chain in aligned rows of TeX, with the signs below one another.

    apart: typesets a symbol that takes much of the room on a row of its own, so that no row has to start after it.
    """
    most = APART * room if apart else math.inf
    wide = max(symbols_of(chain, size, most), INDENT)
    for row in chain.rows:
        left = "".join(tex(part) for part in row.left if not isinstance(part, str | Code))
        if alone := breadth(row.left, size) > most:
            yield apart % left
        for k, stretch in enumerate(stretches(row, size, room, wide)):
            text = left if k == 0 and not alone else ""
            for at, (sign, node) in enumerate(stretch):
                lead = rf"\quad {{}}{TEX_LEADS[sign]}" if sign in TEX_LEADS else TEX_SIGNS[sign]
                text += f" {'&' if at == 0 else ''}{lead} {tex(node)}"
            yield text.strip()


class ChainLayout(NamedTuple):
    """Chains in rows. named: whether each is next to its name; otherwise names, if there are any, are above."""

    named: bool
    rows: list[tuple[Chain, ...]]
    full: float

    def room(self, row: Sequence[Chain]) -> float:
        """The width of a line for each chain in one of the rows."""
        return round(self.full * (BESIDE if self.named else HALF if len(row) > 1 else 1))


def laid_out(block: Chains, size: Width, full: float = FULL) -> ChainLayout:
    """The chains two side by side if they fit, or each next to its name if that takes less height.

    full: the width of a line.
    """
    chains, half = block.chains, round(full * HALF)

    def fits(chain: Chain) -> bool:
        left = symbols_of(chain, size)
        for row in chain.rows:
            lines = stretches(row, size, half, left)
            if any(left + sum(SIGN + size(node) for _, node in line) > half for line in lines):
                return False
        return True

    rows: list[tuple[Chain, ...]] = []
    while (at := sum(map(len, rows))) < len(chains):
        pair = chains[at : at + 2]
        rows.append(pair if all(map(fits, pair)) else pair[:1])
    found = ChainLayout(False, rows, full)
    if full < ROOMY or not any(chain.title for chain in chains):
        return found
    alone = ChainLayout(True, [(chain,) for chain in chains], full)
    return found if _height(found, size) <= MUCH * _height(alone, size) else alone


def height(chain: Chain, size: Width, room: float) -> float:
    """Approximate height of a chain in lines of text."""
    left = symbols_of(chain, size)
    lines = (found for one in chain.rows for found in stretches(one, size, room, left))
    return sum(0.5 + max(_tall(node) for _, node in line) for line in lines)


def on_pages(chain: Chain, size: Width, room: float) -> list[Chain]:
    """A chain in parts that are not longer than a page, unless a single value is; the first has its name."""
    parts = [replace(chain, rows=())]
    for row in chain.rows:
        longer = replace(parts[-1], rows=(*parts[-1].rows, row))
        if parts[-1].rows and height(longer, size, room) > TALL:
            parts.append(Chain((), (row,)))
        else:
            parts[-1] = longer
    return parts


def _height(layout: ChainLayout, size: Width) -> float:
    """Approximate height of rows of chains; a name above a chain takes a line."""
    above = not layout.named
    rows = ([(above and bool(one.title)) + height(one, size, layout.room(row)) for one in row] for row in layout.rows)
    return sum(map(max, rows))


def _tall(node: Node) -> int:
    """The height of a formula in lines: that of its tallest vector or matrix."""
    if isinstance(node, Vec | Mat):
        return len(node.entries if isinstance(node, Vec) else node.rows)
    return max(map(_tall, node.pieces), default=1)


#: The names of the levels 0 to 5; in Markdown and Typst these are their own levels (1 is # and =).
NAMES = ("chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph")
#: Headings as lines of bold text, where sectioning commands cannot be used: in a beamer frame, a box, a cell.
BOLD = "bold"
#: The deepest level of Markdown and Typst; in LaTeX it is that of its last name.
DEEPEST = 6


@dataclass(frozen=True)
class Level:
    """The level of the highest heading of a fragment. starred: LaTeX headings without numbers."""

    number: int
    starred: bool = False


def level_of(heading: int | str) -> Level:
    """The level with that number or name; `section*` has no numbers, `bold` is deeper than every level.

    Raises OptionError for a level that does not exist.

    >>> level_of("subsection*"), level_of(2)
    (Level(number=2, starred=True), Level(number=2, starred=False))
    """
    name = str(heading).strip().lower()
    plain = name.removesuffix("*")
    if name == BOLD:
        return Level(DEEPEST + 1)
    levels = {str(k): k for k in range(DEEPEST + 1)} | {one: k for k, one in enumerate(NAMES)}
    if plain not in levels:
        known = f"expected a number from 0 to {DEEPEST},"
        raise OptionError(f"there is no heading level {heading!r}{nearest(plain, (*NAMES, BOLD), known)}")
    return Level(levels[plain], name != plain)


def lowered(body: Body, by: int) -> Body:
    """The body with every heading `by` levels deeper."""
    if not by:
        return body
    deeper = tuple(Heading(b.level + by, b.text) if isinstance(b, Heading) else b for b in body.blocks)
    return replace(body, blocks=deeper)


@cache
def style_sheet(name: str) -> dict[str, str]:
    """The parts of `blocks.tex` or `blocks.typ` by their names, given in comments above them."""
    text = asset(f"documents/{name}")
    return dict(re.findall(r"^\S+ -- (\w+):.*\n((?:(?!\S+ -- ).*\n)*)", text, re.M))
