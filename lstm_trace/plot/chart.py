"""What a chart is before it is drawn: rows of panels with curves, and the scales that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10

import numpy as np

from ..base.arrays import Array
from ..formulas.numbers import show
from ..formulas.plain import number
from ..languages.strings import Words

#: The largest number.
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Curve:
    """A line of one unit. label: its symbol, marked (`marked_text`); told: the same as text. values: (steps,), NaN
    where nothing is drawn. broken: whether there are steps at which its value is no finite number.
    """

    line: str
    label: str
    told: str
    values: Array
    broken: bool = False


@dataclass(frozen=True)
class CurvePanel:
    """Curves that share a scale: `gates` from 0 to 1, or `values`."""

    kind: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Row:
    """The panels of one unit. scope: empty where there is one layer and direction. unit, named, place: where it is;
    named may have marked symbols (`marked_text`).
    """

    scope: str
    unit: int
    named: str
    place: str
    panels: tuple[CurvePanel, ...]

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves of all panels."""
        return tuple(curve for panel in self.panels for curve in panel.curves)

    def title(self, words: Words) -> str:
        """Where it is, and its unit, in words."""
        return words.word("list").join(part for part in (self.place, self.named) if part)

    @property
    def reach(self) -> float:
        """The largest range of a curve."""
        finite = (curve.values[np.isfinite(curve.values)] for curve in self.curves)
        return max((float(values.max() - values.min()) for values in finite if values.size), default=0.0)


@dataclass(frozen=True)
class Chart:
    """Rows of panels. names: headings of the kinds of panels. caption: sentences below. labels_of_steps: or none.

    powers: whether the values are logarithms, of which the powers of ten are shown.
    """

    title: str
    steps: range
    rows: tuple[Row, ...]
    names: Mapping[str, str]
    caption: str
    words: Words
    labels_of_steps: Sequence[str] = ()
    powers: bool = False

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of panels that have a curve."""
        there = {panel.kind for row in self.rows for panel in row.panels if panel.curves}
        return tuple(kind for kind in self.names if kind in there)

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """The curves of each kind, name to label, for the legends."""
        found: dict[str, dict[str, str]] = {kind: {} for kind in self.kinds}
        for row in self.rows:
            for panel in row.panels:
                found.get(panel.kind, {}).update({curve.line: curve.label for curve in panel.curves})
        return found

    def scale(self, kind: str) -> tuple[float, ...]:
        """The marks of a scale, from its lower to its upper end."""
        if kind == "gates":
            return 0.0, 0.5, 1.0
        panels = (panel for row in self.rows for panel in row.panels if panel.kind == kind)
        every = np.concatenate([curve.values for panel in panels for curve in panel.curves])
        finite = every[np.isfinite(every)]
        if self.powers:
            return decades(float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return marks(min(float(finite.min(initial=0.0)), 0.0), max(float(finite.max(initial=0.0)), 0.0))

    def shown(self, value: float, digits: int = 4) -> str:
        """A value as a text."""
        return number(show(10.0**value if self.powers else value, digits))


def marks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers at equal distances that reach from `low` to `high`, three to six of them.

    >>> marks(-0.4, 0.7), marks(0.0, 0.0)
    ((-0.5, -0.25, 0.0, 0.25, 0.5, 0.75), (0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0))
    """
    if low == high:
        low, high = (low, low + 1) if low >= 0 else (low, 0.0)
    power = floor(log10(max(high / 5 - low / 5, 1e-300)))
    for size in (factor * 10.0**exponent for exponent in (power, power + 1) for factor in (1, 2, 2.5, 5)):
        first, last = floor(low / size), ceil(high / size)
        if last - first <= 5:
            break
    return tuple(min(max(k * size, -LARGEST), LARGEST) for k in range(first, last + 1))


def decades(low: float, high: float) -> tuple[float, ...]:
    """Whole numbers at equal distances that reach from `low` to `high`, two to six of them.

    >>> decades(-3.2, 0.5), decades(-120.0, 1.0), decades(2.0, 2.0)
    ((-4.0, -3.0, -2.0, -1.0, 0.0, 1.0), (-150.0, -100.0, -50.0, 0.0, 50.0), (2.0, 3.0))
    """
    for size in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        first, last = floor(low / size), max(ceil(high / size), floor(low / size) + 1)
        if last - first <= 5:
            break
    return tuple(float(k * size) for k in range(first, last + 1))
