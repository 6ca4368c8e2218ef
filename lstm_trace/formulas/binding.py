"""Parentheses: which part of a formula needs them where it stands, so that no sign stands beside a sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .tree import Call, Dots, Factors, Fn, Index, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Sym, Vec

#: How tightly each kind binds; a looser one inside a tighter one stands in parentheses.
BINDING: dict[type, int] = {
    Sum: 1, Neg: 2, Prod: 3, Factors: 3, MatVec: 3, Quot: 3, Square: 4,
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


def signed(node: Sum, inside: Callable[[Node, int], str], wrap: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The printed terms of a sum, each with what stands before it: nothing or `-` at the beginning, ` + ` or ` - `.

    inside: prints a term, in parentheses where it binds more loosely than a number says; wrap: puts them round what
    begins with a minus and follows a sign.
    """
    for k, (sign, term) in enumerate(zip(node.signs, node.terms, strict=True)):
        after = k > 0 or sign < 0 or node.goes_on
        part = inside(term, 3 if after else 2)
        if after and minus_first(term):
            part = wrap(part)
        yield ((" - " if sign < 0 else " + ") if k else "-" if sign < 0 else ""), part


def sum_text(p: Any, node: Sum) -> str:
    """A sum for the printers whose signs and parentheses are plain characters."""
    return "".join(mark + part for mark, part in signed(node, p.inside, lambda part: f"({part})"))


def neg_text(p: Any, node: Neg) -> str:
    """A minus before something, for the same printers."""
    return f"-({p(node.of)})" if isinstance(node.of, Num) or minus_first(node.of) else f"-{p.inside(node.of, 3)}"
