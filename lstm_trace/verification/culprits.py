"""Separates failing values that are wrong themselves from those that fail only because they depend on wrong ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import GatheredSum, Line
from ..cell.network import GIVEN, Stage, X
from ..trace.address import Address
from ..trace.derived import GATHERED, held_throughout
from ..trace.trace import Trace
from .rounding import beyond, check_sums, derive

#: Maximum number of culprits that are reported individually; the others are counted.
MOST = 20

#: By scope and name, which values of a line (T, B, width), or of a sum, fail.
Failing = dict[tuple[str, str], Array]
#: A stage, one of its names, and a step.
Place = tuple[Stage, str, int]


class Failure(NamedTuple):
    """A value that its operands do not explain. `consequences` are the lines that fail only because they depend on it.

    values: number of failing values of this line at this step, or of this sum.
    """

    address: Address
    op: str
    recorded: float
    derived: float
    bound: float
    values: int
    consequences: tuple[str, ...]


def culprits(trace: Trace, failing: Failing) -> Iterator[Failure]:
    """The earliest failing values; each line is corrected in a copy, and lines that then pass are its consequences."""
    failing = {key: mask.copy() for key, mask in failing.items()}
    work = replace(trace, lines={scope: dict(values) for scope, values in trace.lines.items()})
    for _ in range(MOST):
        if (first := min(_in_order(trace, failing), default=None)) is None:
            return
        index, gathered, visit, at = first
        stage = trace.stages[index]
        if not gathered:
            t = trace.steps - 1 - visit if stage.backwards else visit
            yield _line(work, stage, stage.cell.lines[at], t, failing)
            continue
        summed = stage.cell.sums[at]  # nothing depends on it
        mask = failing.pop((stage.scope, summed.name))
        derived, limit = check_sums(work, stage, [summed])[summed.name][2]
        entry = tuple(int(n) for n in np.argwhere(mask)[0])
        address = Address(summed.name, stage.layer, stage.direction, unit=entry)
        recorded = float(work.sums[stage.scope][summed.name][entry])
        yield Failure(address, GATHERED, recorded, float(derived[entry]), float(limit[entry]), int(mask.sum()), ())


def _in_order(trace: Trace, failing: Failing) -> Iterator[tuple[int, bool, int, int]]:
    """For each failing line the earliest (stage, whether it is a sum, visit, line); the smallest is computed first.

    Sums come after all steps of their stage.
    """
    for (scope, name), mask in failing.items():
        index = trace.scopes.index(scope)
        stage, gathered = trace.stages[index], name in trace.sums.get(scope, {})
        names = [one.name for one in (stage.cell.sums if gathered else stage.cell.lines)]
        if mask.any():
            steps = [0] if gathered else np.flatnonzero(mask.any(axis=(1, 2)))
            visit = trace.steps - 1 - int(steps[-1]) if stage.backwards and not gathered else int(steps[0])
            yield index, gathered, visit, names.index(name)


def _line(work: Trace, stage: Stage, line: Line, t: int, failing: Failing) -> Failure:
    """A line that its operands do not explain at a step; it is corrected in `work`, unless later lines contradict
    that.
    """
    mask = failing[stage.scope, line.name][t].copy()
    failing[stage.scope, line.name][t] = False
    derived, limit = derive(work, stage, line, slice(t, t + 1))
    before = work.lines[stage.scope][line.name]
    mended = before.copy()
    mended[t] = np.where(mask, derived[0], before[t])
    work.lines[stage.scope][line.name] = mended
    explained = _explained(work, failing, list(_places(work, stage, line.name, t)))
    if explained is None:  # later lines were computed from the wrong value: it was wrong from the start
        work.lines[stage.scope][line.name] = before
    b, j = (int(n) for n in np.argwhere(mask)[0])
    address = Address(line.name, stage.layer, stage.direction, work.span[t], b, (j,))
    numbers = (float(before[t, b, j]), float(derived[0, b, j]), float(limit[0, b, j]))
    return Failure(address, line.op, *numbers, int(mask.sum()), tuple(explained or ()))


def _places(trace: Trace, stage: Stage, name: str, t: int) -> Iterator[Place]:
    """Where the value of `name` of `stage` at step `t` is used, and under which name.

    That is: in the same place; as a state, at the step that is visited next; in other stages; and in lines that were
    not recorded, which are derived from their operands.
    """
    waiting: list[Place] = [(stage, name, t)]
    while waiting:
        here, called, step = waiting.pop(0)
        if not 0 <= step < trace.steps:
            continue
        yield here, called, step
        after = step - 1 if here.backwards else step + 1
        waiting += [(here, state, after) for state, carried in here.cell.carry if carried == called]
        source = f"{here.scope}/{called}"
        waiting += [(s, alias, step) for s in trace.stages for alias, from_ in s.sources.items() if from_ == source]
        for line in here.cell.readers.get(called, ()):
            if line.name in here.cell.inner and line.name not in trace.lines.get(here.scope, {}):
                waiting.append((here, line.name, step))


def _explained(work: Trace, failing: Failing, places: Sequence[Place]) -> list[str] | None:
    """The addresses of values that depend on one of `places` and pass once the culprit is corrected; they are removed
    from the failing ones. None if a dependent value that passed before then fails.
    """
    held: list[tuple[tuple[str, str], Any, Array]] = []
    names = []

    def contradicts(scope: str, name: str, t: int | None, wrong: Array) -> bool:
        key, at = (scope, name), ... if t is None else t
        was = failing[key][at] if key in failing else np.zeros_like(wrong)
        if (was & ~wrong).any():
            held.append((key, at, wrong))
            names.append(f"{scope}/{name}" if t is None else f"{scope}/{work.span[t]}/{name}")
        return bool((wrong & ~was).any())

    read: dict[str, set[str]] = {}
    for stage, name, t in places:
        read.setdefault(stage.scope, set()).add(name)
        for line in stage.cell.readers.get(name, ()):
            recorded = line.name in work.lines.get(stage.scope, {})
            if recorded and all(held_throughout(work, stage.scope, other) for other in line.reads):
                at = slice(t, t + 1)
                wrong, _ = beyond(work.lines[stage.scope][line.name][at], *derive(work, stage, line, at))
                if contradicts(stage.scope, line.name, t, wrong[0]):
                    return None
    for scope, called in read.items():
        stage = work.stage(scope)
        reading = [gathered for gathered in recorded_sums(work, stage) if not called.isdisjoint(gathered.reads)]
        for name, (wrong, _, _) in check_sums(work, stage, reading).items():
            if contradicts(scope, name, None, wrong):
                return None
    for key, at, wrong in held:
        failing[key][at] = wrong
    return names


def recorded_sums(trace: Trace, stage: Stage) -> list[GatheredSum]:
    """The recorded sums of a stage whose terms were all recorded."""
    there = trace.sums.get(stage.scope, {})
    sums = (gathered for gathered in stage.cell.sums if gathered.name in there)
    return [one for one in sums if all(held_throughout(trace, stage.scope, name) for name in one.reads)]


def suspects(trace: Trace, failures: Sequence[Failure]) -> tuple[str, ...]:
    """The premises shared by several failing lines: more likely to have been changed than all of the lines."""
    read: list[set[str]] = []
    for failure in failures if len(failures) > 1 else ():
        stage, name = trace.stage(failure.address.scope), failure.address.line
        line = stage.cell.by_name.get(name)
        reads = line.reads if line else next(gathered.reads for gathered in stage.cell.sums if gathered.name == name)
        stages = stage, trace.stage(stage.owner)  # an adjoint reads x from its forward stage
        given = (n for n in reads if any(one.sources.get(n) in (X, GIVEN) for one in stages))
        read.append({*given, *(n for n in reads if n in stage.cell.parameters)})
    return tuple(sorted(set.intersection(*read))) if read else ()
