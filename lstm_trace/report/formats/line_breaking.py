"""Where long formulas go on in the next row; the same for every format that sets mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...formulas.blocks import Chain, Chains, Code, Premises, Row, Table
from ...formulas.tex import Tex
from ...formulas.tree import Mat, Node, Num, Vec, broken

#: What stands between a formula and its value, in TeX.
TEX_SIGNS = {"=": "=", "≈": r"\approx", "←": r"\leftarrow"}
#: A printed row of a derivation: 0 for its start, 1 for what goes on below, 2 within a sum; then signs and formulas.
Piece = tuple[int, list[tuple[str, Node]]]


def pieces(row: Row, size: Callable[[Node], int], room: int) -> list[Piece]:
    """One row of a derivation in rows that fit into `room`: a break before a sign, then within a long sum."""
    found: list[Piece] = [(0, [])]
    used = 0
    for sign, node in row.parts:
        wide = min(size(node), room)
        if used and used + wide > room:
            found.append((1, []))
            used = 0
        used += wide
        for lead, piece in broken(node, size, room):
            if lead:
                found.append((2, []))
                used = size(piece)
            found[-1][1].append((lead or sign, piece))
    return found


def tex_rows(
    row: Row, tex: Tex, size: Callable[[Node], int], room: int, words: Callable[[str], str], colon: str
) -> list[str]:
    """One row of a derivation in aligned rows of TeX; a long sum goes on below.

    words: sets a text within a formula. colon: between a word and a formula.
    """
    texts = (part.text if isinstance(part, Code) else part for part in row.left)
    left = "".join(rf"\text{{{words(text)}}}" if isinstance(text, str) else tex(text) for text in texts)
    rows = []
    for depth, parts in pieces(row, size, room):
        text = ((r"&\quad " if row.under else "&") + left, r"&\qquad", r"&\qquad\qquad {}")[depth]
        for sign, node in parts:
            text += (colon if sign == ":" else sign if sign in "+-" else f" {TEX_SIGNS[sign]}") + " " + tex(node)
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


# -- chains -----------------------------------------------------------------------------------------------------------

#: Formulas on one line, each with the sign before it; the first sign of the first line follows the symbol.
Stretch = list[tuple[str, Node]]


def stretches(row: Row, size: Callable[[Node], int], room: int) -> list[Stretch]:
    """The formulas of a chain in lines that fit into `room` with its symbol: as many as fit, then within a sum."""
    left = sum(len(part) if isinstance(part, str) else 0 if isinstance(part, Code) else size(part) for part in row.left)
    found: list[Stretch] = [[]]
    used = left
    for sign, node in row.parts:
        for lead, piece in broken(node, size, room - left - 3):
            wide = 3 + size(piece)
            if found[-1] and (lead or used + wide > room):
                found.append([])
                used = left
            found[-1].append((lead or sign, piece))
            used += wide
    return found


def tex_stretches(row: Row, tex: Tex, size: Callable[[Node], int], room: int) -> list[str]:
    """One value of a chain in aligned rows of TeX, the signs below one another."""
    lines = []
    for k, stretch in enumerate(stretches(row, size, room)):
        text = "".join(tex(part) for part in row.left if not isinstance(part, str | Code)) if k == 0 else ""
        for at, (sign, node) in enumerate(stretch):
            lead = rf"\quad {{}}{sign}" if sign in "+-" else TEX_SIGNS[sign]
            text += f" {'&' if at == 0 else ''}{lead} {tex(node)}"
        lines.append(text.strip())
    return lines


def beside(block: Chains, size: Callable[[Node], int], room: int, half: int) -> list[tuple[Chain, ...]]:
    """The chains in rows of one or two, so that they take the least height; half: the room of one of two."""
    chains = block.chains

    def height(chain: Chain, room: int) -> float:
        rows = [stretch for row in chain.rows for stretch in stretches(row, size, room)]
        return bool(chain.title) + sum(0.5 + max(tall(node) for _, node in stretch) for stretch in rows)

    def fits(chain: Chain) -> bool:
        left = [sum(size(part) for part in row.left if not isinstance(part, str | Code)) for row in chain.rows]
        widest = [max((size(n) for s in stretches(row, size, half) for _, n in s), default=0) for row in chain.rows]
        return all(a + b + 3 <= half for a, b in zip(left, widest, strict=True))

    best: list[tuple[float, list[tuple[Chain, ...]]]] = [(0.0, [])]  # of the chains from the end
    for k in reversed(range(len(chains))):
        rest = best[-1]
        found = (height(chains[k], room) + rest[0], [(chains[k],), *rest[1]])
        if k + 1 < len(chains) and fits(chains[k]) and fits(chains[k + 1]):
            after = best[-2]
            pair = max(height(chains[k], half), height(chains[k + 1], half))
            if pair + after[0] <= found[0]:
                found = (pair + after[0], [(chains[k], chains[k + 1]), *after[1]])
        best.append(found)
    return best[-1][1]


def tall(node: Any) -> int:
    """How many lines high a formula is: as its tallest vector or matrix."""
    if isinstance(node, Vec):
        return len(node.entries)
    if isinstance(node, Mat):
        return len(node.rows)
    parts = node if isinstance(node, tuple) else vars(node).values() if hasattr(node, "__dataclass_fields__") else ()
    return 1 if isinstance(node, Num) else max(map(tall, parts), default=1)
