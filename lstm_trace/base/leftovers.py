"""What killed writers leave beside a file: `.NAME.lstm-trace-xxxxxxxx.part`, a folder `….rows` of a workbook, and a
folder `….look` in which the service looks at a file.

A writer holds a lock (flock) on what it writes for as long as it lives, and the system lifts it however it ends. So the
next writer of the same file can tell what is left over from what is being written, and removes the former. Where a file
system has no locks nothing is removed. Windows has none of this kind, but lets nobody remove an open file.

The names say whose they are: a browser, say, keeps a `….part` of its own while it loads NAME.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

if sys.platform != "win32":
    import fcntl

#: Bytes of NAME that stand in the name of what is beside it: a name may have 255, on some file systems 143.
MOST_NAME = 100
_FLAGS = ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC")


def open_own(path: str | Path) -> int:
    """The handle of what should be a file or folder of ours: a link is not followed, a pipe not waited for."""
    return os.open(path, sum(getattr(os, flag, 0) for flag in _FLAGS))


@contextmanager
def part(target: Path) -> Iterator[tuple[int, str]]:
    """The handle and the name of a new file beside `target`, private to its owner, locked until the context ends.

    What is still there at the end is removed; the handle is the caller's to close. Raises OSError.
    """
    sweep(target)
    handle, name, held = _claimed(partial(tempfile.mkstemp, **_beside(target, ".part")))
    kept = os.dup(handle) if held else None
    try:
        yield handle, name
    finally:
        with suppress(OSError):
            os.unlink(name)
        if kept is not None:  # only now: between closing and renaming the file is nobody's leftover
            os.close(kept)


@contextmanager
def folder(target: Path, suffix: str) -> Iterator[str]:
    """A new folder beside `target` that is gone at the end, locked until then. Raises OSError."""
    sweep(target)
    handle, name, _ = _claimed(partial(_opened_folder, target, suffix))
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


@contextmanager
def alone(folder: Path, shared: bool = False) -> Iterator[bool]:
    """Whether nobody else holds a folder; then it is held until the context ends, or its process.

    shared: also together with others that share it, and with nobody who holds it alone.

    Two may hold it where there are no locks: on Windows, on some file systems. Raises OSError.
    """
    if sys.platform == "win32":
        yield True
        return
    handle = open_own(folder)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        except OSError:  # no locks here
            free = True
        yield free
    finally:
        os.close(handle)


def sweep(target: Path) -> None:
    """Remove what writers of `target` that are gone have left. Raises nothing: it is not what the caller came for."""
    _sweep(target.parent, re.escape(_prefix(target)))


def sweep_folder(folder: Path) -> None:
    """Remove what all writers in a folder that are gone have left."""
    _sweep(folder, r"\..{1,200}\.lstm-trace-")


def _sweep(folder: Path, prefix: str) -> None:
    names = re.compile(rf"{prefix}[a-z0-9_]{{8}}\.(part|rows|look)")
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.path for entry in entries if names.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove(name)


def _remove(name: str) -> None:
    """Remove a leftover, unless it is locked. Raises OSError."""
    if sys.platform == "win32":
        os.unlink(name)  # fails for one that is open, and for a folder
        return
    handle = open_own(name)
    try:
        state = os.fstat(handle)
        if _locked(handle) and os.path.samestat(state, os.lstat(name)):
            if stat.S_ISDIR(state.st_mode) and name.endswith((".rows", ".look")):
                shutil.rmtree(name)
            elif stat.S_ISREG(state.st_mode) and name.endswith(".part"):
                os.unlink(name)
    finally:
        os.close(handle)


def _locked(handle: int, wait: bool = False) -> bool:
    """Whether the lock was free and is now ours, until every copy of the handle is closed."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another's, or a file system without locks
        return False
    return True


def _claimed(make: Callable[[], tuple[int, str]]) -> tuple[int, str, bool]:
    """What `make` makes, a handle and a name, and whether it is locked."""
    while True:
        handle, name = make()
        if not _locked(handle, wait=True):
            return handle, name, False
        with suppress(FileNotFoundError):  # another writer may have removed it before it was locked
            if os.path.samestat(os.fstat(handle), os.lstat(name)):
                return handle, name, True
        os.close(handle)


def _opened_folder(target: Path, suffix: str) -> tuple[int, str]:
    """A new folder and a handle of it; -1 where folders have none."""
    while True:
        name = tempfile.mkdtemp(**_beside(target, suffix))
        if sys.platform == "win32":
            return -1, name
        with suppress(FileNotFoundError):
            return open_own(name), name


def _beside(target: Path, suffix: str) -> dict[str, str]:
    return {"prefix": _prefix(target), "suffix": suffix, "dir": str(target.parent)}


def _prefix(target: Path) -> str:
    name = target.name
    while len(os.fsencode(name)) > MOST_NAME:  # two names that begin alike share it: only what is dead is removed
        name = name[:-1]
    return f".{name}.lstm-trace-"
