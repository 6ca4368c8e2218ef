"""What rounding left of a zero: which recorded values a solution shows as 0.

A value is that where its exact value is 0, where its terms cancel to no more than their rounding, and where it is 0 as
soon as such values are. It is shown as 0 only if nothing that reads it, directly or through others, would be printed
with other digits for it: a page does not contradict itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import Stage
from ..cell.ops import OPS
from ..trace.trace import Trace
from .exact import ExactWalk, made
from .numbers import Style, fraction
from .tree import Key, Node, Num, Prod, Quot, Sum

#: So many values are followed back to one that rounding left, and so many at once are checked against their readers.
DEEP, MANY = 30, 1000
#: Operations whose terms may cancel.
SUMS = frozenset({"matvec", "vecmat", "add", "sum", "mean"})


@dataclass
class Noise:
    """Finds such values of a trace. array: recorded values by scope and name (`values.Values.array`)."""

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
        """Whether a value is shown as 0 though it was recorded as another number."""
        key = made(self.trace, key)
        if not self._is_left(key):
            return False
        if key not in self._shown:
            group, shown = self._group(key)
            self._shown.update(dict.fromkeys(group, shown))
        return not self._shown[key]

    def _group(self, key: Key) -> tuple[set[Key], bool]:
        """The values that are 0 together with one, and whether something that reads them needs them as they are."""
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
        """Whether a value is what rounding left of a zero, whoever reads it."""
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
        if self._deep == DEEP:  # shown from here on, whoever asks
            self._left[key] = False
            return False
        self._deep += 1
        both = self._without(stage, line, t, b)
        left = both is not None and bool(both[0][unit] != 0 == both[1][unit])
        if left or line.op not in SUMS or abs(value) <= self._most(stage, line, t, b)[unit]:
            exact = self.exact.of(key)
            if exact is not None:  # of given numbers as they were written: 0.1 + 0.2 - 0.3, and not 1 - 0.9999999
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
        """Operand, unit and key of what a line reads that is 0 but for rounding."""
        for n, a in enumerate(self._operands(stage, line, t, b) or ()):
            if a.ndim == 3:
                for unit in np.flatnonzero((a[0, 0] != 0) & (np.abs(a[0, 0]) < small(a))).tolist():
                    key = made(self.trace, (stage.scope, line.operands[n], t, b, (unit,)))
                    if self._is_left(key):
                        yield n, unit, key

    def _without(self, stage: Stage, line: Line, t: int, b: int) -> tuple[Array, Array] | None:
        """A line's values, and those with 0 for what it reads that is 0 but for rounding; None if there is no such."""
        key = stage.scope, line.name, t, b
        if key not in self._both:
            places, operands = list(self._places(stage, line, t, b)), self._operands(stage, line, t, b)
            self._both[key] = None
            if places and operands is not None:
                zeroed = [a.copy() for a in operands]
                for n, unit, _ in places:
                    zeroed[n][0, 0, unit] = 0
                with np.errstate(all="ignore"):  # a quotient of two that are 0 but for rounding
                    before, after = (np.ravel(OPS[line.op].array(a, line.constants)) for a in (operands, zeroed))
                self._both[key] = before, after
        return self._both[key]

    @cached_property
    def _read_by(self) -> dict[tuple[str, str], list[tuple[Stage, Line, int]]]:
        """Lines by the line that they read, and how many steps later."""
        found: dict[tuple[str, str], list[tuple[Stage, Line, int]]] = {}
        for stage in self.trace.stages:
            for line in stage.cell.lines:
                for name in {operand for operand in line.operands if isinstance(operand, str)}:
                    scope, of, t, *_ = made(self.trace, (stage.scope, name, 0, 0, ()))
                    found.setdefault((scope, of), []).append((stage, line, -t))
        return found

    def _readers(self, key: Key) -> Iterator[tuple[Key, bool]]:
        """Values that change with what is 0 but for rounding, and whether their digits on the page do."""
        scope, name, t, b, _ = key
        for stage, line, later in self._read_by.get((scope, name), ()):
            if t + later not in self.trace.span or line.name not in self.trace.lines.get(stage.scope, {}):
                continue
            both = self._without(stage, line, t + later, b)
            if both is not None:
                for unit in np.flatnonzero(both[0] != both[1]).tolist():
                    was, new = (self.style.show(values[unit], line.name) for values in both)
                    yield (stage.scope, line.name, t + later, b, (unit,)), was != new

    def _most(self, stage: Stage, line: Line, t: int, b: int) -> Array:
        """More than `_rounding` of each unit, sooner: n + 2 times eps times the sizes of the n terms."""
        key = stage.scope, line.name, t, b
        if key not in self._sizes:
            operands = self._operands(stage, line, t, b) or []
            count = len(operands) if line.op == "add" else operands[line.summed].shape[-1]
            with np.errstate(all="ignore"):
                sizes = OPS[line.op].array([np.abs(a) for a in operands], tuple(map(abs, line.constants)))
            self._sizes[key] = (count + 2) * small(sizes) ** 2 * np.ravel(sizes)
        return self._sizes[key]

    def _rounding(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> float:
        """How far rounding may have set off a sum: that of its terms, and of what they add up to from left to right."""
        tree = self.exact.tree(stage, line, t, b, unit)
        if isinstance(tree, Quot) and line.op == "mean":
            return self._rounding_of(tree.over) / len(cast(Sum, tree.over).terms)
        return self._rounding_of(tree)

    def _rounding_of(self, tree: Node | None) -> float:
        if not isinstance(tree, Sum):
            return 0.0
        off, total = 0.0, None
        with np.errstate(all="ignore"):
            for sign, term in zip(tree.signs, tree.terms, strict=True):
                value, error = self._term(term)
                signed = value if sign > 0 else -value
                off += error + (0.0 if total is None else _half(total + signed))
                total = signed if total is None else total + signed
        return off if np.isfinite(off) else 0.0

    def _term(self, term: Node) -> tuple[Any, float]:
        """A number or a product of two as it was computed, and how far it may be off."""
        if isinstance(term, Prod):
            (a, off_a), (b, off_b) = self._term(term.left), self._term(term.right)
            off = float(abs(a) * off_b + abs(b) * off_a)
            if np.isfinite(a * b) and Fraction(float(a)) * Fraction(float(b)) != Fraction(float(a * b)):
                off += _half(a * b)
            return a * b, off
        value, key = cast(Num, term).value, cast(Num, term).key
        exact = fraction(value) if key is None else self.exact.of(key)
        if exact is None or not np.isfinite(value):
            return value, _half(value)
        return value, abs(float(Fraction(float(value)) - exact))


def small(values: Any) -> float:
    """Below it a number may be what rounding left of a zero."""
    return float(np.sqrt(np.finfo(values.dtype).eps))


def _half(value: Any) -> float:
    """Half a unit in the last place."""
    return float(np.spacing(np.abs(value))) / 2
