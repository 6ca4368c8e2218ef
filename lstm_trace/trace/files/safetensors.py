"""Large traces as .safetensors, one tensor per line: written piece by piece, and memory-mapped when read.

The format is https://huggingface.co/docs/safetensors: eight bytes with the length of a JSON header, the header (name:
dtype, shape, first and last byte), then the numbers, without a gap. The trace's manifest is in the header. Names:
`lines/0/forward/i_t`, `parameters/0/forward/W_xi`, `inputs/x`, `inputs/lengths`, `inputs/mask`,
`inputs/given/0/forward/f_t`, `initial/0/forward/c_prev`, `sums/0/adjoint-forward/d_W_xi`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array, to_truths
from ...base.files import plain
from ...base.resources import amount
from ...base.writing import destination, written
from ...cell.network import scope_and_name
from ...errors import FileError, raise_all, reading, within
from ..trace import Trace
from ..window import arrays
from . import FORMAT
from .manifest import assembled, read_trace, readable

if TYPE_CHECKING:
    from .schema import TraceManifest

#: Maximum size of a header in bytes; the limit of the format.
MOST_HEADER = 100_000_000
MOST_AXES = 3
_KINDS: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_NAMES = {kind: name for name, kind in _KINDS.items()}

Shapes = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]


class TensorSpan(NamedTuple):
    """Position of one tensor in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    first: int
    last: int

    def within(self, content: Array) -> Array:
        """The tensor among the bytes of its file, as a view."""
        return content[self.first : self.last].view(self.dtype).reshape(self.shape)


def is_tensors(path: object) -> bool:
    """Whether a path has the suffix of such a file."""
    return isinstance(path, str | Path) and Path(path).suffix.lower() == ".safetensors"


def holds_trace(path: str | Path) -> bool:
    """Whether a file is a trace and not a model. False if it cannot be read as either."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(8)
            text = file.read(min(int.from_bytes(head, "little"), 1 << 20) if len(head) == 8 else 0)
    except (OSError, ValueError):  # a name that no file can have
        return False
    # a trace's metadata come first in the header, the format among them
    return b"lstm-trace/" in text.split(b'"data_offsets"', 1)[0]


def premise_tensors(trace: Trace) -> dict[str, Array]:
    """All tensors except the lines, by name; integers first, so that each begins at a multiple of its item size."""
    found: dict[str, Array] = {}
    for name, array in (("lengths", trace.lengths), ("mask", trace.mask), ("x", trace.x)):
        if array is not None:
            found[f"inputs/{name}"] = array if name == "x" else array.astype(np.int64)
    for part, scope, name, array in arrays(trace, "given", "initial", "parameters", "sums"):
        found[f"{'inputs/given' if part == 'given' else part}/{scope}/{name}"] = array
    return found


def layout_of(shapes: Shapes, manifest: TraceManifest) -> tuple[bytes, dict[str, TensorSpan]]:
    """The head of a file (length and header), and the position of each tensor from the beginning of the file.

    Raises FileError if the header is too long to be read.
    """
    text = manifest.model_dump_json(exclude_defaults=False)
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "manifest": text}}
    at = 0
    for name, (dtype, shape) in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _NAMES[np.dtype(dtype)], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 64)  # after the 8 bytes of the length, tensors begin at multiples of 8
    if len(content) > MOST_HEADER:
        raise FileError(f"the header would have {len(content):,} bytes; at most {MOST_HEADER:,} can be read")
    head = len(content).to_bytes(8, "little") + content
    offsets = {name: [len(head) + n for n in header[name]["data_offsets"]] for name in shapes}
    return head, {name: TensorSpan(dtype, shape, *offsets[name]) for name, (dtype, shape) in shapes.items()}


# -- reading ---------------------------------------------------------------------------------------------------------


def read_header(path: str | Path, content: Array) -> tuple[TraceManifest, dict[str, TensorSpan]]:
    """The manifest of a file and its tensors, checked against the file's bytes. Raises FileError."""
    from .schema import TraceManifest, validate

    size, length = len(content), int.from_bytes(content[:8].tobytes(), "little")
    if length > min(size - 8, MOST_HEADER):
        raise FileError(f"{path}: not a .safetensors file, or its beginning is missing")
    try:
        header = json.loads(content[8 : 8 + length].tobytes().decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: the header cannot be read ({plain(error)})") from None
    metadata: Any = header.pop("__metadata__", None) if isinstance(header, dict) else None
    name = metadata.get("format", "") if isinstance(metadata, dict) else ""
    check_version(path, str(name), f"{FORMAT} is not in its header); a model")
    manifest = validate(TraceManifest, str(metadata.get("manifest", "")).encode(), str(path))
    at = 8 + length
    tensors = {name: _tensor(path, name, entry, at) for name, entry in header.items()}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].first):
        if tensor.first != at:
            raise FileError(f"{path}: {name} does not begin where the tensor before it ends")
        at = tensor.last
    if at != size:
        what = "truncated" if size < at else "longer than its header says"
        raise FileError(f"{path}: the file is {what}: {size:,} bytes, expected {at:,}")
    return manifest, tensors


