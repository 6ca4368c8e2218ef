"""Where the library is kept in tests: SQLite, and a real PostgreSQL where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ..support.postgres import postgres, programs


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The beginning of the URLs of a PostgreSQL server."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with postgres(folder) as url:
        yield url


def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/store.db"
    psycopg = pytest.importorskip("psycopg")
    server, name = request.getfixturevalue("postgres_server"), f"t{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    return new_database(request.param, request, tmp_path)
