"""A run: the stages of a network one after the other, by their plans or line by line, into the memory of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..arithmetic import find
from ..cell.ops import Array
from ..cell.stack import Stage
from ..errors import OptionError, ShapeError, raise_all
from ..memory import affordable
from ..part import cut
from ..plans.compiled.runner import Rows
from ..plans.slab import Slab
from ..trace import Header, Trace
from .by_line import run_lines
from .inputs import Fed
from .layout import Kept, Layout, Lines, Memory, Weights

#: Traces of fewer bytes than this are made without asking how much memory is free.
SMALL = 1024 * 1024
#: Misfits of an `out=` that are told.
MOST_TOLD = 5

Progress = Callable[[int, int], None]


#: The traces that are being written into: by the identity of their lines, the run that does so.
_writers: dict[int, object] = {}


class Writing:
    """A run's hold on a trace that was given as `out=`: a second run meanwhile would mix its values with the first's.

    Raises OptionError, and never waits: the caller wants two traces, and would get one.
    """

    __slots__ = ("_held",)

    def __init__(self, trace: Trace) -> None:
        self._held = id(trace.lines)

    def __enter__(self) -> None:
        if _writers.setdefault(self._held, self) is not self:  # one step, whatever other threads do
            raise OptionError("out: another run is writing into this trace; give each thread a trace of its own")

    def __exit__(self, *_: object) -> None:
        del _writers[self._held]


def refill(trace: Trace, fresh: Trace) -> Trace:
    """`trace` with the premises of `fresh`, which has the same layout, copied into its own arrays."""
    for old, new in ((trace.x, fresh.x), (trace.lengths, fresh.lengths), (trace.mask, fresh.mask)):
        if old is not None:
            old[...] = new
    for mine, theirs in ((trace.initial, fresh.initial), (trace.given, fresh.given)):
        for scope, here in mine.items():
            for name, array in here.items():
                array[...] = theirs[scope][name]
    return trace if trace.header == fresh.header else replace(trace, header=fresh.header)


def taken_lines(layout: Layout, dtype: Any, lines: Lines) -> Lines:
    """The arrays of another trace to write into. Raises ShapeError where they do not fit this run."""
    problems: list[str] = []
    for scope, names in layout.recorded.items():
        here = lines.get(scope, {})
        for name in names:
            wanted = (len(layout.span), layout.batch, layout.widths[scope][name])
            array = here.get(name)
            if array is None:
                problems.append(f"out has no line {scope}/{name}; leave out= away, or give a trace of this model")
            elif array.shape != wanted or array.dtype != dtype or not array.flags.writeable:
                kind = "" if array.flags.writeable else ", which cannot be written"
                problems.append(
                    f"out: {scope}/{name} is {array.dtype}{list(array.shape)}{kind}; this run needs "
                    f"{np.dtype(dtype)}{list(wanted)}"
                )
        problems += [f"out: {scope}/{name} is not recorded by this run" for name in here if name not in names]
    problems += [f"out: {scope} is not recorded by this run" for scope in lines if scope not in layout.recorded]
    raise_all(ShapeError, problems[:MOST_TOLD])
    return lines


def empty_lines(layout: Layout, dtype: Any) -> Lines:
    """Memory for the recorded lines, one array each."""
    shape = len(layout.span), layout.batch
    return {
        scope: {name: np.empty((*shape, layout.widths[scope][name]), dtype) for name in names}
        for scope, names in layout.recorded.items()
    }


def check_memory(layout: Layout, dtype: Any) -> None:
    """Raise TooLargeError where the recorded lines would not fit into the memory that is free."""
    size = layout.numbers * np.dtype(dtype).itemsize
    if size > SMALL:
        affordable(size)


class Target(Protocol):
    """Where the values of a planned run go."""

    @property
    def window(self) -> Window:
        """The steps of them that are stored."""

    def slab(self, scope: str) -> Slab | Rows | None:
        """The memory of a whole stage, where the run may compute in it."""

    def take(self, scope: str, block: Slab | Rows, first: int, count: int) -> bool | None:
        """Copy what is kept of a finished block: its first `count` steps are those of the stage from `first` on.

        True where the block (a slab) is not copied yet, but will be when the next one comes.
        """

    def line(self, scope: str, name: str) -> Array:
        """A line of a finished stage, (T, B, width), that another stage reads."""


class Block(Protocol):
    """Steps that are computed."""

    def line(self, name: str) -> Array:
        """A line's values, (steps, B, width)."""


