"""Why a line of another program differs: the mistakes of the table with which its values follow from its own operands.

The candidates run as for `identify`, but a line that the other program gave has the values that it gave as soon as it
is computed. So whatever reads it, in this step or in the next one, reads the other program's operands and not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Scope, Stage, counted_at_padding, forward_stages, scope_and_name
from ..trace.derived import GATHERED
from ..trace.trace import Trace
from ..trace.window import between
from ..verification.alignment import in_both, padding
from ..verification.compare import Comparison
from ..verification.measures import first_index
from ..verification.propagation import Known, apart
from ..verification.rederive import Rederivation, known_of
from .identify import ChangedEquation, places_of
from .programs import Mistake, RewrittenCell, program_of
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: A mistake may be off by so many times what rounding explains by the right equation: its terms may be larger.
MARGIN = 4
#: A mistake is named only if unrelated values would agree with one of those that are tried less often than this.
CHANCE = 1e-3
#: Words that change every step alike, as most equations do: a few steps show whether they explain anything.
AT_ONCE = frozenset({"numbers", "in place", "weights of", "weights read", "weights stored", "carried", "reads"})


@dataclass(frozen=True)
class Cause:
    """What explains the first line that differs.

    line: its address, or that of the named line to which it belongs. found: mistakes that explain it equally well, the
    plainest first. equations: those that the first of them changes. part: the steps, sequences and units in which alone it
    was made, None for all. rest:
    whether values of the line differ for another reason as well.
    """

    line: str
    found: tuple[PlacedMistake, ...]
    equations: tuple[ChangedEquation, ...]
    part: tuple[tuple[int, ...] | None, ...]
    rest: bool


def cause(found: Comparison) -> Cause | None:
    """The cause of the first difference of a comparison; None if no mistake of the table explains it, if premises
    differ, if b's own equation is known, or if its value is held.
    """
    first = found.first
    if (
        first is None
        or first.op == GATHERED
        or first.equations
        or found.of_premises
        or found.first_held
        or found.shapes
    ):
        return None
    search = _CauseSearch(*found.sides)
    if first.scope not in search.stages or not search.complete:
        return None
    lines = [*search.stages[first.scope].cell.by_name]
    behind = [(first.scope, name) for name in lines[lines.index(first.line) :] if name in search.common[first.scope]]
    place = next((place for place in behind if search.given[place].wrong.any()), None)
    # that all values are 0 is no evidence of any mistake
    return search.explained(place) if place and search.given[place].values.any() else None


class _GivenLine(NamedTuple):
    """A line that b gave: its values, those that a's equation gives for b's operands, how far from these right ones may
    be, and how far wrong ones from those with the mistake; infinite where they do not count.
    """

    values: Array
    right: Array
    limit: Array
    near: Array

    @property
    def wrong(self) -> Array:
        """Where the values do not follow by a's equation."""
        return apart(Known(self.values), Known(self.right)).each > self.limit

    def agrees(self, one: Array, other: Array) -> Array:
        """Where two values are the same, but for rounding."""
        if one.shape != other.shape:
            return np.zeros(self.values.shape, bool)
        return apart(Known(one), Known(other)).each <= self.near

    def chance(self, there: Array) -> float:
        """How often unrelated values would be b's in these places, if they are as far from the right ones as b's."""
        off = apart(Known(self.values), Known(self.right)).each[there]
        return float(np.exp(np.log(np.clip(2 * self.near[there] / off, 1e-99, 1)).sum()))


