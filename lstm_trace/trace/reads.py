"""What a line of a trace reads: lines, inputs, parameters, and the states that the step before left."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import GIVEN, MEET, VALID, Stage, X, find, forward_stages, layer_and_direction, scope_and_name
from ..cell.ops import OPS
from ..errors import MissingError
from .argument_types import misfit

if TYPE_CHECKING:
    from .trace import Trace


def line(trace: Trace, name: str) -> Array:
    """See `Trace.__getitem__`."""
    gathered = [scope for scope, here in trace.sums.items() if name in here]
    if gathered:
        raise MissingError(
            f"{name} was gathered over all steps: it is trace.sums[{gathered[0]!r}][{name!r}], and in trace.gradients"
        )
    scope, bare = scope_and_name(name)
    if scope in trace.scopes:
        layer, direction = layer_and_direction(scope)
        raise MissingError(
            f"a line is read by its name alone; that of {scope} is "
            f"trace.at(layer={layer}, direction={direction!r})[{bare!r}]"
        )
    scopes = find(trace.stages, name)
    found = {scope: trace.operand(scope, name) for scope in scopes}
    there = {scope: values for scope, values in found.items() if values is not None}
    met = {scope: values for scope, values in there.items() if layer_and_direction(scope)[1] == MEET}
    there = met or there  # of padded directions that meet each has a y_t as well, as in `addresses.locate`
    if len(there) == 1:
        return next(iter(there.values()))
    if not there:
        raise MissingError(f"{name} was not recorded in {', '.join(scopes)}")
    layer, direction = layer_and_direction(next(iter(there)))
    raise MissingError(
        f"{name} is in {', '.join(there)}: choose one, for example "
        f"trace.at(layer={layer}, direction={direction!r})[{name!r}]"
    )


def before(trace: Trace, stage: Stage, name: str, steps: slice) -> Array | None:
    """The carried line one step before (after, for the reverse direction), the initial value at the edge."""
    begin, end, _ = steps.indices(trace.steps)
    first = trace.initial.get(stage.scope, {}).get(name)
    back = -1 if not stage.backwards else 1
    edge = begin == 0 if back < 0 else end == trace.steps
    inner = slice(max(begin - 1, 0), max(end - 1, 0)) if back < 0 else slice(begin + 1, min(end + 1, trace.steps))
    parts = []
    if inner.stop > inner.start:
        carried = trace.operand(stage.scope, stage.cell.states[name], inner)
        if carried is None:
            return None
        parts.append(carried)
    if edge and end > begin:
        if first is None:
            return None
        parts.insert(0 if back < 0 else len(parts), first[None])
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else None


def last(trace: Trace, state: str) -> Array:
    """The last value of `state` in every layer and direction, (L·D, B, H)."""
    found = []
    for stage in trace.stages:
        if state in stage.cell.states:
            values = trace.operand(stage.scope, stage.cell.states[state])
            if values is None:
                raise MissingError(f"{stage.cell.states[state]} of {stage.scope} was not recorded")
            found.append(values[-1 if not stage.backwards else 0])
    if not found:
        raise MissingError(f"no cell of this trace carries {state}")
    if len({values.shape for values in found}) > 1:
        raise MissingError(
            "the layers differ in width, so their last states cannot form one array; use trace.at(layer=…)"
        )
    stacked = np.stack(found)
    return stacked if trace.header.batched else stacked[:, 0]


def operand(trace: Trace, scope: str, name: Operand, steps: slice) -> Array | None:
    """See `Trace.operand`."""
    if not isinstance(steps, slice):
        raise misfit("steps", "a slice", steps)
    if not isinstance(name, str):
        if not isinstance(name, Real):
            raise misfit("name", "the name of a line, or a number", name)
        with np.errstate(over="ignore"):  # 1e300 is infinite in float32, here as in a run
            return np.array([name], trace.header.dtype)
    stage = trace.stage(scope)
    recorded = trace.lines.get(scope, {})
    if name in recorded:
        return recorded[name][steps]
    if name in stage.cell.states:
        return before(trace, stage, name, steps)
    if name in stage.sources:
        source = stage.sources[name]
        if source == X:
            return None if trace.x is None else trace.x[steps]
        if source == VALID:
            return trace.valid[steps]
        if source == GIVEN:
            values = trace.given.get(scope, {}).get(name)
            return None if values is None else values[steps]
        origin, line = scope_and_name(source)
        return trace.operand(origin, line, steps)
    if name in stage.cell.inner and trace.header.arithmetic is None:
        return derived(trace, scope, stage.cell.by_name[name], steps)
    return trace.parameters.get(stage.owner, {}).get(name)


def derived(trace: Trace, scope: str, line: Line, steps: slice = slice(None)) -> Array | None:
    """A line of `scope` from the values that it reads, (steps, B, width); None where one was not recorded."""
    read = {operand: trace.operand(scope, operand, steps) for operand in dict.fromkeys(line.operands)}
    known = {operand: values for operand, values in read.items() if values is not None}
    if len(known) < len(read):
        return None
    with np.errstate(all="ignore"):
        value = OPS[line.op].array([known[operand] for operand in line.operands], line.constants)
        return np.asarray(value, trace.header.dtype)


def output(trace: Trace) -> Array:
    """What the top layer gives out, (T, B, width). Raises MissingError where it was not recorded, or there are two."""
    stages = forward_stages(trace.stages)
    if not stages:
        raise MissingError(f"this part of the trace has only adjoints ({', '.join(trace.scopes)}), and no output")
    last = stages[-1]
    top = [stage for stage in stages if stage.layer == last.layer]
    if last.direction != "joined" and len(top) > 1:
        raise MissingError("the directions are not joined; use trace.at(direction=…).output")
    values = trace.operand(last.scope, last.cell.output)
    if values is None:
        raise MissingError(f"the output {last.cell.output} of {last.scope} was not recorded")
    return values
