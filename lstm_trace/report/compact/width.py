"""About how wide a formula is on paper."""

from __future__ import annotations

from collections.abc import Callable

from ...formulas.plain import Plain
from ...formulas.symbols import sign
from ...formulas.tree import Call, Factors, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Vec

#: A sign between two terms or formulas with the space around it, parentheses that grow, and brackets of a matrix.
_SIGN, _AROUND, _BRACKETS = 2.6, 2.8, 2.0
#: Between two columns of a matrix where they stand close; a letter, and each letter of its index.
_GAP, _LETTER, _INDEX = 1.2, 1.4, 0.65
#: What × 10 takes more than e does.
_POWER = 3.4
#: What plain text has for an index, and paper has not.
_UNSEEN = str.maketrans("", "", "_{}")


def widths(plain: Plain) -> Callable[[Node], float]:
    """How wide a formula is on paper, in digits; matrices stand close.

    >>> from lstm_trace.formulas.tree import number
    >>> widths(Plain())(MatVec(Mat(((number(1), number(-2)),)), Vec((number(0.5), number(10)))))
    12.2
    """

    def width(node: Node) -> float:
        if isinstance(node, Vec):
            return _BRACKETS + max(map(width, node.entries))
        if isinstance(node, Mat):
            columns = [max(map(width, column)) for column in zip(*node.rows, strict=True)]
            return _BRACKETS + sum(columns) + _GAP * (len(columns) - 1)
        if isinstance(node, Sum):
            return sum(map(width, node.terms)) + _SIGN * (len(node.terms) - 1 + (node.signs[0] < 0))
        if isinstance(node, Prod):
            return _SIGN + width(node.left) + width(node.right)
        if isinstance(node, MatVec):
            return 1 + _inside(node.matrix) + _inside(node.vector)
        if isinstance(node, Factors):
            return sum(1.6 + width(part) for part in node.parts)
        if isinstance(node, Neg | Square):
            return 1.6 + _inside(node.of) + (isinstance(node.of, Num) and 1.6)
        if isinstance(node, Quot):
            parts = width(node.over), width(node.under)
            return 3 + sum(parts) if isinstance(node.over, Vec) else 1 + max(parts)
        if isinstance(node, Call):
            return len(sign(node.op)[1]) + _AROUND + sum(map(width, node.args)) + len(node.args) - 1
        text = plain(node)
        if isinstance(node, Num):  # a power of ten is written out: 1.5 × 10⁻⁹ for 1.5e-9
            return len(text) + (_POWER if node.shown.exponent is not None else 0)
        return _LETTER + _INDEX * (len(text.translate(_UNSEEN)) - 1)

    def _inside(node: Node) -> float:
        return width(node) + (_AROUND if isinstance(node, Sum | Prod) else 0)

    return width
