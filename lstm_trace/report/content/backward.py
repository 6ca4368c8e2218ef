"""What of the way back a report shows: the adjoint stages of a trace, the steps from the last that L depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line, Operand
from ...cell.network import Scope, Stage
from ...cell.secant import Side, names, read_by
from ...formulas.tree import Gradient, Node, Num, number, value
from ...formulas.whole import whole
from ...trace.operands import total
from ...trace.trace import Trace
from ...view.excerpt import ROWS, SCALARS, VECTORS
from ...view.line_groups import Group
from ...view.view import UNITS, Detail, Place, View
from .objective import Live, Objective, gradient_symbols, made_for, objective, seeded

#: Rows that the sum behind one unit of a state or input takes, or a row with several vectors.
WRAPPED = 6


class Gradients(NamedTuple):
    """Gradients that belong together: those of a group of lines, of the inputs (`input`) or the states (`state`)."""

    of: Group | str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Back(View):
    """The way back, with what of it is shown.

    stages: adjoint ones. forward: the pass before it. live: what is not zero anyhow. walked: by scope the steps that
    are shown, in the order of the walk.
    """

    forward: View = None  # type: ignore[assignment]  # always given; a field after others with defaults needs one
    live: Live = None  # type: ignore[assignment]
    walked: Mapping[Scope, tuple[int, ...]] = None  # type: ignore[assignment]

    whole = True

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where gradients are shown, each with the lines that are live there."""
        return tuple(
            Place(self.live.stage(stage, t, b), t, b)
            for stage in self.stages
            for t in self.walked[stage.scope]
            for b in self.rows
            if self.live.at(stage, t, b)
        )

    @cached_property
    def between(self) -> bool:
        """Whether it splits a difference between two traces: its slopes are secants."""
        return any(between(self.trace, stage) for stage in self.trace.stages)

    def key(self, name: str) -> str:
        """The key of a string of the way back: that of a split, where it has one of its own."""
        return f"between.{name}" if self.between and self.words.has(f"between.{name}") else f"back.{name}"

    @cached_property
    def value_and_baseline(self) -> tuple[Num, Num]:
        """Of a split what L is, and what it is in the baseline."""
        found = self.objective
        places = []
        for stage, line, weights in found.parts:
            back = next(s for s in self.trace.stages if s.is_adjoint and s.owner == stage.scope)
            places.append(((stage.scope, line), (back.scope, names(stage.active)["base", line]), weights))
        if found.t is not None and found.unit is not None:
            own, base, _ = places[0]
            one, other = (self.values.num(scope, name, found.t, found.b, (found.unit,)) for scope, name in (own, base))
            return one, other
        return self._weighted((own, w) for own, _, w in places), self._weighted((base, w) for _, base, w in places)

    def _weighted(self, places: Iterable[tuple[tuple[str, str], Array]]) -> Num:
        """A sum of values, each times its weight."""
        values = ((self.trace.operand(*place), weights) for place, weights in places)
        found = total(weights * here for here, weights in values if here is not None)
        return Num(self.values.style.show(found), found)

    @property
    def worth(self) -> Num:
        """What L is, of a sum of values."""
        return self._weighted(((stage.scope, line), weights) for stage, line, weights in self.objective.parts)

    def slope(self, of: Node, through: str = "") -> Gradient:
        """The symbol of a gradient, or secant."""
        return Gradient(of, through, self.between)

    @cached_property
    def seeded(self) -> tuple[int, ...]:
        """The rows of the batch that L depends on."""
        return seeded(self.trace)

    @cached_property
    def objective(self) -> Objective:
        """What L is."""
        return objective(self.trace)

    def lines(self, stage: Stage) -> list[Line]:
        """The recorded lines with a name; what the others compute is written out in them."""
        recorded = self.trace.lines.get(stage.scope, {})
        return [x for x in stage.cell.lines if x.assigned and x.name in recorded and self._chosen(stage, x)]

    def _chosen(self, stage: Stage, line: Line) -> bool:
        chosen = self.chosen
        if chosen.unit is not None and chosen.unit >= self.width(stage, line.name):
            return False
        return chosen.has(line.name) or any(chosen.has(n) for new, n in stage.cell.gradient if new == line.name)

    def parts(self, place: Place) -> list[Gradients]:
        """The lines of a place by what they are gradients of: the groups of the forward pass, last first, its ends."""
        owner, of = self.trace.stage(place.stage.owner), made_for(place.stage)
        lines = self.lines(place.stage)
        found = []
        for group in reversed(self.forward.grouped(owner)):
            names = {line.name for line in group.lines}
            found.append(Gradients(group, tuple(x for x in lines if of.get(x.name) in names)))
        for key, ends in (("input", owner.cell.inputs), ("state", tuple(owner.cell.states))):
            found.append(Gradients(key, tuple(x for x in lines if of.get(x.name) in ends)))
        return [part for part in found if part.lines]

    def formulas(self, stage: Stage, line: Line) -> Iterator[tuple[str, Node]]:
        """The line as one formula; none for the weight of the one value that L is."""
        weight = line.op == "copy" and line.operands[0] in stage.weights
        if self.objective.weighted or not weight:
            yield "=", self.symbolic(stage, line)

    def symbolic(self, stage: Stage, line: Line) -> Node:
        """The line as one formula of the values that have a name."""

        def leaf(operand: Operand) -> Node:
            return value(operand, stage.cell) if isinstance(operand, str) else number(operand)

        return whole(line, stage.cell, lambda name: self.width(stage, name), leaf)

    def width(self, stage: Stage, name: str) -> int:
        """Units of a value."""
        values = self.values.array(stage.scope, name)
        return 1 if values is None else int(values.shape[-1])

    def reads(self, place: Place) -> list[str]:
        """The values of the forward pass that the shown gradients of a place read."""
        stage = place.stage
        there = stage.cell.closure((line.name for line in self.lines(stage)), carried=False)
        # `expand` and `count` ask for no more than how wide a value is
        wide = {line.name: line.call[-1] for line in stage.cell.lines if line.call[:1] in (("expand",), ("count",))}
        lines = [line for line in stage.cell.lines if line.name in there]
        names = {name for line in lines for name in line.reads if name != wide.get(line.name)}
        base = between(self.trace, stage)
        return [n for n in stage.cell.inputs if n in names and (stage.borrows(n) or n in base)]


