"""How wide formulas are, and where long ones go on in the next row; the same for every format that sets math."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...formulas.blocks import Code, Premises, Row, Table
from ...formulas.plain import Plain
from ...formulas.tex import Tex
from ...formulas.tree import Call, Mat, Node, Prod, Quot, Sum, Vec, broken

#: What stands between a formula and its value, in TeX.
TEX_SIGNS = {"=": "=", "≈": r"\approx", "←": r"\leftarrow"}
#: A printed row of a derivation: 0 for its start, 1 for what goes on below, 2 within a sum; then signs and formulas.
Piece = tuple[int, list[tuple[str, Node]]]


def sizes(plain: Plain) -> Callable[[Node], int]:
    """About how wide a formula is, in characters; a vector is as wide as its widest entry."""

    def size(node: Node) -> int:
        if isinstance(node, Vec):
            return 3 + max(map(size, node.entries))
        if isinstance(node, Mat):
            return 1 + sum(2 + max(map(size, column)) for column in zip(*node.rows, strict=True))
        if isinstance(node, Sum):
            return sum(3 + size(term) for term in node.terms)
        if isinstance(node, Prod):
            return 3 + size(node.left) + size(node.right)
        if isinstance(node, Quot):
            return max(size(node.over), size(node.under))
        if isinstance(node, Call):
            return len(node.op) + sum(2 + size(arg) for arg in node.args)
        return len(plain(node))

    return size


def pieces(row: Row, size: Callable[[Node], int], room: int, taken: Sequence[int] = (0, 0, 0, 0)) -> list[Piece]:
    """One row of a derivation in rows that fit into `room`: a break before a sign, then within a long sum.

    taken: so much of the room is taken where each kind of row begins, and by a sign.
    """
    found: list[Piece] = [(0, [])]
    used = taken[0]
    for sign, node in row.parts:
        wide = taken[3] + min(size(node), room)
        if used and used + wide > room:
            found.append((1, []))
            used = taken[1]
        used += wide
        for lead, piece in broken(node, size, room - taken[1] - taken[3]):
            if lead:
                found.append((2, []))
                used = taken[2] + taken[3] + size(piece)
            found[-1][1].append((lead or sign, piece))
    return found


def tex_rows(
    row: Row,
    tex: Tex,
    size: Callable[[Node], int],
    room: int,
    words: Callable[[str], str],
    colon: str,
    page: bool = False,
) -> list[str]:
    """One row of a derivation in aligned rows of TeX; a long sum goes on below.

    words: sets a text within a formula. colon: between a word and a formula. page: whether nothing may be wider than
    `room`, since nothing scrolls.
    """
    texts = [part.text if isinstance(part, Code) else part for part in row.left]
    left = "".join(rf"\text{{{words(text)}}}" if isinstance(text, str) else tex(text) for text in texts)
    left += colon if row.parts and row.parts[0][0] == ":" else ""
    begin = 2 * row.under + sum(len(text) if isinstance(text, str) else size(text) for text in texts)
    rows = []
    for depth, parts in pieces(row, size, room, (begin, 4, 8, 3)) if page else pieces(row, size, room):
        text = ((r"&\quad " if row.under else "&") + left, r"&\qquad", r"&\qquad\qquad {}")[depth]
        for sign, node in parts:
            text += ("" if sign == ":" else sign if sign in "+-" else f" {TEX_SIGNS[sign]}") + " " + tex(node)
        rows.append(text)
    return rows


def packed(block: Premises, size: Callable[[Node], int], room: int) -> list[list[tuple[Node, str, Node]]]:
    """Given values in rows that fit into `room`."""
    rows: list[list[tuple[Node, str, Node]]] = []
    for items in block.rows:
        used = room
        for item in items:
            wide = 6 + size(item[0]) + size(item[2])
            if used + wide > room:
                rows.append([])
                used = 0
            rows[-1].append(item)
            used += wide
    return rows


def columns(block: Table, size: Callable[[Node], int], room: int) -> list[list[int]]:
    """The columns of a table in tables that fit into `room`."""
    widths = [
        max(sum(len(part) if isinstance(part, str) else size(part) for part in cell if not isinstance(part, Code))
            for cell in column)
        for column in zip(block.head, *block.rows, strict=True)
    ]  # fmt: skip
    return fitting(widths, block.places, room)


def fitting(widths: Sequence[int], places: int, room: int) -> list[list[int]]:
    """The columns of a table in tables that fit into `room`, each with the first `places` ones.

    >>> fitting([1, 4, 4, 4], 1, 15)
    [[0, 1, 2], [0, 3]]
    """
    tables: list[list[int]] = []
    for k in range(places, len(widths)):
        if not tables or sum(widths[c] + 2 for c in (*tables[-1], k)) > room:
            tables.append(list(range(places)))
        tables[-1].append(k)
    return tables or [list(range(places))]
