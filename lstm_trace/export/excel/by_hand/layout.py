"""What stands in words and symbols on the sheet, as reports have it; an index is a text that stands lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from ....cell.network import VALID, X
from ..sheets import Book, Grid
from .chains import SHARED, Band, Chain, Piece, Plan, Slot, again, placed
from .names import Names, begun, names

#: Pixels: a row, one that names a layer, one of symbols, the gap below a band; a sign, the gap between steps, a letter.
ROW, PLACE, SYMBOLS, GAP_BELOW, SIGN, BETWEEN, CHARACTER = 20, 28, 17, 7, 18, 24, 7.2
#: Points of a digit on the screen.
FONT = 11
#: The sheet of paper, A4 lying, without its margins, in pixels of 1/96 inch.
PAPER = (281 / 25.4 * 96, 194 / 25.4 * 96)
#: The rows above the first band: title, note, legend, and an empty one.
HEAD = 4
Key = tuple[str | int, ...]


class Placed(NamedTuple):
    """A piece at its place: the row and column of its first cell, counted from 0, and its extent.

    grid: the stage whose value it is. t, b: the step, and the position in the batch rows that are shown.
    """

    piece: Piece
    grid: Grid
    t: int
    b: int
    row: int
    column: int
    height: int
    width: int

    @property
    def key(self) -> Key:
        """What it is the value of."""
        return key(self.grid, self.piece.name, self.t, self.b)


def key(grid: Grid, name: str, t: int, b: int) -> Key:
    """Scope, name, step and row; parameters have neither of the last two, and the input has no scope."""
    source = grid.stage.sources.get(name)
    if source in (X, VALID):
        return SHARED, source, t, b
    if name in grid.stage.cell.parameters:
        return grid.stage.owner, name
    return grid.stage.scope, name, t, b


class Title(NamedTuple):
    """A text over some columns. style: of `texts.toml`."""

    row: int
    column: int
    width: int
    text: str
    style: str


@dataclass
class Layout:
    """The sheet. columns, rows: sizes in pixels, of rows those that are not `ROW`. homes: where each value is computed.

    across: steps beside each other. panels: (first row, one past the last, steps) of each row of steps. height: rows
    that are used.
    """

    book: Book
    plan: Plan
    across: int
    number: int
    columns: list[int] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    pieces: list[Placed] = field(default_factory=list)
    titles: list[Title] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)
    bands: list[tuple[int, Band]] = field(default_factory=list)
    homes: dict[Key, Placed] = field(default_factory=dict)
    panels: list[tuple[int, int, int]] = field(default_factory=list)
    height: int = HEAD

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return sum(self.columns), self.pixels(0, self.height)

    @cached_property
    def called(self) -> Names:
        """What everything is called."""
        return names(self.book.trace)

    def pixels(self, top: int, bottom: int) -> int:
        """The height of some rows."""
        return sum(self.rows.get(row, ROW) for row in range(top, bottom))

    @cached_property
    def starts(self) -> list[int]:
        """The first column of each step, and one past the last."""
        found = [1]
        for k in range(self.across):
            found.append(found[-1] + sum(slot.width for slot in self.slots(k)) + 1)
        return found

    def slots(self, k: int) -> Sequence[Slot]:
        """The slots of the k-th step beside each other."""
        return self.plan.others if k else self.plan.first

    def column(self, k: int, slot: int) -> int:
        """The first column of a slot."""
        return self.starts[k] + sum(s.width for s in self.slots(k)[:slot])


def points(width: int, height: int) -> float:
    """Points of a digit where so many pixels stand on one page."""
    return FONT * min(PAPER[0] / width, PAPER[1] / height, 1.0)


def laid(book: Book, plan: Plan, across: int, number: int) -> Layout:
    """The sheet with so many steps beside each other. number: the pixels of a column of numbers."""
    layout = Layout(book, plan, across, number)
    _columns(layout)
    several = sum(grid is not None for grid, _ in plan.stages) > 1
    for b in range(len(book.rows)):
        for at in range(0, len(book.steps), across):
            _panel(layout, b, book.steps[at : at + across], several)
    return layout


def _columns(layout: Layout) -> None:
    """The size of every column: numbers alike, signs as their longest text."""
    layout.columns = [_labels(layout)]
    texts: dict[tuple[int, int], list[str]] = {}
    for k in (0, 1):
        for band in (band for _, bands in layout.plan.stages for band in bands):
            for chain, at in _chains(layout, band, k):
                for piece, place in zip(chain, at, strict=True):
                    texts.setdefault((k, place), []).append(piece.name)  # of W_xi × two characters are small
    for k in range(layout.across):
        for n, slot in enumerate(layout.slots(k)):
            size = layout.number
            if slot.kind in ("sign", "symbol"):
                longest = max(map(len, texts.get((min(k, 1), n), [""])))
                size = max(SIGN, int(longest * CHARACTER + 8))
            layout.columns += [size] * slot.width
        layout.columns.append(BETWEEN)


def _labels(layout: Layout) -> int:
    named = [name for key_ in ("x", "h", "y") for name in layout.book.trace.header.names.get(key_, ())]
    titles = [band.title for _, bands in layout.plan.stages for band in bands]
    return int(max(map(len, [*named, *titles, "Initial states"])) * CHARACTER + 16)


def _chains(layout: Layout, band: Band, k: int) -> Iterator[tuple[Chain, list[int]]]:
    """The chains of a band with the slots of their pieces."""
    for row in band.rows:
        yield from zip(*_row(layout, row, k), strict=True)


def _row(layout: Layout, row: Sequence[Chain], k: int) -> tuple[list[Chain], list[list[int]]]:
    chains = [again(chain) for chain in row] if k else list(row)
    at = placed(layout.slots(k), chains, layout.plan.widths)
    assert at is not None, "the slots take every row"
    return chains, at


def _panel(layout: Layout, b: int, steps: Sequence[int], several: bool) -> None:
    """Some steps of one batch row, with all bands."""
    book, top = layout.book, layout.height
    if len(book.rows) > 1:
        layout.titles.append(Title(top, 0, 1, begun(layout.called.row(book.rows[b])), "panel"))
    for k, t in enumerate(steps):
        begin, end = layout.starts[k], layout.starts[k + 1] - 1
        layout.titles.append(Title(top, begin, end - begin, begun(layout.called.step(t, short=True)), "step"))
    layout.height += 1
    for grid, bands in layout.plan.stages:
        if grid is not None and several:
            layout.titles.append(Title(layout.height, 0, 1, begun(layout.called.place(grid.stage)), "panel"))
            layout.rows[layout.height] = PLACE
            layout.height += 1
        for band in bands:
            edge = book.trace.span[-1 if band.grid.stage.backwards else 0]
            if not band.edge or edge in steps:
                _band(layout, band, b, [(k, t) for k, t in enumerate(steps) if not band.edge or t == edge])
    layout.panels.append((top, layout.height, len(steps)))
    layout.height += 1


def _band(layout: Layout, band: Band, b: int, steps: Sequence[tuple[int, int]]) -> None:
    for at, row in enumerate(band.rows):
        top = layout.height
        if not at:
            layout.bands.append((top, band))
        height = max(_extent(layout, band.grid, piece)[0] for chain in row for piece in chain)
        for k, t in steps:
            for chain, slots in zip(*_row(layout, row, k), strict=True):
                for piece, slot in zip(chain, slots, strict=True):
                    tall, wide = _extent(layout, band.grid, piece)
                    tall = tall or height  # a sign stands in the middle
                    column = layout.column(k, slot) + layout.slots(k)[slot].width - wide
                    found = Placed(piece, band.grid, t, b, top + 1 + (height - tall) // 2, column, tall, wide)
                    layout.pieces.append(found)
                    if piece.is_value and (piece.fresh or len(found.key) == 2):
                        layout.homes.setdefault(found.key, found)
        _named(layout, band, row, top + 1, height)
        layout.rows |= {top: SYMBOLS, top + 1 + height: GAP_BELOW}
        layout.height = top + 2 + height


def _named(layout: Layout, band: Band, row: Sequence[Chain], top: int, height: int) -> None:
    """The labels of the rows, those of the last vector that is computed there."""
    for piece in reversed([piece for chain in row for piece in chain if piece.fresh]):
        size, _ = _extent(layout, band.grid, piece)
        if size > 1:
            found = layout.called.entries(band.grid.stage, piece.name, size)
            layout.names += [(top + (height - size) // 2 + j, name) for j, name in enumerate(found)]
            return


def _extent(layout: Layout, grid: Grid, piece: Piece) -> tuple[int, int]:
    """(rows, columns) of a piece; those of a text are 0 and 1."""
    if not piece.is_value:
        return 0, 1
    if piece.name in grid.stage.cell.parameters:
        values = layout.book.weights(grid)[piece.name].values
        rows, columns = values.shape if values.ndim == 2 else (values.shape[0], 1)
        return (columns, rows) if piece.flipped else (rows, columns)
    return grid.blocks[piece.name].width, 1
