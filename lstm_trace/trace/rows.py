"""A trace as rows: a selection of it, in parts that are read piece by piece, which bounds the memory needed."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

import numpy as np

from ..base.arrays import Array
from ..cell.named_cells import nearest_line
from ..cell.network import DIRECTIONS, GIVEN, VALID, Direction, Stage
from ..errors import MissingError, OptionError
from .address import INITIAL, STATE, columns_of, positions
from .argument_types import checked, listed, misfit
from .derived import GATHERED
from .printed import selecting
from .trace import Trace
from .window import names

#: Other names for fields of a selection.
ALIASES = {"line": "only", "t": "steps"}


def renamed(given: Mapping[str, Any], takes: Container[str] = ()) -> dict[str, Any]:
    """Options in which `line` and `t` have become `only` and `steps`, unless they are in `takes`.

    Raises OptionError if both names of a field are given.
    """
    found = {name: value for name, value in given.items() if name not in ALIASES or name in takes}
    for alias, name in ALIASES.items():
        if alias in given and alias not in found:
            if given.get(name) is not None:
                raise OptionError(f"{alias} is another name for {name}: give only one of them")
            found[name] = given[alias]
    return found


class Selected(TypedDict, total=False):
    """The options that select a part of a trace, where they are passed on; see `Selection`.

    Attributes:
        only: names of lines.
        line: another name of `only`.
        layer: from 0.
        direction: `forward`, `reverse`, `joined`, or that of a gradient, `adjoint-forward`, ….
        steps: a step, or a slice of steps.
        t: another name of `steps`.
        batch: the sequence of the batch, from 0.
        unit: from 0.
    """

    only: Sequence[str] | str | None
    line: Sequence[str] | str | None
    layer: int | None
    direction: Direction | None
    steps: slice | int | None
    t: slice | int | None
    batch: int | None
    unit: int | None


@checked
@dataclass(frozen=True)
class Selection:
    """Selects a part of a trace; None means everything.

    only: names of lines, as a list or as a text with commas; `d_W_xi[:,1]` is a column of a sum. steps: a step, or a
    slice of steps. layer, batch and unit count from 0. A stage or line without the chosen unit or direction contributes
    no rows; if nothing at all is left, `parts` raises MissingError.
    """

    only: Sequence[str] | str | None = None
    layer: int | None = None
    direction: str | None = None
    steps: slice | int | None = None
    batch: int | None = None
    unit: int | None = None

    def __post_init__(self) -> None:
        if self.direction not in (None, *DIRECTIONS):
            raise misfit("direction", f"one of {', '.join(DIRECTIONS)}", self.direction)

    @cached_property
    def names(self) -> tuple[str, ...] | None:
        """The names in `only`."""
        return None if self.only is None else listed("only", self.only)

    def has(self, name: str) -> bool:
        """Whether the line `name` is selected."""
        return self.names is None or name in self.names or any(one.startswith(f"{name}[:,") for one in self.names)

    def places(self, stage: Stage) -> bool:
        """Whether `stage` is selected."""
        return self.layer in (None, stage.layer) and self.direction in (None, stage.direction)

    def window(self, trace: Trace) -> slice:
        """The selected steps as indices into the trace's arrays. Raises MissingError if there are none."""
        found = positions(slice(None) if self.steps is None else self.steps, trace.span)
        return slice(trace.index(found.start), trace.index(found.stop))

    def rows(self, trace: Trace) -> slice:
        """The selected sequences of the batch. Raises MissingError."""
        if self.batch is None:
            return slice(0, trace.batch)
        if not 0 <= self.batch < trace.batch:
            raise MissingError(f"no batch row {self.batch}: the trace has 0 to {trace.batch - 1} (B = {trace.batch})")
        return slice(self.batch, self.batch + 1)


class LineUnits(NamedTuple):
    """One line of a part: its name, operation (or kind of premise), unit numbers, and the number of units it has.

    columns: those of a value that is a matrix.
    """

    line: str
    op: str
    units: range
    width: int
    columns: int | None = None

    @property
    def entries(self) -> tuple[Array, Array]:
        """The row and the column of each unit; -1 if it is not of a matrix."""
        units = np.array(self.units)
        return (units * 0 - 1, units * 0 - 1) if self.columns is None else np.divmod(units, self.columns)

    @property
    def indices(self) -> Sequence[int | str]:
        """What follows the name of the line in the address of each unit; `2,1` in a matrix."""
        both = zip(*self.entries, strict=True)
        return self.units if self.columns is None else [f"{row},{column}" for row, column in both]


