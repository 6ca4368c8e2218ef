"""What a picture over time is of: stages, lines, steps and the row of the batch, as they were chosen; their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import Stage, forward_stages
from ..documents.blocks import Code
from ..errors import MissingError, OptionError
from ..formulas.plain import Plain
from ..formulas.tree import heading
from ..languages.strings import Words
from ..trace.address import Address
from ..trace.argument_types import misfit
from ..trace.held import FEW, entries, plain
from ..trace.labels import axis, step_labels
from ..trace.rows import Selection
from ..trace.trace import Trace
from ..view.line_groups import held_in
from ..view.view import View, view
from .furniture import MarkedPlain, step_in_words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Subject:
    """A part of a trace that is drawn. shown: its stages, and the language. row: of the batch. asked: if given.

    against: another trace that it is compared with, where padding of either is padding. run: the trace as it was run,
    with what is held in it; None where that is said elsewhere.
    """

    shown: View
    row: int
    asked: bool
    against: Trace | None = None
    run: Trace | None = None

    @property
    def trace(self) -> Trace:
        """The whole trace."""
        return self.shown.trace

    @property
    def words(self) -> Words:
        """The language."""
        return self.shown.words

    @cached_property
    def window(self) -> slice:
        """Where the steps lie in the arrays."""
        return self.shown.chosen.window(self.trace)

    @property
    def steps(self) -> range:
        """The steps: their positions in the input."""
        return self.trace.span[self.window]

    @cached_property
    def labels(self) -> Sequence[str]:
        """The labels of the steps, or none."""
        return step_labels(self.trace, self.row)[self.window]

    @cached_property
    def valid(self) -> Array:
        """(steps,): whether a step is none of padding."""
        every = [trace for trace in (self.trace, self.against) if trace is not None]
        found: Array = np.all([trace.valid[self.window, self.row, 0] != 0 for trace in every], axis=0)
        return found

    def lines(self, stage: Stage, candidates: bool = True) -> list[Line]:
        """The chosen lines of a stage; if none were chosen its gates, candidates or the output, and states."""
        lines = self.shown.lines(stage)
        if self.shown.chosen.names is not None:
            return lines
        if stage.direction == "joined" and self.shown.chosen.direction is None:
            return []
        cell = stage.cell
        output = {line.name for line in lines if line.name == cell.output and line.assigned and line.op != "where"}
        gates = {line.name for line in lines if cell.is_gate(line)}
        wanted = told(stage) if candidates else gates | {*stage.carried} | output
        return [line for line in lines if line.name in wanted] or [line for line in lines if line.assigned]

    def values(self, stage: Stage, line: Line) -> Array:
        """(steps, width): the values of a line."""
        return np.asarray(self.trace.lines[stage.scope][line.name][self.window, self.row], np.float64)

    def width(self, stage: Stage, line: Line) -> int:
        """How many units a line has."""
        return int(self.trace.lines[stage.scope][line.name].shape[-1])

    def column(self, stage: Stage, name: str, j: int) -> str:
        """What the values of a unit of a line are called in a frame, as in a wide table."""
        return f"{stage.scope}/{name}[{j}]" if len(self.shown.stages) > 1 else f"{name}[{j}]"

    def symbol(self, stage: Stage, line: Line) -> str:
        """The symbol of a line, marked (see `marked_text`)."""
        return MarkedPlain(self.trace.header.symbols)(heading(line, stage.cell)).replace("-", "−")

    def told(self, stage: Stage, line: Line) -> str:
        """The symbol of a line as plain text."""
        return Plain(self.trace.header.symbols)(heading(line, stage.cell))

    def unit(self, stage: Stage, line: Line, j: int) -> str:
        """A unit in words."""
        return self.shown.unit(j, self.width(stage, line), axis(self.trace, stage, line.name))

    def value(self, at: Address) -> str:
        """A value in words: its symbol, its unit, and where it is."""
        stage = self.trace.stage(at.scope)
        line = stage.cell.by_name[at.line]
        unit = self.unit(stage, line, at.unit[0]) if at.unit is not None and self.width(stage, line) > 1 else ""
        return self.words.comma_list(self.told(stage, line), unit, self.shown.where(stage, at.t, at.b))

    def explained(self, text: str) -> str:
        """What is explained in words: a value, or a sum as it is written."""
        try:
            return self.value(self.trace.locate(text))
        except MissingError:
            return text

    def step(self, t: int) -> str:
        """A step in words, with its label where it has one."""
        return step_in_words(self.words, t, self.labels[t - self.steps[0]] if self.labels else "")

    def titled(self, key: str, **fields: object) -> str:
        """The title of the trace, and what the picture shows of it."""
        what = self.words.word(key, **fields)
        title = self.trace.header.title
        return title + self.words.aside(what) if title else what

    @property
    def notes(self) -> list[str]:
        """What a caption says of the choice, and of what is held."""
        if self.asked or self.trace.batch == 1:
            return self.held()
        return [self.words.word("plot.row", row=self.shown.row(self.row)), *self.held()]

    def held(self, every: bool = False) -> list[str]:
        """What is held in the row, or in every one; of two traces in each, unless it is the same."""
        if self.run is None:
            return []
        mine = self._held(self.run, every)
        yours = mine if self.against is None else self._held(self.against, every)
        if mine == yours:
            return [self.words.word("intervention", what=mine)] if mine else []
        sides = [("a", mine), ("b", yours)]
        told = [self.words.word("intervention.in", side=side, what=what) for side, what in sides if what]
        return [*told, self.words.word("plot.sides")]

    def _held(self, trace: Trace, every: bool) -> str:
        there = (one for one in entries(trace) if every or one.rows is None or self.row in one.rows)
        printed = Plain(self.trace.header.symbols)
        parts = held_in(replace(self.shown, trace=plain(trace)), there, FEW)
        return "".join(
            part.text if isinstance(part, Code) else part if isinstance(part, str) else printed(part).replace("-", "−")
            for part in parts
        )

    @property
    def nothing(self) -> MissingError:
        """The error that there is nothing to draw."""
        if not any(self.shown.lines(stage) for stage in self.shown.stages):
            return MissingError("there is nothing to draw: the trace has no line that was recorded at each step")
        return MissingError(
            "there is nothing to draw: all steps of the selection are padding, or no value is a finite number"
        )

    def frame(self, columns: dict[str, Any]) -> pd.DataFrame:
        """A row for each step, with its label where there are labels, and the columns that are given."""
        import pandas as pd

        named = {"token": list(self.labels), **columns} if any(self.labels) else columns
        return pd.DataFrame(named, index=pd.Index(self.steps, name="t"))


def rows_frame(rows: Iterable[Any], columns: Iterable[str]) -> pd.DataFrame:
    """A frame of rows that are no steps."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def subject(
    trace: Trace, *, lines: Sequence[str] | str | None = None, layer: int | None = None, direction: str | None = None,
    batch: int | None = None, steps: Any = None, language: str = "en",
) -> Subject:  # fmt: skip
    """What is drawn of a trace. Raises MissingError for a selection that is not there."""
    row = 0 if batch is None else batch
    chosen = Selection(only=lines, layer=layer, direction=direction, steps=steps, batch=row)
    run, trace = trace, plain(trace)  # values may be held; the lines are those that the cell has
    shown = view(trace, "summary", 4, chosen, True, language)
    stages = forward_stages(trace.stages) if direction is None else trace.stages  # those of gradients where it says so
    shown = replace(shown, stages=tuple(stage for stage in stages if chosen.places(stage)))
    return Subject(shown, row, batch is not None, run=run)


def chosen_units(unit: Any, there: Collection[int]) -> tuple[int, ...]:
    """The units that an argument names, of those that there are; all of these if it is None.

    Raises OptionError for what is no whole number, MissingError for a unit that is not there.
    """
    if unit is None:
        return tuple(there)
    wanted = tuple(unit) if isinstance(unit, Iterable) else (unit,)
    if not all(isinstance(j, Integral) and not isinstance(j, bool) for j in wanted):
        raise misfit("unit", "a whole number, or a list of them", unit)
    if not wanted:
        raise OptionError("unit names no unit: leave it out for all of them")
    if missing := [int(j) for j in wanted if j not in there]:
        raise MissingError(f"no unit {missing[0]} to draw: there are 0 to {max(there, default=0)}")
    return tuple(map(int, wanted))


def told(stage: Stage) -> set[str]:
    """Gates and what they let through, where that has a name; what is carried. A readout has no units of the cell."""
    cell = stage.cell
    every = {line.name for line in cell.lines if cell.opens(line)}
    products = [line for line in cell.lines if line.op == "mul" and every & set(line.operands)]
    names = {*stage.carried, *every, *(operand for line in products for operand in line.operands)}
    return {line.name for line in cell.lines if line.name in names and line.assigned}
