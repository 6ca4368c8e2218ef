"""What a network computes with mistakes in it, for hundreds of candidates at once.

A stage runs once for all candidates: every line is computed for all of them as one batch, and where the equation of
some is another, that equation alone is computed again for these. A stage that nothing has changed yet is not run at
all, and candidates that agree up to a stage share its results. tests/mistakes/test_trials.py compares this with
ordinary runs of the rewritten cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, by_key
from ..cell.lines import Cell, Line
from ..cell.network import VALID, Scope, Stage, X, scope_and_name
from ..cell.ops import OPS
from ..trace.grids import as_read
from ..trace.trace import Trace
from .programs import CARRY, LATE_SUFFIX, ONE, OUTPUT, Mistake, RewrittenCell, becomes, equation_lines, program_of
from .transforms import changed
from .words import WORDS, StagePremises

Values = Mapping[str, Array]
Place = tuple[Scope, str]
#: At most this many numbers are kept of one stage; more candidates are run in several batches.
MOST_NUMBERS = 2**25
#: Weights that more candidates share are one array for them; those of others are stacked.
FEW = 8
#: What precedes the name of a line that has a given value, for the value that was computed.
COMPUTED = "computed "


class PlacedMistake(NamedTuple):
    """A mistake and its place.

    place: empty for everywhere, `1/`, `above/` (the layers above the first), `reverse/`, or `1/reverse/`.
    """

    place: str
    mistake: Mistake

    def __str__(self) -> str:
        return f"{self.place}{self.mistake.key}"


@dataclass(frozen=True)
class Candidate:
    """A network with mistakes: the programs of the stages that have one."""

    programs: Mapping[Scope, RewrittenCell]
    mistakes: tuple[PlacedMistake, ...] = ()

    @cached_property
    def same(self) -> frozenset[tuple[Scope, RewrittenCell]]:
        """What it computes: candidates with equal ones are the same."""
        return frozenset(self.programs.items())


class _Node(NamedTuple):
    """A stage as some candidates compute it: its program, and the nodes that it reads; None reads the right run."""

    scope: Scope
    program: RewrittenCell
    reads: tuple[_Node | None, ...]


@dataclass(eq=False)
class MistakeRuns:
    """The right run of a network, and what it computes with mistakes.

    trace: a run in float64 that has every line. wanted: the lines that are kept, by stage; `output` is what the stage
    passes on, whatever a candidate says that it is. given: values of lines that take the place of those computed, for
    all that reads them; what was computed is kept.
    """

    trace: Trace
    wanted: Sequence[Place]
    given: Mapping[Place, Array] = field(default_factory=dict)
    _results: dict[_Node, Values] = field(default_factory=dict)
    _misfits: set[_Node | None] = field(default_factory=set)
    _given: dict[tuple[Scope, tuple[tuple[str, str], ...]], StagePremises] = field(default_factory=dict)

    @cached_property
    def stages(self) -> Mapping[Scope, Stage]:
        """The stages by scope, in order of computation."""
        return {stage.scope: stage for stage in self.trace.stages}

    @cached_property
    def premises(self) -> Mapping[Scope, StagePremises]:
        """What each stage is given."""
        trace = self.trace
        weights = {s.scope: as_read(s, trace.parameters.get(s.owner, {})) for s in trace.stages}
        return {
            scope: StagePremises(stage, weights[scope], trace.initial.get(scope, {}), trace, stage.sources)
            for scope, stage in self.stages.items()
        }

    def premises_with(self, scope: Scope, words: tuple[tuple[str, str], ...]) -> StagePremises:
        """What a stage is given after some words; a word that does not apply changes nothing."""
        if not words:
            return self.premises[scope]
        if (scope, words) not in self._given:
            found = self.premises_with(scope, words[:-1])
            word, given = words[-1]
            self._given[scope, words] = WORDS[word](found, given) or found
        return self._given[scope, words]

    def applies(self, stage: Stage, word: str, given: str) -> bool:
        """Whether a word changes anything in a stage."""
        own, found = self.premises[stage.scope], self.premises_with(stage.scope, ((word, given),))
        return found is not own and (found.parameters is own.parameters or _separable(stage.cell))

    def right(self, place: Place) -> Array:
        """The values of a line in the right run, (T, B, width); `carry h_prev` is what each step carries on."""
        scope, line = place
        cell = self.stages[scope].cell
        own = {OUTPUT: cell.output, **{f"{CARRY}{state}": value for state, value in cell.carry}}
        return self.trace.lines[scope][own.get(line, line)]

    def run(self, candidates: Sequence[Candidate]) -> Iterator[Mapping[Place, Array]]:
        """The wanted lines of each candidate, (T, B, width); all NaN if the sizes do not allow its equations."""
        numbers = sum(self.right((scope, name)).size for scope in self.stages for name in self._kept(scope))
        size = max(1, MOST_NUMBERS // max(1, numbers))
        for begin in range(0, len(candidates), size):
            yield from self._run(candidates[begin : begin + size])
            self._results.clear()
            self._misfits.clear()

    def _kept(self, scope: Scope) -> list[str]:
        """The lines of a stage that are wanted, or read by another stage."""
        names = [line for place, line in self.wanted if place == scope]
        return list(dict.fromkeys([*names, OUTPUT]))

    def _run(self, candidates: Sequence[Candidate]) -> Iterator[Mapping[Place, Array]]:
        nodes: list[dict[Scope, _Node | None]] = [{} for _ in candidates]
        for scope, stage in self.stages.items():
            for candidate, known in zip(candidates, nodes, strict=True):
                program = candidate.programs.get(scope) or program_of(stage.cell)
                sources = self.premises_with(scope, program.words).sources
                reads = tuple(known.get(scope_and_name(sources[name])[0]) for name in stage.cell.inputs)
                known[scope] = _Node(scope, program, reads) if scope in candidate.programs or any(reads) else None
            self._compute(stage, list(dict.fromkeys(node for here in nodes if (node := here[scope]))))
        for known in nodes:
            lines = {
                (scope, line): self._results[node][line] if (node := known[scope]) else self.right((scope, line))
                for scope, line in self.wanted
            }
            fits = self._misfits.isdisjoint(known.values())
            yield lines if fits else {place: np.full_like(self.right(place), np.nan) for place in lines}

    def _compute(self, stage: Stage, nodes: Sequence[_Node]) -> None:
        every = [self.premises_with(stage.scope, node.program.words) for node in nodes]
        shared = Counter(id(one.parameters) for one in every)
        groups: dict[Any, list[tuple[_Node, StagePremises, Values]]] = {}
        given = {name: values for (scope, name), values in self.given.items() if scope == stage.scope}
        for node, one in zip(nodes, every, strict=True):
            inputs = {name: self._input(node, one, name, k) for k, name in enumerate(stage.cell.inputs)}
            order = [into for into, _ in one.order]
            inputs |= {name: changed(values, order) for name, values in given.items()} if order else given
            weights = id(one.parameters) if shared[id(one.parameters)] > FEW else None
            alike = one.in_place, weights, *(values.shape[:2] for values in inputs.values())
            groups.setdefault(alike, []).append((node, one, inputs))
        for members in groups.values():
            read = {name: _stacked([inputs[name] for _, _, inputs in members]) for name in members[0][2]}
            batch = _Batch(stage, [node.program for node, _, _ in members], [one for _, one, _ in members], read)
            found = batch.run(self._kept(stage.scope))
            self._misfits.update(members[k][0] for k in batch.misfits)
            for k, (node, one, _) in enumerate(members):
                back = [change for _, change in one.order[::-1]]
                own = {name: changed(values[:, k], back) for name, values in found.items()}
                self._results[node] = {**own, OUTPUT: changed(own[OUTPUT], one.outputs)}

    def _input(self, node: _Node, premises: StagePremises, name: str, k: int) -> Array:
        """An input of a stage as one candidate reads it, (T, B, width), in the order of the stage's own steps."""
        source, read = premises.sources[name], node.reads[k]
        scope, line = scope_and_name(source)
        if read is not None:
            values = self._results[read][OUTPUT if line == self.stages[scope].cell.output else line]
        elif scope in self.stages:
            values = self.right((scope, line))
        else:
            given = self.trace.x if source == X else self.trace.operand(node.scope, name)
            assert given is not None, source
            values = given
        return changed(values, premises.changes(source))


