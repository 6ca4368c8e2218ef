"""Writing files: whole or not there, never over what is read, and sealed where a format has no checksum of its own.

A file is written beside its target, `.NAME.lstm-trace-xxxxxxxx.part`, and renamed when it is whole; a workbook keeps
its rows meanwhile in a folder `….rows`, and the service looks at a file in a folder `….look`. Killed writers leave
these behind. A writer holds a lock (flock) on what it writes as long as it lives; the system lifts it however it ends.
So the next writer of the same file can tell leftovers from what is being written, and removes the former. Where a file
system has no locks nothing is removed. Windows has none of this kind, but lets nobody remove an open file. The names
say whose they are: a browser, say, keeps a `….part` of its own while it loads NAME.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from ..errors import FileError, reason

if sys.platform != "win32":
    import fcntl


def format_of(path: str | Path, formats: Mapping[str, str], what: str, otherwise: str, more: str = "") -> str:
    """The format in which a file is written: that of its suffix.

    formats: suffix to format. what: what is written, in the plural, for the message. otherwise: the format for standard
    output ('-'), and for a device or pipe, which has no suffix. more: how else to say the format, to end the message.

    Raises FileError for a suffix that is not among `formats`, with the list.
    """
    if str(path) == "-" or is_device(path):
        return otherwise
    suffix = Path(path).suffix.lower()
    if suffix not in formats:
        found = f"not {suffix}" if suffix else "and this name has no suffix"
        raise FileError(f"{path}: {what} are written as {', '.join(formats)}, {found}{more}")
    return formats[suffix]


def is_device(path: str | Path) -> bool:
    """Whether something stands there that takes text and is no file: a device, a pipe."""
    there = Path(path)
    return there.exists() and not there.is_file() and not there.is_dir()


def destination(path: str | Path) -> Path:
    """The file that is written under a name: what a link leads to. Raises FileError for a link to itself."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise FileError(f"{path}: a link that leads to itself; write to another file")
    return target


