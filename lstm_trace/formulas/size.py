"""About how wide a formula is on paper."""

from __future__ import annotations

from collections.abc import Callable

from .plain import Plain
from .tree import Call, Factors, Mat, MatVec, Neg, Node, Prod, Quot, Square, Sum, Vec


def sizes(plain: Plain) -> Callable[[Node], int]:
    """About how wide a formula is, in characters; a vector is as wide as its widest entry.

    >>> from .tree import Sym, number
    >>> sizes(Plain())(MatVec(Mat(((number(1), number(-2)),)), Vec((number(0.5), number(10)))))
    14
    """

    def size(node: Node) -> int:
        if isinstance(node, Vec):
            return 3 + max(map(size, node.entries))
        if isinstance(node, Mat):
            return 1 + sum(2 + max(map(size, column)) for column in zip(*node.rows, strict=True))
        if isinstance(node, Sum):
            return sum(3 + size(term) for term in node.terms)
        if isinstance(node, Prod):
            return 3 + size(node.left) + size(node.right)
        if isinstance(node, MatVec):
            return size(node.matrix) + size(node.vector)
        if isinstance(node, Factors):
            return sum(2 + size(part) for part in node.parts)
        if isinstance(node, Neg | Square):
            return 2 + size(node.of)
        if isinstance(node, Quot):
            return max(size(node.over), size(node.under))
        if isinstance(node, Call):
            return len(node.op) + sum(2 + size(arg) for arg in node.args)
        return len(plain(node))

    return size
