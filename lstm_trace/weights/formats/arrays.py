"""Arrays of a file by name, whether or not they belong to an LSTM; embeddings, of which x may be rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, MissingError, nearest
from ..guards import archive, told
from ..onnx import constants
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
        yield safetensors.tensors(opened, path)


@contextmanager
def _torch(path: Path) -> Iterator[Arrays]:
    yield torch.tensors(path)


@contextmanager
def _hdf5(path: Path) -> Iterator[Arrays]:
    with hdf5.opened(path, str(path), keras.STORED if path.suffix.lower() == ".keras" else "") as inside:
        yield inside.arrays


@contextmanager
def _onnx(path: Path) -> Iterator[Arrays]:
    model, stored = constants.load(path)
    yield {tensor.name: stored.lazy(tensor) for tensor in model.graph.initializer}


_OPENED: dict[str, Callable[[Path], Any]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _torch),
    ".onnx": _onnx,
    **dict.fromkeys((".keras", ".h5", ".hdf5"), _hdf5),
}


def tables(path: Path, width: int) -> dict[str, Any]:
    """The embeddings with `width` columns in a file of arrays.

    An embedding is the only array of its module: a readout has a bias, and an LSTM several matrices. Where names have
    no modules, it is called so. Raises FileError, MissingError.
    """
    with arrays_of(path) as arrays:
        modules = Counter(map(_module, arrays))
        named = [name for name in arrays if "emb" in name.lower() or (_module(name) and modules[_module(name)] == 1)]
        wide = [name for name in named if len(arrays[name].shape) == 2 and arrays[name].shape[1] == width]
        return {name: table for name in wide if (table := _read(arrays[name])).dtype.kind in "fiu"}


def _read(stored: Any) -> Any:
    """The numbers of an array; none where it has them in a form that is not read (quantised, sparse)."""
    try:
        return np.asarray(stored)
    except FileError:
        return np.zeros(0, bool)


def _module(name: str) -> str:
    """`embedding` for `embedding.weight`, `layers/embedding/vars` for `layers/embedding/vars/0`."""
    return name.rpartition("/" if "/" in name else ".")[0]


def told_apart(a: Path, b: Path, width: int) -> list[str]:
    """What is said of two models that were given one x (…, width), where their embeddings differ.

    Those of one name are compared, or the only ones. Raises FileError, MissingError.
    """
    one, two = tables(a, width), tables(b, width)
    pairs = [(name, name) for name in one if name in two]
    if not pairs and len(one) == len(two) == 1:
        pairs = list(zip(one, two, strict=True))
    said = [text for mine, yours in pairs if (text := _apart(mine, yours, one[mine], two[yours]))]
    if not said:
        return []
    return [
        f"both models were given the same x, and have different embeddings ({'; '.join(said)}): where x holds rows of "
        "an embedding, run each model over rows of its own (lstm-trace run MODEL --input X -o TRACE) and compare the "
        "traces"
    ]


def _apart(mine: str, yours: str, one: Any, two: Any) -> str:
    """How far two tables are apart; nothing where they are equal."""
    name = mine if mine == yours else f"{mine} and {yours}"
    if one.shape != two.shape:
        return f"{name}: {one.shape} and {two.shape}"
    if np.array_equal(one, two, equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        return f"{name}: up to {np.nanmax(np.abs(one.astype(np.float64) - two.astype(np.float64))):.3g} apart"
