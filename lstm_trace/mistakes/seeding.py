"""A model with mistakes in it: as a trace like any other, whose equations and premises are the wrong ones; and what
each mistake of the table does to the output for one input, with those that this input cannot show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import GIVEN, VALID, Scope, Stage, X, forward_stages, scope_and_name
from ..engine.inputs import RunInputs
from ..engine.memory import Pool, Weights
from ..engine.request import EVERYTHING, ModelSpec, lay_out, requested
from ..engine.run import RunJob, rerun
from ..errors import LstmTraceError, OptionError, ShapeError, nearest, require_known, some, within
from ..trace.held import plain_stage
from ..trace.printed import slashed
from ..trace.trace import Trace
from .identify import Search, changed_equations, is_at, tolerances, whole_run
from .on_purpose import model_cell, read_states, replaced, same_cell, seeded_symbols
from .programs import LATE_SUFFIX, LATER, OUTPUT, RENAMINGS, becomes, program_of
from .table import ROWS
from .transforms import changed
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: So much of a text that is no key is repeated in a message.
MOST_SAID = 80
#: What a mistake changes that is neither an equation nor a premise, by the field of `StagePremises` that says it.
_UNSAID = {
    "arithmetic": "computes the lines in another way; for other number formats there is --arithmetic",
    "carried": "carries on other states than those that a step computes",
    "order": "takes the steps or the sequences in another order; for the steps a model has the option direction",
    "in_place": "reads units of the state that were computed in the same step",
}
#: A problem that might show more: its steps, by how much its x is larger, and the seed of its other numbers.
STEPS, LARGE, SEED = 3, 100, 1


# -- a trace with mistakes ---------------------------------------------------------------------------------------------


def seeded(trace: Trace, mistakes: Sequence[str], ask: Sequence[str] = ()) -> Trace:
    """Run a network again with mistakes in it.

    Args:
        trace: the right run, with the premises of every line that the mistakes touch.
        mistakes: keys of the table (docs/mistakes.md), with their places.
        ask: the requested lines; all lines if empty.

    Returns:
        The trace, whose header names the mistakes. Its equations are the rewritten ones and its premises the changed
        ones, so that it is verified like any other; a stage that is given changed values has them as supplied lines.

    Raises:
        OptionError: if there is no such mistake, or if neither equations nor premises can say it.
        LstmTraceError: if the sizes of the model do not allow it.
    """
    candidate = candidate_of(trace, mistakes)
    asked = tuple(slashed(trace, text, every=True) for text in ask)
    header = replace(trace.header, mistakes=tuple(mistakes), agreement=(), ask=asked or trace.header.ask)
    if changed := changed_equations(candidate):
        symbols = {**seeded_symbols(changed, header.symbols), **header.symbols}
        header = replace(header, kind="equations", options={}, notation=None, symbols=symbols)
        programs = {s.scope: candidate.programs.get(s.scope, program_of(s.cell)) for s in forward_stages(trace.stages)}
        told = {scope: replaced(program, read_states(candidate)) for scope, program in programs.items()}
        header = replace(header, replaced={scope: rows for scope, rows in told.items() if rows})
    with within(" and ".join(mistakes)):
        fed, stages, weights = _premises(trace, candidate)
        spec = ModelSpec(lambda *_: stages, weights, True, {}, header.count_from)
        try:
            work = lay_out(requested(fed, asked, EVERYTHING), spec)
            found = rerun(RunJob(work, header, weights, Pool(), fed).premises({}))
        except ShapeError as error:
            what = error.problems[0].partition(". ")[0].splitlines()[0]
            raise OptionError(f"the sizes of this model do not allow it: {what}") from None
        for old, new in zip(forward_stages(trace.stages), forward_stages(found.stages), strict=True):
            both = [t.lines.get(s.scope, {}).get(s.cell.output) for t, s in ((trace, old), (found, new))]
            wide = [values.shape[-1] for values in both if values is not None]
            if len({*wide}) > 1:
                said = f"{old.scope} passes on {wide[0]} values at a step, and would pass on {wide[1]}"
                raise OptionError(f"the sizes of this model do not allow it: {said}")
        return found


def candidate_of(trace: Trace, mistakes: Sequence[str], applied: bool = False) -> Candidate:
    """The network with mistakes, one added to the other. applied: whether the values of the trace have them already.

    Raises OptionError if one of them is none, or not of it.
    """
    runs = MistakeRuns(trace, ())
    stages = forward_stages(trace.stages)
    programs = {stage.scope: program_of(stage.cell) for stage in stages}
    placed: list[PlacedMistake] = []
    for text in mistakes:
        start, colon, value = text.partition(":")
        place, slash, name = start.rpartition("/")
        row, place = ROWS.get(name), f"{place}{slash}" if place not in ("", "everywhere") else ""
        # the phrases of words have dashes for their spaces
        value = re.sub(r"\s+", "-" if row and row.word and row.word not in RENAMINGS else "", value.strip())
        key = f"{name}{colon}{value}"
        there = [stage for stage in stages if is_at(stage.scope, place)]
        if name.startswith("order") and there:  # one that only exchanges two is named by these
            gates = programs[there[0].scope].own.gates
            moved = [gate for gate, other in zip(gates, value, strict=False) if gate != other]
            key = f"{name}:{','.join(moved)}" if sorted(value) == sorted(gates) and len(moved) == 2 else key
        every = {stage.scope: programs[stage.scope].made([row] if row else []) for stage in there}
        known = dict.fromkeys(one for made in every.values() for one in made)
        same = [one for one in known if one == key] or [one for one in known if _plain(one) == _plain(key)]
        same = same or [one for one in known if {*_plain(key)} <= {*_plain(one)}]  # clip-of-cell:0.5, if there is one
        found = {
            stage.scope: made for stage in there if len(same) == 1 and (made := every[stage.scope].get(same[0]))
            and (applied or made.program.words == programs[stage.scope].words
                 or runs.applies(stage, *made.program.words[-1]))
        }  # fmt: skip
        if not found:
            why = (
                f"there is no such place; there are {some(trace.scopes, 8)}" if not there
                else "there is no such mistake" if row is None
                else f"{name} does not fit these equations" if not known
                else "it changes nothing in this network" if len(same) == 1
                else f"it may be {some(same, 8)}: write one of these" if same
                else f"no mistake of this cell; here there are {some([*known], 4)}"
            )  # fmt: skip
            near = nearest(*((name[:MOST_SAID], ROWS) if row is None else (key[:MOST_SAID], known)))
            why += " (`lstm-trace mistakes MODEL` lists those that there are)" + (near if there and not same else "")
            raise OptionError(f"mistake {text[:MOST_SAID]!r}: {why}")
        programs |= {scope: made.program for scope, made in found.items()}
        placed.append(PlacedMistake(place, next(iter(found.values()))))
    return Candidate({s: p for s, p in programs.items() if p.changes or p.words}, tuple(placed))


def _plain(key: str) -> list[str]:
    """`exchange:f,i` is `exchange:i_t,f_t`, if there is no other, and 1.0 is 1."""
    parts = (part.removesuffix("_t") for part in re.split("[:,]", key))
    return sorted(f"{float(part):.16g}" if re.fullmatch(r"-?\d+\.?\d*", part) else part for part in parts)


def _premises(trace: Trace, candidate: Candidate) -> tuple[RunInputs, tuple[Stage, ...], Weights]:
    """The inputs, stages and weights of a run with mistakes. Raises OptionError if a trace cannot have them."""
    runs, programs = MistakeRuns(trace, [(stage.scope, OUTPUT) for stage in trace.stages]), candidate.programs
    words = {scope: programs[scope].words if scope in programs else () for scope in runs.stages}
    every = {scope: runs.premises_with(scope, own) for scope, own in words.items()}
    unsaid = [what for one in every.values() for name, what in _UNSAID.items() if getattr(one, name)]
    if unsaid:
        raise OptionError(f"neither the equations nor the premises of a trace can say that it {unsaid[0]}")
    sources = {source for one in every.values() for source in one.sources.values()}
    if any(one.outputs and f"{s}/{one.stage.cell.output}" not in sources for s, one in every.items()):
        raise OptionError("it changes what is passed on after the last line, and a trace ends there")
    named = read_states(candidate)
    cells = {s: programs.get(s, program_of(one.stage.cell)).rewritten(named) for s, one in every.items()}
    wired = replace(trace, stages=tuple(replace(one.stage, sources=one.sources) for one in every.values()))
    read: dict[Place, tuple[str, Any]] = {}
    for scope, one in every.items():
        for name, source in one.sources.items():
            before, line = scope_and_name(source)
            values, changes = wired.operand(scope, name), one.changes(source)
            if before in every and (changes or every[before].outputs):
                source, values = GIVEN, next(runs.run([candidate]))[before, OUTPUT]
            elif before in every and line == every[before].stage.cell.output:
                source = f"{before}/{cells[before].output}"
            read[scope, name] = source, changed(values, changes)
    x, valid = (_common([v for source, v in read.values() if source == kind]) for kind in (X, VALID))
    if x is None:
        read |= {place: (GIVEN, v) for place, (source, v) in read.items() if source == X}
    lengths, mask = trace.lengths, trace.mask
    if any(one.lengths and VALID in one.sources.values() for one in every.values()):
        if valid is None:
            raise OptionError("it gives layers or directions different lengths, and a trace has the same for all")
        lengths, mask = None, valid[:, :, 0] > 0
    stages, initial, weights = [], dict[str, dict[Scope, Array]](), dict[Scope, dict[str, Array]]()
    for scope, one in every.items():
        new = {name: read[scope, name][0] for name in one.sources}
        new |= {LATER: GIVEN} if LATER in cells[scope].inputs else {}
        stages.append(replace(one.stage, cell=cells[scope], sources=new, computed=None))
        # what a state becomes was the state itself before the first step
        carried = becomes(one.stage.cell).items()
        late = {f"{line}{LATE_SUFFIX}": one.initial[state] for line, state in carried if state in one.initial}
        for state, values in (*one.initial.items(), *late.items()):
            initial.setdefault(state, {})[scope] = values
        weights[scope] = {n: np.reshape(v, trace.parameters[scope][n].shape) for n, v in one.parameters.items()}
    given = {s: {n: v for (at, n), (source, v) in read.items() if at == s and source == GIVEN} for s in every}
    for stage in stages:
        if LATER in stage.cell.inputs:
            order = slice(None, None, -1 if stage.backwards else 1)
            before = np.cumsum(trace.valid[order], axis=0)[order] - trace.valid
            given[stage.scope][LATER] = (before > 0).astype(np.float64)
    fed = RunInputs(trace.steps, trace.batch, trace.header.batched, x, lengths, mask, initial, given)
    return replace(fed, step_labels=trace.header.step_labels), tuple(stages), weights


def _common(read: Sequence[Array]) -> Array | None:
    """The values that all stages read; None if they differ."""
    return read[0] if read and all(np.array_equal(read[0], one) for one in read) else None


def mistakes_of(trace: Trace) -> tuple[Candidate, Trace] | None:
    """The mistakes that a trace has on purpose, and the trace with the model's own equations.

    None if that cannot be told: the header of another program may say something that its equations do not.
    """
    wrong = [plain_stage(stage) for stage in forward_stages(trace.stages)]
    try:
        right = [replace(s, cell=model_cell(s.cell, trace.header.replaced.get(s.scope, {}))) for s in wrong]
        own = replace(trace, stages=tuple(right))
        candidate = candidate_of(own, trace.header.mistakes, applied=True)
        programs = {one.scope: candidate.programs.get(one.scope, program_of(one.cell)) for one in right}
        alike = all(same_cell(programs[s.scope].rewritten(read_states(candidate)), s.cell) for s in wrong)
    except (LstmTraceError, SyntaxError):
        return None
    return (candidate, own) if alike else None


# -- what each does to an output ---------------------------------------------------------------------------------------


class MistakeEffect(NamedTuple):
    """A mistake and how far it moves the output; infinite if an output is not a finite number.

    same: the first mistake that gives the same output, or None if this is the first. hidden: whether the output is the
    right one, within rounding.
    """

    placed: PlacedMistake
    moved: float
    same: PlacedMistake | None
    hidden: bool


@dataclass(frozen=True)
class MistakeEffects:
    """The mistakes that apply to a model and an input.

    tolerance: up to this the output counts as the right one. remedies: what would show hidden mistakes (`steps`,
    `states`, `biases`, `weights`, `values`, `sequences`), and how many, most first.
    """

    effects: tuple[MistakeEffect, ...]
    tolerance: float
    remedies: Mapping[str, int]

    @property
    def hidden(self) -> tuple[MistakeEffect, ...]:
        """Those that leave no trace in the output."""
        return tuple(one for one in self.effects if one.hidden)


def effects(trace: Trace, rows: Sequence[str] = (), place: str | None = None) -> MistakeEffects:
    """Run every mistake that applies to a model, one at a time.

    Args:
        trace: the right run, with every line.
        rows: rows of the table; all if empty.
        place: the only place: `everywhere`, a layer (`1`), `above`, a direction or a stage (`1/reverse`); all if None.

    Raises:
        OptionError: if there is no such row or place, or if the trace has only some of the lines.
    """
    for row in rows:
        require_known("kind of mistake", row[:40], ROWS, otherwise="")
    right = whole_run(trace, "mistakes")
    search, scopes = Search(right, {}), right.scopes
    at = search.places.get(tuple(s for s in scopes if place == "everywhere" or (place and is_at(s, place))))
    if place is not None and at is None:
        there = some([text.rstrip("/") or "everywhere" for text in search.places.values()], 20)
        raise OptionError(f"there is no place {place[:40]!r}; there are {there}")
    candidates = [
        one for one in search.candidates() for placed in one.mistakes
        if placed.mistake.row.key in (rows or ROWS) and at in (None, placed.place)
    ]  # fmt: skip
    own = trace.output if trace.header.arithmetic is None else right.output
    tolerance = float(tolerances(right.output, own, own).max())
    found = [*_moved(right, candidates)]
    # those with the same mark are neighbours in their order
    order = sorted(range(len(found)), key=lambda k: found[k][2][0])
    apart = (bool((np.abs(found[a][2] - found[b][2]) > tolerance).any()) for a, b in pairwise(order))
    group, first = dict(zip(order, accumulate(apart, initial=0), strict=False)), dict[int, PlacedMistake]()
    every = []
    for k, (one, moved, _) in enumerate(found):
        same = first.setdefault(group[k], placed := one.mistakes[0])
        every.append(MistakeEffect(placed, moved, None if same is placed else same, moved <= tolerance))
    hidden = [candidate for candidate, moved, _ in found if moved <= tolerance]
    runs = _richer(right) if hidden else ()
    counts = Counter({name: sum(moved > tolerance for _, moved, _ in _moved(other, hidden)) for name, other in runs})
    return MistakeEffects(tuple(every), tolerance, dict(one for one in counts.most_common() if one[1]))


def _moved(trace: Trace, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, float, Array]]:
    """Each candidate that the sizes allow, how far it moves the outputs, and a mark, the same for the same outputs:
    random sums of the changes.
    """
    read = {source for stage in trace.stages for source in stage.sources.values()}
    ends = [(s.scope, OUTPUT) for s in trace.stages if f"{s.scope}/{s.cell.output}" not in read]
    runs = MistakeRuns(trace, ends)
    size = sum(runs.right(end).size for end in ends)
    sums = np.random.default_rng(SEED).normal(size=(3, size)) / np.sqrt(size)
    for candidate, found in zip(candidates, runs.run(candidates), strict=True):
        both = [(found[end], runs.right(end)) for end in ends]
        if all(a.shape == b.shape and not np.isnan(a).all() for a, b in both):
            with np.errstate(invalid="ignore"):
                off = np.nan_to_num(np.concatenate([(a - b).ravel() for a, b in both]), nan=np.inf)
            yield candidate, float(np.abs(off).max(initial=0)), sums @ np.clip(off, -1e100, 1e100)


def _richer(trace: Trace) -> Iterator[tuple[str, Trace]]:
    """Runs of the same model with what this one does not have: several steps, states, biases, sequences."""
    drawn = partial(np.random.default_rng(SEED).uniform, -1, 1)
    for name, part, begin in (("states", "initial", ""), ("biases", "parameters", "b"), ("weights", "parameters", "W")):
        own: Mapping[str, Mapping[str, Array]] = getattr(trace, part)
        every = [(n, v) for here in own.values() for n, v in here.items() if n.startswith(begin)]
        if zero := {n for n, v in every if not (v.all() if name == "weights" else v.any())}:
            changed = {s: {n: drawn(v.shape) if n in zero else v for n, v in here.items()} for s, here in own.items()}
            yield name, rerun(trace, **{part: changed})
    if trace.x is not None:
        yield "values", rerun(trace, x=LARGE * trace.x)
    if trace.x is None or trace.given or trace.padded:
        return
    if trace.steps == 1:
        x = np.concatenate([trace.x, drawn((STEPS - 1, *trace.x.shape[1:]))])
        yield "steps", rerun(replace(trace, x=x, steps=STEPS, header=replace(trace.header, step_labels=())))
    if trace.batch == 1:
        initial = {s: {n: np.repeat(v, 2, axis=0) for n, v in here.items()} for s, here in trace.initial.items()}
        yield "sequences", rerun(trace, x=np.concatenate([trace.x, drawn(trace.x.shape)], axis=1), initial=initial)
