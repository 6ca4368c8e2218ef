"""The seal of a file: its length and a checksum of all its bytes, in its own metadata, so that a copy has it as well.

Parquet has checksums of pages, which leave out their headers and the footer, and .safetensors has none.
"""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO
from zlib import crc32

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
