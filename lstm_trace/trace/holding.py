"""The holds of a run: addresses of lines, each with a number, a multiple, an array or a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, describe, to_array
from ..base.remark import Remark
from ..cell.lines import names_of, with_holds
from ..cell.named_cells import nearest_line
from ..cell.network import GIVEN, Stage, layer_and_direction, scope_and_name
from ..errors import Faults, MissingError, OptionError, ShapeError, reading, within
from .address import INITIAL, STATE, Grid, columns_of, extents_of, index_text, line_name, read_several, size_of
from .printed import names_of_stages, ours
from .trace import Header, Trace

#: The accepted values, for messages.
KINDS = "a finite number, '*0.5' for a multiple of its own value, an array, or in Python a trace"
#: The accepted shapes of numbers, for messages.
FORMS = "a number, or (units,), (T, units) or (T, B, units) of the held values"


class Multiple(NamedTuple):
    """A multiple of the value that the line's own equation gives."""

    factor: float

    def __str__(self) -> str:
        return f"*{self.factor:g}" if float(f"{self.factor:g}") == self.factor else f"*{self.factor!r}"


Value = float | Multiple | Array | Trace

#: The holds of a run: values by address. Of several mappings, later ones override earlier ones value by value, and
#: None releases.
Hold = Mapping[str, Any] | Sequence[Mapping[str, Any]]
#: That of a problem which counts from 0 and has no names of its own.
NAMELESS = Header()


def layers(*holds: Hold | None) -> tuple[Mapping[str, Any], ...]:
    """Some mappings of holds, in order, without the empty ones."""
    listed = ([hold] if isinstance(hold, Mapping) else hold or () for hold in holds)
    return tuple(one for several in listed for one in several if one)


def said_of(value: Value) -> Remark | str:
    """The value that a line is held at: a number, a multiple, the values of a trace, or others."""
    if isinstance(value, Multiple):
        return Remark("explanation.scaled", {"factor": str(value)[1:]})
    if isinstance(value, Trace):
        title = value.header.title
        return Remark("explanation.trace" if title else "explanation.trace.other", {"title": title})
    return f"{value:g}" if isinstance(value, float) else Remark("explanation.given")


def read_value(said: str, value: Any) -> Value:
    """Read a value: a number, `'*0.5'`, an array or nested lists of finite numbers, or a trace.

    said: the beginning of messages. Raises OptionError for anything else.

    >>> read_value("hold 'c_t'", 0), read_value("hold 'c_t'", "*0.5")
    (0.0, Multiple(factor=0.5))
    """
    if isinstance(value, Multiple | Trace):
        return value
    number = None
    if isinstance(value, str):
        number = as_number(value)
    elif isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        number = _finite(value)
    elif isinstance(value, list | tuple) or hasattr(value, "__array__"):
        with reading(said, OptionError):
            array = to_array(value)
        if array.dtype.kind not in "fiu":
            raise OptionError(f"{said}: expected numbers, found {describe(value)}")
        if not array.size:
            raise OptionError(f"{said}: expected {FORMS}; found an array of shape {array.shape}, which is empty")
        if len(wrong := np.argwhere(~np.isfinite(array))):
            place, found = ",".join(map(str, wrong[0])), array[tuple(wrong[0])]
            raise OptionError(f"{said}: expected finite numbers, found {found:g}{place and f' at [{place}]'}")
        return array
    if number is not None:
        return number
    raise OptionError(f"{said}: expected {KINDS}; found {describe(value)}")


def as_number(text: str) -> float | Multiple | None:
    """The number or multiple written in a text; None for any other text.

    >>> as_number("0.5"), as_number("* 2"), as_number("other.json"), as_number("nan")
    (0.5, Multiple(factor=2.0), None, None)
    """
    digits = text.strip().removeprefix("*")
    found = None if "_" in digits else _finite(digits)
    return found if found is None or digits == text.strip() else Multiple(found)


def _finite(value: Any) -> float | None:
    """A number, or the text of one, as a float; None if it is too large for one, and for any other text."""
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


#: (scope, held lines, scaled lines) of the stages that have any.
Lines = tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


def widths_of(arrays: Mapping[str, Mapping[str, Array]]) -> tuple[tuple[str, str, int], ...]:
    """(scope, name, width) of every array."""
    return tuple((scope, name, array.shape[-1]) for scope, here in arrays.items() for name, array in here.items())


@dataclass(frozen=True)
class HeldLines:
    """The held and scaled lines, and the arrays that define where and at what value, by scope and name."""

    lines: Lines = ()
    given: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


#: The rows and columns of a line of a scope; None for a vector.
Grids = Callable[[str, str], Grid | None]
#: The arrays of held lines, and of scaled ones: where, and at what value.
_KINDS = ("hold", "to"), ("scale", "by")
#: No holds.
NO_HOLDS = HeldLines()


