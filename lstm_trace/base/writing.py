"""Writing files: atomically, never over an input, and sealed if the format has no checksum of its own.

A file is written next to its target as `.NAME.lstm-trace-xxxxxxxx.part`, and renamed when it is complete; a workbook
keeps its rows meanwhile in a folder `….rows`, and the service inspects a file in a folder `….look`. Killed writers
leave these behind. A writer holds a lock (flock) on its output for its lifetime; the system releases it however the
process ends. So the next writer of the same file can distinguish leftovers from files that are being written, and
removes them. If a file system has no locks, nothing is removed. Windows has no such locks, but does not let open files
be removed. The names identify their owner: a browser, for example, keeps a `….part` of its own while it downloads NAME.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from ..errors import FileError, LstmTraceError, file_error, reading

if sys.platform != "win32":
    import fcntl


#: A path, or an open stream that takes text or bytes.
Target = str | Path | IO[Any]


def format_of(path: Target, formats: Mapping[str, str], what: str, otherwise: str, more: str = "") -> str:
    """The format in which a file is written, determined by its suffix.

    formats: suffix to format. what: what is written, in the plural, for the message. otherwise: the format for standard
    output ('-'), and for a device or pipe, which has no suffix. more: how else to set the format, to end the message.

    Raises FileError for a suffix that is not in `formats`, with the list, and for an open stream.
    """
    if not isinstance(path, str | Path):
        raise FileError(f"a stream has no suffix: give format=, one of {', '.join(dict.fromkeys(formats.values()))}")
    if str(path) == "-" or is_device(path):
        return otherwise
    if (suffix := Path(path).suffix.lower()) not in formats:
        found = f"not {suffix}" if suffix else "and this name has no suffix"
        raise FileError(f"{path}: {what} are written as {', '.join(formats)}, {found}{more}")
    return formats[suffix]


def is_device(path: Target) -> bool:
    """Whether the path is a device, pipe or stream, which takes text and is not a file."""
    if not isinstance(path, str | Path):
        return True
    there = Path(path)
    with reading(str(path)):
        return there.exists() and not there.is_file() and not there.is_dir()


def destination(path: str | Path) -> Path:
    """The file that is written under a name, after following links. Raises FileError for a link to itself."""
    with reading(str(path)):  # a name may have a character that no file can have
        target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise FileError(f"{path}: a link that leads to itself; write to another file")
    return target


def check_place(path: str | Path) -> None:
    """Raise FileError if no file can be written under a name: before what it will contain is computed."""
    if str(path) != "-" and not is_device(path):
        with reading(str(path)), part(destination(path)) as (handle, _):
            os.close(handle)


@contextmanager
def written(path: Target, mode: str = "w", durable: bool = False) -> Iterator[IO[Any]]:
    """A file that appears under its name only when it is complete; '-' is standard output, and a stream stays open.

    durable: make sure that the file survives a failure of the machine. Otherwise a renamed file may be empty
    afterwards, since many file systems write the name before the content.
    Leftovers of killed writers of the same file are removed.
    Raises FileError if the folder cannot be written, a device takes no more, or a stream is closed or of another kind.
    """
    if not isinstance(path, str | Path):
        yield _Stream(path, "b" in mode)  # type: ignore[misc]  # a file as far as writers use it
        return
    if str(path) == "-":
        if "b" in mode:
            yield sys.stdout.buffer
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):  # as in a file, whatever the terminal uses
                sys.stdout.reconfigure(encoding="utf-8", newline="")
            yield sys.stdout
        return
    device = is_device(path)
    target = Path(path) if device else destination(path)  # a link is kept, and its target is written
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
    try:
        if device:  # it is not replaced
            with open(path, mode, encoding=encoding, newline=newline) as file:
                yield file
            return
        with part(target) as (handle, name):
            # a temporary file is private to its owner; the finished one gets the mode that open() would leave or set
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, os.stat(target).st_mode if os.path.exists(target) else 0o666 & ~umask)
            with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(name, target)
            if durable:
                with suppress(OSError):
                    flush_names(target.parent)
    except (BrokenPipeError, LstmTraceError):  # its reader has closed it; not about this file
        raise
    except OSError as error:
        elsewhere = error.filename and Path(error.filename).parent != target.parent
        if error.errno is None or elsewhere:
            raise
        raise file_error(str(path), error) from None


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a folder of ours, by their paths in it. Raises OSError."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


class _Stream:
    """An open stream as a file: one of bytes takes text as UTF-8, and a raw one takes everything, part by part."""

    def __init__(self, stream: IO[Any], binary: bool) -> None:
        self._stream, self._is_text = stream, hasattr(stream, "encoding")
        if getattr(stream, "closed", False):  # some libraries ask first, and raise errors of their own
            raise FileError("the stream is closed; expected one that is open for writing")
        if binary and self._is_text:
            said = "this format is not text, and the stream takes text: open it in binary mode"
            raise FileError(f'{said}, as in open("file", "wb")')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, content: Any) -> int:
        """Write all of `content`. Raises FileError if the stream is not open for writing, or cannot encode it."""
        rest = content if self._is_text or not isinstance(content, str) else content.encode()
        try:
            taken = self._stream.write(rest)
            while isinstance(self._stream, io.RawIOBase) and taken != len(rest):
                if not taken:
                    raise ValueError("it takes no more without waiting")
                rest = memoryview(rest)[taken:]
                taken = self._stream.write(rest)
        except ValueError as error:
            expected = "expected one that is open for writing, in UTF-8 if it is of text"
            raise FileError(f"the stream cannot be written ({error}): {expected}") from None
        return len(content)

    def writelines(self, pieces: Iterable[Any]) -> None:
        """Write all of the pieces."""
        for piece in pieces:
            self.write(piece)


def flush_names(folder: Path) -> None:
    """Flush new names in a folder to disk. Windows has no folder handles, and needs none. Raises OSError."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# -- next to the target -----------------------------------------------------------------------------------------------

