"""A run: the stages of a network one after the other, by their plans or line by line, into the memory of a trace.

`rerun` runs the stages of a trace again with other premises: baselines, paths between inputs, ablations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any, TypedDict, Unpack

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import Arithmetic, find, named
from ..cell.network import Stage, forward_stages, scope_and_name
from ..cell.ops import OPS
from ..errors import MissingError, OptionError, ShapeError, raise_all
from ..trace.derived import sizes, with_sums
from ..trace.grids import as_read
from ..trace.held import as_hold, plain
from ..trace.holding import HeldLines, Hold, applied, layers, resolved
from ..trace.trace import Header, Trace
from ..trace.window import arrays
from .inputs import RunInputs
from .memory import InMemory, Lines, Pool, RunMemory, Weights, Work, check_memory, empty_lines, taken_lines
from .plan.kernels import Arrays
from .plan_choice import CHOICES, choose, run_alone

Progress = Callable[[int, int], None]
#: Inspects a trace before it is returned, and raises if something is wrong with it.
Check = Callable[[Trace], None]


#: The traces that are being written into: the identity of their lines, to the run that does so.
_writers: dict[int, object] = {}


class WriteLock:
    """A run's lock on a trace given as `out=`: a second run at the same time would mix its values with the first's.

    Raises OptionError instead of waiting: the caller expects two traces, and would get one.
    """

    __slots__ = ("_held",)

    def __init__(self, trace: Trace) -> None:
        self._held = id(trace.lines)

    def __enter__(self) -> None:
        if _writers.setdefault(self._held, self) is not self:  # atomic, whatever other threads do
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


def by_definition(trace: Trace, work: Work, stage: Stage, inputs: Mapping[str, Array], storage: InMemory) -> None:
    """Compute a stage line by line, in the arithmetic named in the header, and store the recorded lines."""
    dtype = trace.header.dtype
    arithmetic = None if trace.header.arithmetic is None else find(trace.header.arithmetic)
    kept = {**storage.passed.get(stage.scope, {}), **storage.lines.get(stage.scope, {})} if work.whole else {}
    shapes = {x.name: (work.steps, work.batch, work.widths[stage.scope][x.name]) for x in stage.lines}
    values = {name: kept.get(name, np.empty(shape, dtype)) for name, shape in shapes.items()}
    inputs = {name: np.asarray(array, dtype) for name, array in inputs.items()}
    here, first = as_read(stage, trace.parameters.get(stage.owner, {})), trace.initial.get(stage.scope, {})
    run_lines(stage, here, inputs, first, values, arithmetic)
    storage.take(stage.scope, SimpleNamespace(line=values.__getitem__), 0, work.steps)


def by_plan(
    trace: Trace, work: Work, weights: Weights, kept: Pool, storage: InMemory, progress: Progress | None = None
) -> None:
    """Compute every stage by the plan named in the trace's header. progress: called with (steps done, total steps)."""
    plan, dtype = trace.header.plan, trace.header.dtype
    done, total = 0, work.steps * len(work.stages)
    with np.errstate(all="ignore"):  # as in `run_lines`: exp may overflow to inf, and 0 is correct
        for stage in work.stages:
            # (T, B, width), possibly of another dtype than the run: machines convert them block by block
            inputs: dict[str, Array] = {}
            for name in stage.inputs:
                scope, line = scope_and_name(stage.sources[name])
                computed = line in work.passed.get(scope, ())
                values = storage.line(scope, line) if computed else trace.operand(stage.scope, name)
                assert values is not None, name  # checked with the work
                inputs[name] = values
            storage.enter(stage, inputs)
            if plan == "lines":
                by_definition(trace, work, stage, inputs, storage)
                continue
            first = trace.initial.get(stage.scope, {})
            slab = storage.slabs.get(stage.scope)
            take = None if slab is not None else partial(storage.take, stage.scope)
            tick = None if progress is None else lambda now, done=done: progress(done + now, total)
            machine = kept.take(stage, work, weights, dtype, plan == "compiled")
            machine.run(work.steps, inputs, first, slab, take, tick)  # type: ignore[arg-type]  # a slab of its own
            kept.give(stage, machine)
            done += work.steps


