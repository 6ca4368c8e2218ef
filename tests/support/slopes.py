"""The slopes of one line in numbers, by the rules: derivatives at given operands, secants between two sets of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_trace.cell.adjoint import secants
from lstm_trace.cell.lines import Cell, Line
from lstm_trace.cell.ops import OPS
from lstm_trace.verification.propagation import computed, slopes


class At:
    """A line at given operands."""

    def __init__(self, op: str, *operands: Any, constants: tuple[float, ...] = ()) -> None:
        self.line = Line("y", op, tuple("abc"[k] for k in range(len(operands))), constants)
        self.operands = [np.asarray(o, np.float64) for o in operands]

    @property
    def y(self) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(OPS[self.line.op].array(self.operands, self.line.constants))


def derivative(at: At) -> tuple[Any, ...]:
    """For each operand its slope, in each unit of the line; None where nothing flows."""
    with np.errstate(all="ignore"):
        return slopes(at.line, at.operands)


def secant(one: At, two: At) -> tuple[Any, ...]:
    """The same between two sets of operands."""
    names = one.line.operands
    shapes = {**dict(zip(names, one.operands, strict=True)), "y": one.y}
    widths = {n: v.shape[-1] for n, v in shapes.items()} if one.line.op == "slice" else None
    cell = Cell((one.line,), (), "y", names, declared=(one.line.memory or ())[:1])
    found = secants(cell, {"y": ("d",)}, widths)
    sides = {"own": one, "base": two}
    known = {new: sides[side].operands[names.index(name)] for new, (side, name) in found.reads.items()}
    with np.errstate(all="ignore"):
        values = computed(found.cell, {**known, "d": np.ones(np.shape(one.y))})
    gradients = {name: values[new] for new, name in found.cell.gradient}
    return tuple(gradients.get(name) for name in names)
