"""A line as one formula, as on paper: values without a name are written out, factors stand in a row.

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
from .symbols import SLOPES
from .tree import (
    COMPARED,
    SYMBOLIC,
    Call,
    Factors,
    Holds,
    Neg,
    Node,
    Num,
    Prod,
    Square,
    Sum,
    Sym,
    Vec,
    number,
)

#: The key of a condition whose numbers are known: 1 or 0, a factor that stays.
HELD = ()
#: A name to how wide its value is.
Width = Callable[[str], int]


def whole(line: Line, cell: Cell, width: Width, leaf: Callable[[Operand], Node]) -> Node:
    """What `line` computes, of the values that have a name or are fed; leaf: what stands for one of those."""

    between = {function.name for function in cell.functions if function.text in BETWEEN}

    def part(operand: Operand) -> Node:
        inner = cell.by_name.get(operand) if isinstance(operand, str) else None
        if inner is None or inner.assigned:
            return leaf(operand)
        name, *args = inner.call or ("",)
        if name == "count":
            return number(width(str(args[0])))
        if name in between and name in SLOPES:
            return Call(str(name), tuple(map(part, args)))
        if name in between and name == "gap":  # as the difference that it is of finite numbers
            return Sum((1.0, -1.0), tuple(map(part, args)))
        return SYMBOLIC[inner.op](inner, tuple(map(part, inner.operands)))

    return on_paper(SYMBOLIC[line.op](line, tuple(map(part, line.operands))))


def on_paper(node: Node) -> Node:
    """The same formula as a person writes it.

    >>> from .plain import Plain
    >>> d, y = Sym("d"), Sym("y")
    >>> Plain()(on_paper(Prod(d, Prod(y, Sum((1.0, -1.0), (number(1), Prod(y, y)))))))
    'd ⊙ y ⊙ (1 - y²)'
    """
    return _PAPER[type(node)](node) if type(node) in _PAPER else node.remade(on_paper)


# -- products ---------------------------------------------------------------------------------------------------------


def times(*parts: Node) -> Node:
    """A product: numbers each in parentheses, symbols and vectors with the sign between them, equal ones squared."""
    factors: list[Node] = []
    minus = False
    for factor in chain.from_iterable(map(_factors, parts)):
        if isinstance(factor, Neg):
            minus, factor = not minus, factor.of
        if factors and factor == factors[-1]:
            factors[-1] = Square(factor)
        elif factor != number(1):
            factors.append(factor)
    if len(factors) > 1 and all(map(_of_numbers, factors)):
        one = len(factors) == 2 and all(isinstance(factor, Num) for factor in factors)
        found: Node = Prod(*factors) if one else Factors(tuple(factors))
    else:
        constants = [factor for factor in factors if isinstance(factor, Num) and factor.key is None]
        rest = [factor for factor in factors if factor not in constants]
        found = reduce(Prod, [*constants, *rest]) if factors else number(1)
    return Neg(found) if minus else found


def _factors(node: Node) -> Iterator[Node]:
    return chain.from_iterable(map(_factors, node.pieces)) if isinstance(node, Prod | Factors) else iter([node])


def _of_numbers(node: Node) -> bool:
    """Whether only single numbers stand in a formula, and neither symbols nor vectors."""
    return not isinstance(node, Sym | Vec) and all(map(_of_numbers, node.pieces))


# -- sums -------------------------------------------------------------------------------------------------------------


def total(terms: list[tuple[float, Node]]) -> Node:
    """A sum of terms with their signs: sums among them become part of it, equal symbols are counted."""
    flat: list[tuple[float, Node]] = []
    for sign, term in terms:
        while isinstance(term, Neg):
            sign, term = -sign, term.of
        inner = zip(term.signs, term.terms, strict=True) if isinstance(term, Sum) else [(1.0, term)]
        flat += [(sign * own, part) for own, part in inner]
    counts = Counter(flat)
    if any(count > 1 and not _of_numbers(term) for (_, term), count in counts.items()):
        flat = [(sign, term if n == 1 else times(number(n), term)) for (sign, term), n in counts.items()]
    if len(flat) == 1:
        sign, term = flat[0]
        return term if sign > 0 else Neg(term)
    return Sum(tuple(sign for sign, _ in flat), tuple(term for _, term in flat))


def _negative(node: Neg) -> Node:
    of = on_paper(node.of)
    return of.of if isinstance(of, Neg) else Neg(of)


# -- conditions -------------------------------------------------------------------------------------------------------


def _call(node: Call) -> Node:
    if node.op != "where":
        args = tuple(map(on_paper, node.args))
        if node.op == "sum" and isinstance(inner := args[0], Neg):
            return Neg(replace(node, args=(inner.of,)))
        return replace(node, args=args)
    condition, then, other = map(on_paper, node.args)
    if isinstance(condition, Num) and condition.key is None:  # `expand`: one number for each unit of another value
        return then if condition.value else other
    if not isinstance(condition, Holds):
        condition = Holds(condition, number(0), "≠")
    if other == number(0) or then == number(0):
        here = condition if other == number(0) else replace(condition, sign=_OPPOSITE[condition.sign])
        factor = here if (known := _known(here)) is None else replace(number(1 if known else 0), key=HELD)
        rest = then if other == number(0) else other
        return factor if rest == number(1) else times(rest, factor)
    if condition.sign == ">" and condition.right == number(0):
        other = _below(other, condition.left)
    known = _known(condition)
    return Call("where", (condition, then, other)) if known is None else then if known else other


def _below(part: Node, at: Node) -> Node:
    """A formula where `at` is not above 0: -relu(-at) is `at`."""
    if isinstance(part, Neg) and isinstance(part.of, Call) and part.of.op == "relu":
        of = part.of.args[0]
        if of == Neg(at) or (isinstance(of, Num) and isinstance(at, Num) and of.value == -at.value):
            return at
    return part if isinstance(part, Vec) else part.remade(partial(_below, at=at))


_OPPOSITE = {">": "≤", "≤": ">", "≠": "=", "=": "≠"}


def _known(condition: Holds) -> bool | None:
    """Whether a comparison of numbers holds."""
    if not (isinstance(condition.left, Num) and isinstance(condition.right, Num)):
        return None
    return COMPARED[condition.sign](condition.left.value, condition.right.value)


_PAPER: dict[type, Callable[[Any], Node]] = {
    Vec: lambda node: node,
    **dict.fromkeys((Prod, Factors), lambda node: times(*map(on_paper, node.pieces))),
    Sum: lambda node: total(list(zip(node.signs, map(on_paper, node.terms), strict=True))),
    Neg: _negative,
    Call: _call,
}
