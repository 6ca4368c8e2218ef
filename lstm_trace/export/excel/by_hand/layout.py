"""Where each number of the sheet By hand is placed, and its formula.

A formula refers to cells of this sheet, and to other sheets only if what it shows is to be edited there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, product
from typing import NamedTuple

from ....base.arrays import Array
from ....cell.network import GIVEN, VALID, X, scope_and_name
from ..formulas import Ref, address, area, formula
from ..grids import Compared, distance
from ..page import TEXTS
from ..sheets import BY_HAND, TOP, Book, StepGrid
from .chains import SHARED, Band, BandPlan, Chain, Piece, Runs, SheetNames, Slot, again, begun, names, slots_of_chains

#: Pixels: a row, one that names a layer, one of symbols, the gap below a band; a sign, the gap between steps, a letter.
ROW, PLACE, SYMBOLS, GAP_BELOW, SIGN, BETWEEN, CHARACTER = 20, 28, 17, 7, 18, 24, 7.2
#: Points of a digit on the screen.
FONT = 11
#: The sheet of paper, A4 landscape, without its margins, in pixels of 1/96 inch.
PAPER = (281 / 25.4 * 96, 194 / 25.4 * 96)
#: The rows above the first band: title, note, legend, and an empty one.
HEAD = 4
Key = tuple[str | int, ...]


class Placed(NamedTuple):
    """A piece at its place: the row and column of its first cell, counted from 0, and its extent.

    grid: the stage whose value it is. t, b: the step, and the position in the batch rows that are shown.
    """

    piece: Piece
    grid: StepGrid
    t: int
    b: int
    row: int
    column: int
    height: int
    width: int

    @property
    def key(self) -> Key:
        """The value that it shows."""
        return key(self.grid, self.piece.name, self.t, self.b)


def key(grid: StepGrid, name: str, t: int, b: int) -> Key:
    """Scope, name, step and row; parameters have no step or row, and the input has no scope."""
    if (source := grid.stage.sources.get(name)) in (X, VALID):
        return SHARED, source, t, b
    return (grid.stage.owner, name) if name in grid.stage.cell.parameters else (grid.stage.scope, name, t, b)


class SheetText(NamedTuple):
    """A text over some columns. style: one of the titles in `texts.toml`."""

    row: int
    text: str | Runs
    style: str
    column: int = 0
    width: int = 1


@dataclass
class HandLayout:
    """The sheet.

    columns, rows: sizes in pixels; of rows only those that differ from `ROW`. homes: where each value is computed.
    across: steps next to each other. panels: (first row, one past the last, steps) of each row of steps. height: rows
    that are used.
    """

    book: Book
    plan: BandPlan
    across: int
    number: int
    columns: list[int] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    pieces: list[Placed] = field(default_factory=list)
    texts: list[SheetText] = field(default_factory=list)
    homes: dict[Key, Placed] = field(default_factory=dict)
    panels: list[tuple[int, int, int]] = field(default_factory=list)
    height: int = HEAD

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return sum(self.columns), self.pixels(0, self.height)

    @cached_property
    def called(self) -> SheetNames:
        """The names of everything on the sheet."""
        return names(self.book.trace)

    def pixels(self, top: int, bottom: int) -> int:
        """The height of some rows."""
        return sum(self.rows.get(row, ROW) for row in range(top, bottom))

    @cached_property
    def starts(self) -> list[int]:
        """The first column of each step, and one past the last."""
        widths = (sum(slot.width for slot in self.slots(k)) + 1 for k in range(self.across))
        return [*accumulate(widths, initial=1)]

    def slots(self, k: int) -> Sequence[Slot]:
        """The slots of the k-th step next to each other."""
        return self.plan.others if k else self.plan.first

    def column(self, k: int, slot: int) -> int:
        """The first column of a slot."""
        return self.starts[k] + sum(s.width for s in self.slots(k)[:slot])


def points(width: int, height: int) -> float:
    """The size of a digit in points if this many pixels fit on one page."""
    return FONT * min(PAPER[0] / width, PAPER[1] / height, 1.0)


def laid(book: Book, plan: BandPlan, across: int, number: int) -> HandLayout:
    """The sheet with this many steps next to each other. number: the pixels of a column of numbers."""
    layout = HandLayout(book, plan, across, number)
    _columns(layout)
    several = sum(grid is not None for grid, _ in plan.stages) > 1
    for b in range(len(book.rows)):
        for at in range(0, len(book.steps), across):
            _panel(layout, b, book.steps[at : at + across], several)
    return layout


def _columns(layout: HandLayout) -> None:
    """The size of every column: numbers alike, signs as wide as their longest text."""
    labels, bands = layout.book.trace.header.names, [band for _, bands in layout.plan.stages for band in bands]
    named = [name for kind in ("x", "h", "y") for name in labels.get(kind, ())]
    widest = max(map(len, [*named, *(band.title for band in bands), "Initial states"]))
    layout.columns = [int(widest * CHARACTER + 16)]
    longest: defaultdict[tuple[bool, int], int] = defaultdict(int)
    for later, band in product((False, True), bands):
        for row in band.rows:
            for chain, at in zip(*_row(layout, row, later), strict=True):
                for piece, place in zip(chain, at, strict=True):  # of W_xi × two characters are small
                    longest[later, place] = max(longest[later, place], len(piece.name))
    for k in range(layout.across):
        for n, slot in enumerate(layout.slots(k)):
            text = max(SIGN, int(longest[k > 0, n] * CHARACTER + 8))
            layout.columns += [text if slot.kind in ("sign", "symbol") else layout.number] * slot.width
        layout.columns.append(BETWEEN)


def _row(layout: HandLayout, row: Sequence[Chain], k: int) -> tuple[list[Chain], list[list[int]]]:
    chains = [again(chain) for chain in row] if k else list(row)
    at = slots_of_chains(layout.slots(k), chains, layout.plan.widths)
    assert at is not None, "the slots take every row"
    return chains, at


def _panel(layout: HandLayout, b: int, steps: Sequence[int], several: bool) -> None:
    """Some steps of one batch row, with all bands."""
    book, top = layout.book, layout.height
    if len(book.rows) > 1:
        layout.texts.append(SheetText(top, begun(layout.called.row(book.rows[b])), "panel"))
    for k, t in enumerate(steps):
        begin, end = layout.starts[k], layout.starts[k + 1] - 1
        layout.texts.append(SheetText(top, begun(layout.called.step(t, short=True)), "step", begin, end - begin))
    layout.height += 1
    for grid, bands in layout.plan.stages:
        if grid is not None and several:
            layout.texts.append(SheetText(layout.height, begun(layout.called.place(grid.stage)), "panel"))
            layout.rows[layout.height] = PLACE
            layout.height += 1
        for band in bands:
            edge = book.trace.span[-1 if band.grid.stage.backwards else 0]
            if not band.edge or edge in steps:
                _band(layout, band, b, [(k, t) for k, t in enumerate(steps) if not band.edge or t == edge])
    layout.panels.append((top, layout.height, len(steps)))
    layout.height += 1


def _band(layout: HandLayout, band: Band, b: int, steps: Sequence[tuple[int, int]]) -> None:
    for at, row in enumerate(band.rows):
        top = layout.height
        if not at:
            title = TEXTS["by_hand"]["bands"].get(band.title, band.title)
            symbol = layout.called.symbol(band.grid.stage, band.rows[-1][-1][-1].name)
            layout.texts.append(SheetText(top, title or symbol, "band"))
        height = max(_extent(layout, band.grid, piece)[0] for chain in row for piece in chain)
        for k, t in steps:
            for chain, slots in zip(*_row(layout, row, k), strict=True):
                for piece, slot in zip(chain, slots, strict=True):
                    tall, wide = _extent(layout, band.grid, piece)
                    tall = tall or height  # a sign is in the middle
                    column = layout.column(k, slot) + layout.slots(k)[slot].width - wide
                    found = Placed(piece, band.grid, t, b, top + 1 + (height - tall) // 2, column, tall, wide)
                    layout.pieces.append(found)
                    if piece.is_value and (piece.fresh or len(found.key) == 2):
                        layout.homes.setdefault(found.key, found)
        for piece in reversed([piece for chain in row for piece in chain if piece.fresh]):
            size, _ = _extent(layout, band.grid, piece)
            if size > 1:  # the rows have the labels of the last vector that is computed there
                named = enumerate(layout.called.entries(band.grid.stage, piece.name, size), top + 1)
                layout.texts += [SheetText(n + (height - size) // 2, name, "name") for n, name in named]
                break
        layout.rows |= {top: SYMBOLS, top + 1 + height: GAP_BELOW}
        layout.height = top + 2 + height


def _extent(layout: HandLayout, grid: StepGrid, piece: Piece) -> tuple[int, int]:
    """(rows, columns) of a piece; 0 and 1 for a text."""
    if not piece.is_value:
        return 0, 1
    if piece.name in grid.stage.cell.parameters:
        rows, columns = layout.book.weights(grid)[piece.name].matrix.shape
        return (columns, rows) if piece.flipped else (rows, columns)
    block = grid.blocks[piece.name]
    return block.width // (block.across or 1), block.across or 1


class SheetCell(NamedTuple):
    """One cell.

    style: `edit` for a number to be changed, `given` for a copy of such a number, `copy` for a copy of a computed
    number, `live` for a line, or `recorded` for a number that stays.
    """

    row: int
    column: int
    value: float
    formula: str
    style: str
    placed: Placed


def entries(layout: HandLayout) -> Iterator[SheetCell]:
    """Every number of the sheet, in the order of its pieces."""
    near: dict[Key, Placed] = {}
    for placed in layout.pieces:
        if placed.piece.is_value:
            values = _values(layout, placed)
            near[placed.key] = placed
            for j, k in product(range(placed.height), range(placed.width)):
                formula, style = _formula(layout, placed, near, j, k)
                yield SheetCell(placed.row + j, placed.column + k, float(values[j, k]), formula, style, placed)


def _values(layout: HandLayout, placed: Placed) -> Array:
    """The recorded numbers of a piece, as they are laid out: (rows, columns)."""
    book, name = layout.book, placed.piece.name
    if len(placed.key) == 2:
        values = book.weights(placed.grid)[name].matrix
        return values.T if placed.piece.flipped else values
    window = book.trace.operand(placed.grid.stage.scope, name, book.window)
    assert window is not None
    return window[placed.t - book.steps.start, book.batch][placed.b].reshape(-1, placed.width)


def _formula(layout: HandLayout, placed: Placed, near: dict[Key, Placed], j: int, k: int) -> tuple[str, str]:
    """(formula, style) of one cell of a piece."""
    home = _find(layout, placed.grid, placed.piece.name, placed.t, placed.b)
    if home is not None and home is not placed:
        if home.piece.flipped != placed.piece.flipped:
            j, k = k, j
        return address(home.row + j, home.column + k), "given" if _is_given(layout, placed, home) else "copy"
    if is_edited(layout, placed):
        return "", "edit"
    if placed.piece.flipped:
        return f"INDEX({layout.book.weights(placed.grid)[placed.piece.name].range},{k + 1},{j + 1})", "copy"
    block = placed.grid.blocks[placed.piece.name]
    if block.kind == "line" and block.live and placed.piece.fresh:
        nearest = lambda o: _ref(near[key(placed.grid, o, placed.t, placed.b)])  # noqa: E731
        line = placed.grid.stage.cell.by_name[placed.piece.name]
        return formula(layout.book, line, nearest, j * placed.width + k), "live"
    if (block.live and block.kind != "state") or block.kind == "given":  # a state that is found nowhere was recorded
        row = TOP + placed.b * len(layout.book.steps) + placed.t - layout.book.steps.start
        return f"'{placed.grid.sheet}'!{address(row, block.first + j * placed.width + k)}", (
            "given" if _is_given(layout, placed, placed) else "copy"
        )
    return "", "recorded"


def is_edited(layout: HandLayout, placed: Placed) -> bool:
    """Whether a piece is where its numbers are to be changed."""
    if layout.homes.get(placed.key) is not placed or placed.piece.flipped:
        return False
    stage, found = placed.grid.stage, placed.key
    if len(found) == 2 or found[:2] == (SHARED, X):
        return True
    return placed.piece.name in stage.cell.states or stage.sources.get(placed.piece.name) == GIVEN


def edited(layout: HandLayout, found: Key, j: int, k: int) -> str:
    """Where a number is to be changed on this sheet, as a formula on another.

    Args:
        layout: of the sheet.
        found: the key of the value; see `layout.key`.
        j: the row within it.
        k: the column.

    Returns:
        The formula; empty if the number is to be changed elsewhere.
    """
    if (home := layout.homes.get(found)) is None or not is_edited(layout, home):
        return ""
    if len(found) > 2:  # a value, whose number of a unit is j
        j, k = divmod(j, home.width)
    return f"'{BY_HAND}'!{address(home.row + j, home.column + k)}"


def _is_given(layout: HandLayout, placed: Placed, home: Placed) -> bool:
    """Whether a copy shows a weight or an input as it was written, or the mask of valid steps."""
    stage, name = placed.grid.stage, placed.piece.name
    return stage.sources.get(name) == VALID or (is_edited(layout, home) and name not in stage.cell.states)


def _find(layout: HandLayout, grid: StepGrid, name: str, t: int, b: int) -> Placed | None:
    stage = grid.stage
    if (found := layout.homes.get(key(grid, name, t, b))) is not None:
        return found
    if name in stage.cell.states:
        before = t + 1 if stage.backwards else t - 1
        if grid.blocks[name].live and before in layout.book.steps:
            return _find(layout, grid, stage.cell.states[name], before, b)
    elif name in stage.cell.inputs and stage.sources[name] not in (X, VALID):
        scope, line = scope_and_name(stage.sources[name])
        if scope in layout.book.grids:
            return _find(layout, layout.book.grids[scope], line, t, b)
    return None


def _ref(placed: Placed) -> Ref:
    at, columns = range(placed.row, placed.row + placed.height), range(placed.column, placed.column + placed.width)
    rows = tuple(tuple(address(row, column) for column in columns) for row in at)
    if placed.piece.kind == "matrix":
        return Ref((), "", entries=rows)
    cells = tuple(cell for row in rows for cell in row)
    return Ref(cells, cells[0] if len(cells) == 1 else f"{cells[0]}:{cells[-1]}", across=False)


#: How many vectors are compared by one formula, which has at most 8,192 characters.
MOST = 40


def compared(layout: HandLayout) -> Iterator[Compared]:
    """A row for each line, or several if it has many steps."""
    places = [*product(range(len(layout.book.rows)), enumerate(layout.book.steps))]
    for grid in layout.book.grids.values():
        for block in () if grid.stage.is_adjoint else grid.lines:
            distances = []  # a vector is in a column here, and in a row of the record
            for b, (k, t) in places:
                home = layout.homes[grid.stage.scope, block.name, t, b]
                row, wide = TOP + b * len(layout.book.steps) + k, block.across or block.width
                for n, first in enumerate(range(block.first, block.first + block.width, wide)):
                    last = (n, wide - 1) if block.across else (wide - 1, 0)
                    live = area(home.row + n, home.column, home.row + last[0], home.column + last[1])
                    record = f"'{grid.recorded}'!{area(row, first, row, first + wide - 1)}"
                    record = record if block.across else f"TRANSPOSE({record})"
                    distances.append(distance(f"'{BY_HAND}'!{live}", record))
            for at in range(0, len(distances), MOST):
                some = distances[at : at + MOST]
                count = (block.across or block.width) * len(some)
                yield Compared(BY_HAND, block.name, block.heading, count, f"MAX({','.join(some)})")
