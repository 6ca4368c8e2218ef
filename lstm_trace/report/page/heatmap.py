"""Heat maps of gates and states over time, as SVG: rows are units, columns are steps, with a legend.

Gates lie between 0 and 1 and have a scale of one colour; states have one of two colours that meet at 0. Colours are
classes of the style sheet, so that they suit light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.markup import escape
from ...base.visible import visible
from ...cell.lines import Line
from ...cell.network import Stage
from ...formulas.numbers import Style
from ...formulas.plain import Plain, number
from ...formulas.tree import heading
from ...languages.strings import Words
from ...trace.labels import step_labels
from ...trace.trace import Trace
from ...view.line_groups import is_gate

#: So many columns and rows a map has; beyond, each field is a mean.
STEPS, UNITS = 60, 16
#: So many fields of a map say their value when they are pointed at.
TITLED = 200
#: Colours of a scale.
LEVELS = 9
_LEFT, _TOP, _LEGEND = 34.0, 4.0, 66.0
#: Of a tick's text, the width of a letter, and the columns of a label at least.
_LETTER, _SHORTEST = 6.4, 3


@dataclass(frozen=True)
class Map:
    """A line of a stage for one row of the batch: values (units, steps), `bins` steps and units together in each.

    tokens: the labels of the steps, if there are any.
    """

    stage: Stage
    line: Line
    values: Array
    bins: tuple[int, int]
    gate: bool
    least: float
    most: float
    sizes: tuple[int, int]
    first: int
    own: Mapping[str, Any]
    tokens: Sequence[str] = ()


def mapped(stage: Stage) -> list[Line]:
    """The lines of a stage that a map shows: gates, what is carried, the output."""
    cell = stage.cell
    wanted = {*cell.states.values(), cell.output}
    return [line for line in stage.lines if is_gate(line, cell) or (line.name in wanted and line.assigned)]


def heat(trace: Trace, stage: Stage, line: Line, b: int = 0) -> Map | None:
    """The map of a line for row b; None where it was not recorded or has no finite value.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="i_t", given={"h_t": [0.0]})
    >>> heat(trace, trace.stages[0], trace.stages[0].cell.by_name["i_t"]).values.round(2)
    array([[0.62, 0.73]])
    """
    found = trace.lines.get(stage.scope, {}).get(line.name)
    if found is None:
        return None
    whole = np.asarray(found[:, b], np.float64)  # (steps, units)
    finite = whole[np.isfinite(whole)]
    if not finite.size:
        return None
    bins = (-(-whole.shape[0] // STEPS), -(-whole.shape[1] // UNITS))
    values = _binned(_binned(whole, bins[0]).T, bins[1])
    gate = is_gate(line, stage.cell)
    return Map(
        stage,
        line,
        values,
        bins,
        gate,
        float(finite.min()),
        float(finite.max()),
        whole.shape,
        trace.first,
        trace.header.symbols,
        step_labels(trace, b),
    )


def _binned(values: Array, size: int) -> Array:
    """Means of `size` rows at a time."""
    if size == 1:
        return values
    return np.stack([values[at : at + size].mean(axis=0) for at in range(0, len(values), size)])


def limits(found: Map) -> tuple[float, float]:
    """The ends of a map's scale: 0 and 1, or the largest size in both directions."""
    if found.gate:
        return 0.0, 1.0
    size = max(abs(found.least), abs(found.most)) or 1.0
    return -size, size


def levels(found: Map) -> Array:
    """The colour of each field, 0 to LEVELS - 1; -1 where it is no finite number."""
    low, high = limits(found)
    there = np.isfinite(found.values)
    place = np.clip((np.where(there, found.values, low) - low) / (high - low), 0, 1)
    return np.where(there, np.rint(place * (LEVELS - 1)).astype(int), -1)


def svg(
    found: Map,
    words: Words,
    ident: str,
    place: str,
    names: tuple[str, ...] = (),
    style: Style | None = None,
    unit: str = "unit",
) -> str:
    """A map as inline SVG.

    ident: of its title. place: layer and direction in words. names: labels of the units. unit: the key of what a row
    is called, `unit` or `output`.
    """
    style = replace(style or Style(), digits=4)
    units, steps = found.values.shape
    wide = float(np.clip(560 / steps, 8, 40))
    tall = float(np.clip(150 / units, 9, 22))
    kind = "q" if found.gate else "d"
    title = escape(_title(found, words, place, style, unit))
    fields = _fields(found, words, kind, wide, tall, style, unit)
    right, bottom = _LEFT + steps * wide, _TOP + units * tall
    size = (right + _LEGEND, max(bottom + (34 if found.tokens else 20), 96))
    cursor = f'<rect class="now" x="{_LEFT:g}" y="{_TOP - 2:g}" width="{wide:g}" height="{units * tall + 4:g}"/>'
    return (
        f'<svg class="map" viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" width="{size[0]:.0f}" height="{size[1]:.0f}" '
        f'role="img" aria-labelledby="{ident}" data-left="{_LEFT:g}" data-wide="{wide:g}" data-bin="{found.bins[0]}">'
        f'<title id="{ident}">{title}</title>{fields}{cursor}{_axes(found, words, wide, tall, names)}'
        f"{_legend(found, kind, right + 16, style)}</svg>"
    )


