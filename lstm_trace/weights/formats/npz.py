"""NumPy's .npz and .npy, without pickles: an array's header is read first, its numbers only when they are wanted."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.lib import format as npy

from ...errors import FileError
from ..guards import Lazy, afford, archive, entries, told


def _member(opened: zipfile.ZipFile, entry: str, path: str | Path) -> Lazy:
    """An array in an .npz file: its header is read and compared with the entry, its numbers when they are wanted."""
    where, info = f"{path}: {entry.removesuffix('.npy')}", opened.getinfo(entry)
    with told(where, ValueError, TypeError), opened.open(entry) as file:
        shape, dtype = header(file, where, info.file_size)
    afford(info.file_size, info.compress_size, where)

    def read() -> Any:
        with told(where, ValueError, TypeError), opened.open(entry) as file:
            return npy.read_array(file, allow_pickle=False)

    return Lazy(shape, dtype, read)


def header(file: Any, where: str, there: int) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype from the head of an .npy file, which has `there` bytes in all.

    Raises FileError for an array of objects, and for one that is not whole.
    """
    version = npy.read_magic(file)
    reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if reader is None:
        raise FileError(f"{where} is an .npy file of version {version}, and versions 1 and 2 are read")
    try:
        shape, _, dtype = reader(file)
    except Exception as error:  # numpy reads the text of a header with Python's own parser, which may raise anything
        said = str(error.args[0] if error.args else "").strip().splitlines() or [type(error).__name__]
        raise FileError(f"{where} has a header that cannot be read ({said[0][:100]})") from None
    if dtype.hasobject:
        raise FileError(f"{where} is an array of Python objects: a pickle, which is never opened; save numbers")
    claimed = file.tell() + entries(shape) * dtype.itemsize
    if claimed != there:
        raise FileError(f"{where} claims {claimed:,} bytes and has {there:,}; is it cut off?")
    return shape, dtype


def members(path: str | Path, opened: zipfile.ZipFile) -> dict[str, Lazy]:
    """The arrays of an open .npz file by name."""
    names = [e.filename for e in opened.infolist() if not e.is_dir()]
    foreign = [name for name in names if not name.endswith(".npy")]
    if foreign:
        raise FileError(f"{path}: not an .npz file: it holds {foreign[0]}")
    return {name.removesuffix(".npy"): _member(opened, name, path) for name in names}


def load_npy(path: str | Path) -> Any:
    """The array of an .npy file. Raises FileError."""
    with told(path, ValueError, TypeError, struct.error), Path(path).open("rb") as file:
        header(file, f"{path}:", Path(path).stat().st_size)
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


@contextmanager
def npz_arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """The arrays of an .npz file by name, while it is open. Raises FileError."""
    with archive(path) as opened:
        yield members(path, opened)
