"""The one reverse walk: from a weighting of lines back to every parameter, input and initial state.

With the derivative of each operation as slope this is back-propagation through time; with the secant between two
traces it splits their difference exactly. A loop over blocks of steps, never recursion: in each block the slopes are
computed for all steps at once, `recurrence` finds the adjoints of the carried states, and with those one sweep over
the lines gives everything else, each line for all steps of the block in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import GIVEN, VALID, Stage, X, scope_and_name
from ..cell.slopes import DERIVATIVE, SECANT, Slope
from ..trace.operands import Values, in_order, sizes
from ..trace.trace import Trace
from .recurrence import recur

#: Weightings by scope and line (or state), (T, B, width).
Seeds = Mapping[str, Mapping[str, Array]]
#: Called for every line that the walk meets, a block of steps at a time: stage, line, steps, the line's adjoint there,
#: (steps, B, width), and the slopes of its operands; both in the order of the run (see `values.in_order`).
Visit = Callable[[Stage, Line, slice, Array, tuple[Slope, ...]], None]

#: Values of one line that a block holds: its slopes and adjoints stay in the cache, and the memory small.
BLOCK = 1 << 16


@dataclass(frozen=True)
class Adjoints:
    """The slope of the weighted lines to every premise; keyed and shaped as in `Trace`.

    valid: to `valid`, (T, B, 1), which differs between two traces only where their lengths or masks do.
    """

    parameters: dict[str, dict[str, Array]]
    initial: dict[str, dict[str, Array]]
    given: dict[str, dict[str, Array]]
    x: Array | None
    valid: Array


def walk_back(a: Trace, seeds: Seeds, b: Trace | None = None, visit: Visit | None = None) -> Adjoints:
    """Adjoints of every premise of `a` for the lines weighted by `seeds`.

    Without b the slopes are derivatives, in the trace's dtype; with b secants between the two traces, in float64; b
    must have the same stages and sizes. Time and memory are linear in the number of steps.
    Raises MissingError that names a line that is needed and was not recorded.
    """
    dtype = np.dtype(a.header.dtype if b is None else np.float64)

    def zeros(arrays: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
        return {scope: {n: np.zeros(v.shape, dtype) for n, v in here.items()} for scope, here in arrays.items()}

    out = Adjoints(
        zeros(a.parameters),
        zeros(a.initial),
        zeros(a.given),
        np.zeros(a.x.shape, dtype) if a.x is not None and _reads_x(a) else None,
        np.zeros((a.steps, a.batch, 1), dtype),
    )
    widths = sizes(a)
    flow = {scope: {name: np.array(values, dtype) for name, values in here.items()} for scope, here in seeds.items()}
    with np.errstate(all="ignore"):
        for stage in reversed(a.stages):
            _StageWalk(stage, (a,) if b is None else (a, b), widths, flow, out, visit).run()
    return out


def _reads_x(trace: Trace) -> bool:
    return any(X in stage.sources.values() for stage in trace.stages)


def partition(stage: Stage, seeded: Iterable[str]) -> tuple[list[Line], list[Line], list[Line], dict[str, str]]:
    """The lines that the walk meets, last first, and the carry that it follows.

    Gives the lines after the carried ones; those between states and carried lines; the same with all other lines that
    carried ones depend on; and the states with their lines.
    """
    live = stage.cell.closure(seeded) & {line.name for line in stage.lines}
    lines = [line for line in stage.lines if line.name in live]
    read = {name for line in lines for name in line.reads} | set(seeded)
    carry = {state: target for state, target in stage.cell.carry if state in read}
    before = stage.cell.closure(carry.values(), carried=False) & live
    moved: set[str] = set(carry)  # what depends on a state in the same step
    for line in lines:
        if moved.intersection(line.reads):
            moved.add(line.name)
    after = [line for line in reversed(lines) if line.name not in before]
    core = [line for line in reversed(lines) if line.name in before and line.name in moved]
    inner = [line for line in reversed(lines) if line.name in before]
    return after, core, inner, carry


@dataclass
class _StageWalk:
    """The walk through one stage."""

    stage: Stage
    traces: tuple[Trace, ...]
    sizes: dict[str, dict[str, int]]
    flow: dict[str, dict[str, Array]]
    out: Adjoints
    visit: Visit | None
    adjoint: dict[str, Array] = field(default_factory=dict)  # of the block: line, input or state to (steps, B, width)
    owned: set[str] = field(default_factory=set)  # adjoints that may be changed in place
    cache: dict[str, tuple[Slope, ...]] = field(default_factory=dict)

    def run(self) -> None:
        """All blocks, the last in the order of the run first."""
        seeds = {name: in_order(self.stage, values) for name, values in self.flow.get(self.stage.scope, {}).items()}
        steps = [np.flatnonzero(values.any(axis=(1, 2))) for values in seeds.values()]
        end = max((int(at[-1]) + 1 for at in steps if at.size), default=0)
        if not end:
            return
        self.widths = self.sizes[self.stage.scope]
        self.after, self.core, self.inner, self.carry = partition(self.stage, seeds)
        batch = self.traces[0].batch
        dtype = self.out.valid.dtype
        later = {state: np.zeros((batch, self.widths[state]), dtype) for state in self.carry}
        size = max(BLOCK // (batch * max(self.widths.values(), default=1)), 16)
        edges = [*range(0, end, size), end]
        for begin, stop in reversed(list(pairwise(edges))):
            later = self.block(begin, stop, {n: v[begin:stop] for n, v in seeds.items()}, later)
        for state, value in later.items():
            if state in self.out.initial.get(self.stage.scope, {}):
                self.out.initial[self.stage.scope][state] += value

    def block(self, begin: int, end: int, seeds: Mapping[str, Array], later: dict[str, Array]) -> dict[str, Array]:
        """Walk through the steps begin to end (in the order of the run); gives the adjoints of the states before."""
        total = self.traces[0].steps
        self.steps = slice(total - end, total - begin) if self.stage.direction == "reverse" else slice(begin, end)
        self.adjoint, self.owned, self.cache = dict(seeds), set(), {}
        dtype = self.out.valid.dtype
        secant = len(self.traces) > 1
        self.values = [Values(t, self.stage, self.steps, dtype, self.widths, secant) for t in self.traces]
        self.sweep(self.after, keep_states=True)
        if self.carry:
            looped = {line.name for line in self.core} | set(self.carry)
            base = {name: values for name, values in self.adjoint.items() if name in looped}
            back = recur(self.core, self.carry, self.slopes, base, later, self.widths, end - begin)
            later = {state: values[0] for state, values in back.items()}
            for state, target in self.carry.items():
                self.add(target, back[state][1:])
        self.sweep(self.inner, keep_states=False)
        self.deliver()
        return later

    def slopes(self, line: Line) -> tuple[Slope, ...]:
        """The slopes of a line at the steps of the block."""
        if line.name not in self.cache:
            here = [values.at(line) for values in self.values]
            found = DERIVATIVE[line.op](here[0]) if len(here) == 1 else SECANT[line.op](here[0], here[1])
            dtype = self.out.valid.dtype
            self.cache[line.name] = tuple(np.asarray(s, dtype) if isinstance(s, np.ndarray) else s for s in found)
        return self.cache[line.name]

    def sweep(self, lines: Iterable[Line], keep_states: bool) -> None:
        """Pass the adjoint of each line to its operands; to states only where no recurrence has done so."""
        parameters = self.out.parameters.get(self.stage.scope, {})
        for line in lines:
            adjoint = self.adjoint.get(line.name)
            if adjoint is None:
                continue
            slopes = self.slopes(line)
            if self.visit:
                self.visit(self.stage, line, self.steps, adjoint, slopes)
            begin = 0
            for operand, slope in zip(line.operands, slopes, strict=True):
                width = self.widths.get(operand, 1) if isinstance(operand, str) else 1
                part = adjoint[..., begin : begin + width] if line.op == "concat" else adjoint
                begin += width
                if not isinstance(operand, str) or slope is None:
                    continue
                if operand in self.stage.cell.states and not keep_states:
                    continue
                if line.product and operand == line.product[0]:
                    outer = _outer(part, slope)
                    parameters[operand] += outer if line.op == "matvec" else outer.T
                    continue
                here = pulled(part, slope, width, by_matrix(line))
                fresh = here is not part and here.base is None
                if operand in parameters:
                    flat = np.broadcast_to(here, (*adjoint.shape[:2], here.shape[-1])).reshape(-1, here.shape[-1])
                    parameters[operand] += np.ones(len(flat), flat.dtype) @ flat
                else:
                    self.add(operand, here, fresh)

    def add(self, name: str, values: Array, fresh: bool = False) -> None:
        """Add to the adjoint of a line, input or state; `fresh` arrays may be kept and changed."""
        if name not in self.adjoint:
            self.adjoint[name] = values
        elif name in self.owned:
            self.adjoint[name] += values
            return
        else:
            self.adjoint[name] = self.adjoint[name] + values
            fresh = True
        if fresh:
            self.owned.add(name)

    def deliver(self) -> None:
        """Hand the adjoints of the inputs to where their values came from."""
        scope = self.stage.scope
        for name, source in self.stage.sources.items():
            if name not in self.adjoint:
                continue
            values = in_order(self.stage, self.adjoint[name])
            if source == X and self.out.x is not None:
                self.out.x[self.steps] += values
            elif source == VALID:
                self.out.valid[self.steps] += values
            elif source == GIVEN and name in self.out.given.get(scope, {}):
                self.out.given[scope][name][self.steps] += values
            elif "/" in source:
                origin, line = scope_and_name(source)
                there = self.flow.setdefault(origin, {})
                if line not in there:
                    trace = self.traces[0]
                    there[line] = np.zeros((trace.steps, trace.batch, self.sizes[origin][line]), self.out.valid.dtype)
                there[line][self.steps] += values


def _outer(adjoint: Array, vector: Any) -> Array:
    """Sum over steps and rows of adjoint (M) times vector (N): (M, N), in one product."""
    values = np.broadcast_to(vector, (*adjoint.shape[:2], vector.shape[-1]))
    return adjoint.reshape(-1, adjoint.shape[-1]).T @ values.reshape(-1, values.shape[-1])


def by_matrix(line: Line) -> bool:
    """Whether the slope of the line's vector is a matrix that its adjoint is multiplied by."""
    return line.product is not None or line.op == "slice"


def pulled(adjoint: Array, slope: Slope, width: int, matrix: bool) -> Array:
    """What an operand of `width` units gets: through the matrix, or times the slope; summed or spread to fit."""
    if matrix:  # one product for all steps; matmul of a stack would make one for each
        return (adjoint.reshape(-1, adjoint.shape[-1]) @ slope).reshape(*adjoint.shape[:2], -1)
    here = adjoint if isinstance(slope, float) and slope == 1.0 else adjoint * slope
    if here.shape[-1] > width:
        return here.sum(axis=-1, keepdims=True)
    return np.broadcast_to(here, (*here.shape[:-1], width)) if here.shape[-1] < width else here
