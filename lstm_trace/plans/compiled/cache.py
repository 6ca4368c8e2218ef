"""Machine code that is kept on disk between runs: in a directory that nobody else can write to, or nowhere.

An entry is native code that will run, so that the directory must be the user's own, closed to others, and no link.
Entries are named by all that they depend on, written under another name and renamed, and begin with a digest: what is
incomplete or damaged is not used. Nothing here raises: without a cache everything is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

#: Names another directory; an empty value turns the cache off.
VARIABLE = "LSTM_TRACE_CACHE"
#: Entries that are kept; the older half goes when there are more. Each is some 8 kB.
MOST = 1024
_DIGEST = hashlib.sha256().digest_size


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
    """Whether this user owns it and nobody else may write to it."""
    state = os.lstat(place)
    if not stat.S_ISDIR(state.st_mode):
        return False
    if sys.platform == "win32":
        return True  # a directory under the user's profile: its access list is the profile's
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def name(*parts: str) -> str:
    """The name of an entry that depends on `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".o"


def read(place: Path | None, entry: str) -> bytes | None:
    """The entry's bytes; None where it is not there, not ours or damaged."""
    if place is None:
        return None
    try:
        handle = os.open(place / entry, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode) or (sys.platform != "win32" and state.st_uid != os.geteuid()):
                return None
            data = file.read()
    except OSError:
        return None
    digest, body = data[:_DIGEST], data[_DIGEST:]
    return body if body and hashlib.sha256(body).digest() == digest else None


def write(place: Path | None, entry: str, body: bytes) -> None:
    """Keep an entry; another process that writes the same one meanwhile does no harm."""
    if place is None:
        return
    import tempfile  # takes longer to import than to read an entry

    with suppress(OSError):
        handle, temporary = tempfile.mkstemp(prefix=entry[:16], suffix=".part", dir=place)  # readable by us alone
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            os.replace(temporary, place / entry)
            _tidy(place)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise


def _tidy(place: Path) -> None:
    """Remove the older half of the entries where there are too many."""
    entries = [found for found in os.scandir(place) if found.name.endswith((".o", ".part"))]
    if len(entries) > MOST:
        for found in sorted(entries, key=lambda e: e.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            Path(found.path).unlink(missing_ok=True)
