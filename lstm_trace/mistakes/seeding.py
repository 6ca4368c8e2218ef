"""A run with a mistake in it: a trace like any other, whose equations and premises are the wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.network import GIVEN, VALID, Scope, Stage, X, restrict, scope_and_name
from ..engine.run import rerun
from ..errors import OptionError, ShapeError, nearest, some, within
from ..trace.printed import slashed
from ..trace.trace import Header, Trace
from .programs import LATE_SUFFIX, OUTPUT, Mistake, RewrittenCell, program_of, row_mistakes
from .table import ROWS
from .trials import Candidate, MistakeRuns, Place, PlacedMistake, late_width
from .words import WORDS, StagePremises

#: A key with its place: `order:f,i`, `1/order:f,i`, `above/…`, `reverse/…`, `1/reverse/…`.
_PLACE = re.compile(r"((?:\d{1,9}|above)/)?((?:forward|reverse|joined)/)?(.*)", re.DOTALL)
#: So much of a text that is no key is repeated in a message.
MOST_SAID = 80
#: What a mistake changes that is neither an equation nor a premise, by the field of `StagePremises` that says it.
_UNSAID = {
    "arithmetic": "computes the lines in another way; for other number formats there is --arithmetic",
    "carried": "changes the states between two steps",
    "skips": "leaves out a step",
    "window": "begins again from the initial states after some steps",
    "across": "goes through the sequences as if they were steps",
    "chained": "begins each sequence where the one before it ended",
    "in_place": "reads units of the state that were computed in the same step",
}

#: The names that a stage reads, by the part of a trace that has their values.
_READS: Mapping[str, Callable[[Stage], Iterable[str]]] = {
    "parameters": lambda stage: stage.parameters,
    "initial": lambda stage: stage.states,
    "given": lambda stage: stage.inputs,
}


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
    with within(" and ".join(mistakes)):
        new = _with_premises(trace, candidate)
        asked = [trace.locate(text, every=True) for text in ask]
        wanted = [
            (s.scope, a.line) for a in asked for s in new.stages
            if s.has(a.line) and a.layer in (None, s.layer) and a.direction in (None, s.direction)
        ]  # fmt: skip
        stages = restrict(new.stages, wanted, carried=new.steps > 1) if asked else new.stages
        if asked and all(stage.direction == "forward" for stage in stages):  # as in a run without a mistake
            new = new.at(steps=slice(0, 1 + max(new.steps - 1 if a.t is None else a.t for a in asked)))
            stages = restrict(stages, wanted, carried=new.steps > 1)
        header = replace(new.header, mistakes=tuple(mistakes), agreement=())
        if asked:
            header = replace(header, ask=tuple(slashed(trace, text, every=True) for text in ask))
        if any(program.changes for program in candidate.programs.values()):
            header = replace(header, kind="equations", options={})
        try:
            return rerun(_as_run(new, stages, header))
        except ShapeError as error:
            what = error.problems[0].partition(". ")[0].splitlines()[0]
            raise OptionError(f"the sizes of this model do not allow it: {what}") from None


def candidate_of(trace: Trace, mistakes: Sequence[str]) -> Candidate:
    """The network with mistakes, one added to the other. Raises OptionError if one of them is none, or not of it."""
    programs: dict[Scope, RewrittenCell] = {}
    placed: list[PlacedMistake] = []
    trials = MistakeRuns(trace, ())
    for text in mistakes:
        if not (parts := _PLACE.fullmatch(text)):
            raise OptionError("mistake: expected a key such as exchange:f,i")
        layer, direction, key = parts[1] or "", parts[2] or "", parts[3]
        there = [s for s in trace.stages if not s.is_adjoint and direction in ("", f"{s.direction}/")
                 and (layer in ("", f"{s.layer}/") or (layer == "above/" and s.layer))]  # fmt: skip
        if not there:
            raise OptionError(
                f"mistake {text[:MOST_SAID]!r}: there is no such place; there are {some(trace.scopes, 8)}"
            )
        found: dict[Scope, Mistake] = {}
        for stage in there:
            program = programs.get(stage.scope) or program_of(stage.cell)
            made = _mistake(key, program)
            if made and (made.program.words == program.words or trials.applies(stage, *made.program.words[-1])):
                found[stage.scope] = made
        if not found:
            raise OptionError(_unknown(text, key, [program_of(stage.cell) for stage in there]))
        programs |= {scope: made.program for scope, made in found.items()}
        placed.append(PlacedMistake(f"{layer}{direction}", next(iter(found.values()))))
    return Candidate(programs, tuple(placed))


def _mistake(key: str, program: RewrittenCell) -> Mistake | None:
    """The mistake of a program with a key; `exchange:f,i` is that of `exchange:i_t,f_t`, if it is the only one."""

    def plain(text: str) -> list[str]:
        return sorted(part.removesuffix("_t") for part in re.split("[:,]", text))

    row = ROWS.get(key.partition(":")[0])
    found = [*row_mistakes(row, program)] if row else []
    exact = [one for one in found if one.key == key] or [one for one in found if plain(one.key) == plain(key)]
    return exact[0] if len({one.program for one in exact}) == 1 else None


def _unknown(text: str, key: str, programs: Iterable[RewrittenCell]) -> str:
    """What is said of a key that no stage has."""
    known = dict.fromkeys(one for program in programs for one in program.mistakes)
    begin, where = f"mistake {text[:MOST_SAID]!r}", "`lstm-trace mistakes MODEL` lists those that there are"
    if key in known:
        return f"{begin} changes nothing in this network; {where}"
    row = key.partition(":")[0]
    if row in ROWS:
        same = [one for one in known if one.partition(":")[0] == row]
        close = nearest(key[:MOST_SAID], same) if ":" in key else ""
        there = f"here there are {some(same, 4)}" if same else f"{row} does not fit these equations"
        return f"{begin}: no mistake of this cell{close}; {there}; {where}"
    return f"{begin}: there is no such mistake{nearest(row[:MOST_SAID], ROWS)}; {where}"


def _with_premises(trace: Trace, candidate: Candidate) -> Trace:
    """The trace with the equations and premises of a candidate; its lines are not computed yet."""
    runs = MistakeRuns(trace, [(stage.scope, OUTPUT) for stage in trace.stages])
    every = {scope: _said(one, candidate.programs.get(scope)) for scope, one in runs.premises.items()}
    read = {source for one in every.values() for source in one.sources.values()}
    for stage in trace.stages:
        if every[stage.scope].outputs and f"{stage.scope}/{stage.cell.output}" not in read:
            raise OptionError("it changes what is passed on after the last line, and a trace ends there")
    moved = any(one.inputs or one.outputs or one.flipped for one in every.values())
    trace, sources = _with_inputs(trace, every, next(runs.run([candidate])) if moved else {})
    cells = {scope: program.rewritten() for scope, program in candidate.programs.items()}
    outputs = {f"{s.scope}/{s.cell.output}": f"{s.scope}/{cells.get(s.scope, s.cell).output}" for s in trace.stages}
    stages: list[Stage] = []
    initial, parameters = dict[Scope, dict[str, Array]](), dict[Scope, dict[str, Array]]()
    for stage in trace.stages:
        scope, cell, one = stage.scope, cells.get(stage.scope, stage.cell), every[stage.scope]
        here = {name: outputs.get(source, source) for name, source in sources[scope].items()}
        stages.append(replace(stage, cell=cell, sources=here, computed=None))
        late = [state.removesuffix(LATE_SUFFIX) for state in cell.states if state.endswith(LATE_SUFFIX)]
        earlier = {f"{name}{LATE_SUFFIX}": np.zeros((trace.batch, late_width(trace, scope, name))) for name in late}
        # what a state becomes was the state itself before the first step
        earlier |= {f"{line}{LATE_SUFFIX}": one.initial[s] for s, line in stage.cell.carry if s in one.initial}
        initial[scope] = {**earlier, **one.initial}
        weights = trace.parameters.get(scope, {})
        parameters[scope] = {n: np.reshape(v, weights[n].shape) for n, v in one.parameters.items()}
    return replace(trace, stages=tuple(stages), initial=initial, parameters=parameters, lines={}, memory=None)


def _with_inputs(
    trace: Trace, every: Mapping[Scope, StagePremises], passed: Mapping[Place, Array]
) -> tuple[Trace, dict[Scope, dict[str, str]]]:
    """The trace with the x, mask and supplied lines of a candidate, and the sources of each stage.

    passed: what each stage passes on, if any stage is given other values.
    """
    sources = {scope: {**one.sources} for scope, one in every.items()}
    given = {scope: {**here} for scope, here in trace.given.items()}
    shared: dict[str, dict[Place, Array]] = {X: {}, VALID: {}}  # what stages read as x, and as the mask
    for scope, one in every.items():
        for name, source in one.sources.items():
            before, _ = scope_and_name(source)
            values, changes = {X: trace.x, VALID: trace.valid}.get(source), one.changes(source)
            if before in every and (changes or every[before].outputs):
                sources[scope][name], values = GIVEN, passed[before, OUTPUT]
            elif source == GIVEN:
                values = given.get(scope, {}).get(name)
            for change in changes if values is not None else ():
                values = change(values)
            if values is not None and source in shared:
                shared[source][scope, name] = values
            elif values is not None:
                given.setdefault(scope, {})[name] = values
    x, valid = (_common(shared[source]) for source in (X, VALID))
    for (scope, name), values in shared[X].items() if x is None else ():
        sources[scope][name] = GIVEN
        given.setdefault(scope, {})[name] = values
    if shared[VALID]:
        if valid is None:
            raise OptionError("it gives layers or directions different lengths, and a trace has the same for all")
        if not np.array_equal(valid, trace.valid):
            trace = replace(trace, mask=valid[:, :, 0] > 0, lengths=None)
    return replace(trace, x=x, given=given), sources


def _said(one: StagePremises, program: RewrittenCell | None) -> StagePremises:
    """The premises of a stage with the words of its program. Raises OptionError if a trace cannot have them."""
    found = one
    for word, given in program.words if program else ():
        found = WORDS[word](found, given) or found
    for name, what in _UNSAID.items():
        if getattr(found, name) != getattr(one, name):
            raise OptionError(f"it {what}, which neither the equations nor the premises of a trace can say")
    if found.flipped != found.turned:
        raise OptionError("it takes the steps in the other order; a model has the option direction for that")
    return found


def _common(read: Mapping[Any, Array]) -> Array | None:
    """The values that all stages read; None if they differ."""
    first, *others = read.values() or (None,)
    return first if first is not None and all(np.array_equal(first, one) for one in others) else None


def _as_run(trace: Trace, stages: Sequence[Stage], header: Header) -> Trace:
    """The trace with some of its stages, and the premises that these read."""
    parts: dict[str, Any] = {part: {} for part in _READS}
    for part, reads in _READS.items():
        for stage in stages:
            there, names = getattr(trace, part).get(stage.scope, {}), reads(stage)
            parts[part] |= {stage.scope: found} if (found := {n: there[n] for n in names if n in there}) else {}
    reads_x = any(stage.sources[name] == X for stage in stages for name in stage.inputs)
    return replace(trace, stages=tuple(stages), header=header, x=trace.x if reads_x else None, **parts)
