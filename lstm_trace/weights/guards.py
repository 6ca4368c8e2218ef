"""Checks of claimed sizes against the bytes of a file, before anything is read; arrays that stay in their file."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..base.extras import missing
from ..base.resources import available
from ..errors import FileError, LstmTraceError, MissingError, NotFoundError, reason

#: Compressed weights are hardly smaller than plain ones; text and zeros are, but not beyond this ratio.
RATIO = 100
#: Claims up to this size are harmless whatever the ratio.
SMALL = 1 << 24
#: Bytes of an entry that are held at a time if only its checksum is needed.
PIECE = 1 << 20
#: The record at the end of a zip file; the fifth field is the number of entries.
_END = struct.Struct("<4s4H2LH")


def check_file(path: str | Path) -> None:
    """Raise FileError if there is no such file, or another thing: a folder, or a pipe, which would be waited for."""
    if not Path(path).is_file():
        if Path(path).exists():
            raise FileError(f"{path}: {'a folder' if Path(path).is_dir() else 'a pipe or device'}, not a file")
        raise NotFoundError(f"{path}: no such file or directory", filename=path)


def package(name: str, path: str | Path) -> Any:
    """The package that reads a file. Raises MissingError if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingError(missing(str(path), name, "save its arrays as .safetensors or .npz")) from None


def afford(declared: int, stored: int, what: str) -> None:
    """Raise FileError if `what` claims to unpack to far more than `stored` bytes can hold, or than fits into memory."""
    if declared <= SMALL:
        return
    if declared > RATIO * max(stored, 1):
        raise FileError(f"{what} claims {declared:,} bytes and stores {stored:,}: not a file of weights; refused")
    free = available()
    if free is not None and declared > free:
        raise FileError(f"{what} needs {declared:,} bytes, and {free:,} of memory are free")


def archive(path: str | Path) -> zipfile.ZipFile:
    """A zip file whose entries have their claimed sizes. Raises FileError if it is truncated, or a bomb."""
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError(f"{path}: not a zip archive, or cut off ({str(error).lower()})") from None
    seen: set[str] = set()
    try:
        promised, there = _promised(path), len(opened.infolist())
        if promised not in (there, None):
            said = f"promises {promised} entries and lists {there}: it is damaged; copy or download the file again"
            raise FileError(f"{path}: the archive {said}")
        for entry in opened.infolist():
            if not entry.filename:
                raise FileError(f"{path}: an entry of the archive has no name; the file is damaged")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # bzip2 and LZMA cannot be unpacked in bounded pieces, and no program saves weights with them
                said = f"{entry.filename} is compressed by the method {entry.compress_type}"
                raise FileError(f"{path}: {said}; expected an entry that is stored or deflated: save the file again")
            afford(entry.file_size, entry.compress_size, f"{path}: {entry.filename}")
            if entry.filename in seen:
                raise FileError(f"{path}: duplicate entry {entry.filename}")
            seen.add(entry.filename)
        afford(sum(e.file_size for e in opened.infolist()), Path(path).stat().st_size, str(path))
    except LstmTraceError:
        opened.close()
        raise
    return opened


# a broken entry: of an unknown compression, encrypted, or not matching its checksum
_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def _promised(path: str | Path) -> int | None:
    """The number of entries stated at the end of a zip file; None if there are more than can be stated there.

    `zipfile` does not check it: a wrong length in its list of entries makes it skip the next ones.
    """
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - (1 << 16) - _END.size))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return None
    count: int = _END.unpack_from(tail, at)[4]
    return None if count == 0xFFFF else count


def content(opened: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of an entry. Raises BadZipFile, without unpacking the rest, if it contains more than it claims.

    `ZipFile.read` would unpack up to 2 GB before it checks.
    """
    with opened.open(name) as file:
        return file.read(max(1, opened.getinfo(name).file_size))


def check_intact(opened: zipfile.ZipFile, path: str | Path) -> None:
    """Compare every entry's bytes with its checksum, for a reader that does not do so itself.

    An archive without checksums passes: PyTorch can be told to write none, and writes 0 for each entry.
    Raises FileError with the name of the first damaged entry. Memory: one piece; time: 0.03 s for 100 MB.
    """
    held = [entry for entry in opened.infolist() if entry.file_size]
    if not any(entry.CRC for entry in held):
        return
    for entry in held:
        try:
            with opened.open(entry) as file:
                while file.read(PIECE):
                    pass
        except (*_ZIP, ValueError, EOFError, OSError):
            said = "its bytes do not match their checksum; copy or download the file again"
            raise FileError(f"{path}: the entry {entry.filename} is damaged: {said}") from None


@contextmanager
def told(path: str | Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of `kinds`, and those of a broken zip entry, into a FileError that begins with the file name."""
    broken: tuple[type[Exception], ...] = (*kinds, *_ZIP, EOFError, OSError, MemoryError)
    try:
        yield
    except LstmTraceError:
        raise
    except broken as error:
        said = (reason(error) if isinstance(error, OSError) and error.strerror else str(error)).strip().splitlines()
        raise FileError(f"{path}: cannot be read: {said[0][:200] if said else type(error).__name__}") from None


def entries(shape: Iterable[int]) -> int:
    """Number of entries of an array."""
    return math.prod(int(n) for n in shape)


def checked_shape(shape: Any, what: str) -> tuple[int, ...]:
    """A declared shape. Raises FileError if no array can have it."""
    found = tuple(shape)
    if any(n < 0 for n in found) or len(found) > 8:
        raise FileError(f"{what} has the shape {shape!r}, which no array has")
    return found


@dataclass(frozen=True, eq=False)
class Lazy:
    """An array that stays in its file until its numbers are requested, by `np.asarray`.

    dtype: numpy's or a framework's, or its name. read: returns the numbers, or raises FileError.
    """

    shape: tuple[int, ...]
    dtype: Any
    read: Callable[[], Any]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = self.read()
        return values if dtype is None else values.astype(dtype)


def numbers(content: Any, dtype: str, shape: tuple[int, ...], what: str) -> Any:
    """The array whose numbers are these bytes, little-endian; bfloat16 as the equal float32. Raises FileError."""
    stored = np.dtype("u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
    if entries(shape) * stored.itemsize != len(content):
        raise FileError(f"{what} claims the shape {shape} of {dtype} and has {len(content):,} bytes")
    values = np.frombuffer(content, stored).reshape(shape)
    return widened(values) if dtype == "bfloat16" else values


def widened(halves: Any) -> Any:
    """bfloat16 numbers, given as their 16 bits, as the equal float32, of which they are the upper half."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
