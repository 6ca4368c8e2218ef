"""The same for every example, and for hundreds of random runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import lstm_trace as lt
from tests.support.small_runs import runs

from .replies import compared

EXAMPLES = sorted(Path("traces").glob("*/trace.json"))


def test_every_example() -> None:
    traces = {path.parent.name: lt.load(path) for path in EXAMPLES}
    assert not compared(traces, 11, steps=6, numbers=40)


@pytest.mark.parametrize("seed", range(10, 20))
def test_random_runs(seed: int) -> None:
    assert not compared(dict(runs(seed, 40)), seed, steps=3, numbers=12)