def check_version(path: str | Path, name: str, lacking: str) -> None:
    """Raise FileError unless the format is supported. lacking: why the file is not a trace, and what can be traced."""
    if not name.startswith("lstm-trace/"):
        raise FileError(f"{path}: not a trace ({lacking} is traced with `lstm-trace run`")
    if name != FORMAT:
        raise FileError(f"{path}: written in the format {name}; this version reads {FORMAT}; update lstm-trace")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a duplicate key is an error."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate name")
    return found


def _tensor(path: str | Path, name: str, entry: Any, begin: int) -> TensorSpan:
    """One entry of the header. Raises FileError."""
    try:
        dtype, shape, offsets = _KINDS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (*shape, *offsets))
        first, last = offsets
        whole = whole and len(shape) <= MOST_AXES and min(shape, default=1) > 0 and first >= 0  # none of ours is empty
        fits = whole and last - first == math.prod(shape) * dtype.itemsize
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path}: {name}: the header's entry cannot be read") from None
    if not fits:
        raise FileError(f"{path}: {name}: its shape {shape} and its position in the file do not agree")
    return TensorSpan(dtype, tuple(shape), begin + first, begin + last)


#: Approximate size of one buffer in bytes.
BUFFER = 8 * 1024 * 1024
#: A line with at least this many bytes per step is written from where it was computed; this many steps per call.
LARGE_STEP = 4096
MOST_VIEWS = 512

Places = Mapping[str, TensorSpan]


