"""Arrays of a file by name, whether or not they belong to an LSTM; embeddings, of which x may be rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, MissingError, nearest
from ..find import find
from ..found import Found
from ..layouts import Layout
from .npz import load_npy

Arrays = Mapping[str, Any]
#: What the LSTMs of files are called that hold arrays and nothing else.
_KINDS = {".npz": "LSTM (arrays)", ".safetensors": "LSTM (tensors)"}


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs of an .npz or .safetensors file (see `find.find`)."""
    with arrays_of(path) as arrays:
        return find(arrays, layout, str(path), _KINDS[path.suffix.lower()])


def array_in(path: Path, name: str) -> Any:
    """The array called `name` in a file of arrays; that of an .npy file, which has no name, for an empty one.

    Raises FileError; MissingError for a name that is not there.
    """
    if path.suffix.lower() == ".npy" and not name:
        return load_npy(path)
    with arrays_of(path) as arrays:
        if name not in arrays:
            said = f"no array {name!r}" if name else f"name an array, as in {path.name}:NAME"
            raise MissingError(f"{path}: {said}{nearest(name, arrays, 'there are')}")
        return np.asarray(arrays[name])


def arrays_of(path: Path) -> AbstractContextManager[Arrays]:
    """Every array of a file by its name, to be read while it is open. Raises FileError, MissingError."""
    suffix = path.suffix.lower()
    if suffix not in _OPENED:
        raise FileError(f"{path}: arrays are read by name from {', '.join(_OPENED)}")
    if not path.is_file():
        raise FileError(f"{path}: no such file")
    module = _OPENED[suffix]
    opened = module if callable(module) else import_module(module, __package__).arrays
    found: AbstractContextManager[Arrays] = opened(path)
    return found


def tables(path: Path, width: int) -> dict[str, Any]:
    """The embeddings with `width` columns in a file of arrays.

    An embedding is the only array of its module: a readout has a bias, and an LSTM several matrices. Where names have
    no modules, it is called so. Raises FileError, MissingError.
    """
    found: dict[str, Any] = {}
    with arrays_of(path) as arrays:
        modules = Counter(map(_module, arrays))
        named = [name for name in arrays if "emb" in name.lower() or (_module(name) and modules[_module(name)] == 1)]
        for name in named:
            if len(arrays[name].shape) == 2 and arrays[name].shape[1] == width:
                with suppress(FileError):  # numbers in a form that is not read: quantised, sparse
                    found[name] = np.asarray(arrays[name])
    return {name: table for name, table in found.items() if table.dtype.kind in "fiu"}


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
    said = []
    for mine, yours in pairs:
        first, second, name = one[mine], two[yours], mine if mine == yours else f"{mine} and {yours}"
        if first.shape != second.shape:
            said.append(f"{name}: {first.shape} and {second.shape}")
        elif not np.array_equal(first, second, equal_nan=True):
            with np.errstate(all="ignore"):
                apart = np.nanmax(np.abs(first.astype(np.float64) - second.astype(np.float64)))
            said.append(f"{name}: up to {apart:.3g} apart")
    if not said:
        return []
    return [
        f"both models were given the same x, and have different embeddings ({'; '.join(said)}): where x holds rows of "
        "an embedding, run each model over rows of its own (lstm-trace run MODEL --input X -o TRACE) and compare the "
        "traces"
    ]


#: What opens a file, by its suffix: a function, or a module whose `arrays` does.
_OPENED: dict[str, Any] = {
    ".npz": npz_arrays,
    ".safetensors": tensors,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), ".torch"),
    ".onnx": "..onnx.constants",
    **dict.fromkeys((".keras", ".h5", ".hdf5"), ".hdf5"),
}
