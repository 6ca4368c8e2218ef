"""The planned run: a plan's calls on a slab, block of steps by block of steps.

Small steps are computed in a small slab that is kept, with a view prepared for every operand of every step (a numpy
call on a few numbers costs as much as making its views), and each finished block is copied out. Large steps are
computed in the trace's own slab.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from .binding import Binder, Inside, Outside, Packs, Weights
from .kernels import Steps
from .plan import Plan
from .slab import Slab

#: Bytes of a kept slab, which should stay in the cache; it has at most so many steps. A step of which fewer than
#: `LEAST_STEPS` would fit is large.
KEPT = 2 * 1024 * 1024
MOST_STEPS = 64
LEAST_STEPS = 8
#: The same for large steps, of which there must be some nevertheless, for the products.
KEPT_LARGE = 8 * 1024 * 1024
FEWEST_STEPS = 4
#: Numbers of steps for which a kept slab remembers its views; blocks for which the slab of a trace does.
MOST_BOUND = 4
MOST_BLOCKS = 64
#: Rows (steps times batch) that a product before the loop should have, for speed: at least, and where they are made
#: in blocks of any size; and the bytes that they should not exceed.
LEAST_ROWS = 64
PRODUCT_ROWS = 1024
MOST_PRODUCT_STEPS = 256
PRODUCT_BYTES = 8 * 1024 * 1024

Take = Callable[[Slab, int, int], bool | None]


class Bound(NamedTuple):
    """A plan's calls on some steps of a slab: the parts outside the loop, and each call in it with its sequences.

    fed: where the inputs go; first, last: where the states stand before the first and after the last step.
    """

    before: Steps
    loop: Steps
    after: Steps
    fed: Mapping[str, Array]
    first: Mapping[str, Array]
    last: Mapping[str, Array]

    def run(self) -> None:
        """Compute every step: in the loop the calls of one step after the other."""
        for function, arguments in self.before:
            function(*arguments)
        if self.loop:
            deque(zip(*[map(function, *steps) for function, steps in self.loop], strict=False), 0)
        for function, arguments in self.after:
            function(*arguments)


class Machine:
    """A plan for one set of weights, one batch size and one direction.

    weights: the stage's parameters by name. packs: stacked copies of weights, shared between machines.
    One machine runs one input at a time: its kept slab is its own.
    """

    def __init__(
        self, plan: Plan, weights: Weights, batch: int, dtype: Any, reverse: bool, packs: Packs | None = None
    ) -> None:
        self.plan, self.weights, self.batch, self.dtype = plan, weights, batch, np.dtype(dtype)
        self.reverse, self.packs = reverse, {} if packs is None else packs
        size = Slab.size(plan, batch) * self.dtype.itemsize
        self.block = min(MOST_STEPS, KEPT // max(size, 1))
        self.small = self.block >= LEAST_STEPS and self.block * batch >= LEAST_ROWS
        if not self.small:
            outside = plan.columns["before"] + plan.columns["scratch"] + plan.columns["after"]
            most = PRODUCT_BYTES // max(outside * batch * self.dtype.itemsize, 1)
            self.block = max(1, min(most, MOST_PRODUCT_STEPS, PRODUCT_ROWS // batch))
        self._kept_steps = self.block if self.small else max(FEWEST_STEPS, min(self.block, KEPT_LARGE // size))
        self._pool: list[Slab] = []

    def slab(self, steps: int) -> Slab:
        """Memory for a whole trace of `steps` steps."""
        return Slab(self.plan, steps, self.batch, self.dtype, self.reverse, min(steps, self.block))

    def run(
        self,
        steps: int,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array],
        slab: Slab | None = None,
        take: Take | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        """Compute `steps` steps.

        inputs: (T, B, width); initial: (B, width) for each state that is read. slab: where all steps go; without it
        each finished block is given to `take` (block, first step, number of steps), which must copy what it keeps, or
        say True: then it may read on until it is given the next block.
        tick: told after each block how many steps are done.
        """
        whole = slab is not None and not self.small
        work = slab if slab is not None and whole else self._next()
        state: Mapping[str, Array] = initial
        done = 0
        for first, count in self._starts(steps, self.block if whole else self._kept_steps):
            at = first if whole else 0
            bound = self._bound(work, at, at + count, keep=not whole or count == steps)
            for name, array in bound.fed.items():
                array[...] = inputs[name][first : first + count]
            if not whole or not done:  # within one slab the states stand where the next block reads them
                for name, array in bound.first.items():
                    array[...] = state[name]
            bound.run()
            state = bound.last
            if not whole and slab is not None:
                slab.fill(work, first, count)
            elif take is not None and take(work, first, count):
                work = self._next()
            done += count
            if tick is not None:
                tick(done)

    def _next(self) -> Slab:
        """A kept slab: not the one that was given out last, where that is still being read."""
        if len(self._pool) < 2:
            self._pool.append(Slab(self.plan, self._kept_steps, self.batch, self.dtype, self.reverse, self._kept_steps))
        else:
            self._pool.reverse()
        return self._pool[-1]

    def _starts(self, steps: int, block: int) -> Sequence[tuple[int, int]]:
        """(first step, number of steps) of each block, in the order in which they are computed."""
        found = [(at, min(block, steps - at)) for at in range(0, steps, block)]
        return found[::-1] if self.reverse else found

    # -- binding -------------------------------------------------------------------------------------------------

    def _bound(self, slab: Slab, first: int, last: int, keep: bool) -> Bound:
        """The plan's calls on the steps from `first` to before `last` of `slab`.

        keep: whether every view of every step is made now, to be used again.
        """
        if (first, last) in slab.bound:
            return slab.bound[first, last]  # type: ignore[no-any-return]
        if not slab.fed:
            widths = {o.names[0]: o.width for c in self.plan.calls for o in c.operands if o.kind == "input"}
            slab.fed = {n: np.empty((len(slab.scratch), self.batch, w), self.dtype) for n, w in widths.items()}
        fed = {name: array[: last - first] for name, array in slab.fed.items()}
        binder = Binder(slab, fed, self.weights, self.packs, first, last)
        outside, inside = Outside(self.dtype), Inside(self.dtype, self.reverse, keep)
        before, loop, after = (
            [step for call in calls for step in binder.steps(call, bench)]
            for calls, bench in ((self.plan.before, outside), (self.plan.loop, inside), (self.plan.after, outside))
        )
        if keep and last - first == 1:  # the only step needs no sequences
            before, loop = before + [(f, tuple(next(iter(s)) for s in steps)) for f, steps in loop], []
        rows = (last, first) if self.reverse else (first, last)
        begin, end = ({state: slab.state(state, row) for state in self.plan.states} for row in rows)
        bound = Bound(before, loop, after, fed, begin, end)
        if len(slab.bound) >= (MOST_BOUND if keep else MOST_BLOCKS):
            slab.bound.clear()
        slab.bound[first, last] = bound
        return bound
