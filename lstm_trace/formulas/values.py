"""The recorded numbers of a trace as displayed, and whether the relation printed between them is = or ≈.

Round-off residue near zero is shown as 0. A value is such residue if its exact value is 0, if its terms cancel to no
more than their rounding, or if it becomes 0 once such values are. It is shown as 0 only if no value that depends on it,
directly or indirectly, would be printed with other digits: a page does not contradict itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from math import inf
from operator import attrgetter
from typing import Any, NamedTuple, cast

import numpy as np

from ..base.arrays import Array, by_key
from ..cell.arithmetic import find, products
from ..cell.lines import Line, Operand
from ..cell.network import VALID, Stage, X
from ..cell.ops import OPS
from ..trace.trace import Trace
from . import tree
from .exact import ExactWalk, evaluate, made
from .numbers import DIGITS, Style, fraction
from .symbols import SLOPES
from .tree import HELD, Call, Dots, Key, Node, Num, Prod, Quot, Sum, Vec, kept, number, numbers, plus, substituted
from .whole import on_paper

#: Operations that compute nothing.
COPIES = frozenset({"copy", "slice", "concat"})
#: The exact value of a number, as printed.
_PRINTED = attrgetter("shown.fraction")


class Scalar(NamedTuple):
    """One unit of a line: the tree with numbers (None if an operand was not recorded), the sign, the result."""

    tree: Node | None
    relation: str
    result: Num


@dataclass
class Values:
    """Displays the numbers of `trace` with at most `digits` decimals (all of them if None), or in a style.

    noise: whether round-off residue is shown as such; it is shown in full if all decimals are shown too.
    """

    trace: Trace
    digits: int | Style | None = DIGITS
    noise: bool = False
    _arrays: dict[tuple[str, Operand], Array | None] = field(default_factory=dict)
    _nums: dict[Key, Num] = field(default_factory=dict)
    _short: dict[int, bool] = field(default_factory=dict)

    @cached_property
    def style(self) -> Style:
        """How numbers are displayed."""
        return self.digits if isinstance(self.digits, Style) else Style(self.digits)

    @cached_property
    def _zeros(self) -> Noise:
        return Noise(self.trace, self.array, self.exact, self.style)

    @cached_property
    def exact(self) -> ExactWalk:
        """The exact values alongside the recorded ones."""
        return ExactWalk(self.trace, self.array)

    def array(self, scope: str, name: Operand) -> Array | None:
        """All recorded values of an operand: (T, B, width), a parameter's own shape, or (1,) for a number."""
        if (scope, name) not in self._arrays:
            self._arrays[scope, name] = self.trace.operand(scope, name)
        return self._arrays[scope, name]

    def num(self, scope: str, name: Operand, t: int | None, b: int | None, index: tuple[int, ...]) -> Num:
        """One number: of a line, input or state at step t and sequence b; of a parameter if those are None."""
        if not isinstance(name, str):
            return number(name)
        key = (scope, name, t, b, index)
        if (found := self._nums.get(key)) is None:
            values = self.array(scope, name)
            assert values is not None
            if len(index) > values.ndim and (grid := self.trace.grid(scope, name)):  # a matrix that lies in one row
                key = (scope, name, t, b, index := (index[0] * grid[1] + index[1],))
            value = values[index] if t is None else values[self.trace.index(t), b, index[0]]
            line = self.trace.stage(scope).cell.states.get(name, name)
            given, short = self.written(key)
            found = Num(self.style.show(value, line, self._noise(key, value), given, short), value, key)
            if len(self._nums) < 100_000:
                self._nums[key] = found
        return found

    def written(self, key: Key) -> tuple[bool, bool]:
        """Whether a number is displayed as it was written down, and whether no value of its array has more decimals
        than are shown.
        """
        given = self._premise(key) if self.style.written else None
        if given is not None and id(given) not in self._short:
            self._short[id(given)] = self.style.is_short(given)
        return given is not None, given is not None and self._short[id(given)]

    def vector(self, scope: str, name: str, t: int | None, b: int | None, most: int | None = None) -> Vec | tree.Mat:
        """A whole vector or matrix, with dots if it has more than `most` entries, or rows or columns."""
        values = self.array(scope, name)
        assert values is not None
        if grid := self.trace.grids.get(scope, {}).get(name):
            rows, columns = (kept(size, most) for size in grid)
            return tree.matrix(rows, columns, lambda i, k: self.num(scope, name, t, b, (i * grid[1] + k,)))
        places = kept(values.shape[-1], most)
        return Vec(tuple(Dots("down") if k is None else self.num(scope, name, t, b, (k,)) for k in places))

    def tree(
        self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None,
        num: Callable[..., Node] | None = None,
    ) -> Node | None:  # fmt: skip
        """One unit of a line with numbers in place of symbols, at most `most` terms of a sum; None without operands.

        num: returns the node for an operand; its number if None.
        """
        num = num or partial(self.num, stage.scope)
        found = substituted(line, (t, b), unit, partial(self.array, stage.scope), num, most)
        return Call(HELD, (found,)) if found is not None and line.call[:1] == (HELD,) else found

    def whole(
        self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None, size: float = inf
    ) -> Node | None:
        """The same with only the numbers of named values: the expressions of unnamed ones are written out.

        size: maximum count of numbers, beyond which dots are used: a value that is read twice is written out twice.
        """
        count = 0

        def num(name: Operand, *at: Any) -> Node:
            nonlocal count
            count += 1
            if count > size:
                return Dots()
            inner = stage.cell.by_name.get(name) if isinstance(name, str) else None
            if inner is None or inner.assigned or (inner.call and inner.call[0] in SLOPES):
                return self.num(stage.scope, name, *at)
            if inner.call and inner.call[0] == "count":
                values = self.array(stage.scope, inner.call[1])
                return number(1 if values is None else values.shape[-1])
            found = self.tree(stage, inner, t, b, at[-1][0], most, num)
            return self.num(stage.scope, name, *at) if found is None else found

        return None if (tree := self.tree(stage, line, t, b, unit, most, num)) is None else on_paper(tree)

    def scalar(
        self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None, whole: bool = False
    ) -> Scalar:
        """One unit of a line with its numbers substituted, the sign before its value, and its value; see `whole`."""
        result = self.num(stage.scope, line.name, t, b, (unit,))
        tree = (self.whole if whole else self.tree)(stage, line, t, b, unit, most)
        return Scalar(tree, self.relation(result, None if line.call[:1] == (HELD,) else tree), result)

    def noted(self, stage: Stage, line: Line, t: int, b: int, unit: int, most: int | None = None) -> Node | None:
        """The products of one unit of a dot product, as a person wrote them down; None if none was rounded."""
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
        shown = [Num(self.style.show(float(term), line.name), float(term), ()) for term in terms]
        return plus(tuple(Dots() if k is None else shown[k] for k in kept(len(terms), most)))

    # -- the sign between a formula and its value ---------------------------------------------------------------------

    def relation(self, result: Num, tree: Node | None) -> str:
        """`=` if the printed numbers on both sides are exactly equal, otherwise `≈`.

        A reader can check it on the page: the left side is computed from the numbers as they are printed. tree: the
        left side; None if it is a symbol, whose value is shown in full (`=`) or rounded (`≈`). With dots in it, it
        cannot be computed, and counts as a symbol.
        """
        if not result.shown.finite:
            return "=" if tree is not None and not all(leaf.shown.finite for leaf in numbers(tree)) else "≈"
        terms = tree.over if isinstance(tree, Quot) else tree
        if tree is None or terms is None or any(isinstance(part, Dots) for part in terms.pieces):
            return "=" if self.is_exact(result) else "≈"
        return "=" if evaluate(tree, _PRINTED) == result.shown.fraction else "≈"

    def between(self, tree: Node, other: Node) -> str:
        """The sign between two trees of printed numbers: `=` if their values are equal."""
        value = evaluate(tree, _PRINTED)
        return "=" if value is not None and value == evaluate(other, _PRINTED) else "≈"

    def _premise(self, key: Key) -> Array | None:
        """The given array that contains a number; None for a computed one, also in another layer or step."""
        scope, name, t, b, index = key
        stage = self.trace.stage(scope)
        if t is None:
            return self.array(scope, name)
        if name in self.trace.given.get(scope, {}):
            return self.trace.given[scope][name]
        if name in stage.cell.by_name:  # for concatenations and slices, the number itself
            line = stage.cell.by_name[name]
            copied = self.tree(stage, line, t, b, index[0]) if line.op in COPIES else None
            return self._premise(copied.key) if isinstance(copied, Num) and copied.key else None
        before = made(self.trace, key)
        if name in stage.cell.states and before[2] not in self.trace.span:
            return self.trace.initial.get(scope, {}).get(name)
        if before != key:  # in another layer, or an input that the state carries
            return None if name in stage.cell.states and before[1] in stage.cell.by_name else self._premise(before)
        if stage.sources.get(name) == VALID:  # determined by lengths or a mask
            return self.array(scope, name)
        return self.trace.x if stage.sources.get(name) == X else None

    def is_exact(self, result: Num) -> bool:
        """Whether a number is displayed exactly."""
        if not result.key or not result.shown.finite:
            return True
        if (exact := self.exact.of(result.key)) is not None:
            return exact == result.shown.fraction
        scope, name, *_ = result.key
        carried = self.trace.stage(scope).cell.states.get(str(name), str(name))
        return not self.exact.rounded(scope, carried) and fraction(result.value) == result.shown.fraction

    def _noise(self, key: Key, value: Any) -> float:
        """How large a value may be and still be shown as 0: round-off residue, and not a premise."""
        if self.noise or self.style.whole or self.trace.header.arithmetic is not None:
            return 0.0
        return 2 * float(abs(value)) if 0 < abs(value) < small(value) and self._zeros.hides(key) else 0.0


