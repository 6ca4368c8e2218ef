"""The carried states of a trace: what a step reads of the one before, and what the last leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage
from ..errors import MissingError

if TYPE_CHECKING:
    from .trace import Trace


def before(trace: Trace, stage: Stage, name: str, steps: slice) -> Array | None:
    """The carried line one step before (after, for the reverse direction), the initial value at the edge."""
    begin, end, _ = steps.indices(trace.steps)
    first = trace.initial.get(stage.scope, {}).get(name)
    back = -1 if stage.direction != "reverse" else 1
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
    return np.concatenate(parts) if parts else None


def last(trace: Trace, state: str) -> Array:
    """The last value of `state` in every layer and direction, (L·D, B, H)."""
    found = []
    for stage in trace.stages:
        if state in stage.cell.states:
            values = trace.operand(stage.scope, stage.cell.states[state])
            if values is None:
                raise MissingError(f"{stage.cell.states[state]} of {stage.scope} was not recorded")
            found.append(values[-1 if stage.direction != "reverse" else 0])
    if not found:
        raise MissingError(f"no cell of this trace carries {state}")
    if len({values.shape for values in found}) > 1:
        raise MissingError("the layers differ in width, so their last states are no one array; use trace.at(layer=…)")
    stacked = np.stack(found)
    return stacked if trace.header.batched else stacked[:, 0]
