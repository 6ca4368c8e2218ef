"""How far a gradient reaches back: its size with respect to each carried state, step by step.

Of one value, or a sum of values, the size is the 2-norm over the units of a state. Of a vector of values it is the
Frobenius norm of the Jacobian, the root of the sum of its squared entries: the 2-norms of its rows, squared and added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage
from ..engine import plan_choice
from ..engine.rerun import run_seconds
from ..errors import MissingError, TooLargeError
from ..trace.address import Address, line_name
from ..trace.derived import Values, one_row, sizes
from ..trace.trace import Trace
from ..trace.window import rows
from .gradients import forward, walked, weighting
from .target import Weightings, loss_of, names_several, target, width_of


class Norm(NamedTuple):
    """The size of the gradient with respect to a carried line at a step."""

    layer: int
    direction: str
    line: str
    t: int
    norm: float


@dataclass(frozen=True)
class Norms:
    """The sizes at every step of row `b` that is no padding; 0 where nothing flows.

    of: the address of the value or vector, or the name of a loss; empty for the sum of the last outputs (`last`).
    vector: whether they are those of a Jacobian.
    """

    of: str
    b: int
    vector: bool
    rows: tuple[Norm, ...]


def norms(trace: Trace, of: str | None = None, batch: int = 0, output: Any = None) -> Norms:
    """How large the gradient of a value is with respect to what each layer and direction carries, at each step.

    of: the address of one value, or of a line at a step, all units of it (`5/h_t`); the name of a loss; if None the
    sum of what the top layer gives out last, in each of its directions. batch: the row, where the address does not say
    it. output: weights of the output, in its shape, instead of `of`.

    Raises MissingError for what there is not, TooLargeError for a Jacobian that would take minutes.
    """
    trace = forward(trace)
    if not 0 <= batch < trace.batch:
        raise MissingError(f"there is no batch element {batch}: there are 0 to {trace.batch - 1}")
    vector = None if of is None else _vector(trace, of)
    if vector is not None:
        name, b = str(vector), vector.b or 0
        found = _Squares(one_row(trace, b))
        for seeds in _identity(found.trace, vector):
            found.add(seeds)
    else:
        name, b, seeds = _weighted(trace, of, batch, output)
        found = _Squares(one_row(trace, b))
        found.add({scope: {n: v[:, b : b + 1] for n, v in here.items()} for scope, here in seeds.items()})
    return Norms(name, b, vector is not None, tuple(found.norms()))


def _vector(trace: Trace, of: str) -> Address | None:
    """The address of all units of a line at a step; None for anything else."""
    name = line_name(of)
    known = any(name in stage.cell.by_name for stage in trace.stages)
    if not known or names_several(trace, of) or loss_of(trace, of) is not None:
        return None
    found = trace.locate(of)
    return found if found.unit is None and sizes(trace)[found.scope][name] > 1 else None


def _weighted(trace: Trace, of: str | None, batch: int, output: Any) -> tuple[str, int, Weightings]:
    """What `of` is called, its row, and its weightings."""
    if output is not None:
        return "", batch, weighting(trace, output=np.asarray(output))
    if of is None:
        return "", batch, _last(trace, batch)
    if loss_of(trace, of) is not None:
        return of, batch, weighting(trace, of=of)
    value = target(trace, of)
    return str(value), value.b, weighting(trace, of=of)


def _last(trace: Trace, b: int) -> Weightings:
    """Weights of one for what the stages of the top layer give out at their last step that is no padding."""
    inside = np.flatnonzero(trace.valid[:, b, 0])
    if not inside.size:
        raise MissingError(f"all steps of batch element {b} are padding: choose another")
    top = [stage for stage in trace.stages if stage.layer == trace.stages[-1].layer and stage.direction != "joined"]
    seeds: Weightings = {}
    for stage in top:
        output = stage.cell.output
        if output not in sizes(trace)[stage.scope]:  # `ask` may name a state and not what padding makes of it
            output = stage.unpadded(output)
        whole = np.zeros((trace.steps, trace.batch, width_of(trace, stage.scope, output)))
        whole[inside[0 if stage.backwards else -1], b] = 1.0
        seeds[stage.scope] = {output: whole}
    return seeds


def _identity(trace: Trace, of: Address) -> Iterator[Weightings]:
    """The units of a vector one by one, as rows of a batch, some at once. Raises TooLargeError."""
    widths = sizes(trace)
    width = widths[of.scope][of.line]
    if 2 * width * run_seconds(trace) > plan_choice.MOST_SECONDS:  # a backward pass takes up to twice as long as a run
        raise TooLargeError(
            f"the Jacobian of {of} is {width} gradients over {trace.steps} steps, which takes too long: "
            f"name one of its units, {of}[0] for example"
        )
    values = trace.steps * sum(sum(here.values()) for here in widths.values())
    size = plan_choice.at_once(values * np.dtype(trace.header.dtype).itemsize)
    for first in range(0, width, size):
        units = range(first, min(first + size, width))
        whole = np.zeros((trace.steps, len(units), width))
        whole[trace.index(of.t or 0), range(len(units)), units] = 1.0
        yield {of.scope: {of.line: whole}}


class _Squares:
    """The squared entries of gradients with respect to what the stages of one row carry, summed at each step."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.sizes = {(stage.scope, line): np.zeros(trace.steps) for stage in trace.stages for line in stage.carried}

    @np.errstate(all="ignore")  # a gradient that has overflowed has no size
    def add(self, seeds: Weightings) -> None:
        """Add the gradients of some weightings, each a row of a batch."""
        count = next(values.shape[1] for here in seeds.values() for values in here.values())
        trace = self.trace if count == 1 else rows(self.trace, np.zeros(count, int))
        walked(trace, seeds, record=False, visit=self.visit)

    def visit(self, back: Stage, steps: slice, values: Values) -> None:
        """What comes back to a stage at some steps."""
        for name, new in back.cell.gradient_of.items():
            if (back.owner, name) in self.sizes:
                sizes = self.sizes[back.owner, name][steps]
                np.hypot(sizes, _size(np.asarray(values(new), np.float64)), out=sizes)

    def norms(self) -> Iterator[Norm]:
        """The sizes at the steps that are no padding."""
        inside = np.flatnonzero(self.trace.valid[:, 0, 0])
        for stage in self.trace.stages:
            for line in stage.carried:
                sizes = self.sizes[stage.scope, line]
                for at in inside:
                    yield Norm(stage.layer, stage.direction, line, self.trace.span[at], float(sizes[at]))


def _size(values: Array) -> Array:
    """The root of the sum of the squares over rows and units at each step, also where a square would overflow."""
    largest = np.abs(values).max(axis=(1, 2), keepdims=True)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return scale[:, 0, 0] * np.sqrt(((values / scale) ** 2).sum(axis=(1, 2)))
