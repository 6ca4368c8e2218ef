"""The gradient of every line, state and input at every step, and by which ways each of them reaches the target."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ...backward.reverse import Adjoints, Seeds, by_matrix, pulled, walk_back
from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage, scope_and_name
from ...cell.slopes import DERIVATIVE, Slope
from ...trace.operands import Values, in_order, sizes
from ...trace.trace import Trace

#: Operands through which nothing flows back, or which are matrices.
_SHUT = {("where", 0), ("matvec", 0), ("vecmat", 1), ("greater", 0), ("greater", 1)}


class Edge(NamedTuple):
    """Operand `k` of a line: a way by which a value reaches the target."""

    line: Line
    k: int


class Flow:
    """The walk back through `trace` from the lines weighted by `seeds`, by scope and line, (T, B, width).

    values: the gradient of every line, state and input by scope and name, (T, B, width), 0 where nothing flows.
    premises: the gradients of what the trace started from.
    """

    def __init__(self, trace: Trace, seeds: Seeds) -> None:
        self.trace, self.seeds = trace, seeds
        self.widths = sizes(trace)
        self.values: dict[str, dict[str, Array]] = {stage.scope: {} for stage in trace.stages}
        self.premises: Adjoints = walk_back(trace, seeds, visit=self._visit)
        for stage in trace.stages:
            for name, weights in seeds.get(stage.scope, {}).items():
                if name not in stage.cell.by_name:
                    self._add(stage, name, slice(None), weights)
            for state, target in stage.cell.carry:  # a supplied line that is carried
                if target in stage.cell.inputs and state in self.values[stage.scope]:
                    back = in_order(stage, self.values[stage.scope][state])
                    whole = np.concatenate([back[1:], np.zeros_like(back[:1])])
                    self._add(stage, target, slice(None), in_order(stage, whole))
        self.live = dict(self._reached())
        self._slopes = cache(self._derivatives)

    def _visit(self, stage: Stage, line: Line, steps: slice, adjoint: Array, slopes: tuple[Slope, ...]) -> None:
        self._add(stage, line.name, steps, in_order(stage, adjoint))
        begin = 0
        for k, (operand, slope) in enumerate(zip(line.operands, slopes, strict=True)):
            width = self.widths[stage.scope].get(str(operand), 1)
            part = adjoint[..., begin : begin + width] if line.op == "concat" else adjoint
            begin += width
            if (line.op, k) in _SHUT or slope is None:
                continue
            if operand in stage.cell.states or operand in stage.cell.inputs:
                here = pulled(part, slope, width, by_matrix(line))
                self._add(stage, str(operand), steps, in_order(stage, here))

    def _add(self, stage: Stage, name: str, steps: slice, values: Array) -> None:
        here = self.values[stage.scope]
        if name not in here:
            width = self.widths[stage.scope][name]
            here[name] = np.zeros((self.trace.steps, self.trace.batch, width), self.trace.header.dtype)
        here[name][steps] += values

    def at(self, scope: str, name: str, t: int, b: int) -> Array:
        """The gradient of one line, state or input at one step and row, (width,)."""
        found = self.values[scope].get(name)
        return (
            np.zeros(self.widths[scope][name], self.trace.header.dtype)
            if found is None
            else found[self.trace.index(t), b]
        )

    def any(self, stage: Stage) -> bool:
        """Whether any gradient of a stage is not zero."""
        return any(bool(np.any(values)) for values in self.values[stage.scope].values())

    # -- what reaches the target --------------------------------------------------------------------------------------

    def order(self, stage: Stage) -> range:
        """The steps in the order of the walk: last first, for the reverse direction first first."""
        return self.trace.span if stage.direction == "reverse" else self.trace.span[::-1]

    def _reached(self) -> list[tuple[str, dict[int, frozenset[str]]]]:
        """For every scope and step the names of which the target depends on."""
        span = self.trace.span
        asked: dict[str, dict[int, set[str]]] = {s.scope: {t: set() for t in span} for s in self.trace.stages}
        for scope, here in self.seeds.items():
            for name, weights in here.items():
                for at in np.flatnonzero(np.any(weights, axis=(1, 2))):
                    asked[scope][span[int(at)]].add(name)
        found = []
        for stage in reversed(self.trace.stages):
            live: dict[int, frozenset[str]] = {}
            later: frozenset[str] = frozenset()
            known: dict[tuple[frozenset[str], frozenset[str]], frozenset[str]] = {}
            for t in self.order(stage):
                key = frozenset(asked[stage.scope][t]), later
                if key not in known:
                    known[key] = self._back(stage, *key)
                live[t] = later = known[key]
                for name, source in stage.sources.items():
                    scope, line = scope_and_name(source)
                    if scope and name in later:
                        asked[scope][t].add(line)
            found.append((stage.scope, live))
        return found

    def _back(self, stage: Stage, asked: frozenset[str], later: frozenset[str]) -> frozenset[str]:
        names = {*asked, *(target for state, target in stage.cell.carry if state in later)}
        for line in reversed(stage.lines):
            if line.name in names:
                names.update(str(o) for k, o in enumerate(line.operands) if isinstance(o, str) and _open(line, k))
        return frozenset(names)

    def edges(self, stage: Stage, name: str, t: int) -> list[Edge]:
        """The lines of the same step through which `name` (a parameter too) reaches the target at step t."""
        live = self.live[stage.scope][t]
        return [
            Edge(line, k)
            for line in stage.lines
            if line.name in live
            for k, operand in enumerate(line.operands)
            if operand == name and (_open(line, k) or line.product)
        ]

    def carried(self, stage: Stage, name: str, t: int) -> list[tuple[str, int]]:
        """The states (with their step) that take the value of `name` at step t and reach the target."""
        after = t - 1 if stage.direction == "reverse" else t + 1
        if after not in self.trace.span:
            return []
        live = self.live[stage.scope][after]
        return [(state, after) for state, target in stage.cell.carry if target == name and state in live]

    def above(self, stage: Stage, name: str, t: int) -> list[tuple[Stage, str]]:
        """The stages, with their inputs, that read `name` at step t and reach the target."""
        source = f"{stage.scope}/{name}"
        return [
            (other, operand)
            for other in self.trace.stages
            for operand, origin in other.sources.items()
            if origin == source and operand in self.live[other.scope][t]
        ]

    def seeded(self, stage: Stage, name: str, t: int, b: int) -> bool:
        """Whether `name` itself is weighted there."""
        weights = self.seeds.get(stage.scope, {}).get(name)
        return weights is not None and bool(np.any(weights[self.trace.index(t), b]))

    def passed(self, stage: Stage, line: Line) -> tuple[float, Line] | None:
        """The sign and the line whose gradient is that of `line`: a term without a name of one sum. None for others."""
        if line.assigned or line.name in self.seeds.get(stage.scope, {}):
            return None
        if line.name in stage.cell.states.values() or any(
            f"{stage.scope}/{line.name}" in other.sources.values() for other in self.trace.stages
        ):
            return None
        readers = [(x, k) for x in stage.lines for k, operand in enumerate(x.operands) if operand == line.name]
        if len(readers) != 1 or readers[0][0].op not in ("add", "neg", "copy"):
            return None
        reader, k = readers[0]
        width = self.widths[stage.scope]
        if width[reader.name] != width[line.name]:
            return None
        return {"add": (reader.constants or (1.0,) * (k + 1))[k], "neg": -1.0}.get(reader.op, 1.0), reader

    def slope(self, stage: Stage, edge: Edge, t: int, b: int, unit: int) -> float:
        """The derivative of one unit of a line to one operand, element by element."""
        slope = self._slopes(stage.scope, edge.line, t)[edge.k]
        known = self.widths[stage.scope]
        width = max(known[edge.line.name], known.get(str(edge.line.operands[edge.k]), 1))
        return float(np.broadcast_to(np.asarray(slope), (1, self.trace.batch, width))[0, b, unit])

    def _derivatives(self, scope: str, line: Line, t: int) -> tuple[Slope, ...]:
        stage = self.trace.stage(scope)
        at = self.trace.index(t)
        values = Values(self.trace, stage, slice(at, at + 1), self.trace.header.dtype, self.widths[scope], False)
        return DERIVATIVE[line.op](values.at(line))


def _open(line: Line, k: int) -> bool:
    return (line.op, k) not in _SHUT
