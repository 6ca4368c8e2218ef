"""A run: the stages of a network one after the other, by their plans or line by line, into the memory of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import Arithmetic, find
from ..cell.network import Stage, scope_and_name
from ..cell.ops import OPS
from ..errors import OptionError
from ..trace.derived import with_sums
from ..trace.trace import Header, Trace
from .inputs import RunInputs
from .jit.runner import RowMemory
from .memory import InMemory, Pool, RunMemory, check_memory, empty_lines, taken_lines
from .plan.numpy_machine import Slab
from .work import Lines, Weights, Work

Progress = Callable[[int, int], None]
#: Looks at a trace before it is handed over, and raises where something is wrong with it.
Check = Callable[[Trace], None]


#: The traces that are being written into: by the identity of their lines, the run that does so.
_writers: dict[int, object] = {}


class WriteLock:
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


class Lined(NamedTuple):
    """All steps of a stage that was computed line by line."""

    values: Mapping[str, Array]

    def line(self, name: str) -> Array:
        """See `Block`."""
        return self.values[name]


def stage_inputs(trace: Trace, work: Work, stage: Stage, storage: InMemory) -> dict[str, Array]:
    """The inputs of a stage, (T, B, width) by name: of this run's stages, or what the trace holds already.

    They may have another dtype than the run: machines convert them block by block.
    """
    cells = {other.scope: other.cell for other in work.stages}
    found: dict[str, Array] = {}
    for name in stage.inputs:
        scope, line = scope_and_name(stage.sources[name])
        computed = scope in cells and line in cells[scope].by_name  # not where it is supplied
        values = storage.line(scope, line) if computed else trace.operand(stage.scope, name)
        assert values is not None, name  # checked with the work
        found[name] = values
    return found


def by_definition(trace: Trace, work: Work, storage: InMemory) -> None:
    """Compute every stage line by line, in the arithmetic that the header names, and keep what is recorded."""
    arithmetic = None if trace.header.arithmetic is None else find(trace.header.arithmetic)
    for stage in work.stages:
        kept = {**storage.passed.get(stage.scope, {}), **storage.lines.get(stage.scope, {})} if work.whole else {}
        shapes = {x.name: (work.steps, work.batch, work.widths[stage.scope][x.name]) for x in stage.lines}
        values = {name: kept.get(name, np.empty(shape, trace.header.dtype)) for name, shape in shapes.items()}
        first = trace.initial.get(stage.scope, {})
        here = trace.parameters.get(stage.owner, {})
        held = stage_inputs(trace, work, stage, storage)
        inputs = {name: np.asarray(array, trace.header.dtype) for name, array in held.items()}
        storage.window.enter(stage, inputs)
        run_lines(stage, here, inputs, first, values, arithmetic)
        storage.take(stage.scope, Lined(values), 0, work.steps)


def by_plan(
    trace: Trace, work: Work, weights: Weights, kept: Pool, storage: InMemory, progress: Progress | None = None
) -> None:
    """Compute every stage by its plan, which the trace's header names. progress: told (steps done, steps in all)."""
    compiled = trace.header.plan == "compiled"
    done, total = 0, work.steps * len(work.stages)
    with np.errstate(all="ignore"):  # as in `run_lines`: exp may overflow to inf, 0 is the right answer
        for stage in work.stages:
            inputs = stage_inputs(trace, work, stage, storage)
            storage.window.enter(stage, inputs)
            first = trace.initial.get(stage.scope, {})
            slab = storage.slabs.get(stage.scope)
            take = None if slab is not None else partial(storage.take, stage.scope)
            tick = None if progress is None else lambda now, done=done: progress(done + now, total)
            machine = kept.take(stage, work, weights, trace.header.dtype, compiled)
            machine.run(work.steps, inputs, first, slab, take, tick)  # type: ignore[arg-type]  # a slab of its own
            kept.give(stage, machine)
            done += work.steps


