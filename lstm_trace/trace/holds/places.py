"""Addresses of what is held: of several values, of every layer and direction that they can mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...cell.network import GIVEN, Stage, layer_and_direction, scope_and_name
from ...errors import MissingError, nearest
from ..address import INITIAL, STATE, line_name, read_several


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
    """The values that an address names (see `read_several`), of every layer and direction that it can mean.

    widths: of the lines that are computed, by scope. Raises MissingError, saying what is wrong with the address.
    """
    if not isinstance(text, str):
        raise MissingError(f"hold {text!r}: expected an address, as in 'c_t' or '5..9/f_t[3]'")
    said, name = f"hold {text!r}", line_name(text)
    scopes = [stage.scope for stage in stages if name in _lines(stage)]
    if not scopes:
        raise MissingError(f"{said}: {_no_line(name, stages)}")
    layers, directions = zip(*map(layer_and_direction, scopes), strict=True)
    extents: dict[str, Sequence[int | str]] = {
        "layer": list(dict.fromkeys(layers)),
        "direction": list(dict.fromkeys(directions)),
        "t": span,
        "b": range(batch),
    }
    meant = read_several(said, text, extents)
    found = []
    for scope, layer, direction in zip(scopes, layers, directions, strict=True):
        if layer not in meant.layer or direction not in meant.direction:
            continue
        width = widths.get(scope, {}).get(name)
        if width is None:
            raise MissingError(f"{said}: nothing that is asked for depends on {scope}/{name}; leave it out")
        found.append(Place(scope, name, meant.t, meant.b, meant.of_width(width)))
    return found


def _lines(stage: Stage) -> Iterable[str]:
    return (stage.cell.plain or stage.cell).by_name


def _no_line(name: str, stages: Sequence[Stage]) -> str:
    """Why `name` cannot be held."""
    for stage in stages:
        cell = stage.cell.plain or stage.cell
        if name in cell.parameters:
            return f"{name} is a weight, no line that is computed; change the weights instead"
        state = STATE.get(name, name)
        if state in cell.states:
            line = stage.unpadded(cell.states[state])
            return f"{name} is a state that is carried in; hold {line}, or give another {INITIAL.get(state, 'initial')}"
        if name in cell.inputs:
            source = stage.sources.get(name, GIVEN)
            if scope_and_name(source)[0]:
                return f"{name} is what {source} is here; hold that"
            return f"{name} is {'supplied' if source == GIVEN else 'an input'}, no line that is computed; change it"
    known = dict.fromkeys(line for stage in stages for line in _lines(stage))
    return f"there is no line {name!r}{nearest(name, known, 'there are')}"
