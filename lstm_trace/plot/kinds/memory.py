"""The memory of a carried value: what each step wrote into it, and what the gates since have left of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...base.arrays import Array
from ...explanation.memory import SCALED, Ledger, LedgerRow, ledger, table
from ...trace.argument_types import checked
from ...trace.trace import Trace
from ..bars import Bar, BarChart, BarPanel, drawn, focus, left_out, specification, steps_in_column, summed
from ..figure import Figure
from ..furniture import shown_number
from ..subject import Subject, subject

if TYPE_CHECKING:
    import pandas as pd

#: So many of the largest parts are named.
NAMED = 3
#: Classes of what the sources wrote, and of what was there before.
_KINDS, _BEFORE = ("c0", "c1", "c2", "c4", "c5", "c6"), "c7"
#: What is drawn of an entry, from back to front, and the class of its shade.
_SHADES = {"written": " faint", "part": ""}


@checked
def memory(trace: Trace, of: str, language: str = "en") -> Figure:
    """The ledger of a value as bars; see `plots.Plots`. Raises OptionError where the value has no ledger."""
    book = ledger(trace, of)
    at = book.address
    found = subject(trace, layer=at.layer, direction=at.direction, batch=at.b or 0, language=language)
    words, title = found.words, found.titled("plot.memory", what=found.value(at))
    caption = [*found.held(), *_sum(found, book), *_largest(found, book.rows)]
    if not all(np.isfinite([row.part, row.written]).all() for row in book.rows):
        caption.append(words.word("plot.gaps"))
    parts = _by_source(found, book)
    written = np.array([values["part"] for values in parts.values()]).reshape(len(parts), len(found.steps))
    places, left = focus(np.abs(written).max(axis=0, initial=0.0)), written.sum(axis=0)
    caption += left_out(words, found.steps, places, [(words.word("plot.memory.rest"), left)])
    steps, labels = found.steps[places], found.labels[places] if found.labels else ()
    size, behind = steps_in_column(len(steps)), trace.stage(at.scope).backwards
    if size > 1:
        caption.append(words.word("plot.columns", n=size))
    shown = {source: {of: part[places] for of, part in values.items()} for source, values in parts.items()}
    bars = tuple(_bars(found, book, shown, size, -(-len(steps) // size) if behind else -1))
    legend = tuple(dict.fromkeys((bar.kind, bar.name) for bar in sorted(bars, key=lambda bar: bar.kind.split()[0])))
    chart = BarChart(
        title,
        " ".join(caption),
        words,
        steps,
        labels,
        (BarPanel("", bars),),
        legend,
        size,
        before=book.rows[0].source,
        behind=behind,
    )
    return Figure(
        "memory",
        title,
        chart.caption,
        partial(drawn, chart),
        partial(_frame, trace, book),
        lambda data: specification(chart),
        language,
    )


def _sum(found: Subject, book: Ledger) -> Iterator[str]:
    """That the parts are the value, but for rounding; what they are where a foreign trace has another value."""
    whole = book.rows[-1].running
    if np.isfinite([whole, book.value]).all():
        size = sum(abs(row.part) for row in book.rows)
        rounding = 64 * np.finfo(found.trace.header.dtype).eps * (size + abs(book.value))
        key = "plot.memory.sum" if abs(book.residual) <= rounding else "plot.memory.gap"
        yield found.words.word(key, value=shown_number(book.value, 6), sum=shown_number(whole, 6))


def _largest(found: Subject, rows: Sequence[LedgerRow]) -> Iterator[str]:
    """The largest parts in words."""
    words, told = found.words, []
    for row in sorted(rows, key=lambda row: -abs(row.part) if np.isfinite(row.part) else 0.0)[:NAMED]:
        if row.part and np.isfinite(row.part):
            where = row.source if row.step is None else found.step(row.step)
            told.append(f"{words.labelled(where)}: {shown_number(row.part, 4)}")
    if told:
        yield words.word("plot.largest", items=words.word("semicolon").join(told))


def _by_source(found: Subject, book: Ledger) -> dict[str, dict[str, Array]]:
    """What each source wrote at the steps of the picture, and what is left of that; 0 where that is no number."""
    sources: dict[str, dict[str, Array]] = {}
    for row in book.rows[1:]:
        values = sources.setdefault(row.source, {of: np.zeros(len(found.steps)) for of in _SHADES})
        for of in _SHADES:
            number = getattr(row, of)
            values[of][(row.step or 0) - found.steps[0]] = number if np.isfinite(number) else 0.0
    return sources


def _bars(
    found: Subject, book: Ledger, parts: Mapping[str, Mapping[str, Array]], size: int, apart: int
) -> Iterator[Bar]:
    """Of each source what it wrote, pale, and what is left of that in front of it; sources are stacked."""
    words, before = found.words, book.rows[0]
    stage = found.trace.stage(book.address.scope)
    for of, shade in _SHADES.items():
        value = getattr(before, of)
        if value and np.isfinite(value):
            yield Bar(apart, value, _BEFORE + shade, words.word(f"plot.memory.{of}", source=before.source))
        base: dict[tuple[int, int], float] = {}
        for k, (source, values) in enumerate(parts.items()):
            name, *scaled = source.partition(SCALED)
            line = stage.cell.by_name.get(name)
            symbol = source if line is None else "".join([found.symbol(stage, line), *scaled])
            kind, name = _KINDS[k % len(_KINDS)] + shade, words.word(f"plot.memory.{of}", source=symbol)
            for column, *sums in summed(values[of], size):
                for side, part in enumerate(sums):
                    if part:
                        yield Bar(column, part, kind, name, base.get((column, side), 0.0))
                        base[column, side] = base.get((column, side), 0.0) + part


def _frame(trace: Trace, book: Ledger) -> pd.DataFrame:
    import pandas as pd

    columns, rows = table(trace, book)
    return pd.DataFrame(rows, columns=list(columns))
