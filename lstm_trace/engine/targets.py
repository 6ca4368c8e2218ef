"""What is asked for: names and addresses of lines, found before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..cell.network import GIVEN, Stage, find, layer_and_direction
from ..errors import Faults, MissingError, nearest, within
from ..trace.address import Address, line_name, read


def wanted(
    ask: Iterable[str], stages: Sequence[Stage], steps: int, batch: int, found: list[tuple[str, Address]]
) -> None:
    """Add scope and address of every asked line to `found`; a bare name means every layer, direction and step.

    steps, batch: how many there are. Raises MissingError for those that do not exist, after all others were found.
    """
    faults = Faults()
    lines = dict.fromkeys(name for stage in stages for name in (*stage.cell.by_name, *_fed_lines(stage)))
    for text in ask:
        with faults.gather(), within("ask"):
            name = line_name(text)
            if name not in lines:
                raise MissingError(_no_line(name, lines, stages))
            scopes = [layer_and_direction(scope) for scope in find(stages, name)]
            extents: dict[str, Sequence[int | str]] = {
                "layer": list(dict.fromkeys(layer for layer, _ in scopes)),
                "direction": list(dict.fromkeys(direction for _, direction in scopes)),
                "t": range(steps),
                "b": range(batch),
            }
            address = read(text, extents, every=True)
            for layer, direction in scopes:
                if address.layer in (None, layer) and address.direction in (None, direction):
                    found.append((f"{layer}/{direction}", address))
    faults.tell()


def beyond(found: Iterable[tuple[str, Address]], widths: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A message for each asked unit that its line does not have. widths: of every line, by scope."""
    for scope, address in found:
        width = widths[scope].get(address.line, 0)
        if address.unit is not None and width and (len(address.unit) > 1 or address.unit[0] >= width):
            at = ",".join(map(str, address.unit))
            there = "[0] only" if width == 1 else f"[0] to [{width - 1}]"
            yield f"ask: there is no {address.line}[{at}]; {address.line} has {there}"


def _fed_lines(stage: Stage) -> list[str]:
    """Lines of a stage that are supplied instead of computed."""
    return [name for name, source in stage.sources.items() if source == GIVEN]


def _no_line(name: str, lines: Iterable[str], stages: Sequence[Stage]) -> str:
    """Why `name` cannot be asked for."""
    for stage in stages:
        if name in stage.cell.states:
            return f"{name} is the state that is carried in, no line; ask for {stage.cell.states[name]}"
        if name in stage.cell.inputs:
            return f"{name} is an input, no line"
    return f"there is no line {name!r}{nearest(name, lines, 'there are')}"
