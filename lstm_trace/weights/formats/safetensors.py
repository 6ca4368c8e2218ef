"""The .safetensors format, read tensor by tensor by the safetensors library; bfloat16, which numpy lacks, by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError
from ..guards import Lazy, told, widened

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@contextmanager
def tensors(path: Path) -> Iterator[dict[str, Lazy]]:
    """The tensors of a file by name, while it is open; bfloat16 is read as the equal float32. Raises FileError."""
    from safetensors import SafetensorError, safe_open

    with told(path, SafetensorError, ValueError), safe_open(path, framework="np") as opened:
        found = {}
        for name in opened.keys():  # noqa: SIM118 - it is no mapping
            view = opened.get_slice(name)
            kind = str(view.get_dtype())
            read = partial(_numbers, opened, path, name, kind)
            found[name] = Lazy(tuple(view.get_shape()), _DTYPES.get(kind, kind), read)
        yield found


def _numbers(opened: Any, path: Path, name: str, kind: str) -> Any:
    """A tensor's numbers. Raises FileError for float8 and the like."""
    if kind == "BF16":
        return _bfloat16(path, name).reshape(opened.get_slice(name).get_shape())
    try:
        return opened.get_tensor(name)
    except (AttributeError, TypeError):
        raise FileError(f"{path}: the tensor {name} has the dtype {kind}; expected F64, F32, F16 or BF16") from None


def _bfloat16(path: Path, name: str) -> Any:
    """A tensor's numbers. The library has checked the header."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        first, last = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + first)
        return widened(np.frombuffer(file.read(last - first), "<u2"))
