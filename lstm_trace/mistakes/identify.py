"""Which mistake of the table, or which two, explain the values that another program computed.

Candidates are ranked by the share of the given values that they explain, then by distance: a mistake in one direction
or row explains the others' values at once, so the better half of a pair is found before its other half is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark
from ..cell.network import Scope, layer_and_direction
from ..documents.result import Result
from ..engine.run import in_arithmetic, rerun
from ..errors import OptionError, some
from ..model.given_values import given_values
from ..trace.held import entries as holds
from ..trace.trace import Trace
from ..trace.window import between, rows
from .programs import OUTPUT, Mistake, RewrittenCell, program_of
from .table import MistakeRow
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: A candidate that needs more products of weights and values is tried on the first sequences and steps, these at least.
MOST_PRODUCTS, LEAST = 2**22, (2, 8)
#: How many of the best single mistakes a second one is added to.
KEPT = 12
#: A float64 run of ours may differ from the same run of another program by this many times what one in the outputs' own
#: dtype differs from it; two legitimate orders of a sum were seen to differ by 3 times (design.md: 8, and 8 ulp of 1).
MARGIN = 8


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
    empty if the model does, or nothing does. nearest: the best of those that do not explain all. tried: how many
    candidates were run. remarks: what the reader should know of the search.
    """

    trace: Trace
    as_read: Fit
    found: tuple[MistakeExplanation, ...]
    nearest: tuple[MistakeExplanation, ...]
    tried: int
    remarks: tuple[Remark, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the model reproduces the values without a mistake."""
        return self.as_read.share == 1

    def __repr__(self) -> str:
        said = "read rightly" if self.right else f"{len(self.found)} explanations" if self.found else "not explained"
        return f"<Identification: {said}, {self.tried:,} tried; print(…) has all>"


def places_of(scopes: Sequence[Scope]) -> Mapping[tuple[Scope, ...], str]:
    """Where a mistake may be, with how that is written: everywhere, in a layer, in those above the first, in a
    direction, or in one stage.
    """
    parts = [(scope, *layer_and_direction(scope)) for scope in scopes]
    found = {tuple(scopes): ""}
    for layer in dict.fromkeys(layer for _, layer, _ in parts):
        found.setdefault(tuple(s for s, at, _ in parts if at == layer), f"{layer}/")
    found.setdefault(tuple(s for s, at, _ in parts if at), "above/")
    for direction in dict.fromkeys(d for _, _, d in parts):
        found.setdefault(tuple(s for s, _, d in parts if d == direction), f"{direction}/")
    for scope in scopes:
        found.setdefault((scope,), f"{scope}/")
    return {place: text for place, text in found.items() if place}


@dataclass(eq=False)
class Search:
    """The candidates of a network, and how well they explain given values. whole: the search over the whole run, if
    this one is over its first sequences and steps.
    """

    trace: Trace
    given: Mapping[Place, Given]
    whole: Search | None = None
    tried: int = 0

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
            for here in changed.values():
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
        self.tried += len(candidates)
        found = [(self.fit(v), c) for v, c in zip(self.trials.run(candidates), candidates, strict=True)]
        return sorted(found, key=_rank)

    def right(self) -> Fit:
        """How well the model explains the values without a mistake."""
        return self.fit({place: self.trials.right(place) for place in self.given})

    def run(self) -> Identification:
        """The search: no mistake, then one, first of the usual ones, then two."""
        as_read = (self.whole or self).right()
        if as_read.share == 1:
            return Identification(self.trace, as_read, (), (), self.tried)
        usual = self.candidates(rare=False)
        ranked = self.ranked(usual)
        found = self._explaining(ranked)
        if not found:
            known = {candidate.same for candidate in usual}
            rare = self.ranked([candidate for candidate in self.candidates() if candidate.same not in known])
            found, ranked = self._explaining(rare), sorted((*ranked, *rare), key=_rank)
        better = [one for one in ranked[:KEPT] if one[0].share > as_read.share or one[0].mean < as_read.mean]
        pairs: list[tuple[Fit, Candidate]] = []
        for _, first in better if not found else ():
            here = self.ranked(self.candidates(first, rare=False))
            pairs += here[:KEPT]
            found = self._explaining(here)
            if found:
                break
        near = sorted((*ranked[:KEPT], *pairs), key=_rank)[:3]
        return Identification(
            self.trace, as_read, tuple(self._explained(found)),
            tuple(self._explanation(*one) for one in near if not found), self.tried,
        )  # fmt: skip

    def _explaining(self, ranked: Sequence[tuple[Fit, Candidate]]) -> list[tuple[Fit, Candidate]]:
        """Those that explain every given value of the whole run."""
        found = [one for one in ranked if one[0].share == 1]
        if found and self.whole is not None:
            found = [one for one in self.whole.ranked([c for _, c in found]) if one[0].share == 1]
        return found

    def _explained(self, found: Sequence[tuple[Fit, Candidate]]) -> Iterator[MistakeExplanation]:
        if not found:
            return
        first, others = found[0], found[1:]
        equal = tuple(candidate.mistakes for _, candidate in others)
        yield replace(self._explanation(*first), equal=equal, separates=self._separates([c for _, c in found]))

    def _explanation(self, fit: Fit, candidate: Candidate) -> MistakeExplanation:
        equations = tuple(
            ChangedEquation(scope, name, str(right), str(changes[name]))
            for scope, program in candidate.programs.items() if (changes := dict(program.changes))
            for name, right in program.own.rows.items() if name in changes
        )  # fmt: skip
        return MistakeExplanation(candidate.mistakes, fit, equations)

    def _separates(self, candidates: Sequence[Candidate]) -> str | None:
        """The first line in which candidates differ that agree on what is given."""
        if len(candidates) < 2:
            return None
        places = [(s.scope, line.name) for s in self.trace.stages for line in s.cell.lines if line.assigned]
        runs = [*MistakeRuns(self.trace, places).run(candidates[:KEPT])]
        for place in places:
            values = [one[place] for one in runs]
            spread = 1e-6 * (1 + np.nanmax(np.abs(values[0]), initial=0))
            if any(np.nan_to_num(np.abs(v - values[0]), nan=np.inf).max(initial=0) > spread for v in values[1:]):
                return "/".join(place)
        return None


def _rank(one: tuple[Fit, Candidate]) -> tuple[float, float]:
    """The best first; those that explain everything in the order of the table."""
    return -one[0].share, one[0].mean if one[0].share < 1 else 0


def tolerances(run: Array, rounded: Array, values: Array, printed: Array | float = 0.0) -> Array:
    """By how much a right value may differ from our float64 run.

    run, rounded: ours in float64, and in the dtype of the given values; where these are larger by some factor, so may
    their rounding be. printed: half a unit of the last printed digit.
    """
    eps = np.finfo(rounded.dtype).eps
    own = float(np.nanmax(np.abs(run - rounded.astype(np.float64)), initial=0)) + eps
    largest = [max(1.0, float(np.nanmax(np.abs(v), initial=0))) for v in (run, values)]
    return np.broadcast_to(MARGIN * own * max(1.0, largest[1] / largest[0]) + printed, run.shape)


def identify(trace: Trace, given: Mapping[Place, Given]) -> Identification:
    """What explains given values of a run.

    Args:
        trace: the right run, in float64, with every line.
        given: the other program's values by scope and line; the line `output` is what a stage passes on.
    """
    whole = Search(trace, given)
    sequences, steps = _searched(trace)
    part = between(rows(trace, slice(sequences)), range(trace.first, trace.first + steps))
    some = {place: Given(*(v[:steps, :sequences] for v in vars(one).values())) for place, one in given.items()}
    some = {place: one for place, one in some.items() if not np.isnan(one.values).all()}
    if (sequences, steps) == (trace.batch, trace.steps) or not some or Search(part, some).right().share == 1:
        return whole.run()
    sizes = {"sequences": sequences, "batch": trace.batch, "steps": steps, "of": trace.steps}
    found = Search(part, some, whole).run()
    return replace(found, trace=trace, remarks=() if found.right else (Remark("identify.limited", sizes),))


def _searched(trace: Trace) -> tuple[int, int]:
    """How many of the first sequences and steps are searched: all, unless that would take minutes."""
    weights = sum(v.size for own in trace.parameters.values() for v in own.values())
    sequences = min(trace.batch, max(LEAST[0], MOST_PRODUCTS // (weights * trace.steps)))
    if any(stage.backwards for stage in trace.stages):  # it begins with the last step
        return sequences, trace.steps
    return sequences, min(trace.steps, max(LEAST[1], MOST_PRODUCTS // (weights * sequences)))


def identify_values(trace: Trace, values: Any, atol: float | None = None) -> Identification:
    """What explains the values that another program computed over the input of a run.

    Args:
        trace: the model's own run.
        values: a file, an array, or arrays by name, as for `given_values`; float64 in which every value is one of
            float32 was computed so.
        atol: by how much a right value may differ; None: what the rounding of their dtype and printed digits explains.

    Raises:
        FileError: if the values do not fit the run.
        OptionError: if lines of the run are held, or no value is a number.
    """
    if trace.header.arithmetic or any(holds(trace)):
        raise OptionError("identify searches what the equations compute: leave hold and arithmetic out")
    own = in_arithmetic(trace, None)
    if absent := [line.name for s in own.stages for line in s.cell.lines if line.name not in own.lines[s.scope]]:
        raise OptionError(f"identify needs every line: run the model without ask; not computed: {some(absent, 5)}")
    read = given_values(values, own)
    with np.errstate(over="ignore"):
        single = all(np.array_equal(v, v.astype(np.float32), equal_nan=True) for v in read.values.values())
    rounded = rerun(replace(own, header=replace(own.header, dtype="float32"))) if single else own
    last = own.stages[-1]
    given: dict[Place, Given] = {}
    for (scope, name), found in read.values.items():
        both = own.lines[scope][name], rounded.lines[scope][name]
        off = tolerances(*both, np.where(np.isfinite(found), found, 0), read.rounding[scope, name])
        one = Given(np.where(read.given[scope, name], found, np.nan), off if atol is None else np.full_like(off, atol))
        given[scope, OUTPUT if (scope, name) == (last.scope, last.cell.output) else name] = one
    if not any(np.isfinite(one.values).any() for one in given.values()):
        raise OptionError("none of the values is a number: there is nothing to explain")
    result = identify(own, given)
    return replace(result, remarks=(*read.notes, *result.remarks))
