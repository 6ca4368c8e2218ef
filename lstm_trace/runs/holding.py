"""What of a run is held at other values than its equations give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..base.arrays import describe
from ..cell.holds import names_of
from ..cell.network import Stage
from ..errors import OptionError
from ..trace.holds.held import Entry, entries, status
from ..trace.holds.values import Scale, as_number
from ..trace.trace import Trace

Layers = tuple[Mapping[str, Any], ...]


def held(trace: Trace) -> Iterator[dict[str, Any]]:
    """All that is held: addresses, with a number, `*0.5`, or None where the values differ."""
    for entry in entries(trace):
        yield {"address": entry.address, "value": _told(entry)}


def held_units(trace: Trace, stage: Stage, t: int, batch: int) -> dict[str, list[int]]:
    """The units of each line that are held, or scaled, at a step."""
    there = {name: status(trace, stage, name, t, batch) for name in names_of(stage.cell)}
    return {name: np.flatnonzero(some).tolist() for name, some in there.items() if some is not None and some.any()}


def holding_of(trace: Trace, address: str) -> dict[str, Any] | None:
    """What holds the number of a line at a full address: its address, and the value; None where it is not held."""
    at = trace.locate(address)
    if at.t is None or at.b is None or at.unit is None:
        return None
    parts = at.t, at.b, at.unit[0]
    for entry in entries(trace):
        there = entry.steps or trace.span, entry.rows or range(trace.batch), entry.units
        inside = all(part is None or n in part for n, part in zip(parts, there, strict=True))
        if inside and (entry.scope, entry.line) == (at.scope, at.line):
            own = trace.lines[at.scope][at.line][trace.index(at.t), at.b, at.unit[0]]
            return {"address": entry.address, "value": _told(entry, own.item())}
    return None


def _told(entry: Entry, otherwise: float | None = None) -> str | float | None:
    """What an entry is held at: a number, or `*0.5`; what is said `otherwise` where its values differ."""
    if isinstance(entry.value, Scale):
        return str(entry.value)
    return entry.value if isinstance(entry.value, float) else otherwise


def check_values(hold: Layers) -> None:
    """Raise OptionError for a text that is no number or multiple: on the command line it would name a file."""
    for address, value in (pair for layer in hold for pair in layer.items()):
        if isinstance(value, str) and as_number(value) is None:
            raise OptionError(
                f"hold {address!r}: expected a finite number, '*0.5' for a multiple of its own value, or an array; "
                f"found {describe(value)}. The service opens no file that is named here: trace the problem with "
                "`lstm-trace run`, and upload the trace"
            )