@dataclass(frozen=True)
class RunJob:
    """One checked run: what to compute, from which premises, with which weights.

    call: see `RunMemory`.
    """

    work: Work
    header: Header
    weights: Weights
    kept: Pool
    fed: RunInputs
    call: tuple[Any, ...] | None = None

    def trace(self, out: Trace | None, progress: Progress | None) -> Trace:
        """Compute into new memory or into that of `out`. Raises ShapeError, TooLargeError."""
        work, dtype = self.work, self.header.dtype
        plan = self.header.plan
        memory: RunMemory | None = None
        if out is None:
            check_memory(work, dtype)
            if plan != "lines" and work.full:
                slabs = self.kept.slabs(work, self.weights, dtype, plan == "compiled")
                memory = RunMemory(work, self.weights, slabs, self.call)
            trace = self.premises(empty_lines(work, dtype) if memory is None else memory.lines, memory)
        else:
            memory = out.memory if out.header.plan == plan else None  # each plan has its own memory layout
            if memory is not None and memory.work is work and memory.holds(out, self.weights):
                trace = refill(out, self.premises({}))
            else:
                memory = None
                trace = self.premises(taken_lines(work, dtype, out.lines))
        storage = InMemory(trace, work, {} if memory is None else memory.slabs)
        by_plan(trace, work, self.weights, self.kept, storage, progress)
        found = storage.cut(trace, trace.lines)
        return with_sums(found) if work.whole else found

    def premises(self, lines: Lines, memory: RunMemory | None = None) -> Trace:
        """The trace with everything except its lines' values."""
        work, header, fed, weights = self.work, self.header, self.fed, self.weights
        dtype = np.dtype(header.dtype)
        given = {s.scope: {**fed.given.get(s.scope, {}), **fed.holds.given.get(s.scope, {})} for s in work.stages}

        def start(scope: str, state: str) -> Array:
            if state in fed.initial:
                return fed.initial[state][scope]
            return np.zeros((work.batch, work.widths[scope][state]), dtype)

        return Trace(
            header=header.until(work.steps),
            stages=work.stages,
            steps=work.steps,
            batch=work.batch,
            x=None if fed.x is None or not work.reads_x else fed.x[: work.steps],
            lengths=None if fed.lengths is None else np.minimum(fed.lengths, work.steps),
            parameters={s.scope: {n: weights[s.scope][n] for n in s.parameters} for s in work.stages if s.parameters},
            initial={s.scope: {n: start(s.scope, n) for n in s.states} for s in work.stages if s.states},
            given={s: {n: a[: work.steps] for n, a in here.items()} for s, here in given.items() if here},
            lines=lines,
            mask=None if fed.mask is None else fed.mask[: work.steps],
            memory=memory,
        )


def run_lines(
    stage: Stage, parameters: Arrays, inputs: Arrays, initial: Arrays, out: Arrays, arithmetic: Arithmetic | None = None
) -> None:
    """Run the computed lines of one stage over time and write each into `out`.

    parameters: matrices (M, N) and vectors (M,); inputs: (T, B, width); initial: (B, width) for each state that a
    line uses; out: (T, B, width) for each computed line, all of one dtype. The reverse direction runs from the last
    step to the first; t stays the position in the input. arithmetic: if it differs from that of the arrays' dtype.
    """
    if arithmetic is not None:
        read = arithmetic.read
        parameters, inputs, initial = ({n: read(a) for n, a in here.items()} for here in (parameters, inputs, initial))
    some = next(iter(out.values()), np.empty(0))
    steps = len(some)
    state = dict(initial)
    with np.errstate(all="ignore"):  # saturated gates are normal: exp may overflow to inf, and 0 is correct
        # in the dtype of the run: the negative of a Python float is a float64, and so would be a float32 sum with it
        numbers = {o: np.array([o], some.dtype) for line in stage.lines for o in line.operands if isinstance(o, float)}
        for t in range(steps) if not stage.backwards else range(steps - 1, -1, -1):
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


Premises = Mapping[str, Mapping[str, Array]]
#: The parts of the premises: what an entry is called, and which of its axes is the batch.
_PREMISES = {"given": ("supplied line", 1), "initial": ("initial state", 0), "parameters": ("parameter", None)}


class PremiseChanges(TypedDict, total=False):
    """Premises that replace those of a trace; missing ones, or None, stay as they were.

    x: (T, B, I), T as in the trace. initial, given, parameters: arrays by scope and name, shaped as in the trace. B may
    differ if x, initial, given and lengths (or the mask) all have it.
    """

    x: Array | None
    initial: Premises | None
    given: Premises | None
    parameters: Premises | None
    lengths: Array | None
    mask: Array | None


