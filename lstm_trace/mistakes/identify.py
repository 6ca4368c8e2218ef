"""Which mistake of the table, or which two, explain the values that another program computed.

Candidates are ranked by the share of the given values that they explain, then by distance: a mistake in one direction
or row explains the others' values at once, so the better half of a pair is found before its other half is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark
from ..cell.lines import Cell
from ..cell.network import VALID, Scope, forward_stages, layer_and_direction
from ..documents.result import Result
from ..engine.run import Progress, in_arithmetic, rerun
from ..errors import OptionError, counted, some, within
from ..model.given_values import given_values
from ..trace.held import entries as holds
from ..trace.trace import Trace
from ..trace.window import between, rows
from .programs import OUTPUT, Mistake, RewrittenCell, program_of
from .table import ROWS, MistakeRow
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: A candidate that needs more products of weights and values is tried on the first sequences and steps, these at least.
MOST_PRODUCTS, LEAST = 2**22, (2, 8)
#: How many of the best single mistakes a second one is added to.
KEPT = 12
#: A float64 run of ours may differ from the same run of another program by this many times what one in the outputs' own
#: dtype differs from it; two legitimate orders of a sum were seen to differ by 3 times (design.md: 8, and 8 ulp of 1).
MARGIN = 8
#: Mistakes are named only if fewer than so many unrelated candidates, of as many as there are, would explain the values
#: by chance, if these move values by anything from nothing to their error: a hundred times more than was seen.
CHANCE = 0.1
#: Where each row stands in the table: of mistakes that do the same at one place, the first of them names it.
ORDER = {key: k for k, key in enumerate(ROWS)}
#: What is listed as near explains at least this part of the values that the model does not.
NEAR = 0.25


@dataclass(frozen=True)
class Given:
    """The values of one line: (T, B, width), NaN where none is given, and by how much a right value may differ."""

    values: Array
    tolerance: Array


class Fit(NamedTuple):
    """How well a candidate explains given values: the share within the tolerance, the largest and the mean error."""

    share: float
    distance: float
    mean: float


@dataclass(frozen=True)
class ChangedEquation:
    """An equation as it should be and as it was computed, in one stage."""

    scope: Scope
    name: str
    right: str
    wrong: str


@dataclass(frozen=True)
class MistakeExplanation:
    """Mistakes that reproduce the given values.

    mistakes: one or two, with their places. equations: those that they change. equal: others that give the same values.
    separates: the address of the first line that tells them apart, if one does.
    """

    mistakes: tuple[PlacedMistake, ...]
    fit: Fit
    equations: tuple[ChangedEquation, ...]
    equal: tuple[tuple[PlacedMistake, ...], ...] = ()
    separates: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Identification(Result):
    """What explains the values of another program. trace: the model's own run, in float64.

    as_read: how well the model does without a mistake. found: the mistakes that explain the values, plainest first;
    empty if the model does, or nothing does, or if one of so many candidates would explain so few digits by chance.
    nearest: in that case those that do, or else the best of those that do not explain all. tried: how many candidates
    were run. compared: how many values. lost: how many are NaN or infinite where ours are not. remarks: what the reader
    should know of the search.
    """

    trace: Trace
    as_read: Fit
    found: tuple[MistakeExplanation, ...]
    nearest: tuple[MistakeExplanation, ...]
    tried: int
    remarks: tuple[Remark, ...] = ()
    compared: int = 0
    lost: int = 0

    @property
    def right(self) -> bool:
        """Whether the model reproduces the values without a mistake."""
        return self.as_read.share == 1 and not self.lost

    def __repr__(self) -> str:
        said = "read rightly" if self.right else f"{len(self.found)} explanations" if self.found else "not explained"
        return f"<Identification: {said}, {self.tried:,} tried; print(…) has all>"


def is_at(scope: Scope, place: str) -> bool:
    """Whether a stage is at a place: `1/`, `above/`, `reverse/`, `1/reverse/`, or everywhere if it is empty."""
    layer, direction = layer_and_direction(scope)
    return all(part in (str(layer), direction, "above" if layer else "") for part in place.split("/") if part)


def places_of(scopes: Sequence[Scope]) -> Mapping[tuple[Scope, ...], str]:
    """Where a mistake may be, with how that is written: everywhere, in a layer, in those above the first, in a
    direction, or in one stage.
    """
    layers, directions = (dict.fromkeys(parts) for parts in zip(*map(layer_and_direction, scopes), strict=True))
    found: dict[tuple[Scope, ...], str] = {}
    for text in ("", *(f"{part}/" for part in (*layers, "above", *directions, *scopes))):
        found.setdefault(tuple(scope for scope in scopes if is_at(scope, text)), text)
    return {place: text for place, text in found.items() if place}


@dataclass(eq=False)
class Search:
    """The candidates of a network, and how well they explain given values.

    whole: the search over the whole run, if this one is over its first sequences and steps. exact: by how much a right
    value may differ, but for the rounding of what was printed or saved. progress: called with the number of candidates
    tried, and about how many there will be.
    """

    trace: Trace
    given: Mapping[Place, Given]
    whole: Search | None = None
    exact: float = np.inf
    progress: Progress | None = None
    tried: int = 0
    most: int = 1

    @cached_property
    def trials(self) -> MistakeRuns:
        """The runs with mistakes."""
        return MistakeRuns(self.trace, [*self.given])

    @cached_property
    def places(self) -> Mapping[tuple[Scope, ...], str]:
        """Where a mistake may be: see `places_of`."""
        return places_of([*self.trials.stages])

    def candidates(
        self, after: Candidate | None = None, rare: bool = True, by: Collection[MistakeRow] | None = None
    ) -> list[Candidate]:
        """Every mistake at every place, added to a candidate; of those that compute the same the first.

        rare: whether also those by rare rows. by: only those by these rows.
        """
        known = after.programs if after else {}
        stages = self.trials.stages
        programs = {scope: known.get(scope, program_of(stage.cell)) for scope, stage in stages.items()}
        found: dict[frozenset[tuple[Scope, RewrittenCell]], Candidate] = {}
        made = {p: p.made(by) if by is not None else p.mistakes if rare else p.usual for p in {*programs.values()}}
        for scopes, place in self.places.items():
            changed: dict[str, dict[Scope, Mistake]] = {}
            for scope in scopes:
                own = programs[scope]
                for key, mistake in made[own].items():
                    words = mistake.program.words
                    there = words == own.words or self.trials.applies(stages[scope], *words[-1])
                    if there and not (place and mistake.row.everywhere):
                        changed.setdefault(key, {})[scope] = mistake
            for here in sorted(changed.values(), key=lambda here: ORDER[next(iter(here.values())).row.key]):
                mistakes = (*(after.mistakes if after else ()), PlacedMistake(place, next(iter(here.values()))))
                candidate = Candidate({**known, **{scope: m.program for scope, m in here.items()}}, mistakes)
                found.setdefault(candidate.same, candidate)
        return [*found.values()]

    def fit(self, values: Mapping[Place, Array]) -> Fit:
        """How well lines of a run explain what is given."""
        explained = total = 0
        worst = summed = 0.0
        for place, given in self.given.items():
            there = self._there[place]
            target = given.values[there]
            found = values[place]
            error = np.full(target.shape, np.inf)
            if found.shape == given.values.shape:
                error = np.abs(found[there] - target)
                error[np.isnan(error)] = np.inf
            explained += int((error <= given.tolerance[there]).sum())
            total += target.size
            worst = max(worst, float(error.max(initial=0)))
            with np.errstate(over="ignore"):
                summed += float(error.sum())
        return Fit(explained / total, worst, summed / total)

    @cached_property
    def _there(self) -> Mapping[Place, Any]:
        """Which values are given: all of them, as a rule."""
        known = {place: ~np.isnan(given.values) for place, given in self.given.items()}
        return {place: slice(None) if there.all() else there for place, there in known.items()}

    def ranked(self, candidates: Sequence[Candidate]) -> list[tuple[Fit, Candidate]]:
        """The candidates with what they explain, the best first."""
        found = []
        for values, candidate in zip(self.trials.run(candidates), candidates, strict=True):
            found.append((self.fit(values), candidate))
            self.tried += 1
            if self.progress:
                self.progress(self.tried, self.most)
        return sorted(found, key=self._rank)

    def _rank(self, one: tuple[Fit, Candidate]) -> tuple[float, float]:
        """The best first; those that explain everything in the order of the table, but first what gives every digit."""
        fit = one[0]
        return -fit.share, fit.mean if fit.share < 1 else fit.distance > self.exact

    def chance(self, as_read: Fit, fit: Fit, candidate: Candidate, tried: int) -> float:
        """How many unrelated candidates, of so many, would explain what is given as well as one does."""
        if fit.distance <= self.exact < max(float(one.tolerance.max()) for one in self.given.values()):
            # it rounds as the port does; so would the model, if it did, in that part of the values
            return as_read.share ** sum(int(np.isfinite(one.values).sum()) for one in self.given.values())
        known = [one.values[np.isfinite(one.values)] for one in self.given.values()]
        if not any(np.ptp(values) > 0 for values in known if values.size):  # many mistakes make all values the same
            return np.inf
        each = [(self._there[p], one, np.abs(self.trials.right(p) - one.values)) for p, one in self.given.items()]
        alone = float(np.prod([chance(one.tolerance[at], off[at]) for at, one, off in each]))
        return alone * float(tried) ** len(candidate.mistakes)

    def right(self) -> Fit:
        """How well the model explains the values without a mistake."""
        return self.fit({place: self.trials.right(place) for place in self.given})

    def run(self) -> Identification:
        """The search: no mistake, then one, first of the usual ones, then two."""
        as_read = (self.whole or self).right()
        if as_read.share == 1:
            return Identification(self.trace, as_read, (), (), self.tried)
        usual = self.candidates(rare=False)
        self.most = len(usual) * (2 + KEPT)
        ranked = self.ranked(usual)
        found = self._explaining(ranked)
        if not found:
            known = {candidate.same for candidate in usual}
            rare = self.ranked([candidate for candidate in self.candidates() if candidate.same not in known])
            found, ranked = self._explaining(rare), sorted((*ranked[:KEPT], *rare[: KEPT // 2]), key=self._rank)
        better = [one for one in ranked if one[0].share > as_read.share or one[0].mean < as_read.mean]
        pairs: list[tuple[Fit, Candidate]] = []
        for _, first in better if not found else ():
            here = self.ranked(self.candidates(first, rare=False))
            pairs += here[:KEPT]
            found = self._explaining(here)
            if found:
                break
        if found and (self.whole or self).chance(as_read, *found[0], self.tried) < CHANCE:
            return Identification(self.trace, as_read, tuple(self._explained(found)), (), self.tried)
        apart: dict[tuple[float, str], tuple[Fit, Candidate]] = {}
        for one in found or (*ranked, *pairs):  # the first of those with the same values: no pair of which one is idle
            apart.setdefault((one[0].share, f"{one[0].mean:.6g}"), one)
        least = as_read.share + NEAR * (1 - as_read.share)
        near = [self._explanation(*one) for one in sorted(apart.values(), key=self._rank)[:3] if one[0].share >= least]
        return Identification(self.trace, as_read, (), tuple(near), self.tried)

    def _explaining(self, ranked: Sequence[tuple[Fit, Candidate]]) -> list[tuple[Fit, Candidate]]:
        """Those that explain every given value of the whole run."""
        found = [one for one in ranked if one[0].share == 1]
        if found and self.whole is not None:
            found = [one for one in self.whole.ranked([c for _, c in found]) if one[0].share == 1]
        return [one for one in found if self._rank(one) == self._rank(found[0])]

    def _explained(self, found: Sequence[tuple[Fit, Candidate]]) -> Iterator[MistakeExplanation]:
        if not found:
            return
        first, others = found[0], found[1:]
        equal = tuple(candidate.mistakes for _, candidate in others)
        yield replace(self._explanation(*first), equal=equal, separates=self._separates([c for _, c in found]))

    def _explanation(self, fit: Fit, candidate: Candidate) -> MistakeExplanation:
        return MistakeExplanation(candidate.mistakes, fit, changed_equations(candidate))

    def _separates(self, candidates: Sequence[Candidate]) -> str | None:
        """The first line in which candidates differ that agree on what is given."""
        if len(candidates) < 2:
            return None
        given = {(s, self.trials.stages[s].cell.output if name == OUTPUT else name) for s, name in self.given}
        every = [(s.scope, line.name) for s in self.trace.stages for line in s.cell.lines if line.assigned]
        places = [place for place in every if place not in given]
        runs = [*MistakeRuns(self.trace, places).run(candidates[:KEPT])]
        for place in places:
            values = [one[place] for one in runs]
            spread = 1e-6 * (1 + np.nanmax(np.abs(values[0]), initial=0))
            if any(np.nan_to_num(np.abs(v - values[0]), nan=np.inf).max(initial=0) > spread for v in values[1:]):
                return "/".join(place)
        return None


def chance(limit: Array, off: Array) -> float:
    """How often unrelated values would be within a limit of some that are so far from the right ones."""
    wrong = off > limit
    return float(np.exp(np.log(np.clip(2 * limit[wrong] / off[wrong], 1e-99, 1)).sum()))


def changed_equations(candidate: Candidate) -> tuple[ChangedEquation, ...]:
    """The equations that a candidate changes, in their order."""
    return tuple(
        ChangedEquation(scope, name, str(right), str(changes[name]))
        for scope, program in candidate.programs.items() if (changes := dict(program.changes))
        for name, right in program.own.rows.items() if name in changes
    )  # fmt: skip


def tolerances(run: Array, rounded: Array, values: Array) -> Array:
    """By how much a right value may differ from our float64 run.

    run, rounded: ours in float64, and in the dtype of the given values; where these are larger by some factor, so may
    their rounding be.
    """
    eps = np.finfo(rounded.dtype).eps
    own = float(np.nanmax(np.abs(run - rounded.astype(np.float64)), initial=0)) + eps
    largest = [max(1.0, float(np.nanmax(np.abs(v), initial=0))) for v in (run, values)]
    return np.full(run.shape, MARGIN * own * max(1.0, largest[1] / largest[0]))


def identify(
    trace: Trace, given: Mapping[Place, Given], exact: float = np.inf, progress: Progress | None = None
) -> Identification:
    """What explains given values of a run.

    Args:
        trace: the right run, in float64, with every line.
        given: the other program's values by scope and line; the line `output` is what a stage passes on.
        exact, progress: as for `Search`.
    """
    whole = Search(trace, given, None, exact, progress)
    sequences, steps = _searched(trace)
    part = between(rows(trace, slice(sequences)), range(trace.first, trace.first + steps))
    some = {place: Given(*(v[:steps, :sequences] for v in vars(one).values())) for place, one in given.items()}
    some = {place: one for place, one in some.items() if not np.isnan(one.values).all()}
    if (sequences, steps) == (trace.batch, trace.steps) or not some or Search(part, some).right().share == 1:
        return whole.run()
    sizes = {"sequences": sequences, "batch": trace.batch, "steps": steps, "of": trace.steps}
    found = Search(part, some, whole, exact, progress).run()
    return replace(found, trace=trace, remarks=() if found.right else (Remark("identify.limited", sizes),))


def _searched(trace: Trace) -> tuple[int, int]:
    """How many of the first sequences and steps are searched: all, unless that would take minutes."""
    weights = sum(v.size for own in trace.parameters.values() for v in own.values())
    sequences = min(trace.batch, max(LEAST[0], MOST_PRODUCTS // (weights * trace.steps)))
    if any(stage.backwards for stage in trace.stages):  # it begins with the last step
        return sequences, trace.steps
    return sequences, min(trace.steps, max(LEAST[1], MOST_PRODUCTS // (weights * sequences)))


def whole_run(trace: Trace, verb: str) -> Trace:
    """The forward pass in float64. verb: what needs every line of it. Raises OptionError if the trace has only some."""
    own = in_arithmetic(replace(trace, stages=forward_stages(trace.stages)), None)
    if absent := [line.name for s in own.stages for line in s.cell.lines if line.name not in own.lines[s.scope]]:
        raise OptionError(f"{verb} needs every line: run the model without ask; not computed: {some(absent, 5)}")
    return own


def _computed(cell: Cell, name: str) -> str:
    """The named line that has the values of this one at valid steps; empty if there is none, since an equation that is
    rewritten may not have the values that have no name.
    """
    line = cell.by_name[name]
    if not line.assigned and line.op == "where" and line.operands[0] == VALID:
        name = str(line.operands[1])
    return name if name in cell.by_name and cell.by_name[name].assigned else ""


def identify_values(
    trace: Trace, values: Any, atol: float | None = None, progress: Progress | None = None
) -> Identification:
    """What explains the values that another program computed over the input of a run.

    Args:
        trace: the model's own run.
        values: a file, an array, or arrays by name, as for `given_values`; float64 in which every value is one of
            float32 was computed so.
        atol: by how much a right value may differ; None: what the rounding of their dtype and digits explains.
        progress: as for `Search`.

    Raises:
        FileError: if the values do not fit the run.
        OptionError: if lines of the run are held, or x or every value is not a finite number.
    """
    if trace.header.arithmetic or any(holds(trace)):
        raise OptionError("identify searches what the equations compute: leave hold and arithmetic out")
    if trace.x is not None and (bad := np.argwhere(~np.isfinite(trace.x) & (trace.valid != 0))).size:
        (t, b, k), many = bad[0], counted(len(bad), "value")
        said = f"x has {many} that should be finite, first {trace.x[t, b, k]} at t={t}, sequence {b}, feature {k}"
        raise OptionError(f"{said} (from 0): what follows tells no mistake: correct x, or leave the step out")
    own = whole_run(trace, "identify")
    with within("" if isinstance(values, str | Path) else "y"):
        read = given_values(values, own)
    with np.errstate(over="ignore", invalid="ignore"):
        off = [np.abs(v - v.astype(np.float32)) > read.rounding[key] for key, v in read.values.items()]
    rounded = own if any(map(np.any, off)) else rerun(replace(own, header=replace(own.header, dtype="float32")))
    last = own.stages[-1]
    given: dict[Place, Given] = {}
    exact, lost, first = 0.0, 0, ""
    for key, found in read.values.items():
        scope, name = key[0], _computed(own.stage(key[0]).cell, key[1])
        if not name or (name != key[1] and (scope, name) in read.values):
            continue
        line, there = own.lines[scope][name], read.given[key] & np.isfinite(found)
        limit = tolerances(line, rounded.lines[scope][name], np.where(there, found, 0))
        exact = max(exact, float(limit.max())) if atol is None else np.inf
        limit = limit + read.rounding[key] if atol is None else np.full_like(limit, atol)
        at = scope, OUTPUT if (scope, name) == (last.scope, last.cell.output) else name
        # what a port does not compute at padding, and the states that are kept there
        blank = (own.valid == 0) & (((found == 0) & (at[1] != OUTPUT)) | (name != key[1]))
        given[at] = Given(np.where(there & ~blank, found, np.nan), limit)
        broken = np.argwhere(read.given[key] & ~there & np.isfinite(line) & (own.valid != 0))
        lost += len(broken)
        first = first or "".join(f"{scope}/{t}/{b}/{name}[{k}]" for t, b, k in broken[:1])
    if not (compared := sum(int(np.isfinite(one.values).sum()) for one in given.values())):
        raise OptionError("none of the values is a number: there is nothing to explain")
    result = identify(own, given, exact, progress)
    remarks = [Remark("identify.lost", {"n": lost, "all": compared + lost, "address": first})] if lost else []
    return replace(result, remarks=(*remarks, *read.notes, *result.remarks), compared=compared, lost=lost)