def _title(found: Map, words: Words, place: str, style: Style, unit: str) -> str:
    name = Plain(found.own)(heading(found.line, found.stage.cell))
    return words.word(
        "map.title",
        name=name,
        where=words.aside(place),
        steps=found.sizes[0],
        units=words.count(f"map.{unit}s", found.sizes[1]),
        least=number(style.show(found.least)),
        most=number(style.show(found.most)),
    )


def _fields(found: Map, words: Words, kind: str, wide: float, tall: float, style: Style, unit: str) -> str:
    level = levels(found)
    units, steps = level.shape
    if found.values.size <= TITLED and found.bins == (1, 1):
        return "".join(
            f'<rect class="{kind}{_colour(level[j, t])}" x="{_LEFT + t * wide:.4g}" y="{_TOP + j * tall:.4g}" '
            f'width="{wide:.4g}" height="{tall:.4g}"><title>'
            f"{escape(_value(found, words, style, unit, j, t))}</title></rect>"
            for j in range(units)
            for t in range(steps)
        )
    paths = []
    for value in sorted(set(level.flat)):
        runs = "".join(
            f"M{_LEFT + t * wide:.5g} {_TOP + j * tall:.5g}h{wide * n:.5g}v{tall:.4g}h{-wide * n:.5g}z"
            for j in range(units)
            for t, n in _runs(level[j] == value)
        )
        paths.append(f'<path class="{kind}{_colour(value)}" d="{runs}"/>')
    return "".join(paths)


def _value(found: Map, words: Words, style: Style, unit: str, j: int, t: int) -> str:
    """The value of a field in words."""
    value = number(style.show(found.values[j, t]))
    step = str(words.nth(found.first + t))
    if found.tokens and (label := visible(found.tokens[t])):
        step = words.word("step.named", step=step, name=label)
    return words.word("map.value", t=step, unit=words.word(unit, j=words.nth(j)), value=value)


def _runs(there: Array) -> list[tuple[int, int]]:
    """Start and length of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(int), [0]))))
    return [(int(a), int(b - a)) for a, b in edges.reshape(-1, 2)]


def _colour(level: int) -> str:
    return "x" if level < 0 else str(level)


def _axes(found: Map, words: Words, wide: float, tall: float, names: tuple[str, ...]) -> str:
    units, steps = found.values.shape
    every = next(n for n in (1, 2, 5, 10, 20, 50) if n * wide >= 26 or n == 50)
    row = next(n for n in (1, 2, 4, 8) if n * tall >= 11 or n == 8)
    ticks = [
        f'<text x="{_LEFT + (t + 0.5) * wide:.1f}" y="{_TOP + units * tall + 13:.1f}">'
        f"{words.nth(found.first + t * found.bins[0])}</text>"
        for t in range(0, steps, every)
    ]
    room = int(every * wide / _LETTER) - 1
    if found.tokens and room >= _SHORTEST:
        ticks += [
            f'<text x="{_LEFT + (t + 0.5) * wide:.1f}" y="{_TOP + units * tall + 27:.1f}">'
            f"{escape(visible(found.tokens[t * found.bins[0]], room))}</text>"
            for t in range(0, steps, every)
        ]
    labels = names if len(names) == found.sizes[1] and max(map(len, names), default=9) <= 5 else ()
    ticks += [
        f'<text class="end" x="{_LEFT - 5:.1f}" y="{_TOP + (j + 0.5) * tall + 4:.1f}">'
        f"{escape(labels[j]) if labels and found.bins[1] == 1 else words.nth(j * found.bins[1])}</text>"
        for j in range(0, units, row)
    ]
    return "".join(ticks)


def _legend(found: Map, kind: str, x: float, style: Style) -> str:
    low, high = limits(found)
    tall = 72 / LEVELS
    fields = "".join(
        f'<rect class="{kind}{LEVELS - 1 - k}" x="{x:.1f}" y="{_TOP + k * tall:.1f}" width="12" height="{tall:.1f}"/>'
        for k in range(LEVELS)
    )
    style = replace(style, digits=2)
    marks = [(high, 8.0), (low, 74.0)] if found.gate else [(high, 8.0), (0.0, 41.0), (low, 74.0)]
    return fields + "".join(
        f'<text class="begin" x="{x + 16:.1f}" y="{_TOP + y:.1f}">{number(style.show(value)).replace("-", "−")}</text>'
        for value, y in marks
    )
