"""XLSX, alive: inputs and weights are cells to change, every line is a formula over its operands' cells.

Rows are written in order and put on disk at once (XlsxWriter's `constant_memory`), so that memory is bounded by a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...cell.network import VALID
from ...errors import OptionError
from ..writers import Job
from .cells import cells, recorded
from .file import workbook
from .formulas import column
from .limits import fitting
from .page import DIGITS, Page, Style, open_styles, property_text, unit
from .sheets import CHECK, INPUTS, LEFT, README, START, TOP, Block, Book, Grid, Start, Table, labels
from .strings import about, sheets

#: Steps whose numbers are read at once.
PIECE = 64


def write(job: Job, path: str | Path) -> None:
    """Write the workbook; nothing appears under `path` unless it is whole.

    Raises OptionError where XlsxWriter is missing or an option is for tables, TooLargeError where it does not fit,
    FileError where the disk is full.
    """
    if job.selection.unit is not None:
        raise OptionError("--unit is for tables: a unit of a layer is computed from all of them; choose steps or lines")
    book = fitting(job.trace, job.selection, not job.values, job.padding)
    with workbook(path) as made:
        made.set_properties({"title": property_text(job.trace.header.title), "comments": "Written by lstm-trace"})
        styles = open_styles(made, DIGITS if job.digits.digits is None else job.digits.digits)
        pages = {name: Page(made, name, styles, tab) for name, tab, _ in sheets(book)}
        for text, style, link in about(book):
            pages[README].row(text, style, link)
        pages[README].worksheet.set_column(0, 0, 26)
        pages[README].worksheet.set_column(1, 1, 90)
        pages[README].printed(None)
        if INPUTS in pages:
            _inputs(book, pages[INPUTS])
        if START in pages:
            _initial(book, pages[START])
        for scope, grid in book.grids.items():
            if grid.weights in pages:
                _weights(book, grid, book.tables[scope], pages[grid.weights])
            _layer(book, grid, pages[grid.sheet], job)
            if grid.recorded in pages:
                _recorded(book, grid, pages[grid.recorded])
        if CHECK in pages:
            _check(book, pages[CHECK])


# -- sheets of steps -----------------------------------------------------------------------------------------------


def _headings(page: Page, book: Book, title: str, note: str, blocks: Sequence[tuple[Block, Sequence[str]]]) -> None:
    """Five rows: title, note, the names of the blocks, what they are, their units with the problem's labels."""
    page.write(0, 0, title, "title")
    page.write(1, 0, note, "note")
    for block, _ in blocks:
        page.across(2, block.first, block.width, block.name, "name")
    for block, _ in blocks:
        page.across(3, block.first, block.width, block.heading, "heading")
    page.write(4, 0, "row", "unit")
    page.write(4, 1, "t", "unit")
    for block, named in blocks:
        page.units(4, block.first, block.width, named)
    for block, named in blocks:
        longest = max(
            [len(block.name) / block.width, len(block.heading) * 0.9 / block.width, *(4 + len(n) for n in named)]
        )
        page.worksheet.set_column(block.first, block.columns[-1], min(max(longest + 2, page.styles.digits + 8), 40))
    page.worksheet.set_column(0, 1, 5, None, {})
    page.worksheet.freeze_panes(TOP, LEFT)
    page.printed(TOP - 1, sum(block.width for block, _ in blocks), LEFT - 1)


def _rows(book: Book) -> Iterator[tuple[int, int, int]]:
    """(row, batch row, t) with the two numbers on the left."""
    for row, i, k in book.places():
        yield row, book.rows[i], book.steps[k]


def _inputs(book: Book, page: Page) -> None:
    """The input, a row for each step."""
    x = book.trace.x
    assert x is not None
    width = x.shape[-1]
    block = Block("x_t", "given", LEFT, width, False, "the input")
    note = "Change any number: every layer follows."
    _headings(page, book, "Inputs", note, [(block, labels(book.trace, "x", width))])
    for row, b, t in _rows(book):
        page.place(row, b, t)
        for j, value in enumerate(x[book.trace.index(t), b].tolist()):
            page.number(row, LEFT + j, value, "input", first=j == 0)
    page.named("x_t", TOP, LEFT, book.height - 1, LEFT + width - 1)


