"""A trace as a live spreadsheet: every line is a formula over its operands' cells.

Rows are written in order and put on disk at once (XlsxWriter's `constant_memory`), so that memory is bounded by a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...base.arrays import Array
from ...cell.network import VALID, layer_and_direction
from ...errors import OptionError
from ..writers import Job
from . import totals
from .by_hand.small import by_hand
from .by_hand.writing import write as write_by_hand
from .cells import Cells, cells, recorded
from .file import workbook
from .formulas import column
from .limits import fitting
from .page import DIGITS, Page, Styles, property_text, units
from .sheets import CHECK, INPUTS, LEFT, README, START, TOP, Block, Book, Grid, Table, labels
from .texts import TEXTS, about, sheets

#: Steps whose numbers are read at once.
PIECE = 64
_NOTES = TEXTS["notes"]


def write(job: Job, path: str | Path) -> None:
    """Write the workbook; nothing appears under `path` unless it is whole.

    Raises OptionError where XlsxWriter is missing or an option is for tables, TooLargeError where it does not fit,
    FileError where the disk is full.
    """
    if job.selection.unit is not None:
        raise OptionError("--unit is for tables: a unit of a layer is computed from all of them; choose steps or lines")
    book = fitting(job.trace, job.selection, not job.values, job.padding)
    fewer = 4 if job.digits.digits is None else job.digits.digits
    hand = by_hand(book, fewer)
    with workbook(path) as made:
        made.set_properties({"title": property_text(job.trace.header.title), "comments": "Written by lstm-trace"})
        styles = Styles(made, DIGITS if job.digits.digits is None else job.digits.digits)
        if not isinstance(hand, str):
            write_by_hand(hand, Page(made, "By hand", Styles(made, fewer), "#000000"), job.trace.header.title)
        pages = {name: Page(made, name, styles, tab) for name, tab, _ in sheets(book)}
        _read_me(book, pages[README])
        if INPUTS in pages:
            _inputs(book, pages[INPUTS])
        if START in pages:
            _initial(book, pages[START])
        for scope, grid in book.grids.items():
            if book.tables.get(scope):
                _weights(book, grid, book.tables[scope], pages[grid.weights])
            _layer(book, grid, pages[grid.sheet], job)
            if book.totals.get(scope):
                totals.write(book, grid, book.totals[scope], pages[grid.totals])
            if grid.recorded in pages:
                _recorded(book, grid, pages[grid.recorded])
        if CHECK in pages:
            _check(book, pages[CHECK])


# -- sheets of steps -----------------------------------------------------------------------------------------------


class Columns(NamedTuple):
    """A block with its labels and its numbers (steps, batch rows, width), and its formulas where it has any.

    style: of the numbers; that of formulas is `live`.
    """

    block: Block
    labels: Sequence[str]
    values: Array
    style: str
    live: str = ""
    cells: Cells = Cells(None)


def _headings(page: Page, title: str, note: str, blocks: Sequence[tuple[Block, Sequence[str]]], left: int) -> None:
    """Five rows: title, note, the names of the blocks, what they are, their units with the problem's labels."""
    page.write(0, 0, title, "title")
    page.write(1, 0, note, "note")
    for block, _ in blocks:
        page.across(2, block.first, block.width, block.name, "name")
    for block, _ in blocks:
        page.across(3, block.first, block.width, block.heading, "heading")
    for at, text in enumerate(("row", "t")[:left]):
        page.write(4, at, text, "unit")
    for block, named in blocks:
        page.block(4, block.first, units(block.width, named), "unit")
    page.worksheet.freeze_panes(TOP, left)
    page.printed(TOP - 1, sum(block.width for block, _ in blocks), left - 1)


