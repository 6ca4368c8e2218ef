"""Whether the equations of an adjoint stage are the adjoint of its forward stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..cell.adjoint import adjoint, read_by, secants
from ..cell.network import GIVEN, Stage
from ..errors import LstmTraceError
from ..trace.derived import sizes
from ..trace.trace import Trace


def unlike_adjoint(trace: Trace, stage: Stage) -> str:
    """Why the lines of an adjoint stage, however well they follow from each other, are no gradients; empty if they are.

    Its equations are held against those that are derived from its forward stage here, or the secants of that. A file
    from elsewhere may have other ones, as may a version that wrote the same gradients in another way: its lines are
    verified, and that they are gradients is not.
    """
    owner = trace.stage(stage.owner)
    try:
        seeds, widths = _weighted(stage), sizes(trace)[stage.owner]
        expected = adjoint(owner.active, seeds, widths)
        read = read_by(owner.active, stage.cell)
        also = (read[name][1] for name in stage.cell.inputs if name in read)
        between = secants(owner.active, seeds, widths, also) if expected != stage.cell else None
    except LstmTraceError as error:
        return f"the adjoint of {stage.owner} cannot be derived to compare with: {error.problems[0]}"
    if expected == stage.cell:
        return _misread(trace, stage, seeds)
    if between and between.cell == stage.cell:
        own = {new: f"{stage.owner}/{name}" for new, (side, name) in between.reads.items() if side == "own"}
        for new in own.keys() & stage.sources.keys():
            if stage.sources[new] not in (own[new], GIVEN):
                return f"its input {new} is {stage.sources[new]}; expected {own[new]}"
        return ""
    begin = f"its equations are not those of the adjoint of {stage.owner}"
    for row, other in zip(expected.text.splitlines(), stage.cell.text.splitlines(), strict=False):
        if row != other:
            return f"{begin}: expected `{_short(row)}`, found `{_short(other)}`"
    return begin


def _misread(trace: Trace, stage: Stage, seeds: Mapping[str, Sequence[str]]) -> str:
    """What an adjoint reads from elsewhere than its forward stage and the adjoints of the stages that read that one."""
    owner = trace.stage(stage.owner)
    for name in (*owner.cell.by_name, *owner.cell.inputs, *owner.cell.states):
        if name in stage.cell.inputs and stage.sources.get(name) != f"{owner.scope}/{name}":
            return f"its input {name} is {stage.sources.get(name)}; expected {owner.scope}/{name}"
    back = {other.owner: other for other in trace.stages if other.is_adjoint}
    for value in (*owner.cell.by_name, *owner.cell.inputs):
        brought = {
            f"{back[reader.scope].scope}/{line}"
            for reader in trace.stages
            if reader.scope in back
            for name, source in reader.sources.items()
            if source == f"{owner.scope}/{value}"
            for line in [back[reader.scope].cell.gradient_of.get(name)]
            if line is not None
        }
        found = {stage.sources.get(fed, "") for fed in seeds.get(value, ())} - {GIVEN}
        if found != brought:
            here, there = (", ".join(sorted(part)) or "no other stage" for part in (found, brought))
            return f"the gradient of {value} comes from {here}; expected {there}"
    return ""


def _weighted(stage: Stage) -> dict[str, list[str]]:
    """By value of the forward stage the inputs of its adjoint that bring its weights: its gradient is their sum, and
    what its readers bring."""
    gradients: dict[str, str] = {}
    for line, name in stage.cell.gradient:
        if line in stage.cell.by_name:
            gradients.setdefault(line, name)  # the first: others only have an equal gradient
    found: dict[str, list[str]] = {}
    for reader in stage.cell.lines:
        for name in reader.reads:
            if name in stage.cell.inputs and not stage.borrows(name) and reader.name in gradients:
                found.setdefault(gradients[reader.name], []).append(name)
    return found


def _short(row: str) -> str:
    return row if len(row) <= 80 else f"{row[:79]}…"
