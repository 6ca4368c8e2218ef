"""Where the library is kept in tests: SQLite, and a real PostgreSQL where the package is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.postgres import new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    return new_database(request.param, request, tmp_path)
