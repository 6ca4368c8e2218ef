"""A trace as a live spreadsheet: every line is a formula over its operands' cells.

Rows are written in order and put on disk at once (XlsxWriter's `constant_memory`), so that memory is bounded by a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from ...base.writing import Target
from ...cell.network import VALID
from ...errors import OptionError
from ...trace.labels import axis, labels
from ..writers import ExportJob
from . import grids
from .by_hand.layout import compared, edited
from .by_hand.writing import by_hand, shown_digits, write as write_by_hand
from .charts import has_unit_sheet, write_scales, write_unit
from .formulas import cells, recorded
from .grids import BlockColumns, Elsewhere, write_steps
from .limits import fitting
from .page import DIGITS, TEXTS, Page, Styles, about, safe, sheets, workbook
from .sheets import BY_HAND, CHECK, INPUTS, README, START, TOP, TOTALS, Book, StepGrid, ValueBlock

_NOTES = TEXTS["notes"]


def write(job: ExportJob, path: Target) -> None:
    """Write the workbook; nothing appears under `path` unless it is complete.

    Raises OptionError if XlsxWriter is missing or an option is only for tables, TooLargeError if it does not fit,
    FileError if the disk is full.
    """
    if job.selection.unit is not None:
        raise OptionError("--unit is for tables: a unit of a layer is computed from all of them; choose steps or lines")
    book = fitting(job.trace, job.selection, not job.values, job.padding)
    asked = job.trace.header.digits if job.digits.digits is None else job.digits.digits
    few = shown_digits(job.trace, asked)
    hand = by_hand(book, few)
    elsewhere: Elsewhere = (lambda key, j, k: "") if isinstance(hand, str) else partial(edited, hand.layout)
    units = {g.named("Unit"): g for g in book.grids.values() if has_unit_sheet(book, g)}
    with workbook(path) as made:
        named = " ".join(safe(job.trace.header.title).split())[:200]  # properties cannot have a tab or a newline
        made.set_properties({"title": named, "comments": "Written by lstm-trace"})
        styles = Styles(made, DIGITS if asked is None else asked)
        own, there = {BY_HAND: Styles(made, few)}, sheets(book, not isinstance(hand, str), units)
        pages = {name: Page(made, name, own.get(name, styles), tab) for name, tab, _ in there}
        if not isinstance(hand, str):
            write_by_hand(hand, pages[BY_HAND])
        _read_me(book, pages[README], hand if isinstance(hand, str) else "", units)
        write_book(book, pages, job, elsewhere)
        for name, grid in units.items():
            write_unit(book, grid, pages[name])
        if CHECK in pages:
            grids.write_check(book, pages[CHECK], () if isinstance(hand, str) else compared(hand.layout))


def write_book(book: Book, pages: Mapping[str, Page], job: ExportJob, elsewhere: Elsewhere) -> None:
    """The sheets of a trace, those of them that have a page: what can be changed, and what is computed from it."""
    for name, sheet in ((INPUTS, grids.inputs), (START, grids.initial)):
        if book.named(name) in pages:
            sheet(book, pages[book.named(name)], elsewhere)
    for scope, grid in book.grids.items():
        if book.tables.get(scope):
            grids.weights(book, grid, pages[grid.named("Weights")], elsewhere)
        _layer(book, grid, pages[grid.sheet], job, elsewhere)
        if book.totals.get(scope):
            grids.write_totals(book, grid, book.totals[scope], pages[grid.named(TOTALS)])
        if grid.recorded in pages:
            _recorded(book, grid, pages[grid.recorded])


def _layer(book: Book, grid: StepGrid, page: Page, job: ExportJob, elsewhere: Elsewhere) -> None:
    """One layer and direction: formulas, each with the recorded number as its result so far."""
    found, stage, partly = [], grid.stage, False
    for block in grid.blocks.values():
        columns = _columns(book, grid, block, "recorded")
        if block.kind == "given":
            formulas = grids.copies(book, stage.scope, block.name, block.width, elsewhere)
            found.append(columns._replace(style="input", live="shown", formulas=formulas))
            if book.live:
                page.named(book.ranges[stage.scope, block.name], TOP, block.first, book.height - TOP, block.width)
            continue
        live = "copy"
        if block.kind == "line":
            partly |= not block.live
            live = "result" if stage.cell.by_name[block.name].assigned else "part"
        found.append(columns._replace(live=live, formulas=cells(book, grid, block)))
    note = _NOTES["numbers" if not book.live else "partly" if partly else "live"]
    note += (_NOTES["padded"] if book.padded else "") + (_NOTES["upwards"] if stage.backwards and book.live else "")
    write_steps(book, page, grids.title(grid), note, found, job.progress)
    write_scales(book, grid, page)


def _recorded(book: Book, grid: StepGrid, page: Page) -> None:
    """The numbers of the trace, each at the address of its formula on the layer's sheet."""
    blocks = [block for block in grid.blocks.values() if block in grid.lines or (book.padded and block.name == VALID)]
    found = [_columns(book, grid, block, "recorded") for block in blocks]
    write_steps(book, page, f"{grids.title(grid)}: recorded", _NOTES["recorded"].format(sheet=grid.sheet), found)


def _columns(book: Book, grid: StepGrid, block: ValueBlock, style: str) -> BlockColumns:
    """The recorded numbers of a block, with the problem's labels of its units."""
    named = labels(book.trace, axis(book.trace, grid.stage, block.name), block.width)
    return BlockColumns(block, named, recorded(book, grid, block), style)


def _read_me(book: Book, page: Page, left_out: str, units: Collection[str]) -> None:
    for row, (text, more, style) in enumerate(about(book, left_out, units)):
        if style == "link":
            page.link(row, 0, text)
        elif text:
            page.write(row, 0, text, style)
        if more:
            page.write(row, 1, more, "text")
    page.worksheet.set_column(0, 0, 26)
    page.worksheet.set_column(1, 1, 90)
    page.printed()
