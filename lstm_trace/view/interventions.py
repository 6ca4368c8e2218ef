"""What is held in the run of a trace, in a sentence: which values of which lines, and at what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ..documents.blocks import Block, Para, Text
from ..formulas.tree import Index, Node, number, value
from ..trace.held import HeldBlock, entries
from ..trace.holding import Multiple
from .view import TABLE, View


def interventions(shown: View) -> Iterator[Block]:
    """A paragraph, where something is held in the stages that are shown."""
    scopes = {stage.scope for stage in shown.stages}
    there = (entry for entry in entries(shown.trace) if entry.scope in scopes)
    if what := held_in(shown, there, None if shown.everything else TABLE):
        yield Para(shown.words.text("intervention", what=what))


def held_in(shown: View, there: Iterable[HeldBlock], most: int | None) -> Text:
    """What is held, empty where nothing is: `c_t[35] = 0 (t = 5–9)`, a multiple, or that values are given.

    most: so many places are named; all if None.
    """
    found = list(islice(there, None if most is None else most + 1))
    few = found[:most]
    texts: list[Text] = [_told(shown, entry) for entry in few]
    texts += [("…",)] if len(few) < len(found) else []
    return shown.words.listed(texts, "semicolon", "semicolon")


def _told(shown: View, entry: HeldBlock) -> Text:
    stage = shown.trace.stage(entry.scope)
    line: Node = value(entry.line, stage.cell.plain or stage.cell)
    if entry.units is not None:
        at = ",".join(str(shown.words.nth(j)) for j in entry.units[:TABLE]) + (",…" if len(entry.units) > TABLE else "")
        line = Index(line, at)
    places = [place] if (place := shown.place(stage)) else []
    if entry.steps is not None and shown.trace.steps > 1:
        places.append(f"t = {shown.words.span(entry.steps)}")
    if entry.rows is not None and shown.trace.batch > 1:
        places.append("–".join(dict.fromkeys(shown.row(entry.rows[k]) for k in (0, -1))))
    behind = f" ({shown.words.word('list').join(places)})" if places else ""
    if isinstance(entry.value, Multiple):
        return (*shown.words.text("intervention.scaled", line=line, n=number(entry.value.factor)), behind)
    if isinstance(entry.value, float):
        return (line, " = ", number(entry.value), behind)
    return (*shown.words.text("intervention.values", line=line), behind)
