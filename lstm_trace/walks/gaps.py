"""The gap between two traces at each line, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..cell.lines import Cell, Line
from ..cell.ops import Array
from ..cell.stack import GIVEN, VALID, Stage
from ..trace import INITIAL, Trace
from .derived import Derivation, Derived, held
from .forward import chunks

#: Values of a stage that are compared at once: some tens of megabytes of work, however long the traces.
BLOCK = 1 << 19


class Gap(NamedTuple):
    """One line in both at some steps: values in float64 (steps, B, width), |b - a|, what rounding explains, and whose.

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
    """A stage of a beside b's: the gaps of the lines in both, and where (steps, B) a line of a alone is wrong."""

    gaps: tuple[Gap, ...]
    alone: Mapping[str, Array]


def find_gaps(a: Trace, b: Trace, common: Mapping[str, Collection[str]]) -> Iterator[tuple[Stage, slice, Side]]:
    """Each stage of a with its gaps, some steps at a time, in computing order.

    a and b have the same steps and rows; common: the lines in both, by scope.
    """
    mine, yours, theirs = Derivation(a, a, a.lines), Derivation(a, b, common), Derivation(b, b, common)
    unvisited = list(b.stages)
    for stage in a.stages:
        scope, names = stage.scope, common.get(stage.scope, ())
        other = b.stage(scope) if scope in b.scopes and b.stage(scope).cell != stage.cell else None
        texts = {
            name: (
                None if other is None else unlike(stage.cell, other.cell, name, names),
                tuple(n for n in _way(stage.cell, name, names) if n != name and n in stage.cell.equations),
            )
            for name in names
        }
        while other is not None and other in unvisited:  # what it reads of stages before it
            before = unvisited.pop(0)
            if before != other:
                for steps in _blocks(b, before):
                    theirs.lines(before, steps)
        for steps in _blocks(a, stage):
            of_a, by_a = mine.lines(stage, steps), yours.lines(stage, steps)
            # b's own terms may be larger than a's, and so round by more: two biases that nearly cancel instead of one
            by_b = {} if other is None else theirs.lines(other, steps)
            gaps = []
            for name in names:
                checked = _Checked(*(found.get(name) for found in (of_a, by_a, by_b)))
                gap = _gap(a, b, stage, name, steps, checked)
                gaps.append(gap._replace(equations=texts[name][0], through=texts[name][1]))
            alone = {
                name: beyond(size(values[steps], of_a[name].value), of_a[name].limit).any(axis=2)
                for name, values in a.lines.get(scope, {}).items()
                if name not in names and name in of_a
            }
            yield stage, steps, Side(tuple(gaps), alone)


def _blocks(trace: Trace, stage: Stage) -> Iterator[slice]:
    """Blocks of steps in the order in which the stage visits them."""
    each = sum(array.shape[-1] for array in trace.lines.get(stage.scope, {}).values()) * trace.batch
    blocks = chunks(trace.steps, each, BLOCK)
    yield from reversed(blocks) if stage.direction == "reverse" else blocks


class _Checked(NamedTuple):
    """A line of a from a's values, the same from b's values, and b's line from b's values; None where not known."""

    of_a: Derived | None
    by_a: Derived | None
    by_b: Derived | None


def _gap(a: Trace, b: Trace, stage: Stage, name: str, steps: slice, checked: _Checked) -> Gap:
    line, scope = stage.cell.by_name[name], stage.scope
    one, two = (np.asarray(_held_at(trace, scope, name, steps), np.float64) for trace in (a, b))
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


def _held_at(trace: Trace, scope: str, name: str, steps: slice) -> Array:
    values = held(trace, scope, name)
    assert values is not None, name  # it is in both
    return values[steps]


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


class Spread:
    """What differs by more than rounding explains, and where it may have come in: a difference that came in with
    rounding is rounding too.

    flagged: masks of the premises that differ, by address; those of lines are added.
    """

    def __init__(self, flagged: dict[str, Array], steps: int, rows: int) -> None:
        self.flagged, self.steps, self.rows = flagged, steps, rows
        self._touched: dict[str, Array] = {}  # by scope the rows in which something differed at an earlier step

    def take(self, stage: Stage, steps: slice, side: Side) -> Iterator[tuple[Gap, Array]]:
        """Each gap with the values that differ: the line itself is wrong in a or b, or an operand, or an earlier step
        of the same row, is.
        """
        by_name = {gap.line.name: gap for gap in side.gaps}
        wrong = {**side.alone, **{name: gap.wrong.any(axis=2) for name, gap in by_name.items()}}
        premise = {name: self._premise(stage, name, steps) for line in stage.cell.lines for name in line.reads}
        before = self._before(stage, (*wrong.values(), *premise.values()))
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
            place = f"{stage.scope}/{line.name}"
            if place not in self.flagged:
                self.flagged[place] = np.zeros((self.steps, self.rows, 1), bool)
            self.flagged[place][steps] = told[:, :, None]

    def _before(self, stage: Stage, masks: Iterable[Array]) -> Array:
        """For each step and row whether something differs at a step that was visited before; masks: what does here."""
        touched = np.logical_or.reduce(list(masks))
        visited = touched[::-1] if stage.direction == "reverse" else touched
        earlier = self._touched.setdefault(stage.scope, np.zeros(self.rows, bool))
        before = np.logical_or.accumulate(np.concatenate([earlier[None], visited]), axis=0)
        self._touched[stage.scope] = before[-1]
        return before[-2::-1] if stage.direction == "reverse" else before[:-1]

    def _premise(self, stage: Stage, name: str, steps: slice) -> Array:
        """For each step and row whether a parameter, input or initial state differs; False for lines of the stage."""
        flags = np.zeros((steps.stop - steps.start, self.rows), bool)
        if name in stage.cell.by_name:
            return flags
        if name in stage.cell.states:
            mask = self.flagged.get(f"{stage.scope}/{INITIAL.get(name, name)}")
            back = stage.direction == "reverse"
            if mask is not None and (steps.stop == self.steps if back else steps.start == 0):
                flags[-1 if back else 0] = mask.any(axis=1)[: self.rows]
            return flags
        source = stage.sources.get(name, GIVEN)
        place = {VALID: "mask" if "mask" in self.flagged else "lengths", GIVEN: f"{stage.scope}/{name}"}
        mask = self.flagged.get(place.get(source, source))
        if mask is None:
            return flags
        if mask.ndim == 3 and mask.shape[0] >= self.steps and mask.shape[1] >= self.rows:
            return np.asarray(mask[steps, : self.rows].any(axis=2))
        return flags | bool(mask.any())