@dataclass(frozen=True)
class TracePart:
    """Rows of one stage: every line at every place; a place is a step of a sequence.

    layer, direction: None for the input, which belongs to no layer. steps, batch: the numbers in the order in which
    they were visited; None for values that have none (parameters). arrays: for each line (steps or 1, batch or 1,
    units).
    valid: (steps, batch), whether a place is a valid step and not padding; None if there are no steps.
    padding: whether padding is included in the rows.
    """

    layer: int | None
    direction: str | None
    steps: range | None
    batch: range | None
    lines: tuple[LineUnits, ...]
    arrays: tuple[Array, ...]
    valid: Array | None = None
    padding: bool = False

    @cached_property
    def kept(self) -> Array:
        """(steps or 1, batch or 1): whether a place has rows."""
        if self.valid is not None and not self.padding:
            return self.valid
        return np.ones([1 if axis is None else len(axis) for axis in (self.steps, self.batch)], bool)

    @cached_property
    def places(self) -> tuple[Array, Array]:
        """The indices, in `steps` and in `batch`, of the places that have rows, in order."""
        at, row = np.nonzero(self.kept)
        return at, row

    @property
    def width(self) -> int:
        """Number of values at each place."""
        return sum(len(entry.units) for entry in self.lines)

    @property
    def count(self) -> int:
        """Number of places that have rows."""
        return int(np.count_nonzero(self.kept))

    @property
    def size(self) -> int:
        """Number of values in these rows."""
        return self.count * self.width

    @property
    def values(self) -> Array:
        """(places, values at each), lines side by side: in C order the order of the long shape."""
        whole = self.arrays[0] if len(self.arrays) == 1 else np.concatenate(self.arrays, axis=-1)
        return whole.reshape(-1, self.width) if self.kept.all() else whole[self.kept]

    def pieces(self, limit: int) -> Iterator[TracePart]:
        """The part in pieces of at most `limit` values, or of one place if it has more; none is empty."""
        steps, batch = self.kept.shape
        by, rows = max(limit // (batch * self.width), 1), max(limit // self.width, 1)
        for t in range(0, steps, by):
            for b in range(0, batch, rows):
                at = slice(t, t + by), slice(b, b + rows)
                piece = replace(
                    self,
                    steps=self.steps and self.steps[at[0]],
                    batch=self.batch and self.batch[at[1]],
                    arrays=tuple(array[at] for array in self.arrays),
                    valid=None if self.valid is None else self.valid[at],
                )
                if piece.count:
                    yield piece


def parts(
    trace: Trace, selection: Selection | None = None, with_inputs: bool = False, padding: bool = False,
    by_step: bool = False,
) -> Iterator[TracePart]:  # fmt: skip
    """The selection in the order of the long shape: layer, direction, t as visited (the reverse direction from the
    last step down), batch, line in order of computation, unit.

    padding: keep the steps beyond a sequence's length (see `Trace.valid`), in every layer and direction.
    by_step: only lines with a value at each step. Otherwise each stage ends with its sums over all steps and sequences
    (column k of a matrix is the line `d_W_xi[:,k]`), which a selection of steps or of a sequence leaves out.

    with_inputs: include premises. The lengths (or the mask) and the input come first, without layer and direction; each
    stage begins with its parameters (column k of a matrix is the line `W_xi[:,k]`, so that the unit is that of the
    result) and its initial states (no step); supplied lines precede the computed ones of their step. With by_step they
    are the values that each step reads (`read_at_each_step`), before the lines.
    Raises MissingError if the selection names something that does not exist, or is empty.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", given={"h_t": [0.0]})
    >>> [(part.steps, [entry.line for entry in part.lines]) for part in parts(trace)]
    [(range(0, 2), ['W_xi @ x_t', 'W_hi @ h_prev', 'z_i'])]
    """
    chosen = selection or Selection()
    _check_names(trace, chosen, with_inputs, by_step)
    window, rows = chosen.window(trace), chosen.rows(trace)
    valid = trace.valid[window, rows, 0] != 0
    found: list[TracePart] = []
    if with_inputs and not by_step and chosen.layer is None and chosen.direction is None:  # they belong to no layer
        lengths = None if trace.lengths is None else trace.lengths[None, :, None].astype(trace.header.dtype)
        mask = None if trace.mask is None else trace.mask[:, :, None].astype(trace.header.dtype)
        for name, stepwise, values in (("lengths", False, lengths), ("mask", True, mask), ("x_t", True, trace.x)):
            if values is not None:
                found += _part(trace, None, stepwise, [(name, "input", values)], chosen)
    for stage in filter(chosen.places, trace.stages):
        found += _stage(trace, stage, chosen, with_inputs, by_step)
    if not found:
        raise empty(trace, chosen)
    if not padding and not valid.any() and all(part.steps is not None for part in found):
        first = trace.header.count_from
        steps, batch = ([n + first for n in there] for there in (trace.span[window], range(trace.batch)[rows]))
        which = f"step {steps[0]} is" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]} are"
        row = f"row {batch[0]}" if len(batch) == 1 else f"rows {batch[0]} to {batch[-1]}"
        said = f"{which} not part of the sequence of {row}; export has --padding"
        raise MissingError(f"the selection has only padding: {said}")
    for part in found:
        is_mask = part.layer is None and part.lines[0].line == "mask"  # it marks the padding, so it stays complete
        if part.steps is not None and (padding or not is_mask):
            part = replace(part, valid=valid[::-1] if part.steps.step < 0 else valid)
        if padding or part.count:
            yield replace(part, padding=padding)


