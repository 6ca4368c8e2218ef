"""What a run computes, where its values go, and what a model keeps between runs.

`Work` has the stages with the lines to compute, every width, and what is stored. Values are stored in memory, or where
a subclass of `InMemory` puts them; at all steps, or in a window of them. Machines, stacked weights, and the memory that
`out=` reuses are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..base.resources import affordable, threads
from ..cell.network import Stage, X, scope_and_name
from ..errors import ShapeError, raise_all
from ..trace.address import Grid
from ..trace.grids import as_read
from ..trace.trace import Trace
from ..trace.window import cut
from .jit import installed
from .plan.numpy_machine import Machine, Packs, Slab
from .plan.plan import Plan, make_plan

if TYPE_CHECKING:  # the compiler's modules are imported by the first run that compiles: 12 ms that others do not pay
    from .jit.runner import RowMemory, Runner
    from .jit.schedule import Task

Weights = Mapping[str, Mapping[str, Array]]
Lines = dict[str, dict[str, Array]]


@dataclass(frozen=True, eq=False)
class Work:
    """What one kind of run computes: the stages with only the lines to compute, their steps, the width of each line.

    steps: number of computed steps; length: that of the input. widths: by scope, of every computed line and of every
    state that is used. inputs: by scope, of every input. recorded: by scope the lines that are stored. window: the
    steps at which they are stored; None means all. grids: by scope, the rows and columns of every matrix.
    """

    stages: tuple[Stage, ...]
    steps: int
    length: int
    batch: int
    widths: Mapping[str, Mapping[str, int]]
    inputs: Mapping[str, Mapping[str, int]]
    recorded: Mapping[str, tuple[str, ...]]
    window: range | None = None
    grids: Mapping[str, Mapping[str, Grid]] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    tasks: dict[tuple[str, int], Task | None] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)

    def grid(self, scope: str, name: str) -> Grid | None:
        """The rows and columns of a value that is a matrix; None for a vector."""
        return self.grids.get(scope, {}).get(name)

    @cached_property
    def span(self) -> range:
        """The stored steps."""
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
        """Number of stored numbers."""
        each = sum(self.widths[scope][name] for scope, names in self.recorded.items() for name in names)
        return each * len(self.span) * self.batch

    @cached_property
    def reads_x(self) -> bool:
        """Whether a stage uses the input."""
        return any(X in stage.sources.values() for stage in self.stages)

    @cached_property
    def passed(self) -> Mapping[str, frozenset[str]]:
        """By scope, the computed lines that another stage uses."""
        read = {scope_and_name(stage.sources[name]) for stage in self.stages for name in stage.inputs}
        # supplied lines are not among them
        return {s.scope: frozenset(n for n in s.cell.by_name if (s.scope, n) in read) for s in self.stages}

    def plan(self, stage: Stage, weights: Mapping[str, Array]) -> Plan:
        """The plan of a stage. weights: its parameters; only their shapes matter."""
        if stage.scope not in self.plans:
            here = as_read(stage, weights)
            vectors = tuple((n, 0 if here[n].ndim == 2 else here[n].shape[0]) for n in stage.parameters)
            sizes, inputs = (tuple(here[stage.scope].items()) for here in (self.widths, self.inputs))
            self.plans[stage.scope] = make_plan(stage.lines, stage.cell.carry, sizes, inputs, vectors)
        return self.plans[stage.scope]

    def task(self, stage: Stage, weights: Weights, dtype: Any) -> Task | None:
        """The task to be compiled for a stage; None if it cannot be compiled."""
        took = self.steps * self.batch * self.row_seconds(stage, weights)
        rows = thread_rows(self.batch, took) if self.batch > 1 else 0
        if (stage.scope, rows) not in self.tasks:
            from .jit.schedule import Task, declined

            here, widths = as_read(stage, weights.get(stage.scope, {})), self.widths[stage.scope]
            sizes = tuple((n, widths[n]) for n in (*(x.name for x in stage.lines), *stage.states))
            inputs = tuple(self.inputs[stage.scope].items())
            shapes = tuple((n, here[n].shape) for n in stage.parameters)
            way = self.batch, str(np.dtype(dtype)), stage.backwards, rows
            task = Task(stage.lines, stage.cell.carry, sizes, inputs, shapes, *way)
            self.tasks[stage.scope, rows] = None if declined(task) else task
        return self.tasks[stage.scope, rows]

    def row_seconds(self, stage: Stage, weights: Weights) -> float:
        """Approximate time of compiled code per row and step: 0.5 ns per value, 5e-11 s per multiplication."""
        if stage.scope not in self.costs:
            values = sum(self.widths[stage.scope].values())
            self.costs[stage.scope] = 5e-10 * values + 5e-11 * products(stage, weights)
        return self.costs[stage.scope]


def products(stage: Stage, weights: Weights) -> int:
    """Number of multiplications in the products of one row at one step."""
    return sum(np.size(weights.get(stage.scope, {}).get(x.product[0], ())) for x in stage.lines if x.product)


#: Minimum number of rows of the batch per thread, and minimum duration of a run, for multithreading.
LEAST_ROWS = 4
WORTH = 1e-3


def thread_rows(batch: int, seconds: float) -> int:
    """How many rows of a batch one thread computes, for a run that takes this long on one; 0 means all of them."""
    if seconds < WORTH or batch < 2 * LEAST_ROWS:
        return 0
    count = min(threads(), batch // LEAST_ROWS)
    return -(-batch // count) if count > 1 else 0


#: Traces smaller than this are allocated without checking free memory.
SMALL = 1024 * 1024
#: Maximum number of reported misfits of an `out=`.
MOST_TOLD = 5


def taken_lines(work: Work, dtype: Any, lines: Lines) -> Lines:
    """The arrays of another trace to write into. Raises ShapeError if they do not fit this run."""
    problems: list[str] = []
    for scope, names in work.recorded.items():
        here = lines.get(scope, {})
        for name in names:
            wanted = (len(work.span), work.batch, work.widths[scope][name])
            if (array := here.get(name)) is None:
                problems.append(f"out has no line {scope}/{name}; omit out=, or give a trace of this model")
            elif array.shape != wanted or array.dtype != dtype or not array.flags.writeable:
                found = f"{array.dtype}{list(array.shape)}"
                found += "" if array.flags.writeable else ", which cannot be written"
                needs = f"{np.dtype(dtype)}{list(wanted)}"
                problems.append(f"out: {scope}/{name} is {found}; this run needs {needs}")
        problems += [f"out: {scope}/{name} is not recorded by this run" for name in here if name not in names]
    problems += [f"out: {scope} is not recorded by this run" for scope in lines if scope not in work.recorded]
    raise_all(ShapeError, problems[:MOST_TOLD])
    return lines


def empty_lines(work: Work, dtype: Any) -> Lines:
    """Memory for the recorded lines, one array each."""
    shape, recorded = (len(work.span), work.batch), work.recorded.items()
    return {s: {name: np.empty((*shape, work.widths[s][name]), dtype) for name in names} for s, names in recorded}


def check_memory(work: Work, dtype: Any) -> None:
    """Raise TooLargeError if the recorded lines do not fit into free memory."""
    if (size := work.numbers * np.dtype(dtype).itemsize) > SMALL:
        affordable(size)


#: Computed steps; `line(name)` returns a line's values, (steps, B, width).
ComputedSteps = Any


class InMemory:
    """A trace's own memory: slabs if every line is recorded and no arrays were given, otherwise arrays.

    slabs: the memory of whole stages, in which the run may compute. carried: the states carried into the stored steps,
    if these are not all.
    """

    def __init__(self, trace: Trace, work: Work, slabs: Mapping[str, Slab | RowMemory]) -> None:
        self.work, self.slabs, self.lines = work, slabs, trace.lines
        self.carried: Lines = {}
        self.passed: Lines = {}  # lines used by another stage, at every step
        for scope, names in work.passed.items():
            for name in names.difference(work.recorded[scope] if work.whole else ()):
                shape = work.steps, work.batch, work.widths[scope][name]
                self.passed.setdefault(scope, {})[name] = np.empty(shape, trace.header.dtype)

    def enter(self, stage: Stage, inputs: Mapping[str, Array]) -> None:
        """Note the states that carry an input, (T, B, width) at all steps, into the stored steps."""
        edge = self._edge(stage)
        if not self.work.whole and 0 <= edge < self.work.steps:
            here = self.carried.setdefault(stage.scope, {})
            here |= {s: np.array(inputs[n][edge]) for s, n in stage.cell.carry if s in stage.states and n in inputs}

    def _edge(self, stage: Stage) -> int:
        """The step that is computed just before the stored ones."""
        return self.work.span.stop if stage.backwards else self.work.span.start - 1

    def take(self, scope: str, block: ComputedSteps, first: int, count: int) -> bool:
        """Copy the stored part of a finished block: its first `count` steps are those of the stage starting at `first`.

        Returns True if the block is not copied yet, but will be when the next one arrives.
        """
        for name, array in self.passed.get(scope, {}).items():
            array[first : first + count] = block.line(name)[:count]
        if self.work.whole:
            return self.store(scope, block, slice(first, first + count), slice(count))
        span, stage = self.work.span, next(stage for stage in self.work.stages if stage.scope == scope)
        edge = self._edge(stage)
        if first <= edge < first + count:
            here, lines = self.carried.setdefault(scope, {}), stage.cell.by_name
            carry = [(state, line) for state, line in stage.cell.carry if state in stage.states and line in lines]
            here |= {state: np.array(block.line(line)[edge - first]) for state, line in carry}
        begin = max(first, span.start)
        end = max(min(first + count, span.stop), begin)
        steps = slice(begin - span.start, end - span.start)
        return self.store(scope, block, steps, slice(begin - first, end - first))

    def store(self, scope: str, block: ComputedSteps, steps: slice, there: slice) -> bool:
        """Copy the recorded lines: the steps `there` in the block, which are `steps` among the stored ones."""
        for name, array in self.lines.get(scope, {}).items():
            array[steps] = block.line(name)[there]
        return False

    def line(self, scope: str, name: str) -> Array:
        """A line of a finished stage, (T, B, width), that another stage uses."""
        passed = self.passed.get(scope, {})
        return passed[name] if name in passed else self.stored()[scope][name]

    def stored(self) -> Lines:
        """All recorded lines."""
        return self.lines

    def cut(self, trace: Trace, lines: Lines) -> Trace:
        """The stored part of a run: `trace` has its premises, `lines` the stored lines."""
        if self.work.whole:
            return trace
        initial = {scope: {**here, **self.carried.get(scope, {})} for scope, here in trace.initial.items()}
        found = cut(trace, self.work.span, initial, lines)
        return replace(found, x=None if found.x is None else found.x.copy())  # so as not to keep the whole input


#: Number of machines (each with a kept slab of some megabytes) and kinds of work that a model remembers.
MOST_KEPT = 16


class RunMemory:
    """The buffers of a planned run, kept with its trace so that `out=` can write into them again.

    lines: the recorded lines, views of the slabs. call: how the run was called, if that is easy to compare (see
    `Model.run`). A copy of a trace has no memory to reuse.
    """

    def __init__(self, work: Work, weights: Weights, slabs: dict[str, Slab | RowMemory], call: object) -> None:
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
    """Machines and stacked weights of a model: made on first use, shared by all its runs.

    A machine is removed while it runs, so that runs in several threads never share one. read: the weights as the lines
    of each stage read them.
    """

    weights: Weights | None = None
    read: dict[str, Mapping[str, Array]] = field(default_factory=dict)
    machines: dict[tuple[str, Plan | Task, int], Machine | Runner] = field(default_factory=dict)
    packs: dict[str, Packs] = field(default_factory=dict)

    def take(self, stage: Stage, work: Work, weights: Weights, dtype: Any, compiled: bool) -> Machine | Runner:
        """Take a machine for one stage out of the pool; a compiled one if that is requested and possible."""
        if self.weights is not weights:  # the weights have been replaced
            self.weights, self.read, self.machines, self.packs = weights, {}, {}, {}
        here = self.read.setdefault(stage.scope, as_read(stage, weights.get(stage.scope, {})))
        task = work.task(stage, weights, dtype) if compiled and installed() else None
        if (machine := self.machines.pop((stage.scope, task or work.plan(stage, here), work.batch), None)) is not None:
            return machine
        if task is not None:
            from .jit.machine import load
            from .jit.runner import Runner

            return Runner(load(task), here)
        packs = self.packs.setdefault(stage.scope, {})
        return Machine(work.plan(stage, here), here, work.batch, dtype, stage.backwards, packs)

    def give(self, stage: Stage, machine: Machine | Runner) -> None:
        """Put a machine back."""
        if machine.weights is not self.read.get(stage.scope, machine.weights):
            return
        while len(self.machines) >= MOST_KEPT:
            self.machines.pop(next(iter(self.machines)), None)
        self.machines[(stage.scope, machine.plan, machine.batch)] = machine

    def slabs(self, work: Work, weights: Weights, dtype: Any, compiled: bool) -> dict[str, Slab | RowMemory]:
        """Memory for every stage of a whole trace."""
        found: dict[str, Slab | RowMemory] = {}
        for stage in work.stages:
            machine = self.take(stage, work, weights, dtype, compiled)
            found[stage.scope] = machine.slab(work.steps)
            self.give(stage, machine)
        return found
