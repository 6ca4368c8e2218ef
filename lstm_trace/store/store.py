"""The store: items (a problem, trace or model file, with what is known of it), found by words, kind and tag."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from ..errors import TooLargeError, counted
from . import files
from .database import ITEMS, STORE, TAGS, Database
from .files import LostFileError, UnknownItemError, Upload

#: How many items are kept, unless the caller says otherwise.
MOST_ITEMS = 100_000

#: A file that is kept, as the API shows it. missing: its row exists but its file does not: removed, or elsewhere.
Item = dict[str, Any]


class Store:
    """Items in a database, their files in a folder; several servers may use one. Every method waits for the disk.

    most_items: how many are kept. missing: ids of items whose file was missing at the start.
    """

    def __init__(self, url: str, folder: str | Path | None = None, most_items: int = MOST_ITEMS) -> None:
        """Open the store, make or update its tables, and remove what killed servers have left.

        Args:
            url: `sqlite:///store.db`, or `postgresql://user@host/database`.
            folder: of the files; by default next to the SQLite file, otherwise `lstm-trace.files`.
            most_items: how many are kept.

        Raises:
            StoreError: if the database or folder cannot be used, or do not belong together.
        """
        self.database = Database(url)
        beside = Path(str(self.database.url.database)).with_suffix(".files")
        self.folder = Path(folder or (beside if self.database.is_sqlite else "lstm-trace.files")).absolute()
        self.most_items = most_items
        try:
            with self.database.reading() as connection:
                own = connection.scalars(sa.select(STORE.c.id)).one()
            files.claim(self.folder, own)
            self.missing = files.sweep(self.folder, self._ids)
        except BaseException:
            self.close()
            raise
        if self.missing:
            text = "%s: the files of %s that the library lists are not here; were they moved?"
            logging.getLogger(__name__).warning(text, self.folder, counted(len(self.missing), "item"))

    def close(self) -> None:
        """Close the connections."""
        self.database.engine.dispose()

    # -- coming in -----------------------------------------------------------------------------------------------

    def part(self, most: int | None = None) -> Upload:
        """A new file, as a context: to be written and then given to `keep`; removed at the end otherwise.

        most: bytes.
        """
        return Upload(self.folder, most)

    def keep(self, new: Upload, facts: dict[str, Any], label: str, title: str = "", tags: Iterable[str] = ()) -> Item:
        """Keep a file that has been written, only once: the same bytes, read the same way, are one item.

        Args:
            new: from `part`.
            facts: what `runs.inspecting.inspect` found: kind, title, cell, sizes, suffix.
            label: the client's name of the file.
            title: that of the facts by default, or else the label; the title of a file that exists already is not
                changed.
            tags: up to 20.

        Returns:
            The item, with the id of `new`; or the item that has this file already, with the tags of both, and with its
            file restored if it was missing or damaged.

        Raises:
            OptionError: for a title or tag that is not accepted. TooLargeError: if the store is full. StoreError.
        """
        label = files.as_label(label)
        own = files.seen(str(facts["title"]))[: files.MOST_TITLE].strip() or label
        title, named, cell = files.checked_title(title) or own, files.checked_tags(tags), str(facts["cell"])
        suffix = facts["suffix"] if facts["suffix"] in files.SUFFIXES else ""
        row = {"id": new.id, "kind": facts["kind"], "title": title, "label": label, "cell": cell, "suffix": suffix}
        row |= {"sizes": dict(facts["sizes"]), "bytes": new.bytes, "sha256": new.sha256}
        row |= {"words": files.folded(title, label, cell, *named), "created": datetime.now(UTC).replace(tzinfo=None)}
        target = new.placed(suffix)
        # if the database fails, the row may exist all the same: the file stays, and the next start decides
        with self.database.writing() as connection:
            self.database.lock(connection)  # until the end of the transaction nobody else keeps the same file
            same = ITEMS.select().where(ITEMS.c.sha256 == new.sha256, ITEMS.c.suffix == suffix).with_for_update()
            if old := connection.execute(same.order_by(ITEMS.c.created, ITEMS.c.id)).first():
                target.replace(self._file(old))  # it may be missing or damaged; if not, they are equal
                more = files.checked_tags([*self._tags(connection, [old.id])[old.id], *named])
                return self._changed(connection, old, old.title, more)
            if _count(connection) >= self.most_items:
                target.unlink()
                raise TooLargeError(f"the library holds {self.most_items:,} items, the most that it keeps; delete some")
            connection.execute(ITEMS.insert().values(row))
            _tag(connection, new.id, named)
            return self._shown(connection, [self._row(connection, new.id)])[0]

    # -- what is there -------------------------------------------------------------------------------------------

    def item(self, id: str) -> Item:
        """One item. Raises UnknownItemError."""
        with self.database.reading() as connection:
            return self._shown(connection, [self._row(connection, id)])[0]

    def path(self, id: str) -> Path:
        """The path of the file of an item. Raises UnknownItemError, and LostFileError if the file is missing."""
        with self.open(id) as file:
            return Path(file.name)

    def open(self, id: str) -> BinaryIO:
        """The file of an item, which can be read to its end even if it is deleted meanwhile. Raises as `path`."""
        with self.database.reading() as connection:
            row = self._row(connection, id)
        try:
            file = open(self._file(row), "rb")  # noqa: SIM115 - the caller closes it
        except (FileNotFoundError, IsADirectoryError):
            lost = "is missing in the folder of the library"
        else:
            if (found := os.fstat(file.fileno()).st_size) == row.bytes:
                return file
            file.close()
            lost = f"was changed in the folder of the library: it has {found:,} bytes, and had {row.bytes:,}"
        raise LostFileError(f"the file of {row.label!r} {lost}; upload it again")

    def find(
        self, search: str = "", kind: str = "", tag: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[list[Item], int]:
        """Items, newest first, and how many there are in all.

        Args:
            search: words that must all occur in title, label, tags or cell, ignoring case.
            kind: `problem`, `trace` or `model`; all if empty.
            tag: a whole tag; all if empty.
            limit: the most items.
            offset: how many to skip first.
        """
        fits = [ITEMS.c.words.contains(files.folded(word), autoescape=True) for word in files.seen(search).split()]
        if kind:
            fits.append(ITEMS.c.kind == kind)
        if tag:
            fits.append(ITEMS.c.id.in_(sa.select(TAGS.c.item).where(TAGS.c.tag == files.seen(tag))))
        newest = ITEMS.select().where(*fits).order_by(ITEMS.c.created.desc(), ITEMS.c.id.desc())
        with self.database.reading() as connection:
            rows = connection.execute(newest.limit(limit).offset(offset)).all()
            return self._shown(connection, rows), _count(connection, *fits)

    # -- changes -------------------------------------------------------------------------------------------------

    def update(self, id: str, title: str | None = None, tags: Iterable[str] | None = None) -> Item:
        """Change title or tags; None leaves them. Raises UnknownItemError, and OptionError for what is not accepted."""
        new_title = None if title is None else files.checked_title(title)
        new_tags = None if tags is None else files.checked_tags(tags)
        with self.database.writing() as connection:
            old = self._row(connection, id, lock=True)
            shown = old.title if new_title is None else new_title or old.label
            return self._changed(connection, old, shown, new_tags)

    def delete(self, id: str) -> None:
        """Delete an item: first its row, then its file. Raises UnknownItemError."""
        with self.database.writing() as connection:
            old = self._row(connection, id, lock=True)
            connection.execute(ITEMS.delete().where(ITEMS.c.id == id))
        with suppress(OSError):  # open elsewhere, on Windows: a later start removes it
            self._file(old).unlink()

    # -- rows ----------------------------------------------------------------------------------------------------

    def _row(self, connection: Connection, id: str, lock: bool = False) -> Row[Any]:
        asked = ITEMS.select().where(ITEMS.c.id == id)
        found = connection.execute(asked.with_for_update() if lock else asked).first() if files.is_id(id) else None
        if found is None:
            raise UnknownItemError(f"the library has no item {id!r}; it may have been deleted")
        return found

    def _changed(self, connection: Connection, old: Row[Any], title: str, tags: Sequence[str] | None) -> Item:
        """An item whose title and tags have been changed; None leaves the tags."""
        if tags is not None:
            connection.execute(TAGS.delete().where(TAGS.c.item == old.id))
            _tag(connection, old.id, tags)
        tags = self._tags(connection, [old.id])[old.id]
        changed = {"title": title, "words": files.folded(title, old.label, old.cell, *tags)}
        connection.execute(ITEMS.update().where(ITEMS.c.id == old.id).values(changed))
        return self._shown(connection, [self._row(connection, old.id)])[0]

    def _tags(self, connection: Connection, ids: Iterable[str]) -> dict[str, list[str]]:
        """The tags of some items."""
        tags: dict[str, list[str]] = {id: [] for id in ids}
        asked = sa.select(TAGS.c.item, TAGS.c.tag).where(TAGS.c.item.in_(tags)).order_by(TAGS.c.tag)
        for own, tag in connection.execute(asked):
            tags[own].append(tag)
        return tags

    def _shown(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[Item]:
        tags = self._tags(connection, [row.id for row in rows])
        return [
            {name: row._mapping[name] for name in ("id", "kind", "title", "label", "cell", "sizes", "bytes", "sha256")}
            | {"tags": tags[row.id], "created": f"{row.created.isoformat(timespec='microseconds')}Z"}
            | {"missing": not self._file(row).is_file()}
            for row in rows
        ]

    def _file(self, row: Row[Any]) -> Path:
        return self.folder / f"{row.id}{row.suffix}"

    def _ids(self) -> set[str]:
        with self.database.reading() as connection:
            return set(connection.scalars(sa.select(ITEMS.c.id)))


def _count(connection: Connection, *fits: sa.ColumnElement[bool]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(ITEMS).where(*fits)) or 0)


def _tag(connection: Connection, id: str, tags: Sequence[str]) -> None:
    if tags:
        connection.execute(TAGS.insert(), [{"item": id, "tag": tag} for tag in tags])