def _steps(
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
    _headings(page, title, note, [(columns.block, columns.labels) for columns in found], LEFT)
    for block, named, *_ in found:
        longest = max(
            [len(block.name) / block.width, len(block.heading) * 0.9 / block.width, *(4 + len(n) for n in named)]
        )
        page.worksheet.set_column(block.first, block.columns[-1], min(max(longest + 2, page.styles.digits + 8), 40))
    page.worksheet.set_column(0, 1, 5, None, {})
    back, edge = (1, len(book.steps) - 1) if backward else (-1, 0)
    for row, i, k, values in _values(book, found):
        page.write(row, 0, book.rows[i], "place")
        page.write(row, 1, book.steps[k], "place")
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


def _values(book: Book, found: Sequence[Columns]) -> Iterator[tuple[int, int, int, list[list[float]]]]:
    """(row, position in the batch, position in the steps, the numbers of each block) of every row, in order."""
    row = TOP
    for i in range(len(book.rows)):
        for at in range(0, len(book.steps), PIECE):
            piece = [columns.values[at : at + PIECE, i].tolist() for columns in found]
            for k, numbers in enumerate(zip(*piece, strict=True), at):
                if book.kept[k, i]:
                    yield row, i, k, list(numbers)
                    row += 1


def _inputs(book: Book, page: Page) -> None:
    """The input."""
    x = book.trace.x
    assert x is not None
    block = Block("x_t", "given", LEFT, x.shape[-1], False, "the input")
    named = labels(book.trace, "x", block.width)
    _steps(book, page, "Inputs", _NOTES["inputs"], [Columns(block, named, x[book.window, book.batch], "input")])
    page.named("x_t", TOP, LEFT, book.height - TOP, block.width)


def _layer(book: Book, grid: Grid, page: Page, job: Job) -> None:
    """One layer and direction: formulas, each with the recorded number as its result so far."""
    blocks = list(grid.blocks.values())
    backward = grid.stage.backwards
    partly = not all(block.live for block in blocks if block.kind == "line")
    note = _NOTES["numbers" if not book.live else "partly" if partly else "live"]
    note += (_NOTES["padded"] if book.padded else "") + (_NOTES["upwards"] if backward and book.live else "")
    found = [
        _columns(book, grid, block, "input" if block.kind == "given" else "recorded")._replace(
            live=_style(grid, block), cells=cells(book, grid, block)
        )
        for block in blocks
    ]
    _steps(book, page, _title(grid), note, found, backward, job.progress)
    for block in blocks:
        if block.kind == "given" and book.live:
            name = book.ranges[grid.stage.scope, block.name]
            page.named(name, TOP, block.first, book.height - TOP, block.width)


def _recorded(book: Book, grid: Grid, page: Page) -> None:
    """The numbers of the trace, each at the address of its formula on the layer's sheet."""
    blocks = [block for block in grid.blocks.values() if block in grid.lines or (book.padded and block.name == VALID)]
    found = [_columns(book, grid, block, "recorded") for block in blocks]
    _steps(book, page, f"{_title(grid)}: recorded", _NOTES["recorded"].format(sheet=grid.sheet), found)


def _columns(book: Book, grid: Grid, block: Block, style: str) -> Columns:
    """The recorded numbers of a block, with the problem's labels of its units."""
    entries = {name for name, source in book.trace.stage(grid.stage.owner).sources.items() if source == "x"}
    of = dict(reversed(grid.stage.cell.gradient)).get(block.name, block.name)
    key = "x" if of in entries else "h"
    return Columns(block, labels(book.trace, key, block.width), recorded(book, grid, block), style)


def _style(grid: Grid, block: Block) -> str:
    if block.kind != "line":
        return "copy"
    return "result" if grid.stage.cell.by_name[block.name].assigned else "part"


def _title(grid: Grid) -> str:
    layer, direction = layer_and_direction(grid.stage.owner)
    return f"{'Gradient of layer' if grid.stage.is_adjoint else 'Layer'} {layer}, {direction}"


# -- sheets of their own -------------------------------------------------------------------------------------------


def _read_me(book: Book, page: Page) -> None:
    for row, (texts, style, leads) in enumerate(about(book)):
        for at, text in enumerate(texts):
            if at == 0 and leads:
                page.link(row, 0, leads)
            elif text:
                page.write(row, at, text, "text" if at else style)
    page.worksheet.set_column(0, 0, 26)
    page.worksheet.set_column(1, 1, 90)
    page.printed(None)


def _initial(book: Book, page: Page) -> None:
    """Lengths and initial states, a row for each batch row."""
    blocks = []
    for start in book.starts:
        what = f"{start.state}, {start.scope}" if start.scope else "steps of the row"
        block = Block(start.range, "given", start.first, start.values.shape[-1], False, what)
        blocks.append((block, labels(book.trace, "h", block.width) if start.scope else ()))
    _headings(page, "Initial states", _NOTES["initial"], blocks, 1)
    for i, b in enumerate(book.rows):
        page.write(TOP + i, 0, b, "place")
        for start in book.starts:
            page.block(TOP + i, start.first, start.values[i].tolist(), "input")
    for block, _ in blocks:
        page.named(block.name, TOP, block.first, len(book.rows), block.width)
        page.worksheet.set_column(block.first, block.columns[-1], max(14, 18 / block.width))


def _weights(book: Book, grid: Grid, tables: Sequence[Table], page: Page) -> None:
    """The parameters of one layer and direction, one below the other."""
    page.write(0, 0, f"{_title(grid)}: weights", "title")
    page.write(1, 0, _NOTES["weights"], "note")
    widest = 1
    for table in tables:
        values = table.values if table.values.ndim == 2 else table.values[:, None]
        size = " × ".join(map(str, table.values.shape))
        page.write(table.top, 0, table.name, "name")
        page.write(table.top, 1, f"{size}, named {table.range}", "note")
        across, down = _sides(book, grid, table)
        page.write(table.top + 1, 0, "", "unit")
        if table.values.ndim == 2:
            page.block(table.top + 1, 1, units(values.shape[1], across), "unit")
        named = units(len(values), down)
        for row, (name, numbers) in enumerate(zip(named, values.tolist(), strict=True), table.top + 2):
            page.write(row, 0, name, "place")
            for at, value in enumerate(numbers, 1):
                page.write(row, at, value, "weight")
        widest = max(widest, values.shape[1])
        page.named(table.range, table.top + 2, 1, *values.shape)
    page.worksheet.set_column(0, 0, 16)
    page.worksheet.set_column(1, widest, 13)
    page.worksheet.freeze_panes(2, 1)
    page.printed(None)


def _sides(book: Book, grid: Grid, table: Table) -> tuple[Sequence[str], Sequence[str]]:
    """Labels of the columns (what the matrix multiplies) and rows (the units that it feeds) of a parameter."""
    down = labels(book.trace, "h", table.values.shape[0])
    if table.values.ndim == 1:
        return (), down
    readers = grid.stage.cell.parameters[table.name]
    inputs = any(grid.stage.sources.get(str(line.operands[-1])) == "x" for line in readers)
    return labels(book.trace, "x" if inputs else "h", table.values.shape[1]), down


def _compared(book: Book) -> Iterator[tuple[str, str, str, int, str, str]]:
    """(sheet, name, equation, number of values, live cells, recorded cells) of what the check compares."""
    for scope, grid in book.grids.items():
        for block in grid.lines:
            area = f"{column(block.first)}{TOP + 1}:{column(block.columns[-1])}{book.height}"
            count = block.width * len(book.rows) * len(book.steps)
            places = f"'{grid.sheet}'!{area}", f"'{grid.recorded}'!{area}"
            yield grid.sheet, block.name, block.heading, count, *places
        tables = book.totals.get(scope, ())
        for table in tables:
            live, record = (f"'{grid.totals}'!{area}" for area in totals.areas(tables, table))
            yield grid.totals, table.name, "", table.values.size, live, record


def _check(book: Book, page: Page) -> None:
    """For each line the largest difference between the live cells and the record; the largest of all on top."""
    found = list(_compared(book))
    begin, end = 8, 7 + len(found)
    page.write(0, 0, "Check", "title")
    page.write(1, 0, _NOTES["check"], "note")
    page.write(3, 0, "Largest difference", "name")
    page.write(3, 1, 0.0, "difference", formula=f"MAX(E{begin + 1}:E{end + 1})")
    page.write(3, 2, "as recorded", "verdict", formula='IF(B4<=B5,"as recorded","changed")')
    page.write(4, 0, "Rounding explains", "text")
    page.write(4, 1, 1e-9 if book.trace.header.dtype == "float64" else 1e-4, "difference")
    for at, text in enumerate(("sheet", "line", "equation", "values", "largest difference")):
        page.write(7, at, text, "column" if at < 3 else "unit")
    for row, (sheet, name, heading, values, live, record) in enumerate(found, begin):
        page.link(row, 0, sheet)
        page.write(row, 1, name, "text")
        page.write(row, 2, heading, "text")
        page.write(row, 3, values, "count")
        farthest = f"MAX(IF(ISNUMBER({record}),ABS({live}-{record}),IF(ISNUMBER({live}),1,0)))"
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
