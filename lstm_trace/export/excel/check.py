"""How far the live cells are from the recorded numbers, for each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .formulas import column
from .page import Page
from .sheets import TOP, Book
from .texts import TEXTS
from .totals import areas


class Compared(NamedTuple):
    """A row of the check. distance: the largest difference, as a formula over arrays."""

    sheet: str
    name: str
    equation: str
    values: int
    distance: str


def distance(live: str, record: str) -> str:
    """How far cells are from the recorded ones; 1 where something stands in place of a value that is none."""
    return f"MAX(IF(ISNUMBER({record}),ABS({live}-{record}),IF(ISNUMBER({live}),1,0)))"


def _compared(book: Book) -> Iterator[Compared]:
    """What the check compares."""
    for scope, grid in book.grids.items():
        for block in grid.lines:
            area = f"{column(block.first)}{TOP + 1}:{column(block.columns[-1])}{book.height}"
            count = block.width * len(book.rows) * len(book.steps)
            far = distance(f"'{grid.sheet}'!{area}", f"'{grid.recorded}'!{area}")
            yield Compared(grid.sheet, block.name, block.heading, count, far)
        tables = book.totals.get(scope, ())
        for table in tables:
            live, record = (f"'{grid.totals}'!{area}" for area in areas(tables, table))
            yield Compared(grid.totals, table.name, "", table.values.size, distance(live, record))


def write_check(book: Book, page: Page, more: Iterable[Compared] = ()) -> None:
    """For each line the largest difference between the live cells and the record; the largest of all on top.

    Args:
        book: the workbook.
        page: the sheet.
        more: what else is compared, after the lines of the layers.
    """
    found = [*_compared(book), *more]
    begin, end = 8, 7 + len(found)
    page.write(0, 0, "Check", "title")
    page.write(1, 0, TEXTS["notes"]["check"], "note")
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
    limit = {"type": "cell", "criteria": ">", "value": "$B$5", "format": page.styles.rules["alarm"]}
    for rule in (nothing, limit):
        page.worksheet.conditional_format(begin, 4, end, 4, rule)
        page.worksheet.conditional_format(3, 1, 3, 1, rule)
    for at, width in enumerate((22, 24, 40, 10, 18)):
        page.worksheet.set_column(at, at, width)
    page.worksheet.freeze_panes(8, 0)
    page.printed(7)
