"""The addresses that a trace has: what each part of one may be, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..cell.network import Stage, layer_and_direction
from ..errors import MissingError, nearest
from .address import STATE, Address, line_name, read

if TYPE_CHECKING:
    from .trace import Trace


def extents(trace: Trace, name: str) -> dict[str, Sequence[int | str]]:
    """See `Trace.extents`."""
    steps: Sequence[int | str] = trace.span
    rows: Sequence[int | str] = range(trace.batch)
    if name in ("x", "x_t") and trace.x is not None:
        return {"t": steps, "b": rows}
    stages, state = trace.stages, STATE.get(name, name)
    holders = {
        "line": [
            s.scope for s in stages if name in trace.lines.get(s.scope, {}) or (name in s.cell.inputs and s.has(name))
        ],
        "initial": [s.scope for s in stages if state in s.cell.states],
        "parameter": [scope for scope, here in trace.parameters.items() if name in here],
        "sum": [scope for scope, here in trace.sums.items() if name in here],
    }
    for kind, scopes in holders.items():
        if scopes:
            layers, directions = zip(*map(layer_and_direction, scopes), strict=True)
            parts: dict[str, Sequence[Any]] = {
                "layer": list(dict.fromkeys(layers)),
                "direction": list(dict.fromkeys(directions)),
            }
            if kind == "line":
                parts["t"] = steps
            if kind in ("line", "initial"):
                parts["b"] = rows
            return parts
    held = (trace.lines, trace.parameters, trace.sums)
    known = [name for part in held for here in part.values() for name in here]
    raise MissingError(f"the trace has no {name!r}{nearest(name, known, 'it has')}")


def locate(trace: Trace, text: str, every: bool = False) -> Address:
    """See `Trace.locate`."""
    name = line_name(text)
    return read(text, extents(trace, name), every)


def asked(trace: Trace) -> list[Address]:
    """See `Trace.asked`."""
    found = []
    for text in trace.header.ask:
        name = line_name(text)
        held = any(_has(trace, stage, name) for stage in trace.stages)
        if not held and any(name in stage.cell.by_name for stage in trace.stages):
            continue
        address = locate(trace, text, every=True)
        for stage in trace.stages:
            fits = address.layer in (None, stage.layer) and address.direction in (None, stage.direction)
            if fits and trace.operand(stage.scope, address.line) is not None and _has(trace, stage, address.line):
                found.append(address._replace(layer=stage.layer, direction=stage.direction))
    return list(dict.fromkeys(found))


def _has(trace: Trace, stage: Stage, name: str) -> bool:
    return name in trace.lines.get(stage.scope, {}) or name in trace.given.get(stage.scope, {})
