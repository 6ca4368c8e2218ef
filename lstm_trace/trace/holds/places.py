"""Addresses of what is held: `layer/direction/t/b/line[j]`, with ranges of steps and rows, and some of the units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...cell.network import GIVEN, Stage, layer_and_direction, scope_and_name
from ...errors import MissingError, nearest
from ..address import INITIAL, PARTS, STATE, alignments

#: A step, row or unit, or a range with both ends.
_RANGE = re.compile(r"(\d{1,18})(?:\s*\.\.\s*(\d{1,18}))?")
#: What stands behind a line's name: units; with a colon it is part of the name.
_UNITS = re.compile(r"\[([^\[\]:]*)\]$")
#: More units than any line has.
MOST_UNITS = 1 << 24


class Place(NamedTuple):
    """Values of one line: at some steps (positions in the input), rows and units."""

    scope: str
    line: str
    steps: range
    rows: range
    units: tuple[int, ...]


def places(
    text: str, stages: Sequence[Stage], span: range, batch: int, widths: Mapping[str, Mapping[str, int]]
) -> list[Place]:
    """The values that an address names, of every layer and direction that it can mean.

    Layer, direction, step, row and units may be left out, for all of them. Steps and rows may be ranges, `5..9` with
    both ends, units `[3]`, `[3..7]`, or `[1,4..6]`. A part that is given is the first that it can be, layer to row,
    of those of which there are several: in one layer `0/c_t` is step 0, in two it is layer 0.
    widths: of the lines that are computed, by scope. Raises MissingError, saying what is wrong with the address.
    """
    if not isinstance(text, str):
        raise MissingError(f"hold {text!r}: expected an address, as in 'c_t' or '5..9/f_t[3]'")
    *parts, name = (part.strip() for part in text.strip().split("/"))
    name, chosen = _units(text, name)
    scopes = [stage.scope for stage in stages if name in _lines(stage)]
    if not scopes:
        raise MissingError(f"hold {text!r}: {_no_line(name, stages)}")
    layers, directions = zip(*map(layer_and_direction, scopes), strict=True)
    extents: dict[str, Sequence[int | str]] = {
        "layer": list(dict.fromkeys(layers)),
        "direction": list(dict.fromkeys(directions)),
        "t": span,
        "b": range(batch),
    }
    meant = _meant(text, parts, extents)
    found = []
    for scope, layer, direction in zip(scopes, layers, directions, strict=True):
        if layer not in meant["layer"] or direction not in meant["direction"]:
            continue
        width = widths.get(scope, {}).get(name)
        if width is None:
            raise MissingError(f"hold {text!r}: nothing that is asked for depends on {scope}/{name}; leave it out")
        if chosen is not None and chosen[-1] >= width:
            there = "[0] only" if width == 1 else f"[0] to [{width - 1}]"
            raise MissingError(f"hold {text!r}: there is no {name}[{chosen[-1]}]; {name} has {there}")
        steps, rows = (range(int(part[0]), int(part[-1]) + 1) for part in (meant["t"], meant["b"]))
        found.append(Place(scope, name, steps, rows, tuple(range(width)) if chosen is None else chosen))
    return found


def _lines(stage: Stage) -> Iterable[str]:
    return (stage.cell.plain or stage.cell).by_name


def _units(text: str, name: str) -> tuple[str, tuple[int, ...] | None]:
    """The name of a line and the units behind it, None for all."""
    match = _UNITS.search(name)
    if match is None:
        return name, None
    found: set[int] = set()
    for part in match[1].split(","):
        units = _range(text, part)
        if units is None:
            raise MissingError(f"hold {text!r}: expected units as in [3], [3..7] or [1,4..6], found [{match[1]}]")
        found |= set(units)
    return name[: match.start()].strip(), tuple(sorted(found))


def _range(text: str, part: str) -> range | None:
    """The whole numbers of `5` or `5..9`; None for another text. Raises MissingError for a range that has none."""
    match = _RANGE.fullmatch(part.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise MissingError(f"hold {text!r}: the range {part} has nothing in it; write {last}..{first}")
    if last - first >= MOST_UNITS:
        raise MissingError(f"hold {text!r}: the range {part} is longer than any line, sequence or batch")
    return range(first, last + 1)


def _meant(text: str, parts: list[str], extents: Mapping[str, Sequence[int | str]]) -> dict[str, Sequence[int | str]]:
    """Of each part of an address the values that are meant, in order."""
    several = {part for part, there in extents.items() if len(there) > 1}
    ranges = [_range(text, part) for part in parts]
    # first what leaves out only what there is one of, then what names as little of that as can be
    ways = sorted(alignments(PARTS, len(parts), []), key=lambda way: (not several <= {*way}, len({*way} - several)))
    for way in ways:
        meant = dict(extents)
        for key, part, found in zip(way, parts, ranges, strict=True):
            one = found is not None and (key in ("t", "b") or len(found) == 1)
            values: Sequence[int | str] = found if one and found is not None else [part]
            meant[key] = values if values[0] in extents[key] and values[-1] in extents[key] else ()
        if all(meant.values()):
            return meant
    wanted = ", ".join(f"{part} {_there(values)}" for part, values in extents.items())
    raise MissingError(
        f"hold {text!r} is not an address here; expected layer/direction/t/b/line[j], of which all but the line may be "
        f"left out, and t, b and j may be ranges such as 5..9: {wanted}"
    )


def _there(values: Sequence[int | str]) -> str:
    if len(values) == 1 or isinstance(values[0], str):
        return "|".join(map(str, values))
    return f"{values[0]} to {values[-1]}"


def _no_line(name: str, stages: Sequence[Stage]) -> str:
    """Why `name` cannot be held."""
    for stage in stages:
        cell = stage.cell.plain or stage.cell
        if name in cell.parameters:
            return f"{name} is a weight, no line that is computed; change the weights instead"
        state = STATE.get(name, name)
        if state in cell.states:
            line = cell.states[state]
            return f"{name} is a state that is carried in; hold {line}, or give another {INITIAL.get(state, 'initial')}"
        if name in cell.inputs:
            source = stage.sources.get(name, GIVEN)
            if scope_and_name(source)[0]:
                return f"{name} is what {source} is here; hold that"
            return f"{name} is {'supplied' if source == GIVEN else 'an input'}, no line that is computed; change it"
    known = dict.fromkeys(line for stage in stages for line in _lines(stage))
    return f"there is no line {name!r}{nearest(name, known, 'there are')}"
