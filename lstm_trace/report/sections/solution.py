"""The calculation itself, forward or backward: every line of every shown step with its numbers, as the detail says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ...cell.arithmetic import find
from ...cell.lines import Line
from ...cell.network import Stage, scope_and_name
from ...documents.blocks import Block, Code, Derivation, Heading, Para, Row, Text
from ...formulas.tree import Dots, Node, Num, Sym
from ...formulas.whole import on_paper
from ...languages.strings import capital
from ...view.line_groups import LineGroup, titled
from ...view.view import Place, View
from ..compact.plan import opening, worked
from ..content.backward import Backward
from ..content.value_blocks import chain, formulas, read, result, symbol, units_beside, vectors


def solution(shown: View) -> Iterator[Block]:
    """A part for each shown place; what the bounds left out is said first."""
    yield Heading(2, shown.said("solution"))
    if shown.trace.header.arithmetic is not None:
        yield Para(rounding(shown, shown.trace.header.arithmetic))
    if shown.cut:
        yield Para(shortened(shown))
    if shown.detail == "compact":
        yield from opening(shown)
    yield from steps(shown)
    reads = (
        (place.stage.scope, name) for place in shown.places for x in shown.lines(place.stage) for name in x.operands
    )
    if any(shown.values.array(*read) is None for read in reads):
        yield Para(shown.said("partly"))


def steps(shown: View) -> Iterator[Block]:
    """The shown places in computing order, each in the chosen detail: of the forward pass, or of the backward pass."""
    for place in shown.places:
        level, where = 3, shown.where(place.stage, place.t, place.b)
        if where and not shown.single:
            level = 4
            yield Heading(3, capital((where,)))
        yield from _start(shown, place)
        yield from _DETAIL[shown.detail](shown, place, level)


def _start(shown: View, place: Place) -> Iterator[Block]:
    """What this place starts from: inputs and states with their values, and where they come from."""
    stage, t, b = place
    if isinstance(shown, Backward):
        if shown.detail != "summary" and (names := shown.reads(place)):
            yield Para(shown.said(shown.key("forward")))
            yield vectors(shown, stage, names, t, b)
        return
    if shown.single:  # they are among what is given
        return
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
    if names and shown.detail in ("scalar", "vector"):
        yield vectors(shown, stage, names, t, b)


# -- the four details ------------------------------------------------------------------------------------------------


def _scalar(shown: View, place: Place, level: int) -> Iterator[Block]:
    for group in shown.groups(place.stage, shown.idle(place)):
        lines = []
        for line in group.lines:
            width = shown.width(place.stage, line.name)
            first = Row((symbol(shown, place, line),), tuple(formulas(shown, place, line)))
            if units := shown.indices(width):
                numbers = partial(_numbers, shown, place, line)
                lines.append(by_unit(shown, place.stage, line.name, width, first, units, numbers))
        if lines:
            yield from titled(shown, place, group, level)
            yield Derivation(tuple(lines))


def _vector(shown: View, place: Place, level: int) -> Iterator[Block]:
    """A row for each line below the heading of its group; gradients, which are many short lines, without headings."""
    groups = shown.groups(place.stage, shown.idle(place))
    if shown.whole:
        groups = [LineGroup(None, tuple(line for group in groups for line in group.lines))] if groups else []
    for group in groups:
        if not shown.whole:
            yield from titled(shown, place, group, level)
        yield Derivation(tuple((chain(shown, place, line),) for line in group.lines))


def _summary(shown: View, place: Place, level: int) -> Iterator[Block]:
    """A line for each gate and state, or for what was recorded of it; for each line that was chosen where some were."""
    lines = shown.lines(place.stage)
    if shown.chosen.names is None:
        groups = shown.groups(place.stage, shown.idle(place))
        lines = [line for group in groups for line in shown.leading(place.stage, group)]
    if shown.paper and lines:
        yield units_beside(shown, place, lines)
    elif lines:
        values = [(line, *result(shown, place, line.name)) for line in lines]
        yield Derivation(tuple((Row((symbol(shown, place, x),), ((sign, vector),)),) for x, vector, sign in values))


_DETAIL: dict[str, Callable[[View, Place, int], Iterator[Block]]] = {
    "scalar": _scalar,
    "compact": lambda shown, place, level: worked(shown, place),
    "vector": _vector,
    "summary": _summary,
}


def by_unit(
    shown: View,
    stage: Stage,
    name: str,
    width: int,
    first: Row,
    units: Sequence[int | None],
    numbers: Callable[[int], tuple[tuple[str, Node], ...]],
) -> tuple[Row, ...]:
    """A formula in `first`, and a row for each unit with its numbers; one number follows the formula."""
    rows = [first]
    for unit in units:
        if unit is None:
            rows.append(Row((Dots("down"),), under=True))
            continue
        parts = numbers(unit)
        if width == 1:
            after = (("=" if sign == ":" else sign, node) for sign, node in parts)
            return (replace(first, parts=(*first.parts, *after)),)
        called = shown.label(stage, name, unit, width)
        rows.append(Row((shown.words.labelled(called) if parts[0][0] == ":" else called,), parts, under=True))
    return tuple(rows)


def _numbers(shown: View, place: Place, line: Line, unit: int) -> tuple[tuple[str, Node], ...]:
    """One unit of a line: the formula with numbers, as far as its operands were recorded, and its value."""
    stage, t, b = place
    found = shown.values.scalar(stage, line, t, b, unit, shown.terms, shown.whole)
    if found.tree is None or isinstance(found.tree, Num):
        return ((shown.values.relation(found.result, None), found.result),)
    noted = shown.values.noted(stage, line, t, b, unit, shown.terms)
    if shown.whole and shown.trace.header.arithmetic is not None:
        noted = shown.values.tree(stage, line, t, b, unit, shown.terms)
        noted = None if noted is None else on_paper(noted)
        noted = None if isinstance(noted, Num) or noted == found.tree else noted
    if noted is None:
        return ((":", found.tree), (found.relation, found.result))
    return (  # by hand: the rounded products, then their sum
        (":", found.tree),
        (shown.values.between(found.tree, noted), noted),
        (shown.values.relation(found.result, noted), found.result),
    )


# -- notes -----------------------------------------------------------------------------------------------------------


def rounding(shown: View, name: str) -> Text:
    """What is rounded in another arithmetic, in words."""
    if name.startswith("by-hand-"):
        return (shown.words.count("arithmetic.hand", int(name.rpartition("-")[2])),)
    if find(name).exact:
        whole, part = name[1:].split(".")
        return shown.said("arithmetic.fixed", name=name, bits=int(whole) + int(part), part=part)
    return shown.said("arithmetic.float", name=name)


def shortened(shown: View) -> Text:
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
