"""The units of a model that matter: with a long memory, with large values, that follow the tokens, that are dead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...base.arrays import Array
from ...explanation.activity import LineStatistics
from ...explanation.profile import DEAD, SPARE, Profile, StageProfile
from ...formulas.blocks import Block, Code, Heading, Items, Para, Text
from ...trace.labels import step_labels
from ...view.excerpt import largest
from .cells import EMPTY, Cells

#: So many units stand in a table.
UNITS = 5

Lines = Sequence[tuple[StageProfile, LineStatistics]]
Unit = tuple[StageProfile, LineStatistics, int]


def units(c: Cells) -> Iterator[Block]:
    """Units with the longest memory and the largest values; those that follow the tokens; those that are dead."""
    words = c.shown.words
    states = [(part, state) for part in c.found.parts for state in part.states]
    rows = [*_lists(c)]
    remembered = [*_some(c, long_memories(c.found))]
    known = {_key(unit) for unit in remembered}
    large = [unit for unit in _some(c, large_values(c.found)) if _key(unit) not in known]
    if not (remembered or large or rows):
        return
    yield Heading(2, c.shown.said("profile.units"))
    if remembered or large:  # none where no unit has finite values alone
        names: list[Text] = [(Code(name),) for name in dict.fromkeys(state.name for _, state in states)]
        key = "profile.memory" if remembered else "profile.largest"
        yield Para(words.text(key, lines=words.listed(names), n=str(c.found.foreseen)), leads=True)
        yield c.table(("unit", "half", "kept", "largest", "at"), [_kept(c, unit) for unit in (*remembered, *large)])
    if following := followers(c.found):
        yield Para(c.shown.said("profile.follows"), leads=True)
        yield c.table(("unit", "follows", "high", "low"), [_follows(c, unit) for unit in _some(c, following)])
    elif any(any(step_labels(c.found.trace, b)) for b in c.found.rows):
        yield Para(c.shown.said("profile.unfollowed", n=str(SPARE)))
    if rows:
        yield Items(tuple(rows))


def _some(c: Cells, found: Sequence[Unit]) -> Sequence[Unit]:
    return found if c.shown.everything else found[:UNITS]


def _key(unit: Unit) -> tuple[str, str, int]:
    part, line, j = unit
    return part.stage.scope, line.name, j


def long_memories(found: Profile) -> list[Unit]:
    """The units of carried lines, those with the longest half-life first; of equal ones those that keep most."""
    lines = [(part, state) for part in found.parts for state in part.states if state.kept is not None]
    if not lines:
        return []
    times = np.concatenate([state.kept.half_life for _, state in lines if state.kept is not None])
    means = np.concatenate([state.kept.mean for _, state in lines if state.kept is not None])
    order = np.lexsort((-np.nan_to_num(means, nan=-1.0), -np.nan_to_num(times, nan=-1.0)))
    return _placed(lines, order[~np.isnan(times[order])])


def large_values(found: Profile) -> list[Unit]:
    """The units of carried lines, that with the value of the largest size first."""
    lines = [(part, state) for part in found.parts for state in part.states]
    if not lines:
        return []
    sizes = np.abs(np.concatenate([state.largest for _, state in lines]))
    order = largest(np.nan_to_num(sizes, nan=-1.0), len(sizes))
    return _placed(lines, order[~np.isnan(sizes[order])])


def followers(found: Profile) -> list[Unit]:
    """The units of which the token of a step says most, beginning with the one of which it says the most.

    A unit stands there once: with the line, c_t or h_t, of which the token says more.
    """
    lines = [(part, line) for part in found.parts for line in part.lines if line.name in part.follows]
    if not lines:
        return []
    every = np.nan_to_num(np.concatenate([part.follows[line.name].share for part, line in lines]), nan=-1.0)
    order = largest(every, len(every))
    best: dict[tuple[str, int, int], Unit] = {}
    for part, line, j in _placed(lines, order[every[order] > 0]):
        best.setdefault((part.stage.scope, len(line.mean), j), (part, line, j))  # a projection has other units
    return [*best.values()]


def _placed(lines: Lines, order: Array) -> list[Unit]:
    """Layer and direction, line and unit of places in the units of several lines, one line after the other."""
    every = [(part, line, j) for part, line in lines for j in range(len(line.mean))]
    return [every[at] for at in order.tolist()]


def _kept(c: Cells, unit: Unit) -> tuple[Text, ...]:
    """A unit with what it keeps, and where it is largest."""
    part, line, j = unit
    half = EMPTY if line.kept is None else c.half_life(float(line.kept.half_life[j]))
    mean = "" if line.kept is None else c.share(float(line.kept.mean[j]))
    t, b = line.at[j].tolist()
    name = c.unit(line.name, part, j)
    return name, half, (mean,), c.number(float(line.largest[j])), c.step(t, b)


def _follows(c: Cells, unit: Unit) -> tuple[Text, ...]:
    """A unit with the share that tokens say, and the tokens above and below the middle of its range."""
    part, line, j = unit
    found = part.follows[line.name]
    means = found.means[:, j]
    middle = (means.max() + means.min()) / 2
    order = np.argsort(-means, kind="stable").tolist()
    high = c.tokens(found.tokens[k] for k in order if means[k] > middle)
    low = c.tokens(found.tokens[k] for k in reversed(order) if means[k] <= middle)
    return c.unit(line.name, part, j), (c.share(float(found.share[j])),), (high,), (low,)


def _lists(c: Cells) -> Iterator[Text]:
    """Units that are dead, gates that are always shut or open."""
    words = c.shown.words
    outputs = [(part, part.output) for part in c.found.parts if part.output is not None]
    if outputs:
        dead = [c.unit(line.name, part, j) for part, line in outputs for j in np.flatnonzero(part.dead).tolist()]
        yield words.text("profile.dead", share=c.share(DEAD), units=c.units(dead))
    gates = [(part, name, unit) for part in c.found.parts for name, every in part.gates.items() for unit in every]
    if gates:
        shut, wide = (
            c.units([c.unit(name, part, unit.unit) for part, name, unit in gates if unit.state == state])
            for state in ("shut", "open")
        )
        yield words.text("profile.always", shut=shut, open=wide)