def rerun(trace: Trace, **changes: Unpack[PremiseChanges]) -> Trace:
    """Run the same stages again with the same plan, and return a new trace. The original is not modified.

    Raises ShapeError, TooLargeError, MissingError for a premise that the trace does not have.
    """
    new = _with(trace, **changes)
    return with_sums(_run(new, work_of(new, new.stages), weights_of(new), Pool()))


@dataclass(frozen=True)
class Reruns:
    """Runs of one trace with other premises that store only some lines at some steps; they share plans and memory.

    window: indices of the trace's arrays. record: the lines by scope.
    """

    trace: Trace
    window: range
    record: Mapping[str, Iterable[str]]
    _pool: Pool = field(default_factory=Pool)

    @cached_property
    def _work(self) -> Work:
        recorded = {stage.scope: tuple(self.record.get(stage.scope, ())) for stage in self.trace.stages}
        return replace(work_of(self.trace, self.trace.stages), window=self.window, recorded=recorded)

    @cached_property
    def _weights(self) -> Weights:
        return weights_of(self.trace)

    def lines(self, **changes: Unpack[PremiseChanges]) -> Lines:
        """The lines of a run. changes: as for `rerun`, but no parameters; raises the same errors."""
        new = _with(self.trace, **changes)
        work = replace(self._work, batch=new.batch, tasks={})  # compiled code is for one batch size
        return _run(new, work, self._weights, self._pool).lines


def by_its_plan(trace: Trace) -> Trace:
    """The trace with the plan for its reruns in its header, whatever its size becomes."""
    plan = plan_of(trace, work_of(trace, trace.stages), weights_of(trace))
    return replace(trace, header=replace(trace.header, plan=plan))


def run_seconds(trace: Trace) -> float:
    """Approximate time of running one sequence of a trace again; if `rows_alone`, as one of many in a batch."""
    work, weights = work_of(trace, trace.stages), weights_of(trace)
    if rows_alone(trace):
        return trace.steps * sum(work.row_seconds(stage, weights) for stage in trace.stages)
    return run_alone(work, weights, plan_of(trace, work, weights), trace.header.arithmetic is not None)


def rows_alone(trace: Trace) -> bool:
    """Whether a sequence in a batch has the same bits as in a run of its own: if every stage is compiled."""
    work, weights = work_of(trace, trace.stages), weights_of(trace)
    compiled = plan_of(trace, work, weights) == "compiled"
    return compiled and all(work.task(stage, weights, trace.header.dtype) is not None for stage in trace.stages)


def in_arithmetic(trace: Trace, arithmetic: str | None) -> Trace:
    """The run of `trace` repeated from its premises in another arithmetic (None: float64). Raises as `rerun` does."""
    header = replace(trace.header, dtype="float64", arithmetic=named(arithmetic))
    return rerun(replace(trace, header=header), x=trace.x)


def _with(trace: Trace, **changes: Unpack[PremiseChanges]) -> Trace:
    """The trace with other premises, and its lines as they were. Raises the errors of `rerun`."""
    dtype = np.dtype(trace.header.dtype)
    x, lengths, mask = changes.get("x"), changes.get("lengths"), changes.get("mask")
    x = trace.x if x is None else np.array(x, dtype)
    parts: dict[str, Any] = {part: _changed(kind, part, trace, changes, dtype) for part, (kind, _) in _PREMISES.items()}
    batches = [] if x is None else [x.shape[1]]
    batches += [a.shape[1] for here in parts["given"].values() for a in here.values()]
    batches += [len(a) for here in parts["initial"].values() for a in here.values()]
    new = replace(trace, batch=[*batches, trace.batch][0], x=x, **parts)
    new = new if lengths is None else replace(new, lengths=np.array(lengths))
    new = new if mask is None else replace(new, mask=np.array(mask))
    if len(trace.header.step_labels) > 1 and new.batch != trace.batch:  # it is unknown which sequences these are
        new = replace(new, header=replace(new.header, step_labels=()))
    lost = [f"{s.scope}/{name}" for s in new.stages for name in s.states if name not in new.initial.get(s.scope, {})]
    said = "without which it cannot be run again"
    raise_all(MissingError, (f"the trace has no initial state {state}, {said}" for state in lost))
    if new.x is not None and trace.x is not None and new.x.shape[::2] != trace.x.shape[::2]:
        raise ShapeError(f"x has shape {new.x.shape}; expected (T, B, I) with T, I = {trace.x.shape[::2]}")
    for part, scope, name, value in arrays(new, *_PREMISES):
        kind, axis = _PREMISES[part]
        shape = tuple(new.batch if k == axis else n for k, n in enumerate(getattr(trace, part)[scope][name].shape))
        if value.shape != shape:
            raise ShapeError(f"the {kind} {scope}/{name} has shape {value.shape}; expected {shape}")
    if new.lengths is not None and new.lengths.shape != (new.batch,):
        raise ShapeError(f"lengths has shape {new.lengths.shape}; expected one for each of the B = {new.batch} rows")
    if new.mask is not None and new.mask.shape != (new.steps, new.batch):
        raise ShapeError(f"mask has shape {new.mask.shape}; expected (T, B) = {(new.steps, new.batch)}")
    return new


