"""An exact split of the difference of one value between two traces over everything it came from.

The secant walk (`slopes.SECANT`) gives each premise a slope between the traces; slope times the premise's difference
is its share, and the shares add up to the difference of the value. Products are shared half and half, so the split
does not depend on the order of the operands; other complete splits exist (docs/attribution.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..cell.slopes import Slope, difference
from ..errors import ShapeError, raise_all
from ..trace.address import INITIAL
from ..trace.operands import in_order, one_row, total
from ..trace.trace import Trace
from ..verification.verify import bound
from .gradients import Value, Weightings, add_value, one_value
from .reverse import Adjoints, by_matrix, pulled, walk_back


@dataclass(frozen=True)
class Split:
    """The difference of one value, b's minus a's (a is the baseline), in parts that add up to it.

    of: the value; `row` is the row of the batch that a's stands in. Parts are shares by address: `0/forward/W_xi`
    in the parameter's shape; `x` (T, 1, I), `0/forward/h0` (1, H), supplied lines `0/forward/f_t` (T, 1, ·), of the
    row that holds the value alone, since no other row matters; `lengths` or `mask` (T, 1, 1) where those differ.
    kinds: of each part: parameter, input, state, given, lengths or mask. by_step: the share of each parameter at each
    step, (T,); they add up to the parameter's part.
    local: the share of values that differ from their own derivation in a or b by more than rounding (a foreign or
    wrong trace), by line (T, 1, ·). rounding: the share of float32 values that were rounded from their derivation;
    0 for float64, where it is as small as the residual. first: the position in the input of the first step.
    """

    of: Value
    row: int
    value: float
    baseline: float
    parts: dict[str, Array]
    kinds: dict[str, str]
    by_step: dict[str, Array]
    local: dict[str, Array]
    rounding: float = 0.0
    first: int = 0

    @property
    def difference(self) -> float:
        """b's value minus a's."""
        return self.value - self.baseline

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return total((*self._arrays(), self.rounding))

    @property
    def residual(self) -> float:
        """What the parts leave of the difference: rounding."""
        return self.difference - self.total

    @property
    def size(self) -> float:
        """The sum of the sizes of all parts: what the residual is to be measured by."""
        return total((*map(np.abs, self._arrays()), abs(self.rounding)))

    def _arrays(self) -> tuple[Array, ...]:
        return (*self.parts.values(), *self.local.values())


@np.errstate(all="ignore")  # a value that has overflowed has shares that are NaN
def split(a: Trace, b: Trace, of: str, row: int | None = None) -> Split:
    """Split the difference of the value at `of`, b's minus a's, over every premise; a is the baseline.

    of: the address of one value of a line, in b; in a the same value, or that of the row `row` of its batch.
    Raises ShapeError with every reason why the traces cannot be compared value by value, and MissingError for a line
    that is needed and was not recorded.
    """
    value = one_value(b, of)
    there = value.b if row is None else row
    _comparable(a, b, there)
    base, trace = one_row(a, there), one_row(b, value.b)
    seeds: Weightings = {}
    add_value(trace, seeds, value._replace(b=0))
    told = _Shares(trace, base)
    found = walk_back(trace, seeds, base, told.visit)
    parts: dict[str, Array] = {}
    kinds: dict[str, str] = {}
    for kind, place, slope, one, two in _premises(trace, base, found):
        parts[place], kinds[place] = _shares(slope, one, two), kind
    rounding = total(told.rounding) if "float32" in (a.header.dtype, b.header.dtype) else 0.0
    numbers = value.read(b), value._replace(b=there).read(a)
    return Split(value, there, *numbers, parts, kinds, told.by_step, told.local, rounding, b.first)


def _premises(trace: Trace, base: Trace, found: Adjoints) -> Iterator[tuple[str, str, Array, Array, Array]]:
    """(kind, address, slope, value, baseline value) of every premise."""
    for kind, part in (("parameter", "parameters"), ("state", "initial"), ("given", "given")):
        one, two = getattr(trace, part), getattr(base, part)
        for scope, here in getattr(found, part).items():
            for name, slope in here.items():
                label = INITIAL.get(name, name) if kind == "state" else name
                yield kind, f"{scope}/{label}", slope, one[scope][name], two[scope][name]
    if found.x is not None:
        yield "input", "x", found.x, trace.x, base.x
    if trace.padded and (trace.valid != base.valid).any():
        what = "mask" if "mask" in (trace.padded, base.padded) else "lengths"
        yield what, what, found.valid, trace.valid, base.valid


def _gap(a: Array, b: Array) -> Array:
    return difference(np.asarray(a, np.float64), np.asarray(b, np.float64))


def _shares(slope: Array, a: Array, b: Array) -> Array:
    """Slope times difference, in float64; 0 where nothing differs, however steep."""
    gap = _gap(a, b)
    with np.errstate(all="ignore"):
        return np.where(gap == 0, 0.0, slope * gap)


class _Shares:
    """What the walk tells of each line: shares of parameters by step, and of what the line itself does not explain."""

    def __init__(self, trace: Trace, base: Trace) -> None:
        self.traces = trace, base
        self.by_step: dict[str, Array] = {}
        self.local: dict[str, Array] = {}
        self.rounding: list[float] = []

    def visit(self, stage: Stage, line: Line, steps: slice, adjoint: Array, slopes: tuple[Slope, ...]) -> None:
        """Add the shares of one line at some steps."""
        self._parameters(stage, line, steps, adjoint, slopes)
        self._local(stage, line, steps, in_order(stage, adjoint))

    def _parameters(self, stage: Stage, line: Line, steps: slice, adjoint: Array, slopes: tuple[Slope, ...]) -> None:
        one, two = (trace.parameters.get(stage.scope, {}) for trace in self.traces)
        for operand, slope in zip(line.operands, slopes, strict=True):
            if not isinstance(operand, str) or operand not in one or slope is None:
                continue
            gap = _gap(one[operand], two[operand])
            total = self.by_step.setdefault(f"{stage.scope}/{operand}", np.zeros(self.traces[0].steps))
            if not gap.any():
                continue
            if line.product and operand == line.product[0]:
                share = adjoint * np.matmul(slope, gap.T if line.op == "matvec" else gap)
            else:
                share = pulled(adjoint, slope, gap.shape[0], by_matrix(line)) * gap
            total[steps] += in_order(stage, share.sum(axis=(1, 2)))

    def _local(self, stage: Stage, line: Line, steps: slice, adjoint: Array) -> None:
        """Recorded minus derived, in the trace less in the baseline."""
        own = [_own(trace, stage, line, steps) for trace in self.traces]
        gap = difference(own[0].gap, own[1].gap)
        if not np.any(gap):
            return
        share = np.where(gap == 0, 0.0, adjoint * gap)
        off = np.broadcast_to(own[0].off | own[1].off, share.shape)
        if off.any():
            name = f"{stage.scope}/{line.name}"
            shape = (self.traces[0].steps, *share.shape[1:])
            self.local.setdefault(name, np.zeros(shape))[steps] += np.where(off, share, 0.0)
        self.rounding.append(float(np.where(off, 0.0, share).sum()))


class _Own(NamedTuple):
    """A line's recorded value minus the one derived from its operands, and where that is more than rounding."""

    gap: Array
    off: Array


