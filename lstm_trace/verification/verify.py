"""Verify: derive each line, and each sum over all steps, again from recorded operands, within the rounding bound.

Deriving lines again with our own operations detects corruption, not a wrong equation: oracles that share no code show
that the equations are correct.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, by_key
from ..base.remark import Remark
from ..base.rounding import of_sum
from ..cell.adjoint import adjoint, read_by, secants
from ..cell.lines import Line, Operand
from ..cell.network import GIVEN, Stage
from ..cell.ops import OPS
from ..documents.result import Result
from ..engine.plan.kernels import KERNELS, Outside
from ..engine.plan_choice import pieces
from ..errors import LstmTraceError, counted
from ..languages.strings import Words, words
from ..trace.address import INITIAL, line_name
from ..trace.argument_types import checked
from ..trace.derived import held_throughout, on_one_thread, sizes
from ..trace.not_finite import NotFinite, first_not_finite
from ..trace.trace import Trace
from ..trace.window import arrays, beside, between, names, rows
from .culprits import Failing, Failure, culprits, recorded_sums, suspects
from .rounding import FEW, beyond, bound, check_sums, derive, reach

#: Number of steps that are checked; in a trace shorter than `LONG`, also of sequences.
MOST = 4
#: From this many steps on all sequences are checked: those of four steps are then at most 2 % of the trace.
LONG = 200
#: The ending of the name of a premise that is a supplied line.
SUPPLIED = " (given)"


class Unknown(NamedTuple):
    """A line with values that can be neither verified nor refuted.

    kind: the reason. `bound`: the rounding bound is not finite; `operands`: `what` was not recorded; `terms`: the terms
    of its sum were not; `requested`: it was not recorded itself; `adjoint`: `what`, since it may not be a gradient.
    """

    place: str
    kind: str
    values: int
    what: str | Remark = ""

    def why(self, words: Words) -> str:
        """The reason in a sentence."""
        return Remark(f"verification.why.{self.kind}", {"what": self.what}).said(words)

    @property
    def reason(self) -> str:
        """The reason as an English sentence."""
        return self.why(words())


def hint(suspects: Sequence[str], words: Words) -> str:
    """The sentence about premises that were more likely changed than the lines; empty if there are none."""
    names = words.table["and"].join(suspects)
    return words.word("verification.suspects", names=names) if names else ""


@dataclass(frozen=True, eq=False, repr=False)
class Verification(Result):
    """The result of `verify`. verified, failed: numbers of values; premises are listed, not verified.

    suspects: the premises shared by several failing lines. not_finite: the first value that is NaN or infinite.
    """

    verified: int
    failed: int
    failures: tuple[Failure, ...]
    unknown: tuple[Unknown, ...]
    premises: tuple[str, ...]
    suspects: tuple[str, ...] = ()
    not_finite: NotFinite | None = None

    @property
    def hint(self) -> str:
        """The premises that were more likely changed than the lines, in a sentence; empty if there are none."""
        return hint(self.suspects, words())

    @property
    def verdict(self) -> str:
        """`verified`, `failed` or `inconclusive`."""
        if self.failed:
            return "failed"
        return "inconclusive" if self.unknown or not self.verified else "verified"

    def __repr__(self) -> str:
        values = counted(self.verified, "value")
        if self.verdict == "verified":
            return f"<Verification verified: {values}>"
        first = f", first {self.failures[0].address}" if self.failures else ""
        return f"<Verification {self.verdict}: {values} verified, {self.failed:,} failed{first}; print(…) has all>"


@checked
@on_one_thread
def verify(trace: Trace) -> Verification:
    """Derive every recorded line again from its recorded operands (docs/verify.md).

    Args:
        trace: the trace.

    Returns:
        `verdict` (`verified`, `failed` or `inconclusive`), the failures in order of computation, and the premises.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> lt.verify(trace).verdict
    'verified'
    >>> [str(failure.address) for failure in lt.verify(trace.with_values({"i_t[0]": 0.7})).failures]
    ['0/forward/0/0/i_t[0]']
    """
    judged = _Judged()
    for stage in trace.stages:
        _check_lines(trace, stage, judged)
    for stage in trace.stages:
        known = recorded_sums(trace, stage)
        for name, (wrong, open_, _) in check_sums(trace, stage, known).items():
            judged.add(stage, name, wrong.size, wrong, int(open_.sum()))
        known_names = {gathered.name for gathered in known}
        for name, values in trace.sums.get(stage.scope, {}).items():
            if name not in known_names:
                judged.leave(stage, name, "terms", values.size)
    for stage in trace.stages:
        if stage.is_adjoint and stage.owner in trace.scopes and (reason := unlike_adjoint(trace, stage)):
            judged.unknown.append(Unknown(stage.scope, "adjoint", 0, reason))
    held = names(trace, "lines", "given")
    judged.unknown += (Unknown(text, "requested", 0) for text in trace.header.ask if line_name(text) not in held)
    failures = tuple(culprits(trace, judged.failing))
    counts = judged.verified, judged.failed
    shared, given = suspects(trace, failures), tuple(premises(trace))
    return Verification(*counts, failures, tuple(judged.unknown), given, shared, first_not_finite(trace))


def first_failure(trace: Trace) -> Failure | None:
    """The first value that its operands do not explain, checking every line and unit at some steps.

    Checked are the first, the last and two random steps; if there are at most four, all steps and the sums over them.
    None if all values are verified, or could not be checked.
    """
    whole = range(trace.batch)
    which = whole if trace.steps >= LONG else _some(trace.batch)
    steps = _some(trace.steps)
    few = [between(trace, trace.span[t : t + 1]) for t in steps] if len(steps) < trace.steps else [trace]
    if len(which) < len(whole):
        few = [rows(part, np.array(which)) for part in few]
    if not verify(beside(few)).failed:
        return None
    found = [failure for part in few for failure in verify(part).failures]  # then determine which was first

    def computed(failure: Failure) -> tuple[int, int]:
        scope, t = failure.address.scope, failure.address.t
        when = trace.span.stop if t is None else -t if trace.stage(scope).backwards else t  # a sum is over all steps
        return trace.scopes.index(scope), when

    first = min(found, key=computed)
    b = first.address.b
    return first if b is None else first._replace(address=first.address._replace(b=which[b]))


def _some(count: int) -> Sequence[int]:
    """The first, the last and two random indices."""
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
        """Add a line or sum with this many values and the wrong ones; unsure: how many others have no finite bound."""
        if unsure:
            self.leave(stage, name, "bound", unsure)
        bad = 0 if wrong is None else int(wrong.sum())
        if wrong is not None and bad:
            self.failing[stage.scope, name] = wrong
        self.failed += bad
        self.verified += values - unsure - bad

    def leave(self, stage: Stage, name: str, kind: str, values: int, what: str | Remark = "") -> None:
        """Add values that can be neither verified nor refuted; see `Unknown`."""
        self.unknown.append(Unknown(f"{stage.scope}/{name}", kind, values, what))


def _check_lines(trace: Trace, stage: Stage, judged: _Judged) -> None:
    """Check the recorded lines of a stage.

    Some steps of all lines at a time, so that a line's operands are still in the cache from their own check.
    """
    here = trace.lines.get(stage.scope, {})
    lines = []
    for line in (line for line in stage.cell.lines if line.name in here):
        if missing := [name for name in line.reads if not held_throughout(trace, stage.scope, name)]:
            judged.leave(stage, line.name, "operands", here[line.name].size, ", ".join(missing))
        else:
            lines.append(line)
    wrong: dict[str, Array] = {}
    unsure = dict.fromkeys((line.name for line in lines), 0)
    scratch = Scratch()
    for steps in pieces(trace.steps, sum(here[name][0].size for name in unsure)):
        read: dict[Operand, Array] = {}
        for line in lines:
            read |= {o: trace.operand(stage.scope, o, steps) for o in line.operands if o not in read}
            recorded, operands = here[line.name][steps], [read[o] for o in line.operands]
            if trace.header.arithmetic is None:
                found = departures(line, operands, recorded, scratch)
            else:
                found = beyond_limit(recorded, *derive(trace, stage, line, steps))
            if found.wrong is not None:
                wrong.setdefault(line.name, np.zeros(here[line.name].shape, bool))[steps] = found.wrong
            unsure[line.name] += 0 if found.unsure is None else int(found.unsure.sum())
    for line in lines:
        judged.add(stage, line.name, here[line.name].size, wrong.get(line.name), unsure[line.name])


def premises(trace: Trace) -> Iterator[str]:
    """The premises of a trace: parameters, inputs, lengths or mask, initial states, supplied lines."""
    yield from (f"{scope}/{name}" for _, scope, name, _ in arrays(trace, "parameters"))
    if trace.x is not None:
        yield "x_t"
    if trace.padded:
        yield trace.padded
    yield from (f"{scope}/{INITIAL.get(name, name)}" for _, scope, name, _ in arrays(trace, "initial"))
    yield from (f"{scope}/{name}{SUPPLIED}" for _, scope, name, _ in arrays(trace, "given"))


#: Up to this size a line is derived by its definition. Larger ones use the calls of the numpy plan, which save memory:
#: a fault in those, which would then go unnoticed in a plan, is found in a few steps.
SMALL = 1 << 15


class Departures(NamedTuple):
    """wrong: values that deviate from their derivation by more than rounding; unsure: those without a finite bound.
    Each has the shape of the values, or is None if there are none.
    """

    wrong: Array | None = None
    unsure: Array | None = None


@np.errstate(all="ignore")
def departures(line: Line, operands: list[Array], recorded: Array, scratch: Scratch) -> Departures:
    """Compare recorded values with those derived from `operands`."""
    derived = scratch.derive(line, operands, recorded.shape, recorded.dtype)
    ulp = OPS[line.op].ulp
    if ulp == 0:
        if not np.not_equal(recorded, derived, out=scratch.array("off", recorded.shape, bool)).any():
            return Departures()
    elif ulp is not None:
        limit, info = np.abs(derived, out=scratch.array("limit", derived.shape, derived.dtype)), np.finfo(derived.dtype)
        if np.isfinite(limit.max(initial=0.0)):
            limit *= ulp * info.eps
            limit += info.tiny
            if not _over(recorded, derived, limit, scratch).any():
                return Departures()
    elif line.product and (found := _of_product(line, operands, recorded, derived, scratch)) is not None:
        return found
    return beyond_limit(recorded, derived, np.broadcast_to(bound(line, operands, derived), recorded.shape))


@np.errstate(all="ignore")
def beyond_limit(recorded: Array, derived: Array, limit: Array) -> Departures:
    """The same with the bound of every value."""
    off, unsure = beyond(recorded, derived, limit)
    return Departures(off if off.any() else None, unsure if unsure.any() else None)


def _of_product(
    line: Line, operands: list[Array], recorded: Array, derived: Array, scratch: Scratch
) -> Departures | None:
    """For a product, computing bounds only for the few values that need them; None if there are many, or if a bound may
    overflow.

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
    vectors = np.abs(np.broadcast_to(vector, (*off.shape[:-1], terms))[places[:-1]])
    limit = of_sum(np.einsum("kn,kn->k", weights, vectors), terms, info.dtype)
    wrong, _ = beyond(recorded[places], derived[places], limit)
    if not wrong.any():
        return Departures()
    found = np.zeros(off.shape, bool)
    found[places] = wrong
    return Departures(found)


