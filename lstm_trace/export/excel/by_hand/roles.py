"""What a value is in its cell, found from what reads what: the colours of the sheet go by it."""

from __future__ import annotations

from ....cell.lines import Line
from ....cell.network import Stage
from ....cell.ops import OPS

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
    if name in cell.states.values() or name in stage.carried:
        return "cell"
    readers = cell.readers.get(name, ())
    if cell.is_gate(line):
        return "gate"
    if line.assigned and _activates(line) and (factors := [r for r in readers if r.op == "mul"]):
        return "gate" if any(product.operands[0] == name for product in factors) else "candidate"
    if line.op == "add" and any(map(_activates, readers)):
        return "sum"
    return "product" if line.op in ("matvec", "vecmat", "mul") else "other"


def _activates(line: Line) -> bool:
    op = OPS[line.op]
    return bool(op.function) and op.arity == 1 and op.width == "same"


def of_units(stage: Stage) -> list[str]:
    """The lines that a chart of one unit shows: gates, then what is carried."""
    gates = [line.name for line in stage.cell.lines if role(stage, line.name) == "gate"]
    return list(dict.fromkeys([*gates, *(name for name in stage.carried if name in stage.cell.by_name)]))


def ends(stage: Stage) -> list[str]:
    """The lines that a chart shows by their entries: what is given out, and read by no other line."""
    cell, shown = stage.cell, of_units(stage)
    found = [line.name for line in cell.lines if line.assigned and line.name not in cell.readers]
    return [name for name in dict.fromkeys([cell.output, *found]) if name in cell.by_name and name not in shown]
