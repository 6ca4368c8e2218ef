"""Occlusion: a value less the value when a step's input is the baseline's instead, of every step in turn.

Which inputs are replaced is one row of a table of truth values, and all rows of the table are run as one batch. By the
compiled plan a row of a batch has the bits of a single run; numpy's products of several rows may round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ...backpropagation.attribution import Split
from ...backpropagation.target import Part
from ...base.arrays import Array, describe
from ...cell.network import X, restrict
from ...engine.rerun import row_seconds, values_at
from ...errors import OptionError
from ...trace.address import INITIAL
from ...trace.addresses import origin
from ...trace.operands import sizes
from ...trace.trace import Trace
from ...trace.window import cut
from ..contribution import Pair

#: How many runs: as many as `AFFORDED` allows, all, none, or a number.
Runs = Literal["auto", "all", "none"] | int

#: Bytes of the inputs of the runs that are made at once, and how many those are at most.
AT_ONCE, MOST_ROWS = 1 << 27, 512
#: Sizes of batch are multiples of this, since each has machine code of its own.
ROUND = 8
#: Seconds that the runs may take, by the estimate for compiled code, where no number of them is asked for.
AFFORDED = 1.5
#: Begins the draws, so that the same call gives the same table.
SEED = 0


@dataclass(frozen=True)
class Variants:
    """Runs of a trace of one row, in which some of what differs from a baseline is as it is there.

    trace: with the stages and steps alone that the value depends on; base: with the same steps. reads: of which lines
    the value is the sum. steps: indices of the valid steps whose input differs, x or what is
    supplied. states: the initial states that differ, by scope and name. What can be replaced is counted in that order.
    valid: of the whole trace the steps that are no padding; first: which of them is the first here.
    """

    trace: Trace
    base: Trace
    reads: tuple[Part, ...]
    steps: Array
    states: tuple[tuple[str, str], ...]
    valid: Array
    first: int

    @classmethod
    def of(cls, pair: Pair) -> Variants | None:
        """The runs of a pair; None for a value that is a premise, and where nothing differs that can be replaced."""
        one = pair.one
        reads = [_made(one, part) for part in pair.of.parts]
        if any(not part.scope or part.line not in one.stage(part.scope).cell.by_name for part in reads):
            return None
        header = replace(one.header, plan="compiled" if one.header.plan == "compiled" else "auto", ask=())
        trace = _reached(replace(one, header=header), reads)
        base = cut(pair.base, trace.span, pair.base.initial, {})
        differs = np.zeros(trace.steps, bool)
        for ours, theirs in _inputs(trace, base):
            differs |= (ours != theirs).any(axis=(1, 2))
        states = tuple(
            (scope, name)
            for scope, here in trace.initial.items()
            for name, value in here.items()
            if not np.array_equal(value, base.initial[scope][name])
        )
        valid, first = one.valid[:, 0, 0] != 0, trace.first - one.first
        steps = np.flatnonzero(differs & valid[first:][: trace.steps])
        reads = [replace(part, steps=part.steps - first) for part in reads]
        found = cls(trace, base, tuple(reads), steps, states, valid, first)
        return found if len(found) else None

    def __len__(self) -> int:
        """How much can be replaced."""
        return len(self.steps) + len(self.states)

    @cached_property
    def seconds(self) -> float:
        """What one run takes, roughly."""
        return row_seconds(self.trace)

    def values(self, replaced: Array) -> Array:
        """The value in each of several runs. replaced: (runs, what can be replaced), True where it is."""
        size = self._rows(len(replaced))
        found = [np.empty(0)]
        for at in range(0, len(replaced), size):
            some = replaced[at : at + size]
            more = np.zeros((size - len(some), len(self)), bool)  # so that all batches have one size
            found.append(self._run(np.concatenate([some, more]))[: len(some)])
        return np.concatenate(found)

    def _rows(self, runs: int) -> int:
        """How many runs are one batch."""
        trace, widths = self.trace, sizes(self.trace)
        numbers = sum(widths[stage.scope][name] for stage in trace.stages for name in stage.inputs)
        numbers = 2 * numbers * trace.steps + len(self._window) * sum(widths[p.scope][p.line] for p in self.reads)
        each = max(numbers * np.dtype(trace.header.dtype).itemsize, 1)
        batches = -(-runs // min(max(AT_ONCE // each, 1), MOST_ROWS))
        size = -(-runs // max(batches, 1))
        return max(size if size < ROUND else -(-size // ROUND) * ROUND, 1)

    @cached_property
    def _window(self) -> range:
        """The steps from the first to the last of which the value is made."""
        return range(min(int(p.steps[0]) for p in self.reads), max(int(p.steps[-1]) for p in self.reads) + 1)

    def _run(self, replaced: Array) -> Array:
        trace, base, rows = self.trace, self.base, len(replaced)
        there = np.zeros((trace.steps, rows, 1), bool)
        there[self.steps, :, 0] = replaced[:, : len(self.steps)].T
        initial = {
            scope: {name: np.repeat(value, rows, axis=0) for name, value in here.items()}
            for scope, here in trace.initial.items()
        }
        for at, (scope, name) in enumerate(self.states, start=len(self.steps)):
            value = initial[scope][name]
            initial[scope][name] = np.where(replaced[:, at][:, None], base.initial[scope][name], value)
        record: dict[str, dict[str, None]] = {}
        for part in self.reads:
            record.setdefault(part.scope, {})[part.line] = None
        found = values_at(
            trace,
            self._window,
            record,
            x=None if trace.x is None or base.x is None else np.where(there, base.x, trace.x),
            initial=initial,
            given={
                scope: {name: np.where(there, base.given[scope][name], value) for name, value in here.items()}
                for scope, here in trace.given.items()
            },
            lengths=None if trace.lengths is None else np.repeat(trace.lengths, rows),
            mask=None if trace.mask is None else np.repeat(trace.mask, rows, axis=1),
        )
        value = np.zeros(rows)
        for part in self.reads:
            inside = found[part.scope][part.line][part.steps - self._window.start]
            value += part.sign * inside[:, :, part.units.start : part.units.stop].sum(axis=(0, 2), dtype=np.float64)
        return value


@dataclass(frozen=True)
class Occlusion:
    """What a value loses when the input of one step, or one initial state, is the baseline's.

    value: of the run in which nothing is replaced; it is the recorded one but for rounding. steps: (T,), 0 where the
    input is the same, or comes too late for the value; NaN at padding, and where no run was made. states: by address
    (`0/forward/h0`). lost: of everything that can be replaced (see `Variants`); there: of what a run was made.
    valid: (T,), which steps are no padding.
    """

    value: float
    steps: Array
    states: Mapping[str, float]
    lost: Array
    there: Array
    valid: Array

    @property
    def possible(self) -> int:
        """How many runs there can be."""
        return len(self.lost)

    @property
    def made(self) -> int:
        """How many runs there were."""
        return int(np.count_nonzero(self.there))

    @property
    def complete(self) -> bool:
        """Whether everything was replaced in turn."""
        return bool(self.there.all())

    def parts(self, split: Split) -> dict[str, Array]:
        """By address arrays in the shapes of a split: an entry has what its step or initial state has as a whole.

        There are none for parameters, lengths and masks.
        """
        found = {}
        for place, part in split.parts.items():
            if split.kinds[place] in ("input", "given"):
                found[place] = np.broadcast_to(self.steps[:, None, None], part.shape)
            elif split.kinds[place] == "state":
                found[place] = np.full(part.shape, self.states.get(place, 0.0))
        return found


@np.errstate(all="ignore")  # a value that has overflowed loses NaN
def occlusion(variants: Variants, shares: Array, runs: Runs = "auto") -> Occlusion:
    """Replace one step's input, or one initial state, at a time.

    shares: a size for each of what can be replaced: where not all runs are made, half of them are of the largest, and
    the others are drawn at random.
    """
    which = _chosen(np.abs(shares), _count(variants, runs))
    replaced = np.zeros((len(which) + 1, len(variants)), bool)
    replaced[np.arange(len(which)), which] = True
    *without, value = variants.values(replaced)
    lost = np.full(len(variants), np.nan)
    lost[which] = value - np.array(without)
    there = np.zeros(len(variants), bool)
    there[which] = True
    steps = np.where(variants.valid, 0.0, np.nan)
    steps[variants.first + variants.steps] = lost[: len(variants.steps)]
    states = dict(zip(_places(variants), lost[len(variants.steps) :].tolist(), strict=True))
    return Occlusion(float(value), steps, states, lost, there, variants.valid)


def shares_of(variants: Variants, split: Split) -> Array:
    """What a split has for each of what can be replaced: inputs and supplied values of a step, added up, and states."""
    total = np.zeros(len(variants.valid))
    for place, part in split.parts.items():
        if split.kinds[place] in ("input", "given"):
            total += part.sum(axis=(1, 2))
    states = [float(split.parts[place].sum()) for place in _places(variants)]
    return np.concatenate([total[variants.first + variants.steps], states])


def check_runs(runs: Runs) -> None:
    """Raise OptionError for what says not how many runs are made."""
    known = runs in ("auto", "all", "none") if isinstance(runs, str) else isinstance(runs, int) and runs >= 1
    if not known or isinstance(runs, bool):
        raise OptionError(f"occlusion must be auto, all, none, or how many steps, at least 1; found {describe(runs)}")


def _count(variants: Variants, runs: Runs) -> int:
    afforded = int(AFFORDED / variants.seconds) if runs == "auto" else len(variants) if isinstance(runs, str) else runs
    return min(max(afforded, 1), len(variants))


def _chosen(sizes: Array, count: int) -> Array:
    """All, or half of `count` the largest, and the others drawn."""
    order = np.argsort(-sizes, kind="stable")
    if count >= len(order):
        return np.arange(len(order))
    half = -(-count // 2)
    drawn = np.random.default_rng(SEED).permutation(order[half:])[: count - half]
    return np.sort(np.concatenate([order[:half], drawn]))


def _places(variants: Variants) -> list[str]:
    return [f"{scope}/{INITIAL.get(name, name)}" for scope, name in variants.states]


def _inputs(trace: Trace, base: Trace) -> Iterator[tuple[Array, Array]]:
    """x and every supplied line, in both."""
    if trace.x is not None and base.x is not None:
        yield trace.x, base.x
    for scope, here in trace.given.items():
        for name, value in here.items():
            yield value, base.given[scope][name]


def _made(trace: Trace, part: Part) -> Part:
    """Where a single value was made: in the step before, in a layer below, in one of the directions that are joined."""
    if len(part.steps) > 1 or len(part.units) > 1:
        return part
    t = trace.first + int(part.steps[0])
    scope, line, t, _, (unit,) = origin(trace, (part.scope, part.line, t, 0, (part.units.start,)))
    found = replace(part, scope=scope, line=line, steps=np.array([trace.index(t)]), units=range(unit, unit + 1))
    made = trace.stage(scope).cell.by_name.get(line) if scope else None
    if made is None or made.op != "concat":
        return found
    widths = sizes(trace)[scope]
    for name in made.reads:
        if unit < widths[name]:
            break
        unit -= widths[name]
    return _made(trace, replace(found, line=name, units=range(unit, unit + 1)))


def _reached(trace: Trace, reads: Sequence[Part]) -> Trace:
    """The stages, lines and steps on which values depend."""
    stages = restrict(trace.stages, [(part.scope, part.line) for part in reads], carried=True)
    first, last = min(int(part.steps[0]) for part in reads), max(int(part.steps[-1]) for part in reads)
    span = trace.span
    if not any(stage.backwards for stage in stages):
        span = span[: last + 1]
    elif all(stage.backwards for stage in stages):
        span = span[first:]
    names = {stage.scope: (stage.states, stage.inputs) for stage in stages}
    initial, given = (
        {at: {n: v for n, v in part[at].items() if n in names[at][k]} for at in part if at in names}
        for k, part in enumerate((trace.initial, trace.given))
    )
    x = trace.x if any(X in stage.sources.values() for stage in stages) else None
    return cut(replace(trace, stages=stages, x=x, given=given, lines={}), span, initial, {})
