"""The elements of a picture: a grid of panels, each with two axes and marks, from which every format is rendered.

A histogram needs no more than this:

>>> counts = [3, 5, 2]
>>> bars = tuple(Bar(k, n, "c0", "values") for k, n in enumerate(counts))
>>> panel = Panel(number_axis(-0.5, 2.5, title="bin"), number_axis(0, 5, title="count"), bars, name="A histogram")
>>> [tick.label for tick in panel.y.ticks]
['0', '1', '2', '3', '4', '5']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.display import visible
from ..formulas.plain import raised
from ..languages.strings import Words
from .coloured_text import Scale, Tokens
from .furniture import LABEL, LEFT, RIGHT, WIDE, shown_number

#: The largest number.
LARGEST = float(np.finfo(np.float64).max)
#: Width of a picture without its margins; free space between two columns of panels.
ROOM, BETWEEN = WIDE - LEFT - RIGHT, 52.0


class Tick(NamedTuple):
    """A position on an axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """An axis of a panel, from its left or lower end to the other.

    Attributes:
        low: value at its left or lower end.
        high: value at its right or upper end.
        ticks: the positions that have a number.
        labels: names of positions, drawn if they fit.
        title: next to the numbers of an axis over time, otherwise below the axis or next to it.
        field: its name in a Vega-Lite specification.
        kind: `number`, `step`, `ordinal` or `nominal`.
        inset: pixels left free at both ends.
        powers: whether the ends and ticks are logarithms to base ten of the values.
        key: the value that Vega-Lite has for a position.
        where: a position in words.
        first: the step at position 0, for an axis over time.
        size: how many steps share a position.
        domain: every key of a nominal axis in order.
    """

    low: float
    high: float
    ticks: tuple[Tick, ...] = ()
    labels: tuple[Tick, ...] = ()
    title: str = ""
    field: str = "x"
    kind: str = "number"
    inset: float = 0.0
    powers: bool = False
    key: Callable[[Any], Any] = float
    where: Callable[[Any], str] = shown_number
    first: int | None = None
    size: int = 1
    domain: tuple[str, ...] = ()

    def share(self, values: Any) -> Any:
        """Position of values along the axis, from 0 to 1; the middle if the axis has only one value."""
        if self.low == self.high:
            return values * 0 + 0.5
        return (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)  # halved: the difference may overflow

    def along(self, values: Array) -> Array:
        """Values on the scale of the axis: their logarithms if it shows powers of ten."""
        if not self.powers:
            return values
        with np.errstate(all="ignore"):
            return np.log10(values)


class Curve(NamedTuple):
    """A line through the positions 0, 1, …: its values, NaN for a gap. label: its symbol, marked; told: as text."""

    style: str
    label: str
    told: str
    values: Array


class Bar(NamedTuple):
    """A bar of a value, starting at `base`.

    style: its class. name: of the value, marked. wide: in units of the axis.
    """

    at: float
    value: float
    style: str
    name: str
    base: float = 0.0
    wide: float = 1.0

    @property
    def ends(self) -> tuple[float, float]:
        """Its lower and its upper end."""
        return min(self.base, self.base + self.value), max(self.base, self.base + self.value)


class Dot(NamedTuple):
    """A point. radius: in pixels. said: its tooltip. attributes: SVG. row: further fields for Vega-Lite."""

    x: float
    y: float
    radius: float = 3.0
    said: str = ""
    attributes: str = ""
    row: dict[str, Any] = {}  # noqa: RUF012


@dataclass(frozen=True)
class Cells:
    """A heat map.

    Attributes:
        values: (rows, columns), from top to bottom.
        scale: from values to colours.
        valid: (columns,) or (rows, columns), False for padding.
        size: how many rows and columns share a pixel.
        note: how a caption describes a magnitude.
        attributes: SVG attributes of the image.
        live: facts for the script of a page, if the map is interactive.
    """

    values: Array
    scale: Scale
    valid: Array | bool = True
    size: tuple[int, int] = (1, 1)
    note: Callable[[tuple[int, int]], list[str]] = lambda size: []
    attributes: str = ""
    live: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spans:
    """A text whose parts are coloured by values; NaN at padding.

    Attributes:
        tokens: the parts.
        values: (parts,).
        valid: (parts,), False for padding.
        scale: from values to colours.
        said: tooltip of each part.
        lines: the indices of the parts in each line.
        widths: of the parts, in pixels.
        marked: the indices of highlighted parts.
    """

    tokens: Tokens
    values: Array
    valid: Array
    scale: Scale
    said: Sequence[str]
    lines: tuple[tuple[int, ...], ...]
    widths: Sequence[float]
    marked: range = range(0)


@dataclass(frozen=True)
class Panel:
    """Marks between two axes.

    Attributes:
        x, y: the axes.
        marks: the drawn elements; all of one type.
        name: its content, as text.
        wide, tall: its size in pixels.
        heading: text above it, marked; empty if the neighbouring panel has it.
        style: the class of the heading.
        aside: text next to the heading.
        above, below: pixels left free above and below it.
        room: width including everything beside it.
        frame: `panel`, `floor` (the triangle below the diagonal) or empty.
        said: text alternative for screen readers.
        corner: lines in its upper right corner; the first one marked.
        under: a text below the axis.
        marked: a marked position on the x axis.
    """

    x: Axis
    y: Axis
    marks: Sequence[Any]
    name: str = ""
    wide: float = ROOM
    tall: float = 190.0
    heading: str = ""
    style: str = "kind"
    aside: str = ""
    above: float = 10.0
    below: float = 10.0
    room: float = 0.0
    frame: str = "panel"
    said: str = ""
    corner: tuple[str, ...] = ()
    under: str = ""
    marked: float | None = None


