"""A line derived again from its recorded operands, and how far rounding may move it from the recorded value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.lines import GatheredSum, Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..trace.derived import Gathered, derived_sums, held_throughout, recomputed
from ..trace.trace import Trace


def bound(line: Line, operands: Sequence[Array], derived: Array) -> Array | float:
    """How far two correct computations of `line` from equal operands may differ (see ARCHITECTURE.md).

    operands: arrays that broadcast over steps and sequences; derived: the line's value. Zero for operations that IEEE
    754 rounds correctly; for sums and products see `of_sum`; a few ulp for functions, plus the smallest normal number:
    exp overflows at different arguments in different libraries.
    """
    op = OPS[line.op]
    info = np.finfo(derived.dtype)
    if op.ulp == 0:
        return 0.0
    if op.ulp is None:
        sizes = op.array([np.abs(o) for o in operands], line.constants)
        return of_sum(sizes, operands[line.summed].shape[-1] - (line.op == "sum"), derived.dtype)
    return op.ulp * info.eps * np.abs(derived) + info.tiny


def derive(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """The line's value from its recorded operands at `steps`, and the bound; both (steps, B, width).

    A trace of another arithmetic is derived in that arithmetic, exactly.
    """
    operands: list[Any] = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    value = recomputed(trace, line, operands)
    limit: Array | float = 0.0
    if trace.header.arithmetic is None:
        with np.errstate(all="ignore"):
            limit = bound(line, operands, value)
    shape = len(range(trace.steps)[steps]), trace.batch, value.shape[-1]
    return np.broadcast_to(value, shape), np.broadcast_to(limit, shape)


def derive_one(trace: Trace, stage: Stage, line: Line, t: int, b: int, unit: int) -> tuple[Array, Array] | None:
    """One value of a line from its recorded operands, and the bound, as `derive` does; None if one is missing.

    t: a position in the input.
    """
    steps = slice(trace.index(t), trace.index(t) + 1)
    if any(trace.operand(stage.scope, operand, steps) is None for operand in line.operands):
        return None
    value, limit = derive(trace, stage, line, steps)
    return value[0, b, unit], limit[0, b, unit]


def check_sums(trace: Trace, stage: Stage, sums: Sequence[GatheredSum]) -> dict[str, tuple[Array, Array, Gathered]]:
    """(wrong, inconclusive, expected value) of each entry of some recorded sums whose terms are all recorded."""
    recorded = trace.sums.get(stage.scope, {})
    found = derived_sums(trace, stage.scope, sums)
    return {name: (*beyond(recorded[name], one.value, one.limit), one) for name, one in found.items()}


def recorded_sums(trace: Trace, stage: Stage) -> list[GatheredSum]:
    """The recorded sums of a stage whose terms were all recorded."""
    there = trace.sums.get(stage.scope, {})
    sums = (gathered for gathered in stage.cell.sums if gathered.name in there)
    return [one for one in sums if all(held_throughout(trace, stage.scope, name) for name in one.reads)]


def beyond(recorded: Array, derived: Array, limit: Array) -> tuple[Array, Array]:
    """(wrong, inconclusive): a value that deviates by more than the limit is wrong, unless the limit is not finite.

    Zero passes for a number below the normal range: processors have a mode that rounds it so, used by backward passes.
    """
    with np.errstate(all="ignore"):
        same = np.asarray(recorded == derived)
        if not same.all():
            same |= np.isnan(recorded) & np.isnan(derived)
            same |= (recorded == 0) & (np.abs(derived) < np.finfo(recorded.dtype).tiny)
            same = same | (np.abs(recorded - derived) <= limit)
    unsure = ~np.isfinite(limit)
    return ~same & ~unsure, unsure
