"""Addresses: `layer/direction/t/b/line[j]`; a part may be left out if the trace has only one value for it.

These count from 0, as all addresses with a slash do; `/c_t[0]` has one, and leaves out every part. Those without a
slash, `c_2[1]`, are as printed, see `trace/printed.py`.

An address of several values may have ranges of steps and sequences, `5..9` (both ends included), and several units,
`[1,4..6]`. Of a matrix, `C_t[2,1]` is row 2, column 1, and `C_t[0..3,1]` several rows of column 1. Also here: windows
of steps, and where a number of a trace was computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.arrays import runs
from ..cell.network import MEET, Scope, Stage, X, layer_and_direction, scope_and_name
from ..errors import MissingError, OptionError

if TYPE_CHECKING:
    from .trace import Trace


#: The states of the standard cell have special names for their initial values.
INITIAL = {"h_prev": "h0", "c_prev": "c0"}
STATE = {short: state for state, short in INITIAL.items()}
PARTS = ("layer", "direction", "t", "b")
_WHOLE = r"(?:0|[1-9][0-9]{0,17})"  # one way to write each number, and no digits of other scripts
_UNIT = re.compile(rf"\[\s*({_WHOLE}(?:\s*,\s*{_WHOLE})?)\s*\]$")

#: What may follow a line's name, unit or not; with a colon it is part of the name.
_BEHIND = re.compile(r"\[[^\[\]:]*\]?\s*$")
#: A step, sequence or unit, or a range that includes both ends.
_RANGE = re.compile(rf"({_WHOLE})(?:\s*\.\.\s*({_WHOLE}))?")


#: (rows, columns) of a value that is a matrix, and lies in a trace row by row.
Grid = tuple[int, int]


class Address(NamedTuple):
    """One value; if a part is None, all values along that part.

    unit: its place among the numbers of the value; in a weight or sum that is a matrix, row and column. columns: those
    of a value that is a matrix, whose entries are written with row and column.
    """

    line: str
    layer: int | None = None
    direction: str | None = None
    t: int | None = None
    b: int | None = None
    unit: tuple[int, ...] | None = None
    columns: int | None = None

    def __str__(self) -> str:
        parts = [str(p) for p in (self.layer, self.direction, self.t, self.b) if p is not None]
        unit = "" if self.unit is None else index_text(self.unit, self.columns)
        return "/".join([*parts, self.line]) + unit

    @property
    def scope(self) -> str:
        """`layer/direction`."""
        return f"{self.layer}/{self.direction}"


def index_text(unit: Sequence[int], columns: int | None, first: int = 0) -> str:
    """The end of an address, counted from `first`; of a matrix with so many columns a unit becomes row and column.

    >>> index_text((5,), None), index_text((5,), 2), index_text((0, 3), None, 1)
    ('[5]', '[2,1]', '[1,4]')
    """
    entry = unit if columns is None or len(unit) > 1 else divmod(unit[0], columns)
    return f"[{','.join(str(k + first) for k in entry)}]"


def no_entry(name: str, unit: Sequence[int], size: tuple[int, ...], first: int = 0) -> str:
    """Why an index is not one of a value, as a message that counts from `first`; empty if it is one.

    unit: from 0. size: the width, or rows and columns.

    >>> no_entry("C_t", (2, 1), (3, 2)), no_entry("C_t", (5,), (3, 2))
    ('', 'there is no C_t[5]; C_t is a matrix, C_t[row,column], with rows 0 to 2 and columns 0 to 1')
    >>> no_entry("h_t", (5,), (2,)), no_entry("h_2", (-1,), (2,), 1)
    ('there is no h_t[5]; h_t has [0] to [1]', 'there is no h_2[0]; h_2 has [1] to [2]')
    """
    if len(unit) == len(size) and all(0 <= k < n for k, n in zip(unit, size, strict=True)):
        return ""
    last = [n - 1 + first for n in size]
    if len(size) == 1:
        there = f"{name} has [{first}]" + (f" to {last}" if last[0] > first else " only")
    else:
        rows, columns = (f"{first} to {end}" for end in last)
        there = f"{name} is a matrix, {name}[row,column], with rows {rows} and columns {columns}"
    return f"there is no {name}{index_text(unit, None, first)}; {there}"


def columns_of(trace: Trace, scope: Scope, name: str) -> int | None:
    """The columns of a value that is a matrix; None for any other."""
    grid = trace.grids.get(scope, {}).get(name)  # `Trace.grid` checks its arguments: this is called for every value
    return grid and grid[1]


def size_of(width: int, columns: int | None) -> int | str:
    """The size of a value in a message: its width, or the rows and columns of a matrix.

    >>> size_of(12, None), size_of(12, 3)
    (12, '4 × 3')
    """
    return f"{width // columns} × {columns}" if columns else width


def entry_of(trace: Trace, scope: Scope, name: str, unit: int) -> tuple[int, ...]:
    """The index of a unit of a value as an address has it: (unit,), or (row, column) in a matrix."""
    columns = columns_of(trace, scope, name)
    return (unit,) if columns is None else divmod(unit, columns)


def address_of(trace: Trace, stage: Stage, name: str, t: int, b: int, unit: int) -> Address:
    """The address of one number of a line. t: index into the arrays."""
    columns = columns_of(trace, stage.scope, name)
    return Address(name, stage.layer, stage.direction, trace.span[t], b, (unit,), columns)


def line_name(text: str) -> str:
    """The name in an address, without anything before and after it.

    >>> line_name("1/reverse/0/0/h_t[0]"), line_name("h_t"), line_name("2/z_t[0:3][1]")
    ('h_t', 'h_t', 'z_t[0:3]')
    """
    return _BEHIND.sub("", text.rsplit("/", 1)[-1]).strip()


def read(text: str, extents: Mapping[str, Sequence[int | str]], every: bool = False) -> Address:
    """Read an address.

    extents: the possible values of each part that applies to the name (`layer`, `direction`, `t`, `b`); see
    `Trace.extents`. every: whether a part with several values may be left out to mean all of them; an interpretation
    that leaves out only parts with one value is preferred.
    Raises MissingError that names the part that is missing, unknown or out of range.

    >>> str(read("1/h_t[0]", {"layer": [0], "direction": ["forward"], "t": [0, 1, 2], "b": [0]}))
    '0/forward/1/0/h_t[0]'
    """
    *given, name = text.strip().split("/")
    given = [part.strip() for part in given if given != [""]]  # a slash in front: no part is given
    unit = None
    if match := _UNIT.search(name):
        unit = tuple(int(n) for n in match[1].split(","))
        name = name[: match.start()]
    elif match := _BEHIND.search(name):
        raise MissingError(f"{text!r}: expected a unit, [3], or an entry of a matrix, [1,2]; found {match[0].strip()}")
    parts = [part for part in PARTS if part in extents]
    single = {part: extents[part][0] for part in parts if len(extents[part]) == 1}
    required = [part for part in parts if part not in single]
    ways = sorted(combinations(parts, len(given)), key=lambda way: not {*required} <= {*way})
    for way in ways if every else [way for way in ways if {*required} <= {*way}]:
        values: dict[str, Any] = dict(zip(way, given, strict=True))
        values |= {part: whole(text) for part, text in values.items() if part != "direction"}
        if all(values[part] in extents[part] for part in way):
            return Address(name.strip(), unit=unit, **{**single, **values})
    wanted = "/".join([*required, f"{name}[j]" if unit is None else f"{name}[{','.join(map(str, unit))}]"])
    ranges = ", ".join(f"{part} {_range(extents[part])}" for part in parts)
    full = f" (or the full {'/'.join(parts)}/…)" if required != parts else ""
    raise MissingError(f"{text!r} is not an address here; expected {wanted}{full}: {ranges}")


def whole(text: str) -> int | None:
    """The integer written in a text; None for any other text (007), and for more digits than 64 bits can hold.

    Python's int() raises ValueError for more than 4,300 digits, which a file or a command line may well contain.

    >>> whole("12"), whole("x"), whole("9" * 5000)
    (12, None, None)
    """
    return int(text) if re.fullmatch(_WHOLE, text) else None


def _range(values: Sequence[int | str], between: str = "..") -> str:
    if len(values) == 1 or isinstance(values[0], str):
        return "|".join(map(str, values))
    return f"{values[0]}{between}{values[-1]}"


class Several(NamedTuple):
    """Several values of one line: for each part of an address the selected values, in ascending order.

    said: a description for messages. units: None for all.
    """

    said: str
    line: str
    layer: Sequence[Any]
    direction: Sequence[Any]
    t: range
    b: range
    units: tuple[range, ...] | None

    def of_width(self, width: int, grid: Grid | None = None) -> tuple[int, ...]:
        """The selected units of a line of this width. Raises MissingError for a unit that does not exist.

        grid: rows and columns of a matrix, of which the units are one range of rows and one of columns.
        """
        if self.units is None:
            return tuple(range(width))
        last = [run[-1] for run in self.units]
        if fault := no_entry(self.line, last if grid else [max(last)], grid or (width,)):
            raise MissingError(f"{self.said}: {fault}")
        if grid is not None:
            return tuple(row * grid[1] + column for row in self.units[0] for column in self.units[1])
        return tuple(sorted({unit for run in self.units for unit in run}))


def read_several(said: str, text: str, extents: Mapping[str, Sequence[int | str]]) -> Several:
    """Read an address of several values; a part that is left out, or is `*`, means all.

    Steps and sequences may be ranges, `5..9` (both ends included), units `[3]`, `[3..7]` or `[1,4..6]`. Each given part
    is matched, in the order from layer to sequence, to the first part that has several values: `0/c_t` is step 0 if
    there is one layer, and layer 0 if there are two. In a stage that merges two directions, an address has no
    direction.

    said: a description for messages. extents: the possible values of each of the four parts.
    Raises MissingError that says what is wrong with the address.

    >>> there = {"layer": [0], "direction": ["forward"], "t": range(10), "b": range(2)}
    >>> found = read_several("hold", "5..9/1/f_t[1,4..6]", there)
    >>> found.t, found.b, found.of_width(8)
    (range(5, 10), range(1, 2), (1, 4, 5, 6))
    """
    parts = [part.strip() for part in text.removeprefix("/").split("/")[:-1]]
    units = _units(said, text)
    several = {part for part, there in extents.items() if len(there) > 1 and MEET not in there}
    ranges = [_numbers(said, part) for part in parts]
    # first leave out only parts with a single value, then name as few of those as possible
    for way in sorted(combinations(PARTS, len(parts)), key=lambda way: (not several <= {*way}, len({*way} - several))):
        given = zip(way, parts, ranges, strict=True)
        meant = {**extents, **{key: _meant(key, part, found, extents[key]) for key, part, found in given}}
        if all(meant.values()):
            met = "direction" not in way and MEET in meant["direction"]
            t, b = (range(int(meant[key][0]), int(meant[key][-1]) + 1) for key in ("t", "b"))
            direction = [MEET] if met else meant["direction"]
            return Several(said, line_name(text), meant["layer"], direction, t, b, units)
    wanted = ", ".join(f"{part} {_range(values, ' to ')}" for part, values in extents.items())
    raise MissingError(
        f"{said} is not an address here; expected layer/direction/t/b/line[j], of which all but the line may be "
        f"left out, and t, b and j may be ranges such as 5..9: {wanted}"
    )


def _meant(key: str, part: str, found: range | None, there: Sequence[int | str]) -> Sequence[int | str]:
    """Interpret a part of an address as layer, direction, t or b; yield nothing if it cannot be that."""
    if part == "*":
        return there
    if found is None or key == "direction":
        return [part] if part in there else ()
    fits = (len(found) == 1 or key != "layer") and found[0] in there and found[-1] in there
    return found if fits else ()


def _units(said: str, text: str) -> tuple[range, ...] | None:
    """The units after a line's name, None for all."""
    behind = _BEHIND.search(text)
    if behind is None:
        return None
    found = behind[0].strip()
    parts = found[1:-1].split(",") if found[-1] == "]" else [found]
    if [part.strip() for part in parts] == ["*"]:
        return None
    units = tuple(run for part in parts if (run := _numbers(said, part)) is not None)
    if len(units) < len(parts):
        raise MissingError(f"{said}: expected units as in [3], [3..7] or [1,4..6], found {found}")
    return units


