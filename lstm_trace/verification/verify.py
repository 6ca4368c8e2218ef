"""Verify: derive each line, and each sum over all steps, again from recorded operands, within the rounding bound.

Deriving lines again with our own operations detects corruption, not a wrong equation: oracles that share no code show
that the equations are correct.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import SystemRandom
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, by_key
from ..base.remark import Remark
from ..cell.adjoint import adjoint, read_by, secants
from ..cell.lines import Cell, Line
from ..cell.network import GIVEN, Stage, X
from ..documents.result import Result
from ..engine.plan_choice import pieces
from ..errors import LstmTraceError, counted
from ..languages.strings import Words, words
from ..trace.address import INITIAL, Address, address_of, line_name
from ..trace.argument_types import checked
from ..trace.derived import GATHERED, held_throughout, on_one_thread, sizes
from ..trace.not_finite import NotFinite, first_not_finite
from ..trace.trace import Trace
from ..trace.window import arrays, between, names, rows
from .rounding import beyond, check_sums, derive, recorded_sums

#: Number of steps that are checked; in a trace shorter than `LONG`, also of sequences.
MOST = 4
#: From this many steps on all sequences are checked: those of four steps are then at most 2 % of the trace.
LONG = 200
#: The ending of the name of a premise that is a supplied line.
SUPPLIED = " (given)"


#: Maximum number of culprits that are reported individually; the others are counted.
MOST_CULPRITS = 20

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
    names = words.table["and"].join(map(words.address, suspects))
    return words.word("verification.suspects", names=names) if names else ""


@dataclass(frozen=True, eq=False, repr=False)
class Verification(Result):
    """The result of `verify`. verified, failed: numbers of values; premises are listed, not verified.

    suspects: the premises shared by several failing lines. not_finite: the first value that is NaN or infinite. trace:
    what was verified.
    """

    verified: int
    failed: int
    failures: tuple[Failure, ...]
    unknown: tuple[Unknown, ...]
    premises: tuple[str, ...]
    suspects: tuple[str, ...] = ()
    not_finite: NotFinite | None = None
    trace: Trace | None = field(default=None, compare=False)

    @property
    def hint(self) -> str:
        """The premises that were more likely changed than the lines, in a sentence; empty if there are none."""
        return hint(self.suspects, self.words())

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
        first = f", first {self.words().address(self.failures[0].address)}" if self.failures else ""
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
    first = first_not_finite(trace)
    return Verification(*counts, failures, tuple(judged.unknown), given, shared, first, trace)


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
    found = [failure for part in few for failure in verify(part).failures]
    if not found:
        return None

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
    for steps in pieces(trace.steps, sum(here[name][0].size for name in unsure)):
        for line in lines:
            off, open_ = beyond(here[line.name][steps], *derive(trace, stage, line, steps))
            if off.any():
                wrong.setdefault(line.name, np.zeros(here[line.name].shape, bool))[steps] = off
            unsure[line.name] += int(open_.sum())
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


# -- separating values that are wrong from those that fail only because they depend on them ---------------------------


def culprits(trace: Trace, failing: Failing) -> Iterator[Failure]:
    """The earliest failing values; each line is corrected in a copy, and lines that then pass are its consequences."""
    failing = {key: mask.copy() for key, mask in failing.items()}
    work = replace(trace, lines={scope: dict(values) for scope, values in trace.lines.items()})
    for _ in range(MOST_CULPRITS):
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
    address = address_of(work, stage, line.name, t, b, j)
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
        own = _unordered(stage.cell)
        between = secants(owner.active, seeds, widths, also) if _unordered(expected) != own else None
    except LstmTraceError as error:
        return Remark("adjoint.underived", {"owner": stage.owner, "why": error.problems[0]})
    if between is None:
        return _misread(trace, stage, seeds)
    if _unordered(between.cell) == own:
        for new, (side, name) in between.reads.items():
            source = f"{stage.owner}/{name}"
            if side == "own" and stage.sources.get(new, GIVEN) not in (source, GIVEN):
                return Remark("adjoint.input", {"name": new, "found": stage.sources[new], "expected": source})
        return None
    rows = zip(expected.text.splitlines(), stage.cell.text.splitlines(), strict=False)
    other = next((_shortened(*two) for two in rows if two[0] != two[1]), None)
    if other is None:
        return Remark("adjoint.equations", {"owner": stage.owner})
    return Remark("adjoint.equations.at", {"owner": stage.owner, "expected": other[0], "found": other[1]})


def _unordered(cell: Cell) -> Cell:
    """A cell whose sums stand in the order of their names: that of the weights is none of the gradients."""
    return replace(cell, sums=tuple(sorted(cell.sums, key=attrgetter("name"))), gradient=tuple(sorted(cell.gradient)))


def _shortened(*rows: str) -> list[str]:
    """Two rows from some signs before they differ, in 80 signs."""
    apart = next((k for k, (a, b) in enumerate(zip(*rows, strict=False)) if a != b), min(map(len, rows)))
    start = max(0, apart - 40) if max(map(len, rows)) > 80 else 0
    cut = [f"{'…' * (start > 0)}{row[start:]}" for row in rows]
    return [row if len(row) <= 80 else f"{row[:79]}…" for row in cut]


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
