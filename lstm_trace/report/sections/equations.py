"""What the functions and signs of a cell's equations are, for a reader who meets them for the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ...cell.lines import Cell, Line
from ...cell.network import Stage
from ...cell.ops import OPS
from ...cell.variants import definition
from ...formulas.blocks import Block, Chain, Chains, Derivation, Heading, Para, Row, Text
from ...formulas.tree import HELD, Call, Fn, Holds, Index, Neg, Node, Prod, Quot, Sum, Sym, formula, number, written_out
from ...languages.strings import Words
from ...view.view import View
from ..compact.plan import in_symbols, plan
from ..compact.stages import Cut

Constants = tuple[float, ...]
_Z = Sym("z")


class Cases(NamedTuple):
    """`above` where z stands in `sign` to `bound`, `below` elsewhere."""

    above: Node
    sign: str
    bound: Node
    below: Node


def _plus(*terms: Node) -> Sum:
    return Sum((1.0,) * len(terms), terms)


def _minus(left: Node, right: Node) -> Sum:
    return Sum((1.0, -1.0), (left, right))


def _exp(node: Node) -> Call:
    return Call("exp", (node,))


def _times(factor: float, node: Node) -> Node:
    return node if factor == 1 else Prod(number(factor), node)


#: Function to what it is of z, given its constants; None where a sentence says it, or where everyone knows it.
DEFINED: dict[str, Callable[[Constants], Node | Cases] | None] = {
    "sigmoid": lambda c: Quot(number(1), _plus(number(1), _exp(Neg(_Z)))),
    "tanh": lambda c: Quot(_minus(_exp(_Z), _exp(Neg(_Z))), _plus(_exp(_Z), _exp(Neg(_Z)))),
    "exp": None,
    "log": None,
    "sqrt": None,
    "relu": lambda c: Call("maximum", (number(0), _Z)),
    "elu": lambda c: Cases(_Z, "≥", number(0), _times(c[0], _minus(_exp(_Z), number(1)))),
    "softplus": lambda c: Call("log", (_plus(number(1), _exp(_Z)),)),
    "clip": None,
    "where": None,
    "maximum": None,
    "max": None,
    "sum": None,
    "mean": None,
    "concat": None,
}  # fmt: skip


def definitions(lines: Mapping[Line, Cell], words: Words) -> list[Block]:
    """What stands in the equations of `lines` (with their cells) and needs saying: formulas first, then a sentence."""
    rows = dict.fromkeys(row for line, cell in lines.items() for row in _formulas(line, cell))
    told = list(dict.fromkeys(_told(list(lines), words)))
    blocks: list[Block] = [Para(words.text("where")), Derivation(tuple((row,) for row in rows))] if rows else []
    return [*blocks, Para(words.sentence(words.listed(told, "semicolon", "semicolon")))] if told else blocks


def _formulas(line: Line, cell: Cell) -> Iterator[Row]:
    """The operation of a line, and the composite function of which it is the value."""
    defined = DEFINED.get(line.op)
    what = None if defined is None else defined(line.constants)
    if what is not None and not isinstance(what, Cases):
        yield Row((_call(line),), (("=", what),))
    if line.call and line.call[0] != HELD:
        inner, value = definition(cell, line)
        whole = written_out(value, inner)
        assert whole is not None
        yield Row((formula(value, inner),), (("=", whole),))


def _call(line: Line) -> Node:
    defaults = tuple(value for _, value in OPS[line.op].constants)
    return Call(line.op, (_Z,), () if line.constants == defaults else line.constants)


def _told(lines: list[Line], words: Words) -> Iterator[Text]:
    for line in lines:
        defined = DEFINED.get(line.op)
        what = None if defined is None else defined(line.constants)
        if line.call[:1] == (HELD,):
            yield words.text("is.held", symbol=Fn(HELD))
        elif isinstance(what, Cases):
            yield words.text(
                "is.cases",
                left=_call(line),
                above=what.above,
                z=_Z,
                sign=what.sign,
                bound=what.bound,
                below=what.below,
            )
        elif words.has(f"is.{line.op}"):
            yield words.text(f"is.{line.op}", symbol=_sign(line.op))
    if any(line.op == "mul" and all(isinstance(o, str) for o in line.operands) for line in lines):
        yield words.text("is.product", symbol=Fn("product"))


def _sign(op: str) -> Node:
    a, b = Sym("a"), Sym("b")
    signs: dict[str, Node] = {"concat": Call("concat", (a, b)), "slice": Index(_Z, "2:5"), "greater": Holds(a, b)}
    return signs.get(op, Fn(op))


#: Name and formula to how it is printed; layers that have an equation in common have it once.
Equations = dict[tuple[str, Node], Row]


def equations(shown: View) -> Iterator[Block]:
    """Those of one cell after the other; then the functions, and what the notation needs said."""
    yield Heading(2, shown.said("equations"))
    found: list[tuple[Stage, Equations]] = []
    used: dict[Line, Cell] = {}
    whole = shown.detail == "compact" or shown.tight
    for stage in shown.stages:
        needed = stage.cell.closure((line.name for line in shown.lines(stage)), carried=False)
        used |= {line: stage.cell for line in stage.lines if line.name in needed}
        used |= {
            x: s.cell for s, *_ in shown.places if s.scope == stage.scope for x in s.lines if x.call[:1] == (HELD,)
        }
        found.append((stage, (_of_chains if whole else _of_lines)(shown, stage, needed)))
    seen: set[tuple[str, Node]] = set()
    for _, own in found:
        new = {key: row for key, row in own.items() if key not in seen}
        if new and seen:
            places = [stage for stage, others in found if new.keys() <= others.keys()]
            yield Para(shown.words.text("layer.more", place=shown.place(*places)))
        if new:
            rows = tuple(new.values())
            yield Chains(tuple(Chain((), (row,)) for row in rows)) if whole else Derivation(tuple((r,) for r in rows))
        seen |= new.keys()
    for block in definitions(used, shown.words):
        if not whole:
            yield block
        elif isinstance(block, Derivation):
            yield Chains(tuple(Chain((), rows) for rows in block.lines))
        elif block != Para(shown.said("where")):
            yield block
    yield from shown.notes


def _of_lines(shown: View, stage: Stage, needed: frozenset[str]) -> Equations:
    """An equation for each line with a name, and for each state that is carried on."""
    rows: Equations = {}
    for line in stage.lines:
        if line.assigned and line.name in needed:
            right = formula(line, stage.cell)
            rows[line.name, right] = Row((Sym(line.name),), (("=", right),))
    for state, target in stage.cell.carry:
        if target in needed and not stage.cell.by_name[target].assigned:
            right = formula(stage.cell.by_name[target], stage.cell)
            rows[state, right] = Row((Sym(state),), (("←", right),))
    return rows


def _of_chains(shown: View, stage: Stage, needed: frozenset[str]) -> Equations:
    """An equation for each value that is worked out in one chain."""
    rows: Equations = {}
    for _, lines in plan(shown, stage):
        for one in lines:
            line, right = one.line if isinstance(one, Cut) else one, in_symbols(stage, one)
            if line.assigned and line.name in needed:
                rows[line.name, right] = Row((Sym(line.name),), (("=", right),))
    return rows
