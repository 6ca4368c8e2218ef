"""Each operation as a spreadsheet formula: functions that both Excel 2010 and LibreOffice have, in one cell each.

A formula is a template: every operand is in the row of the result, and `{r}` is the number of that row. A block of
a sheet has a template for each unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.arithmetic import decimals
from ...cell.lines import Line, number
from ...cell.network import VALID, X, scope_and_name
from .sheets import INPUTS, Book, StepGrid, ValueBlock, left, mask_at

#: How the names of the arithmetics begin that a spreadsheet can compute in too.
NOTED = "by-hand-"


class Ref(NamedTuple):
    """An operand as a formula writes it. cells: each unit; whole: all of them, a range or a name.

    across: whether the range lies in a row, as values do; a vector of weights is in a column. entries: the cells of
    a matrix as it is laid out on the sheet, a row for each unit; empty if it has a name.
    """

    cells: tuple[str, ...]
    whole: str
    across: bool = True
    entries: tuple[tuple[str, ...], ...] = ()

    def unit(self, j: int) -> str:
        """Unit `j`; a value of width 1 serves every unit."""
        return self.cells[j if len(self.cells) > 1 else 0]


Formula = Callable[[Sequence[Ref], Sequence[float], int], str]
#: The formulas of a block in a row (counted from 0) of the i-th batch row and the k-th step; None for numbers.
Formulas = Callable[[int, int, int], Sequence[str] | None]
NONE: Formulas = lambda row, i, k: None  # noqa: E731


def column(index: int) -> str:
    """The letters of a column, counted from 0.

    >>> column(0), column(27), column(16383)
    ('A', 'AB', 'XFD')
    """
    letters = ""
    while index >= 0:
        index, last = divmod(index, 26)
        letters, index = chr(65 + last) + letters, index - 1
    return letters


def address(row: int, at: int) -> str:
    """`B7`, from numbers counted from 0."""
    return f"{column(at)}{row + 1}"


def area(top: int, left: int, bottom: int, right: int) -> str:
    """`B7:D9`, from numbers counted from 0."""
    return f"{address(top, left)}:{address(bottom, right)}"


def weights(name: str, shape: tuple[int, ...], entries: bool) -> Ref:
    """A matrix, a row for each unit of the result, or a vector, which is in a column: a named range.

    entries: whether the entries of the matrix are operands.
    """
    if len(shape) == 2:
        places = product(*(range(1, size + 1) for size in shape)) if entries else ()
        return Ref(tuple(f"INDEX({name},{row},{column})" for row, column in places), name)
    (width,) = shape
    return Ref((name,) if width == 1 else tuple(f"INDEX({name},{j + 1})" for j in range(width)), name, across=False)


def literal(value: float) -> str:
    """A number as a formula writes it."""
    text = number(value).upper()
    return f"({text})" if text.startswith("-") else text


def _each(pattern: str) -> Formula:
    """A formula of the operands' units: {0}, {1}, {2}; the line's constants are {p} and {q}."""

    def formula(operands: Sequence[Ref], constants: Sequence[float], j: int) -> str:
        numbers = dict(zip("pq", map(literal, constants), strict=False))
        return pattern.format(*(ref.unit(j) for ref in operands), **numbers)

    return formula


def _whole(function: str) -> Formula:
    """A function of all units of the only operand."""
    return lambda operands, constants, j: f"{function}({operands[0].whole})"


def _matvec(operands: Sequence[Ref], _: Sequence[float], j: int) -> str:
    """The dot product of row j with the vector, which lies in a row too; weights are in a column."""
    product = "SUMPRODUCT" if operands[1].across else "MMULT"
    return f"{product}(INDEX({operands[0].whole},{j + 1},0),{operands[1].whole})"


def _vecmat(operands: Sequence[Ref], _: Sequence[float], j: int) -> str:
    """The product of the vector, which lies in a row, with column j; MMULT wants ranges, and one number is not one."""
    vector, matrix = operands
    if len(vector.cells) == 1:
        return f"{vector.whole}*INDEX({matrix.whole},1,{j + 1})"
    return f"MMULT({vector.whole},INDEX({matrix.whole},0,{j + 1}))"


def _outer(operands: Sequence[Ref], _: Sequence[float], j: int) -> str:
    row, column = divmod(j, len(operands[1].cells))
    return f"{operands[0].unit(row)}*{operands[1].unit(column)}"


def _memvec(operands: Sequence[Ref], _: Sequence[float], j: int) -> str:
    """The product of row j of a matrix, whose cells lie in a row, with a vector; weights are in a column."""
    matrix, vector = operands
    if len(row := matrix.cells[j * len(vector.cells) :][: len(vector.cells)]) == 1:
        return f"{row[0]}*{vector.whole}"
    return f"{'SUMPRODUCT' if vector.across else 'MMULT'}({row[0]}:{row[-1]},{vector.whole})"


def _add(terms: Sequence[Ref], signs: Sequence[float], j: int) -> str:
    """From left to right, as spreadsheets add."""
    text = "".join(("-" if sign < 0 else "+") + term.unit(j) for term, sign in zip(terms, signs, strict=True))
    return text.removeprefix("+")


#: Operations on each unit: see `_each`. EXP of more than 709 is #NUM!, so sigmoid asks first: where z < -700 it is
#: below 1e-304, and 0 is what any other cell sees of it. SIN and COS of more than 2^27 are #NUM! in Excel.
_PATTERNS = {
    **{op: f"{op.upper()}({{0}})" for op in ("tanh", "exp", "sqrt", "sin", "cos")},
    "mul": "{0}*{1}", "div": "{0}/{1}", "neg": "-{0}", "copy": "{0}", "log": "LN({0})", "floor": "INT({0})",
    "sigmoid": "IF({0}<-700,0,1/(1+EXP(-{0})))", "softplus": "MAX({0},0)+LN(1+EXP(-ABS({0})))",
    "relu": "MAX({0},0)", "elu": "IF({0}<0,{p}*(EXP({0})-1),{0})", "clip": "MAX({p},MIN({q},{0}))",
    "maximum": "MAX({0},{1})", "where": "IF({0}<>0,{1},{2})", "greater": "IF({0}>{1},1,0)",
}  # fmt: skip
#: How each operation is written.
FORMULAS: dict[str, Formula] = {
    **{op: _each(pattern) for op, pattern in _PATTERNS.items()},
    "matvec": _matvec,
    "vecmat": _vecmat,
    "outer": _outer,
    "memvec": _memvec,
    "vecmem": lambda operands, constants, j: "+".join(_entries_read("vecmem", operands, j)),
    "add": _add,
    "max": _whole("MAX"),
    "sum": _whole("SUM"),
    "mean": _whole("AVERAGE"),
    "concat": lambda parts, constants, j: [cell for part in parts for cell in part.cells][j],
    "slice": lambda operands, constants, j: operands[0].cells[int(constants[0]) + j],
}

#: Operations that choose among numbers, so that nothing is rounded.
_CHOOSING = ("copy", "slice", "concat", "where", "maximum", "max")
#: How many products are written out one by one: a formula has at most 8,192 characters.
_WRITTEN_OUT = 150


def rounding(arithmetic: str | None) -> int | None:
    """To how many decimals every result is rounded, half away from zero as ROUND does; None if none is rounded.

    >>> rounding("by-hand-4"), rounding("q4.12"), rounding(None)
    (4, None, None)
    """
    return decimals(arithmetic) if arithmetic and arithmetic.startswith(NOTED) else None


def formula(book: Book, line: Line, ref: Callable[[str], Ref], j: int) -> str:
    """Unit `j` of a line; every product and result is rounded if the trace was. ref: the place of an operand."""
    operands = [ref(o) if isinstance(o, str) else Ref((literal(o),), literal(o)) for o in line.operands]
    places = rounding(book.trace.header.arithmetic)
    by_terms = _terms(line, operands, j, places) if line.product or line.memory else ""
    text = by_terms or FORMULAS[line.op](operands, line.constants, j)
    return text if places is None or line.op in _CHOOSING else f"ROUND({text},{places})"


def _entries_read(op: str, operands: Sequence[Ref], j: int) -> list[str]:
    """The terms of a product with a matrix that lies in one row of cells."""
    matrix, vector = operands if op == "memvec" else operands[::-1]
    width, columns = len(vector.cells), len(matrix.cells) // len(vector.cells)
    at = (j * width + k if op == "memvec" else k * columns + j for k in range(width))
    return [f"{matrix.cells[entry]}*{cell}" for entry, cell in zip(at, vector.cells, strict=True)]


def _terms(line: Line, operands: Sequence[Ref], j: int, places: int | None) -> str:
    """A product term by term, as it is calculated by hand; empty if one function of whole ranges does it."""
    table, values = operands if line.op in ("matvec", "memvec") else operands[::-1]
    if table.entries:
        terms = [f"{weight}*{values.unit(k)}" for k, weight in enumerate(table.entries[j])]
    elif line.memory and (places is not None or not operands[0].across):
        terms = _entries_read(line.op, operands, j)
    elif places is None:
        return ""
    elif line.op == "matvec" and values.across and len(values.cells) > 1:
        return f"SUMPRODUCT(ROUND(INDEX({table.whole},{j + 1},0)*{values.whole},{places}))"
    elif len(values.cells) > _WRITTEN_OUT:  # nobody does this by hand
        return ""
    else:
        at = f"{j + 1},{{k}}" if line.op == "matvec" else f"{{k}},{j + 1}"
        terms = [f"INDEX({table.whole},{at.format(k=k)})*{cell}" for k, cell in enumerate(values.cells, 1)]
    return "+".join(terms if places is None else (f"ROUND({term},{places})" for term in terms))


def cells(book: Book, grid: StepGrid, block: ValueBlock) -> Formulas:
    """The formulas of `block` on the sheet `grid`: one template for each unit, or none.

    In a template `{r}` is the row, `{p}` the row of the previous step, `{b}` the batch row. first: the templates of
    the step at which a state begins.
    """
    if not block.live:
        return NONE
    if block.kind == "state":
        formulas, first = _state(book, grid, block)
    else:
        formulas = first = _line(book, grid, block) if block.kind == "line" else _elsewhere(book, grid, block)
    back, edge = (1, len(book.steps) - 1) if grid.stage.backwards else (-1, 0)

    def at(row: int, i: int, k: int) -> list[str] | None:
        chosen = first if k == edge else formulas
        if chosen is None:
            return None
        here, before, rank = str(row + 1), str(row + 1 + back), str(i + 1)
        return [text.replace("{r}", here).replace("{p}", before).replace("{b}", rank) for text in chosen]

    return at


def _state(book: Book, grid: StepGrid, block: ValueBlock) -> tuple[list[str] | None, list[str] | None]:
    """The previous step; at the first step the initial state, which is all if there is a single step."""
    target = grid.blocks.get(grid.stage.cell.states[block.name])
    before = None if target is None else [f"{column(c)}{{p}}" for c in _spread(target, block.width)]
    if grid.stage.cell.gradient:
        return before, ["0"] * block.width
    start = next((s for s in book.starts if (s.scope, s.state) == (grid.stage.scope, block.name)), None)
    return before, None if start is None else [f"INDEX({start.range},{{b}},{j + 1})" for j in range(block.width)]


def _spread(target: ValueBlock, width: int) -> Sequence[int]:
    """The column that each of `width` units reads; a value of width 1 serves all."""
    return target.columns if target.width == width else [target.first] * width


def _elsewhere(book: Book, grid: StepGrid, block: ValueBlock) -> list[str]:
    """The same row of the inputs, or of the layer below."""
    if (source := grid.stage.sources[block.name]) == X:
        sheet = f"'{book.named(INPUTS)}'" if book.side else INPUTS
        return [f"{sheet}!{column(left(book.trace) + j)}{{r}}" for j in range(block.width)]
    if source == VALID:
        if (edited := mask_at(book.grids)) is None:
            return [f"IF(B{{r}}<INDEX({book.starts[0].range},{{b}}),1,0)"]
        return [f"'{edited[0].sheet}'!{column(edited[1].first)}{{r}}"]
    scope, line = scope_and_name(source)
    below = book.grids[scope]
    return [f"'{below.sheet}'!{column(c)}{{r}}" for c in _spread(below.blocks[line], block.width)]


def _line(book: Book, grid: StepGrid, block: ValueBlock) -> list[str]:
    tables = book.weights(grid)

    @cache
    def ref(operand: str) -> Ref:
        if operand in grid.blocks:
            cells = tuple(f"{column(c)}{{r}}" for c in grid.blocks[operand].columns)
            return Ref(cells, cells[0] if len(cells) == 1 else f"{cells[0]}:{cells[-1]}")
        return weights(tables[operand].range, tables[operand].values.shape, operand in grid.stage.cell.matrices)

    return [formula(book, grid.stage.cell.by_name[block.name], ref, j) for j in range(block.width)]


def recorded(book: Book, grid: StepGrid, block: ValueBlock) -> Array:
    """The numbers of `block`: (steps, batch rows, width), as far as they are shown."""
    return np.asarray(book.trace.operand(grid.stage.scope, block.name, book.window))[:, book.batch]
