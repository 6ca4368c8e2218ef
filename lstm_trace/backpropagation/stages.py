"""The adjoint of a network: for each stage that a weighted value depends on, a stage that runs against its time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cell.adjoint import adjoint
from ..cell.lines import Cell
from ..cell.network import ADJOINT, GIVEN, SEED, Scope, Stage, forward_stages, scope_and_name

#: Writes the adjoint of a stage, from its weighted values with the names of their weights and the widths of all: the
#: cell, and where its inputs come from, other than the weights.
Write = Callable[[Stage, Mapping[str, Iterable[str]], Mapping[str, int]], tuple[Cell, Mapping[str, str]]]


def differential(
    stage: Stage, seeds: Mapping[str, Iterable[str]], widths: Mapping[str, int]
) -> tuple[Cell, Mapping[str, str]]:
    """The adjoint by derivatives, which reads the lines of the stage: see `Write`."""
    cell = adjoint(stage.active, seeds, widths)
    return cell, {name: f"{stage.scope}/{name}" for name in cell.inputs}


def adjoint_stages(
    stages: Sequence[Stage],
    seeds: Mapping[Scope, Iterable[str]],
    widths: Mapping[Scope, Mapping[str, int]],
    write: Write = differential,
) -> tuple[Stage, ...]:
    """The adjoint stages, in computing order.

    seeds: by scope the lines, inputs and states that are weighted; each stage is given the weights as `seed_<name>`.
    widths: of every value, by scope.
    """
    found: list[Stage] = []
    brought: dict[str, list[tuple[str, str]]] = {}  # to `scope/line`, the gradients of the inputs that have its value
    for stage in reversed(forward_stages(stages)):
        sources: dict[str, str] = {}
        here: dict[str, list[str]] = {}
        for name, fed in seed_names(stage, seeds.get(stage.scope, ())).items():
            here.setdefault(name, []).append(fed)
            sources[fed] = GIVEN
        for name in (*stage.cell.by_name, *stage.cell.inputs, *stage.cell.states):
            for scope, line in brought.get(f"{stage.scope}/{name}", ()):
                here.setdefault(name, []).append(fed := f"{line}_{scope.replace(ADJOINT, '').replace('/', '_')}")
                sources[fed] = f"{scope}/{line}"
        if not here:
            continue
        cell, values = write(stage, here, widths[stage.scope])
        sources = {**values, **sources}
        back = Stage(stage.layer, f"{ADJOINT}{stage.direction}", cell, sources)
        found.append(back)
        for name, source in stage.sources.items():
            if name in cell.gradient_of and scope_and_name(source)[0]:
                brought.setdefault(source, []).append((back.scope, cell.gradient_of[name]))
    return tuple(found)


def seed_names(stage: Stage, lines: Iterable[str]) -> dict[str, str]:
    """For each weighted line of a stage the input of its adjoint that brings the weights."""
    cell = stage.cell
    taken = {*cell.by_name, *cell.inputs, *cell.states, *cell.parameters}
    found: dict[str, str] = {}
    for line in lines:
        name = SEED + re.sub(r"\W+", "_", line).strip("_")
        while name in taken:
            name += "_"
        taken.add(name)
        found[line] = name
    return found
