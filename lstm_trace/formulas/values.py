"""The recorded numbers of a trace as they are shown, and whether what is printed between them is = or ≈."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, NamedTuple

from ..base.arrays import Array
from ..cell.arithmetic import find, products
from ..cell.lines import Line, Operand
from ..cell.network import VALID, Stage, X
from ..trace.trace import Trace
from .exact import ExactWalk, evaluate, made
from .noise import Noise, small
from .numbers import DIGITS, Style, fraction
from .scalar import substituted
from .symbols import SLOPES
from .tree import HELD, Call, Dots, Key, Node, Num, Quot, Sum, Vec, kept, number, numbers, plus
from .whole import on_paper

#: Operations that compute nothing.
COPIES = frozenset({"copy", "slice", "concat"})
#: What a number is exactly, as it is printed.
_PRINTED = attrgetter("shown.fraction")


class Scalar(NamedTuple):
    """One unit of a line: the tree with numbers (None where an operand was not recorded), the sign, the result."""

    unit: int
    tree: Node | None
    relation: str
    result: Num


@dataclass
class Values:
    """Shows the numbers of `trace` with at most `digits` decimals (all of them if None), or in a style.

    noise: whether what rounding left of a zero is shown as that, which it is in full where all decimals are shown too.
    """

    trace: Trace
    digits: int | Style | None = DIGITS
    noise: bool = False
    _arrays: dict[tuple[str, Operand], Array | None] = field(default_factory=dict)
    _nums: dict[Key, Num] = field(default_factory=dict)
    _short: dict[int, bool] = field(default_factory=dict)

    @cached_property
    def style(self) -> Style:
        """How numbers are shown."""
        return self.digits if isinstance(self.digits, Style) else Style(self.digits)

    @cached_property
    def _zeros(self) -> Noise:
        return Noise(self.trace, self.array, self.exact, self.style)

    @cached_property
    def exact(self) -> ExactWalk:
        """The exact values beside the recorded ones."""
        return ExactWalk(self.trace, self.array)

    def array(self, scope: str, name: Operand) -> Array | None:
        """All recorded values of an operand: (T, B, width), a parameter's own shape, or (1,) of a number."""
        if (scope, name) not in self._arrays:
            self._arrays[scope, name] = self.trace.operand(scope, name)
        return self._arrays[scope, name]

    def num(self, scope: str, name: Operand, t: int | None, b: int | None, index: tuple[int, ...]) -> Num:
        """One number: of a line, input or state at step t and row b; of a parameter where those are None."""
        if not isinstance(name, str):
            return number(name)
        key = (scope, name, t, b, index)
        found = self._nums.get(key)
        if found is None:
            values = self.array(scope, name)
            assert values is not None
            value = values[index] if t is None else values[self.trace.index(t), b, index[0]]
            line = self.trace.stage(scope).cell.states.get(name, name)
            given = self._premise(key) if self.style.written else None
            if given is not None and id(given) not in self._short:  # no value has more decimals than are shown
                self._short[id(given)] = self.style.is_short(given)
            short = given is not None and self._short[id(given)]
            found = Num(self.style.show(value, line, self._noise(key, value), given is not None, short), value, key)
            if len(self._nums) < 100_000:
                self._nums[key] = found
        return found

    def vector(self, scope: str, name: str, t: int | None, b: int | None, most: int | None = None) -> Vec:
        """A whole vector, with dots where it has more than `most` entries."""
        values = self.array(scope, name)
        assert values is not None
        places = kept(values.shape[-1], most)
        return Vec(tuple(Dots("down") if k is None else self.num(scope, name, t, b, (k,)) for k in places))

    def tree(self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None) -> Node | None:
        """One unit of a line with numbers in place of symbols, at most `most` terms of a sum; None without operands."""
        return self._substituted(stage, line, t, b, unit, most, partial(self.num, stage.scope))

    def whole(self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None) -> Node | None:
        """The same with numbers of values that have a name alone: what the others compute is written out."""

        def num(name: Operand, *at: Any) -> Node:
            inner = stage.cell.by_name.get(name) if isinstance(name, str) else None
            function, *args = (inner and inner.call) or ("",)
            if function == "count":
                values = self.array(stage.scope, args[0])
                return number(1 if values is None else values.shape[-1])
            if inner is None or inner.assigned or function in SLOPES:
                return self.num(stage.scope, name, *at)
            found = self._substituted(stage, inner, t, b, at[-1][0], most, num)
            return self.num(stage.scope, name, *at) if found is None else found

        tree = self._substituted(stage, line, t, b, unit, most, num)
        return None if tree is None else on_paper(tree)

    def _substituted(
        self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None, num: Callable[..., Node]
    ) -> Node | None:
        found = substituted(line, (t, b), unit, partial(self.array, stage.scope), num, most)
        return Call(HELD, (found,)) if found is not None and line.call[:1] == (HELD,) else found

    def scalar(
        self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None, whole: bool = False
    ) -> Scalar:
        """One unit of a line with its numbers substituted, the sign before its value, and its value; see `whole`."""
        result = self.num(stage.scope, line.name, t, b, (unit,))
        tree = (self.whole if whole else self.tree)(stage, line, t, b, unit, most)
        compared = None if line.call[:1] == (HELD,) else tree
        return Scalar(unit, tree, self.relation(result, compared), result)

    def noted(self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None) -> Node | None:
        """The products of one unit of a dot product as a person noted them; None where none was rounded."""
        name = self.trace.header.arithmetic
        arithmetic = None if name is None else find(name)
        if line.product is None or arithmetic is None or not (arithmetic.exact and arithmetic.products):
            return None
        matrix, vector = (self.array(stage.scope, operand) for operand in line.product)
        if matrix is None or vector is None or vector.shape[-1] < 2:
            return None
        matrix = matrix if line.op == "matvec" else matrix.T
        row, here = arithmetic.read(matrix[unit : unit + 1]), arithmetic.read(vector[self.trace.index(t), b])
        terms = [term[0] for term in products(arithmetic, row, here)]
        if all(term == w * x for term, w, x in zip(terms, row[0], here, strict=True)):
            return None
        shown = [Num(self.style.show(float(term), line.name), float(term)) for term in terms]
        return plus(tuple(Dots() if k is None else shown[k] for k in kept(len(terms), most)))

    # -- what stands between a formula and its value ------------------------------------------------------------------

    def relation(self, result: Num, tree: Node | None) -> str:
        """`=` where what is printed on both sides is exactly the same number, `≈` otherwise.

        A reader can check it on the page: what stands on the left is computed from the numbers as they are printed.
        tree: that; None where it is a symbol, whose value is shown in full (`=`) or rounded (`≈`). With dots in it
        it cannot be computed, and counts as a symbol.
        """
        if not result.shown.finite:
            return "=" if tree is not None and not all(leaf.shown.finite for leaf in numbers(tree)) else "≈"
        if tree is None or _has_dots(tree):
            return "=" if self.is_exact(result) else "≈"
        return "=" if evaluate(tree, _PRINTED) == result.shown.fraction else "≈"

    def between(self, tree: Node, other: Node) -> str:
        """The sign between two trees of printed numbers: `=` where they come to the same."""
        value = evaluate(tree, _PRINTED)
        return "=" if value is not None and value == evaluate(other, _PRINTED) else "≈"

    def _premise(self, key: Key) -> Array | None:
        """The given values of which a number is one; None for what was computed, also in another layer or step."""
        scope, name, t, b, index = key
        stage = self.trace.stage(scope)
        if t is None:
            return self.array(scope, name)
        if name in self.trace.given.get(scope, {}):
            return self.trace.given[scope][name]
        if name in stage.cell.by_name:  # of what is put beside each other or cut out, the number itself
            line = stage.cell.by_name[name]
            copied = self.tree(stage, line, t, b, index[0]) if line.op in COPIES else None
            return self._premise(copied.key) if isinstance(copied, Num) and copied.key is not None else None
        before = made(self.trace, key)
        if name in stage.cell.states:
            return None if before[2] in self.trace.span else self.trace.initial.get(scope, {}).get(name)
        if before != key:
            return self._premise(before)
        if stage.sources.get(name) == VALID:  # what lengths or a mask say
            return self.array(scope, name)
        return self.trace.x if stage.sources.get(name) == X else None

    def is_exact(self, result: Num) -> bool:
        """Whether a number is shown as exactly what it is."""
        if not result.key or not result.shown.finite:
            return True
        exact = self.exact.of(result.key)
        if exact is not None:
            return exact == result.shown.fraction
        scope, name, *_ = result.key
        carried = self.trace.stage(scope).cell.states.get(str(name), str(name))
        return not self.exact.rounded(scope, carried) and fraction(result.value) == result.shown.fraction

    def _noise(self, key: Key, value: Any) -> float:
        """How large a value may be and still be shown as 0: what rounding left of a zero, and no premise."""
        if self.noise or self.style.whole or self.trace.header.arithmetic is not None:
            return 0.0
        return 2 * float(abs(value)) if 0 < abs(value) < small(value) and self._zeros.hides(key) else 0.0


def _has_dots(node: Node) -> bool:
    if isinstance(node, Quot):
        return _has_dots(node.over)
    parts = node.terms if isinstance(node, Sum) else getattr(node, "args", ())
    return any(isinstance(part, Dots) for part in parts)
