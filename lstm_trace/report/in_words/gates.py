"""What every gate did, and what a readout says: what a softmax predicts, or its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ...cell.lines import Cell, Operand
from ...cell.network import Stage
from ...errors import OptionError
from ...explanation.memory import Recurrence, recurrence
from ...trace.labels import hidden, readout
from ...view.line_groups import gated, multiplied
from .cases import STEPS, Case, CaseCourse, Described
from .states import Is, last


class Gate(NamedTuple):
    """A gate of a cell.

    signal: what it multiplies. other: of what it takes the rest, where a sum has gate * signal + (1 - gate) * other.
    keeps: whether the signal is a state of which it keeps some in what is carried. writes: gate * signal, where that is
    what is written into a state.
    """

    name: str
    signal: str
    other: str | None = None
    keeps: bool = False
    writes: str | None = None


class GateFact(NamedTuple):
    """What a gate did. courses: its values. idle: the steps at which what it multiplies is zero in all of them."""

    gate: Gate
    courses: tuple[CaseCourse, ...]
    idle: tuple[int, ...] = ()


def gates(stage: Stage, named: frozenset[str]) -> Iterator[Gate]:
    """The gates of a stage, in the order of its equations; a gate that is supplied comes first.

    A gate is what squashes into (0, 1) and multiplies something, what multiplies a state in a sum that is carried, and
    a line of a named cell that is called so (`named`), whatever its activation.
    """
    cell = stage.cell
    kept: dict[str, str] = {}
    written: set[Operand] = set()
    for rule in _recurrences(stage):
        written |= {term for _, term in rule.writes}
        for _, gate in rule.keeps:
            if isinstance(gate, str) and gate.isidentifier() and (gate in cell.by_name or gate in cell.inputs):
                kept.setdefault(gate, rule.state)
    for name in (*cell.inputs, *cell.by_name):
        signal = kept.get(name) or (gated(cell.by_name[name], cell) if name in cell.by_name else None)
        signal = signal or (multiplied(name, cell) if name in named else None)
        if signal is None:
            continue
        mixed = _mixed(cell, name)
        if mixed is not None:
            yield Gate(name, *mixed)
        else:
            product = next((p for p, factor in _factors(cell, name).items() if p in written and factor == signal), None)
            yield Gate(name, signal, keeps=kept.get(name) == signal, writes=product)


def _recurrences(stage: Stage) -> Iterator[Recurrence]:
    """How what is carried is made, where that is a sum that keeps something of a state."""
    for line in stage.cell.states.values():
        with suppress(OptionError):
            yield recurrence(stage, line)


def _mixed(cell: Cell, name: str) -> tuple[str, str] | None:
    """(a, b) of a sum of gate * a and (1 - gate) * b."""
    for rest in cell.readers.get(name, ()):
        if rest.assigned or rest.op != "add" or rest.constants != (1.0, -1.0) or rest.operands != (1.0, name):
            continue
        mine, others = _factors(cell, name), _factors(cell, rest.name)
        for product, signal in mine.items():
            for beside, other in others.items():
                both = [r for r in cell.readers.get(product, ()) if r.op == "add" and beside in r.operands]
                if any(all(r.constants[r.operands.index(n)] > 0 for n in (product, beside)) for r in both):
                    return signal, other
    return None


def _factors(cell: Cell, name: str) -> dict[str, str]:
    """Product to the other factor, of those that `name` is a factor of."""
    found = {}
    for product in cell.readers.get(name, ()):
        if product.op == "mul" and all(isinstance(operand, str) for operand in product.operands):
            first, second = map(str, product.operands)
            found[product.name] = second if first == name else first
    return found


def gate_facts(told: Described, named: frozenset[str]) -> Iterator[GateFact]:
    """What each gate did, as far as it was recorded and chosen, in the cases that are described."""
    for gate in gates(told.stage, named):
        if not told.shown.chosen.has(gate.name) or told.values(gate.name) is None:
            continue
        every = [told.course(gate.name, case, told.steps(case.row)) for case in told.cases(gate.name)]
        courses = [course for course in every if np.isfinite(course.values).all()]
        if courses:
            yield GateFact(gate, tuple(courses), () if gate.other is not None else _idle(told, gate.signal, courses))


def _idle(told: Described, signal: str, courses: list[CaseCourse]) -> tuple[int, ...]:
    """The steps at which what a gate multiplies is zero in every case."""
    if told.values(signal) is None:
        return ()
    found = {t: True for course in courses for t in course.steps}
    for course in courses:
        values = told.course(signal, course.case, course.steps).values
        for t in (t for t, value in zip(course.steps, values, strict=True) if value != 0):
            found[t] = False
    return tuple(t for t, zero in found.items() if zero)


#: Functions whose arguments are worth telling beside their value.
_LOSSES = ("squared_error", "cross_entropy")


class Guess(NamedTuple):
    """The outputs with the largest probability at one step of a row: one of them, or several that are equal."""

    row: int
    step: int
    outputs: tuple[int, ...]
    share: float


class Predicts(NamedTuple):
    """What a softmax predicts at some steps."""

    line: str
    guesses: tuple[Guess, ...]


def readout_facts(told: Described, others: Sequence[str] = ()) -> Iterator[Predicts | Is]:
    """What each readout says, as far as it was recorded and chosen. others: lines that are described as states."""
    for name in _told(told):
        if name in others or told.values(name) is None or not told.shown.chosen.has(name):
            continue
        if softmax(told.stage.cell, name) and told.width(name) > 1:
            guesses = tuple(_guesses(told, name))
            if guesses:
                yield Predicts(name, guesses)
            continue
        cases = [
            case for case in told.cases(name) if np.isfinite(told.course(name, case, told.steps(case.row)).values).all()
        ]
        if not cases:
            continue
        if len(told.window) > STEPS:
            yield last(told, name, cases)
        else:
            courses = [(case, told.steps(case.row)) for case in cases]
            yield Is(name, tuple((case, at, tuple(told.num(name, case, t) for t in at)) for case, at in courses))


def _told(told: Described) -> Iterator[str]:
    """The named lines of the readout that are described: those that were asked for, softmaxes, losses and ends."""
    stage, cell = told.stage, told.stage.cell
    inner = hidden(cell)
    outside = [
        line
        for line in cell.lines
        if line.assigned and line.name not in inner and stage.unpadded(line.name) == line.name
    ]
    asked = {address.line for address in told.shown.asked if address.scope == told.stage.scope}
    arguments = {a for line in cell.lines if line.call and line.call[0] in _LOSSES for a in line.call[1:]}
    wanted = [
        line.name
        for line in outside
        if line.name in asked or line.name in arguments or softmax(cell, line.name) or not cell.readers.get(line.name)
    ]
    scores = {n for name in wanted if softmax(cell, name) for n in cell.closure([name], carried=False)} - {*asked}
    units = readout(cell)
    for name in wanted:
        own = name in units or told.width(name) == 1
        if own and (name not in scores or softmax(cell, name)):
            yield name


def softmax(cell: Cell, name: str) -> bool:
    """Whether a line is exp of something over the sum of that, however it is written."""
    line = cell.by_name[name]
    if line.op != "div" or not all(operand in cell.by_name for operand in line.operands):
        return False
    over, under = (cell.by_name[str(operand)] for operand in line.operands)
    while under.op == "copy":
        under = cell.by_name[str(under.operands[0])]
    return over.op == "exp" and under.op == "sum" and under.operands == (over.name,)


def _guesses(told: Described, name: str) -> Iterator[Guess]:
    """What is predicted at each step, at the last one where they are many; of a chosen unit nothing is said."""
    values = told.values(name)
    if values is None or told.shown.chosen.unit is not None:
        return
    rows = told.rows
    several = sum(len(told.steps(b)) for b in rows) > told.most
    for b in rows:
        for t in told.steps(b)[-1:] if several else told.steps(b):
            here = values[told.shown.trace.index(t), b]
            if not np.isfinite(here).all():
                continue
            most = str(told.num(name, Case(int(here.argmax()), b), t).shown)  # those that look alike are alike
            near = [int(j) for j in np.flatnonzero(np.isclose(here, here.max(), rtol=0.1))]
            alike = tuple(j for j in near if str(told.num(name, Case(j, b), t).shown) == most)
            yield Guess(b, t, alike, float(here.max()))