def _layer(book: Book, grid: Grid, page: Page, job: Job) -> None:
    """One layer and direction: formulas, each with the recorded number as its result so far."""
    stage, blocks = grid.stage, list(grid.blocks.values())
    backward = stage.direction == "reverse"
    note = "Every line is a formula over the cells to its left." if book.live else "The recorded numbers."
    if book.live and not all(block.live for block in blocks if block.kind == "line"):
        note = "Numbers in italics were recorded: what they were computed from is not here."
    if book.padded:
        note += " Rows in grey are padding: they are no part of their sequence."
    if backward and book.live:
        note += " This direction runs upwards: the step before is the row below."
    _headings(page, book, _title(grid), note, [(block, _units(book, grid, block)) for block in blocks])
    formulas = [cells(book, grid, block) for block in blocks]
    styles = [_style(grid, block) for block in blocks]
    back, edge = (1, len(book.steps) - 1) if backward else (-1, 0)
    for row, i, k, values in _values(book, grid, blocks):
        page.place(row, book.rows[i], book.steps[k])
        for block, texts, style, numbers in zip(blocks, formulas, styles, values, strict=True):
            _cells(page, row, block, texts.at(row, k == edge, back, i), style, numbers)
        job.progress(sum(block.width for block in blocks if block.kind == "line"))
    _shown(book, page, blocks)
    for block in blocks:
        if block.kind == "given" and book.live:
            name = book.ranges[stage.scope, block.name]
            page.named(name, TOP, block.first, book.height - 1, block.columns[-1])


def _shown(book: Book, page: Page, blocks: Sequence[Block]) -> None:
    """The display of the values, which are all but those to be edited, and of padding."""
    runs: list[range] = []
    for block in blocks:
        if block.kind != "given":
            begin = runs.pop().start if runs and runs[-1].stop == block.first else block.first
            runs.append(range(begin, block.columns.stop))
    valid = next((block.first for block in blocks if block.name == VALID), None) if book.padded else None
    page.shown(TOP, book.height - 1, runs, valid)


def _cells(
    page: Page, row: int, block: Block, formulas: Sequence[str] | None, style: Style, numbers: list[float]
) -> None:
    if formulas is None:
        style = "input" if block.kind == "given" else "recorded" if block.kind == "state" else style
        for j, value in enumerate(numbers):
            page.number(row, block.first + j, value, style, first=j == 0)
    else:
        for j, (formula, value) in enumerate(zip(formulas, numbers, strict=True)):
            page.formula(row, block.first + j, formula, value, style, first=j == 0)


def _recorded(book: Book, grid: Grid, page: Page) -> None:
    """The numbers of the trace, each at the address of its formula on the layer's sheet."""
    blocks = [block for block in grid.blocks.values() if block in grid.lines or (book.padded and block.name == VALID)]
    note = f"The numbers of the trace, in the cells of the same addresses as on '{grid.sheet}'."
    _headings(page, book, f"{_title(grid)}: recorded", note, [(b, _units(book, grid, b)) for b in blocks])
    for row, i, k, values in _values(book, grid, blocks):
        page.place(row, book.rows[i], book.steps[k])
        for block, numbers in zip(blocks, values, strict=True):
            for j, value in enumerate(numbers):
                page.number(row, block.first + j, value, "recorded", first=j == 0)
    _shown(book, page, blocks)


def _values(book: Book, grid: Grid, blocks: Sequence[Block]) -> Iterator[tuple[int, int, int, list[list[float]]]]:
    """(row, position in the batch, position in the steps, the numbers of each block) of every row, in order."""
    arrays = [recorded(book, grid, block) for block in blocks]
    row = TOP
    for i in range(len(book.rows)):
        for at in range(0, len(book.steps), PIECE):
            piece = [array[at : at + PIECE, i].tolist() for array in arrays]
            for k, numbers in enumerate(zip(*piece, strict=True), at):
                if book.kept[k, i]:
                    yield row, i, k, list(numbers)
                    row += 1


def _style(grid: Grid, block: Block) -> Style:
    if not block.live:
        return "recorded"
    if block.kind != "line":
        return "copy"
    return "result" if grid.stage.cell.by_name[block.name].assigned else "part"


def _title(grid: Grid) -> str:
    return f"Layer {grid.stage.layer}, {grid.stage.direction}"


def _units(book: Book, grid: Grid, block: Block) -> Sequence[str]:
    """The problem's labels of a block's units."""
    source = grid.stage.sources.get(block.name)
    return labels(book.trace, "x" if source == "x" else "h", block.width)


# -- sheets of their own -------------------------------------------------------------------------------------------


