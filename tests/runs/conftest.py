"""A folder of runs of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lstm_trace.runs.kept import Bounds

from ..support.kept_runs import Kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


@pytest.fixture
def bounded(tmp_path: Path) -> Callable[[Bounds], Kept]:
    return lambda bounds: Kept(tmp_path, bounds)
