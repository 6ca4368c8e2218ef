"""What a rule of `derivatives.BACKWARD` reads: symbols, whole vectors, or the numbers of one unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ...cell.lines import Line
from ...cell.network import Stage
from ...formulas.numbers import fraction, show
from ...formulas.tree import (
    Call,
    Dots,
    Factors,
    Index,
    MatVec,
    Node,
    Num,
    Prod,
    Sum,
    Sym,
    Vec,
    formula,
    heading,
    kept,
    number,
)
from ..content.view import Place, View
from .adjoints import Edge, Flow
from .notation import Notation

#: Kinds of numbers that are no value of the trace, in the first place of a key.
GRADIENT, WEIGHT, SLOPE = "∂", "w", "slope"


@dataclass(frozen=True)
class Back:
    """A walk back with what of it is shown, and the symbols for it."""

    shown: View
    flow: Flow
    notation: Notation
    exact: dict[tuple[object, ...], Fraction]
    weighted: bool = False  # L is a weighted sum, not one value
    steps: Mapping[str, tuple[int, ...]] = field(
        default_factory=dict
    )  # those shown, by scope, in the order of the walk

    def num(self, scope: str, name: str, t: int, b: int, unit: int) -> Num:
        """The gradient of one unit."""
        value = self.flow.at(scope, name, t, b)[unit]
        return Num(show(value, self.shown.values.digits), value, (GRADIENT, scope, name, t, b, (unit,)))

    def weight(self, scope: str, name: str, t: int, b: int, unit: int) -> Num:
        """The weight of one unit in the weighted sum."""
        value = self.flow.seeds[scope][name][self.flow.trace.index(t), b, unit]
        return Num(show(value, self.shown.values.digits), value, (WEIGHT, scope, name, t, b, (unit,)))

    def width(self, stage: Stage, operand: object) -> int:
        """Units of an operand; 1 for a number."""
        return self.flow.widths[stage.scope][operand] if isinstance(operand, str) else 1

    def term(self, stage: Stage, line: Line) -> tuple[float, Line]:
        """The line whose gradient that of `line` is, with its sign."""
        sign = 1.0
        while (found := self.flow.passed(stage, line)) is not None:
            sign, line = sign * found[0], found[1]
        return sign, line

    def leaf(self, node: Num) -> Fraction | None:
        """What a number is exactly, where it is shown as that."""
        if node.key is None:
            return node.shown.fraction
        if node.key[0] == GRADIENT:
            found = self.exact.get(node.key)
            return found if found == node.shown.fraction else None
        if node.key[0] in (WEIGHT, SLOPE):
            return node.shown.fraction if fraction(node.value) == node.shown.fraction else None
        return node.shown.fraction if self.shown.values.is_exact(node) else None


@dataclass(frozen=True)
class Symbols:
    """A reading in symbols; `origin` is the line whose gradient stands for that of `line`."""

    back_: Back
    stage: Stage
    line: Line
    origin: Line

    @property
    def g(self) -> Node:
        """∂L/∂line."""
        return self.back_.notation.gradient(heading(self.origin, self.stage.cell))

    @property
    def y(self) -> Node:
        """The line's symbol."""
        return heading(self.line, self.stage.cell)

    def x(self, k: int) -> Node:
        """The operand's symbol, or what it computes."""
        operand = self.line.operands[k]
        if not isinstance(operand, str):
            return number(operand)
        inner = self.stage.cell.by_name.get(operand)
        return formula(inner, self.stage.cell) if inner is not None and not inner.assigned else Sym(operand)

    def width(self, k: int) -> int:
        """Units of operand `k`."""
        return self.back_.width(self.stage, self.line.operands[k])

    def times(self, *factors: Node) -> Node:
        """A product element by element, numbers first."""
        found = self.g
        for factor in factors:
            found = Prod(factor, found) if isinstance(factor, Num) else Prod(found, factor)
        return found

    def back(self) -> Node:
        """Wᵀ ∂L/∂line; of a row vector times W it is W ∂L/∂line."""
        assert self.line.product is not None
        matrix = Sym(self.line.product[0])
        return MatVec(matrix if self.line.op == "vecmat" else self.back_.notation.transposed(matrix), self.g)

    def span(self, k: int) -> tuple[int, int]:
        """Where operand `k` of a concatenation stands in it."""
        begin = sum(self.width(i) for i in range(k))
        return begin, begin + self.width(k)

    def part(self, k: int) -> Node:
        """∂L/∂line[a:b]."""
        begin, end = self.span(k)
        return Index(Sym(self.g.name), f"{begin}:{end}") if isinstance(self.g, Sym) else self.g

    def spread(self) -> Node:
        """[0; ∂L/∂line; 0], without what is empty."""
        begin, end = self.line.constants
        before, behind = begin > 0, end < self.width(0)
        return Call("concat", (*(number(0),) * before, self.g, *(number(0),) * behind))

    def holds(self, k: int, *parts: Node | str) -> Node:
        """The condition in brackets."""
        return self.back_.notation.holds(*parts)

    def case(self, k: int, symbols: Node) -> Node:
        """The pieces."""
        return symbols


