"""Why a line of another program differs: the mistakes of the table with which its values follow from its own operands.

The candidates run as for `identify`, but a line that the other program gave has the values that it gave as soon as it
is computed. So whatever reads it, in this step or in the next one, reads the other program's operands and not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Scope, Stage, counted_at_padding, forward_stages, scope_and_name
from ..trace.derived import GATHERED
from ..trace.trace import Trace
from ..trace.window import between
from ..verification.alignment import padding
from ..verification.compare import Comparison
from ..verification.measures import first_index
from ..verification.propagation import sizes_apart
from .identify import ChangedEquation, places_of
from .programs import mistakes_in, program_of
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: A mistake may be off by so many times what rounding explains by the right equation: its terms may be larger.
MARGIN = 4
#: A mistake is named only if unrelated values would agree with one of those that are tried less often than this.
CHANCE = 1e-3
#: So many values of lines are looked at; of a longer run, the steps from the first difference on.
MOST = 2**19
#: Words that change every step alike, as most equations do: a few steps show whether they explain anything.
AT_ONCE = frozenset({"numbers", "in place", "weights of", "weights read", "weights stored", "carried", "reads"})


@dataclass(frozen=True)
class Cause:
    """What explains the first line that differs.

    line: its address, or that of the named line to which it belongs. found: mistakes that explain it equally well, the
    plainest first. equations: those that the first of them changes. part: the steps, sequences and units in which alone
    it was made, None for all. rest: whether values of the line differ for another reason as well.
    """

    line: str
    found: tuple[PlacedMistake, ...]
    equations: tuple[ChangedEquation, ...]
    part: tuple[tuple[int, ...] | None, ...]
    rest: bool


def cause(found: Comparison) -> Cause | None:
    """The cause of the first difference of a comparison.

    None if no mistake of the table explains it, if premises differ or the value is held, if b's own equation is known,
    or if a has not every line.
    """
    first, search = found.first, _CauseSearch(found)
    known = found.of_premises or found.shapes or found.first_held or (first is not None and first.equations)
    if first is None or known or first.op == GATHERED or first.scope not in search.stages or not search.complete:
        return None
    names = [*search.stages[first.scope].cell.by_name]
    places = ((first.scope, name) for name in names[names.index(first.line) :])
    place = next((one for one in places if one in search.given and search.given[one].wrong.any()), None)
    # that all values are 0 is no evidence of any mistake, nor are some that follow from what was not given
    told = search.explained(place) if place and search.given[place].values.any() else None
    return None if told and told.rest and first.through else told


class _GivenLine(NamedTuple):
    """A line that b gave: its values, those that a's equation gives for b's operands, and how far apart the two may be,
    infinite where they do not count.
    """

    values: Array
    right: Array
    limit: Array

    @property
    def wrong(self) -> Array:
        """Where the values do not follow by a's equation."""
        return sizes_apart(self.values, self.right) > self.limit

    def agrees(self, one: Array, other: Array) -> Array:
        """Where two values are the same but for rounding."""
        same = one.shape == other.shape
        return sizes_apart(one, other) <= MARGIN * self.limit if same else np.zeros(self.values.shape, bool)

    def chance(self, there: Array) -> float:
        """How often unrelated values would be b's in these places, if they are as far from the right ones as b's."""
        off = sizes_apart(self.values, self.right)[there]
        return float(np.exp(np.log(np.clip(2 * MARGIN * self.limit[there] / off, 1e-99, 1)).sum()))