def _over(one: Array, two: Array, limit: Array, scratch: Scratch) -> Array:
    """Where the two are not within `limit`, including NaN."""
    gap = np.subtract(one, two, out=scratch.array("gap", two.shape, two.dtype))
    np.abs(gap, out=gap)
    off = np.less_equal(gap, limit, out=scratch.array("off", two.shape, bool))
    return np.logical_not(off, out=off)


class Scratch(Outside):
    """Memory for the blocks of a walk, reused by each: fresh memory costs more than the computations on it.

    Arrays are keyed by purpose; the next array with that name and dtype uses the same memory.
    """

    def __init__(self) -> None:
        super().__init__(np.dtype(np.float64))
        self._held: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array with arbitrary contents."""
        size, key = math.prod(shape), (name, np.dtype(dtype))
        if key not in self._held or self._held[key].size < size:
            self._held[key] = np.empty(size, dtype)
        return self._held[key][:size].reshape(shape)

    def scratch(self, mask: bool = False) -> Array:
        """Memory with the shape of a kernel's result."""
        return self.array("beside", self.shape, bool if mask else self.dtype)

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
        self.dtype, self.shape = out.dtype, shape  # for the kernel that is called
        for function, arguments in KERNELS[line.op](self, out, operands, line.constants):
            function(*arguments)
        return out


