"""The .safetensors format of traces: one tensor for each line, the manifest in the header.

The format is https://huggingface.co/docs/safetensors: eight bytes with the length of a JSON header, the header (name:
dtype, shape, first and last byte), then the numbers, without a gap. Names: `lines/0/forward/i_t`,
`parameters/0/forward/W_xi`, `inputs/x`, `inputs/lengths`, `inputs/mask`, `inputs/given/0/forward/f_t`,
`initial/0/forward/c_prev`, `sums/0/adjoint-forward/d_W_xi`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...errors import FileError, reason
from ..trace import Trace
from .schema import FORMAT, Manifest, validate

SUFFIX = ".safetensors"
#: Bytes that a header may have; the format's own limit.
MOST_HEADER = 100_000_000
MOST_AXES = 3
_KINDS: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_NAMES = {kind: name for name, kind in _KINDS.items()}

Shapes = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]


class Tensor(NamedTuple):
    """Where one tensor lies in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    first: int
    last: int


def is_tensors(path: object) -> bool:
    """Whether a path names such a file."""
    return isinstance(path, str | Path) and Path(path).suffix.lower() == SUFFIX


def holds_trace(path: str | Path) -> bool:
    """Whether a file is a trace of ours and not a model. False where it cannot be read as either."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(8)
            text = file.read(min(int.from_bytes(head, "little"), 1 << 20) if len(head) == 8 else 0)
    except OSError:
        return False
    # a trace's metadata stand first in the header, with the format among them
    return b"lstm-trace/" in text.split(b'"data_offsets"', 1)[0]


def premise_tensors(trace: Trace) -> dict[str, Array]:
    """All tensors but the lines, by name; whole numbers first: each then begins at a multiple of its numbers' size."""
    found: dict[str, Array] = {}
    if trace.lengths is not None:
        found["inputs/lengths"] = trace.lengths.astype(np.int64)
    if trace.mask is not None:
        found["inputs/mask"] = trace.mask.astype(np.int64)
    if trace.x is not None:
        found["inputs/x"] = trace.x
    parts = (
        ("inputs/given", trace.given),
        ("initial", trace.initial),
        ("parameters", trace.parameters),
        ("sums", trace.sums),
    )
    for part, scopes in parts:
        found |= {f"{part}/{scope}/{name}": a for scope, here in scopes.items() for name, a in here.items()}
    return found


def layout_of(shapes: Shapes, manifest: Manifest) -> tuple[bytes, dict[str, Tensor]]:
    """The head of a file (length and header), and where each tensor lies, counted from the file's beginning.

    Raises FileError for a header that is too long to be read.
    """
    text = manifest.model_dump_json(exclude_defaults=False)
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "manifest": text}}
    at = 0
    for name, (dtype, shape) in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _NAMES[np.dtype(dtype)], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 64)  # 8 more bytes before it: tensors begin at multiples of 8
    if len(content) > MOST_HEADER:
        raise FileError(f"the header would have {len(content):,} bytes; at most {MOST_HEADER:,} are read")
    head = len(content).to_bytes(8, "little") + content
    places = {
        name: Tensor(dtype, shape, *(len(head) + n for n in header[name]["data_offsets"]))
        for name, (dtype, shape) in shapes.items()
    }
    return head, places


# -- reading ---------------------------------------------------------------------------------------------------------


def read_header(path: str | Path) -> tuple[Manifest, dict[str, Tensor]]:
    """The manifest of a file and its tensors, checked against the file's size. Raises FileError."""
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            head = file.read(8)
            length = int.from_bytes(head, "little")
            if len(head) < 8 or length > min(size - 8, MOST_HEADER):
                raise FileError(f"{path}: not a .safetensors file, or its beginning is missing")
            content = file.read(length)
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from None
    try:
        header = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: the header cannot be read ({error})") from None
    metadata: Any = header.pop("__metadata__", None) if isinstance(header, dict) else None
    name = metadata.get("format", "") if isinstance(metadata, dict) else ""
    if not str(name).startswith("lstm-trace/"):
        raise FileError(f"{path}: not a trace ({FORMAT} is not in its header); a model is traced with `lstm-trace run`")
    if name != FORMAT:
        raise FileError(f"{path}: written in the format {name}, this version reads {FORMAT}; update lstm-trace")
    manifest = validate(Manifest, str(metadata.get("manifest", "")).encode(), str(path))
    tensors = {name: _tensor(path, name, entry, 8 + length) for name, entry in header.items()}
    _covered(path, tensors, 8 + length, size)
    return manifest, tensors


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without a duplicate key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate name")
    return found


def _tensor(path: str | Path, name: str, entry: Any, begin: int) -> Tensor:
    """One entry of the header. Raises FileError."""
    try:
        dtype, shape, offsets = _KINDS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (*shape, *offsets))
        first, last = offsets
        whole = (
            whole and len(shape) <= MOST_AXES and min(shape, default=1) > 0 and first >= 0
        )  # no array of ours is empty
        fits = whole and last - first == math.prod(shape) * dtype.itemsize
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path}: {name}: the header's entry cannot be read") from None
    if not fits:
        raise FileError(f"{path}: {name}: its shape {shape} and its place in the file do not agree")
    return Tensor(dtype, tuple(shape), begin + first, begin + last)


def _covered(path: str | Path, tensors: Mapping[str, Tensor], begin: int, size: int) -> None:
    """Raise FileError unless the tensors lie one after the other and fill the file."""
    at = begin
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].first):
        if tensor.first != at:
            raise FileError(f"{path}: {name} does not begin where the tensor before it ends")
        at = tensor.last
    if at != size:
        what = "truncated" if size < at else "longer than its header says"
        raise FileError(f"{path}: the file is {what}: {size:,} bytes, expected {at:,}")
