"""Heat maps over time, one row of pixels per unit, one column per step; of one trace, or of the difference of two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array, by_key
from ...cell.lines import Line
from ...cell.network import Stage, scope_and_name
from ...engine.plan_choice import pieces
from ...errors import MissingError, OptionError, require_known
from ...explanation.activity import halvings, keeping
from ...trace.address import positions
from ...trace.held import held_through
from ...trace.labels import axis, labels
from ...trace.trace import Trace
from ...trace.window import between
from ...verification.propagation import sizes_apart
from ..coloured_text import Scale, from_zero, gate, room, symmetric
from ..figure import Figure
from ..furniture import of_units, reach, remarks, shown_number
from ..panels import BETWEEN, ROOM, Axis, Cells, Column, Grid, Panel, Tick, nth, step_axis
from ..subject import Subject, chosen_units, subject
from . import ORDERS, Batch, Direction, Language, Layer, Lines, Order, Other, Steps, Units, picture

if TYPE_CHECKING:
    import pandas as pd

#: Up to this many units keep their own order by default.
FEW = 16
#: Panels are placed side by side if each step still has this many pixels.
_NARROW = 11.0
#: Maximum height of a row; approximate height of all rows if each has less than a pixel; maximum width of a column.
_ROW, _ROWS, _COLUMN = 18.0, 240.0, 40.0
#: Characters of the name of a set beside its row; names of checkpoints differ at their end.
_NAME = 11


class Map(NamedTuple):
    """A line of a stage.

    units: in the order in which they are drawn. values: (units, steps). by: the line that determines the order. marked:
    the index of a marked step.
    """

    stage: Stage
    line: Line
    units: Array
    values: Array
    scale: Scale
    by: str = ""
    marked: int | None = None


# -- states ----------------------------------------------------------------------------------------------------------


@picture
def states(
    trace: Trace, unit: Units = None, lines: Lines = None, layer: Layer = None, direction: Direction = None,
    batch: Batch = None, steps: Steps = None, order: Order = None, language: Language = None,
) -> Figure:  # fmt: skip
    """Gates and states of every unit over time: one row of pixels per unit, one column per step.

    Args:
        order: order of the units: index, cluster (units with similar behaviour together), memory (half-life) or
            activity (cluster for more than 16 units, else index).

    Returns:
        A picture whose `data` has one column per unit of each line, in the order drawn.

    Raises:
        MissingError: if the trace does not contain the selection.
        OptionError: if the order does not exist, or the cell does not have it.
    """
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    return states_figure(found, unit, order)


def states_figure(found: Subject, unit: Any = None, order: str | None = None, most: int | None = None) -> Figure:
    """The picture of a subject, in images of at most `most` pixels; see `states`."""
    if order is not None:
        require_known("order", order, ORDERS, "expected")
    lines = [(stage, found.lines(stage, candidates=False)) for stage in found.shown.stages]
    widest = max((found.width(stage, line) for stage, here in lines for line in here), default=0)
    wanted = chosen_units(unit, range(widest)) if widest else ()
    maps = [one for stage, here in lines for one in _maps(found, stage, here, wanted, order)]
    if not any(np.isfinite(one.values[:, found.valid]).any() for one in maps):
        raise found.nothing
    size = room(max(len(one.units) for one in maps), len(found.steps), len(maps), most)
    return _figure("states", found, maps, size, found.titled("plot.states.title"), _state_notes(found, maps, order))


def _maps(found: Subject, stage: Stage, lines: list[Line], wanted: Sequence[int], order: str | None) -> Iterator[Map]:
    """The lines of a stage; units of the same width have the same order."""
    orders: dict[tuple[int, bool], tuple[Array, str]] = {}
    for line in lines:
        values = found.values(stage, line).T
        matrix = found.trace.grid(stage.scope, line.name) is not None  # its entries stay row by row
        if (key := (len(values), matrix)) not in orders:
            orders[key] = _order(found, stage, len(values), order or ("index" if matrix else None))
        units, by = orders[key]
        units = units[np.isin(units, wanted)]
        scale = gate() if stage.cell.is_gate(line) else symmetric(values[units][:, found.valid])
        if len(units):
            yield Map(stage, line, units, values[units], scale, by)


def _order(found: Subject, stage: Stage, width: int, order: str | None) -> tuple[Array, str]:
    """The units of lines of this width, and the line that determines their order, if any."""
    how, own = order or ("cluster" if width > FEW else "index"), (np.arange(width), "")
    try:
        chosen = own if how == "index" else ordered(found, stage, how)
    except OptionError:
        if order is not None:
            raise
        return own
    return chosen if len(chosen[0]) == width else own


def ordered(found: Subject, stage: Stage, how: str) -> tuple[Array, str]:
    """The units of a stage in an order, and the line that determines it.

    cluster: by the angle of their positions along the two principal axes of the correlations of a state (Friendly 2002,
    Corrgrams, section 3.2), so that units that move together are adjacent; units that never move come last. memory:
    longest half-life first. activity: by the first step at which the state reaches half of its largest magnitude. Steps
    of padding and NaN are ignored.
    Raises OptionError if the stage has no state, or no gate that keeps one.
    """
    recorded = found.trace.lines.get(stage.scope, {})
    wanted = keeping(stage) if how == "memory" else stage.carried
    if not (lines := [line for line in stage.cell.lines if line.name in wanted and line.name in recorded]):
        what = "gate that keeps a state" if how == "memory" else "state"
        raise OptionError(f"order={how!r}: {stage.scope} has no {what} that was recorded; order='index' needs none")
    values = found.values(stage, lines[0])[found.valid]
    values = np.where(np.isfinite(values), values, 0.0)
    if how == "cluster":
        return clustered(values), lines[0].name
    size = np.abs(values)
    sooner = halvings(values).sum(axis=0) if how == "memory" else (size >= size.max(axis=0) / 2).argmax(axis=0)
    return np.argsort(sooner, kind="stable"), lines[0].name


def clustered(values: Array) -> Array:
    """Units ordered by their angles, starting after the widest gap between two neighbours."""
    size = np.abs(values).max(axis=0, initial=0.0)
    scaled = values / np.where(size > 0, size, 1.0)  # because squares may overflow
    centred = scaled - scaled.mean(axis=0) if len(values) else scaled
    spread = np.sqrt((centred * centred).sum(axis=0))
    moving = np.flatnonzero(spread > 1e-9 * np.sqrt(max(len(values), 1)))
    still = np.flatnonzero(~np.isin(np.arange(values.shape[1]), moving))
    if len(moving) < 3:
        return np.concatenate([moving, still])
    scaled = centred[:, moving] / spread[moving]
    if len(moving) <= len(values):
        axes = np.linalg.eigh(scaled.T @ scaled)[1][:, -2:]
    else:  # the smaller matrix leads to the same result
        axes = scaled.T @ np.linalg.eigh(scaled @ scaled.T)[1][:, -2:]
        axes /= np.maximum(np.sqrt((axes * axes).sum(axis=0)), 1e-300)
    # along the two principal axes of the correlations
    angle = np.arctan2(axes[:, 0] if axes.shape[1] > 1 else np.zeros(len(moving)), axes[:, -1])
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(angle[order], append=angle[order[0]] + 2 * np.pi)
    order = np.roll(order, -int(gaps.argmax()) - 1)
    return np.concatenate([moving[order if order[0] < order[-1] else order[::-1]], still])


def _state_notes(found: Subject, maps: Sequence[Map], order: str | None) -> list[str]:
    """Sentences about the order, and about what the colours do not show."""
    words, notes = found.words, []
    if by := next((one for one in maps if one.by), None):
        line = found.told(by.stage, by.stage.cell.by_name[by.by])
        notes.append(words.word(f"plot.order.{order or 'cluster'}", line=line))
    names = ((one.scale, found.told(one.stage, one.line) + words.aside(found.shown.place(one.stage))) for one in maps)
    notes += [scale.clipped(words, name) for scale, name in names if scale.beyond]
    broken = not all(np.isfinite(one.values[:, found.valid]).all() for one in maps)
    return [*notes, *remarks(words, {"plot.padding": not found.valid.all(), "plot.broken": broken})]


# -- diff ------------------------------------------------------------------------------------------------------------


@picture
def diff(
    trace: Trace, against: Other, unit: Units = None, lines: Lines = None, layer: Layer = None,
    direction: Direction = None, batch: Batch = None, steps: Steps = None, language: Language = None,
) -> Figure:  # fmt: skip
    """Where this trace and another differ: the magnitude of each difference, by unit and step.

    Args:
        against: the other trace, with the same steps and sequences.

    Returns:
        A picture with the first step that differs marked; colours are logarithmic if magnitudes are far apart.

    Raises:
        MissingError: if the trace does not contain the selection, or the traces have no line in common.
    """
    trace, against, steps = _aligned(trace, against, steps)
    choice = partial(subject, trace, lines=lines, layer=layer, direction=direction, steps=steps, language=language)
    found = replace(choice(batch=batch), against=against)
    drawn = [(stage, line) for stage in found.shown.stages for line in found.lines(stage, candidates=False)]
    there = [one for one in drawn if one[1].name in against.lines.get(one[0].scope, {})]
    both = [one for one in there if against.lines[one[0].scope][one[1].name].shape[-1] == found.width(*one)]
    if not both:
        names = ", ".join(sorted({line.name for _, line in drawn}))
        raise MissingError(f"there is nothing to compare: none of {names} is in both with the same width")
    wanted = chosen_units(unit, range(max(found.width(stage, line) for stage, line in both)))
    if batch is None and (row := _first_row(found, against, both, wanted)):
        found = replace(choice(batch=row), against=against, asked=False)
    maps = [one for stage, line in both if (one := _difference(found, against, stage, line, wanted))]
    scale = from_zero(np.concatenate([one.values[:, found.valid].ravel() for one in maps]))
    maps = [one._replace(scale=scale) for one in maps]
    size = room(max(len(one.units) for one in maps), len(found.steps), len(maps))
    named = list(dict.fromkeys(filter(None, (trace.header.title, against.header.title))))
    what = found.words.word("plot.diff")
    title = found.words.comma_list(*named) + found.words.aside(what) if named else what
    return _figure("diff", found, maps, size, title, _diff_notes(found, against, maps))


def _aligned(a: Trace, b: Trace, steps: Any) -> tuple[Trace, Trace, Any]:
    """Both traces at the chosen steps. Raises MissingError if one lacks the steps, or the batch sizes differ."""
    if a.batch != b.batch:
        raise MissingError(f"the two traces must have the same batch size: one has B = {a.batch}, the other {b.batch}")
    if a.span == b.span:
        return a, b, steps
    chosen = a.span if steps is None else positions(steps, a.span)
    if not (chosen[0] in b.span and chosen[-1] in b.span):
        common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
        said = " and ".join(f"{t.span.start} to {t.span.stop - 1}" for t in (a, b))
        hint = f"choose steps that both have, as {common.start}:{common.stop}" if common else "they have none in common"
        raise MissingError(f"the two traces have different steps, {said}: {hint}")
    return between(a, chosen), between(b, chosen), None


def _first_row(found: Subject, other: Trace, both: Sequence[tuple[Stage, Line]], wanted: Sequence[int]) -> int:
    """The sequence of the first difference, in order of computation; 0 if there is none."""
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


def _difference(found: Subject, other: Trace, stage: Stage, line: Line, wanted: Sequence[int]) -> Map | None:
    """The map of a line that both traces have; None if it has none of the units."""
    apart = sizes_apart(found.values(stage, line), other.lines[stage.scope][line.name][found.window, found.row])
    if not len(units := np.intersect1d(np.arange(apart.shape[1]), wanted)):
        return None
    differs = np.flatnonzero((apart[:, units] != 0).any(axis=1) & found.valid)  # NaN counts as a difference
    first = int(differs[-1 if stage.backwards else 0]) if len(differs) else None
    return Map(stage, line, units, apart[:, units].T, from_zero(apart[:0]), marked=first)


def _diff_notes(found: Subject, against: Trace, maps: Sequence[Map]) -> list[str]:
    """Sentences about the first and the largest difference, and the meaning of the colours."""
    words, scale = found.words, maps[0].scale
    inside = [np.where(found.valid, one.values, 0.0) for one in maps]
    if not any(values.any() for values in inside):
        return [words.word("plot.diff.none")]
    firsts = [one for one in maps if one.marked is not None]
    if len({one.stage.backwards for one in firsts}) > 1:  # steps are visited in both orders: list by stage
        firsts = [one for one in firsts if one.stage is firsts[0].stage]
    first = min(firsts, key=lambda one: -(one.marked or 0) if one.stage.backwards else one.marked or 0)
    notes = [words.word("plot.diff.first", where=_where(found, first, first.marked or 0))]
    free = list(_free(found, against, maps))
    all_of_it, most = _largest(inside), _largest([one.values for one in free])
    if most[0] > 0:
        key = "plot.diff.most" if most == all_of_it else "plot.diff.most.free"
        notes.append(words.word(key, most=shown_number(most[0]), where=_where(found, free[most[1]], most[2])))
    elif all_of_it[0] > 0 and not any(one.values.any() for one in free):
        notes.append(words.word("plot.diff.held"))
    if scale.logarithmic:
        notes.append(words.word("plot.logarithmic", low=shown_number(scale.low, 3)))
    padding = "plot.padding" if np.array_equal(found.trace.valid, against.valid) else "plot.diff.padding"
    broken = not all(np.isfinite(values).all() for values in inside)
    return [*notes, *remarks(words, {"plot.diff.broken": broken, padding: not found.valid.all()})]


def _largest(each: Sequence[Array]) -> tuple[float, int, int]:
    """The largest finite magnitude in several maps, the map that contains it, and its step."""
    finite = [np.where(np.isfinite(values), values, -1.0).max(axis=0) for values in each]
    top = int(np.argmax([sizes.max() for sizes in finite]))
    return float(finite[top].max()), top, int(finite[top].argmax())


def _free(found: Subject, against: Trace, maps: Sequence[Map]) -> Iterator[Map]:
    """Each map with 0 at padding and for units held in one of the traces, or affected by such a hold alone."""
    masks = [held_through(trace) for trace in (found.run or found.trace, against)]
    for one in maps:
        scope, name = key = one.stage.scope, one.line.name
        values = np.where(found.valid, one.values, 0.0)
        for mask in (mask[key] for mask in masks if key in mask):
            whole = np.broadcast_to(mask, found.trace.lines[scope][name].shape)
            held = np.flatnonzero(whole[found.window, found.row].any(axis=0))
            values[np.isin(one.units, held)] = 0.0
        yield one._replace(values=values)


def _where(found: Subject, one: Map, at: int) -> str:
    """The line, unit and step of the largest difference at a step, in words."""
    values = one.values[:, at]
    j = int(np.where(np.isnan(values), np.inf, values).argmax())
    unit, step = found.unit(one.stage, one.line, int(one.units[j])), found.step(found.steps[at])
    return found.words.comma_list(found.told(one.stage, one.line), found.shown.place(one.stage), unit, step)


def several(trace: Trace, place: str, sets: Mapping[str, Mapping[int, float]], title: str, language: str) -> Figure:
    """How far several sets are from one: a row of pixels for each, a column for each step.

    Args:
        trace: has the steps.
        place: the line, `0/forward/h_t`.
        sets: by name, its largest difference at each step; a step that a set does not have is left empty.
        title: of the picture.
        language: of the text.
    """
    scope, line = scope_and_name(place)
    found = subject(trace, lines=line, language=language)
    words, names, stage = found.words, [*sets], found.trace.stage(scope)
    values = np.array([[each.get(t, np.nan) for t in found.steps] for each in sets.values()])
    there = np.array([[t in each for t in found.steps] for each in sets.values()])
    size, scale = room(len(values), len(found.steps), 1), from_zero(values)
    ticks = tuple(Tick(k, name if len(name) <= _NAME else f"…{name[1 - _NAME :]}") for k, name in enumerate(names))
    y = Axis(len(names) - 0.5, -0.5, ticks, field="set", kind="nominal", key=names.__getitem__)
    live = {"line": line, "place": found.shown.place(stage), "stage": scope, "units": names}
    cells = Cells(values, scale, there, size, partial(_blocks, found), live=live)
    symbol = found.symbol(stage, stage.cell.by_name[line])
    panel = _over_steps(found, y, cells, ROOM, name=title, tall=_ROW * len(names), heading=symbol, said=title)
    notes = [words.word("plot.several", line=place)]
    notes += [words.word("plot.logarithmic", low=shown_number(scale.low, 3))] if scale.logarithmic else []
    notes += [*remarks(words, {"plot.diff.broken": not np.isfinite(values[there]).all()}), *_blocks(found, size)]
    frame = partial(found.frame, dict(zip(names, values, strict=True)))
    return Figure("diff", title, " ".join(notes), (Grid([Column([panel], wide=panel.wide)]),), frame, words)


# -- the grids of both -----------------------------------------------------------------------------------------------


def _figure(kind: str, found: Subject, maps: list[Map], size: tuple[int, int], title: str, notes: list[str]) -> Figure:
    """The picture: one grid per stage. size: how many rows and columns share a pixel."""
    half = (ROOM - BETWEEN) / 2
    beside = len(found.steps) * _NARROW <= half and len(maps) > 1
    wide, grids = half if beside else ROOM, []
    for here in by_key((one.stage.scope, one) for one in maps).values():
        parts = [here]
        if beside and len(here) > 1:  # gates left and states right, or half of the maps on each side
            here.sort(key=lambda one: not one.stage.cell.is_gate(one.line))
            gates = sum(one.stage.cell.is_gate(one.line) for one in here)
            middle = gates if 0 < gates < len(here) else -(-len(here) // 2)
            parts = [here[:middle], here[middle:]]
        stacks = [Column([_panel(found, one, wide, size) for one in part], wide=wide) for part in parts]
        grids.append(Grid(stacks, found.shown.place(here[0].stage)))
    caption = " ".join([*found.notes, *notes, *_blocks(found, size)])
    return Figure(kind, title, caption, tuple(grids), partial(_frame, found, maps), found.words)


def _frame(found: Subject, maps: Sequence[Map]) -> pd.DataFrame:
    rows = ((one, int(j), values) for one in maps for j, values in zip(one.units, one.values, strict=True))
    named = ((found.column(one.stage, one.line.name, j), values) for one, j, values in rows)
    return found.frame({name: np.where(found.valid, values, np.nan) for name, values in named})


def _panel(found: Subject, one: Map, whole: float, size: tuple[int, int]) -> Panel:
    """The panel of a map, at most `whole` pixels wide."""
    stage, line, words = one.stage, one.line, found.words
    tall = float(np.clip(_ROWS // max(len(one.units), 1), 1.0, _ROW)) * size[0]
    of, place, told = axis(found.trace, stage, line.name), found.shown.place(stage), found.told(stage, line)
    named = labels(found.trace, of, found.width(stage, line))
    shown = one.units[:: size[0]].tolist()
    ticks = tuple(Tick(k, named[j] if named else found.shown.entry(stage, line.name, j)) for k, j in enumerate(shown))
    y = Axis(len(shown) - 0.5, -0.5, ticks, field="unit", kind="ordinal", key=partial(nth, words, one.units))
    live = {"line": told, "place": place, "stage": stage.scope, "units": [found.unit(stage, line, j) for j in shown]}
    units = of_units(stage.scope, line.name, " ".join(map(str, shown)))
    cells = Cells(one.values, one.scale, found.valid, size, partial(_blocks, found), units, live)
    key = "entries" if found.trace.grid(stage.scope, line.name) else "outputs" if of == "y" else "units"
    counted = words.count(f"map.{key}", len(one.units))
    ends = reach(one.values[:, found.valid])
    said = words.word("map.title", name=told, where=words.aside(place), steps=len(found.steps), units=counted, **ends)
    return _over_steps(
        found, y, cells, whole, name=words.comma_list(told, place), tall=tall * len(shown),
        heading=found.symbol(stage, line), said=said, marked=one.marked,
    )  # fmt: skip


def _over_steps(found: Subject, y: Axis, cells: Cells, whole: float, **more: Any) -> Panel:
    """The panel of a heat map over the steps, at most `whole` pixels wide. more: its other attributes."""
    wide, size = min(whole, len(found.steps) * _COLUMN), cells.size[1]
    high = -(-len(found.steps) // size) * size - 0.5  # the last pixel may cover fewer steps
    x = step_axis(found.words, found.steps, found.labels, max(2, int(wide // 36)), low=-0.5, high=high)
    return Panel(x, y, (cells,), wide=wide, style="label", above=22.0, room=max(wide, 260.0), frame="", **more)


def _blocks(found: Subject, size: tuple[int, int]) -> list[str]:
    """Sentences about pixels that cover several values."""
    rows, columns = size
    if rows == columns == 1:
        return []
    key = "plot.blocks" if rows > 1 < columns else "plot.blocks.units" if rows > 1 else "plot.blocks.steps"
    return [found.words.word(key, units=rows, steps=columns)]
