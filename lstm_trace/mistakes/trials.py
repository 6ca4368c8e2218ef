"""What a network computes with mistakes in it, for hundreds of candidates at once.

A stage runs once for all candidates: every line is computed for all of them as one batch, and where the equation of
some is another, that equation alone is computed again for these. A stage that nothing has changed yet is not run at
all, and candidates that agree up to a stage share its results. tests/mistakes/test_trials.py compares this with
ordinary runs of the rewritten cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell, Line
from ..cell.network import Scope, Stage, X, scope_and_name
from ..cell.ops import OPS
from ..trace.grids import as_read
from ..trace.trace import Trace
from .programs import CARRY, LATE_SUFFIX, ONE, OUTPUT, Mistake, RewrittenCell, equation_lines, program_of
from .trees import ExpressionTree
from .words import WORDS, LineValue, StagePremises

Values = Mapping[str, Array]
Place = tuple[Scope, str]
#: At most this many numbers are kept of one stage; more candidates are run in several batches.
MOST_NUMBERS = 2**25
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
    program: RewrittenCell | None
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
    _given: dict[tuple[Scope, tuple[tuple[str, str], ...]], StagePremises] = field(default_factory=dict)

    @cached_property
    def stages(self) -> Mapping[Scope, Stage]:
        """The stages by scope, in order of computation."""
        return {stage.scope: stage for stage in self.trace.stages}

    @cached_property
    def premises(self) -> Mapping[Scope, StagePremises]:
        """What each stage is given."""
        trace = self.trace
        every = {s.scope: as_read(s, trace.parameters.get(s.owner, {})) for s in trace.stages}
        return {
            scope: StagePremises(stage, every[scope], trace.initial.get(scope, {}), trace, stage.sources)
            for scope, stage in self.stages.items()
        }

    def applies(self, stage: Stage, word: str, given: str) -> bool:
        """Whether a word changes anything in a stage."""
        own = self.premises[stage.scope]
        found = WORDS[word](own, given)
        return found is not None and (found.parameters is own.parameters or _separable(stage.cell))

    def right(self, place: Place) -> Array:
        """The values of a line in the right run, (T, B, width); `carry h_prev` is what each step carries on."""
        scope, line = place
        cell = self.stages[scope].cell
        own = {OUTPUT: cell.output, **{f"{CARRY}{state}": value for state, value in cell.carry}}
        return self.trace.lines[scope][own.get(line, line)]

    def run(self, candidates: Sequence[Candidate]) -> Iterator[Mapping[Place, Array]]:
        """The wanted lines of each candidate, (T, B, width); NaN where its equations cannot be computed."""
        size = max(1, MOST_NUMBERS // max(1, self._numbers))
        for begin in range(0, len(candidates), size):
            yield from self._run(candidates[begin : begin + size])
            self._results.clear()

    @cached_property
    def _numbers(self) -> int:
        return sum(self.right((scope, name)).size for scope in self.stages for name in self._kept(scope))

    def _kept(self, scope: Scope) -> list[str]:
        """The lines of a stage that are wanted, or read by another stage."""
        names = [line for place, line in self.wanted if place == scope]
        return list(dict.fromkeys([*names, OUTPUT]))

    def _run(self, candidates: Sequence[Candidate]) -> Iterator[Mapping[Place, Array]]:
        nodes: list[dict[Scope, _Node | None]] = [{} for _ in candidates]
        for scope, stage in self.stages.items():
            for candidate, known in zip(candidates, nodes, strict=True):
                program = candidate.programs.get(scope)
                reads = tuple(map(known.get, self._premises(scope, program).reads))
                known[scope] = _Node(scope, program, reads) if program or any(reads) else None
            self._compute(stage, list(dict.fromkeys(node for here in nodes if (node := here[scope]))))
        for known in nodes:
            yield {
                (scope, line): self._results[node][line] if (node := known[scope]) else self.right((scope, line))
                for scope, line in self.wanted
            }

    def _premises(self, scope: Scope, program: RewrittenCell | None) -> StagePremises:
        key = scope, program.words if program else ()
        if key not in self._given:
            found = self.premises[scope]
            for word, given in key[1]:
                found = WORDS[word](found, given) or found
            self._given[key] = found
        return self._given[key]

    def _compute(self, stage: Stage, nodes: Sequence[_Node]) -> None:
        groups: dict[tuple[bool, ...], list[_Node]] = {}
        for node in nodes:
            groups.setdefault(self._premises(stage.scope, node.program).alone, []).append(node)
        for (chained, in_place, across), members in groups.items():
            premises = [self._premises(stage.scope, node.program) for node in members]
            orders = [slice(None, None, -1 if one.flipped != one.turned else 1) for one in premises]
            inputs: dict[str, Array] = {}
            for k, name in enumerate(stage.cell.inputs):
                each = [self._input(node, one, name, k) for node, one in zip(members, premises, strict=True)]
                inputs[name] = _stacked(each)
            for (scope, name), values in self.given.items():
                if scope == stage.scope:
                    alike = all(order == orders[0] for order in orders)
                    inputs[name] = _stacked([values[order] for order in orders[: 1 if alike else None]])
            if across:
                inputs = {name: v.swapaxes(0, 2) for name, v in inputs.items()}
            programs = [node.program or program_of(stage.cell) for node in members]
            batch, kept = _Batch(stage, programs, premises, inputs, in_place), self._kept(stage.scope)
            found = batch.chained(kept) if chained else batch.run(kept, batch.initial)[0]
            for k, (node, one, order) in enumerate(zip(members, premises, orders, strict=True)):
                own = {name: (v.swapaxes(0, 2) if across else v)[order, k] for name, v in found.items()}
                for change in one.outputs:
                    own[OUTPUT] = change(own[OUTPUT])
                self._results[node] = own

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
        for change in premises.changes(source):
            values = change(values)
        return values


def _stacked(each: Sequence[Array]) -> Array:
    """What each candidate reads, (T, R, B, width); once if it is the same array."""
    alike = all(values is each[0] for values in each)
    return each[0][:, None] if alike else np.stack(np.broadcast_arrays(*each), axis=1)


class _Override(NamedTuple):
    """An equation that some candidates have in place of the stage's own: its lines, and the candidates."""

    lines: tuple[Line, ...]
    rows: Array
    parameters: Values