def save_tensors(trace: Trace, path: str | Path) -> None:
    """Write a trace. Raises FileError if the file cannot be written, or could not be read again."""
    assembled(trace, str(path))
    lines = {f"lines/{scope}/{name}": array for _, scope, name, array in arrays(trace, "lines")}
    with begun(trace, {name: (a.dtype, a.shape) for name, a in lines.items()}, path) as (file, places):
        chunk = max(1, BUFFER // max(sum(a.nbytes for a in lines.values()) // trace.steps, 1))
        for first in range(0, trace.steps, chunk):  # the lines of some steps are close together in memory
            for name, array in lines.items():
                write_rows(file, places[name], array[first : first + chunk], first)


def load_mapped(path: str | Path, content: bytes | None = None) -> Trace:
    """The trace in a file, memory-mapped: arrays are loaded only on use, and are read-only.

    content: the bytes of the file, if they were read from a pipe or stream.

    Raises FileError for a foreign, truncated, damaged or newer file, or arrays that do not fit the trace's equations.
    """
    with reading(str(path)):  # an empty file cannot be mapped
        there = content is None and os.path.getsize(path) > 0
        mapped = np.asarray(np.memmap(path, np.uint8, "r")) if there else np.frombuffer(content or b"", np.uint8)
    manifest, tensors = read_header(path, mapped)
    parts = ("inputs/given", "initial", "parameters", "lines", "sums")
    found: dict[str, dict[str, dict[str, Array]]] = {part: {} for part in parts}
    inputs: dict[str, Array] = {}
    problems = []
    for name, tensor in tensors.items():
        part = next((part for part in parts if name.startswith(f"{part}/")), "")
        scope, line = scope_and_name(name.removeprefix(f"{part}/")) if part else ("", "")
        whole = name in ("inputs/lengths", "inputs/mask")
        if whole and tensor.dtype.kind != "i":
            problems.append(f"{path}: {name} must be whole numbers (I64)")
        elif not whole and name != "inputs/x" and (not line or scope.count("/") != 1):
            problems.append(f"{path}: the tensor {name!r} is not part of a trace")
        elif not whole and tensor.dtype != np.dtype(manifest.dtype):
            problems.append(f"{path}: {name} is {tensor.dtype.name}, but the trace is {manifest.dtype}")
        elif part:
            found[part].setdefault(scope, {})[line] = tensor.within(mapped)
        else:
            inputs[name] = tensor.within(mapped)
    raise_all(FileError, problems)
    lengths, mask = inputs.get("inputs/lengths"), inputs.get("inputs/mask")
    with reading(f"{path}: inputs/mask"):
        mask = None if mask is None else to_truths(mask)
    return read_trace(
        manifest,
        str(path),
        x=inputs.get("inputs/x"),
        lengths=None if lengths is None else np.array(lengths),
        mask=mask,
        given=found.pop("inputs/given"),
        **found,
    )


@contextmanager
def begun(trace: Trace, lines: Shapes, path: str | Path) -> Iterator[tuple[FileIO, Places]]:
    """A file with its head and the premises of `trace`, and the position of each tensor; complete at the end."""
    premises = premise_tensors(trace)
    shapes = {n: (a.dtype, a.shape) for n, a in premises.items()} | dict(lines)
    said = readable(trace, str(path))
    with within(str(path)):
        head, places = layout_of(shapes, said)
    size = max((place.last for place in places.values()), default=len(head))
    with reading(str(path)):
        free = shutil.disk_usage(destination(path).parent).free
    if size > free:
        raise FileError(f"{path}: the trace would need {amount(size)}, and {amount(free)} of the disk are free")
    with written(path, "wb") as buffered:
        buffered.flush()
        file = FileIO(buffered.fileno(), "r+", closefd=False)
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # preallocated, writing is a third faster (ext4)
        except (OSError, AttributeError):  # unsupported by the file system or the platform
            file.truncate(size)
        for name, array in premises.items():
            write_rows(file, places[name], array, 0)
        yield file, places
        write_bytes(file, 0, memoryview(head))  # last: a killed run leaves nothing that passes for a trace


def write_rows(file: FileIO, place: TensorSpan, values: Array, first: int) -> None:
    """Write the rows `values` of a tensor, starting at row `first`."""
    if not values.size:
        return
    each = values.nbytes // len(values)
    at = place.first + first * each
    if values.flags.c_contiguous or not values[0].flags.c_contiguous or each < LARGE_STEP or not hasattr(os, "writev"):
        write_bytes(file, at, _bytes(values))
        return
    for begin in range(0, len(values), MOST_VIEWS):  # each step is contiguous: written without a copy
        steps = list(values[begin : begin + MOST_VIEWS])
        file.seek(at)
        if os.writev(file.fileno(), steps) < each * len(steps):
            write_bytes(file, at, _bytes(np.stack(steps)))
        at += each * len(steps)


def _bytes(values: Array) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def write_bytes(file: FileIO, at: int, content: memoryview) -> None:
    """Write all of `content` at the byte `at`: a raw file may accept less in one call."""
    file.seek(at)
    while content:
        content = content[file.write(content) or 0 :]