@dataclass(frozen=True)
class RunJob:
    """One run that was checked: what to compute, from which premises, with which weights.

    scopes: those of the cells, in the order of the initial states. call: see `Memory`.
    """

    work: Work
    header: Header
    weights: Weights
    kept: Pool
    fed: RunInputs
    scopes: Sequence[str]
    call: tuple[Any, ...] | None = None

    def trace(self, out: Trace | None, progress: Progress | None) -> Trace:
        """Compute into new memory or into that of `out`. Raises ShapeError, TooLargeError."""
        work, dtype = self.work, self.header.dtype
        planned = self.header.plan != "lines"
        compiled = self.header.plan == "compiled"
        slabs: dict[str, Slab | RowMemory] = {}
        reuse = planned and out is not None and out.memory is not None and out.memory.work is work
        reuse = reuse and out is not None and out.header.plan == self.header.plan  # each plan has memory of its own
        if out is None:
            check_memory(work, dtype)
            if planned and work.full:
                slabs = self.kept.slabs(work, self.weights, dtype, compiled)
                memory = RunMemory(work, self.weights, slabs, self.call)
                trace = self.premises(memory.lines, memory)
            else:
                trace = self.premises(empty_lines(work, dtype))
        elif reuse and out.memory.holds(out, self.weights):
            slabs = out.memory.slabs
            trace = refill(out, self.premises({}))
        else:
            trace = self.premises(taken_lines(work, dtype, out.lines))
        storage = InMemory(trace, work, slabs)
        if planned:
            by_plan(trace, work, self.weights, self.kept, storage, progress)
        else:
            by_definition(trace, work, storage)
        found = storage.window.cut(trace, trace.lines)
        return with_sums(found) if work.whole else found

    def premises(self, lines: Lines, memory: RunMemory | None = None) -> Trace:
        """The trace with all but its lines' values."""
        work, header, fed, weights = self.work, self.header, self.fed, self.weights
        dtype = np.dtype(header.dtype)
        order = {scope: k for k, scope in enumerate(self.scopes)}
        initial: dict[str, dict[str, Array]] = {}
        for stage in work.stages:
            for state in stage.states:
                rows = fed.initial.get(state)
                width = work.widths[stage.scope][state]
                value = np.zeros((work.batch, width), dtype) if rows is None else rows[order[stage.scope]]
                initial.setdefault(stage.scope, {})[state] = value
        return Trace(
            header=header.until(work.steps),
            stages=work.stages,
            steps=work.steps,
            batch=work.batch,
            x=None if fed.x is None or not work.reads_x else fed.x[: work.steps],
            lengths=None if fed.lengths is None else np.minimum(fed.lengths, work.steps),
            parameters={s.scope: {n: weights[s.scope][n] for n in s.parameters} for s in work.stages if s.parameters},
            initial=initial,
            given={
                stage.scope: {n: a[: work.steps] for n, a in here.items()}
                for stage in work.stages
                if (here := {**fed.given.get(stage.scope, {}), **fed.holds.given.get(stage.scope, {})})
            },
            lines=lines,
            mask=None if fed.mask is None else fed.mask[: work.steps],
            memory=memory,
        )


def run_lines(
    stage: Stage,
    parameters: Mapping[str, Array],
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array],
    out: Mapping[str, Array],
    arithmetic: Arithmetic | None = None,
) -> None:
    """Run the computed lines of one stage over time and write each into `out`.

    parameters: matrices (M, N) and vectors (M,); inputs: (T, B, width); initial: (B, width) for each state that a
    line reads; out: (T, B, width) for each computed line, all of one dtype. The reverse direction runs from the last
    step to the first; t stays the position in the input. arithmetic: another than that of the arrays' dtype.
    """
    if arithmetic is not None:
        read = arithmetic.read
        parameters, inputs, initial = ({n: read(a) for n, a in here.items()} for here in (parameters, inputs, initial))
    some = next(iter(out.values()), np.empty(0))
    steps = len(some)
    order = range(steps) if not stage.backwards else range(steps - 1, -1, -1)
    state = dict(initial)
    with np.errstate(all="ignore"):  # a saturated gate is no fault: exp may overflow to inf, 0 is the right answer
        # in the dtype of the run: the negative of a Python float is a float64, and so would be a float32 sum with it
        numbers = {o: np.array([o], some.dtype) for line in stage.lines for o in line.operands if isinstance(o, float)}
        for t in order:
            values: dict[str, Array] = {**parameters, **state}
            values.update({name: array[t] for name, array in inputs.items()})
            for line in stage.lines:
                if arithmetic is not None:
                    operands = [values[o] if isinstance(o, str) else arithmetic.read(o) for o in line.operands]
                    out[line.name][t] = arithmetic.compute(line, operands)
                    values[line.name] = arithmetic.read(out[line.name][t])
                    continue
                operands = [values[o] if isinstance(o, str) else numbers[o] for o in line.operands]
                out[line.name][t] = OPS[line.op].array(operands, line.constants)
                values[line.name] = out[line.name][t]
            state = {s: values[stage.cell.states[s]] for s in state if stage.cell.states[s] in values}
