"""Whether a workbook fits, and which selection would: determined before anything is computed or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import compress, product
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...errors import MissingError, TooLargeError
from ...model.model import Model
from ...trace.rows import Selection
from ...trace.trace import Trace
from .charts import has_unit_sheet, unit_lines
from .sheets import TOP, Book, lay_out, left

#: The limits of a sheet (Excel 2007 and later, LibreOffice), and how many sheets a person can still navigate.
ROWS, COLUMNS, SHEETS = 1_048_576, 16_384, 255
#: Cells of all sheets: some minutes of writing, and as many of loading.
CELLS = 4_000_000


_Choice = tuple[str, dict[str, Any]]


def size(book: Book) -> tuple[int, int, int]:
    """(rows, columns, sheets): the most rows and columns of any sheet."""
    tables = [table for part in (book.tables, book.totals) for found in part.values() for table in found]
    rows = [book.height, *(table.top + 2 + table.values.shape[0] for table in tables)]
    columns = [left(book.trace) + _inputs(book), 1 + sum(start.values.shape[-1] for start in book.starts)]
    columns += [grid.width for grid in book.grids.values()]
    columns += [1 + table.matrix.shape[1] for table in tables]
    with_tables = sum(1 for part in (book.tables, book.totals) for found in part.values() if found)
    more = sum(bool(grid.lines) + has_unit_sheet(book, grid) for grid in book.grids.values())
    return max(rows), max(columns), 4 + len(book.grids) + with_tables + more


def cells(book: Book) -> tuple[int, int]:
    """(cells of a step of one batch row, cells of all weights)."""
    places = left(book.trace)
    each = places + _inputs(book)
    for grid in book.grids.values():
        each += grid.width + places + sum(block.width for block in grid.lines)
        each += places + len(unit_lines(grid)) if has_unit_sheet(book, grid) else 0
    weights = sum(table.values.size for found in book.tables.values() for table in found)
    return each, weights + 2 * sum(table.values.size for found in book.totals.values() for table in found)


def _inputs(book: Book) -> int:
    return 0 if book.trace.x is None or not book.reads_x else int(book.trace.x.shape[-1])


def faults(*books: Book) -> list[str]:
    """What does not fit into one workbook, in words."""
    rows, columns, count = zip(*map(size, books), strict=True)
    filled = [each * (book.height - TOP) + fixed for book in books for each, fixed in [cells(book)]]
    counts = (max(rows), max(columns), sum(count), sum(filled))
    limits = (
        (ROWS, "{:,} rows (a sheet has {:,})"),
        (COLUMNS, "{:,} columns (a sheet has {:,})"),
        (SHEETS, "{} sheets (at most {} are written)"),
        (CELLS, "{:,} cells (no spreadsheet opens more than {:,} in reasonable time)"),
    )
    return [text.format(count, most) for count, (most, text) in zip(counts, limits, strict=True) if count > most]


def fitting(trace: Trace, selection: Selection, live: bool, padding: bool = False) -> Book:
    """The selection laid out. Raises TooLargeError, with the nearest selection that fits, if it does not fit."""
    book = lay_out(trace, selection, live, padding)
    wrong, advice = faults(book), ""
    if not wrong:
        return book
    for text, chosen in _smaller(book, selection):
        with suppress(MissingError):
            if not faults(lay_out(trace, chosen, live, padding)):
                advice = f"; {text} would fit"
                break
    raise TooLargeError(f"the spreadsheet would need {' and '.join(wrong)}{advice}; .csv and .parquet have no limit")


def refuse(model: Model, selection: Selection, live: bool, padding: bool = False) -> None:
    """Raise what `fitting` would for the trace of the model's own problem, before it is computed."""
    fed, layout = model.laid_out()

    def zeros(*shape: int) -> Array:
        return np.broadcast_to(np.zeros((), model.header.dtype), shape)  # the shape alone, without memory

    steps, batch = layout.steps, layout.batch
    lines = {s: {n: zeros(steps, batch, layout.widths[s][n]) for n in names} for s, names in layout.recorded.items()}
    initial = {s.scope: {n: zeros(batch, layout.widths[s.scope][n]) for n in s.states} for s in layout.stages}
    parameters = {s.scope: {n: model.weights[s.scope][n] for n in s.parameters} for s in layout.stages}
    x = fed.x if fed.x is not None and layout.reads_x else None
    given = {s: dict(values) for s, values in fed.given.items()}
    shape = layout.stages, steps, batch, x, fed.lengths
    fitting(Trace(model.header, *shape, parameters, initial, given, lines, mask=fed.mask), selection, live, padding)


def _smaller(book: Book, selection: Selection) -> Iterator[tuple[str, Selection]]:
    """Selections within this one, those that keep most first: steps, one layer, the main lines, and all of these."""
    layers = list(dict.fromkeys(grid.stage.layer for grid in book.grids.values()))
    cells = [grid.stage.cell for grid in book.grids.values()]
    main = tuple(dict.fromkeys(n for cell in cells for n in (*cell.states.values(), cell.output) if n in cell.by_name))
    layer: _Choice = (f"--layer {layers[0]}", {"layer": layers[0]})
    only: _Choice = (f"--only {','.join(main)}", {"only": main})
    row: _Choice = (f"--batch {book.rows.start}", {"batch": book.rows.start})
    for taken in product((False, True), repeat=3):
        more = list(compress((only, row, layer), taken))
        chosen = replace(selection, **{key: value for _, part in more for key, value in part.items()})
        if text := " ".join(text for text, _ in more):
            yield text, chosen
        if steps := _steps(book, chosen):
            span = f"--steps {book.steps.start + book.trace.header.count_from}:{book.steps.start + steps}"
            yield f"{text} {span}".strip(), replace(chosen, steps=slice(book.steps.start, book.steps.start + steps))


def _steps(book: Book, selection: Selection) -> int:
    """How many steps fit, rounded down to two digits; 0 if no number of them helps."""
    chosen = lay_out(book.trace, selection, book.live, padding=True)
    each, fixed = cells(chosen)
    if (most := min(ROWS - TOP, (CELLS - fixed) // each) // len(chosen.rows)) >= len(chosen.steps) or most < 1:
        return 0
    scale: int = 10 ** max(len(str(most)) - 2, 0)
    return most // scale * scale
