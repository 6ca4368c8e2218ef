"""Many runs of one sequence of a trace, each with other premises; only one value, or a sum of some, is evaluated.

Each is identical to the last bit to a separate run with the trace's plan. With the compiled plan the runs are the
sequences of one batch, since a sequence does not depend on the others; numpy may round products of several sequences
differently, so with the other plans each run is computed alone.

Such runs are ablations, which hold something, and occlusions: how much a value loses if the input of one step is
replaced by the baseline's. The inputs to replace are given as one row of a boolean table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress, islice
from typing import Any, Literal

import numpy as np

from ..backpropagation.attribution import Split
from ..backpropagation.target import Summand
from ..base.arrays import Array, describe
from ..cell.lines import names_of
from ..cell.network import MEET, Stage, X, restrict
from ..engine import plan_choice
from ..engine.run import Reruns, by_its_plan, rows_alone, run_seconds
from ..errors import OptionError
from ..trace.address import INITIAL, origin
from ..trace.derived import sizes, total
from ..trace.holding import Lines, Region, applied
from ..trace.trace import Trace
from ..trace.window import cut
from .contribution import BaselinePair

#: Maximum batch size, however small the runs are: for 2000 runs of 16 units, 512 at once take 0.91 of the time of 32
#: at once, and 2048 no less.
MOST_ROWS = 512
#: Batch sizes are multiples of this, since each size needs its own machine code.
ROUND = 8


#: Premises of several runs, as `rerun` accepts them. Changes apply to x (T, B, I), initial (B, ·), given (T, B, ·).
TrialRows = dict[str, Any]
#: Changes the premises of one run; arguments: the number of the run, and its position in the batch.
Change = Callable[[int, int, TrialRows], None]


@dataclass(frozen=True)
class Trials:
    """Runs of a trace of one sequence. parts: the values whose sum is evaluated, all of them in computed lines."""

    trace: Trace
    parts: tuple[Summand, ...]

    @cached_property
    def seconds(self) -> float:
        """The approximate duration of one run."""
        return run_seconds(self.trace)

    @cached_property
    def value(self) -> float:
        """The value in the run in which nothing is changed."""
        return float(self.values(1, lambda *_: None)[0])

    def values(self, count: int, change: Change) -> Array:
        """The value in each of `count` runs."""
        size, begin = self._size(count) if rows_alone(self.trace) else 1, self._window.start
        found: list[float] = []
        for first in range(0, count, size):
            rows = self._rows(size)  # all batches have one size: the unused rest of the last one is ignored
            for row, run in enumerate(range(first, min(first + size, count))):
                change(run, row, rows)
            lines = self._reruns.lines(**rows)
            sums = (total(p.inside(lines[p.scope][p.line], begin, row) for p in self.parts) for row in range(size))
            found += islice(sums, count - first)
        return np.array(found)

    def _size(self, count: int) -> int:
        """How many runs form one batch."""
        trace, widths = self.trace, sizes(self.trace)
        numbers = sum(widths[stage.scope][name] for stage in trace.stages for name in stage.inputs)
        numbers = 3 * numbers * trace.steps + len(self._window) * sum(widths[p.scope][p.line] for p in self.parts)
        each = numbers * np.dtype(trace.header.dtype).itemsize
        batches = -(-count // min(plan_choice.at_once(each), MOST_ROWS))
        size = -(-count // max(batches, 1))
        return max(size if size < ROUND else -(-size // ROUND) * ROUND, 1)

    def _rows(self, count: int) -> TrialRows:
        def each(value: Any, axis: int = -2) -> Any:
            if isinstance(value, Mapping):
                return {name: each(one) for name, one in value.items()}
            return None if value is None else np.repeat(value, count, axis)

        one = self.trace
        rows = {name: each(getattr(one, name)) for name in ("x", "initial", "given")}
        return {**rows, "lengths": each(one.lengths, 0), "mask": each(one.mask, 1)}

    @cached_property
    def _window(self) -> range:
        """The steps from the first to the last that the value depends on."""
        return range(min(int(p.steps[0]) for p in self.parts), max(int(p.steps[-1]) for p in self.parts) + 1)

    @cached_property
    def _reruns(self) -> Reruns:
        lines = dict.fromkeys((part.scope, part.line) for part in self.parts)
        record = {scope: [line for there, line in lines if there == scope] for scope, _ in lines}
        return Reruns(self.trace, self._window, record)


def made(trace: Trace, part: Summand, held: Collection[tuple[str, str]] = ()) -> Summand:
    """Where a single value was computed: in the previous step, in a layer below, or in one of the merged directions.

    held: lines (scope, name) that are to be held, and therefore have values of their own.
    """
    if len(part.steps) > 1 or len(part.units) > 1:
        return part
    t = trace.first + int(part.steps[0])
    scope, line, t, _, (unit,) = origin(trace, (part.scope, part.line, t, 0, (int(part.units[0]),)))
    found = replace(part, scope=scope, line=line, steps=np.array([trace.index(t)]), units=np.array([unit]))
    if not scope or (scope, line) in held or (stage := trace.stage(scope)).direction != MEET:
        return found
    by, widths = stage.cell.by_name.get(line), sizes(trace)[scope]
    for name in by.reads if by is not None and by.op == "concat" else ():  # merged directions: not a number
        if unit < widths[name]:
            return made(trace, replace(found, line=name, units=np.array([unit])), held)
        unit -= widths[name]
    return found


def computed_parts(
    trace: Trace, parts: Iterable[Summand], held: Collection[tuple[str, str]] = ()
) -> tuple[Summand, ...] | None:
    """Where values were computed (see `made`); None if one is a premise, which no run computes."""
    found = tuple(made(trace, part, held) for part in parts)
    there = (part.scope != "" and part.line in trace.stage(part.scope).cell.by_name for part in found)
    return found if all(there) else None


def reached(stages: Sequence[Stage], parts: Iterable[Summand]) -> tuple[Stage, ...]:
    """The stages, reduced to the lines on which some values depend."""
    return restrict(stages, [(part.scope, part.line) for part in parts], carried=True)


# -- rerun with holds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldTrials:
    """Reruns of a trace of one sequence, in each of which some places are held together, or scaled.

    trials: the runs without holds. scale: whether places are scaled. numbers: the value for each place.
    """

    trials: Trials
    scale: bool
    numbers: Callable[[Region], Array]

    def values(self, groups: Sequence[Sequence[Region]]) -> list[float]:
        """The value in each run, each with one group of places held."""
        lines = [tuple(dict.fromkeys((place.scope, place.line) for place in group)) for group in groups]
        every = self._able(line for some in lines for line in some)
        if rows_alone(every.trace):
            return self._held(every, groups)
        alone = {some: self._able(some) for some in dict.fromkeys(lines)}  # with the equations of a separate run
        return [self._held(alone[some], [group])[0] for some, group in zip(lines, groups, strict=True)]

    def _held(self, trials: Trials, groups: Sequence[Sequence[Region]]) -> list[float]:
        def change(run: int, row: int, rows: TrialRows) -> None:
            for place in groups[run]:
                self._hold(trials.trace, rows["given"], row, place)

        return [float(value) for value in trials.values(len(groups), change)]

    def _able(self, wanted: Iterable[tuple[str, str]]) -> Trials:
        """Runs in which lines (scope, name) can be held, with nothing held yet."""
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
                nothing = np.zeros((one.steps, 1, widths[stage.scope][line]), one.header.dtype)
                added = {name: nothing for name in names if name in stage.cell.inputs}
                given[stage.scope] = added | given.get(stage.scope, {})
        return Trials(replace(one, stages=stages, given=given), self.trials.parts)

    def _hold(self, trace: Trace, given: Mapping[str, Mapping[str, Array]], row: int, place: Region) -> None:
        """Hold a place in one sequence."""
        names, here = names_of(trace.stage(place.scope).cell)[place.line], given[place.scope]
        where = np.ix_([trace.index(t) for t in place.steps], [row], place.units)
        if self.scale:
            here[names.scale][where], here[names.by][where] = 1, self.numbers(place)
            if names.hold in here:  # it is held in the trace itself
                here[names.hold][where] = 0
        else:
            here[names.hold][where], here[names.to][where] = 1, self.numbers(place)


#: How many runs: as many as take EXTRA_SECONDS, all, none, or a number.
Runs = Literal["auto", "all", "none"] | int

#: Seed of the draws, so that the same call gives the same table.
SEED = 0


@dataclass(frozen=True)
class Variants:
    """Runs of a trace of one sequence in which some of its differences from a baseline are replaced by the baseline.

    trials: of the trace, with the compiled plan and only the stages, lines and steps that the value depends on; base:
    the baseline at the same steps. steps: indices of the valid steps whose input differs (x or supplied lines). states:
    the initial states that differ, by scope and name. Everything that can be replaced is numbered in that order. valid:
    the valid steps of the whole trace; first: the position among them of the first step here. reached: the steps on
    which the value depends.
    """

    trials: Trials
    base: Trace
    steps: Array
    states: tuple[tuple[str, str], ...]
    valid: Array
    first: int
    reached: range

    @classmethod
    def of(cls, pair: BaselinePair) -> Variants | None:
        """The runs of a pair; None if the value is a premise, or nothing that differs can be replaced."""
        one = by_its_plan(replace(pair.one, header=replace(pair.one.header, ask=())))
        reads = computed_parts(one, pair.of.parts)
        if reads is None:
            return None
        needed, span = reached(one.stages, reads), one.span
        if not any(stage.backwards for stage in needed):
            span = span[: max(int(part.steps[-1]) for part in reads) + 1]
        elif all(stage.backwards for stage in needed):
            span = span[min(int(part.steps[0]) for part in reads) :]
        scopes = {stage.scope for stage in needed}
        if rows_alone(one):
            trace = _with(one, needed, span)
        else:  # numpy may round a product of fewer steps or matrices differently
            trace = _with(one, tuple(stage for stage in one.stages if stage.scope in scopes), one.span)
        base = cut(pair.base, trace.span, pair.base.initial, {})
        differs = np.zeros(trace.steps, bool)
        for value, there in _against(base, trace.x, trace.given):
            differs |= (value != there).any(axis=(1, 2))
        states = tuple(
            (stage.scope, name)
            for stage in needed
            for name, value in trace.initial.get(stage.scope, {}).items()  # those that the requested lines need
            if name in stage.states and not np.array_equal(value, base.initial[stage.scope][name])
        )
        valid, first = one.valid[:, 0, 0] != 0, trace.first - one.first
        steps = np.flatnonzero(differs & np.isin(trace.span, span) & valid[first:][: trace.steps])
        trials = Trials(trace, tuple(replace(part, steps=part.steps - first) for part in reads))
        found = cls(trials, base, steps, states, valid, first, span)
        return found if len(found) else None

    def __len__(self) -> int:
        """How many steps and states can be replaced."""
        return len(self.steps) + len(self.states)

    @property
    def places(self) -> list[str]:
        """The addresses of the states."""
        return [f"{scope}/{INITIAL.get(name, name)}" for scope, name in self.states]

    @property
    def afforded(self) -> int:
        """How many runs can be made in addition to the request."""
        return int(min(plan_choice.EXTRA_SECONDS / self.trials.seconds, 1e6))

    def values(self, replaced: Array) -> Array:
        """The value in each of several runs. replaced: (runs, replaceable steps and states), True if replaced."""
        base = self.base

        def change(run: int, row: int, rows: TrialRows) -> None:
            at = self.steps[replaced[run, : len(self.steps)]]
            for value, there in _against(base, rows["x"], rows["given"]):
                value[at, row] = there[at, 0]
            for scope, name in compress(self.states, replaced[run, len(self.steps) :]):
                rows["initial"][scope][name][row] = base.initial[scope][name][0]

        return self.trials.values(len(replaced), change)


@dataclass(frozen=True)
class Occlusion:
    """What a value loses if the input of one step, or one initial state, is replaced by the baseline's.

    value: in the run in which nothing is replaced; the recorded one up to rounding. steps: (T,), 0 if the input is the
    same, or comes too late for the value; NaN at padding, and if no run was made. states: by address (`0/forward/h0`).
    lost: for everything that can be replaced (see `Variants`); there: for which of these a run was made. seconds: the
    approximate duration of one run.
    """

    value: float
    steps: Array
    states: Mapping[str, float]
    lost: Array
    there: Array
    seconds: float

    @property
    def possible(self) -> int:
        """The number of possible runs."""
        return len(self.lost)

    @property
    def made(self) -> int:
        """The number of runs made."""
        return int(np.count_nonzero(self.there))

    @property
    def complete(self) -> bool:
        """Whether everything was replaced in turn."""
        return bool(self.there.all())

    def parts(self, split: Split) -> dict[str, Array]:
        """By address, arrays in the shapes of a split: each entry has the loss of its whole step or initial state.

        There are none for parameters, lengths and masks.
        """
        found = {}
        for place, part in split.parts.items():
            if split.kinds[place] in ("input", "given"):
                found[place] = np.broadcast_to(self.steps[:, None, None], part.shape)
            elif split.kinds[place] == "state":
                found[place] = np.full(part.shape, self.states.get(place, 0.0))
        return found


@np.errstate(all="ignore")  # if a value has overflowed, its loss is NaN
def occlusion(variants: Variants, shares: Array, runs: Runs = "auto") -> Occlusion:
    """Replace one step's input, or one initial state, at a time.

    shares: a magnitude for everything that can be replaced: if not all runs are made, half of them are for the largest,
    and the others are drawn at random.
    """
    count = variants.afforded if runs == "auto" else len(variants) if isinstance(runs, str) else runs
    count = min(max(count, 1), len(variants))
    half, order = -(-count // 2), np.argsort(-np.abs(shares), kind="stable")
    drawn = np.random.default_rng(SEED).permutation(order[half:])[: count - half]
    which = np.sort(np.concatenate([order[:half], drawn]))
    replaced = np.zeros((len(which) + 1, len(variants)), bool)
    replaced[np.arange(len(which)), which] = True
    *without, value = variants.values(replaced)
    lost, there = np.full(len(variants), np.nan), replaced.any(axis=0)
    lost[which] = value - np.array(without)
    steps = np.where(variants.valid, 0.0, np.nan)
    steps[variants.first + variants.steps] = lost[: len(variants.steps)]
    states = dict(zip(variants.places, lost[len(variants.steps) :].tolist(), strict=True))
    return Occlusion(float(value), steps, states, lost, there, variants.trials.seconds)


def shares_of(variants: Variants, split: Split) -> Array:
    """The share in a split of everything replaceable: the summed inputs and supplied values of a step; states."""
    total = np.zeros(len(variants.valid))
    for place, part in split.parts.items():
        if split.kinds[place] in ("input", "given"):
            total += part.sum(axis=(1, 2))
    states = [float(split.parts[place].sum()) for place in variants.places]
    return np.concatenate([total[variants.first + variants.steps], states])


def check_runs(runs: Runs) -> None:
    """Raise OptionError for an invalid number of runs."""
    known = runs in ("auto", "all", "none") if isinstance(runs, str) else isinstance(runs, int) and runs >= 1
    if not known or isinstance(runs, bool):
        raise OptionError(f"occlusion must be auto, all, none, or how many steps, at least 1; found {describe(runs)}")


def _against(base: Trace, x: Array | None, given: Mapping[str, Mapping[str, Array]]) -> Iterator[tuple[Array, Array]]:
    """x and the supplied lines, each with that of the baseline."""
    if x is not None and base.x is not None:
        yield x, base.x
    yield from ((value, base.given[scope][name]) for scope, here in given.items() for name, value in here.items())


def _with(trace: Trace, stages: tuple[Stage, ...], span: range) -> Trace:
    """The trace with some of its stages and steps, and no lines."""
    initial = {s.scope: {n: v for n, v in trace.initial.get(s.scope, {}).items() if n in s.states} for s in stages}
    given = {s.scope: {n: v for n, v in trace.given.get(s.scope, {}).items() if n in s.inputs} for s in stages}
    x = trace.x if any(X in stage.sources.values() for stage in stages) else None
    return cut(replace(trace, stages=stages, x=x, given=given, lines={}), span, initial, {})
