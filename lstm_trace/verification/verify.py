"""Verify: derive each line, and each sum over all steps, again from recorded operands, within what rounding explains.

Deriving lines again with our own operations finds corruption, not a wrong equation: that the equations are right is
shown by oracles that share no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import Stage
from ..documents.result import Result
from ..errors import counted
from ..trace.address import INITIAL, line_name
from ..trace.argument_types import checked
from ..trace.derived import held_throughout, on_one_thread
from ..trace.trace import Trace
from ..trace.window import beside, between, rows
from .culprits import Failing, Failure, culprits, hint, recorded_sums
from .departures import Departures, Scratch, beyond_limit, departures
from .rounding import check_sums, chunks, derive

#: Steps that are looked at; of a shorter trace than `LONG` so many rows too.
MOST = 4
#: Steps from which on all rows are looked at: those of four steps are then at most 2 % of the trace.
LONG = 200


class Unknown(NamedTuple):
    """A line of which some values can be neither verified nor refuted, with the reason."""

    place: str
    reason: str
    values: int


@dataclass(frozen=True, repr=False)
class Verification(Result):
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

    def __repr__(self) -> str:
        values = counted(self.verified, "value")
        if self.status == "verified":
            return f"<Verification verified: {values}>"
        first = f", first {self.failures[0].address}" if self.failures else ""
        return f"<Verification {self.status}: {values} verified, {self.failed:,} failed{first}; print(…) has all>"


@checked
@on_one_thread
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
    lines, sums = _Judged(), _Judged()
    for stage in trace.stages:
        _check_lines(trace, stage, lines)
    for stage in trace.stages:
        known = recorded_sums(trace, stage)
        for name, (wrong, open_, _) in check_sums(trace, stage, known).items():
            sums.add(stage, name, wrong.size, wrong, int(open_.sum()))
        known_names = {gathered.name for gathered in known}
        for name, values in trace.sums.get(stage.scope, {}).items():
            if name not in known_names:
                sums.leave(stage, name, "what it is the sum of was not recorded", values.size)
    unknown = (*lines.unknown, *sums.unknown, *_other_equations(trace), *_unrecorded(trace))
    failures = tuple(culprits(trace, lines.failing, sums.failing))
    verified, failed = (getattr(lines, kind) + getattr(sums, kind) for kind in ("verified", "failed"))
    return Verification(verified, failed, failures, unknown, tuple(premises(trace)), hint(trace, failures))


def first_failure(trace: Trace) -> Failure | None:
    """The first value that its operands do not explain, of every line and unit at some steps.

    At the first, the last and two random steps; at all, and of the sums over them, where there are four at most. None
    where all are verified, or could not be.
    """
    whole = range(trace.batch)
    which = whole if trace.steps >= LONG else _some(trace.batch)
    steps = _some(trace.steps)
    few = [between(trace, trace.span[t : t + 1]) for t in steps] if len(steps) < trace.steps else [trace]
    if len(which) < len(whole):
        few = [rows(part, np.array(which)) for part in few]
    if not verify(beside(few)).failed:
        return None
    found = [failure for part in few for failure in verify(part).failures]  # and now, at leisure, which was first

    def computed(failure: Failure) -> tuple[int, int]:
        stage, t = trace.stage(failure.address.scope), failure.address.t
        when = trace.span.stop if t is None else t  # a sum is over all steps
        return trace.scopes.index(stage.scope), -when if stage.backwards and t is not None else when

    first = min(found, key=computed)
    b = first.address.b
    return first if b is None else first._replace(address=first.address._replace(b=which[b]))


def _some(count: int) -> Sequence[int]:
    """The first, the last and two random places."""
    if count <= MOST:
        return range(count)
    return [0, *sorted(SystemRandom().sample(range(1, count - 1), MOST - 2)), count - 1]


@dataclass
class _Judged:
    """Values of lines, or of sums, that were derived again."""

    verified: int = 0
    failed: int = 0
    failing: Failing = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)

    def add(self, stage: Stage, name: str, values: int, wrong: Array | None, unsure: int) -> None:
        """A line or sum of so many values, with the wrong ones; unsure: of how many others the bound is not finite."""
        if unsure:
            self.leave(stage, name, "the rounding bound is not finite (a value overflowed)", unsure)
        bad = 0 if wrong is None else int(wrong.sum())
        if wrong is not None and bad:
            self.failing[stage.scope, name] = wrong
        self.failed += bad
        self.verified += values - unsure - bad

    def leave(self, stage: Stage, name: str, reason: str, values: int) -> None:
        """Values that can be neither verified nor refuted."""
        self.unknown.append(Unknown(f"{stage.scope}/{name}", reason, values))


def _check_lines(trace: Trace, stage: Stage, judged: _Judged) -> None:
    """Judge the recorded lines of a stage.

    Some steps of all lines at a time, so that what a line reads is in the cache from when it was checked itself.
    """
    here = trace.lines.get(stage.scope, {})
    lines = []
    for line in (line for line in stage.cell.lines if line.name in here):
        missing = [name for name in line.reads if not held_throughout(trace, stage.scope, name)]
        if missing:
            judged.leave(stage, line.name, f"{', '.join(missing)} was not recorded", here[line.name].size)
        else:
            lines.append(line)
    wrong: dict[str, Array] = {}
    unsure = dict.fromkeys((line.name for line in lines), 0)
    scratch = Scratch()
    for steps in chunks(trace.steps, sum(here[name][0].size for name in unsure)):
        read: dict[Operand, Array] = {}
        for line in lines:
            read |= {o: trace.operand(stage.scope, o, steps) for o in line.operands if o not in read}
            found = _departures(trace, stage, line, steps, [read[o] for o in line.operands], scratch)
            if found.wrong is not None:
                wrong.setdefault(line.name, np.zeros(here[line.name].shape, bool))[steps] = found.wrong
            unsure[line.name] += 0 if found.unsure is None else int(found.unsure.sum())
    for line in lines:
        judged.add(stage, line.name, here[line.name].size, wrong.get(line.name), unsure[line.name])


def _departures(
    trace: Trace, stage: Stage, line: Line, steps: slice, operands: list[Array], scratch: Scratch
) -> Departures:
    """Which values at `steps` are wrong, and of which that cannot be said."""
    recorded = trace.lines[stage.scope][line.name][steps]
    if trace.header.arithmetic is not None:
        return beyond_limit(recorded, *derive(trace, stage, line, steps))
    return departures(line, operands, recorded, scratch)


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


def _other_equations(trace: Trace) -> Iterator[Unknown]:
    """Adjoint stages whose equations are not the adjoint of their forward stage: no proof of a gradient."""
    back = [stage for stage in trace.stages if stage.is_adjoint and stage.owner in trace.scopes]
    if not back:
        return
    from .adjoints import unlike_adjoint  # a command that runs a model verifies a little, and has no adjoints

    for stage in back:
        if reason := unlike_adjoint(trace, stage):
            yield Unknown(stage.scope, reason, 0)


def _unrecorded(trace: Trace) -> Iterator[Unknown]:
    """Asked lines that the trace does not hold."""
    names = {name for values in trace.lines.values() for name in values}
    names |= {name for values in trace.given.values() for name in values}
    for text in trace.header.ask:
        name = line_name(text)
        if name not in names:
            yield Unknown(text, "it was requested but not recorded", 0)