def between(trace: Trace, stage: Stage) -> dict[str, tuple[Side, str]]:
    """What an adjoint stage reads of the baseline, or as a mean of both traces; nothing where it has derivatives."""
    if stage.owner not in trace.scopes:
        return {}
    return read_by(trace.stage(stage.owner).active, trace.stage(stage.scope).cell)


def on_paper(trace: Trace, place: Callable[[Stage], str]) -> Trace:
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
            names = {f"d_{n.removesuffix('_prev')}_here": (n, new) for n, new in more.items()}
            copies = (Line(name, "copy", (new,)) for name, (_, new) in names.items())
            pairs = tuple((name, n) for name, (n, _) in names.items())
            cell = replace(
                stage.cell, lines=(*stage.cell.lines, *copies), gradient=(*stage.cell.gradient, *pairs)
            )  # fmt: skip
            stage = replace(stage, cell=cell)
            here = lines[stage.scope]
            lines[stage.scope] = {**here, **{name: here[new] for name, (_, new) in names.items()}}
        stages.append(stage)
    symbols = gradient_symbols(stages, trace.header.symbols, place, partial(equal, trace))
    own: dict[str, Any] = {**trace.header.symbols, **symbols}
    header = replace(trace.header, symbols=own)
    return replace(trace, header=header, stages=tuple(stages), lines=lines, memory=None)


def equal(trace: Trace, scope: Scope, name: str) -> bool:
    """Whether a parameter is the same in the baseline of a split."""
    return names(trace.stage(scope).active)["base", name] not in trace.parameters.get(scope, {})