def _stage(trace: Trace, stage: Stage, chosen: Selection, with_inputs: bool, by_step: bool) -> Iterator[TracePart]:
    """The parts of a stage: its premises, its lines, and its sums over all steps."""
    recorded = trace.lines.get(stage.scope, {})
    arrays = [(line.name, line.op, recorded[line.name]) for line in stage.cell.lines if line.name in recorded]
    if with_inputs and by_step:
        arrays = [*read_at_each_step(trace, stage), *arrays]
    elif with_inputs:
        for name, values in trace.parameters.get(stage.scope, {}).items():
            yield from _columns(stage, name, "parameter", values, chosen)
        first = trace.initial.get(stage.scope, {}).items()
        initial = [(INITIAL.get(name, name), "initial", values[None]) for name, values in first]
        yield from _part(trace, stage, False, initial, chosen)
        arrays = [(name, "given", values) for name, values in trace.given.get(stage.scope, {}).items()] + arrays
    yield from _part(trace, stage, True, arrays, chosen)
    if not by_step and chosen.steps is None and chosen.batch is None:
        for name, values in trace.sums.get(stage.scope, {}).items():
            yield from _columns(stage, name, GATHERED, values, chosen)


def read_at_each_step(trace: Trace, stage: Stage) -> Iterator[tuple[str, str, Array]]:
    """(name, kind, (steps, batch, units)) of all that a stage reads: inputs, states, and the columns of its parameters.

    A value that was not recorded is left out, and so is `valid`, which the rows have as a column.
    """
    for name in (*stage.cell.inputs, *stage.cell.states):
        source = stage.sources.get(name)
        values = None if source == VALID else trace.operand(stage.scope, name)
        if values is not None:
            yield name, "given" if source == GIVEN else "state" if name in stage.cell.states else "input", values
    for name, values in trace.parameters.get(stage.owner, {}).items():
        every = (trace.steps, trace.batch, len(values))
        for k, column in enumerate(values.T if values.ndim == 2 else [values]):
            yield f"{name}[:,{k}]" if values.ndim == 2 else name, "parameter", np.broadcast_to(column, every)


