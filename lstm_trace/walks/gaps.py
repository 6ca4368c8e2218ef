"""The gap between two traces at each line, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..cell.lines import Cell, Line
from ..cell.ops import Array
from ..cell.stack import GIVEN, VALID, Stage
from ..trace import INITIAL, Trace
from .derived import Derived, derive_all, held


class Gap(NamedTuple):
    """One line in both: values in float64 (T, B, width), |b - a|, what rounding explains, and whose it is.

    local: how far b's value is from the line derived by a's equation from b's own operands; inherited: how far that is
    from a's value. of_a: how far a's value is from its own derivation. None where an operand is missing. wrong: where
    local or of_a is more than rounding. equations: a's and b's, where they differ. through: the named lines that are
    not in both and that b's was derived through.
    """

    line: Line
    a: Array
    b: Array
    size: Array
    limit: Array
    local: Array | None
    inherited: Array | None
    of_a: Array | None
    wrong: Array
    equations: tuple[str, str] | None
    through: tuple[str, ...]


class Side(NamedTuple):
    """A stage of a beside b's: the gaps of the lines in both, and where (T, B) a line of a alone is wrong."""

    gaps: tuple[Gap, ...]
    alone: Mapping[str, Array]


def find_gaps(a: Trace, b: Trace, common: Mapping[str, Collection[str]]) -> Iterator[tuple[Stage, Side]]:
    """Each stage of a with its gaps; a and b have the same steps and rows, common: the lines in both, by scope."""
    mine, yours = derive_all(a, a, a.lines), derive_all(a, b, common)
    other = {
        s.scope: b.stage(s.scope).cell for s in a.stages if s.scope in b.scopes and s.cell != b.stage(s.scope).cell
    }
    # b's own terms may be larger than a's, and so round by more: two biases that nearly cancel instead of one
    theirs = derive_all(b, b, common) if other else {}
    for stage in a.stages:
        scope, names = stage.scope, common.get(stage.scope, ())
        gaps = []
        for name in names:
            checked = _Checked(
                *(found.get(scope, {}).get(name) for found in (mine, yours, theirs if scope in other else {}))
            )
            told = unlike(stage.cell, other[scope], name, names) if scope in other else None
            through = tuple(n for n in _way(stage.cell, name, names) if n != name and n in stage.cell.equations)
            gaps.append(_gap(a, b, scope, stage.cell.by_name[name], checked)._replace(equations=told, through=through))
        alone = {
            name: beyond(size(values, mine[scope][name].value), mine[scope][name].limit).any(axis=2)
            for name, values in a.lines.get(scope, {}).items()
            if name not in names and name in mine[scope]
        }
        yield stage, Side(tuple(gaps), alone)


class _Checked(NamedTuple):
    """A line of a from a's values, the same from b's values, and b's line from b's values; None where not known."""

    of_a: Derived | None
    by_a: Derived | None
    by_b: Derived | None


def _gap(a: Trace, b: Trace, scope: str, line: Line, checked: _Checked) -> Gap:
    one, two = (np.asarray(held(trace, scope, line.name), np.float64) for trace in (a, b))
    apart = size(one, two)
    limit = np.zeros(apart.shape)
    local = inherited = of_a = None
    wrong = apart > 0
    if checked.by_a is not None:
        limit = limit + checked.by_a.limit + (0.0 if checked.by_b is None else checked.by_b.limit)
        local, inherited = size(two, checked.by_a.value), size(checked.by_a.value, one)
        wrong = beyond(local, limit)
    if checked.of_a is not None and line.name in a.lines.get(scope, {}):
        of_a = size(one, checked.of_a.value)
        wrong |= beyond(of_a, checked.of_a.limit)
    return Gap(line, one, two, apart, limit, local, inherited, of_a, wrong, None, ())


def size(one: Array, two: Array) -> Array:
    """|one - two|: 0 where both are the same infinity or both are NaN, infinite where only one is no number."""
    with np.errstate(all="ignore"):
        gap = np.abs(np.asarray(one, np.float64) - two)
    nan = np.isnan(one), np.isnan(two)
    gap[(one == two) | (nan[0] & nan[1])] = 0.0
    gap[nan[0] ^ nan[1]] = np.inf
    return gap


