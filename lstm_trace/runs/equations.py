"""What a text of equations says: its lines, and what they read."""

from __future__ import annotations

from ..cell.parse import parse
from ..printable import json_text


def read(text: str) -> bytes:
    """The lines, parameters, inputs, states and output of a cell, as JSON. Raises CellError with every fault."""
    cell = parse(text)
    found = {
        "lines": [{"name": line.name, "op": line.op} for line in cell.lines],
        "parameters": list(cell.parameters),
        "inputs": list(cell.inputs),
        "states": cell.states,
        "output": cell.output,
    }
    return json_text(found).encode()
