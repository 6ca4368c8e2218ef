"""The record of a run: every line's value at every step, and the premises from which they can be derived again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array, read_only
from ..base.conveniences import Convenience
from ..cell.lines import Line, Operand
from ..cell.named_cells import nearest_line
from ..cell.network import GIVEN, MEET, VALID, Direction, Scope, Stage, X, find, forward_stages, scope_and_name
from ..cell.ops import OPS
from ..cell.variants import Merge, Padding
from ..errors import MissingError, OptionError, counted
from .address import Address, line_name, positions
from .argument_types import KINDS, checked, misfit
from .edited import changed
from .grids import as_read, grids_of, located
from .outputs import TraceOutputs
from .printed import extents_in, from_zero, ours, place_of, slashed
from .window import between, every_array, last_value, stages_at, step_before


@dataclass(frozen=True)
class Header:
    """The metadata of a trace.

    kind, options: the cell's name and all of its options (kind `equations` for a custom cell). ask: addresses or names
    of the requested lines. names: labels of inputs (`x`), hidden units (`h`) and outputs of a readout (`y`). symbols:
    TeX symbols of user-defined names. aliases: what the author's own code calls lines and weights. imported: the
    conversions made to the weights at import. batched, batch_first: the layout of the given input. notes: the author's
    text below the title. plan: the execution plan that computed the trace.
    arithmetic: the arithmetic, if it is not that of dtype. agreement: which framework result the trace was compared
    with, and the deviation. step_labels: labels of the steps (tokens, characters, dates) for each sequence, by position
    in the input; a single list if they are the same for all. count_from: 0 or 1, the number of the first step and unit
    as printed, and in addresses without a slash (`trace/printed.py`). title_tex: the title as it was written, if it has
    formulas. digits, language, notation: how a report shows it, unless other ones are requested. mistakes: keys of
    the mistakes that the run has on purpose (docs/mistakes.md); replaced: by scope and name (`c_t`, `carry h_prev`,
    `output`), the right sides that the equations had without them.
    """

    title: str = ""
    notes: str = ""
    kind: str = "lstm"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    dtype: str = "float64"
    merge: Merge = "concat"
    padding: Padding | None = None
    ask: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)
    symbols: Mapping[str, str] = field(default_factory=dict, hash=False)
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    imported: tuple[str, ...] = ()
    batched: bool = True
    batch_first: bool = False
    plan: str = "lines"
    arithmetic: str | None = None
    agreement: tuple[str, ...] = ()
    count_from: int = 0
    title_tex: str = ""
    mistakes: tuple[str, ...] = ()
    replaced: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    digits: int | None = None
    language: str | None = None
    notation: str | None = None
    step_labels: tuple[tuple[str, ...], ...] = ()

    @property
    def called(self) -> str:
        """Title and cell, as shown in the `repr` of a trace or model."""
        title = self.title if len(self.title) <= 60 else f"{self.title[:59]}…"
        return f"{title!r}, {self.kind}" if title else self.kind

    def until(self, stop: int) -> Header:
        """The header with only the labels of the steps before `stop`."""
        return replace(self, step_labels=tuple(row[:stop] for row in self.step_labels))


Step = int  # a position in the input; an alias, because `index` is called too often to be `checked`


@checked
@dataclass(frozen=True, repr=False, eq=False)
class Trace(TraceOutputs):
    """Every line of every stage over T steps and B sequences.

    x: (T, B, I), or None if no line needs it. lengths: (B,); or mask: (T, B), True at the valid steps, if padding is
    not only at the end; at most one of the two is given, and `valid` combines them. parameters, given, initial and
    lines are keyed by scope (`0/forward`) and name; their arrays are weights as given, (T, B, width), (B, width) and
    (T, B, width). Values are dimensionless, time is counted in steps, t is always the position in the input. first: the
    position of the first step, 0 unless only some steps were recorded; then `initial` holds the states carried into
    those steps, and lengths still count from the beginning of the input. sums: sums of a stage over all steps, shaped
    like parameters.
    rounding: of values that another program printed, half a unit of the last digit, by scope and name.
    memory: the buffer that a planned run wrote into, for `out=`. x and the arrays by scope are what is stored, and can
    be written, by `out=` for one; who changes one has another run than the lines tell.
    A trace is a mapping from names to values, `trace["h_t"]` or `trace["0/forward/h_t"]`, as read-only views. Iteration
    yields the names of the recorded lines, each once, in order of computation; if several layers or directions have a
    line, `trace[name]` raises an error that says so. `==` compares identity; see `equals`.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "s_t = s_prev + x_t\\nq_t = s_t * s_t\\ncarry: s_prev <- s_t\\noutput: q_t"}
    >>> trace = lt.run({}, [[1.0], [2.0]], cell=cell)
    >>> list(trace), "q_t" in trace, len(trace), trace["q_t"].ravel()
    (['s_t', 'q_t'], True, 2, array([1., 9.]))
    """

    header: Header
    stages: tuple[Stage, ...]
    steps: int
    batch: int
    x: Array | None
    lengths: Array | None
    parameters: dict[str, dict[str, Array]]
    initial: dict[str, dict[str, Array]]
    given: dict[str, dict[str, Array]]
    lines: dict[str, dict[str, Array]]
    first: int = 0
    mask: Array | None = None
    sums: dict[str, dict[str, Array]] = field(default_factory=dict)
    rounding: dict[str, dict[str, Array]] = field(default_factory=dict)
    memory: Any = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        held = sum(len(lines) for lines in self.lines.values())
        places = ", ".join(self.scopes)
        window = f", steps {self.first} to {self.span[-1]}" if self.first else ""
        return (
            f"<Trace {self.header.called}: {places}{window}; T={self.steps} B={self.batch}, "
            f"{counted(held, 'line')}, {self.header.dtype}>"
        )

    # -- its contents -------------------------------------------------------------------------------------------

    @property
    def scopes(self) -> tuple[str, ...]:
        """`layer/direction` of every stage, in computing order."""
        return tuple(stage.scope for stage in self.stages)

    @property
    def span(self) -> range:
        """The recorded steps, as positions in the input."""
        return range(self.first, self.first + self.steps)

    def index(self, t: Step) -> int:
        """The index of a step in the arrays.

        Args:
            t: position of the step in the input.
        """
        try:
            return t - self.first
        except TypeError:
            raise misfit("t", "a whole number", t) from None

    def stage(self, scope: Scope) -> Stage:
        """The stage of one layer and direction.

        Args:
            scope: `layer/direction`.

        Raises:
            MissingError: if there is no such stage.
        """
        for stage in self.stages:
            if stage.scope == scope:
                return stage
        raise MissingError(f"there is no {scope!r}; there are {', '.join(self.scopes)}")

    def operand(self, scope: Scope, name: Operand, steps: slice = slice(None)) -> Array | None:
        """The values that a line of `scope` reads as `name`, at `steps`; None if they were not recorded.

        A line inside a call of a composite function that was not recorded is derived from the operands of the call:
        earlier versions stored some of these functions as one operation.

        Args:
            scope: `layer/direction`.
            name: name of a line, input, state or parameter, or a number.
            steps: indices into the arrays (see `index`).

        Returns:
            (steps, B, width) for lines, inputs and states; parameters in their own shape, or as one row
            (`grids.as_read`); (1,) for a number, which is a vector of one unit.
        """
        if not isinstance(steps, slice):
            raise misfit("steps", "a slice", steps)
        if not isinstance(name, str):
            if not isinstance(name, Real):
                raise misfit("name", "the name of a line, or a number", name)
            with np.errstate(over="ignore"):  # 1e300 is infinite in float32, here as in a run
                return np.array([name], self.header.dtype)
        stage = self.stage(scope)
        recorded = self.lines.get(scope, {})
        if name in recorded:
            return recorded[name][steps]
        if name in stage.cell.states:
            return step_before(self, stage, name, steps)
        if name in stage.sources:
            source = stage.sources[name]
            if source == X:
                return None if self.x is None else self.x[steps]
            if source == VALID:
                return self.valid[steps]
            if source == GIVEN:
                values = self.given.get(scope, {}).get(name)
                return None if values is None else values[steps]
            return self.operand(*scope_and_name(source), steps)
        if name in stage.cell.inner and self.header.arithmetic is None:
            return derived(self, scope, stage.cell.by_name[name], steps)
        return as_read(stage, self.parameters.get(stage.owner, {})).get(name)

    def grid(self, scope: str, name: str) -> tuple[int, int] | None:
        """The rows and columns of a value that is a matrix; in arrays it is a row of rows * columns numbers.

        Args:
            scope: `layer/direction`.
            name: name of a line, input, state or parameter.

        Returns:
            None for a vector, and for a weight that multiplies vectors (`W @ x_t`).
        """
        return self.grids.get(scope, {}).get(name)

    grids = cached_property(grids_of)

    @property
    def padded(self) -> str:
        """The array that defines the padding: `lengths`, `mask`, or nothing."""
        return "lengths" if self.lengths is not None else "mask" if self.mask is not None else ""

    @property
    def valid(self) -> Array:
        """1 at the valid steps of each sequence and 0 at padding: (T, B, 1)."""
        inside = self.mask
        if inside is None:
            lengths = np.full(self.batch, self.span.stop) if self.lengths is None else self.lengths
            inside = np.array(self.span)[:, None] < lengths[None, :]
        return inside[:, :, None].astype(self.header.dtype)

    # -- reading -------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Array:
        """The line `name` as a read-only view, (T, B, width), if exactly one layer and direction have it.

        With its layer and direction, `0/forward/h_t`, it is that line of several. If directions are merged, y_t is the
        merged value, even if padding gives each direction a y_t of its own. Otherwise raises MissingError that lists
        the stages that have the line. To change values, see `with_values`.
        """
        name = ours(self.header, self.stages, name)
        scope, bare = scope_and_name(name)
        scope, bare = (scope, bare) if scope in self.scopes else ("", name)
        for owner, here in self.sums.items():
            if bare in here and scope in ("", owner):
                at = f"trace.sums[{owner!r}][{bare!r}]"
                raise MissingError(f"{bare} was summed over all steps: it is {at}, and in trace.gradients")
        if not any(stage.has(bare) for stage in self.stages) and (place := place_of(self, name)) is not None:
            derived = "" if place.unit is None else f"lt.derivation(trace, {name!r}) has it, and "
            said = f"{name} has a place, and trace[…] is a whole line: {derived}trace[{place.line!r}] is its line"
            raise MissingError(said)
        scopes = [one for one in find(self.stages, bare) if scope in ("", one)]
        if not scopes:
            raise MissingError(f"{scope} has no {bare!r}; it is in {', '.join(find(self.stages, bare))}")
        there = {scope: values for scope in scopes if (values := self.operand(scope, bare)) is not None}
        # padded directions that are merged have a y_t each as well, as in `address.locate`
        there = {scope: values for scope, values in there.items() if self.stage(scope).direction == MEET} or there
        if not there:
            raise MissingError(f"{name} was not recorded in {', '.join(scopes)}")
        first, *others = there
        if others:
            raise MissingError(f"{name} is in {', '.join(there)}: choose one, for example trace['{first}/{name}']")
        return read_only(there[first])

    def with_values(self, values: Mapping[str, Any]) -> Trace:
        """Return a copy with other values; nothing is computed from them, as it is by `lt.edit`.

        Args:
            values: by address, as in `lt.edit`, but also of computed lines: `0/forward/3/0/i_t[2]` to a number, or with
                fewer parts to an array of everything that the address names, (T, B, width) for `c_t`.

        Returns:
            The copy, which shares the other arrays with this trace.

        Raises:
            MissingError: if the trace does not contain an address, or it names several arrays.
            ShapeError: for a value of another shape, or that is not a number.

        >>> import lstm_trace as lt
        >>> cell = {"equations": "h_t = 0.5 * h_prev + x_t\\ncarry: h_prev <- h_t\\noutput: h_t"}
        >>> trace = lt.run({}, [[1.0], [2.0]], cell=cell).with_values({"1/h_t[0]": 9.0})
        >>> trace["h_t"].ravel(), lt.verify(trace).failures[0].address.t
        (array([1., 9.]), 1)
        """
        return changed(self, values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        count, one = counted(len(self), "line"), next(iter(self), "h_t")
        raise OptionError(f"a trace has {count}: write np.asarray(trace[{one!r}]) for one, trace.to_frame() for all")

    def equals(self, other: object) -> bool:
        """Whether another trace has the same metadata, stages and steps, and equal arrays of the same types.

        NaN equals NaN, and -0.0 equals 0.0. `lt.diff` says what differs, and whether rounding explains it.

        Args:
            other: a trace; anything else is not equal.
        """
        if not isinstance(other, Trace):
            return False
        about = [(one.header, one.stages, one.span, one.batch) for one in (self, other)]
        a, b = every_array(self), every_array(other)
        alike = about[0] == about[1] and a.keys() == b.keys()
        pairs = ((values, b[key]) for key, values in a.items())
        return alike and all(x.dtype == y.dtype and np.array_equal(x, y, equal_nan=True) for x, y in pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        scope, bare = scope_and_name(name)
        return bare in self.lines.get(scope, ()) or any(name in here for here in self.lines.values())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> KeysView[str]:
        """The names of the recorded lines, each once, in order of computation."""
        return dict.fromkeys(line.name for _, line, _ in self.recorded()).keys()

    def items(self) -> Iterator[tuple[str, Array]]:
        """Each name with its line. Raises MissingError for a name that several layers or directions have; see `at`."""
        return ((name, self[name]) for name in self)

    def at(
        self, layer: int | None = None, direction: Direction | None = None, steps: slice | range | int | None = None
    ) -> Trace:
        """Return the trace of one layer, one direction, some steps, or all of these: a view of the same arrays.

        Args:
            layer: from 0; all if None.
            direction: `forward`, `reverse` or `joined`; for adjoints `adjoint-forward` and so on; all if None.
            steps: adjacent positions in the input; negative ones count from the end.

        Raises:
            MissingError: if the trace does not contain them.
        """
        found = self if layer is None and direction is None else stages_at(self, layer, direction)
        return found if steps is None else between(found, positions(steps, self.span))

    @property
    def output(self) -> Array:
        """The output of the top layer, in the layout of the given x: (T, B, D·H), (B, T, D·H) or (T, D·H)."""
        stages = forward_stages(self.stages)
        if not stages:
            raise MissingError(f"this part of the trace has only adjoints ({', '.join(self.scopes)}), and no output")
        last = stages[-1]
        if last.direction != MEET and sum(stage.layer == last.layer for stage in stages) > 1:
            raise MissingError("the directions are not joined; use trace.at(direction=…).output")
        values = self.operand(last.scope, last.cell.output)
        if values is None:
            raise MissingError(f"the output {last.cell.output} of {last.scope} was not recorded")
        return read_only(self.outward(values))

    def outward(self, values: Array) -> Array:
        """Return an array in the layout of the given x.

        Args:
            values: (T, B, …).
        """
        if not self.header.batched:
            return values[:, 0]
        return np.swapaxes(values, 0, 1) if self.header.batch_first else values

    @property
    def h_n(self) -> Array:
        """The last h of every layer and direction, (L·D, B, ·) in PyTorch's order (h_n[k], k = layer·D + direction).

        For a trace of some steps, the state after the last step that the direction visits.
        """
        return self._last("h_prev")

    @property
    def c_n(self) -> Array:
        """The last c of every layer and direction, (L·D, B, H), like `h_n`."""
        return self._last("c_prev")

    def _last(self, state: str) -> Array:
        """The last value of `state` in every layer and direction, (L·D, B, H)."""
        ends = [last_value(self, stage, state) for stage in self.stages if state in stage.cell.states]
        if not ends:
            raise MissingError(f"no cell of this trace carries {state}")
        if len({values.shape for values in ends}) > 1:
            said = "the layers differ in width, so their last states cannot form one array; use trace.at(layer=…)"
            raise MissingError(said)
        stacked = np.stack(ends)
        return stacked if self.header.batched else stacked[:, 0]

    @property
    def gradients(self) -> dict[str, Array]:
        """The gradients in a trace with adjoints, as returned by `lt.backward`; the same mapping as from
        `lt.gradients`.

        Raises MissingError if the trace has no adjoints, or only some of them.
        """
        return Convenience[dict[str, Array]]("trace.gradients")(self)

    # -- addresses -----------------------------------------------------------------------------------------------

    def extents(self, name: str) -> dict[str, Sequence[int | str]]:
        """The possible values of each part of an address.

        Args:
            name: name of a line, input, state or parameter.

        Raises:
            MissingError: if the trace has no such name; the message suggests the nearest one.
        """
        if (found := extents_in(self, name)) is None:
            known = [n for part in (self.lines, self.parameters, self.sums) for here in part.values() for n in here]
            raise MissingError(f"the trace has no {name!r}{nearest_line(name, known, 'it has')}")
        return found

    def locate(self, text: str, every: bool = False) -> Address:
        """Parse the address of a line, input, parameter or initial state of this trace.

        Args:
            text: for example `0/forward/3/0/h_t[1]`; a part may be left out if it has only one value. Without a slash,
                as printed and as the problem counts: `h_3[1]`.
            every: whether a part that is left out may stand for several values.

        Raises:
            MissingError: if the trace does not contain it.
        """
        return located(self, slashed(self, text, every), every)

    def asked(self) -> list[Address]:
        """The requested addresses; a bare name is listed once for each layer and direction that has it.

        Requested lines that were not recorded (see `record`) are left out.
        """
        found: dict[Address, None] = {}
        for text in self.header.ask:
            name = line_name(text)
            holders = [s for s in self.stages if any(name in p.get(s.scope, {}) for p in (self.lines, self.given))]
            if not holders and any(name in stage.cell.by_name for stage in self.stages):
                continue
            address = self.locate(from_zero(text), every=True)
            for stage in holders:
                if address.layer in (None, stage.layer) and address.direction in (None, stage.direction):
                    found[address._replace(layer=stage.layer, direction=stage.direction)] = None
        return list(found)

    def recorded(self) -> Iterator[tuple[Stage, Any, Array]]:
        """(stage, line, values) of every recorded line, in order of computation."""
        for stage in self.stages:
            values = self.lines.get(stage.scope, {})
            for line in stage.cell.lines:
                if line.name in values:
                    yield stage, line, values[line.name]


def derived(trace: Trace, scope: str, line: Line, steps: slice = slice(None)) -> Array | None:
    """A line of `scope`, computed from its operands, (steps, B, width); None if one was not recorded."""
    cell, recorded = trace.stage(scope).cell, trace.lines.get(scope, {})
    known: dict[Operand, Array] = {}  # each line once, however often it is read
    waiting = [line]
    while waiting:
        one = waiting[-1]
        if inner := [n for n in one.reads if n in cell.inner and n not in recorded and n not in known]:
            waiting += [cell.by_name[name] for name in inner]
            continue
        waiting.pop()
        for operand in one.operands:
            if operand not in known:
                if (values := trace.operand(scope, operand, steps)) is None:
                    return None
                known[operand] = values
        if one.name not in known:
            with np.errstate(all="ignore"):
                value = OPS[one.op].array([known[operand] for operand in one.operands], one.constants)
                known[one.name] = np.asarray(value, trace.header.dtype)
    return known[line.name]


KINDS["Trace"] = (Trace,), "a trace, as lt.run and lt.load return it"
KINDS["Sequence[Trace]"] = (Iterable,), "a list of traces"
KINDS["Trace | str | Path | None"] = (Trace, str, Path, type(None)), "a trace, or the path of one"
