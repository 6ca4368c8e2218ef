"""Self-contained parts of a trace: some of its stages, steps or sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..cell.network import GIVEN, Stage, scope_and_name
from ..errors import MissingError
from .address import line_name
from .printed import from_zero

if TYPE_CHECKING:
    from .trace import Trace

Premises = dict[str, dict[str, Array]]


def stages_at(trace: Trace, layer: int | None, direction: str | None) -> Trace:
    """The trace of one layer, or one direction, or both. Raises MissingError."""
    stages = [s for s in trace.stages if layer in (None, s.layer) and direction in (None, s.direction)]
    if not stages:
        raise MissingError(f"no layer {layer}, direction {direction}; there are {', '.join(trace.scopes)}")
    scopes = {stage.scope for stage in stages}
    keep: dict[str, Any] = {
        part: {scope: values for scope, values in getattr(trace, part).items() if scope in scopes}
        for part in ("parameters", "initial", "given", "lines", "sums")
    }
    alone = []
    for stage in stages:
        # a stage that reads another stage's line gets it as supplied, so that the part is self-contained
        elsewhere = [n for n, src in stage.sources.items() if "/" in src and scope_and_name(src)[0] not in scopes]
        read = {name: trace.operand(stage.scope, name) for name in elsewhere}
        if supplied := {name: values for name, values in read.items() if values is not None}:
            keep["given"][stage.scope] = {**trace.given.get(stage.scope, {}), **supplied}
        alone.append(replace(stage, sources={**stage.sources, **dict.fromkeys(elsewhere, GIVEN)}))
        if stage.owner not in scopes and stage.owner in trace.parameters:  # an adjoint uses parameters of its stage
            known = {*stage.cell.parameters, *stage.cell.ends}
            theirs = trace.parameters[stage.owner].items()
            keep["parameters"][stage.owner] = {name: array for name, array in theirs if name in known}
    ask = tuple(text for text in trace.header.ask if any(stage.has(line_name(text)) for stage in stages))
    return replace(trace, header=replace(trace.header, ask=ask), stages=tuple(alone), **keep)


def arrays(trace: Trace, *parts: str) -> Iterator[tuple[str, str, str, Array]]:
    """(part, scope, name, array) of the arrays that a trace keys by scope, in the given parts: `lines`, `given`, …"""
    for part in parts:
        for scope, here in getattr(trace, part).items():
            yield from ((part, scope, name, array) for name, array in here.items())


def every_array(trace: Trace) -> dict[tuple[str, ...], Array]:
    """All arrays of a trace, by part, scope and name, or by the name of a part that is an array."""
    keyed = arrays(trace, "parameters", "initial", "given", "lines", "sums")
    found: dict[tuple[str, ...], Any] = {(part, scope, name): array for part, scope, name, array in keyed}
    found |= {(name,): getattr(trace, name) for name in ("x", "lengths", "mask")}
    return {key: array for key, array in found.items() if array is not None}


def names(trace: Trace, *parts: str) -> dict[str, None]:
    """The names in the given parts, each once, in order."""
    return dict.fromkeys(name for _, _, name, _ in arrays(trace, *parts))


def between(trace: Trace, span: range) -> Trace:
    """The trace of the steps `span`, all of them recorded; the states carried into them become its initial states.

    A state whose line was not recorded is left out, and so are sums over all steps.
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


def before(steps: slice, count: int, backwards: bool) -> tuple[bool, slice]:
    """For the values carried into some of `count` steps: whether the first step is among them, whose value is the
    initial one, and the steps that the other values come from.
    """
    if backwards:
        return steps.stop == count, slice(steps.start + 1, min(steps.stop + 1, count))
    return steps.start == 0, slice(max(steps.start - 1, 0), max(steps.stop - 1, 0))


