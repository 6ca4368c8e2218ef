"""Colour scales on the sheets of layers: which gates are open, and which states are large, at a glance."""

from __future__ import annotations

import numpy as np

from ...base.runs import runs
from .by_hand.roles import role
from .cells import recorded
from .formulas import column
from .page import Page
from .sheets import TOP, Book, Grid
from .texts import TEXTS

#: So many areas of a rule are written: each row of a batch has its own, where padding is not coloured.
MOST = 500


def write_scales(book: Book, grid: Grid, page: Page) -> None:
    """Colour the lines of a layer by their values, but not at padding; the way back is left as it is."""
    inside = book.trace.valid[book.window, book.batch, 0] != 0
    there = runs(np.flatnonzero(inside.T[book.kept.T]))
    if grid.stage.is_adjoint or not 0 < len(there) <= MOST:
        return
    for block in grid.blocks.values():
        line, kind = grid.stage.cell.by_name.get(block.name), role(grid.stage, block.name)
        if line is None or not line.assigned or kind not in ("gate", "candidate", "cell", "output"):
            continue
        values = recorded(book, grid, block)[inside]
        values = values[np.isfinite(values)]
        largest = float(np.abs(values).max(initial=0.0))
        between = kind == "gate" and bool((values >= 0).all()) and largest <= 1
        areas = [
            f"{column(block.first)}{TOP + run.start + 1}:{column(block.columns[-1])}{TOP + run.stop}" for run in there
        ]
        colours = TEXTS["scales"]["gate" if between else "signed"]
        low, high = (0.0, 1.0) if between else (-largest, largest)
        if largest:
            page.scaled(areas, colours, low, high)
