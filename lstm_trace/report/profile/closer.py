"""The commands that open one unit or one step of what a profile names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ...formulas.blocks import Block, Heading, Listing
from .cells import Cells
from .steps import events
from .units import Unit, large_values, long_memories

#: A command goes on in the next line where it would be longer.
WIDTH = 78


def closer(c: Cells) -> Iterator[Block]:
    """A command for each thing to look at, each below a comment that says what it shows."""
    rows: list[str] = []
    for key, arguments in _commands(c):
        rows += [f"# {c.shown.words.word(f'profile.command.{key}')}", *_wrapped(arguments)]
    yield Heading(2, c.shown.said("profile.closer"))
    yield Listing(tuple(rows))


def _commands(c: Cells) -> Iterator[tuple[str, list[str]]]:
    """What a command shows, as the key of its words, and its arguments."""
    source = c.shown.source
    units = long_memories(c.found) or large_values(c.found)
    unit = units[0] if units and c.found.counted else None
    if unit is not None:
        part, line, j = unit
        b = int(line.at[j, 1])
        at = _place(c, part.stage.layer, part.stage.direction, b)
        yield "unit", ["plot", source, "--kind", "unit", *at, "--unit", str(j), "-o", f"unit-{j}.svg"]
        yield "worked", ["report", source, *at, "--unit", str(j)]
        if line.kept is not None:
            yield "memory", ["explain", source, "--how", "memory", "--of", _address(c, unit, _last(c, unit, b), b)]
    if event := next(iter(events(c.found, 1)), None):
        step = str(c.found.trace.span[event[1]])
        yield "step", ["report", source, *_row(c, event[2]), "--steps", step]
    yield "gates", ["explain", source, "--how", "gates"]
    yield "verify", ["verify", source]


def _last(c: Cells, unit: Unit, b: int) -> int:
    """The valid step of a row that is computed last."""
    inside = c.found.valid[:, b - c.found.rows.start].nonzero()[0]
    return int(inside[0] if unit[0].stage.backwards else inside[-1])


def _address(c: Cells, unit: Unit, t: int, b: int) -> str:
    part, line, j = unit
    return str(c.address(line.name, part, t, b)._replace(unit=(j,)))


def _place(c: Cells, layer: int, direction: str, b: int) -> list[str]:
    """The options for a layer, a direction and a row, as far as there are several."""
    trace = c.found.trace
    stages = [stage for stage in trace.stages if stage.cell.carry]
    layers = ["--layer", str(layer)] if len({stage.layer for stage in stages}) > 1 else []
    ways = ["--direction", direction] if len({stage.direction for stage in stages}) > 1 else []
    return [*layers, *ways, *_row(c, b)]


def _row(c: Cells, b: int) -> list[str]:
    return ["--batch", str(b)] if c.found.trace.batch > 1 else []


def _wrapped(arguments: list[str]) -> Iterator[str]:
    """A command as a shell reads it, over several lines where it is long."""
    words: list[str] = []
    for text in arguments:
        if text.startswith("-") or not words or not words[-1].startswith("-"):
            words.append(shlex.quote(text))
        else:  # an option and its value stay together
            words[-1] += f" {shlex.quote(text)}"
    line = "lstm-trace"
    for word in words:
        if len(line) + len(word) + 3 > WIDTH and word.startswith("-"):
            yield f"{line} \\"
            line = f"    {word}"
        else:
            line += f" {word}"
    yield line