def _run(new: Trace, work: Work, weights: Weights, pool: Pool) -> Trace:
    """The trace with the stored lines of its run. Raises TooLargeError."""
    dtype = np.dtype(new.header.dtype)
    check_memory(work, dtype)
    new = replace(new, lines=empty_lines(work, dtype), memory=None)
    return computed(new, work, weights, pool, InMemory(new, work, {}))


def computed(trace: Trace, work: Work, weights: Weights, pool: Pool, storage: InMemory) -> Trace:
    """The trace, with the plan in its header that computed its lines into `storage`."""
    trace = replace(trace, header=replace(trace.header, plan=plan_of(trace, work, weights)))
    by_plan(trace, work, weights, pool, storage)
    return trace


def with_holds(trace: Trace, hold: Hold) -> Trace:
    """The run of `trace` repeated, without its adjoints, with additional holds.

    hold: values by address, as for `Model.run`; they replace existing holds at the same places. Raises as `rerun` does,
    and for an address or value that does not fit.
    """
    base = plain(replace(trace, stages=forward_stages(trace.stages)))
    lines = base.stages, base.span, base.batch, sizes(base), base.grid
    holds = resolved(layers(as_hold(trace), hold), *lines, trace.header.dtype, trace.header)
    return rerun(replace(holding(base, holds), header=replace(base.header, agreement=())))


def holding(trace: Trace, holds: HeldLines) -> Trace:
    """A trace without holds, given the equations and premises of one with holds; its lines are not computed."""
    scopes = dict.fromkeys((*trace.given, *holds.given))
    given = {scope: {**trace.given.get(scope, {}), **holds.given.get(scope, {})} for scope in scopes}
    return replace(trace, stages=applied(trace.stages, holds.lines), given=given, memory=None)


def plan_of(trace: Trace, work: Work, weights: Weights) -> str:
    """The plan named in the trace's header; for values not computed by our plans, the one that suits its size."""
    if trace.header.arithmetic is not None:
        return "lines"
    wanted = trace.header.plan if trace.header.plan in CHOICES else "auto"
    return choose(wanted, work, weights, trace.header.dtype)


def weights_of(trace: Trace) -> Weights:
    """The parameters by the scope of the stage that uses them: an adjoint uses those of another stage."""
    return {stage.scope: trace.parameters.get(stage.owner, {}) for stage in trace.stages}


def work_of(trace: Trace, stages: tuple[Stage, ...]) -> Work:
    """The work of running some of the trace's stages: all of their lines, all recorded."""
    widths = sizes(trace)
    lines = {stage.scope: tuple(line.name for line in stage.lines) for stage in stages}
    wide = {s.scope: {n: widths[s.scope][n] for n in (*lines[s.scope], *s.states)} for s in stages}
    inputs = {s.scope: {n: widths[s.scope][n] for n in s.inputs} for s in stages}
    return Work(stages, trace.steps, trace.steps, trace.batch, wide, inputs, lines)


def _changed(kind: str, part: str, trace: Trace, changes: PremiseChanges, dtype: np.dtype[np.float64]) -> Lines:
    """Copies of a part of the trace's premises, with `changes` applied."""
    before: Premises = getattr(trace, part)
    found = {scope: {name: np.array(value, dtype) for name, value in here.items()} for scope, here in before.items()}
    for scope, here in (changes.get(part) or {}).items():  # type: ignore[attr-defined]  # by scope, as `before`
        for name, value in here.items():
            if name not in found.get(scope, {}):
                raise MissingError(f"the trace has no {kind} {scope}/{name}")
            found[scope][name] = np.array(value, dtype)
    return found