def way_back(shown: View, detail: Detail | None) -> Back:
    """The way back of what is shown; detail: None lets the size decide, as does one that the way back has not."""
    detail = None if detail == "compact" else detail
    trace, chosen = shown.trace, shown.chosen
    live = Live(trace, padding=shown.everything)
    adjoints = [stage for stage in trace.stages if stage.cell.gradient]
    rows = tuple(b for b in range(trace.batch)[chosen.rows(trace)] if b in seeded(trace))
    there = [s for s in adjoints if chosen.places(trace.stage(s.owner)) or chosen.places(s)]
    walked = {
        s.scope: tuple(t for t in _order(trace, s) if t in _steps(shown) and any(live.at(s, t, b) for b in rows))
        for s in there
    }
    reached = [s for s in there if walked[s.scope]]
    stages = tuple(s for s in reached if len(reached) == 1 or comes_back(trace, s))
    fields = {name: getattr(shown, name) for name in View.__dataclass_fields__}
    back = Back(**{**fields, "stages": stages, "rows": rows}, forward=shown, live=live, walked=walked)
    return _bounded(replace(back, cut=frozenset()), detail)


def _steps(shown: View) -> Sequence[int]:
    return shown.trace.span[shown.chosen.window(shown.trace)]


def _order(trace: Trace, stage: Stage) -> Sequence[int]:
    return trace.span[::-1] if stage.backwards else trace.span


def comes_back(trace: Trace, stage: Stage) -> bool:
    """Whether a gradient of a stage is not zero."""
    return any(np.any(trace.lines[stage.scope][line.name]) for line in stage.cell.lines if line.assigned)


# -- how much is shown ------------------------------------------------------------------------------------------------


def _bounded(back: Back, detail: Detail | None) -> Back:
    """Fewer steps, rows and layers where there are too many, and the detail that fits."""
    chosen, rows, stages, walked = back.chosen, back.rows, back.stages, back.walked
    widths = {s.scope: [back.width(s, line.name) for line in back.lines(s)] for s in stages}
    auto = detail is None and not back.everything
    if auto:
        one = 1 if chosen.unit is not None else None
        scalars = len(rows) * sum(len(walked[s]) * sum(one or width for width in w) for s, w in widths.items())
        vectors = len(rows) * sum(len(walked[s]) * len(w) for s, w in widths.items())
        detail = "scalar" if scalars <= SCALARS else "vector" if vectors <= VECTORS else "summary"
    back = replace(back, detail=detail or "scalar")
    if back.everything:
        return back
    cost = {s.scope: _cost(back, s) for s in stages}
    if chosen.layer is None:
        stages = stages[: max(ROWS // max(max(cost.values(), default=1), 1), 1)]
    room = max(ROWS // max(sum(cost[stage.scope] for stage in stages), 1), 1)
    longest = max((len(walked[s.scope]) for s in back.stages), default=1)
    if chosen.batch is None and longest * len(rows) > room:
        rows = rows[: max(room // max(longest, 1), 1)]
    most = max(room // max(len(rows), 1), 1)
    if chosen.steps is None:
        walked = {s: t if len(t) <= most else (*t[: max(most - 1, 1)], *t[-1:][: most - 1]) for s, t in walked.items()}
    widest = max((width for found in widths.values() for width in found), default=1)
    cut = {
        "detail": auto and back.detail != "scalar",
        "units": chosen.unit is None and widest > (back.units or 0),
        "terms": back.detail == "scalar" and widest > (back.terms or 0),
        "steps": chosen.steps is None and longest > most,
        "rows": len(rows) < len(back.rows),
        "layers": len(stages) < len(back.stages),
    }
    found = frozenset(key for key, is_cut in cut.items() if is_cut)
    return replace(back, rows=rows, stages=stages, walked=walked, cut=found)


def _cost(back: Back, stage: Stage) -> int:
    """About how many rows a step takes; the many products behind a state or an input go over several rows."""
    lines = back.lines(stage)
    if back.detail == "summary":
        return 6 + len(lines)
    if back.detail == "vector":
        return 6 + sum(WRAPPED if back.width(stage, line.name) > 3 else 2 for line in lines)
    most = 1 if back.chosen.unit is not None else UNITS
    products = {
        x.name
        for x in stage.cell.lines
        if x.product or any(stage.cell.by_name[n].product for n in x.reads if n in stage.cell.by_name)
    }
    return 6 + sum(
        1 + min(back.width(stage, x.name), most) * (WRAPPED if x.name in products else 1) for x in lines
    )  # fmt: skip
