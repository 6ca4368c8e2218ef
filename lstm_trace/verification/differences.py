"""The gap between two traces in each line, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark
from ..cell.lines import Line
from ..cell.network import GIVEN, VALID, Stage, X, counted_at_padding, scope_and_name
from ..engine.plan_choice import pieces
from ..trace.derived import GATHERED, derived_sums, held_throughout
from ..trace.trace import Trace
from .alignment import lacking, padding, unlike, way
from .propagation import Apart, Known, apart, beyond, either
from .rederive import Rederivation, coarse, differing, known_of
from .rounding import recorded_sums

#: Maximum number of values of a stage compared at once: some tens of megabytes of work, however long the traces.
BLOCK = 1 << 19
#: In bytes: once the C library has freed a block of this size, it keeps smaller freed blocks. Otherwise the arrays of a
#: block would be fresh memory each time, which takes longer than the computations on them.
KEPT = 31 << 20


class Gap(NamedTuple):
    """One line in both traces at some steps: values (steps, B, width), |b - a|, the rounding bound, and its origin.

    bounds: the limits whose sum is the rounding bound.
    by_a: the line derived by a's equation from b's own operands; local: the largest finite deviation of b's value from
    it; inherited: the largest of a's value. of_a: the line derived from a's operands. None if an operand is
    missing.
    wrong: where b's value deviates from by_a, or a's from of_a, by more than rounding. moved: where the two differ
    because of a differing premise, by more than rounding of the premises; each None if nowhere. equations: a's and b's,
    if they differ.
    through: the named lines that only one trace has and through which b's was derived. lacking: operands of a's
    equation that b lacks, so that b's value is compared with a's function as a whole, and no error is its own. outside:
    where values are not compared, namely at padding, (steps, B, 1); there the gap is 0, and nothing is wrong.
    """

    line: Line
    a: Known
    b: Known
    size: Apart
    bounds: Sequence[Known]
    by_a: Known | None
    local: float | None
    inherited: float | None
    of_a: Known | None
    wrong: Array | None
    moved: Array | None = None
    equations: tuple[str | Remark, str | Remark] | None = None
    through: tuple[str, ...] = ()
    outside: Array | None = None
    lacking: tuple[str | Remark, ...] = ()

    @property
    def values(self) -> int:
        """Number of compared values."""
        left_out = 0 if self.outside is None else int(self.outside.sum())
        return int(self.a.value.size) - left_out * int(self.a.value.shape[2])

    def bound_at(self, at: tuple[int, int, int]) -> float:
        """The rounding bound of one value."""
        limits = (np.broadcast_to(known.limit, self.a.value.shape)[at] for known in self.bounds)
        return Known(self.a.value, sum(limits)).largest()

    def bound(self) -> float:
        """The largest rounding bound, apart from those of equal values that are not finite: they need none."""
        limit = sum(known.limit for known in self.bounds)
        limit = np.where(np.isfinite(limit) | (self.size.each > 0), limit, 0.0)
        return Known(self.a.value, limit if self.outside is None else np.where(self.outside, 0.0, limit)).largest()


#: By scope and line, where a trace was given no value of a line that it was given in part.
Absent = Mapping[tuple[str, str], Array]


def completed(a: Trace, b: Trace) -> tuple[Trace, Absent]:
    """b with all values of the lines of which another program gave only some, and where it gave none.

    What it did not give follows, by a's equations, from what it gave; its rounding is what that may deviate by.
    """
    rounding = {(s, n): half for s, own in b.rounding.items() for n, half in own.items() if n in b.lines.get(s, {})}
    absent = {place: where for place, half in rounding.items() if (where := np.isnan(half)).any()}
    if not absent:
        return b, absent
    parts = b.lines, b.rounding
    lines, limits = ({s: {n: v.copy() for n, v in own.items()} for s, own in part.items()} for part in parts)
    common = {s: [n for n in own if (s, n) not in absent] for s, own in b.lines.items()}
    derivation = Rederivation(a, b, common, absent=absent)
    for stage in a.stages:
        for steps in _blocks(a, stage):
            for name, known in derivation.lines(stage, steps).items():
                if (stage.scope, name) in absent:
                    lines[stage.scope][name][steps], limits[stage.scope][name][steps] = known.value, known.limit
    for scope, name in absent:
        np.nan_to_num(limits[scope][name], copy=False, nan=np.inf)
    return replace(b, lines=lines, rounding=limits), absent


#: A line that only a has, to where it is wrong.
Alone = Mapping[str, Array | None]


def find_gaps(
    a: Trace, b: Trace, common: Mapping[str, Collection[str]], premises: bool
) -> Iterator[tuple[Stage, slice, list[Gap], Alone]]:
    """Each stage of a with the gaps of the lines in both, some steps at a time, in order of computation.

    a and b have the same steps and sequences; common: the lines in both, by scope; premises: whether a premise differs.
    """
    np.empty(KEPT, np.uint8)  # freed at once, see KEPT
    mine, yours, theirs = Rederivation(a, a, a.lines), Rederivation(a, b, common), Rederivation(b, b, common)
    # if the equations differ as well, numbers with the same name may have different meanings (b_f with or without the 1
    # that a forget bias adds): then b's line is compared with a's whole function, including a's premises
    whole = Rederivation(a, b, common, premises=a)
    effect = tuple(Rederivation(a, b, common, premises=t, exact=True) for t in (a, b))
    unvisited = list(b.stages)
    outside, used = padding(a, b), counted_at_padding(a.stages)
    for stage in a.stages:
        scope, names = stage.scope, common.get(stage.scope, ())
        other = b.stage(scope) if scope in b.scopes and b.stage(scope).cell != stage.cell else None
        texts = {name: None if other is None else unlike(stage.cell, other.cell, name, names) for name in names}
        ways = {name: [n for n in way(stage.cell, name, names) if n != name] for name in names}
        affected = _affected(a, b, stage, common) if premises else set()
        while other is not None and other in unvisited:  # lines of earlier stages that it uses
            before = unvisited.pop(0)
            if before != other:
                for steps in _blocks(b, before):
                    theirs.lines(before, steps)
        for steps in _blocks(a, stage):
            of_a, by_a = mine.lines(stage, steps), yours.lines(stage, steps)
            # b's own terms may be larger than a's, and so be rounded by more: two biases that nearly cancel instead of
            # one
            by_b = {} if other is None else theirs.lines(other, steps)
            by_whole = by_a if other is None or not premises else whole.lines(stage, steps)
            # lines derived from equal values differ with the premises, by more than the premises' own rounding: biases
            # that were added, with their sum rounded, change nothing; a weight that differs by some ulp changes its
            # product
            by_premises = [side.lines(stage, steps, affected) if affected else {} for side in effect]
            dropped = None if outside is None or not outside[steps].any() else outside[steps]
            gaps = []
            for name in names:
                equations, through = texts[name], tuple(_derived(stage, name, ways[name], common))
                again = by_a if equations is None else by_whole
                held = [known_of(trace, scope, name) for trace in (a, b)]
                one, two = (known.at(steps) for known in held if known is not None)  # it is in both
                recorded = of_a.get(name) if name in a.lines.get(scope, {}) else None  # and not only supplied
                left_out = None if name in used[scope] else dropped
                gap = _gap(stage.cell.by_name[name], one, two, recorded, again.get(name), by_b.get(name), left_out)
                both = [lines[name] for lines in by_premises if name in lines]
                if equations is None and gap.size.most and len(both) == 2:
                    moved = beyond(apart(*both), both)
                    gap = gap if moved is None else gap._replace(moved=moved & (gap.size.each > 0))
                if equations is not None and (lacks := lacking(a, b, scope, name, names)):
                    gap = gap._replace(local=None, inherited=None, lacking=lacks)
                gaps.append(gap._replace(equations=equations, through=through))
            alone = {}
            for name, values in a.lines.get(scope, {}).items():
                if name not in names and name in of_a:
                    left_out = None if name in used[scope] else dropped
                    alone[name] = beyond(_apart(Known(values[steps]), of_a[name], left_out), [of_a[name]])
            yield stage, steps, gaps, alone


def _derived(stage: Stage, name: str, behind: Iterable[str], common: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Named lines through which a line was derived, and addresses of those of earlier stages that are not in both."""
    yield from (line for line in behind if line in stage.cell.equations)
    reads = {read for line in (name, *behind) if line in stage.cell.by_name for read in stage.cell.by_name[line].reads}
    for source in dict.fromkeys(stage.sources[read] for read in stage.cell.inputs if read in reads):
        scope, line = scope_and_name(source)
        if scope and line not in common.get(scope, ()):
            yield source