def _part(
    trace: Trace, stage: Stage | None, by_step: bool, arrays: Sequence[tuple[str, str, Array]], chosen: Selection
) -> Iterator[TracePart]:
    """One part with the selected lines in `arrays`, or nothing; the reverse direction starts at the last step.

    stage: None for what belongs to no layer.
    """
    window, rows = chosen.window(trace) if by_step else slice(None), chosen.rows(trace)
    backwards = stage is not None and stage.backwards and by_step
    steps, order = trace.span[window] if by_step else None, -1 if backwards else 1
    entries, kept = [], []
    for name, op, values in arrays:
        units = _units(values.shape[-1], chosen)
        stem = name.partition("[:,")[0]
        if units and (chosen.has(stem) or chosen.has(STATE.get(name, name)) or (name == "x_t" and chosen.has("x"))):
            columns = None if stage is None else columns_of(trace, stage.scope, STATE.get(name, name))
            entries.append(LineUnits(name, op, units, values.shape[-1], columns))
            kept.append(values[window, rows, units.start : units.stop][::order])
    if entries:
        steps, batch = steps and steps[::order], range(trace.batch)[rows]
        layer, direction = (None, None) if stage is None else (stage.layer, stage.direction)
        yield TracePart(layer, direction, steps, batch, tuple(entries), tuple(kept))


def _columns(stage: Stage, name: str, op: str, values: Array, chosen: Selection) -> Iterator[TracePart]:
    """A vector as one line, a matrix as one line per column; the unit is the row, which is that of the result."""
    units = _units(values.shape[0], chosen)
    if not units or not chosen.has(name):
        return
    kept = values[units.start : units.stop]
    if values.ndim == 1:
        entries, columns = [LineUnits(name, op, units, len(values))], kept[None]
    else:
        named = {k: f"{name}[:,{k}]" for k in range(values.shape[1])}
        if chosen.names is not None and name not in chosen.names:
            named = {k: column for k, column in named.items() if column in chosen.names}
        entries = [LineUnits(column, op, units, len(values)) for column in named.values()]
        columns = kept.T[[*named]]
    by = max((1 << 16) // len(units), 1)  # a matrix may have millions of entries: some columns at a time
    for at in range(0, len(entries), by):
        some = np.ascontiguousarray(columns[at : at + by]).reshape(1, 1, -1)
        yield TracePart(stage.layer, stage.direction, None, None, tuple(entries[at : at + by]), (some,))


def _units(width: int, chosen: Selection) -> range:
    if chosen.unit is None:
        return range(width)
    return range(chosen.unit, chosen.unit + 1) if 0 <= chosen.unit < width else range(0)


def _check_names(trace: Trace, chosen: Selection, with_inputs: bool, by_step: bool) -> None:
    """Raise MissingError for a line of `only` that the trace does not have."""
    recorded = names(trace, "lines", "sums")
    known = ["x", "x_t", *(() if with_inputs and by_step else ("lengths", "mask", *INITIAL.values()))]
    premises = names(trace, "parameters", "initial", "given") | dict.fromkeys(known)
    if by_step:
        premises |= dict.fromkeys(name for stage in trace.stages for name in stage.cell.inputs)
    for name in chosen.names or ():
        stem = name.partition("[:,")[0]
        if name in recorded or stem in names(trace, "sums") or (with_inputs and (name in premises or stem in premises)):
            continue
        if name in premises:
            raise MissingError(f"{name!r} is a premise, not a line that was computed; export has --with-inputs")
        if any(name in stage.cell.by_name for stage in trace.stages):
            raise MissingError(
                f"{name!r} was not recorded: nothing that was requested depends on it, or only other lines were stored"
            )
        if said := selecting(trace, name):
            raise MissingError(said)
        there = [*recorded, *(premises if with_inputs else ())]
        raise MissingError(f"the trace has no line {name!r}{nearest_line(name, there, 'its lines are')}")


def empty(trace: Trace, chosen: Selection) -> MissingError:
    """The error for a selection without anything, with the existing layers, directions and units."""
    return MissingError(f"the selection is empty: {_extent(trace, chosen)}")


def _extent(trace: Trace, chosen: Selection) -> str:
    stages = [stage for stage in trace.stages if chosen.places(stage)]
    if not stages:
        parts = (("layer", chosen.layer), ("direction", chosen.direction))
        wanted = [f"{part} {value}" for part, value in parts if value is not None]
        return f"{', '.join(wanted)} is not among {', '.join(trace.scopes)}"
    widest = max((a.shape[-1] for s in stages for a in trace.lines.get(s.scope, {}).values()), default=0)
    what = "" if chosen.names is None else f" with {', '.join(chosen.names)}"
    return f"there are {', '.join(s.scope for s in stages)}{what}, units 0 to {widest - 1}"
