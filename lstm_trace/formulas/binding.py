"""Parentheses: which part of a formula needs them where it stands, so that no sign stands beside a sign."""

from __future__ import annotations

from .tree import (
    Call,
    Dots,
    Factors,
    Fn,
    Gradient,
    Holds,
    Index,
    Mat,
    MatVec,
    Neg,
    Node,
    Num,
    Prod,
    Quot,
    Square,
    Sum,
    Sym,
    Transposed,
    Vec,
)

#: How tightly each kind binds; a looser one inside a tighter one stands in parentheses.
BINDING: dict[type, int] = {
    Sum: 1, Neg: 2, Prod: 3, Factors: 3, MatVec: 3, Quot: 3, Square: 4,
    Transposed: 4, Holds: 5, Gradient: 5,
    Sym: 5, Index: 5, Num: 5, Call: 5, Fn: 5, Vec: 5, Mat: 5, Dots: 5,
}  # fmt: skip
#: How tightly a right factor and what stands under a slash have to bind.
RIGHT = 4


def loose(node: Node, least: int) -> bool:
    """Whether a part of a formula needs parentheses there: it binds more loosely than `least`, or is a negative number
    as a right factor.
    """
    return BINDING[type(node)] < least or (least == RIGHT and isinstance(node, Num) and node.shown.negative)


def minus_first(node: Node) -> bool:
    """Whether a term is printed with a minus at its beginning."""
    if isinstance(node, Prod) and not (isinstance(node.left, Num) and isinstance(node.right, Num)):
        return minus_first(node.left)
    return isinstance(node, Num) and node.shown.negative