@dataclass(eq=False)
class _CauseSearch:
    """The mistakes with which b's lines follow from each other. a and b have the same premises and steps."""

    a: Trace
    b: Trace

    @cached_property
    def stages(self) -> Mapping[Scope, Stage]:
        """The stages by scope, without those of gradients."""
        return {stage.scope: stage for stage in forward_stages(self.a.stages)}

    @cached_property
    def common(self) -> Mapping[Scope, list[str]]:
        """The named lines that b gave."""
        both = in_both(self.a, self.b)
        return {s: [n for n in both.get(s, ()) if one.cell.by_name[n].assigned] for s, one in self.stages.items()}

    @cached_property
    def derived(self) -> Mapping[Scope, Mapping[str, Known]]:
        """Every line by a's equations from what b gave."""
        lines = Rederivation(self.a, self.b, self.common)
        return {scope: lines.lines(stage, slice(0, self.a.steps)) for scope, stage in self.stages.items()}

    @property
    def complete(self) -> bool:
        """Whether every line follows from the premises, and none is held."""
        return all(
            one.cell.plain is None and self.derived[s].keys() == one.cell.by_name.keys()
            for s, one in self.stages.items()
        )

    @cached_property
    def given(self) -> Mapping[Place, _GivenLine]:
        """What b gave."""
        outside, used, found = padding(self.a, self.b), counted_at_padding(self.a.stages), {}
        for scope, name in ((scope, name) for scope, names in self.common.items() for name in names):
            known, right = known_of(self.b, scope, name), self.derived[scope][name]
            assert known is not None
            limit = np.nan_to_num(right.limit, nan=0.0, posinf=0.0) + known.limit
            limit = limit if outside is None or name in used[scope] else np.where(outside, np.inf, limit)
            near = MARGIN * limit + np.max(known.limit)  # what was printed of larger operands leaves more open
            found[scope, name] = _GivenLine(*np.broadcast_arrays(known.wide, right.wide, limit, near))
        return found

    @cached_property
    def trace(self) -> Trace:
        """b with every line."""
        every = (self.a.steps, self.a.batch)
        lines = {s: {n: self.given[s, n].values if n in self.common[s] else np.broadcast_to(v.value, (*every, v.value.shape[-1]))
                     for n, v in here.items()} for s, here in self.derived.items()}  # fmt: skip
        return replace(self.a, stages=tuple(self.stages.values()), lines=lines)

    def runs(
        self, wanted: Sequence[Place], candidates: Sequence[Candidate], at: slice
    ) -> Iterator[Mapping[Place, Array]]:
        """The wanted lines at some steps, with b's operands."""
        trace = between(self.trace, self.a.span[at])
        return MistakeRuns(trace, wanted, {p: line.values[at] for p, line in self.given.items()}).run(candidates)

    def candidates(self, place: Place) -> Iterator[Candidate]:
        """Every mistake that may change a line: in its own equation, in what a state becomes, in lines that were not
        given, and in what earlier stages pass on.
        """
        runs, behind = MistakeRuns(self.trace, ()), {place[0]}
        for scope, stage in reversed(self.stages.items()):
            if scope not in behind:
                continue
            behind |= {scope_and_name(source)[0] for source in stage.sources.values()}
            program, given = program_of(stage.cell), self.common[scope]
            passed = scope != place[0] and stage.cell.output in given
            names = tuple(name for name in program.rows if name not in given or (scope, name) == place)
            for mistake in _mistakes(program, names).values():
                words = mistake.program.words
                if not words or ((words[0][0] == "outputs" or not passed) and runs.applies(stage, *words[0])):
                    yield Candidate({scope: mistake.program}, (PlacedMistake("", mistake),))

    def explained(self, place: Place) -> Cause | None:
        """What explains a line that is wrong somewhere."""
        line, candidates, every = self.given[place], [*self.candidates(place)], slice(0, self.a.steps)
        t, row, _ = first_index(self.stages[place[0]], line.wrong) or (0, 0, 0)
        near = slice(max(t - 1, 0), min(t + 2, self.a.steps))
        alone = [c for c in candidates if AT_ONCE.issuperset(w for p in c.programs.values() for w, _ in p.words)]
        at_first = _GivenLine(*(values[t, row] for values in line))
        failing = {
            candidate.same for candidate, values in zip(alone, self.runs([place], alone, near), strict=True)
            if not (at_first.agrees(values[place][t - near.start, row], at_first.values) | ~at_first.wrong).all()
        }  # fmt: skip
        candidates = [candidate for candidate in candidates if candidate.same not in failing]
        fits: list[tuple[int, Candidate, Array]] = []
        for candidate, values in zip(candidates, self.runs([place], candidates, every), strict=True):
            good = line.agrees(values[place], line.values)
            whole = (good | ~line.wrong).all(axis=2, keepdims=True)  # of a step and sequence
            if whole[t, row] and line.chance(line.wrong & whole) * len(candidates) < CHANCE:
                fits.append((0 if good.all() else 1 if whole.all() else 2, candidate, line.wrong & whole))
        fits = [fit for fit in fits if fit[0] == min(partly for partly, *_ in fits)]
        scores = [*self.scores([candidate for _, candidate, _ in fits])]
        best = [fit for fit, score in zip(fits, scores, strict=True) if score == min(scores)]
        best = [*{fit[1].mistakes[0].mistake.row.key: fit for fit in best[::-1]}.values()][::-1]  # one of each row
        if not best:
            return None
        partly, candidate, there = best[0]
        part = tuple(_part(self.a, there, np.isfinite(line.limit))) if partly else (None, None, None)
        ((scope, program),) = candidate.programs.items()
        equations = tuple(ChangedEquation(scope, n, str(program.own.rows[n]), str(r)) for n, r in program.changes)
        return Cause("/".join(place), tuple(self.placed(fit[1]) for fit in best), equations, part, partly > 1)

    def scores(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
        """Of each candidate, how many lines it makes wrong, and, as a negative number, how many wrong ones it explains."""
        for values in self.runs([*self.given], candidates, slice(0, self.a.steps)):
            missed = explained = 0
            for place, line in self.given.items():
                if (
                    values[place] is line.values or line.agrees(values[place], line.right).all()
                ):  # not run, or as before
                    continue
                good, wrong = line.agrees(values[place], line.values), line.wrong
                whole = bool(wrong.any() and (good | ~wrong).all())
                explained, missed = explained + whole, missed + (not whole and not good.all())
            yield missed, -explained

    def placed(self, candidate: Candidate) -> PlacedMistake:
        """The mistake of a candidate with its place: other stages of the same cell may have it as well."""
        ((scope, program),) = candidate.programs.items()
        scopes = [s for s, stage in self.stages.items() if stage.cell == self.stages[scope].cell]
        scores = self.scores([Candidate({s: program}) for s in scopes])
        there = {s for s, (missed, explained) in zip(scopes, scores, strict=True) if explained and not missed} | {scope}
        place = next((text for places, text in places_of([*self.stages]).items() if there == {*places}), f"{scope}/")
        return PlacedMistake(place, candidate.mistakes[0].mistake)


@lru_cache(maxsize=64)
def _mistakes(program: RewrittenCell, names: tuple[str, ...]) -> Mapping[str, Mistake]:
    return program.mistakes_in(names)


def _part(a: Trace, there: Array, counts: Array) -> Iterator[tuple[int, ...] | None]:
    """The steps, sequences and units of some values; None for all that count."""
    for axis, first in enumerate((a.first, 0, 0)):
        some, every = (mask.any(axis=tuple({0, 1, 2} - {axis})) for mask in (there, counts))
        yield None if some[every].all() else tuple(first + int(k) for k in np.flatnonzero(some))
