"""Which lines of a cell are gates, whatever it calls them."""

from __future__ import annotations

from ..cell.lines import Cell, Line


def is_gate(line: Line, cell: Cell) -> bool:
    """Whether a line squashes into (0, 1), or is one minus such a line, and has a name."""
    return line.assigned and opens(line, cell)


def opens(line: Line, cell: Cell) -> bool:
    """Whether a line squashes into (0, 1), or is one minus such a line; its name does not matter."""
    if line.squashed:
        return True
    if line.op != "add" or line.constants != (1.0, -1.0) or line.operands[0] != 1.0:
        return False
    other = cell.by_name.get(str(line.operands[1]))
    return other is not None and other.squashed
