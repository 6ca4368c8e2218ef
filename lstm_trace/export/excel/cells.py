"""The formulas of one block of cells, and the numbers that were recorded there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.arrays import Array
from ...cell.network import VALID, X, scope_and_name
from .formulas import Ref, column, constant, formula, matrix, rounding, vector
from .formulas import block as across
from .sheets import INPUTS, Block, Book, Grid, left, mask_at


@dataclass(frozen=True)
class Cells:
    """The formulas of a block, one template for each unit: `{r}` is the row, `{p}` the row of the step before.

    first: those of the step at which a state begins; None where the record stands there. formulas is None where the
    record stands everywhere.
    """

    formulas: tuple[str, ...] | None
    first: tuple[str, ...] | None = None

    def at(self, row: int, edge: bool, back: int, b: int) -> tuple[str, ...] | None:
        """The formulas in `row` (from 0), that of the b-th batch row shown; back: how far off the step before is."""
        chosen = self.first if edge else self.formulas
        if chosen is None:
            return None
        here, before, rank = str(row + 1), str(row + 1 + back), str(b + 1)
        return tuple(text.replace("{r}", here).replace("{p}", before).replace("{b}", rank) for text in chosen)


def cells(book: Book, grid: Grid, block: Block) -> Cells:
    """The formulas of `block`, which stands on the sheet `grid`."""
    if not block.live:
        return Cells(None)
    if block.kind == "line":
        formulas = _line(book, grid, block)
        return Cells(formulas, formulas)
    if block.kind == "state":
        return _state(book, grid, block)
    formulas = _elsewhere(book, grid, block)
    return Cells(formulas, formulas)


def _state(book: Book, grid: Grid, block: Block) -> Cells:
    """The step before; at the first the initial state, which is all where there is a single step."""
    target = grid.blocks.get(grid.stage.cell.states[block.name])
    before = None if target is None else tuple(f"{column(c)}{{p}}" for c in _spread(target, block.width))
    if grid.stage.cell.gradient:
        return Cells(before, ("0",) * block.width)
    start = next((s for s in book.starts if (s.scope, s.state) == (grid.stage.scope, block.name)), None)
    if start is None:
        return Cells(before)
    return Cells(before, tuple(f"INDEX({start.range},{{b}},{j + 1})" for j in range(block.width)))


def _spread(target: Block, width: int) -> list[int]:
    """The column that each of `width` units reads; a value of width 1 serves all."""
    return list(target.columns) if target.width == width else [target.first] * width


def _elsewhere(book: Book, grid: Grid, block: Block) -> tuple[str, ...]:
    """The same row of the inputs, or of the layer below."""
    source = grid.stage.sources[block.name]
    if source == X:
        first = left(book.trace)
        return tuple(f"{INPUTS}!{column(first + j)}{{r}}" for j in range(block.width))
    if source == VALID:
        edited = mask_at(book.grids)
        if edited is None:
            return ("IF(B{r}<INDEX(lengths,{b}),1,0)",)
        return (f"'{edited[0].sheet}'!{column(edited[1].first)}{{r}}",)
    scope, line = scope_and_name(source)
    below = book.grids[scope]
    return tuple(f"'{below.sheet}'!{column(c)}{{r}}" for c in _spread(below.blocks[line], block.width))


def _line(book: Book, grid: Grid, block: Block) -> tuple[str, ...]:
    line = grid.stage.cell.by_name[block.name]
    tables = book.weights(grid)
    operands: list[Ref] = []
    for operand in line.operands:
        if not isinstance(operand, str):
            operands.append(constant(operand))
        elif operand in grid.blocks:
            operands.append(across(grid.blocks[operand].first, grid.blocks[operand].width))
        else:
            table = tables[operand]
            weights = table.values
            operands.append(matrix(table.range) if weights.ndim == 2 else vector(table.range, weights.shape[0]))
    places = rounding(book.trace.header.arithmetic)
    return tuple(formula(line, operands, j, places) for j in range(block.width))


def recorded(book: Book, grid: Grid, block: Block) -> Array:
    """The numbers of `block`: (steps, batch rows, width), as far as they are shown."""
    values = book.trace.operand(grid.stage.scope, block.name, book.window)
    return np.asarray(values)[:, book.batch]
