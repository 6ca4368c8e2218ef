"""Trace files: JSON for small traces, .safetensors for large ones. Each holds all that is needed to derive it again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .arguments import checked
from .arrays import cast, to_list
from .cell.ops import Array
from .cell.parse import parse
from .cell.shapes import infer
from .cell.stack import GIVEN, VALID, Stage, X
from .errors import FileError, LstmTraceError
from .files import check_size, read_bytes, written
from .schema import FORMAT, CellInfo, Manifest, StageInfo, TraceFile, validate
from .tensors import holds_trace, is_tensors, read_header
from .trace import INITIAL, STATE, Header, Trace

#: What to do with a text file that is too large.
LARGER = "write the trace as .safetensors"
_HEADER = ("title", "dtype", "merge", "padding", "batched", "batch_first", "plan", "arithmetic")
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
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@checked
def save(trace: Trace, path: str | Path) -> None:
    """Write the trace to a `.json` or `.safetensors` file ('-' is JSON).

    Raises FileError for another suffix, and for what `load` would refuse to read.
    """
    if is_tensors(path):
        from .running.stream import save_tensors  # it builds on this file

        save_tensors(trace, path)
        return
    if str(path) != "-" and Path(path).suffix.lower() != ".json":
        raise FileError(f"{path}: traces are written as .json, large ones as .safetensors")
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
        if name == "inputs/lengths":
            continue
        scope, _, line = name[len(part) + 1 :].rpartition("/") if part else ("", "", "")
        if name != "inputs/x" and (not line or scope.count("/") != 1):
            problems.append(f"{path}: the tensor {name!r} is no part of a trace")
        elif tensor.dtype != np.dtype(manifest.dtype):
            problems.append(f"{path}: {name} is {tensor.dtype.name}, but the trace is {manifest.dtype}")
        elif part is not None:
            parts[part].setdefault(scope, {})[line] = array(name)
    if "inputs/lengths" in tensors and tensors["inputs/lengths"].dtype.kind != "i":
        problems.append(f"{path}: inputs/lengths must be whole numbers (I64)")
    if problems:
        raise FileError(*problems)
    header, stages = from_manifest(manifest, str(path))
    x = array("inputs/x") if "inputs/x" in tensors else None
    lengths = np.array(array("inputs/lengths")) if "inputs/lengths" in tensors else None
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
    problems = _faults(trace)
    if problems:
        raise FileError(*(f"{where}: {problem}" for problem in problems))
    return trace


def _stage(info: StageInfo) -> Stage:
    computed = None if info.computed is None else tuple(info.computed)
    return Stage(info.layer, info.direction, parse(info.equations), info.sources, computed)


def _faults(trace: Trace) -> list[str]:
    """What does not fit between a trace's arrays and its equations."""
    dtype = trace.header.dtype
    problems = [f"{place} is {a.dtype}, but the trace is {dtype}" for place, a in _arrays(trace) if a.dtype != dtype]
    lead = (trace.steps, trace.batch)
    before: dict[str, Stage] = {}
    for stage in trace.stages:
        if stage.scope in before:
            problems.append(f"{stage.scope} stands twice")
        problems += (f"{stage.scope}: {problem}" for problem in _stage_faults(stage, before))
        before[stage.scope] = stage
    if trace.x is None and not any(trace.lines.values()) and not any(trace.given.values()):
        problems.append("it holds no values")  # nothing bounds its steps and rows
    if trace.x is not None and (trace.x.ndim != 3 or trace.x.shape[:2] != lead):
        problems.append(f"inputs.x has shape {trace.x.shape}; expected (T, B, I) with T, B = {lead}")
    if trace.lengths is not None and (
        trace.lengths.shape != (trace.batch,) or trace.lengths.min() < 0 or trace.lengths.max() > trace.span.stop
    ):
        problems.append(f"inputs.lengths: expected {trace.batch} whole numbers from 0 to {trace.span.stop}")
    strays = [scope for scope in trace.parameters if scope not in before]
    problems += (f"parameters: there is no stage {scope!r}" for scope in strays)
    for part, shape in (("initial", (trace.batch,)), ("given", lead), ("lines", lead)):
        for scope, values in getattr(trace, part).items():
            if scope not in before:
                problems.append(f"{part}: there is no stage {scope!r}")
                continue
            for name, array in values.items():
                if array.ndim != len(shape) + 1 or array.shape[:-1] != shape:
                    problems.append(f"{part} {scope}/{name} has shape {array.shape}; expected {(*shape, 'width')}")
                if part == "lines" and name not in before[scope].cell.by_name:
                    problems.append(f"lines {scope}/{name}: the cell has no such line")
    return problems or _widths(trace)


def _arrays(trace: Trace) -> Iterator[tuple[str, Array]]:
    """Every array of numbers that a trace holds, by its place."""
    if trace.x is not None:
        yield "inputs.x", trace.x
    for part in ("parameters", "initial", "given", "lines"):
        for scope, values in getattr(trace, part).items():
            yield from ((f"{part} {scope}/{name}", array) for name, array in values.items())


def _stage_faults(stage: Stage, before: Mapping[str, Stage]) -> Iterator[str]:
    """What does not fit within a stage, or to those before it, by scope."""
    cell = stage.cell
    if stage.computed is not None:
        computed = set(stage.computed)
        if not computed <= set(cell.by_name):
            yield "computed names a line that the equations do not have"
            return
        if not computed or len(computed) < len(stage.computed):
            yield "computed is empty, or names a line twice"
        for name in computed:
            for missing in set(cell.by_name[name].reads) & set(cell.by_name) - computed:
                yield f"computed leaves out {missing}, which {name} reads"
    if not set(stage.sources) <= set(cell.inputs):
        yield "sources names what is no input of the equations"
    for name in cell.inputs:
        source = stage.sources.get(name, "")
        scope, _, line = source.rpartition("/")
        there = scope in before and (line in before[scope].cell.by_name or line in before[scope].cell.inputs)
        unused = source and name not in stage.inputs  # then its stage need not be in the trace
        if source not in (X, VALID, GIVEN) and not there and not unused:
            yield f"the source of {name} is not there"


def _widths(trace: Trace) -> list[str]:
    """Lines whose width is not what the equations and parameters give."""
    problems: list[str] = []
    found: dict[str, int] = {}  # by address, also of lines that were not recorded
    for stage in trace.stages:
        known: dict[str, tuple[int, str]] = {}
        for name in (*stage.inputs, *stage.states):
            values = trace.operand(stage.scope, name, slice(0, 1) if stage.direction != "reverse" else slice(-1, None))
            width = found.get(stage.sources.get(name, "")) if values is None else values.shape[-1]
            if width is not None:
                known[name] = width, f"from {name}"
        here = trace.parameters.get(stage.scope, {})
        shapes = {name: here[name].shape for name in stage.parameters if name in here}
        if not {*stage.parameters, *stage.inputs} <= {*shapes, *known}:
            continue  # a line without its operands is told by verify: cannot tell
        try:
            sizes = infer(stage.cell, [line.name for line in stage.lines], shapes, known)
        except LstmTraceError as error:
            problems += [f"{stage.scope}: {problem}" for problem in error.problems]
            continue
        found |= {f"{stage.scope}/{name}": width for name, width in sizes.widths.items()}
        for name, array in trace.lines.get(stage.scope, {}).items():
            if name in sizes.widths and array.shape[-1] != sizes.widths[name]:
                problems.append(f"lines {stage.scope}/{name}: width {array.shape[-1]}, expected {sizes.widths[name]}")
    return problems
