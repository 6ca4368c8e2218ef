"""Steps and units as the problem counts them, from 0 or 1: on the command line, and what they are from 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import click

from ..base.option import Option

if TYPE_CHECKING:
    from ..trace.trace import Trace

_COUNT = "Count steps and units from 0 or 1, in what is typed and in what is printed; else as the problem does."
CountFrom = Annotated[int | None, Option(least=0, most=1, help=_COUNT)]


def from_zero(given: Mapping[str, Any], first: int, trace: Trace | None = None) -> dict[str, Any]:
    """Options with steps and units from 0, whose texts count from `first`; if that is 1, the last step is included.

    trace: of which the steps and units are, if there is one. Raises click.UsageError for others.
    """
    found, steps, unit = dict(given), given.get("steps"), given.get("unit")
    if steps is not None:
        begin, end = (steps.start, steps.stop) if isinstance(steps, slice) else (steps, steps)
        typed = [n for n in (begin, end) if n is not None and n >= 0]
        there = range(1, 1 << 62) if trace is None else range(trace.first + 1, trace.span.stop + 1)
        outside = (begin in typed and begin >= there.stop) or (end in typed and end < there.start)
        if first and (0 in typed or outside or typed != sorted(typed)):
            known = "from 1" if trace is None else f"{there.start} to {there[-1]}"
            said = ":".join(map(str, dict.fromkeys(typed)))
            raise click.UsageError(f"there is no step {said}: steps are counted {known}")
        begin = begin - first if begin in typed else begin
        found["steps"] = slice(begin, end if isinstance(steps, slice) else begin + 1 or None)
    if first and unit is not None:
        units = unit if isinstance(unit, tuple) else (unit,)
        width = 0 if trace is None else max(values.shape[-1] for *_, values in trace.recorded())
        if wrong := [j for j in units if width and not 0 < j <= width]:
            raise click.UsageError(f"there is no unit {wrong[0]}: units are counted 1 to {width}")
        found["unit"] = tuple(j - 1 for j in units) if isinstance(unit, tuple) else unit - 1
    return found


def selected(trace: Trace, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that select a part of a trace, counted from 0; the address of one value, in `--only`, sets several.

    Raises LstmTraceError, click.UsageError.
    """
    from ..trace.address import line_name
    from ..trace.printed import slashed

    found = from_zero(given, trace.header.count_from, trace)
    lines, places = list[str](), list[dict[str, Any]]()
    for typed in found.get("only") or ():
        one = typed
        own: dict[str, Any] = {}
        if line_name(full := slashed(trace, one, every=True)) != one:
            at = trace.locate(full, every=True)
            entry = at.unit if at.t is None and at.unit is not None else ()  # of a matrix: the row, in one column
            own = {"steps": at.t, "unit": None if at.unit is None else at.unit[0]}
            own = {name: value for name, value in own.items() if value is not None}
            one = f"{at.line}[:,{entry[1]}]" if len(entry) > 1 else at.line
            if both := [f"--{name}" for name in own if found.get(name) is not None]:
                raise click.UsageError(f"{typed} has a place of its own: leave {' and '.join(both)} out")
        lines.append(one)
        places.append(own)
    if any(own != places[0] for own in places):
        raise click.UsageError("--only names several places: name one, or lines and --steps and --unit for all of them")
    return found | ({"only": tuple(lines), **places[0]} if any(places) else {})


def counted(open: Callable[[Any], Trace], first: int | None, hold: Mapping[str, str] | None) -> Trace:
    """The trace that `open` returns for some holds; counted from `first`, as are the holds, unless that is None."""
    if first is None:
        return open(hold)
    from ..engine.run import with_holds
    from ..trace.files.trace_file import read_holds
    from ..trace.printed import counted_from

    found = counted_from(open(None), first)
    return with_holds(found, read_holds(hold)) if hold else found
