"""The gap between two traces at what a stage gathered over all steps and rows, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import Stage, scope_and_name
from ..trace.derived import GATHERED, derived_sums, held_throughout
from ..trace.trace import Trace
from .culprits import recorded_sums
from .differences import Gap, Spread
from .gaps import apart, beyond, either
from .propagation import Known
from .rederive import coarse, differing


def sum_gaps(a: Trace, b: Trace, stage: Stage, spread: Spread) -> Iterator[tuple[Gap, Array | None]]:
    """Each sum of a stage of a that both have, its entries as (1, 1, entries), with those that differ.

    As with lines: an entry differs where a's or b's own terms do not explain it, or where rounding does not explain
    the gap and one of the terms differs. spread: of the lines of a, which all have been taken.
    """
    scope = stage.scope
    mine, yours = a.sums.get(scope, {}), b.sums.get(scope, {})
    shapes = [{name: array.shape for name, array in held.items()} for held in (mine, yours)]
    both = [s for s in stage.cell.sums if s.name in mine and shapes[0][s.name] == shapes[1].get(s.name)]
    if not both:
        return
    theirs = {gathered.name: gathered for gathered in b.stage(scope).cell.sums}
    of_a = derived_sums(a, scope, [s for s in recorded_sums(a, stage) if s in both])
    by_a = derived_sums(b, scope, [s for s in both if all(held_throughout(b, scope, name) for name in s.reads)])
    for gathered in both:
        name = gathered.name
        one, two = (Known(_row(held[name])) for held in (mine, yours))
        size, from_b, from_a = apart(one, two), None, None
        local = inherited = None
        wrong = size.each > 0 if size.most else None
        if name in by_a and by_a[name].value.shape == mine[name].shape:
            from_b = Known(*map(_row, by_a[name]))
            own, inherited = apart(two, from_b), apart(from_b, one).most
            wrong, local = beyond(own, [from_b]), own.most
        if name in of_a:
            from_a = Known(*map(_row, of_a[name]))
            wrong = either(wrong, beyond(apart(one, from_a), [from_a]))
        line = Line(name, GATHERED, gathered.reads)
        told = any(_differs(a, b, stage, operand, spread) for operand in gathered.reads)
        texts = None if theirs[name] == gathered else (gathered.text, theirs[name].text)
        bounds = [] if from_b is None else [from_b]
        far = beyond(size, bounds)
        yield (
            Gap(line, one, two, size, bounds, from_b, local, inherited, from_a, wrong, None, texts, ()),
            far if told or far is None else None if wrong is None else far & wrong,
        )


def _row(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(1, 1, -1)


def _differs(a: Trace, b: Trace, stage: Stage, name: str, spread: Spread) -> bool:
    """Whether a value that a sum reads differs at any step: as a line, or as the premise that it is."""
    scope, there = scope_and_name(stage.sources.get(name, ""))
    if scope in a.scopes:
        return _differs(a, b, a.stage(scope), there, spread)
    if name in stage.cell.by_name:
        return bool(spread.differing(stage, name).any())
    if name in stage.cell.states:
        first = (trace.initial.get(stage.scope, {}).get(name) for trace in (a, b))
        return _unlike(a, b, *first) or _differs(a, b, stage, stage.cell.states[name], spread)
    return _unlike(a, b, *(trace.operand(stage.scope, name) for trace in (a, b)))


def _unlike(a: Trace, b: Trace, one: Array | None, two: Array | None) -> bool:
    if one is None or two is None or one.shape != two.shape:
        return one is not two
    return bool(differing(one, two, coarse(a, b)).any())
