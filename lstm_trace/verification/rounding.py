"""A line derived again from its recorded operands, and how far rounding may set it and the recorded value apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import find
from ..cell.lines import Line, Sum
from ..cell.network import Stage
from ..cell.ops import OPS
from ..trace.sums import Gathered, derived_sums
from ..trace.trace import Trace

#: Values that are derived at once: keeps the working memory at some tens of megabytes, however long the trace.
CHUNK = 1 << 20


def bound(line: Line, operands: Sequence[Array], derived: Array) -> Array | float:
    """How far two correct computations of `line` from equal operands may differ (see ARCHITECTURE.md).

    operands: arrays that broadcast over steps and rows; derived: the line's value. Nothing for operations that IEEE
    754 rounds correctly; n eps (|W| @ |x|) for each of two legitimate orders of a sum of n terms; a few ulp for
    functions, plus the smallest normal number: exp overflows at different places in different libraries.
    """
    op = OPS[line.op]
    info = np.finfo(derived.dtype)
    if op.ulp == 0:
        return 0.0
    if op.ulp is None:
        terms = operands[line.summed].shape[-1]
        sizes: list[Array] = [np.abs(o) for o in operands]
        return 2 * terms * (info.eps * op.array(sizes, line.constants) + info.smallest_subnormal)
    return op.ulp * info.eps * np.abs(derived) + info.tiny


def derive(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """The line's value from its recorded operands at `steps`, and the bound; both (steps, B, width).

    A trace of another arithmetic is derived in that one, exactly.
    """
    operands = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    shape = trace.lines[stage.scope][line.name][steps].shape
    if trace.header.arithmetic is not None:
        arithmetic = find(trace.header.arithmetic)
        return np.broadcast_to(arithmetic.compute(line, [arithmetic.read(o) for o in operands]), shape), np.zeros(shape)
    with np.errstate(all="ignore"):
        value = np.asarray(OPS[line.op].array(operands, line.constants), trace.header.dtype)
        return np.broadcast_to(value, shape), np.broadcast_to(bound(line, operands, value), shape)


def chunks(steps: int, each: int, most: int = CHUNK) -> list[slice]:
    """The steps in slices of at most `most` values; each: values of one step."""
    count = max(most // max(each, 1), 1)
    return [slice(begin, min(begin + count, steps)) for begin in range(0, steps, count)]


def check(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """(wrong, cannot tell) of each value at `steps`."""
    derived, limit = derive(trace, stage, line, steps)
    return beyond(trace.lines[stage.scope][line.name][steps], derived, limit)


def check_sums(trace: Trace, stage: Stage, sums: Sequence[Sum]) -> dict[str, tuple[Array, Array, Gathered]]:
    """(wrong, cannot tell, what it should be) of each entry of some recorded sums, of which every term is recorded."""
    recorded = trace.sums.get(stage.scope, {})
    found = derived_sums(trace, stage.scope, sums)
    return {name: (*beyond(recorded[name], one.value, one.limit), one) for name, one in found.items()}


def beyond(recorded: Array, derived: Array, limit: Array) -> tuple[Array, Array]:
    """(wrong, cannot tell): a value that is further off than the limit is wrong, unless the limit is not finite.

    Zero passes for a number below the normal range: processors have a mode in which it is, and walks back use it.
    """
    with np.errstate(all="ignore"):
        same = (recorded == derived) | (np.isnan(recorded) & np.isnan(derived))
        same |= (recorded == 0) & (np.abs(derived) < np.finfo(recorded.dtype).tiny)
        off = ~same & ~(np.abs(recorded - derived) <= limit)
    unsure = ~np.isfinite(limit)
    return off & ~unsure, unsure
