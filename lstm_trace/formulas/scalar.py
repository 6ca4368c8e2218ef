"""A line as a tree with numbers, for one unit: a table keyed by operation, as `tree.SYMBOLIC` is for symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..cell.lines import Line, Operand
from ..cell.ops import OPS
from .tree import Call, Dots, Holds, Neg, Node, Parts, Prod, Quot, Sum, call, kept, number, plus


@dataclass(frozen=True)
class Terms:
    """The numbers that one unit of a line reads: `at(i)` is operand i at the unit, `all(i)` every unit of operand i.

    place: step and row. arrays: all values of each operand. num: the number of an operand at step and row (None for a
    parameter) and index, or what stands for it. most: how many terms are written before dots.
    """

    line: Line
    place: tuple[int, int]
    unit: int
    arrays: Sequence[Any]
    num: Callable[[Operand, int | None, int | None, tuple[int, ...]], Node]
    most: int | None = None

    @cached_property
    def widths(self) -> list[int]:
        """How many units each operand has."""
        return [values.shape[-1] for values in self.arrays]

    def leaf(self, i: int, index: tuple[int, ...]) -> Node:
        """One number of operand i."""
        t, b = self.place if self.arrays[i].ndim == 3 else (None, None)
        return self.num(self.line.operands[i], t, b, index)

    def at(self, i: int) -> Node:
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

    return plus(terms.over(terms.widths[vector], term))


def _each(terms: Terms) -> Parts:
    return tuple(map(terms.at, range(len(terms.arrays))))


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
    **{name: lambda line, terms: call(line, _each(terms)) for name, op in OPS.items() if op.function},
    "matvec": _products,
    "vecmat": _products,
    "add": lambda line, terms: Sum(line.constants, _each(terms)),
    "mul": lambda line, terms: Prod(terms.at(0), terms.at(1)),
    "div": lambda line, terms: Quot(terms.at(0), terms.at(1)),
    "neg": lambda line, terms: Neg(terms.at(0)),
    "copy": lambda line, terms: terms.at(0),
    "sum": lambda line, terms: plus(terms.all(0)),
    "mean": lambda line, terms: Quot(plus(terms.all(0)), number(terms.widths[0])),
    "max": lambda line, terms: Call("max", terms.all(0)),
    "concat": _part,
    "slice": lambda line, terms: terms.leaf(0, (int(line.constants[0]) + terms.unit,)),
    "greater": lambda line, terms: Holds(terms.at(0), terms.at(1)),
}


def substituted(
    line: Line, place: tuple[int, int], unit: int, array: Callable[[Operand], Any], num: Callable[..., Node],
    most: int | None = None,
) -> Node | None:  # fmt: skip
    """One unit of a line with numbers, see `Terms`; None where an operand has no values. array: all of an operand."""
    arrays = list(map(array, line.operands))
    known = all(values is not None for values in arrays)
    return SCALAR[line.op](line, Terms(line, place, unit, arrays, num, most)) if known else None
