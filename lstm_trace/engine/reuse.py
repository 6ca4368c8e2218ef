"""What a model keeps between runs: machines, stacked weights, and the memory that `out=` writes into again."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import is_
from typing import Any

from ..cell.network import Stage
from ..trace.trace import Trace
from .jit.machine import installed, load
from .jit.runner import Rows, Runner
from .jit.schedule import Task
from .plan.binding import Packs
from .plan.numpy_machine import Machine
from .plan.plan import Plan
from .plan.slab import Slab
from .work import Weights, Work

#: Machines (each with a kept slab of some megabytes) and kinds of work that a model remembers.
MOST_KEPT = 16


class RunMemory:
    """What a planned run wrote into, kept with its trace so that `out=` can write into it again.

    lines: the recorded lines, views of the slabs. call: how the run was called, where that can be seen at a glance
    (see `Model.run`). A copy of a trace has no memory to reuse.
    """

    def __init__(
        self, work: Work, weights: Weights, slabs: dict[str, Slab | Rows], call: tuple[Any, ...] | None
    ) -> None:
        self.work, self.weights, self.slabs, self.call = work, weights, slabs, call
        recorded = work.recorded
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
class Pool:
    """Machines and stacked weights of a model: made when they are first needed, shared by all its runs.

    A machine that runs is not here, so that runs in several threads do not meet in one.
    """

    weights: Weights | None = None
    machines: dict[tuple[str, Plan | Task, int], Machine | Runner] = field(default_factory=dict)
    packs: dict[str, Packs] = field(default_factory=dict)

    def take(self, stage: Stage, work: Work, weights: Weights, dtype: Any, compiled: bool) -> Machine | Runner:
        """A machine for one stage, no longer to be found here; a compiled one where that is asked for and can be."""
        if self.weights is not weights:  # another model's: weights that were replaced
            self.weights, self.machines, self.packs = weights, {}, {}
        here = weights.get(stage.scope, {})
        task = work.task(stage, weights, dtype) if compiled and installed() else None
        plan = task or work.plan(stage, here)
        machine = self.machines.pop((stage.scope, plan, work.batch), None)
        if machine is None:
            packs = self.packs.setdefault(stage.scope, {})
            if task is not None:
                return Runner(load(task), here)
            assert isinstance(plan, Plan)
            machine = Machine(plan, here, work.batch, dtype, stage.backwards, packs)
        return machine

    def give(self, stage: Stage, machine: Machine | Runner) -> None:
        """Put a machine back."""
        if machine.weights is not (self.weights or {}).get(stage.scope, machine.weights):
            return
        while len(self.machines) >= MOST_KEPT:
            self.machines.pop(next(iter(self.machines)), None)
        self.machines[(stage.scope, machine.plan, machine.batch)] = machine

    def slabs(self, work: Work, weights: Weights, dtype: Any, compiled: bool) -> dict[str, Slab | Rows]:
        """Memory for every stage of a whole trace."""
        found: dict[str, Slab | Rows] = {}
        for stage in work.stages:
            machine = self.take(stage, work, weights, dtype, compiled)
            found[stage.scope] = machine.slab(work.steps)
            self.give(stage, machine)
        return found
