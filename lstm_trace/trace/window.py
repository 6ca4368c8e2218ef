"""A part of a trace, which can stand alone: some of its stages, of its steps, or of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..cell.network import GIVEN, scope_and_name
from ..errors import MissingError
from .address import line_name

if TYPE_CHECKING:
    from .trace import Trace

Premises = dict[str, dict[str, Array]]


def stages_at(trace: Trace, layer: int | None, direction: str | None) -> Trace:
    """The trace of one layer, or one direction, or both. Raises MissingError."""
    stages = tuple(
        stage
        for stage in trace.stages
        if (layer is None or stage.layer == layer) and (direction is None or stage.direction == direction)
    )
    if not stages:
        raise MissingError(f"no layer {layer}, direction {direction}; there are {', '.join(trace.scopes)}")
    scopes = {stage.scope for stage in stages}
    # a stage that reads another's line sees it as supplied, so that the part can stand alone
    given = {
        s.scope: {
            **trace.given.get(s.scope, {}),
            **{
                name: values
                for name, source in s.sources.items()
                if "/" in source
                and scope_and_name(source)[0] not in scopes
                and (values := trace.operand(s.scope, name)) is not None
            },
        }
        for s in stages
    }
    stages = tuple(
        replace(
            s,
            sources={
                n: GIVEN if "/" in src and scope_and_name(src)[0] not in scopes else src for n, src in s.sources.items()
            },
        )
        for s in stages
    )
    ask = tuple(text for text in trace.header.ask if any(stage.has(line_name(text)) for stage in stages))
    keep: dict[str, Any] = {
        part: {scope: values for scope, values in getattr(trace, part).items() if scope in scopes}
        for part in ("parameters", "initial", "lines", "sums")
    }
    for stage in stages:  # an adjoint reads some parameters of another stage
        if stage.owner not in scopes and stage.owner in trace.parameters:
            theirs = trace.parameters[stage.owner]
            keep["parameters"][stage.owner] = {
                n: a for n, a in theirs.items() if n in stage.cell.parameters or n in stage.cell.ends
            }
    header = replace(trace.header, ask=ask)
    return replace(trace, header=header, stages=stages, given={k: v for k, v in given.items() if v}, **keep)


def between(trace: Trace, span: range) -> Trace:
    """The trace of the steps `span`, which it holds; the states that were carried into them are its initial ones.

    A state whose line was not recorded is left out, and so is what was gathered over all steps.
    """
    if span == trace.span:
        return trace
    steps = slice(trace.index(span.start), trace.index(span.stop))
    initial: Premises = {}
    for stage in trace.stages:
        edge = steps.start if not stage.backwards else steps.stop - 1
        for state in trace.initial.get(stage.scope, {}):
            values = trace.operand(stage.scope, state, slice(edge, edge + 1))
            if values is not None:
                initial.setdefault(stage.scope, {})[state] = values[0]
    return cut(trace, span, initial, _some(trace.lines, steps))


def rows(trace: Trace, which: slice | Array) -> Trace:
    """The trace of some rows of the batch: views of a slice, copies of chosen ones. Sums over all rows are left out."""

    def part(arrays: Mapping[str, Mapping[str, Array]], *lead: slice) -> Premises:
        at: Any = (*lead, which)
        return {scope: {name: values[at] for name, values in here.items()} for scope, here in arrays.items()}

    every = slice(None)
    kept = np.arange(trace.batch)[which]
    labels = trace.header.step_labels
    chosen = labels if len(labels) < 2 else tuple(labels[b] for b in kept.tolist())
    return replace(
        trace,
        header=replace(trace.header, step_labels=chosen),
        batch=len(kept),
        x=None if trace.x is None else trace.x[:, which],
        lengths=None if trace.lengths is None else trace.lengths[which],
        mask=None if trace.mask is None else trace.mask[:, which],
        initial=part(trace.initial),
        given=part(trace.given, every),
        lines=part(trace.lines, every),
        sums=trace.sums if np.array_equal(kept, np.arange(trace.batch)) else {},
        memory=None,
    )


def beside(parts: Sequence[Trace]) -> Trace:
    """Steps of one trace as rows of one step, so that each matrix is read once.

    What one of them lacks is left out: a state whose line was not recorded is known before the first step alone.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]

    def joined(kind: str, axis: int) -> dict[str, dict[str, Array]]:
        every: list[Premises] = [getattr(part, kind) for part in parts]
        return {
            scope: {
                name: np.concatenate([one[scope][name] for one in every], axis)
                for name in here
                if all(name in one.get(scope, {}) for one in every)
            }
            for scope, here in every[0].items()
        }

    return replace(
        first,
        header=replace(first.header, step_labels=()),
        batch=sum(part.batch for part in parts),
        x=None if first.x is None else np.concatenate([part.x for part in parts if part.x is not None], 1),
        lengths=None,
        mask=np.concatenate([part.valid[:, :, 0] != 0 for part in parts], 1) if first.padded else None,
        initial=joined("initial", 0),
        given=joined("given", 1),
        lines=joined("lines", 1),
    )


def cut(trace: Trace, span: range, initial: Premises, lines: Premises) -> Trace:
    """The trace of the steps `span`, with the states that were carried into them and the lines at those steps."""
    steps = slice(trace.index(span.start), trace.index(span.stop))
    return replace(
        trace,
        header=replace(
            trace.header.until(span.stop), ask=tuple(t for t in trace.header.ask if _within(trace, t, span))
        ),
        first=span.start,
        steps=len(span),
        x=None if trace.x is None else trace.x[steps],
        lengths=None if trace.lengths is None else trace.lengths.clip(max=span.stop),
        mask=None if trace.mask is None else trace.mask[steps],
        initial=initial,
        given=_some(trace.given, steps),
        lines=lines,
        sums={},
        memory=None,
    )


def _within(trace: Trace, text: str, span: range) -> bool:
    """Whether what was asked for may lie in `span`."""
    try:
        t = trace.locate(text, every=True).t
    except MissingError:  # not recorded
        return True
    return t is None or t in span


def _some(arrays: Premises, steps: slice) -> Premises:
    return {scope: {name: values[steps] for name, values in here.items()} for scope, here in arrays.items()}
