"""Why a line of another program differs: the mistakes of the table with which its values follow from its own operands.

The candidates run as for `identify`, but a line that the other program gave has the values that it gave as soon as it
is computed. So whatever reads it, in this step or in the next one, reads the other program's operands and not ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Scope, Stage, counted_at_padding, forward_stages, scope_and_name
from ..trace.derived import GATHERED
from ..trace.window import between
from ..verification.alignment import padding
from ..verification.compare import Comparison
from ..verification.measures import LineDifference, first_index
from ..verification.propagation import sizes_apart
from .identify import ORDER, ChangedEquation, Given, Search, chance, changed_equations
from .programs import CARRY, OUTPUT, RewrittenCell, program_of
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: A mistake may be off by so many times what rounding explains by the right equation: its terms may be larger.
MARGIN = 4
#: A mistake is named only if unrelated values would agree with one of those that are tried less often than this.
CHANCE = 1e-3
#: So many values of lines are looked at; of a longer run, the steps from the first difference on.
MOST = 2**19
#: Words that change every step alike, as most equations do: a few steps show whether they explain anything.
AT_ONCE = frozenset({"numbers", "in place", "weights of", "weights read", "weights stored", "carried", "reads"})


class _Fit(NamedTuple):
    """How well a mistake explains a line: the fewer left the better. there: where it was made; against: where not."""

    partly: int
    left: int
    candidate: Candidate
    there: Array
    against: Array


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

    None if no mistake of the table explains it, if premises differ or the value is held or not finite, if b's own
    equation is known, or if a has not every line.
    """
    first, known = found.first, found.of_premises or found.shapes or found.first_held
    if first is None or first.equations or first.op == GATHERED or known:
        return None
    if first.first_values is None or not np.isfinite(first.first_values).all():
        return None
    stages = {stage.scope: stage for stage in forward_stages(found.sides[0].stages)}
    cells = [(stage.cell, found.sides[0].lines.get(scope, {})) for scope, stage in stages.items()]
    held = any(cell.plain is not None or not there.keys() >= cell.by_name.keys() for cell, there in cells)
    told = None if held or first.scope not in stages else _explained(found, first, _search(found, first, stages))
    return None if told and told.rest and first.through else told


