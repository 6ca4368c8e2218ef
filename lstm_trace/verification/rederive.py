"""Every line by the equations of one trace from the values of another, with bounds on rounding differences.

Values that both programs have recorded are read; a line that only one of them has is derived, from common values and
premises, and its rounding bound is propagated to the lines that use it. So a line is judged by its equation whether or
not both write it with the same intermediate lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import GIVEN, VALID, Stage, X, scope_and_name
from ..cell.shapes import fitted
from ..trace.trace import Trace
from ..trace.window import before
from .propagation import Derived, Known, joined


def values_of(trace: Trace, scope: str, name: str) -> Array | None:
    """The values of a line that were recorded, or supplied; None otherwise."""
    values = trace.lines.get(scope, {}).get(name)
    return trace.given.get(scope, {}).get(name) if values is None else values


def known_of(trace: Trace, scope: str, name: str) -> Known | None:
    """The values of a line as `values_of` has them, with what the digits that another program printed leave open."""
    values = values_of(trace, scope, name)
    return None if values is None else Known(values, trace.rounding.get(scope, {}).get(name, 0.0))


class Rederivation:
    """The lines of `equations` from the lines `common`, by scope, of `values`; both have the same steps and sequences.

    A premise is taken from `premises` (`values` if None); if that has none, or one that does not fit the equations,
    from the other. If those of `values` alone are used, one of another size is used if both have the same equations;
    otherwise nothing is derived from it. exact: derive in float64 from premises that may each deviate by an ulp where
    the two traces differ, so that a limit is the effect of rounding the *premises*. absent: where `values` has no value
    of a line that it has in part; there alone it is derived. Stages must be visited in order of computation, and the
    steps of each in its own order, a block of them at a time.
    """

    def __init__(
        self, equations: Trace, values: Trace, common: Mapping[str, Collection[str]], premises: Trace | None = None,
        exact: bool = False, absent: Mapping[tuple[str, str], Array] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.equations, self.values, self.common, self.absent = equations, values, common, absent
        self.own, self.exact = premises is None or premises is values, exact
        self.dtype = "float64" if exact else values.header.dtype
        self.coarse = coarse(equations, values)
        self.rounded = np.float64 if exact else self.coarse
        self._fixed: dict[tuple[str, str, str], Known | None] = {}  # parameters and initial states, as they are used
        self._pool: dict[str, dict[str, Known]] = {}  # lines at all steps that later steps or stages use
        self._read_later = {source for stage in equations.stages for source in stage.sources.values()}
        self._read_later |= {f"{s.scope}/{line}" for s in equations.stages for line in s.cell.states.values()}

    def lines(self, stage: Stage, steps: slice, only: Collection[str] | None = None) -> dict[str, Known]:
        """The lines of a stage at `steps`. Lines with a premise in neither trace are left out, and so are those whose
        operands do not fit each other (the weights of one trace, the input of the other).

        only: some lines, and all their dependencies that are not common.
        """
        found: dict[str, Known] = {}
        at_once, among, after = self._ordered(stage, only)
        self._derive(stage, at_once, steps, found)
        if among:
            read = {name for line in among for name in line.reads if name in found}
            order = range(steps.start, steps.stop)
            each: dict[int, dict[str, Known]] = {}
            for t in reversed(order) if stage.backwards else order:
                each[t] = {name: found[name].at(slice(t - steps.start, t - steps.start + 1)) for name in read}
                self._derive(stage, among, slice(t, t + 1), each[t])
            for name in dict.fromkeys(name for here in each.values() for name in here if name not in read):
                found[name] = joined([each[t].get(name) for t in order], self.values.batch)
        self._derive(stage, after, steps, found)
        return found

    def _derive(self, stage: Stage, lines: Iterable[Line], steps: slice, found: dict[str, Known]) -> None:
        """Add lines to those found at these steps."""
        read: dict[Operand, Known | None] = {}
        with np.errstate(all="ignore"):
            for line in lines:
                read |= {n: self._operand(stage, n, steps, found) for n in line.operands if n not in read}
                operands = [operand for name in line.operands if (operand := read[name]) is not None]
                if len(operands) < len(line.operands):
                    continue
                # operands may come from different traces, and need not give a value of the line's width
                shapes = dict(zip(line.operands, (known.value.shape for known in operands), strict=True))
                matrix = {line.product[0]: shapes[line.product[0]]} if line.product else {}
                width, fit = fitted(line, [shapes[n][-1] if shapes[n] else 1 for n in line.operands], matrix)
                recorded = self._read(stage, line.name)
                if not fit or (recorded is not None and width not in (None, recorded.value.shape[-1])):
                    continue
                found[line.name] = Derived(line, operands, self.dtype, self.rounded)
                if (absent := self.absent.get((stage.scope, line.name))) is not None:
                    derived, given = found[line.name], known_of(self.values, stage.scope, line.name)
                    assert given is not None
                    both = zip(
                        (derived.value, derived.limit),
                        (given.value[steps], np.asarray(given.limit)[steps]),
                        strict=True,
                    )
                    found[line.name] = Known(*(np.where(absent[steps], new, old) for new, old in both))
                if f"{stage.scope}/{line.name}" in self._read_later and recorded is None:
                    kept, known = self._pool.setdefault(stage.scope, {}), found[line.name]
                    if line.name not in kept:
                        shape = self.values.steps, self.values.batch, known.value.shape[-1]
                        kept[line.name] = Known(np.full(shape, np.nan, self.dtype), np.full(shape, np.inf))
                    kept[line.name].value[steps] = known.value
                    np.asarray(kept[line.name].limit)[steps] = np.where(np.isnan(known.limit), np.inf, known.limit)

    def _ordered(self, stage: Stage, only: Collection[str] | None) -> tuple[list[Line], list[Line], list[Line]]:
        """Lines that are derived at all steps at once, then those derived step by step, then more at once.

        Step by step are those through which a state that was not recorded depends on itself. One product at 300 steps
        takes a tenth of the time of 300 products.
        """
        cell = stage.cell
        lines = [line for line in cell.lines if only is None or line.name in only]
        own = {line.name for line in cell.lines if self._read(stage, line.name) is None}
        carried = {state: line for state, line in cell.carry if line in own}  # and not an input
        if carried and any(self._premise("initial", stage.scope, state) is None for state in cell.states):
            return [], lines, []  # lines that use that state are known only at later steps
        behind, following = set(carried), []  # lines that depend on such a state
        for line in lines:
            if not behind.isdisjoint(line.reads):
                following.append(line)
                behind |= {line.name} & own
        ahead = set(carried.values())  # lines that such a state depends on
        for line in reversed(lines):
            if line.name in ahead:
                ahead |= own.intersection(line.reads)
        return (
            [line for line in lines if line not in following],
            [line for line in following if line.name in ahead],
            [line for line in following if line.name not in ahead],
        )

    def _read(self, stage: Stage, name: str) -> Known | None:
        """A line that both have, or a supplied line of this cell, at all steps."""
        if name in self.common.get(stage.scope, ()):
            return known_of(self.values, stage.scope, name)
        return self._premise("given", stage.scope, name) if stage.sources.get(name) == GIVEN else None

    def _premise(self, part: str, scope: str, name: str, flat: bool = False) -> Known | None:
        """A premise; flat: as one row."""
        key = part, scope, name
        if key not in self._fixed:
            mine: Array | None = getattr(self.equations, part).get(scope, {}).get(name)
            yours: Array | None = getattr(self.values, part).get(scope, {}).get(name)
            if mine is not None and not self.own and self.equations.grid(scope, name) != self.values.grid(scope, name):
                yours = None
            ulps = 1
            if part == "initial" and self.values.first and mine is not None:
                # values carried into the first of some steps were computed, from sums over the inputs and the units
                ulps = 2 * int(mine.shape[-1] + (0 if self.values.x is None else self.values.x.shape[-1]))
            found = self._chosen(mine, yours, ulps)
            if found is not None and flat:
                found = Known(found.value.ravel(), found.limit if found.exact else np.ravel(found.limit))
            self._fixed[key] = found
        return self._fixed[key]

    def _chosen(self, mine: Array | None, yours: Array | None, ulps: int = 1) -> Known | None:
        """The premise of the side whose premises are used. ulps: the possible deviation where they differ."""
        fits = yours is not None and (mine is None or yours.shape == mine.shape)
        value = yours if yours is not None and (self.own or mine is None) else mine
        if value is None or (value is yours and not fits and self.equations.stages != self.values.stages):
            return None
        if not self.exact:
            return Known(value if value is yours else value.astype(self.dtype))
        with np.errstate(over="ignore"):
            rounded = value.astype(self.coarse).astype(np.float64)
        if not fits or mine is None or yours is None:
            return Known(rounded)
        off = differing(mine, yours, self.coarse)
        if not off.any():
            return Known(rounded)
        size = np.abs(rounded) if ulps == 1 else np.abs(rounded).max(axis=-1, keepdims=True)
        return Known(rounded, np.where(off, ulps * float(np.finfo(self.coarse).eps) * size, 0.0))

    def _operand(self, stage: Stage, name: Operand, steps: slice, step: Mapping[str, Known]) -> Known | None:
        """The operand of a line called `name`; `step`: the lines derived so far at these steps."""
        if not isinstance(name, str):
            with np.errstate(over="ignore"):
                return Known(np.array([name], self.dtype))
        if (recorded := self._read(stage, name)) is not None:
            known = recorded.at(steps)
            return Known(known.value.astype(self.dtype, copy=False), known.limit)
        if name in stage.cell.by_name:
            return step.get(name)
        if name in stage.cell.states:
            return self._state(stage, name, steps)
        if name not in stage.sources:
            return self._premise("parameters", stage.owner, name, name in stage.cell.matrices)
        if stage.sources[name] == X:
            mine, yours = (None if trace.x is None else trace.x[steps] for trace in (self.equations, self.values))
            return self._chosen(mine, yours)
        if stage.sources[name] == VALID:
            sides = [self.values, self.equations] if self.own else [self.equations, self.values]
            return Known(sides[sides[0].header.padding is None].valid[steps].astype(self.dtype))
        if stage.sources[name] == GIVEN:
            return None  # neither trace has the supplied line
        scope, there = scope_and_name(stage.sources[name])  # a line of another stage, or one of that line's operands
        kept = self._pool.get(scope, {}).get(there)
        found = {} if kept is None else {there: kept.at(steps)}
        return self._operand(self.equations.stage(scope), there, steps, found)

    def _state(self, stage: Stage, name: str, steps: slice) -> Known | None:
        """The carried line or input of the previous step in visiting order, the initial value at the edge."""
        line, back = stage.cell.states[name], stage.backwards
        edge, inner = before(steps, self.values.steps, back)
        kept = self._pool.get(stage.scope, {}).get(line)
        parts: list[Known] = []
        if inner.stop > inner.start:
            there = self._operand(stage, line, inner, {} if kept is None else {line: kept.at(inner)})
            if there is None:
                return None
            parts.append(there)
        if edge:
            first = self._premise("initial", stage.scope, name)
            if first is None:
                return None
            limit = first.limit[None] if isinstance(first.limit, np.ndarray) else first.limit
            parts.insert(len(parts) if back else 0, Known(first.value[None], limit))
        if len(parts) == 1:
            return parts[0]
        value = np.concatenate([part.value for part in parts])
        if not any(isinstance(part.limit, np.ndarray) for part in parts):  # no deviation
            return Known(value)
        return Known(value, np.concatenate([np.broadcast_to(part.limit, part.value.shape) for part in parts]))


def coarse(a: Trace, b: Trace) -> type[np.float32] | type[np.float64]:
    """The coarser dtype of the two."""
    return np.float32 if "float32" in (a.header.dtype, b.header.dtype) else np.float64


def differing(one: Array, two: Array, dtype: type[np.floating[Any]]) -> Array:
    """Where two premises of one shape differ in `dtype`: a float32 copy of a weight counts as the same weight."""
    with np.errstate(all="ignore"):
        off = np.asarray(one.astype(dtype, copy=False) != two.astype(dtype, copy=False))
    return off & ~(np.isnan(one) & np.isnan(two)) if off.any() else off
