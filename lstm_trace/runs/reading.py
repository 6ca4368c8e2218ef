"""The contents of a kept run: values, premises, a step as a page shows it, one value with all its details."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field

from ..base.arrays import to_list
from ..base.option import step_ends
from ..cell.network import Stage, forward_stages
from ..documents.blocks import Items
from ..documents.terminal import TerminalPrinter
from ..errors import MissingError, OptionError
from ..formulas.numbers import Style
from ..formulas.plain import Plain, number
from ..formulas.values import Values
from ..frames.frame import arrow
from ..frames.table import TraceTable
from ..languages.strings import words
from ..report.content import notations
from ..report.diagram.diagram import caption
from ..report.in_words.sentences import in_words, remembered
from ..report.options import options_of
from ..trace.address import positions
from ..trace.held import plain_stage
from ..trace.printed import counted_from
from ..trace.rows import Selection
from ..trace.trace import Trace
from ..view.view import view
from .asked import NoArrowError
from .describing import RunPremise, SymbolsReply, held_units, named, premises as premises_of
from .kept import opened
from .records import Number, ReadRoute, Record, as_json, doc

#: Maximum number of steps for which the page reports what is left of earlier ones: 35 ms per thousand.
_REMEMBERED = 2000
#: Maximum number of decimals in a page if none are requested: 5 is the maximum in a problem of hand size.
_DECIMALS = 5


Layer = Annotated[int | None, Field(description="from 0; optional if there is only one")]
Direction = Annotated[str | None, Field(description="forward, reverse or joined; optional if there is only one")]
Batch = Annotated[int, Field(description="the sequence, from 0")]
Unit = Annotated[int | None, Field(ge=0, description="the unit shown of lines too wide to be shown completely")]


class Look(NamedTuple):
    """How a page shows numbers and formulas: the options of a report with the same names."""

    language: Annotated[str, Field(description="language of the text: en, de, …")] = "en"
    notation: Annotated[str, Field(description="notation of the symbols: exercise, pytorch, …")] = "exercise"
    digits: Annotated[int | None, Field(ge=0, le=17, description="number of decimals shown")] = None
    count_from: Annotated[int | None, Field(ge=0, le=1, description="number of the first step and unit in text")] = None


#: The defaults of a page.
LOOK = Look()


class PremiseValues(RunPremise):
    """A premise with its values."""

    values: Any = None
    row: Annotated[int | None, doc("for a large matrix, the row of one unit only")] = None


class PremisesReply(Record):
    """All premises."""

    premises: list[PremiseValues]


class LineValues(Record):
    """Values of a line, [t][b][unit], with the numbers of steps, sequences and units."""

    scope: str
    line: str
    t: list[int]
    b: list[int]
    unit: list[int]
    values: list[list[list[Number]]]


class ValuesReply(Record):
    """Values of lines, and how many numbers were left out."""

    values: list[LineValues]
    left_out: int


class StepLine(Record):
    """A line at one step."""

    name: str
    values: list[Number]
    units: list[int]


class StepReply(Record):
    """One step of one layer and direction."""

    t: int
    b: int
    scope: str
    lines: list[StepLine]
    held: Annotated[dict[str, list[int]], doc("the units of lines that are held at this step")]
    states: dict[str, list[Number] | None]
    inputs: dict[str, list[Number] | None]
    x: list[Number]
    shown: Annotated[dict[str, list[str]], doc("the values of lines, states and inputs as displayed")]
    caption: str
    in_words: list[str]


class ValueSelection(BaseModel):
    """Selects values; t and unit: a number, `a:b`, or all. layer and direction: all if left out."""

    line: list[str] | None = Field(None, description="names of lines; all if none")
    layer: Layer = None
    direction: Direction = None
    t: str | None = Field(None, max_length=40, description="a step, or A:B (B excluded)")
    unit: str | None = Field(None, max_length=40, description="a unit, or A:B")
    batch: int | None = Field(None, description="the sequence, from 0; all if none")


def span(given: str | None, what: str, there: range) -> range:
    """The elements of `there` that `a:b` or a number selects. Raises OptionError, MissingError."""
    if given is None:
        return there
    if (ends := step_ends(given)) is None:
        raise OptionError(f"{what}: expected a number or A:B, found {given!r}")
    try:
        return positions(ends, there)
    except MissingError:
        raise MissingError(f"{what} {given} does not exist; there are {there.start} to {there.stop - 1}") from None


def place(trace: Trace, layer: int | None, direction: str | None) -> Stage:
    """The stage of a layer and direction; the first that matches. Raises MissingError."""
    return forward_stages(trace.at(layer, direction).stages)[0]  # type: ignore[arg-type]  # a text from a request


def values(path: str, part: ValueSelection, most: int) -> bytes:
    """The values of some lines, up to a number of values; what is left out is counted."""
    trace = opened(path)
    stages, left = forward_stages(trace.at(part.layer, part.direction).stages), 0  # type: ignore[arg-type]
    steps, rows = span(part.t, "t", trace.span), _rows(trace, part.batch)
    known = dict.fromkeys(name for stage in stages for name in trace.lines.get(stage.scope, {}))
    for name in part.line or ():
        if name not in known:
            trace.extents(name)  # raises for an unknown name, and suggests the nearest one
            raise MissingError(f"{name} is not a recorded line; the premises of a run are at …/premises")
    found = []
    for stage in stages:
        for name, array in trace.lines.get(stage.scope, {}).items():
            if part.line and name not in part.line:
                continue
            units = span(part.unit, "unit", range(array.shape[-1]))
            fit = steps[: most // (len(rows) * len(units))]
            most -= len(fit) * len(rows) * len(units)
            left += (len(steps) - len(fit)) * len(rows) * len(units)
            at = slice(trace.index(fit.start), trace.index(fit.stop))
            some = array[at, rows.start : rows.stop, units.start : units.stop]
            found.append(LineValues(stage.scope, name, list(fit), list(rows), list(units), to_list(some)))
    return as_json(ValuesReply(found, left))


def table(path: str, part: ValueSelection) -> bytes:
    """All values of some lines as an Arrow stream, one row per number.

    Raises NoArrowError without pyarrow.
    """
    trace = opened(path)
    steps = span(part.t, "t", trace.span)
    if part.unit is not None and not part.unit.isdecimal():
        raise OptionError(f"unit: expected a number for a table, found {part.unit!r}")
    unit = None if part.unit is None else int(part.unit)
    window = slice(steps.start, steps.stop)
    chosen = Selection(part.line or None, part.layer, part.direction, window, part.batch, unit)
    try:
        schema, tables = arrow(TraceTable(trace, selection=chosen, padding=True), "a stream of Arrow")
    except OptionError as error:
        raise NoArrowError(*error.problems) from None
    import pyarrow as pa

    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, schema) as writer:
        for piece in tables:
            writer.write_table(piece)
    return stream.getvalue()


def premises(path: str, unit: Unit = None, listed: int = 10_000) -> bytes:
    """Return the premises: the input, weights, initial states and supplied lines, with their values.

    For a matrix of more than `listed` numbers only the row of one unit is included, for other large arrays nothing.
    """
    found = []
    for premise, array in premises_of(opened(path)):
        row = None
        if array.ndim == 2 and premise.kind == "parameter" and (unit is not None or array.size > listed):
            row = min(unit or 0, len(array) - 1)
            array = array[row : row + 1]
        values = to_list(array) if row is not None or array.size <= listed else None
        found.append(PremiseValues.from_attributes(premise, values=values, row=row))
    return as_json(PremisesReply(found))


def step(
    path: str, layer: Layer = None, direction: Direction = None,
    t: Annotated[int, Field(description="its position in the input; negative ones count from the end")] = 0,
    batch: Batch = 0, unit: Unit = None, live_units: int = 64, look: Look = LOOK,
) -> bytes:  # fmt: skip
    """Return everything that a page shows of one step of one layer and direction.

    Args:
        path: path of the trace of the run.
        layer: from 0; None if there is only one, or for the first.
        direction: `forward`, `reverse` or `joined`; None likewise.
        t: the position in the input; negative ones count from the end.
        batch: the sequence, from 0.
        unit: the unit that is shown of lines with more than `live_units` units (if None, the first ones).
        live_units: maximum number of units of a line that is shown completely.
        look: how numbers and names are shown.

    Returns:
        JSON as described by `StepReply`.

    Raises:
        DroppedRunError: if the trace is no longer available, or damaged.
        MissingError: if the run does not have the layer, direction, step or sequence.
        OptionError: if the language, notation or number of digits does not exist.
    """
    whole = opened(path)
    trace = looked_at(whole, look)
    stage = place(trace, layer, direction)
    t = span(str(t), "t", trace.span).start
    at, scope, values = trace.index(t), stage.scope, Values(trace, style(whole, look))
    _rows(trace, batch)
    shown: dict[str, list[str]] = {}

    def texts(name: str, units: Sequence[int]) -> None:
        shown[name] = [number(values.num(scope, name, t, batch, (k,)).shown) for k in units]

    def read(name: str) -> Any:
        if (array := values.array(scope, name)) is None:
            return None
        texts(name, range(array.shape[-1]))
        return to_list(array[at, batch])

    lines = []
    recorded = trace.lines.get(scope, {})
    for name in (line.name for line in stage.cell.lines if line.name in recorded):
        array = recorded[name]
        units = [*range(min(array.shape[-1], live_units))]
        if unit is not None and array.shape[-1] > live_units:
            units = [min(unit, array.shape[-1] - 1)]
        texts(name, units)
        lines.append(StepLine(name, to_list(array[at, batch, units]), units))
    reply = StepReply(
        t,
        batch,
        scope,
        lines,
        held=held_units(whole, place(whole, layer, direction), t, batch),
        states={name: read(name) for name in stage.states},
        inputs={name: read(name) for name in plain_stage(stage).inputs},
        x=[] if trace.x is None else to_list(trace.x[at, batch]),
        shown=shown,
        caption=caption(trace, stage, t, batch, words(look.language, trace.header.count_from)),
        in_words=said(trace, stage, t, batch, values.style, look.language),
    )
    return as_json(reply)


def said(trace: Trace, stage: Stage, t: int, batch: int, style: Style, language: str) -> list[str]:
    """What the gates and states did at one step, and what is left of earlier ones, in sentences."""
    here, so_far = slice(t, t + 1), slice(t, None) if stage.backwards else slice(trace.first, t + 1)
    chosen = (Selection(None, stage.layer, stage.direction, steps, batch) for steps in (here, so_far))
    step, past = (view(trace, "scalar", style, part, False, language) for part in chosen)
    rows = [row for block in in_words(step) if isinstance(block, Items) for row in block.rows]
    printer = TerminalPrinter(Plain(trace.header.symbols), 80)
    left = remembered(past) if len(trace.span[past.chosen.window(trace)]) <= _REMEMBERED else ()
    return [printer.text(row) for row in (*rows, *left)]


def style(trace: Trace, look: Look) -> Style:
    """How every part of a page shows the numbers of a run: as a report does, but with no more decimals than fit."""
    found = options_of("text", digits=look.digits).numbers(trace)
    if look.digits is not None or trace.header.arithmetic is not None or found.digits is None:
        return found
    return replace(found, digits=min(found.digits, _DECIMALS))


def symbols(path: str, look: Look = LOOK) -> bytes:
    """Return the names of lines and premises in a notation; one that joins two products has lines of its own."""
    trace = opened(path)
    return as_json(named(trace, looked_at(trace, look)))


def looked_at(trace: Trace, look: Look) -> Trace:
    """The trace with the symbols of a notation, counted from 0 or 1. Raises OptionError."""
    return notations.applied(counted_from(trace, look.count_from), look.notation, None, look.language)[0]


def _rows(trace: Trace, batch: int | None) -> range:
    return range(*Selection(batch=batch).rows(trace).indices(trace.batch))


#: Views of a run (GET `/runs/{id}/…`).
VIEWS = (
    ReadRoute("premises", premises, PremisesReply),
    ReadRoute("step", step, StepReply),
    ReadRoute("symbols", symbols, SymbolsReply),
)