# -- adjoints ----------------------------------------------------------------------------------------------------------


def unlike_adjoint(trace: Trace, stage: Stage) -> Remark | None:
    """Why the lines of an adjoint stage, however consistent, are not gradients; None if they are.

    Its equations are compared with those derived here from its forward stage, or with its secants. A foreign file may
    have others, and so may a version that wrote the same gradients differently: then its lines are verified, but not
    that they are gradients.
    """
    owner = trace.stage(stage.owner)
    try:
        seeds, widths = _weighted(stage), sizes(trace)[stage.owner]
        expected = adjoint(owner.active, seeds, widths)
        read = read_by(owner.active, stage.cell)
        also = (read[name][1] for name in stage.cell.inputs if name in read)
        between = secants(owner.active, seeds, widths, also) if expected != stage.cell else None
    except LstmTraceError as error:
        return Remark("adjoint.underived", {"owner": stage.owner, "why": error.problems[0]})
    if expected == stage.cell:
        return _misread(trace, stage, seeds)
    if between and between.cell == stage.cell:
        for new, (side, name) in between.reads.items():
            own = f"{stage.owner}/{name}"
            if side == "own" and stage.sources.get(new, GIVEN) not in (own, GIVEN):
                return Remark("adjoint.input", {"name": new, "found": stage.sources[new], "expected": own})
        return None
    rows = zip(expected.text.splitlines(), stage.cell.text.splitlines(), strict=False)
    other = next(([row if len(row) <= 80 else f"{row[:79]}…" for row in two] for two in rows if two[0] != two[1]), None)
    if other is None:
        return Remark("adjoint.equations", {"owner": stage.owner})
    return Remark("adjoint.equations.at", {"owner": stage.owner, "expected": other[0], "found": other[1]})


