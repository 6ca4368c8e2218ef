"""Sheets with a row for each step of each row of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from ...base.arrays import Array
from ...cell.network import VALID
from .cells import Cells
from .page import Page, units
from .sheets import PLACES, TOP, Block, Book, left

#: Characters that the column of labels shows at most.
WIDEST = 24
#: Steps whose numbers are read at once.
PIECE = 64


class Formulas(Protocol):
    """What says which formulas stand in a row, as `Cells` does."""

    def at(self, row: int, edge: bool, back: int, b: int) -> tuple[str, ...] | None:
        """The formulas in `row`; None where numbers stand there."""


NONE = Cells(None)


class Columns(NamedTuple):
    """A block with its labels and its numbers (steps, batch rows, width), and its formulas where it has any.

    style: of the numbers; that of formulas is `live`.
    """

    block: Block
    labels: Sequence[str]
    values: Array
    style: str
    live: str = ""
    cells: Formulas = NONE


def headings(page: Page, title: str, note: str, blocks: Sequence[tuple[Block, Sequence[str]]], left: int) -> None:
    """Five rows: title, note, the names of the blocks, what they are, their units with the problem's labels."""
    page.write(0, 0, title, "title")
    page.write(1, 0, note, "note")
    for block, _ in blocks:
        page.across(2, block.first, block.width, block.name, "name")
    for block, _ in blocks:
        page.across(3, block.first, block.width, block.heading, "heading")
    for at, text in enumerate(PLACES[:left]):
        page.write(4, at, text, "unit")
    for block, named in blocks:
        page.block(4, block.first, units(block.width, named), "unit")
    page.worksheet.freeze_panes(TOP, left)
    page.printed(TOP - 1, sum(block.width for block, _ in blocks), left - 1)


def write_steps(
    book: Book,
    page: Page,
    title: str,
    note: str,
    found: Sequence[Columns],
    backward: bool = False,
    progress: Callable[[int], None] = lambda values: None,
) -> None:
    """A row for each step of each row of the batch."""
    blocks = [columns.block for columns in found]
    lines = sum(block.width for block in blocks if block.kind == "line")
    headings(page, title, note, [(columns.block, columns.labels) for columns in found], left(book.trace))
    for block, named, *_ in found:
        longest = max(
            [len(block.name) / block.width, len(block.heading) * 0.9 / block.width, *(4 + len(n) for n in named)]
        )
        page.worksheet.set_column(block.first, block.columns[-1], min(max(longest + 2, page.styles.digits + 8), 40))
    page.worksheet.set_column(0, 1, 5, None, {})
    if book.tokens:
        page.worksheet.set_column(2, 2, min(max(len(text) for row in book.tokens for text in row) + 2, WIDEST))
    back, edge = (1, len(book.steps) - 1) if backward else (-1, 0)
    for row, i, k, values in rows(book, found):
        places(book, page, row, i, k)
        for columns, numbers in zip(found, values, strict=True):
            formulas = columns.cells.at(row, k == edge, back, i)
            page.block(row, columns.block.first, numbers, columns.live if formulas else columns.style, formulas)
        progress(lines)
    runs: list[range] = []  # of neighbouring values, which are all but those to be edited
    for block in blocks:
        if block.kind != "given":
            begin = runs.pop().start if runs and runs[-1].stop == block.first else block.first
            runs.append(range(begin, block.columns.stop))
    if runs:
        valid = next((block.first for block in blocks if block.name == VALID), None) if book.padded else None
        page.shown(TOP, book.height - 1, runs, valid)


def places(book: Book, page: Page, row: int, i: int, k: int) -> None:
    """The cells on the left of a row: of the i-th row of the batch and the k-th step."""
    page.write(row, 0, book.rows[i], "place")
    page.write(row, 1, book.steps[k], "place")
    if book.tokens:
        page.write(row, 2, book.tokens[i][k], "place")


def rows(book: Book, found: Sequence[Columns]) -> Iterator[tuple[int, int, int, list[list[float]]]]:
    """(row, position in the batch, position in the steps, the numbers of each block) of every row, in order."""
    row = TOP
    for i in range(len(book.rows)):
        for at in range(0, len(book.steps), PIECE):
            piece = [columns.values[at : at + PIECE, i].tolist() for columns in found]
            for k, numbers in enumerate(zip(*piece, strict=True), at):
                if book.kept[k, i]:
                    yield row, i, k, list(numbers)
                    row += 1
