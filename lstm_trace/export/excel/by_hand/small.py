"""Which problems are small enough: their sheet is printed on one page, in digits that can be read."""

from __future__ import annotations

import numpy as np

from ....trace.trace import Trace
from ..formulas import rounding
from ..page import LARGE
from ..sheets import Book
from .bands import plan
from .charts import Arranged, arranged
from .layout import CHARACTER, laid

#: More entries of a vector, steps, sequences and numbers are not tried.
ENTRIES, STEPS, SEQUENCES, NUMBERS = 8, 12, 6, 2000
#: Points of a digit on paper: smaller ones are not read, and from the second on nothing is gained by larger ones.
LEAST, ENOUGH = 4.7, 7.5
#: Longer numbers are nobody's own.
WRITTEN = 11
#: Decimals that are shown where nothing else is asked for.
DIGITS = 4


def shown_digits(trace: Trace, asked: int | None) -> int:
    """How many decimals are shown: as many as a person notes, where the trace was rounded by hand."""
    if asked is not None:
        return asked
    noted = rounding(trace.header.arithmetic)
    return DIGITS if noted is None else noted


def by_hand(book: Book, digits: int) -> Arranged | str:
    """The sheet of a workbook that was laid out, or why it has none.

    Args:
        book: the workbook.
        digits: decimals that are shown.

    Returns:
        The sheet with the steps beside each other that make its digits largest, or a reason in words.
    """
    if not book.live:
        return "its cells are plain numbers (--values)"
    stages = [grid.stage for grid in book.grids.values() if not grid.stage.is_adjoint]
    if not stages:
        return "it shows the forward pass, which was not chosen"
    arithmetic = book.trace.header.arithmetic
    if arithmetic is not None and rounding(arithmetic) is None:
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
    """Characters of the longest number: of given ones those that a person wrote, since others are shown rounded."""
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
