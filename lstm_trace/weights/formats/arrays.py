"""Any array of a file by its name, whether or not it is of an LSTM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, MissingError, nearest
from ..guards import archive, told
from ..onnx import file
from . import hdf5, keras, npz, safetensors, torch

Arrays = Mapping[str, Any]


def array_in(path: Path, name: str) -> Any:
    """The array called `name` in a file of arrays; that of an .npy file, which has no name, for an empty one.

    Raises FileError; MissingError for a name that is not there.
    """
    if path.suffix.lower() == ".npy" and not name:
        return npz.load_npy(path)
    with arrays_of(path) as arrays:
        if name not in arrays:
            said = f"no array {name!r}" if name else f"name an array, as in {path.name}:NAME"
            raise MissingError(f"{path}: {said}{nearest(name, arrays, 'there are')}")
        return np.asarray(arrays[name])


@contextmanager
def arrays_of(path: Path) -> Iterator[Arrays]:
    """Every array of a file by its name, to be read while it is open. Raises FileError, MissingError."""
    opened = _OPENED.get(path.suffix.lower())
    if opened is None:
        raise FileError(f"{path}: arrays are read by name from {', '.join(_OPENED)}")
    if not path.is_file():
        raise FileError(f"{path}: no such file")
    with opened(path) as arrays:
        yield arrays


@contextmanager
def _npz(path: Path) -> Iterator[Arrays]:
    with archive(path) as opened:
        yield npz.members(path, opened)


@contextmanager
def _safetensors(path: Path) -> Iterator[Arrays]:
    from safetensors import SafetensorError, safe_open

    with told(path, SafetensorError, ValueError), safe_open(path, framework="np") as opened:
        yield {name: safetensors.Tensor(opened, path, name) for name in opened.keys()}  # noqa: SIM118 - no mapping


@contextmanager
def _torch(path: Path) -> Iterator[Arrays]:
    yield torch.tensors(path)


@contextmanager
def _hdf5(path: Path) -> Iterator[Arrays]:
    if path.suffix.lower() == ".keras":
        with archive(path) as opened, told(path, KeyError):
            size = opened.getinfo(keras.STORED).file_size
        with hdf5.opened(path, str(path), keras.STORED, size) as inside:
            yield inside.arrays
    else:
        with hdf5.opened(path, str(path)) as inside:
            yield inside.arrays


@contextmanager
def _onnx(path: Path) -> Iterator[Arrays]:
    model, stored = file.load(path)
    yield {tensor.name: file.Tensor(tensor, stored) for tensor in model.graph.initializer}


_OPENED: dict[str, Callable[[Path], Any]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _torch),
    ".onnx": _onnx,
    **dict.fromkeys((".keras", ".h5", ".hdf5"), _hdf5),
}
