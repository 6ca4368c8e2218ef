"""Expressions as trees that a pattern can be compared with, and rewritten.

A pattern is an expression in the grammar of cells in which single letters stand for parts:

    a b c d e   any expression
    s           the other terms of a sum, at least one
    W           a matrix of weights
    p q         weights that are no matrix: a bias, a peephole
    v           a carried state
    n           a number
    F           a function of one argument: `F(a)` is any call of one

The terms of a sum match in any order, and so do the factors of a product.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..cell.lines import number

#: What the letters of a pattern stand for, apart from `s` and `F`.
LETTERS = frozenset("abcdeWpqvn")
REST, FUNCTION = "s", "F"
#: What `F` does not stand for: calls that choose, limit or combine values.
OPERATIONS = frozenset(("where", "clip", "concat", "quotient", "maximum", "min", "max", "sum", "mean", "count"))

#: How tightly an expression binds, as in `cell/lines.py`; a name, a number and a call most.
_BINDING = {"sum": 1, ">": 0, "*": 2, "/": 2, "@": 2}
_BINARY: dict[type[ast.operator], str] = {ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}


class ExpressionTree(NamedTuple):
    """An expression: its kind, what is in the node itself, and its parts.

    kind: `name`, `number`, `sum` (value: the signs), `*`, `/`, `@`, `>`, `call` (value: the function), or `slice`
    (value: the two ends).
    """

    kind: str
    value: Any = None
    parts: tuple[ExpressionTree, ...] = ()

    def __str__(self) -> str:
        if self.kind in ("name", "number"):
            return self.value if self.kind == "name" else number(self.value)
        if self.kind == "call":
            return f"{self.value}({', '.join(map(str, self.parts))})"
        if self.kind == "slice":
            return f"{self.parts[0].within(4)}[{self.value[0]}:{self.value[1]}]"
        if self.kind == "sum":
            signs = [
                (-sign, part._replace(value=-part.value)) if part.kind == "number" and part.value < 0 else (sign, part)
                for sign, part in zip(self.value, self.parts, strict=True)
            ]
            (sign, first), *others = signs
            begin = first.within(2) if sign > 0 else f"-{first.within(3)}"
            return begin + "".join(f" {'+' if sign > 0 else '-'} {part.within(2)}" for sign, part in others)
        least = _BINDING[self.kind]
        return f"{self.parts[0].within(least)} {self.kind} {self.parts[1].within(least + 1)}"

    def within(self, least: int) -> str:
        """Its text as part of an expression that binds as `least`."""
        loose = _BINDING.get(self.kind, 4) < least or (self.kind == "number" and self.value < 0)
        return f"({self})" if loose else str(self)

    def nodes(self) -> Iterator[ExpressionTree]:
        """It and all its parts, from left to right."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.parts[::-1]

    def names(self) -> tuple[str, ...]:
        """Every name in it, from left to right."""
        return _names(self)

    def calls(self) -> Iterator[str]:
        """Every function that it calls."""
        return (node.value for node in self.nodes() if node.kind == "call")

    def ordered(self) -> ExpressionTree:
        """The expression with the terms of sums and the factors of products in one order: for comparing."""
        return _ordered(self) if self.parts else self


# a search looks at the same equations thousands of times
@lru_cache(maxsize=8192)
def _names(of: ExpressionTree) -> tuple[str, ...]:
    return tuple([node.value for node in of.nodes() if node.kind == "name"])


@lru_cache(maxsize=8192)
def _ordered(of: ExpressionTree) -> ExpressionTree:
    parts = [part.ordered() for part in of.parts]
    if of.kind == "sum":
        terms = sorted(zip(of.value, parts, strict=True), key=str)
        return ExpressionTree("sum", tuple(sign for sign, _ in terms), tuple(part for _, part in terms))
    return of._replace(parts=tuple(sorted(parts, key=str) if of.kind == "*" else parts))


@lru_cache(maxsize=4096)
def tree(text: str) -> ExpressionTree:
    """The tree of an expression as cells write it, or of a pattern."""
    return _tree(ast.parse(text, mode="eval").body)


def _tree(node: ast.expr) -> ExpressionTree:
    match node:
        case ast.Name(name):
            return ExpressionTree("name", name)
        case ast.Constant(value):
            return ExpressionTree("number", float(value))  # type: ignore[arg-type]  # `parse` has seen the text
        case ast.UnaryOp(ast.USub(), ast.Constant(value)):
            return ExpressionTree("number", -float(value))  # type: ignore[arg-type]
        case ast.UnaryOp(ast.USub(), inner):
            return ExpressionTree("sum", (-1.0,), (_tree(inner),))
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            return total([(1.0, _tree(left)), (-1.0 if isinstance(op, ast.Sub) else 1.0, _tree(right))])
        case ast.BinOp(left, op, right):
            return ExpressionTree(_BINARY[type(op)], None, (_tree(left), _tree(right)))
        case ast.Compare(left, [ast.Gt()], [right]):
            return ExpressionTree(">", None, (_tree(left), _tree(right)))
        case ast.Subscript(inner, ast.Slice(ast.Constant(low), ast.Constant(high))):
            return ExpressionTree("slice", (low, high), (_tree(inner),))
        case ast.Call(ast.Name(function), arguments):
            return ExpressionTree("call", function, tuple(map(_tree, arguments)))
    raise ValueError(f"no expression of a cell: {ast.unparse(node)}")