def _misread(trace: Trace, stage: Stage, seeds: Mapping[str, Sequence[str]]) -> Remark | None:
    """Operands of an adjoint that come from elsewhere than its forward stage and the adjoints of its consumers."""
    owner = trace.stage(stage.owner)
    for name in (*owner.cell.by_name, *owner.cell.inputs, *owner.cell.states):
        if name in stage.cell.inputs and stage.sources.get(name) != f"{owner.scope}/{name}":
            expected = f"{owner.scope}/{name}"
            return Remark("adjoint.input", {"name": name, "found": stage.sources.get(name), "expected": expected})
    back = {other.owner: other for other in trace.stages if other.is_adjoint}
    for value in (*owner.cell.by_name, *owner.cell.inputs):
        brought = {
            f"{theirs.scope}/{theirs.cell.gradient_of[name]}"
            for reader in trace.stages
            if (theirs := back.get(reader.scope)) is not None
            for name, source in reader.sources.items()
            if source == f"{owner.scope}/{value}" and name in theirs.cell.gradient_of
        }
        found = {stage.sources.get(fed, "") for fed in seeds.get(value, ())} - {GIVEN}
        if found != brought:
            here, there = (", ".join(sorted(part)) or Remark("adjoint.no.stage") for part in (found, brought))
            return Remark("adjoint.gradient", {"name": value, "found": here, "expected": there})
    return None


def _weighted(stage: Stage) -> dict[str, list[str]]:
    """By value of the forward stage, the inputs of its adjoint that hold its weights: its gradient is their sum and the
    contributions of its consumers."""
    # for each value the first line: others only have an equal gradient
    gradients = {line: name for line, name in reversed(stage.cell.gradient) if line in stage.cell.by_name}
    fed = {name for name in stage.cell.inputs if not stage.borrows(name)}
    readers = (reader for reader in stage.cell.lines if reader.name in gradients)
    return by_key((gradients[reader.name], name) for reader in readers for name in reader.reads if name in fed)
