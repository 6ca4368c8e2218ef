"""Somebody's function, and the cell that is lifted from it: what both compute on two inputs must agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError, LstmTraceError
from ..trace.trace import Trace
from .building import BuiltCell
from .call import StepCall
from .checking import checked_trace
from .lifted import Lifted
from .recording import RecordedRun, as_numbers, torch
from .tape import Tape

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
        begin = {self.state_name(name): self.state_rows(as_numbers(value)) for name, value in states.items()}
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

    def state_rows(self, value: Any) -> Any:
        """A state as (B, width)."""
        return rows(value, self.batch)


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
