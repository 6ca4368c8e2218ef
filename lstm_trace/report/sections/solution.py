"""The calculation itself, forward or backward.

Every line of every shown step is printed with its numbers, in the chosen detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ...cell.arithmetic import find
from ...cell.lines import Line
from ...cell.network import Stage, scope_and_name
from ...documents.blocks import Block, Code, Derivation, Heading, Para, Parts, Row, Text
from ...formulas.tree import Dots, Num, Sym
from ...formulas.whole import on_paper
from ...languages.strings import capital
from ...view.line_groups import titled
from ...view.view import Place, View
from ..compact.plan import opening, worked
from ..content.backward import Backward
from ..content.value_blocks import chain, formulas, read, result, shortened, symbol, units_beside, vectors


def solution(shown: View) -> Iterator[Block]:
    """A part for each shown place; what the bounds left out is stated first."""
    if shown.brief:
        return
    yield Heading(2, shown.said("solution"))
    if shown.trace.header.arithmetic is not None:
        yield Para(rounding(shown, shown.trace.header.arithmetic))
    full = shown.eventful or shown
    if full is not shown:
        from .long_run import in_full

        yield Para(in_full(shown, full))
    yield from shortened(shown)
    if full.detail == "compact":
        yield from opening(full)
    yield from steps(shown)
    reads = {(p.stage.scope, name) for p in shown.places for line in shown.lines(p.stage) for name in line.operands}
    if any(shown.values.array(*read) is None for read in reads):
        yield Para(shown.said("partly"))


def steps(shown: View) -> Iterator[Block]:
    """The shown places in computing order, each in the chosen detail, in the forward pass or in the backward pass."""
    full = shown.eventful
    for place in shown.worked:
        one = full if full is not None and place.t in full.steps and place.b in full.rows else shown
        level, where = 3, shown.where(place.stage, place.t, place.b)
        if where and not shown.single:
            level = 4
            yield Heading(3, capital((where,)))
        yield from _start(one, place)
        yield from _DETAIL[one.detail](one, place, level)


def _start(shown: View, place: Place) -> Iterator[Block]:
    """What this place starts from: inputs and states with their values, and where they come from."""
    stage, t, b = place
    if isinstance(shown, Backward) and shown.detail != "summary" and (names := shown.reads(place)):
        yield Para(shown.said(shown.key("forward")))
        yield vectors(shown, stage, names, t, b)
    if isinstance(shown, Backward) or shown.single:  # they are among what is given
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
            if units := shown.entries(place.stage, line.name):
                numbers = partial(_numbers, shown, place, line)
                lines.append(by_unit(shown, place.stage, line.name, width, first, units, numbers))
        if lines:
            yield from titled(shown, place, group, level)
            yield Derivation(tuple(lines))


def _vector(shown: View, place: Place, level: int) -> Iterator[Block]:
    """A row for each line below the heading of its group; gradients, which are many short lines, without headings."""
    lines: list[tuple[Row, ...]] = []
    for group in shown.groups(place.stage, shown.idle(place)):
        lines += [(chain(shown, place, line),) for line in group.lines]
        if not shown.whole:
            yield from titled(shown, place, group, level)
            yield Derivation(tuple(lines))
            lines = []
    if lines:
        yield Derivation(tuple(lines))


def _summary(shown: View, place: Place, level: int) -> Iterator[Block]:
    """A line for each gate and state, or for what was recorded of it; for each chosen line if some were chosen."""
    lines = shown.lines(place.stage)
    if shown.chosen.names is None:
        groups = shown.groups(place.stage, shown.idle(place))
        lines = [line for group in groups for line in shown.leading(place.stage, group)]
    if beside := [x for x in lines if shown.paper and not shown.trace.grid(place.stage.scope, x.name)]:
        yield units_beside(shown, place, beside)
    if lines := [line for line in lines if line not in beside]:
        values = [(line, *result(shown, place, line.name)) for line in lines]
        yield Derivation(tuple((Row((symbol(shown, place, x),), ((sign, vector),)),) for x, vector, sign in values))


_DETAIL = {"scalar": _scalar, "compact": worked, "vector": _vector, "summary": _summary}


def by_unit(
    shown: View, stage: Stage, name: str, width: int, first: Row, units: Sequence[int | None],
    numbers: Callable[[int], Parts],
) -> tuple[Row, ...]:  # fmt: skip
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


def _numbers(shown: View, place: Place, line: Line, unit: int) -> Parts:
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
    products = shown.values.between(found.tree, noted), noted  # by hand: the rounded products, then their sum
    return ((":", found.tree), products, (shown.values.relation(found.result, noted), found.result))


# -- notes -----------------------------------------------------------------------------------------------------------


def rounding(shown: View, name: str) -> Text:
    """What is rounded in another arithmetic, in words."""
    if name.startswith("by-hand-"):
        return (shown.words.count("arithmetic.hand", int(name.rpartition("-")[2])),)
    if not find(name).exact:
        return shown.said("arithmetic.float", name=name)
    whole, part = map(int, name[1:].split("."))
    return shown.said("arithmetic.fixed", name=name, bits=whole + part, part=part)
