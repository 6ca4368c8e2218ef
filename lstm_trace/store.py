"""Trace files: JSON for small traces, .safetensors for large ones. Each holds all that is needed to derive it again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .arguments import checked
from .arrays import cast, to_list, to_truths
from .cell.ops import Array
from .cell.parse import parse
from .cell.stack import Stage
from .consistency import faults
from .errors import FileError, LstmTraceError
from .files import check_size, format_of, read_bytes, written
from .printable import json_text
from .schema import FORMAT, CellInfo, Manifest, StageInfo, TraceFile, validate
from .tensors import holds_trace, is_tensors, read_header
from .trace import INITIAL, STATE, Header, Trace

#: What to do with a text file that is too large.
LARGER = "write the trace as .safetensors"
#: File suffix to format.
SUFFIXES = {".json": "json", ".safetensors": "safetensors"}
_HEADER = ("title", "notes", "dtype", "merge", "padding", "batched", "batch_first", "plan", "arithmetic")
_LISTS = ("ask", "imported", "agreement")


def manifest(trace: Trace) -> Manifest:
    """What the trace says of itself, without the arrays."""
    header = trace.header
    stages = [
        StageInfo(
            layer=s.layer,
            direction=s.direction,  # type: ignore[arg-type]
            equations=s.cell.text,
            sources=dict(s.sources),
            computed=None if s.computed is None else list(s.computed),
        )
        for s in trace.stages
    ]
    plain: dict[str, Any] = {name: getattr(header, name) for name in _HEADER}
    lists: dict[str, Any] = {name: list(getattr(header, name)) for name in _LISTS}
    return Manifest(
        cell=CellInfo(kind=header.kind, options=dict(header.options)),
        first=trace.first,
        steps=trace.steps,
        batch=trace.batch,
        stages=stages,
        names={k: list(v) for k, v in header.names.items()},
        symbols=dict(header.symbols),
        **plain,
        **lists,
    )


def readable(trace: Trace, where: str) -> Manifest:
    """The manifest of `trace`, which was read back as it would be from a file. Raises FileError where it cannot be."""
    try:
        said = manifest(trace)
        text = said.model_dump_json()
    except ValueError as error:  # no text, or half of a character
        raise FileError(f"{where}: the trace has a text that cannot be written ({error})") from None
    again = validate(Manifest, text.encode(), where)
    other = [name for name in Manifest.model_fields if getattr(again, name) != getattr(said, name)]
    if not other and from_manifest(again, where)[1] != trace.stages:
        other = ["stages"]
    if other:
        raise FileError(f"{where}: the trace's {' and '.join(other)} would not be read back as they are")
    return said


def to_json(trace: Trace) -> str:
    """The trace as JSON text, one row of an array to a line."""
    states: dict[str, dict[str, Any]] = {}
    for scope, values in trace.initial.items():
        for state, array in values.items():
            states.setdefault(state, {})[scope] = array
    inputs = {
        "x": trace.x,
        "lengths": None if trace.lengths is None else [int(n) for n in trace.lengths],
        "mask": None if trace.mask is None else trace.mask.astype(int),
        **{short: states.pop(state) for state, short in INITIAL.items() if state in states},
        "initial": states,
        "given": trace.given,
    }
    data = manifest(trace).model_dump(exclude_defaults=False) | {
        "parameters": trace.parameters,
        "inputs": {k: v for k, v in inputs.items() if v is not None and not (isinstance(v, dict) and not v)},
        "lines": trace.lines,
    }
    return _pretty(data, 0) + "\n"


def _pretty(value: Any, depth: int) -> str:
    """JSON with one line for each row of an array, so that a person can read a diff."""
    if isinstance(value, np.ndarray):
        value = to_list(value)
        if value and isinstance(value, list) and isinstance(value[0], list):
            rows = f",\n{' ' * (depth + 1)}".join(json.dumps(row) for row in value)
            return f"[\n{' ' * (depth + 1)}{rows}\n{' ' * depth}]"
    if isinstance(value, Mapping) and value:
        pad = " " * (depth + 1)
        rows = f",\n{pad}".join(f"{json.dumps(key)}: {_pretty(v, depth + 1)}" for key, v in value.items())
        return f"{{\n{pad}{rows}\n{' ' * depth}}}"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        pad = " " * (depth + 1)
        return f"[\n{pad}" + f",\n{pad}".join(_pretty(v, depth + 1) for v in value) + f"\n{' ' * depth}]"
    return json_text(value, allow_nan=False)


def trace_format(path: str | Path) -> str:
    """`json` or `safetensors`: as what a trace is written to `path`. Raises FileError for another suffix."""
    return format_of(path, SUFFIXES, "traces", "json")


@checked
def save(trace: Trace, path: str | Path) -> None:
    """Write the trace to a `.json` or `.safetensors` file ('-' is JSON).

    Raises FileError for another suffix, and for what `load` would refuse to read.
    """
    if trace_format(path) == "safetensors":
        from .running.stream import save_tensors  # it builds on this file

        save_tensors(trace, path)
        return
    readable(assembled(trace, str(path)), str(path))
    text = to_json(trace)
    check_size(path, len(text.encode()), LARGER)
    with written(path) as file:
        file.write(text)


def load(path: str | Path, content: bytes | None = None) -> Trace:
    """Read a trace. Raises FileError for a foreign, truncated or newer file, or arrays that do not fit its cell.

    Arrays of a .safetensors file are mapped: read when they are looked at, and not to be written.
    """
    if content is None and is_tensors(path):
        return load_mapped(path)
    content = read_bytes(path, LARGER) if content is None else content
    content = content.removeprefix(b"\xef\xbb\xbf")  # a mark that some editors put before UTF-8
    check_format(path, content)
    return from_file(validate(TraceFile, content, str(path)), str(path))


def load_mapped(path: str | Path) -> Trace:
    """The trace in a file, its arrays mapped: what is not read is not loaded, and nothing can be written.

    Raises FileError for a foreign, truncated, damaged or newer file, or arrays that do not fit the trace's equations.
    """
    manifest, tensors = read_header(path)
    mapped = np.asarray(np.memmap(path, np.uint8, "r"))

    def array(name: str) -> Array:
        tensor = tensors[name]
        return mapped[tensor.first : tensor.last].view(tensor.dtype).reshape(tensor.shape)

    parts: dict[str, dict[str, dict[str, Array]]] = {"inputs/given": {}, "initial": {}, "parameters": {}, "lines": {}}
    problems = []
    for name, tensor in tensors.items():
        part = next((p for p in parts if name.startswith(f"{p}/")), None)
        if name in ("inputs/lengths", "inputs/mask"):
            if tensor.dtype.kind != "i":
                problems.append(f"{path}: {name} must be whole numbers (I64)")
            continue
        scope, _, line = name[len(part) + 1 :].rpartition("/") if part else ("", "", "")
        if name != "inputs/x" and (not line or scope.count("/") != 1):
            problems.append(f"{path}: the tensor {name!r} is no part of a trace")
        elif tensor.dtype != np.dtype(manifest.dtype):
            problems.append(f"{path}: {name} is {tensor.dtype.name}, but the trace is {manifest.dtype}")
        elif part is not None:
            parts[part].setdefault(scope, {})[line] = array(name)
    if problems:
        raise FileError(*problems)
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
    )
    return assembled(trace, str(path))


def looks_like_one(content: bytes) -> bool:
    """Whether a text begins like a trace, and not like a problem."""
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] == b"{" and b'"format"' in head and FORMAT.split("/")[0].encode() in head


def is_trace(path: str | Path) -> bool:
    """Whether a file holds a trace; what it begins with says so. False for what can be read only once."""
    if not Path(path).is_file():
        return False
    if is_tensors(path):
        return holds_trace(path)
    with suppress(OSError), open(path, "rb") as file:
        return looks_like_one(file.read(4096))
    return False


def check_format(path: str | Path, content: bytes) -> None:
    """Raise FileError unless `content` says that it is a trace of a version that we read."""
    mark = re.search(rb'"format"\s*:\s*"([^"]{0,40})"', content[:4096])
    name = mark[1].decode(errors="replace") if mark else ""
    if not name.startswith("lstm-trace/"):
        raise FileError(f'{path}: not a trace (no "format": "{FORMAT}"); a problem is traced with `lstm-trace run`')
    if name != FORMAT:
        raise FileError(f"{path}: written in the format {name}, this version reads {FORMAT}; update lstm-trace")


def from_file(file: TraceFile, where: str) -> Trace:
    """The trace of a validated file, its arrays checked against its equations. Raises FileError."""
    header, stages = from_manifest(file, where)

    def held(array: Array, name: str) -> Array:
        try:
            return cast(array, file.dtype)
        except ValueError as error:
            raise FileError(f"{where}: {name}: {error}") from None

    def all_held(arrays: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
        return {scope: {n: held(a, f"{scope}/{n}") for n, a in here.items()} for scope, here in arrays.items()}

    initial: dict[str, dict[str, Array]] = {}
    for state, values in {STATE["h0"]: file.inputs.h0, STATE["c0"]: file.inputs.c0, **file.inputs.initial}.items():
        for scope, array in values.items():
            initial.setdefault(scope, {})[state] = held(array, f"{scope}/{state}")

    trace = Trace(
        header,
        stages,
        file.steps,
        file.batch,
        None if file.inputs.x is None else held(file.inputs.x, "x"),
        None if file.inputs.lengths is None else np.array(file.inputs.lengths),
        all_held(file.parameters),
        initial,
        all_held(file.inputs.given),
        all_held(file.lines),
        file.first,
        file.inputs.mask,
    )
    return assembled(trace, where)


def from_manifest(file: Manifest, where: str) -> tuple[Header, tuple[Stage, ...]]:
    """What a manifest says: the header and the stages of a trace. Raises FileError."""
    try:
        stages = tuple(_stage(info) for info in file.stages)
    except LstmTraceError as error:
        raise FileError(*(f"{where}: {problem}" for problem in error.problems)) from None
    plain: dict[str, Any] = {name: getattr(file, name) for name in _HEADER}
    lists: dict[str, Any] = {name: tuple(getattr(file, name)) for name in _LISTS}
    header = Header(
        kind=file.cell.kind,
        options=file.cell.options,
        names=file.names,
        symbols=file.symbols,
        **plain,
        **lists,
    )
    return header, stages


def assembled(trace: Trace, where: str) -> Trace:
    """`trace`, its arrays checked against its equations. Raises FileError."""
    problems = faults(trace)
    if problems:
        raise FileError(*(f"{where}: {problem}" for problem in problems))
    return trace


def _stage(info: StageInfo) -> Stage:
    computed = None if info.computed is None else tuple(info.computed)
    return Stage(info.layer, info.direction, parse(info.equations), info.sources, computed)