def beyond(gap: Array, limit: Array) -> Array:
    """Where a gap is more than rounding explains; a bound that is not finite explains nothing."""
    return np.asarray(gap > np.where(np.isfinite(limit), limit, 0.0))


def unlike(one: Cell, two: Cell, name: str, common: Collection[str]) -> tuple[str, str] | None:
    """The first equation that differs, in both cells, of those by which `name` follows from the lines `common`.

    What a state carries is an equation too.
    """
    texts = [{**cell.equations, **{f"{state} <-": line for state, line in cell.carry}} for cell in (one, two)]
    for place in dict.fromkeys((*_way(one, name, common), *_way(two, name, common))):
        sides = [text.get(place) for text in texts]
        if sides[0] != sides[1]:
            arrow = " " if place.endswith("<-") else " = "
            told = ["nothing of that name" if side is None else f"{place}{arrow}{side}" for side in sides]
            return told[0], told[1]
    return None


def _way(cell: Cell, name: str, common: Collection[str]) -> Iterator[str]:
    """`name` and what it is derived through: names of equations, and `c_prev <-` for what a state carries."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found[here] = None
        for operand in cell.by_name[here].reads if here in cell.by_name else ():
            if operand in cell.states:
                found[f"{operand} <-"] = None
                operand = cell.states[operand]
            if operand not in common:
                waiting.append(operand)
    yield from found


def beyond_rounding(
    stage: Stage, side: Side, flagged: dict[str, Array], steps: int, rows: int
) -> Iterator[tuple[Gap, Array]]:
    """Each gap with the values that differ by more than rounding explains: the line itself is wrong in a or b, or an
    operand, or an earlier step of the same row, is. A difference that came in with rounding is rounding too.

    flagged: masks of what differs before this stage, premises and lines; those of this stage are added.
    """
    by_name = {gap.line.name: gap for gap in side.gaps}
    wrong = {**side.alone, **{name: gap.wrong.any(axis=2) for name, gap in by_name.items()}}
    premise = {name: _premise(stage, name, flagged, steps, rows) for line in stage.cell.lines for name in line.reads}
    touched = np.zeros((steps, rows), bool)
    for mask in (*wrong.values(), *premise.values()):
        touched |= mask
    back = touched[::-1] if stage.direction == "reverse" else touched
    before = np.zeros_like(back)
    before[1:] = np.logical_or.accumulate(back, axis=0)[:-1]
    before = before[::-1] if stage.direction == "reverse" else before
    reached: dict[str, Array] = {}
    for line in stage.cell.lines:
        told = before.copy()
        for name in line.reads:
            told |= reached[name] if name in reached else premise[name]
        if line.name in by_name:
            gap = by_name[line.name]
            mask = beyond(gap.size, gap.limit) & (gap.wrong | told[:, :, None])
            yield gap, mask
            told = mask.any(axis=2)
        elif line.name in wrong:
            told = told | wrong[line.name]
        reached[line.name] = told
        flagged[f"{stage.scope}/{line.name}"] = told[:, :, None]


def _premise(stage: Stage, name: str, flagged: Mapping[str, Array], steps: int, rows: int) -> Array:
    """For each step and row whether a parameter, input or initial state differs; False for lines of the stage."""
    flags = np.zeros((steps, rows), bool)
    if name in stage.cell.by_name:
        return flags
    if name in stage.cell.states:
        mask = flagged.get(f"{stage.scope}/{INITIAL.get(name, name)}")
        if mask is not None:
            flags[-1 if stage.direction == "reverse" else 0] = mask.any(axis=1)[:rows]
        return flags
    source = stage.sources.get(name, GIVEN)
    mask = flagged.get({VALID: "lengths", GIVEN: f"{stage.scope}/{name}"}.get(source, source))
    if mask is None:
        return flags
    if mask.ndim == 3 and mask.shape[0] >= steps and mask.shape[1] >= rows:
        return np.asarray(mask[:steps, :rows].any(axis=2))
    return flags | bool(mask.any())