def total(terms: list[tuple[float, ExpressionTree]]) -> ExpressionTree:
    """The sum of signed terms; a first term that is a sum is continued, and one term alone is itself."""
    if terms and terms[0][1].kind == "sum" and terms[0][0] > 0:
        first = terms[0][1]
        terms = [*zip(first.value, first.parts, strict=True), *terms[1:]]
    if len(terms) == 1 and terms[0][0] > 0:
        return terms[0][1]
    return ExpressionTree("sum", tuple(sign for sign, _ in terms), tuple(term for _, term in terms))


Found = Mapping[str, ExpressionTree]  # what the letters of a pattern stand for; the function of `F` as a name
Allows = Callable[[str, ExpressionTree], bool]  # whether a letter may stand for an expression


def matches(
    pattern: ExpressionTree, node: ExpressionTree, allows: Allows, found: Found | None = None
) -> Iterator[Found]:
    """Every way in which a pattern is this expression."""
    found = found or {}
    if pattern.kind == "name" and pattern.value in LETTERS:
        known = found.get(pattern.value)
        if known == node or (known is None and allows(pattern.value, node)):
            yield {**found, pattern.value: node}
    elif pattern.kind == "sum" and node.kind == "sum":
        theirs = [*zip(node.value, node.parts, strict=True)]
        yield from _terms([*zip(pattern.value, pattern.parts, strict=True)], theirs, allows, found)
    elif pattern.kind == node.kind and len(pattern.parts) == len(node.parts):
        called = pattern.kind == "call" and pattern.value == FUNCTION
        if (node.value in OPERATIONS) if called else (pattern.value != node.value):
            return
        ways: list[Found] = [{**found, FUNCTION: ExpressionTree("name", node.value)} if called else found]
        orders = [node.parts, node.parts[::-1]] if pattern.kind == "*" else [node.parts]
        for parts in orders:
            here = ways
            for mine, other in zip(pattern.parts, parts, strict=True):
                here = [way for one in here for way in matches(mine, other, allows, one)]
            yield from here


def _terms(
    mine: list[tuple[float, ExpressionTree]], theirs: list[tuple[float, ExpressionTree]], allows: Allows, found: Found
) -> Iterator[Found]:
    """Every way in which the terms of a pattern are terms of a sum; `s` stands for those that are left."""
    own = [term for term in mine if term[1] != ExpressionTree("name", REST)]
    if not own:
        if len(mine) == bool(theirs):
            yield {**found, REST: total(theirs)} if theirs else found
        return
    (sign, first), rest = own[0], [term for term in mine if term is not own[0]]
    for k, (other, term) in enumerate(theirs):
        if other == sign:
            for way in matches(first, term, allows, found):
                yield from _terms(rest, theirs[:k] + theirs[k + 1 :], allows, way)


def filled(pattern: ExpressionTree, found: Found) -> ExpressionTree:
    """A pattern with the expressions that its letters stand for, or an expression with others for some names."""

    def change(node: ExpressionTree) -> ExpressionTree | None:
        if node.kind == "call" and node.value in found:
            return ExpressionTree("call", found[node.value].value, tuple(filled(part, found) for part in node.parts))
        return found.get(node.value) if node.kind == "name" else None

    return rewritten(pattern, change)


class Site(NamedTuple):
    """A part of an expression that a pattern matches: the part, and one way in which it does."""

    node: ExpressionTree
    found: Found


def sites(pattern: ExpressionTree, node: ExpressionTree, allows: Allows, whole: bool = False) -> Iterator[Site]:
    """Every part that a pattern matches, in every way; whole: only the whole expression."""
    seen = set()
    for found in matches(pattern, node, allows):
        if (once := tuple(sorted((k, str(v)) for k, v in found.items()))) not in seen:
            seen.add(once)
            yield Site(node, found)
    for part in () if whole else node.parts:
        yield from sites(pattern, part, allows)


def rewritten(node: ExpressionTree, change: Callable[[ExpressionTree], ExpressionTree | None]) -> ExpressionTree:
    """The expression with each part for which `change` has another replaced by it, from the outside inwards."""
    new = change(node)
    if new is not None or not node.parts:
        return node if new is None else new
    parts = tuple([rewritten(part, change) for part in node.parts])
    if node.kind == "sum" and parts != node.parts:
        return total([*zip(node.value, parts, strict=True)])
    return node._replace(parts=parts) if parts != node.parts else node
