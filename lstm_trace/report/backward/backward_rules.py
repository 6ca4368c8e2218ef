"""The derivatives that a walk back uses, once each, as a list of formulas."""

from __future__ import annotations

from collections.abc import Iterator

from ...cell.lines import Line
from ...cell.ops import OPS
from ...formulas.blocks import Block, Derivation, Para, Row
from ...formulas.tree import SYMBOLIC, MatVec, Node, Sym
from .derivatives import BACKWARD
from .readings import Back, Symbols

_V, _Z, _W = Sym("v"), Sym("z"), Sym("W")


class _General(Symbols):
    """A line with v for its value and z (or a and b) for its operands."""

    @property
    def g(self) -> Node:
        return self.back_.notation.gradient(_V)

    @property
    def y(self) -> Node:
        return _V

    def x(self, k: int) -> Node:
        if self.line.product:
            return (_W, _Z)[k if self.line.op == "matvec" else 1 - k]
        return _Z if len(self.line.operands) == 1 else Sym("abc"[k])

    def back(self) -> Node:
        return MatVec(_W if self.line.op == "vecmat" else self.back_.notation.transposed(_W), self.g)


def rules(back: Back) -> Iterator[Block]:
    """What each operation passes back; sums and joined vectors are said in words."""
    rows: dict[tuple[Row, ...], None] = {}
    for stage in back.shown.stages:
        live = set().union(*back.flow.live[stage.scope].values())
        for line in stage.lines:
            if line.name in live and line.op not in (
                "add",
                "concat",
            ):
                rows[_rule(back, _General(back, stage, line, line))] = None
    rows.pop((), None)
    if rows:
        yield Para(back.shown.said("back.rules"))
        yield Derivation(tuple(rows))


def _rule(back: Back, general: _General) -> tuple[Row, ...]:
    line: Line = general.line
    if OPS[line.op].function is None and line.op not in ("matvec", "vecmat", "mul", "div"):
        return ()
    operands = [general.x(k) for k in range(len(line.operands))]
    gradient = back.notation.gradient
    found = list(BACKWARD[line.op](general))
    if line.op == "matvec":
        found[0] = MatVec(general.g, back.notation.transposed(_Z))
    if line.op == "vecmat":
        found[1] = MatVec(_Z, back.notation.transposed(general.g))
    rows = [
        Row((gradient(operand),), (("=", node),), under=True)
        for operand, node in zip(operands, found, strict=True)
        if node is not None
    ]
    return (Row((_V,), (("=", SYMBOLIC[line.op](line, tuple(operands))),)), *rows)
