"""Every line by the equations of one trace from the values of another, and how far rounding may set the two apart.

What two programs have both recorded is read; a line that only one of them has is derived, from what both have and from
the premises, and its rounding bound is carried on into the lines that read it. So a line is judged by its equation
whether or not both write it with the same lines in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import GIVEN, VALID, Stage, X, scope_and_name
from ..cell.ops import OPS
from ..trace.trace import Trace
from .rounding import bound
from .slopes import slopes

# Operations that round once; what is neither these nor in the table of ulps only chooses or copies numbers.
_ROUNDED = frozenset({"mul", "div", "sqrt"})
# Between two bounds, and never turning back: what comes in with the operand, however much, stays between them.
_SQUASHING = frozenset({"sigmoid", "tanh", "clip"})


class Derived(NamedTuple):
    """A line, (T, B, width): its value, and how far another correct program may be off, from equal common lines."""

    value: Array
    limit: Array


def held(trace: Trace, scope: str, name: str) -> Array | None:
    """The values of a line that were recorded, or supplied; None where neither."""
    values = trace.lines.get(scope, {}).get(name)
    return trace.given.get(scope, {}).get(name) if values is None else values


class _Known(NamedTuple):
    """A value at some steps, and how far another correct program may be off.

    carried: what of that came in with the operands. terms, mass: of a sum the number of terms, through all the sums and
    products that feed it, and the sum of their sizes; 0 terms where it is no sum.
    """

    value: Array
    limit: Array | float = 0.0
    carried: Array | float = 0.0
    terms: int = 0
    mass: Array | float = 0.0

    def at(self, steps: slice) -> _Known:
        """Some steps of a value that has them."""
        return _Known(self.value[steps], self.limit[steps] if isinstance(self.limit, np.ndarray) else self.limit)


class Derivation:
    """The lines of `equations` from the lines `common`, by scope, of `values`; both have the same steps and rows.

    A premise is that of `premises` (`values` if None); where that has none, or one that does not fit the equations, it
    is the other's. exact: derive in float64 from premises that may each be off by an ulp where the two have another
    value, so that a limit says what rounding of the *premises* explains. Stages are to be visited in computing order,
    the steps of each in its own: a block of them at a time.
    """

    def __init__(
        self,
        equations: Trace,
        values: Trace,
        common: Mapping[str, Collection[str]],
        premises: Trace | None = None,
        exact: bool = False,
    ) -> None:
        self.equations, self.values, self.common = equations, values, common
        self.own, self.exact = premises is None or premises is values, exact
        self.dtype = "float64" if exact else values.header.dtype
        self.coarse = coarse(equations, values)
        self.rounded = np.float64 if exact else self.coarse
        self._fixed: dict[tuple[str, str, str], _Known | None] = {}  # parameters and initial states, as they are read
        self._pool: dict[str, dict[str, Derived]] = {}  # lines at all steps that later steps or stages read
        self._read_later = {source for stage in equations.stages for source in stage.sources.values()}
        self._read_later |= {f"{s.scope}/{line}" for s in equations.stages for line in s.cell.states.values()}

    def lines(self, stage: Stage, steps: slice) -> dict[str, Derived]:
        """The lines of a stage at `steps`. Those of which a premise is in neither trace are left out."""
        found: dict[str, Derived] = {}
        kept = self._pool.setdefault(stage.scope, {})
        for part in self._parts(stage, steps):
            for name, known in self._part(stage, part).items():
                there = slice(part.start - steps.start, part.stop - steps.start)
                self._put(found, name, there, known, steps.stop - steps.start)
                if f"{stage.scope}/{name}" in self._read_later and self._read(stage, name) is None:
                    self._put(kept, name, part, known, self.values.steps)
        return found

    def _part(self, stage: Stage, steps: slice) -> dict[str, _Known]:
        """Lines at steps that need none of each other's."""
        found: dict[str, _Known] = {}
        with np.errstate(all="ignore"):
            for line in stage.cell.lines:
                operands = [self._operand(stage, name, steps, found) for name in line.operands]
                known = [operand for operand in operands if operand is not None]
                if len(known) == len(operands):
                    found[line.name] = _derive(line, known, self.dtype, self.rounded)
        return found

    def _parts(self, stage: Stage, steps: slice) -> Iterator[slice]:
        """All steps at once where every state that crosses a step was recorded; one after the other elsewhere."""
        carried = {
            stage.cell.states[name] for line in stage.cell.lines for name in line.reads if name in stage.cell.states
        }
        if all(self._read(stage, name) is not None for name in carried):
            yield steps
            return
        order = range(steps.start, steps.stop)
        yield from (slice(t, t + 1) for t in (reversed(order) if stage.backwards else order))

    def _put(self, found: dict[str, Derived], name: str, there: slice, known: _Known, steps: int) -> None:
        limit = np.asarray(known.limit)
        if np.isnan(limit).any():
            limit = np.where(np.isnan(limit), np.inf, limit)  # inf - inf, 0 inf: unknown
        if name not in found:
            width = known.value.shape[-1] if np.ndim(known.value) else 1
            shape = steps, self.values.batch, width
            if there == slice(0, steps):  # all of them: no copy
                value = np.asarray(known.value, self.dtype)
                found[name] = Derived(np.broadcast_to(value, shape), np.broadcast_to(limit, shape))
                return
            found[name] = Derived(np.full(shape, np.nan, self.dtype), np.full(shape, np.inf))
        found[name].value[there] = known.value
        found[name].limit[there] = limit

    def _read(self, stage: Stage, name: str) -> _Known | None:
        """A line that both have, or what this cell is supplied with, at all steps."""
        if name in self.common.get(stage.scope, ()):
            values = held(self.values, stage.scope, name)
            return None if values is None else _Known(values)
        if stage.sources.get(name) == GIVEN:
            return self._premise("given", stage.scope, name)
        return None

    def _premise(self, part: str, scope: str, name: str) -> _Known | None:
        key = part, scope, name
        if key not in self._fixed:
            mine: Array | None = getattr(self.equations, part).get(scope, {}).get(name)
            yours: Array | None = getattr(self.values, part).get(scope, {}).get(name)
            self._fixed[key] = self._chosen(mine, yours, self._ulps(part, mine))
        return self._fixed[key]

    def _ulps(self, part: str, value: Array | None) -> int:
        """How far a premise may be off for rounding alone. What was carried into the first of some steps was itself
        computed, from sums over the inputs and the units.
        """
        if part != "initial" or not self.values.first or value is None:
            return 1
        return 2 * int(value.shape[-1] + (0 if self.values.x is None else self.values.x.shape[-1]))

    def _chosen(self, mine: Array | None, yours: Array | None, ulps: int = 1) -> _Known | None:
        """The premise of the side whose premises are read. ulps: how far each may be off where they differ."""
        fits = yours is not None and (mine is None or yours.shape == mine.shape)
        value = yours if fits and (self.own or mine is None) else mine
        if value is None:
            return None
        if not self.exact:
            return _Known(value if value is yours else value.astype(self.dtype))
        with np.errstate(over="ignore"):
            rounded = value.astype(self.coarse).astype(np.float64)
        if not fits or mine is None or yours is None:
            return _Known(rounded)
        off = differing(mine, yours, self.coarse)
        size = np.abs(rounded) if ulps == 1 else np.abs(rounded).max(axis=-1, keepdims=True)
        return _Known(rounded, np.where(off, ulps * float(np.finfo(self.coarse).eps) * size, 0.0))

    def _operand(self, stage: Stage, name: Operand, steps: slice, step: Mapping[str, _Known]) -> _Known | None:
        """What a line reads as `name`; `step`: the lines derived so far at these steps."""
        if not isinstance(name, str):
            with np.errstate(over="ignore"):
                return _Known(np.asarray(name, self.dtype))
        recorded = self._read(stage, name)
        if recorded is not None:
            return self._wide(recorded.at(steps))
        if name in stage.cell.by_name:
            return step.get(name)
        if name in stage.cell.states:
            return self._state(stage, name, steps)
        if name not in stage.sources:
            return self._premise("parameters", stage.owner, name)
        if stage.sources[name] == X:
            mine, yours = (None if trace.x is None else trace.x[steps] for trace in (self.equations, self.values))
            return self._chosen(mine, yours)
        if stage.sources[name] == VALID:
            sides = [self.values, self.equations] if self.own else [self.equations, self.values]
            source = sides[sides[0].header.padding is None]
            return _Known(source.valid[steps].astype(self.dtype))
        if stage.sources[name] == GIVEN:
            return None  # neither trace has what was supplied
        scope, there = scope_and_name(stage.sources[name])  # a line of another stage, or what that one reads
        kept = self._pool.get(scope, {}).get(there)
        found = {} if kept is None else {there: _Known(kept.value[steps], kept.limit[steps])}
        return self._operand(self.equations.stage(scope), there, steps, found)

    def _wide(self, known: _Known) -> _Known:
        """In the dtype that this derives in."""
        return known._replace(value=known.value.astype(self.dtype, copy=False))

    def _state(self, stage: Stage, name: str, steps: slice) -> _Known | None:
        """The carried line of the step before in visiting order, the initial value at the edge."""
        line = stage.cell.states[name]
        back = stage.backwards
        edge = steps.stop == self.values.steps if back else steps.start == 0
        inner = slice(steps.start + 1, steps.stop + 1) if back else slice(steps.start - 1, steps.stop - 1)
        if edge:
            inner = slice(inner.start, inner.stop - 1) if back else slice(inner.start + 1, inner.stop)
        recorded, derived = self._read(stage, line), self._pool.get(stage.scope, {}).get(line)
        parts: list[_Known] = []
        if inner.stop > inner.start:
            if recorded is not None:
                parts.append(self._wide(recorded.at(inner)))
            elif derived is not None:
                parts.append(_Known(derived.value[inner], derived.limit[inner]))
            else:
                return None
        if edge:
            first = self._premise("initial", stage.scope, name)
            if first is None:
                return None
            limit = first.limit[None] if isinstance(first.limit, np.ndarray) else first.limit
            parts.insert(len(parts) if back else 0, _Known(first.value[None], limit))
        if len(parts) == 1:
            return parts[0]
        limits = [np.broadcast_to(part.limit, part.value.shape) for part in parts]
        return _Known(np.concatenate([part.value for part in parts]), np.concatenate(limits))


