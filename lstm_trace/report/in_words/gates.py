"""What every gate did: of which value it let how much through, kept how much, or took how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ...cell.lines import Cell, Operand
from ...cell.network import Stage
from ...errors import OptionError
from ...explanation.recurrence import Recurrence, recurrence
from ...view.line_groups import gated, multiplied
from .cases import Course, Told


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
    courses: tuple[Course, ...]
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


def facts(told: Told, named: frozenset[str]) -> Iterator[GateFact]:
    """What each gate did, as far as it was recorded and chosen, in the cases that are described."""
    for gate in gates(told.stage, named):
        if not told.shown.chosen.has(gate.name) or told.values(gate.name) is None:
            continue
        every = [told.course(gate.name, case, told.steps(case.row)) for case in told.cases(gate.name)]
        courses = [course for course in every if np.isfinite(course.values).all()]
        if courses:
            yield GateFact(gate, tuple(courses), () if gate.other is not None else _idle(told, gate.signal, courses))


def _idle(told: Told, signal: str, courses: list[Course]) -> tuple[int, ...]:
    """The steps at which what a gate multiplies is zero in every case."""
    if told.values(signal) is None:
        return ()
    found = {t: True for course in courses for t in course.steps}
    for course in courses:
        values = told.course(signal, course.case, course.steps).values
        for t in (t for t, value in zip(course.steps, values, strict=True) if value != 0):
            found[t] = False
    return tuple(t for t, zero in found.items() if zero)
