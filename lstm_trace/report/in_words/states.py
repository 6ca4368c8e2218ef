"""What became of the states: what is left of what was written, what was kept, what shows, what a value is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...cell.lines import Cell, Line, Operand
from ...cell.ops import OPS
from ...errors import MissingError, OptionError
from ...explanation.memory import Recurrence, flow, recurrence, terms
from ...formulas.tree import Call, Fn, Node, Num, call, number
from .cases import Case, Described

#: How far an account may be off, in shares of its largest part, and be described; more where each result is rounded.
_OFF, _OFF_ROUNDED = 0.01, 0.1


class Moved(NamedTuple):
    """One step of a case: the state before and after it, and what of it was kept and written."""

    case: Case
    step: int
    old: Num
    new: Num
    kept: Num
    written: Num


class Went(NamedTuple):
    """How a state changed in the last step."""

    line: str
    moves: tuple[Moved, ...]


class Left(NamedTuple):
    """Of what a step wrote into one unit, or of what was there before (`start`), what is left at another.

    factors: to what part of it each step kept it.
    """

    line: str
    case: Case
    start: bool
    step: int
    end: int
    written: Num
    left: Num
    factors: tuple[float, ...]


class Portion(NamedTuple):
    """A value that is a share of another: of a state, or of a function of one."""

    case: Case
    step: int
    part: Num
    share: float
    whole: Node


class Shows(NamedTuple):
    """What of a state its output shows at the last step."""

    line: str
    parts: tuple[Portion, ...]


class Brought(NamedTuple):
    """What a value is made of: what the input, the state before and the bias brought."""

    case: Case
    step: int
    value: Num
    brought: tuple[Num, ...]


class MadeOf(NamedTuple):
    """What a line is made of, through a function."""

    line: str
    function: Fn
    sources: tuple[Brought, ...]


class Is(NamedTuple):
    """Values at some steps of each case."""

    line: str
    values: tuple[tuple[Case, tuple[int, ...], tuple[Num, ...]], ...]


StateFact = Went | Left | Shows | MadeOf | Is


def state_facts(told: Described, lines: Sequence[str]) -> Iterator[StateFact]:
    """What became of each state of `lines`, as far as it was recorded and chosen."""
    cell = told.stage.cell
    states: list[str] = []
    for name in lines:
        cases = [case for case in told.cases(name) if math.isfinite(told.value(name, case, told.steps(case.row)[-1]))]
        if not cases or not told.shown.chosen.has(name):
            continue
        found: list[StateFact] = []
        if (update := _update(cell, name)) is not None:
            states.append(name)
            found = [*_remembered(told, name, cases)]
            rest = [case for case in cases if not any(case == left.case for left in found)]  # type: ignore[union-attr]
            found += _went(told, name, update, rest)
        elif (way := _shown_state(cell, name, states)) is not None:
            found = [*_shows(told, name, way, cases)]
        elif (sources := _sources(cell, name)) is not None:
            found = [*_made(told, name, sources, cases)]
        yield from found or [last(told, name, cases)]


def last(told: Described, name: str, cases: Sequence[Case]) -> Is:
    """The values at the last step of each case."""
    ends = [(case, told.steps(case.row)[-1:]) for case in cases]
    return Is(name, tuple((case, steps, tuple(told.num(name, case, t) for t in steps)) for case, steps in ends))


# -- sums of what is kept and what is written --------------------------------------------------------------------------


class Update(NamedTuple):
    """The sum that makes a state: the state before, and the names of its terms with their signs."""

    state: str
    kept: tuple[tuple[float, str], ...]
    written: tuple[tuple[float, Operand], ...]


def _update(cell: Cell, name: str) -> Update | None:
    """How a line is made, where it is a sum with something that is kept of a state."""
    line = cell.by_name[name]
    if line.op == "clip":
        line = cell.by_name.get(str(line.operands[0]), line)
    if line.op != "add":
        return None
    own = [state for state, carried in cell.carry if carried == name]
    for state in (*own, *(state for state in cell.states if state not in own)):
        keeps, writes = terms(cell, line, state)
        if keeps and writes:
            others = {term for _, term in writes}
            kept = [(s, str(o)) for s, o in zip(line.constants, line.operands, strict=True) if o not in others]
            return Update(state, tuple(kept), writes)
    return None


def _added(told: Described, parts: Sequence[tuple[float, Operand]], case: Case, t: int, name: str) -> Num | None:
    """The sum of some terms of a line; None where one was not recorded."""
    if any(isinstance(term, str) and told.values(term) is None for _, term in parts):
        return None
    if len(parts) == 1 and parts[0][0] > 0 and isinstance(parts[0][1], str):
        return told.num(parts[0][1], case, t)
    values = [sign * (told.value(o, case, t) if isinstance(o, str) else o) for sign, o in parts]
    return told.total(math.fsum(values) if all(map(math.isfinite, values)) else math.nan, name)


def _went(told: Described, name: str, update: Update, cases: Sequence[Case]) -> Iterator[Went]:
    """How the state of some cases changed in their last step, where that is what its terms add up to."""
    moves = []
    for case in cases:
        t = told.steps(case.row)[-1]
        kept, written = (_added(told, parts, case, t, name) for parts in (update.kept, update.written))
        if kept is None or written is None or told.values(update.state) is None:
            return
        new = told.num(name, case, t)
        if not _adds_up(told, float(new.value), [float(kept.value), float(written.value)]):
            return
        moves.append(Moved(case, t, told.num(update.state, case, t), new, kept, written))
    if moves:
        yield Went(name, tuple(moves))


def _adds_up(told: Described, value: float, parts: Sequence[float]) -> bool:
    off = _OFF if told.shown.trace.header.arithmetic is None else _OFF_ROUNDED
    return abs(value - math.fsum(parts)) <= off * max(map(abs, parts)) if all(map(math.isfinite, parts)) else False


# -- the ledger --------------------------------------------------------------------------------------------------------


def _remembered(told: Described, name: str, cases: Sequence[Case]) -> Iterator[Left]:
    """Of each case the largest part of its last value that an earlier step wrote, or that was there before."""
    try:
        rule = recurrence(told.stage, name)
    except OptionError:
        return
    for case in cases:
        if len(told.steps(case.row)) > 1 and (left := _left(told, rule, case)) is not None:
            yield left


def _left(told: Described, rule: Recurrence, case: Case) -> Left | None:
    trace, end = told.shown.trace, told.steps(case.row)[-1]
    try:
        found = flow(trace, told.stage, rule, trace.index(end), case.row, case.unit)
    except MissingError:
        return None
    steps = [s for s in found.order if not found.past[s]]
    if found.cut is not None and found.cut[steps].any():  # what a clip took away belongs to no step
        return None
    written = {s: math.fsum(write.values[s] for write in found.writes) for s in steps}
    start = found.order[0]
    before = found.first * float(found.keep[start]) * found.since[start]
    parts = {s: value * found.since[s] for s, value in written.items()}
    if not _adds_up(told, told.value(rule.carried, case, end), [before, *parts.values()]):
        return None
    s = max(steps[:-1], key=lambda at: abs(parts[at]), default=start)
    first = s not in parts or abs(before) > abs(parts[s])
    part = before if first else parts[s]
    if part == 0:
        return None
    t = trace.span[steps[0] if first else s]
    number = told.num(rule.state, case, t) if first else _added(told, rule.writes, case, t, rule.carried)
    factors = [float(found.keep[at]) for at in (steps if first else steps[steps.index(s) + 1 :])]
    if number is None:
        return None
    return Left(rule.carried, case, first, t, end, number, told.total(part, rule.carried), tuple(factors))


# -- what shows of a state ---------------------------------------------------------------------------------------------


class _Way(NamedTuple):
    """From a state to the product that shows it: the factor that is the state or a function of it, and the other."""

    state: str
    factor: str
    gate: str


def _shown_state(cell: Cell, name: str, states: Sequence[str]) -> _Way | None:
    """The state of which `name` is a gate times a function, unit by unit."""
    line = cell.by_name[name]
    if line.op == "mul" and len(line.reads) == 2:
        for factor, gate in (line.reads, line.reads[::-1]):
            state = factor if factor in states else _argument(cell.by_name.get(factor))
            if state in states:
                return _Way(str(state), factor, gate)
    return None


def _argument(line: Line | None) -> str | None:
    """What a line is a function of, where that is one value."""
    if line is None or (not line.call and not OPS[line.op].function):
        return None
    arguments = [a for a in (line.call[1:] if line.call else line.operands) if isinstance(a, str)]
    return arguments[0] if len(arguments) == 1 and (line.call or OPS[line.op].width == "same") else None


def _shows(told: Described, name: str, way: _Way, cases: Sequence[Case]) -> Iterator[Shows]:
    if told.values(way.gate) is None:
        return
    line, parts = told.stage.cell.by_name.get(way.factor), []
    for case in cases:
        t = told.steps(case.row)[-1]
        share, state = told.value(way.gate, case, t), told.num(way.state, case, t)
        if not 0 <= share <= 1:  # it is no part of it
            return
        whole = state if line is None or way.factor == way.state else _applied(line, state)
        parts.append(Portion(case, t, told.num(name, case, t), share, whole))
    yield Shows(name, tuple(parts))


def _applied(line: Line, value: Num) -> Node:
    """The function of a line with a value in place of its argument."""
    if not line.call:
        return call(line, (value,))
    return Call(str(line.call[0]), tuple(value if isinstance(a, str) else number(a) for a in line.call[1:]))


# -- what a line without gates is made of ------------------------------------------------------------------------------


def _sources(cell: Cell, name: str) -> tuple[tuple[tuple[float, Operand], ...], ...] | None:
    """The terms that bring the input, the states before and the biases to a line that is a function of their sum."""
    total = cell.by_name.get(_argument(cell.by_name[name]) or "")
    if total is None or total.op != "add":
        return None
    found: tuple[list[tuple[float, Operand]], ...] = ([], [], [])
    for sign, term in zip(total.constants, total.operands, strict=True):
        reached = _reached(cell, term)
        if "x" in reached and "h" in reached:
            return None
        found[0 if "x" in reached else 1 if "h" in reached else 2].append((sign, term))
    return tuple(map(tuple, found)) if found[0] and found[1] else None


def _reached(cell: Cell, term: Operand) -> set[str]:
    """Whether a term depends on an input (`x`) and on a state (`h`)."""
    if not isinstance(term, str):
        return set()
    read = {term, *(name for line in cell.closure([term], carried=False) for name in cell.by_name[line].reads)}
    return {which for which, names in (("x", cell.inputs), ("h", cell.states)) if not read.isdisjoint(names)}


def _made(
    told: Described, name: str, terms: tuple[tuple[tuple[float, Operand], ...], ...], cases: Sequence[Case]
) -> Iterator[MadeOf]:
    line = told.stage.cell.by_name[name]
    sources = []
    for case in cases:
        t = told.steps(case.row)[-1]
        brought = [_added(told, part, case, t, str(_argument(line))) for part in terms if part]
        if any(number is None or not number.shown.finite for number in brought):
            return
        sources.append(Brought(case, t, told.num(name, case, t), tuple(n for n in brought if n is not None)))
    yield MadeOf(name, Fn(str(line.call[0]) if line.call else line.op), tuple(sources))
