"""A line worked out in stages: its formula with numbers, then with more and more of it evaluated, up to its value.

`Cut` says which lines are written out within a chain. Each stage has the values of all lines whose operands are values
in the stage before. A stage has two forms: a tree of vectors and matrices, which is printed as a person writes it, and
a tree of numbers for each unit, by which the signs are decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Cell, Line, Operand
from ...cell.network import VALID, Stage
from ...documents.blocks import Parts
from ...formulas import tree
from ...formulas.tree import HELD, Call, Mat, Node, Num, Sum, Vec
from ...formulas.whole import on_paper
from ...view.line_groups import LineGroup
from ...view.view import Place, View


class Cut(NamedTuple):
    """A line and the lines that are written out in it, each with the number of the stage from which it is a value.

    named: whether matrices are printed by their names, and nothing is written out, since the formula is too wide.
    """

    line: Line
    inner: dict[str, int]
    named: bool = False

    @property
    def stages(self) -> int:
        """How many formulas there are before the value."""
        return _level(self.line, self.inner)

    def divided(self, cell: Cell) -> list[Cut]:
        """The same in several chains: one for each line with a name, or for each sum if none has a name; or none."""
        inner = [line for line in cell.lines if line.name in self.inner]
        ends = [line for line in inner if line.assigned] or [line for line in inner if line.op == "add"]
        apart = {line.name for line in (*ends, self.line)}
        return [_cut(line, apart, set(self.inner), cell) for line in (*ends, self.line)] if ends else []


def operands(line: Line) -> tuple[Operand, ...]:
    """What a line shows on paper: the arguments of a composite function, and not what that function is made of."""
    return line.call[1:] if line.call else line.operands


def cuts(shown: View, group: LineGroup, stage: Stage) -> list[Cut]:
    """The chains of a group of lines: one, and one more for each line that is read in several places.

    Chosen lines each have a chain of their own; what they need from their group is written out in it.
    """
    recorded, chosen = shown.trace.lines.get(stage.scope, {}), {line.name for line in shown.lines(stage)}
    lines = [line for line in group.lines if line.name in recorded]
    there = {line.name for line in lines}
    if shown.chosen.names is not None:
        ends = [line for line in lines if line.name in chosen]
    elif group.leader is not None and group.leader.name in there:
        ends = [group.leader]
    else:  # some of it was recorded: the lines that nothing else in it reads
        read = {operand for line in lines for operand in line.reads}
        ends = [line for line in lines if line.name not in read]
    ends = [line for line in ends if line.name in chosen]
    apart = {line.name for line in ends}
    apart |= _shared(ends, apart, there, stage.cell)
    return [_cut(line, apart, there, stage.cell) for line in lines if line.name in apart]


def _shared(ends: list[Line], apart: set[str], chosen: set[str], cell: Cell) -> set[str]:
    """The lines with a name that would be written out in several places."""
    counts: Counter[str] = Counter()

    def count(line: Line) -> None:
        for inner in _inside(line, apart, chosen, cell):
            counts[inner.name] += 1
            if counts[inner.name] == 1 or not inner.assigned:
                count(inner)

    for line in ends:
        count(line)
    return {name for name, times in counts.items() if times > 1 and cell.by_name[name].assigned}


def _inside(line: Line, apart: set[str], chosen: set[str], cell: Cell) -> Iterator[Line]:
    """The lines that are written out where a line reads them: not values, such as parts of another value."""
    for operand in operands(line):
        inner = cell.by_name.get(operand) if isinstance(operand, str) else None
        if inner and inner.name not in apart and (not inner.assigned or inner.name in chosen) and inner.op != "slice":
            yield inner


def _cut(line: Line, apart: set[str], chosen: set[str], cell: Cell) -> Cut:
    """A line with what is written out in it, each evaluated just before it is needed.

    The terms of a sum are therefore evaluated at the same time.
    """
    inner: dict[str, int] = {}

    def visit(at: Line) -> None:
        for found in _inside(at, apart, chosen, cell):
            if found.name not in inner:
                visit(found)
                inner[found.name] = _level(found, inner)

    visit(line)
    last = _level(line, inner)
    late = dict.fromkeys(inner, last)
    for at in (line, *(cell.by_name[name] for name in reversed(inner))):  # each after all lines that read it
        for operand in operands(at):
            if operand in late:
                late[str(operand)] = min(late[str(operand)], late.get(at.name, last) - 1)
    return Cut(line, late)


def _level(line: Line, inner: dict[str, int]) -> int:
    """From which stage on a line is a value, given those of what is written out in it."""
    return 1 + max((inner[o] for o in operands(line) if isinstance(o, str) and o in inner), default=0)


@dataclass
class Stages:
    """The stages of lines at one place.

    whole: whether products with zero are written too, as they are for a single unit. zeros: the inputs and states for
    which something was left out because they are zero, in order.
    """

    shown: View
    place: Place
    whole: bool = False
    zeros: dict[str, None] = field(default_factory=dict)

    def parts(self, cut: Cut) -> Parts | None:
        """The formulas of a line and its value, each with the sign before it; None if it was not recorded."""
        line, values = cut.line, self._values(cut.line.name)
        if values is None:
            return None
        found: list[tuple[str, Node]] = []
        reads = [self._values(str(o)) for o in line.call[1:] if isinstance(o, str)]
        widest = max((read.shape[-1] for read in reads if read is not None), default=1)
        if values.shape[-1] == 1 and widest > 1:  # a number computed from vectors, such as a loss: show how
            found = [("=", self._printed(cut, 0))]
            cut = _cut(line._replace(call=()), {line.name}, set(cut.inner), self.place.stage.cell)
        trees = [self._printed(cut, k) for k in range(cut.stages)]
        units = [j for j in self.shown.entries(self.place.stage, line.name) if j is not None]
        result = self._result(line)
        if not found and len(trees) == 1 and alike(trees[0], result):  # nothing is computed
            source = self._taken(line)
            symbol = [("=", self._symbol(source))] if source is not None else []
            exact = all(self.shown.values.is_exact(self._num(line.name, unit)) for unit in units)
            return (*symbol, ("=" if exact else "≈", result))
        for k, node in enumerate([*trees, result]):
            if not found or not alike(found[-1][1], node):
                # the printed numbers of the stage before it come to just what is printed
                true = k == 0 or all(self._comes_to(cut, k, unit) for unit in units)
                found.append(("=" if true else "≈", node))
        return tuple(found)

    # -- what is left out, since it is zero ---------------------------------------------------------------------------

    def _adds_nothing(self, operand: Operand, inner: Container[str]) -> bool:
        """Whether a term of a sum is left out: a product with something that is zero, or a parameter that is zero."""
        if not isinstance(operand, str):
            return False
        if operand in self.place.stage.cell.by_name:
            return self._vanishes(operand, inner)
        return operand in self._parameters and not self._writes_all and self._is_zero(operand)

    def _vanishes(self, name: str, inner: Container[str]) -> bool:
        """Whether a line is zero because it is a product with something that is given as zero, or a sum of such
        products.

        inner: the lines that are written out in its place; other lines appear as their values.
        """
        line = self.place.stage.cell.by_name[name]
        if self._writes_all or line.call or not self._is_zero(name):
            return False
        if line.product or line.memory or line.op in ("outer", "mul"):
            # weights first, which are said to be zero once for all steps
            factors = line.operands[::-1] if line.op == "vecmat" else line.operands
            return any(self._is_given_as_zero(operand, inner) for operand in factors)
        if line.op == "add":
            return all(self._adds_nothing(operand, inner) for operand in line.operands)
        return line.op == "neg" and self._is_given_as_zero(line.operands[0], inner)

    def _is_given_as_zero(self, operand: Operand, inner: Container[str]) -> bool:
        if not isinstance(operand, str):
            return operand == 0
        if operand in self.place.stage.cell.by_name:
            return operand in inner and self._vanishes(operand, inner)
        if not self._is_zero(operand):
            return False
        if operand not in self._parameters:
            self.zeros[operand] = None
        return True

    @property
    def _writes_all(self) -> bool:
        return self.whole or self.shown.chosen.unit is not None

    @property
    def _parameters(self) -> Container[str]:
        return self.shown.trace.parameters.get(self.place.stage.scope, {})

    def _is_zero(self, name: str) -> bool:
        values = self._values(name)
        if values is None or values.ndim < 3:
            return values is not None and not np.any(values)
        # as it is printed, except for rounding
        return all(self._num(name, j).shown.fraction == 0 for j in range(values.shape[-1]))

    # -- what is printed ----------------------------------------------------------------------------------------------

    def _printed(self, cut: Cut, k: int) -> Node:
        """The formula of a line at stage k; for a chosen unit, its numbers."""
        if (unit := self.shown.chosen.unit) is not None:
            found = self._of_unit(cut, k, unit)
            return self._symbol(cut.line.name) if found is None else on_paper(found)
        if self._vanishes(cut.line.name, cut.inner):
            return self._result(cut.line)
        return tidy(self._tree(cut, cut.line, k))

    def _tree(self, cut: Cut, line: Line, k: int) -> Node:
        """A line with values in place of the operands that are values at stage k, without the products with zero."""
        if line.call:
            return Call(str(line.call[0]), tuple(self._part(cut, operand, k) for operand in line.call[1:]))
        if (taken := self._taken(line)) is not None:
            return self._part(cut, taken, k)
        if line.op == "add":
            every = zip(line.constants, line.operands, strict=True)
            kept = ((sign, operand) for sign, operand in every if not self._adds_nothing(operand, cut.inner))
            terms = [(sign, self._part(cut, operand, k)) for sign, operand in kept]
            return Sum(tuple(sign for sign, _ in terms), tuple(term for _, term in terms))
        return tree.SYMBOLIC[line.op](line, tuple(self._part(cut, operand, k) for operand in line.operands))

    def _part(self, cut: Cut, operand: Operand, k: int) -> Node:
        if not isinstance(operand, str):
            return tree.number(operand)
        line = self.place.stage.cell.by_name[operand] if operand in cut.inner else None
        written_out = self._values(operand) is None or (
            k < cut.inner.get(operand, 0) and not self._vanishes(operand, cut.inner)
        )
        return self._tree(cut, line, k) if line is not None and written_out else self._value(operand)

    def _value(self, name: str) -> Node:
        """A matrix by its rows, a vector by its entries; a symbol for what was not recorded or is too large."""
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
        return self.shown.at(self.place.stage, self.place.t, tree.value(name, self.place.stage.cell))

    def _result(self, line: Line) -> Node:
        unit, values = self.shown.chosen.unit, self._values(line.name)
        if unit is None:
            return tidy(self._value(line.name))
        return self._num(line.name, 0 if values is not None and values.shape[-1] == 1 else unit)  # one for every unit

    def _values(self, name: str) -> Array | None:
        return self.shown.values.array(self.place.stage.scope, name)

    def _taken(self, line: Line) -> str | None:
        """What a line hands on unchanged; of the operands of a choice, the one chosen for a step with or without
        padding.
        """
        taken: Operand = line.operands[0]
        if line.op != "copy":
            if line.op != "where" or self.place.stage.sources.get(str(taken)) != VALID:
                return None
            taken = line.operands[2 if self.shown.padding(self.place.t, self.place.b) else 1]
        return taken if isinstance(taken, str) else None

    # -- signs --------------------------------------------------------------------------------------------------------

    def _comes_to(self, cut: Cut, k: int, unit: int) -> bool:
        values = self.shown.values
        left = self._of_unit(cut, k - 1, unit)
        result = self._num(cut.line.name, unit)
        if left is None or not result.shown.finite:
            return values.relation(result, left) == "="
        if isinstance(left, Call) and left.op == HELD:
            return values.is_exact(result)
        right = result if k == cut.stages else self._of_unit(cut, k, unit)
        # the printed numbers give the same result, even if only parts of the formulas can be computed
        return right is not None and alike(left, right, lambda *parts: values.between(*parts) == "=")

    def _num(self, name: str, unit: int) -> Num:
        return self.shown.values.num(self.place.stage.scope, name, self.place.t, self.place.b, (unit,))

    def _of_unit(self, cut: Cut, k: int, unit: int) -> Node | None:
        """One unit of a line at stage k, with numbers; None if an operand was not recorded."""
        try:
            return self._scalar(cut, cut.line, k, unit, None)
        except LookupError:
            return None

    def _scalar(self, cut: Cut, line: Line, k: int, unit: int, within: frozenset[Operand] | None) -> Node:
        """within: the arguments of the composite function that a line is part of, or None."""
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

        found = values.tree(stage, line, self.place.t, self.place.b, unit, num=num)
        if found is None:
            raise LookupError(line.name)
        return found


# -- a formula as a person writes it -----------------------------------------------------------------------------------


def tidy(node: Node) -> Node:
    """The same formula as a person writes it: numbers instead of vectors of one entry, and no empty sums.

    >>> from lstm_trace.formulas.plain import Plain
    >>> from lstm_trace.formulas.tree import MatVec, Prod, number
    >>> one, two = number(1), number(2)
    >>> Plain()(tidy(Sum((1.0, 1.0), (MatVec(Mat(((two,),)), Vec((one,))), Prod(Vec((one, two)), Vec((two,)))))))
    '(2)(1) + 2 [1, 2]'
    """
    if isinstance(node, Vec):
        return node.entries[0] if len(node.entries) == 1 else node
    if isinstance(node, Mat):
        return node
    inner = node.remade(tidy)
    return _RULES[type(inner)](inner) if type(inner) in _RULES else inner


def _times_vector(node: tree.MatVec) -> Node:
    """Matrix times vector; if one of them is a single number, or both, only the product of the numbers."""
    matrix = node.matrix
    if isinstance(matrix, Mat) and len(matrix.rows[0]) == 1:
        matrix = tidy(Vec(tuple(row[0] for row in matrix.rows)))
    elif not isinstance(matrix, Num) and not (isinstance(matrix, Vec) and isinstance(node.vector, Num)):
        return node
    return _product(tree.Prod(matrix, node.vector))


def _product(node: tree.Prod) -> Node:
    """A number before what it multiplies; sums and numbers in parentheses if everything is a single number."""
    left, right = node.left, node.right
    if left == right:  # the same value, and not by chance the same number
        return tree.Square(left)
    if isinstance(right, Num) and not isinstance(left, Num):
        left, right = right, left
    of_numbers = isinstance(right, Sum) and not any(isinstance(part, Vec | Mat) for part in tree.parts_of(right))
    if isinstance(left, Num) and of_numbers:
        return tree.Factors((node.left, node.right))
    return tree.Prod(left, right)


def _same_number(left: Node, right: Node) -> bool:
    """Whether both are numbers, and equal as they are printed."""
    if not (isinstance(left, Num) and isinstance(right, Num)):
        return False
    return left.shown.fraction == right.shown.fraction and left.shown.finite == right.shown.finite


def alike(left: Any, right: Any, same: Callable[[Node, Node], bool] = _same_number) -> bool:
    """Whether two formulas mean the same part by part: `1` is the same number as `1.0000`.

    same: whether two parts do, whatever they consist of.
    """
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(partial(alike, same=same), left, right))
    if isinstance(left, Node) and isinstance(right, Node) and same(left, right):
        return True
    if not isinstance(left, Node) or type(left) is not type(right) or isinstance(left, Num):
        return bool(left == right)
    return all(map(partial(alike, same=same), vars(left).values(), vars(right).values()))


def _call(node: Call) -> Node:
    """A reduction of the entries of vectors: the sum of numbers, their mean, or one vector made of several."""
    if node.op == "concat" and all(isinstance(arg, Vec | Num) for arg in node.args):
        return Vec(tuple(entry for arg in node.args for entry in (arg.entries if isinstance(arg, Vec) else (arg,))))
    if node.op not in REDUCED or not isinstance(vector := node.args[0], Vec):
        return node
    return REDUCED[node.op](vector.entries)


#: What a reduction makes of the entries of a vector.
REDUCED: dict[str, Callable[[tuple[Node, ...]], Node]] = {
    "max": lambda entries: Call("max", entries),
    "sum": tree.plus,
    "mean": lambda entries: tree.Quot(tree.plus(entries), tree.number(len(entries))),
}


_RULES: dict[type, Callable[[Any], Node]] = {
    Sum: lambda node: node if len(node.terms) > 1 else node.terms[0] if node.signs[0] > 0 else tree.Neg(node.terms[0]),
    tree.Transposed: lambda node: Mat(tuple(zip(*node.of.rows, strict=True))) if isinstance(node.of, Mat) else node,
    tree.MatVec: _times_vector,
    tree.Prod: _product,
    Call: _call,
}