def _search(found: Comparison, first: LineDifference, stages: Mapping[Scope, Stage]) -> Search:
    """The mistakes of a, to be found in the named lines that b gave. Whatever reads a line reads b's value; those that
    b did not give are a's, and are computed anew where it matters.
    """
    a, b = found.sides
    bounds = {(d.scope, d.line): np.nan_to_num(d.bound, nan=0.0, posinf=0.0) for d in found.lines if d.scope in stages}
    places = [(s, n) for s, n in bounds if n in b.lines[s] and stages[s].cell.by_name[n].assigned]
    lines = {s: {**a.lines[s], **{n: b.lines[s][n] for scope, n in places if s == scope}} for s in stages}
    count = max(3, MOST // sum(v[:1].size for here in a.lines.values() for v in here.values()))
    t = 0 if first.first is None or first.first.t is None else a.index(first.first.t)
    start = max(0, min(t + 2 - count if stages[first.scope].backwards else t - 1, a.steps - count))
    steps = slice(start, min(start + count, a.steps))
    trace = between(replace(a, stages=tuple(stages.values()), lines=lines), a.span[steps])
    outside, used, given = padding(a, b), counted_at_padding(a.stages), dict[Place, Given]()
    for scope, name in places:
        values = trace.lines[scope][name]
        dropped = ~np.isfinite(values)  # says nothing of the equation
        for where in (None if name in used[scope] else outside, found.absent.get((scope, name))):
            dropped |= False if where is None else where[steps]
        given[scope, name] = Given(values, np.where(dropped, np.inf, MARGIN * bounds[scope, name]))
    values = {place: one.values for place, one in given.items()}
    top = forward_stages(a.stages)[-1]
    if one := given.get((top.scope, top.cell.output)):  # what the network passes on is what was given of that line
        given[top.scope, OUTPUT] = one
    search = Search(trace, given)
    search.trials = MistakeRuns(trace, [*given], values)
    return search


def _agree(values: Array, given: Given, at: slice = slice(None)) -> Array:
    """Where values of a candidate are b's."""
    return sizes_apart(values, given.values[at]) <= given.tolerance[at]


def _explained(found: Comparison, first: LineDifference, search: Search) -> Cause | None:
    """What explains the first line that is wrong somewhere."""
    stages, given = search.trials.stages, search.given
    none = Candidate({scope: program_of(stage.cell) for scope, stage in stages.items()})
    off = {place: sizes_apart(given[place].values, right) for place, right in next(search.trials.run([none])).items()}
    wrongs = {place: off[place] > one.tolerance / MARGIN for place, one in given.items()}
    names = [*stages[first.scope].cell.by_name]
    places = ((first.scope, name) for name in names[names.index(first.line) :])
    place = next((one for one in places if one in given and wrongs[one].any()), None)
    if place is None or not given[place].values.any():  # that all values are 0 is no evidence of any mistake
        return None
    line, wrong = given[place], wrongs[place]

    behind = _behind(search, place, found.absent)

    def may(scope: Scope, program: RewrittenCell) -> bool:
        names = behind.get(scope, set())
        words = (word for word, _ in program.words if names - {OUTPUT} or (names and word.startswith(OUTPUT)))
        return any(words) or not names.isdisjoint(name for name, _ in program.changes)

    said = search.places
    search.places = {scopes: at for scopes, at in said.items() if not behind.keys().isdisjoint(scopes)}
    candidates = [one for one in search.candidates() if any(may(*item) for item in one.programs.items())]
    t, row, _ = first_index(stages[place[0]], wrong) or (0, 0, 0)
    near = slice(max(t - 1, 0), t + 2)
    alone = [c for c in candidates if AT_ONCE.issuperset(w for p in c.programs.values() for w, _ in p.words)]
    trace = between(search.trace, search.trace.span[near])
    runs = MistakeRuns(trace, [place], {p: one.values[near] for p, one in given.items()}).run(alone)
    first_row = ((_agree(v[place], line, near) | ~wrong[near])[t - near.start, row].all() for v in runs)
    failing = {candidate.same for candidate, good in zip(alone, first_row, strict=True) if not good}
    candidates = [candidate for candidate in candidates if candidate.same not in failing]

    def fits(tried: Sequence[Candidate]) -> Iterator[_Fit]:
        for candidate, lines in zip(tried, search.trials.run(tried), strict=True):
            right = _agree(lines[place], line)
            whole = (right | ~wrong).all(axis=2, keepdims=True)  # of a step and sequence
            there = wrong & whole
            if whole[t, row] and chance(line.tolerance[there], off[place][there]) * len(candidates) < CHANCE:
                partly = 0 if right.all() else 1 if whole.all() else 2
                # the lines that are wrong with the mistake, or are so without it and not explained by it
                left = sum(not (_agree(v, given[p]) | (wrongs[p].any() & ~wrongs[p])).all() for p, v in lines.items())
                yield _Fit(partly, left, candidate, there, ~wrong & ~right)

    fitting = [*fits(candidates)]
    fitting += fits([
        replace(one.candidate, programs={scope: one.candidate.programs[scope] for scope in scopes})
        for one in fitting if one.candidate.mistakes[0].mistake.row.everywhere
        for scopes in said if one.candidate.programs.keys() > {*scopes}
    ])  # fmt: skip
    best = [fit for fit in fitting if fit[:2] == min(fit[:2] for fit in fitting)]
    rows = {fit.candidate.mistakes[0].mistake.row.key: fit for fit in best[::-1]}
    best = [rows[key] for key in ORDER if key in rows]  # one of each row
    if not best:
        return None
    partly, _, candidate, there, against = best[0]
    part: list[tuple[int, ...] | None] = [None] * 3
    for axis, begin in ((2, 0), (1, 0), (0, search.trace.first)):
        others = tuple({0, 1, 2} - {axis})
        made, missing = there.any(axis=others), against.any(axis=others)
        if (missing & ~made).any():  # where it would show, and was not made
            part[axis] = tuple(begin + int(k) for k in np.flatnonzero(made))
            against = against & np.expand_dims(made, others)
    each = ((tuple(fit.candidate.programs), *fit.candidate.mistakes[0]) for fit in best)
    told = tuple(PlacedMistake(said.get(scopes, at), mistake) for scopes, at, mistake in each)
    return Cause("/".join(place), told, changed_equations(candidate), tuple(part), partly > 1)


def _behind(search: Search, place: Place, absent: Collection[Place]) -> Mapping[Scope, set[str]]:
    """The equations that a line follows from, by stage: its own, and those of values before it that b did not give.

    absent: the lines of which b gave only some values.
    """
    rows = {scope: program_of(stage.cell).rows for scope, stage in search.trials.stages.items()}
    waiting, found = [place], dict[Scope, set[str]]()
    while waiting:
        scope, name = waiting.pop()
        found.setdefault(scope, set()).add(name)
        stage = search.trials.stages[scope]
        for read in rows[scope][name].names():
            source = scope_and_name(stage.sources.get(read, ""))[0]
            before = (source, OUTPUT) if source else (scope, f"{CARRY}{read}" if read in stage.cell.states else read)
            known = (before in search.given and before not in absent) or before[1] in found.get(before[0], ())
            waiting += [before] * (not known and before[1] in rows.get(before[0], ()))
    return found
