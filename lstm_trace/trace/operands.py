"""What the reverse walk reads: recorded values of some steps in the order of the run, sizes, single rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell, Line
from ..cell.network import Stage, scope_and_name
from ..cell.ops import OPS
from ..cell.shapes import infer
from ..errors import MissingError
from .trace import Trace
from .window import rows


def total(parts: Iterable[Array | float]) -> float:
    """The sum of some arrays' sums, rounded once; NaN where infinities cancel.

    >>> total([np.array([1e16]), 1.0, -1e16]), total([np.array([np.inf]), -np.inf])
    (1.0, nan)
    """
    with np.errstate(all="ignore"):
        sums = [float(np.sum(part)) for part in parts]
        try:
            return math.fsum(sums)
        except (ValueError, OverflowError):  # inf - inf, or larger than any float
            return float(np.sum(sums))


class Values:
    """Operands of the lines of one stage at `steps`, in the order in which the stage ran.

    derived: a line's value is computed again from its operands rather than read, so that slopes are those of the
    function even where the record is wrong.
    """

    def __init__(self, trace: Trace, stage: Stage, steps: slice, dtype: Any, widths: dict[str, int], derived: bool):
        self.trace, self.stage, self.steps, self.dtype = trace, stage, steps, dtype
        self.widths, self.derived = widths, derived
        self.known: dict[str, Array] = {}

    def read(self, name: str, line: Line) -> Array:
        """(steps, B, width), or a parameter in its own shape. Raises MissingError that names what was not recorded."""
        if name not in self.known:
            values = self.trace.operand(self.stage.scope, name, self.steps)
            if values is None:
                raise MissingError(
                    f"{self.stage.scope}/{name} was not recorded; the walk back through line `{line.name}` needs it: "
                    "trace again and record that line too"
                )
            values = np.ascontiguousarray(values, self.dtype)  # lines may be columns of a larger array
            self.known[name] = in_order(self.stage, values) if values.ndim == 3 else values
        return self.known[name]

    def at(self, line: Line) -> Here:
        """One line's operands and value."""
        return Here(line, self)


class Here:
    """A line with its values: what the slope rules read (see `slopes.Here`)."""

    def __init__(self, line: Line, values: Values) -> None:
        self.line, self.values = line, values

    def x(self, k: int) -> Array:
        """Operand `k`."""
        operand = self.line.operands[k]
        if isinstance(operand, str):
            return self.values.read(operand, self.line)
        return np.asarray(operand, self.values.dtype)

    @cached_property
    def y(self) -> Array:
        """The line's value."""
        if not self.values.derived:
            return self.values.read(self.line.name, self.line)
        operands = [self.x(k) for k in range(len(self.line.operands))]
        return np.asarray(OPS[self.line.op].array(operands, self.line.constants))

    def width(self, k: int) -> int:
        """Number of units of operand `k`."""
        operand = self.line.operands[k]
        return self.values.widths[operand] if isinstance(operand, str) else 1


def in_order(stage: Stage, values: Array) -> Array:
    """A view of (steps, …) in the order of the run; the same call turns it back."""
    return values[::-1] if stage.backwards else values


def sizes(trace: Trace) -> dict[str, dict[str, int]]:
    """The width of every line, state, input and vector parameter, by scope.

    Raises MissingError for a parameter or input that a line needs and the trace does not hold.
    """
    found: dict[str, dict[str, int]] = {}
    for stage in trace.stages:
        known: dict[str, tuple[int, str]] = {}
        first = trace.initial.get(stage.scope, {})
        for name in stage.inputs:
            source = stage.sources[name]
            if "/" in source:
                scope, line = scope_and_name(source)
                known[name] = found[scope][line], f"from {source}"
            elif (values := trace.operand(stage.scope, name, slice(0, 1))) is not None:
                known[name] = values.shape[-1], f"from {name}"
            else:
                raise MissingError(f"the trace does not hold the input {name} of {stage.scope}")
        known.update({state: (first[state].shape[-1], f"from {state}") for state in stage.states if state in first})
        here = trace.parameters.get(stage.owner, {})
        lacking = [name for name in stage.parameters if name not in here]
        if lacking:
            raise MissingError(f"the trace does not hold the parameters {', '.join(lacking)} of {stage.scope}")
        shapes = {name: here[name].shape for name in stage.parameters}
        inferred = _inferred(stage.cell, stage.computed, tuple(shapes.items()), tuple(known.items()))
        vectors = {name: shape[0] for name, shape in shapes.items() if len(shape) == 1}
        found[stage.scope] = {**vectors, **{name: width for name, (width, _) in known.items()}, **inferred}
    return found


@lru_cache(maxsize=64)  # of an adjoint it takes 5 ms, as long as a walk of a hundred steps
def _inferred(
    cell: Cell,
    computed: tuple[str, ...] | None,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    known: tuple[tuple[str, tuple[int, str]], ...],
) -> Mapping[str, int]:
    return infer(cell, cell.by_name if computed is None else computed, dict(shapes), dict(known)).widths


def one_row(trace: Trace, b: int) -> Trace:
    """The trace of row `b` of the batch alone; arrays are views."""
    return rows(trace, slice(b, b + 1))
