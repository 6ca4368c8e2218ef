"""Where everything is placed in the workbook: sheets, blocks of columns, named ranges. Nothing here writes a file.

Row k is the same step of the same batch row on every sheet of steps, so that an operand is in the row of its
result; only a carried state refers to the row before (after, in the reverse direction).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain, count
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import expression
from ...cell.network import ADJOINT, GIVEN, VALID, Stage, X, layer_and_direction, scope_and_name
from ...trace.address import INITIAL, columns_of
from ...trace.labels import step_labels
from ...trace.rows import Selection, parts
from ...trace.trace import Trace

#: Rows of headings above the first step.
TOP = 5
#: The largest number of entries of a vector, and of steps, on the sheet "By hand".
ENTRIES, STEPS = 8, 12
BY_HAND, README, INPUTS, START, CHECK = "By hand", "Read me", "Inputs", "Initial states", "Check"
#: The name of the sheet of the sums over all steps, for a stage.
TOTALS = "Weight gradients"


class ValueBlock(NamedTuple):
    """The units of one value in neighbouring columns.

    kind: `line`, `state`, `input` (read from another sheet) or `given` (to be edited here). live: whether its cells are
    formulas; if an operand is not in the workbook they are the recorded numbers. across: columns of a value that is a
    matrix, whose entries lie row by row.
    """

    name: str
    kind: str
    first: int
    width: int
    live: bool
    heading: str = ""
    across: int | None = None

    @property
    def columns(self) -> range:
        """The columns, counted from 0."""
        return range(self.first, self.first + self.width)


@dataclass(frozen=True)
class StepGrid:
    """The sheet of one layer and direction: a row for each step and batch row, blocks from left to right."""

    stage: Stage
    blocks: dict[str, ValueBlock]
    side: str = ""

    def named(self, what: str) -> str:
        """The name of a sheet of this stage: it contains no text of the user's, so every character is allowed."""
        return f"{what} {self.stage.owner.replace('/', ' ')} {self.side}".rstrip()

    @property
    def sheet(self) -> str:
        """The name of the sheet."""
        return self.named(self.kind)

    @property
    def kind(self) -> str:
        """What it shows: a layer, or its gradients."""
        return "Gradient" if self.stage.is_adjoint else "Layer"

    @property
    def recorded(self) -> str:
        """The sheet of the recorded numbers, each in the cell of the same address."""
        return self.named("Recorded gradient" if self.stage.cell.gradient else "Recorded")

    @property
    def width(self) -> int:
        """Number of columns."""
        return max(block.columns.stop for block in self.blocks.values())

    @cached_property
    def lines(self) -> tuple[ValueBlock, ...]:
        """The blocks of lines that are formulas."""
        return tuple(block for block in self.blocks.values() if block.kind == "line" and block.live)


class WeightTable(NamedTuple):
    """One parameter on its sheet. top: the row of its heading; the values begin two rows below it, in column B."""

    name: str
    range: str
    top: int
    values: Array

    @property
    def matrix(self) -> Array:
        """The values in two dimensions; a vector is a column."""
        return self.values.reshape(len(self.values), -1)


class Start(NamedTuple):
    """An initial state (or the lengths) on the sheet of initial states: (B, width) from column `first` on."""

    scope: str
    state: str
    range: str
    first: int
    values: Array


@dataclass(frozen=True)
class Book:
    """A trace laid out.

    live: formulas; otherwise plain numbers. kept: (steps, rows), which of them have a row on the sheets of steps: all
    if these are live, as the lengths can be changed. padded: whether some of those are padding, which is marked.
    totals: what is summed over all steps, if all of them are shown. side: `A` or `B` if the workbook has two traces;
    the names of sheets and ranges end in it.
    """

    trace: Trace
    steps: range
    rows: range
    live: bool
    grids: dict[str, StepGrid]
    tables: dict[str, tuple[WeightTable, ...]]
    starts: tuple[Start, ...]
    reads_x: bool
    kept: Array
    padded: bool
    ranges: dict[tuple[str, str], str] = field(default_factory=dict)
    totals: dict[str, tuple[WeightTable, ...]] = field(default_factory=dict)
    side: str = ""

    def named(self, what: str) -> str:
        """The name of a sheet that does not belong to a stage."""
        return f"{what} {self.side}".rstrip()

    @property
    def height(self) -> int:
        """Number of rows of a sheet of steps."""
        return TOP + int(np.count_nonzero(self.kept))

    def weights(self, grid: StepGrid) -> dict[str, WeightTable]:
        """The parameters that a stage reads."""
        scope = grid.stage.owner if grid.stage.owner in self.tables else grid.stage.scope
        return {table.name: table for table in self.tables[scope]}

    @cached_property
    def tokens(self) -> list[Sequence[str]]:
        """The labels of the steps that are shown, for each row; empty if steps have no labels."""
        return [step_labels(self.trace, b)[self.window] for b in self.rows if self.trace.header.step_labels]

    @property
    def window(self) -> slice:
        """Where the steps that are shown lie in the trace's arrays."""
        return slice(self.trace.index(self.steps.start), self.trace.index(self.steps.stop))

    @property
    def batch(self) -> slice:
        """The rows of the batch that are shown."""
        return slice(self.rows.start, self.rows.stop)


