"""What a readout says: of a softmax what it predicts, of any other its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...cell.lines import Cell
from ...trace.labels import hidden, readout
from .cases import STEPS, Case, Told
from .states import Is, last

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


def facts(told: Told, others: Sequence[str] = ()) -> Iterator[Predicts | Is]:
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


def _told(told: Told) -> Iterator[str]:
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


def _guesses(told: Told, name: str) -> Iterator[Guess]:
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