@contextmanager
def written(path: str | Path, mode: str = "w", durable: bool = False) -> Iterator[IO[Any]]:
    """A file to write that appears under its name only when it is whole; '-' is standard output.

    durable: what is there stays there when the machine fails. Without it a renamed file may come back empty, since
    many file systems write the name before the content.
    What killed writers of the same file have left beside it is removed.
    Raises FileError where the folder cannot be written, or a device takes no more.
    """
    if str(path) == "-":
        if "b" in mode:
            yield sys.stdout.buffer
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):  # the files are UTF-8, whatever the terminal is
                sys.stdout.reconfigure(encoding="utf-8")
            yield sys.stdout
        return
    if is_device(path):  # it is not replaced
        try:
            with open(path, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
        except BrokenPipeError:  # its reader has seen enough
            raise
        except OSError as error:
            if error.errno is None or (error.filename and str(error.filename) != str(path)):  # it is not of this file
                raise
            raise FileError(f"{path}: {reason(error)}") from None
        return
    target = destination(path)  # a link stays, what it leads to is written
    try:
        encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
        with part(target) as (handle, name):
            # a temporary file is private to its owner; the finished one gets the mode that open() would have given
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(name, target)
            if durable:
                with suppress(OSError):
                    flush_names(target.parent)
    except OSError as error:
        elsewhere = error.filename and Path(error.filename).parent != target.parent
        if error.errno is None or elsewhere:  # it is not of this file
            raise
        raise FileError(f"{path}: {reason(error)}") from None


def flush_names(folder: Path) -> None:
    """Let the disk know of new names in a folder. Windows has no handles of folders, and needs none. Raises OSError."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# -- beside the target ------------------------------------------------------------------------------------------------

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
    handle, name, lock = _claimed(target, ".part")
    try:
        yield handle, name
    finally:
        with suppress(OSError):
            os.unlink(name)
        _close(lock)  # only now: between closing and renaming the file is nobody's leftover


@contextmanager
def folder(target: Path, suffix: str) -> Iterator[str]:
    """A new folder beside `target` that is gone at the end, locked until then. Raises OSError."""
    _, name, lock = _claimed(target, suffix)
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)
        _close(lock)


def _claimed(target: Path, suffix: str) -> tuple[int, str, int]:
    """A new file (`.part`) or folder beside `target`: its handle, its name, and a second handle that holds the lock.

    A handle that there is not is -1: a folder has only the second, on Windows none.
    """
    name = target.name
    while len(os.fsencode(name)) > MOST_NAME:  # two names that begin alike share it: only what is dead is removed
        name = name[:-1]
    prefix, where = f".{name}.lstm-trace-", str(target.parent)
    _sweep(target.parent, re.escape(prefix))
    while True:
        if suffix == ".part":
            handle, name = tempfile.mkstemp(suffix, prefix, where)
        else:
            handle, name = -1, tempfile.mkdtemp(suffix, prefix, where)
        lock = -1
        with suppress(FileNotFoundError):  # another writer may have removed it before it was locked
            if handle >= 0 or sys.platform != "win32":
                lock = os.dup(handle) if handle >= 0 else open_own(name)
            if not _locked(lock, wait=True) or os.path.samestat(os.fstat(lock), os.lstat(name)):
                return handle, name, lock
        _close(handle)
        _close(lock)


def _close(handle: int) -> None:
    if handle >= 0:
        os.close(handle)


def sweep_folder(folder: Path) -> None:
    """Remove what all writers in a folder that are gone have left. Raises nothing: no caller came for that."""
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
    free = True
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:  # otherwise there are no locks here
            free = not isinstance(error, BlockingIOError)
        yield free
    finally:
        os.close(handle)


# -- never over an input --------------------------------------------------------------------------------------------


def spare(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise FileError where `output` is one of the files `inputs`, by whatever name or link: it would be lost.

    '-' is the file that the shell has opened as standard output, or input.
    """
    target = _identity(output, 1)
    for source in inputs:
        if target is not None and target == _identity(source, 0):
            also = "" if str(source) == str(output) else f" {source} by another name,"
            raise FileError(f"{output}: this is{also} an input, which would be lost; write to another file")


#: The files that a command is about to write, for files that it meets on the way: those that a problem names.
_OUTPUTS: ContextVar[tuple[str | Path, ...]] = ContextVar("outputs", default=())


@contextmanager
def sparing(outputs: Iterable[str | Path]) -> Iterator[None]:
    """While `outputs` are to be written, `read_from` refuses to read them."""
    token = _OUTPUTS.set((*_OUTPUTS.get(), *outputs))
    try:
        yield
    finally:
        _OUTPUTS.reset(token)


def read_from(path: str | Path) -> None:
    """Raise FileError where a file that is about to be read is one that a command is going to write."""
    for output in _OUTPUTS.get():
        spare(output, [path])


def _identity(path: str | Path, standard: int) -> tuple[int, int] | None:
    """What two names of one file have in common; None where nothing could be lost: no file yet, a terminal, a pipe."""
    try:
        found = os.fstat(standard) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


# -- seals -----------------------------------------------------------------------------------------------------------

# The seal of a file: its length and a checksum of all its bytes, in its own metadata, so that a copy has it as well.
# Parquet has checksums of pages, which leave out their headers and the footer, and .safetensors has none.

#: CRC-32, as of the pages: any flipped bit changes it, and 47 MB take 0.02 s, a fifth of writing them (SHA-256: 0.04).
_SEAL = "sealed size={:013} crc32={:08x}"
#: What a file has in its metadata until it is sealed; it occurs there alone.
OPEN = _SEAL.format(0, 0)
_MARK, _LENGTH = OPEN.partition("=")[0].encode(), len(OPEN)


def seal(file: IO[bytes], last: bool) -> None:
    """Seal a whole file, which is open for reading and writing. last: whether its metadata are at its end."""
    file.flush()
    with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        at, size = _place(content, last), len(content)
        found = _sealed(content, at)
    file.seek(at)
    file.write(found)
    file.seek(size)


def is_sealed(path: Path, last: bool) -> bool | None:
    """Whether a file is as it was sealed; None where it has no seal. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:  # nothing to map
            return False
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            at = _place(content, last)
            return None if at < 0 else content[at : at + _LENGTH] == _sealed(content, at)


def has_size(said: str, size: int) -> bool:
    """Whether a file of so many bytes is as long as its seal says."""
    return said[: -len(f"{0:08x}")] == _SEAL.format(size, 0)[: -len(f"{0:08x}")]


def _place(content: mmap, last: bool) -> int:
    return content.rfind(_MARK) if last else content.find(_MARK)


def _sealed(content: mmap, at: int) -> bytes:
    """The seal of what stands around it."""
    with memoryview(content) as every:
        found = crc32(every[:at])
        found = crc32(_SEAL.format(len(every), 0).encode(), found)
        return _SEAL.format(len(every), crc32(every[at + _LENGTH :], found)).encode()
