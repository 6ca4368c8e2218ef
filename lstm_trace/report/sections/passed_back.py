"""What each function passes back to its operands: the adjoint of a cell of one line, once for each function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ...cell.adjoint import adjoint
from ...cell.lines import Cell, Line, Operand
from ...cell.ops import OPS
from ...formulas.blocks import Block, Derivation, Para, Row
from ...formulas.tree import SYMBOLIC, Gradient, MatVec, Node, Sym, Transposed, number
from ...formulas.whole import whole
from ..content.way_back import Back

#: Operations whose rule is said in words, or is too plain to be said.
_PLAIN = ("add", "concat", "slice", "neg", "copy", "greater")


def passed_back(back: Back) -> Iterator[Block]:
    """The rule of every function that a shown gradient comes through."""
    rows: dict[tuple[Row, ...], None] = {}
    for stage in back.stages:
        owner = back.trace.stage(stage.owner)
        reached = {name for _, name in stage.cell.gradient}
        for line in owner.lines:
            if line.name in reached and line.op not in _PLAIN:
                wide = max((back.width(owner, name) for name in line.reads), default=1)
                rows[rule(line.op, line.constants, wide)] = None
    rows.pop((), None)
    if rows:
        yield Para(back.said("back.rules"))
        yield Derivation(tuple(rows))


@cache
def rule(op: str, constants: tuple[float, ...], width: int = 1) -> tuple[Row, ...]:
    """An operation with v for its value, and the gradients of its operands, which are `width` wide."""
    arity = OPS[op].arity or 2
    names = {"matvec": ("W", "z"), "vecmat": ("z", "W")}.get(op, ("z",) if arity == 1 else tuple("abc"[:arity]))
    fed = tuple(name for name in names if name != "W")
    cell = Cell((Line("v", op, names, constants),), output="v", inputs=fed)
    back = adjoint(cell)
    rows = [Row((Sym("v"),), (("=", SYMBOLIC[op](cell.lines[0], tuple(map(Sym, names)))),))]
    sums = {gathered.name: gathered.terms[0] for gathered in back.sums}
    for name in names:
        found: Node
        if f"d_{name}" in sums:
            column, row = map(_leaf, sums[f"d_{name}"])
            found = MatVec(column, Transposed(row))
        elif f"d_{name}" in back.by_name:
            found = whole(back.by_name[f"d_{name}"], back, lambda _: width, _leaf)
        else:
            continue
        rows.append(Row((Gradient(Sym(name)),), (("=", found),), under=True))
    return tuple(rows)


def _leaf(operand: Operand) -> Node:
    """What a person calls an operand of an adjoint."""
    if not isinstance(operand, str):
        return number(operand)
    return Gradient(Sym(operand.removeprefix("d_"))) if operand.startswith("d_") else Sym(operand)