@dataclass(frozen=True)
class Column:
    """Panels one below the other with a shared x axis, whose ticks are below the last one.

    Attributes:
        panels: from top to bottom.
        heading: text above them.
        legend: class and marked label of each style.
        shaded: shaded positions on the x axis, in all panels.
        wide: its width; that of its widest panel if 0.
    """

    panels: Sequence[Panel]
    heading: str = ""
    legend: Sequence[tuple[str, str]] = ()
    shaded: Sequence[float] = ()
    wide: float = 0.0


@dataclass(frozen=True)
class Grid:
    """Columns side by side. heading: above them. between: pixels between two columns. top: pixels above them."""

    columns: Sequence[Column]
    heading: str = ""
    between: float = BETWEEN
    top: float = 0.0

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels, column by column."""
        return (panel for column in self.columns for panel in column.panels)


# -- axes ------------------------------------------------------------------------------------------------------------


def number_axis(low: float, high: float, title: str = "", **more: Any) -> Axis:
    """An axis from one number to another, with round numbers as ticks; labels at its ends are kept inside."""
    ticks = tuple(Tick(at, shown_number(at, 6)) for at in marks(low, high) if low <= at <= high)
    return Axis(low, high, ticks, title=title, **more)


def share_axis(**more: Any) -> Axis:
    """An axis from 0 to 1."""
    return Axis(0.0, 1.0, tuple(Tick(at, shown_number(at)) for at in (0.0, 0.5, 1.0)), **more)


def round_axis(low: float, high: float, powers: bool = False, **more: Any) -> Axis:
    """An axis that begins and ends with a round number. powers: `low` and `high` are logarithms to base ten."""
    places = decades(low, high) if powers else marks(low, high)
    ticks = tuple(Tick(at, f"10{raised(shown_number(at))}" if powers else shown_number(at, 6)) for at in places)
    return Axis(places[0], places[-1], ticks, powers=powers, **more)


def step_axis(
    words: Words, steps: range, labels: Sequence[str], most: int, size: int = 1, extra: tuple[Tick, ...] = (),
    **more: Any,
) -> Axis:  # fmt: skip
    """An axis over time.

    Args:
        words: the language, which knows the number of the first step.
        steps: the steps on the axis.
        labels: labels of the steps, or empty.
        most: maximum number of ticks.
        size: how many steps share a position.
        extra: ticks that are not steps.
        more: other attributes of the axis.
    """
    ticks = tuple(Tick(steps.index(t) // size, str(words.nth(t))) for t in round_steps(steps, words, most))
    named = tuple(Tick(k // size, visible(label, LABEL)) for k, label in enumerate(labels)) if any(labels) else ()
    facts: dict[str, Any] = {
        "low": 0.0, "high": -(-len(steps) // size) - 1.0, "title": "t", "field": "t", "kind": "step",
        "first": steps[0], "size": size, "ticks": extra + ticks, "labels": named,
        "key": partial(nth, words, steps), "where": partial(_step, words, steps),
    }  # fmt: skip
    return Axis(**{**facts, **more})


def _step(words: Words, steps: range, at: Any) -> str:
    return f"t = {nth(words, steps, at)}"


def nth(words: Words, numbers: Sequence[int], at: Any) -> int:
    """The number at a position on an axis, counted as in the problem."""
    return words.nth(int(numbers[int(at)]))


def round_steps(steps: range, words: Words, most: int) -> list[int]:
    """The steps that get a tick: those with a round number, at most about `most`."""
    sizes = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    every = next(size for size in sizes if len(steps) / size <= most)
    return [t for t in steps if words.nth(t) % every == 0] or [steps[0]]


def marks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers at equal distances that cover the range from `low` to `high`, three to six of them.

    >>> marks(-0.4, 0.7), marks(0.0, 0.0)
    ((-0.5, -0.25, 0.0, 0.25, 0.5, 0.75), (0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0))
    """
    if low == high:
        low, high = (low, low + 1) if low >= 0 else (low, 0.0)
    power = floor(log10(max(high / 5 - low / 5, 1e-300)))
    return _apart(low, high, (factor * 10.0**exponent for exponent in (power, power + 1) for factor in (1, 2, 2.5, 5)))


def decades(low: float, high: float) -> tuple[float, ...]:
    """Whole numbers at equal distances that cover the range from `low` to `high`, two to six of them.

    >>> decades(-3.2, 0.5), decades(-120.0, 1.0), decades(2.0, 2.0)
    ((-4.0, -3.0, -2.0, -1.0, 0.0, 1.0), (-150.0, -100.0, -50.0, 0.0, 50.0), (2.0, 3.0))
    """
    return _apart(low, high, (1, 2, 5, 10, 20, 50, 100, 200, 500))


def _apart(low: float, high: float, sizes: Iterable[float]) -> tuple[float, ...]:
    """Two to six positions from `low` to `high`, at the first of the given distances that allows it."""
    for size in sizes:
        first = floor(low / size)
        last = max(ceil(high / size), first + 1)
        if last - first <= 5:
            break
    return tuple(float(min(max(k * size, -LARGEST), LARGEST)) for k in range(first, last + 1))
