"""Opening a database: its tables, newer and foreign ones, and what is said when it cannot be opened."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

import sqlalchemy as sa

from lstm_trace.store import database
from lstm_trace.store.database import METADATA, VERSIONS, Database
from lstm_trace.store.files import StoreError
from lstm_trace.store.store import Store

#: The tables of version 1, as databases have them. Other tables need another version, and a step that leads to it.
OF_1 = """
CREATE TABLE lstm_trace_version (version_num VARCHAR(32) NOT NULL, PRIMARY KEY (version_num));
CREATE TABLE lstm_trace_store (id VARCHAR(36) NOT NULL, PRIMARY KEY (id));
CREATE TABLE lstm_trace_items (id VARCHAR(36) NOT NULL, kind VARCHAR(16) NOT NULL, title TEXT NOT NULL,
label TEXT NOT NULL, cell TEXT NOT NULL, sizes JSON NOT NULL, bytes BIGINT NOT NULL, sha256 VARCHAR(64) NOT NULL,
created DATETIME NOT NULL, suffix VARCHAR(16) NOT NULL, words TEXT NOT NULL, PRIMARY KEY (id));
CREATE INDEX lstm_trace_items_newest ON lstm_trace_items (created, id);
CREATE INDEX lstm_trace_items_kind ON lstm_trace_items (kind, created, id);
CREATE INDEX lstm_trace_items_sha256 ON lstm_trace_items (sha256);
CREATE TABLE lstm_trace_tags (item VARCHAR(36) NOT NULL, tag VARCHAR(40) NOT NULL, PRIMARY KEY (item, tag),
FOREIGN KEY(item) REFERENCES lstm_trace_items (id) ON DELETE CASCADE);
CREATE INDEX lstm_trace_tags_tag ON lstm_trace_tags (tag, item);
INSERT INTO lstm_trace_version VALUES ('1');
INSERT INTO lstm_trace_store VALUES ('an id');
"""


def shape(connection: sa.Connection) -> dict[str, object]:
    """The columns, keys and indices of our tables."""
    told = sa.inspect(connection)
    return {
        name: (
            [(one["name"], str(one["type"]), one["nullable"]) for one in told.get_columns(name)],
            told.get_pk_constraint(name)["constrained_columns"],
            sorted((one["name"] or "", one["column_names"]) for one in told.get_indexes(name)),
            [
                (one["constrained_columns"], one["referred_table"], one["options"])
                for one in told.get_foreign_keys(name)
            ],
        )
        for name in sorted(told.get_table_names())
    }


def test_the_tables_are_made(url: str) -> None:
    opened = Database(url)
    with opened.reading() as connection:
        made = sa.inspect(connection).get_table_names()
    assert sorted(made) == ["lstm_trace_items", "lstm_trace_store", "lstm_trace_tags", "lstm_trace_version"]
    assert sorted(made) == sorted(METADATA.tables)
    opened.engine.dispose()


def test_a_database_of_version_1_has_the_tables_of_today(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.executescript(OF_1)
    old.close()
    Store(f"sqlite:///{tmp_path}/old.db").close()
    shapes = []
    for name in ("old", "new"):
        opened = Database(f"sqlite:///{tmp_path}/{name}.db")
        with opened.reading() as connection:
            shapes.append(shape(connection))
        opened.engine.dispose()
    assert shapes[0] == shapes[1]


def test_the_tables_of_others_are_left_alone(url: str) -> None:
    opened = Database(url)
    with opened.writing() as connection:
        connection.exec_driver_sql("create table items (x int)")
        connection.exec_driver_sql("create table alembic_version (version_num text)")
        connection.exec_driver_sql("insert into alembic_version values ('theirs')")
    opened.engine.dispose()
    again = Database(url)
    with again.reading() as connection:
        assert connection.exec_driver_sql("select * from alembic_version").all() == [("theirs",)]
    again.engine.dispose()


def test_a_store_of_a_newer_version_is_refused(url: str, tmp_path: Path) -> None:
    store = Store(url, tmp_path / "files")
    with store.database.writing() as connection:
        connection.exec_driver_sql(f"update {VERSIONS.name} set version_num = '99'")  # noqa: S608
    store.close()
    with pytest.raises(StoreError) as caught:
        Store(url, tmp_path / "files")
    assert str(caught.value).endswith(
        "a newer version of lstm-trace wrote this store (version 99; this one knows up to 1); update lstm-trace, or "
        "name another store"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "the store's URL cannot be read; expected sqlite:///store.db, or postgresql://user@host/database"),
        ("store.db", "the store's URL cannot be read"),
        ("postgresql://u:secret@h:port/d", "the store's URL cannot be read"),
        ("sqlite://", "a store in SQLite is a file"),
        ("sqlite:///:memory:", "a store in SQLite is a file"),
        ("sqlite:///x.db?mode=secret", "a store in SQLite is a file"),
        ("mysql://u:secret@h/d", "a store is kept in SQLite or PostgreSQL, not in mysql"),
        ("nosuch+driver://u:secret@h/d", "a store is kept in SQLite or PostgreSQL, not in nosuch"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        Database(url)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("a text of some length, which is no database " * 50)
    with pytest.raises(StoreError, match=r"a\.db: file is not a database; name another file"):
        Database(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(
        StoreError, match=r"none/a\.db: unable to open database file; is it a file in an existing folder"
    ):
        Database(f"sqlite:///{tmp_path}/none/a.db")
    with sqlite3.connect(tmp_path / "b.db") as other:
        other.execute("create table lstm_trace_items (x int)")
    other.close()
    with pytest.raises(StoreError, match=r"b\.db: table lstm_trace_items already exists"):
        Database(f"sqlite:///{tmp_path}/b.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_a_server_that_does_not_answer(scheme: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Database(f"{scheme}://me:s3cret@127.0.0.1:9/traces?application_name=s3cret")
    assert str(caught.value).startswith("postgresql://127.0.0.1:9/traces: connection ")
    assert str(caught.value).endswith("; is the server running, and may this user connect?")
    assert "s3cret" not in str(caught.value)


def test_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError) as caught:
        Database("postgresql://me:s3cret@127.0.0.1/traces")
    assert str(caught.value).startswith("a store in PostgreSQL needs the package psycopg, which is not installed: ")
    assert str(caught.value).endswith("'psycopg[binary]>=3.2.1', or keep it in SQLite")


@pytest.mark.few(0)
def test_a_lock_is_waited_for_and_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    with sqlite3.connect(tmp_path / "a.db", isolation_level=None) as other:
        other.execute("begin exclusive")
        with pytest.raises(StoreError, match=r"a\.db: database is locked; may it be written\?"):
            Database(f"sqlite:///{tmp_path}/a.db")
        other.execute("commit")
    other.close()
    Database(f"sqlite:///{tmp_path}/a.db").engine.dispose()


def test_readers_and_the_writer_of_sqlite_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    opened = Database(f"sqlite:///{tmp_path}/a.db")
    count = "select count(*) from lstm_trace_store"
    with opened.reading() as reader:
        assert reader.exec_driver_sql(count).scalar() == 1
        with opened.writing() as writer:
            writer.exec_driver_sql("insert into lstm_trace_store values ('x')")
        assert reader.exec_driver_sql(count).scalar() == 1
    with opened.reading() as reader:
        assert reader.exec_driver_sql(count).scalar() == 2
    opened.engine.dispose()


def test_beside_what_the_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("sqlite:///store.db")
    assert store.folder == tmp_path / "store.files"
    assert {path.name for path in tmp_path.iterdir()} >= {"store.db", "store.files"}
    monkeypatch.chdir("/")
    assert store.find() == ([], 0)
    store.close()
