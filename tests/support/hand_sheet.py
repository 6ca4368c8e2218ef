"""The sheet "By hand" as a person reads it: boxes with a symbol above, under the title of their step.

Nothing here knows the package's layout: boxes are found by their borders.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

SHEET = "By hand"


class Box(NamedTuple):
    """A matrix or vector. cells: openpyxl's, by rows; symbol: the text above; step: the title over its columns."""

    symbol: str
    step: str
    cells: tuple[tuple[Any, ...], ...]

    @property
    def values(self) -> Any:
        """What stands in the cells."""
        return np.array([[cell.value for cell in row] for row in self.cells])

    @property
    def blue(self) -> bool:
        """Whether its numbers are to be changed."""
        return all(str(cell.font.color.rgb).endswith("1F3FBF") for row in self.cells for cell in row if cell.font.color)


def _step(sheet: Any, row: int, column: int) -> str:
    """The nearest title above that lies over a column."""
    found = ""
    for area in sheet.merged_cells.ranges:
        text = sheet.cell(area.min_row, area.min_col).value
        if re.fullmatch(r"Step \d+", str(text)) and area.min_row < row and area.min_col <= column <= area.max_col:
            found = max(found, f"{area.min_row:06} {text}")
    return found[7:]


def boxes(book: Any) -> list[Box]:
    """Every box, from the top and from left to right."""
    sheet, found = book[SHEET], []
    for row in sheet.iter_rows(min_row=4):
        for cell in row:
            if cell.border.top.style and cell.border.left.style:
                bottom, right = cell.row, cell.column
                while not sheet.cell(bottom, cell.column).border.bottom.style:
                    bottom += 1
                while not sheet.cell(cell.row, right).border.right.style:
                    right += 1
                cells = tuple(sheet.iter_rows(cell.row, bottom, cell.column, right))
                above = sheet.cell(cell.row - 1, cell.column).value
                found.append(Box(str(above or ""), _step(sheet, cell.row, cell.column), cells))
    return found


def bands(book: Any) -> dict[str, list[Box]]:
    """The boxes by the titles in the first column that they stand beside, those of the first row of steps."""
    sheet = book[SHEET]
    titles = {row[0].row: str(row[0].value) for row in sheet.iter_rows(min_row=4) if row[0].font.b and row[0].value}
    found: dict[str, list[Box]] = {}
    for box in boxes(book):
        row = box.cells[0][0].row
        begin = max((top for top in titles if top < row), default=0)
        if begin and begin == min(top for top, text in titles.items() if text == titles[begin]):
            found.setdefault(titles[begin], []).append(box)
    return found
