"""The part of the backward pass that a report shows, from the last step on which the loss L depends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from ...base.arrays import Array
from ...cell.adjoint import Side, read_by, secant_names
from ...cell.lines import Line, Operand
from ...cell.network import Scope, Stage
from ...formulas.tree import Gradient, Node, Num, number, value
from ...formulas.whole import whole
from ...trace.derived import total
from ...trace.trace import Trace
from ...view.extent import fitted
from ...view.line_groups import LineGroup
from ...view.view import UNITS, Detail, Place, View, first
from .objective import LiveGradients, Objective, gradient_symbols, made_for, objective, seeded

#: Rows that the sum behind one unit of a state or input takes, or a row with several vectors.
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
        """The view of at most so many steps of each stage."""
        return replace(self, walked={scope: first(walk, steps) for scope, walk in self.walked.items()})

    def leading_stages(self, most: int) -> tuple[Stage, ...]:
        """Those nearest to the loss: the gradients of others follow from theirs."""
        return self.stages[:most]

    def stage_at(self, stage: Stage, t: int, b: int) -> Stage | None:
        """A stage with the lines that are live at a place; None where there are none."""
        return self.live.stage(stage, t, b) if self.live.at(stage, t, b) else None

    def idle(self, place: Place) -> bool:
        """Never: padding has no gradients that are live."""
        return False

    def lines(self, stage: Stage) -> list[Line]:
        """The recorded lines with a name; what the others compute is written out in them."""
        chosen, recorded, made = self.chosen, self.trace.lines.get(stage.scope, {}), set(stage.cell.gradient)
        return [
            x
            for x in stage.cell.lines
            if x.assigned and x.name in recorded
            and (chosen.unit is None or chosen.unit < self.width(stage, x.name))
            and (chosen.has(x.name) or any(chosen.has(name) for new, name in made if new == x.name))
        ]  # fmt: skip

    def groups(self, stage: Stage, idle: bool = False) -> list[LineGroup]:
        """The shown lines by what they are gradients of: the groups of the forward pass, last first, then its ends."""
        owner, made = self.trace.stage(stage.owner), made_for(stage)
        lines = self.lines(stage)
        of = [(group, {line.name for line in group.lines}) for group in reversed(self.forward.grouped(owner))]
        of += [
            (LineGroup(None, (), "input"), {*owner.cell.inputs}),
            (LineGroup(None, (), "state"), {*owner.cell.states}),
        ]
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
        # `expand` and `count` ask for no more than how wide a value is
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
        return self.written(
            stage, line, lambda name: value(name, stage.cell) if isinstance(name, str) else number(name)
        )

    def written(self, stage: Stage, line: Line, leaf: Callable[[Operand], Node]) -> Node:
        """The line as one formula; leaf: what stands for a value that has a name."""
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
        """What L is."""
        return objective(self.trace)

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
        """Of a split the value of L, and that in the baseline."""
        of = self.objective
        bases: list[tuple[tuple[str, str], Array]] = []
        for stage, line, weights in of.parts:
            adjoint = next(s for s in self.trace.stages if s.is_adjoint and s.owner == stage.scope)
            bases.append(((adjoint.scope, secant_names(stage.active)["base", line]), weights))
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
    """What an adjoint stage reads of the baseline, or as a mean of both traces; nothing where it has derivatives."""
    if stage.owner not in trace.scopes:
        return {}
    return read_by(trace.stage(stage.owner).active, trace.stage(stage.scope).cell)


def with_symbols(trace: Trace, place: Callable[[Stage], str]) -> Trace:
    """The trace with symbols for its gradients; that of an input or state gets a line where it is another's line.

    place: a stage in words.
    """
    stages, lines = [], dict(trace.lines)
    for stage in trace.stages:
        if stage.cell.gradient:
            owner, of = trace.stage(stage.owner), made_for(stage)
            ends = (*owner.cell.inputs, *owner.cell.states)
            more = {
                n: new for new, n in stage.cell.gradient if n in ends and of[new] != n and new in stage.cell.by_name
            }
            added = {f"d_{n.removesuffix('_prev')}_here": (n, new) for n, new in more.items()}
            copies = (Line(name, "copy", (new,)) for name, (_, new) in added.items())
            pairs = tuple((name, n) for name, (n, _) in added.items())
            cell = replace(
                stage.cell, lines=(*stage.cell.lines, *copies), gradient=(*stage.cell.gradient, *pairs)
            )  # fmt: skip
            stage = replace(stage, cell=cell)
            here = lines[stage.scope]
            lines[stage.scope] = {**here, **{name: here[new] for name, (_, new) in added.items()}}
        stages.append(stage)
    symbols = gradient_symbols(stages, trace.header.symbols, place, partial(equal, trace))
    own: dict[str, Any] = {**trace.header.symbols, **symbols}
    header = replace(trace.header, symbols=own)
    return replace(trace, header=header, stages=tuple(stages), lines=lines, memory=None)


def equal(trace: Trace, scope: Scope, name: str) -> bool:
    """Whether a parameter is the same in the baseline of a split."""
    return secant_names(trace.stage(scope).active)["base", name] not in trace.parameters.get(scope, {})


def backward(shown: View, detail: Detail | None) -> Backward:
    """The backward pass of what is shown; its size decides the detail if that is None, or `compact`, which it lacks."""
    trace, chosen = shown.trace, shown.chosen
    live = LiveGradients(trace, padding=shown.everything)
    rows = tuple(b for b in range(trace.batch)[chosen.rows(trace)] if b in seeded(trace))
    steps = trace.span[chosen.window(trace)]
    walked: dict[Scope, tuple[int, ...]] = {}
    reached: list[Stage] = []
    for stage in trace.stages:
        if stage.cell.gradient and (chosen.places(trace.stage(stage.owner)) or chosen.places(stage)):
            order = steps[::-1] if stage.backwards else steps
            walked[stage.scope] = tuple(t for t in order if any(live.at(stage, t, b) for b in rows))
            reached += [stage] if walked[stage.scope] else []
    stages = tuple(s for s in reached if len(reached) == 1 or comes_back(trace, s))
    fields = {name: getattr(shown, name) for name in View.__dataclass_fields__}
    fields |= {"stages": stages, "rows": rows, "cut": frozenset()}
    return fitted(Backward(**fields, forward=shown, live=live, walked=walked), None if detail == "compact" else detail)


def comes_back(trace: Trace, stage: Stage) -> bool:
    """Whether a gradient of a stage is not zero."""
    return any(np.any(trace.lines[stage.scope][line.name]) for line in stage.cell.lines if line.assigned)