@dataclass(frozen=True)
class Numbers(Symbols):
    """A reading with numbers at one step and row, of whole vectors or of one unit."""

    place: Place
    unit: int | None = None  # of the line; None for vectors
    own: int = 0  # of the operand

    def _each(self, width: int, at: Callable[[int], Num]) -> Node:
        """One number, or a vector of them."""
        if width == 1:
            return at(0)
        if self.unit is not None:
            return at(self.unit)
        return Vec(tuple(Dots("down") if u is None else at(u) for u in kept(width, self.back_.shown.units)))

    @property
    def g(self) -> Node:
        """The gradient of the line."""
        scope, t, b = self.stage.scope, self.place.t, self.place.b
        width = self.back_.width(self.stage, self.line.name)
        return self._each(width, lambda u: self.back_.num(scope, self.origin.name, t, b, u))

    def _value(self, name: str, width: int) -> Node:
        values = self.back_.shown.values
        array = values.array(self.stage.scope, name)
        if array is None:  # only a condition reads it, and its own number is known
            return Sym(name)
        t, b = (self.place.t, self.place.b) if array.ndim == 3 else (None, None)
        return self._each(width, lambda u: values.num(self.stage.scope, name, t, b, (u,)))

    @property
    def y(self) -> Node:
        """The line's value."""
        return self._value(self.line.name, self.back_.width(self.stage, self.line.name))

    def x(self, k: int) -> Node:
        """The operand's value."""
        operand = self.line.operands[k]
        return self._value(operand, self.width(k)) if isinstance(operand, str) else number(operand)

    def times(self, *factors: Node) -> Node:
        """A product of numbers, or of vectors."""
        if any(isinstance(node, Vec) for part in (self.g, *factors) for node in _inside(part)):
            return super().times(*factors)
        if len(factors) == 1 and isinstance(factors[0], Num):
            return Prod(self.g, factors[0])
        return Factors((self.g, *factors)) if factors else self.g

    def back(self) -> Node:
        """A column of the matrix times the gradients; for vectors the matrix by its name."""
        if self.unit is None:
            return super().back()
        scope, t, b = self.stage.scope, self.place.t, self.place.b
        assert self.line.product is not None
        name = self.line.product[0]
        values, terms = self.back_.shown.values, self.back_.shown.terms

        def term(i: int) -> Node:
            place = (self.own, i) if self.line.op == "vecmat" else (i, self.own)
            return Prod(values.num(scope, name, None, None, place), self.back_.num(scope, self.origin.name, t, b, i))

        width = self.back_.width(self.stage, self.line.name)
        parts = tuple(Dots() if i is None else term(i) for i in kept(width, terms))
        return Sum((1.0,) * len(parts), parts)

    def part(self, k: int) -> Node:
        """The gradients of the operand's own entries."""
        begin, end = self.span(k)
        scope, t, b = self.stage.scope, self.place.t, self.place.b
        if self.unit is not None:
            return self.back_.num(scope, self.origin.name, t, b, min(begin + self.own, end - 1))
        return self._each(end - begin, lambda u: self.back_.num(scope, self.origin.name, t, b, begin + u))

    def spread(self) -> Node:
        """The gradients of the units that the slice has; of others 0."""
        begin, end = map(int, self.line.constants)
        scope, t, b = self.stage.scope, self.place.t, self.place.b

        def at(u: int) -> Num:
            return self.back_.num(scope, self.origin.name, t, b, u - begin) if begin <= u < end else number(0)

        if self.unit is not None:
            return at(self.own)
        units = kept(self.width(0), self.back_.shown.units)
        return Vec(tuple(Dots("down") if u is None else at(u) for u in units))

    def holds(self, k: int, *parts: Node | str) -> Node:
        """The derivative as a number."""
        known = max(self.width(k), self.back_.width(self.stage, self.line.name))
        t, b = self.place.t, self.place.b

        def at(u: int) -> Num:
            value = self.back_.flow.slope(self.stage, Edge(self.line, k), t, b, u)
            whole = value in (0.0, 0.5, 1.0, *self.line.constants)
            shown = show(value, self.back_.shown.values.digits)
            return number(value) if whole else Num(shown, value, (SLOPE,))

        if self.unit is not None:
            return at(min(self.unit if self.width(k) < known else self.own, known - 1))
        return self._each(known, at)

    def case(self, k: int, symbols: Node) -> Node:
        """The derivative as a number."""
        return self.holds(k)


def _inside(node: Node) -> list[Node]:
    """A node and those inside it, but for the entries of vectors."""
    if isinstance(node, Vec | Num):
        return [node]
    parts = [part for part in vars(node).values() if hasattr(part, "__dataclass_fields__") or isinstance(part, tuple)]
    found: list[Node] = [node]
    for part in parts:
        for inner in part if isinstance(part, tuple) else (part,):
            if hasattr(inner, "__dataclass_fields__"):
                found += _inside(inner)
    return found
