"""The definition of L, read from the weights of the adjoint stages; which gradients L depends on, and their symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any, NamedTuple, Self

import numpy as np

from ...base.arrays import Array
from ...cell.adjoint import Side, read_by, secant_names
from ...cell.lines import Line, Operand
from ...cell.network import SEED, VALID, Scope, Stage, scope_and_name
from ...formulas.plain import Plain
from ...formulas.symbols import Symbol, symbol
from ...formulas.tree import Baseline, Call, Gradient, Node, Num, Sym, number, value
from ...formulas.whole import on_paper, whole
from ...trace.address import columns_of, ranged
from ...trace.derived import total
from ...trace.held import blocks
from ...trace.trace import Trace
from ...view.line_groups import LineGroup
from ...view.view import UNITS, Detail, Place, View, first, fitted

#: Terms of a sum that are written out.
FEW = 6


class Objective(NamedTuple):
    """The definition of L: one value if step, row and unit are given, otherwise a weighted sum of the values of a line.

    weighted: whether a weight is not 1. parts: every stage and line that has weights, with these. few: the units of one
    line at one step, each with its sign, if L is the sum of some. said: the addresses whose sum is L, with their signs;
    empty if a weight is a number other than 1 or -1, or if there are many. seeds: the names of the weights of each of
    `parts`.
    """

    stage: Stage
    line: str
    t: int | None = None
    b: int | None = None
    unit: int | None = None
    weighted: bool = False
    parts: tuple[tuple[Stage, str, Array], ...] = ()
    few: tuple[tuple[float, int], ...] = ()
    said: str = ""
    seeds: tuple[str, ...] = ()

    @property
    def is_output(self) -> bool:
        """Whether only the outputs of a stage have weights."""
        return len(self.parts) == 1 and self.line == self.stage.cell.output


def made_for(stage: Stage) -> dict[str, str]:
    """Each gradient of an adjoint stage with the value that it was made for; its terms may have the same value."""
    return dict(reversed(stage.cell.gradient))


def seeded(trace: Trace) -> tuple[int, ...]:
    """The rows of the batch in which a value has a weight."""
    weights = [trace.given[stage.scope][name] for stage in trace.stages for name in stage.weights]
    return tuple(b for b in range(trace.batch) if any(w[:, b].any() for w in weights))


def _said(trace: Trace, parts: Sequence[tuple[Stage, str, Array]]) -> str:
    """The addresses whose sum is L, as `of` takes them."""
    if any(not np.isin(weights, (-1, 0, 1)).all() for _, _, weights in parts):
        return ""
    terms: list[str] = []
    for stage, line, weights in parts:
        columns = columns_of(trace, stage.scope, line)
        for sign in (1, -1):
            for steps, rows, units in blocks(weights == sign, columns):
                if len(terms) == FEW:
                    return ""
                whole = len(units) == weights.shape[-1]
                shown = range(trace.first + steps.start, trace.first + steps.stop)
                some = None if whole and len(units) > 1 else units
                address = ranged(stage.scope, line, shown, rows, some, columns)
                many = len(steps) * len(rows) * len(units) > 1
                terms.append(f"{' + ' if sign > 0 else ' - '}{f'sum({address})' if many else address}")
    terms.sort(key=lambda term: term.startswith(" -"))  # positive terms come first
    return "".join(terms).removeprefix(" + ").replace(" - ", "-", terms[0].startswith(" -"))


Names = frozenset[str]


@dataclass(frozen=True)
class LiveGradients:
    """The gradients of a trace with adjoint stages that are not zero by construction.

    padding: whether gradients that padding makes zero count as well.
    """

    trace: Trace
    padding: bool = False
    _rows: dict[tuple[Scope, int], dict[int, Names]] = field(default_factory=dict)
    _stages: dict[tuple[Scope, Names], Stage] = field(default_factory=dict)

    def at(self, stage: Stage, t: int, b: int) -> Names:
        """The gradients of an adjoint stage that are live at a step of a row."""
        key = stage.scope, b
        if key not in self._rows:
            self._rows[key] = dict(self._row(self.trace.stage(stage.scope), b))
        return self._rows[key][t]

    def stage(self, stage: Stage, t: int, b: int) -> Stage:
        """The stage with the lines that are live there, and in its sums the terms that are."""
        live = self.at(stage, t, b)
        key = stage.scope, live
        if key not in self._stages:
            bears = self.bears[stage.scope]
            lines = (_pruned(x, bears - live) for x in stage.cell.lines if x.name not in bears - live)
            self._stages[key] = replace(stage, cell=replace(stage.cell, lines=tuple(lines)))
        return self._stages[key]

    @cached_property
    def bears(self) -> dict[Scope, Names]:
        """By scope the lines that hold a gradient, and not merely a slope."""
        found: dict[Scope, Names] = {}
        for stage in (stage for stage in self.trace.stages if stage.cell.gradient):
            names = {n for n, source in stage.sources.items() if scope_and_name(source)[0] in found}
            names |= {*stage.weights, *stage.cell.states}
            for line in stage.cell.lines:
                if not names.isdisjoint(line.reads):
                    names.add(line.name)
            found[stage.scope] = frozenset(names)
        return found

    def _row(self, stage: Stage, b: int) -> Iterator[tuple[int, Names]]:
        """The live gradients of each step of a row, in the order of the walk."""
        bears, valid, through = self.bears[stage.scope], self.trace.valid, cache(partial(self._through, stage))
        fed = [(name, *scope_and_name(source)) for name, source in stage.sources.items() if name in bears]
        weights = {name: self.trace.given[stage.scope][name][:, b].any(axis=-1) for name, scope, _ in fed if not scope}
        later: Names = frozenset()
        for t in self.trace.span[::-1] if stage.backwards else self.trace.span:
            at = self.trace.index(t)
            into = {state for state, line in stage.cell.carry if line in later}
            for name, scope, line in fed:
                here = line in self.at(self.trace.stage(scope), t, b) if scope else weights[name][at]
                into |= {name} if here else set()
            yield t, (later := through(frozenset(into), bool(valid[at, b, 0]) or self.padding))

    def _through(self, stage: Stage, into: Names, valid: bool) -> Names:
        """What becomes live in a step that `into` enters."""
        live = set(into)
        for line in stage.cell.lines:
            operands = line.operands
            if line.op == "where" and not self.padding:
                source = stage.sources.get(str(operands[0]), "")
                scope, name = scope_and_name(source)
                if VALID in (source, self.trace.stage(scope).sources.get(name) if scope else None):
                    operands = (operands[1 if valid else 2],)  # the one for a valid step, or for padding
            if _decided(line):
                operands = (operands[1 if operands[0] else 2],)
            if not live.isdisjoint(operands):
                live.add(line.name)
        return frozenset(live)


def _decided(line: Line) -> bool:
    """Whether it chooses by a number of the text, as `ones` and `count` do."""
    return line.op == "where" and not isinstance(line.operands[0], str)


def _constant(line: Line | None) -> bool:
    """Whether it is a number of the text for each unit, so that a gradient of it leads nowhere."""
    return line is not None and _decided(line) and not isinstance(line.operands[1 if line.operands[0] else 2], str)


def _pruned(line: Line, dead: Names) -> Line:
    """The line without the terms of a sum that are zero."""
    if line.op != "add" or dead.isdisjoint(line.reads):
        return line
    terms = [(s, o) for s, o in zip(line.constants, line.operands, strict=True) if o not in dead]
    if len(terms) > 1:
        return line._replace(operands=tuple(o for _, o in terms), constants=tuple(s for s, _ in terms))
    sign, operand = terms[0]
    return Line(line.name, "copy" if sign > 0 else "neg", (operand,))


def gradient_symbols(
    stages: Iterable[Stage], own: Mapping[str, Any], place: Callable[[Stage], str] = lambda stage: stage.owner,
    equal: Callable[[str, str], bool] = lambda scope, name: False,
) -> dict[str, Symbol]:  # fmt: skip
    """For each gradient of the adjoint stages among `stages` its symbol.

    own: symbols that the author gave, which are kept. place: a stage in words, for what an upper layer brings back.
    equal: for secants, whether a parameter of a scope is the same in both traces.
    """
    scopes = {stage.scope: stage for stage in stages}
    adjoints = [stage for stage in scopes.values() if stage.cell.gradient]
    seeds = [name for stage in adjoints for name in stage.weights]
    cells = [stage.cell for stage in scopes.values()]
    free = all("w_t" not in (*cell.by_name, *cell.inputs, *cell.states, *cell.parameters) for cell in cells)
    read = {s.scope: read_by(scopes[s.owner].active, s.cell) for s in adjoints if s.owner in scopes}
    slope = partial(Gradient, between=any(read.values()))
    found: dict[str, Symbol] = {}
    for stage in adjoints:
        gradient = made_for(stage)
        functions = scopes[stage.owner].cell if stage.owner in scopes else stage.cell
        of = {new: on_paper(value(name, functions)) for new, name in gradient.items()}
        found |= {new: Symbol(node=slope(node)) for new, node in of.items()}
        for new, (side, name) in read.get(stage.scope, {}).items():
            node = on_paper(value(name, functions))
            same = side == "mean" and equal(stage.owner, name)
            found[new] = Symbol(node=Sym(name) if same else _base(node)) if same or side != "mean" else _mean(name, own)
        times = Counter(gradient[state] for state in stage.cell.states)
        for state, line in stage.cell.carry:
            several = times[gradient[state]] > 1
            if several:  # the state of the forward pass whose gradient it brings: the one with its name
                names, stem = _names(stage, line), state.removeprefix("d_").removesuffix("_next")
                name = next((name for name in names if name.removesuffix("_prev") == stem), names[0])
            which = f", {Plain(own)(Sym(name))}" if several else ""
            found[state] = Symbol(node=slope(of[state], f"next{which}"))
        for name, source in stage.sources.items():
            scope, line = scope_and_name(source)
            if name in stage.weights:
                weight = name.removeprefix(SEED)
                found[name] = Symbol("w", "t") if free and len(seeds) == 1 else Symbol("w", weight, word=True)
            elif scope in scopes and scopes[scope].cell.gradient:
                above = scopes[scope]
                names, inputs = _names(above, line), {of.rpartition("/")[2] for of in above.sources.values()}
                fed = value(next((n for n in names if n in inputs), names[0]), above.cell)
                found[name] = Symbol(node=slope(on_paper(fed), place(above)))
            elif stage.borrows(name) and name != line and name.isidentifier():  # a value without a name was given one
                found[name] = Symbol(node=on_paper(value(line, functions)))
    return {name: symbol for name, symbol in found.items() if name not in own}


def _base(node: Node) -> Node:
    """A formula of the values in the baseline."""
    return Baseline(node) if isinstance(node, Sym) else node.remade(_base)


def _mean(name: str, own: Mapping[str, Any]) -> Symbol:
    """The symbol of the mean of a matrix and its baseline: a bar over its letter, if it is a single letter."""
    plain = symbol(name, own)
    if plain.base and not (plain.tex or plain.name or plain.node or plain.accent or plain.upright or plain.power):
        return plain._replace(accent="bar")
    return Symbol(node=Call("mean", (Sym(name), Baseline(Sym(name)))))


def _names(stage: Stage, line: str) -> list[str]:
    """The values whose gradient is `line`."""
    return [name for new, name in stage.cell.gradient if new == line]


#: How many rows the sum behind one unit of a state or input takes, or a row with several vectors.
WRAPPED = 6


@dataclass(frozen=True, kw_only=True)
class Backward(View):
    """The backward pass, with the part of it that is shown; `stages` are adjoint ones.

    forward: the pass before it. live: the gradients that are not zero by construction. walked: by scope the steps that
    are shown, in the order in which they are visited.
    """

    forward: View
    live: LiveGradients
    walked: Mapping[Scope, tuple[int, ...]]

    whole = True

    # -- where and what ------------------------------------------------------------------------------------------------

    def walk(self, stage: Stage) -> Sequence[int]:
        """The shown steps of a stage, from the last to the first of the forward pass."""
        return self.walked[stage.scope]

    def at_most(self, steps: int) -> Self:
        """The view of at most this many steps of each stage."""
        return replace(self, walked={scope: first(walk, steps) for scope, walk in self.walked.items()})

    def leading_stages(self, most: int) -> tuple[Stage, ...]:
        """The stages nearest to the loss: the other gradients follow from theirs."""
        return self.stages[:most]

    def stage_at(self, stage: Stage, t: int, b: int) -> Stage | None:
        """A stage with the lines that are live at a place; None if there are none."""
        return self.live.stage(stage, t, b) if self.live.at(stage, t, b) else None

    def idle(self, place: Place) -> bool:
        """Never: padding has no live gradients."""
        return False

    def lines(self, stage: Stage) -> list[Line]:
        """The recorded lines with a name; the lines without one are written out in them."""
        chosen, recorded = self.chosen, self.trace.lines.get(stage.scope, {})
        wide = (x for x in stage.cell.lines if chosen.unit is None or chosen.unit < self.width(stage, x.name))
        of, made = self.trace.stage(stage.owner).cell.by_name, made_for(stage)
        there = [x for x in wide if x.assigned and x.name in recorded and not _constant(of.get(made.get(x.name, "")))]
        return [x for x in there if any(map(chosen.has, (x.name, *_names(stage, x.name))))]

    def groups(self, stage: Stage, idle: bool = False) -> list[LineGroup]:
        """The shown lines by what they are gradients of: the groups of the forward pass, last first, then its ends."""
        owner, made = self.trace.stage(stage.owner), made_for(stage)
        lines = self.lines(stage)
        of = [(group, {line.name for line in group.lines}) for group in reversed(self.forward.grouped(owner))]
        ends = ("input", owner.cell.inputs), ("state", owner.cell.states)
        of += [(LineGroup(None, (), end), {*names}) for end, names in ends]
        there = (group._replace(lines=tuple(x for x in lines if made.get(x.name) in within)) for group, within in of)
        return [group for group in there if group.lines]

    def leading(self, stage: Stage, group: LineGroup) -> tuple[Line, ...]:
        """The gradients of what a group leads to, and of inputs and states."""
        made = made_for(stage)
        leader = "" if group.leader is None else group.leader.name
        return group.lines if group.ends else tuple(line for line in group.lines if made[line.name] == leader)

    def cost(self, stage: Stage) -> int:
        """About how many rows a step takes; the many products behind a state or an input go over several rows."""
        lines, by_name = self.lines(stage), stage.cell.by_name
        if self.detail == "summary":
            return 6 + len(lines)
        if self.detail == "vector":
            return 6 + sum(WRAPPED if self.width(stage, line.name) > 3 else 2 for line in lines)
        most = 1 if self.chosen.unit is not None else UNITS
        wide = [x.product or any(by_name[name].product for name in x.reads if name in by_name) for x in lines]
        heights = (min(self.width(stage, line.name), most) for line in lines)
        return 6 + sum(1 + height * (WRAPPED if wraps else 1) for height, wraps in zip(heights, wide, strict=True))

    def reads(self, place: Place) -> list[str]:
        """The values of the forward pass that the shown gradients of a place read."""
        stage = place.stage
        there = stage.cell.closure((line.name for line in self.lines(stage)), carried=False)
        # `expand` and `count` need only the width of a value
        wide = {line.name: line.call[-1] for line in stage.cell.lines if line.call[:1] in (("expand",), ("count",))}
        read = {n for x in stage.cell.lines if x.name in there for n in x.reads if n != wide.get(x.name)}
        base = between(self.trace, stage)
        return [name for name in stage.cell.inputs if name in read and (stage.borrows(name) or name in base)]

    # -- in symbols ----------------------------------------------------------------------------------------------------

    def formulas(self, stage: Stage, line: Line) -> Iterator[tuple[str, Node]]:
        """The line as one formula; none for the weight of the one value that L is."""
        weight = line.op == "copy" and line.operands[0] in stage.weights
        if self.objective.weighted or not weight:
            yield "=", self.symbolic(stage, line)

    def symbolic(self, stage: Stage, line: Line) -> Node:
        """The line as one formula of the values that have a name."""
        return self.written(stage, line, lambda n: value(n, stage.cell) if isinstance(n, str) else number(n))

    def written(self, stage: Stage, line: Line, leaf: Callable[[Operand], Node]) -> Node:
        """The line as one formula; leaf: the replacement of a value that has a name."""
        return whole(line, stage.cell, lambda name: self.width(stage, name), leaf)

    def slope(self, of: Node, through: str = "") -> Gradient:
        """The symbol of a gradient, or secant."""
        return Gradient(of, through, self.between)

    # -- what L is -----------------------------------------------------------------------------------------------------

    @cached_property
    def between(self) -> bool:
        """Whether it splits a difference between two traces: its slopes are secants."""
        return any(between(self.trace, stage) for stage in self.trace.stages)

    def key(self, name: str) -> str:
        """The key of a string of the backward pass: that of a split, where it has one of its own."""
        return f"between.{name}" if self.between and self.words.has(f"between.{name}") else f"back.{name}"

    @cached_property
    def objective(self) -> Objective:
        """The definition of L, from the weights that the adjoint stages were given."""
        trace = self.trace
        found = [
            (name, (trace.stage(stage.owner), made_for(stage)[line.name], trace.given[stage.scope][name]))
            for stage in trace.stages
            for line in (stage.cell.lines if stage.cell.gradient else ())
            for name in line.reads
            if name in stage.weights and line.name in made_for(stage)
        ]
        seeds, parts = tuple(name for name, _ in found), tuple(part for _, part in found)
        stage, name, weights = parts[0]
        if len(found) == 1 and 0 < np.count_nonzero(weights) <= FEW and (np.abs(weights[weights != 0]) == 1).all():
            (t, *others), (b, *rows), units = (at.tolist() for at in np.nonzero(weights))
            few = tuple((float(weights[t, b, unit]), unit) for unit in units)
            if len(units) == 1 and few[0][0] == 1:
                return Objective(stage, name, trace.span[t], b, units[0], parts=parts)
            if {t} == {t, *others} and {b} == {b, *rows} and weights.shape[-1] > 1:
                return Objective(stage, name, trace.span[t], b, weighted=True, parts=parts, few=few, seeds=seeds)
        weighted = len(found) > 1 or weights.shape[-1] > 1 or not (weights == 1).all()
        return Objective(stage, name, weighted=weighted, parts=parts, said=_said(trace, parts), seeds=seeds)

    @cached_property
    def seeded(self) -> tuple[int, ...]:
        """The sequences of the batch that L depends on."""
        return seeded(self.trace)

    @property
    def worth(self) -> Num:
        """The value of L, a sum of values."""
        return self._weighted(((stage.scope, line), weights) for stage, line, weights in self.objective.parts)

    @cached_property
    def value_and_baseline(self) -> tuple[Num, Num]:
        """For a split, the value of L and its value in the baseline."""
        of, adjoints = self.objective, {s.owner: s.scope for s in self.trace.stages if s.is_adjoint}
        bases = [((adjoints[s.scope], secant_names(s.active)["base", line]), weights) for s, line, weights in of.parts]
        if of.t is None or of.unit is None:
            return self.worth, self._weighted(bases)
        places = (of.stage.scope, of.line), bases[0][0]
        one, other = (self.values.num(*place, of.t, of.b, (of.unit,)) for place in places)
        return one, other

    def _weighted(self, places: Iterable[tuple[tuple[str, str], Array]]) -> Num:
        """A sum of values, each times its weight."""
        values = ((self.trace.operand(*place), weights) for place, weights in places)
        return self.num(total(weights * here for here, weights in values if here is not None))


def between(trace: Trace, stage: Stage) -> dict[str, tuple[Side, str]]:
    """What an adjoint stage reads from the baseline or as a mean of both traces; empty if it has derivatives."""
    if stage.owner not in trace.scopes:
        return {}
    return read_by(trace.stage(stage.owner).active, trace.stage(stage.scope).cell)


def with_symbols(trace: Trace, place: Callable[[Stage], str]) -> Trace:
    """The trace with symbols for its gradients; the gradient of an input or state gets its own line if another has it.

    place: a stage in words.
    """
    stages, lines = [], dict(trace.lines)
    for stage in trace.stages:
        if stage.cell.gradient:
            cell, owner, of, here = stage.cell, trace.stage(stage.owner).cell, made_for(stage), lines[stage.scope]
            more = {n: new for new, n in cell.gradient if n in (*owner.inputs, *owner.states) and of[new] != n}
            added = [(f"d_{n.removesuffix('_prev')}_here", n, new) for n, new in more.items() if new in cell.by_name]
            copies = (Line(name, "copy", (new,)) for name, _, new in added)
            pairs = ((name, n) for name, n, _ in added)
            cell = replace(cell, lines=(*cell.lines, *copies), gradient=(*cell.gradient, *pairs))
            stage = replace(stage, cell=cell)
            lines[stage.scope] = {**here, **{name: here[new] for name, _, new in added}}
        stages.append(stage)
    symbols = gradient_symbols(stages, trace.header.symbols, place, partial(equal, trace))
    own: dict[str, Any] = {**trace.header.symbols, **symbols}
    header = replace(trace.header, symbols=own)
    return replace(trace, header=header, stages=tuple(stages), lines=lines, memory=None)


def equal(trace: Trace, scope: Scope, name: str) -> bool:
    """Whether a parameter is the same in the baseline of a split."""
    return secant_names(trace.stage(scope).active)["base", name] not in trace.parameters.get(scope, {})


def backward(shown: View, detail: Detail | None) -> Backward:
    """The backward pass of what is shown; its size decides the detail if that is None or `compact`, which it lacks."""
    trace, chosen = shown.trace, shown.chosen
    live = LiveGradients(trace, padding=shown.everything)
    rows = tuple(b for b in shown.every_row if b in seeded(trace))
    walked: dict[Scope, tuple[int, ...]] = {}
    reached: list[Stage] = []
    for stage in trace.stages:
        if stage.cell.gradient and (chosen.places(trace.stage(stage.owner)) or chosen.places(stage)):
            order = shown.every_step[::-1] if stage.backwards else shown.every_step
            walked[stage.scope] = tuple(t for t in order if any(live.at(stage, t, b) for b in rows))
            reached += [stage] if walked[stage.scope] else []
    stages = tuple(s for s in reached if len(reached) == 1 or comes_back(trace, s))
    fields = {name: getattr(shown, name) for name in View.__dataclass_fields__}
    fields |= {"stages": stages, "rows": rows, "cut": frozenset()}
    return fitted(Backward(**fields, forward=shown, live=live, walked=walked), None if detail == "compact" else detail)


def comes_back(trace: Trace, stage: Stage) -> bool:
    """Whether a gradient of a stage is not zero."""
    return any(np.any(trace.lines[stage.scope][line.name]) for line in stage.cell.lines if line.assigned)
