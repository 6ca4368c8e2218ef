"""The addresses that a trace has: what each part of one may be, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..cell.network import MEET, Stage, X, layer_and_direction, scope_and_name
from ..errors import MissingError, nearest
from .address import INITIAL, STATE, Address, line_name, read

if TYPE_CHECKING:
    from .trace import Trace

#: One number: its scope (empty for x), name, step, row and index; step and row are None for a parameter.
Key = tuple[Any, ...]


def extents(trace: Trace, name: str) -> dict[str, Sequence[int | str]]:
    """See `Trace.extents`."""
    steps: Sequence[int | str] = trace.span
    rows: Sequence[int | str] = range(trace.batch)
    supplied = any(name in here for here in trace.given.values())  # of a part of a trace, what the layer below gave
    if name in ("x", "x_t") and trace.x is not None and not supplied:
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
    found = extents(trace, name)
    try:
        return read(text, found, every)
    except MissingError:
        # of padded directions that meet each has a y_t as well: without a direction the one where they meet is meant
        if MEET not in found.get("direction", ()):
            raise
        try:
            return read(text, {**found, "direction": [MEET]})
        except MissingError:
            pass
        raise


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


def origin(trace: Trace, key: Key) -> Key:
    """Where a number was made: a state in the step before, an input in another layer or in x."""
    scope, name, t, b, index = key
    if not scope:
        return key
    stage = trace.stage(scope)
    if name in trace.lines.get(scope, {}):
        return key
    if name in stage.cell.states:
        before = t + (1 if stage.backwards else -1)
        return origin(trace, (scope, stage.cell.states[name], before, b, index)) if before in trace.span else key
    source = stage.sources.get(name, "")
    if source == X:
        return ("", "x_t", t, b, index)
    other, line = scope_and_name(source)
    return origin(trace, (other, line, t, b, index)) if other else key


def address(trace: Trace, key: Key) -> str:
    """The address of a number in its full form; that of a state is the one before the first step.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
    >>> address(trace, ("0/forward", "i_t", 0, 0, (0,))), address(trace, ("0/forward", "W_xi", None, None, (0, 0)))
    ('0/forward/0/0/i_t[0]', '0/forward/W_xi[0,0]')
    >>> address(trace, ("0/forward", "h_prev", 0, 0, (0,))), address(trace, ("", "x_t", 0, 0, (0,)))
    ('0/forward/0/h0[0]', '0/0/x_t[0]')
    """
    scope, name, t, b, index = key
    if scope and name in trace.stage(scope).cell.states:
        name, t = INITIAL.get(name, name), None
    parts = [part for part in (scope, t, b) if part not in (None, "")]
    return "/".join([*map(str, parts), f"{name}[{','.join(map(str, index))}]"])
