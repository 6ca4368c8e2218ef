"""A formula of vectors and matrices as a person writes it: numbers in place of vectors of one entry, no empty sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from ...formulas.tree import (
    Call,
    Factors,
    Mat,
    MatVec,
    Neg,
    Node,
    Num,
    Prod,
    Quot,
    Square,
    Sum,
    Transposed,
    Vec,
    number,
)


def tidy(node: Node) -> Node:
    """The same formula as a person writes it.

    >>> from lstm_trace.formulas.plain import Plain
    >>> from lstm_trace.formulas.tree import number
    >>> one, two = number(1), number(2)
    >>> Plain()(tidy(Sum((1.0, 1.0), (MatVec(Mat(((two,),)), Vec((one,))), Prod(Vec((one, two)), Vec((two,)))))))
    '(2)(1) + 2 [1, 2]'
    """
    if isinstance(node, Num):
        return node
    if isinstance(node, Vec):
        return node.entries[0] if len(node.entries) == 1 else node
    if isinstance(node, Mat):
        return node
    inner: Node = replace(node, **{f.name: _each(getattr(node, f.name)) for f in fields(node)})
    rule = _RULES.get(type(inner))
    return inner if rule is None else rule(inner)


def _each(part: Any) -> Any:
    if isinstance(part, tuple):
        return tuple(map(_each, part))
    return tidy(part) if hasattr(part, "__dataclass_fields__") else part


def _sum(node: Sum) -> Node:
    if len(node.terms) > 1:
        return node
    return node.terms[0] if node.signs[0] > 0 else Neg(node.terms[0])


def _transposed(node: Transposed) -> Node:
    return Mat(tuple(zip(*node.of.rows, strict=True))) if isinstance(node.of, Mat) else node


def _times_vector(node: MatVec) -> Node:
    """Matrix times vector; of one number only the products of numbers."""
    matrix = node.matrix
    if not isinstance(matrix, Mat) or len(matrix.rows[0]) > 1:
        return node
    column = tidy(Vec(tuple(row[0] for row in matrix.rows)))
    return _product(Prod(column, node.vector))


def _product(node: Prod) -> Node:
    """A number before what it multiplies; sums and numbers in parentheses where all is of one number."""
    left, right = node.left, node.right
    if left == right:  # the same value, and not by chance the same number
        return Square(left)
    if isinstance(right, Num) and not isinstance(left, Num):
        left, right = right, left
    if isinstance(left, Num) and isinstance(right, Sum) and not _wide(right):
        return Factors((node.left, node.right))
    return Prod(left, right)


def alike(left: Any, right: Any) -> bool:
    """Whether two formulas say the same: `1` is the same number as `1.0000`."""
    if isinstance(left, Num) and isinstance(right, Num):
        return left.shown.fraction == right.shown.fraction and left.shown.finite == right.shown.finite
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    if type(left) is not type(right) or not hasattr(left, "__dataclass_fields__"):
        return bool(left == right)
    return all(alike(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def _wide(node: Any) -> bool:
    """Whether a vector stands in a formula."""
    if isinstance(node, Vec | Mat):
        return True
    parts = node if isinstance(node, tuple) else vars(node).values() if hasattr(node, "__dataclass_fields__") else ()
    return not isinstance(node, Num) and any(map(_wide, parts))


def _call(node: Call) -> Node:
    """What is made of the entries of vectors by these: the sum of numbers, their mean, one vector of several."""
    if node.op == "concat" and all(isinstance(arg, Vec | Num) for arg in node.args):
        return Vec(tuple(entry for arg in node.args for entry in (arg.entries if isinstance(arg, Vec) else (arg,))))
    if node.op not in REDUCED or not isinstance(vector := node.args[0], Vec):
        return node
    return REDUCED[node.op](vector.entries)


def _total(entries: tuple[Node, ...]) -> Node:
    return Sum((1.0,) * len(entries), entries)


#: What a reduction makes of the entries of a vector.
REDUCED: dict[str, Callable[[tuple[Node, ...]], Node]] = {
    "max": lambda entries: Call("max", entries),
    "sum": _total,
    "mean": lambda entries: Quot(_total(entries), number(len(entries))),
}


_RULES: dict[type, Callable[[Any], Node]] = {
    Sum: _sum,
    Transposed: _transposed,
    MatVec: _times_vector,
    Prod: _product,
    Call: _call,
}
