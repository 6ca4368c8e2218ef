"""Exact arithmetic beside the recorded floats: whether a printed equality is true.

Premises stand for the decimals that a person wrote. Sums, products and piecewise linear functions of them are exact
rational numbers; other functions are exact at a few places only (sigmoid(0) = 1/2), and zero times anything is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..cell.lines import Line, Operand
from ..cell.network import Stage, scope_and_name
from ..cell.ops import OPS
from ..trace.trace import Trace
from .numbers import Shown, fraction
from .scalar import SCALAR, Terms
from .tree import COMPARED, HELD, Call, Factors, Holds, Key, Neg, Node, Num, Prod, Quot, Square, Sum

Exact = Fraction | None

#: Up to this many numbers of a trace the exact values are carried from line to line; beyond, from the premises only.
SMALL = 20_000
#: A number with more binary digits than this is not followed any further.
BITS = 512

_HALF, _ZERO, _ONE = Fraction(1, 2), Fraction(0), Fraction(1)

#: Exact operands (None where there is none), constants, and about where the operands are: what was recorded.
Rule = Callable[[Sequence[Exact], Sequence[Fraction], Sequence[float]], Exact]


def _known(rule: Callable[[Sequence[Fraction], Sequence[Fraction]], Exact]) -> Rule:
    """A rule that needs every operand."""

    def whole(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
        there = [value for value in a if value is not None]
        return rule(there, c) if len(there) == len(a) else None

    return whole


def _at(place: int, value: Fraction) -> Rule:
    """A function that is rational at one place only."""
    return lambda a, c, about: value if a[0] == place else None


def _root(a: Sequence[Fraction], _: Sequence[Fraction]) -> Exact:
    if a[0] < 0:
        return None
    over, under = math.isqrt(a[0].numerator), math.isqrt(a[0].denominator)
    return Fraction(over, under) if over**2 == a[0].numerator and under**2 == a[0].denominator else None


def _where(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    return None if a[0] is None else a[1] if a[0] != 0 else a[2]


def _between(value: Exact, about: float, low: Exact, high: Exact) -> Exact:
    """`value` kept between two bounds; a rounded value that is clearly beyond a bound gives the bound."""
    if value is not None:
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)
    if low is not None and _clearly_less(about, float(low)):
        return low
    return high if high is not None and _clearly_less(float(high), about) else None


def _clearly_less(a: float, b: float) -> bool:
    return a < b - 1e-5 * (1 + abs(b))


def _largest(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    """The largest operand, where it is exact and those that are not are clearly smaller."""
    there = [value for value in a if value is not None]
    if not there:
        return None
    top = max(there)
    rest = [near for value, near in zip(a, about, strict=True) if value is None]
    return top if all(_clearly_less(near, float(top)) for near in rest) else None


def _unused(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    raise AssertionError("written with sums and quotients, never as a call")


#: Function to its exact value; None where it has none.
EXACT: dict[str, Rule] = {
    "sigmoid": _at(0, _HALF),
    "tanh": _at(0, _ZERO),
    "exp": _at(0, _ONE),
    "log": _at(1, _ZERO),
    "sqrt": _known(_root),
    "relu": lambda a, c, about: _between(a[0], about[0], _ZERO, None),
    "elu": lambda a, c, about: a[0] if a[0] is not None and a[0] >= 0 else None,
    "softplus": lambda a, c, about: None,
    "clip": lambda a, c, about: _between(a[0], about[0], c[0], c[1]),
    "where": _where,
    "maximum": _largest,
    "max": _largest,
    "sum": _unused,
    "mean": _unused,
    "concat": _unused,
}

#: Functions whose values are not rational: what depends on one of them is rounded.
ROUNDED = frozenset({"sigmoid", "tanh", "exp", "log", "sqrt", "elu", "softplus"})


def evaluate(node: Node, leaf: Callable[[Num], Exact]) -> Exact:
    """The exact value of a tree with numbers; None where it has none, or where part of it is left out."""
    if isinstance(node, Num):
        return leaf(node)
    if isinstance(node, Sum):
        total = Fraction(0)
        for sign, term in zip(node.signs, node.terms, strict=True):
            value = evaluate(term, leaf)
            if value is None:
                return None
            total += value if sign > 0 else -value
        return total
    if isinstance(node, Prod):
        return _product(node, leaf)
    if isinstance(node, Factors):
        values = [evaluate(part, leaf) for part in node.parts]
        known = [value for value in values if value is not None]
        return math.prod(known, start=_ONE) if len(known) == len(values) or 0 in known else None
    if isinstance(node, Square):
        value = evaluate(node.of, leaf)
        return None if value is None else value * value
    if isinstance(node, Quot):
        over, under = evaluate(node.over, leaf), evaluate(node.under, leaf)
        return None if over is None or not under else over / under
    if isinstance(node, Neg):
        value = evaluate(node.of, leaf)
        return None if value is None else -value
    if isinstance(node, Call) and node.op == HELD:
        return None  # whether it is held does not stand there
    if isinstance(node, Call):
        constants = [fraction(c) for c in node.constants or _defaults(node.op)]
        if any(c is None for c in constants):
            return None
        about = [float(a.value) if isinstance(a, Num) else math.nan for a in node.args]
        return EXACT[node.op]([evaluate(a, leaf) for a in node.args], [c for c in constants if c is not None], about)
    if isinstance(node, Holds):
        return _holds(evaluate(node.left, leaf), evaluate(node.right, leaf), node)
    return None  # dots: part of it is left out


def _holds(left: Exact, right: Exact, node: Holds) -> Exact:
    """1 or 0 where both sides are exact, or clearly apart."""
    if left is None or right is None:
        a, b = (float(side.value) if isinstance(side, Num) else math.nan for side in (node.left, node.right))
        if not (_clearly_less(a, b) or _clearly_less(b, a)):
            return None
        return _ONE if COMPARED[node.sign](a, b) else _ZERO  # one of them may be infinite
    return _ONE if COMPARED[node.sign](left, right) else _ZERO


def _defaults(op: str) -> list[float]:
    return [value for _, value in OPS[op].constants if value is not None]


def _product(node: Prod, leaf: Callable[[Num], Exact]) -> Exact:
    left, right = evaluate(node.left, leaf), evaluate(node.right, leaf)
    if left is not None and right is not None:
        return left * right
    known, other = (left, node.right) if left is not None else (right, node.left)
    finite = isinstance(other, Num) and (other.value is None or math.isfinite(other.value))
    return Fraction(0) if known == 0 and finite else None


_NOT_SHOWN = Shown(False, "")


@dataclass
class ExactWalk:
    """The exact values of a trace's lines, as far as they have one.

    array: recorded values by scope and name (`values.Values.array`).
    """

    trace: Trace
    array: Callable[[str, Any], Any]
    _found: dict[Key, Exact] = field(default_factory=dict)
    _rounded: dict[str, set[str]] = field(default_factory=dict)
    small: bool = False

    def __post_init__(self) -> None:
        if self.trace.header.arithmetic is not None:  # its values are what they are: there is nothing more exact
            return
        size = sum(
            values.shape[0] * values.shape[1] * sum(self._terms(stage, line) for _ in range(values.shape[-1]))
            for stage, line, values in self.trace.recorded()
        )
        self.small = size <= SMALL
        self._mark()
        if self.small:
            for stage in self.trace.stages:
                self._stage(stage)

    def of(self, key: Key) -> Exact:
        """The exact value of one number of the trace: a premise, or a line with an exact value."""
        scope, name, t, b, index = key
        stage = self.trace.stage(scope)
        if name in self.trace.lines.get(scope, {}):
            if self.trace.header.arithmetic is not None:
                return fraction(self._recorded(key))
            if key not in self._found and not self.small:
                self._found[key] = self._line(stage, stage.cell.by_name[name], t, b, index[0])
            return self._found.get(key)
        if name in stage.cell.states:
            before = t + (1 if stage.backwards else -1)
            if before in self.trace.span:
                return self.of((scope, stage.cell.states[name], before, b, index))
            first = self.trace.initial.get(scope, {}).get(name)
            return None if first is None else fraction(first[b, index[0]])
        source, line = scope_and_name(stage.sources.get(name, ""))
        if source:
            return self.of((source, line, t, b, index))
        return None if self.array(scope, name) is None else fraction(self._recorded(key))

    def _recorded(self, key: Key) -> Any:
        scope, name, t, b, index = key
        values = self.array(scope, name)
        return values[index] if t is None else values[self.trace.index(t), b, index[0]]

    def rounded(self, scope: str, name: str) -> bool:
        """Whether a line depends on a function whose values are not rational."""
        return name in self._rounded.get(scope, set())

    def _terms(self, stage: Stage, line: Line) -> int:
        if line.product or OPS[line.op].reduces:
            values = self.array(stage.scope, line.operands[line.summed])
            return 1 if values is None else int(values.shape[-1])
        return len(line.operands)

    def _stage(self, stage: Stage) -> None:
        recorded = self.trace.lines.get(stage.scope, {})
        steps = self.trace.span
        for t in steps if not stage.backwards else reversed(steps):
            for b in range(self.trace.batch):
                for line in stage.cell.lines:
                    for unit in range(recorded[line.name].shape[-1]) if line.name in recorded else ():
                        key = (stage.scope, line.name, t, b, (unit,))
                        self._found[key] = self._line(stage, line, t, b, unit)

    def tree(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> Node | None:
        """One unit of a line with the recorded numbers, which are not shown; None without its operands."""
        arrays = [self.array(stage.scope, operand) for operand in line.operands]
        if any(values is None for values in arrays):
            return None

        def num(operand: Operand, *at: Any) -> Num:
            if not isinstance(operand, str):
                return Num(_NOT_SHOWN, operand)
            key = (stage.scope, operand, *at)
            return Num(_NOT_SHOWN, self._recorded(key), key)

        return SCALAR[line.op](line, Terms(line, (t, b), unit, arrays, num))

    def _line(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> Exact:
        tree = self.tree(stage, line, t, b, unit)
        found = None if tree is None else evaluate(tree, self._leaf)
        if found is not None and max(found.numerator.bit_length(), found.denominator.bit_length()) > BITS:
            return None
        return found

    def _leaf(self, number: Num) -> Exact:
        if number.key is None:
            return fraction(number.value)
        scope, name, *_ = number.key
        if not self.small and name in self.trace.stage(scope).cell.by_name and name in self.trace.lines.get(scope, {}):
            return None  # a long trace: one line from its premises, no further
        return self.of(number.key)

    def _mark(self) -> None:
        """Find the lines that depend on a rounded function, through carry and layers."""
        for stage in self.trace.stages:
            marked = self._rounded.setdefault(stage.scope, set())
            while True:
                before = len(marked)
                for line in stage.cell.lines:
                    if line.op in ROUNDED or any(self._is_marked(stage, name, marked) for name in line.reads):
                        marked.add(line.name)
                if len(marked) == before:
                    break

    def _is_marked(self, stage: Stage, name: str, marked: set[str]) -> bool:
        if name in stage.cell.states:
            return stage.cell.states[name] in marked
        source, line = scope_and_name(stage.sources.get(name, ""))
        return name in marked if not source else line in self._rounded.get(source, set())
