"""A line as one formula, as on paper: unnamed values are written out, factors form one product.

Equations compute a slope first, `d * (y * (1 - y))`; a person writes `d ⊙ y ⊙ (1 - y)`. A condition is a factor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from itertools import chain
from typing import Any

from ..cell.lines import Cell, Line, Operand
from ..cell.rules import BETWEEN
from . import tree
from .symbols import SLOPES

#: The key of a condition whose numbers are known: 1 or 0, a factor that is kept.
HELD = ()
#: A name to the width of its value.
Width = Callable[[str], int]


def whole(line: Line, cell: Cell, width: Width, leaf: Callable[[Operand], tree.Node]) -> tree.Node:
    """The expression of `line` in terms of named values and inputs; leaf: returns the node for one of those."""

    between = {function.name for function in cell.functions if function.text in BETWEEN}

    def part(operand: Operand) -> tree.Node:
        inner = cell.by_name.get(operand) if isinstance(operand, str) else None
        if inner is None or inner.assigned:
            return leaf(operand)
        name, *args = inner.call or ("",)
        if name == "count":
            return tree.number(width(str(args[0])))
        if name in between and name in SLOPES:
            return tree.Call(str(name), tuple(map(part, args)))
        if name in between and name == "gap":  # for finite numbers, the plain difference
            return tree.minus(*map(part, args))
        return tree.SYMBOLIC[inner.op](inner, tuple(map(part, inner.operands)))

    return on_paper(tree.SYMBOLIC[line.op](line, tuple(map(part, line.operands))))


def on_paper(node: tree.Node) -> tree.Node:
    """The same formula as a person would write it.

    >>> from .plain import Plain
    >>> from .tree import Prod, Sum, Sym, number
    >>> d, y = Sym("d"), Sym("y")
    >>> Plain()(on_paper(Prod(d, Prod(y, Sum((1.0, -1.0), (number(1), Prod(y, y)))))))
    'd ⊙ y ⊙ (1 - y²)'
    """
    return _PAPER[type(node)](node) if type(node) in _PAPER else node.remade(on_paper)


# -- products ---------------------------------------------------------------------------------------------------------


def times(*parts: tree.Node) -> tree.Node:
    """A product: numbers each in parentheses, symbols and vectors with a sign between them, equal ones squared."""
    factors: list[tree.Node] = []
    minus = False
    for factor in chain.from_iterable(map(_factors, parts)):
        if isinstance(factor, tree.Neg):
            minus, factor = not minus, factor.of
        if factors and factor == factors[-1]:
            factors[-1] = tree.Square(factor)
        elif factor != tree.number(1):
            factors.append(factor)
    if len(factors) > 1 and all(map(_of_numbers, factors)):
        one = len(factors) == 2 and all(isinstance(factor, tree.Num) for factor in factors)
        found: tree.Node = tree.Prod(*factors) if one else tree.Factors(tuple(factors))
    else:
        constants = [factor for factor in factors if isinstance(factor, tree.Num) and factor.key is None]
        rest = [factor for factor in factors if factor not in constants]
        found = reduce(tree.Prod, [*constants, *rest]) if factors else tree.number(1)
    return tree.Neg(found) if minus else found


def _factors(node: tree.Node) -> Iterator[tree.Node]:
    inner = isinstance(node, tree.Prod | tree.Factors)
    return chain.from_iterable(map(_factors, node.pieces)) if inner else iter([node])


def _of_numbers(node: tree.Node) -> bool:
    """Whether a formula contains only single numbers, and neither symbols nor vectors."""
    return not isinstance(node, tree.Sym | tree.Vec | tree.Mat) and all(map(_of_numbers, node.pieces))


# -- sums -------------------------------------------------------------------------------------------------------------


def total(terms: list[tuple[float, tree.Node]]) -> tree.Node:
    """A sum of terms with their signs: nested sums are merged into it, equal symbols are counted."""
    flat: list[tuple[float, tree.Node]] = []
    for sign, term in terms:
        while isinstance(term, tree.Neg):
            sign, term = -sign, term.of
        inner = zip(term.signs, term.terms, strict=True) if isinstance(term, tree.Sum) else [(1.0, term)]
        flat += [(sign * own, part) for own, part in inner]
    counts = Counter(flat)
    if any(count > 1 and not _of_numbers(term) for (_, term), count in counts.items()):
        flat = [(sign, term if n == 1 else times(tree.number(n), term)) for (sign, term), n in counts.items()]
    if len(flat) == 1:
        sign, term = flat[0]
        return term if sign > 0 else tree.Neg(term)
    return tree.Sum(tuple(sign for sign, _ in flat), tuple(term for _, term in flat))


# -- conditions -------------------------------------------------------------------------------------------------------


def _call(node: tree.Call) -> tree.Node:
    if node.op != "where":
        args = tuple(map(on_paper, node.args))
        if node.op == "sum" and isinstance(inner := args[0], tree.Neg):
            return tree.Neg(replace(node, args=(inner.of,)))
        return replace(node, args=args)
    condition, then, other = map(on_paper, node.args)
    if isinstance(condition, tree.Num) and condition.key is None:  # `expand`: one number per unit of another value
        return then if condition.value else other
    if not isinstance(condition, tree.Holds):
        condition = tree.Holds(condition, tree.number(0), "≠")
    if other == tree.number(0) or then == tree.number(0):
        here = condition if other == tree.number(0) else replace(condition, sign=_OPPOSITE[condition.sign])
        factor = here if (known := _known(here)) is None else replace(tree.number(1 if known else 0), key=HELD)
        rest = then if other == tree.number(0) else other
        return factor if rest == tree.number(1) else times(rest, factor)
    if condition.sign == ">" and condition.right == tree.number(0):
        other = _below(other, condition.left)
    known = _known(condition)
    return tree.Call("where", (condition, then, other)) if known is None else then if known else other


def _below(part: tree.Node, at: tree.Node) -> tree.Node:
    """A formula where `at` is not above 0: -relu(-at) is `at`."""
    if isinstance(part, tree.Neg) and isinstance(part.of, tree.Call) and part.of.op == "relu":
        of = part.of.args[0]
        if of == tree.Neg(at) or (isinstance(of, tree.Num) and isinstance(at, tree.Num) and of.value == -at.value):
            return at
    return part if isinstance(part, tree.Vec) else part.remade(partial(_below, at=at))


_OPPOSITE = {">": "≤", "≤": ">", "≠": "=", "=": "≠"}


def _known(condition: tree.Holds) -> bool | None:
    """Whether a comparison of numbers is true."""
    if not (isinstance(condition.left, tree.Num) and isinstance(condition.right, tree.Num)):
        return None
    return tree.COMPARED[condition.sign](condition.left.value, condition.right.value)


_PAPER: dict[type, Callable[[Any], tree.Node]] = {
    **dict.fromkeys((tree.Vec, tree.Mat), lambda node: node),
    **dict.fromkeys((tree.Prod, tree.Factors), lambda node: times(*map(on_paper, node.pieces))),
    tree.Sum: lambda node: total(list(zip(node.signs, map(on_paper, node.terms), strict=True))),
    tree.Neg: lambda node: of.of if isinstance(of := on_paper(node.of), tree.Neg) else tree.Neg(of),
    tree.Call: _call,
}
