"""What every gate did, in one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage
from ...formulas.blocks import Block, Heading, Items, Text
from ...formulas.tree import Sym, heading
from ..content.line_groups import gated
from ..content.view import View

#: So many units of a gate are reported one by one; of more, or of several steps, the range and the mean.
FEW = 6
#: Largest value that is reported as a share: a gate that relu opens may be above 1; a damaged one, anything.
_MOST = 100


def in_words(shown: View) -> Iterator[Block]:
    """A list of sentences, one for each gate of each layer and direction."""
    rows = []
    for stage in shown.stages:
        for line in shown.lines(stage):
            signal = gated(line, stage.cell)
            if signal is not None:
                rows.append(_gate(shown, stage, line, signal))
    rows = [row for row in rows if row]
    if rows:
        yield Heading(2, shown.said("gates"))
        yield Items(tuple(rows))


def _gate(shown: View, stage: Stage, line: Line, signal: str) -> Text:
    trace, words = shown.trace, shown.words
    values = trace.lines[stage.scope][line.name]
    units = [j for j in ([shown.chosen.unit] if shown.chosen.unit is not None else range(values.shape[-1]))
             if j is not None and j < values.shape[-1]]  # fmt: skip
    window, rows = shown.chosen.window(trace), shown.chosen.rows(trace)
    places = [
        (t, b, j)
        for t in trace.span[window]
        for b in range(trace.batch)[rows]
        if not shown.padding(t, b)
        for j in units
    ]
    there = np.array([values[trace.index(t), b, j] for t, b, j in places], np.float64)
    if not len(there) or not np.abs(there).max() <= _MOST:  # NaN is not, either
        return ()
    own = f"{trace.header.kind}.{line.name}"
    key = next((key for key in (f"{own}.{signal}", own) if words.has(f"{key}.first")), "gate")
    inner = stage.cell.by_name.get(signal)
    fields = {"gate": Sym(line.name), "signal": Sym(signal) if inner is None else heading(inner, stage.cell)}
    prefix = words.word("prefix", what=shown.place(stage)) if shown.place(stage) else ""
    if len(places) <= FEW and len({(t, b) for t, b, _ in places}) == 1:
        told = [
            words.text(
                f"{key}.first" if at == 0 else "gate.more",
                share=_share(shown, value),
                unit=shown.unit(place[2], values.shape[-1]),
                **fields,
            )
            for at, (place, value) in enumerate(zip(places, there, strict=True))
        ]
        text = words.listed(told, last="and.more")
    elif (least := _share(shown, there.min())) == (most := _share(shown, there.max())):
        unit = words.word("unit.every") if len(units) > 1 else shown.unit(units[0], values.shape[-1])
        text = words.text(f"{key}.first", share=least, unit=unit, **fields)
    else:
        text = words.text(f"{key}.many", least=least, most=most, mean=_share(shown, there.mean()), **fields)
        place = _where(shown, *places[int(there.argmax())], values.shape[-1])
        text = (*text, words.word("semicolon"), *words.text("gate.most", unit=place))
    shared = any(reader.op == "add" and not reader.assigned for reader in stage.cell.readers[line.name])  # 1 - u_t
    zero = not shared and _zero(shown, stage, signal, places)
    ending = (words.word("semicolon"), *words.text("gate.zero")) if zero else ()
    return words.sentence((prefix, *text, *ending))


def _zero(shown: View, stage: Stage, signal: str, places: list[tuple[int, int, int]]) -> bool:
    """Whether all that the gate was there for was zero."""
    values: Array | None = shown.values.array(stage.scope, signal)
    if values is None or values.ndim != 3:
        return False
    at = shown.trace.index
    return not any(values[at(t), b, j if values.shape[-1] > 1 else 0] for t, b, j in places)


def _share(shown: View, value: float) -> str:
    """A number between 0 and 1 in percent; none and all only where it is just that."""
    if 0 < value < 0.005:
        return shown.words.word("share.little")
    if 0.995 < value < 1:
        return shown.words.word("share.much")
    return shown.words.word("share", n=f"{100 * value:.0f}")


def _where(shown: View, t: int, b: int, j: int, width: int) -> str:
    """A unit in words, with step and row where there are several."""
    parts = []
    if shown.trace.steps > 1:
        parts.append(shown.step(t, short=True))
    if shown.trace.batch > 1:
        parts.append(shown.row(b))
    unit = shown.unit(j, width)
    return shown.words.word("at", what=unit, where=shown.words.word("list").join(parts)) if parts else unit
