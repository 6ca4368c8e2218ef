"""Large traces as .safetensors: written piece by piece, and mapped when they are read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import numpy as np

from ...base.arrays import Array, to_truths
from ...base.resources import amount
from ...base.writing import destination, written
from ...cell.network import scope_and_name
from ...errors import FileError, raise_all, reason, within
from ..trace import Trace
from .manifest import assembled, from_manifest, readable
from .tensor_header import Shapes, Tensor, layout_of, premise_tensors, read_header

#: Bytes of one buffer, about.
BUFFER = 8 * 1024 * 1024
#: A line of at least so many bytes a step is written from where it was computed; so many steps in one call.
LARGE_STEP = 4096
MOST_VIEWS = 512

Places = Mapping[str, Tensor]


def save_tensors(trace: Trace, path: str | Path) -> None:
    """Write a trace. Raises FileError where the file cannot be written, or could not be read again."""
    assembled(trace, str(path))
    arrays = {f"lines/{s}/{n}": a for s, here in trace.lines.items() for n, a in here.items()}
    with begun(trace, {name: (a.dtype, a.shape) for name, a in arrays.items()}, path) as (file, places):
        size = sum(a.nbytes for a in arrays.values()) // trace.steps
        chunk = max(1, BUFFER // max(size, 1))
        for first in range(0, trace.steps, chunk):  # the lines of some steps lie near each other in memory
            for name, array in arrays.items():
                write_rows(file, places[name], array[first : first + chunk], first)


def load_mapped(path: str | Path) -> Trace:
    """The trace in a file, its arrays mapped: what is not read is not loaded, and nothing can be written.

    Raises FileError for a foreign, truncated, damaged or newer file, or arrays that do not fit the trace's equations.
    """
    manifest, tensors = read_header(path)
    mapped = np.asarray(np.memmap(path, np.uint8, "r"))

    def array(name: str) -> Array:
        tensor = tensors[name]
        return mapped[tensor.first : tensor.last].view(tensor.dtype).reshape(tensor.shape)

    kinds = ("inputs/given", "initial", "parameters", "lines", "sums")
    parts: dict[str, dict[str, dict[str, Array]]] = {kind: {} for kind in kinds}
    problems = []
    for name, tensor in tensors.items():
        part = next((p for p in parts if name.startswith(f"{p}/")), None)
        if name in ("inputs/lengths", "inputs/mask"):
            if tensor.dtype.kind != "i":
                problems.append(f"{path}: {name} must be whole numbers (I64)")
            continue
        scope, line = scope_and_name(name[len(part) + 1 :]) if part else ("", "")
        if name != "inputs/x" and (not line or scope.count("/") != 1):
            problems.append(f"{path}: the tensor {name!r} is not part of a trace")
        elif tensor.dtype != np.dtype(manifest.dtype):
            problems.append(f"{path}: {name} is {tensor.dtype.name}, but the trace is {manifest.dtype}")
        elif part is not None:
            parts[part].setdefault(scope, {})[line] = array(name)
    raise_all(FileError, problems)
    header, stages = from_manifest(manifest, str(path))
    x = array("inputs/x") if "inputs/x" in tensors else None
    lengths = np.array(array("inputs/lengths")) if "inputs/lengths" in tensors else None
    mask = None
    if "inputs/mask" in tensors:
        try:
            mask = to_truths(array("inputs/mask"))
        except ValueError as error:
            raise FileError(f"{path}: inputs/mask: {error}") from None
    trace = Trace(
        header,
        stages,
        manifest.steps,
        manifest.batch,
        x,
        lengths,
        parts["parameters"],
        parts["initial"],
        parts["inputs/given"],
        parts["lines"],
        manifest.first,
        mask,
        parts["sums"],
    )
    return assembled(trace, str(path))


@contextmanager
def begun(trace: Trace, lines: Shapes, path: str | Path) -> Iterator[tuple[FileIO, Places]]:
    """A file with its head and the premises of `trace` in it, and where each tensor goes; whole at the end."""
    premises = premise_tensors(trace)
    shapes = {n: (a.dtype, a.shape) for n, a in premises.items()} | dict(lines)
    said = readable(trace, str(path))
    with within(str(path)):
        head, places = layout_of(shapes, said)
    size = max((place.last for place in places.values()), default=len(head))
    try:
        free = shutil.disk_usage(destination(path).parent).free
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from None
    if size > free:
        raise FileError(f"{path}: the trace would need {amount(size)} and {amount(free)} of the disk are free")
    with written(path, "wb") as buffered:
        buffered.flush()
        file = FileIO(buffered.fileno(), "r+", closefd=False)
        _reserve(file, size)
        for name, array in premises.items():
            write_rows(file, places[name], array, 0)
        yield file, places
        write_bytes(file, 0, memoryview(head))  # last: without it nobody takes the rest of a killed run for a trace


def _reserve(file: FileIO, size: int) -> None:
    """Give the file its size, with room on the disk where the system can: writing is then a third faster (ext4)."""
    if hasattr(os, "posix_fallocate"):
        with suppress(OSError):  # a file system that cannot
            os.posix_fallocate(file.fileno(), 0, size)
            return
    file.truncate(size)


def write_rows(file: FileIO, place: Tensor, values: Array, first: int) -> None:
    """Write the rows `values` of a tensor, of which the first is row `first`."""
    if not values.size:
        return
    each = values.nbytes // len(values)
    at = place.first + first * each
    if values.flags.c_contiguous or not values[0].flags.c_contiguous or each < LARGE_STEP or not hasattr(os, "writev"):
        write_bytes(file, at, _bytes(values))
        return
    for begin in range(0, len(values), MOST_VIEWS):  # each step is in one piece: they are written without a copy
        steps = list(values[begin : begin + MOST_VIEWS])
        file.seek(at)
        if os.writev(file.fileno(), steps) < each * len(steps):
            write_bytes(file, at, _bytes(np.stack(steps)))
        at += each * len(steps)


def _bytes(values: Array) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def write_bytes(file: FileIO, at: int, content: memoryview) -> None:
    """Write all of `content` at the byte `at`: a raw file may take less in one call."""
    file.seek(at)
    while content:
        content = content[file.write(content) or 0 :]
