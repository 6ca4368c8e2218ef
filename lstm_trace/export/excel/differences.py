"""Two traces in one live workbook: all sheets of both, and before them sheets with b - a, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array, by_key
from ...base.writing import Target
from ...cell.network import scope_and_name
from ...errors import TooLargeError
from ...formulas.numbers import smallest
from ...languages.strings import words_for
from ...results.changes import numbers
from ...trace.address import INITIAL, address as at_address
from ...trace.labels import axis, labels
from ...trace.rows import Selection
from ...verification.alignment import padding
from ...verification.measures import Modification
from ..differences import DifferenceJob
from .formulas import address, area, literal, recorded
from .grids import BlockColumns, title, write_steps
from .limits import faults
from .page import DIGITS, LARGE, TEXTS, Page, Styles, sheets, workbook
from .sheets import CHECK, INPUTS, README, START, TOP, Book, StepGrid, ValueBlock, lay_out, left, sided
from .workbook import write_book

_NOTES = TEXTS["notes"]
DIFFERENCE = "Difference"
#: What the names of sheets begin with that only a workbook of a single trace has.
_ALONE = (README, CHECK, "Recorded")


class _Line(NamedTuple):
    """A line that both have: a block on a sheet of differences, the sheet and block of each side, and b - a.

    apart: (steps, batch, width), NaN where it is not finite, and at steps that are padding in both. alone: how many
    values are finite on one side only.
    """

    sheet: str
    block: ValueBlock
    sides: tuple[tuple[StepGrid, ValueBlock], ...]
    apart: Array
    alone: int

    @property
    def most(self) -> float:
        """The largest difference."""
        return float(np.nanmax(np.abs(self.apart), initial=0.0))

    def place(self, book: Book) -> str:
        """The address of the first of the largest differences; empty if there is none."""
        if not self.most:
            return ""
        sizes = np.nan_to_num(np.abs(self.apart)).swapaxes(0, 1)  # in the order of the rows of a sheet
        i, k, j = (int(n) for n in np.unravel_index(sizes.argmax(), sizes.shape))
        scope = self.sides[0][0].stage.scope
        return at_address(book.trace, (scope, self.block.name, book.steps[k], book.rows[i], (j,)))

    def where(self, book: Book, row: int) -> str:
        """The same as a formula. row: that of the formula, in which the size of the largest difference stands."""
        bottom, most = book.height - 1, address(row, 3)
        cells = f"'{self.sheet}'!{area(TOP, self.block.first, bottom, self.block.columns[-1])}"
        first = (
            f"(2^35-SUMPRODUCT(MAX((({cells}={most})+({cells}=-{most})>0)*(2^35-ROW({cells})*2^14-COLUMN({cells})))))"
        )
        b, t = (f"INDEX('{self.sheet}'!{area(0, at, bottom, at)},INT({first}/2^14))" for at in (0, 1))
        unit, scope = f"MOD({first},2^14)-{self.block.first + 1}", self.sides[0][0].stage.scope
        return f'IF({most}=0,"","{scope}/"&{t}&"/"&{b}&"/{self.block.name}["&{unit}&"]")'


def write(job: DifferenceJob, path: Target) -> None:
    """Write the workbook; nothing appears under `path` unless it is complete.

    Raises OptionError if XlsxWriter is missing, TooLargeError if it does not fit, FileError if the disk is full.
    """
    a, b = (sided(lay_out(trace, Selection()), side) for trace, side in zip(job.sides, "AB", strict=True))
    if wrong := faults(a, b, b):  # the differences have no more cells than one of the two
        raise TooLargeError(f"the spreadsheet would need {' and '.join(wrong)}; .csv and .parquet have no limit")
    lines = list(_lines(a, b))
    by_sheet = by_key((line.sheet, line) for line in lines)
    with workbook(path) as made:
        styles, tab = Styles(made, DIGITS), TEXTS["tabs"][CHECK][0]
        first, *others = (Page(made, name, styles, tab) for name in (DIFFERENCE, *by_sheet))
        there = [(name, tab) for book in (b, a) for name, tab, _ in sheets(book, False) if not name.startswith(_ALONE)]
        pages = {name: Page(made, name, styles, tab) for name, tab in there}
        _summary(job, (a, b), lines, first)
        for page, here in zip(others, by_sheet.values(), strict=True):
            _differences(job, a, here, page)
        for book in (a, b):
            write_book(book, pages, job, lambda key, j, k: "")


def _lines(a: Book, b: Book) -> Iterator[_Line]:
    """The lines that both have in the same width, in the order of a."""
    outside = padding(a.trace, b.trace)
    for scope, one in a.grids.items():
        at, two = left(a.trace), b.grids.get(scope)
        sheet = f"{DIFFERENCE}{' gradient' * one.stage.is_adjoint} {one.stage.owner.replace('/', ' ')}"
        for block in one.blocks.values():
            other = None if two is None else two.blocks.get(block.name)
            if two is None or other is None or (block.kind, other.kind, other.width) != ("line", "line", block.width):
                continue
            values = recorded(a, one, block), recorded(b, two, other)
            known = [np.isfinite(side) for side in values]
            inside = (known[0] & known[1]) if outside is None else known[0] & known[1] & ~outside
            apart = np.subtract(values[1], values[0], out=np.full(inside.shape, np.nan), where=inside, dtype=np.float64)
            alone = int((known[0] != known[1]).sum())
            yield _Line(sheet, block._replace(first=at), ((one, block), (two, other)), apart, alone)
            at += block.width


def _differences(job: DifferenceJob, a: Book, lines: Sequence[_Line], page: Page) -> None:
    """A sheet of differences, in the rows of the sheets of both; the colours of a line go up to its largest."""
    outside, found, (grid, _) = padding(*job.sides), [], lines[0].sides[0]

    def formulas(line: _Line, row: int, i: int, k: int) -> list[str] | None:
        if outside is not None and outside[k, i, 0]:
            return None
        cells = ([f"'{grid.sheet}'!{address(row, at)}" for at in block.columns] for grid, block in line.sides)
        return [f'IFERROR({theirs}-{ours},"")' for ours, theirs in zip(*cells, strict=True)]

    for line in lines:
        named = labels(a.trace, axis(a.trace, grid.stage, line.block.name), line.block.width)
        texts = np.where(np.isnan(line.apart), "", line.apart.astype(object))
        found.append(BlockColumns(line.block, named, texts, "part", "part", partial(formulas, line)))
    write_steps(a, page, f"{title(replace(grid, side=''))}: b − a", _NOTES["differences"], found, job.progress)
    for line in lines:
        cells = area(TOP, line.block.first, a.height - 1, line.block.columns[-1])
        page.scaled([cells], TEXTS["scales"]["signed"], -(line.most or 1.0), line.most or 1.0)


def _place(book: Book, change: Modification) -> str:
    """The cell of a single weight, input, initial state or length; empty if there is none."""
    scope, name = scope_and_name(change.array)
    if change.entries == 1 and change.place.startswith("lengths["):
        row = TOP + int(change.place[8:-1]) - book.rows.start
        return next((f"'{book.named(START)}'!{address(row, one.first)}" for one in book.starts if not one.scope), "")
    if change.entries > 1 or change.kind not in ("parameter", "input", "state"):
        return ""
    at = book.trace.locate(change.place)
    unit = at.unit or ()
    if change.kind == "parameter":
        for table in book.tables.get(scope, ()):
            if table.name == name:
                j, k = (*unit, 0)[:2]
                return f"'{book.grids[scope].named('Weights')}'!{address(table.top + 2 + j, 1 + k)}"
    row = TOP + (at.b or 0) - book.rows.start
    if change.kind == "input" and book.reads_x and unit:
        row += (at.b or 0) * (len(book.steps) - 1) + (at.t or 0) - book.steps.start
        return f"'{book.named(INPUTS)}'!{address(row, left(book.trace) + unit[0])}"
    for start in book.starts if change.kind == "state" else ():
        if (start.scope, INITIAL.get(start.state, start.state)) == (scope, name):
            return f"'{book.named(START)}'!{address(row, start.first + unit[0])}"
    return ""


def _changed(job: DifferenceJob, books: tuple[Book, Book], page: Page) -> None:
    """Headings, and a row for each change: a link to the cell of b, the cells of a and b, and its share as recorded."""
    said = words_for(job.sides[0]).address
    if (output := job.output) is not None and any(change.share is not None for change in job.changed):
        a, b = numbers(*output.values)
        page.write(2, 0, _NOTES["shares"].format(address=said(output.address), a=a, b=b), "note")
    for at, text in enumerate(("what was changed", "a", "b", "contribution", "share")):
        page.write(3, at, text, "unit" if at else "column")
    for row, change in enumerate(job.changed or [Modification("option", _NOTES["unchanged"], None, None)], 4):
        places = [_place(book, change) for book in books]
        shown = [value if isinstance(value, float) else str(value or "") for value in (change.a, change.b)]
        if all(places):
            page.worksheet.write_url(row, 0, f"internal:{places[1]}", page.styles.link, said(change.place))
        else:
            page.write(row, 0, said(change.place), "text")
        texts = {value if isinstance(value, str) else f"{value:.{page.styles.digits}f}" for value in shown}
        for at, (value, place) in enumerate(zip(shown, places, strict=True), 1):
            style = "text" if isinstance(value, str) else "shown" if len(texts) == 1 else "copy"  # all digits
            page.write(row, at, value, style, formula=place if all(places) else "")
        for at, part, style in ((3, change.contribution, "recorded"), (4, change.share, "share")):
            if part is not None:
                page.write(row, at, part, style)


def _summary(job: DifferenceJob, books: tuple[Book, Book], lines: Sequence[_Line], page: Page) -> None:
    """What was changed, and the largest difference of each line."""
    bottom = books[0].height - 1

    def cells(sheet: str, block: ValueBlock) -> str:
        return f"'{sheet}'!{area(TOP, block.first, bottom, block.columns[-1])}"

    page.titled(job.called, _NOTES["difference"])
    _changed(job, books, page)
    begin = 6 + max(len(job.changed), 1) + len(job.not_finite)
    for row, sentence in enumerate(job.not_finite, begin - 1 - len(job.not_finite)):
        page.write(row, 0, sentence, "text")
    for at, text in enumerate(("sheet", "line", "values", "largest |b − a|", "finite in one alone", "where")):
        page.write(begin, at, text, "unit" if at > 1 else "column")
    for row, line in enumerate(lines, begin + 1):
        of, (one, two) = cells(line.sheet, line.block), (cells(grid.sheet, block) for grid, block in line.sides)
        page.link(row, 0, line.sheet)
        page.write(row, 1, line.block.name, "text")
        page.write(row, 2, line.apart.size, "count")
        page.write(row, 3, line.most, "part", formula=f"MAX(MAX({of}),-MIN({of}))")
        page.write(row, 4, line.alone, "count", formula=f"SUMPRODUCT(--(ISNUMBER({one})<>ISNUMBER({two})))")
        page.write(row, 5, line.place(books[0]), "place", formula=line.where(books[0], row))
    size, rules = address(begin + 1, 3), page.styles.rules
    power = f"AND({size}>0,OR({size}<={literal(float(smallest(page.styles.digits)))},{size}>{LARGE}))"
    how = {"type": "formula", "criteria": power, "format": rules["differs_power"]}
    page.worksheet.conditional_format(begin + 1, 3, begin + len(lines), 3, how)  # LibreOffice applies the first
    for kind, look in (("==", "zero"), (">", "differs")):
        rule = {"type": "cell", "criteria": kind, "value": 0, "format": rules[look]}
        page.worksheet.conditional_format(begin + 1, 3, begin + len(lines), 4, rule)
    page.sized([area(4, 1, begin - 1, 3)])
    colours = [one for one in TEXTS["read_me"]["colours"] if one[0] != "padded" or any(book.padded for book in books)]
    for row, (_, style, what) in enumerate(colours, begin + len(lines) + 2):
        page.put(row, 0, style, page.styles.looks.get((style, "plain")) or page.styles.rules[style])
        page.write(row, 1, what, "text")
    page.worksheet.set_column(0, 4, 22)
    page.worksheet.set_column(5, 5, 28)
    page.printed()
