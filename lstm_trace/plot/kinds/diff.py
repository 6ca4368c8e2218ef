"""Where two traces differ: a row of pixels for each unit, a column for each step, the size of b − a as colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage
from ...engine.cost import pieces
from ...errors import MissingError
from ...trace.address import positions
from ...trace.argument_types import checked
from ...trace.holds.held import held_through
from ...trace.trace import Trace
from ...trace.window import between
from ...verification.gaps import sizes_apart
from ..colours import from_zero
from ..figure import Figure
from ..furniture import shown_number
from ..heat.image import room
from ..heat.panels import HeatPanel, HeatPicture, about_blocks, figure
from ..subject import Subject, chosen_units, subject


@checked
def diff(
    trace: Trace,
    against: Trace,
    unit: Any = None,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    batch: int | None = None,
    steps: Any = None,
    language: str = "en",
) -> Figure:
    """The sizes of differences, unit by step; see `plots.Plots.diff`."""
    trace, against, steps = _aligned(trace, against, steps)
    chosen = {"lines": lines, "layer": layer, "direction": direction, "steps": steps, "language": language}
    found = replace(subject(trace, batch=batch, **chosen), against=against)
    drawn = [(stage, line) for stage in found.shown.stages for line in found.lines(stage, candidates=False)]
    both = [(stage, line) for stage, line in drawn if _width(against, stage, line) == found.width(stage, line)]
    if not both:
        names = ", ".join(sorted({line.name for _, line in drawn}))
        raise MissingError(f"there is nothing to compare: none of {names} is in both with the same width")
    wanted = chosen_units(unit, range(max(found.width(stage, line) for stage, line in both)))
    if batch is None and (row := _first_row(found, against, both, wanted)):
        found = replace(subject(trace, batch=row, **chosen), against=against, asked=False)
    panels = [panel for stage, line in both if (panel := _panel(found, against, stage, line, wanted))]
    inside = np.concatenate([panel.values[:, found.valid].ravel() for panel in panels])
    scale = from_zero(inside)
    panels = [panel._replace(scale=scale) for panel in panels]
    size = room(max(len(panel.units) for panel in panels), len(found.steps), len(panels))
    caption = " ".join([*found.notes, *_notes(found, against, panels), *about_blocks(found, size)])
    return figure("diff", HeatPicture(found, tuple(panels), size, found.titled("plot.diff"), caption))


def _aligned(a: Trace, b: Trace, steps: Any) -> tuple[Trace, Trace, Any]:
    """Both over the steps that were chosen. Raises MissingError where one does not have them, or other rows."""
    if a.batch != b.batch:
        raise MissingError(f"the two traces have to have the same rows: one has B = {a.batch}, the other {b.batch}")
    if a.span == b.span:
        return a, b, steps
    chosen = a.span if steps is None else positions(steps, a.span)
    if not (chosen[0] in b.span and chosen[-1] in b.span):
        common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
        said = " and ".join(f"{t.span.start} to {t.span.stop - 1}" for t in (a, b))
        hint = f"choose steps that both have, as {common.start}:{common.stop}" if common else "none is in both"
        raise MissingError(f"the two traces have other steps, {said}: {hint}")
    return between(a, chosen), between(b, chosen), None


def _width(other: Trace, stage: Stage, line: Line) -> int:
    """How many units the other trace has of a line; 0 if it has none."""
    theirs = other.lines.get(stage.scope, {}).get(line.name)
    return 0 if theirs is None else theirs.shape[-1]


def _first_row(found: Subject, other: Trace, both: Sequence[tuple[Stage, Line]], wanted: Sequence[int]) -> int:
    """The sequence of the first difference, in computing order; 0 where there is none."""
    window = found.window
    valid = (found.trace.valid[window, :, 0] != 0) & (other.valid[window, :, 0] != 0)
    firsts: list[tuple[int, int]] = []
    for n, (stage, line) in enumerate(both):
        if firsts and stage is not both[n - 1][0]:
            break
        one, two = (trace.lines[stage.scope][line.name][window] for trace in (found.trace, other))
        units = np.intersect1d(np.arange(one.shape[2]), wanted)
        for block in pieces(len(one), one[0].size, stage.backwards):
            apart = sizes_apart(one[block], two[block])[..., units]
            differs = (apart != 0).any(axis=2) & valid[block]
            if differs.any():
                ts, rows = np.nonzero(differs)
                t = int(ts[-1 if stage.backwards else 0])
                visit = block.start + t
                firsts.append((-visit if stage.backwards else visit, int(rows[ts == t][0])))
                break
    return min(firsts, key=lambda first: first[0])[1] if firsts else 0


def _panel(found: Subject, other: Trace, stage: Stage, line: Line, wanted: Sequence[int]) -> HeatPanel | None:
    """The panel of a line that both have; None where it has none of the units."""
    apart = sizes_apart(found.values(stage, line), other.lines[stage.scope][line.name][found.window, found.row])
    units = np.intersect1d(np.arange(apart.shape[1]), wanted)
    if not len(units):
        return None
    differs = np.flatnonzero((apart[:, units] != 0).any(axis=1) & found.valid)  # NaN is one, too
    first = int(differs[-1 if stage.backwards else 0]) if len(differs) else None
    return HeatPanel(stage, line, units, apart[:, units].T, from_zero(apart[:0]), marked=first)


def _notes(found: Subject, against: Trace, panels: Sequence[HeatPanel]) -> list[str]:
    """Where they differ first, the largest difference, and what the colours mean."""
    words, scale = found.words, panels[0].scale
    inside = [np.where(found.valid, panel.values, 0.0) for panel in panels]
    if not any(values.any() for values in inside):
        return [words.word("plot.diff.none")]
    notes = []
    firsts = [panel for panel in panels if panel.marked is not None]
    if len({p.stage.backwards for p in firsts}) > 1:  # steps are visited in both orders: by stage
        firsts = [p for p in firsts if p.stage is firsts[0].stage]
    order = [(-p.marked if p.stage.backwards else p.marked) if p.marked is not None else 0 for p in firsts]
    first = firsts[int(np.argmin(order))]
    notes.append(words.word("plot.diff.first", where=_where(found, first, first.marked or 0)))
    free = [panel._replace(values=values) for panel, values in zip(panels, _free(found, against, panels), strict=True)]
    all_of_it, most = _largest(inside), _largest([np.where(found.valid, panel.values, 0.0) for panel in free])
    if most.size > 0:
        key = "plot.diff.most" if most == all_of_it else "plot.diff.most.free"
        where = _where(found, free[most.panel], most.at)
        notes.append(words.word(key, most=shown_number(most.size), where=where))
    elif all_of_it.size > 0 and not any(panel.values[:, found.valid].any() for panel in free):
        notes.append(words.word("plot.diff.held"))
    if scale.logarithmic:
        notes.append(words.word("plot.logarithmic", low=shown_number(scale.low, 3)))
    if any(not np.isfinite(values).all() for values in inside):
        notes.append(words.word("plot.diff.broken"))
    if not found.valid.all():
        both = np.array_equal(found.trace.valid, against.valid)
        notes.append(words.word("plot.padding" if both else "plot.diff.padding"))
    return notes


class _Most(NamedTuple):
    """The largest finite size of several panels, which panel has it, and at which of its steps."""

    size: float
    panel: int
    at: int


def _largest(each: Sequence[Array]) -> _Most:
    finite = [np.where(np.isfinite(values), values, -1.0).max(axis=0) for values in each]
    top = int(np.argmax([sizes.max() for sizes in finite]))
    return _Most(float(finite[top].max()), top, int(finite[top].argmax()))


def _free(found: Subject, against: Trace, panels: Sequence[HeatPanel]) -> Iterator[Array]:
    """The sizes of each panel, 0 for the units that are held in one of the two, or follow from such a value alone."""
    masks = [held_through(trace) for trace in (found.run or found.trace, against)]
    for panel in panels:
        values, key = panel.values.copy(), (panel.stage.scope, panel.line.name)
        for mask in masks:
            if key in mask:
                whole = np.broadcast_to(mask[key], found.trace.lines[key[0]][key[1]].shape)
                held = np.flatnonzero(whole[found.window, found.row].any(axis=0))
                values[np.isin(panel.units, held)] = 0.0
        yield values


def _where(found: Subject, panel: HeatPanel, at: int) -> str:
    """The line, unit and step of the largest difference of a step, in words."""
    values = panel.values[:, at]
    j = int(np.where(np.isnan(values), np.inf, values).argmax())
    parts = (
        found.told(panel.stage, panel.line),
        found.shown.place(panel.stage),
        found.unit(panel.stage, panel.line, int(panel.units[j])),
        found.step(found.steps[at]),
    )
    return found.words.word("list").join(part for part in parts if part)
