"""The gradients of the parameters: what an adjoint gathers over all steps, live, beside the recorded numbers."""

from __future__ import annotations

from ...base.arrays import Array
from ...cell.lines import Sum
from .formulas import column
from .page import Page, units
from .sheets import TOP, Book, Grid, Table
from .texts import TEXTS


def write_totals(book: Book, grid: Grid, tables: tuple[Table, ...], page: Page) -> None:
    """One below the other; each row of values is followed, a column further, by the recorded ones."""
    of = dict(grid.stage.cell.gradient)
    sums = {gathered.name: gathered for gathered in grid.stage.cell.sums}
    page.write(0, 0, f"{grid.sheet}: weights", "title")
    page.write(1, 0, TEXTS["notes"]["totals"], "note")
    widest = max(_values(table).shape[1] for table in tables)
    for table in tables:
        values = _values(table)
        page.write(table.top, 0, f"∂L/∂{of.get(table.name, table.name)}", "name")
        page.write(table.top, 1, f"{sums[table.name].text.replace(' <-', ' =')}, over all rows", "note")
        page.write(table.top + 1, 0, "", "unit")
        page.block(table.top + 1, 1, units(values.shape[1], ()) if table.values.ndim == 2 else [""], "unit")
        page.block(table.top + 1, widest + 2, ["recorded"] + [""] * (values.shape[1] - 1), "unit")
        for j, numbers in enumerate(values.tolist()):
            page.write(table.top + 2 + j, 0, f"[{j}]", "place")
            formulas = [_formula(book, grid, sums[table.name], j, k) for k in range(len(numbers))]
            page.block(table.top + 2 + j, 1, numbers, "result", formulas)
            page.block(table.top + 2 + j, widest + 2, numbers, "recorded")
        page.named(table.range, table.top + 2, 1, *values.shape)
    page.worksheet.set_column(0, 0, 16)
    page.worksheet.set_column(1, 2 * widest + 1, max(13, page.styles.digits + 8))
    page.worksheet.freeze_panes(2, 1)
    page.shown(2, tables[-1].top + 1 + len(tables[-1].values), [range(1, 2 * widest + 2)])
    page.printed(None)


def areas(tables: tuple[Table, ...], table: Table) -> tuple[str, str]:
    """Where the live and the recorded numbers of a table stand."""
    widest = max(_values(other).shape[1] for other in tables)
    rows, columns = _values(table).shape

    def area(left: int) -> str:
        return f"{column(left)}{table.top + 3}:{column(left + columns - 1)}{table.top + 2 + rows}"

    return area(1), area(widest + 2)


def _values(table: Table) -> Array:
    return table.values if table.values.ndim == 2 else table.values[:, None]


def _formula(book: Book, grid: Grid, gathered: Sum, j: int, k: int) -> str:
    """The sum over all rows of the product of two columns, or of one column."""

    def rows(name: str, unit: int) -> str:
        block = grid.blocks[name]
        letters = column(block.first + (unit if block.width > 1 else 0))
        return f"'{grid.sheet}'!{letters}${TOP + 1}:{letters}${book.height}"

    def term(names: tuple[str, ...]) -> str:
        if len(names) == 1:
            return f"SUM({rows(names[0], j)})"
        return f"SUMPRODUCT({rows(names[0], j)},{rows(names[1], k)})"

    return "+".join(map(term, gathered.terms))
