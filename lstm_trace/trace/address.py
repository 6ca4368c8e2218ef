"""Addresses: `layer/direction/t/b/line[j]`, where each part may be left out when there is only one of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from numbers import Integral
from typing import Any, NamedTuple

from ..errors import MissingError, OptionError

#: The states of the plain cell have initial values with names of their own.
INITIAL = {"h_prev": "h0", "c_prev": "c0"}
STATE = {short: state for state, short in INITIAL.items()}
PARTS = ("layer", "direction", "t", "b")
_UNIT = re.compile(r"\[\s*(\d{1,18}(?:\s*,\s*\d{1,18})?)\s*\]$")

#: What may stand behind a line's name, whether or not it is a unit; with a colon it is part of the name.
_BEHIND = re.compile(r"\[[^\[\]:]*\]?\s*$")


class Address(NamedTuple):
    """One value, or, where a part is None, every value along that part."""

    line: str
    layer: int | None = None
    direction: str | None = None
    t: int | None = None
    b: int | None = None
    unit: tuple[int, ...] | None = None

    def __str__(self) -> str:
        parts = [str(p) for p in (self.layer, self.direction, self.t, self.b) if p is not None]
        unit = "" if self.unit is None else f"[{','.join(map(str, self.unit))}]"
        return "/".join([*parts, self.line]) + unit

    @property
    def scope(self) -> str:
        """`layer/direction`."""
        return f"{self.layer}/{self.direction}"


def line_name(text: str) -> str:
    """The name in an address, whatever stands before and behind it.

    >>> line_name("1/reverse/0/0/h_t[0]"), line_name("h_t"), line_name("2/z_t[0:3][1]")
    ('h_t', 'h_t', 'z_t[0:3]')
    """
    return _BEHIND.sub("", text.rsplit("/", 1)[-1]).strip()


def read(text: str, extents: Mapping[str, Sequence[int | str]], every: bool = False) -> Address:
    """Read an address.

    extents: for each part that applies to the name (`layer`, `direction`, `t`, `b`) the values it may have; see
    `Trace.extents`. every: whether a part with several values may be left out, meaning all of them; the reading
    that leaves out only what there is one of comes first.
    Raises MissingError that says which part is missing, unknown or out of range.

    >>> str(read("1/h_t[0]", {"layer": [0], "direction": ["forward"], "t": [0, 1, 2], "b": [0]}))
    '0/forward/1/0/h_t[0]'
    """
    *given, name = text.strip().split("/")
    given = [part.strip() for part in given]
    unit = None
    if match := _UNIT.search(name):
        unit = tuple(int(n) for n in match[1].split(","))
        name = name[: match.start()]
    parts = [part for part in PARTS if part in extents]
    single = {part: extents[part][0] for part in parts if len(extents[part]) == 1}
    required = [part for part in parts if part not in single]
    readings = list(alignments(parts, len(given), required))
    readings += [chosen for chosen in alignments(parts, len(given), []) if chosen not in readings] if every else []
    for chosen in readings:
        values = {part: _value(part, text_) for part, text_ in zip(chosen, given, strict=True)}
        if all(values[part] in extents[part] for part in chosen):
            return Address(name.strip(), unit=unit, **{**single, **values})  # type: ignore[arg-type]
    wanted = "/".join([*required, f"{name}[j]" if unit is None else f"{name}[{','.join(map(str, unit))}]"])
    ranges = ", ".join(f"{part} {_range(extents[part])}" for part in parts)
    raise MissingError(
        f"{text!r} is not an address here; expected {wanted} (or the full {'/'.join(parts)}/…): {ranges}"
    )


def alignments(parts: Sequence[str], count: int, required: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Ways in which `count` given parts can stand for `parts`, so that all of `required` are among them."""
    for chosen in combinations(parts, count):
        if set(required) <= set(chosen):
            yield chosen


def _value(part: str, text: str) -> int | str:
    number = None if part == "direction" else whole(text)
    return text if number is None else number


def whole(text: str) -> int | None:
    """The whole number that a text is; None for another text, and for more digits than 64 bits have.

    Python's int() raises ValueError for more than 4,300 digits, which a file or a command line may well hold.

    >>> whole("12"), whole("x"), whole("9" * 5000)
    (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _range(values: Sequence[int | str]) -> str:
    if len(values) == 1 or isinstance(values[0], str):
        return "|".join(map(str, values))
    return f"{values[0]}..{values[-1]}"


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; numpy's are, truth values are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def window(steps: Any) -> tuple[int | None, int | None]:
    """Begin and end of steps that are next to each other: a number, a slice or a range. Raises OptionError.

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
    """The steps of `there` that are meant; negative ones count from its end, as Python's do.

    Raises MissingError where there are none, OptionError for what is no window.

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
