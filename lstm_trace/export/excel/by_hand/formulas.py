"""The formula of each cell: over cells of this sheet, and elsewhere only where what it shows is to be edited there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ....base.arrays import Array
from ....cell.lines import Line
from ....cell.network import GIVEN, VALID, X, scope_and_name
from ..formulas import FORMULAS, Ref, column, constant, noted, rounding
from ..grids import Compared, distance
from ..sheets import BY_HAND, TOP, Block, Grid
from .chains import SHARED
from .layout import Key, Layout, Placed, key


class Entry(NamedTuple):
    """One cell.

    style: `edit` for a number to be changed, `given` for a copy of one, `copy` for one of a computed number, `live` for
    a line, or `recorded` for a number that stays.
    """

    row: int
    column: int
    value: float
    formula: str
    style: str
    placed: Placed


def address(row: int, at: int) -> str:
    """`B7`, from numbers counted from 0."""
    return f"{column(at)}{row + 1}"


def entries(layout: Layout) -> Iterator[Entry]:
    """Every number of the sheet, in the order in which its pieces stand there."""
    near: dict[Key, Placed] = {}
    for placed in layout.pieces:
        if placed.piece.is_value:
            values = _values(layout, placed)
            near[placed.key] = placed
            for j in range(placed.height):
                for k in range(placed.width):
                    formula, style = _formula(layout, placed, near, j, k)
                    yield Entry(placed.row + j, placed.column + k, float(values[j, k]), formula, style, placed)


def _values(layout: Layout, placed: Placed) -> Array:
    """The recorded numbers of a piece, as they stand: (rows, columns)."""
    book, name = layout.book, placed.piece.name
    if len(placed.key) == 2:
        values = book.weights(placed.grid)[name].values
        return values.T if placed.piece.flipped else values.reshape(placed.height, placed.width)
    window = book.trace.operand(placed.grid.stage.scope, name, book.window)
    assert window is not None
    return window[placed.t - book.steps.start, book.batch][placed.b][:, None]


def _formula(layout: Layout, placed: Placed, near: dict[Key, Placed], j: int, k: int) -> tuple[str, str]:
    """(formula, style) of one cell of a piece."""
    home = _home(layout, placed)
    if home is not None and home is not placed:
        if home.piece.flipped != placed.piece.flipped:
            j, k = k, j
        return address(home.row + j, home.column + k), "given" if _is_given(layout, placed, home) else "copy"
    if is_edited(layout, placed):
        return "", "edit"
    if placed.piece.flipped:
        return f"INDEX({layout.book.weights(placed.grid)[placed.piece.name].range},{k + 1},{j + 1})", "copy"
    block = placed.grid.blocks[placed.piece.name]
    if block.kind == "line" and block.live and placed.piece.fresh:
        return _line(layout, placed, near, j), "live"
    if (block.live and block.kind != "state") or block.kind == "given":  # a state that is found nowhere was recorded
        row = TOP + placed.b * len(layout.book.steps) + placed.t - layout.book.steps.start
        return f"'{placed.grid.sheet}'!{address(row, block.first + j)}", (
            "given" if _is_given(layout, placed, placed) else "copy"
        )
    return "", "recorded"


def is_edited(layout: Layout, placed: Placed) -> bool:
    """Whether a piece is where its numbers are to be changed."""
    if layout.homes.get(placed.key) is not placed or placed.piece.flipped:
        return False
    stage, found = placed.grid.stage, placed.key
    if len(found) == 2 or found[:2] == (SHARED, X):
        return True
    return placed.piece.name in stage.cell.states or stage.sources.get(placed.piece.name) == GIVEN


def edited(layout: Layout, found: Key, j: int, k: int) -> str:
    """Where a number is to be changed on this sheet, as a formula on another.

    Args:
        layout: of the sheet.
        found: of what value; see `layout.key`.
        j: the row within it.
        k: the column.

    Returns:
        The formula; empty where the number is to be changed elsewhere.
    """
    home = layout.homes.get(found)
    if home is None or not is_edited(layout, home):
        return ""
    return f"'{BY_HAND}'!{address(home.row + j, home.column + k)}"


def _is_given(layout: Layout, placed: Placed, home: Placed) -> bool:
    """Whether a copy shows a weight or an input, as it was written, or whether a step is valid."""
    stage, name = placed.grid.stage, placed.piece.name
    return stage.sources.get(name) == VALID or (is_edited(layout, home) and name not in stage.cell.states)


def _home(layout: Layout, placed: Placed) -> Placed | None:
    """Where the value of a piece is computed or edited on this sheet."""
    return _find(layout, placed.grid, placed.piece.name, placed.t, placed.b)


def _find(layout: Layout, grid: Grid, name: str, t: int, b: int) -> Placed | None:
    found = layout.homes.get(key(grid, name, t, b))
    stage = grid.stage
    if found is not None:
        return found
    if name in stage.cell.states:
        before = t + 1 if stage.backwards else t - 1
        if grid.blocks[name].live and before in layout.book.steps:
            return _find(layout, grid, stage.cell.states[name], before, b)
    elif name in stage.cell.inputs and stage.sources[name] not in (X, VALID):
        scope, line = scope_and_name(stage.sources[name])
        if scope in layout.book.grids:
            return _find(layout, layout.book.grids[scope], line, t, b)
    return None


# -- lines -----------------------------------------------------------------------------------------------------------


def _line(layout: Layout, placed: Placed, near: dict[Key, Placed], j: int) -> str:
    """One unit of a line, from the operands as they stand nearest to it."""
    line = placed.grid.stage.cell.by_name[placed.piece.name]
    places = rounding(layout.book.trace.header.arithmetic)
    operands = [
        near[key(placed.grid, o, placed.t, placed.b)] if isinstance(o, str) else constant(o) for o in line.operands
    ]
    if line.product:
        return noted(line, _product(line, operands, j, places), places)
    refs = [_ref(o) if isinstance(o, Placed) else o for o in operands]
    return noted(line, FORMULAS[line.op](refs, line.constants, j), places)


def _product(line: Line, operands: list[Placed | Ref], j: int, places: int | None) -> str:
    """Row by column, term by term, as one reckons it."""
    matrix, vector = operands if line.op == "matvec" else operands[::-1]
    assert isinstance(matrix, Placed)
    assert isinstance(vector, Placed)
    terms = (
        f"{address(matrix.row + j, matrix.column + k)}*{address(vector.row + k * (vector.height > 1), vector.column)}"
        for k in range(matrix.width)
    )
    return "+".join(f"ROUND({term},{places})" if places is not None else term for term in terms)


def _ref(placed: Placed) -> Ref:
    cells = tuple(address(placed.row + j, placed.column) for j in range(placed.height))
    return Ref(cells, cells[0] if len(cells) == 1 else f"{cells[0]}:{cells[-1]}", across=False)


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