def place_names(trace: Trace) -> tuple[str, ...]:
    """The columns left of the first value: batch row, t, the step as the problem counts it, and its label."""
    return ("row", "t", *("step",) * trace.header.count_from, *("token",) * bool(trace.header.step_labels))


def left(trace: Trace) -> int:
    """How many columns are left of the first value."""
    return len(place_names(trace))


def lay_out(trace: Trace, selection: Selection, live: bool = True, padding: bool = False) -> Book:
    """Lay the selection out. padding: keep it if the cells are numbers; formulas need all steps.

    Raises MissingError if the selection names something that does not exist, or leaves nothing.
    """
    next(parts(trace, selection, padding=padding or live))
    window, batch = selection.window(trace), selection.rows(trace)
    valid = trace.valid[window, batch, 0] != 0
    kept = np.ones_like(valid) if padding or live else valid
    padded = not valid[kept].all()
    if padded:  # `valid` is among the inputs of every stage
        trace = replace(trace, stages=tuple(replace(s, sources={**s.sources, VALID: VALID}) for s in trace.stages))
    names = {"x_t", "lengths"}
    grids: dict[str, StepGrid] = {}
    for stage in filter(selection.places, trace.stages):
        if blocks := _blocks(trace, stage, selection, grids, live, padded):
            grids[stage.scope] = StepGrid(stage, blocks)
    tables: dict[str, tuple[WeightTable, ...]] = {}
    for scope, grid in grids.items() if live else ():
        if grid.stage.owner not in tables:  # an adjoint reads the weights of its stage
            read = {name for line in grid.lines for name in grid.stage.cell.by_name[line.name].reads}
            weights = trace.parameters.get(grid.stage.owner, {}).items()
            tables[scope] = _below(names, grid.stage.owner, [(name, array) for name, array in weights if name in read])
    steps, rows = trace.span[window], range(batch.start, batch.stop)
    whole = live and (len(steps), len(rows)) == (trace.steps, trace.batch)
    totals: dict[str, tuple[WeightTable, ...]] = {}
    for scope, grid in grids.items() if whole else ():
        known = [gathered.name for gathered in grid.stage.cell.sums if set(gathered.reads) <= grid.blocks.keys()]
        sums = trace.sums.get(scope, {})
        totals[scope] = _below(names, scope, [(name, sums[name]) for name in known if name in sums])
    starts = tuple(_starts(trace, grids, steps, batch, names)) if live else ()
    every = [(scope, grid, block) for scope, grid in grids.items() for block in grid.blocks.values()]
    given = [(scope, block.name) for scope, _, block in every if block.kind == "given"]
    ranges = {place: _new_name(names, *place) for place in given} if live else {}
    reads_x = any(grid.stage.sources.get(block.name) == X for _, grid, block in every)
    return Book(trace, steps, rows, live, grids, tables, starts, reads_x, kept, padded, ranges, totals)


def sided(book: Book, side: str) -> Book:
    """The book as one of two in a workbook."""

    def tables(found: dict[str, tuple[WeightTable, ...]]) -> dict[str, tuple[WeightTable, ...]]:
        return {scope: tuple(t._replace(range=f"{t.range}_{side}") for t in here) for scope, here in found.items()}

    return replace(
        book,
        grids={scope: replace(grid, side=side) for scope, grid in book.grids.items()},
        tables=tables(book.tables),
        totals=tables(book.totals),
        starts=tuple(start._replace(range=f"{start.range}_{side}") for start in book.starts),
        ranges={place: f"{name}_{side}" for place, name in book.ranges.items()},
        side=side,
    )


def _new_name(taken: set[str], scope: str, name: str) -> str:
    """A name for a range. With its suffix (`W_xi_0f`) none looks like an address; case does not count."""
    layer, direction = layer_and_direction(scope)
    stem = f"{name[:200]}_{layer}{direction.removeprefix(ADJOINT)[0]}"
    found = next(n for n in chain([stem], (f"{stem}_{k}" for k in count(2))) if n.casefold() not in taken)
    taken.add(found.casefold())
    return found


