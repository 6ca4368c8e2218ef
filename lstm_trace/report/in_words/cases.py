"""Which units of which sequences are described, at which steps, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Operand
from ...cell.network import Stage, X
from ...formulas.tree import Node, Num
from ...formulas.tree import value as symbol
from ...trace.labels import Axis, axis, labels, step_label
from ...view.view import View

#: So many units and sequences are described one by one, and more of them where there is a single step; of more, `FEW`.
CASES, CASES_OF_A_STEP, FEW = 4, 6, 3
#: So many steps are described one by one; of more, the least and the most.
STEPS = 4


class Case(NamedTuple):
    """One unit in one row of the batch."""

    unit: int
    row: int


class CaseCourse(NamedTuple):
    """The values of one case over the steps that are described, in the order in which they were computed."""

    case: Case
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass
class Described:
    """What of one stage is described.

    few: widths of lines to the line by which their few units were chosen, where not all of them are described.
    """

    shown: View
    stage: Stage
    few: dict[int, str] = field(default_factory=dict)
    _steps: dict[int, tuple[int, ...]] = field(default_factory=dict)

    # -- which ---------------------------------------------------------------------------------------------------------

    @cached_property
    def window(self) -> tuple[int, ...]:
        """The chosen steps in the order in which they are computed."""
        steps = self.shown.trace.span[self.shown.chosen.window(self.shown.trace)]
        return tuple(reversed(steps) if self.stage.backwards else steps)

    def steps(self, row: int) -> tuple[int, ...]:
        """The chosen steps of a row that are no padding, in computing order."""
        if row not in self._steps:
            self._steps[row] = tuple(t for t in self.window if not self.shown.padding(t, row))
        return self._steps[row]

    @cached_property
    def every_row(self) -> tuple[int, ...]:
        """The chosen rows that have a step."""
        rows = range(self.shown.trace.batch)[self.shown.chosen.rows(self.shown.trace)]
        return tuple(b for b in rows if any(not self.shown.padding(t, b) for t in self.window))

    @cached_property
    def most(self) -> int:
        """How many cases are described one by one."""
        return CASES if len(self.window) > 1 else CASES_OF_A_STEP

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The rows that are described: all of them, or the first ones."""
        first = next((line.name for line in self.shown.lines(self.stage)), "")
        units = 1 if self.shown.chosen.unit is not None else self.width((*self._carried, first)[0])
        if units * len(self.every_row) <= self.most:
            return self.every_row
        return self.every_row[: max(self.most // min(max(units, 1), FEW), 1)]

    def cases(self, name: str) -> list[Case]:
        """The cases of a line that are described: all of them, or those that are the furthest from zero at the end."""
        width = self.width(name)
        chosen = self.shown.chosen.unit
        units = [u for u in ([chosen] if chosen is not None else range(width)) if u < width]
        if len(units) * len(self.rows) > self.most:
            units = self._furthest(name, units)
        return [Case(j, b) for b in self.rows for j in units]

    def _furthest(self, name: str, units: Sequence[int]) -> list[int]:
        width = self.width(name)
        if width not in self.few:
            self.few[width] = next((line for line in self._carried if self.width(line) == width), name)
        values = self.values(self.few[width])
        assert values is not None
        last = np.array([[self.shown.trace.index(self.steps(b)[-1]), b] for b in self.rows])
        sizes = np.abs(values[last[:, 0], last[:, 1]].astype(np.float64)).max(axis=0)
        order = np.argsort(-np.where(np.isfinite(sizes), sizes, -1.0), kind="stable")
        return sorted(int(j) for j in order[:FEW])

    @cached_property
    def _carried(self) -> list[str]:
        """What is carried and was recorded, the cell state before the hidden state."""
        cell = self.stage.cell
        names = [self.stage.unpadded(name) for _, name in reversed(cell.carry)]
        return [name for name in [*names, cell.output] if name in cell.by_name and self.values(name) is not None]

    # -- values --------------------------------------------------------------------------------------------------------

    def values(self, name: Operand) -> Array | None:
        """The values of a line, input, state or bias, (T, B, width); None where they were not recorded."""
        found = self.shown.values.array(self.stage.scope, name)
        if found is not None and found.ndim == 1:  # a bias: the same at every step
            found = np.broadcast_to(found, (self.shown.trace.steps, self.shown.trace.batch, len(found)))
        return found if found is not None and found.ndim == 3 else None

    def width(self, name: str) -> int:
        """How many units a line has; 0 where it was not recorded."""
        values = self.values(name)
        return 0 if values is None else values.shape[-1]

    def value(self, name: Operand, case: Case, t: int) -> float:
        """One value; of a line of width 1 the only one."""
        values = self.values(name)
        assert values is not None
        return float(values[self.shown.trace.index(t), case.row, case.unit if values.shape[-1] > 1 else 0])

    def course(self, name: str, case: Case, steps: Sequence[int]) -> CaseCourse:
        """The values of a case at some steps."""
        values = self.values(name)
        assert values is not None
        at = np.array(steps, int) - self.shown.trace.first
        found = values[at, case.row, case.unit if values.shape[-1] > 1 else 0]
        return CaseCourse(case, tuple(steps), tuple(found.astype(np.float64).tolist()))

    def num(self, name: Operand, case: Case, t: int) -> Num:
        """One value as it is shown."""
        unit = case.unit if self.width(str(name)) > 1 else 0
        where = (None, None) if str(name) in self.stage.cell.parameters else (t, case.row)
        return self.shown.values.num(self.stage.scope, name, where[0], where[1], (unit,))

    def total(self, value: float, name: str = "") -> Num:
        """A number that no line has, as the numbers of the line `name` are shown."""
        return Num(self.shown.values.style.show(value, name), value)

    def axis(self, name: str) -> Axis:
        """Whether the units of a line are hidden units or outputs."""
        return axis(self.shown.trace, self.stage, name)

    # -- what they are called ------------------------------------------------------------------------------------------

    def symbol(self, name: str, steps: Iterable[int] = ()) -> Node:
        """The symbol of a line, input or state; at a single step the one that the page has there."""
        found, there = symbol(name, self.stage.cell), list(steps)
        return self.shown.at(self.stage, there[0], found) if len(there) == 1 else found

    def who(self, case: Case, name: str, whole: bool = False) -> str:
        """A case in words, as far as there are others; whole: the unit in any case."""
        words, width, of = self.shown.words, self.width(name), self.axis(name)
        unit = self.shown.unit(case.unit, width, of)
        units = whole or width > 1 or bool(labels(self.shown.trace, of, width))
        row = self.shown.row(case.row) if len(self.rows) > 1 else ""
        the = "the.output" if of == "y" else "the.unit"
        if units and row:
            return words.word(f"{the}.row", unit=unit, row=row)
        return words.word(the, unit=unit) if units else words.word("the.row", row=row) if row else ""

    def when(self, t: int) -> str:
        """A step in words, with its label where all rows have the same."""
        return self.shown.step(t, True, self.rows[0] if len(self.rows) == 1 else None)

    def step(self, t: int, row: int) -> str:
        """A step in words, with its label, or with the input that was there where it was one that has a label."""
        words, trace, text = self.shown.words, self.shown.trace, self.shown.step(t, True, row)
        if step_label(trace, t, row):
            return text
        if trace.x is None or X not in self.stage.sources.values():
            return text
        entries = trace.x[trace.index(t), row]
        there = np.flatnonzero(entries)
        named = labels(trace, "x", len(entries))
        return words.word("step.input", step=text, name=named[there[0]]) if len(there) == 1 and named else text
