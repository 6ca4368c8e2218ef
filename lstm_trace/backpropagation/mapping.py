"""What the adjoint stages of a trace found, as a mapping from addresses to gradients."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Array
from ..cell.network import GIVEN, X, forward_stages
from ..errors import MissingError
from ..trace.address import INITIAL, STATE
from ..trace.trace import Trace


def gradients_of(trace: Trace) -> dict[str, Array]:
    """The mapping that `gradients` gives, of a trace that has the adjoints already (see `Trace.gradients`).

    Raises MissingError for a trace without adjoints, or a part of one that does not have all of them.
    """
    adjoints = [stage for stage in trace.stages if stage.is_adjoint]
    if not adjoints:
        raise MissingError("the trace has no adjoints: lt.backward(trace, of=…) gives a trace that has them")
    missing = []
    for stage in adjoints:
        if stage.owner not in trace.scopes:
            missing.append(f"{stage.owner}, of which {stage.scope} is the adjoint")
            continue
        cell = trace.stage(stage.owner).cell
        wanted = {*cell.inputs, *cell.states, *cell.parameters}
        held = {*trace.lines.get(stage.scope, {}), *trace.sums.get(stage.scope, {})}
        ends = dict.fromkeys(line for line, name in stage.cell.gradient if name in wanted)
        missing += (f"{stage.scope}/{line}" for line in ends if line not in held)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MissingError(
            f"this part of the trace does not have all gradients; it lacks {', '.join(missing[:3])}{more}"
        )
    return by_address(trace)


def by_address(trace: Trace, batch: int = 0, row: int = 0) -> dict[str, Array]:
    """The gradients that the adjoint stages of a trace found, in the layout in which the input was given.

    batch: where `trace` is one row of a batch, the rows of that; the others' gradients are 0.
    """
    first = forward_stages(trace.stages)
    adjoints = {stage.owner: stage for stage in trace.stages if stage.is_adjoint}
    dtype = trace.header.dtype
    found: dict[str, Array] = {}
    x: Array | None = None if trace.x is None else np.zeros(trace.x.shape, dtype)
    initial: dict[str, dict[str, Array]] = {}
    given: dict[str, Array] = {}
    for stage in first:
        names = {name: new for new, name in adjoints[stage.scope].cell.gradient} if stage.scope in adjoints else {}
        scope = adjoints[stage.scope].scope if names else ""
        for name, value in trace.parameters.get(stage.scope, {}).items():
            sums = trace.sums.get(scope, {})
            if name not in names:
                found[f"{stage.scope}/{name}"] = np.zeros(value.shape, dtype)
            elif names[name] in sums:  # not in a part of some steps
                found[f"{stage.scope}/{name}"] = sums[names[name]]
        for name, source in stage.sources.items():
            if source == X and x is not None:
                x = x + _held(trace, scope, names.get(name), x)
            elif source == GIVEN:
                given[f"{stage.scope}/{name}"] = _held(trace, scope, names.get(name), trace.given[stage.scope][name])
        edge = slice(trace.steps - 1, None) if stage.backwards else slice(0, 1)
        for name, value in trace.initial.get(stage.scope, {}).items():
            initial.setdefault(stage.scope, {})[name] = _held(trace, scope, names.get(name), value[None], edge)[0]

    def whole(values: Array, axis: int) -> Array:
        if not batch:
            return values
        shape = list(values.shape)
        shape[axis] = batch
        array = np.zeros(shape, values.dtype)
        array[(slice(None),) * axis + (slice(row, row + 1),)] = values
        return array

    if x is not None:
        found["x"] = trace.outward(whole(x, 1))
    for short, state in STATE.items():
        rows = [whole(here[state], 0) for here in initial.values() if state in here]
        if rows:
            stacked = np.stack(rows)
            found[short] = stacked if trace.header.batched else stacked[:, 0]
    for scope, here in initial.items():
        for state in here:
            if state not in INITIAL:
                values = whole(here[state], 0)
                found[f"{scope}/{state}"] = values if trace.header.batched else values[0]
    return found | {name: trace.outward(whole(values, 1)) for name, values in given.items()}


def _held(trace: Trace, scope: str, line: str | None, values: Array, steps: slice = slice(None)) -> Array:
    """The gradient of some values, which the adjoint `scope` has as `line`; 0 where nothing flows."""
    found = None if line is None else trace.operand(scope, line, steps)
    return np.zeros(values.shape, trace.header.dtype) if found is None else found