class Window:
    """Of the computed steps those that are stored, and the states that are carried into them."""

    def __init__(self, layout: Layout) -> None:
        self._span, self._whole, self._steps = layout.span, layout.whole, layout.steps
        self._stages = {stage.scope: stage for stage in layout.stages}
        self.carried: dict[str, dict[str, Array]] = {}

    def enter(self, stage: Stage, inputs: Mapping[str, Array]) -> None:
        """Note the states that carry an input, (T, B, width) at all steps, into the stored steps."""
        edge = self._edge(stage)
        if not self._whole and 0 <= edge < self._steps:
            here = self.carried.setdefault(stage.scope, {})
            here |= {s: np.array(inputs[n][edge]) for s, n in stage.cell.carry if s in stage.states and n in inputs}

    def of(self, scope: str, block: Block, first: int, count: int) -> tuple[slice, slice]:
        """Which stored steps a block of the steps from `first` on has, and where in the block; notes the states."""
        if self._whole:
            return slice(first, first + count), slice(count)
        span, stage = self._span, self._stages[scope]
        edge = self._edge(stage)
        if first <= edge < first + count:
            here = self.carried.setdefault(scope, {})
            here |= {
                state: np.array(block.line(line)[edge - first])
                for state, line in stage.cell.carry
                if state in stage.states and line in stage.cell.by_name
            }
        begin = max(first, span.start)
        end = max(min(first + count, span.stop), begin)
        return slice(begin - span.start, end - span.start), slice(begin - first, end - first)

    def _edge(self, stage: Stage) -> int:
        """The step that is computed just before those that are stored."""
        return self._span.stop if stage.direction == "reverse" else self._span.start - 1

    def cut(self, trace: Trace, lines: Lines) -> Trace:
        """What is stored of a run: `trace` has its premises, `lines` the stored lines."""
        if self._whole:
            return trace
        initial = {scope: {**here, **self.carried.get(scope, {})} for scope, here in trace.initial.items()}
        found = cut(trace, self._span, initial, lines)
        return replace(found, x=None if found.x is None else found.x.copy())  # not the whole input with it


class InMemory:
    """A trace's own memory: slabs where every line is recorded and nobody gave arrays, arrays otherwise."""

    def __init__(self, trace: Trace, layout: Layout, slabs: Mapping[str, Slab | Rows]) -> None:
        self.slabs, self.lines, self.window = slabs, trace.lines, Window(layout)
        self.passed: Lines = {}  # what another stage reads, at every step
        for scope, names in layout.passed.items():
            for name in names - (trace.lines.get(scope, {}).keys() if layout.whole else set()):
                shape = layout.steps, layout.batch, layout.widths[scope][name]
                self.passed.setdefault(scope, {})[name] = np.empty(shape, trace.header.dtype)

    def slab(self, scope: str) -> Slab | Rows | None:
        """See `Target`."""
        return self.slabs.get(scope)

    def take(self, scope: str, block: Block, first: int, count: int) -> None:
        """See `Target`."""
        for name, array in self.passed.get(scope, {}).items():
            array[first : first + count] = block.line(name)[:count]
        steps, there = self.window.of(scope, block, first, count)
        for name, array in self.lines.get(scope, {}).items():
            array[steps] = block.line(name)[there]

    def line(self, scope: str, name: str) -> Array:
        """See `Target`."""
        passed = self.passed.get(scope, {})
        return passed[name] if name in passed else self.lines[scope][name]


class Lined(NamedTuple):
    """All steps of a stage that was computed line by line."""

    values: Mapping[str, Array]

    def line(self, name: str) -> Array:
        """See `Block`."""
        return self.values[name]


def stage_inputs(trace: Trace, stage: Stage, target: Target) -> dict[str, Array]:
    """The inputs of a stage, (T, B, width) by name."""
    found: dict[str, Array] = {}
    for name in stage.inputs:
        scope, _, line = stage.sources[name].rpartition("/")
        computed = scope and line in trace.stage(scope).cell.by_name  # not where it is supplied
        values = target.line(scope, line) if computed else trace.operand(stage.scope, name)
        assert values is not None, name  # checked with the layout
        found[name] = values
    return found


def by_definition(trace: Trace, layout: Layout, target: InMemory) -> None:
    """Compute every stage line by line, in the arithmetic that the header names, and keep what is recorded."""
    arithmetic = None if trace.header.arithmetic is None else find(trace.header.arithmetic)
    for stage in layout.stages:
        kept = {**target.passed.get(stage.scope, {}), **target.lines.get(stage.scope, {})} if layout.whole else {}
        shapes = {x.name: (layout.steps, layout.batch, layout.widths[stage.scope][x.name]) for x in stage.lines}
        values = {name: kept.get(name, np.empty(shape, trace.header.dtype)) for name, shape in shapes.items()}
        first = trace.initial.get(stage.scope, {})
        here = trace.parameters.get(stage.scope, {})
        inputs = stage_inputs(trace, stage, target)
        target.window.enter(stage, inputs)
        run_lines(stage, here, inputs, first, values, arithmetic)
        if not layout.whole:
            target.take(stage.scope, Lined(values), 0, layout.steps)


