"""Opening a database: its tables, newer and foreign ones, and what is said when it cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .. import ROOT

pytest.importorskip("sqlalchemy")


pytest.importorskip("alembic")


from alembic.script import ScriptDirectory

from lstm_trace.store.database import Database
from lstm_trace.store.errors import StoreError
from lstm_trace.store.migrating import MIGRATIONS
from lstm_trace.store.tables import VERSION


def test_a_store_that_is_up_to_date_is_opened_without_alembic(tmp_path: Path) -> None:
    assert ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS]).get_heads() == [VERSION]
    program = (
        "import sys; from lstm_trace.store.store import Store\n"
        f"Store('sqlite:///{tmp_path}/a.db').close()\nprint('alembic' in sys.modules)"
    )
    for imported in ("True", "False"):
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)  # noqa: S603
        assert (ran.stdout.strip(), ran.stderr) == (imported, "")


def test_a_database_that_is_not_there(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres_server")
    with pytest.raises(StoreError) as caught:
        Database(f"{server.replace('tester@', 'tester:s3cret@')}/none")
    assert 'database "none" does not exist' in str(caught.value)
    assert "s3cret" not in str(caught.value)
