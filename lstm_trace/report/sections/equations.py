"""The equations of every cell, once each; the definitions of their functions, and what these pass back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from ...cell.adjoint import adjoint, secants
from ...cell.lines import Cell, Line, Operand
from ...cell.network import Stage
from ...cell.ops import OPS
from ...cell.variants import definition
from ...documents.blocks import Block, Chain, Chains, Code, Derivation, Heading, Para, Row, Text
from ...formulas import tree
from ...formulas.symbols import SLOPES
from ...formulas.tree import HELD, Call, Fn, Holds, Node, Sym, minus, number, plus
from ...formulas.whole import whole
from ...languages.strings import Words
from ...view.view import View
from ..compact.plan import plan
from ..content.backward import Backward, between, equal

_Z = Sym("z")


def _exp(node: Node) -> Call:
    return Call("exp", (node,))


#: The argument z of each function; None if a sentence says it, or if everyone knows it.
DEFINED: dict[str, Node | None] = {
    "sigmoid": tree.Quot(number(1), plus((number(1), _exp(tree.Neg(_Z))))),
    "tanh": tree.Quot(minus(_exp(_Z), _exp(tree.Neg(_Z))), plus((_exp(_Z), _exp(tree.Neg(_Z))))),
    "relu": Call("maximum", (number(0), _Z)),
    "softplus": Call("log", (plus((number(1), _exp(_Z))),)),
    **dict.fromkeys(("exp", "log", "sqrt", "sin", "cos", "floor", "elu", "clip", "where", "maximum", "max")),
    **dict.fromkeys(("sum", "mean", "concat", "outer")),
}


def definitions(lines: Mapping[Line, Cell], words: Words) -> list[Block]:
    """What occurs in the equations of `lines` (with their cells) and needs explaining: formulas first, then a
    sentence.
    """
    rows = dict.fromkeys(row for line, cell in lines.items() for row in _formulas(line, cell))
    told = list(dict.fromkeys(_told(list(lines), words)))
    blocks: list[Block] = [Para(words.text("where")), Derivation(tuple((row,) for row in rows))] if rows else []
    return [*blocks, Para(words.sentence(words.listed(told, "semicolon", "semicolon")))] if told else blocks


def _formulas(line: Line, cell: Cell) -> Iterator[Row]:
    """The operation of a line, and the composite function whose value it is."""
    if (defined := DEFINED.get(line.op)) is not None:
        yield Row((tree.call(line, (_Z,)),), (("=", defined),))
    if line.call and line.call[0] != HELD:
        inner, value = definition(cell, line)
        yield Row((tree.formula(value, inner),), (("=", tree.formula(value._replace(call=()), inner)),))


def _told(lines: list[Line], words: Words) -> Iterator[Text]:
    a, b = Sym("a"), Sym("b")
    signs: dict[str, Node] = {"concat": Call("concat", (a, b)), "slice": tree.Index(_Z, "2:5"), "greater": Holds(a, b)}
    signs |= {"outer": tree.MatVec(a, tree.Transposed(b)), "floor": Call("floor", (_Z,))}
    for line in lines:
        if line.call[:1] == (HELD,):
            yield words.text("is.held", symbol=Fn(HELD))
        elif line.op == "elu":
            (factor,), below = line.constants, minus(_exp(_Z), number(1))
            below_zero = below if factor == 1 else tree.Prod(number(factor), below)
            sides: dict[str, Node | str] = {"above": _Z, "sign": "≥", "bound": number(0), "below": below_zero}
            yield words.text("is.cases", left=tree.call(line, (_Z,)), z=_Z, **sides)
        elif words.has(f"is.{line.op}"):
            yield words.text(f"is.{line.op}", symbol=signs.get(line.op, Fn(line.op)))
    if any(line.op == "mul" and all(isinstance(o, str) for o in line.operands) for line in lines):
        yield words.text("is.product", symbol=Fn("product"))


#: How each name and formula is printed; an equation that several layers share is printed once.
Equations = dict[tuple[str, Node], Row]


def equations(shown: View) -> Iterator[Block]:
    """The equations of one cell after the other; then the functions, and notes on the notation."""
    yield Heading(2, shown.said("equations"))
    found: list[tuple[Stage, Equations]] = []
    used: dict[Line, Cell] = {}
    whole = shown.detail == "compact" or shown.tight
    for stage in shown.stages:
        needed = stage.cell.closure((line.name for line in shown.lines(stage)), carried=False)
        used |= {line: stage.cell for line in stage.lines if line.name in needed}
        here = [place.stage for place in shown.places if place.stage.scope == stage.scope]
        used |= {line: there.cell for there in here for line in there.lines if line.call[:1] == (HELD,)}
        found.append((stage, _own(shown, stage, needed, whole)))
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
        if whole and isinstance(block, Derivation):
            yield Chains(tuple(Chain((), rows) for rows in block.lines))
        elif not whole or block != Para(shown.said("where")):
            yield block
    named = {name for _, own in found for name, _ in own} | {name for line in used for name in line.reads}
    aliases = {name: text for name, text in shown.trace.header.aliases.items() if name in named}
    if called := [(Sym(name), *shown.words.text("aside", text=Code(text))) for name, text in aliases.items()]:
        yield Para(shown.words.text("line.aliases", names=shown.words.listed(called, last="list")))
    yield from shown.notes


def _own(shown: View, stage: Stage, needed: frozenset[str], whole: bool) -> Equations:
    """An equation for each line with a name, and for each carried state; otherwise for each end of a chain."""
    cell = stage.cell
    if whole:
        ends = ((one.line, one.inner) for _, cuts in plan(shown, stage) for one in cuts)
        found = [(line.name, "=", line, tree.formula(line, cell, inner)) for line, inner in ends if line.assigned]
    else:
        found = [(line.name, "=", line, tree.formula(line, cell)) for line in stage.lines if line.assigned]
        carry = [(state, cell.by_name[target]) for state, target in cell.carry if target in needed]
        found += [(state, "←", line, tree.formula(line, cell)) for state, line in carry if not line.assigned]
    there = ((name, sign, right) for name, sign, line, right in found if line.name in needed)
    return {(name, right): Row((Sym(name),), ((sign, right),)) for name, sign, right in there}


MEAN = "W̄"  # a symbol: the mean of two matrices
#: Operations whose rule is given in words, or is too plain to mention.
_PLAIN = ("add", "concat", "slice", "neg", "copy", "greater")


def passed_back(back: Backward) -> Iterator[Block]:
    """The rule of every function that a shown gradient comes through."""
    rows: dict[tuple[Row, ...], None] = {}
    mean = ""
    if back.between:  # the mean of two matrices is called as the matrix is, where no matrix differs
        sides = [(stage.owner, *side) for stage in back.stages for side in between(back.trace, stage).values()]
        means = (equal(back.trace, owner, name) for owner, side, name in sides if side == "mean")
        mean = "W" if all(means) else MEAN
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


def _secant_rules(back: Backward, rules: tuple[tuple[Row, ...], ...]) -> Iterator[Block]:
    """The definitions of means and slopes between two traces."""
    parts = [part for rule in rules for row in rule for _, node in row.parts for part in tree.parts_of(node)]
    calls = dict.fromkeys(part for part in parts if isinstance(part, Call) and part.op in SLOPES)
    if any(isinstance(node, tree.Prod | tree.MatVec) for rule in rules for _, node in rule[0].parts):
        yield Para(back.said("between.product"))
    if Sym(MEAN) in parts:
        yield Para(back.words.text("between.mean", mean=Sym(MEAN), own=Sym("W"), base=tree.Baseline(Sym("W"))))
    if rows := [row for call in calls if (row := _definition(call)) is not None]:
        yield Para(back.said("between.slopes"))
        yield Derivation(tuple((row,) for row in rows))
    if any(call.op == "max_slope" for call in calls):
        yield Para(back.words.text("between.units", slope=Fn("max_slope")))


def _definition(call: Call) -> Row | None:
    """A slope as a formula of its two arguments; None if words define it."""
    name, constants = SLOPES[call.op], call.args[2:]
    if name == "max":
        return None
    a, b, zero = Sym("a"), Sym("b"), number(0)
    sides: dict[str, Callable[[Node], Node]] = {
        "greater": lambda one: Holds(one, zero),
        "larger": lambda one: Call("relu", (one,)),
        "where": lambda one: Holds(one, zero, "≠"),
    }
    rise = map(sides.get(name, lambda one: Call(name, (one, *constants))), (a, b))
    return Row((Call(call.op, (a, b, *constants)),), (("=", tree.Quot(minus(*rise), minus(a, b))),))


#: The names of the operands of products with a matrix; a W is a weight.
MATRIX_RULES = {"matvec": ("W", "z"), "vecmat": ("z", "W"), "memvec": ("C", "z"), "vecmem": ("z", "C")}


@cache
def rule(op: str, constants: tuple[float, ...], width: int = 1, between: str = "") -> tuple[Row, ...]:
    """An operation with v for its value, and the gradients of its operands, which are `width` wide.

    between: for the slopes between two traces, the name of the mean of two matrices.
    """
    arity = OPS[op].arity or 2
    names = MATRIX_RULES.get(op, ("z",) if arity == 1 else tuple("abc"[:arity]))
    fed = tuple(name for name in names if name != "W")
    cell = Cell((Line("v", op, names, constants),), output="v", inputs=fed, declared=("C",) if "C" in names else ())
    back = secants(cell).cell if between else adjoint(cell)

    def leaf(operand: Operand) -> Node:
        """The name that a person gives an operand of an adjoint."""
        if not isinstance(operand, str):
            return number(operand)
        side, _, of = operand.partition("_")
        if side == "d":
            return tree.Gradient(Sym(of), between=bool(between))
        return tree.Baseline(Sym(of)) if side == "base" else Sym(between if operand == "mean_W" else operand)

    rows = [Row((Sym("v"),), (("=", tree.SYMBOLIC[op](cell.lines[0], tuple(map(Sym, names)))),))]
    sums = {gathered.name: gathered.terms[0] for gathered in back.sums}
    for name in names:
        found: Node
        if f"d_{name}" in sums:
            lines = ((part, back.by_name.get(part)) for part in sums[f"d_{name}"])  # some of them have no name
            column, row = (
                leaf(part) if x is None or x.assigned else whole(x, back, lambda _: 1, leaf) for part, x in lines
            )
            found = tree.MatVec(column, tree.Transposed(row))
        elif f"d_{name}" in back.by_name:
            found = whole(back.by_name[f"d_{name}"], back, lambda _: width, leaf)
        else:
            continue
        rows.append(Row((tree.Gradient(Sym(name), between=bool(between)),), (("=", found),), under=True))
    return tuple(rows)
