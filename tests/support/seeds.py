"""A gradient that is begun at one value, without the targets that an address names."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_trace.backpropagation.target import Weightings
from lstm_trace.trace.address import Address
from lstm_trace.trace.derived import sizes
from lstm_trace.trace.trace import Trace


def add_value(trace: Trace, seeds: Weightings, value: Address) -> None:
    """Weigh one value by 1, of a line that has no weights yet."""
    whole: np.ndarray[Any, Any] = np.zeros((trace.steps, trace.batch, sizes(trace)[value.scope][value.line]))
    assert value.t is not None
    assert value.unit is not None
    whole[trace.index(value.t), value.b, value.unit[0]] = 1.0
    seeds.setdefault(value.scope, {})[value.line] = whole
