"""The calculation itself: every line of every shown step, with its numbers, in the chosen detail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...cell.arithmetic import find
from ...cell.lines import Line, Operand
from ...cell.network import scope_and_name
from ...formulas.blocks import Block, Code, Derivation, Heading, Para, Row, Text
from ...formulas.tree import SYMBOLIC, Dots, Node, Num, Sym, Vec, heading
from ...formulas.whole import on_paper, whole
from ..content.line_groups import Group, is_gate
from ..content.value_blocks import read, vectors
from ..content.view import Place, View
from ..content.way_back import Back
from ..languages.strings import capital


def solution(shown: View) -> Iterator[Block]:
    """A part for each shown place; what the bounds left out is said first."""
    yield Heading(2, shown.said("solution"))
    if shown.trace.header.arithmetic is not None:
        yield Para(rounding(shown, shown.trace.header.arithmetic))
    if shown.cut:
        yield Para(_shortened(shown))
    alone = shown.single
    missing = False
    for place in shown.places:
        level = 3
        if not alone:
            level = 4
            yield Heading(3, capital((shown.where(place.stage, place.t, place.b),)))
            yield from _start(shown, place)
        yield from _DETAIL[shown.detail](shown, place, level)
        missing = missing or any(
            shown.values.array(place.stage.scope, operand) is None
            for line in shown.lines(place.stage)
            for operand in line.operands
        )
    if missing:
        yield Para(shown.said("partly"))


def _start(shown: View, place: Place) -> Iterator[Block]:
    """What this place starts from: inputs and states with their values, and where they come from."""
    stage, t, b = place
    if shown.idle(place):
        key = "masked" if shown.trace.padded == "mask" else "past"
        yield Para(shown.words.text(key, b=str(shown.words.nth(b)), option=Code("--all")))
    names = read(shown, stage)
    if t == shown.steps[0] and b == shown.rows[0]:
        for name in names:
            scope, line = scope_and_name(stage.sources.get(name, ""))
            if scope:
                source = shown.place(shown.trace.stage(scope))
                symbols = {key: shown.at(stage, t, Sym(n)) for key, n in (("name", name), ("source", line))}
                yield Para(shown.words.text("from", place=source, **symbols))
    if names and shown.detail != "summary":
        yield vectors(shown, stage, names, t, b)


# -- the three details -----------------------------------------------------------------------------------------------


def _scalar(shown: View, place: Place, level: int) -> Iterator[Block]:
    for group in shown.groups(place.stage, shown.idle(place)):
        lines = [units(shown, place, line) for line in group.lines]
        if any(lines):
            yield from titled(shown, place, group, level)
            yield Derivation(tuple(rows for rows in lines if rows))


def _vector(shown: View, place: Place, level: int) -> Iterator[Block]:
    for group in shown.groups(place.stage, shown.idle(place)):
        yield from titled(shown, place, group, level)
        yield Derivation(tuple((chain(shown, place, line),) for line in group.lines))


def _summary(shown: View, place: Place, level: int) -> Iterator[Block]:
    """A line for each gate and state, or for what was recorded of it; for each line that was chosen where some were."""
    if shown.chosen.names is not None:
        lines = shown.lines(place.stage)
    else:
        groups = [group for group in shown.groups(place.stage, shown.idle(place)) if group.leader is not None]
        lines = [x for g in groups for x in ((g.leader,) if g.leader in g.lines else g.lines) if x is not None]
    rows = []
    for line in lines:
        vector, sign = result(shown, place, line)
        rows.append((Row((_symbol(shown, place, line),), ((sign, vector),)),))
    if rows:
        yield Derivation(tuple(rows))


_DETAIL: dict[str, Callable[[View, Place, int], Iterator[Block]]] = {
    "scalar": _scalar,
    "vector": _vector,
    "summary": _summary,
}


def units(shown: View, place: Place, line: Line) -> tuple[Row, ...]:
    """The formula of a line, and a row for each unit with its numbers."""
    stage, t, b = place
    width = shown.trace.lines[stage.scope][line.name].shape[-1]
    rows = [Row((_symbol(shown, place, line),), tuple(_formulas(shown, place, line)))]
    for unit in shown.indices(width):
        if unit is None:
            rows.append(Row((Dots("down"),), under=True))
            continue
        found = shown.values.scalar(stage, line, t, b, unit, shown.terms, shown.whole)
        label: Text = (shown.label(stage, line, unit, width),)
        if found.tree is None or isinstance(found.tree, Num):
            rows.append(Row(label, ((shown.values.relation(found.result, None), found.result),), under=True))
        else:
            noted = shown.values.noted(stage, line, t, b, unit, shown.terms)
            if shown.whole and shown.trace.header.arithmetic is not None:
                noted = shown.values.tree(stage, line, t, b, unit, shown.terms)
                noted = None if noted is None else on_paper(noted)
                noted = None if isinstance(noted, Num) or noted == found.tree else noted
            parts: list[tuple[str, Node]] = [(":", found.tree), (found.relation, found.result)]
            if noted is not None:  # by hand: the rounded products, then their sum
                parts[1:] = [
                    (shown.values.between(found.tree, noted), noted),
                    (shown.values.relation(found.result, noted), found.result),
                ]
            rows.append(Row(label, tuple(parts), under=True))
    return tuple(rows) if len(rows) > 1 else ()


def chain(shown: View, place: Place, line: Line) -> Row:
    """Symbol = formula = formula with vectors = value."""
    parts = list(_formulas(shown, place, line))
    put_in = _substituted(shown, place, line)
    vector, sign = result(shown, place, line)
    if put_in is not None and put_in != vector:
        parts.append(("=", put_in))
        sign = "=" if _true(shown, place, line) else "≈"
    parts.append((sign, vector))
    return Row((_symbol(shown, place, line),), tuple(parts))


def _symbol(shown: View, place: Place, line: Line) -> Node:
    return shown.at(place.stage, place.t, heading(line, place.stage.cell))


def _formulas(shown: View, place: Place, line: Line) -> Iterator[tuple[str, Node]]:
    for sign, node in shown.formulas(place.stage, line):
        yield sign, shown.at(place.stage, place.t, node)


def _true(shown: View, place: Place, line: Line) -> bool:
    """Whether every shown unit is exactly what comes of the numbers that are put in."""
    stage, t, b = place
    width = shown.trace.lines[stage.scope][line.name].shape[-1]
    units = [unit for unit in shown.indices(width) if unit is not None]
    found = (shown.values.scalar(stage, line, t, b, unit, shown.terms, shown.whole) for unit in units)
    return all(scalar.relation == "=" for scalar in found)


def _substituted(shown: View, place: Place, line: Line) -> Node | None:
    """The formula with vectors in place of names, matrices by name; None where an operand was not recorded."""
    stage, t, b = place
    if any(shown.values.array(stage.scope, operand) is None for operand in line.operands):
        return None

    def part(operand: Operand) -> Node:
        """The value of an operand."""
        if not isinstance(operand, str):
            return shown.values.num(stage.scope, operand, None, None, ())
        values = shown.values.array(stage.scope, operand)
        assert values is not None
        if values.ndim == 2:
            return Sym(operand)
        per_step = values.ndim == 3
        vector = shown.values.vector(
            stage.scope, operand, t if per_step else None, b if per_step else None, shown.units
        )
        return vector if len(vector.entries) > 1 else vector.entries[0]

    if isinstance(shown, Back):
        tree = whole(line, stage.cell, lambda name: shown.width(stage, name), part)
        return None if isinstance(tree, Vec | Num) else tree
    return SYMBOLIC[line.op](line, tuple(part(operand) for operand in line.operands))


def _all_exact(shown: View, vector: Vec) -> bool:
    return all(shown.values.is_exact(entry) for entry in vector.entries if isinstance(entry, Num))


def result(shown: View, place: Place, line: Line) -> tuple[Vec, str]:
    """The value of a line at a place, and the sign before it: = where every shown entry is exactly what it is."""
    stage, t, b = place
    if shown.chosen.unit is None:
        vector = shown.values.vector(stage.scope, line.name, t, b, shown.units)
    else:
        width = shown.trace.lines[stage.scope][line.name].shape[-1]
        vector = Vec(
            tuple(shown.values.num(stage.scope, line.name, t, b, (j,)) for j in shown.indices(width) if j is not None)
        )
    return vector, "=" if _all_exact(shown, vector) else "≈"


# -- headings and notes ----------------------------------------------------------------------------------------------


def titled(shown: View, place: Place, group: Group, level: int) -> Iterator[Heading]:
    """The heading of a group: what its last line is in words, and its symbol."""
    cell, leader, words = place.stage.cell, group.leader, shown.words
    if leader is None:
        yield Heading(level, shown.said("line.carried"))
        return
    if not leader.assigned:
        yield Heading(level, (_symbol(shown, place, leader),))
        return
    key = f"{shown.trace.header.kind}.{leader.name}"
    if leader.call and words.has(f"function.{leader.call[0]}"):
        key = f"function.{leader.call[0]}"
    elif place.stage.direction == "joined" and leader.name == cell.output:
        key = "line.joined"
    elif not words.has(key):
        carried = leader.name in cell.states.values()
        key = "line.state" if carried else "line.gate" if is_gate(leader, cell) else "line.output"
        if key == "line.output" and leader.name != cell.output:
            yield Heading(level, (_symbol(shown, place, leader),))
            return
    yield Heading(level, (f"{words.word(key)} ", _symbol(shown, place, leader)))


def rounding(shown: View, name: str) -> Text:
    """What is rounded in another arithmetic, in words."""
    if name.startswith("by-hand-"):
        return (shown.words.count("arithmetic.hand", int(name.rpartition("-")[2])),)
    if find(name).exact:
        whole, part = name[1:].split(".")
        return shown.said("arithmetic.fixed", name=name, bits=int(whole) + int(part), part=part)
    return shown.said("arithmetic.float", name=name)


def _shortened(shown: View) -> Text:
    """What was left out, and which option shows it."""
    words = shown.words
    options = {
        "layers": "--layer N",
        "steps": "--steps A:B",
        "rows": "--batch B",
        "units": "--unit J",
        "terms": "",
        "matrices": "",
        "detail": "--detail scalar",
    }
    what = [words.text(f"short.{key}", option=Code(options[key])) for key in options if key in shown.cut]
    return words.text("short", what=words.listed(what), all=Code("--all"))
