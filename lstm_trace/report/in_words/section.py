"""The section "In words": what happened, layer by layer, a sentence for each gate, state and readout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...documents.blocks import Block, Heading, Items, Para, Text
from ...languages.strings import capital
from ...trace.labels import axis, readout
from ...view.view import View
from . import gates, readouts, states
from .cases import FEW, Told
from .saying import Saying
from .sentences import said

#: So many layers and directions are described; of more, the first and the last.
STAGES = 3


def in_words(shown: View) -> Iterator[Block]:
    """The heading, and for each layer and direction a list of sentences."""
    found = [(told, rows) for stage in shown.stages if (rows := _rows(told := Told(shown, stage)))]
    if not found:
        return
    yield Heading(2, shown.said("gates"))
    if len(found) > STAGES:
        yield Para(shown.said("few.stages", n=len(found)))
        found = [found[0], found[-1]]
    for told, rows in found:
        if place := shown.place(told.stage):
            yield Para(capital(shown.said("label", what=place)))
        few = [part for text in _few(told) for part in (*text, " ")]
        if few:
            yield Para(tuple(few[:-1]))
        yield Items(rows)


def _few(told: Told) -> Iterator[Text]:
    """Which units and sequences are described, where that is not all of them."""
    words = told.shown.words
    if len(told.rows) < len(told.every_row):
        key = "few.rows.1" if len(told.rows) == 1 else "few.rows"
        yield words.text(key, rows=str(len(told.every_row)), n=str(len(told.rows)))
    for width, line in told.few.items():
        if width <= FEW:  # they are all there, of fewer sequences
            continue
        key = "few.outputs" if axis(told.shown.trace, told.stage, line) == "y" else "few.units"
        yield words.text(key, few=str(FEW), n=str(width), line=told.symbol(line))


def _rows(told: Told) -> tuple[Text, ...]:
    """What is described of a stage; nothing where that would only be values, which are among the answers."""
    say = Saying(told)
    named = _gated(say)
    carried = _states(say, named)
    found = [*gates.facts(told, named), *states.facts(told, carried), *readouts.facts(told, carried)]
    return tuple(said(say, fact) for fact in found) if any(not isinstance(fact, states.Is) for fact in found) else ()


def remembered(shown: View) -> Iterator[Text]:
    """What is left, at the last chosen step, of what earlier ones wrote: a sentence for each unit that is described."""
    for stage in shown.stages:
        say = Saying(told := Told(shown, stage))
        found = states.facts(told, _states(say, _gated(say)))
        yield from (said(say, fact) for fact in found if isinstance(fact, states.Left))


def _gated(say: Saying) -> frozenset[str]:
    """The lines and inputs of which the cell says what they did."""
    cell = say.told.stage.cell
    return frozenset(name for name in (*cell.by_name, *cell.inputs) if say.words.has(f"did.{say.kind}.{name}"))


def _states(say: Saying, gated: frozenset[str]) -> Sequence[str]:
    """The states that are described, in computing order: of a named cell those that it names, of another all."""
    stage, cell = say.told.stage, say.told.stage.cell
    if not cell.carry:
        return ()
    found = {cell.output, *(line for _, line in cell.carry)}
    padded = [cell.by_name[name] for name in found & cell.by_name.keys() if stage.unpadded(name) != name]
    found |= set(map(stage.unpadded, found))
    if gated or say.words.has(f"the.{say.kind}.{cell.output}"):
        found = {line.name for line in cell.lines if say.words.has(f"the.{say.kind}.{line.name}")} - gated
    there = [line for line in cell.lines if line.assigned and line not in padded and line.name in found]
    return [line.name for line in there if line.name not in readout(cell)]
