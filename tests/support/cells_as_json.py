"""A cell and what is made from it, as the modules of the page have them: `lstm_trace/lines/types.js`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lstm_trace.cell.lines import Cell
from lstm_trace.cell.network import Stage
from lstm_trace.cell.parse import parse
from lstm_trace.errors import CellError


def cell_json(cell: Cell) -> dict[str, Any]:
    """Every member of a cell."""
    return {
        "lines": [
            {"name": x.name, "op": x.op, "operands": [*x.operands], "constants": [*x.constants], "call": [*x.call]}
            for x in cell.lines
        ],
        "carry": [[*pair] for pair in cell.carry],
        "output": cell.output,
        "inputs": [*cell.inputs],
        "functions": [
            {"name": f.name, "arguments": [*f.arguments], "defaults": [*f.defaults], "body": f.body}
            for f in cell.functions
        ],
        "sums": [{"name": s.name, "terms": [[*term] for term in s.terms]} for s in cell.sums],
        "gradient": [[*pair] for pair in cell.gradient],
        "declared": [*cell.declared],
        "plain": cell_json(cell.plain) if cell.plain else None,
        "held": [*cell.held],
        "scaled": [*cell.scaled],
        "parameters": [*cell.parameters],
        "text": cell.text,
    }


def stage_json(stage: Stage) -> dict[str, Any]:
    """Every member of a stage."""
    return {
        "layer": stage.layer,
        "direction": stage.direction,
        "scope": stage.scope,
        "cell": cell_json(stage.cell),
        "sources": dict(stage.sources),
        "computed": None if stage.computed is None else [*stage.computed],
    }


def parsed(texts: Iterable[str]) -> list[Any]:
    """What Python reads in each text: a cell, or the messages that refuse it."""
    found: list[Any] = []
    for text in texts:
        try:
            found.append(cell_json(parse(text)))
        except CellError as error:
            found.append([*error.problems])
    return found
