"""The derivative of every operation as a formula: what each operand gets of the gradient of the line that reads it.

One table serves symbols, vectors and single numbers: a rule builds its trees from what a `Reading` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...cell.lines import Line
from ...formulas.tree import Call, Neg, Node, Prod, Quot, Square, Sum, number

#: What one operand gets; None where nothing flows back, or where the operand is a matrix.
Parts = tuple[Node | None, ...]


class Reading(Protocol):
    """A line that reads the value whose gradient is wanted."""

    @property
    def line(self) -> Line:
        """The line."""

    @property
    def g(self) -> Node:
        """The gradient with respect to the line."""

    @property
    def y(self) -> Node:
        """The line's value."""

    def x(self, k: int) -> Node:
        """Operand `k`."""

    def width(self, k: int) -> int:
        """Number of units of operand `k`."""

    def times(self, *factors: Node) -> Node:
        """`g` times the factors, element by element."""

    def back(self) -> Node:
        """`g` times the transposed matrix of a product."""

    def part(self, k: int) -> Node:
        """The part of `g` that belongs to operand `k` of a concatenation."""

    def spread(self) -> Node:
        """`g` at the units of the operand that a slice is, 0 elsewhere."""

    def holds(self, k: int, *parts: Node | str) -> Node:
        """A condition as a factor, 1 or 0; where numbers stand for symbols the derivative to operand `k` itself."""

    def case(self, k: int, symbols: Node) -> Node:
        """A derivative in pieces; where numbers stand for symbols the number that it is."""


def _plus(*terms: Node) -> Node:
    return Sum((1.0,) * len(terms), terms)


def _less(left: Node, right: Node) -> Node:
    return Sum((1.0, -1.0), (left, right))


_ONE = number(1)
_ZERO = number(0)


def _div(r: Reading) -> Parts:
    return Quot(r.g, r.x(1)), Neg(Quot(r.times(r.x(0)), Square(r.x(1))))


def _elu(r: Reading) -> Parts:
    (alpha,) = r.line.constants
    above, below = r.holds(0, r.x(0), ">", _ZERO), r.holds(0, r.x(0), "≤", _ZERO)
    exp = Call("exp", (r.x(0),))
    return (r.times(r.case(0, _plus(above, Prod(exp if alpha == 1 else Prod(number(alpha), exp), below)))),)


def _clip(r: Reading) -> Parts:
    low, high = r.line.constants
    return (r.times(r.holds(0, number(low), "≤", r.x(0), "≤", number(high))),)


def _where(r: Reading) -> Parts:
    chosen, other = r.holds(1, r.x(0), "≠", _ZERO), r.holds(2, r.x(0), "=", _ZERO)
    return None, r.times(chosen), r.times(other)


def _maximum(r: Reading) -> Parts:
    a, b = r.x(0), r.x(1)
    return r.times(r.holds(0, a, ">", b)), r.times(r.holds(1, b, ">", a))


def _parts(r: Reading) -> Parts:
    return tuple(r.part(k) for k in range(len(r.line.operands)))


#: Operation to what each of its operands gets. For `add` without the sign, which stands before the term.
BACKWARD: dict[str, Callable[[Reading], Parts]] = {
    "matvec": lambda r: (None, r.back()),
    "vecmat": lambda r: (r.back(), None),
    "add": lambda r: (r.g,) * len(r.line.operands),
    "mul": lambda r: (r.times(r.x(1)), r.times(r.x(0))),
    "div": _div,
    "neg": lambda r: (Neg(r.g),),
    "copy": lambda r: (r.g,),
    "sigmoid": lambda r: (r.times(r.y, _less(_ONE, r.y)),),
    "tanh": lambda r: (r.times(_less(_ONE, Square(r.y))),),
    "exp": lambda r: (r.times(r.y),),
    "log": lambda r: (Quot(r.g, r.x(0)),),
    "sqrt": lambda r: (Quot(r.g, Prod(number(2), r.y)),),
    "relu": lambda r: (r.times(r.holds(0, r.x(0), ">", _ZERO)),),
    "elu": _elu,
    "softplus": lambda r: (r.times(Call("sigmoid", (r.x(0),))),),
    "clip": _clip,
    "where": _where,
    "maximum": _maximum,
    "max": lambda r: (r.times(r.holds(0, r.x(0), "=", r.y)),),
    "sum": lambda r: (r.g,),
    "mean": lambda r: (Quot(r.g, number(r.width(0))),),
    "concat": _parts,
    "slice": lambda r: (r.spread(),),
    "greater": lambda r: (None, None),
}