def _blocks(trace: Trace, stage: Stage) -> Iterator[slice]:
    """Blocks of steps in the order in which the stage visits them."""
    widths = [array.shape[-1] for array in trace.lines.get(stage.scope, {}).values()]
    widths += [max(widths, default=1)] * (len(stage.cell.lines) - len(widths))  # for lines that are only derived
    return pieces(trace.steps, sum(widths) * trace.batch, stage.backwards, BLOCK)


def _affected(a: Trace, b: Trace, stage: Stage, common: Mapping[str, Collection[str]]) -> set[str]:
    """The lines that a premise in which a and b differ may change: those that use one, or a line that is not in
    both.
    """
    scope, cell = stage.scope, stage.cell
    both = common.get(scope, ())

    def equal(part: str, name: str) -> bool:
        one, two = (getattr(trace, part).get(scope, {}).get(name) for trace in (a, b))
        return one is not None and two is not None and np.array_equal(one, two)

    def fixed(name: str) -> bool:
        if name in both:
            return True
        if name in cell.states:
            return cell.states[name] in both and equal("initial", name)
        source = stage.sources.get(name)
        if source == X:
            return a.x is not None and b.x is not None and np.array_equal(a.x, b.x)
        if source == VALID:
            return np.array_equal(a.valid, b.valid)
        if source not in (None, GIVEN):
            other, line = scope_and_name(str(source))
            return line in common.get(other, ())
        return name not in cell.by_name and equal("given" if source == GIVEN else "parameters", name)

    known = {name: fixed(name) for line in cell.lines for name in line.reads}
    return {line.name for line in cell.lines if line.name not in both or not all(map(known.get, line.reads))}


