"""diff goes over the steps in blocks: nothing that it tells depends on their length, and memory does not grow."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.verification import differences
from lstm_trace.verification.compare import compare


def test_memory_does_not_grow_with_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "BLOCK", 1 << 16)
    rng = np.random.default_rng(3)
    parts: dict[str, Any] = {f"W_x{g}": rng.normal(size=(32, 4)) for g in "ifco"}
    model = lt.prepare(parts | {f"W_h{g}": rng.normal(size=(32, 32)) for g in "ifco"})
    peaks = []
    for steps in (1000, 4000):
        a = model.run(rng.normal(size=(steps, 1, 4)))
        b = replace(a, lines={scope: {n: v.copy() for n, v in here.items()} for scope, here in a.lines.items()})
        tracemalloc.start()
        assert compare(a, b).same
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    size = sum(array.nbytes for here in b.lines.values() for array in here.values())
    assert peaks[1] - peaks[0] < size / 4  # what is kept of a step: a flag for each line, its largest difference
