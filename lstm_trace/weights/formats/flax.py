"""State dicts that `flax.serialization.to_bytes` writes: msgpack, in which an array is an extension. No code is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, within
from ..find import find
from ..guards import Lazy, checked_shape, entries, numbers, package, told
from ..layouts import Layout
from ..read import Found

_DTYPES = ("float64", "float32", "float16", "bfloat16")
#: The types of extensions that are an array, and one of no axes; the mark of an array in several pieces.
_ARRAYS, _PIECES = (1, 3), "__msgpack_chunked_array__"
#: The longest list, since a list is allocated by the length that it claims, and the deepest mapping.
LONGEST, DEEPEST = 10_000, 32


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs, GRUs and RNNs of a msgpack file. Raises MissingError without msgpack, FileError."""
    with arrays(path) as there, within(str(path)):
        return find(there, layout, "Flax {}")


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """Every array by its path of keys (`params/LSTMCell_0/ii/kernel`). Raises MissingError without msgpack, FileError.

    The numbers stay in the bytes of the file until they are requested.
    """
    msgpack = package("msgpack", path)
    with told(path, ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException), within(str(path)):
        tree = msgpack.unpackb(path.read_bytes(), strict_map_key=False, max_array_len=LONGEST)
        found = dict(_named(tree, "", 0, msgpack))
    if not found:
        raise FileError(f"{path}: no arrays were found; expected what flax.serialization.to_bytes(params) returns")
    yield found


def _named(value: Any, name: str, depth: int, msgpack: Any) -> Iterator[tuple[str, Lazy]]:
    """The arrays in nested mappings and lists."""
    pairs: Any = ()
    if isinstance(value, msgpack.ExtType) and value.code in _ARRAYS:
        yield name, _array(value, name, msgpack)
    elif isinstance(value, dict) and _PIECES in value:
        # a tuple is stored as a mapping: {"0": …, "1": …}
        shape, pieces = ([value[key][str(n)] for n in range(len(value[key]))] for key in ("shape", "chunks"))
        parts = [_array(piece, name, msgpack) for piece in pieces]
        if sum(entries(part.shape) for part in parts) != entries(checked_shape(shape, name)):
            raise FileError(f"{name}: its pieces have other numbers of entries than its shape {tuple(shape)}")
        joined = Lazy(tuple(shape), parts[0].dtype, lambda: np.concatenate([*map(np.asarray, parts)]).reshape(shape))
        yield name, joined
    elif isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs if depth < DEEPEST else ():
        yield from _named(inner, f"{name}/{key}" if name else str(key), depth + 1, msgpack)


def _array(extension: Any, name: str, msgpack: Any) -> Lazy:
    """An array: its shape, the name of its dtype and its bytes, packed in turn. Raises FileError."""
    lengths, kind, content = msgpack.unpackb(extension.data, raw=True, max_array_len=LONGEST)
    shape, dtype = checked_shape(lengths, name), kind.decode()

    def read() -> Any:
        if dtype not in _DTYPES:
            raise FileError(f"{name} has the dtype {dtype}; expected {', '.join(_DTYPES)}")
        return numbers(content, dtype, shape, name)

    return Lazy(shape, dtype, read)
