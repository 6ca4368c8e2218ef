"""What of a run is held at other values than its equations give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..cell.holds import names_of
from ..cell.network import Stage
from ..trace.holds.held import entries, status
from ..trace.holds.values import Scale
from ..trace.trace import Trace


def held(trace: Trace) -> Iterator[dict[str, Any]]:
    """All that is held: addresses, with a number, `*0.5`, or None where the values differ."""
    for entry in entries(trace):
        value = str(entry.value) if isinstance(entry.value, Scale) else entry.value
        yield {"address": entry.address, "value": value if isinstance(value, str | float) else None}


def units(trace: Trace, stage: Stage, t: int, batch: int) -> dict[str, list[int]]:
    """The units of each line that are held, or scaled, at a step."""
    there = {name: status(trace, stage, name, t, batch) for name in names_of(stage.cell)}
    return {name: np.flatnonzero(some).tolist() for name, some in there.items() if some is not None and some.any()}


def is_held(trace: Trace, address: str) -> bool:
    """Whether the number of a line at a full address is held, or scaled."""
    at = trace.locate(address)
    if at.t is None or at.b is None or at.unit is None:
        return False
    return at.unit[0] in units(trace, trace.stage(at.scope), at.t, at.b).get(at.line, ())
