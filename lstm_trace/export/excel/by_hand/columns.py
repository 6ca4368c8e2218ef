"""The columns that all chains of a sheet share: a row of slots into which each chain fits, as short as possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .chains import GAP, Chain, Piece

#: What a slot is worth, in widths of a number.
_WIDTH = {"vector": 1.0, "sign": 0.4, "symbol": 0.9}


class Slot(NamedTuple):
    """A place for a piece. width: of a matrix, its columns; 1 otherwise."""

    kind: str
    width: int = 1

    @property
    def size(self) -> float:
        """How much room it takes."""
        return self.width * _WIDTH.get(self.kind, 1.0)

    def takes(self, piece: Piece) -> bool:
        """Whether a piece may stand here: a vector in a column of a matrix too, a sign where a symbol does."""
        return self.kind == piece.kind or (self.kind, piece.kind) in (("matrix", "vector"), ("symbol", "sign"))


Widths = dict[str, int]


def slot(piece: Piece, widths: Widths) -> Slot:
    """The slot of a piece alone. widths: the columns of each matrix as it stands, by name."""
    return Slot(piece.kind, widths[piece.name] if piece.kind == "matrix" else 1)


def shared(chains: Iterable[Chain], widths: Widths) -> list[Slot]:
    """The slots that take each of the chains."""
    found: list[Slot] = []
    for chain in sorted(dict.fromkeys(chains), key=lambda c: -sum(slot(p, widths).size for p in c)):
        found = _merged(found, chain, widths)
    return found


def _merged(slots: Sequence[Slot], chain: Chain, widths: Widths) -> list[Slot]:
    """The slots with as few more as take the chain too: a shortest common supersequence."""
    rows, more = len(slots), [slot(piece, widths) for piece in chain]
    best: list[list[tuple[float, int, int, Slot | None]]] = [
        [(0.0, 0, 0, None)] * (len(chain) + 1) for _ in range(rows + 1)
    ]
    for i in range(rows + 1):
        for j in range(len(chain) + 1):
            ways: list[tuple[float, int, int, Slot | None]] = []
            if i:
                ways.append((best[i - 1][j][0] + slots[i - 1].size, 1, 0, slots[i - 1]))
            if j:
                ways.append((best[i][j - 1][0] + more[j - 1].size, 0, 1, more[j - 1]))
            if i and j and slots[i - 1].takes(chain[j - 1]):
                wider = slots[i - 1]._replace(width=max(slots[i - 1].width, more[j - 1].width))
                ways.append((best[i - 1][j - 1][0] + wider.size, 1, 1, wider))
            if ways:
                best[i][j] = min(ways, key=lambda way: way[0])
    found: list[Slot] = []
    i, j = rows, len(chain)
    while i or j:
        _, up, left, taken = best[i][j]
        assert taken is not None
        found.append(taken)
        i, j = i - up, j - left
    return found[::-1]


def placed(slots: Sequence[Slot], chains: Sequence[Chain], widths: Widths, start: int = 0) -> list[list[int]] | None:
    """The slots of each piece of chains beside each other, close together; None where they do not fit.

    As much is left free between two chains as `GAP` takes.
    """
    found: list[list[int]] = []
    for n, chain in enumerate(chains):
        ways = [at for first in range(start, len(slots)) if (at := _from(slots, chain, first, widths))]
        fitting = [at for at in ways if _fit(slots, chains[n + 1 :], widths, _after(at))]
        if not fitting:
            return None
        found.append(min(fitting, key=lambda at: at[-1] - at[0]))
        start = _after(found[-1])
    return found


def _after(at: Sequence[int]) -> int:
    """Where the next chain may begin."""
    return at[-1] + 1 + len(GAP)


def _fit(slots: Sequence[Slot], chains: Sequence[Chain], widths: Widths, start: int) -> bool:
    """Whether chains fit from `start` on: what begins as early as it can ends as early as it can."""
    for chain in chains:
        ways = (_from(slots, chain, first, widths) for first in range(start, len(slots)))
        at = next((way for way in ways if way), None)
        if at is None:
            return False
        start = _after(at)
    return True


def _from(slots: Sequence[Slot], chain: Chain, first: int, widths: Widths) -> list[int] | None:
    at: list[int] = []
    here = first
    for piece in chain:
        needed = slot(piece, widths).width
        while here < len(slots) and not (slots[here].takes(piece) and slots[here].width >= needed):
            if not at:
                return None  # the next first slot is tried by itself
            here += 1
        if here == len(slots):
            return None
        at.append(here)
        here += 1
    return at


def packed(slots: Sequence[Slot], chains: Sequence[Chain], widths: Widths) -> list[list[Chain]]:
    """The chains in rows: as many beside each other as the slots take."""
    rows: list[list[Chain]] = []
    for chain in chains:
        if rows and placed(slots, [*rows[-1], chain], widths) is not None:
            rows[-1].append(chain)
        else:
            rows.append([chain])
    return rows
