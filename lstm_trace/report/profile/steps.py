"""The steps at which the state of a layer and direction went furthest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...explanation.profile import Profile, StageProfile
from ...formulas.blocks import Block, Code, Heading, Para, Text
from ...view.excerpt import largest
from .cells import Cells

#: So many steps stand in the table; in one without bounds.
STEPS, ALL = 6, 100

Event = tuple[StageProfile, int, int]


def steps(c: Cells) -> Iterator[Block]:
    """The table of the most eventful steps."""
    found = events(c.found, ALL if c.shown.everything else STEPS)
    if not found:
        return
    words = c.shown.words
    names: list[Text] = [(Code(n),) for n in dict.fromkeys(p.moves.name for p, _, _ in found if p.moves is not None)]
    yield Heading(2, c.shown.said("profile.steps"))
    yield Para(words.text("profile.eventful", lines=words.listed(names)), leads=True)
    rows = [row for event in found if (row := _row(c, event))]
    yield c.table(("step", "change", "forgets", "unit", "from", "to"), rows)


def _row(c: Cells, event: Event) -> tuple[Text, ...]:
    part, t, b = event
    moves, at = part.moves, (t, b - c.found.rows.start)
    if moves is None:
        return ()
    forgets = "" if part.forgets is None else c.share(float(part.forgets[at]))
    unit = c.unit(moves.name, part, int(moves.unit[at]), t, b)
    ends = [float(values[at]) for values in (moves.before, moves.after)]
    # what is less than a rounding of the other end is no value beside it
    rounding = float(np.finfo(c.found.trace.header.dtype).eps) * max(map(abs, ends))
    way = (c.number(0.0 if abs(value) <= rounding else value) for value in ends)
    return (c.step(t, b), c.number(float(moves.times[at])), (forgets,), unit, *way)


def events(found: Profile, most: int) -> list[Event]:
    """Layer and direction, step (in the trace's arrays) and row: those with the largest change first."""
    parts = [part for part in found.parts if part.moves is not None and part.moves.typical > 0]
    if not parts:
        return []
    times = np.stack([part.moves.times for part in parts if part.moves is not None])
    sizes = np.where(np.isfinite(times), times, -1.0).ravel()
    places = (
        np.unravel_index(at, times.shape) for at in largest(sizes, min(most, sizes.size)).tolist() if sizes[at] > 0
    )
    return [(parts[int(k)], int(t), int(b) + found.rows.start) for k, t, b in places]