@dataclass(eq=False)
class _CauseSearch:
    """The mistakes with which b's lines follow from each other."""

    comparison: Comparison

    @cached_property
    def stages(self) -> dict[Scope, Stage]:
        """The stages by scope, without those of gradients."""
        return {stage.scope: stage for stage in forward_stages(self.comparison.sides[0].stages)}

    @property
    def complete(self) -> bool:
        """Whether a has every line, and holds none."""
        lines = self.comparison.sides[0].lines
        each = ((stage.cell, lines.get(scope, {})) for scope, stage in self.stages.items())
        return all(cell.plain is None and here.keys() >= cell.by_name.keys() for cell, here in each)

    @cached_property
    def steps(self) -> slice:
        """The steps that are looked at: all, unless they are many."""
        (a, _), first = self.comparison.sides, self.comparison.first
        count = max(3, MOST // sum(v[:1].size for here in a.lines.values() for v in here.values()))
        t = 0 if first is None or first.first is None or first.first.t is None else a.index(first.first.t)
        if first is not None and self.stages[first.scope].backwards:
            stop = a.steps if t >= a.steps - count else t + 2
            return slice(max(0, stop - count), stop)
        start = 0 if t < count else t - 1
        return slice(start, min(start + count, a.steps))

    @cached_property
    def trace(self) -> Trace:
        """b with every line; those that it did not give are a's, and are computed anew where it matters."""
        a, b = self.comparison.sides
        lines = {s: {**a.lines[s], **{n: b.lines[s][n] for scope, n in self.places if s == scope}} for s in self.stages}
        return between(replace(a, stages=tuple(self.stages.values()), lines=lines), a.span[self.steps])

    @cached_property
    def places(self) -> list[Place]:
        """The named lines that b gave."""
        lines, both = self.comparison.sides[1].lines, [(d.scope, d.line) for d in self.comparison.lines]
        cells = {scope: stage.cell for scope, stage in self.stages.items()}
        return [(s, n) for s, n in both if s in cells and n in lines[s] and cells[s].by_name[n].assigned]

    @cached_property
    def values(self) -> Mapping[Place, Array]:
        """What b gave."""
        return {(s, n): self.trace.lines[s][n] for s, n in self.places}

    @cached_property
    def given(self) -> Mapping[Place, _GivenLine]:
        """The same, with what follows from it without a mistake."""
        a, b = self.comparison.sides
        outside, used = padding(a, b), counted_at_padding(a.stages)
        outside = None if outside is None else outside[self.steps]
        none = Candidate({scope: program_of(stage.cell) for scope, stage in self.stages.items()})
        right, bounds = next(self.runs([none])), {(d.scope, d.line): d.bound for d in self.comparison.lines}
        found = {}
        for place, values in self.values.items():
            dropped = np.zeros(1) if outside is None or place[1] in used[place[0]] else outside
            limit = np.where(dropped, np.inf, np.nan_to_num(bounds[place], nan=0.0, posinf=0.0))
            found[place] = _GivenLine(values, right[place], np.broadcast_to(limit, values.shape))
        return found

    def runs(
        self, candidates: Sequence[Candidate], wanted: Sequence[Place] = (), at: slice = slice(None)
    ) -> Iterator[Mapping[Place, Array]]:
        """The wanted lines, or all that were given, at some steps and with b's operands."""
        given = {place: values[at] for place, values in self.values.items()}
        return MistakeRuns(between(self.trace, self.trace.span[at]), wanted or [*given], given).run(candidates)

    def candidates(self, place: Place) -> Iterator[Candidate]:
        """Every mistake that may change a line: in its own equation, in what a state becomes, in lines that were not
        given, and in what earlier stages pass on.
        """
        runs, behind = MistakeRuns(self.trace, ()), {place[0]}
        for scope, stage in reversed(self.stages.items()):
            if scope not in behind:
                continue
            behind |= {scope_and_name(source)[0] for source in stage.sources.values()}
            program, passed = program_of(stage.cell), scope != place[0] and (scope, stage.cell.output) in self.values
            names = tuple(name for name in program.rows if (scope, name) not in self.values or (scope, name) == place)
            for mistake in mistakes_in(program, names).values():
                words = mistake.program.words
                if not words or ((words[0][0] == "outputs" or not passed) and runs.applies(stage, *words[0])):
                    yield Candidate({scope: mistake.program}, (PlacedMistake("", mistake),))

    def explained(self, place: Place) -> Cause | None:
        """What explains a line that is wrong somewhere."""
        line, candidates, wrong = self.given[place], [*self.candidates(place)], self.given[place].wrong
        t, row, _ = first_index(self.stages[place[0]], wrong) or (0, 0, 0)
        near, here = slice(max(t - 1, 0), t + 2), _GivenLine(*(values[t, row] for values in line))
        alone = [c for c in candidates if AT_ONCE.issuperset(w for p in c.programs.values() for w, _ in p.words)]
        failing = {
            candidate.same for candidate, values in zip(alone, self.runs(alone, [place], near), strict=True)
            if not (here.agrees(values[place][t - near.start, row], here.values) | ~here.wrong).all()
        }  # fmt: skip
        candidates = [candidate for candidate in candidates if candidate.same not in failing]
        fits: list[tuple[int, Candidate, Array]] = []
        for candidate, values in zip(candidates, self.runs(candidates, [place]), strict=True):
            good = line.agrees(values[place], line.values)
            whole = (good | ~wrong).all(axis=2, keepdims=True)  # of a step and sequence
            if whole[t, row] and line.chance(wrong & whole) * len(candidates) < CHANCE:
                fits.append((0 if good.all() else 1 if whole.all() else 2, candidate, wrong & whole))
        fits = [fit for fit in fits if fit[0] == min(partly for partly, *_ in fits)]
        scores = [*self.scores([candidate for _, candidate, _ in fits])]
        best = [fit for fit, score in zip(fits, scores, strict=True) if score == min(scores)]
        best = [*{fit[1].mistakes[0].mistake.row.key: fit for fit in best[::-1]}.values()][::-1]  # one of each row
        if not best:
            return None
        (partly, candidate, there), counts = best[0], np.isfinite(line.limit)
        part: list[tuple[int, ...] | None] = []
        for axis, first in enumerate((self.trace.first, 0, 0)):
            some, every = (mask.any(axis=tuple({0, 1, 2} - {axis})) for mask in (there, counts))
            part.append(
                tuple(first + int(k) for k in np.flatnonzero(some)) if partly and not some[every].all() else None
            )
        ((scope, program),) = candidate.programs.items()
        equations = tuple(ChangedEquation(scope, n, str(program.own.rows[n]), str(r)) for n, r in program.changes)
        return Cause("/".join(place), tuple(self.placed(fit[1]) for fit in best), equations, tuple(part), partly > 1)

    def scores(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
        """Of each candidate, how many lines it makes wrong, and, negative, how many wrong ones it explains."""
        for values in self.runs(candidates):
            missed = explained = 0
            for place, line in self.given.items():
                if values[place] is line.values or line.agrees(values[place], line.right).all():  # not run, or the same
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
