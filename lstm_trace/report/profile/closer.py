"""The commands that open one unit or one step of what a profile names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from ...documents.blocks import Block, Heading, Listing
from ...trace.labels import step_labels
from ...view.view import UNNAMED
from .cells import Cells
from .steps import events
from .units import Unit, followers, large_values, long_memories

#: A command goes on in the next line where it would be longer.
WIDTH = 78
#: The trace of the command before goes to the next one.
_PIPE = "| lstm-trace"


class _Command(NamedTuple):
    """What a command shows, as the key of its words, its arguments, and the unit that is named, if any."""

    key: str
    arguments: list[str]
    unit: str = ""


def closer(c: Cells) -> Iterator[Block]:
    """A command for each thing to look at, each below a comment that says what it shows."""
    rows = [f"# {c.shown.words.word('profile.command.source')}"] if c.shown.source == UNNAMED else []
    for command in _commands(c):
        said = c.shown.words.word(f"profile.command.{command.key}", unit=command.unit)
        rows += [f"# {said}", *_wrapped(command.arguments)]
    yield Heading(2, c.shown.said("profile.closer"))
    yield Listing(tuple(rows))


def _commands(c: Cells) -> Iterator[_Command]:
    """The commands in their order; those for which the trace has what they need."""
    source, options, run = c.shown.source
    opened = [source, *options]
    units = long_memories(c.found) or large_values(c.found)
    if units and c.found.counted:
        unit = units[0]
        _, line, j = unit
        (t, b), at = line.at[j].tolist(), _place(c, unit)
        yield _Command(
            "largest" if line.kept is None else "unit",
            ["plot", *opened, "--kind", "unit", *at, "--unit", str(j), "-o", f"unit-{j}.svg"],
        )
        yield _Command("worked", ["report", *opened, *at, "--unit", str(j)])
        if line.kept is not None:
            yield _Command("memory", ["explain", "memory", *opened, "--of", _address(c, unit, t, b)])
        if any(step_labels(c.found.trace, b)):
            told = (followers(c.found) or units)[0]
            chosen = ["--line", told[1].name, "--unit", str(told[2])]
            yield _Command("text", ["plot", *opened, "--kind", "text", *_place(c, told), *chosen], _address(c, told))
    if event := next(iter(events(c.found, 1)), None):
        step = str(c.found.trace.span[event[1]])
        yield _Command("step", ["report", *opened, *_row(c, event[2]), "--steps", step])
    yield _Command("gates", ["explain", "gates", *opened])
    yield _Command("verify", ["run", *opened, _PIPE, "verify", "-"] if run else ["verify", source])


def _address(c: Cells, unit: Unit, t: int | None = None, b: int | None = None) -> str:
    part, line, j = unit
    return str(c.address(line.name, part, t, b)._replace(unit=(j,)))


def _place(c: Cells, unit: Unit) -> list[str]:
    """The options for a unit's layer and direction, and for the row in which it is largest, where there are several."""
    part, line, j = unit
    trace = c.found.trace
    stages = [stage for stage in trace.stages if stage.cell.carry]
    layers = ["--layer", str(part.stage.layer)] if len({stage.layer for stage in stages}) > 1 else []
    ways = ["--direction", part.stage.direction] if len({stage.direction for stage in stages}) > 1 else []
    return [*layers, *ways, *_row(c, int(line.at[j, 1]))]


def _row(c: Cells, b: int) -> list[str]:
    return ["--batch", str(b)] if c.found.trace.batch > 1 else []


def _wrapped(arguments: list[str]) -> Iterator[str]:
    """A command as a shell reads it, over several lines where it is long."""
    words: list[str] = []
    for text in arguments:
        if text == _PIPE:
            words.append(text)
        elif text.startswith("-") or not words or not words[-1].startswith("-"):
            words.append(shlex.quote(text))
        else:  # an option and its value stay together
            words[-1] += f" {shlex.quote(text)}"
    line = "lstm-trace"
    for word in words:
        if len(line) + len(word) + 3 > WIDTH and word.startswith(("-", "|")):
            yield f"{line} \\"
            line = f"    {word}"
        else:
            line += f" {word}"
    yield line
