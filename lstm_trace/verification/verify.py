"""Verify: derive each line again from its recorded operands, within what rounding explains.

Deriving lines again with our own operations finds corruption, not a wrong equation: that the equations are right is
shown by oracles that share no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base import conveniences
from ..base.arrays import Array
from ..cell.arithmetic import find
from ..cell.lines import Line, Operand
from ..cell.network import GIVEN, Stage
from ..cell.ops import OPS
from ..trace.address import INITIAL, Address, line_name
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .departures import Departures, beyond_limit, departures
from .departures import bound as bound
from .scratch import Scratch

#: Values of all lines that are derived at once: few enough to stay in a cache, enough for products to be fast.
CHUNK = 1 << 20
#: Culprits that are reported one by one; the rest is counted.
MOST = 20


class Failure(NamedTuple):
    """A value that its operands do not explain. `consequences` are the lines that fail only because they read it."""

    address: Address
    op: str
    recorded: float
    derived: float
    bound: float
    values: int  # failing values of this line at this step
    consequences: tuple[str, ...]


class Unknown(NamedTuple):
    """A line of which some values can be neither verified nor refuted, with the reason."""

    place: str
    reason: str
    values: int


@dataclass(frozen=True)
class Verification:
    """What `verify` found. verified, failed: numbers of values; premises are listed, not verified."""

    verified: int
    failed: int
    failures: tuple[Failure, ...]
    unknown: tuple[Unknown, ...]
    premises: tuple[str, ...]
    hint: str = ""

    @property
    def status(self) -> str:
        """`verified`, `failed` or `inconclusive`."""
        if self.failed:
            return "failed"
        return "inconclusive" if self.unknown or not self.verified else "verified"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = conveniences.call("verification.html", self)
        return html


@checked
def verify(trace: Trace) -> Verification:
    """Derive every recorded line again from its recorded operands (docs/verify.md).

    Args:
        trace: the trace.

    Returns:
        `status` (`verified`, `failed` or `inconclusive`), the failures in computing order, and the premises.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> lt.verify(trace).status
    'verified'
    >>> trace["i_t"][0, 0, 0] = 0.7
    >>> [str(failure.address) for failure in lt.verify(trace).failures]
    ['0/forward/0/0/i_t[0]']
    """
    verified = 0
    failing: dict[tuple[str, str], Array] = {}
    unknown: list[Unknown] = []
    for stage in trace.stages:
        lines = [line for at, line, _ in trace.recorded() if at is stage]
        missing = {line.name: [name for name in line.reads if not _held(trace, stage, name)] for line in lines}
        unsure = _check_all(trace, stage, [line for line in lines if not missing[line.name]], failing)
        for line in lines:
            place, values = f"{stage.scope}/{line.name}", trace.lines[stage.scope][line.name].size
            if missing[line.name]:
                unknown.append(Unknown(place, f"{', '.join(missing[line.name])} was not recorded", values))
                continue
            if count := unsure[line.name]:
                unknown.append(Unknown(place, "the rounding bound is not finite (a value overflowed)", count))
            wrong = failing.get((stage.scope, line.name))
            verified += values - count - (0 if wrong is None else int(wrong.sum()))
    unknown += _unrecorded(trace)
    failed = sum(int(mask.sum()) for mask in failing.values())
    failures = tuple(_culprits(trace, failing))
    return Verification(verified, failed, failures, tuple(unknown), tuple(premises(trace)), _hint(trace, failures))


def derive(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """The line's value from its recorded operands at `steps`, and the bound; both (steps, B, width).

    A trace of another arithmetic is derived in that one, exactly.
    """
    shape = trace.lines[stage.scope][line.name][steps].shape
    operands = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    if trace.header.arithmetic is not None:
        arithmetic = find(trace.header.arithmetic)
        return np.broadcast_to(arithmetic.compute(line, [arithmetic.read(o) for o in operands]), shape), np.zeros(shape)
    with np.errstate(all="ignore"):
        value = np.asarray(OPS[line.op].array(operands, line.constants), trace.header.dtype)
        return np.broadcast_to(value, shape), np.broadcast_to(bound(line, operands, value), shape)


def premises(trace: Trace) -> Iterator[str]:
    """What the trace takes as given: parameters, inputs, lengths or mask, initial states, supplied lines."""
    for scope, values in trace.parameters.items():
        yield from (f"{scope}/{name}" for name in values)
    if trace.x is not None:
        yield "x_t"
    if trace.padded:
        yield trace.padded
    for scope, values in trace.initial.items():
        yield from (f"{scope}/{INITIAL.get(name, name)}" for name in values)
    for scope, values in trace.given.items():
        yield from (f"{scope}/{name} (given)" for name in values)


def _held(trace: Trace, stage: Stage, name: str) -> bool:
    """Whether `name` was recorded at every step: of a state, its initial value and the line that it carries."""
    ends = slice(0, 1), slice(trace.steps - 1, trace.steps)
    return all(trace.operand(stage.scope, name, end) is not None for end in ends)


def chunks(steps: int, each: int, most: int = CHUNK) -> list[slice]:
    """The steps in slices of at most `most` values; each: values of one step."""
    count = max(most // max(each, 1), 1)
    return [slice(begin, min(begin + count, steps)) for begin in range(0, steps, count)]


def _check_all(
    trace: Trace, stage: Stage, lines: Sequence[Line], failing: dict[tuple[str, str], Array]
) -> dict[str, int]:
    """Put the wrong values of the lines into `failing`; of how many values of each line nothing can be said.

    Some steps of all lines at a time, so that what a line reads is in the cache from when it was checked itself.
    """
    here = trace.lines.get(stage.scope, {})
    unsure = dict.fromkeys((line.name for line in lines), 0)
    scratch = Scratch()
    for steps in chunks(trace.steps, sum(here[name][0].size for name in unsure)):
        read: dict[Operand, Array] = {}
        for line in lines:
            for name in line.operands:
                if name not in read:
                    read[name] = trace.operand(stage.scope, name, steps)
            found = _check(trace, stage, line, steps, [read[name] for name in line.operands], scratch)
            if found.wrong is not None:
                shape = here[line.name].shape
                failing.setdefault((stage.scope, line.name), np.zeros(shape, bool))[steps] = found.wrong
            unsure[line.name] += 0 if found.unsure is None else int(found.unsure.sum())
    return unsure


def _check(trace: Trace, stage: Stage, line: Line, steps: slice, operands: list[Array], scratch: Scratch) -> Departures:
    """Which values at `steps` are wrong, and of which that cannot be said."""
    recorded = trace.lines[stage.scope][line.name][steps]
    if trace.header.arithmetic is not None:
        return beyond_limit(recorded, *derive(trace, stage, line, steps))
    return departures(line, operands, recorded, scratch)


def _unrecorded(trace: Trace) -> Iterator[Unknown]:
    """Asked lines that the trace does not hold."""
    names = {name for values in trace.lines.values() for name in values}
    names |= {name for values in trace.given.values() for name in values}
    for text in trace.header.ask:
        name = line_name(text)
        if name not in names:
            yield Unknown(text, "it was requested but not recorded", 0)


# -- which change explains which failure --------------------------------------------------------------------------


def _order(trace: Trace, failing: dict[tuple[str, str], Array]) -> tuple[int, int, int, int] | None:
    """The earliest failing (stage, visit, line, step) in computing order."""
    found = []
    for (scope, name), mask in failing.items():
        index = trace.scopes.index(scope)
        stage = trace.stages[index]
        steps = np.flatnonzero(mask.any(axis=(1, 2)))
        if steps.size:
            reverse = stage.backwards
            t = int(steps[-1] if reverse else steps[0])
            visit = trace.steps - 1 - t if reverse else t
            found.append((index, visit, stage.cell.lines.index(stage.cell.by_name[name]), t))
    return min(found, default=None)


def _culprits(trace: Trace, failing: dict[tuple[str, str], Array]) -> Iterator[Failure]:
    """The earliest failing lines; each is put right in a copy, and what then holds again is its consequence."""
    failing = {key: mask.copy() for key, mask in failing.items()}
    work = replace(trace, lines={scope: dict(values) for scope, values in trace.lines.items()})
    for _ in range(MOST):
        first = _order(trace, failing)
        if first is None:
            return
        stage, t = trace.stages[first[0]], first[3]
        line = stage.cell.lines[first[2]]
        mask = failing[stage.scope, line.name][t].copy()
        failing[stage.scope, line.name][t] = False
        derived, limit = derive(work, stage, line, slice(t, t + 1))
        before = work.lines[stage.scope][line.name]
        mended = before.copy()
        mended[t] = np.where(mask, derived[0], before[t])
        work.lines[stage.scope][line.name] = mended
        explained, consistent = _explained(work, failing, _reading(trace, stage, line.name, t))
        if not consistent:  # later lines were computed from the wrong value: it was wrong from the start
            work.lines[stage.scope][line.name] = before
        b, j = (int(n) for n in np.argwhere(mask)[0])
        address = Address(line.name, stage.layer, stage.direction, trace.span[t], b, (j,))
        numbers = (float(before[t, b, j]), float(derived[0, b, j]), float(limit[0, b, j]))
        yield Failure(address, line.op, *numbers, int(mask.sum()), tuple(explained))


def _reading(trace: Trace, stage: Stage, name: str, t: int) -> Iterator[tuple[Stage, Line, int]]:
    """(stage, line, step) of every line that reads `name` of `stage` at step `t`, and nothing that is not recorded."""
    after = t - 1 if stage.backwards else t + 1
    places = [(stage, name, t)]
    places += [(stage, state, after) for state, carried in stage.cell.carry if carried == name]
    source = f"{stage.scope}/{name}"
    places += [(s, alias, t) for s in trace.stages for alias, origin in s.sources.items() if origin == source]
    for reader, operand, step in places:
        if 0 <= step < trace.steps:
            for line in reader.cell.readers.get(operand, ()):
                recorded = line.name in trace.lines.get(reader.scope, {})
                if not recorded and line.name in reader.cell.inner:  # its readers are derived from what it reads
                    places.append((reader, line.name, step))
                if recorded and all(_held(trace, reader, other) for other in line.reads):
                    yield reader, line, step


def _explained(
    work: Trace, failing: dict[tuple[str, str], Array], reading: Iterator[tuple[Stage, Line, int]]
) -> tuple[list[str], bool]:
    """Addresses of readers that hold once the culprit is put right (and are then dropped from `failing`); whether no
    reader fails that held before."""
    held: list[tuple[tuple[str, str], int, Array]] = []
    for stage, line, t in reading:
        steps = slice(t, t + 1)
        operands = [work.operand(stage.scope, name, steps) for name in line.operands]
        found = _check(work, stage, line, steps, operands, Scratch()).wrong
        mask = failing.get((stage.scope, line.name))
        wrong = np.zeros(work.lines[stage.scope][line.name].shape[1:], bool) if found is None else found[0]
        was = np.zeros_like(wrong) if mask is None else mask[t]
        if (wrong & ~was).any():
            return [], False
        if (was & ~wrong).any():
            held.append(((stage.scope, line.name), t, wrong))
    names = []
    for (scope, name), t, wrong in held:
        failing[scope, name][t] = wrong
        names.append(f"{scope}/{work.span[t]}/{name}")
    return names, True


def _hint(trace: Trace, failures: Sequence[Failure]) -> str:
    """A premise that all the failing lines read: more likely changed than all of them."""
    if len(failures) < 2:
        return ""
    shared: set[str] | None = None
    for failure in failures:
        stage = trace.stage(failure.address.scope)
        reads = {
            n for n in stage.cell.by_name[failure.address.line].reads
            if n in stage.cell.parameters or stage.sources.get(n, "/") in ("x", GIVEN)
        }  # fmt: skip
        shared = reads if shared is None else shared & reads
    if not shared:
        return ""
    return f"every failing line reads {' and '.join(sorted(shared))}: perhaps that was changed, not the lines"
