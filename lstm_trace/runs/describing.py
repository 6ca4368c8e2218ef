"""The description of a run: its cell, its stages with their lines, premises, requested lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from ..base.arrays import Array, describe
from ..base.display import visible
from ..cell.lines import names_of
from ..cell.network import Stage, forward_stages
from ..errors import OptionError
from ..formulas.plain import Plain
from ..formulas.tree import value as symbol
from ..languages.strings import words
from ..report.content import notations
from ..trace.address import INITIAL, address as full, columns_of
from ..trace.held import HeldBlock, entries, plain_stage, status
from ..trace.holding import Multiple, as_number
from ..trace.labels import Axis, axis, step_labels, units
from ..trace.trace import Trace
from ..view.line_groups import held_symbols
from .records import Number, Record, doc

#: Maximum number of step labels sent to a page, and width of one in columns.
LABELS, COLUMNS = 1 << 13, 16
#: Maximum number of held addresses sent to a page.
HELD = 200
Layers = tuple[Mapping[str, Any], ...]


Address = Annotated[str, Field(description="layer/direction/t/b/line[unit]")]


class RunCell(Record):
    """The cell of a run."""

    kind: str
    options: dict[str, Any]
    title: str


class RunLine(Record):
    """A line of a stage."""

    name: str
    op: str
    width: int
    assigned: Annotated[bool, doc("whether its name was given by the author")]
    symbol: str
    gate: Annotated[bool, doc("whether it is a sigmoid, between 0 and 1")]
    axis: Annotated[Axis, doc("of its units: hidden units or outputs")]


class RunStage(Record):
    """One layer and direction."""

    scope: str
    layer: int
    direction: str
    equations: str
    output: str
    units: Annotated[int, doc("number of units of the cell; 0 if it cannot be determined")]
    states: Annotated[Mapping[str, str], doc("each state with the line that it carries")]
    inputs: Annotated[Mapping[str, str], doc("each input with its source")]
    lines: list[RunLine]
    axes: Annotated[Mapping[str, Axis], doc("of states and inputs, as for lines")]


class RunPremise(Record):
    """A given value, which can be edited."""

    address: str
    name: str
    scope: str
    kind: Literal["parameter", "input", "initial", "given"]
    shape: tuple[int, ...]
    gate: Annotated[str, doc("of a parameter: of the first named value that uses it, i for z_i or i_t")]
    symbol: str


class RunChange(Record):
    """A line that an edit changed, with its largest change."""

    scope: str
    line: str
    largest: Number
    t: int
    b: int
    unit: int


class HeldLine(Record):
    """A hold: values that differ from those that the equation gives."""

    address: Annotated[str, doc("in the form of `hold`: steps, sequences and units may be ranges")]
    value: Annotated[float | str | None, doc("a number, or `*0.5` for a multiple; null if there are several")]


class RunReply(BaseModel):
    """The description of a run."""

    id: str
    href: str
    title: str
    parent: str | None = Field(description="the run that was edited to make this one")
    cell: RunCell
    dtype: str
    arithmetic: str | None
    steps: int
    batch: int
    batch_first: bool = Field(description="whether x is given by sequence first, then by step")
    first: int
    count_from: int
    names: dict[str, list[str]]
    step_labels: list[list[str]] = Field(description="per sequence, or one list for all; empty if there are too many")
    numbers: int = Field(description="number of values in the run")
    stages: list[RunStage]
    premises: list[RunPremise]
    asked: list[Address]
    held: list[HeldLine]
    target: str | None = Field(description="a value to take gradients of")
    live: bool = Field(description="whether no line is too wide to be shown completely")
    symbols: dict[str, str] = Field({}, description="by name, in LaTeX, as its author gave them; left out without any")
    columns: dict[str, dict[str, int]] = Field({}, description="of matrices, by stage and name; left out without any")
    changed: list[RunChange] | None = Field(description="in the reply to an edit, the lines that changed")


class NamedStage(Record):
    """The lines of a stage as a notation prints them."""

    scope: str
    lines: list[RunLine]


class SymbolsReply(Record):
    """The symbols of a notation."""

    stages: list[NamedStage]
    premises: Annotated[dict[str, str], doc("by address")]


def described(trace: Trace, live: int) -> dict[str, Any]:
    """The fields of a `RunReply` that follow from its trace.

    live: maximum number of units that a page shows of a line.
    """
    header, stages = trace.header, forward_stages(trace.stages)
    exercise, _ = notations.applied(trace, "exercise")
    labelled = len(header.step_labels) if len(header.step_labels) * trace.steps <= LABELS else 0
    widths = [a.shape[-1] for stage in stages for a in trace.lines.get(stage.scope, {}).values()]
    said = ("title", "dtype", "arithmetic", "batch_first", "count_from")
    same = {name: getattr(header, name) for name in said} | {n: getattr(trace, n) for n in ("steps", "batch", "first")}
    if matrices := {stage.scope: found for stage in stages if (found := _columns(trace, stage))}:
        same["columns"] = matrices
    if header.symbols:
        same["symbols"] = dict(header.symbols)
    return same | {
        "cell": RunCell(header.kind, dict(header.options), words("en").word(f"cell.{header.kind}")),
        "names": {key: list(labels) for key, labels in header.names.items()},
        "step_labels": [[visible(label, COLUMNS) for label in step_labels(trace, b)] for b in range(labelled)],
        "numbers": trace.steps * trace.batch * sum(widths),
        "stages": [_stage(exercise, stage) for stage in stages],
        "premises": [premise for premise, _ in premises(exercise)],
        "asked": [str(address) for address in trace.asked()],
        "held": [HeldLine(entry.address, _held_at(entry)) for entry in islice(entries(trace), HELD)],
        "target": _target(trace, stages),
        "live": max(widths, default=0) <= live,
    }


def named(trace: Trace, printed: Trace) -> SymbolsReply:
    """The symbols of a run in a notation, which may show two products as one."""
    stages = [NamedStage(stage.scope, _lines(printed, stage)) for stage in forward_stages(printed.stages)]
    own = [premise for premise, _ in premises(replace(trace, header=printed.header))]
    return SymbolsReply(stages, {premise.address: premise.symbol for premise in own})


def _stage(trace: Trace, stage: Stage) -> RunStage:
    cell, inputs = stage.cell, plain_stage(stage).inputs
    carried = [*((name, name) for name in inputs), *cell.states.items()]
    return RunStage.from_attributes(
        stage,
        equations=cell.text,
        output=cell.output,
        units=units(trace, stage),
        states=cell.states,
        inputs={name: stage.sources[name] for name in inputs},
        lines=_lines(trace, stage),
        axes={name: axis(trace, stage, line) for name, line in carried},
    )


def _columns(trace: Trace, stage: Stage) -> dict[str, int]:
    """The columns of each matrix among the lines, states and inputs; of a state under both of its names."""
    values = (*plain_stage(stage).inputs, *stage.states, *trace.lines.get(stage.scope, {}))
    found = ((name, columns_of(trace, stage.scope, name)) for name in values)
    return {key: columns for name, columns in found if columns for key in (name, INITIAL.get(name, name))}


def _lines(trace: Trace, stage: Stage) -> list[RunLine]:
    plain, cell = Plain({**held_symbols(trace), **trace.header.symbols}), stage.cell
    widths = {name: array.shape[-1] for name, array in trace.lines.get(stage.scope, {}).items()}
    return [
        RunLine.from_attributes(
            line,
            width=widths[line.name],
            symbol=plain(symbol(line.name, cell)),
            gate=line.squashed,
            axis=axis(trace, stage, line.name),
        )
        for line in cell.lines
        if line.name in widths
    ]


def premises(trace: Trace) -> Iterator[tuple[RunPremise, Array]]:
    """Each premise that can be edited, with its values: the input, then those of each layer and direction.

    The arrays that define holds are not included: see `held` of a run.
    """
    plain = Plain(trace.header.symbols)

    def one(kind: Any, scope: str, name: str, values: Array, gate: str = "") -> tuple[RunPremise, Array]:
        address = f"{scope}/{name}" if scope else name
        text = plain(symbol(name, trace.stage(scope).cell) if scope else symbol("x_t", trace.stages[0].cell))
        return RunPremise(address, name, scope, kind, values.shape, gate, text), values

    if trace.x is not None:
        yield one("input", "", "x", trace.outward(trace.x))
    for stage in forward_stages(trace.stages):
        for name, values in trace.parameters.get(stage.scope, {}).items():
            yield one("parameter", stage.scope, name, values, _gate(stage, name))
        for name, values in trace.initial.get(stage.scope, {}).items():
            as_given = values if trace.header.batched else values[0]  # then x has no batch axis
            yield one("initial", stage.scope, INITIAL.get(name, name), as_given)
        for name, values in trace.given.get(stage.scope, {}).items():
            if name in plain_stage(stage).inputs:
                yield one("given", stage.scope, name, trace.outward(values))


def _gate(stage: Stage, name: str) -> str:
    """The gate that a parameter belongs to: `i` if the first named value that uses it is `z_i` or `i_t`."""
    first = next((line.name for line in stage.cell.lines if line.assigned and name in stage.through(line)), "")
    return first.removesuffix("_t") if first.endswith("_t") else first.removeprefix("z_")


def _target(trace: Trace, stages: tuple[Stage, ...]) -> str | None:
    """A value to take gradients of: a requested number, or the first unit of the last output."""
    asked, last = trace.asked(), stages[-1]
    end = trace.span[0 if last.backwards else -1]
    numbers = (a for a in asked if a.unit is not None or trace.lines[a.scope][a.line].shape[-1] == 1)
    found, t = next(numbers, None), trace.span[-1]
    if found is None:
        if last.cell.output in trace.lines.get(last.scope, {}):
            return full(trace, (last.scope, last.cell.output, end, 0, (0,)))
        if not asked:  # for example in a part of a trace
            return None
        found, t = asked[-1]._replace(unit=(0,)), end
    return str(found._replace(unit=found.unit or (0,), t=t if found.t is None else found.t, b=found.b or 0))


def held_units(trace: Trace, stage: Stage, t: int, batch: int) -> dict[str, list[int]]:
    """The units of each line that are held, or scaled, at a step."""
    there = {name: status(trace, stage, name, t, batch) for name in names_of(stage.cell)}
    return {name: np.flatnonzero(some).tolist() for name, some in there.items() if some is not None and some.any()}


def holding_of(trace: Trace, address: str) -> HeldLine | None:
    """The hold of a number at a full address: its address, and the value; None if it is not held."""
    at = trace.locate(address)
    if at.t is None or at.b is None or at.unit is None:
        return None
    parts = at.t, at.b, at.unit[0]
    for entry in entries(trace):
        there = entry.steps or trace.span, entry.rows or range(trace.batch), entry.units
        inside = all(part is None or n in part for n, part in zip(parts, there, strict=True))
        if inside and (entry.scope, entry.line) == (at.scope, at.line):
            own = trace.lines[at.scope][at.line][trace.index(at.t), at.b, at.unit[0]]
            return HeldLine(entry.address, _held_at(entry, own.item()))
    return None


def _held_at(entry: HeldBlock, otherwise: float | None = None) -> str | float | None:
    """The value of a hold: a number, or `*0.5`; `otherwise` if its values differ."""
    if isinstance(entry.value, Multiple):
        return str(entry.value)
    return entry.value if isinstance(entry.value, float) else otherwise


def check_values(hold: Layers) -> None:
    """Raise OptionError for a text that is not a number or multiple: on the command line it would name a file."""
    for address, value in (pair for layer in hold for pair in layer.items()):
        if isinstance(value, str) and as_number(value) is None:
            raise OptionError(
                f"hold {address!r}: expected a finite number, '*0.5' for a multiple of its own value, or an array; "
                f"found {describe(value)}. The service does not open files that are named here: trace the problem with "
                "`lstm-trace run`, and upload the trace"
            )
