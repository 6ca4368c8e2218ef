"""Which gradients L depends on at a step: the others are zero whatever the numbers are, and are not shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import VALID, Scope, Stage, scope_and_name
from ...trace.trace import Trace

Names = frozenset[str]


@dataclass(frozen=True)
class Live:
    """The gradients of a trace with adjoint stages that are not zero by the way that they are made.

    padding: whether those that padding makes zero count as well.
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
        """By scope what holds a gradient, and not a slope alone."""
        found: dict[Scope, Names] = {}
        for stage in self.trace.stages:
            if not stage.cell.gradient:
                continue
            names = {n for n, source in stage.sources.items() if scope_and_name(source)[0] in found} | {*stage.weights}
            names |= set(stage.cell.states)
            for line in stage.cell.lines:
                if not names.isdisjoint(line.reads):
                    names.add(line.name)
            found[stage.scope] = frozenset(names)
        return found

    @cached_property
    def _valid(self) -> Array:
        return self.trace.valid

    def _row(self, stage: Stage, b: int) -> Iterator[tuple[int, Names]]:
        """The live gradients of each step of a row, in the order of the walk."""
        bears, known = self.bears[stage.scope], dict[tuple[Names, bool], Names]()
        fed = [(name, *scope_and_name(source)) for name, source in stage.sources.items() if name in bears]
        weights = {name: self.trace.given[stage.scope][name][:, b].any(axis=-1) for name, scope, _ in fed if not scope}
        later: Names = frozenset()
        for t in self.trace.span[::-1] if stage.backwards else self.trace.span:
            at = self.trace.index(t)
            into = {state for state, line in stage.cell.carry if line in later}
            for name, scope, line in fed:
                here = line in self.at(self.trace.stage(scope), t, b) if scope else weights[name][at]
                into |= {name} if here else set()
            key = frozenset(into), bool(self._valid[at, b, 0]) or self.padding
            if key not in known:
                known[key] = self._through(stage, *key)
            yield t, (later := known[key])

    def _through(self, stage: Stage, into: Names, valid: bool) -> Names:
        """What becomes live in a step into which `into` comes."""
        live = set(into)
        for line in stage.cell.lines:
            operands = line.operands
            if line.op == "where" and self._asks(stage, operands[0]) and not self.padding:
                operands = (operands[1 if valid else 2],)
            if not live.isdisjoint(operand for operand in operands if isinstance(operand, str)):
                live.add(line.name)
        return frozenset(live)

    def _asks(self, stage: Stage, name: object) -> bool:
        """Whether a value says which steps are no padding."""
        scope, line = scope_and_name(stage.sources.get(str(name), ""))
        return VALID in (stage.sources.get(str(name)), self.trace.stage(scope).sources.get(line) if scope else None)


def _pruned(line: Line, dead: Names) -> Line:
    """The line without the terms of a sum that are zero."""
    if line.op != "add" or dead.isdisjoint(line.reads):
        return line
    terms = [(s, o) for s, o in zip(line.constants, line.operands, strict=True) if o not in dead]
    if len(terms) > 1:
        return line._replace(operands=tuple(o for _, o in terms), constants=tuple(s for s, _ in terms))
    sign, operand = terms[0]
    return Line(line.name, "copy" if sign > 0 else "neg", (operand,))
