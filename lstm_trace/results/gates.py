"""Behaviour of gates: saturation, units that are always saturated, half-lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ..base.arrays import by_key, runs
from ..base.display import visible
from ..base.option import Option
from ..documents.tables import LongTable
from ..explanation.activity import COLUMNS, HIGH, LOW, Behaviour, behaviour, foreseen
from ..languages.strings import Words
from ..plot.figure import Figure
from ..plot.kinds.saturation import saturation as picture
from ..report.in_words.cases import percent
from ..trace.argument_types import checked
from ..trace.labels import axis, labels
from ..trace.trace import Trace
from .explanation import Explanation, counted, in_steps, some_of

#: The states of a unit, by the word used in rows, to the key of their description.
ALWAYS = {"shut": "gates.always.zero", "open": "gates.always.one"}


@checked
def gates(
    trace: Trace,
    low: Annotated[float, Option(least=0, most=1)] = LOW,
    high: Annotated[float, Option(least=0, most=1)] = HIGH,
) -> GatesExplanation:
    """Saturation and half-life of every gate, and units that are always saturated.

    Args:
        low: Values below this are left-saturated (0.1).
        high: Values above this are right-saturated (0.9).

    Raises:
        OptionError: unless 0 <= low < high <= 1.
    """
    return GatesExplanation(trace, None, behaviour(trace, low, high))


@dataclass(frozen=True, eq=False, repr=False)
class GatesExplanation(Explanation):
    """The behaviour of every unit of every gate."""

    behaviour: Behaviour

    def title(self, words: Words) -> str:
        """The title, which names gates as the subject."""
        return words.word("gates.title")

    def found(self, words: Words) -> Iterator[str]:
        """For each gate its saturation, and how long it keeps its state."""
        for (scope, line), units in by_key(((unit.scope, unit.line), unit) for unit in self.behaviour.units).items():
            names = labels(self.trace, axis(self.trace, self.trace.stage(scope), line), len(units))
            finite = max(sum(unit.values for unit in units), 1)
            counts = ((unit.left * unit.values, unit.right * unit.values) for unit in units)
            left, right = (sum(shares) / finite for shares in zip(*counts, strict=True))
            known = ((unit.half_life, unit.unit) for unit in units if unit.half_life is not None)
            lives = sorted(life for life in known if not np.isnan(life[0]))
            if not (left or right or lives):
                continue
            shares = {"left": percent(words, left), "right": percent(words, right)}
            told = [words.word("gates.saturated", line=words.address(f"{scope}/{line}"), **shares)]
            for state, key in ALWAYS.items():
                if those := [unit.unit for unit in units if unit.state == state]:
                    told.append(words.count(key, len(units), some=len(those), units=_named(those, names, words)))
            if lives:
                told.append(self._half_lives(lives, names, words))
            yield words.word("semicolon").join(told)
        if not self.behaviour.units:
            yield words.word("gates.none")

    def _half_lives(self, lives: Sequence[tuple[float, int]], names: Sequence[str], words: Words) -> str:
        """The half-lives of a gate's units: for one its own, for several the shortest, the longest and the median."""
        most = foreseen(self.trace.valid)
        (least, first), (longest, last) = lives[0], lives[-1]
        if least == longest:
            return words.word("gates.half", steps=in_steps(least, most, words))
        shortest, middle = (
            words.word("explanation.over", n=most) if length > most else f"{length:.3g}"
            for length in (least, np.median([length for length, _ in lives]))
        )
        one, other = (_named([j], names, words) for j in (first, last))
        ends = {"least": shortest, "most": in_steps(longest, most, words), "middle": middle}
        return words.word("gates.half.range", **ends, first=one, last=other)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """The half-life of each unit, the longest first; then every unit of every gate."""
        behaviour = self.behaviour
        several = len({unit.scope for unit in behaviour.units}) > 1
        place = ("layer", "direction", "line", "unit") if several else ("line", "unit")
        shown = (*place, *(() if several else ("mean",)), "left", "right", "state")
        left_out = () if self.trace.not_finite is None else (words.word("profile.infinite"),)
        notes = (words.word("gates.note", low=f"{behaviour.low:g}", high=f"{behaviour.high:g}"), *left_out)
        notes = notes if behaviour.units else left_out
        said = {"state": lambda state, words: words.word(f"gates.state.{state}") if state else ""}
        heading, ranked = words.word("explanation.entries"), ("left", "right")
        every = LongTable(COLUMNS, behaviour.rows, heading, shown, notes, ranked=ranked, adds=False, said=said)
        every = counted(self.trace, every)
        lives = [row for row in behaviour.rows if row[-1] is not None]
        if not lives:
            return (every,)
        lives.sort(key=lambda row: -row[-1] if row[-1] == row[-1] else np.inf)
        columns, bounds = (*place, "mean", "half_life"), {"half_life": foreseen(self.trace.valid)}
        rows = [tuple(row[COLUMNS.index(name)] for name in columns) for row in lives]
        heading, notes = words.word("gates.lives"), (words.word("gates.note.lives"),)
        return (LongTable(columns, rows, heading, (), notes, ("half_life",), adds=False, bounds=bounds), every)

    def draw(self, trace: Trace, language: str) -> Figure:
        """Each gate with its units, by how often they are saturated."""
        return picture(trace, self.behaviour.low, self.behaviour.high, language=language)


def _named(those: Sequence[int], names: Sequence[str], words: Words) -> str:
    """Units by number, with their labels if there are any; neighbours as a range; only the first of many."""
    named = [f"{words.nth(j)} ({visible(names[j])})" for j in those] if names else [*map(words.span, runs(those))]
    return some_of(named, words)
