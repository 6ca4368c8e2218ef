"""What each function passes back to its operands: the adjoint of a cell of one line, once for each function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from ...cell.adjoint import adjoint
from ...cell.lines import Cell, Line, Operand
from ...cell.ops import OPS
from ...cell.secant import secants
from ...formulas.blocks import Block, Derivation, Para, Row
from ...formulas.symbols import SLOPES
from ...formulas.tree import (
    SYMBOLIC,
    Baseline,
    Call,
    Fn,
    Gradient,
    Holds,
    MatVec,
    Node,
    Prod,
    Quot,
    Sum,
    Sym,
    Transposed,
    number,
)
from ...formulas.whole import whole
from ..content.backward import Back, between, equal

MEAN = "W̄"  # a symbol: the mean of two matrices
#: Operations whose rule is said in words, or is too plain to be said.
_PLAIN = ("add", "concat", "slice", "neg", "copy", "greater")


def passed_back(back: Back) -> Iterator[Block]:
    """The rule of every function that a shown gradient comes through."""
    rows: dict[tuple[Row, ...], None] = {}
    mean = _mean(back) if back.between else ""
    for stage in back.stages:
        owner = back.trace.stage(stage.owner)
        reached = {name for _, name in stage.cell.gradient}
        for line in owner.lines:
            if line.name in reached and line.op not in _PLAIN:
                wide = max((back.width(owner, name) for name in line.reads), default=1)
                rows[rule(line.op, line.constants, wide, mean)] = None
    rows.pop((), None)
    if rows:
        yield Para(back.said("back.rules"))
        yield Derivation(tuple(rows))
    if back.between:
        yield from _between(back, tuple(rows))


def _mean(back: Back) -> str:
    """What the rules call the mean of two matrices: that matrix, where no matrix differs."""
    pairs = [(s.owner, name) for s in back.stages for side, name in between(back.trace, s).values() if side == "mean"]
    return "W" if all(equal(back.trace, *pair) for pair in pairs) else MEAN


def _between(back: Back, rules: tuple[tuple[Row, ...], ...]) -> Iterator[Block]:
    """What means and slopes between two traces are."""
    calls = dict.fromkeys(call for rule in rules for row in rule for _, node in row.parts for call in _slopes(node))
    if any(isinstance(node, Prod | MatVec) for rule in rules for _, node in rule[0].parts):
        yield Para(back.said("between.product"))
    if any(Sym(MEAN) in _parts(node) for rule in rules for row in rule for _, node in row.parts):
        yield Para(back.words.text("between.mean", mean=Sym(MEAN), own=Sym("W"), base=Baseline(Sym("W"))))
    if rows := [row for call in calls if (row := _definition(call)) is not None]:
        yield Para(back.said("between.slopes"))
        yield Derivation(tuple((row,) for row in rows))
    if any(call.op == "max_slope" for call in calls):
        yield Para(back.words.text("between.units", slope=Fn("max_slope")))


def _definition(call: Call) -> Row | None:
    """A slope as what it is of its two arguments; None where words say it."""
    name, constants = SLOPES[call.op], call.args[2:]
    a, b, zero = Sym("a"), Sym("b"), number(0)
    sides: dict[str, tuple[Node, Node]] = {
        "greater": (Holds(a, zero), Holds(b, zero)),
        "larger": (Call("relu", (a,)), Call("relu", (b,))),
        "where": (Holds(a, zero, "≠"), Holds(b, zero, "≠")),
    }
    if name == "max":
        return None
    rise = sides.get(name) or (Call(name, (a, *constants)), Call(name, (b, *constants)))
    return Row((Call(call.op, (a, b, *constants)),), (("=", Quot(_minus(*rise), _minus(a, b))),))


def _minus(left: Node, right: Node) -> Node:
    return Sum((1.0, -1.0), (left, right))


def _slopes(node: object) -> Iterator[Call]:
    return (part for part in _parts(node) if isinstance(part, Call) and part.op in SLOPES)


def _parts(node: Any) -> Iterator[Any]:
    """Every part of a formula."""
    yield node
    inner = node if isinstance(node, tuple) else vars(node).values() if hasattr(node, "__dataclass_fields__") else ()
    for part in inner:
        yield from _parts(part)


@cache
def rule(op: str, constants: tuple[float, ...], width: int = 1, between: str = "") -> tuple[Row, ...]:
    """An operation with v for its value, and the gradients of its operands, which are `width` wide.

    between: for the slopes between two traces what the mean of two matrices is called.
    """
    arity = OPS[op].arity or 2
    names = {"matvec": ("W", "z"), "vecmat": ("z", "W")}.get(op, ("z",) if arity == 1 else tuple("abc"[:arity]))
    fed = tuple(name for name in names if name != "W")
    cell = Cell((Line("v", op, names, constants),), output="v", inputs=fed)
    back = secants(cell).cell if between else adjoint(cell)
    leaf = partial(_leaf, between=between)
    rows = [Row((Sym("v"),), (("=", SYMBOLIC[op](cell.lines[0], tuple(map(Sym, names)))),))]
    sums = {gathered.name: gathered.terms[0] for gathered in back.sums}
    for name in names:
        found: Node
        if f"d_{name}" in sums:
            column, row = (_read(back, part, leaf) for part in sums[f"d_{name}"])
            found = MatVec(column, Transposed(row))
        elif f"d_{name}" in back.by_name:
            found = whole(back.by_name[f"d_{name}"], back, lambda _: width, leaf)
        else:
            continue
        rows.append(Row((Gradient(Sym(name), between=bool(between)),), (("=", found),), under=True))
    return tuple(rows)


def _read(back: Cell, name: str, leaf: Callable[[Operand], Node]) -> Node:
    """A value that a sum reads, which may be what a line without a name computes."""
    line = back.by_name.get(name)
    return leaf(name) if line is None or line.assigned else whole(line, back, lambda _: 1, leaf)


def _leaf(operand: Operand, between: str = "") -> Node:
    """What a person calls an operand of an adjoint."""
    if not isinstance(operand, str):
        return number(operand)
    if operand.startswith("base_"):
        return Baseline(Sym(operand.removeprefix("base_")))
    if operand.startswith("d_"):
        return Gradient(Sym(operand.removeprefix("d_")), between=bool(between))
    return Sym(between if operand == "mean_W" else operand)