#: Bytes of NAME used in the names of its temporary files: a name may have 255, on some file systems 143.
MOST_NAME = 100
#: Names of temporary files: what they have in common for one target, and a random part.
_LEFTOVER = re.compile(r"(\..{1,200}\.lstm-trace-)[a-z0-9_]{8}\.(?:part|rows|look)", re.DOTALL)
_FLAGS = ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC")


def open_own(path: str | Path) -> int:
    """Open a file or folder of ours: a link is not followed, a pipe not waited for."""
    return os.open(path, sum(getattr(os, flag, 0) for flag in _FLAGS))


@contextmanager
def part(target: Path) -> Iterator[tuple[int, str]]:
    """The handle and the name of a new file next to `target`, private to its owner, locked until the context ends.

    If it still exists at the end it is removed; the caller closes the handle. Raises OSError.
    """
    handle, name, lock = _claimed(target, ".part")
    try:
        yield handle, name
    finally:
        with suppress(OSError):
            os.unlink(name)
        _close(lock)  # only now: between closing and renaming, the file must not look like a leftover


@contextmanager
def folder(target: Path, suffix: str) -> Iterator[str]:
    """A new folder next to `target`, removed at the end, locked until then. Raises OSError."""
    _, name, lock = _claimed(target, suffix)
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)
        _close(lock)


def _claimed(target: Path, suffix: str) -> tuple[int, str, int]:
    """A new file (`.part`) or folder next to `target`: its handle, its name, and a second handle that holds the lock.

    A missing handle is -1: a folder has only the second, on Windows none.
    """
    import tempfile  # most commands print, and it takes 3 ms to import

    name = target.name
    while len(os.fsencode(name)) > MOST_NAME:  # two long names may share it: only leftovers are removed
        name = name[:-1]
    prefix, where = f".{name}.lstm-trace-", str(target.parent)
    _sweep(target.parent, prefix)
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
    """Remove the leftovers of all writers in a folder that have ended. Raises nothing: no caller depends on it."""
    _sweep(folder, "")


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the leftovers in a folder whose names are `prefix` and a random part; of all writers if it is empty."""
    with suppress(OSError), os.scandir(folder) as entries:
        found = [(entry.path, match[1]) for entry in entries if (match := _LEFTOVER.fullmatch(entry.name))]
        for name in [path for path, begin in found if prefix in ("", begin)]:
            with suppress(OSError):
                _remove(name)


def _remove(name: str) -> None:
    """Remove a leftover, unless it is locked. Raises OSError."""
    if sys.platform == "win32":
        os.unlink(name)  # fails for an open file on Windows, and for a folder
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
    """Lock a file until every copy of the handle is closed; whether the lock was free."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # locked by another, or a file system without locks
        return False
    return True


