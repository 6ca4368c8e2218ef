"""What one kind of run computes: the stages with the lines that are needed, every width, and what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..cell.network import GIVEN, VALID, Stage, X, restrict, scope_and_name
from ..cell.shapes import infer
from ..errors import Faults, MissingError, ShapeError, raise_all, within
from ..trace.address import STATE, Address
from ..trace.holding import Lines, applied
from ..trace.labels import misfits, readout
from .inputs import RunInputs
from .recording import EVERYTHING, Record, recorded, stored_steps
from .required import require
from .targets import beyond, wanted
from .work import Weights, Work


class Request(NamedTuple):
    """All that the work of a run depends on, without a value. padded: `lengths`, `mask` or empty (see `RunInputs`).

    holds: the lines that are held or scaled; at: the arrays that say where and at what (see `trace.holding`).
    """

    steps: int
    batch: int
    width: int | None
    padded: str
    ask: tuple[str, ...]
    given: tuple[tuple[str, str, int], ...]
    initial: tuple[tuple[str, str, int], ...]
    record: Record = EVERYTHING
    holds: Lines = ()
    at: tuple[tuple[str, str, int], ...] = ()


def requested(fed: RunInputs, ask: tuple[str, ...], record: Record, scopes: Sequence[str]) -> Request:
    """The request of a run over some arrays. scopes: those of the cells, in the order of the initial states."""
    return Request(
        fed.steps,
        fed.batch,
        None if fed.x is None else fed.x.shape[2],
        fed.padded,
        ask,
        tuple((scope, name, a.shape[-1]) for scope, arrays in fed.given.items() for name, a in arrays.items()),
        tuple((s, n, a.shape[-1]) for n, here in fed.initial.items() for s, a in zip(scopes, here, strict=True)),
        record,
        fed.holds.lines,
        fed.holds.widths,
    )


class ModelSpec(NamedTuple):
    """What a model brings to every request.

    stages: the network, with or without padding, and with supplied lines by scope. own: whether
    the equations are the user's own. names: labels of inputs and units.
    """

    stages: Callable[[bool, Mapping[str, Sequence[str]]], tuple[Stage, ...]]
    weights: Weights
    own: bool
    names: Mapping[str, Sequence[str]]


def lay_out(request: Request, ground: ModelSpec) -> Work:
    """Stages, sizes and checks of one request. Raises MissingError and ShapeError with every fault."""
    supplied: dict[str, list[str]] = {}
    for scope, name, _ in request.given:
        supplied.setdefault(scope, []).append(name)
    stages = applied(ground.stages(bool(request.padded), supplied), request.holds)
    steps = request.steps
    faults = Faults()
    asked: list[tuple[str, Address]] = []
    if request.ask:
        with faults.gather():
            wanted(request.ask, stages, request.steps, request.batch, asked)
        if not asked:
            faults.tell()
        pairs = [(scope, address.line) for scope, address in asked]
        stages = restrict(stages, pairs, carried=steps > 1)
        if all(stage.direction == "forward" for stage in stages):
            # a step never depends on a later one
            steps = 1 + max(steps - 1 if address.t is None else address.t for _, address in asked)
            stages = restrict(stages, pairs, carried=steps > 1)
    window = None
    with faults.gather():
        window = stored_steps(request.record, request.steps, (address for _, address in asked))
        if window is not None and all(stage.direction == "forward" for stage in stages):
            steps = min(steps, window.stop)
        window = window and range(window.start, min(window.stop, steps))
    with faults.gather():
        fed = {place[:2] for place in (*request.given, *request.at)}
        require(stages, ground.weights, request.width is not None, fed, ground.own)
    widths: dict[str, dict[str, int]] = {}
    with faults.gather():
        _measure(stages, request, ground, widths)
        every = [w for here in widths.values() for w in here.values()]
        raise_all(ShapeError, misfits(ground.names, request.width, every, _outputs(stages, widths)))
    faults.tell()
    raise_all(MissingError, beyond(asked, widths))
    inputs = {
        stage.scope: {n: w for n, (w, _) in _known(stage, request, ground, widths).items() if n in stage.inputs}
        for stage in stages
    }
    stored = recorded(request.record, stages, ((scope, address.line) for scope, address in asked))
    return Work(stages, steps, request.steps, request.batch, widths, inputs, stored, window)


def _measure(stages: Sequence[Stage], request: Request, ground: ModelSpec, widths: dict[str, dict[str, int]]) -> None:
    """Put the width of every line into `widths`. Raises ShapeError."""
    for stage in stages:
        here = ground.weights.get(stage.scope, {})
        shapes = {name: np.shape(here[name]) for name in stage.parameters if name in here}
        known = _known(stage, request, ground, widths)
        names = [line.name for line in stage.lines]
        with within("" if len(ground.weights) == 1 else stage.scope):  # the next stage's input depends on this one
            widths[stage.scope] = infer(stage.cell, names, shapes, known, f"T={request.steps} B={request.batch}").widths


def _outputs(stages: Sequence[Stage], widths: Mapping[str, Mapping[str, int]]) -> set[int] | None:
    """The widths of the readout's computed lines; None where no cell has a readout."""
    found = {stage.scope: readout(stage.cell) for stage in stages}
    if not any(found.values()):
        return None
    return {w for scope, here in widths.items() for name, w in here.items() if name in found[scope]}


def _known(
    stage: Stage, request: Request, ground: ModelSpec, widths: dict[str, dict[str, int]]
) -> dict[str, tuple[int, str]]:
    """Widths of the inputs and states of one stage that are known before its equations are looked at."""
    known: dict[str, tuple[int, str]] = {}
    for name in stage.inputs:
        source = stage.sources[name]
        if source == X and request.width is not None:
            known[name] = request.width, "from x"
        elif source == VALID:
            known[name] = 1, f"from {request.padded}"
        elif source == GIVEN:
            fed = (*request.given, *request.at)
            width = next((w for scope, given, w in fed if (scope, given) == (stage.scope, name)), None)
            if width is not None:
                known[name] = width, "as given"
        elif "/" in source:
            scope, line = scope_and_name(source)
            supplied = {(at, given): width for at, given, width in request.given}
            if (scope, line) in supplied:
                known[name] = supplied[scope, line], f"as given in {source}"
            elif scope in widths:
                known[name] = widths[scope][line], f"from {source}"
    short = {state: s for s, state in STATE.items()}
    for scope, name, width in request.initial:
        if scope == stage.scope and name in stage.cell.states:
            known[name] = width, f"from {short.get(name, name)}"
    return known
