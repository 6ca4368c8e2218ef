"""The text of the steps, coloured by the value of a unit; for several units, one text below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.display import cells
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import OptionError
from ...languages.strings import Words
from ...printable import printable
from ...trace.trace import Trace
from ..coloured_text import Scale, Tokens, gate, legend, lines as shown_lines, strength, symmetric, tokens
from ..figure import Figure
from ..furniture import note_lines, reach, remarks, shown_number, text_width
from ..panels import ROOM, Axis, Column, Grid, Panel, Spans, nth
from ..subject import Subject, chosen_units, subject
from . import Batch, Direction, Language, Layer, Lines, Steps, Units, picture

#: Maximum number of drawn parts.
MOST = 20_000
#: Height of a line of text; size of its letters.
_TALL, _SIZE = 25.0, 15.0


class _Unit(NamedTuple):
    """The values of a unit of a line, (steps,), NaN at padding."""

    stage: Stage
    line: Line
    unit: int
    values: Array
    scale: Scale


@picture
def text(
    trace: Trace, unit: Units = None, lines: Lines = None, layer: Layer = None, direction: Direction = None,
    batch: Batch = None, steps: Steps = None, language: Language = None,
) -> Figure:  # fmt: skip
    """The text of the steps, coloured by the value of a unit; for several units, one text below the other.

    Returns:
        A picture whose page has the text as selectable text. Steps without labels are shown by number.

    Raises:
        MissingError: if the trace does not contain the selection.
        OptionError: if steps times units exceed 20,000.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    every = [one for stage in found.shown.stages for one in _units(found, stage)]
    if not any(np.isfinite(one.values).any() for one in every):
        raise found.nothing
    units, notes = _chosen(found, every, unit)
    if len(units) * len(found.steps) > MOST:
        raise OptionError(
            f"{len(found.steps):,} steps of {len(units):,} units are too many for a text ({MOST:,} parts at most); "
            "choose some of them by steps and unit"
        )
    words = found.words
    each = ((one.scale, one.stage, one.line, one.unit) for one in units)
    names = ((scale, f"{found.told(of, x)}[{found.shown.entry(of, x.name, unit)}]") for scale, of, x, unit in each)
    notes += [scale.clipped(words, name) for scale, name in names if scale.beyond]
    broken = any(not np.isfinite(one.values[found.valid]).all() for one in units)
    notes = [*found.notes, *notes]
    signs = remarks(words, {"plot.text.padding": not found.valid.all(), "plot.text.broken": broken})
    grids = tuple(Grid([Column([panel])]) for panel in _panels(found, units))
    frame = partial(found.frame, {found.column(one.stage, one.line.name, one.unit): one.values for one in units})
    terminal = partial(_terminal, found, grids, notes, broken)
    return Figure("text", found.titled("plot.text"), " ".join([*notes, *signs]), grids, frame, words, terminal=terminal)


def _units(found: Subject, stage: Stage) -> Iterator[_Unit]:
    """Every unit of the chosen lines of a stage; of its output if none were chosen."""
    lines = found.lines(stage)
    if found.shown.chosen.names is None:
        lines = [line for line in lines if line.name == stage.cell.output] or lines[-1:]
    for line in lines:
        values = np.where(found.valid[:, None], found.values(stage, line), np.nan)
        for j in range(values.shape[1]):
            yield _Unit(stage, line, j, values[:, j], gate() if stage.cell.is_gate(line) else symmetric(values[:, j]))


def _chosen(found: Subject, every: Sequence[_Unit], unit: Any) -> tuple[list[_Unit], list[str]]:
    """The requested units; by default the one whose values change most, and a note that says so."""
    if unit is not None:
        wanted = chosen_units(unit, {one.unit for one in every})
        return [one for one in every if one.unit in wanted], []
    finite = [one.values[np.isfinite(one.values)] for one in every]
    ranges = [float(values.max() / 2 - values.min() / 2) if values.size else -1.0 for values in finite]
    best = every[int(np.argmax(ranges))]
    units = [one for one in every if (one.stage, one.unit) == (best.stage, best.unit)]
    count = len({(one.stage.scope, one.unit) for one in every})
    return units, [found.words.word("plot.most.one", n=count)] if count > 1 else []


def _panels(found: Subject, units: Sequence[_Unit]) -> Iterator[Panel]:
    """One panel per unit."""
    words = found.words
    shown = tokens(found.labels, [words.nth(t) for t in found.steps])
    laid_out = in_lines(shown)
    for one in units:
        line = found.told(one.stage, one.line)
        where = words.comma_list(found.shown.place(one.stage), found.unit(one.stage, one.line, one.unit))
        told = words.word("plot.curve", name=line, where=where, **reach(one.values))
        special = np.where(found.valid, words.word("plot.is.broken"), words.word("plot.is.padding"))
        values = [shown_number(value) if np.isfinite(value) else special[k] for k, value in enumerate(one.values)]
        said = [f"t = {words.nth(t)}: {value}" for t, value in zip(found.steps, values, strict=True)]
        yield text_panel(
            words, found.steps, Spans(shown, one.values, found.valid, one.scale, said, *laid_out),
            name=f"{line}, {where}", heading=found.symbol(one.stage, one.line), aside=where,
            said=told if np.isfinite(one.values).any() else "",
        )  # fmt: skip


def in_lines(shown: Tokens) -> tuple[tuple[tuple[int, ...], ...], list[float]]:
    """A text in lines as wide as a panel: `lines` and `widths` of `Spans`."""
    widths = [max(text_width(label, _SIZE), 8.0) + 3 for label in shown.shown]
    gap = 5.0 if shown.spaced else 0.0
    return tuple(map(tuple, shown.lines([wide + gap for wide in widths], ROOM))), widths


def text_panel(words: Words, steps: Sequence[int], mark: Spans, **more: Any) -> Panel:
    """A panel with the text of some steps. more: further attributes of the panel."""
    x = Axis(0.0, len(steps) - 1.0, field="t", kind="ordinal", first=steps[0], key=partial(nth, words, steps))
    y, tall = Axis(0.0, float(len(mark.lines)), field="line"), _TALL * len(mark.lines)
    return Panel(x, y, [mark], tall=tall, style="label", frame="", **{"above": 24.0, "below": 14.0, **more})


def _terminal(found: Subject, grids: Sequence[Grid], notes: list[str], broken: bool, width: int, colours: bool) -> str:
    """The text for a terminal of this width."""
    words, lines = found.words, []
    for panel in (panel for grid in grids for panel in grid.panels):
        (mark,) = panel.marks
        lines += [printable(panel.name), legend(mark.scale, colours)]
        lines += shown_lines(mark.tokens, strength(mark.scale, mark.values), mark.valid, width, colours)
        lines.append("")
    seen = np.array([cells(label) > 0 for label in mark.tokens.shown])
    padding = "plot.text.padding" if colours else "plot.terminal.padding"
    special = "plot.terminal.reversed" if colours else "plot.terminal.broken"
    signs = remarks(words, {padding: (seen & ~found.valid).any(), special: broken})
    return "\n".join([*lines, *map(printable, note_lines(" ".join([*notes, *signs]), width))]).rstrip() + "\n"
