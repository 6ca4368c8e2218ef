"""The memory of a plan: every value of some steps, laid out so that what a call reads and writes lies side by side.

Values of the loop stand in `rows`, one row for each step and one more: a carried line is written one row later than
its step, where the next step finds it as a state, without a copy. For the reverse direction it is one row earlier.
Within a row each value is a contiguous (B, width) block. Values computed before and after the loop stand in rows too
where there is one row in the batch; otherwise each has all its steps together (`runs`), as matrix products want it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.arrays import Array
from .plan import Place, Plan


class Slab:
    """Memory for `steps` steps of a plan.

    scratch: steps of memory for partial sums; they are needed for one block of steps at a time. fed, bound: the inputs
    of a block, and views that a machine has prepared (see `numpy_machine`).
    """

    def __init__(self, plan: Plan, steps: int, batch: int, dtype: np.dtype[Any], reverse: bool, scratch: int) -> None:
        self.plan, self.steps, self.batch, self.reverse = plan, steps, batch, reverse
        columns = plan.columns
        self._starts = {"loop": 0, "before": columns["loop"], "after": columns["loop"] + columns["before"]}
        total = sum(columns[area] for area in self._starts)
        self.joined = batch == 1
        self.rows = np.empty((steps + 1, (total if self.joined else columns["loop"]) * batch), dtype)
        outside = 0 if self.joined else columns["before"] + columns["after"]
        self.runs = np.empty(outside * steps * batch, dtype)
        self.fed: dict[str, Array] = {}
        self.bound: dict[tuple[int, int], Any] = {}
        self._sections = () if self.joined else _sections(plan)
        self.scratch = np.empty((scratch, columns["scratch"] * batch), dtype)

    @staticmethod
    def size(plan: Plan, batch: int) -> int:
        """Numbers in one step of recorded memory."""
        return batch * (plan.columns["loop"] + plan.columns["before"] + plan.columns["after"])

    def values(self, place: Place, count: int, first: int, last: int) -> Array:
        """The `count` values from `place` on at the steps from `first` to before `last`: (steps, count, B, width)."""
        batch, width = self.batch, place.width
        shape = last - first, count, batch, width
        if place.area == "scratch":  # one block of steps, from its own beginning
            begin = place.start * batch
            return self.scratch[: last - first, begin : begin + count * batch * width].reshape(shape)
        if place.area == "loop" or self.joined:
            shift = int(place.ahead != self.reverse)
            begin = (self._starts[place.area] + place.start) * batch
            rows = self.rows[first + shift : last + shift, begin : begin + count * batch * width]
            return rows.reshape(shape)
        return self._run(place, count)[:, first:last].transpose(1, 0, 2, 3)

    def _run(self, place: Place, count: int) -> Array:
        """(count, steps, B, width) of values outside the loop."""
        each = self.steps * self.batch
        begin = (self._starts[place.area] - self._starts["before"] + place.start) * each
        return self.runs[begin : begin + count * place.width * each].reshape(count, self.steps, self.batch, place.width)

    def line(self, name: str) -> Array:
        """A value at every step: (T, B, width)."""
        return self.values(self.plan.places[name], 1, 0, self.steps)[:, 0]

    def state(self, name: str, row: int) -> Array:
        """The (B, width) block of a state at a row: 0 is before the first step, `steps` after the last."""
        place = self.plan.places[name]
        begin = place.start * self.batch
        return self.rows[row, begin : begin + self.batch * place.width].reshape(self.batch, place.width)

    def fill(self, block: Slab, at: int, steps: int) -> None:
        """Take the first `steps` steps of `block` as the steps from `at` on."""
        self.rows[at : at + steps + 1] = block.rows[: steps + 1]
        for place, count in self._sections:
            self._run(place, count)[:, at : at + steps] = block._run(place, count)[:, :steps]


def _sections(plan: Plan) -> tuple[tuple[Place, int], ...]:
    """Neighbours of one width among the values outside the loop: the first of them, and how many."""
    found: list[tuple[Place, int]] = []
    for place in sorted({p for p in plan.places.values() if p.area in ("before", "after")}):
        if found and found[-1][0].area == place.area and found[-1][0].width == place.width:
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((place, 1))
    return tuple(found)