@dataclass(eq=False)
class _Batch:
    """A stage run for several programs at once; the arrays have an axis R of programs before that of sequences."""

    stage: Stage
    programs: Sequence[RewrittenCell]
    premises: Sequence[StagePremises]
    inputs: Mapping[str, Array]
    in_place: bool = False

    @cached_property
    def initial(self) -> dict[str, Array]:
        """The initial states, (R, B, width)."""
        return {state: np.stack([p.initial[state] for p in self.premises]) for state in self.premises[0].initial}

    @cached_property
    def parameters(self) -> Values:
        """The stage's own weights."""
        return as_read(self.stage, self.premises[0].network.parameters.get(self.stage.owner, {}))

    @cached_property
    def size(self) -> tuple[int, int, int]:
        """T, R and B."""
        network = self.premises[0].network
        steps = next((len(v) for v in self.inputs.values()), network.steps)
        return steps, len(self.programs), max((v.shape[2] for v in self.inputs.values()), default=network.batch)

    @cached_property
    def overrides(self) -> Mapping[str, list[_Override]]:
        """For each equation, those that replace it."""
        return self._overrides()

    @cached_property
    def arithmetic(self) -> Mapping[str, list[tuple[Array, LineValue]]]:
        """For each line, how else it is computed, with the candidates for which it is."""
        rows: dict[Any, list[int]] = {}
        for k, one in enumerate(self.premises):
            rows.setdefault(one.arithmetic, []).append(k)
        found: dict[str, list[tuple[Array, LineValue]]] = {}
        for line in self.stage.cell.expanded.lines:
            for arithmetic, here in rows.items():
                if arithmetic is not None and (value := arithmetic(line)) is not None:
                    found.setdefault(line.name, []).append((np.array(here), value))
        return found

    def chained(self, kept: Sequence[str]) -> dict[str, Array]:
        """The kept lines if each sequence begins with the states in which the one before it ended."""
        states = {state: v[:, :1] for state, v in self.initial.items()}
        found: list[dict[str, Array]] = []
        for b in range(self.premises[0].network.batch):
            inputs = {name: v[:, :, b : b + 1] for name, v in self.inputs.items()}
            lines, states = replace(self, inputs=inputs).run(kept, states)
            found.append(lines)
        return {name: np.concatenate([lines[name] for lines in found], axis=2) for name in kept}

    def run(self, kept: Sequence[str], begin: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """The kept lines, (T, R, B, width), and the last states."""
        stage, steps, states = self.stage, self.size[0], begin
        late = {name for program in self.programs for _, right in program.changes for name in right.names()}
        late = {name.removesuffix(LATE_SUFFIX) for name in late if name.endswith(LATE_SUFFIX)}
        lines = self._needed([*kept, *late])
        fixed: dict[Any, Array] = {**self.parameters}
        fixed |= {o: np.array([o]) for x in lines for o in x.operands if isinstance(o, float)}
        first = {line: states[state] for state, line in stage.cell.carry if state in states}
        network, scope = self.premises[0].network, stage.scope
        past = {
            f"{name}{LATE_SUFFIX}": first.get(name, np.zeros((1, 1, late_width(network, scope, name)))) for name in late
        }
        out: dict[str, Array] = {}
        with np.errstate(all="ignore"):
            for t in range(steps - 1, -1, -1) if stage.backwards else range(steps):
                known = {**fixed, **past, **{n: v[t] for n, v in self.inputs.items()}}
                now = self._stepped(lines, known, states)
                states = self._carried(t, now, states, begin, kept)
                past = {f"{name}{LATE_SUFFIX}": np.ones(1) if name == ONE else now[name] for name in late}
                for name in kept:
                    value = np.atleast_1d(now[COMPUTED + name] if COMPUTED + name in now else now[name])
                    if name not in out:
                        out[name] = np.empty((*self.size, value.shape[-1]))
                    out[name][t] = value
        return out, states

    def _needed(self, kept: Iterable[str]) -> list[Line]:
        """The lines that are kept, and what they and the states follow from; a given line follows from nothing."""
        cell = self.stage.cell.expanded
        ends = {OUTPUT: cell.output, **{CARRY + state: line for state, line in cell.carry}}
        waiting, found = [*kept, *ends, *(line for line in ends.values() if line not in self.inputs)], set[Any]()
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            own = [cell.by_name[name]] if name in cell.by_name else []
            own += [line for override in self.overrides.get(name, ()) for line in override.lines]
            reads = [str(o).removesuffix(LATE_SUFFIX) for line in own for o in line.operands]
            waiting += [read for read in reads if read not in self.inputs]
        wanted = {name for name in found if name in kept or name not in self.inputs}
        return [line for line in cell.lines if line.name in wanted]

    def _carried(
        self, t: int, now: dict[Any, Array], states: Values, begin: Values, kept: Sequence[str]
    ) -> dict[str, Array]:  # fmt: skip
        """The states for the next step; what is passed on by candidates that skip this one is changed in `now`."""
        new = {state: now[CARRY + state] for state in states}
        done = self.size[0] - t if self.stage.backwards else t + 1
        for k, one in enumerate(self.premises):
            skipped, ended = one.skips == t, bool(one.window) and done % one.window == 0
            if not (skipped or ended or one.carried):
                continue
            for state in new:
                new[state] = self._own(new[state])
                if ended:
                    new[state][k] = 0 if one.from_zero else begin[state][k]
                else:
                    new[state][k] = one.carried(state, new[state][k]) if one.carried else states[state][k]
            for name in kept if skipped else ():
                name = COMPUTED + name if COMPUTED + name in now else name
                now[name] = self._own(now[name])
                now[name][k] = 0
                output = next((s for s, line in self.stage.cell.carry if line == self.stage.cell.output), None)
                if name == OUTPUT and one.held and output:
                    now[name][k] = states[output][k]
        return new

    def _own(self, value: Array) -> Array:
        """A copy of a value in which each candidate has its own."""
        return np.broadcast_to(value, (*self.size[1:], value.shape[-1])).copy()

    def _stepped(self, lines: Sequence[Line], known: Mapping[Any, Array], states: Values) -> dict[Any, Array]:
        """Every value of one step; what is carried under `carry h_prev`, and the output under `output`."""
        merged = self._once(lines, {**known, **states})
        units = np.arange(next((v.shape[-1] for v in states.values()), 0) if self.in_place else 0)
        for unit in units[:-1]:  # the units after it read the new states of those up to it
            wide = {s: v for s, v in states.items() if v.shape[-1] == len(units)}
            states = {**states, **{s: np.where(units == unit, merged[CARRY + s], v) for s, v in wide.items()}}
            now = self._once(lines, {**known, **states})
            merged = {
                n: np.where(units > unit, v, merged[n]) if v.ndim == 3 and v.shape[-1] == len(units) else v
                for n, v in now.items()
            }
        return merged

    def _once(self, lines: Sequence[Line], now: dict[Any, Array]) -> dict[Any, Array]:
        cell = self.stage.cell.expanded
        for line in lines:
            operands = [now[o] for o in line.operands]
            value = OPS[line.op].array(operands, line.constants)
            if line.name in self.overrides:
                value = self._overridden(value, line.name, now)
            if line.name in self.arithmetic:
                value = self._own(value)
                for rows, other in self.arithmetic[line.name]:
                    own = [v[rows] if v.ndim == 3 and len(v) > 1 else v for v in operands]
                    value[rows] = other(own, value[rows])
            now[COMPUTED + line.name if line.name in self.inputs else line.name] = value
        for name, value_of in ((OUTPUT, cell.output), *((CARRY + state, line) for state, line in cell.carry)):
            now[name] = now[value_of]
            if name in self.overrides:
                now[name] = self._overridden(now[value_of], name, now)
        return now

    def _overrides(self) -> dict[str, list[_Override]]:
        own = self.parameters
        groups: dict[tuple[str, ExpressionTree, bool], list[int]] = {}
        given: list[Values] = []
        for row, (program, premises) in enumerate(zip(self.programs, self.premises, strict=True)):
            new = {n for n, v in premises.parameters.items() if v is not own.get(n) and not np.array_equal(v, own[n])}
            given.append(premises.parameters)
            changes = dict(program.changes)
            if new:
                changes = {n: r for n, r in program.rows.items() if n in changes or not new.isdisjoint(r.names())}
            for name, right in changes.items():
                groups.setdefault((name, right, bool(new)), []).append(row)
        found: dict[str, list[_Override]] = {}
        order = {line.name: k for k, line in enumerate(self.stage.cell.expanded.lines)}
        for (name, right, other), rows in groups.items():
            lines = equation_lines(self.stage.cell, right)
            if lines is None:  # an equation of matrices is none by itself
                continue
            parameters = own
            if other:
                parameters = {n: np.stack([given[row][n] for row in rows]) for n in own if n in right.names()}
                parameters = {n: v if v.ndim == 3 else v[:, None] for n, v in parameters.items()}
            else:  # the stage has computed these already
                here = order.get(name, len(order))
                lines = tuple(line for line in lines[:-1] if order.get(line.name, here) >= here) + lines[-1:]
            found.setdefault(name, []).append(_Override(lines, np.array(rows), parameters))
        return found

    def _overridden(self, value: Array, name: str, now: Mapping[Any, Array]) -> Array:
        """The value of a line, computed by other equations for some candidates."""
        value = self._own(value)
        for lines, rows, parameters in self.overrides[name]:
            here: dict[Any, Array] = dict(parameters)
            for line in lines:
                operands = [
                    here[o] if o in here else np.array([o]) if isinstance(o, float)
                    else now[o] if now[o].ndim < 3 or len(now[o]) == 1 else now[o][rows]
                    for o in line.operands
                ]  # fmt: skip
                try:
                    here[line.name] = _applied(line, operands)
                except ValueError:  # the sizes of the operands do not agree: no candidate of this model
                    here[line.name] = np.full(1, np.nan)
            new = here[lines[-1].name]
            value[rows] = new if new.shape[-1:] in ((), (1,), value.shape[-1:]) else np.nan
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


def late_width(trace: Trace, scope: Scope, name: str) -> int:
    """The width of what `late` carries: a line, a state, an input, or 1."""
    values = None if name == ONE else trace.operand(scope, name, slice(0, 1))
    return 1 if values is None else values.shape[-1]