def _gap(
    line: Line, one: Known, two: Known, of_a: Known | None, by_a: Known | None, by_b: Known | None,
    outside: Array | None,
) -> Gap:  # fmt: skip
    """a's and b's values compared with each other and with the values derived from their operands.

    of_a: a line of a derived from a's values; by_a: the same from b's values; by_b: b's line from b's values; None if
    unknown. outside: where values are not compared.
    """
    size = _apart(one, two, outside)
    bounds = [known for known in (by_a, by_b) if by_a is not None and known is not None]
    bounds += [known for known in (one, two) if not known.exact]  # printed with few digits
    local = inherited = None
    if by_a is None:
        wrong = beyond(size, bounds)
    else:
        own = _apart(two, by_a, outside)
        wrong, local = beyond(own, bounds), own.finite
        inherited = size.finite if not own.most else local if not size.most else _apart(one, by_a, outside).finite
    if of_a is not None:
        wrong = either(wrong, beyond(_apart(one, of_a, outside), [of_a]))
    if outside is not None:
        inside = (np.where(outside, 0, known.value).astype(known.value.dtype) for known in (one, two))
        one, two = map(Known, inside, (one.limit, two.limit))
    return Gap(line, one, two, size, bounds, by_a, local, inherited, of_a, wrong, outside=outside)


def _apart(one: Known, two: Known, outside: Array | None) -> Apart:
    """`apart`, with 0 where values are not compared."""
    found = apart(one, two)
    if outside is None or not found.most:
        return found
    each = np.where(outside, 0.0, found.each)
    return Apart(each, float(each.max(initial=0.0)))


