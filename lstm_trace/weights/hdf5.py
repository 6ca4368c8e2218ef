"""HDF5 files as a flat table of arrays, with guards: nothing outside of the file, and no claim larger than the file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import FileError, MissingError
from ..extras import missing
from .guards import afford, checked_shape, entries

#: More objects than this are no model.
MOST = 200_000


class Dataset:
    """An array that stays in its file until its numbers are asked for."""

    def __init__(self, stored: Any, where: str) -> None:
        self.shape = checked_shape(stored.shape or (), where)
        kept = stored.attrs.get("dtype") if "dtype" in stored.attrs else None
        self.half = kept == "bfloat16"  # Keras keeps bfloat16 as two bytes without a meaning of their own
        self.dtype = np.dtype("V2") if self.half else stored.dtype
        self._stored, self._where = stored, where

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The numbers; bfloat16 as the equal float32. Raises FileError for a claim that the file does not bear out."""
        plist = self._stored.id.get_create_plist()
        if plist.get_external_count() or self._stored.is_virtual:
            raise FileError(f"{self._where} takes its numbers from other files, which is never followed")
        if self._stored.dtype.kind not in "fiuV" or self._stored.dtype.names:
            raise FileError(f"{self._where} has the dtype {self._stored.dtype}; expected numbers")
        size, there = entries(self.shape) * self._stored.dtype.itemsize, self._stored.id.get_storage_size()
        if self._stored.chunks is None and size != there:
            raise FileError(f"{self._where} claims {size:,} bytes and stores {there:,}: the file is not whole")
        if there == 0 < size:
            raise FileError(f"{self._where} claims {size:,} bytes and stores none")
        afford(size, there, self._where)
        values = self._stored[()]
        if self.half or values.dtype.kind == "V":
            if values.dtype.itemsize != 2:
                raise FileError(f"{self._where} has the dtype {values.dtype}; expected numbers")
            values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return values if dtype is None else values.astype(dtype)


@dataclass
class Tree:
    """The arrays of a file by path, and those attributes of its groups that are texts."""

    arrays: dict[str, Dataset] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)

    def text(self, path: str, name: str) -> str:
        """An attribute that is a text; empty where it is not there."""
        return self.attributes.get(path, {}).get(name, "")


def opened(source: Any, where: str) -> Any:
    """The open file of a path or a file object. Raises MissingError without h5py, FileError for a foreign file."""
    try:
        import h5py
    except ImportError:
        raise MissingError(missing(where, "h5py")) from None
    try:
        return h5py.File(source, "r")
    except (OSError, ValueError, RuntimeError) as error:
        raise FileError(f"{where}: not an HDF5 file, or cut off ({str(error)[:120]})") from None


def tree(file: Any, where: str) -> Tree:
    """Everything in an open file that stands in the file itself. Raises FileError for a link that leads out of it."""
    import h5py

    found = Tree()
    seen: set[Any] = set()
    open_groups = [("", file)]
    while open_groups:
        path, group = open_groups.pop()
        found.attributes[path] = _attributes(group)
        for name in group:
            here = f"{path}/{name}" if path else name
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise FileError(f"{where}: {here} is a link to another file ({link.filename}), which is never followed")
            if isinstance(link, h5py.SoftLink):
                continue
            item = group[name]
            place = h5py.h5o.get_info(item.id).addr
            if place in seen:
                continue  # a second way to the same object
            seen.add(place)
            if len(seen) > MOST:
                raise FileError(f"{where}: more than {MOST:,} objects; not a file of weights")
            if isinstance(item, h5py.Group):
                open_groups.append((here, item))
            elif isinstance(item, h5py.Dataset):
                found.arrays[here] = Dataset(item, f"{where}: {here}")
    return found


def _attributes(group: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in group.attrs:
        kind = group.attrs.get_id(name)
        if kind.shape != () or kind.dtype.kind not in "OSU":
            continue  # lists of names say nothing that the paths do not
        value = group.attrs[name]
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(text, str):
            found[name] = text
    return found


def parsed(text: str, where: str) -> Any:
    """JSON text in a file. Raises FileError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FileError(f"{where}: the model's configuration is not JSON; is the file cut off?") from None
