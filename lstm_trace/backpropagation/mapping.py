"""What the adjoint stages of a trace found, as a mapping from addresses to gradients."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Array
from ..errors import MissingError
from ..trace.address import INITIAL, STATE
from ..trace.trace import Trace
from .premises import premises


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
        ends = dict.fromkeys(
            line for line, name in stage.cell.gradient if name in wanted and line not in stage.cell.states
        )
        missing += (f"{stage.scope}/{line}" for line in ends if line not in held)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MissingError(
            f"this part of the trace does not have all gradients; it lacks {', '.join(missing[:3])}{more}"
        )
    return by_address(trace)


def by_address(trace: Trace, batch: int = 0, row: int = 0) -> dict[str, Array]:
    """The gradients in the layout in which the input was given.

    batch: where `trace` is one row of a batch, the rows of that; the others' gradients are 0.
    """

    def whole(values: Array, axis: int) -> Array:
        if not batch:
            return values
        shape = list(values.shape)
        shape[axis] = batch
        array = np.zeros(shape, values.dtype)
        array[(slice(None),) * axis + (slice(row, row + 1),)] = values
        return array

    def unbatched(values: Array, axis: int) -> Array:
        return values if trace.header.batched else values.take(0, axis)

    found = list(premises(trace))
    gradients = {one.place: one.gradient for one in found if one.kind == "parameter"}
    gradients |= {one.place: trace.outward(whole(one.gradient, 1)) for one in found if one.kind == "input"}
    states = [one for one in found if one.kind == "state"]
    for short, state in STATE.items():
        rows = [whole(one.gradient, 0) for one in states if one.name == state]
        if rows:
            gradients[short] = unbatched(np.stack(rows), 1)
    gradients |= {one.place: unbatched(whole(one.gradient, 0), 0) for one in states if one.name not in INITIAL}
    return gradients | {one.place: trace.outward(whole(one.gradient, 1)) for one in found if one.kind == "given"}
