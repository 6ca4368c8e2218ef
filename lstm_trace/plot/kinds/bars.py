"""Signed bars over the steps: what each step wrote into a carried value, and its contribution to a value.

If there are more steps than columns, several steps share one; positive and negative parts are summed separately:
cancellation is not hidden, and the sum of all bars is unchanged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...backpropagation.attribution import Split
from ...base.arrays import Array
from ...explanation.account import Account, Step, account
from ...explanation.memory import SCALED, Ledger, ledger, table
from ...languages.strings import Words
from ...trace.derived import total
from ...trace.trace import Trace
from ..figure import Figure
from ..furniture import remarks, shown_number, step_in_words
from ..panels import ROOM, Axis, Bar, Column, Grid, Panel, Tick, round_axis, step_axis
from ..subject import Subject, rows_frame, subject
from . import Baseline, Language, Occlusion, Value, picture

if TYPE_CHECKING:
    import pandas as pd

#: Maximum number of columns, two pixels each; maximum width of a column; minimum distance of the separate column.
COLUMNS, _WIDEST, _APART = 365, 44.0, 26.0
#: Up to this many steps are all drawn; with more, this fraction of the total is left out, and at least this many drawn.
WHOLE, REST, LEAST = 100, 0.01, 30
#: Number of the largest steps that are named.
NAMED = 3
#: Steps whose magnitudes have opposite signs are marked if both are at least this fraction of the largest.
NOTABLE = 0.05
#: Free space at the ends of a panel.
_INSET = 8.0
#: Classes of the values that the sources of a memory wrote, and of the initial value; of the measures of a
#: contribution.
_SOURCES, _BEFORE, _MEASURES = ("c0", "c1", "c2", "c4", "c5", "c6"), "c7", {"split": "c0", "occlusion": "c2"}
#: The two values drawn for each entry of a memory, from back to front, and the class of their shade.
_SHADES = {"written": " faint", "part": ""}


def axis_of_bars(
    words: Words, steps: range, labels: Sequence[str], before: str = "", behind: bool = False
) -> tuple[Axis, float, float]:
    """The x axis of bars.

    Args:
        words: the language.
        steps: the drawn steps.
        labels: labels of the steps, or empty.
        before: name of a separate column, for the initial value; or empty.
        behind: whether that column comes after the steps, as when time runs backwards.

    Returns:
        The axis, its width in pixels, and the position of the separate column.
    """
    size = -(-len(steps) // COLUMNS)  # how many steps share a column
    columns = -(-len(steps) // size)
    inner = ROOM - 2 * _INSET
    pitch = min(inner / (columns + (1.6 if before else 0)), _WIDEST)
    free = max(1.6 * pitch, _APART) if before else 0.0
    pitch = min(pitch, (inner - free) / columns)
    low, high = -0.5 - (0 if behind else free / pitch), columns - 0.5 + (free / pitch if behind else 0)
    apart = high - 0.4 if behind else low + 0.4
    where = partial(_where, words, steps, labels, size, {apart: before} if before else {})
    domain = [where(k) for k in range(columns)]
    if before:
        domain.insert(columns if behind else 0, before)
    most = max(1, min(20, int(pitch * columns / 34)))
    x = step_axis(
        words, steps, labels, most, size=size, low=low, high=high, inset=_INSET, field="step", kind="nominal",
        key=where, where=where, domain=tuple(domain), extra=(Tick(apart, before),) if before else (),
    )  # fmt: skip
    return x, 2 * _INSET + free + pitch * columns, apart


def _where(words: Words, steps: range, labels: Sequence[str], size: int, before: Mapping[float, str], at: float) -> str:
    """A position on the axis in words. size: how many steps share it; before: the separate column, by its position."""
    if at in before:
        return before[at]
    if len(here := steps[int(at) * size :][:size]) > 1:
        return f"t = {words.span(here)}"
    return step_in_words(words, here[0], labels[int(at)] if labels else "")


def panels_of_bars(x: Axis, wide: float, each: Mapping[str, Sequence[Bar]]) -> list[Panel]:
    """Panels with a common scale. each: the bars by the name above them."""
    ends = [end for bars in each.values() for bar in bars for end in bar.ends]
    y, alone = round_axis(min([0.0, *ends]), max([0.0, *ends]), field="value"), len(each) == 1
    names = list(each)
    return [
        Panel(
            x, y, tuple(bars), name, wide, 220.0 if alone else 120.0, name, above=19.0 if name else 0.0,
            below=10.0 if name == names[-1] else 14.0,
        ) for name, bars in each.items()
    ]  # fmt: skip


def focus(sizes: Array) -> slice:
    """The range of steps that contains all but `REST` of the total; all steps if that saves less than half of them."""
    steps, whole = len(sizes), float(sizes.sum())
    if steps <= WHOLE or not 0 < whole < np.inf:
        return slice(0, steps)
    before, behind = (np.cumsum(part) <= REST / 2 * whole for part in (sizes, sizes[::-1]))
    first, last = int(before.sum()), steps - int(behind.sum())
    first, last = max(min(first, last - LEAST), 0), max(last, LEAST)
    return slice(first, last) if last - first <= steps / 2 else slice(0, steps)


def left_out(words: Words, steps: range, shown: slice, values: Sequence[tuple[str, Array]]) -> Iterator[str]:
    """Sentences about the steps that `focus` leaves out, and about steps that share a column.

    values: names, and the values at every step.
    """
    if len(drawn := steps[shown]) < len(steps):
        outside = [(name, np.delete(part, np.r_[shown])) for name, part in values]
        ends = {"first": words.nth(drawn[0]), "last": words.nth(drawn[-1])}
        items = _items(words, [(name, total([part[np.isfinite(part)]])) for name, part in outside])
        yield words.word("plot.focus", n=len(steps), **ends, items=items)


def _items(words: Words, named: Iterable[tuple[str, float]]) -> str:
    """Numbers with their names, as a list."""
    return words.word("semicolon").join(f"{words.labelled(name)}: {shown_number(part)}" for name, part in named)


def _shared(words: Words, x: Axis) -> list[str]:
    return [words.word("plot.columns", n=x.size)] if x.size > 1 else []


def summed(values: Array, size: int) -> Iterator[tuple[int, float, float]]:
    """The columns whose values are not all 0: the sum of the negative values, and of the positive ones."""
    finite = np.where(np.isfinite(values), values, 0.0)
    starts = np.arange(0, len(values), size)
    below, above = (np.add.reduceat(part, starts) for part in (np.minimum(finite, 0), np.maximum(finite, 0)))
    for column in np.flatnonzero((below < 0) | (above > 0)):
        yield int(column), float(below[column]), float(above[column])


def _largest(words: Words, key: str, parts: Sequence[tuple[str, float]]) -> Iterator[str]:
    """The largest of some finite parts, each with its name."""
    if largest := [one for one in sorted(parts, key=lambda one: -abs(one[1]))[:NAMED] if one[1]]:
        yield words.word(key, items=_items(words, largest))


# -- memory ----------------------------------------------------------------------------------------------------------


@picture
def memory(trace: Trace, of: Value, language: Language = None) -> Figure:
    """The memory of a carried value: bars for what each step wrote, and for what the gates since have kept of it.

    Args:
        of: address of the value as printed, for example c_3[1], or from 0, 3/c_t[1].

    Returns:
        A picture whose `data` are the rows of `lt.explain(trace, of, "memory")`.

    Raises:
        OptionError: if the value is not a sum of kept and written parts.
        MissingError: if the value does not exist.
    """
    book = ledger(trace, of)
    at = book.address
    found = subject(trace, layer=at.layer, direction=at.direction, batch=at.b or 0, language=language)
    words = found.words
    caption = [*found.held(), *_ledger_sum(found, book)]
    finite = [row for row in book.rows if np.isfinite(row.part)]
    named = [(row.source if row.step is None else found.step(row.step), row.part) for row in finite]
    whole = all(np.isfinite([row.part, row.written]).all() for row in book.rows)
    caption += [*_largest(words, "plot.largest", named), *remarks(words, {"plot.gaps": not whole})]
    sources, values = _by_source(found, book)
    left = values[:, list(_SHADES).index("part")]
    places = focus(np.abs(left).max(axis=0, initial=0.0))
    caption += left_out(words, found.steps, places, [(words.word("plot.memory.rest"), left.sum(axis=0))])
    behind, before = trace.stage(at.scope).backwards, book.rows[0].source
    x, wide, apart = axis_of_bars(words, found.steps[places], found.labels[places], before, behind)
    caption += _shared(words, x)
    bars = tuple(_memory_bars(found, book, dict(zip(sources, values[..., places], strict=True)), x.size, apart))
    legend = tuple(dict.fromkeys((bar.style, bar.name) for bar in sorted(bars, key=lambda bar: bar.style.split()[0])))
    grid = Grid([Column(panels_of_bars(x, wide, {"": bars}), legend=legend)], top=0.0 if legend else 8.0)
    title, (columns, rows) = found.titled("plot.memory", what=found.value(at)), table(trace, book)
    return Figure("memory", title, " ".join(caption), (grid,), partial(rows_frame, rows, columns), words)


def _ledger_sum(found: Subject, book: Ledger) -> Iterator[str]:
    """A sentence saying that the parts add up to the value, or that a foreign trace has another value."""
    whole = book.rows[-1].running
    if np.isfinite([whole, book.value]).all():
        size = sum(abs(row.part) for row in book.rows)
        rounding = 64 * np.finfo(found.trace.header.dtype).eps * (size + abs(book.value))
        key = "plot.memory.sum" if abs(book.residual) <= rounding else "plot.memory.gap"
        yield found.words.word(key, value=shown_number(book.value, 6), sum=shown_number(whole, 6))


def _by_source(found: Subject, book: Ledger) -> tuple[list[str], Array]:
    """The sources; (sources, `_SHADES`, steps): what each wrote, and what is left of it; 0 for NaN."""
    sources = list(dict.fromkeys(row.source for row in book.rows[1:]))
    values = np.zeros((len(sources), len(_SHADES), len(found.steps)))
    for row in book.rows[1:]:
        at = (row.step or 0) - found.steps[0]
        values[sources.index(row.source), :, at] = [getattr(row, of) for of in _SHADES]
    return sources, np.where(np.isfinite(values), values, 0.0)


def _memory_bars(found: Subject, book: Ledger, parts: Mapping[str, Array], size: int, apart: float) -> Iterator[Bar]:
    """For each source what it wrote, pale, and in front of it what is left of that; sources are stacked."""
    words, before = found.words, book.rows[0]
    stage = found.trace.stage(book.address.scope)
    for n, (of, shade) in enumerate(_SHADES.items()):
        if (value := getattr(before, of)) and np.isfinite(value):
            yield Bar(apart, value, _BEFORE + shade, words.word(f"plot.memory.{of}", source=before.source))
        base: dict[tuple[int, int], float] = defaultdict(float)
        for k, (source, values) in enumerate(parts.items()):
            name, *scaled = source.partition(SCALED)
            line = stage.cell.by_name.get(name)
            symbol = source if line is None else "".join([found.symbol(stage, line), *scaled])
            style, name = _SOURCES[k % len(_SOURCES)] + shade, words.word(f"plot.memory.{of}", source=symbol)
            for column, *sums in summed(values[n], size):
                for side, part in enumerate(sums):
                    if part:
                        yield Bar(column, part, style, name, base[column, side])
                        base[column, side] += part


# -- contribution ----------------------------------------------------------------------------------------------------


@picture
def contribution(
    trace: Trace, of: Value, baseline: Baseline = "zero-input", occlusion: Occlusion = "auto", language: Language = None
) -> Figure:
    """Contribution of each step to a value: its share of the exact split, next to the exact occlusion of the step.

    Args:
        of: address of the value as printed, for example c_3[1], or from 0, 3/c_t[1].
        baseline: zero-input, zero-state, another sequence of the batch, or a trace (zero-input).
        occlusion: how many steps are occluded: all, none, a number, or auto, as many as fit into a second (auto).

    Returns:
        A picture whose `data` is the table by step of the explanation `contribution`.

    Raises:
        OptionError: if the baseline does not exist.
        MissingError: if the value does not exist, or a line was not recorded.
    """
    return contribution_figure(trace, account(trace, of, baseline, runs=occlusion, compared=False), language)


def contribution_figure(trace: Trace, known: Account, language: str | None = None) -> Figure:
    """The picture of contributions that have been computed."""
    split, without = known.split, known.occlusion
    found = subject(trace, batch=split.of.b, language=language)
    words = found.words
    measures = {"split": _by_step(found, known.steps, "together")}
    if without is not None:
        measures["occlusion"] = _by_step(found, known.steps, "occlusion")
    caption = [*found.held(), *_split_sum(found, split)]
    for name, values in measures.items():
        parts = [(found.step(found.steps[k]), float(values[k])) for k in np.flatnonzero(np.isfinite(values))]
        caption += _largest(words, f"plot.contribution.{name}.largest", parts)
    caption += _states(found, known)
    if without is not None and without.made < without.possible:
        caption.append(words.word("plot.contribution.made", made=without.made, possible=without.possible))
    places = focus(np.max([np.abs(np.nan_to_num(values, nan=0.0)) for values in measures.values()], axis=0))
    rest = [(words.word(f"plot.contribution.{name}.rest"), values) for name, values in measures.items()]
    caption += left_out(words, found.steps, places, rest)
    x, wide, _ = axis_of_bars(words, found.steps[places], found.labels[places])
    starts = np.arange(0, len(found.steps[places]), x.size)
    finite = [np.where(np.isfinite(values), values, 0.0)[places] for values in measures.values()]
    shaded = opposed(*(np.add.reduceat(values, starts) for values in finite)) if len(finite) == 2 else []
    caption += [*remarks(words, {"plot.contribution.opposed": bool(shaded)}), *_shared(words, x)]
    each = {}
    for measure, values in measures.items():
        name, columns = words.word(f"plot.contribution.{measure}"), summed(values[places], x.size)
        each[name] = [Bar(at, part, _MEASURES[measure], name) for at, *sums in columns for part in sums if part]
    grid = Grid([Column(panels_of_bars(x, wide, each), shaded=shaded)], top=8.0)
    title = found.titled("plot.contribution", what=found.explained(str(split.of)))
    return Figure("contribution", title, " ".join(caption), (grid,), partial(_step_frame, known.steps), words)


def _split_sum(found: Subject, split: Split) -> Iterator[str]:
    """The sum of the shares, if it is known."""
    if not np.isfinite([split.total, split.difference]).all():
        yield found.words.word("plot.gaps")
        return
    value, baseline, difference = (shown_number(n, 6) for n in (split.value, split.baseline, split.difference))
    baseline = f"({baseline})" if baseline.startswith("−") else baseline
    yield found.words.word("plot.contribution.sum", value=value, baseline=baseline, difference=difference)
    if not any(np.any(part) for part in split.parts.values()):
        yield found.words.word("plot.contribution.none")


def _by_step(found: Subject, steps: Sequence[Step], name: str) -> Array:
    """(steps,) of the picture, NaN if nothing was measured."""
    values = np.full(len(found.steps), np.nan)
    for step in steps:
        value = getattr(step, name)
        values[step.t - found.steps[0]] = np.nan if value is None else value
    return values


def opposed(share: Array, lost: Array) -> list[int]:
    """The columns in which both are notable and have opposite signs."""
    notable = [np.abs(values) >= NOTABLE * max(np.abs(values).max(), np.finfo(float).tiny) for values in (share, lost)]
    return np.flatnonzero(notable[0] & notable[1] & (np.sign(share) != np.sign(lost))).tolist()


def _states(found: Subject, known: Account) -> Iterator[str]:
    """Contributions that belong to no step, in words."""
    words, items = found.words, []
    for place, kind in known.split.kinds.items():
        if kind == "state" and (part := float(known.split.parts[place].sum())):
            without = known.occlusion and known.occlusion.states.get(place)
            more = "" if without is None else words.word("plot.contribution.without", loss=shown_number(without))
            items.append(f"{words.labelled(place)}: {shown_number(part)}{words.aside(more) if more else ''}")
    if items:
        yield words.word("plot.contribution.states", items=words.word("semicolon").join(items))


def _step_frame(steps: Sequence[Step]) -> pd.DataFrame:
    """The steps; only columns that contain anything, as in `lt.explain`."""
    frame = rows_frame(steps, Step._fields)
    return frame.drop(columns=[name for name in ("token", "occlusion") if frame[name].isna().all()])
