"""What a trace says of itself, as it stands at the head of every trace file."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ...cell.network import Stage
from ...cell.parse import parse
from ...errors import FileError, LstmTraceError, raise_all
from ..consistency import faults
from ..trace import Header, Trace
from .schema import CellInfo, StageInfo, TraceManifest, validate

#: What a manifest has of the header as it is.
_HEADER = [f.name for f in fields(Header) if f.name in TraceManifest.model_fields and f.name != "names"]


def manifest(trace: Trace) -> TraceManifest:
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
    labels = {"t": header.step_labels} if header.step_labels else {}
    return TraceManifest(
        cell=CellInfo(kind=header.kind, options=dict(header.options)),
        first=trace.first,
        steps=trace.steps,
        batch=trace.batch,
        stages=stages,
        names={**header.names, **labels},  # type: ignore[dict-item]
        **{name: getattr(header, name) for name in _HEADER},
    )


def readable(trace: Trace, where: str) -> TraceManifest:
    """The manifest of `trace`, which was read back as it would be from a file. Raises FileError where it cannot be."""
    try:
        said = manifest(trace)
        text = said.model_dump_json()
    except ValueError as error:  # no text, or half of a character
        raise FileError(f"{where}: the trace has a text that cannot be written ({error})") from None
    again = validate(TraceManifest, text.encode(), where)
    other = [name for name in TraceManifest.model_fields if getattr(again, name) != getattr(said, name)]
    if not other and from_manifest(again, where)[1] != trace.stages:
        other = ["stages"]
    if other:
        raise FileError(f"{where}: the trace's {' and '.join(other)} would not be read back as they are")
    return said


def from_manifest(file: TraceManifest, where: str) -> tuple[Header, tuple[Stage, ...]]:
    """What a manifest says: the header and the stages of a trace. Raises FileError."""
    try:
        stages = tuple(_stage(info) for info in file.stages)
    except LstmTraceError as error:
        raise FileError(*(f"{where}: {problem}" for problem in error.problems)) from None
    found: dict[str, Any] = {name: getattr(file, name) for name in _HEADER}
    found |= {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    header = Header(
        kind=file.cell.kind,
        options=file.cell.options,
        names={str(key): labels for key, labels in file.names.items() if key != "t"},
        step_labels=tuple(map(tuple, file.names.get("t", ()))),
        **found,
    )
    return header, stages


def assembled(trace: Trace, where: str) -> Trace:
    """`trace`, its arrays checked against its equations. Raises FileError."""
    raise_all(FileError, (f"{where}: {problem}" for problem in faults(trace)))
    return trace


def read_trace(file: TraceManifest, where: str, **arrays: Any) -> Trace:
    """The trace of a manifest and its arrays, checked against its equations. Raises FileError."""
    header, stages = from_manifest(file, where)
    trace = Trace(header=header, stages=stages, steps=file.steps, batch=file.batch, first=file.first, **arrays)
    return assembled(trace, where)


def _stage(info: StageInfo) -> Stage:
    """A stage; lines within calls of what was one operation when the file was written are computed too."""
    cell = parse(info.equations)
    if info.computed is None:
        return Stage(info.layer, info.direction, cell, info.sources)
    named = set(info.computed)
    names: list[str] = []
    for name in info.computed:  # what the file names twice stays so, and is refused
        within = [line for line in cell.within.get(name, ()) if line not in named]
        named.update(within)
        names += [*within, name]
    return Stage(info.layer, info.direction, cell, info.sources, tuple(names))
