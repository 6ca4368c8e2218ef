"""The rows and columns of values that are matrices, and lie in a trace as rows of rows * columns numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..base.arrays import Array
from ..cell.network import MEET, Scope, Stage
from ..cell.shapes import grids
from ..errors import MissingError
from .address import STATE, Address, line_name, no_entry, read

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


def as_grid(trace: Trace, scope: Scope, name: str, values: Array) -> Array:
    """Values (…, width), with rows and columns in place of the width if they are matrices."""
    return values.reshape(*values.shape[:-1], *(trace.grid(scope, name) or values.shape[-1:]))


def located(trace: Trace, text: str, every: bool = False, line: str = "") -> Address:
    """An address that is read, with the unit of an entry of a matrix in place of row and column. Raises MissingError.

    A weight keeps row and column, as in its array. every: see `address.read`. line: whose steps and sequences are
    meant, if not its own.
    """
    address = _read(text, trace.extents(line or line_name(text)), every)
    name = STATE.get(address.line, address.line)
    for stage in trace.stages:
        there = address.layer in (None, stage.layer) and address.direction in (None, stage.direction)
        if not there or name in stage.cell.parameters or (grid := trace.grid(stage.scope, name)) is None:
            continue
        if address.unit is None:
            return address._replace(columns=grid[1])
        if fault := no_entry(address.line, address.unit, grid):
            raise MissingError(f"{text!r}: {fault}")
        return address._replace(unit=(address.unit[0] * grid[1] + address.unit[1],), columns=grid[1])
    return address


def _read(text: str, extents: dict[str, Sequence[int | str]], every: bool) -> Address:
    try:
        return read(text, extents, every)
    except MissingError:
        # padded directions that are merged have a y_t each as well; without a direction, the merged one is meant
        if MEET in extents.get("direction", ()):
            with suppress(MissingError):
                return read(text, {**extents, "direction": [MEET]})
        raise


def as_read(stage: Stage, weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """Weights of a stage, by name, as its lines read them: a matrix that no `@` multiplies is one row of numbers."""
    matrices = stage.cell.matrices
    if not matrices or matrices.isdisjoint(weights):
        return weights
    return {name: array.reshape(-1) if name in matrices else array for name, array in weights.items()}
