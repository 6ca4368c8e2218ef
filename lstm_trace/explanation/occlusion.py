"""Occlusion: how much a value loses when the input of one step is the baseline's.

Which inputs are replaced is one row of a table of truth values. Each is a run that equals `lt.run` with those inputs by
the trace's plan, to the last bit (see `trials`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Literal

import numpy as np

from ..backpropagation.attribution import Split
from ..backpropagation.target import Part
from ..base.arrays import Array, describe
from ..cell.network import Stage, X
from ..engine import plan_choice
from ..engine.rerun import by_its_plan, rows_alone
from ..errors import OptionError
from ..trace.address import INITIAL
from ..trace.trace import Trace
from ..trace.window import cut
from .contribution import Pair
from .trials import TrialRows, Trials, computed_parts, reached

#: How many runs: as many as take EXTRA_SECONDS, all, none, or a number.
Runs = Literal["auto", "all", "none"] | int

#: Begins the draws, so that the same call gives the same table.
SEED = 0


@dataclass(frozen=True)
class Variants:
    """Runs of a trace of one row, in which some of what differs from a baseline is as it is there.

    trials: of the trace, by the compiled plan with the stages, lines and steps alone that the value depends on; base:
    with the same steps. steps: indices of the valid steps whose input differs, x or what is supplied. states: the
    initial states that differ, by scope and name. What can be replaced is counted in that order. valid: of the whole
    trace the steps that are no padding; first: which of them is the first here. reached: the steps on which the value
    depends.
    """

    trials: Trials
    base: Trace
    steps: Array
    states: tuple[tuple[str, str], ...]
    valid: Array
    first: int
    reached: range

    @classmethod
    def of(cls, pair: Pair) -> Variants | None:
        """The runs of a pair; None for a value that is a premise, and where nothing differs that can be replaced."""
        one = by_its_plan(replace(pair.one, header=replace(pair.one.header, ask=())))
        reads = computed_parts(one, pair.of.parts)
        if reads is None:
            return None
        needed, span = _reached(one, reads)
        if rows_alone(one):
            trace = _with(one, needed, span)
        else:  # numpy may round a product of fewer steps, or of fewer matrices, otherwise
            scopes = {stage.scope for stage in needed}
            trace = _with(one, tuple(stage for stage in one.stages if stage.scope in scopes), one.span)
        base = cut(pair.base, trace.span, pair.base.initial, {})
        differs = np.zeros(trace.steps, bool)
        for value, there in _against(base, trace.x, trace.given):
            differs |= (value != there).any(axis=(1, 2))
        states = tuple(
            (stage.scope, name)
            for stage in needed
            for name, value in trace.initial.get(stage.scope, {}).items()  # those that what was asked for needs
            if name in stage.states and not np.array_equal(value, base.initial[stage.scope][name])
        )
        valid, first = one.valid[:, 0, 0] != 0, trace.first - one.first
        steps = np.flatnonzero(differs & np.isin(trace.span, span) & valid[first:][: trace.steps])
        trials = Trials(trace, tuple(replace(part, steps=part.steps - first) for part in reads))
        found = cls(trials, base, steps, states, valid, first, span)
        return found if len(found) else None

    def __len__(self) -> int:
        """How much can be replaced."""
        return len(self.steps) + len(self.states)

    @property
    def seconds(self) -> float:
        """What one run takes, roughly."""
        return self.trials.seconds

    @property
    def afforded(self) -> int:
        """How many runs can be made beside what was asked for."""
        return int(min(plan_choice.EXTRA_SECONDS / self.seconds, 1e6))

    def values(self, replaced: Array) -> Array:
        """The value in each of several runs. replaced: (runs, what can be replaced), True where it is."""
        base = self.base

        def change(run: int, row: int, rows: TrialRows) -> None:
            at = self.steps[replaced[run, : len(self.steps)]]
            for value, there in _against(base, rows.x, rows.given):
                value[at, row] = there[at, 0]
            for scope, name in compress(self.states, replaced[run, len(self.steps) :]):
                rows.initial[scope][name][row] = base.initial[scope][name][0]

        return self.trials.values(len(replaced), change)


@dataclass(frozen=True)
class Occlusion:
    """What a value loses when the input of one step, or one initial state, is the baseline's.

    value: of the run in which nothing is replaced; it is the recorded one but for rounding. steps: (T,), 0 where the
    input is the same, or comes too late for the value; NaN at padding, and where no run was made. states: by address
    (`0/forward/h0`). lost: of everything that can be replaced (see `Variants`); there: of what a run was made. seconds:
    what one run takes, roughly.
    """

    value: float
    steps: Array
    states: Mapping[str, float]
    lost: Array
    there: Array
    seconds: float

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
    count = variants.afforded if runs == "auto" else len(variants) if isinstance(runs, str) else runs
    which = _chosen(np.abs(shares), min(max(count, 1), len(variants)))
    replaced = np.zeros((len(which) + 1, len(variants)), bool)
    replaced[np.arange(len(which)), which] = True
    *without, value = variants.values(replaced)
    lost, there = np.full(len(variants), np.nan), replaced.any(axis=0)
    lost[which] = value - np.array(without)
    steps = np.where(variants.valid, 0.0, np.nan)
    steps[variants.first + variants.steps] = lost[: len(variants.steps)]
    states = dict(zip(_places(variants), lost[len(variants.steps) :].tolist(), strict=True))
    return Occlusion(float(value), steps, states, lost, there, variants.seconds)


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


def _against(base: Trace, x: Array | None, given: Mapping[str, Mapping[str, Array]]) -> Iterator[tuple[Array, Array]]:
    """x and what is supplied, each with that of the baseline."""
    if x is not None and base.x is not None:
        yield x, base.x
    yield from ((value, base.given[scope][name]) for scope, here in given.items() for name, value in here.items())


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


def _reached(trace: Trace, reads: Sequence[Part]) -> tuple[tuple[Stage, ...], range]:
    """The stages, with their lines, and the steps on which values depend."""
    stages = reached(trace.stages, reads)
    first, last = min(int(part.steps[0]) for part in reads), max(int(part.steps[-1]) for part in reads)
    if not any(stage.backwards for stage in stages):
        return stages, trace.span[: last + 1]
    return stages, trace.span[first:] if all(stage.backwards for stage in stages) else trace.span


def _with(trace: Trace, stages: tuple[Stage, ...], span: range) -> Trace:
    """The trace with some of its stages and steps, and no lines."""
    names = {stage.scope: (stage.states, stage.inputs) for stage in stages}
    initial, given = (
        {at: {n: v for n, v in part[at].items() if n in names[at][k]} for at in part if at in names}
        for k, part in enumerate((trace.initial, trace.given))
    )
    x = trace.x if any(X in stage.sources.values() for stage in stages) else None
    return cut(replace(trace, stages=stages, x=x, given=given, lines={}), span, initial, {})