def _numbers(said: str, part: str) -> range | None:
    """The integers of `5` or `5..9`; None for any other text. Raises MissingError for an empty range."""
    match = _RANGE.fullmatch(part.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise MissingError(f"{said}: the range {part} is empty; write {last}..{first}")
    return range(first, last + 1)


def is_several(text: str, matrix: bool = False) -> bool:
    """Whether an address contains a range, a `*`, or several units. matrix: whether a comma separates row and column.

    >>> [is_several(text) for text in ("5..9/f_t[3]", "h_t[1,4]", "3/f_t * c_prev[0]", "*/f_t", "z_t[0:3]")]
    [True, True, False, True, False]
    """
    behind = _BEHIND.search(text)
    some = behind is not None and any(sign in behind[0] for sign in ("..", "*", *"," * (not matrix)))
    return some or any(part.strip() == "*" or ".." in part for part in text.split("/")[:-1])


def ranged(
    scope: str, line: str, steps: range | None, rows: range | None, units: Any = None, columns: int | None = None
) -> str:
    """The address of several values, in the form that `read_several` reads. None: all of them.

    columns: those of a matrix, of which the units are adjacent rows and columns.

    >>> ranged("0/forward", "h_t", range(5, 10), range(1), [1, 4, 5, 6]), ranged("1/reverse", "c_t", None, None)
    ('0/forward/5..9/0/h_t[1,4..6]', '1/reverse/c_t')
    >>> ranged("0/forward", "C_t", None, None, [1, 3, 5], 2)
    '0/forward/C_t[0..2,1]'
    """
    parts = [] if steps is None or rows is None else [_range(steps), _range(rows)]
    both = () if units is None or columns is None else zip(*(divmod(unit, columns) for unit in units), strict=True)
    found = runs(units) if units is not None and columns is None else [runs(sorted({*part}))[0] for part in both]
    return "/".join([scope, *parts, line]) + ("" if units is None else f"[{','.join(map(_range, found))}]")


def is_whole(value: Any) -> bool:
    """Whether a value is an integer; numpy integers are, booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def window(steps: Any) -> tuple[int | None, int | None]:
    """Start and end of adjacent steps, given as a number, slice or range. Raises OptionError.

    >>> window(slice(2, None)), window(range(3, 5)), window(-1)
    ((2, None), (3, 5), (-1, None))
    """
    several = isinstance(steps, slice | range)
    ends = (steps.start, steps.stop) if several else (steps, steps)
    if not all(is_whole(n) or (several and n is None) for n in ends) or (several and steps.step not in (None, 1)):
        raise OptionError(f"steps are a number, or a slice or range with step 1; found {steps!r}")
    if not several:
        return int(steps), None if steps == -1 else int(steps) + 1
    begin, end = (None if n is None else int(n) for n in ends)
    return begin, end


def positions(steps: slice | range | int, there: range) -> range:
    """The selected steps among `there`; negative numbers count from its end, as in Python.

    Raises MissingError if none are selected, OptionError if the steps are not adjacent.

    >>> positions(slice(-2, None), range(10)), positions(5, range(3, 8)), positions(slice(0, 4), range(3, 8))
    (range(8, 10), range(5, 6), range(3, 4))
    """
    wanted = window(steps)
    begin, end = (n + there.stop if n is not None and n < 0 else n for n in wanted)
    begin = there.start if begin is None else max(begin, there.start)
    end = there.stop if end is None else min(end, there.stop)
    if begin >= end:
        text = ":".join("" if n is None else str(n) for n in wanted)
        count = f"T = {there.stop}, so " if there.start == 0 else "those that were recorded are "
        raise MissingError(f"steps {text} is not in the trace: {count}{there.start} to {there.stop - 1}")
    return range(begin, end)


#: One number: its scope (empty for x), name, step, sequence and index; step and sequence are None for a parameter.
Key = tuple[Any, ...]


def extents_of(scopes: Iterable[str], t: range | None = None, b: range | None = None) -> dict[str, Sequence[Any]]:
    """The possible values of each part of an address: layers and directions of some scopes, steps, sequences.

    t, b: None if the value is the same for all of them.
    """
    layers, directions = zip(*map(layer_and_direction, scopes), strict=True)
    parts = {"layer": [*dict.fromkeys(layers)], "direction": [*dict.fromkeys(directions)], "t": t, "b": b}
    return {part: values for part, values in parts.items() if values is not None}


def origin(trace: Trace, key: Key) -> Key:
    """Where a number was computed: a state in the previous step, an input in another layer or in x.

    A weight of an adjoint is that of its stage.
    """
    scope, name, t, b, index = key
    if not scope:
        return key
    stage = trace.stage(scope)
    if t is None:
        return scope if name in trace.sums.get(scope, {}) else stage.owner, name, t, b, index
    if name in trace.lines.get(scope, {}):
        return key
    if name in stage.cell.states:
        before = t + (1 if stage.backwards else -1)
        return origin(trace, (scope, stage.cell.states[name], before, b, index)) if before in trace.span else key
    source = stage.sources.get(name, "")
    if source == X:
        return ("", "x_t", t, b, index)
    other, line = scope_and_name(source)
    return origin(trace, (other, line, t, b, index)) if other else key


def address(trace: Trace, key: Key) -> str:
    """The full address of a number; for a state, that of its value before the first step.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
    >>> address(trace, ("0/forward", "i_t", 0, 0, (0,))), address(trace, ("0/forward", "W_xi", None, None, (0, 0)))
    ('0/forward/0/0/i_t[0]', '0/forward/W_xi[0,0]')
    >>> address(trace, ("0/forward", "h_prev", 0, 0, (0,))), address(trace, ("", "x_t", 0, 0, (0,)))
    ('0/forward/0/h0[0]', '0/0/x_t[0]')
    """
    scope, name, t, b, index = key
    if scope and name in trace.stage(scope).cell.states:
        name, t = INITIAL.get(name, name), None
    parts = [part for part in (scope, t, b) if part not in (None, "")]
    return "/".join([*map(str, parts), name]) + index_text(index, columns_of(trace, scope, key[1]))
