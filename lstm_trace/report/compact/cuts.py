"""Which lines are worked out in a chain of their own, and which are written out within such a chain."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ...cell.lines import Cell, Line, Operand
from ...cell.network import Stage
from ...view.line_groups import Group
from ...view.view import View


class Cut(NamedTuple):
    """A line with those that are written out in it, each with the number of the stage from which it is a value."""

    line: Line
    inner: dict[str, int]

    @property
    def stages(self) -> int:
        """How many formulas there are before the value."""
        return _level(self.line, self.inner)

    def divided(self, cell: Cell) -> list[Cut]:
        """The same in several chains: of the lines with a name, of the sums if none has one; none if there are none."""
        inner = [line for line in cell.lines if line.name in self.inner]
        ends = [line for line in inner if line.assigned] or [line for line in inner if line.op == "add"]
        apart = {line.name for line in (*ends, self.line)}
        return [_cut(line, apart, set(self.inner), cell) for line in (*ends, self.line)] if ends else []

    def expanded(self, cell: Cell) -> Cut:
        """The value of a composite function by what that stands for."""
        return _cut(self.line._replace(call=()), {self.line.name}, set(self.inner), cell)


def operands(line: Line) -> tuple[Operand, ...]:
    """What stands in a line on paper: the arguments of a composite function, and not what that is made of."""
    return line.call[1:] if line.call else line.operands


def cuts(shown: View, group: Group, stage: Stage) -> list[Cut]:
    """The chains of a group of lines: one, and one more for each line that is read in several places.

    Of chosen lines each has a chain of its own; what they need of their group is written out in it.
    """
    recorded, chosen = shown.trace.lines.get(stage.scope, {}), {line.name for line in shown.lines(stage)}
    lines = [line for line in group.lines if line.name in recorded]
    there = {line.name for line in lines}
    if shown.chosen.names is not None:
        ends = [line for line in lines if line.name in chosen]
    elif group.leader is not None and group.leader.name in there:
        ends = [group.leader]
    else:  # some of it was recorded: what nothing else of it reads
        read = {operand for line in lines for operand in line.reads}
        ends = [line for line in lines if line.name not in read]
    ends = [line for line in ends if line.name in chosen]
    apart = {line.name for line in ends}
    apart |= _shared(ends, apart, there, stage.cell)
    return [_cut(line, apart, there, stage.cell) for line in lines if line.name in apart]


def _shared(ends: list[Line], apart: set[str], chosen: set[str], cell: Cell) -> set[str]:
    """The lines with a name that would be written out in several places."""
    counts: Counter[str] = Counter()

    def count(line: Line) -> None:
        for operand in operands(line):
            inner = _inner(operand, apart, chosen, cell)
            if inner is not None:
                counts[inner.name] += 1
                if counts[inner.name] == 1 or not inner.assigned:
                    count(inner)

    for line in ends:
        count(line)
    return {name for name, times in counts.items() if times > 1 and cell.by_name[name].assigned}


def _inner(operand: Operand, apart: set[str], chosen: set[str], cell: Cell) -> Line | None:
    """The line that is written out where `operand` is read; None for a value, such as a part of another value."""
    line = cell.by_name.get(operand) if isinstance(operand, str) else None
    if line is None or line.name in apart or (line.assigned and line.name not in chosen) or line.op == "slice":
        return None
    return line


def _cut(line: Line, apart: set[str], chosen: set[str], cell: Cell) -> Cut:
    inner: dict[str, int] = {}

    def visit(at: Line) -> None:
        for operand in operands(at):
            found = _inner(operand, apart, chosen, cell)
            if found is not None and found.name not in inner:
                visit(found)
                inner[found.name] = _level(found, inner)

    visit(line)
    return Cut(line, _late(line, inner, cell))


def _level(line: Line, inner: dict[str, int]) -> int:
    """From which stage on a line is a value, given those of what is written out in it."""
    return 1 + max((inner[o] for o in operands(line) if isinstance(o, str) and o in inner), default=0)


def _late(line: Line, inner: dict[str, int], cell: Cell) -> dict[str, int]:
    """The same with each line evaluated just before it is needed, so that the terms of a sum are at the same time."""
    late = dict.fromkeys(inner, _level(line, inner))
    for at in (line, *(cell.by_name[name] for name in reversed(inner))):  # each after all that read it
        before = late.get(at.name, _level(line, inner)) - 1
        for operand in operands(at):
            if operand in late:
                late[str(operand)] = min(late[str(operand)], before)
    return late
