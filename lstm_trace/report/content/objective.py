"""What L is in a way back: one value, or a sum of values, read from the weights that the adjoint stages were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.network import Stage
from ...trace.address import ranged
from ...trace.held import blocks
from ...trace.trace import Trace

#: Terms of a sum that are written out.
FEW = 6


class Objective(NamedTuple):
    """What L is: one value where step, row and unit are given, else a sum of a line's values, each by its weight.

    weighted: whether a weight is not 1. parts: every stage and line that has weights, with these. few: the units of one
    line at one step, each with its sign, where L is the sum of some. said: the addresses that L is the sum of, with
    their signs; empty where a weight is another number than 1 or -1, or where they are many. seeds: the names of the
    weights of each of `parts`.
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
        """Whether only what a stage gives out has weights."""
        return len(self.parts) == 1 and self.line == self.stage.cell.output


def made_for(stage: Stage) -> dict[str, str]:
    """Each gradient of an adjoint stage with the value that it was made for; its terms may have the same."""
    return dict(reversed(stage.cell.gradient))


def seeded(trace: Trace) -> tuple[int, ...]:
    """The rows of the batch of which a value has a weight."""
    adjoints = [stage for stage in trace.stages if stage.cell.gradient]
    weights = [trace.given[s.scope][n] for s in adjoints for n in s.weights]
    return tuple(b for b in range(trace.batch) if any(w[:, b].any() for w in weights))


def objective(trace: Trace) -> Objective:
    """What L is, from the weights that the adjoint stages were given."""
    found: list[tuple[Stage, str, np.ndarray]] = []
    seeds: list[str] = []
    for stage in trace.stages:
        for line in stage.cell.lines if stage.cell.gradient else ():
            for name in line.reads:
                if name in stage.weights and line.name in made_for(stage):
                    weights = trace.given[stage.scope][name]
                    seeds.append(name)
                    found.append((trace.stage(stage.owner), made_for(stage)[line.name], weights))
    stage, name, weights = found[0]
    parts = tuple(found)
    if len(found) == 1 and 0 < np.count_nonzero(weights) <= FEW and (np.abs(weights[weights != 0]) == 1).all():
        (t, *others), (b, *rows), units = (at.tolist() for at in np.nonzero(weights))
        few = tuple((float(weights[t, b, unit]), unit) for unit in units)
        if len(units) == 1 and few[0][0] == 1:
            return Objective(stage, name, trace.span[t], b, units[0], parts=parts)
        if {t} == {t, *others} and {b} == {b, *rows} and weights.shape[-1] > 1:
            return Objective(stage, name, trace.span[t], b, weighted=True, parts=parts, few=few)
    weighted = len(found) > 1 or weights.shape[-1] > 1 or not (weights == 1).all()
    return Objective(stage, name, weighted=weighted, parts=parts, said=_said(trace, parts), seeds=tuple(seeds))


def _said(trace: Trace, parts: Sequence[tuple[Stage, str, Array]]) -> str:
    """Addresses whose sum L is, as `of` takes it."""
    if any(not np.isin(weights, (-1, 0, 1)).all() for _, _, weights in parts):
        return ""
    terms: list[str] = []
    for stage, line, weights in parts:
        for sign in (1, -1):
            for steps, rows, units in blocks(weights == sign):
                if len(terms) == FEW:
                    return ""
                whole = len(units) == weights.shape[-1]
                shown = range(trace.first + steps.start, trace.first + steps.stop)
                address = ranged(stage.scope, line, shown, rows, None if whole and len(units) > 1 else units)
                many = len(steps) * len(rows) * len(units) > 1
                terms.append(f"{' + ' if sign > 0 else ' - '}{f'sum({address})' if many else address}")
    terms.sort(key=lambda term: term.startswith(" -"))  # what is added comes first
    return "".join(terms).removeprefix(" + ").replace(" - ", "-", terms[0].startswith(" -"))