@contextmanager
def alone(folder: Path, shared: bool = False) -> Iterator[bool]:
    """Whether no other process holds a folder; if so, it is held until the context ends, or its process.

    shared: also if others share it, but not if one holds it alone.
    Without locks (on Windows, on some file systems) two may hold it. Raises OSError.
    """
    if sys.platform == "win32":
        yield True
        return
    handle = open_own(folder)
    free = True
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:  # otherwise the file system has no locks
            free = not isinstance(error, BlockingIOError)
        yield free
    finally:
        os.close(handle)


# -- never over an input --------------------------------------------------------------------------------------------


def spare(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise FileError if `output` is one of the files `inputs`, by any name or link: it would be lost.

    '-' is the file that the shell has opened as standard output, or input.
    """
    target = _identity(output, 1)
    for source in inputs:
        if target is not None and target == _identity(source, 0):
            also = "" if str(source) == str(output) else f" {source} by another name,"
            raise FileError(f"{output}: this is{also} an input, which would be lost; write to another file")


#: The files that a command is about to write, to protect files that it reads on the way: those named in a problem.
_OUTPUTS: ContextVar[tuple[str | Path, ...]] = ContextVar("outputs", default=())


@contextmanager
def sparing(outputs: Iterable[str | Path]) -> Iterator[None]:
    """While `outputs` are to be written, make `read_from` refuse to read them."""
    token = _OUTPUTS.set((*_OUTPUTS.get(), *outputs))
    try:
        yield
    finally:
        _OUTPUTS.reset(token)


def read_from(path: str | Path) -> None:
    """Raise FileError if a file that is about to be read is one that a command is going to write."""
    for output in _OUTPUTS.get():
        spare(output, [path])


def _identity(path: str | Path, standard: int) -> tuple[int, int] | None:
    """The identity of a file, equal for all of its names; None if nothing could be lost: no file, a terminal, a
    pipe.
    """
    try:
        found = os.fstat(standard) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


# -- seals -----------------------------------------------------------------------------------------------------------

# The seal of a file: its length and a checksum of all its bytes, in its own metadata, so that copies have it too.
# Parquet has checksums of pages, which do not cover their headers and the footer; .safetensors has none.

#: CRC-32, as for the pages: it detects any flipped bit; 47 MB take 0.02 s, a fifth of writing them (SHA-256: 0.04).
_SEAL = "sealed size={:013} crc32={:08x}"
#: Placeholder in the metadata of a file until it is sealed; it occurs only there.
OPEN = _SEAL.format(0, 0)
_MARK, _LENGTH = OPEN.partition("=")[0].encode(), len(OPEN)


def seal(file: IO[bytes], last: bool) -> None:
    """Seal a complete file that is open for reading and writing. last: whether its metadata are at its end."""
    file.flush()
    with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        at, size = _place(content, last), len(content)
        found = _sealed(content, at)
    file.seek(at)
    file.write(found)
    file.seek(size)


def is_sealed(path: Path, last: bool) -> bool | None:
    """Whether a file is as it was sealed; None if it has no seal. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:  # nothing to map
            return False
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            at = _place(content, last)
            return None if at < 0 else content[at : at + _LENGTH] == _sealed(content, at)


def has_size(said: str, size: int) -> bool:
    """Whether a file of this size has the length in its seal."""
    return said[: -len(f"{0:08x}")] == _SEAL.format(size, 0)[: -len(f"{0:08x}")]


def _place(content: mmap, last: bool) -> int:
    return content.rfind(_MARK) if last else content.find(_MARK)


def _sealed(content: mmap, at: int) -> bytes:
    """The seal for the content around its position."""
    with memoryview(content) as every:
        found = crc32(_SEAL.format(len(every), 0).encode(), crc32(every[:at]))
        return _SEAL.format(len(every), crc32(every[at + _LENGTH :], found)).encode()
