"""Where the library is kept in tests: SQLite, and in all tests a real PostgreSQL too, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.postgres import new_database
from ..support.tiers import ALL


@pytest.fixture(params=["sqlite", "postgresql"] if ALL else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind that the tier has."""
    return new_database(request.param, request, tmp_path)
