"""The work of one kind of run: the stages with the lines to compute, every width, and what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.resources import threads
from ..cell.network import Stage, X, scope_and_name
from .jit.schedule import Task, declined
from .plan.plan import Plan, make_plan

Weights = Mapping[str, Mapping[str, Array]]
Lines = dict[str, dict[str, Array]]


@dataclass(frozen=True, eq=False)
class Work:
    """What one kind of run computes: the stages with only the lines to compute, their steps, the width of each line.

    steps: that are computed; length: those of the input. widths: by scope, of every computed line and of every state
    that is read. inputs: by scope, of every input. recorded: by scope the lines that are stored. window: the steps at
    which they are stored; None is all.
    """

    stages: tuple[Stage, ...]
    steps: int
    length: int
    batch: int
    widths: Mapping[str, Mapping[str, int]]
    inputs: Mapping[str, Mapping[str, int]]
    recorded: Mapping[str, tuple[str, ...]]
    window: range | None = None
    plans: dict[str, Plan] = field(default_factory=dict)
    tasks: dict[tuple[str, int], Task | None] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)

    @cached_property
    def span(self) -> range:
        """The steps that are stored."""
        return range(self.steps) if self.window is None else self.window

    @cached_property
    def whole(self) -> bool:
        """Whether all computed steps are stored."""
        return self.span == range(self.steps)

    @cached_property
    def full(self) -> bool:
        """Whether every computed line is stored, at every step."""
        return self.whole and all(len(self.recorded[s.scope]) == len(s.lines) for s in self.stages)

    @cached_property
    def numbers(self) -> int:
        """How many numbers are stored."""
        each = sum(self.widths[scope][name] for scope, names in self.recorded.items() for name in names)
        return each * len(self.span) * self.batch

    @cached_property
    def reads_x(self) -> bool:
        """Whether a stage reads the input."""
        return any(X in stage.sources.values() for stage in self.stages)

    @cached_property
    def passed(self) -> Mapping[str, frozenset[str]]:
        """By scope, the computed lines that another stage reads."""
        cells = {stage.scope: stage.cell for stage in self.stages}
        found: dict[str, set[str]] = {}
        for stage in self.stages:
            for name in stage.inputs:
                scope, line = scope_and_name(stage.sources[name])
                if scope in cells and line in cells[scope].by_name:  # not where it is supplied
                    found.setdefault(scope, set()).add(line)
        return {scope: frozenset(names) for scope, names in found.items()}

    def plan(self, stage: Stage, weights: Mapping[str, Array]) -> Plan:
        """The plan of a stage. weights: its parameters, of which only the shapes matter."""
        if stage.scope not in self.plans:
            vectors = tuple((n, 0 if weights[n].ndim == 2 else weights[n].shape[0]) for n in stage.parameters)
            sizes, inputs = (tuple(here[stage.scope].items()) for here in (self.widths, self.inputs))
            self.plans[stage.scope] = make_plan(stage.lines, stage.cell.carry, sizes, inputs, vectors)
        return self.plans[stage.scope]

    def task(self, stage: Stage, weights: Weights, dtype: Any) -> Task | None:
        """What is to be compiled for a stage; None where it cannot be."""
        took = self.steps * self.batch * self.row_seconds(stage, weights)
        rows = thread_rows(self.batch, took) if self.batch > 1 else 0
        if (stage.scope, rows) not in self.tasks:
            here = weights.get(stage.scope, {})
            widths = self.widths[stage.scope]
            task = Task(
                stage.lines,
                stage.cell.carry,
                tuple((n, widths[n]) for n in (*(x.name for x in stage.lines), *stage.states)),
                tuple(self.inputs[stage.scope].items()),
                tuple((n, here[n].shape) for n in stage.parameters),
                self.batch,
                str(np.dtype(dtype)),
                stage.backwards,
                rows,
            )
            self.tasks[stage.scope, rows] = None if declined(task) else task
        return self.tasks[stage.scope, rows]

    def row_seconds(self, stage: Stage, weights: Weights) -> float:
        """What compiled code takes for a row at a step, roughly: 0.5 ns a value, 5e-11 s a multiplication."""
        if stage.scope not in self.costs:
            values = sum(self.widths[stage.scope].values())
            self.costs[stage.scope] = 5e-10 * values + 5e-11 * products(stage, weights)
        return self.costs[stage.scope]


def products(stage: Stage, weights: Weights) -> int:
    """Multiplications in the products of one row at one step."""
    here = weights.get(stage.scope, {})
    return sum(np.size(here.get(x.product[0], ())) for x in stage.lines if x.product)


#: Rows of the batch that a thread should have at least, and seconds that a run should take.
LEAST_ROWS = 4
WORTH = 1e-3


def thread_rows(batch: int, seconds: float) -> int:
    """How many rows of a batch one thread computes in a run that takes so long on one; 0 is all of them."""
    if seconds < WORTH or batch < 2 * LEAST_ROWS:
        return 0
    count = min(threads(), batch // LEAST_ROWS)
    return -(-batch // count) if count > 1 else 0
