"""What the check compares on this sheet: every line with the record of its layer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..check import Compared, distance
from ..formulas import column
from ..sheets import BY_HAND, TOP, Block, Grid
from .formulas import address
from .layout import Layout

#: So many vectors are compared by one formula, which has at most 8,192 characters.
MOST = 40


def compared(layout: Layout) -> Iterator[Compared]:
    """A row for each line, or several where it has many steps."""
    for grid in layout.book.grids.values():
        for block in () if grid.stage.is_adjoint else grid.lines:
            distances = _distances(layout, grid, block)
            while some := list(islice(distances, MOST)):
                count = block.width * len(some)
                yield Compared(BY_HAND, block.name, block.heading, count, f"MAX({','.join(some)})")


def _distances(layout: Layout, grid: Grid, block: Block) -> Iterator[str]:
    """Of each step and row: the vector stands in a column here, and lies in a row of the record."""
    for b in range(len(layout.book.rows)):
        for k, t in enumerate(layout.book.steps):
            home = layout.homes[grid.stage.scope, block.name, t, b]
            live = f"{address(home.row, home.column)}:{address(home.row + home.height - 1, home.column)}"
            row = TOP + b * len(layout.book.steps) + k + 1
            record = f"'{grid.recorded}'!{column(block.first)}{row}:{column(block.columns[-1])}{row}"
            yield distance(f"'{BY_HAND}'!{live}", f"TRANSPOSE({record})")
