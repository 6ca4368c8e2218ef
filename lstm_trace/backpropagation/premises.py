"""What the adjoint stages of a trace found: the gradient of every premise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.adjoint import secant_names
from ..cell.network import GIVEN, VALID, X, forward_stages
from ..trace.address import INITIAL
from ..trace.trace import Trace

_PARTS = {"parameter": "parameters", "state": "initial", "given": "given"}


class Premise(NamedTuple):
    """A premise and its gradient: a parameter in its shape, a state (B, width), x and a supplied line (T, B, width).

    kind: parameter, state, given, input or valid; the last two have no scope.
    """

    kind: str
    scope: str
    name: str
    gradient: Array

    @property
    def place(self) -> str:
        """`0/forward/W_xi`, `0/forward/h0`, `x`."""
        name = INITIAL.get(self.name, self.name) if self.kind == "state" else self.name
        return f"{self.scope}/{name}" if self.scope else name

    def value(self, trace: Trace) -> Array:
        """What the trace has for it."""
        if not self.scope:
            values = trace.valid if self.kind == "valid" else trace.x
            assert values is not None
            return values
        part: Mapping[str, Mapping[str, Array]] = getattr(trace, _PARTS[self.kind])
        return part[self.scope][self.name]


def in_baseline(trace: Trace, premise: Premise) -> Array | None:
    """What the baseline has for a premise, in a trace of secants; None where nothing flows to it."""
    for back in trace.stages:
        if not back.is_adjoint or premise.scope not in ("", back.owner):
            continue
        stage = trace.stage(back.owner)
        called = secant_names(stage.active)
        if premise.kind == "parameter":
            kept = trace.parameters[stage.scope]
            return kept.get(called.get(("base", premise.name), ""), kept[premise.name])
        source = {"input": X, "valid": VALID}.get(premise.kind)
        fed = [n for n, s in stage.sources.items() if s == source] if source else [premise.name]
        for name in fed:
            values = trace.given.get(back.scope, {}).get(called.get(("base", name), ""))
            if values is not None:
                return values[-1 if stage.backwards else 0] if premise.kind == "state" else values
    return None


def premises(trace: Trace) -> Iterator[Premise]:
    """Every premise of the stages that are no adjoints; its gradient is 0 where nothing flows to it."""
    first = forward_stages(trace.stages)
    adjoints = {stage.owner: stage for stage in trace.stages if stage.is_adjoint}
    dtype = trace.header.dtype
    x = None if trace.x is None else np.zeros(trace.x.shape, dtype)
    valid = np.zeros((trace.steps, trace.batch, 1), dtype)
    for stage in first:
        back = adjoints.get(stage.scope)
        names = {} if back is None else back.cell.gradient_of

        def at(name: str, values: Array, steps: slice = slice(None), back: Any = back, names: Any = names) -> Array:
            """The gradient of an input or state, 0 where nothing flows."""
            line = trace.operand(back.scope, names[name], steps) if name in names else None
            return np.zeros(values.shape, dtype) if line is None else line

        for name in stage.parameters:
            if back is None or name not in names:
                zero = np.zeros(trace.parameters[stage.scope][name].shape, dtype)
                yield Premise("parameter", stage.scope, name, zero)
            elif names[name] in (sums := trace.sums.get(back.scope, {})):  # not in a part of some steps
                yield Premise("parameter", stage.scope, name, sums[names[name]])
        edge = slice(trace.steps - 1, None) if stage.backwards else slice(0, 1)
        for name, value in trace.initial.get(stage.scope, {}).items():
            yield Premise("state", stage.scope, name, at(name, value[None], edge)[0])
        for name, source in stage.sources.items():
            if source == X and x is not None:
                x = x + at(name, x)
            elif source == VALID:
                valid = valid + at(name, valid)
            elif source == GIVEN and name in trace.given.get(stage.scope, {}):
                yield Premise("given", stage.scope, name, at(name, trace.given[stage.scope][name]))
    if x is not None:
        yield Premise("input", "", "x", x)
    yield Premise("valid", "", "valid", valid)
