"""The equations of every cell, once each; what their functions are, and what these pass back to their operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import NamedTuple

from ...cell.adjoint import adjoint, secants
from ...cell.lines import Cell, Line, Operand
from ...cell.network import Stage
from ...cell.ops import OPS
from ...cell.variants import definition
from ...documents.blocks import Block, Chain, Chains, Derivation, Heading, Para, Row, Text
from ...formulas.symbols import SLOPES
from ...formulas.tree import (
    HELD,
    SYMBOLIC,
    Baseline,
    Call,
    Fn,
    Gradient,
    Holds,
    Index,
    MatVec,
    Neg,
    Node,
    Prod,
    Quot,
    Sum,
    Sym,
    Transposed,
    formula,
    number,
    written_out,
)
from ...formulas.whole import whole
from ...languages.strings import Words
from ...view.view import View
from ..compact.plan import in_symbols, plan
from ..compact.stages import Cut
from ..content.backward import Backward, between, equal
from ..content.value_blocks import parts_of

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


MEAN = "W̄"  # a symbol: the mean of two matrices
#: Operations whose rule is said in words, or is too plain to be said.
_PLAIN = ("add", "concat", "slice", "neg", "copy", "greater")


def passed_back(back: Backward) -> Iterator[Block]:
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
        yield from _secant_rules(back, tuple(rows))


def _mean(back: Backward) -> str:
    """What the rules call the mean of two matrices: that matrix, where no matrix differs."""
    pairs = [(s.owner, name) for s in back.stages for side, name in between(back.trace, s).values() if side == "mean"]
    return "W" if all(equal(back.trace, *pair) for pair in pairs) else MEAN


def _secant_rules(back: Backward, rules: tuple[tuple[Row, ...], ...]) -> Iterator[Block]:
    """What means and slopes between two traces are."""
    calls = dict.fromkeys(call for rule in rules for row in rule for _, node in row.parts for call in _slopes(node))
    if any(isinstance(node, Prod | MatVec) for rule in rules for _, node in rule[0].parts):
        yield Para(back.said("between.product"))
    if any(Sym(MEAN) in parts_of(node) for rule in rules for row in rule for _, node in row.parts):
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


def _slopes(node: object) -> Iterator[Call]:
    return (part for part in parts_of(node) if isinstance(part, Call) and part.op in SLOPES)


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
