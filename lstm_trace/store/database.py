"""The database of a store: SQLite or PostgreSQL by URL, with its tables, and messages for errors.

The names of the tables begin with ours, since a PostgreSQL database may have other users. A change of the tables
needs another VERSION, and SQL in `_make_tables` that upgrades a database of the previous version.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from ..base.extras import missing
from ..base.packaged import packaged
from .files import StoreError

METADATA = sa.MetaData()
#: The version of the tables, in a table with one row.
VERSION = "1"
VERSIONS = sa.Table("lstm_trace_version", METADATA, sa.Column("version_num", sa.String(32), primary_key=True))

#: One row, made with the tables: the folder of files has the same id in its file `.store`.
STORE = sa.Table("lstm_trace_store", METADATA, sa.Column("id", sa.String(36), primary_key=True))

#: created: UTC. words: what a search looks through, folded (`folded`): the databases fold only ASCII, or not at all.
ITEMS = sa.Table(
    "lstm_trace_items",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("cell", sa.Text, nullable=False),
    sa.Column("sizes", sa.JSON, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("suffix", sa.String(16), nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Index("lstm_trace_items_newest", "created", "id"),
    sa.Index("lstm_trace_items_kind", "kind", "created", "id"),
    sa.Index("lstm_trace_items_sha256", "sha256"),
)

TAGS = sa.Table(
    "lstm_trace_tags",
    METADATA,
    sa.Column("item", sa.ForeignKey("lstm_trace_items.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.String(40), primary_key=True),
    sa.Index("lstm_trace_tags_tag", "tag", "item"),
)


#: Seconds for which a server waits for another's lock, or for a database to answer at all.
PATIENCE = 30
#: The number of our advisory lock in PostgreSQL: the letters "lstm".
LOCK = 0x6C73746D
#: What to check, by what SQLite says.
_ADVICE: dict[str, str] = packaged("service/tables.toml")["sqlite"]
FORMS = "sqlite:///store.db, or postgresql://user@host/database"


class Database:
    """An engine, opened, with its tables. name: how messages refer to it, without user and password.

    Later errors are reported on stderr, where the log is; a client is told only that the database does not answer.
    """

    def __init__(self, url: str) -> None:
        """Connect, and make the missing tables. Raises StoreError."""
        self.url = where = _understood(url)
        port = f":{where.port}" if where.port else ""
        named = f"postgresql://{where.host or ''}{port}/{where.database or ''}"
        self.name = str(where.database) if self.is_sqlite else named
        self._open = False
        self.engine = self._engine()
        try:
            with self.as_store_error():
                if self.is_sqlite:
                    self._use_write_ahead_log()
                with self.writing() as connection:
                    self.lock(connection)
                    _make_tables(connection, self.name)
        except BaseException:
            self.engine.dispose()
            raise
        self._open = True

    @property
    def is_sqlite(self) -> bool:
        """Whether it is one file on this machine."""
        return self.url.get_backend_name() == "sqlite"

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one consistent state. Raises StoreError."""
        return self._transaction(**({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}))

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is committed as a whole, unless something is raised within. Raises StoreError."""
        return self._transaction(begin="BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, **options: Any) -> Iterator[Connection]:
        with (
            self.as_store_error(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def lock(self, connection: Connection) -> None:
        """Wait until no other server is in such a part of a transaction.

        SQLite has only one writer at a time anyway.
        """
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))

    @contextmanager
    def as_store_error(self) -> Iterator[None]:
        """Raise a StoreError for what a database reports when it cannot be used."""
        try:
            yield
        except DBAPIError as error:
            said = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
            advice = "is the server running, and may this user connect?"
            if self.is_sqlite:
                advice = next((advice for part, advice in _ADVICE.items() if part in said), "may it be written?")
            raise self._fault(f"{said}; {advice}") from None
        except SQLAlchemyError as error:  # no connection is free, or the tables are foreign
            raise self._fault(str(error).splitlines()[0]) from None

    def _fault(self, said: str) -> StoreError:
        if not self._open:
            return StoreError(f"{self.name}: {said}")
        logging.getLogger(__name__).error("%s: %s", self.name, said)
        return StoreError("the library's database does not answer; the messages of the server say why")

    def _engine(self) -> Engine:
        waits = {"timeout": PATIENCE} if self.is_sqlite else {"connect_timeout": 10}
        try:
            # a server that was restarted has closed the pooled connections: each is tested before its use
            engine = sa.create_engine(self.url, connect_args=waits, pool_pre_ping=True, max_overflow=15)
        except ModuleNotFoundError:
            raise StoreError(missing("a store in PostgreSQL", "psycopg", "keep it in SQLite")) from None
        if self.is_sqlite:
            sa.event.listen(engine, "connect", _own_transactions)
            sa.event.listen(engine, "begin", _begin)
        return engine

    def _use_write_ahead_log(self) -> None:
        """Readers and the one writer then do not wait for each other. The change itself waits for no lock."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with self.engine.connect().execution_options(begin="") as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
            except OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.05)


def _own_transactions(connection: Any, _record: Any) -> None:
    """A connection of SQLite whose transactions begin where SQLAlchemy says: the driver omits some statements."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    """Begin as the execution option says. A writer takes its lock at once: a reader that became one would not wait."""
    if statement := connection.get_execution_options().get("begin", "BEGIN"):
        connection.exec_driver_sql(statement)


def _understood(url: str) -> URL:
    """The URL with the driver that we use. Raises StoreError, which does not quote it: it may hold a password."""
    try:
        found = make_url(url)
        backend = found.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise StoreError(f"the store's URL cannot be read; expected {FORMS}") from None
    if backend == "postgres":
        found, backend = found.set(drivername="postgresql"), "postgresql"
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(f"a store is kept in SQLite or PostgreSQL, not in {backend}; expected {FORMS}")
    if backend == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    if found.database in (None, "", ":memory:") or found.query:
        raise StoreError(f"a store in SQLite is a file; expected {FORMS}")
    return found.set(drivername="sqlite", database=str(Path(str(found.database)).absolute()))


def _make_tables(connection: Connection, name: str) -> None:
    """Make the tables, unless they exist. Raises StoreError if they are of a version that we do not know."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(STORE.insert().values(id=str(uuid4())))
        connection.execute(VERSIONS.insert().values(version_num=VERSION))
    elif unknown := set(connection.scalars(sa.select(VERSIONS.c.version_num))) - {VERSION}:
        said = f"(version {', '.join(sorted(unknown))}; this one knows up to {VERSION})"
        said = f"a newer version of lstm-trace wrote this store {said}"
        raise StoreError(f"{name}: {said}; update lstm-trace, or name another store")
