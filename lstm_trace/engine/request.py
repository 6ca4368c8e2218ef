"""What one kind of run computes: requested, required and recorded lines; the stages with them, and every width."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base.option import name_list
from ..cell.lines import pointed
from ..cell.named_cells import nearest_line
from ..cell.network import GIVEN, VALID, Stage, X, find, layer_and_direction, restrict, scope_and_name
from ..cell.shape_hints import of_steps
from ..cell.shapes import grids, infer
from ..errors import Faults, MissingError, OptionError, ShapeError, nearest, raise_all, within
from ..trace.address import INITIAL, Address, Grid, extents_of, is_whole, line_name, no_entry, positions, read, window
from ..trace.holding import Lines, applied, widths_of
from ..trace.labels import misfits, readout
from .inputs import RunInputs
from .memory import Weights, Work

#: The keys of `record=` as a mapping.
PARTS = ("lines", "layers", "steps")
LinePlace = tuple[str, str]  # scope and name


class RecordChoice(NamedTuple):
    """A choice of lines, by name or as `layer/direction/name`, of layers, and of steps; None means all.

    steps: begin and end of adjacent steps, as in a slice.
    """

    lines: tuple[str, ...] | None = None
    layers: tuple[int, ...] | None = None
    steps: tuple[int | None, int | None] | None = None


EVERYTHING = RecordChoice()


def read_record(record: Any) -> RecordChoice:
    """Interpret `record=`: None, a name, names, or `{"lines": names, "layers": numbers, "steps": a slice}`.

    steps: a slice or range of positions in the input, or one of them; negative ones count from the end. Raises
    OptionError.

    >>> read_record(["c_t", "h_t"])
    RecordChoice(lines=('c_t', 'h_t'), layers=None, steps=None)
    >>> read_record({"layers": 1, "steps": slice(-3, None)})
    RecordChoice(lines=None, layers=(1,), steps=(-3, None))
    """
    if record is None:
        return EVERYTHING
    if isinstance(record, RecordChoice):
        return record
    parts: Mapping[str, Any] = record if isinstance(record, Mapping) else {"lines": record}
    unknown = (part for part in parts if part not in PARTS)
    raise_all(OptionError, (f"record has no part {p!r}{nearest(str(p), PARTS, 'it has')}" for p in unknown))
    lines, layers = _listed(parts.get("lines"), str), _listed(parts.get("layers"), int)
    if lines is not None and not all(isinstance(name, str) for name in lines):
        raise OptionError(f"record: lines are names; found {record!r}")
    if layers is not None and not all(map(is_whole, layers)):
        raise OptionError(f"record: layers are whole numbers; found {record!r}")
    steps = parts.get("steps")
    with within("record"):
        return RecordChoice(lines, layers and tuple(map(int, layers)), None if steps is None else window(steps))


def _listed(value: Any, kind: type) -> tuple[Any, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return name_list(value)
    return (value,) if isinstance(value, kind) or not isinstance(value, Iterable) else tuple(value)


def recorded(
    record: RecordChoice, stages: Sequence[Stage], asked: Iterable[LinePlace] = ()
) -> dict[str, tuple[str, ...]]:
    """By scope the lines that are stored, in order of computation.

    asked: (scope, line) of the requested lines, which are always stored. Raises MissingError for lines that are not
    computed.
    """
    problems, always = [], set(asked)
    known = {line.name: None for stage in stages for line in stage.lines}
    scopes = [stage.scope for stage in stages]
    layers = sorted({stage.layer for stage in stages})
    for text in record.lines or ():
        scope, name = scope_and_name(text)
        if scope and scope not in scopes:
            problems.append(f"record: there is no {scope!r}{nearest(scope, scopes, 'there are')}")
        elif name not in known:
            problems.append(f"record: this run computes no line {name!r}{nearest_line(name, known, 'it computes')}")
    there = ", ".join(map(str, layers))
    problems += [f"record: there is no layer {n}; there are {there}" for n in record.layers or () if n not in layers]
    raise_all(MissingError, problems)
    found: dict[str, tuple[str, ...]] = {}
    for stage in stages:
        names = [line.name for line in stage.lines if record.layers is None or stage.layer in record.layers]
        if record.lines is not None:
            names = [name for name in names if not {name, f"{stage.scope}/{name}"}.isdisjoint(record.lines)]
        chosen = {(stage.scope, name) for name in names} | always
        found[stage.scope] = tuple(line.name for line in stage.lines if (stage.scope, line.name) in chosen)
    if not any(found.values()):
        raise MissingError("record: none of the chosen lines is in the chosen layers")
    return found


def stored_steps(record: RecordChoice, steps: int, asked: Iterable[Address] = ()) -> range | None:
    """The steps that are stored for an input of this length; None means all. Raises MissingError if there are none.

    asked: the requested lines, which must lie among them.
    """
    if record.steps is None:
        return None
    with within("record"):
        window = positions(slice(*record.steps), range(steps))
    outside = (address for address in asked if address.t is not None and address.t not in window)
    there = f"{window.start} to {window.stop - 1}"
    raise_all(MissingError, (f"ask: {a} is at step {a.t}, but only {there} are recorded" for a in outside))
    return window


class Request(NamedTuple):
    """Everything that the work of a run depends on, except values. padded: `lengths`, `mask` or empty (see
    `RunInputs`).

    holds: the lines that are held or scaled; at: the arrays that define where and at what (see `trace.holding`).
    """

    steps: int
    batch: int
    width: int | None
    padded: str
    ask: tuple[str, ...]
    given: tuple[tuple[str, str, int], ...]
    initial: tuple[tuple[str, str, int], ...]
    record: RecordChoice = EVERYTHING
    holds: Lines = ()
    at: tuple[tuple[str, str, int], ...] = ()


def requested(fed: RunInputs, ask: tuple[str, ...], record: RecordChoice) -> Request:
    """The request of a run over some arrays."""
    width = None if fed.x is None else fed.x.shape[2]
    initial = tuple((s, n, a.shape[-1]) for n, here in fed.initial.items() for s, a in here.items())
    given, held = widths_of(fed.given), widths_of(fed.holds.given)
    return Request(fed.steps, fed.batch, width, fed.padded, ask, given, initial, record, fed.holds.lines, held)


class ModelSpec(NamedTuple):
    """What a model contributes to every request.

    stages: the network, with or without padding, and with supplied lines by scope. own: whether the equations are the
    user's own. names: labels of inputs and units. first: the number of the first unit, for messages.
    """

    stages: Callable[[bool, Mapping[str, Sequence[str]]], tuple[Stage, ...]]
    weights: Weights
    own: bool
    names: Mapping[str, Sequence[str]]
    first: int
    whole: Collection[str] = ()


def lay_out(request: Request, ground: ModelSpec) -> Work:
    """Stages, sizes and checks of one request. Raises MissingError and ShapeError with every fault."""
    supplied = {scope: [name for at, name, _ in request.given if at == scope] for scope, *_ in request.given}
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
    with faults.gather():
        window = stored_steps(request.record, request.steps, (address for _, address in asked))
        if window is not None and all(stage.direction == "forward" for stage in stages):
            steps = min(steps, window.stop)
        window = window and range(window.start, min(window.stop, steps))
    with faults.gather():
        fed = {place[:2] for place in (*request.given, *request.at)}
        require(stages, ground.weights, request.width is not None, fed, ground.own)
    if faults.problems and (column := _column(request, stages[0], ground.weights)):
        raise ShapeError(column)  # what is missing belongs to further steps, which were not meant
    widths: dict[str, dict[str, int]] = {}
    inputs: dict[str, dict[str, int]] = {}
    shaped: dict[str, dict[str, Grid]] = {}
    with faults.gather():
        for stage in stages:
            here = ground.weights.get(stage.scope, {})
            shapes = {name: np.shape(here[name]) for name in stage.parameters if name in here}
            known = _known(stage, request, widths)
            names = [line.name for line in stage.lines]
            with within("" if len(ground.weights) == 1 else stage.scope):  # the next stage's input depends on this one
                rows = request.steps if request.batch == 1 else 0
                bound = f"T={request.steps} B={request.batch}"
                widths[stage.scope] = infer(stage.cell, names, shapes, known, bound, steps=rows, whole=ground.whole)
            inputs[stage.scope] = {name: known[name][0] for name in stage.inputs if name in known}
            shaped[stage.scope] = grids(stage.cell, shapes, inputs[stage.scope] | widths[stage.scope])
        every = [w for here in widths.values() for w in here.values()]
        readouts = {stage.scope: readout(stage.cell) for stage in stages}
        ends = {w for scope, here in widths.items() for name, w in here.items() if name in readouts[scope]}
        raise_all(ShapeError, misfits(ground.names, request.width, every, ends if any(readouts.values()) else None))
    faults.tell()
    stored = recorded(request.record, stages, ((scope, address.line) for scope, address in asked))
    work = Work(stages, steps, request.steps, request.batch, widths, inputs, stored, window, shaped)
    raise_all(MissingError, beyond(asked, work, ground.first))
    return work


def _column(request: Request, stage: Stage, weights: Weights) -> str:
    """What is wrong with an x that is a column, one number in each step; empty if the weights do not say that it is."""
    here, columns = weights.get(stage.scope, {}), dict[str, int]()
    for line in stage.lines:
        if line.product and stage.sources.get(line.product[1]) == X and np.ndim(here.get(line.product[0], 0)) == 2:
            columns[line.name] = np.shape(here[line.product[0]])[line.summed]
    needed = request.steps
    if request.width != 1 or request.batch != 1 or needed == 1 or {*columns.values()} != {needed}:
        return ""
    return f"x has width 1; line `{next(iter(columns))}` needs I = {needed}.{of_steps(needed, 1, needed)}"


def _known(stage: Stage, request: Request, widths: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[int, str]]:
    """Widths of the inputs and states of one stage that are known before its equations are considered."""
    known: dict[str, tuple[int, str]] = {}
    given = {(scope, name): width for scope, name, width in (*request.given, *request.at)}
    for name in stage.inputs:
        source = stage.sources[name]
        place = scope_and_name(source)
        if source == X and request.width is not None:
            known[name] = request.width, "from x"
        elif source == VALID:
            known[name] = 1, f"from {request.padded}"
        elif source == GIVEN and (stage.scope, name) in given:
            known[name] = given[stage.scope, name], "as given"
        elif place in given:
            known[name] = given[place], f"as given in {source}"
        elif place[0] in widths:
            known[name] = widths[place[0]][place[1]], f"from {source}"
    for scope, name, width in request.initial:
        if scope == stage.scope and name in stage.cell.states:
            known[name] = width, f"from {INITIAL.get(name, name)}"
    return known


def wanted(
    ask: Iterable[str], stages: Sequence[Stage], steps: int, batch: int, found: list[tuple[str, Address]]
) -> None:
    """Add scope and address of every requested line to `found`; a bare name means every layer, direction and step.

    steps, batch: their numbers. Raises MissingError for lines that do not exist, after finding all others.
    """
    faults = Faults()
    lines = {name: None for stage in stages for name in stage.cell.by_name}
    lines |= {name: None for stage in stages for name, source in stage.sources.items() if source == GIVEN}
    for text in ask:
        with faults.gather(), within("ask"):
            if (name := line_name(text)) not in lines:
                for cell in (stage.cell for stage in stages):
                    if name in cell.states:
                        raise MissingError(f"{name} is the carried state, not a line; ask for {cell.states[name]}")
                    if name in cell.inputs:
                        raise MissingError(f"{name} is an input, not a line")
                    if name in cell.parameters:
                        raise MissingError(f"{name} is a weight, not a line: it is given, and nothing computes it")
                if len(parts := re.split(r"[.,;]? ", name)) > 1 and all(part in lines for part in parts):
                    raise MissingError(f"{name}: put a comma between lines: [{', '.join(parts)}]")
                raise MissingError(f"there is no line {name!r}{nearest_line(name, lines, 'there are')}")
            scopes = find(stages, name)
            address = read(text, extents_of(scopes, range(steps), range(batch)), every=True)
            for scope, (layer, direction) in zip(scopes, map(layer_and_direction, scopes), strict=True):
                if address.layer in (None, layer) and address.direction in (None, direction):
                    found.append((scope, address))
    faults.tell()


def beyond(found: Iterable[tuple[str, Address]], work: Work, first: int) -> Iterator[str]:
    """A message for each requested unit that its line does not have. first: the number of the first unit."""
    for scope, address in found:
        size = work.grid(scope, address.line) or (work.widths[scope].get(address.line, 0),)
        if address.unit is not None and size != (0,) and (fault := no_entry(address.line, address.unit, size, first)):
            yield f"ask: {fault}{', counted from 1' if first else ''}"


def require(stages: Sequence[Stage], weights: Weights, has_x: bool, given: Collection[LinePlace], own: bool) -> None:
    """Raise MissingError with every weight and input that a computed line needs and that was not given.

    given: (scope, name) of the supplied lines. own: whether the equations are the author's, so that a name in them may
    be wrong.
    """
    problems: list[str] = []
    for stage in stages:
        here = weights.get(stage.scope, {})
        place = "" if len(weights) == 1 else f"{stage.scope}/"
        computed = {line.name for line in stage.lines}
        for name in stage.parameters:
            if name not in here:
                line = next(line.name for line in stage.cell.parameters[name] if line.name in computed)
                instead = _instead(name, stage, list(here)) if own else ""  # all names in a named cell are correct
                fault = f"line `{line}` needs {place}{name}, which the weights do not have{instead}"
                problems.append(pointed(fault, stage.cell.places, line, name))
        for name in stage.inputs:
            if stage.sources[name] == X and not has_x:
                line = next((line.name for line in stage.lines if name in line.reads), name)
                problems.append(f"line `{line}` needs the input {name}, which is not given: add x")
            elif stage.sources[name] == GIVEN and (stage.scope, name) not in given:
                problems.append(f"the cell declares the input {name}, which is not given: add it under given")
    raise_all(MissingError, problems)


def _instead(name: str, stage: Stage, here: list[str]) -> str:
    """The nearest existing name: also a line, which the author of a custom cell may have meant."""
    known = (*here, *stage.cell.by_name, *stage.cell.states, *stage.cell.inputs)
    return nearest(name, [n for n in known if n.isidentifier()])


def require_padded(padding: str, padded: bool) -> None:
    """Raise OptionError for a padding rule if nothing defines which steps are padding."""
    if padding != "zero" and not padded:
        said = "has no effect without lengths or a mask: give lengths or mask, or leave it out"
        raise OptionError(f"option padding {said}; found {padding!r}")
