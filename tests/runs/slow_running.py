"""A spec to a run: what it holds, that it is the same again, and what is refused before it is made."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from lstm_trace.errors import TooLargeError
from lstm_trace.runs import running

from ..support.kept_runs import BOUNDS, Kept


def test_a_small_body_takes_little_memory(kept: Kept) -> None:
    line = {"weights": {}, "cell": {"equations": "input: g_t\nh_t = g_t + x_t\noutput: h_t"}}
    problem = {**line, "x": [[0]] * 200_000, "given": {"g_t": [0.0] * 2_000}}
    body = json.dumps({"problem": problem}).encode()
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="400,000,000 values"):
        running.make(body, str(kept.folder), BOUNDS)
    assert tracemalloc.get_traced_memory()[1] < 200_000_000
    tracemalloc.stop()
