"""Exact arithmetic alongside the recorded floats: decides whether a printed equality is true.

Premises represent the decimals that a person wrote. Sums, products and piecewise linear functions of them are exact
rational numbers; other functions are exact only at a few points (sigmoid(0) = 1/2), and zero times anything is zero.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from ..cell.lines import Line, Operand
from ..cell.network import Stage, scope_and_name
from ..cell.ops import OPS
from ..trace.trace import Trace
from .numbers import Shown, fraction
from .tree import COMPARED, HELD, Call, Factors, Holds, Key, Neg, Node, Num, Prod, Quot, Square, Sum, substituted

Exact = Fraction | None

#: Up to this size of a trace exact values are carried from line to line; beyond it, they start at the premises.
SMALL = 20_000
#: A number with more binary digits than this is not tracked any further.
BITS = 512

_HALF, _ZERO, _ONE = Fraction(1, 2), Fraction(0), Fraction(1)

#: Exact operands (None if not exact), constants, and the approximate operands: the recorded ones.
Rule = Callable[[Sequence[Exact], Sequence[Fraction], Sequence[float]], Exact]


def _at(place: int, value: Fraction) -> Rule:
    """A function that is rational at only one point."""
    return lambda a, c, about: value if a[0] == place else None


def _root(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    if a[0] is None or a[0] < 0:
        return None
    root = Fraction(math.isqrt(a[0].numerator), math.isqrt(a[0].denominator))
    return root if root**2 == a[0] else None


def _whole(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    """The floor; that of a rounded value if it is clearly between two whole numbers."""
    if a[0] is None and not math.isfinite(about[0]):
        return None
    low = math.floor(about[0] if a[0] is None else a[0])
    clear = a[0] is not None or (_clearly_less(low, about[0]) and _clearly_less(about[0], low + 1))
    return Fraction(low) if clear else None


def _between(value: Exact, about: float, low: Exact, high: Exact) -> Exact:
    """`value` clipped between two bounds; a rounded value clearly beyond a bound gives the bound."""
    if value is not None:
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)
    if low is not None and _clearly_less(about, float(low)):
        return low
    return high if high is not None and _clearly_less(float(high), about) else None


def _clearly_less(a: float, b: float) -> bool:
    return a < b - 1e-5 * (1 + abs(b))


def _largest(a: Sequence[Exact], c: Sequence[Fraction], about: Sequence[float]) -> Exact:
    """The largest operand, if it is exact and the inexact ones are clearly smaller."""
    if not (there := [value for value in a if value is not None]):
        return None
    top = max(there)
    rest = [near for value, near in zip(a, about, strict=True) if value is None]
    return top if all(_clearly_less(near, float(top)) for near in rest) else None


#: Function to its exact value; None if it has none.
EXACT: dict[str, Rule] = {
    "sigmoid": _at(0, _HALF),
    **dict.fromkeys(("tanh", "sin"), _at(0, _ZERO)),
    **dict.fromkeys(("exp", "cos"), _at(0, _ONE)),
    "log": _at(1, _ZERO),
    "sqrt": _root,
    "floor": _whole,
    "relu": lambda a, c, about: _between(a[0], about[0], _ZERO, None),
    "elu": lambda a, c, about: a[0] if a[0] is not None and a[0] >= 0 else None,
    "clip": lambda a, c, about: _between(a[0], about[0], c[0], c[1]),
    "where": lambda a, c, about: None if a[0] is None else a[1] if a[0] != 0 else a[2],
    **dict.fromkeys(("maximum", "max"), _largest),
    # only the first is a call
    **dict.fromkeys(("softplus", "sum", "mean", "concat", "outer"), lambda a, c, about: None),
}

#: Functions whose values are not rational: lines that depend on one of them are rounded.
ROUNDED = frozenset({"sigmoid", "tanh", "exp", "log", "sqrt", "sin", "cos", "elu", "softplus"})


def evaluate(node: Node, leaf: Callable[[Num], Exact]) -> Exact:
    """The exact value of a tree with numbers; None if it has none, or if a part of it is left out."""
    if isinstance(node, Num):
        return leaf(node)

    def of(part: Node) -> Exact:
        return evaluate(part, leaf)

    match node:
        case Sum():
            total = Fraction(0)
            for sign, term in zip(node.signs, node.terms, strict=True):
                if (value := of(term)) is None:
                    return None
                total += value if sign > 0 else -value
            return total
        case Prod():
            left, right = of(node.left), of(node.right)
            if left is not None and right is not None:
                return left * right
            known, other = (left, node.right) if left is not None else (right, node.left)
            finite = isinstance(other, Num) and (other.value is None or math.isfinite(other.value))
            return _ZERO if known == 0 and finite else None
        case Factors():
            factors = [value for value in map(of, node.parts) if value is not None]
            return math.prod(factors, start=_ONE) if len(factors) == len(node.parts) or 0 in factors else None
        case Square():
            return None if (value := of(node.of)) is None else value * value
        case Quot():
            over, under = of(node.over), of(node.under)
            return None if over is None or not under else over / under
        case Neg():
            return None if (value := of(node.of)) is None else -value
        case Call() if node.op != HELD:  # the tree does not say whether it is held
            given = node.constants or [value for _, value in OPS[node.op].constants if value is not None]
            if len(constants := [c for c in map(fraction, given) if c is not None]) < len(given):
                return None
            return EXACT[node.op](list(map(of, node.args)), constants, list(map(_about, node.args)))
        case Holds():
            sides: list[Any] = [of(node.left), of(node.right)]
            if None in sides:
                sides = [_about(node.left), _about(node.right)]  # one of them may be infinite
                if not (_clearly_less(*sides) or _clearly_less(*reversed(sides))):
                    return None
            return _ONE if COMPARED[node.sign](*sides) else _ZERO
    return None  # dots: a part of it is left out


def _about(node: Node) -> float:
    return float(node.value) if isinstance(node, Num) else math.nan


_NOT_SHOWN = Shown(False, "")


@dataclass
class ExactWalk:
    """The exact values of a trace's lines, as far as they have one.

    array: recorded values by scope and name (`values.Values.array`).
    """

    trace: Trace
    array: Callable[[str, Any], Any]
    _found: dict[Key, Exact] = field(default_factory=dict)
    _rounded: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    small: bool = False

    def __post_init__(self) -> None:
        if self.trace.header.arithmetic is not None:  # its values are exact by definition
            return
        size = sum(values.size * self._terms(stage, line) for stage, line, values in self.trace.recorded())
        self.small = size <= SMALL
        for stage in self.trace.stages:
            self._mark(stage)
            recorded = self.trace.lines.get(stage.scope, {}) if self.small else {}
            lines = [line for line in stage.cell.lines if line.name in recorded]
            for t, b, line in product(self.trace.span[:: -1 if stage.backwards else 1], range(self.trace.batch), lines):
                for unit in range(recorded[line.name].shape[-1]):
                    self._found[stage.scope, line.name, t, b, (unit,)] = self._line(stage, line, t, b, unit)

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
        if (before := made(self.trace, key)) != key and before[2] in self.trace.span:
            return self.of(before)
        if name in stage.cell.states:
            first = self.trace.initial.get(scope, {}).get(name)
            return None if first is None else fraction(first[b, index[0]])
        return None if self.array(scope, name) is None else fraction(self._recorded(key))

    def _recorded(self, key: Key) -> Any:
        scope, name, t, b, index = key
        values = self.array(scope, name)
        return values[index] if t is None else values[self.trace.index(t), b, index[0]]

    def rounded(self, scope: str, name: str) -> bool:
        """Whether a line depends on a function whose values are not rational."""
        return name in self._rounded[scope]

    def _terms(self, stage: Stage, line: Line) -> int:
        if line.product or line.memory or OPS[line.op].reduces:
            values = self.array(stage.scope, line.operands[line.summed])
            return 1 if values is None else int(values.shape[-1])
        return len(line.operands)

    def tree(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> Node | None:
        """One unit of a line with the recorded numbers, for computing and not for display; None without its
        operands.
        """

        def num(operand: Operand, *at: Any) -> Num:
            if not isinstance(operand, str):
                return Num(_NOT_SHOWN, operand)
            key = (stage.scope, operand, *at)
            return Num(_NOT_SHOWN, self._recorded(key), key)

        return substituted(line, (t, b), unit, partial(self.array, stage.scope), num)

    def _line(self, stage: Stage, line: Line, t: int, b: int, unit: int) -> Exact:
        tree = self.tree(stage, line, t, b, unit)
        found = None if tree is None else evaluate(tree, self._leaf)
        if found is not None and max(found.numerator.bit_length(), found.denominator.bit_length()) > BITS:
            return None
        return found

    def _leaf(self, number: Num) -> Exact:
        if not number.key:
            return fraction(number.value)
        scope, name, *_ = number.key
        if not self.small and name in self.trace.stage(scope).cell.by_name and name in self.trace.lines.get(scope, {}):
            return None  # a long trace: only lines directly computed from premises
        return self.of(number.key)

    def _mark(self, stage: Stage) -> None:
        """Find the lines that depend on a rounded function, through carry and layers."""
        marked, before = self._rounded[stage.scope], -1
        while len(marked) > before:
            before = len(marked)
            for line in stage.cell.lines:
                sources = [made(self.trace, (stage.scope, name, 0, 0, ())) for name in line.reads]
                if line.op in ROUNDED or any(self.rounded(scope, name) for scope, name, *_ in sources):
                    marked.add(line.name)


def made(trace: Trace, key: Key) -> Key:
    """The source of a state or of another layer's input; for anything else the key itself."""
    scope, name, t, b, index = key
    stage = trace.stage(scope)
    if name in stage.cell.states:
        return scope, stage.cell.states[name], t + (1 if stage.backwards else -1), b, index
    source, line = scope_and_name(stage.sources.get(name, ""))
    return (source, line, t, b, index) if source else key
