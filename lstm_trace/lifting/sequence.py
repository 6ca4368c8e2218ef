"""Somebody's function, and the cell that is lifted from it; functions over a whole sequence.

What both compute on two inputs must agree. A function over a sequence is run on a few steps: what each step reads of
the steps before it is its state. The equations of one step are read with what it takes from the step before as its
states, and must be the same at every step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError, LstmTraceError
from ..trace.trace import Trace
from .building import BuiltCell, checked_trace
from .call import OutputPath, StepCall, at, means
from .lifted import Lifted
from .recording import RecordedRun, as_numbers, leaves, plain_run, recorded, torch
from .recurrence import RecordedRecurrence
from .tape import Ids, Tape

#: The other input that the two are compared on is so many steps longer than the given one.
MORE = 3


@dataclass
class AuthorFunction(ABC):
    """A function, and the arguments that it is lifted with.

    time: the axis of x that has the steps. batch: that of the sequences in a step of x, if there is one. names: what
    states are called in equations, if not as they were given.
    """

    call: StepCall
    weights: Any
    x: Any
    states: dict[str, Any]
    time: int = 0
    batch: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @abstractmethod
    def recorded(self) -> RecordedRun:
        """The function on recording arrays."""

    @abstractmethod
    def read(self, run: RecordedRun, matrices: bool) -> BuiltCell:
        """The cell of what was recorded. matrices: whether an array with rows and columns is one value, and no row."""

    def _read(self, run: RecordedRun) -> BuiltCell:
        """The cell with matrices; or that without, if no weight is read there once for each row, or column, of one."""
        try:
            return self.read(run, True)
        except LstmTraceError:
            with suppress(LstmTraceError):
                cell = self.read(run, False)
                parts = np.concatenate([[], *map(np.ravel, cell.parts.values())])
                if len(np.unique(parts)) == parts.size:
                    return cell
            raise

    @abstractmethod
    def values(self, cell: BuiltCell, trace: Trace, x: Any, states: Any, tape: Tape) -> dict[str, Array]:
        """What the function itself computes, (T, B, n) or of the last steps alone, by the lines of the cell."""

    def lifted(self, run: RecordedRun | None = None) -> Lifted:
        """The cell, compared with the function on the given input, and on a longer one with other states.

        Whatever states are called in the code, they are h and c if it is a named cell then.

        run: a recording, if there is one.
        """
        run = self.recorded() if run is None else run
        function, cell = self, self._read(run)
        renamed = [names for names in permutations("hc", len(self.states)) if names != (*self.states,)]
        for names in renamed if not cell.naming.kind else ():
            other = replace(self, names=dict(zip(self.states, names, strict=True)))
            with suppress(LiftError):  # what is wrong is said with the names that were given
                if (found := other._read(run)).naming.kind:
                    function, cell = other, found
                    break
        trace, begin = function._compared(cell, run, self.x, self.states)
        shape, random = [*self.x.shape], np.random.default_rng(0)
        shape[self.time] += MORE
        others = {name: alike(random.normal(size=one.shape), one) for name, one in self.states.items()}
        function._compared(cell, run, alike(random.normal(size=shape), self.x), others)
        loop = function.loop(run)
        return Lifted(trace, cell.model, cell.naming, cell.weights, cell.aliases, cell.unread, cell.spare, begin, loop)

    def _compared(self, cell: BuiltCell, run: RecordedRun, x: Any, states: Mapping[str, Any]) -> tuple[Trace, Any]:
        """The trace of an input, and its states, (B, n). Raises LiftError if the function computes something else."""
        steps = np.stack([rows(one, self.batch) for one in np.moveaxis(as_numbers(x), self.time, 0)])
        begin = {self.state_name(name): rows(as_numbers(one), self.state_axis(one)) for name, one in states.items()}
        begin = {name: np.repeat(one, steps.shape[1] // len(one), 0) for name, one in begin.items()}
        return checked_trace(
            cell, run.tape, steps, begin, lambda trace: self.values(cell, trace, x, states, run.tape), self.call.where
        ), begin

    def loop(self, run: RecordedRun) -> str:
        """How the function is called at each step, and what is taken of what it returns; empty if that is plain."""
        return ""

    def state_name(self, state: str) -> str:
        """What a state is called in equations."""
        return self.names.get(state, state)

    def state_axis(self, state: Any) -> int | None:
        """The axis of the sequences in a state."""
        return self.batch


def rows(value: Any, batch: int | None) -> Any:
    """An array of one step as (B, width)."""
    if batch is None or value.ndim < 2:
        return value.reshape(1, -1)
    return np.moveaxis(value, batch, 0).reshape(value.shape[batch], -1)


def first_of(value: Any, batch: int | None) -> Any:
    """An array of one step as the vector, or the matrix, that it has for the first sequence, without axes of size 1."""
    one = value if batch is None or value.ndim < 2 else np.moveaxis(value, batch, 0)[0]
    return np.atleast_1d(one.squeeze())


def in_shape(values: Array, like: Any, batch: int | None) -> Any:
    """(B, width) as an array like another, the reverse of `rows`; of a list of numbers as an array."""
    like = np.asarray(like) if isinstance(like, list) else like
    if batch is None or like.ndim < 2:
        return alike(values.reshape(like.shape), like)
    shape = [like.shape[batch], *np.delete(like.shape, batch)]
    return alike(np.moveaxis(values.reshape(shape), 0, batch), like)


def alike(numbers: Array, like: Any) -> Any:
    """Numbers in the library and dtype of another array."""
    if isinstance(like, (np.ndarray, np.generic)):
        return numbers.astype(like.dtype)
    return torch().tensor(numbers, dtype=like.dtype)


#: So many steps are recorded of a function.
STEPS = 7


def _first_along(array: Any, axis: int | None) -> Any:
    """The first sequence of the batch, as a batch of one."""
    return array if axis is None else array[(slice(None),) * axis + (slice(1),)]


class RecordedOutput(NamedTuple):
    """An output of which each step has a row, or the last one.

    axis: that of time; None if it is of the last step alone. way: -1 if the step that is read last stands first there.
    """

    path: OutputPath
    axis: int | None
    way: int
    rows: dict[int, Ids]


@dataclass
class SequenceFunction(AuthorFunction):
    """A function over a sequence. listed: it takes a list of time steps, and x has them first. way: -1 if it reads x
    from its last step to its first.

    One sequence of the batch is recorded, and all are compared.
    """

    listed: bool = False
    way: int = 1
    output: RecordedOutput = field(init=False)

    def __post_init__(self) -> None:
        if self.x.ndim > 2:
            self.batch = 0 if self._rows_first() else 1

    def _rows_first(self) -> bool:
        """Whether a step of x is (B, I), not (I, B)."""
        sizes = np.delete(self.x.shape, self.time)
        known = [one.shape for one in self.states.values() if one.ndim > 1]
        if any(shape[0] != sizes[0] and shape[1] == sizes[1] for shape in known):
            return False
        return self.time < 2 and (bool(known) or sizes[1] != 1 or sizes[0] == 1)

    def state_axis(self, state: Any) -> int | None:
        """That of (B, H), (H, B), (1, B, H) or (B, rows, columns)."""
        if self.batch is None or state.ndim < 2:
            return None
        many = np.delete(self.x.shape, self.time)[self.batch]
        return 0 if state.ndim > 2 and len(state) == many else state.ndim - 2 + self.batch

    def recorded(self) -> RecordedRun:
        own = None if self.batch is None else [n for n in range(self.x.ndim) if n != self.time][self.batch]
        x = _first_along(self.x, own)
        each = [x[(slice(None),) * self.time + (t % x.shape[self.time],)] for t in range(STEPS)]
        states = {name: _first_along(one, self.state_axis(one)) for name, one in self.states.items()}
        argument = list if self.listed else partial(np.stack, axis=self.time)
        return recorded(self.call, self.weights, each, states, lambda steps: argument(steps[:: self.way]))

    def read(self, run: RecordedRun, matrices: bool) -> BuiltCell:
        self.output = self._main(run)
        ends = np.concatenate([ids.reshape(-1) for ids in self.output.rows.values()])
        recurrence = RecordedRecurrence(
            run.tape, [one.reshape(-1) for one in run.x], ends, self.call.named, output=self.output.rows,
            back=self.way < 0, matrices=matrices,
        )  # fmt: skip
        begin = {self.state_name(name): ids for name, ids in run.states.items()}
        returned = [ids for _, ids in leaves(run.output, STEPS)]
        cell, _ = recurrence.read(None, recurrence.x, run.dtype, returned, begin)
        if lost := ", ".join(name for name in begin if name not in cell.lines):
            raise LiftError(f"{self.call.where}: of no state of its steps can it be told that it starts as {lost}")
        return cell

    def values(self, cell: BuiltCell, trace: Trace, x: Any, states: Any, tape: Tape) -> dict[str, Array]:
        ours = trace[cell.output][:: self.way]
        with plain_run(self.call, self.weights, tape) as run:
            value = at(run([*x] if self.listed else x, states), self.output.path)
        value = [*value.values()] if isinstance(value, Mapping) else value
        numbers = np.stack([*map(as_numbers, value)]) if isinstance(value, (list, tuple)) else as_numbers(value)
        _, axis, way, _ = self.output
        steps = numbers[None] if axis is None else np.moveaxis(numbers, axis, 0)[::way][-len(ours) :]
        batches = [n for n in range(1, steps.ndim) if steps.shape[n] == ours.shape[1]]
        each = [np.moveaxis(steps, n, 1).reshape(len(steps), ours.shape[1], -1) for n in batches]
        each = [one for one in each or [steps.reshape(len(steps), 1, -1)] if one.shape[1:] == ours.shape[1:]]
        if not each:
            raise LiftError(f"{self.call.named} returns {numbers.shape} for x {x.shape}: which axis has the sequences?")
        return {cell.output: min(each, key=lambda one: np.abs(one - ours[-len(one) :]).max())}

    def _main(self, run: RecordedRun) -> RecordedOutput:
        """The output that has a row for each step, or for the last one; of several, that which is called like h."""
        found: list[RecordedOutput] = []
        for path, ids in leaves(run.output, STEPS):
            times, flat = run.tape.times[ids], ids.reshape(-1)
            rows = {t: one for t in range(STEPS) if len(one := flat[times.reshape(-1) == t])}
            if [*rows] == [STEPS - 1]:
                found.append(RecordedOutput(path, None, 1, rows))
            for axis, size in enumerate(ids.shape) if len(rows) == STEPS else ():
                for way in (1, -1):
                    along = np.moveaxis(times, axis, 0)[::way][size - STEPS :]  # the initial state may stand before
                    if size in (STEPS, STEPS + 1) and (np.diff(along, axis=0) == 1).all():
                        found.append(RecordedOutput(path, axis, way, rows))
        if not found:
            raise LiftError(f"{self.call.named} returns no array that has a row for each step of x")

        def unlikely(one: RecordedOutput) -> tuple[bool, bool]:
            return one.axis is None, not means(run.tape.variable(next(iter(one.rows.values()))), "h")

        return min(found, key=unlikely)