def coarse(a: Trace, b: Trace) -> type[np.float32] | type[np.float64]:
    """The coarser dtype of the two."""
    return np.float32 if "float32" in (a.header.dtype, b.header.dtype) else np.float64


def differing(one: Array, two: Array, dtype: type[np.floating[Any]]) -> Array:
    """Where two premises of one shape differ in `dtype`: a float32 copy of a weight is the same weight."""
    with np.errstate(all="ignore"):
        off = one.astype(dtype) != two.astype(dtype)
    return np.asarray(off & ~(np.isnan(one) & np.isnan(two)))


def _derive(line: Line, operands: Sequence[_Known], dtype: str, rounded: type[np.floating[Any]]) -> _Known:
    """The line's value with its bound; rounded: the coarser dtype of the two, in which premises were compared."""
    op = OPS[line.op]
    read = [known.value for known in operands]
    value = np.asarray(op.array(read, line.constants), dtype)
    if line.op == "add":
        # a term that is itself a sum or product counts with all its terms: another program may add them up in one go
        carried = sum(known.carried if known.terms else known.limit for known in operands)
        terms = sum(max(known.terms, 1) for known in operands)
        mass = sum(known.mass if known.terms else np.abs(known.value).astype(np.float64) for known in operands)
    elif op.ulp is None:
        carried, terms = _carried(line, operands), read[line.summed].shape[-1]
        mass = op.array([np.abs(v).astype(np.float64) for v in read], line.constants)
    elif line.op in _ROUNDED:
        carried, terms, mass = _carried(line, operands), 1, np.abs(value).astype(np.float64)
    else:
        return _Known(value, _carried(line, operands) + bound(line, read, value.astype(rounded)))
    info = np.finfo(rounded)
    own = 2 * terms * (float(info.eps) * mass + float(info.smallest_subnormal))
    return _Known(value, carried + own, carried, terms, mass)


