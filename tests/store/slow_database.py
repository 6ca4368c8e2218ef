"""Opening a database: its tables, newer and foreign ones, and what is said when it cannot be opened."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy")


from lstm_trace.store.database import Database
from lstm_trace.store.files import StoreError


def test_a_database_that_is_not_there(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres_server")
    with pytest.raises(StoreError) as caught:
        Database(f"{server.replace('tester@', 'tester:s3cret@')}/none")
    assert 'database "none" does not exist' in str(caught.value)
    assert "s3cret" not in str(caught.value)
