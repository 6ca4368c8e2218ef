"""What a kind of run computes, and what a model keeps between runs: layouts, plans, machines, memory to write into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import is_
from typing import Any

import numpy as np

from ..cell.ops import Array
from ..cell.stack import Stage, X
from ..plans.compiled.machine import installed, load
from ..plans.compiled.runner import Rows, Runner
from ..plans.compiled.schedule import Task, declined
from ..plans.compiled.threads import part
from ..plans.plan import Plan, make_plan
from ..plans.planned import Machine, Packs
from ..plans.slab import Slab
from ..trace import Trace

#: Machines (each with a kept slab of some megabytes) and layouts that a model remembers.
MOST_KEPT = 16

Weights = Mapping[str, Mapping[str, Array]]
Lines = dict[str, dict[str, Array]]


@dataclass(frozen=True, eq=False)
class Layout:
    """What one kind of run computes: the stages with only the lines to compute, their steps, the width of each line.

    widths: by scope, of every computed line and of every state that is read. inputs: by scope, of every input.
    recorded: by scope the lines that are stored. window: the steps at which they are stored; None is all.
    """

    stages: tuple[Stage, ...]
    steps: int
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
                scope, _, line = stage.sources[name].rpartition("/")
                if scope and line in cells[scope].by_name:  # not where it is supplied
                    found.setdefault(scope, set()).add(line)
        return {scope: frozenset(names) for scope, names in found.items()}

    def plan(self, stage: Stage, weights: Mapping[str, Array]) -> Plan:
        """The plan of a stage. weights: its parameters, of which only the shapes matter."""
        found = self.plans.get(stage.scope)
        if found is None:
            vectors = tuple((n, 0 if weights[n].ndim == 2 else weights[n].shape[0]) for n in stage.parameters)
            sizes = tuple(self.widths[stage.scope].items())
            inputs = tuple(self.inputs[stage.scope].items())
            found = self.plans[stage.scope] = make_plan(stage.lines, stage.cell.carry, sizes, inputs, vectors)
        return found

    def task(self, stage: Stage, weights: Weights, dtype: Any) -> Task | None:
        """What is to be compiled for a stage; None where it cannot be."""
        rows = part(self.batch, self.seconds(stage, weights)) if self.batch > 1 else 0
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
                stage.direction == "reverse",
                rows,
            )
            self.tasks[stage.scope, rows] = None if declined(task) else task
        return self.tasks[stage.scope, rows]

    def seconds(self, stage: Stage, weights: Weights) -> float:
        """What compiled code takes on one thread, roughly: 0.5 ns a value, 5e-11 s a multiplication."""
        if stage.scope not in self.costs:
            row = 5e-10 * sum(self.widths[stage.scope].values()) + 5e-11 * products(stage, weights)
            self.costs[stage.scope] = self.steps * self.batch * row
        return self.costs[stage.scope]


def products(stage: Stage, weights: Weights) -> int:
    """Multiplications in the products of one row at one step."""
    here = weights.get(stage.scope, {})
    return sum(np.size(here.get(str(x.operands[0]), ())) for x in stage.lines if x.op == "matvec")


class Memory:
    """What a planned run wrote into, kept with its trace so that `out=` can write into it again.

    lines: the recorded lines, views of the slabs. call: how the run was called, where that can be seen at a glance
    (see `Model.run`). A copy of a trace has no memory to reuse.
    """

    def __init__(
        self, layout: Layout, weights: Weights, slabs: dict[str, Slab | Rows], call: tuple[Any, ...] | None
    ) -> None:
        self.layout, self.weights, self.slabs, self.call = layout, weights, slabs, call
        recorded = layout.recorded
        self.lines = {scope: {name: slab.line(name) for name in recorded[scope]} for scope, slab in slabs.items()}
        self._views = [(scope, tuple(here.values())) for scope, here in self.lines.items()]

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    def holds(self, trace: Trace, weights: Weights) -> bool:
        """Whether the trace's lines are still these views, and the weights those of its run."""
        return self.weights is weights and all(
            len(here := trace.lines.get(scope, {})) == len(views) and all(map(is_, here.values(), views))
            for scope, views in self._views
        )


@dataclass
class Kept:
    """Machines and stacked weights of a model: made when they are first needed, shared by all its runs.

    A machine that runs is not here, so that runs in several threads do not meet in one.
    """

    weights: Weights | None = None
    spent: dict[Task, float] = field(default_factory=dict)
    machines: dict[tuple[str, Plan | Task, int], Machine | Runner] = field(default_factory=dict)
    packs: dict[str, Packs] = field(default_factory=dict)

    def take(self, stage: Stage, layout: Layout, weights: Weights, dtype: Any, compiled: bool) -> Machine | Runner:
        """A machine for one stage, no longer to be found here; a compiled one where that is asked for and can be."""
        if self.weights is not weights:  # another model's: weights that were replaced
            self.weights, self.machines, self.packs = weights, {}, {}
        here = weights.get(stage.scope, {})
        task = layout.task(stage, weights, dtype) if compiled and installed() else None
        plan = task or layout.plan(stage, here)
        machine = self.machines.pop((stage.scope, plan, layout.batch), None)
        if machine is None:
            packs = self.packs.setdefault(stage.scope, {})
            if task is not None:
                return Runner(load(task), here)
            assert isinstance(plan, Plan)
            machine = Machine(plan, here, layout.batch, dtype, stage.direction == "reverse", packs)
        return machine

    def give(self, stage: Stage, machine: Machine | Runner) -> None:
        """Put a machine back."""
        if machine.weights is not (self.weights or {}).get(stage.scope, machine.weights):
            return
        while len(self.machines) >= MOST_KEPT:
            self.machines.pop(next(iter(self.machines)), None)
        self.machines[(stage.scope, machine.plan, machine.batch)] = machine

    def slabs(self, layout: Layout, weights: Weights, dtype: Any, compiled: bool) -> dict[str, Slab | Rows]:
        """Memory for every stage of a whole trace."""
        found: dict[str, Slab | Rows] = {}
        for stage in layout.stages:
            machine = self.take(stage, layout, weights, dtype, compiled)
            found[stage.scope] = machine.slab(layout.steps)
            self.give(stage, machine)
        return found
