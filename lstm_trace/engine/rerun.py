"""Run the stages of a trace again with other premises: baselines, paths between inputs, ablations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypedDict, Unpack

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import named
from ..cell.network import Stage, forward_stages
from ..errors import MissingError, ShapeError, raise_all
from ..trace.derived import sizes, with_sums
from ..trace.held import as_hold, plain
from ..trace.holding import Hold, Holds, applied, layers, resolved
from ..trace.trace import Trace
from .memory import InMemory, Pool, check_memory, empty_lines
from .plan_choice import CHOICES, choose, run_alone
from .run import by_definition, by_plan
from .work import Lines, Weights, Work

Premises = Mapping[str, Mapping[str, Array]]


class PremiseChanges(TypedDict, total=False):
    """Premises that take the place of those of a trace; what is not given, or None, stays as it was.

    x: (T, B, I), T as in the trace. initial, given, parameters: arrays by scope and name, shaped as in the trace. B
    may be another one where x, initial, given and lengths (or the mask) all have it.
    """

    x: Array | None
    initial: Premises | None
    given: Premises | None
    parameters: Premises | None
    lengths: Array | None
    mask: Array | None


def rerun(trace: Trace, **changes: Unpack[PremiseChanges]) -> Trace:
    """A new trace of the same stages by the same plan. The given trace is not changed.

    Raises ShapeError, TooLargeError, MissingError for a premise that the trace does not have.
    """
    new = _with(trace, **changes)
    return with_sums(_run(new, work_of(new, new.stages), weights_of(new), Pool()))


@dataclass(frozen=True)
class Reruns:
    """Runs of one trace with other premises, of which some lines at some steps are kept; they share plans and memory.

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
        """The lines of a run. changes: as in `rerun`, but no parameters; raises what `rerun` does."""
        new = _with(self.trace, **changes)
        work = replace(self._work, batch=new.batch, tasks={})  # what is compiled is for one size of batch
        return _run(new, work, self._weights, self._pool).lines


def by_its_plan(trace: Trace) -> Trace:
    """The trace with the plan by which it is run again in its header, whatever becomes of its size."""
    plan = plan_of(trace, work_of(trace, trace.stages), weights_of(trace))
    return replace(trace, header=replace(trace.header, plan=plan))


def run_seconds(trace: Trace) -> float:
    """What it takes to run one row of a trace again, roughly: as one of many in a batch where `rows_alone`."""
    work, weights = work_of(trace, trace.stages), weights_of(trace)
    if rows_alone(trace):
        return trace.steps * sum(work.row_seconds(stage, weights) for stage in trace.stages)
    return run_alone(work, weights, plan_of(trace, work, weights), trace.header.arithmetic is not None)


def rows_alone(trace: Trace) -> bool:
    """Whether a row of a batch has the bits of a run of its own: where every stage is compiled."""
    work, weights = work_of(trace, trace.stages), weights_of(trace)
    compiled = plan_of(trace, work, weights) == "compiled"
    return compiled and all(work.task(stage, weights, trace.header.dtype) is not None for stage in trace.stages)


def in_arithmetic(trace: Trace, arithmetic: str | None) -> Trace:
    """The run of `trace` again from its premises, in another arithmetic (None: in float64). Raises as `rerun` does."""
    header = replace(trace.header, dtype="float64", arithmetic=named(arithmetic))
    return rerun(replace(trace, header=header), x=trace.x)


def _with(trace: Trace, **changes: Unpack[PremiseChanges]) -> Trace:
    """The trace with other premises, and its lines as they were. Raises what `rerun` does."""
    dtype = np.dtype(trace.header.dtype)
    x, lengths, mask = changes.get("x"), changes.get("lengths"), changes.get("mask")
    x = trace.x if x is None else np.array(x, dtype)
    given = _changed("supplied line", trace.given, changes.get("given"), dtype)
    initial = _changed("initial state", trace.initial, changes.get("initial"), dtype)
    batches = [a.shape[1] for here in given.values() for a in here.values()]
    batches += [len(a) for here in initial.values() for a in here.values()]
    new = replace(
        trace,
        batch=next(iter(batches), trace.batch) if x is None else x.shape[1],
        x=x,
        lengths=trace.lengths if lengths is None else np.array(lengths),
        mask=trace.mask if mask is None else np.array(mask),
        initial=initial,
        given=given,
        parameters=_changed("parameter", trace.parameters, changes.get("parameters"), dtype),
    )
    if len(trace.header.step_labels) > 1 and new.batch != trace.batch:  # whose rows these are is not known
        new = replace(new, header=replace(new.header, step_labels=()))
    lost = [f"{s.scope}/{name}" for s in new.stages for name in s.states if name not in initial.get(s.scope, {})]
    said = "without which it cannot be run again"
    raise_all(MissingError, (f"the trace has no initial state {state}, {said}" for state in lost))
    _check(trace, new)
    return new