_NOTHING = _Own(np.zeros(()), np.zeros((), bool))


def _own(trace: Trace, stage: Stage, line: Line, steps: slice) -> _Own:
    """The line's own part of its value at some steps; nothing where it or an operand was not recorded."""
    values = trace.lines.get(stage.scope, {}).get(line.name)
    read: list[Any] = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    if values is None or any(operand is None for operand in read):
        return _NOTHING
    # steps and rows in one axis: a product is then one product, not one for each step
    operands = [operand.reshape(-1, operand.shape[-1]) if np.ndim(operand) == 3 else operand for operand in read]
    shape = values[steps].shape
    values = values[steps].reshape(-1, shape[-1])
    op = OPS[line.op]
    derived = np.asarray(op.array(operands, line.constants), values.dtype)
    same = np.array_equal(values, np.broadcast_to(derived, values.shape))
    if same and values.dtype == np.float64:
        return _NOTHING
    off = np.zeros((), bool)
    if not same:
        equal = (values == derived) | (np.isnan(values) & np.isnan(derived))
        off = ~equal & ~(np.abs(values - derived) <= bound(line, operands, derived))
    if values.dtype != np.float64:
        derived = op.array([np.asarray(operand, np.float64) for operand in operands], line.constants)
    gap = difference(np.asarray(values, np.float64), derived)
    return _Own(gap.reshape(shape), np.broadcast_to(off, values.shape).reshape(shape))


def _comparable(a: Trace, b: Trace, row: int) -> None:
    """Raise ShapeError with every reason why the two cannot be split value by value."""
    problems: list[str] = []
    if a.scopes != b.scopes:
        problems.append(f"the layers and directions differ: a has {', '.join(a.scopes)}, b has {', '.join(b.scopes)}")
    if a.first != b.first:
        problems.append(f"the steps differ: a holds {a.span[0]} to {a.span[-1]}, b {b.span[0]} to {b.span[-1]}")
    elif a.steps != b.steps:
        problems.append(f"the numbers of steps differ: a has T = {a.steps}, b has T = {b.steps}")
    if not 0 <= row < a.batch:
        problems.append(f"a has no row {row} of the batch; it has B = {a.batch}")
    for one, two in zip(a.stages, b.stages, strict=False):
        if one.scope == two.scope and (one.cell != two.cell or one.sources != two.sources):
            here, there = one.cell.equations, two.cell.equations
            names = [n for n in dict.fromkeys((*here, *there)) if here.get(n) != there.get(n)]
            problems.append(f"{one.scope}: the cells differ in {', '.join(names) or 'what they carry or are fed'}")
    for place, mine, yours in _shapes(a, b):
        if mine is None or yours is None:
            if mine is not yours:
                problems.append(f"{place} is only in {'a' if yours is None else 'b'}")
        elif mine != yours:
            problems.append(f"{place} has the shape {mine} in a and {yours} in b")
    raise_all(ShapeError, [f"{problem}; a difference is split only between equal shapes" for problem in problems])


def _shapes(a: Trace, b: Trace) -> list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """(place, shape in a, shape in b) without the axes of steps and rows."""
    found = [("x", None if a.x is None else a.x.shape[2:], None if b.x is None else b.x.shape[2:])]
    for part, lead in (("parameters", 0), ("initial", 1), ("given", 2)):
        one: Mapping[str, Mapping[str, Array]] = getattr(a, part)
        two: Mapping[str, Mapping[str, Array]] = getattr(b, part)
        for scope in dict.fromkeys((*one, *two)):
            for name in dict.fromkeys((*one.get(scope, {}), *two.get(scope, {}))):
                shapes = [None if (v := t.get(scope, {}).get(name)) is None else v.shape[lead:] for t in (one, two)]
                found.append((f"{scope}/{INITIAL.get(name, name)}", shapes[0], shapes[1]))
    return found
