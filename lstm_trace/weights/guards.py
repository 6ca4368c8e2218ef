"""What a file may claim before it is read: sizes are compared with the bytes that are there."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FileError, LstmTraceError
from ..memory import available

#: Compressed weights are hardly smaller than plain ones; text and zeros are, but not beyond this.
RATIO = 100
#: Up to this size a claim is harmless whatever its ratio.
SMALL = 1 << 24


def afford(declared: int, stored: int, what: str) -> None:
    """Raise FileError where `what` claims to unpack to far more than `stored` bytes can hold, or than memory has."""
    if declared > SMALL and declared > RATIO * max(stored, 1):
        raise FileError(f"{what} claims {declared:,} bytes and stores {stored:,}: not a file of weights; refused")
    free = available()
    if free is not None and declared > free:
        raise FileError(f"{what} needs {declared:,} bytes and {free:,} of memory are free")


def archive(path: str | Path) -> zipfile.ZipFile:
    """A zip file whose entries are as large as they say. Raises FileError where it is truncated, or a bomb."""
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError(f"{path}: not a zip archive, or cut off ({str(error).lower()})") from None
    seen: set[str] = set()
    try:
        for entry in opened.infolist():
            if not entry.filename:
                raise FileError(f"{path}: an entry of the archive has no name; the file is damaged")
            afford(entry.file_size, entry.compress_size, f"{path}: {entry.filename}")
            if entry.filename in seen:
                raise FileError(f"{path}: the entry {entry.filename} stands twice")
            seen.add(entry.filename)
        afford(sum(e.file_size for e in opened.infolist()), Path(path).stat().st_size, str(path))
    except LstmTraceError:
        opened.close()
        raise
    return opened


# a broken entry: of an unknown compression, encrypted, or with other bytes than its checksum
_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@contextmanager
def told(path: str | Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of `kinds`, and those of a broken zip entry, into a FileError that begins with the file."""
    broken: tuple[type[Exception], ...] = (*kinds, *_ZIP, EOFError, OSError, MemoryError)
    try:
        yield
    except LstmTraceError:
        raise
    except broken as error:
        said = str(error).strip().splitlines()
        raise FileError(f"{path}: cannot be read: {said[0][:200] if said else type(error).__name__}") from None


def entries(shape: Iterable[int]) -> int:
    """Number of entries of an array."""
    return math.prod(int(n) for n in shape)


def checked_shape(shape: Any, what: str) -> tuple[int, ...]:
    """A declared shape as whole numbers. Raises FileError for anything else."""
    try:
        found = tuple(int(n) for n in shape)
    except (TypeError, ValueError):
        found = (-1,)
    if any(n < 0 for n in found) or len(found) > 8:
        raise FileError(f"{what} has the shape {shape!r}, which no array has")
    return found
