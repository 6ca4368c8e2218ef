"""What is worked out at a place, as blocks: a chain for each gate, candidate, state and output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...cell.lines import Line
from ...documents.blocks import Block, Chain, Chains, Para, Row, Text
from ...formulas.tree import Sym
from ...view.line_groups import Group, titled
from ...view.view import Place, View
from ..content.value_blocks import chain, symbol, vectors
from .cuts import Cut
from .plan import plan, written
from .stages import Stages


def worked(shown: View, place: Place) -> Iterator[Block]:
    """The chains of a place; what is zero there is said first, and of padding what is held."""
    if shown.idle(place):
        held = [name for name in place.stage.cell.states if shown.values.array(place.stage.scope, name) is not None]
        if held:
            yield vectors(shown, place.stage, held, place.t, place.b)
        return
    stages = Stages(shown, place)
    found = [_chain(stages, *planned) for planned in plan(shown, place.stage)]
    if stages.zeros.names:
        yield Para(_zero(shown, place, tuple(stages.zeros.names)), leads=True)
    if there := tuple(one for one in found if one.rows):
        yield Chains(there)


def opening(shown: View) -> Iterator[Block]:
    """What is said once for all steps: which weights are zero and left out, and that matrices are too large."""
    if not shown.filled:
        yield Para(shown.said("matrices.named"))
    names: dict[str, None] = {}
    for stage in shown.stages:
        lines = [line for line in written(shown, stage) if line.op in ("matvec", "vecmat", "mul", "add")]
        there = {name for line in lines for name in line.reads}
        parameters = shown.trace.parameters.get(stage.scope, {})
        names |= dict.fromkeys(name for name, a in parameters.items() if name in there and not np.any(a))
    if names and shown.chosen.unit is None:
        words = shown.words
        key = "zero.weights" if len(names) > 1 else "zero.weights.1"
        yield Para(words.text(key, names=words.listed([(Sym(name),) for name in names])))


def _zero(shown: View, place: Place, names: tuple[str, ...]) -> Text:
    found = [shown.words.text("zero.is", name=shown.at(place.stage, place.t, Sym(name))) for name in names]
    return shown.words.text("zero" if len(names) > 1 else "zero.1", what=shown.words.listed(found))


def _chain(stages: Stages, group: Group, lines: list[Cut | Line]) -> Chain:
    shown, place = stages.shown, stages.place
    rows = []
    for one in lines:
        if isinstance(one, Line):
            rows.append(chain(shown, place, one))
        elif (parts := stages.parts(one)) is not None:
            rows.append(Row((symbol(shown, place, one.line),), parts))
    title = next((x.text for x in titled(shown, place, group, 4)), ())
    return Chain(tuple(part.strip() for part in title if isinstance(part, str)), tuple(rows))
