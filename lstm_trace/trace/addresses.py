"""The addresses that a trace has: what each part of one may be, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..cell.network import Stage
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
    state = STATE.get(name, name)
    holders = {
        "line": [s for s in trace.stages if name in trace.lines.get(s.scope, {}) or name in s.cell.inputs],
        "initial": [s for s in trace.stages if state in s.cell.states],
        "parameter": [s for s in trace.stages if name in trace.parameters.get(s.scope, {})],
    }
    for kind, stages in holders.items():
        if stages:
            parts: dict[str, Sequence[Any]] = {
                "layer": list(dict.fromkeys(s.layer for s in stages)),
                "direction": list(dict.fromkeys(s.direction for s in stages)),
            }
            if kind == "line":
                parts["t"] = steps
            if kind != "parameter":
                parts["b"] = rows
            return parts
    known = [n for s in trace.stages for n in (*trace.lines.get(s.scope, {}), *trace.parameters.get(s.scope, {}))]
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