def step_before(trace: Trace, stage: Stage, name: str, steps: slice) -> Array | None:
    """The carried line one step earlier (later, for the reverse direction), the initial value at the edge."""
    begin, end, _ = steps.indices(trace.steps)
    first = trace.initial.get(stage.scope, {}).get(name)
    edge, inner = before(slice(begin, end), trace.steps, stage.backwards)
    parts = [trace.operand(stage.scope, stage.cell.states[name], inner)] if inner.stop > inner.start else []
    if edge and end > begin:
        parts.insert(len(parts) if stage.backwards else 0, None if first is None else first[None])
    there = [part for part in parts if part is not None]
    if not parts or len(there) < len(parts):
        return None
    return there[0] if len(there) == 1 else np.concatenate(there)


def rows(trace: Trace, which: slice | Array) -> Trace:
    """The trace of some sequences of the batch: views for a slice, copies otherwise.

    Sums over the batch are left out.
    """
    kept = np.arange(trace.batch)[which]
    labels = trace.header.step_labels
    chosen = labels if len(labels) < 2 else tuple(labels[b] for b in kept.tolist())
    sums = trace.sums if np.array_equal(kept, np.arange(trace.batch)) else {}
    header = replace(trace.header, step_labels=chosen)
    return _part(trace, slice(None), which, header=header, batch=len(kept), sums=sums)


def _part(trace: Trace, window: slice, which: slice | Array, **others: Any) -> Trace:
    """The trace with its arrays at some steps and sequences, and some arrays replaced."""
    at = window, which
    x, mask = (None if values is None else values[at] for values in (trace.x, trace.mask))
    lengths = None if trace.lengths is None else trace.lengths[which]
    held: dict[str, Any] = {"initial": _some(trace.initial, which), "memory": None}
    held |= {part: _some(getattr(trace, part), at) for part in ("given", "lines")}
    printed = trace.rounding.items()  # of lines, and of sums, which have no steps
    held["rounding"] = {s: {n: half[at] if half.ndim == 3 else half for n, half in own.items()} for s, own in printed}
    return replace(trace, **{"x": x, "mask": mask, "lengths": lengths, **held, **others})


def last_value(trace: Trace, stage: Stage, state: str) -> Array:
    """The value of a state after the last step that the stage visits, (B, width). Raises MissingError."""
    line = stage.cell.states[state]
    values = trace.operand(stage.scope, line)
    if values is None:
        raise MissingError(f"{stage.scope}/{line} was not recorded, so that its last value is unknown; record it too")
    return values[0 if stage.backwards else -1]


def joined(traces: Sequence[Trace], part: str, axis: int = 0) -> Premises:
    """The arrays of one part that all traces have, by scope and name, one after the other along an axis."""
    every: list[Premises] = [getattr(trace, part) for trace in traces]
    found: Premises = {}
    for scope, here in every[0].items():
        shared = [name for name in here if all(name in one.get(scope, {}) for one in every)]
        found[scope] = {name: np.concatenate([one[scope][name] for one in every], axis) for name in shared}
    return found


def cut(trace: Trace, span: range, initial: Premises, lines: Premises) -> Trace:
    """The trace of the steps `span`, with the states carried into them and the lines at those steps."""
    steps = slice(trace.index(span.start), trace.index(span.stop))
    ask = tuple(text for text in trace.header.ask if _within(trace, text, span))
    lengths = None if trace.lengths is None else trace.lengths.clip(max=span.stop)
    place = {"first": span.start, "steps": len(span), "header": replace(trace.header.until(span.stop), ask=ask)}
    return _part(trace, steps, slice(None), **place, lengths=lengths, initial=initial, lines=lines, sums={})


def _within(trace: Trace, text: str, span: range) -> bool:
    """Whether a requested line may lie in `span`."""
    try:
        t = trace.locate(from_zero(text), every=True).t
    except MissingError:  # not recorded
        return True
    return t is None or t in span


def _some(arrays: Premises, at: Any) -> Premises:
    return {scope: {name: values[at] for name, values in here.items()} for scope, here in arrays.items()}