def _initial(book: Book, page: Page) -> None:
    """Lengths and initial states, a row for each batch row."""
    page.write(0, 0, "Initial states", "title")
    page.write(1, 0, "What each sequence begins with. Change any number.", "note")
    starts: Sequence[Start] = book.starts
    for row in (2, 3, 4):
        if row == 4:
            page.write(row, 0, "row", "unit")
        for start in starts:
            width = start.values.shape[-1]
            if row < 4:
                text = (
                    start.range if row == 2 else f"{start.state}, {start.scope}" if start.scope else "steps of the row"
                )
                page.across(row, start.first, width, text, "name" if row == 2 else "heading")
                continue
            named = labels(book.trace, "h", width) if start.scope else ()
            page.units(row, start.first, width, named)
    for i, b in enumerate(book.rows):
        page.number(TOP + i, 0, b, "place")
        for start in starts:
            for j, value in enumerate(start.values[i].tolist()):
                page.number(TOP + i, start.first + j, value, "input", first=j == 0)
    for start in starts:
        width = start.values.shape[-1]
        page.named(start.range, TOP, start.first, TOP + len(book.rows) - 1, start.first + width - 1)
        page.worksheet.set_column(start.first, start.first + width - 1, max(14, 18 / width))
    page.worksheet.freeze_panes(TOP, 1)
    page.printed(TOP - 1, sum(start.values.shape[-1] for start in starts), 0)


def _weights(book: Book, grid: Grid, tables: Sequence[Table], page: Page) -> None:
    """The parameters of one layer and direction, one below the other."""
    page.write(0, 0, f"{_title(grid)}: weights", "title")
    page.write(1, 0, "Change any number: every step follows. A row feeds the unit of its number.", "note")
    widest = 1
    for table in tables:
        values = table.values if table.values.ndim == 2 else table.values[:, None]
        size = " × ".join(map(str, table.values.shape))
        page.write(table.top, 0, table.name, "name")
        page.write(table.top, 1, f"{size}, named {table.range}", "note")
        across, down = _sides(book, grid, table)
        page.write(table.top + 1, 0, "", "unit")
        if table.values.ndim == 2:
            page.units(table.top + 1, 1, values.shape[1], across)
        for j in range(values.shape[0]):
            row = table.top + 2 + j
            page.write(row, 0, unit(j, down), "place")
            for k, value in enumerate(values[j].tolist()):
                page.number(row, 1 + k, value, "weight")
        widest = max(widest, values.shape[1])
        page.named(table.range, table.top + 2, 1, table.top + 1 + values.shape[0], values.shape[1])
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


def _check(book: Book, page: Page) -> None:
    """For each line the largest difference between the live cells and the record; the largest of all on top."""
    tolerance = 1e-9 if book.trace.header.dtype == "float64" else 1e-4
    found = [(grid, block) for grid in book.grids.values() for block in grid.lines]
    begin, end = 8, 7 + len(found)
    page.write(0, 0, "Check", "title")
    page.write(
        1,
        0,
        "How far the live cells are from the recorded numbers: 0, but for rounding, until a number is changed.",
        "note",
    )
    page.write(3, 0, "Largest difference", "name")
    page.formula(3, 1, f"MAX(E{begin + 1}:E{end + 1})", 0.0, "difference")
    page.text_formula(3, 2, 'IF(B4<=B5,"as recorded","changed")', "as recorded", "verdict")
    page.write(4, 0, "Rounding explains", "text")
    page.number(4, 1, tolerance, "difference")
    for at, text in enumerate(("sheet", "line", "equation", "values", "largest difference")):
        page.write(7, at, text, "column" if at < 3 else "unit")
    for row, (grid, block) in enumerate(found, begin):
        area = f"{column(block.first)}{TOP + 1}:{column(block.columns[-1])}{book.height}"
        live, record = f"'{grid.sheet}'!{area}", f"'{grid.recorded}'!{area}"
        page.link(row, 0, grid.sheet)
        page.write(row, 1, block.name, "text")
        page.write(row, 2, block.heading, "text")
        page.number(row, 3, block.width * len(book.rows) * len(book.steps), "count")
        page.array(
            row, 4, f"MAX(IF(ISNUMBER({record}),ABS({live}-{record}),IF(ISNUMBER({live}),1,0)))", 0.0, "difference"
        )
    nothing = {"type": "cell", "criteria": "==", "value": 0, "format": page.styles.rules["zero"]}
    limit = {"type": "cell", "criteria": ">", "value": "$B$5", "format": page.styles.rules["alarm"]}
    for rule in (nothing, limit):
        page.worksheet.conditional_format(begin, 4, end, 4, rule)
        page.worksheet.conditional_format(3, 1, 3, 1, rule)
    for at, width in enumerate((22, 24, 40, 10, 18)):
        page.worksheet.set_column(at, at, width)
    page.worksheet.freeze_panes(8, 0)
    page.printed(7)
