"""A line worked out in stages: its formula with numbers, then with more and more of it evaluated, up to its value.

Each stage has the values of all lines whose operands are values in the stage before. A stage has two forms: a tree of
vectors and matrices, which is printed, and a tree of numbers for each unit, by which the signs are decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ...base.arrays import Array
from ...cell.lines import Line, Operand
from ...cell.network import VALID
from ...formulas.scalar import SCALAR, Terms
from ...formulas.tree import HELD, SYMBOLIC, Call, Mat, Node, Num, Sum, number, value
from ...formulas.whole import on_paper
from ...view.view import Place, View
from .cuts import Cut
from .tidy import alike, tidy
from .zeros import Zeros

Parts = tuple[tuple[str, Node], ...]


@dataclass
class Stages:
    """The stages of lines at one place; whole: whether products with zero are written too, as those of one unit are."""

    shown: View
    place: Place
    whole: bool = False
    zeros: Zeros = field(init=False)

    def __post_init__(self) -> None:
        self.zeros = Zeros(self.shown, self.place, off=self.whole or self.shown.chosen.unit is not None)

    def parts(self, cut: Cut) -> Parts | None:
        """The formulas of a line and its value, each with the sign before it; None where it was not recorded."""
        line = cut.line
        if self._values(line.name) is None:
            return None
        found: list[tuple[str, Node]] = []
        if self._is_one_of_many(line):
            found = [("=", self._printed(cut, 0))]
            cut = cut.expanded(self.place.stage.cell)
        trees = [self._printed(cut, k) for k in range(cut.stages)]
        result = self._result(line)
        if not found and len(trees) == 1 and alike(trees[0], result):  # nothing is computed
            source = self._taken(line)
            symbol = [("=", self._symbol(source))] if source is not None else []
            return (*symbol, ("=" if self._exact(line) else "≈", result))
        for k, tree in enumerate([*trees, result]):
            if not found or not alike(found[-1][1], tree):
                found.append((self._sign(cut, k) if k else "=", tree))
        return tuple(found)

    # -- what is printed ----------------------------------------------------------------------------------------------

    def _printed(self, cut: Cut, k: int) -> Node:
        """The formula of a line at stage k; of a chosen unit its numbers."""
        if (unit := self.shown.chosen.unit) is not None:
            found = self._of_unit(cut, k, unit)
            return self._symbol(cut.line.name) if found is None else on_paper(found)
        if self.zeros.vanishes(cut.line.name, cut.inner):
            return self._result(cut.line)
        return tidy(self._tree(cut, cut.line, k))

    def _tree(self, cut: Cut, line: Line, k: int) -> Node:
        """A line with values in place of what is one at stage k, without the products with zero."""
        if line.call:
            return Call(str(line.call[0]), tuple(self._part(cut, operand, k) for operand in line.call[1:]))
        if (taken := self._taken(line)) is not None:
            return self._part(cut, taken, k)
        if line.op == "add":
            terms = [
                (sign, self._part(cut, operand, k))
                for sign, operand in zip(line.constants, line.operands, strict=True)
                if not self.zeros.adds_nothing(operand, cut.inner)
            ]
            return Sum(tuple(sign for sign, _ in terms), tuple(term for _, term in terms))
        return SYMBOLIC[line.op](line, tuple(self._part(cut, operand, k) for operand in line.operands))

    def _part(self, cut: Cut, operand: Operand, k: int) -> Node:
        if not isinstance(operand, str):
            return number(operand)
        line = self.place.stage.cell.by_name[operand] if operand in cut.inner else None
        if line is not None and self._values(operand) is None:
            return self._tree(cut, line, k)
        if line is not None and k < cut.inner[operand] and not self.zeros.vanishes(operand, cut.inner):
            return self._tree(cut, line, k)
        return self._value(operand)

    def _value(self, name: str) -> Node:
        """A matrix by its rows, a vector by its entries; the symbol of what was not recorded, or is too large."""
        values = self._values(name)
        if values is None or (values.ndim == 2 and not self.shown.filled):
            return self._symbol(name)
        scope, num = self.place.stage.scope, self.shown.values.num
        if values.ndim == 2:
            rows, columns = map(range, values.shape)
            return Mat(tuple(tuple(num(scope, name, None, None, (j, k)) for k in columns) for j in rows))
        t, b = (self.place.t, self.place.b) if values.ndim == 3 else (None, None)
        return self.shown.values.vector(scope, name, t, b, self.shown.units)

    def _symbol(self, name: str) -> Node:
        return self.shown.at(self.place.stage, self.place.t, value(name, self.place.stage.cell))

    def _result(self, line: Line) -> Node:
        unit, vector = self.shown.chosen.unit, self._value(line.name)
        if unit is None:
            return tidy(vector)
        values = self._values(line.name)  # one number may serve every unit
        return tidy(self._num(line.name, 0 if values is not None and values.shape[-1] == 1 else unit))

    def _values(self, name: str) -> Array | None:
        return self.shown.values.array(self.place.stage.scope, name)

    def _taken(self, line: Line) -> str | None:
        """What a line hands on as it is: of a choice by whether the step is padding, what is chosen."""
        taken: Operand = line.operands[0]
        if line.op != "copy":
            if line.op != "where" or self.place.stage.sources.get(str(taken)) != VALID:
                return None
            taken = line.operands[2 if self.shown.padding(self.place.t, self.place.b) else 1]
        return taken if isinstance(taken, str) else None

    def _is_one_of_many(self, line: Line) -> bool:
        """Whether a composite function makes one number of vectors, as a loss does: then it is shown how."""
        values = [self._values(str(o)) for o in (line.name, *line.call[1:]) if isinstance(o, str)]
        widths = [1 if v is None else v.shape[-1] for v in values]
        return bool(line.call) and widths[0] == 1 and max(widths) > 1

    # -- signs --------------------------------------------------------------------------------------------------------

    def _sign(self, cut: Cut, k: int) -> str:
        """The sign before stage k: = where the printed numbers of the stage before it come to just what is printed."""
        return "=" if all(self._comes_to(cut, k, unit) for unit in self._units(cut.line)) else "≈"

    def _comes_to(self, cut: Cut, k: int, unit: int) -> bool:
        values = self.shown.values
        left = self._of_unit(cut, k - 1, unit)
        result = self._num(cut.line.name, unit)
        if left is None or not result.shown.finite:
            return values.relation(result, left) == "="
        if isinstance(left, Call) and left.op == HELD:
            return values.is_exact(result)
        right = result if k == cut.stages else self._of_unit(cut, k, unit)
        return right is not None and self._agree(left, right)

    def _agree(self, left: Node, right: Node) -> bool:
        """Whether two formulas of printed numbers come to the same: also where only parts of them can be computed."""
        if self.shown.values.between(left, right) == "=":
            return True
        if type(left) is not type(right) or isinstance(left, Num):
            return left == right
        pairs = [(getattr(left, f.name), getattr(right, f.name)) for f in fields(left)]
        return all(self._agree_in_each(a, b) for a, b in pairs)

    def _agree_in_each(self, left: Any, right: Any) -> bool:
        if isinstance(left, tuple) and isinstance(right, tuple):
            return len(left) == len(right) and all(map(self._agree_in_each, left, right))
        return self._agree(left, right) if isinstance(left, Node) else bool(left == right)

    def _exact(self, line: Line) -> bool:
        return all(self.shown.values.is_exact(self._num(line.name, unit)) for unit in self._units(line))

    def _units(self, line: Line) -> list[int]:
        values = self._values(line.name)
        assert values is not None
        return [j for j in self.shown.indices(values.shape[-1]) if j is not None]

    def _num(self, name: str, unit: int) -> Num:
        return self.shown.values.num(self.place.stage.scope, name, self.place.t, self.place.b, (unit,))

    def _of_unit(self, cut: Cut, k: int, unit: int) -> Node | None:
        """One unit of a line at stage k, with numbers; None where an operand was not recorded."""
        try:
            return self._scalar(cut, cut.line, k, unit, None)
        except LookupError:
            return None

    def _scalar(self, cut: Cut, line: Line, k: int, unit: int, within: frozenset[Operand] | None) -> Node:
        """within: the arguments of the composite function that a line is part of, None where it is of none."""
        if line.call:
            within = frozenset(line.call[1:])
        stage, values = self.place.stage, self.shown.values

        def num(operand: Operand, t: int | None, b: int | None, index: tuple[int, ...]) -> Node:
            inner = stage.cell.by_name.get(operand) if isinstance(operand, str) else None
            if inner is not None and k < cut.inner.get(inner.name, 0):
                return self._scalar(cut, inner, k, index[0], None)
            if inner is not None and within is not None and not inner.assigned and operand not in within:
                return self._scalar(cut, inner, k, index[0], within)
            return values.num(stage.scope, operand, t, b, index)

        arrays = [values.array(stage.scope, operand) for operand in line.operands]
        if any(array is None for array in arrays):
            raise LookupError(line.name)
        terms: Callable[..., Node] = SCALAR[line.op]
        found = terms(line, Terms(line, (self.place.t, self.place.b), unit, arrays, num))
        return Call(HELD, (found,)) if line.call[:1] == (HELD,) else found
