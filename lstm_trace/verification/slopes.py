"""The slopes of one line as numbers: the rows of `cell.rules` computed at given operands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ..base.arrays import Array
from ..cell.adjoint import adjoint
from ..cell.lines import Cell, Line
from ..cell.ops import OPS

_OPERANDS = ("a", "b", "c")


def slopes(line: Line, operands: Sequence[Array]) -> tuple[Array | None, ...]:
    """The derivative of the sum of the line's units with respect to each operand; None where nothing flows.

    operands: one array for each, numbers too.

    >>> [slope.tolist() for slope in slopes(Line("y", "mul", ("p", "q")), [np.array([2.0]), np.array([3.0])])]
    [[3.0], [2.0]]
    """
    names = _OPERANDS[: len(operands)]
    back = _adjoint(line.op, names, line.constants)
    value = OPS[line.op].array(operands, line.constants)
    known = computed(back, {"y": value, "d": np.ones(np.shape(value)), **dict(zip(names, operands, strict=True))})
    gradients = {name: known[new] for new, name in back.gradient}
    return tuple(gradients.get(name) for name in names)


@lru_cache(256)
def _adjoint(op: str, names: tuple[str, ...], constants: tuple[float, ...]) -> Cell:
    return adjoint(Cell((Line("y", op, names, constants),), (), "y", names), {"y": ("d",)})


def computed(cell: Cell, known: Mapping[str, Array]) -> dict[str, Array]:
    """The lines of a cell that carries nothing, from its inputs."""
    values = dict(known)
    with np.errstate(all="ignore"):
        for line in cell.lines:
            operands = [values[o] if isinstance(o, str) else np.asarray(o) for o in line.operands]
            values[line.name] = OPS[line.op].array(operands, line.constants)
    return values
