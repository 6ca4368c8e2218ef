"""Whether the adjoint stages of a trace, and what stages gather over all steps, fit the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..cell.network import GIVEN, Stage, scope_and_name
from .trace import Trace

_FIRST = slice(0, 1)


def sources_faults(stage: Stage, before: Mapping[str, Stage]) -> Iterator[str]:
    """What is wrong with the sources of a stage that is an adjoint, or reads one. before: earlier stages by scope.

    An adjoint reads the stage whose adjoint it is by that stage's own names (secants give a name to what has none),
    gradients of other adjoints, and what is supplied: its seeds, or, where it is a part that stands alone, all of it.
    """
    for name in stage.cell.inputs:
        source = stage.sources.get(name, GIVEN)
        scope, line = scope_and_name(source)
        other = before.get(scope)
        if not stage.is_adjoint:
            if other is not None and other.is_adjoint:
                yield f"the source of {name} is {source}, an adjoint; only adjoints read adjoints"
            continue
        mine = scope == stage.owner and (other is None or other.has(line)) and (line == name or not line.isidentifier())
        gradient = other is not None and other.is_adjoint and line in other.cell.by_name
        if source != GIVEN and not mine and not gradient:
            yield (
                f"the source of {name} is {source or 'missing'}; an adjoint reads {stage.owner}/{name}, a line of "
                "another adjoint, or what is supplied"
            )
    owner = before.get(stage.owner) if stage.is_adjoint else None
    if stage.is_adjoint and owner is None and any(stage.borrows(name) for name in stage.inputs):
        yield f"it is an adjoint, and the stage {stage.owner} does not stand before it"
    if owner is not None:
        cell = owner.cell
        known = {*cell.by_name, *cell.inputs, *cell.states, *cell.parameters}
        unknown = [name for _, name in stage.cell.gradient if name not in known]
        yield from (f"it has the gradient of {name}, which {stage.owner} does not have" for name in unknown)


def shape_faults(trace: Trace) -> Iterator[str]:
    """Sums that are missing beside others of their stage; sums and gradients whose shape is not that of what they are
    made of, or the gradient of.

    All sums of a stage may be missing: those over all steps and rows are no part of a trace of some of them.
    """
    for scope, sums in trace.sums.items():
        if scope not in trace.scopes:
            yield f"sums: there is no stage {scope!r}"
            continue
        known = {gathered.name: gathered for gathered in trace.stage(scope).cell.sums}
        if sums and (lacking := [name for name in known if name not in sums]):
            yield f"sums {scope}: {', '.join(lacking)} missing; expected all that its equations gather, or none"
        for name, value in sums.items():
            if name not in known:
                yield f"sums {scope}/{name}: the cell gathers nothing of that name"
                continue
            for term in known[name].terms:
                read = [trace.operand(scope, part, _FIRST) for part in term]
                matrices = [p for p, v in zip(term, read, strict=True) if v is not None and v.ndim == 2]
                if matrices:
                    yield f"sums {scope}/{name}: it gathers the matrix {matrices[0]}; expected vectors"
                    continue
                widths = [None if v is None else v.shape[-1] for v in read]
                known_sizes = (w in (None, n) for w, n in zip(widths, value.shape, strict=False))
                if len(widths) != value.ndim or not all(known_sizes):
                    expected = f"({', '.join('?' if w is None else str(w) for w in widths)})"
                    yield f"sums {scope}/{name} has shape {value.shape}; expected {expected}, as {' and '.join(term)}"
    for stage in trace.stages:
        if stage.is_adjoint and stage.owner in trace.scopes:
            yield from _gradients(trace, stage)


def _gradients(trace: Trace, stage: Stage) -> Iterator[str]:
    """Gradients of an adjoint stage that do not have the shape of what they are the gradient of."""
    owner = trace.stage(stage.owner)
    for line, name in stage.cell.gradient:
        if name in owner.cell.parameters:
            value = trace.sums.get(stage.scope, {}).get(line)
            of = trace.parameters.get(stage.owner, {}).get(name)
            if line in stage.cell.by_name or line in stage.cell.states:
                yield f"{stage.scope}: {line} has a value at each step, and is the gradient of the parameter {name}"
                continue
            shapes = (None if a is None else a.shape for a in (value, of))
        else:
            if line not in stage.cell.by_name and line not in stage.cell.states:
                yield f"{stage.scope}: {line} has no value at each step, and is the gradient of {name}, which has"
                continue
            parts = (trace.operand(stage.scope, line, _FIRST), trace.operand(stage.owner, name, _FIRST))
            shapes = (None if a is None else a.shape[-1:] for a in parts)
        one, two = shapes
        if one is not None and two is not None and one != two:
            yield f"{stage.scope}: {line} has shape {one}; expected {two}, that of {name}, whose gradient it is"