def _carried(line: Line, operands: Sequence[_Known]) -> Array | float:
    """How far the line may be off because its operands are: slope times that, the steepest of the slopes at the middle
    and at both ends; where it squashes, as much as it rises or falls from the middle, no more than from end to end.
    """
    limits = [known.limit for known in operands]
    if not any(np.any(limit) for limit in limits):
        return 0.0
    read = [np.asarray(known.value, np.float64) for known in operands]
    op = OPS[line.op]
    reach = [np.broadcast_to(limit, v.shape) for limit, v in zip(limits, read, strict=True)]
    if line.product:
        found = op.array([np.abs(read[0]), reach[1]], ()) if np.any(reach[1]) else 0.0
        return found + op.array([reach[0], np.abs(read[1]) + reach[1]], ()) if np.any(reach[0]) else found
    if op.width in ("concat", "slice"):
        return op.array(reach, line.constants)
    if line.op == "greater":  # whether it holds is not known where the two can be equal
        return np.where((reach[0] + reach[1] > 0) & (np.abs(read[0] - read[1]) <= reach[0] + reach[1]), 1.0, 0.0)
    total: Array | float = 0.0
    around = [[v + side * r for v, r in zip(read, reach, strict=True)] for side in (-1, 0, 1)]
    for steepness, limit in zip(zip(*(slopes(line, near) for near in around), strict=True), reach, strict=True):
        if np.any(limit) and steepness[0] is not None:
            total = total + reduce(np.maximum, [np.abs(slope) for slope in steepness]) * limit
    if line.op == "where":  # nor which of two values is chosen, where the condition can be 0
        total = total + np.where((reach[0] > 0) & (np.abs(read[0]) <= reach[0]), np.abs(read[1] - read[2]), 0.0)
    if op.width == "one":
        return np.sum(total, axis=-1, keepdims=True)
    if line.op in _SQUASHING:
        low, middle, high = (op.array(near, line.constants) for near in around)
        rounding = bound(line, read, middle) + float(np.finfo(np.float64).eps) * np.abs(middle)
        steepest = reduce(np.fmax, (total, np.abs(high - middle), np.abs(middle - low)))
        return np.fmin(steepest, np.abs(high - low) + rounding)
    return total
