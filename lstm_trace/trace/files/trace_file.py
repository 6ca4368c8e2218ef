"""Trace files: the suffix, or what a file begins with, says which kind it is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...base.writing import format_of
from ..argument_types import checked
from ..trace import Trace
from .tensor_header import holds_trace, is_tensors
from .trace_json import load_json, looks_like_one, save_json
from .trace_safetensors import load_mapped, save_tensors

#: File suffix to format.
SUFFIXES = {".json": "json", ".safetensors": "safetensors"}


def trace_format(path: str | Path) -> str:
    """`json` or `safetensors`: as what a trace is written to `path`. Raises FileError for another suffix."""
    return format_of(path, SUFFIXES, "traces", "json")


@checked
def save(trace: Trace, path: str | Path) -> None:
    """Write the trace to a `.json` or `.safetensors` file ('-' is JSON).

    Raises FileError for another suffix, and for what `load` would refuse to read.
    """
    if trace_format(path) == "safetensors":
        save_tensors(trace, path)
        return
    save_json(trace, path)


def load(path: str | Path, content: bytes | None = None) -> Trace:
    """Read a trace. Raises FileError for a foreign, truncated or newer file, or arrays that do not fit its cell.

    Arrays of a .safetensors file are mapped: read when they are looked at, and not to be written.
    """
    if content is None and is_tensors(path):
        return load_mapped(path)
    return load_json(path, content)


def is_trace(path: str | Path) -> bool:
    """Whether a file holds a trace; what it begins with says so. False for what can be read only once."""
    if not Path(path).is_file():
        return False
    if is_tensors(path):
        return holds_trace(path)
    with suppress(OSError), open(path, "rb") as file:
        return looks_like_one(file.read(4096))
    return False
