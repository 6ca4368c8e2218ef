"""`lstm-trace serve` as a process: its address, its messages, its end, and requests as they come over a socket."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from lstm_trace.cli import main

from ..support.tiers import some

pytest.importorskip("fastapi")


def newer(folder: Path) -> None:
    from lstm_trace.store.store import Store

    Store(f"sqlite:///{folder}/newer.db").close()
    with sqlite3.connect(folder / "newer.db") as connection:
        connection.execute("UPDATE lstm_trace_version SET version_num = 'v99'")
    connection.close()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "says"),
    some(
        [
            (["--store", "mysql://user:secret@x/y"], "a store is kept in SQLite or PostgreSQL, not in mysql"),
            (["--store", "sqlite:///garbage.db"], "garbage.db: file is not a database; name another file"),
            (["--store", "sqlite:///folder"], "folder: unable to open database file; is it a file in an existing"),
            (
                ["--store", "sqlite:///no/such/a.db"],
                "a.db: unable to open database file; is it a file in an existing folder",
            ),
            (["--store", "sqlite:///a.db", "--files", "garbage.db"], "--files"),
            (
                ["--store", "sqlite:///taken.db"],
                "taken.files: expected the folder of the library's files, found a file",
            ),
            (["--store", "sqlite:///newer.db"], "newer version"),
            (["--store", "postgresql://u:secret@127.0.0.1:9/x"], "is the server running, and may this user connect?"),
            (["--store", "sqlite:///a.db", "none.yaml"], "none.yaml: no such file or directory"),
            (["--store", "sqlite:///a.db", "folder"], "folder: is a directory"),
        ],
        5,
    ),
)
def test_a_store_or_a_file_that_cannot_be_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    (tmp_path / "garbage.db").write_text("garbage\n" * 100)
    (tmp_path / "taken.files").write_text("a file")
    (tmp_path / "folder").mkdir()
    newer(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, ["serve", "--no-open", "--port", "0", *arguments])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: ")
    assert not list(tmp_path.glob("store*"))
    said = ran.stderr
    assert says in said
    assert "bug in lstm-trace" not in said
    assert "secret" not in said
