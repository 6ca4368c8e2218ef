"""The chains of a stage, the same at each step: one for what fits on a line, several for the rest; as blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from ...cell.lines import Line
from ...cell.network import Stage
from ...documents.blocks import Block, Chain, Chains, Para, Row
from ...documents.layout import widths
from ...formulas.plain import Plain
from ...formulas.tree import Sum, Sym
from ...view.line_groups import LineGroup, titled
from ...view.view import Place, View
from ..content.value_blocks import chain, symbol, vectors
from .stages import Cut, Stages, cuts, operands

Plan = list[tuple[LineGroup, list[Cut]]]

#: How much of a formula, in digits, fits on a line, and how many formulas in a chain; longer ones are divided.
ROOM, MOST = 70, 8


def plan(shown: View, stage: Stage) -> Plan:
    """The groups of a stage, each with its chains, which may be none.

    The last place decides, because everything that is zero there was zero before the first step too.
    """
    key = stage.scope, tuple(line.name for line in stage.lines)  # what is held at a place has lines of its own there
    if key not in shown.plans:
        shown.plans[key] = _planned(shown, stage)
    return shown.plans[key]


def _planned(shown: View, stage: Stage) -> Plan:
    places = [place for place in reversed(shown.places) if place.stage.scope == stage.scope]
    if not places:
        return []
    place = next((place for place in places if place.stage is stage), places[0]._replace(stage=stage))
    stages, size, cell = Stages(shown, place, whole=True), widths(Plain(shown.trace.header.symbols)), stage.cell

    def is_wide(cut: Cut) -> bool:
        parts = stages.parts(cut) or ()
        terms = [term for _, node in parts for term in (node.terms if isinstance(node, Sum) else (node,))]
        return len(parts) > MOST or max(map(size, terms), default=0) > ROOM * shown.breadth

    def form(cut: Cut, line: Line) -> tuple[object, ...]:
        """Which operations a chain is made of, whatever their operands: gates of a cell have the same."""
        inner = [cell.by_name[o] if isinstance(o, str) and o in cut.inner else None for o in operands(line)]
        return (line.op, *(None if one is None else form(cut, one) for one in inner))

    def fitting(cut: Cut, wide: Collection[object] = ()) -> Iterator[Cut]:
        """The chains of a cut. wide: forms that are divided everywhere, so that the gates of a cell look alike."""
        divided = cut.divided(cell)
        if not is_wide(cut) and not (divided and form(cut, cut.line) in wide):
            yield cut
        elif divided:
            for one in divided:
                yield from fitting(one)
        else:
            yield Cut(cut.line, {}, named=True)

    carried = set(cell.states.values())
    found = [
        (group, cuts(shown, group, stage))
        for group in shown.grouped(stage)  # without one that only hands on a state, since the step is not padding
        if group.leader is not None or not all(x.name in carried and x.op == "where" for x in group.lines)
    ]
    wide = {form(cut, cut.line) for _, those in found for cut in those if is_wide(cut)}
    return [(group, [part for cut in those for part in fitting(cut, wide)]) for group, those in found]


def written(shown: View, stage: Stage) -> list[Line]:
    """The lines whose numbers are shown: those of the chains of a compact report, with everything they are made of."""
    if shown.detail != "compact":
        return shown.lines(stage)
    chains = [part for _, found in plan(shown, stage) for part in found]
    names = {name for part in chains for name in (part.line.name, *part.inner)}
    for line in reversed(stage.cell.lines):  # what a composite function is made of reads its arguments
        if line.name in names:
            names |= {inner.name for inner in map(stage.cell.by_name.get, line.reads) if inner and not inner.assigned}
    return [line for line in stage.cell.lines if line.name in names]


def worked(shown: View, place: Place, level: int) -> Iterator[Block]:
    """The chains of a place; what is zero there is stated first, and for padding what is held."""
    if shown.idle(place):
        held = [name for name in place.stage.cell.states if shown.values.array(place.stage.scope, name) is not None]
        if held:
            yield vectors(shown, place.stage, held, place.t, place.b)
        return
    stages, words = Stages(shown, place), shown.words
    found: list[Chain] = []
    for group, lines in plan(shown, place.stage):
        rows = []
        for one in lines:
            if one.named:
                rows.append(chain(shown, place, one.line))
            elif (parts := stages.parts(one)) is not None:
                rows.append(Row((symbol(shown, place, one.line),), parts))
        title = next((x.text for x in titled(shown, place, group, level)), ())
        if rows:
            found.append(Chain(tuple(part.strip() for part in title[:1] if isinstance(part, str)), tuple(rows)))
    if stages.zeros:
        zero = [words.text("zero.is", name=shown.at(place.stage, place.t, Sym(name))) for name in stages.zeros]
        yield Para(
            words.text("zero" if len(zero) > 1 else "zero.1", what=words.listed(zero)), leads=True, of_values=True
        )
    if found:
        yield Chains(tuple(found))


def opening(shown: View) -> Iterator[Block]:
    """What is stated once for all steps: which weights are zero and left out, and that matrices are too large."""
    if not shown.filled:
        yield Para(shown.said("matrices.named"))
    names: dict[str, None] = {}
    for stage in shown.stages:
        lines = (line for line in written(shown, stage) if line.op in ("matvec", "vecmat", "mul", "add"))
        there = {name for line in lines for name in line.reads}
        parameters = shown.trace.parameters.get(stage.scope, {})
        names |= dict.fromkeys(name for name, a in parameters.items() if name in there and not np.any(a))
    if names and shown.chosen.unit is None:
        listed = shown.words.listed([(Sym(name),) for name in names])
        yield Para(
            shown.words.text("zero.weights" if len(names) > 1 else "zero.weights.1", names=listed), of_values=True
        )
