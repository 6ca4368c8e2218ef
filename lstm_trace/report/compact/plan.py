"""The chains of a stage, the same at each step: one for what fits on a line, several for the rest; as blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np

from ...cell.lines import Line, Operand
from ...cell.network import Stage
from ...documents.blocks import Block, Chain, Chains, Para, Row, Text
from ...documents.layout import widths
from ...formulas.plain import Plain
from ...formulas.tree import SYMBOLIC, Call, Node, Sum, Sym, number, value
from ...view.line_groups import LineGroup, titled
from ...view.view import Place, View
from ..content.value_blocks import chain, symbol, vectors
from .stages import Cut, Parts, Stages, cuts, operands

Plan = list[tuple[LineGroup, list[Cut | Line]]]
Form = tuple[object, ...]  # which operations a chain is made of

#: So much of a formula, in digits, stand on a line, and so many formulas in a chain; longer ones are divided.
ROOM, MOST = 70, 8


def plan(shown: View, stage: Stage) -> Plan:
    """The groups of a stage, each with its chains, which may be none; a line where its formula is too wide.

    The last place decides, where nothing is zero any more that was zero before the first step.
    """
    key = stage.scope, tuple(line.name for line in stage.lines)  # what is held at a place has lines of its own there
    if key not in shown.plans:
        shown.plans[key] = _planned(shown, stage)
    found: Plan = shown.plans[key]
    return found


def _planned(shown: View, stage: Stage) -> Plan:
    places = [place for place in reversed(shown.places) if place.stage.scope == stage.scope]
    if not places:
        return []
    place = next((place for place in places if place.stage is stage), places[0]._replace(stage=stage))
    stages = Stages(shown, place, whole=True)
    size = widths(Plain(shown.trace.header.symbols))
    found = [(g, cuts(shown, g, stage)) for g in shown.grouped(stage) if not _handed_on(stage, g)]
    room = ROOM * shown.breadth
    wide = {_form(stage, cut) for _, those in found for cut in those if _too_wide(stages, cut, size, room)}
    return [(g, [part for cut in those for part in _fitting(stages, cut, size, room, wide)]) for g, those in found]


def written(shown: View, stage: Stage) -> list[Line]:
    """The lines whose numbers are shown: those of the chains of a compact report, with all that they are made of."""
    if shown.detail != "compact":
        return shown.lines(stage)
    chains = [part for _, found in plan(shown, stage) for part in found]
    names = {name for part in chains if isinstance(part, Cut) for name in (part.line.name, *part.inner)}
    names |= {part.name for part in chains if isinstance(part, Line)}
    for line in reversed(stage.cell.lines):  # what a composite function is made of reads its arguments
        if line.name in names:
            names |= {inner.name for inner in map(stage.cell.by_name.get, line.reads) if inner and not inner.assigned}
    return [line for line in stage.cell.lines if line.name in names]


def _handed_on(stage: Stage, group: LineGroup) -> bool:
    """Whether a group only says that a state is what was worked out before it, since the step is no padding."""
    carried = set(stage.cell.states.values())
    return group.leader is None and all(x.name in carried and x.op == "where" for x in group.lines)


def _form(stage: Stage, cut: Cut) -> Form:
    """Which operations a chain is made of, whatever their operands: gates of a cell have the same."""

    def of(line: Line) -> Form:
        there = [stage.cell.by_name[o] if isinstance(o, str) and o in cut.inner else None for o in operands(line)]
        return (line.op, *(None if inner is None else of(inner) for inner in there))

    return of(cut.line)


def _too_wide(stages: Stages, cut: Cut, size: Callable[[Node], float], room: float) -> bool:
    parts = stages.parts(cut)
    return parts is not None and not _fits(parts, size, room)


def _fitting(
    stages: Stages, cut: Cut, size: Callable[[Node], float], room: float, wide: Collection[Form] = ()
) -> Iterator[Cut | Line]:
    """The chains of a cut; wide: forms that are divided everywhere, so that the gates of a cell look alike."""
    narrow = not _too_wide(stages, cut, size, room)
    divided = cut.divided(stages.place.stage.cell)
    if narrow and not (divided and _form(stages.place.stage, cut) in wide):
        yield cut
    elif divided:
        for one in divided:
            yield from _fitting(stages, one, size, room)
    else:
        yield cut.line


def _fits(parts: Parts, size: Callable[[Node], float], room: float) -> bool:
    terms = [term for _, node in parts for term in (node.terms if isinstance(node, Sum) else (node,))]
    return len(parts) <= MOST and max(map(size, terms)) <= room


def in_symbols(stage: Stage, line: Cut | Line) -> Node:
    """What a chain works out, in symbols: with all that is written out in it."""
    cell, inner = stage.cell, line.inner if isinstance(line, Cut) else {}

    def part(operand: Operand) -> Node:
        if not isinstance(operand, str):
            return number(operand)
        return of(cell.by_name[operand]) if operand in inner else value(operand, cell)

    def of(one: Line) -> Node:
        parts = tuple(map(part, operands(one)))
        return Call(str(one.call[0]), parts) if one.call else SYMBOLIC[one.op](one, parts)

    return of(line.line if isinstance(line, Cut) else line)


def worked(shown: View, place: Place) -> Iterator[Block]:
    """The chains of a place; what is zero there is said first, and of padding what is held."""
    if shown.idle(place):
        held = [name for name in place.stage.cell.states if shown.values.array(place.stage.scope, name) is not None]
        if held:
            yield vectors(shown, place.stage, held, place.t, place.b)
        return
    stages = Stages(shown, place)
    found = [_chain(stages, *planned) for planned in plan(shown, place.stage)]
    if stages.zeros:
        yield Para(_zero(shown, place, tuple(stages.zeros)), leads=True)
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


def _chain(stages: Stages, group: LineGroup, lines: list[Cut | Line]) -> Chain:
    shown, place = stages.shown, stages.place
    rows = []
    for one in lines:
        if isinstance(one, Line):
            rows.append(chain(shown, place, one))
        elif (parts := stages.parts(one)) is not None:
            rows.append(Row((symbol(shown, place, one.line),), parts))
    title = next((x.text for x in titled(shown, place, group, 4)), ())
    return Chain(tuple(part.strip() for part in title if isinstance(part, str)), tuple(rows))
