"""Which number of a trace an address names, and what kind of number that is: a line, or a premise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Literal, NamedTuple, cast

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import VALID, Stage, X
from ..cell.ops import OPS
from ..errors import MissingError
from ..trace.address import STATE, Key, address as full, columns_of, entry_of, index_text, line_name, origin
from ..trace.printed import counts_from, slashed
from ..trace.trace import Trace

Kind = Literal["line", "parameter", "input", "initial", "given", "sum"]


class Location(NamedTuple):
    """Where one number was made; step and row are None for a parameter, and for what is summed over all steps.

    scope: empty for x. t: the position in the input; for an initial state the step that reads it.
    """

    scope: str
    name: str
    t: int | None
    b: int | None
    unit: tuple[int, ...]

    def stage(self, trace: Trace) -> Stage | None:
        """The stage whose line, state, input or parameter it is; None for x, and a scope that has only parameters."""
        return next((stage for stage in trace.stages if stage.scope == self.scope), None)

    def line(self, trace: Trace) -> Line | None:
        """The line that it is a unit of; None for a premise."""
        stage = self.stage(trace)
        return None if stage is None or self.t is None else stage.cell.by_name.get(self.name)

    def kind(self, trace: Trace) -> Kind:
        """The kind of the number."""
        stage = self.stage(trace)
        if self.t is None:
            return "sum" if self.name in trace.sums.get(self.scope, {}) else "parameter"
        if not self.scope or stage is None or stage.sources.get(self.name) == VALID:
            return "input"
        return "line" if self.line(trace) is not None else "initial" if self.name in stage.cell.states else "given"

    def read_as(self, trace: Trace) -> tuple[Stage | None, str]:
        """The stage and the name by which it is printed: its own; for x those of the first stage that reads it."""
        return (self.stage(trace), self.name) if self.scope else next(readers_of_x(trace), (None, "x_t"))

    def is_single(self, trace: Trace) -> bool:
        """Whether its array has no other number, so that it needs no index."""
        return bool(self.array(trace).size == 1)

    def address(self, trace: Trace) -> str:
        """The full address."""
        return full(trace, self)

    def array(self, trace: Trace) -> Array:
        """The values at its step and row, (width,); for a parameter its own shape. Raises MissingError."""
        if self.scope and self.t is None:
            sums = trace.sums.get(self.scope, {})
            return (sums if self.name in sums else trace.parameters[self.scope])[self.name]
        at = trace.index(self.t or 0)
        values = trace.operand(self.scope, self.name, slice(at, at + 1)) if self.scope else trace.x
        if values is None:
            raise MissingError(f"{self.scope}/{self.name} was not recorded")
        return cast(Array, values[0 if self.scope else at, self.b])


def readers_of_x(trace: Trace) -> Iterator[tuple[Stage, str]]:
    """The stages that read x, which has no stage of its own, each with the name by which it does."""
    return ((stage, name) for stage in trace.stages for name, source in stage.sources.items() if source == X)


def location_of(trace: Trace, key: Key) -> Location:
    """The place where a number was made that a line reads by the name and step in `key`.

    An adjoint reads the parameters of its forward stage.
    """
    scope, name, t, _, index = key
    if scope and t is None:
        entry = entry_of(trace, scope, name, *index) if len(index) == 1 else tuple(index)
        return Location(trace.stage(scope).owner, name, None, None, entry)
    return Location(*origin(trace, key))


def located(trace: Trace, text: str) -> Location:
    """The number that an address names; the unit may be left out if there is only one.

    text: as printed, or with slashes. A state is the line of the previous step, and the initial state at the first
    step. Raises MissingError.
    """
    said, text = text, slashed(trace, text)
    name = line_name(text)
    state = STATE.get(name, name)
    carried = {s: line for stage in trace.stages for s, line in stage.cell.states.items()}
    if state in carried and not any(name in here for here in trace.lines.values()):
        place = _state(trace, text, name, state, carried[state])
    else:
        address = trace.locate(text)
        scope = "" if address.layer is None else address.scope
        place = Location(scope, address.line if scope else "x_t", address.t, address.b, address.unit or ())
        if scope and address.t is not None:
            place = location_of(trace, place)
    values = place.array(trace)
    index = place.unit or (0,) * values.ndim
    if not place.unit and values.size > 1:
        ends = [0] * values.ndim, [n - 1 for n in values.shape]
        columns, begin = columns_of(trace, place.scope, place.name), counts_from(trace, said)
        called = name if said == text else said
        first, last = (f"{called}{index_text(unit, columns, begin)}" for unit in ends)
        raise MissingError(f"{said!r} is {values.size} values: name one, from {first} to {last}")
    if len(index) != values.ndim or any(n >= size for n, size in zip(index, values.shape, strict=True)):
        units = " and ".join(f"0 to {n - 1}" for n in values.shape)
        raise MissingError(f"{text!r}: {name} has {'units' if values.ndim == 1 else 'rows and columns'} {units}")
    return place._replace(unit=index)


def _state(trace: Trace, text: str, name: str, state: str, line: str) -> Location:
    """An initial state by its short name or its full one, or a state at a step."""
    try:
        address = trace.locate(text)
    except MissingError:
        if name != state:
            raise
        at = text.rindex(name)  # a state has the steps of the line that it carries
        address = trace.locate(text[:at] + line + text[at + len(name) :])
        return location_of(trace, (address.scope, state, address.t, address.b, address.unit or ()))
    if state not in trace.initial.get(address.scope, {}):
        raise MissingError(f"{text!r}: nothing that was computed reads that initial state")
    first = trace.span[-1] if trace.stage(address.scope).backwards else trace.span[0]
    return Location(address.scope, state, first, address.b, address.unit or ())


#: A value under the name by which a stage reads it, at a step; None for a parameter, which every step reads.
_Known = tuple[Stage, str, int | None]


def consumers(trace: Trace, place: Location, most: int) -> tuple[list[Location], int]:
    """The first `most` recorded numbers that read a number, in computing order, and how many more there are."""
    found: list[Location] = []
    count = 0
    seen: set[tuple[str, str, int | None]] = set()
    every = place.t is None
    # a parameter is read at every step; any other number as itself, as a state in the next step, as another's input
    if place.t is None:
        known: Iterable[_Known] = ((stage, place.name, None) for stage in trace.stages if stage.owner == place.scope)
    else:
        own = [(trace.stage(place.scope), place.name)] if place.scope else readers_of_x(trace)
        known = (one for stage, name in own for one in _passed(trace, stage, name, place.t))
    for stage, name, t in known:
        recorded = trace.lines.get(stage.scope, {})
        for line in stage.cell.readers.get(name, ()):
            if line.name not in recorded or (stage.scope, line.name, t) in seen:
                continue
            units = _units(trace, stage, line, name, place.unit, recorded[line.name].shape[-1])
            steps, rows = (trace.span, range(trace.batch)) if every else ((t,), (place.b,))
            seen.add((stage.scope, line.name, t))
            count += len(steps) * len(rows) * len(units)
            places = (Location(stage.scope, line.name, s, b, (j,)) for s in steps for b in rows for j in units)
            found += islice(places, max(most - len(found), 0))
    return found, count - len(found)


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
    entry = entry_of(trace, stage.scope, name, *index) if len(index) == 1 else index
    if operands := line.product or line.memory:
        unit = entry[-1] if line.op in ("vecmat", "vecmem") else entry[0]
        return range(unit, unit + 1) if name == operands[0] else range(width)
    op, columns = OPS[line.op], columns_of(trace, stage.scope, name) or 1
    unit = index[0] if len(index) == 1 else index[0] * columns + index[1]
    if line.op == "outer":
        columns = columns_of(trace, stage.scope, line.name) or 1
        return [k for k in range(width) if (name, unit) in zip(line.operands, divmod(k, columns), strict=True)]
    if op.reduces:
        return range(1)
    if op.width == "slice":
        begin, end = map(int, line.constants)
        return range(unit - begin, unit - begin + 1) if begin <= unit < end else range(0)
    values = [trace.operand(stage.scope, operand, slice(0, 1)) for operand in line.operands]
    sizes = [1 if one is None else one.shape[-1] for one in values]
    if op.width == "concat":
        begins = [0, *accumulate(sizes)]
        return [at + unit for at, operand in zip(begins, line.operands, strict=False) if operand == name]
    own = values[line.operands.index(name)]  # a value of width 1 serves every unit
    return range(width) if own is not None and own.shape[-1] == 1 else range(unit, unit + 1)
