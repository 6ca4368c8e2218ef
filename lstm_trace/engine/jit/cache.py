"""Machine code that is kept on disk between runs: in a directory that nobody else can write to, or nowhere.

An entry is native code that will run, so what matters is who can have written it. That is a matter of ownership and
mode: the directory is the user's own, closed to others and no link, and so is the entry, a plain file. A digest covers
the entry and its name, so that a file that was cut off, changed or put under another name is not used. Its key is drawn
at random for each directory, so that what was not written here (junk makes LLVM end the process) has no right digest
either. The key lies beside the entries: it keeps out no one with the user's rights, who needs no cache to run code.
Entries are named by all that they depend on, written under another name and renamed. Nothing here raises: without a
cache everything is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from ...base.writing import open_own

#: Names another directory; an empty value turns the cache off.
VARIABLE = "LSTM_TRACE_CACHE"
#: Entries that are kept; the older half goes when there are more. Each is some 8 kB.
MOST = 1024
#: Bytes that an entry may have; what is larger was not written here.
MOST_BYTES = 1 << 24
#: The file of the digests' key.
KEY = "key"
_DIGEST = 32  # bytes of a digest, and of its key


def directory() -> Path | None:
    """Where machine code is kept, made where it is not there; None where there is no safe place."""
    chosen = os.environ.get(VARIABLE)
    if chosen == "":
        return None
    try:
        place = Path(chosen) if chosen else _usual()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place if _ours(place) else None
    except (OSError, RuntimeError, ValueError):
        return None


def _usual() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "lstm-trace" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lstm-trace"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lstm-trace"


def _ours(place: Path) -> bool:
    """Whether this user owns the directory and nobody else may write to it."""
    state = os.lstat(place)
    return stat.S_ISDIR(state.st_mode) and _closed(state)


def _closed(state: os.stat_result) -> bool:
    """Whether this user owns it and nobody else may write to it."""
    if sys.platform == "win32":
        return True  # under the user's profile: its access list is the profile's
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def name(*parts: str) -> str:
    """The name of an entry that depends on `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".o"


def read(place: Path | None, entry: str) -> bytes | None:
    """The entry's bytes; None where it is not there, not ours or damaged."""
    if place is None:
        return None
    data, key = _content(place / entry, MOST_BYTES), _content(place / KEY, _DIGEST)
    if data is None or key is None or len(key) != _DIGEST:
        return None
    digest, body = data[:_DIGEST], data[_DIGEST:]
    return body if body and _digest(key, entry, body) == digest else None


def _content(path: Path, most: int) -> bytes | None:
    """What a plain file of ours holds; None where it is none, or has more than `most` bytes."""
    try:
        handle = open_own(path)
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode) or not _closed(state) or state.st_size > most:
                return None
            return file.read(most)
    except OSError:
        return None


def _digest(key: bytes, entry: str, body: bytes) -> bytes:
    return hashlib.blake2b(entry.encode() + b"\0" + body, key=key, digest_size=_DIGEST).digest()


def _key(place: Path) -> bytes:
    """The key of a directory, drawn where there is none that can be used; then no entry of before is used either."""
    key = _content(place / KEY, _DIGEST)
    if key is None or len(key) != _DIGEST:
        key = os.urandom(_DIGEST)
        _put(place, KEY, key)
    return key


def write(place: Path | None, entry: str, body: bytes) -> None:
    """Keep an entry; another process that writes the same one meanwhile does no harm."""
    if place is None:
        return
    with suppress(OSError):
        _put(place, entry, _digest(_key(place), entry, body) + body)
        _tidy(place)


def _put(place: Path, name: str, data: bytes) -> None:
    """Write a file, whole or not at all, readable by us alone."""
    import tempfile  # takes longer to import than to read an entry

    handle, temporary = tempfile.mkstemp(prefix=name[:16], suffix=".part", dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, place / name)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _tidy(place: Path) -> None:
    """Remove the older half of the entries where there are too many."""
    entries = [found for found in os.scandir(place) if found.name.endswith((".o", ".part"))]
    if len(entries) > MOST:
        for found in sorted(entries, key=lambda e: e.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            Path(found.path).unlink(missing_ok=True)