#: Maximum number of values followed back to a residue, and of values checked together against their consumers.
DEEP, MANY = 30, 1000
#: Operations whose terms may cancel.
SUMS = frozenset({"matvec", "vecmat", "memvec", "vecmem", "add", "sum", "mean"})


@dataclass
class Noise:
    """Finds round-off residue in a trace. array: recorded values by scope and name (`values.Values.array`)."""

    trace: Trace
    array: Callable[[str, Operand], Array | None]
    exact: ExactWalk
    style: Style
    _left: dict[Key, bool] = field(default_factory=dict)
    _shown: dict[Key, bool] = field(default_factory=dict)
    _both: dict[Key, tuple[Array, Array] | None] = field(default_factory=dict)
    _sizes: dict[Key, Array] = field(default_factory=dict)
    _deep: int = 0

    def hides(self, key: Key) -> bool:
        """Whether a value is shown as 0 although it was recorded as another number."""
        key = made(self.trace, key)
        if not self._is_left(key):
            return False
        if key not in self._shown:
            group, shown = self._group(key)
            self._shown.update(dict.fromkeys(group, shown))
        return not self._shown[key]

    def _group(self, key: Key) -> tuple[set[Key], bool]:
        """The values that are 0 together with one, and whether a consumer needs them unchanged."""
        group, todo, shown = {key}, [key], False
        while todo and len(group) < MANY:
            scope, name, t, b, _ = here = todo.pop()
            stage = self.trace.stage(scope)
            near = {key for *_, key in self._places(stage, stage.cell.by_name[name], t, b)}
            for reader, changes in self._readers(here):
                if self._is_left(reader):
                    near.add(reader)
                else:
                    shown |= changes
            todo += near - group
            group |= near
        return group, shown

    def _is_left(self, key: Key) -> bool:
        """Whether a value is round-off residue, regardless of its consumers."""
        if key in self._left:
            return self._left[key]
        scope, name, t, b, index = key
        stage = self.trace.stage(scope)
        line = stage.cell.by_name.get(name)
        values = self.trace.lines.get(scope, {}).get(name)
        if line is None or values is None or t not in self.trace.span:
            return False
        unit = index[0]
        value = values[self.trace.index(t), b, unit]
        if not 0 < abs(value) < small(value):
            return False
        if self._deep == DEEP:  # shown from here on, for every request
            self._left[key] = False
            return False
        self._deep += 1
        both = self._without(stage, line, t, b)
        left = both is not None and bool(both[0][unit] != 0 == both[1][unit])
        if left or line.op not in SUMS or abs(value) <= self._most(stage, line, t, b)[unit]:
            exact = self.exact.of(key)
            if exact is not None:  # from given numbers as written: 0.1 + 0.2 - 0.3, but not 1 - 0.9999999
                left = exact == 0
            elif line.op in SUMS:
                left |= bool(abs(value) <= self._rounding(stage, line, t, b, unit))
        self._deep -= 1
        self._left[key] = left
        return left

    def _operands(self, stage: Stage, line: Line, t: int, b: int) -> list[Array] | None:
        arrays = [self.array(stage.scope, operand) for operand in line.operands]
        i = self.trace.index(t)
        here = [a if a is None or a.ndim < 3 else a[i : i + 1, b : b + 1] for a in arrays]
        return None if any(a is None for a in here) else cast(list[Array], here)

    def _places(self, stage: Stage, line: Line, t: int, b: int) -> Iterator[tuple[int, int, Key]]:
        """Operand, unit and key of operands of a line that are 0 up to rounding."""
        for n, a in enumerate(self._operands(stage, line, t, b) or ()):
            if a.ndim == 3:
                for unit in np.flatnonzero((a[0, 0] != 0) & (np.abs(a[0, 0]) < small(a))).tolist():
                    key = made(self.trace, (stage.scope, line.operands[n], t, b, (unit,)))
                    if self._is_left(key):
                        yield n, unit, key

    def _without(self, stage: Stage, line: Line, t: int, b: int) -> tuple[Array, Array] | None:
        """A line's values, and those with such operands replaced by 0; None if there are none."""
        key = stage.scope, line.name, t, b
        if key not in self._both:
            places, operands = list(self._places(stage, line, t, b)), self._operands(stage, line, t, b)
            self._both[key] = None
            if places and operands is not None:
                zeroed = [a.copy() for a in operands]
                for n, unit, _ in places:
                    zeroed[n][0, 0, unit] = 0
                with np.errstate(all="ignore"):  # a quotient of two that are 0 up to rounding
                    before, after = (np.ravel(OPS[line.op].array(a, line.constants)) for a in (operands, zeroed))
                self._both[key] = before, after
        return self._both[key]

    @cached_property
    def _read_by(self) -> dict[tuple[str, str], list[tuple[Stage, Line, int]]]:
        """Lines by the line that they use, and how many steps later."""
        lines = ((stage, line) for stage in self.trace.stages for line in stage.cell.lines)
        reads = ((stage, line, name) for stage, line in lines for name in set(line.reads))
        origins = ((made(self.trace, (s.scope, name, 0, 0, ())), s, line) for s, line, name in reads)
        return by_key(((scope, name), (stage, line, -t)) for (scope, name, t, *_), stage, line in origins)

    def _readers(self, key: Key) -> Iterator[tuple[Key, bool]]:
        """Values that change with a residue, and whether their digits on the page change."""
        scope, name, t, b, _ = key
        for stage, line, later in self._read_by.get((scope, name), ()):
            if t + later not in self.trace.span or line.name not in self.trace.lines.get(stage.scope, {}):
                continue
            if (both := self._without(stage, line, t + later, b)) is not None:
                for unit in np.flatnonzero(both[0] != both[1]).tolist():
                    was, new = (self.style.show(values[unit], line.name) for values in both)
                    yield (stage.scope, line.name, t + later, b, (unit,)), was != new

    def _most(self, stage: Stage, line: Line, t: int, b: int) -> Array:
        """A cheap upper bound of `_rounding` for each unit: n + 2 times eps times the magnitudes of the n terms."""
        key = stage.scope, line.name, t, b
        if key not in self._sizes:
            operands = self._operands(stage, line, t, b) or []
            count = len(operands) if line.op == "add" else operands[line.summed].shape[-1]
            with np.errstate(all="ignore"):
                sizes = OPS[line.op].array([np.abs(a) for a in operands], tuple(map(abs, line.constants)))
            self._sizes[key] = (count + 2) * small(sizes) ** 2 * np.ravel(sizes)
        return self._sizes[key]

    def _rounding(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> float:
        """The possible rounding error of a sum: that of its terms, and of the partial sums from left to right."""
        tree = self.exact.tree(stage, line, t, b, unit)
        tree = tree.over if isinstance(tree, Quot) and line.op == "mean" else tree
        if not isinstance(tree, Sum):
            return 0.0
        off, total = 0.0, None
        with np.errstate(all="ignore"):
            for sign, term in zip(tree.signs, tree.terms, strict=True):
                value, error = self._term(term)
                signed = value if sign > 0 else -value
                off += error + (0.0 if total is None else _half(total + signed))
                total = signed if total is None else total + signed
        off /= len(tree.terms) if line.op == "mean" else 1
        return off if np.isfinite(off) else 0.0

    def _term(self, term: Node) -> tuple[Any, float]:
        """A number or a product of two as computed, and its possible error."""
        if isinstance(term, Prod):
            (a, off_a), (b, off_b) = self._term(term.left), self._term(term.right)
            off = float(abs(a) * off_b + abs(b) * off_a)
            if np.isfinite(a * b) and Fraction(float(a)) * Fraction(float(b)) != Fraction(float(a * b)):
                off += _half(a * b)
            return a * b, off
        value, key = cast(Num, term).value, cast(Num, term).key
        exact = self.exact.of(key) if key else fraction(value)
        if exact is None or not np.isfinite(value):
            return value, _half(value)
        return value, abs(float(Fraction(float(value)) - exact))


def small(values: Any) -> float:
    """Numbers below this may be round-off residue."""
    return float(np.sqrt(np.finfo(values.dtype).eps))


def _half(value: Any) -> float:
    """Half a unit in the last place."""
    return float(np.spacing(np.abs(value))) / 2
