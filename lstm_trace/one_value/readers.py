"""Where a number goes: the numbers that read it directly, in its step, in the next one and in the layers above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from ..cell.lines import Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..trace.trace import Trace
from .places import Place, readers_of_x

#: A value under a name that a stage reads it by, at a step; None for a parameter, which every step reads.
_Known = tuple[Stage, str, int | None]


def readers(trace: Trace, place: Place, most: int) -> tuple[list[Place], int]:
    """The first `most` recorded numbers that read one, in computing order, and how many more there are."""
    found: list[Place] = []
    count = 0
    seen: set[tuple[str, str, int | None]] = set()
    for stage, name, t in _known(trace, place):
        recorded = trace.lines.get(stage.scope, {})
        for line in stage.cell.readers.get(name, ()):
            if line.name not in recorded or (stage.scope, line.name, t) in seen:
                continue
            units = _units(trace, stage, line, name, place.unit, recorded[line.name].shape[-1])
            every = place.t is None
            steps = trace.span if every else (t,)
            rows = range(trace.batch) if every else (place.b,)
            seen.add((stage.scope, line.name, t))
            count += len(steps) * len(rows) * len(units)
            places = (Place(stage.scope, line.name, s, b, (j,)) for s in steps for b in rows for j in units)
            found += islice(places, max(most - len(found), 0))
    return found, count - len(found)


def _known(trace: Trace, place: Place) -> Iterator[_Known]:
    """The names and steps at which a number can be read: its own, a state's in the next step, other stages' inputs."""
    if place.t is None:
        yield from ((stage, place.name, None) for stage in trace.stages if stage.owner == place.scope)
        return
    if not place.scope:
        for stage, name in readers_of_x(trace):
            yield from _passed(trace, stage, name, place.t)
        return
    yield from _passed(trace, trace.stage(place.scope), place.name, place.t)


def _passed(trace: Trace, stage: Stage, name: str, t: int) -> Iterator[_Known]:
    """A value of a stage, and where it is handed on to: to the next step, to other stages."""
    yield stage, name, t
    after = t + (-1 if stage.backwards else 1)
    if after in trace.span:
        for state, line in stage.cell.carry:
            if line == name:
                yield from _passed(trace, stage, state, after)
    source = f"{stage.scope}/{name}"
    for other in trace.stages:
        for fed, of in other.sources.items():
            if of == source:
                yield from _passed(trace, other, fed, t)


def _units(trace: Trace, stage: Stage, line: Line, name: str, index: tuple[int, ...], width: int) -> Sequence[int]:
    """The units of a line that read an entry of the operand `name`."""
    if line.product is not None:
        matrix, _ = line.product
        if name == matrix:
            row = index[0] if line.op == "matvec" else index[1]
            return range(row, row + 1)
        return range(width)
    op = OPS[line.op]
    (unit,) = index
    if op.reduces:
        return range(1)
    if op.width == "slice":
        begin, end = map(int, line.constants)
        return range(unit - begin, unit - begin + 1) if begin <= unit < end else range(0)
    if op.width == "concat":
        at, found = 0, []
        for operand in line.operands:
            values = trace.operand(stage.scope, operand, slice(0, 1))
            size = 1 if values is None else values.shape[-1]
            if operand == name:
                found.append(at + unit)
            at += size
        return found
    values = trace.operand(stage.scope, name, slice(0, 1))
    if values is not None and values.shape[-1] == 1:  # a value of width 1 serves every unit
        return range(width)
    return range(unit, unit + 1)
