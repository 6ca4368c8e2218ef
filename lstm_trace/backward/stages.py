"""The adjoint of a network: for each stage that a weighted value depends on, a stage that runs against its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cell.adjoint import adjoint
from ..cell.lines import Cell
from ..cell.network import ADJOINT, GIVEN, Scope, Stage, scope_and_name

#: Writes the adjoint of a stage, from its weighted values with the names of their weights and the widths of all: the
#: cell, and where its inputs come from, other than the weights.
Write = Callable[[Stage, Mapping[str, Iterable[str]], Mapping[str, int]], tuple[Cell, Mapping[str, str]]]


def forward_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages that are no adjoints."""
    return tuple(stage for stage in stages if not stage.direction.startswith(ADJOINT))


def differential(
    stage: Stage, seeds: Mapping[str, Iterable[str]], widths: Mapping[str, int]
) -> tuple[Cell, Mapping[str, str]]:
    """The adjoint by derivatives, which reads the lines of the stage: see `Write`."""
    cell = adjoint(stage.cell, seeds, widths)
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
        for name in seeds.get(stage.scope, ()):
            here.setdefault(name, []).append(fed := seed_name(name))
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
        gradients = {name: new for new, name in cell.gradient}
        for name, source in stage.sources.items():
            if name in gradients and scope_and_name(source)[0]:
                brought.setdefault(source, []).append((back.scope, gradients[name]))
    return tuple(found)


def seed_name(name: str) -> str:
    """The input of an adjoint that brings the weights of the line `name`."""
    return f"seed_{name}" if name.isidentifier() else f"seed_{'_'.join(part for part in _words(name))}"


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text).split()