def applied(stages: Sequence[Stage], lines: Lines) -> tuple[Stage, ...]:
    """The stages with exactly these lines made holdable or scalable."""
    wanted = {scope: names for scope, *names in lines}
    found = []
    for stage in stages:
        held, scaled = wanted.get(stage.scope, ((), ()))
        if stage.cell.plain is not None or held or scaled:
            cell, computed = with_holds(stage.cell, held, scaled), stage.computed
            if computed is not None:
                kept = {*computed} | (cell.by_name.keys() - (cell.plain or cell).by_name.keys())
                computed = tuple(line.name for line in cell.lines if line.name in kept)
            sources = {name: stage.sources.get(name, GIVEN) for name in cell.inputs}
            stage = Stage(stage.layer, stage.direction, cell, sources, computed)
        found.append(stage)
    return tuple(found)


def resolved(
    asked: Sequence[Mapping[str, Any]], stages: Sequence[Stage], span: range, batch: int,
    widths: Mapping[str, Mapping[str, int]], grid: Grids, dtype: Any, header: Header = NAMELESS,
) -> HeldLines:  # fmt: skip
    """The requested holds as arrays (T, B, width).

    asked: `layers` of values by address (see `read_value` and `places`). stages: of the run. span: its steps; widths,
    grid: of its lines. header: how printed addresses count, and what the problem calls lines. Raises one error with
    every fault: in an address, in a value, or if one mapping holds the same value twice.
    """
    faults = Faults()
    arrays: dict[tuple[str, str], dict[str, Array]] = {}
    for k, layer in enumerate(asked):
        owners: dict[tuple[str, str], Array] = {}  # the address in this mapping that holds each value
        texts = list(layer)
        for number, (text, value) in enumerate(layer.items()):
            if any(text in later for later in asked[k + 1 :]):
                continue
            said = f"hold {text!r}"
            with faults.gather():
                found = places(text, stages, span, batch, widths, grid, header)
                what = None if value is None else read_value(said, value)
                for place in found:
                    key, shape = (place.scope, place.line), (len(span), batch, widths[place.scope][place.line])
                    at = 0 if what is None else numbers(said, place, what, span, batch, shape[2], np.dtype(dtype))
                    where = np.ix_([t - span.start for t in place.steps], place.rows, place.units)
                    owner = owners.setdefault(key, np.full(shape, -1, np.int32))
                    if len(taken := np.argwhere(owner[where] >= 0)):
                        both = f"{said} and {texts[owner[where][tuple(taken[0])]]!r} both hold"
                        raise OptionError(f"{both} {place.address(taken[0])}; hold each value once")
                    owner[where] = number
                    here = arrays.setdefault(key, {})
                    for array in here.values():  # replaces the holds of earlier mappings
                        array[where] = 0
                    if what is not None:
                        for name, values in zip(_KINDS[isinstance(what, Multiple)], (1, at), strict=True):
                            here.setdefault(name, np.zeros(shape, dtype))[where] = values
    faults.tell()
    lines: dict[str, tuple[list[str], list[str]]] = {}
    for (scope, line), here in arrays.items():
        for kind, names in enumerate(_KINDS):
            if names[0] in here and here[names[0]].any():
                lines.setdefault(scope, ([], []))[kind].append(line)
            else:
                arrays[scope, line] = {name: array for name, array in arrays[scope, line].items() if name not in names}
    held = tuple((scope, tuple(sorted(to)), tuple(sorted(by))) for scope, (to, by) in lines.items())
    given: dict[str, dict[str, Array]] = {}
    for stage in applied(stages, held):
        for line, added in names_of(stage.cell).items():
            for name, array in arrays[stage.scope, line].items():
                given.setdefault(stage.scope, {})[getattr(added, name)] = array
    return HeldLines(held, given)


def numbers(said: str, place: Region, value: Value, span: range, batch: int, width: int, dtype: np.dtype[Any]) -> Array:
    """The values or factors for a region, (steps, sequences, units) or one number for all.

    span, batch, width: of the line. Raises ShapeError, MissingError or OptionError, with a message that starts with
    `said`.
    """
    if isinstance(value, Trace):
        return _of_trace(said, place, value, span, batch, width)
    if isinstance(value, float | Multiple):
        given: Array = np.float64(value.factor if isinstance(value, Multiple) else value)
    else:
        given = _fitted(said, place.flat(value), (len(place.steps), len(place.rows), len(place.units)))
    with np.errstate(over="ignore"):
        found = given.astype(dtype)
    if not np.isfinite(found).all():
        raise OptionError(f"{said}: {given.flat[0]:g} is too large for {dtype}")
    return found


def _fitted(said: str, array: Array, shape: tuple[int, int, int]) -> Array:
    """An array as (steps, sequences, units) of a region: from a number, one per unit, (steps, units), or all three."""
    steps, rows, units = shape
    if array.shape in ((), (units,), (1, 1, units), shape):
        return np.broadcast_to(array, shape)
    if array.shape == (steps, units):
        return np.broadcast_to(array[:, None], shape)
    sizes = f"T = {steps}, B = {rows}, units = {units}"
    raise ShapeError(f"{said} has a value of shape {array.shape}; expected {FORMS}: {sizes}")


