"""Verify: derive each line, and each sum over all steps, again from recorded operands, within what rounding explains.

Deriving lines again with our own operations finds corruption, not a wrong equation: that the equations are right is
shown by oracles that share no code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.lines import Line, Operand
from ..cell.network import Stage
from ..cell.ops import OPS
from ..documents.result import Result
from ..engine.plan.kernels import KERNELS
from ..errors import counted
from ..trace.address import INITIAL, line_name
from ..trace.argument_types import checked
from ..trace.derived import held_throughout, on_one_thread
from ..trace.trace import Trace
from ..trace.window import beside, between, rows
from .culprits import Failing, Failure, culprits, recorded_sums, suspects
from .rounding import FEW, beyond, bound, check_sums, chunks, derive, reach

#: Steps that are looked at; of a shorter trace than `LONG` so many rows too.
MOST = 4
#: Steps from which on all rows are looked at: those of four steps are then at most 2 % of the trace.
LONG = 200


#: Why values can be neither verified nor refuted: by `Unknown.kind` the sentence, whose `what` is that of the record.
REASONS = {
    "bound": "the rounding bound is not finite (a value overflowed)",
    "operands": "{what} was not recorded",
    "terms": "what it is the sum of was not recorded",
    "requested": "it was requested but not recorded",
    "adjoint": "{what}",
}


class Unknown(NamedTuple):
    """A line of which some values can be neither verified nor refuted. kind: one of `REASONS`; what: see there."""

    place: str
    kind: str
    values: int
    what: str = ""

    @property
    def reason(self) -> str:
        """The reason in a sentence."""
        return REASONS[self.kind].format(what=self.what)


@dataclass(frozen=True, repr=False)
class Verification(Result):
    """What `verify` found. verified, failed: numbers of values; premises are listed, not verified.

    suspects: the premises that all of several failing lines read.
    """

    verified: int
    failed: int
    failures: tuple[Failure, ...]
    unknown: tuple[Unknown, ...]
    premises: tuple[str, ...]
    suspects: tuple[str, ...] = ()

    @property
    def hint(self) -> str:
        """What was more likely changed than the lines, in a sentence; empty where nothing was."""
        names = " and ".join(self.suspects)
        return f"every failing line reads {names}: perhaps that was changed, not the lines" if names else ""

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
                sums.leave(stage, name, "terms", values.size)
    unknown = (*lines.unknown, *sums.unknown, *_other_equations(trace), *_unrecorded(trace))
    failures = tuple(culprits(trace, lines.failing, sums.failing))
    verified, failed = (getattr(lines, kind) + getattr(sums, kind) for kind in ("verified", "failed"))
    return Verification(verified, failed, failures, unknown, tuple(premises(trace)), suspects(trace, failures))


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
            self.leave(stage, name, "bound", unsure)
        bad = 0 if wrong is None else int(wrong.sum())
        if wrong is not None and bad:
            self.failing[stage.scope, name] = wrong
        self.failed += bad
        self.verified += values - unsure - bad

    def leave(self, stage: Stage, name: str, kind: str, values: int, what: str = "") -> None:
        """Values that can be neither verified nor refuted; see `Unknown`."""
        self.unknown.append(Unknown(f"{stage.scope}/{name}", kind, values, what))


def _check_lines(trace: Trace, stage: Stage, judged: _Judged) -> None:
    """Judge the recorded lines of a stage.

    Some steps of all lines at a time, so that what a line reads is in the cache from when it was checked itself.
    """
    here = trace.lines.get(stage.scope, {})
    lines = []
    for line in (line for line in stage.cell.lines if line.name in here):
        missing = [name for name in line.reads if not held_throughout(trace, stage.scope, name)]
        if missing:
            judged.leave(stage, line.name, "operands", here[line.name].size, ", ".join(missing))
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
            yield Unknown(stage.scope, "adjoint", 0, reason)


def _unrecorded(trace: Trace) -> Iterator[Unknown]:
    """Asked lines that the trace does not hold."""
    names = {name for values in trace.lines.values() for name in values}
    names |= {name for values in trace.given.values() for name in values}
    for text in trace.header.ask:
        name = line_name(text)
        if name not in names:
            yield Unknown(text, "requested", 0)


#: Values up to which a line is derived by its definition. More are by the calls of numpy's plan, which save memory: a
#: fault of those, which would then be no fault of a plan alone, is found in a few steps.
SMALL = 1 << 15


class Departures(NamedTuple):
    """wrong: values that are further from their derivation than rounding explains; unsure: those whose bound is not
    finite. Each like the values, or None where there are none.
    """

    wrong: Array | None = None
    unsure: Array | None = None


@np.errstate(all="ignore")
def departures(line: Line, operands: list[Array], recorded: Array, scratch: Scratch) -> Departures:
    """Hold recorded values against those that follow from `operands`."""
    derived = scratch.derive(line, operands, recorded.shape, recorded.dtype)
    ulp = OPS[line.op].ulp
    if ulp == 0:
        off = np.not_equal(recorded, derived, out=scratch.array("off", recorded.shape, bool))
        if not off.any():
            return Departures()
    elif line.product or ulp is not None:
        found = _of_product if line.product else _of_function
        if (told := found(line, operands, recorded, derived, scratch)) is not None:
            return told
    return beyond_limit(recorded, derived, np.broadcast_to(bound(line, operands, derived), recorded.shape))


@np.errstate(all="ignore")
def beyond_limit(recorded: Array, derived: Array, limit: Array) -> Departures:
    """The same with the bound of every value."""
    off, unsure = beyond(recorded, derived, limit)
    return Departures(off if off.any() else None, unsure if unsure.any() else None)


def _of_function(
    line: Line, operands: list[Array], recorded: Array, derived: Array, scratch: Scratch
) -> Departures | None:
    """Of a named function: nothing departs; None where something does, or a value is not finite."""
    ulp, info = OPS[line.op].ulp, np.finfo(derived.dtype)
    limit = np.abs(derived, out=scratch.array("limit", derived.shape, derived.dtype))
    if ulp is None or not np.isfinite(limit.max(initial=0.0)):
        return None
    limit *= ulp * info.eps
    limit += info.tiny
    return None if _over(recorded, derived, limit, scratch).any() else Departures()


def _of_product(
    line: Line, operands: list[Array], recorded: Array, derived: Array, scratch: Scratch
) -> Departures | None:
    """Of a product, its bounds worked out for the few values alone that need them; None where many do, or where a
    bound may overflow.

    Most are within n eps |derived|, which is less than a bound: |W x| is at most |W| |x| (see `of_sum`).
    """
    matrix, vector = (operands[line.operands.index(name)] for name in line.product or ())
    info, terms = np.finfo(derived.dtype), vector.shape[-1]
    largest = 2 * terms * terms * float(reach(matrix)) * float(reach(vector))
    if not (largest < info.max and math.isfinite(of_sum(largest, terms, info.dtype))):
        return None
    near = np.abs(derived, out=scratch.array("limit", derived.shape, derived.dtype))
    near *= terms * info.eps
    off = _over(recorded, derived, near, scratch)
    count = np.count_nonzero(off)
    if count == 0:
        return Departures()
    if count > FEW * off.size:
        return None
    places = np.nonzero(off)
    weights = np.abs((matrix if line.op == "matvec" else matrix.T)[places[-1]])
    rows = np.abs(np.broadcast_to(vector, (*off.shape[:-1], terms))[places[:-1]])
    limit = of_sum(np.einsum("kn,kn->k", weights, rows), terms, info.dtype)
    wrong, _ = beyond(recorded[places], derived[places], limit)
    if not wrong.any():
        return Departures()
    found = np.zeros(off.shape, bool)
    found[places] = wrong
    return Departures(found)


def _over(one: Array, two: Array, limit: Array, scratch: Scratch) -> Array:
    """Where the two are not within `limit`, NaN included."""
    gap = np.subtract(one, two, out=scratch.array("gap", two.shape, two.dtype))
    np.abs(gap, out=gap)
    off = np.less_equal(gap, limit, out=scratch.array("off", two.shape, bool))
    return np.logical_not(off, out=off)


class Scratch:
    """Memory for the blocks of a walk, used again by each: fresh memory costs more than what is computed in it.

    Arrays by what they are for; the next array of that name and dtype has the same memory.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array, without values."""
        size, key = math.prod(shape), (name, np.dtype(dtype))
        if key not in self._held or self._held[key].size < size:
            self._held[key] = np.empty(size, dtype)
        return self._held[key][:size].reshape(shape)

    def derive(self, line: Line, operands: list[Array], shape: tuple[int, ...], dtype: Any) -> Array:
        """The line's value from its operands."""
        out = self.array("value", shape, dtype)
        if line.product:
            matrix, vector = (operands[line.operands.index(name)] for name in line.product)
            lead = math.prod(vector.shape[:-1])
            if vector.shape[:-1] == shape[:-1] and vector.dtype == matrix.dtype == out.dtype:
                rows = self.array("rows", (lead, vector.shape[-1]), dtype)
                if vector.flags.c_contiguous:
                    rows = vector.reshape(rows.shape)
                else:
                    np.copyto(rows.reshape(vector.shape), vector)
                np.matmul(rows, matrix.T if line.op == "matvec" else matrix, out=out.reshape(lead, shape[-1]))
                return out
        if out.size <= SMALL:
            out[...] = OPS[line.op].array(operands, line.constants)
            return out
        for function, arguments in KERNELS[line.op](_Bench(self, out), out, operands, line.constants):
            function(*arguments)
        return out


class _Bench:
    """What a kernel needs beside its operands."""

    def __init__(self, scratch: Scratch, out: Array) -> None:
        self._scratch, self._out = scratch, out

    def number(self, value: float) -> Array:
        """The number as an operand."""
        return np.asarray(value, self._out.dtype)

    def scratch(self, mask: bool = False) -> Array:
        """Memory of the result's shape."""
        return self._scratch.array("beside", self._out.shape, bool if mask else self._out.dtype)
