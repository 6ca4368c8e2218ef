"""Which units of which sequences are described, at which steps, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array, by_key
from ...cell.lines import Operand
from ...cell.network import Stage, X
from ...documents.blocks import Code, Text
from ...formulas import numbers
from ...formulas.plain import Plain
from ...formulas.tree import Node, Num, value as symbol
from ...languages.strings import Words, capital
from ...trace.labels import Axis, axis, labels, step_label
from ...view.view import View

#: How many units and sequences are described one by one if there are several steps, and if there is only one; if there
#: are more, `FEW` of them.
CASES, CASES_OF_A_STEP, FEW = 4, 6, 3
#: How many steps are described one by one; of more, only the least and the greatest value.
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
    """What is described of one stage, and how.

    few: widths of lines, or rows and columns, each with the line by which their few units were chosen, if not all of
    them are described.
    named: the steps that its sentences name.
    """

    shown: View
    stage: Stage
    few: dict[tuple[int, ...], str] = field(default_factory=dict)
    named: set[int] = field(default_factory=set)

    @property
    def words(self) -> Words:
        """The strings of the language."""
        return self.shown.words

    # -- which ---------------------------------------------------------------------------------------------------------

    @cached_property
    def window(self) -> tuple[int, ...]:
        """The chosen steps in the order in which they are computed."""
        return self.shown.every_step[::-1] if self.stage.backwards else self.shown.every_step

    @cached_property
    def steps(self) -> dict[int, tuple[int, ...]]:
        """By chosen row its chosen steps that are not padding, in computing order; rows that have none are left out."""
        found = {b: tuple(t for t in self.window if not self.shown.padding(t, b)) for b in self.shown.every_row}
        return {b: steps for b, steps in found.items() if steps}

    @cached_property
    def most(self) -> int:
        """How many cases are described one by one."""
        return CASES if len(self.window) > 1 else CASES_OF_A_STEP

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The rows that are described: all of them, or the first few."""
        first = next((line.name for line in self.shown.lines(self.stage)), "")
        units = 1 if self.shown.chosen.unit is not None else self.width((*self._carried, first)[0])
        every = tuple(self.steps)
        return every if units * len(every) <= self.most else every[: max(self.most // min(max(units, 1), FEW), 1)]

    def cases(self, name: str) -> list[Case]:
        """The cases of a line that are described: all of them, or those that are furthest from zero at the end."""
        width, chosen = self.width(name), self.shown.chosen.unit
        units = [u for u in ([chosen] if chosen is not None else range(width)) if u < width]
        if len(units) * len(self.rows) > self.most:
            if (size := self.size(name)) not in self.few:
                self.few[size] = next((line for line in self._carried if self.size(line) == size), name)
            values = self.values(self.few[size])
            assert values is not None
            last = np.array([[self.shown.trace.index(self.steps[b][-1]), b] for b in self.rows])
            sizes = np.abs(values[last[:, 0], last[:, 1]].astype(np.float64)).max(axis=0)
            order = np.argsort(-np.where(np.isfinite(sizes), sizes, -1.0), kind="stable")
            units = sorted(order[:FEW].tolist())
        return [Case(j, b) for b in self.rows for j in units]

    @cached_property
    def _carried(self) -> list[str]:
        """What is carried and was recorded, the cell state before the hidden state."""
        cell = self.stage.cell
        names = [self.stage.unpadded(name) for _, name in reversed(cell.carry)]
        return [name for name in [*names, cell.output] if name in cell.by_name and self.values(name) is not None]

    # -- values --------------------------------------------------------------------------------------------------------

    def values(self, name: Operand) -> Array | None:
        """The values of a line, input, state or bias, (T, B, width); None if they were not recorded."""
        found = self.shown.values.array(self.stage.scope, name)
        if found is not None and found.ndim == 1:  # a bias: the same at every step
            found = np.broadcast_to(found, (self.shown.trace.steps, self.shown.trace.batch, len(found)))
        return found if found is not None and found.ndim == 3 else None

    def width(self, name: str) -> int:
        """How many units a line has; 0 if it was not recorded."""
        values = self.values(name)
        return 0 if values is None else values.shape[-1]

    def size(self, name: str) -> tuple[int, ...]:
        """The rows and columns of a line that is a matrix, the width of any other."""
        return self.shown.trace.grid(self.stage.scope, name) or (self.width(name),)

    def course(self, name: Operand, case: Case, steps: Sequence[int]) -> CaseCourse:
        """The values of a case at some steps; for a line of width 1, its only values."""
        values = self.values(name)
        assert values is not None
        at = np.array(steps, int) - self.shown.trace.first
        found = values[at, case.row, case.unit if values.shape[-1] > 1 else 0]
        return CaseCourse(case, tuple(steps), tuple(found.astype(np.float64).tolist()))

    def value(self, name: Operand, case: Case, t: int) -> float:
        """One value."""
        return self.course(name, case, [t]).values[0]

    def is_finite(self, name: str, case: Case) -> bool:
        """Whether every value of a case is a finite number."""
        return bool(np.isfinite(self.course(name, case, self.steps[case.row]).values).all())

    def num(self, name: Operand, case: Case, t: int) -> Num:
        """One value as it is shown."""
        unit = case.unit if self.width(str(name)) > 1 else 0
        step, row = (None, None) if str(name) in self.stage.cell.parameters else (t, case.row)
        return self.shown.values.num(self.stage.scope, name, step, row, (unit,))

    # -- what they are called ------------------------------------------------------------------------------------------

    def axis(self, name: str) -> Axis:
        """Whether the units of a line are hidden units or outputs."""
        return axis(self.shown.trace, self.stage, name)

    def symbol(self, name: str, steps: Iterable[int] = ()) -> Node:
        """The symbol of a line, input or state; at a single step the symbol that the page uses there."""
        found, there = symbol(name, self.stage.cell), list(steps)
        return self.shown.at(self.stage, there[0], found) if len(there) == 1 else found

    def own(self, key: str, *names: str) -> str:
        """The key of this kind of cell's own string for a line; empty if there is none."""
        kind = self.shown.trace.header.kind
        return next((own for name in names if self.words.has(own := f"{key}.{kind}.{name}")), "")

    def subject(self, name: str, steps: Iterable[int]) -> Text:
        """The name of a line as the subject of a sentence: `the input gate`, or its symbol."""
        key = self.own("the", name)
        return (self.words.word(key),) if key else (self.symbol(name, steps),)

    def gate(self, name: str, steps: Iterable[int]) -> Text:
        """The same for a gate: `the gate k_t`."""
        found = self.subject(name, steps)
        return found if isinstance(found[0], str) else self.words.text("the.gate", gate=found)

    def unit(self, name: str, j: int, row: str = "") -> str:
        """A unit of a line in words, and its row if that is given."""
        key = "the.output" if self.axis(name) == "y" else "the.unit"
        unit = self.shown.label(self.stage, name, j, self.width(name))
        return self.words.word(f"{key}.row" if row else key, unit=unit, row=row)

    def who(self, case: Case, name: str, whole: bool = False) -> str:
        """A case in words, as far as there are several; whole: name the unit in any case."""
        width, row = self.width(name), self.shown.row(case.row) if len(self.rows) > 1 else ""
        if whole or width > 1 or labels(self.shown.trace, self.axis(name), width):
            return self.unit(name, case.unit, row)
        return self.words.word("the.row", row=row) if row else ""

    def when(self, t: int) -> str:
        """A step in words, with its label if all rows have the same label."""
        self.named.add(t)
        return self.shown.step(t, True, self.rows[0] if len(self.rows) == 1 else None)

    def at(self, steps: Iterable[int]) -> str:
        """The time of something that happens at one step of each row; empty if there is only one step."""
        found = set(steps)
        if self.shown.trace.span == range(1):
            return ""
        return self.words.word("when.last" if len(found) > 1 else "when", step=self.when(min(found)))

    def step(self, t: int, row: int) -> str:
        """A step in words, with its label, or with its input if that has a label."""
        self.named.add(t)
        trace, text = self.shown.trace, self.shown.step(t, True, row)
        if step_label(trace, t, row) or trace.x is None or X not in self.stage.sources.values():
            return text
        entries = trace.x[trace.index(t), row]
        there, named = np.flatnonzero(entries), labels(trace, "x", len(entries))
        return self.words.word("step.input", step=text, name=named[there[0]]) if len(there) == 1 and named else text

    # -- sentences -----------------------------------------------------------------------------------------------------

    def said(self, *sentences: Text) -> Text:
        """Sentences with full stops between and after them."""
        return (*self.words.listed([*sentences], "stop.next", "stop.next"), self.words.word("stop"))

    def sentence(self, key: str, when: str = "", **fields: Any) -> Text:
        """The sentence of `key`, or of `key.at` if it states the time, capitalized and without its full stop."""
        return capital(self.words.text(f"{key}.at", when=when, **fields) if when else self.words.text(key, **fields))

    def at_the_end(self, key: str, name: str, texts: Sequence[tuple[Case, Text, Text]], **fields: Any) -> Text:
        """What is stated about each case at its last step, as whole sentences."""
        steps = {self.steps[case.row][-1] for case, _, _ in texts}
        fields |= {"subject": self.subject(name, steps), "values": self.each(name, texts)}
        return self.said(self.sentence(key, self.at(steps), **fields))

    def aside(self, key: str, **fields: Any) -> Text:
        """A remark in brackets."""
        return self.words.text("aside", text=self.words.text(key, **fields))

    def share(self, value: float, name: str) -> str:
        """A number between 0 and 1 in percent; 0 % and 100 % only if it is exactly that."""
        array = self.values(name)
        return percent(self.words, value if array is None else array.dtype.type(value))

    def then(self, texts: Sequence[Text]) -> Text:
        """Values over the steps: a single one, the same at each step, or one after the other."""
        if len(texts) > 1 and len(set(map(_printed, texts))) == 1:
            return self.words.text("course.same", what=texts[0])
        return self.words.listed(list(texts), mark="then", last="then")

    def over_steps(self, course: CaseCourse, text: Callable[[float, int], Text]) -> Text:
        """A course in words; for many steps the least and the greatest value, with their steps."""
        if len(course.steps) <= STEPS:
            return self.then([text(value, t) for value, t in zip(course.values, course.steps, strict=True)])
        places = [course.values.index(end(course.values)) for end in (min, max)]
        least, most = (text(course.values[at], course.steps[at]) for at in places)
        if _printed(least) == _printed(most):
            return self.words.text("course.same", what=least)
        first, second = (self.when(course.steps[at]) for at in places)
        return self.words.text("course.range", least=least, most=most, first=first, second=second)

    def each(self, name: str, texts: Sequence[tuple[Case, Text, Text]]) -> Text:
        """What is stated about each case, with a remark; cases with the same statement are combined."""
        joined = by_key((_printed(text, remark), case) for case, text, remark in texts)
        every = len(joined) == 1 and len(texts) == self.width(name) > 1 and len(self.steps) == 1
        key, all_of = ("in.output", "the.every.output") if self.axis(name) == "y" else ("in", "the.every")
        found = []
        for _, text, remark in texts:
            if not (those := joined.pop(_printed(text, remark), [])):
                continue
            named: list[Text] = [(self.who(case, name),) for case in those]
            who = self.words.word(all_of) if every else "".join(map(str, self.words.listed(named)))
            found.append((*(self.words.text(key, what=text, who=who) if who else text), *remark))
        return self.one_by_one(found)

    def one_by_one(self, texts: Sequence[Text]) -> Text:
        """Texts one after the other, separated by semicolons if they contain commas."""
        comma = self.words.word("list").strip()
        if any(comma in part for text in texts for part in text if isinstance(part, str)):
            return self.words.listed(list(texts), mark="semicolon", last="semicolon")
        return self.words.listed(list(texts), last="and.two" if len(texts) < 3 else "and.more")

    def valued(self, name: str, cases: Sequence[Case], many: int = 0) -> Text:
        """The values of cases at the last step, or at all steps if these are at most `many`, as a whole sentence."""
        found = [(case, self.steps[case.row][0 if len(self.window) <= many else -1 :]) for case in cases]
        texts: list[tuple[Case, Text, Text]] = [
            (case, self.then([(self.num(name, case, t),) for t in steps]), ()) for case, steps in found
        ]
        there = {t for _, steps in found for t in steps}
        when = self.at(there) if all(len(steps) == 1 for _, steps in found) else ""
        values = self.each(name, texts)
        return self.said(self.sentence("value", when, subject=self.subject(name, there), values=values))


def percent(words: Words, value: Any) -> str:
    """A number between 0 and 1 in percent; 0 % and 100 % only if it is exactly that.

    >>> from ...languages.strings import words
    >>> percent(words("en"), 0.25), percent(words("en"), 0.001)
    ('25\xa0%', 'less than 1\xa0%')
    """
    sign, n = numbers.percent(value)
    return words.word({"<": "share.little", ">": "share.much", "": "share"}[sign], n=n)


def _printed(*texts: Text) -> tuple[str, ...]:
    """Texts as they are read: numbers that are shown alike are equal."""
    plain = Plain()
    return tuple(str(part) if isinstance(part, str | Code) else plain(part) for text in texts for part in text)
