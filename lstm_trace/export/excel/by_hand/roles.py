"""What a value is in its cell, found from what reads what: the colours of the sheet go by it."""

from __future__ import annotations

from ....cell.lines import Cell, Line
from ....cell.network import Stage
from ....cell.ops import OPS
from ....report.content.line_groups import is_gate

#: In the order of the legend.
ROLES = ("weight", "input", "state", "product", "sum", "gate", "candidate", "cell", "output", "other")


def role(stage: Stage, name: str) -> str:
    """One of `ROLES`."""
    cell = stage.cell
    if name in cell.states:
        return "state"
    if name in cell.inputs:
        return "input"
    if name not in cell.by_name:
        return "weight"
    line = cell.by_name[name]
    if name == cell.output or (line.assigned and name not in cell.readers and name not in cell.states.values()):
        return "output"
    if name in cell.states.values():
        return "cell"
    if is_gate(line, cell):
        return "gate"
    readers = cell.readers.get(name, ())
    if line.assigned and _activates(line) and any(reader.op == "mul" for reader in readers):
        return "candidate"
    if line.op == "add" and any(map(_activates, readers)):
        return "sum"
    return "product" if line.op in ("matvec", "vecmat", "mul") else "other"


def _activates(line: Line) -> bool:
    op = OPS[line.op]
    return bool(op.function) and op.arity == 1 and op.width == "same"


def of_units(cell: Cell) -> list[str]:
    """The lines that a chart of one unit shows: gates, then what is carried."""
    gates = [line.name for line in cell.lines if is_gate(line, cell)]
    return list(dict.fromkeys([*gates, *(name for name in cell.states.values() if name in cell.by_name)]))


def ends(cell: Cell) -> list[str]:
    """The lines that a chart shows by their entries: what is given out, and read by no other line."""
    shown = of_units(cell)
    found = [line.name for line in cell.lines if line.assigned and line.name not in cell.readers]
    return [name for name in dict.fromkeys([cell.output, *found]) if name in cell.by_name and name not in shown]
