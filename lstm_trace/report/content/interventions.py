"""What is held in the run of a trace, in a sentence: which values of which lines, and at what."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ...formulas.blocks import Block, Para, Text
from ...formulas.tree import Baseline, Index, Node, Prod, number, value
from ...trace.holds.held import Entry, entries
from ...trace.holds.values import Scale
from ...view.view import TABLE, View


def interventions(shown: View) -> Iterator[Block]:
    """A paragraph, where something is held: `c_t[35] = 0 (steps 5–9)`, `f_t = 0.5 f_t⁰`, or that values are given."""
    scopes = {stage.scope for stage in shown.stages}
    there = (entry for entry in entries(shown.trace) if entry.scope in scopes)
    found = list(islice(there, None if shown.everything else TABLE + 1))
    few = found if shown.everything else found[:TABLE]
    if not found:
        return
    texts: list[Text] = [_told(shown, entry) for entry in few]
    texts += [("…",)] if len(few) < len(found) else []
    yield Para(shown.words.text("intervention", what=shown.words.listed(texts, "semicolon", "semicolon")))


def _told(shown: View, entry: Entry) -> Text:
    stage = shown.trace.stage(entry.scope)
    line: Node = value(entry.line, stage.cell.plain or stage.cell)
    free: Node = Baseline(line)
    if entry.units is not None:
        at = ",".join(str(shown.words.nth(j)) for j in entry.units[:TABLE]) + (",…" if len(entry.units) > TABLE else "")
        line, free = Index(line, at), Index(free, at)
    places = [place] if (place := shown.place(stage)) else []
    if entry.steps is not None and shown.trace.steps > 1:
        places.append(f"t = {shown.words.span(entry.steps)}")
    if entry.rows is not None and shown.trace.batch > 1:
        places.append("–".join(dict.fromkeys(shown.row(entry.rows[k]) for k in (0, -1))))
    behind = f" ({shown.words.word('list').join(places)})" if places else ""
    if isinstance(entry.value, Scale):
        return (line, " = ", Prod(number(entry.value.factor), free), behind)
    if isinstance(entry.value, float):
        return (line, " = ", number(entry.value), behind)
    return (*shown.words.text("intervention.values", line=line), behind)