def by_plan(
    trace: Trace, layout: Layout, weights: Weights, kept: Kept, target: Target, progress: Progress | None = None
) -> None:
    """Compute every stage by its plan, which the trace's header names. progress: told (steps done, steps in all)."""
    compiled = trace.header.plan == "compiled"
    done, total = 0, layout.steps * len(layout.stages)
    with np.errstate(all="ignore"):  # as in `run_lines`: exp may overflow to inf, 0 is the right answer
        for stage in layout.stages:
            inputs = stage_inputs(trace, stage, target)
            target.window.enter(stage, inputs)
            first = trace.initial.get(stage.scope, {})
            slab = target.slab(stage.scope)
            take = None if slab is not None else partial(target.take, stage.scope)
            tick = None if progress is None else partial(_advance, progress, done, total)
            machine = kept.take(stage, layout, weights, trace.header.dtype, compiled)
            machine.run(layout.steps, inputs, first, slab, take, tick)  # type: ignore[arg-type]  # a slab of its own
            kept.give(stage, machine)
            done += layout.steps


def _advance(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


@dataclass(frozen=True)
class Job:
    """One run that was checked: what to compute, from which premises, with which weights.

    scopes: those of the cells, in the order of the initial states. call: see `Memory`.
    """

    layout: Layout
    header: Header
    weights: Weights
    kept: Kept
    fed: Fed
    scopes: Sequence[str]
    call: tuple[Any, ...] | None = None

    def trace(self, out: Trace | None, progress: Progress | None) -> Trace:
        """Compute into new memory or into that of `out`. Raises ShapeError, TooLargeError."""
        layout, dtype = self.layout, self.header.dtype
        planned = self.header.plan != "lines"
        compiled = self.header.plan == "compiled"
        slabs: dict[str, Slab | Rows] = {}
        reuse = planned and out is not None and out.memory is not None and out.memory.layout is layout
        reuse = reuse and out is not None and out.header.plan == self.header.plan  # each plan has memory of its own
        if out is None:
            check_memory(layout, dtype)
            if planned and layout.full:
                slabs = self.kept.slabs(layout, self.weights, dtype, compiled)
                memory = Memory(layout, self.weights, slabs, self.call)
                trace = self.premises(memory.lines, memory)
            else:
                trace = self.premises(empty_lines(layout, dtype))
        elif reuse and out.memory.holds(out, self.weights):
            slabs = out.memory.slabs
            trace = refill(out, self.premises({}))
        else:
            trace = self.premises(taken_lines(layout, dtype, out.lines))
        target = InMemory(trace, layout, slabs)
        if planned:
            by_plan(trace, layout, self.weights, self.kept, target, progress)
        else:
            by_definition(trace, layout, target)
        return target.window.cut(trace, trace.lines)

    def premises(self, lines: Lines, memory: Memory | None = None) -> Trace:
        """The trace with all but its lines' values."""
        layout, header, fed, weights = self.layout, self.header, self.fed, self.weights
        dtype = np.dtype(header.dtype)
        order = {scope: k for k, scope in enumerate(self.scopes)}
        initial: dict[str, dict[str, Array]] = {}
        for stage in layout.stages:
            for state in stage.states:
                rows = fed.initial.get(state)
                width = layout.widths[stage.scope][state]
                value = np.zeros((layout.batch, width), dtype) if rows is None else rows[order[stage.scope]]
                initial.setdefault(stage.scope, {})[state] = value
        return Trace(
            header=header,
            stages=layout.stages,
            steps=layout.steps,
            batch=layout.batch,
            x=None if fed.x is None or not layout.reads_x else fed.x[: layout.steps],
            lengths=None if fed.lengths is None else np.minimum(fed.lengths, layout.steps),
            parameters={s.scope: {n: weights[s.scope][n] for n in s.parameters} for s in layout.stages if s.parameters},
            initial=initial,
            given={
                stage.scope: {n: a[: layout.steps] for n, a in fed.given[stage.scope].items()}
                for stage in layout.stages
                if stage.scope in fed.given
            },
            lines=lines,
            mask=None if fed.mask is None else fed.mask[: layout.steps],
            memory=memory,
        )
