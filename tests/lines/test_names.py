"""Names of a stranger: those that every object of JavaScript has are names like any other."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt

from ..support.foreign_names import foreign
from .problems import check, ran


def test_a_run_and_its_gradients() -> None:
    traces = [foreign(turn) for turn in range(6)]
    traces += [
        lt.backward(trace, seeds={f"0/forward/{name}": np.ones((3, 1, 2)) for name in ("h_t", trace.header.ask[1])})
        for trace in traces
    ]
    for trace, reply in zip(traces, ran(traces), strict=True):
        check(trace, reply, trace.header.title)


@pytest.mark.parametrize("turn", range(6))
def test_every_name_is_in_the_trace(turn: int) -> None:
    cell = foreign(turn).stages[0].cell
    for name in foreign(turn).header.title.split():
        assert name in cell.text
