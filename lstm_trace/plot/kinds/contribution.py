"""What each step contributed to a value: its share of the exact split, beside what is lost without its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...backpropagation.attribution import Split
from ...base.arrays import Array
from ...explanation.account import Account, Step, account
from ...trace.argument_types import checked
from ...trace.trace import Trace
from ..bars import Bar, BarChart, BarPanel, drawn, focus, left_out, specification, steps_in_column, summed
from ..figure import Figure
from ..furniture import shown_number
from ..subject import Subject, subject

if TYPE_CHECKING:
    import pandas as pd

#: So many of the largest steps are named.
NAMED = 3
#: Of two sizes with opposite signs those are marked that are at least this part of the largest.
NOTABLE = 0.05
#: The class of the bars of each measure.
_KINDS = {"split": "c0", "occlusion": "c2"}


@checked
def contribution(
    trace: Trace, of: str, baseline: Any = "zero-input", occlusion: Any = "auto", language: str = "en"
) -> Figure:
    """The shares of the steps as bars; see `plots.Plots`. Raises what `explanation.account.account` does."""
    told = account(trace, of, baseline, runs=occlusion, compared=False)
    return figure(trace, told, language)


def figure(trace: Trace, told: Account, language: str = "en") -> Figure:
    """The picture of contributions that are known."""
    split, without = told.split, told.occlusion
    found = subject(trace, batch=split.of.b, language=language)
    words = found.words
    title = found.titled("plot.contribution", what=found.explained(str(split.of)))
    measures = {"split": _values(found, told.steps, "together")}
    if without is not None:
        measures["occlusion"] = _values(found, told.steps, "occlusion")
    names = {name: words.word(f"plot.contribution.{name}") for name in measures}
    caption = [*found.held(), *_sum(found, split)]
    for name, values in measures.items():
        caption += _largest(found, name, values)
    caption += _states(found, told)
    if without is not None and without.made < without.possible:
        caption.append(words.word("plot.contribution.made", made=without.made, possible=without.possible))
    sizes = np.max([np.abs(np.nan_to_num(values, nan=0.0)) for values in measures.values()], axis=0)
    places = focus(sizes)
    rest = [(words.word(f"plot.contribution.{name}.rest"), values) for name, values in measures.items()]
    caption += left_out(words, found.steps, places, rest)
    steps, labels = found.steps[places], found.labels[places] if found.labels else ()
    size = steps_in_column(len(steps))
    columns = [_columns(values[places], size) for values in measures.values()]
    shaded = _opposed(*columns) if len(columns) == 2 else ()
    if shaded:
        caption.append(words.word("plot.contribution.opposed"))
    if size > 1:
        caption.append(words.word("plot.columns", n=size))
    panels = tuple(
        BarPanel(names[name], tuple(_bars(values[places], size, _KINDS[name], names[name])))
        for name, values in measures.items()
    )
    chart = BarChart(title, " ".join(caption), words, steps, labels, panels, size=size, shaded=tuple(shaded))
    return Figure(
        "contribution",
        title,
        chart.caption,
        partial(drawn, chart),
        partial(_frame, told.steps),
        lambda data: specification(chart),
        language,
    )


def _sum(found: Subject, split: Split) -> Iterator[str]:
    """What the shares add up to, where it is known."""
    if not np.isfinite([split.total, split.difference]).all():
        yield found.words.word("plot.gaps")
        return
    value, baseline, difference = (shown_number(n, 6) for n in (split.value, split.baseline, split.difference))
    baseline = f"({baseline})" if baseline.startswith("−") else baseline
    yield found.words.word("plot.contribution.sum", value=value, baseline=baseline, difference=difference)
    if not any(np.any(part) for part in split.parts.values()):
        yield found.words.word("plot.contribution.none")


def _values(found: Subject, steps: Sequence[Step], name: str) -> Array:
    """(steps,) of the picture, NaN where nothing was measured."""
    values = np.full(len(found.steps), np.nan)
    for step in steps:
        value = getattr(step, name)
        values[step.t - found.steps[0]] = np.nan if value is None else value
    return values


def _bars(values: Array, size: int, kind: str, name: str) -> Iterator[Bar]:
    for column, *sums in summed(values, size):
        yield from (Bar(column, part, kind, name) for part in sums if part)


def _columns(values: Array, size: int) -> Array:
    """What the columns have in all."""
    return np.add.reduceat(np.where(np.isfinite(values), values, 0.0), np.arange(0, len(values), size))


def _opposed(share: Array, lost: Array) -> list[int]:
    """The columns in which both are notable and have opposite signs."""
    notable = [np.abs(values) >= NOTABLE * max(np.abs(values).max(), np.finfo(float).tiny) for values in (share, lost)]
    return np.flatnonzero(notable[0] & notable[1] & (np.sign(share) != np.sign(lost))).tolist()


def _largest(found: Subject, name: str, values: Array) -> Iterator[str]:
    """The steps that matter most by a measure."""
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    told = [
        f"{found.words.labelled(found.step(found.steps[at]))}: {shown_number(values[at], 4)}"
        for at in np.argsort(-sizes, kind="stable")[:NAMED].tolist()
        if sizes[at] > 0
    ]
    if told:
        yield found.words.word(f"plot.contribution.{name}.largest", items=found.words.word("semicolon").join(told))


def _states(found: Subject, told: Account) -> Iterator[str]:
    """What came from no step, in words."""
    words, items = found.words, []
    lost = {} if told.occlusion is None else told.occlusion.states
    for place, kind in told.split.kinds.items():
        if kind == "state" and (part := float(told.split.parts[place].sum())):
            without = lost.get(place)
            more = (
                ""
                if without is None
                else words.aside(words.word("plot.contribution.without", loss=shown_number(without)))
            )
            items.append(f"{words.labelled(place)}: {shown_number(part)}{more}")
    if items:
        yield words.word("plot.contribution.states", items=words.word("semicolon").join(items))


def _frame(steps: Sequence[Step]) -> pd.DataFrame:
    """The steps; of their columns those alone in which there is something, as in `lt.explain`."""
    import pandas as pd

    frame = pd.DataFrame(list(steps), columns=list(Step._fields))
    return frame.drop(columns=[name for name in ("token", "occlusion") if frame[name].isna().all()])
