"""Somebody's function, and the cell that is lifted from it: what both compute on two inputs must agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError
from ..model.sources import prepare
from ..trace.trace import Trace
from .building import BuiltCell
from .call import StepCall
from .expressions import FAR
from .lifted import Lifted
from .recording import RecordedRun, as_numbers, torch
from .tape import Tape

#: The other input that the two are compared on is so many steps longer than the given one.
MORE = 3


@dataclass
class AuthorFunction(ABC):
    """A function, and the arguments that it is lifted with.

    time: the axis of x that has the steps. batch: that of the sequences in a step of x, if there is one.
    """

    call: StepCall
    weights: Any
    x: Any
    states: dict[str, Any]
    time: int = 0
    batch: int | None = None

    @abstractmethod
    def recorded(self) -> RecordedRun:
        """The function on recording arrays."""

    @abstractmethod
    def read(self, run: RecordedRun) -> BuiltCell:
        """The cell of what was recorded."""

    @abstractmethod
    def values(self, cell: BuiltCell, x: Any, states: Mapping[str, Any], tape: Tape) -> dict[str, Array]:
        """What the function itself computes, (T, B, n) or of the last steps alone, by the lines of the cell."""

    def lifted(self, run: RecordedRun | None = None) -> Lifted:
        """The cell, compared with the function on the given input, and on a longer one with other states.

        run: a recording, if there is one.
        """
        run = self.recorded() if run is None else run
        cell = self.read(run)
        trace = self._compared(cell, run, self.x, self.states)
        shape, random = [*self.x.shape], np.random.default_rng(0)
        shape[self.time] += MORE
        others = {name: _random_like(one, one.shape, random) for name, one in self.states.items()}
        self._compared(cell, run, _random_like(self.x, shape, random), others)
        return Lifted(trace, cell.model, cell.naming, cell.weights, cell.aliases, cell.unread)

    def _compared(self, cell: BuiltCell, run: RecordedRun, x: Any, states: Mapping[str, Any]) -> Trace:
        """The trace of an input. Raises LiftError if the function computes something else."""
        steps = np.stack([rows(one, self.batch) for one in np.moveaxis(as_numbers(x), self.time, 0)])
        begin = {name: self.state_rows(as_numbers(value)) for name, value in states.items()}
        others = {f"{name}_prev": value for name, value in begin.items() if name not in "hc"}
        initial = {f"{name}0": value for name, value in begin.items() if name in "hc"} | {"initial": others or None}
        trace = cell.model.run(steps, **initial)
        coarse = {"float32": "float64", "float64": "float32"}[trace.header.dtype]
        again = prepare(cell.weights, cell.definition, dtype=coarse).run(steps, **initial)
        for line, theirs in self.values(cell, x, states, run.tape).items():
            ours, other = (one[line][-len(theirs) :] for one in (trace, again))
            allowed = _allowed(ours, other, theirs) + _clipped(run.tape)
            wrong = ~(np.abs(ours - theirs) <= allowed) & ~(np.isnan(ours) & np.isnan(theirs))
            if wrong.any():
                step = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
                raise LiftError(
                    f"{self.call.named} does more than its equations say: {line} of step {step} is off by "
                    f"{np.abs(ours - theirs)[step].max():.1e}; a state that is kept outside of the function does this"
                )
        return trace

    def state_rows(self, value: Any) -> Any:
        """A state as (B, width)."""
        return rows(value, self.batch)


def rows(value: Any, batch: int | None) -> Any:
    """An array of one step as (B, width)."""
    return (
        np.moveaxis(value, batch, 0).reshape(value.shape[batch], -1)
        if batch is not None and value.ndim > 1
        else value.reshape(1, -1)
    )


def _allowed(ours: Array, other: Array, theirs: Array) -> Array:
    """How far rounding may move the function's values from ours, at each step, (T, 1, 1).

    Sums in another order, and functions that are written in another way, round elsewhere, and later steps amplify it.
    So the scale is measured (ARCHITECTURE.md, "What rounding explains"): by how much our own values change in another
    precision, 64 times as much, and 8 ulp of the largest value so far, at least of 1.
    """
    ulp = np.finfo(ours.dtype).eps
    off = np.nan_to_num(np.abs(ours.astype(np.float64) - other).max((1, 2)), nan=0.0, posinf=0.0)
    most = np.maximum(1.0, np.nan_to_num(np.abs(theirs).max((1, 2)), nan=1.0, posinf=1.0))
    allowed = 64 * off * ulp / np.finfo(np.float32).eps + 8 * ulp * most
    return np.maximum.accumulate(allowed)[:, None, None]


def _clipped(tape: Tape) -> float:
    """What a sigmoid or tanh loses by a clip of its argument, which equations leave out: that of 18 is 1 - 1.5e-8."""
    ends = [min(-node.constants[0], node.constants[1]) for node in tape.nodes if node.op == "clip"]
    return sum(2 * float(np.exp(-end)) for end in ends if end >= FAR)


def _random_like(value: Any, shape: Sequence[int], random: np.random.Generator) -> Any:
    """Random numbers in the library and dtype of another array."""
    numbers = random.normal(size=shape)
    if isinstance(value, (np.ndarray, np.generic)):
        return numbers.astype(value.dtype)
    return torch().as_tensor(numbers, dtype=value.dtype)