class Spread:
    """Differences beyond rounding, and their possible origins: a difference that follows from rounding is rounding too.

    Only values that differ spread differences. A differing premise spreads only through the values that it changes.
    """

    def __init__(self, steps: int, rows: int) -> None:
        self.steps, self.rows = steps, rows
        self._stages: dict[str, Stage] = {}
        self._told: dict[str, Array] = {}  # by address of a line, the steps and sequences in which it differs
        self._touched: dict[str, Array] = {}  # by scope, the sequences in which something differed at an earlier step

    def take(self, stage: Stage, steps: slice, gaps: Sequence[Gap], alone: Alone) -> Iterator[tuple[Gap, Array | None]]:
        """Each gap with the values that differ (None if none does): because the line itself is wrong in a or b, or
        because
        a premise, an operand or an earlier step of the same sequence differs.
        """
        self._stages[stage.scope] = stage
        by_name = {gap.line.name: gap for gap in gaps}
        new = {name: _rows(mask) for name, mask in alone.items()}
        new |= {name: _rows(either(gap.wrong, gap.moved)) for name, gap in by_name.items()}
        read: dict[str, Array | None] = {}
        for name in (name for line in stage.cell.lines for name in line.reads):  # by its other stage's name, if any
            scope, there = scope_and_name(stage.sources.get(name, ""))
            read[name] = self.differing(self._stages[scope], there)[steps] if scope in self._stages else None
        before = self._before(stage, steps, (*new.values(), *read.values()))
        reached: dict[str, Array | None] = {}
        for line in stage.cell.lines:
            told = _any(before, *(reached[name] if name in reached else read[name] for name in line.reads))
            if line.name in by_name:
                gap = by_name[line.name]
                mask = gap.moved
                if (gap.wrong is not None or told.any()) and (mask is None or not mask.all()):
                    spread = told[:, :, None] if gap.wrong is None else gap.wrong | told[:, :, None]
                    far = beyond(gap.size, gap.bounds)
                    mask = either(mask, None if far is None else far & spread)
                yield gap, mask
                reached[line.name] = _rows(mask)
            else:
                reached[line.name] = _any(told, new.get(line.name))
            differs = reached[line.name]
            if differs is not None and differs.any():
                place = f"{stage.scope}/{line.name}"
                self._told.setdefault(place, self._nothing())
                self._told[place][steps] = differs

    def _before(self, stage: Stage, steps: slice, masks: Iterable[Array | None]) -> Array:
        """For each step and sequence whether something differed at an earlier visit; masks: the differences here."""
        touched = _any(np.zeros((steps.stop - steps.start, self.rows), bool), *masks)
        visited = touched[::-1] if stage.backwards else touched
        earlier = self._touched.setdefault(stage.scope, np.zeros(self.rows, bool))
        before = np.logical_or.accumulate(np.concatenate([earlier[None], visited]), axis=0)
        self._touched[stage.scope] = before[-1]
        return before[-2::-1] if stage.backwards else before[:-1]

    def differing(self, stage: Stage, name: str) -> Array:
        """For each step and sequence, (T, B), whether a value of a finished stage differs."""
        if name in stage.cell.states:  # the value left by the previous step
            carried, shifted = self.differing(stage, stage.cell.states[name]), self._nothing()
            back = stage.backwards
            shifted[slice(0, -1) if back else slice(1, None)] = carried[slice(1, None) if back else slice(0, -1)]
            return shifted
        scope, there = scope_and_name(stage.sources.get(name, ""))
        if scope in self._stages:
            return self.differing(self._stages[scope], there)
        return self._told.get(f"{stage.scope}/{name}", self._nothing())

    def _nothing(self) -> Array:
        return np.zeros((self.steps, self.rows), bool)


def _any(mask: Array, *others: Array | None) -> Array:
    """Where any of them is true."""
    return reduce(np.logical_or, [other for other in others if other is not None], mask)


def _rows(mask: Array | None) -> Array | None:
    """The steps and sequences in which something is true."""
    return None if mask is None else mask.any(axis=2)


def sum_gaps(a: Trace, b: Trace, stage: Stage, spread: Spread) -> Iterator[tuple[Gap, Array | None]]:
    """Each sum that a stage of a has in both traces, its entries as (1, 1, entries), with those that differ.

    As for lines: an entry differs if a's or b's own terms do not explain it, or if rounding does not explain the gap
    and one of the terms differs. spread: of the lines of a, all of which have been processed.
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
    by_a = {name: made for name, made in by_a.items() if made.value.shape == mine[name].shape}
    for gathered in both:
        name = gathered.name
        printed = b.rounding.get(scope, {}).get(name)
        one, two = Known(_row(mine[name])), Known(_row(yours[name]), 0.0 if printed is None else _row(printed))
        from_a, from_b = (Known(*map(_row, made[name])) if name in made else None for made in (of_a, by_a))
        gap = _gap(Line(name, GATHERED, gathered.reads), one, two, from_a, from_b, None, None)
        texts = None if theirs[name] == gathered else (gathered.text, theirs[name].text)
        far = beyond(gap.size, gap.bounds)
        if not any(_differs(a, b, stage, operand, spread) for operand in gathered.reads):
            far = None if far is None or gap.wrong is None else far & gap.wrong
        yield gap._replace(equations=texts), far


def _row(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(1, 1, -1)


def _differs(a: Trace, b: Trace, stage: Stage, name: str, spread: Spread) -> bool:
    """Whether an operand of a sum differs at any step: as a line, or as a premise."""
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