def _of_trace(said: str, place: Region, other: Trace, span: range, batch: int, width: int) -> Array:
    """The values of another trace in a region. Raises ShapeError, MissingError."""
    if place.scope not in other.scopes or place.line not in other.lines.get(place.scope, {}):
        raise MissingError(f"{said}: the trace that it takes its values from has no {place.scope}/{place.line}")
    values = other.lines[place.scope][place.line]
    size = size_of(values.shape[-1], columns_of(other, place.scope, place.line))
    sizes = [(other.span, span), (other.batch, batch), (size, size_of(width, place.columns))]
    if any(a != b for a, b in sizes):
        there, here = (f"steps {s.start} to {s.stop - 1}, B = {b}, width {w}" for s, b, w in zip(*sizes, strict=True))
        raise ShapeError(
            f"{said}: the trace that it takes its values from has another size: {place.scope}/{place.line} "
            f"has {there} there and {here} here"
        )
    found = values[np.ix_([t - span.start for t in place.steps], place.rows, place.units)]
    if len(wrong := np.argwhere(~np.isfinite(found))):
        at = f"{found[tuple(wrong[0])]:g} at {place.address(wrong[0])}"
        raise OptionError(f"{said}: expected finite numbers; the trace that it takes them from has {at}")
    return found


class Region(NamedTuple):
    """A region of one line: some steps (positions in the input), sequences and units."""

    scope: str
    line: str
    steps: range
    rows: range
    units: tuple[int, ...]
    columns: int | None = None

    def flat(self, array: Array) -> Array:
        """An array that may have rows and columns, if the region is of a matrix, with the units in one row."""
        rows = len({unit // self.columns for unit in self.units}) if self.columns else 0
        whole = rows and array.shape[-2:] == (rows, len(self.units) // rows)
        return array.reshape(*array.shape[:-2], -1) if whole else array

    def address(self, index: Iterable[int]) -> str:
        """The address of the value at (step, sequence, unit) of the region, each counted from 0."""
        t, b, j = index
        entry = index_text((self.units[j],), self.columns)
        return f"{self.scope}/{self.steps[t]}/{self.rows[b]}/{self.line}{entry}"


def places(
    text: str, stages: Sequence[Stage], span: range, batch: int, widths: Mapping[str, Mapping[str, int]], grid: Grids,
    header: Header = NAMELESS,
) -> list[Region]:  # fmt: skip
    """The values that an address names (see `read_several`), in every layer and direction that it can mean.

    widths: of the computed lines, by scope; grid: of a line. header: see `resolved`. Raises MissingError that says what
    is wrong with the address.
    """
    if not isinstance(text, str):
        raise MissingError(f"hold {text!r}: expected an address, for example 'c_t' or '5..9/f_t[3]'")

    def size(name: str, there: Mapping[str, Sequence[Any]]) -> tuple[int, ...] | None:
        return next((grid(s, name) or (here[name],) for s, here in widths.items() if name in here), None)

    said = f"hold {text!r}"
    with within(said):
        text = names_of_stages(stages, span, batch, header.count_from, size).slashed(ours(header, stages, text), True)
    name = line_name(text)
    scopes = [stage.scope for stage in stages if name in _lines(stage)]
    if not scopes:
        raise MissingError(f"{said}: {_no_line(name, stages)}")
    meant = read_several(said, text, extents_of(scopes, span, range(batch)))
    found = []
    for scope in scopes:
        layer, direction = layer_and_direction(scope)
        if layer not in meant.layer or direction not in meant.direction:
            continue
        width = widths.get(scope, {}).get(name)
        if width is None:
            raise MissingError(f"{said}: none of the requested lines depends on {scope}/{name}; leave it out")
        shape = grid(scope, name)
        found.append(Region(scope, name, meant.t, meant.b, meant.of_width(width, shape), shape and shape[1]))
    return found


def _lines(stage: Stage) -> Iterable[str]:
    return (stage.cell.plain or stage.cell).by_name


def _no_line(name: str, stages: Sequence[Stage]) -> str:
    """Why `name` cannot be held."""
    for stage in stages:
        cell = stage.cell.plain or stage.cell
        if name in cell.parameters:
            return f"{name} is a weight, not a computed line; change the weights instead"
        state = STATE.get(name, name)
        if state in cell.states:
            line = stage.unpadded(cell.states[state])
            return f"{name} is a carried state; hold {line}, or give another {INITIAL.get(state, 'initial')}"
        if name in cell.inputs:
            source = stage.sources.get(name, GIVEN)
            what = "supplied" if source == GIVEN else "an input"
            other = f"what {source} is here; hold that" if scope_and_name(source)[0] else ""
            return f"{name} is {other or f'{what}, not a computed line; change it'}"
    known = dict.fromkeys(line for stage in stages for line in _lines(stage))
    return f"there is no line {name!r}{nearest_line(name, known, 'there are')}"
