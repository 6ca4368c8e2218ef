"""A small tree for mathematics, neutral to the format: what stands on a printed line, not how it is set.

Two tables, keyed by operation, write a line as a tree: in symbols (`SYMBOLIC`) and, for one unit, with numbers
(`SCALAR`). Printers are tables keyed by the kinds of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..cell.lines import Cell, Line, Operand
from ..cell.ops import OPS
from .numbers import Shown, show

Key = tuple[Any, ...]  # what a number is the value of; see `values.Values`


@dataclass(frozen=True)
class Sym:
    """A name: a line, input, state or parameter."""

    name: str


@dataclass(frozen=True)
class Index:
    """Part of a value: `W_xi[5,:]`."""

    of: Node
    at: str


@dataclass(frozen=True)
class Num:
    """A number as it is shown; `value` is what was recorded, `key` says of what (None for a number of an equation)."""

    shown: Shown
    value: Any = None
    key: Key | None = None


@dataclass(frozen=True)
class Sum:
    """Terms with their signs, in order. goes_on: whether it stands after a sign, as the rest of a broken sum does."""

    signs: tuple[float, ...]
    terms: tuple[Node, ...]
    goes_on: bool = False


@dataclass(frozen=True)
class Prod:
    """A product of numbers, or element by element."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Factors:
    """Numbers multiplied, more than two or with sums among them: each in parentheses."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Square:
    """A number or vector squared, element by element."""

    of: Node


@dataclass(frozen=True)
class MatVec:
    """Matrix times vector."""

    matrix: Node
    vector: Node


@dataclass(frozen=True)
class Transposed:
    """A matrix with rows for columns."""

    of: Node


@dataclass(frozen=True)
class Greater:
    """Whether `left` is greater than `right`, as a number: 1 or 0."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Quot:
    """A quotient."""

    over: Node
    under: Node


@dataclass(frozen=True)
class Neg:
    """A minus before something."""

    of: Node


@dataclass(frozen=True)
class Call:
    """A function, of the operation table or composite; constants are numbers that follow its operands."""

    op: str
    args: tuple[Node, ...]
    constants: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fn:
    """The sign of a function alone, or that of the `product` element by element."""

    op: str


@dataclass(frozen=True)
class Vec:
    """A vector by its entries."""

    entries: tuple[Node, ...]


