"""The subject of a picture over time: the chosen stages, lines, steps and sequence; their names."""

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
from ..trace.address import Address, columns_of, index_text
from ..trace.argument_types import misfit
from ..trace.held import FEW, entries, plain
from ..trace.labels import step_labels
from ..trace.rows import Selection
from ..trace.trace import Trace
from ..view.line_groups import held_in
from ..view.view import View, view
from .furniture import MarkedPlain, step_in_words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Subject:
    """The drawn part of a trace. shown: its stages, and the language. row: the sequence. asked: whether it was given.

    against: another trace that it is compared with; padding of either counts as padding. run: the trace with its holds;
    None if they are described elsewhere.
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
        """The steps as indices into the arrays."""
        return self.shown.chosen.window(self.trace)

    @property
    def steps(self) -> range:
        """The steps, as positions in the input."""
        return self.trace.span[self.window]

    @cached_property
    def labels(self) -> Sequence[str]:
        """The labels of the steps, or none."""
        return step_labels(self.trace, self.row)[self.window]

    @cached_property
    def valid(self) -> Array:
        """(steps,): whether a step is not padding."""
        every = [trace for trace in (self.trace, self.against) if trace is not None]
        return np.all([trace.valid[self.window, self.row, 0] != 0 for trace in every], axis=0)

    def lines(self, stage: Stage, candidates: bool = True) -> list[Line]:
        """The chosen lines of a stage; by default its gates, candidates or the output, and states."""
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
        """Number of units of a line."""
        return int(self.trace.lines[stage.scope][line.name].shape[-1])

    def column(self, stage: Stage, name: str, j: int) -> str:
        """Column name of a unit of a line in a frame, as in a wide table."""
        one = name + index_text((j,), columns_of(self.trace, stage.scope, name))
        return f"{stage.scope}/{one}" if len(self.shown.stages) > 1 else one

    def symbol(self, stage: Stage, line: Line) -> str:
        """The symbol of a line, marked (see `marked_text`)."""
        return MarkedPlain(self.trace.header.symbols)(heading(line, stage.cell)).replace("-", "−")

    def told(self, stage: Stage, line: Line) -> str:
        """The symbol of a line as plain text."""
        return Plain(self.trace.header.symbols)(heading(line, stage.cell))

    def unit(self, stage: Stage, line: Line, j: int) -> str:
        """A unit in words."""
        return self.shown.label(stage, line.name, j, self.width(stage, line))

    def value(self, at: Address) -> str:
        """A value in words: its symbol, its unit, and its location."""
        stage = self.trace.stage(at.scope)
        line = stage.cell.by_name[at.line]
        unit = self.unit(stage, line, at.unit[0]) if at.unit is not None and self.width(stage, line) > 1 else ""
        return self.words.comma_list(self.told(stage, line), unit, self.shown.where(stage, at.t, at.b))

    def explained(self, text: str) -> str:
        """The explained value in words: a value, or a sum as it is written."""
        try:
            return self.value(self.trace.locate(text))
        except MissingError:
            return text

    def step(self, t: int) -> str:
        """A step in words, with its label if it has one."""
        return step_in_words(self.words, t, self.labels[t - self.steps[0]] if self.labels else "")

    def titled(self, key: str, **fields: object) -> str:
        """The title of the trace, and what the picture shows of it."""
        what = self.words.word(key, **fields)
        title = self.trace.header.title
        return title + self.words.aside(what) if title else what

    @property
    def notes(self) -> list[str]:
        """Sentences of the caption about the selection, and about held lines."""
        if self.asked or self.trace.batch == 1:
            return self.held()
        return [self.words.word("plot.row", row=self.shown.row(self.row)), *self.held()]

    def held(self, every: bool = False) -> list[str]:
        """The holds in this sequence, or in every one; of both traces, unless they are the same."""
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
        """One row per step, with its label if there are labels, and the given columns."""
        import pandas as pd

        named = {"token": list(self.labels), **columns} if any(self.labels) else columns
        return pd.DataFrame(named, index=pd.Index(self.steps, name="t"))


def rows_frame(rows: Iterable[Any], columns: Iterable[str]) -> pd.DataFrame:
    """A frame whose rows are not steps."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def subject(
    trace: Trace, *, lines: Sequence[str] | str | None = None, layer: int | None = None, direction: str | None = None,
    batch: int | None = None, steps: Any = None, language: str | None = None,
) -> Subject:  # fmt: skip
    """The subject of a picture of a trace. Raises MissingError if the trace does not contain the selection."""
    row = 0 if batch is None else batch
    chosen = Selection(only=lines, layer=layer, direction=direction, steps=steps, batch=row)
    run, trace = trace, plain(trace)  # values may be held; the lines are those of the cell without holds
    shown = view(trace, "summary", 4, chosen, True, language)
    stages = forward_stages(trace.stages) if direction is None else trace.stages  # those of gradients only by name
    shown = replace(shown, stages=tuple(stage for stage in stages if chosen.places(stage)))
    return Subject(shown, row, batch is not None, run=run)


def chosen_units(unit: Any, there: Collection[int]) -> tuple[int, ...]:
    """The units that an argument selects, among those that exist; all of them if it is None.

    Raises OptionError if it is not a whole number, MissingError if a unit does not exist.
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
    """Gates, the named lines that they act on, and carried lines. A readout has no units of the cell."""
    cell = stage.cell
    every = {line.name for line in cell.lines if cell.opens(line)}
    products = [line for line in cell.lines if line.op == "mul" and every & set(line.operands)]
    names = {*stage.carried, *every, *(operand for line in products for operand in line.operands)}
    return {line.name for line in cell.lines if line.name in names and line.assigned}
