"""Many runs of one row of a trace, each with premises of its own, of which one value, or a sum of some, is looked at.

Each is the run that it would be by itself, to the last bit of the trace's plan. By the compiled plan the runs are rows
of one batch, since a row does not depend on the others there; numpy's products of several rows may round otherwise, so
by the other plans each is run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..backpropagation.target import Part
from ..base.arrays import Array
from ..cell.lines import names_of
from ..cell.network import MEET, Stage, restrict
from ..engine.plan_choice import at_once
from ..engine.run import Reruns, by_its_plan, rows_alone, run_seconds
from ..trace.address import origin
from ..trace.derived import sizes, total
from ..trace.holding import Lines, Region, applied
from ..trace.trace import Trace

#: Rows of a batch at most, however small they are: of 2000 runs of 16 units 512 at once take 0.91 of the time of 32 at
#: once, and 2048 no less.
MOST_ROWS = 512
#: Sizes of batch are multiples of this, since each has machine code of its own.
ROUND = 8


class TrialRows(NamedTuple):
    """Premises of several runs, to be changed: x (T, rows, I), states (rows, ·), supplied lines (T, rows, ·)."""

    x: Any
    initial: Mapping[str, Mapping[str, Array]]
    given: Mapping[str, Mapping[str, Array]]


#: Changes the premises of one run: told which run, and which of the rows is its.
Change = Callable[[int, int, TrialRows], None]


@dataclass(frozen=True)
class Trials:
    """Runs of a trace of one row. parts: of which values the sum is looked at; lines that a run computes."""

    trace: Trace
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, trace: Trace, parts: tuple[Part, ...]) -> Trials:
        """By the plan that the trace has, or what no plan of ours computed is run by."""
        return cls(by_its_plan(trace), parts)

    @cached_property
    def together(self) -> bool:
        """Whether several runs are one batch."""
        return rows_alone(self.trace)

    @cached_property
    def seconds(self) -> float:
        """What one run takes, roughly."""
        return run_seconds(self.trace)

    @cached_property
    def value(self) -> float:
        """That of the run in which nothing is changed."""
        return float(self.values(1, lambda *_: None)[0])

    def values(self, count: int, change: Change) -> Array:
        """The value in each of so many runs."""
        size = self._size(count) if self.together else 1
        found = np.empty(count)
        for first in range(0, count, size):
            some = range(first, min(first + size, count))
            rows = self._rows(size)  # all batches have one size: what is left of the last one is not looked at
            for row, run in enumerate(some):
                change(run, row, rows)
            found[some.start : some.stop] = self._run(rows, size)[: len(some)]
        return found

    def _size(self, count: int) -> int:
        """How many runs are one batch."""
        trace, widths = self.trace, sizes(self.trace)
        numbers = sum(widths[stage.scope][name] for stage in trace.stages for name in stage.inputs)
        numbers = 3 * numbers * trace.steps + len(self._window) * sum(widths[p.scope][p.line] for p in self.parts)
        each = numbers * np.dtype(trace.header.dtype).itemsize
        batches = -(-count // min(at_once(each), MOST_ROWS))
        size = -(-count // max(batches, 1))
        return max(size if size < ROUND else -(-size // ROUND) * ROUND, 1)

    def _rows(self, count: int) -> TrialRows:
        trace = self.trace
        return TrialRows(
            None if trace.x is None else np.repeat(trace.x, count, axis=1),
            {s: {n: np.repeat(v, count, axis=0) for n, v in here.items()} for s, here in trace.initial.items()},
            {s: {n: np.repeat(v, count, axis=1) for n, v in here.items()} for s, here in trace.given.items()},
        )

    @cached_property
    def _window(self) -> range:
        """The steps from the first to the last of which the value is made."""
        return range(min(int(p.steps[0]) for p in self.parts), max(int(p.steps[-1]) for p in self.parts) + 1)

    @cached_property
    def _reruns(self) -> Reruns:
        record: dict[str, dict[str, None]] = {}
        for part in self.parts:
            record.setdefault(part.scope, {})[part.line] = None
        return Reruns(self.trace, self._window, record)

    def _run(self, rows: TrialRows, count: int) -> Array:
        trace = self.trace
        found = self._reruns.lines(
            x=rows.x,
            initial=rows.initial,
            given=rows.given,
            lengths=None if trace.lengths is None else np.repeat(trace.lengths, count),
            mask=None if trace.mask is None else np.repeat(trace.mask, count, axis=1),
        )
        first = self._window.start
        return np.array(
            [total(p.inside(found[p.scope][p.line], first, row) for p in self.parts) for row in range(count)]
        )


def made(trace: Trace, part: Part, held: Collection[tuple[str, str]] = ()) -> Part:
    """Where a single value was made: in the step before, in a layer below, in one of the directions that are joined.

    held: lines (scope, name) that are to be held, so that their values are their own.
    """
    if len(part.steps) > 1 or len(part.units) > 1:
        return part
    t = trace.first + int(part.steps[0])
    scope, line, t, _, (unit,) = origin(trace, (part.scope, part.line, t, 0, (int(part.units[0]),)))
    found = replace(part, scope=scope, line=line, steps=np.array([trace.index(t)]), units=np.array([unit]))
    if not scope or (scope, line) in held or (stage := trace.stage(scope)).direction != MEET:
        return found
    by = stage.cell.by_name.get(line)
    if by is None or by.op != "concat":
        return found
    widths = sizes(trace)[scope]
    for name in by.reads:  # of all its operands: a place where directions meet reads no number
        if unit < widths[name]:
            break
        unit -= widths[name]
    return made(trace, replace(found, line=name, units=np.array([unit])), held)


def computed_parts(
    trace: Trace, parts: Iterable[Part], held: Collection[tuple[str, str]] = ()
) -> tuple[Part, ...] | None:
    """Where values were made (see `made`); None where one is a premise, which no run computes."""
    found = tuple(made(trace, part, held) for part in parts)
    there = (part.scope != "" and part.line in trace.stage(part.scope).cell.by_name for part in found)
    return found if all(there) else None


def reached(stages: Sequence[Stage], parts: Iterable[Part]) -> tuple[Stage, ...]:
    """The stages, with the lines in them, on which values depend."""
    return restrict(stages, [(part.scope, part.line) for part in parts], carried=True)


# -- again with this held --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldTrials:
    """Runs of a trace of one row, again with this held: in each some places are held together, or scaled.

    trials: of the run without them. scale: whether they are scaled. numbers: of a place, what it is held at.
    """

    trials: Trials
    scale: bool
    numbers: Callable[[Region], Array]

    def values(self, groups: Sequence[Sequence[Region]]) -> list[float]:
        """The value in the run in which each group of places is held."""
        lines = [tuple(dict.fromkeys((place.scope, place.line) for place in group)) for group in groups]
        every = self._able(line for some in lines for line in some)
        if every.together:
            return self._held(every, groups)
        alone = {some: self._able(some) for some in dict.fromkeys(lines)}  # with the equations of a run of its own
        return [self._held(alone[some], [group])[0] for some, group in zip(lines, groups, strict=True)]

    def _held(self, trials: Trials, groups: Sequence[Sequence[Region]]) -> list[float]:
        def change(run: int, row: int, rows: TrialRows) -> None:
            for place in groups[run]:
                self._hold(trials.trace, rows.given, row, place)

        return [float(value) for value in trials.values(len(groups), change)]

    def _able(self, wanted: Iterable[tuple[str, str]]) -> Trials:
        """Runs in which lines (scope, name) can be held, and nothing of them is held yet."""
        one = self.trials.trace
        wanted = dict.fromkeys(wanted)
        lines: Lines = ()
        for stage in one.stages:
            here = tuple(line for scope, line in wanted if scope == stage.scope)
            held, scaled = stage.cell.held, stage.cell.scaled
            both = (held, (*scaled, *here)) if self.scale else ((*held, *here), scaled)
            lines += ((stage.scope, *both),)
        stages, widths = applied(one.stages, lines), sizes(one)
        given = {scope: dict(here) for scope, here in one.given.items()}
        for stage in stages:
            for line, names in names_of(stage.cell).items():
                shape = one.steps, 1, widths[stage.scope][line]
                there = given.setdefault(stage.scope, {})
                for name in (name for name in names if name in stage.cell.inputs and name not in there):
                    there[name] = np.zeros(shape, one.header.dtype)
        trace = replace(one, stages=stages, given={scope: here for scope, here in given.items() if here})
        return Trials(trace, self.trials.parts)

    def _hold(self, trace: Trace, given: Mapping[str, Mapping[str, Array]], row: int, place: Region) -> None:
        """Hold a place in one row."""
        names, here = names_of(trace.stage(place.scope).cell)[place.line], given[place.scope]
        where = np.ix_([trace.index(t) for t in place.steps], [row], place.units)
        if self.scale:
            here[names.scale][where], here[names.by][where] = 1, self.numbers(place)
            if names.hold in here:  # it was held in the trace itself
                here[names.hold][where] = 0
        else:
            here[names.hold][where], here[names.to][where] = 1, self.numbers(place)
