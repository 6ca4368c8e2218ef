"""The small corpus of `tests/corpus`; what needs scikit-learn."""

from __future__ import annotations

import pytest

from ..corpus.conftest import *  # noqa: F403


@pytest.fixture(scope="session")
def sklearn() -> None:
    """Not imported with a file, which every process does that runs some of its tests."""
    pytest.importorskip("sklearn")
