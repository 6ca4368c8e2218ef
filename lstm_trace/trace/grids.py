"""The rows and columns of values that are matrices, and lie in a trace as rows of rows * columns numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..base.arrays import Array
from ..cell.network import Scope, Stage
from ..cell.shapes import grids

if TYPE_CHECKING:
    from .trace import Trace


def grids_of(trace: Trace) -> dict[Scope, dict[str, tuple[int, int]]]:
    """By scope, the rows and columns of every matrix, as the recorded arrays imply them."""
    found = {}
    for stage in (stage for stage in trace.stages if stage.cell.matrices):
        shapes = {name: array.shape for name, array in trace.parameters.get(stage.owner, {}).items()}
        names = (*stage.cell.inputs, *stage.cell.states, *trace.lines.get(stage.scope, {}))
        read = {name: trace.operand(stage.scope, name, slice(0, 1)) for name in names}
        widths = {name: values.shape[-1] for name, values in read.items() if values is not None}
        found[stage.scope] = grids(stage.cell, shapes, widths)
    return found


def entry_of(trace: Trace, scope: Scope, name: str, unit: int) -> tuple[int, ...]:
    """The index of a unit of a value in its address: (unit,), or (row, column) in a matrix."""
    grid = trace.grid(scope, name)
    return (unit,) if grid is None else divmod(unit, grid[1])


def as_read(stage: Stage, weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """Weights of a stage, by name, as its lines read them: a matrix that no `@` multiplies is one row of numbers."""
    matrices = stage.cell.matrices
    if not matrices or matrices.isdisjoint(weights):
        return weights
    return {name: array.reshape(-1) if name in matrices else array for name, array in weights.items()}
