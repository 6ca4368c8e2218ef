"""Whether two traces can be split value by value: the same lines, in the same shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..base.arrays import Array
from ..errors import ShapeError, raise_all
from ..trace.address import INITIAL
from ..trace.trace import Trace


def comparable(a: Trace, b: Trace, row: int, sides: tuple[str, str] = ("a", "b")) -> None:
    """Raise ShapeError with every reason why the two cannot be split value by value. sides: what they are called."""
    raise_all(ShapeError, _held_apart(a, b))
    problems: list[str] = []
    first, second = sides
    if a.scopes != b.scopes:
        problems.append(
            f"the layers and directions differ: {first} has {', '.join(a.scopes)}, {second} has {', '.join(b.scopes)}"
        )
    if a.first != b.first:
        problems.append(
            f"the steps differ: {first} holds {a.span[0]} to {a.span[-1]}, {second} {b.span[0]} to {b.span[-1]}"
        )
    elif a.steps != b.steps:
        problems.append(
            f"the numbers of steps differ: {first} has T = {a.steps}, {second} has T = {b.steps}: "
            "run both over equally many"
        )
    if not 0 <= row < a.batch:
        problems.append(f"{first} has no row {row} of the batch; it has B = {a.batch}")
    for one, two in zip(a.stages, b.stages, strict=False):
        if one.scope == two.scope and (one.cell != two.cell or one.sources != two.sources):
            here, there = one.cell.equations, two.cell.equations
            names = [n for n in dict.fromkeys((*here, *there)) if here.get(n) != there.get(n)]
            problems.append(f"{one.scope}: the cells differ in {', '.join(names) or 'what they carry or are fed'}")
    for place, mine, yours in _shapes(a, b):
        if mine is None or yours is None:
            if mine is not yours:
                problems.append(f"{place} is only in {first if yours is None else second}")
        elif mine != yours:
            problems.append(f"{place} has the shape {mine} in {first} and {yours} in {second}")
    raise_all(ShapeError, [f"{problem}; a difference is split only between equal shapes" for problem in problems])


def _held_apart(a: Trace, b: Trace) -> Iterator[str]:
    """Of each stage that differs in what is held alone, which lines these are."""
    for one, two in zip(a.stages, b.stages, strict=False):
        mine, yours = one.cell, two.cell
        if one.scope != two.scope or mine == yours or (mine.plain or mine) != (yours.plain or yours):
            continue
        names = {*mine.held} ^ {*yours.held} | {*mine.scaled} ^ {*yours.scaled}
        listed = ", ".join(name for name in (mine.plain or mine).by_name if name in names)
        yield (
            f"{one.scope}: {listed}: held in one of the two alone, or at a number in one and at a multiple in the "
            "other; only runs that hold the same lines can be split: release them, or hold them in both"
        )


def _shapes(a: Trace, b: Trace) -> list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """(place, shape in a, shape in b) without the axes of steps and rows."""
    found = [("x", None if a.x is None else a.x.shape[2:], None if b.x is None else b.x.shape[2:])]
    for part, lead in (("parameters", 0), ("initial", 1), ("given", 2)):
        one: Mapping[str, Mapping[str, Array]] = getattr(a, part)
        two: Mapping[str, Mapping[str, Array]] = getattr(b, part)
        for scope in dict.fromkeys((*one, *two)):
            for name in dict.fromkeys((*one.get(scope, {}), *two.get(scope, {}))):
                shapes = [None if (v := t.get(scope, {}).get(name)) is None else v.shape[lead:] for t in (one, two)]
                found.append((f"{scope}/{INITIAL.get(name, name)}", shapes[0], shapes[1]))
    return found