def _run(new: Trace, work: Work, weights: Weights, pool: Pool) -> Trace:
    """The trace with what its run stores as its lines. Raises TooLargeError."""
    dtype = np.dtype(new.header.dtype)
    check_memory(work, dtype)
    new = replace(new, lines=empty_lines(work, dtype), memory=None)
    return computed(new, work, weights, pool, InMemory(new, work, {}))


def computed(trace: Trace, work: Work, weights: Weights, pool: Pool, storage: InMemory) -> Trace:
    """The trace, with the plan in its header by which its lines were computed into `storage`."""
    plan = plan_of(trace, work, weights)
    trace = replace(trace, header=replace(trace.header, plan=plan))
    if plan == "lines":
        by_definition(trace, work, storage)
    else:
        by_plan(trace, work, weights, pool, storage)
    return trace


def with_holds(trace: Trace, hold: Hold) -> Trace:
    """The run of `trace` again, without its adjoints, with lines held at other values beside those that are held.

    hold: values by address, as `Model.run` has it; they take the place of what is held there already. Raises as `rerun`
    does, and for an address or value that does not fit.
    """
    base = plain(replace(trace, stages=forward_stages(trace.stages)))
    holds = resolved(layers(as_hold(trace), hold), base.stages, base.span, base.batch, sizes(base), trace.header.dtype)
    return rerun(replace(holding(base, holds), header=replace(base.header, agreement=())))


def holding(trace: Trace, holds: Holds) -> Trace:
    """A trace without holds with the equations and premises of one that has them; its lines are not computed."""
    scopes = dict.fromkeys((*trace.given, *holds.given))
    given = {scope: {**trace.given.get(scope, {}), **holds.given.get(scope, {})} for scope in scopes}
    return replace(trace, stages=applied(trace.stages, holds.lines), given=given, memory=None)


def plan_of(trace: Trace, work: Work, weights: Weights) -> str:
    """The plan that the trace's header names; what no plan of ours computed goes by the one that suits its size."""
    if trace.header.arithmetic is not None:
        return "lines"
    wanted = trace.header.plan if trace.header.plan in CHOICES else "auto"
    return choose(wanted, work, weights, trace.header.dtype)


def weights_of(trace: Trace) -> Weights:
    """The parameters by the scope of the stage that reads them: an adjoint reads those of another stage."""
    return {stage.scope: trace.parameters.get(stage.owner, {}) for stage in trace.stages}


def work_of(trace: Trace, stages: tuple[Stage, ...]) -> Work:
    """What a run of some of the trace's stages computes: every line of each, all recorded."""
    widths = sizes(trace)
    lines = {stage.scope: tuple(line.name for line in stage.lines) for stage in stages}
    return Work(
        stages=stages,
        steps=trace.steps,
        length=trace.steps,
        batch=trace.batch,
        widths={s.scope: {n: widths[s.scope][n] for n in (*lines[s.scope], *s.states)} for s in stages},
        inputs={s.scope: {n: widths[s.scope][n] for n in s.inputs} for s in stages},
        recorded=lines,
    )


def _changed(
    kind: str, before: dict[str, dict[str, Array]], changes: Premises | None, dtype: np.dtype[np.float64]
) -> dict[str, dict[str, Array]]:
    """Copies of `before` with `changes` in their places."""
    found = {scope: {name: np.array(value, dtype) for name, value in here.items()} for scope, here in before.items()}
    for scope, here in (changes or {}).items():
        for name, value in here.items():
            if name not in found.get(scope, {}):
                raise MissingError(f"the trace has no {kind} {scope}/{name}")
            found[scope][name] = np.array(value, dtype)
    return found


def _check(trace: Trace, new: Trace) -> None:
    """Raise ShapeError where a changed premise does not fit."""
    if new.x is not None and trace.x is not None and new.x.shape[::2] != trace.x.shape[::2]:
        raise ShapeError(f"x has shape {new.x.shape}; expected (T, B, I) with T, I = {trace.x.shape[::2]}")
    for kind, before, after, axis in (
        ("initial state", trace.initial, new.initial, 0),
        ("supplied line", trace.given, new.given, 1),
        ("parameter", trace.parameters, new.parameters, None),
    ):
        for scope, here in after.items():
            for name, value in here.items():
                shape = list(before[scope][name].shape)
                if axis is not None:
                    shape[axis] = new.batch
                if list(value.shape) != shape:
                    raise ShapeError(f"the {kind} {scope}/{name} has shape {value.shape}; expected {tuple(shape)}")
    if new.lengths is not None and new.lengths.shape != (new.batch,):
        raise ShapeError(f"lengths has shape {new.lengths.shape}; expected one for each of the B = {new.batch} rows")
    if new.mask is not None and new.mask.shape != (new.steps, new.batch):
        raise ShapeError(f"mask has shape {new.mask.shape}; expected (T, B) = {(new.steps, new.batch)}")
