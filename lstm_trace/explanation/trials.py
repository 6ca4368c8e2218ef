"""Many runs of one row of a trace, each with premises of its own, of which one value, or a sum of some, is looked at.

Each is the run that it would be by itself, to the last bit of the trace's plan. By the compiled plan the runs are rows
of one batch, since a row does not depend on the others there; numpy's products of several rows may round otherwise, so
by the other plans each is run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..backpropagation.target import Part
from ..base.arrays import Array
from ..cell.network import MEET
from ..engine.cost import at_once
from ..engine.rerun import Reruns, by_its_plan, rows_alone, run_seconds
from ..trace.addresses import origin
from ..trace.operands import sizes, total
from ..trace.trace import Trace

#: Rows of a batch at most, however small they are: of 2000 runs of 16 units 512 at once take 0.91 of the time of 32 at
#: once, and 2048 no less.
MOST_ROWS = 512
#: Sizes of batch are multiples of this, since each has machine code of its own.
ROUND = 8


class Rows(NamedTuple):
    """Premises of several runs, to be changed: x (T, rows, I), states (rows, ·), supplied lines (T, rows, ·)."""

    x: Any
    initial: Mapping[str, Mapping[str, Array]]
    given: Mapping[str, Mapping[str, Array]]


#: Changes the premises of one run: told which run, and which of the rows is its.
Change = Callable[[int, int, Rows], None]


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

    def _rows(self, count: int) -> Rows:
        trace = self.trace
        return Rows(
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

    def _run(self, rows: Rows, count: int) -> Array:
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


def computed(trace: Trace, part: Part) -> bool:
    """Whether a run computes what is added up; other values are premises."""
    return part.scope != "" and part.line in trace.stage(part.scope).cell.by_name
