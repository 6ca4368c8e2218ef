"""Sheets of what is to be changed: inputs, initial states, weights. Where they stand on "By hand", these show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...cell.network import X, layer_and_direction
from ...trace.labels import axis, labels
from .cells import Cells
from .page import Page, units
from .sheets import TOP, Block, Book, Grid, Table, left
from .steps import NONE, Columns, Formulas, headings, write_steps
from .texts import TEXTS

_NOTES = TEXTS["notes"]
#: Where a number is to be changed instead: from (scope, name) of a parameter, or (scope, name, t, position of the row),
#: and the row and column of the number within it; empty where it is to be changed here. The input has no scope.
Elsewhere = Callable[[tuple[str | int, ...], int, int], str]


@dataclass(frozen=True)
class Copies:
    """The formulas of a block whose numbers are to be changed elsewhere."""

    book: Book
    scope: str
    name: str
    width: int
    elsewhere: Elsewhere

    def at(self, row: int, edge: bool, back: int, b: int) -> tuple[str, ...] | None:
        """The formulas in `row`."""
        t = self.book.steps[(row - TOP) % len(self.book.steps)]
        found = tuple(self.elsewhere((self.scope, self.name, t, b), j, 0) for j in range(self.width))
        return found if all(found) else None


def copies(book: Book, scope: str, block: Block, elsewhere: Elsewhere) -> Formulas:
    """The formulas of a block of given numbers: none where they are to be changed here."""
    there = elsewhere((scope, block.name, book.steps[0], 0), 0, 0)
    return Copies(book, scope, block.name, block.width, elsewhere) if there else NONE


def inputs(book: Book, page: Page, elsewhere: Elsewhere) -> None:
    """The input."""
    x = book.trace.x
    assert x is not None
    block = Block("x_t", "given", left(book.trace), x.shape[-1], False, "the input")
    named = labels(book.trace, "x", block.width)
    found = copies(book, "", block._replace(name=X), elsewhere)
    values = x[book.window, book.batch]
    note = _NOTES["inputs" if isinstance(found, Cells) else "by_hand"]
    write_steps(book, page, "Inputs", note, [Columns(block, named, values, "input", "shown", found)])
    page.named("x_t", TOP, block.first, book.height - TOP, block.width)


def initial(book: Book, page: Page, elsewhere: Elsewhere) -> None:
    """Lengths and initial states, a row for each batch row."""
    blocks = []
    for start in book.starts:
        what = f"{start.state}, {start.scope}" if start.scope else "steps of the row"
        block = Block(start.range, "given", start.first, start.values.shape[-1], False, what)
        blocks.append((block, labels(book.trace, "h", block.width) if start.scope else ()))

    def formulas(scope: str, state: str, i: int, width: int) -> Sequence[str] | None:
        if not scope:
            return None
        edge = book.trace.span[-1 if book.grids[scope].stage.backwards else 0]
        found = [elsewhere((scope, state, edge, i), j, 0) for j in range(width)]
        return found if all(found) else None

    moved = any(formulas(s.scope, s.state, 0, 1) for s in book.starts)
    headings(page, "Initial states", _NOTES["by_hand" if moved else "initial"], blocks, 1)
    for i, b in enumerate(book.rows):
        page.write(TOP + i, 0, b, "place")
        for start in book.starts:
            found = formulas(start.scope, start.state, i, start.values.shape[-1])
            page.block(TOP + i, start.first, start.values[i].tolist(), "shown" if found else "input", found)
    for block, _ in blocks:
        page.named(block.name, TOP, block.first, len(book.rows), block.width)
        page.worksheet.set_column(block.first, block.columns[-1], max(14, 18 / block.width))


def weights(book: Book, grid: Grid, page: Page, elsewhere: Elsewhere) -> None:
    """The parameters of one layer and direction, one below the other."""
    tables = book.tables[grid.stage.scope]
    moved = [bool(elsewhere((grid.stage.owner, table.name), 0, 0)) for table in tables]
    page.write(0, 0, f"{title(grid)}: weights", "title")
    page.write(1, 0, _NOTES["by_hand" if any(moved) else "weights"], "note")
    widest = 1
    for table, away in zip(tables, moved, strict=True):
        values = table.values if table.values.ndim == 2 else table.values[:, None]
        size = " × ".join(map(str, table.values.shape))
        page.write(table.top, 0, table.name, "name")
        page.write(table.top, 1, f"{size}, named {table.range}", "note")
        across, down = _sides(book, grid, table)
        page.write(table.top + 1, 0, "", "unit")
        if table.values.ndim == 2:
            page.block(table.top + 1, 1, units(values.shape[1], across), "unit")
        named = units(len(values), down)
        for j, (name, numbers) in enumerate(zip(named, values.tolist(), strict=True)):
            row = table.top + 2 + j
            page.write(row, 0, name, "place")
            for k, value in enumerate(numbers):
                formula = elsewhere((grid.stage.owner, table.name), j, k)
                page.write(row, k + 1, value, "shown" if away else "weight", formula=formula)
        widest = max(widest, values.shape[1])
        if not away:
            page.named(table.range, table.top + 2, 1, *values.shape)
    page.worksheet.set_column(0, 0, 16)
    page.worksheet.set_column(1, widest, 13)
    page.worksheet.freeze_panes(2, 1)
    page.printed(None)


def title(grid: Grid) -> str:
    """A layer and direction in words."""
    layer, direction = layer_and_direction(grid.stage.owner)
    return f"{'Gradient of layer' if grid.stage.is_adjoint else 'Layer'} {layer}, {direction}"


def _sides(book: Book, grid: Grid, table: Table) -> tuple[Sequence[str], Sequence[str]]:
    """Labels of the columns (what the matrix multiplies) and rows (the units that it feeds) of a parameter."""
    line, *_ = grid.stage.cell.parameters[table.name]
    names = [line.name] if line.product is None else [line.name, line.product[1]]
    if line.op == "vecmat":
        names.reverse()
    down, *across = (
        labels(book.trace, axis(book.trace, grid.stage, name), size)
        for name, size in zip(names, table.values.shape, strict=False)
    )
    return across[0] if across else (), down
