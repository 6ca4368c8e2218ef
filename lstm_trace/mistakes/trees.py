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

    def names(self) -> Iterator[str]:
        """Every name in it, from left to right."""
        if self.kind == "name":
            yield self.value
        for part in self.parts:
            yield from part.names()

    def ordered(self) -> ExpressionTree:
        """The expression with the terms of sums and the factors of products in one order: for comparing."""
        parts = [part.ordered() for part in self.parts]
        if self.kind == "sum":
            terms = sorted(zip(self.value, parts, strict=True), key=str)
            return ExpressionTree("sum", tuple(sign for sign, _ in terms), tuple(part for _, part in terms))
        return self._replace(parts=tuple(sorted(parts, key=str) if self.kind == "*" else parts))

    def calls(self) -> Iterator[str]:
        """Every function that it calls."""
        if self.kind == "call":
            yield self.value
        for part in self.parts:
            yield from part.calls()

    def replaced(self, names: Mapping[str, ExpressionTree]) -> ExpressionTree:
        """The expression with names replaced by expressions, and names of functions by others."""
        if self.kind == "name":
            return names.get(self.value, self)
        if self.kind == "call" and self.value in names:
            self = self._replace(value=names[self.value].value)
        return self._replace(parts=tuple(part.replaced(names) for part in self.parts)) if self.parts else self


@lru_cache(maxsize=4096)
def tree(text: str) -> ExpressionTree:
    """The tree of an expression that `parse` accepts, or of a pattern."""
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
        case ast.Compare(left, [ast.Lt()], [right]):
            return ExpressionTree(">", None, (_tree(right), _tree(left)))
        case ast.Subscript(inner, ast.Slice(low, high)):
            return ExpressionTree("slice", (_whole(low), _whole(high)), (_tree(inner),))
        case ast.Subscript(inner, index):
            return ExpressionTree("slice", (_whole(index), _whole(index) + 1), (_tree(inner),))
        case ast.Call(ast.Name(function), arguments):
            return ExpressionTree("call", function, tuple(map(_tree, arguments)))
    raise ValueError(f"no expression of a cell: {ast.unparse(node)}")


def _whole(node: ast.expr | None) -> int:
    return int(ast.literal_eval(node)) if node is not None else 0


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
    """A pattern with the expressions that its letters stand for."""
    if pattern.kind == "name" and (pattern.value in LETTERS or pattern.value == REST):
        return found[pattern.value]
    parts = tuple(filled(part, found) for part in pattern.parts)
    if pattern.kind == "sum":
        return total([*zip(pattern.value, parts, strict=True)])
    if pattern.kind == "call" and pattern.value == FUNCTION:
        return ExpressionTree("call", found[FUNCTION].value, parts)
    return pattern._replace(parts=parts)


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
    if new is not None:
        return new
    parts = tuple(rewritten(part, change) for part in node.parts)
    if parts == node.parts:
        return node
    if node.kind == "sum":
        return total([*zip(node.value, parts, strict=True)])
    return node._replace(parts=parts)
