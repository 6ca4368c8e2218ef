"""Trace files: the format follows from the suffix or the first bytes; small traces are JSON.

The JSON is text that a person can read and compare, with everything that is needed to derive the trace again.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from ...base.arrays import Array, cast, describe, to_list
from ...base.files import check_size, read_bytes, require_finite
from ...base.writing import Target, format_of, is_device, read_from, written
from ...errors import FileError, OptionError, reading
from ...printable import json_text
from ..address import INITIAL, STATE
from ..argument_types import BYTES, checked
from ..holding import as_number
from ..trace import Header, Trace
from ..window import arrays
from . import FORMAT
from .manifest import MOST, assembled, manifest, read_trace, readable
from .safetensors import check_version, holds_trace, is_tensors, load_mapped, save_tensors

#: File suffix to format.
SUFFIXES = {".json": "json", ".safetensors": "safetensors"}


def trace_format(path: Target) -> str:
    """The format in which a trace is written to `path`: `json` or `safetensors`.

    Raises FileError for another suffix.
    """
    return format_of(path, SUFFIXES, "traces", "json", "; choose one with --format")


@contextmanager
def tensors_for(path: Target) -> Iterator[str]:
    """The file that a .safetensors trace is written to: `path`, or a temporary file that is copied to a pipe, device or
    stream.

    The header contains the position of every array, and the writer returns to it.
    """
    if str(path) != "-" and not is_device(path):
        yield str(path)
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "trace.safetensors"
        yield str(file)
        with open(file, "rb") as made, written(path, "wb") as stream:
            copyfileobj(made, stream)


@checked
def save(trace: Trace, path: str | Path | IO[Any], format: str | None = None) -> None:
    """Write the trace to a `.json` or `.safetensors` file ('-' is standard output, as JSON), or to an open stream.

    format: `json` or `safetensors`, if the suffix does not determine it.
    Raises FileError for another suffix, and for a trace that `load` would refuse to read.
    """
    chosen = format or trace_format(path)
    if chosen not in SUFFIXES.values():
        raise FileError(f"there is no format {chosen!r} of traces; expected {' or '.join(SUFFIXES.values())}")
    if chosen == "safetensors":
        with tensors_for(path) as file:
            save_tensors(trace, file)
        return
    count, name = sum(values.size for _, _, values in trace.recorded()), _name(path)
    if count > MOST:
        raise FileError(f"{name}: {count:,} values; a trace as JSON has at most {MOST:,}: {LARGER}, or record less")
    readable(assembled(trace, name), name)
    text = to_json(trace)
    check_size(name, len(text.encode()), LARGER)
    with written(path) as stream:
        stream.write(text)


def _name(path: Target | bytes) -> str:
    """What messages call a file."""
    return str(path) if isinstance(path, str | Path) else "this trace"


def load(path: Target | bytes, content: bytes | None = None) -> Trace:
    """Read a trace. Raises FileError for a foreign, truncated or newer file, or arrays that do not fit its cell.

    Arrays of a .safetensors file are memory-mapped: they are loaded on use, and are read-only.
    """
    if not isinstance(path, str | Path):
        found = path if isinstance(path, BYTES) else _read(path)
        path, content = _name(path), found.encode() if isinstance(found, str) else bytes(found)
    if content is None and is_tensors(path):
        return load_mapped(path)
    content = read_bytes(path, LARGER) if content is None else content
    return load_mapped(path, content) if are_tensors(content) else load_json(path, content)


def _read(stream: IO[Any]) -> Any:
    """The text or bytes of an open stream. Raises FileError if it is closed, not open for reading, or damaged."""
    try:
        found = stream.read()
    except (ValueError, OSError, EOFError, zlib.error) as error:  # the last two: of a stream that unpacks
        raise FileError(
            f"the stream cannot be read ({error}): expected one that is open for reading, and whole"
        ) from None
    if not isinstance(found, (str, *BYTES)):
        raise FileError(f"the stream cannot be read: its read() gave {describe(found)}; expected text or bytes")
    return found


def is_trace(path: str | Path) -> bool:
    """Whether a file holds a trace, judged by its first bytes. False for a stream that can be read only once."""
    if not Path(path).is_file():
        return False
    if is_tensors(path):
        return holds_trace(path)
    with suppress(OSError), open(path, "rb") as file:
        return looks_like_one(file.read(4096))
    return False


#: Advice for a text file that is too large.
LARGER = "write the trace as .safetensors"


def to_json(trace: Trace) -> str:
    """The trace as JSON text, one row of an array per line."""
    return _pretty(_contents(trace), 0) + "\n"


def premises_json(trace: Trace) -> str:
    """The premises of a trace and its equations, without its values and what it says of itself, as short JSON text."""
    header = Header(
        kind="equations", dtype=trace.header.dtype, merge=trace.header.merge, padding=trace.header.padding,
        arithmetic=trace.header.arithmetic,
    )  # fmt: skip
    data = _contents(replace(trace, header=header, lines={}, sums={}))
    return json_text(data, allow_nan=False, separators=(",", ":"), default=to_list)


def _contents(trace: Trace) -> dict[str, Any]:
    """What the file of a trace contains, with its arrays."""
    states: dict[str, dict[str, Any]] = {}
    for _, scope, state, array in arrays(trace, "initial"):
        states.setdefault(state, {})[scope] = array
    inputs = {
        "x": trace.x,
        "lengths": None if trace.lengths is None else trace.lengths.tolist(),
        "mask": None if trace.mask is None else trace.mask.astype(int),
        **{short: states.pop(state) for state, short in INITIAL.items() if state in states},
        "initial": states,
        "given": trace.given,
    }
    return manifest(trace).model_dump(exclude_defaults=False) | {
        "parameters": trace.parameters,
        "inputs": {k: v for k, v in inputs.items() if v is not None and not (isinstance(v, dict) and not v)},
        "lines": trace.lines,
        **({"sums": trace.sums} if trace.sums else {}),
    }


def are_tensors(content: bytes) -> bool:
    """Whether bytes begin like safetensors: with the length of a JSON header, and that header."""
    return content[8:9] == b"{" and content[:1] != b"{"


def load_json(path: str | Path, content: bytes) -> Trace:
    """The trace in the content of a file, its arrays checked against its equations. Raises FileError."""
    from .schema import TraceFile, validate

    content = content.removeprefix(b"\xef\xbb\xbf")  # the byte-order mark that some editors put before UTF-8
    mark = re.search(rb'"format"\s*:\s*"([^"]{0,40})"', content[:4096])
    name = mark[1].decode(errors="replace") if mark else ""
    check_version(path, name, f'no "format": "{FORMAT}"); a problem')
    file = validate(TraceFile, content, str(path))

    @cache
    def require_words() -> None:  # infinity is a word, and no number that is too large
        require_finite(path, content.decode())

    def held(array: Array, name: str) -> Array:
        if np.isinf(array).any():
            require_words()
        with reading(f"{path}: {name}"):
            return cast(array, file.dtype)

    def all_held(arrays: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
        return {scope: {n: held(a, f"{scope}/{n}") for n, a in here.items()} for scope, here in arrays.items()}

    inputs = file.inputs
    initial: dict[str, dict[str, Array]] = {}
    for state, values in {STATE["h0"]: inputs.h0, STATE["c0"]: inputs.c0, **inputs.initial}.items():
        for scope, array in values.items():
            initial.setdefault(scope, {})[state] = held(array, f"{scope}/{state}")
    return read_trace(
        file,
        str(path),
        x=None if inputs.x is None else held(inputs.x, "x"),
        lengths=None if inputs.lengths is None else np.array(inputs.lengths),
        mask=inputs.mask,
        initial=initial,
        given=all_held(inputs.given),
        **{part: all_held(getattr(file, part)) for part in ("parameters", "lines", "sums")},
    )


def _pretty(value: Any, depth: int) -> str:
    """JSON with one line per row of an array, so that a person can read a diff."""
    pad, rows = f"\n{' ' * (depth + 1)}", []
    if isinstance(value, Mapping) and value:
        inside = f",{pad}".join(f"{json.dumps(key)}: {_pretty(v, depth + 1)}" for key, v in value.items())
        return f"{{{pad}{inside}{pad[:-1]}}}"
    if isinstance(value, np.ndarray):
        value = to_list(value)
        rows = list(map(json.dumps, value)) if value and isinstance(value, list) and isinstance(value[0], list) else []
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        rows = [_pretty(entry, depth + 1) for entry in value]
    return f"[{pad}{f',{pad}'.join(rows)}{pad[:-1]}]" if rows else json_text(value, allow_nan=False)


def looks_like_one(content: bytes) -> bool:
    """Whether a text begins like a trace, and not like a problem."""
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] == b"{" and b'"format"' in head and FORMAT.split("/")[0].encode() in head


def read_holds(hold: Mapping[str, Any], folder: str | Path = "") -> dict[str, Any]:
    """The requested holds, with every path of a trace replaced by the trace. folder: the base of relative paths.

    Raises OptionError for a text that is not a number, a multiple or the path of a file; FileError for a file that is
    not a trace.
    """
    found, traces = dict(hold), dict[Path, Trace]()
    for address, value in hold.items():
        if not isinstance(value, str) or as_number(value) is not None:
            continue
        path = Path(folder, value.strip())
        if not os.path.isfile(path):  # False also for anything that cannot be a path
            there = f"{path.absolute()} is not a file" if os.path.exists(path) else f"there is no {path.absolute()}"
            said = f"{value!r} is not a finite number, a multiple such as *0.5, or an existing file: {there}"
            raise OptionError(f"hold {address!r}: {said}; save a trace there with lstm-trace run, or give its path")
        if path not in traces:
            read_from(path)
            traces[path] = load(path)
        found[address] = traces[path]
    return found
