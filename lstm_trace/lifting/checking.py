"""The comparison of a lifted cell with what it was lifted from: both must agree up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError
from ..model.sources import prepare
from ..trace.trace import Trace
from .building import BuiltCell
from .expressions import FAR
from .tape import Tape


class UnlikeError(LiftError):
    """The function computes something else than its equations."""


@np.errstate(over="ignore", invalid="ignore")  # values may overflow
def checked_trace(
    cell: BuiltCell, tape: Tape, x: Array, states: Mapping[str, Array],
    values: Callable[[Trace], Mapping[str, Array]], title: str,
) -> Trace:  # fmt: skip
    """The trace of a cell, if its lines have the values that they must have.

    Args:
        cell: the cell.
        tape: what it was read from.
        x: (T, B, I).
        states: initial states by name, (B, n).
        values: from the trace to what some lines must be, (T, B, n), or of the last steps alone; of a cell that reads x
            from its end, in the order in which it reads.
        title: what messages call the cell.

    Raises:
        LiftError: if a line has other values than rounding explains.
    """
    others = {f"{name}_prev": value for name, value in states.items() if name not in "hc"}
    initial: Any = {f"{name}0": value for name, value in states.items() if name in "hc"} | {"initial": others or None}
    trace = cell.model.run(x, **initial)
    way = -1 if cell.definition.get("direction") == "reverse" else 1
    coarse = {"float32": "float64", "float64": "float32"}[trace.header.dtype]
    again = prepare(cell.weights, cell.definition, dtype=coarse).run(x, **initial)
    for line, theirs in values(trace).items():
        ours, other = (one[line][::way][-len(theirs) :] for one in (trace, again))
        bound = _rounding(ours, other) + _clipped(tape)
        alike = (np.abs(ours - theirs) <= bound) | (np.isnan(ours) & np.isnan(theirs))
        wrong = ~alike & np.isfinite(bound)
        if wrong.any():
            step = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            raise UnlikeError(
                f"{title} does more than its equations say: {line} of step {step} is off by "
                f"{np.abs(ours - theirs)[step].max():.1e}; a state that is kept outside of the function does this, or "
                "one that it begins with itself, one sequence of the batch that reads another, or a dtype that rounds"
            )
    return trace


def _rounding(ours: Array, other: Array) -> Array:
    """How far rounding may move another right computation of our values, at each step, (T, 1, 1).

    Sums in another order, and functions that are written in another way, round elsewhere, and later steps amplify it.
    So the scale is measured (ARCHITECTURE.md, "What rounding explains"): by how much the values are off in another
    precision, brought to ours. The bound is 64 times the largest until that step, and 8 ulp of the largest value, or
    of 1. From the second step on at which float32 alone is off by 0.001 nothing can be told: its errors grow no longer
    as those of float64 do.
    """
    ulp, single = (float(np.finfo(dtype).eps) for dtype in (ours.dtype, np.float32))
    most = np.maximum(1.0, np.abs(ours).max((1, 2)))
    off = np.abs(ours.astype(np.float64) - other).max((1, 2))
    bound = np.nan_to_num(64 * off * ulp / single + 8 * ulp * most, nan=0.0, posinf=0.0)
    bound[1:][~(off[1:] < 0.001 * most[1:])] = np.inf
    return np.maximum.accumulate(bound)[:, None, None]


def _clipped(tape: Tape) -> float:
    """What a sigmoid or tanh loses by a clip of its argument that equations leave out: at 18 it is 1.5e-8 off 1.

    A state that adds up such values loses as much at every step that is clipped, with a factor below 1: twice as much
    is allowed.
    """
    ends = [min(-node.constants[0], node.constants[1]) for node in tape.nodes if node.op == "clip"]
    return 2 * float(np.exp(-min((end for end in ends if end >= FAR), default=np.inf)))