def _stacked(each: Sequence[Array]) -> Array:
    """What each candidate reads, (T, R, B, width); once if it is the same array."""
    alike = all(values is each[0] for values in each)
    return each[0][:, None] if alike else np.stack(np.broadcast_arrays(*each), axis=1)


@dataclass(eq=False)
class _Batch:
    """A stage run for several programs at once; the arrays have an axis R of programs before that of sequences.

    misfits: the programs whose equations the sizes do not allow.
    """

    stage: Stage
    programs: Sequence[RewrittenCell]
    premises: Sequence[StagePremises]
    inputs: Mapping[str, Array]
    misfits: set[int] = field(default_factory=set)

    @cached_property
    def size(self) -> tuple[int, int, int]:
        """T, R and B."""
        network = self.premises[0].network
        steps = next((len(v) for v in self.inputs.values()), network.steps)
        return steps, len(self.programs), max((v.shape[2] for v in self.inputs.values()), default=network.batch)

    @cached_property
    def overrides(self) -> Mapping[str, Sequence[tuple[Sequence[Line], Array]]]:
        """For each equation, the lines of those that replace it, and the candidates for which they do."""
        rows = by_key((change, k) for k, program in enumerate(self.programs) for change in program.changes)
        made = ((name, equation_lines(self.stage.cell, right), here) for (name, right), here in rows.items())
        return by_key((name, (lines, np.array(here))) for name, lines, here in made if lines)

    @cached_property
    def late(self) -> Mapping[str, str]:
        """The states that carry a value of the step before, with what they carry."""
        names = {name for program in self.programs for name in program.reads}
        return {name: name.removesuffix(LATE_SUFFIX) for name in names if name.endswith(LATE_SUFFIX)}

    @cached_property
    def ends(self) -> Mapping[str, str]:
        """What is known at the end of a step: the output, and what is carried to the next one."""
        cell = self.stage.cell.expanded
        carried = {**dict(cell.carry), **self.late}
        return {OUTPUT: cell.output, **{CARRY + state: line for state, line in carried.items()}}

    @cached_property
    def initial(self) -> Values:
        """The initial states, (R, B, width); what is late begins as the state that it becomes, or with zeros."""
        found = {state: np.stack([p.initial[state] for p in self.premises]) for state in self.premises[0].initial}
        first = {line: found[state] for line, state in becomes(self.stage.cell).items() if state in found}
        for late, name in self.late.items():
            values = self.premises[0].network.operand(self.stage.scope, name, slice(0, 1)) if name != ONE else None
            found[late] = first.get(name, np.zeros((1, 1, 1 if values is None else values.shape[-1])))
        return found

    @cached_property
    def fixed(self) -> Mapping[Any, Array]:
        """What is the same at every step: the weights, those that differ as (R, …), and the numbers of equations."""
        each = [p.parameters for p in self.premises]
        found: dict[Any, Array] = {ONE: np.ones(1)}
        for name, values in each[0].items():
            alike = all(own[name] is values for own in each)
            stack = values if alike else np.stack([own[name] for own in each])
            found[name] = stack[:, None] if not alike and stack.ndim == 2 else stack
        rewritten = [line for versions in self.overrides.values() for lines, _ in versions for line in lines]
        numbers = (o for line in (*self.stage.cell.expanded.lines, *rewritten) for o in line.operands)
        return found | {o: np.array([o]) for o in numbers if isinstance(o, float)}

    def run(self, kept: Sequence[str]) -> dict[str, Array]:
        """The kept lines, (T, R, B, width)."""
        steps, states, lines = range(self.size[0]), self.initial, self._needed(kept)
        out: dict[str, Array] = {}
        with np.errstate(all="ignore"):
            for done, t in enumerate(steps[::-1] if self.stage.backwards else steps, start=1):
                now = self._stepped(lines, {**self.fixed, **{n: v[t] for n, v in self.inputs.items()}}, states)
                states = self._carried(done, now, states)
                for name in kept:
                    value = np.atleast_1d(now[COMPUTED + name] if COMPUTED + name in now else now[name])
                    if name not in out:
                        out[name] = np.empty((*self.size, value.shape[-1]))
                    out[name][t] = value
        return out

    def _needed(self, kept: Sequence[str]) -> list[Line]:
        """The lines that are kept, and what they and the states follow from; a given line follows from nothing."""
        found: list[Line] = []
        reads = {*self.ends.values(), *(o for end in self.ends for o in self._read(end))}
        for line in reversed(self.stage.cell.expanded.lines):
            if line.name in kept or (line.name in reads and line.name not in self.inputs):
                reads.update(line.reads, self._read(line.name))
                found.append(line)
        return found[::-1]

    def _read(self, name: str) -> Iterator[str]:
        """What the equations read that replace one."""
        return (o for lines, _ in self.overrides.get(name, ()) for line in lines for o in line.reads)

    def _carried(self, done: int, now: Mapping[str, Array], states: Values) -> Values:
        """The states for the next step; mistakes in it are not made at padding. done: the number of steps taken."""
        valid = self._own(now.get(VALID, np.ones(1))) != 0
        new = {state: now[CARRY + state] for state in states}
        new |= {state: np.where(valid, new[state], states[state]) for state in self.late}
        changes = [(k, change) for k, one in enumerate(self.premises) for change in one.carried]
        for state in self.premises[0].initial if changes else ():
            new[state], old = self._own(new[state]), self._own(states[state])
            for k, change in changes:
                made = change(state, done, new[state][k], old[k], self.initial[state][k])
                new[state][k] = np.where(valid[k], made, new[state][k])
        return new

    def _own(self, value: Array) -> Array:
        """A copy of a value in which each candidate has its own."""
        return np.broadcast_to(value, (*self.size[1:], value.shape[-1])).copy()

    def _stepped(self, lines: Sequence[Line], known: Mapping[Any, Array], states: Values) -> dict[Any, Array]:
        """Every value of one step; what is carried under `carry h_prev`, and the output under `output`."""
        merged = self._once(lines, {**known, **states})
        one = self.premises[0]
        units = np.arange(next((v.shape[-1] for v in one.initial.values()), 0) if one.in_place else 0)
        for unit in units[:-1]:  # the units after it read the new states of those up to it
            wide = {s: states[s] for s in one.initial if states[s].shape[-1] == len(units)}
            states = {**states, **{s: np.where(units == unit, merged[CARRY + s], v) for s, v in wide.items()}}
            now = self._once(lines, {**known, **states})
            merged = {
                n: np.where(units > unit, v, merged[n]) if v.ndim == 3 and v.shape[-1] == len(units) else v
                for n, v in now.items()
            }
        return merged

    def _once(self, lines: Sequence[Line], now: dict[Any, Array]) -> dict[Any, Array]:
        other = [(k, one.arithmetic) for k, one in enumerate(self.premises) if one.arithmetic]
        for line in lines:
            operands = [now[o] for o in line.operands]
            value = self._rewritten(_applied(line, operands), line.name, now)
            value = self._own(value) if other else value
            for k, arithmetic in other:
                value[k] = arithmetic(line, [v[k] if v.ndim == 3 and len(v) > 1 else v for v in operands], value[k])
            now[COMPUTED + line.name if line.name in self.inputs else line.name] = value
        return now | {name: self._rewritten(now[line], name, now) for name, line in self.ends.items()}

    def _rewritten(self, value: Array, name: str, now: Mapping[Any, Array]) -> Array:
        """The value of a line, computed by other equations for some candidates."""
        value = self._own(value) if name in self.overrides else value
        for lines, rows in self.overrides.get(name, ()):
            here: dict[Any, Array] = {}
            for line in lines:
                if line.name in now:  # the stage has computed it already
                    continue
                read = (here[o] if o in here else now[o] for o in line.operands)
                operands = [v[rows] if v.ndim == 3 and len(v) == self.size[1] else v for v in read]
                try:
                    here[line.name] = _applied(line, operands)
                except ValueError:  # the sizes of the operands do not agree: no candidate of this model
                    here[lines[-1].name] = np.empty(0)
                    break
            new = here[lines[-1].name]
            fits = new.shape[-1:] in ((), (1,), value.shape[-1:])
            value[rows] = new if fits else np.nan
            self.misfits.update(() if fits else rows)
        return value


@lru_cache(maxsize=64)
def _separable(cell: Cell) -> bool:
    """Whether each equation can be computed on its own: it reads no matrix that is a value of another one."""
    return all(equation_lines(cell, right) is not None for right in program_of(cell).rows.values())


def _applied(line: Line, operands: Sequence[Array]) -> Array:
    """The value of a line; a matrix may be another one for each candidate, (R, M, N)."""
    matrix = operands[line.summed - 1] if line.product else operands[0]
    if line.product and matrix.ndim == 3:
        vector = operands[line.summed]
        return np.matmul(vector, matrix if line.op == "vecmat" else matrix.swapaxes(1, 2))
    return OPS[line.op].array(operands, line.constants)