def _blocks(
    trace: Trace, stage: Stage, selection: Selection, before: dict[str, StepGrid], live: bool, padded: bool
) -> dict[str, ValueBlock]:
    """The values that shown lines read from elsewhere, then the lines themselves."""
    recorded = trace.lines.get(stage.scope, {})
    if not (lines := [line for line in stage.cell.lines if line.name in recorded and selection.has(line.name)]):
        return {}
    shown = {line.name for line in lines}
    read = set(chain(*(line.reads for line in lines), *(each.reads for each in stage.cell.sums))) if live else set()
    cell = stage.cell
    states = [name for name in cell.states if name in read]
    carried = {cell.states[name] for name in states}
    outside = [*(name for name in cell.inputs if name in read | carried), *states]
    outside += [VALID] if padded and VALID not in outside else []
    window, edge = selection.window(trace), trace.steps - 1 if stage.backwards else 0
    two = slice(max(window.stop - 2, window.start), window.stop)  # where it begins: is a state known at all?
    two = two if stage.backwards else slice(window.start, min(window.start + 2, window.stop))
    blocks: dict[str, ValueBlock] = {}
    at = left(trace)
    for name in outside:
        if (values := trace.operand(stage.scope, name, two)) is None:
            continue
        source = stage.sources.get(name, "")
        scope, origin = scope_and_name(source)
        said = {X: "the input", VALID: "1 at a valid step", GIVEN: "given"}.get(source, f"from {source}")
        kind, alive = "input", source in (X, VALID) or (scope in before and origin in before[scope].blocks)
        if name in cell.states:
            kind, origin = "state", cell.states[name]
            said = f"{origin} of the step {'after' if stage.backwards else 'before'}"
            there = origin in shown or (origin in cell.inputs and origin in blocks)
            alive = there or (window.start, window.stop) == (edge, edge + 1)  # at that step it is its initial value
        elif source == GIVEN or (source == VALID and trace.mask is not None and mask_at(before) is None):
            kind, alive = "given", False
        across = columns_of(trace, stage.scope, name)
        blocks[name] = ValueBlock(name, kind if live else "input", at, values.shape[-1], live and alive, said, across)
        at += values.shape[-1]
    of = {line.name: "" for line in lines} | {d: f"∂L/∂{name} = " for d, name in reversed(cell.gradient)}
    known = {*blocks, *shown, *trace.parameters.get(stage.owner, {})}
    for line in lines:
        width = recorded[line.name].shape[-1]
        heading = f"{of[line.name]}{expression(line)}" if line.assigned else ""
        alive, across = live and set(line.reads) <= known, columns_of(trace, stage.scope, line.name)
        blocks[line.name] = ValueBlock(line.name, "line", at, width, alive, heading, across)
        at += width
    return blocks


def mask_at(grids: dict[str, StepGrid]) -> tuple[StepGrid, ValueBlock] | None:
    """Where a mask is to be edited: on the first sheet that reads it."""
    every = ((grid, block) for grid in grids.values() for block in grid.blocks.values())
    return next(((g, b) for g, b in every if b.kind == "given" and g.stage.sources.get(b.name) == VALID), None)


def _below(names: set[str], scope: str, values: Sequence[tuple[str, Array]]) -> tuple[WeightTable, ...]:
    """Parameters or their gradients, one below the other, each with a range of its own."""
    tops = accumulate((3 + len(array) for _, array in values), initial=2)
    return tuple(WeightTable(n, _new_name(names, scope, n), top, a) for (n, a), top in zip(values, tops, strict=False))


def _starts(trace: Trace, grids: dict[str, StepGrid], steps: range, batch: slice, names: set[str]) -> Iterator[Start]:
    """The lengths, and every initial state whose step is shown."""
    at = 1
    read = (grid.stage.sources.get(block.name) for grid in grids.values() for block in grid.blocks.values())
    if trace.mask is None and VALID in read:
        lengths = (np.full(trace.batch, trace.span.stop) if trace.lengths is None else trace.lengths)[:, None]
        yield Start("", "lengths", "lengths", at, lengths[batch])
        at += 1
    for scope, grid in grids.items():
        edge = trace.span[-1 if grid.stage.backwards else 0]
        for block in grid.blocks.values():
            # before the first step of an adjoint there is nothing: its states begin with 0
            if block.kind == "state" and block.live and edge in steps and not grid.stage.cell.gradient:
                values = trace.initial[scope][block.name][batch]
                short = INITIAL.get(block.name, block.name)
                yield Start(scope, block.name, _new_name(names, scope, short), at, values)
                at += block.width
