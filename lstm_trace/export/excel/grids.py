"""The sheets of values: a row for each step of each sequence; what is to be changed; gradients of weights; the check.

If inputs, initial states and weights are on "By hand", their sheets show the numbers of that sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ...base.arrays import Array, runs
from ...cell.lines import GatheredSum
from ...cell.network import VALID, X, layer_and_direction
from ...trace.address import columns_of
from ...trace.labels import axis, labels, sides
from .formulas import NONE, Formulas, area, column
from .page import TEXTS, Page, units
from .sheets import TOP, TOTALS, Book, StepGrid, ValueBlock, WeightTable, left, place_names

#: Characters that the column of labels shows at most.
WIDEST = 24
#: Steps whose numbers are read at once.
PIECE = 64


class BlockColumns(NamedTuple):
    """A block with its labels and its numbers (steps, batch rows, width), and its formulas if it has any.

    style: of the numbers; the style of formulas is `live`.
    """

    block: ValueBlock
    labels: Sequence[str]
    values: Array
    style: str
    live: str = ""
    formulas: Formulas = NONE


def headings(
    page: Page, title: str, note: str, blocks: Sequence[tuple[ValueBlock, Sequence[str]]], places: Sequence[str],
    height: int, first: int,
) -> None:  # fmt: skip
    """Five rows: title, note, the names of the blocks, what they are, their units with the problem's labels.

    height: how many rows the sheet has. first: the number of the first unit.
    """
    page.titled(title, note)
    for block, _ in blocks:
        page.across(2, block.first, block.width, block.name, "name")
    for block, _ in blocks:
        page.across(3, block.first, block.width, block.heading, "heading")
    for at, text in enumerate(places):
        page.write(4, at, text, "unit")
    for block, named in blocks:
        page.block(4, block.first, units(block.width, named, first, block.across), "unit")
    page.printed(TOP, len(places), blocks[-1][0].columns[-1] + 1 - len(places), height - 1)


def write_steps(
    book: Book, page: Page, title: str, note: str, found: Sequence[BlockColumns],
    progress: Callable[[int], None] = lambda values: None,
) -> None:  # fmt: skip
    """A row for each step of each row of the batch."""
    blocks = [columns.block for columns in found]
    lines = sum(block.width for block in blocks if block.kind == "line")
    named = [(columns.block, columns.labels) for columns in found]
    headings(page, title, note, named, place_names(book.trace), book.height, book.trace.header.count_from)
    for block, names, *_ in found:
        longest = max([max(len(block.name), len(block.heading) * 0.9) / block.width, *(4 + len(n) for n in names)])
        page.worksheet.set_column(block.first, block.columns[-1], min(max(longest + 2, page.styles.digits + 8), 40))
    page.worksheet.set_column(0, left(book.trace) - 1, 5, None, {})
    if book.tokens:
        at = left(book.trace) - 1
        page.worksheet.set_column(at, at, min(max(len(text) for row in book.tokens for text in row) + 2, WIDEST))
    for row, i, k, values in rows(book, found):
        places(book, page, row, i, k)
        for columns, numbers in zip(found, values, strict=True):
            formulas = columns.formulas(row, i, k)
            page.block(row, columns.block.first, numbers, columns.live if formulas else columns.style, formulas)
        progress(lines)
    # all values except those to be edited
    if shown := runs([at for block in blocks if block.kind != "given" for at in block.columns]):
        valid = next((block.first for block in blocks if block.name == VALID), None) if book.padded else None
        page.shown(TOP, book.height - 1, shown, valid)


def places(book: Book, page: Page, row: int, i: int, k: int) -> None:
    """The cells on the left of a row: for the i-th row of the batch and the k-th step."""
    page.write(row, 0, book.rows[i], "place")
    page.write(row, 1, book.steps[k], "place")
    if first := book.trace.header.count_from:
        page.write(row, 2, book.steps[k] + first, "place")
    if book.tokens:
        page.write(row, left(book.trace) - 1, book.tokens[i][k], "place")


def rows(book: Book, found: Sequence[BlockColumns]) -> Iterator[tuple[int, int, int, list[list[float]]]]:
    """(row, position in the batch, position in the steps, the numbers of each block) of every row, in order."""
    row = TOP
    for i in range(len(book.rows)):
        for at in range(0, len(book.steps), PIECE):
            piece = [columns.values[at : at + PIECE, i].tolist() for columns in found]
            for k, numbers in enumerate(zip(*piece, strict=True), at):
                if book.kept[k, i]:
                    yield row, i, k, list(numbers)
                    row += 1


_NOTES = TEXTS["notes"]
#: Where a number is to be changed instead: from (scope, name) of a parameter, or (scope, name, t, position of the row),
#: and the row and column of the number within it; empty if it is to be changed here. The input has no scope.
Elsewhere = Callable[[tuple[str | int, ...], int, int], str]


def copies(book: Book, scope: str, name: str, width: int, elsewhere: Elsewhere) -> Formulas:
    """The formulas of a block of given numbers: none if the numbers are to be changed here."""
    if not elsewhere((scope, name, book.steps[0], 0), 0, 0):
        return NONE
    return lambda row, i, k: _moved((scope, name, book.steps[k], i), width, elsewhere)


def _moved(key: tuple[str | int, ...], width: int, elsewhere: Elsewhere) -> list[str] | None:
    """The formulas of the units of a value; None if any is to be changed here."""
    found = [elsewhere(key, j, 0) for j in range(width)]
    return found if all(found) else None


def inputs(book: Book, page: Page, elsewhere: Elsewhere) -> None:
    """The input."""
    x = book.trace.x
    assert x is not None
    block = ValueBlock("x_t", "given", left(book.trace), x.shape[-1], False, "the input")
    named = labels(book.trace, "x", block.width)
    found = copies(book, "", X, block.width, elsewhere)
    columns = BlockColumns(block, named, x[book.window, book.batch], "input", "shown", found)
    note = _NOTES["inputs" if found is NONE else "by_hand"]
    write_steps(book, page, f"Inputs{_of_side(book.side)}", note, [columns])
    page.named(book.named("x_t").replace(" ", "_"), TOP, block.first, book.height - TOP, block.width)


def initial(book: Book, page: Page, elsewhere: Elsewhere) -> None:
    """Lengths and initial states, a row for each batch row."""
    blocks = []
    for start in book.starts:
        what = f"{start.state}, {start.scope}" if start.scope else "steps of the row"
        across = columns_of(book.trace, start.scope, start.state)
        block = ValueBlock(start.range, "given", start.first, start.values.shape[-1], False, what, across)
        blocks.append((block, labels(book.trace, "h", block.width) if start.scope else ()))

    def formulas(scope: str, state: str, i: int, width: int) -> Sequence[str] | None:
        if not scope:
            return None
        edge = book.trace.span[-1 if book.grids[scope].stage.backwards else 0]
        return _moved((scope, state, edge, i), width, elsewhere)

    moved = any(formulas(s.scope, s.state, 0, 1) for s in book.starts)
    called, note = f"Initial states{_of_side(book.side)}", _NOTES["by_hand" if moved else "initial"]
    headings(page, called, note, blocks, ["row"], TOP + len(book.rows), book.trace.header.count_from)
    for i, b in enumerate(book.rows):
        page.write(TOP + i, 0, b, "place")
        for start in book.starts:
            found = formulas(start.scope, start.state, i, start.values.shape[-1])
            page.block(TOP + i, start.first, start.values[i].tolist(), "shown" if found else "input", found)
    for block, _ in blocks:
        page.named(block.name, TOP, block.first, len(book.rows), block.width)
        page.worksheet.set_column(block.first, block.columns[-1], max(14, 18 / block.width))


def weights(book: Book, grid: StepGrid, page: Page, elsewhere: Elsewhere) -> None:
    """The parameters of one layer and direction, one below the other."""
    tables, first = book.tables[grid.stage.scope], book.trace.header.count_from
    moved = [bool(elsewhere((grid.stage.owner, table.name), 0, 0)) for table in tables]
    page.titled(f"{title(grid)}: weights", _NOTES["by_hand" if any(moved) else "weights"])
    for table, away in zip(tables, moved, strict=True):
        values, key = table.matrix, (grid.stage.owner, table.name)
        size = " × ".join(map(str, table.values.shape))
        page.write(table.top, 0, table.name, "name")
        page.write(table.top, 1, f"{size}, named {table.range}", "note")
        across, down = _sides(book, grid, table)
        page.write(table.top + 1, 0, "", "unit")
        if table.values.ndim == 2:
            page.block(table.top + 1, 1, units(values.shape[1], across, first), "unit")
        for j, (name, numbers) in enumerate(zip(units(len(values), down, first), values.tolist(), strict=True)):
            page.write(table.top + 2 + j, 0, name, "place")
            formulas = [elsewhere(key, j, k) for k in range(len(numbers))]
            page.block(table.top + 2 + j, 1, numbers, "shown" if away else "weight", formulas)
        if not away:
            page.named(table.range, table.top + 2, 1, *values.shape)
    page.worksheet.set_column(0, 0, 16)
    page.worksheet.set_column(1, max(table.matrix.shape[1] for table in tables), 13)
    page.printed(2, 1)


def title(grid: StepGrid) -> str:
    """A layer and direction in words."""
    layer, direction = layer_and_direction(grid.stage.owner)
    return f"{'Gradient of layer' if grid.stage.is_adjoint else 'Layer'} {layer}, {direction}{_of_side(grid.side)}"


def _of_side(side: str) -> str:
    """Which of two traces a sheet shows, in its title."""
    return side and f" ({side})"


def _sides(book: Book, grid: StepGrid, table: WeightTable) -> tuple[Sequence[str], Sequence[str]]:
    """Labels of the columns (what the matrix multiplies) and rows (the units that it feeds) of a parameter."""
    down, *across = (
        labels(book.trace, axis(book.trace, grid.stage, name), size)
        for name, size in zip(sides(grid.stage.cell, table.name), table.values.shape, strict=False)
    )
    return across[0] if across else (), down


def write_totals(book: Book, grid: StepGrid, tables: tuple[WeightTable, ...], page: Page) -> None:
    """One below the other; each row of values is followed, a column further, by the recorded ones."""
    of = dict(grid.stage.cell.gradient)
    sums = {gathered.name: gathered for gathered in grid.stage.cell.sums}
    page.titled(f"{grid.sheet}: weights", _NOTES["totals"])
    widest, first = max(table.matrix.shape[1] for table in tables), book.trace.header.count_from
    for table in tables:
        values = table.matrix
        page.write(table.top, 0, f"∂L/∂{of.get(table.name, table.name)}", "name")
        page.write(table.top, 1, f"{sums[table.name].text.replace(' <-', ' =')}, over all rows", "note")
        page.write(table.top + 1, 0, "", "unit")
        page.block(table.top + 1, 1, units(values.shape[1], (), first) if table.values.ndim == 2 else [""], "unit")
        page.block(table.top + 1, widest + 2, ["recorded"] + [""] * (values.shape[1] - 1), "unit")
        for j, numbers in enumerate(values.tolist()):
            page.write(table.top + 2 + j, 0, f"[{j + first}]", "place")
            formulas = [_formula(book, grid, sums[table.name], j, k, len(numbers)) for k in range(len(numbers))]
            page.block(table.top + 2 + j, 1, numbers, "result", formulas)
            page.block(table.top + 2 + j, widest + 2, numbers, "recorded")
        page.named(table.range, table.top + 2, 1, *values.shape)
    page.worksheet.set_column(0, 0, 16)
    page.worksheet.set_column(1, 2 * widest + 1, max(13, page.styles.digits + 8))
    page.shown(2, tables[-1].top + 1 + len(tables[-1].values), [range(1, 2 * widest + 2)])
    page.printed(2, 1)


def _formula(book: Book, grid: StepGrid, gathered: GatheredSum, j: int, k: int, columns: int) -> str:
    """The sum over all rows of the product of two columns, or of one column. columns: those of the gradient."""

    def rows(name: str, unit: int) -> str:
        block = grid.blocks[name]
        letters = column(block.first + (unit if block.width > 1 else 0))
        return f"'{grid.sheet}'!{letters}${TOP + 1}:{letters}${book.height}"

    def term(names: tuple[str, ...]) -> str:
        factors = ",".join(map(rows, names, (j, k) if len(names) > 1 else (j * columns + k,)))
        return f"SUMPRODUCT({factors})" if len(names) > 1 else f"SUM({factors})"

    return "+".join(map(term, gathered.terms))


class Compared(NamedTuple):
    """A row of the check. distance: the largest difference, as a formula over arrays."""

    sheet: str
    name: str
    equation: str
    values: int
    distance: str


def distance(live: str, record: str) -> str:
    """How far cells are from the recorded ones; 1 if something is in the place of a value that is not a number."""
    return f"MAX(IF(ISNUMBER({record}),ABS({live}-{record}),IF(ISNUMBER({live}),1,0)))"


def _compared(book: Book) -> Iterator[Compared]:
    """What the check compares."""
    for scope, grid in book.grids.items():
        for block in grid.lines:
            cells = area(TOP, block.first, book.height - 1, block.columns[-1])
            count = block.width * len(book.rows) * len(book.steps)
            far = distance(f"'{grid.sheet}'!{cells}", f"'{grid.recorded}'!{cells}")
            yield Compared(grid.sheet, block.name, block.heading, count, far)
        tables = book.totals.get(scope, ())
        beside = 2 + max((table.matrix.shape[1] for table in tables), default=0)
        for table in tables:
            top, (height, width) = table.top + 2, table.matrix.shape
            places = (area(top, left, top + height - 1, left + width - 1) for left in (1, beside))
            far = distance(*(f"'{grid.named(TOTALS)}'!{cells}" for cells in places))
            yield Compared(grid.named(TOTALS), table.name, "", table.values.size, far)


def write_check(book: Book, page: Page, more: Iterable[Compared] = ()) -> None:
    """For each line the largest difference between the live cells and the record; the largest of all on top.

    Args:
        book: the workbook.
        page: the sheet.
        more: what else is compared, after the lines of the layers.
    """
    found = [*_compared(book), *more]
    begin, end = 8, 7 + len(found)
    page.titled("Check", _NOTES["check"])
    page.write(3, 0, "Largest difference", "name")
    page.write(3, 1, 0.0, "difference", formula=f"MAX(E{begin + 1}:E{end + 1})")
    page.write(3, 2, "as recorded", "verdict", formula='IF(B4<=B5,"as recorded","changed")')
    page.write(4, 0, "Rounding explains", "text")
    page.write(4, 1, 1e-9 if book.trace.header.dtype == "float64" else 1e-4, "difference")
    for at, text in enumerate(("sheet", "line", "equation", "values", "largest difference")):
        page.write(7, at, text, "column" if at < 3 else "unit")
    for row, (sheet, name, equation, values, farthest) in enumerate(found, begin):
        page.link(row, 0, sheet)
        page.write(row, 1, name, "text")
        page.write(row, 2, equation, "text")
        page.write(row, 3, values, "count")
        look = page.styles.looks["difference", "plain"]
        page.worksheet.write_array_formula(row, 4, row, 4, farthest, look, 0.0)  # it goes through whole ranges
    nothing = {"type": "cell", "criteria": "==", "value": 0, "format": page.styles.rules["zero"]}
    limit = {"type": "cell", "criteria": ">", "value": "$B$5", "format": page.styles.rules["differs"]}
    for rule in (nothing, limit):
        page.worksheet.conditional_format(begin, 4, end, 4, rule)
        page.worksheet.conditional_format(3, 1, 3, 1, rule)
    for at, width in enumerate((22, 24, 40, 10, 18)):
        page.worksheet.set_column(at, at, width)
    page.printed(8)
