"""The folder of a store: files that are either complete or absent, named by the id of their item; labels, titles, tags.

A file is written as `.<id>.part`, flushed to the disk and renamed to `<id><suffix>`; its row is added after that. A
row is deleted before its file. So whatever a killed server leaves behind has no row, and `sweep` removes it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ..base.writing import flush_names
from ..errors import LstmTraceError, OptionError, TooLargeError, counted, raise_all, reason
from ..weights.read import READERS


class StoreError(LstmTraceError):
    """The database or the folder cannot be opened, or does not answer: no request was wrong."""


class UnknownItemError(LstmTraceError):
    """The library has no item with that id."""


class LostFileError(LstmTraceError):
    """The library has the item, but its file is missing."""


#: Characters of a title and of a tag, tags of an item, bytes of a label (a file's name may have 255 on most systems).
MOST_TITLE, MOST_TAG, MOST_TAGS, MOST_LABEL = 200, 40, 20, 200
_MOST_SUFFIX = 16
_JOINER = "\u200d"  # of emoji; the only character without a shape of its own that stays


def seen(text: str) -> str:
    r"""The text on one line, with U+FFFD for every control character (including marks of direction).

    >>> seen(" a\u00a0b\n c\u200f\x00 ")
    'a b c��'
    """
    return "".join(c if c.isprintable() or c == _JOINER else "\ufffd" for c in " ".join(text.split()))


def as_label(text: str) -> str:
    r"""A client's name of a file as one that can be shown, and that can name a file in a folder of its own.

    >>> as_label("../../etc/passwd"), as_label(r"C:\nets\a.npz"), as_label(".."), as_label("x" * 300 + ".npz")[-9:]
    ('passwd', 'a.npz', 'file', 'xxxxx.npz')
    """
    name = seen(re.split(r"[/\\]", text)[-1])
    stem, dot, end = name.rpartition(".")
    if not dot or len(end.encode()) > _MOST_SUFFIX:
        stem, end = name, ""
    stem = stem.lstrip(".- ") or "file"
    suffix = f".{end}" if end else ""
    while len((stem + suffix).encode()) > MOST_LABEL:
        stem = stem[:-1]
    return stem + suffix


def folded(*texts: str) -> str:
    """Texts as a search compares them: ignoring case, wide forms and ligatures."""
    return "\n".join(unicodedata.normalize("NFKC", text).casefold() for text in texts)


def checked_title(title: str) -> str:
    """A title as it is stored. Raises OptionError."""
    title = title.strip()
    raise_all(OptionError, _faults(title, "the title", MOST_TITLE))
    return title


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored: each once, sorted. Raises OptionError with every fault."""
    found = sorted({tag.strip() for tag in tags} - {""})
    problems = [problem for tag in found for problem in _faults(tag, f"the tag {seen(tag)[:60]!r}", MOST_TAG)]
    problems += [f"a tag has no comma: {seen(tag)!r}" for tag in found if "," in tag]
    if len(found) > MOST_TAGS:
        problems.append(f"{counted(len(found), 'tag')}; an item has at most {MOST_TAGS}")
    raise_all(OptionError, problems)
    return tuple(found)


def _faults(text: str, what: str, most: int) -> list[str]:
    long = f"{what} has {len(text):,} characters; at most {most} are kept" if len(text) > most else ""
    odd = f"{what} has a character that cannot be shown, or lines or spaces beyond one; write it plainly"
    return [*filter(None, (long, odd if text != seen(text) else ""))]


#: Suffixes that a file may keep: the readers go by them. Files with another suffix are read by their content.
SUFFIXES = frozenset((".yaml", ".yml", ".json", ".toml", *READERS))
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_OURS = re.compile(rf"\.{_ID}\.part|({_ID})(?:\.[a-z0-9]+)?")
#: Seconds after which a file without a row is a leftover: another server may be between the file and its row.
OLD = 3600.0
MARK = ".store"
_KEPT = "the file cannot be kept"


def is_id(text: str) -> bool:
    """Whether a text could be the id of an item."""
    return re.fullmatch(_ID, text) is not None


class Upload(AbstractContextManager["Upload"]):
    """A file on its way into the folder: counted and hashed as it is written, limited in size, gone unless placed."""

    def __init__(self, folder: Path, most: int | None = None) -> None:
        """Open it. most: bytes. Raises StoreError."""
        self.id = str(uuid4())
        self.path = folder / f".{self.id}.part"
        self.bytes = 0
        self._most, self._hash = most, hashlib.sha256()
        with as_store_error(_KEPT):
            self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115 - closed with the context

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it, unless it was placed."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The hash of what has been written."""
        return self._hash.hexdigest()

    def write(self, content: bytes) -> None:
        """Add to the file. Raises TooLargeError, and StoreError if the disk is full."""
        self.bytes += len(content)
        if self._most is not None and self.bytes > self._most:
            raise TooLargeError(f"the file has more than {self._most:,} bytes, the most that is accepted")
        self._hash.update(content)
        left = memoryview(content)
        with as_store_error(_KEPT):
            while left:
                left = left[self._file.write(left) :]

    def placed(self, suffix: str) -> Path:
        """The file under its own name, on the disk. Raises StoreError."""
        target = self.path.with_name(f"{self.id}{suffix}")
        with as_store_error(_KEPT):
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.path, target)
            flush_names(target.parent)
        return target


@contextmanager
def as_store_error(what: object) -> Iterator[None]:
    """Raise a StoreError for what the file system reports. what: begins the message; a client is told no path."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {reason(error, paths=False)}") from None


def claim(folder: Path, store: str) -> None:
    """Make the folder, and mark it as that of one store.

    Raises StoreError if it belongs to another store: `sweep` would empty it.
    """
    mark = folder / MARK
    if folder.is_file():
        raise StoreError(f"{folder}: expected the folder of the library's files, found a file; name another folder")
    with as_store_error(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mark.exists():
            new = folder / f"{MARK}.{uuid4()}"
            new.write_text(f"{store}\n", "ascii")
            os.replace(new, mark)  # another server of this store may do the same
        found = mark.read_text("utf-8", "replace").strip()
    if found != store:
        raise StoreError(f"{folder}: {MARK} says that these are the files of another store; name another folder")


def sweep(folder: Path, rows: Callable[[], set[str]]) -> list[str]:
    """Remove what killed servers left. rows: gives the ids of all items. Returns those whose file is missing."""
    with as_store_error(folder):
        before, found = time.time() - OLD, _listed(folder)
        ids = rows()  # after the folder was read: what has been added in between is not a leftover
        for name in [name for name, own in found.items() if own not in ids]:
            with suppress(FileNotFoundError):  # another server may remove it as well
                if (folder / name).stat().st_mtime < before:
                    (folder / name).unlink()
        if not (lost := ids.difference(found.values())):
            return []
        lost -= set(_listed(folder).values())
        return sorted(lost & rows())  # a row is deleted before its file: one that still exists has no file


def _listed(folder: Path) -> dict[str, str]:
    """Our files in a folder, name to id; to an empty id if one is incomplete."""
    with os.scandir(folder) as entries:
        return {entry.name: ours[1] or "" for entry in entries if (ours := _OURS.fullmatch(entry.name))}
