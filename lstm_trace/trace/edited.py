"""A copy of a trace with other values at some addresses; nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array, cast, to_array
from ..errors import MissingError, ShapeError, reading
from .address import STATE, Address

if TYPE_CHECKING:
    from .trace import Trace

#: The parts of a trace that hold arrays, and how many axes (steps, sequences) each has before its units.
AXES = {"x": 2, "lines": 2, "given": 2, "initial": 1, "parameters": 0, "sums": 0}


def changed(trace: Trace, values: Mapping[str, Any]) -> Trace:
    """The trace with other values; see `Trace.with_values`."""
    parts: dict[str, Any] = {}
    for text, value in values.items():
        address = trace.locate(text, every=True)
        with reading(text, ShapeError):
            array = cast(to_array(value), np.dtype(trace.header.dtype))
        part, scope = _place(trace, text, address)
        if part == "x":
            parts["x"] = put(trace, part, text, parts.get("x", trace.x), address, array)
        else:
            here = parts.setdefault(part, dict(getattr(trace, part)))
            name = STATE.get(address.line, address.line) if part == "initial" else address.line
            here[scope] = {**here[scope], name: put(trace, part, text, here[scope][name], address, array)}
    return replace(trace, header=replace(trace.header, agreement=()), memory=None, **parts)


def _place(trace: Trace, text: str, address: Address) -> tuple[str, str]:
    """The part and the scope of the array that an address names. Raises MissingError unless there is exactly one."""
    found = []
    for part in AXES:
        name = STATE.get(address.line, address.line) if part == "initial" else address.line
        for scope, here in getattr(trace, part).items() if part != "x" else ():
            layer, _, direction = scope.partition("/")
            stands = address.layer in (None, int(layer)) and address.direction in (None, direction)
            found += [(part, scope)] if stands and name in here else []
    if not found and address.line in ("x", "x_t") and trace.x is not None:
        return "x", ""
    if not found:
        raise MissingError(f"{text}: {address.line} was not recorded there, so that it has no value to change")
    if len(found) > 1:
        raise MissingError(f"{text} is in {', '.join(scope for _, scope in found)}: write {found[0][1]}/{address.line}")
    return found[0]


def put(trace: Trace, part: str, text: str, there: Array, address: Address, array: Array) -> Array:
    """A copy of an array of a part of a trace with other numbers at the address. Raises MissingError, ShapeError."""
    found = np.array(there)
    step = slice(None) if address.t is None else trace.index(address.t)
    row = slice(None) if address.b is None else address.b
    axes = (step, row)[2 - AXES[part] :]
    sizes, unit = found.shape[len(axes) :], address.unit or ()
    if len(unit) > len(sizes) or any(n >= size for n, size in zip(unit, sizes, strict=False)):
        raise MissingError(f"{text}: {address.line} has shape {sizes}; there is no [{','.join(map(str, unit))}]")
    at: Any = (*axes, *unit)
    if address.columns is not None and array.shape[-2:] == (found.shape[-1] // address.columns, address.columns):
        array = array.reshape(*array.shape[:-2], -1)
    if array.squeeze().shape == found[at].squeeze().shape:  # of a single step or sequence the axis may be left out
        array = array.reshape(found[at].shape)
    if found[at].shape != array.shape:
        form = "a number" if found[at].shape == () else f"an array of shape {found[at].shape}"
        said = "a number" if array.shape == () else f"one of shape {array.shape}"
        raise ShapeError(f"{text}: expected {form}, found {said}")
    found[at] = array
    return found
