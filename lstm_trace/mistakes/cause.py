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
from ..cell.network import Scope, counted_at_padding, forward_stages, scope_and_name
from ..trace.trace import Trace
from ..verification.alignment import in_both, padding, way
from ..verification.measures import LineDifference, first_index
from ..verification.propagation import Known, apart
from ..verification.rederive import Rederivation, known_of
from ..trace.window import between
from .identify import ChangedEquation, places_of
from .programs import CARRY, OUTPUT, program_of
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: How many times the rounding bound of the right equation a mistake may be off: its own operands may be larger.
MARGIN = 4
#: A mistake is named only if unrelated values would agree with one of those that are tried less often than this.
CHANCE = 1e-3
#: Words that change each step alike, as equations do: a few steps show whether they explain anything.
AT_ONCE = frozenset({"numbers", "in place", "weights of", "weights read", "weights stored", "carried", "reads"})


class Part(NamedTuple):
    """Where alone a mistake was made: steps, sequences and units; None where it is in all of them."""

    steps: tuple[int, ...] | None
    rows: tuple[int, ...] | None
    units: tuple[int, ...] | None


@dataclass(frozen=True)
class Cause:
    """What explains the first line that differs.

    found: mistakes that explain it equally well, the plainest first. equations: those that the first of them changes.
    part: where it was made, if not everywhere. rest: whether values of the line differ for another reason as well.
    """

    found: tuple[PlacedMistake, ...]
    equations: tuple[ChangedEquation, ...]
    part: Part | None
    rest: bool


class _GivenLine(NamedTuple):
    """A line that b gave: its values, what they are by a's equation, how far right ones may differ, where they count,
    and where they are wrong.
    """

    values: Array
    right: Array
    limit: Array
    counts: Array
    wrong: Array

    def explained(self, values: Array) -> Array:
        """Where other values are those of b."""
        if values.shape != self.values.shape:
            return np.zeros(self.values.shape, bool)
        return apart(Known(values), Known(self.values)).each <= MARGIN * self.limit

    def at(self, t: int, row: int) -> _GivenLine:
        """The values of one step and sequence."""
        return _GivenLine(*(values[t, row] for values in self))

    def chance(self, there: Array) -> float:
        """How often unrelated values would be b's at these places, if they are as far from the right ones as b's."""
        off = apart(Known(self.values), Known(self.right)).each[there]
        return float(np.exp(np.log(np.clip(2 * MARGIN * self.limit[there] / off, 1e-99, 1)).sum()))


