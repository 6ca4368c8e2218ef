"""How the sheet By hand is drawn, in the colours of the roles, and whether a problem is small enough for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ....trace.trace import Trace
from ..charts import ROLES, ends, line_looks, of_units, role
from ..formulas import area, rounding
from ..page import LARGE, TEXTS, Page, on_purpose
from ..sheets import ENTRIES, STEPS, TOP, Book, ValueBlock
from .chains import Runs, begun, plain, plan
from .layout import CHARACTER, ROW, HandLayout, SheetCell, SheetText, entries, is_edited, laid, points

#: Larger numbers of sequences and digits are not tried.
SEQUENCES, NUMBERS = 6, 2000
#: The size of a digit on paper, in points: smaller ones are unreadable, and above the second nothing is gained.
LEAST, ENOUGH = 4.7, 7.5
#: Numbers longer than this are nobody's own.
WRITTEN = 11
#: Decimals that are shown unless others are requested.
SHOWN_DIGITS = 4


def shown_digits(trace: Trace, asked: int | None) -> int:
    """How many decimals are shown: as many as a person notes, if the trace was rounded by hand."""
    return next(n for n in (asked, rounding(trace.header.arithmetic), SHOWN_DIGITS) if n is not None)


def by_hand(book: Book, digits: int) -> Arranged | str:
    """The sheet of a workbook that was laid out, or why it has none.

    Args:
        book: the workbook.
        digits: decimals that are shown.

    Returns:
        The sheet with the number of steps next to each other that makes its digits largest, or a reason in words.
    """
    if not book.live:
        return "its cells are plain numbers (--values)"
    if all(grid.stage.is_adjoint for grid in book.grids.values()):
        return "it shows the forward pass, which was not chosen"
    if (arithmetic := book.trace.header.arithmetic) is not None and rounding(arithmetic) is None:
        return f"a spreadsheet cannot compute in {arithmetic}"
    widths = [block.width for grid in book.grids.values() for block in grid.blocks.values()]
    counts = (
        (max(widths), ENTRIES, "entries of a vector"), (len(book.steps), STEPS, "steps"),
        (len(book.rows), SEQUENCES, "sequences"), (sum(widths) * len(book.steps) * len(book.rows), NUMBERS, "numbers"),
    )  # fmt: skip
    for found, most, what in counts:
        if found > most:
            return f"{found} {what} do not fit on one page; choose at most {most}"
    planned, number = plan(book), int((_longest(book, digits) + 0.5) * CHARACTER)
    layouts = (laid(book, planned, across, number) for across in range(len(book.steps), 0, -1))
    best = max((arranged(layout) for layout in layouts), key=lambda found: min(found.points, ENOUGH))
    if best.points < LEAST:
        return f"on one page its digits would have {best.points:.1f} points; fewer steps, layers or sequences would fit"
    return best


def _longest(book: Book, digits: int) -> int:
    """Characters of the longest number: of given numbers as a person wrote them, since others are shown rounded."""
    trace, scopes = book.trace, book.grids
    given = [values for scope in scopes for part in (trace.parameters, trace.initial, trace.given)
             for values in part.get(scope, {}).values()]  # fmt: skip
    written = (len(f"{value:.15g}") for values in [trace.x, *given] if values is not None for value in values.ravel())
    computed = (
        digits + (7 if abs(value) > LARGE else len(f"{value:.0f}") + 1)
        for scope in scopes
        for values in trace.lines[scope].values()
        for value in values[book.window, book.batch].ravel()
        if np.isfinite(value)
    )
    return max([digits + 3, *(n for n in written if n <= WRITTEN), *computed])


#: Pixels of a chart: what it needs, and what it takes if there is room.
WIDTH, HEIGHT, WIDEST, TALLEST = 340, 220, 620, 300
GAP = 10
#: How many charts are shown.
MOST = 4


class ChartSpot(NamedTuple):
    """The place of a chart: a cell, an offset from it in pixels, and its size."""

    row: int
    column: int
    right: int
    down: int
    width: int
    height: int


class Arranged(NamedTuple):
    """A sheet with its charts. points: of a digit on one page. end: the last row."""

    layout: HandLayout
    spots: tuple[ChartSpot, ...]
    points: float
    end: int


def arranged(layout: HandLayout) -> Arranged:
    """The charts at the place that leaves the digits largest: in place of missing steps, or below."""
    count = min(len(list(_charts(layout))), MOST) if len(layout.book.steps) > 1 else 0
    room, used = layout.size
    bare = Arranged(layout, (), points(room, used), layout.height - 1)
    if not count:
        return bare
    if spots := _beside(layout, count):
        return bare._replace(spots=spots)
    width = min(WIDEST, room // count - GAP)
    spots = tuple(ChartSpot(layout.height, 0, 5 + k * (width + GAP), 2, width, HEIGHT) for k in range(count))
    return Arranged(layout, spots, points(room, used + HEIGHT + ROW), layout.height + -(-HEIGHT // ROW))


def _beside(layout: HandLayout, count: int) -> tuple[ChartSpot, ...]:
    """In the last row of steps, after the last of them, one below the other or in columns; none if none fit."""
    top, bottom, steps = layout.panels[-1]
    if steps == layout.across:
        return ()
    begin = layout.starts[steps]
    room, tall = sum(layout.columns[begin:]), layout.pixels(top, bottom)
    for across in range(1, count + 1):
        width, height = min(room // across - GAP, WIDEST), min(tall // -(-count // across) - GAP, TALLEST)
        if width >= WIDTH and height >= HEIGHT:
            corners = ((k % across * (width + GAP), k // across * (height + GAP)) for k in range(count))
            return tuple(ChartSpot(top, begin, *corner, width, height) for corner in corners)
    return ()


def draw(found: Arranged, page: Page) -> None:
    """Insert the charts."""
    words, steps = found.layout.called.words, found.layout.book.steps
    counted, step = words.nth(steps.start) == 1, 1 + words.count_from  # by position: 1, 2, 3; the column t, or step
    last, looks = TOP + len(steps) - 1, TEXTS["by_hand"]["chart"]
    for spot, (name, sheet, series) in zip(found.spots, _charts(found.layout), strict=False):
        chart = page.workbook.add_chart({"type": "line"})
        for block, j, called, look in series:
            values = {"values": [sheet, TOP, block.first + j, last, block.first + j]}
            places = {} if counted else {"categories": [sheet, TOP, step, last, step]}
            colour = {"color": look["color"]}
            marker = {"type": "circle", "size": 5, "fill": colour, "border": colour}
            chart.add_series({"name": called, **places, **values, "line": look, "marker": marker})
        chart.set_title({"name": name, **looks["title"]})
        chart.set_x_axis({"name": "step", **looks["x"]})
        chart.set_y_axis(looks["y"])
        chart.set_legend(looks["legend"])
        chart.set_size({"width": spot.width, "height": spot.height})
        place = {"x_offset": spot.right, "y_offset": spot.down, "object_position": 3}
        page.worksheet.insert_chart(spot.row, spot.column, chart, place)


#: A line of a chart: the unit of a block, what it is called, and its look.
_Series = tuple[ValueBlock, int, str, dict[str, Any]]


def _charts(layout: HandLayout) -> Iterator[tuple[str, str, list[_Series]]]:
    """(title, sheet, lines) of each: a unit with its gates and states, or a line of another width with its entries."""
    called, shades = layout.called, TEXTS["by_hand"]["entries"]
    grids = [grid for grid in layout.book.grids.values() if not grid.stage.is_adjoint]
    for grid in grids:
        place = begun(f"{called.place(grid.stage)}: ") if len(grids) > 1 else ""
        names = of_units(grid.stage)
        blocks, looks = [grid.blocks[name] for name in names if name in grid.blocks], line_looks(grid.stage, names, 2.5)
        width = max((block.width for block in blocks), default=0)
        lines = [(b, called.text(grid.stage, b.name), looks[b.name]) for b in blocks if b.width == width]
        for j in range(width):
            yield f"{place}{called.one(j, width)}", grid.sheet, [(block, j, name, look) for block, name, look in lines]
        for block in (grid.blocks[name] for name in ends(grid.stage) if name in grid.blocks):
            entries = enumerate(called.entries(grid.stage, block.name, block.width))
            series = [(block, j, name, {"color": shades[j % len(shades)], "width": 2}) for j, name in entries]
            yield f"{place}{called.text(grid.stage, block.name)}", grid.sheet, series


_TEXTS = TEXTS["by_hand"]


class Pen:
    """What is to be written, by row and column; each format is made once."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells: dict[tuple[int, int], Callable[[], None]] = {}
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def look(self, **look: Any) -> Any:
        """A format."""
        if (found := tuple(sorted(look.items()))) not in self.formats:
            base = {"font_name": "Calibri", "font_size": 11, "valign": "vcenter"}
            self.formats[found] = self.page.workbook.add_format({**base, **look})
        return self.formats[found]

    def number(self, entry: SheetCell, edges: dict[str, Any], named: str) -> None:
        """A number, in the colour of its role and with the edges of its matrix or vector."""
        look = {**_TEXTS["roles"][named][0], **_TEXTS["kinds"][entry.style], **edges}
        if look.get("num_format") == "value":
            look["num_format"] = self.page.styles.fixed
            look["shrink"] = True  # rather than ###; General rounds by itself
        made = self.look(**look)
        at = entry.row, entry.column
        self.cells[at] = lambda: self.page.put(*at, entry.value, made, entry.formula)

    def text(self, row: int, at: int, text: str | Runs, width: int = 1, **look: Any) -> None:
        """A text over some columns, with subscripts."""
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
    """Write the sheet."""
    layout, pen, sheet = found.layout, Pen(page), page.worksheet
    for at, size in enumerate(layout.columns):
        sheet.set_column_pixels(at, at, size)
    for row, size in layout.rows.items():
        sheet.set_row_pixels(row, size)
    header, numbers = layout.book.trace.header, list(entries(layout))
    partly = any(entry.style == "recorded" for entry in numbers)
    back = any(grid.stage.is_adjoint for grid in layout.book.grids.values())
    note = on_purpose(layout.book.trace) + _TEXTS["note"] + _TEXTS["recorded"] * partly + _TEXTS["back"] * back
    heads = [SheetText(0, header.title or f"The cell {header.kind}", "title"), SheetText(1, note, "note")]
    _legend(layout, pen)
    for text in (*heads, *layout.texts):
        pen.text(text.row, text.column, text.text, text.width, **_TEXTS["titles"][text.style])
    _pieces(layout, pen)
    _numbers(numbers, pen)
    pen.done()
    for owner, tables in layout.book.tables.items():  # the names of weights refer to this place
        for table in tables:
            if (home := layout.homes.get((owner, table.name))) is not None and is_edited(layout, home):
                page.named(table.range, home.row, home.column, home.height, home.width)
    draw(found, page)
    sheet.freeze_panes(0, 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(0.3, 0.3, 0.3, 0.3)
    sheet.center_horizontally()
    sheet.fit_to_pages(1, 1)
    sheet.print_area(0, 0, found.end, len(layout.columns) - 1)


def _legend(layout: HandLayout, pen: Pen) -> None:
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


def _pieces(layout: HandLayout, pen: Pen) -> None:
    """Signs, and the symbols above what they name."""
    for found in layout.pieces:
        stage = found.grid.stage
        if found.piece.is_value:
            symbol = layout.called.symbol(stage, found.piece.name, found.t)
            symbol = (*symbol, ("ᵀ", False)) if found.piece.flipped else symbol
            if len(plain(symbol)) <= 4 + 8 * found.width or found.piece.name.isidentifier():
                pen.text(found.row - 1, found.column, symbol, found.width, **_TEXTS["titles"]["symbol"])
            continue
        look = {**_TEXTS["titles"]["sign"], "valign": "vcenter" if found.height % 2 else "bottom"}
        text: str | Runs = found.piece.name
        if found.piece.kind == "symbol":
            sign = "ᵀ ×" if found.piece.flipped else " ×"
            text = (*layout.called.symbol(stage, found.piece.name, found.t), (sign, False))
        pen.text(found.row + (found.height - 1) // 2, found.column, text, **look)


def _numbers(numbers: Iterable[SheetCell], pen: Pen) -> None:
    areas: list[str] = []
    for entry in numbers:
        placed = entry.placed
        bottom, right = placed.row + placed.height - 1, placed.column + placed.width - 1
        outer = {  # the lines round a matrix or vector
            "top": entry.row == placed.row, "bottom": entry.row == bottom,
            "left": entry.column == placed.column, "right": entry.column == right,
        }  # fmt: skip
        edges = {side: 1 for side, there in outer.items() if there}
        pen.number(entry, edges, role(placed.grid.stage, placed.piece.name))
        if entry.style not in ("edit", "given") and outer["top"] and outer["left"]:
            areas.append(area(placed.row, placed.column, bottom, right))
    pen.page.sized(areas)
