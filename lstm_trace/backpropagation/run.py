"""Runs the adjoint stages of a network on a trace: their lines, and their sums over all steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, describe
from ..cell.adjoint import KnownWidths, Seeds, adjoint as derived
from ..cell.arithmetic import find
from ..cell.lines import Cell
from ..cell.network import ADJOINT, GIVEN, SEED, Scope, Stage, forward_stages, scope_and_name
from ..cell.variants import extended as with_equations
from ..engine.memory import ComputedSteps, InMemory, Lines, Pool, Work, check_memory, empty_lines
from ..engine.run import computed, weights_of, work_of
from ..errors import MissingError, OptionError, nearest, raise_all
from ..model.build import cell_of
from ..trace.address import is_whole
from ..trace.argument_types import KINDS, checked, listed
from ..trace.derived import Values, add, gather, gather_in, one_thread, shaped, term
from ..trace.trace import Trace

#: Writes the adjoint of a stage, given its weighted values with the names of their weights and the widths of all:
#: returns the cell, and the sources of its inputs other than the weights.
Write = Callable[[Stage, Seeds, KnownWidths], tuple[Cell, Mapping[str, str]]]


def differential(stage: Stage, seeds: Seeds, widths: KnownWidths) -> tuple[Cell, Mapping[str, str]]:
    """The adjoint by derivatives, which uses the lines of the stage: see `Write`."""
    cell = derived(stage.active, seeds, widths)
    return cell, {name: f"{stage.scope}/{name}" for name in cell.inputs}


def adjoint_stages(
    stages: Sequence[Stage], seeds: Seeds, widths: Mapping[Scope, KnownWidths], write: Write = differential
) -> tuple[Stage, ...]:
    """The adjoint stages, in order of computation.

    seeds: by scope the lines, inputs and states that are weighted; each stage gets the weights as `seed_<name>`.
    widths: of every value, by scope.
    """
    found: list[Stage] = []
    brought: dict[str, list[tuple[str, str]]] = {}  # to `scope/line`, the gradients of the inputs that have its value
    for stage in reversed(forward_stages(stages)):
        sources: dict[str, str] = {}
        here: dict[str, list[str]] = {}
        for name, fed in seed_names(stage, seeds.get(stage.scope, ())).items():
            here.setdefault(name, []).append(fed)
            sources[fed] = GIVEN
        for name in (*stage.cell.by_name, *stage.cell.inputs, *stage.cell.states):
            for scope, line in brought.get(f"{stage.scope}/{name}", ()):
                here.setdefault(name, []).append(fed := f"{line}_{scope.replace(ADJOINT, '').replace('/', '_')}")
                sources[fed] = f"{scope}/{line}"
        if not here:
            continue
        cell, values = write(stage, here, widths[stage.scope])
        sources = {**values, **sources}
        back = Stage(stage.layer, f"{ADJOINT}{stage.direction}", cell, sources)
        found.append(back)
        for name, source in stage.sources.items():
            if name in cell.gradient_of and scope_and_name(source)[0]:
                brought.setdefault(source, []).append((back.scope, cell.gradient_of[name]))
    return tuple(found)


def seed_names(stage: Stage, lines: Iterable[str]) -> dict[str, str]:
    """For each weighted line of a stage, the input of its adjoint that holds the weights."""
    cell = stage.cell
    taken = {*cell.by_name, *cell.inputs, *cell.states, *cell.parameters}
    found: dict[str, str] = {}
    for line in lines:
        name = SEED + re.sub(r"\W+", "_", line).strip("_")
        while name in taken:
            name += "_"
        taken.add(name)
        found[line] = name
    return found


#: Called for every stage that is run, some steps at a time: the stage, the steps, and its values there.
Visit = Callable[[Stage, slice, Values], None]
#: Steps times batch size summed in one product: with few of them, a product costs as much as reading the whole sum.
GATHERED_ROWS = 256


def extended(trace: Trace, stages: tuple[Stage, ...], given: Lines, record: bool, visit: Visit | None = None) -> Trace:
    """The trace with the adjoint `stages` added and run; the arrays of the trace are shared, not copied.

    given: their supplied values. record: keep all their lines; otherwise only the gradients of inputs and states.
    Raises MissingError for operands that the trace does not contain, TooLargeError.
    """
    dtype = trace.header.dtype
    new = replace(trace, stages=trace.stages + stages, given={**trace.given, **given}, memory=None)
    raise_all(MissingError, _lacking(new, stages))
    work = work_of(new, stages)
    if not record:
        work = replace(work, recorded={s.scope: tuple(dict.fromkeys(ends(new, s).values())) for s in stages})
    check_memory(work, dtype)
    states = {s.scope: {n: np.zeros((trace.batch, work.widths[s.scope][n]), dtype) for n in s.states} for s in stages}
    lines = {**trace.lines, **empty_lines(work, dtype)}
    new = replace(new, initial={**trace.initial, **states}, lines=lines, sums={})
    storage = _Gathering(new, work, visit)
    found = computed(new, work, weights_of(new), Pool(), storage)
    return replace(found, sums={scope: shaped(new, scope, sums) for scope, sums in storage.sums.items()})


def _lacking(trace: Trace, stages: tuple[Stage, ...]) -> Iterator[str]:
    """The operands of the stages from the forward pass that were not recorded, each line once."""
    told: set[str] = set()
    made = {stage.scope for stage in stages}
    both_ends = (slice(0, 2), slice(-2, None))  # a state is the initial one at one end, and a line elsewhere
    for stage in stages:
        for name in stage.cell.inputs:
            source = stage.sources[name]
            scope, line = scope_and_name(source)
            if scope in made or all(trace.operand(stage.scope, name, end) is not None for end in both_ends):
                continue
            states = trace.stage(scope).cell.states if scope else {}
            if line in states and line in trace.initial.get(scope, {}):
                source = f"{scope}/{states[line]}"
            if source in told:
                continue
            told.add(source)
            readers = (x.name for x in stage.cell.lines if x.assigned and name in stage.through(x))
            why = next((f"through line `{reader}`" for reader in readers), "to the parameters")
            yield f"{source} was not recorded; the backward pass {why} needs it: trace again and record that line too"


def ends(trace: Trace, stage: Stage) -> dict[str, str]:
    """Each input and state of the stage whose adjoint `stage` is, with the line that is its gradient."""
    cell = trace.stage(stage.owner).cell
    return {name: line for line, name in stage.cell.gradient if name in cell.inputs or name in cell.states}


def line_gradients(trace: Trace) -> dict[str, dict[str, Array]]:
    """By scope and line, the gradients in the adjoint stages of a trace, (T, B, width)."""
    found: dict[str, dict[str, Array]] = {}
    for stage in trace.stages:
        own = trace.stage(stage.owner).cell.by_name
        for new, name in stage.cell.gradient:
            if name in own and new in stage.cell.by_name:
                found.setdefault(stage.owner, {})[name] = trace.lines[stage.scope][new]
    return found


class _Gathering(InMemory):
    """A trace's memory that also computes the stages' sums over all steps, some of them at once."""

    def __init__(self, trace: Trace, work: Work, visit: Visit | None) -> None:
        super().__init__(trace, work, {})
        self.trace, self.visit = trace, visit
        self.sums: dict[str, dict[str, Array]] = {}
        self.waiting: list[tuple[range, dict[str, Array]]] = []  # blocks of one stage: steps, and lines that are used

    def take(self, scope: str, block: ComputedSteps, first: int, count: int) -> bool:
        """See `InMemory`."""
        stage = self.trace.stage(scope)
        # values passed on to the next block are set to 0 below the normal range: a vanishing gradient would stay there
        # for all remaining steps (0.9 times the smallest number is rounded to that number), where arithmetic is a
        # hundred times slower on many processors; `verify` accepts a zero for it
        for line in dict.fromkeys(stage.cell.states.values()):
            edge = block.line(line)[0 if stage.backwards else count - 1]
            edge[np.abs(edge) < np.finfo(edge.dtype).tiny] = 0
        super().take(scope, block, first, count)
        read = {name for gathered in stage.cell.sums for name in gathered.reads}
        read |= {name for name, _ in stage.cell.gradient if self.visit}
        lines = (read & stage.cell.by_name.keys()) - self.lines[scope].keys()
        self.waiting.append((range(first, first + count), {n: np.array(block.line(n)[:count]) for n in lines}))
        self.waiting.sort(key=lambda part: part[0].start)
        steps = slice(self.waiting[0][0].start, self.waiting[-1][0].stop)
        last = steps.start == 0 if stage.backwards else steps.stop == self.trace.steps
        if last or (steps.stop - steps.start) * self.trace.batch >= GATHERED_ROWS:
            with one_thread(self.trace):
                self._gather(stage, steps)
            self.waiting = []
        return False

    def _gather(self, stage: Stage, steps: slice) -> None:
        scope = stage.scope

        def values(name: str) -> Any:
            if name in self.lines[scope]:
                return self.lines[scope][name][steps]
            if name in stage.cell.by_name:
                return np.concatenate([lines[name] for _, lines in self.waiting])
            source, line = scope_and_name(stage.sources.get(name, ""))
            if source in self.passed:
                return self.passed[source][line][steps]
            return term(self.trace, scope, name, steps)

        arithmetic = self.trace.header.arithmetic
        sums = stage.cell.sums
        part = gather(sums, values) if arithmetic is None else gather_in(find(arithmetic), sums, values)
        add(self.sums.setdefault(scope, {}), part)
        if self.visit:
            self.visit(stage, steps, values)


KINDS["str | Mapping[str, Any] | Cell"] = (
    (str, Mapping, Cell),
    "a cell: its name, its equations, a mapping as in {'kind': 'lstm', 'peephole': True}, or a Cell",
)


@checked
def adjoint(
    cell: str | Mapping[str, Any] | Cell,
    seeds: Sequence[str] | str | None = None,
    widths: Mapping[str, int] | None = None,
) -> Cell:
    """Return the adjoint of a cell as a cell: back-propagation through one step, written as equations.

    Args:
        cell: a name, a mapping with `kind` and options or with `equations`, as accepted by `lt.run`; the equations
            themselves; or a cell. Unless an option `bias` says otherwise, a named cell has no biases.
        seeds: the lines whose weighted sum is differentiated; the output if None.
        widths: of lines, states and inputs; needed if the cell concatenates.

    Returns:
        A cell that runs against time. Its inputs are the weights (`seed_h_t`) and the lines of the cell that it uses;
        `sums` are the gradients of the parameters; `gradient` maps each line to the value that it is the gradient of.
        `print` shows its equations, and `adjoint` accepts it again.

    Raises:
        OptionError: if the cell or an option does not exist, or a width is not a number from 1.
        CellError: if the equations are invalid, or a width is needed.
        MissingError: if a seed is not a line of the cell, or a width is that of nothing in it.

    >>> print(adjoint("z_t = W_x @ x_t\\nh_t = tanh(z_t)"))
    input: seed_h_t, x_t, h_t
    d_h_t = seed_h_t
    d_z_t = d_h_t * (1 - h_t * h_t)
    d_x_t = d_z_t @ W_x
    sum: d_W_x <- outer(d_z_t, x_t)
    gradient: d_h_t <- h_t, d_z_t <- z_t, d_x_t <- x_t, d_W_x <- W_x
    output: d_x_t
    """
    if isinstance(cell, Cell):
        own = cell
    else:
        spec = dict(cell) if isinstance(cell, Mapping) else {"equations" if "=" in cell else "kind": cell}
        extra = spec.pop("extra", "")
        own, reverse, *_ = cell_of(spec, set())
        if reverse is not None:
            said = "the adjoint is that of one direction; give the options of that direction"
            raise OptionError(f"option reverse: {said}")
        own = with_equations(own, extra) if extra else own
    lines = (own.output,) if seeds is None else listed("seeds", seeds)
    known = {*own.by_name, *own.inputs, *own.states}
    for name in lines:
        if name not in known:
            raise MissingError(f"seeds: the cell has no line {name!r}{nearest(name, own.by_name, 'its lines are')}")
    for name, width in (widths or {}).items():
        if name not in {*known, *own.parameters}:
            raise MissingError(f"widths: the cell has no value {name!r}{nearest(name, known, 'its values are')}")
        if not is_whole(width) or width < 1:
            raise OptionError(f"widths: {name}: expected a whole number from 1, found {describe(width)}")
    named = seed_names(Stage(0, "forward", own, {}), lines)
    return derived(own, {name: (fed,) for name, fed in named.items()}, widths)
