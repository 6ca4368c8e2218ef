"""A value against a baseline: its exact split, the measures in common use, and the experiments that check it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np

from ..backpropagation.attribution import Split, split
from ..errors import OptionError
from ..trace.labels import step_labels
from ..trace.trace import Trace
from .contribution import Baseline, Pair, Shares, baseline_of, check_points
from .occlusion import (
    COMMON,
    FEWEST,
    LEAST,
    Faithfulness,
    Occlusion,
    Runs,
    Variants,
    check_runs,
    draws_afforded,
    faithfulness,
    largest_of,
    occlusion,
    ordered,
    runs_needed,
    shares_of,
)

#: Below this part of the largest contribution the sign of a number is not looked at: it may be rounding.
SMALL = 0.01


class Step(NamedTuple):
    """What came in at a step: through the parameters that differ, and the inputs; and what the value loses without it.

    token: what the step is called, if anything. occlusion: None at padding, and where no run was made.
    """

    t: int
    token: str | None
    parameters: float
    inputs: float
    together: float
    occlusion: float | None


class State(NamedTuple):
    """What an initial state brought, and what the value loses without it."""

    place: str
    share: float
    occlusion: float | None


@dataclass(frozen=True)
class Account:
    """What inputs, steps and states brought to a value.

    others: gradient x input and integrated gradients, by column. steps: in the order of time. states: the initial
    states that differ from the baseline's. occlusion: None where it was not asked for, or nothing can be replaced.
    faithfulness: None where there is little to put in order, or where it takes too long: so many runs, `wanted`.
    unmeasured: why a measure is missing. padding, unreached: the steps of padding, and others that the value does not
    depend on, such as those after it; they brought nothing.
    """

    split: Split
    others: dict[str, Shares]
    steps: tuple[Step, ...]
    states: tuple[State, ...]
    occlusion: Occlusion | None
    faithfulness: Faithfulness | None
    wanted: int = 0
    unmeasured: tuple[str, ...] = ()
    padding: frozenset[int] = frozenset()
    unreached: frozenset[int] = frozenset()

    @property
    def ranked(self) -> tuple[Step | State, ...]:
        """The steps and states in the order that is more faithful; in that of time where this was not measured.

        Without padding, and what the value does not depend on.
        """
        gone, faith = self.padding | self.unreached, self.faithfulness
        every: list[Step | State] = [*(step for step in self.steps if step.t not in gone), *self.states]
        if faith is None or self.occlusion is None:
            return tuple(every)
        lost = faith.best == "occlusion"
        scores = np.array([row.occlusion if lost else share_of(row) for row in every], np.float64) * faith.side
        return tuple(every[k] for k in ordered(scores))

    @property
    def opposed(self) -> tuple[int, int]:
        """Of how many of the largest contributions the occlusion has the other sign, and of how many; else 0, 0."""
        every: tuple[Step | State, ...] = (*self.steps, *self.states)
        pairs = [(share_of(row), row.occlusion) for row in every if row.occlusion is not None]
        least = SMALL * max((abs(share) for share, _ in pairs), default=0.0)
        large = sorted((pair for pair in pairs if abs(pair[0]) > least), key=lambda pair: -abs(pair[0]))
        first = large[: largest_of(len(pairs))]
        other = sum(share * lost < 0 and abs(lost) > least for share, lost in first)
        return (other, len(first)) if other and other >= COMMON * len(first) else (0, 0)


@np.errstate(all="ignore")
def account(
    trace: Trace, of: str, baseline: Baseline = "zero-input", points: int | Literal["auto"] = "auto",
    runs: Runs = "auto", compared: bool = True,
) -> Account:  # fmt: skip
    """Split a value against a baseline, and check the split by experiments.

    points: of the path of integrated gradients; `auto`: 50, fewer for a large trace, up to 400 where 50 leave more than
    1 % of the difference. runs: how many steps are occluded; `auto`: as many as a second or two allows, and
    faithfulness is measured only where that is as quick. compared: with the measures in common use, and with the
    faithfulness. Raises OptionError for what is no baseline or number, and the errors of `split`.
    """
    check_runs(runs)
    if points != "auto":
        check_points(points)
    base, row = baseline_of(trace, baseline, of)
    found = split(base, trace, of, row)
    pair = Pair.of_traces(trace, base, row, of)
    del base  # all its lines
    others: dict[str, Shares] = {"gradient_x_input": pair.gradient_times_input()} if compared else {}
    unmeasured: tuple[str, ...] = ()
    if compared:
        try:
            path = pair.integrated_until_complete() if points == "auto" else pair.integrated_gradients(points)
            others["integrated_gradients"] = path
        except OptionError as error:  # no straight path leads to a baseline with other weights; the exact split stands
            unmeasured = (f"No integrated gradients: {error}.",)
    variants = Variants.of(pair)
    without = faith = None
    wanted = 0
    if variants is not None and runs != "none":
        shares = shares_of(variants, found)
        without = occlusion(variants, shares, runs)
        if compared and len(variants) >= LEAST:
            scores = {"contribution": shares} | ({"occlusion": without.lost} if without.complete else {})
            draws = draws_afforded(variants, len(scores)) or (0 if runs == "auto" else FEWEST)
            faith = faithfulness(variants, scores, draws) if draws else None
            wanted = runs_needed(len(scores), FEWEST)
    over = tuple(steps(found, without, step_labels(trace, found.of.b)))
    brought = tuple(states(found, without))
    padding = padding_of(trace, found, over)
    nothing = {step.t for step in over if not (step.t in padding or step.parameters or step.inputs)}
    unreached = frozenset() if variants is None else frozenset(nothing.difference(variants.reached))
    return Account(found, others, over, brought, without, faith, wanted, unmeasured, padding, unreached)


def steps(found: Split, without: Occlusion | None = None, labels: Sequence[str] = ()) -> Iterator[Step]:
    """The steps of a split, in the order of time."""
    inputs = [part for name, part in found.parts.items() if found.kinds[name] in ("input", "given")]
    count = max(map(len, (*found.by_step.values(), *inputs)), default=0)
    through, read = np.zeros(count), np.zeros(count)
    for total, parts in ((through, found.by_step.values()), (read, inputs)):
        for part in parts:
            total[: len(part)] += part.reshape(len(part), -1).sum(axis=1)
    lost = [None] * count if without is None else [None if np.isnan(lost) else lost for lost in without.steps.tolist()]
    brought = zip(through.tolist(), read.tolist(), (through + read).tolist(), lost, strict=False)
    for t, (label, numbers) in enumerate(zip_longest(labels[:count], brought)):
        yield Step(found.first + t, label, *numbers)



def padding_of(trace: Trace, found: Split, over: Sequence[Step]) -> frozenset[int]:
    """The steps of padding, but for those that brought something."""
    b = found.of.b or 0
    return frozenset(
        step.t for k, step in enumerate(over) if not (trace.valid[k, b, 0] or step.parameters or step.inputs)
    )


def share_of(row: Step | State) -> float:
    """The contribution that an occlusion is compared with."""
    return row.inputs if isinstance(row, Step) else row.share


def states(found: Split, without: Occlusion | None = None) -> Iterator[State]:
    """The initial states of a split that differ, or have a share."""
    for place, part in found.parts.items():
        lost = None if without is None else without.states.get(place)
        if found.kinds[place] == "state" and (part.any() or lost is not None):
            yield State(place, float(part.sum()), None if lost is None or np.isnan(lost) else lost)