@dataclass(frozen=True)
class Mat:
    """A matrix by its rows."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Dots:
    """What was left out: across a row, `down` a column, or `diagonal`."""

    way: str = "across"


Node = (
    Sym | Index | Num | Sum | Prod | Factors | Square | MatVec | Transposed | Greater
    | Quot | Neg | Call | Fn | Vec | Mat | Dots
)  # fmt: skip


def number(value: float) -> Num:
    """A number of an equation, as it was written: 1 and not 1.0."""
    shown = show(value, None)
    return Num(shown._replace(digits=shown.digits.removesuffix(".0")), value)


# -- a line in symbols -----------------------------------------------------------------------------------------------

Parts = tuple[Node, ...]


def _call(line: Line, parts: Parts) -> Node:
    defaults = tuple(value for _, value in OPS[line.op].constants)
    return Call(line.op, parts, () if line.constants == defaults else line.constants)


#: Operation to the tree of a line, from the trees of its operands.
SYMBOLIC: dict[str, Callable[[Line, Parts], Node]] = {
    **{name: _call for name, op in OPS.items() if op.function},
    "matvec": lambda line, parts: MatVec(*parts),
    "vecmat": lambda line, parts: MatVec(Transposed(parts[1]), parts[0]),  # vectors are columns on paper
    "add": lambda line, parts: Sum(line.constants, parts),
    "mul": lambda line, parts: Prod(*parts),
    "div": lambda line, parts: Quot(*parts),
    "neg": lambda line, parts: Neg(parts[0]),
    "copy": lambda line, parts: parts[0],
    "slice": lambda line, parts: Index(parts[0], ":".join(f"{c:.0f}" for c in line.constants)),
    "greater": lambda line, parts: Greater(*parts),
}


def formula(line: Line, cell: Cell) -> Node:
    """What `line` computes, in symbols; operands without a name of their own by what they compute.

    The value of a composite function is its call; `written_out` has what that stands for.
    """

    def operand(o: Operand) -> Node:
        if not isinstance(o, str):
            return number(o)
        inner = cell.by_name.get(o)
        return formula(inner, cell) if inner is not None and not inner.assigned else Sym(o)

    if line.call:
        return Call(str(line.call[0]), tuple(map(operand, line.call[1:])))
    return SYMBOLIC[line.op](line, tuple(map(operand, line.operands)))


def written_out(line: Line, cell: Cell) -> Node | None:
    """What the call of a composite function stands for; None for any other line."""
    return formula(line._replace(call=()), cell) if line.call else None


def heading(line: Line, cell: Cell) -> Node:
    """The symbol of a line: its name, or what it computes where it has none."""
    return Sym(line.name) if line.assigned else formula(line, cell)


# -- a line with numbers, one unit ------------------------------------------------------------------------------------


class Terms:
    """The numbers that one unit of a line reads: `at(i)` is operand i at the unit, `all(i)` every unit of operand i.

    place: step and row. arrays: all values of each operand. num: the number of an operand at step and row (None for a
    parameter) and index. most: how many terms are written before dots.
    """

    def __init__(
        self,
        line: Line,
        place: tuple[int, int],
        unit: int,
        arrays: Sequence[Any],
        num: Callable[[Operand, int | None, int | None, tuple[int, ...]], Num],
        most: int | None = None,
    ) -> None:
        self.line, self.place, self.unit, self.arrays, self.num, self.most = line, place, unit, arrays, num, most
        self.widths = [values.shape[-1] if values.ndim else 1 for values in arrays]

    def leaf(self, i: int, index: tuple[int, ...]) -> Num:
        """One number of operand i."""
        t, b = self.place if self.arrays[i].ndim == 3 else (None, None)
        return self.num(self.line.operands[i], t, b, index)

    def at(self, i: int) -> Num:
        """Operand i at this unit; a value of width 1 serves every unit."""
        return self.leaf(i, (0 if self.widths[i] == 1 else self.unit,))

    def over(self, width: int, term: Callable[[int], Node]) -> Parts:
        """A term for each of `width` numbers, with dots where there are too many."""
        return tuple(Dots() if k is None else term(k) for k in kept(width, self.most))

    def all(self, i: int) -> Parts:
        """Every unit of operand i."""
        return self.over(self.widths[i], lambda k: self.leaf(i, (k,)))


def _products(line: Line, terms: Terms) -> Node:
    matrix, vector = (0, 1) if line.op == "matvec" else (1, 0)

    def term(k: int) -> Node:
        place = (terms.unit, k) if line.op == "matvec" else (k, terms.unit)
        return Prod(terms.leaf(matrix, place), terms.leaf(vector, (k,)))

    return _plus(terms.over(terms.widths[vector], term))


def _plus(parts: Parts) -> Node:
    return Sum((1.0,) * len(parts), parts)


def _each(line: Line, terms: Terms) -> Parts:
    return tuple(terms.at(i) for i in range(len(line.operands)))


def _reduced(line: Line, terms: Terms) -> Node:
    return _plus(terms.all(0))


def _part(line: Line, terms: Terms) -> Node:
    """The entry of a concatenation that is this unit."""
    unit = terms.unit
    for i, width in enumerate(terms.widths):
        if unit < width:
            return terms.leaf(i, (unit,))
        unit -= width
    raise IndexError(terms.unit)


#: Operation to the tree of one unit of a line, with numbers.
SCALAR: dict[str, Callable[[Line, Terms], Node]] = {
    **{name: lambda line, terms: _call(line, _each(line, terms)) for name, op in OPS.items() if op.function},
    "matvec": _products,
    "vecmat": _products,
    "add": lambda line, terms: Sum(line.constants, _each(line, terms)),
    "mul": lambda line, terms: Prod(terms.at(0), terms.at(1)),
    "div": lambda line, terms: Quot(terms.at(0), terms.at(1)),
    "neg": lambda line, terms: Neg(terms.at(0)),
    "copy": lambda line, terms: terms.at(0),
    "sum": _reduced,
    "mean": lambda line, terms: Quot(_reduced(line, terms), number(terms.widths[0])),
    "max": lambda line, terms: Call("max", terms.all(0)),
    "concat": _part,
    "slice": lambda line, terms: terms.leaf(0, (int(line.constants[0]) + terms.unit,)),
    "greater": lambda line, terms: Greater(terms.at(0), terms.at(1)),
}


def kept(size: int, most: int | None) -> list[int | None]:
    """Which of `size` things are shown: all, or the first `most - 2`, None for dots, and the last.

    >>> kept(4, 5), kept(9, 5)
    ([0, 1, 2, 3], [0, 1, 2, None, 8])
    """
    if most is None or size <= most:
        return list(range(size))
    return [*range(max(most - 2, 1)), None, size - 1]


def numbers(node: Any) -> Iterator[Num]:
    """Every number that stands in a tree, in order."""
    if isinstance(node, Num):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from numbers(part)
    elif hasattr(node, "__dataclass_fields__"):
        for part in vars(node).values():
            yield from numbers(part)


def broken(node: Node, size: Callable[[Node], int], room: int) -> list[tuple[str, Node]]:
    """A sum in pieces that each fit into `room`, with the sign before each piece but the first; others stay whole."""
    if not isinstance(node, Sum) or size(node) <= room:
        return [("", node)]
    pieces: list[tuple[str, Node]] = []
    start = 0
    for end in range(1, len(node.terms) + 1):
        last = end == len(node.terms)
        if last or size(Sum(node.signs[start : end + 1], node.terms[start : end + 1])) > room:
            sign = node.signs[start]
            first = 1.0 if start else sign
            piece = Sum((first, *node.signs[start + 1 : end]), node.terms[start:end], goes_on=start > 0)
            pieces.append(("" if not start else "+" if sign > 0 else "-", piece))
            start = end
    return pieces