@dataclass(eq=False)
class _CauseSearch:
    """b's lines, and the mistakes with which they follow from each other. a and b have the same premises and steps."""

    a: Trace
    b: Trace

    @cached_property
    def common(self) -> Mapping[Scope, list[str]]:
        """The named lines that b gave."""
        both = in_both(self.a, self.b)
        return {s.scope: [n for n in both[s.scope] if s.cell.by_name[n].assigned] for s in forward_stages(self.a.stages)}

    @cached_property
    def derived(self) -> Mapping[Scope, Mapping[str, Known]]:
        """Every line by a's equations from what b gave."""
        lines = Rederivation(self.a, self.b, self.common)
        return {stage.scope: lines.lines(stage, slice(0, self.a.steps)) for stage in forward_stages(self.a.stages)}

    @cached_property
    def given(self) -> Mapping[Place, _GivenLine]:
        """What b gave, by stage and line."""
        outside, used = padding(self.a, self.b), counted_at_padding(self.a.stages)
        found = {}
        for place in ((scope, name) for scope, names in self.common.items() for name in names):
            known, right = known_of(self.b, *place), self.derived[place[0]][place[1]]
            assert known is not None
            shape = known.value.shape
            limit = np.broadcast_to(np.nan_to_num(right.limit, nan=0.0, posinf=0.0) + known.limit, shape)
            counts = np.ones(shape, bool)
            if outside is not None and place[1] not in used[place[0]]:
                counts &= ~outside
            wide = np.broadcast_to(right.wide, shape)
            wrong = counts & (apart(Known(wide), known).each > limit)
            found[place] = _GivenLine(known.wide, wide, limit, counts, wrong)
        return found

    @cached_property
    def trace(self) -> Trace:
        """b as a run in float64 that has every line."""
        lines = {scope: {n: np.broadcast_to(v.wide, (self.a.steps, self.a.batch, v.value.shape[-1]))
                         for n, v in here.items()} for scope, here in self.derived.items()}  # fmt: skip
        lines = {s: {**here, **{n: self.given[s, n].values for n in self.common[s]}} for s, here in lines.items()}
        exact = {
            part: {s: {n: np.asarray(v, np.float64) for n, v in here.items()} for s, here in getattr(self.a, part).items()}
            for part in ("parameters", "initial", "given")
        }
        x = None if self.a.x is None else np.asarray(self.a.x, np.float64)
        return replace(self.a, stages=tuple(forward_stages(self.a.stages)), x=x, lines=lines, **exact)

    def runs(
        self, wanted: Sequence[Place], candidates: Sequence[Candidate], steps: range | None = None
    ) -> Iterator[Mapping[Place, Array]]:
        """The wanted lines at some steps, or all, with b's operands."""
        trace = self.trace if steps is None else between(self.trace, steps)
        at = slice(trace.first - self.a.first, trace.first - self.a.first + trace.steps)
        return MistakeRuns(trace, wanted, {p: line.values[at] for p, line in self.given.items()}).run(candidates)

    def behind(self, scope: Scope, line: str) -> dict[Place, None]:
        """The equations by which a line follows from what b gave."""
        stage, found = self.a.stage(scope), dict[Place, None]()
        for name in way(stage.cell, line, self.common[scope]):
            found[scope, CARRY + name.removesuffix(" <-") if name.endswith(" <-") else name] = None
            for read in stage.cell.by_name[name].reads if name in stage.cell.by_name else ():
                before, there = scope_and_name(stage.sources.get(read, ""))
                if before in self.common:
                    found[before, OUTPUT] = None
                    found |= {} if there in self.common[before] else self.behind(before, there)
        return found

    def candidates(self, place: Place) -> Iterator[Candidate]:
        """Every mistake that may change a line; of the stages before only what they pass on, if it was given."""
        behind, stages = self.behind(*place), MistakeRuns(self.trace, ())
        for scope in dict.fromkeys(scope for scope, _ in behind):
            stage = self.a.stage(scope)
            program = program_of(stage.cell)
            passed = scope != place[0] and stage.cell.output in self.common[scope]
            for mistake in program.mistakes_in([n for s, n in behind if s == scope and n in program.rows]).values():
                word = mistake.program.words
                if not word or (word[0][0] == "outputs" or not passed) and stages.applies(stage, *word[0]):
                    yield Candidate({scope: mistake.program}, (PlacedMistake("", mistake),))

    def placed(self, candidate: Candidate) -> PlacedMistake:
        """The mistake of a candidate with its place: it is looked for in the other stages of the same cell."""
        ((scope, program),) = candidate.programs.items()
        scopes = [s for s in self.common if self.a.stage(s).cell == self.a.stage(scope).cell]
        scores = self.score([Candidate({s: program}) for s in scopes])
        there = {s for s, (missed, explained) in zip(scopes, scores, strict=True) if explained and not missed} | {scope}
        place = places_of([s for s in self.common if self.common[s]])
        found = next((text for places, text in place.items() if there == {*places}), f"{scope}/")
        return PlacedMistake(found, candidate.mistakes[0].mistake)

    def score(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
        """Of each candidate, how many lines it changes where they are right, and how many wrong ones it explains."""
        for values in self.runs([*self.given], candidates):
            missed = explained = 0
            for place, line in self.given.items():
                good = line.explained(values[place]) | ~line.counts
                if values[place].shape == line.right.shape and not (
                    apart(Known(values[place]), Known(line.right)).each > MARGIN * line.limit
                )[line.counts].any():
                    continue
                explained += (whole := bool(line.wrong.any() and (good | ~line.wrong).all()))
                missed += not whole and not good.all()
            yield missed, -explained


def cause(a: Trace, b: Trace, first: LineDifference) -> Cause | None:
    """The cause of the first difference; None if no mistake of the table explains it.

    Args:
        a: the reference.
        b: values of another program from the same premises, at the same steps.
        first: the first line of a in which they differ.
    """
    search = _CauseSearch(a, b)
    cell, scope = a.stage(first.scope).cell, first.scope
    lines = [*cell.by_name][[*cell.by_name].index(first.line) :]
    places = [(scope, name) for name in lines if name in search.common[scope] and search.given[scope, name].wrong.any()]
    if not places:
        return None
    line, candidates = search.given[places[0]], [*search.candidates(places[0])]
    t, row, _ = first_index(a.stage(scope), line.wrong) or (0, 0, 0)
    near = range(a.first + max(t - 1, 0), a.first + min(t + 2, a.steps))
    alone = [c for c in candidates if AT_ONCE.issuperset(w for p in c.programs.values() for w, _ in p.words)]
    failing = {
        candidate.same for candidate, values in zip(alone, search.runs(places[:1], alone, near), strict=True)
        if not line.at(t, row).explained(values[places[0]][t - near.start + a.first][row]).all()
    }
    candidates = [candidate for candidate in candidates if candidate.same not in failing]
    fits = []
    for candidate, values in zip(candidates, search.runs(places[:1], candidates), strict=True):
        good = line.explained(values[places[0]])
        cells = (good | ~line.wrong).all(axis=2)
        if cells[t, row] and line.chance(line.wrong & cells[:, :, None]) * len(candidates) < CHANCE:
            fits.append((not cells.all(), candidate, good, cells))
    fits = [fit for fit in fits if not fit[0]] or fits
    if not fits:
        return None
    scores = [*search.score([candidate for _, candidate, *_ in fits])]
    best = [fit for fit, score in zip(fits, scores, strict=True) if score == min(scores)]
    rest, candidate, good, cells = best[0]
    part = None if good[line.counts].all() else _part(a, line, line.wrong & cells[:, :, None])
    ((changed, program),) = candidate.programs.items()
    equations = tuple(ChangedEquation(changed, n, str(program.own.rows[n]), str(r)) for n, r in program.changes)
    return Cause(tuple(search.placed(fit[1]) for fit in best), equations, part, rest)


def _part(a: Trace, line: _GivenLine, there: Array) -> Part | None:
    """Where values are, if not at all steps, in all sequences and units that count."""
    found = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        some, every = there.any(axis=others), line.counts.any(axis=others)
        first = a.first if axis == 0 else 0
        found.append(None if some[every].all() else tuple(first + int(k) for k in np.flatnonzero(some)))
    return Part(*found) if found != [None] * 3 else None
