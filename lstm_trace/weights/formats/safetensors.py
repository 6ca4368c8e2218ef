"""The .safetensors format, read tensor by tensor by the safetensors library; bfloat16, which numpy lacks, by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import FileError
from ..find import find
from ..found import Found
from ..guards import Lazy, told, widened
from ..layouts import Layout


class Dtype(NamedTuple):
    """A tensor's dtype by the name that messages use."""

    name: str


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class Tensor(Lazy):
    """A tensor that stays in its file until its numbers are asked for."""

    def __init__(self, opened: Any, path: Path, name: str) -> None:
        view = opened.get_slice(name)
        self.shape = tuple(view.get_shape())
        self.kind = str(view.get_dtype())
        self.dtype = Dtype(_DTYPES.get(self.kind, self.kind))
        self._opened, self._path, self._name = opened, path, name

    def read(self) -> Any:
        """The numbers; bfloat16 as the equal float32. Raises FileError for float8 and the like."""
        if self.kind == "BF16":
            return _bfloat16(self._path, self._name).reshape(self.shape)
        try:
            return self._opened.get_tensor(self._name)
        except (AttributeError, TypeError):
            raise FileError(
                f"{self._path}: the tensor {self._name} has the dtype {self.kind}; expected F64, F32, F16 or BF16"
            ) from None


def _bfloat16(path: Path, name: str) -> Any:
    """A tensor's numbers. The library has checked the header."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        first, last = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + first)
        return widened(np.frombuffer(file.read(last - first), "<u2"))


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs of a .safetensors file (see `find.find`)."""
    from safetensors import SafetensorError, safe_open

    with told(path, SafetensorError, ValueError), safe_open(path, framework="np") as opened:
        arrays = {name: Tensor(opened, path, name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
        return find(arrays, layout, str(path), "LSTM (tensors)")
