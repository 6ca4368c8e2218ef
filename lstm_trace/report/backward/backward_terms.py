"""The terms of one gradient, one for each way to the target: in symbols, with vectors, with the numbers of a unit."""

from __future__ import annotations

from collections.abc import Iterator

from ...formulas.exact import evaluate
from ...formulas.tree import Call, Dots, Neg, Node, Num, Prod, Sum, Sym, Vec, heading, kept, number
from ..content.view import Place
from .adjoints import Edge
from .derivatives import BACKWARD
from .readings import Back, Numbers, Symbols

#: Operations of which an operand has units of its own.
WHOLE = ("matvec", "vecmat", "concat", "slice")
#: A term with the sign before it.
Signed = tuple[float, Node]


def in_symbols(back: Back, place: Place, name: str) -> list[Signed]:
    """The terms in symbols; none for the value that is L itself."""
    stage, t, b = place
    found: list[Signed] = []
    weighted = back.flow.seeded(stage, name, t, b)
    for edge in back.flow.edges(stage, name, t):
        found += _edge(back, place, edge, None)
    for state, _ in back.flow.carried(stage, name, t):
        line = stage.cell.by_name.get(name)
        symbol = Sym(name) if line is None else heading(line, stage.cell)
        several = sum(target == name for _, target in stage.cell.carry) > 1
        through = f"next, {back.notation.plain(Sym(state))}" if several else "next"
        found.append((1.0, back.notation.gradient(symbol, through)))
    for other, operand in back.flow.above(stage, name, t):
        found.append((1.0, back.notation.gradient(Sym(operand), back.shown.place(other))))
    if weighted and (found or back.weighted):
        found.append((1.0, Sym("w_t")))
    return _merged(found)


def _merged(terms: list[Signed]) -> list[Signed]:
    """Equal terms once, with how many there are."""
    counts: dict[Signed, int] = {}
    for term in terms:
        counts[term] = counts.get(term, 0) + 1
    return [(sign, node if n == 1 else Prod(number(n), node)) for (sign, node), n in counts.items()]


def with_vectors(back: Back, place: Place, name: str) -> list[Signed]:
    """The same terms with vectors in place of symbols, matrices by name."""
    stage, t, b = place
    found: list[Signed] = []
    for edge in back.flow.edges(stage, name, t):
        found += _edge(back, place, edge, place)

    def vector(scope: str, of: str, step: int, weight: bool = False) -> Node:
        one = back.weight if weight else back.num
        width = back.flow.widths[scope][of]
        if width == 1:
            return one(scope, of, step, b, 0)
        places = kept(width, back.shown.units)
        return Vec(tuple(Dots("down") if u is None else one(scope, of, step, b, u) for u in places))

    found += [(1.0, vector(stage.scope, state, after)) for state, after in back.flow.carried(stage, name, t)]
    found += [(1.0, vector(other.scope, operand, t)) for other, operand in back.flow.above(stage, name, t)]
    if back.flow.seeded(stage, name, t, b):
        found.append((1.0, vector(stage.scope, name, t, weight=True)))
    return _merged(found)


def _edge(back: Back, place: Place, edge: Edge, values: Place | None) -> Iterator[Signed]:
    """The term of one way, in symbols or with the vectors at a place."""
    stage = place.stage
    sign, origin = back.term(stage, edge.line)
    reading = (
        Symbols(back, stage, edge.line, origin) if values is None else Numbers(back, stage, edge.line, origin, values)
    )
    node = BACKWARD[edge.line.op](reading)[edge.k]
    assert node is not None
    if edge.line.op == "add":
        sign *= edge.line.constants[edge.k]
    width, own = back.width(stage, edge.line.name), reading.width(edge.k)
    if isinstance(node, Neg):
        sign, node = -sign, node.of
    if own == 1 < width and edge.line.op not in WHOLE:
        node = Call("sum", (node,))
    yield sign, node


def at_unit(back: Back, place: Place, name: str, unit: int) -> list[Signed]:
    """The terms of one unit, with numbers."""
    stage, t, b = place
    found: list[Signed] = []
    for edge in back.flow.edges(stage, name, t):
        found += edge_at(back, place, edge, unit)
    found += [(1.0, back.num(stage.scope, state, after, b, unit)) for state, after in back.flow.carried(stage, name, t)]
    found += [(1.0, back.num(other.scope, op, t, b, unit)) for other, op in back.flow.above(stage, name, t)]
    if back.flow.seeded(stage, name, t, b):
        found.append((1.0, back.weight(stage.scope, name, t, b, unit)))
    return found


def edge_at(back: Back, place: Place, edge: Edge, unit: int) -> Iterator[Signed]:
    """The terms of one way for one unit of the operand: several where it serves many units, or a matrix."""
    stage, line = place.stage, edge.line
    sign, origin = back.term(stage, line)
    if line.op == "add":
        sign *= line.constants[edge.k]
    width, own = back.width(stage, line.name), back.width(stage, line.operands[edge.k])
    if line.op in WHOLE:
        units: list[int | None] = [0]
    elif own == 1 < width:
        units = kept(width, back.shown.terms)
    else:
        units = [0 if width == 1 else unit]
    for u in units:
        if u is None:
            yield 1.0, Dots()
            continue
        node = BACKWARD[line.op](Numbers(back, stage, line, origin, place, u, unit))[edge.k]
        assert node is not None
        inner = (node.signs, node.terms) if isinstance(node, Sum) else ((1.0,), (node,))
        for own_sign, part in zip(*inner, strict=True):
            flipped = isinstance(part, Neg)
            yield sign * own_sign * (-1 if flipped else 1), part.of if isinstance(part, Neg) else part


def total(terms: list[Signed]) -> Node:
    """The sum of the terms; of one term itself."""
    if len(terms) == 1:
        sign, node = terms[0]
        return node if sign > 0 else Neg(node)
    return Sum(tuple(sign for sign, _ in terms), tuple(node for _, node in terms))


def relation(back: Back, result: Num, tree: Node) -> str:
    """`=` where the printed equality is true and every number in it is exactly what is shown; `≈` otherwise."""
    exact = evaluate(tree, back.leaf)
    if exact is None or exact != result.shown.fraction:
        return "≈"
    if result.key is not None:
        back.exact[result.key] = exact
    return "="
