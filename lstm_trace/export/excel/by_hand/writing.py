"""The sheet as it is written: from top to bottom, in the colours of the roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..page import Page
from ..texts import TEXTS
from .charts import Arranged, draw
from .formulas import Entry, address, entries, is_edited
from .layout import Layout, Placed
from .names import Runs, plain
from .roles import ROLES, role

_TEXTS = TEXTS["by_hand"]
_Write = Callable[[], None]


class Pen:
    """What is to be written, by row and column; formats are made once."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells: dict[tuple[int, int], _Write] = {}
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def look(self, **look: Any) -> Any:
        """A format."""
        found = tuple(sorted(look.items()))
        if found not in self.formats:
            base = {"font_name": "Calibri", "font_size": 11, "valign": "vcenter"}
            self.formats[found] = self.page.workbook.add_format({**base, **look})
        return self.formats[found]

    def number(self, entry: Entry, edges: dict[str, Any], named: str) -> None:
        """A number, in the colour of its role and with the edges of its matrix or vector."""
        look = {**_TEXTS["roles"][named][0], **_TEXTS["kinds"][entry.style], **edges}
        if look.get("num_format") == "value":
            look["num_format"] = self.page.styles.fixed
            look["shrink"] = True  # rather than ###; General rounds by itself
        made = self.look(**look)
        self.cells[entry.row, entry.column] = lambda: self.page.put(
            entry.row, entry.column, entry.value, made, entry.formula
        )

    def text(self, row: int, at: int, text: str | Runs, width: int = 1, **look: Any) -> None:
        """A text over some columns, with indices that stand lower."""
        parts = ((text, False),) if isinstance(text, str) else text
        self.cells[row, at] = lambda: self._text(row, at, parts, width, look)

    def _text(self, row: int, at: int, parts: Runs, width: int, look: dict[str, Any]) -> None:
        sheet, made = self.page.worksheet, self.look(**look)
        if width > 1:
            sheet.merge_range(row, at, row, at + width - 1, "", made)
        if len(parts) == 1:
            self.page.put(row, at, parts[0][0], made)
            return
        font = {name: value for name, value in look.items() if name in ("font_size", "font_color", "bold", "italic")}
        tokens: list[Any] = []
        for text, low in parts:
            tokens += [self.look(**font, font_script=2) if low else self.look(**font), text]
        sheet.write_rich_string(row, at, *tokens, made)

    def done(self) -> None:
        """Write the cells from top to bottom."""
        for _, write in sorted(self.cells.items(), key=lambda cell: cell[0]):
            write()


def write(found: Arranged, page: Page) -> None:
    """Write the sheet.

    Args:
        found: where everything stands.
        page: the sheet.
    """
    layout, pen, sheet = found.layout, Pen(page), page.worksheet
    for at, size in enumerate(layout.columns):
        sheet.set_column_pixels(at, at, size)
    for row, size in layout.rows.items():
        sheet.set_row_pixels(row, size)
    header = layout.book.trace.header
    pen.text(0, 0, header.title or f"The cell {header.kind}", bold=True, font_size=15)
    numbers = list(entries(layout))
    pen.text(1, 0, _note(layout, numbers), font_color="#595959")
    _legend(layout, pen)
    for title in layout.titles:
        pen.text(title.row, title.column, title.text, title.width, **_TEXTS["titles"][title.style])
    for row, band in layout.bands:
        text = _TEXTS["bands"].get(band.title, band.title)
        last = band.rows[-1][-1][-1].name
        pen.text(row, 0, text or layout.called.symbol(band.grid.stage, last), bold=True)
    for row, name in layout.names:
        pen.text(row, 0, name, font_color="#595959", align="right", indent=1)
    _pieces(layout, pen)
    _numbers(numbers, pen)
    pen.done()
    _named(layout, page)
    draw(found, page)
    sheet.freeze_panes(0, 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(0.3, 0.3, 0.3, 0.3)
    sheet.center_horizontally()
    sheet.fit_to_pages(1, 1)
    sheet.print_area(0, 0, found.end, len(layout.columns) - 1)


def _note(layout: Layout, numbers: Iterable[Entry]) -> str:
    """What is to be known of the sheet."""
    partly = any(entry.style == "recorded" for entry in numbers)
    back = any(grid.stage.is_adjoint for grid in layout.book.grids.values())
    text: str = _TEXTS["note"] + _TEXTS["recorded"] * partly + _TEXTS["back"] * back
    return text


def _legend(layout: Layout, pen: Pen) -> None:
    """The roles that occur, each in its colour, over as many columns as its text needs."""
    there = {role(p.grid.stage, p.piece.name) for p in layout.pieces if p.piece.is_value}
    at = 0
    for name in ROLES:
        if name in there and at < len(layout.columns):
            look, text = _TEXTS["roles"][name]
            begin, room = at, 0
            while at < len(layout.columns) and room < len(text) * 6.5 + 12:
                room += layout.columns[at]
                at += 1
            pen.text(2, begin, text, at - begin, font_size=10, align="center", **look)


def _pieces(layout: Layout, pen: Pen) -> None:
    """Signs, and the symbols above what they stand for."""
    for found in layout.pieces:
        stage = found.grid.stage
        if found.piece.is_value:
            symbol = layout.called.symbol(stage, found.piece.name, found.t)
            if found.piece.flipped:
                symbol = (*symbol, ("ᵀ", False))
            if len(plain(symbol)) <= 4 + 8 * found.width or found.piece.name.isidentifier():
                pen.text(found.row - 1, found.column, symbol, found.width, **_TEXTS["titles"]["symbol"])
            continue
        look = {**_TEXTS["titles"]["sign"], "valign": "vcenter" if found.height % 2 else "bottom"}
        text: str | Runs = found.piece.name
        if found.piece.kind == "symbol":
            text = (
                *layout.called.symbol(stage, found.piece.name, found.t),
                ("ᵀ ×" if found.piece.flipped else " ×", False),
            )
        pen.text(found.row + (found.height - 1) // 2, found.column, text, **look)


def _numbers(numbers: Iterable[Entry], pen: Pen) -> None:
    areas: list[str] = []
    for entry in numbers:
        placed = entry.placed
        pen.number(entry, _edges(entry, placed), role(placed.grid.stage, placed.piece.name))
        if entry.style not in ("edit", "given") and (entry.row, entry.column) == (placed.row, placed.column):
            last = address(placed.row + placed.height - 1, placed.column + placed.width - 1)
            areas.append(f"{address(placed.row, placed.column)}:{last}")
    pen.page.sized(areas)


def _named(layout: Layout, page: Page) -> None:
    """The names of weights lead here."""
    for owner, tables in layout.book.tables.items():
        for table in tables:
            home = layout.homes.get((owner, table.name))
            if home is not None and is_edited(layout, home):
                page.named(table.range, home.row, home.column, home.height, home.width)


def _edges(entry: Entry, placed: Placed) -> dict[str, Any]:
    """The lines round a matrix or vector."""
    line = {
        "top": entry.row == placed.row,
        "bottom": entry.row == placed.row + placed.height - 1,
        "left": entry.column == placed.column,
        "right": entry.column == placed.column + placed.width - 1,
    }
    return {side: 1 for side, there in line.items() if there}
