"""The planned run: the memory of a plan, its calls bound to arrays, and their execution block by block.

Values of the loop are stored in `rows`, one row per step and one more: a carried line is written one row later than its
step, where the next step finds it as a state, without a copy. For the reverse direction it is one row earlier. Within a
row each value is a contiguous (B, width) block. Values computed before and after the loop are stored in rows too if the
batch has one row; otherwise each has all its steps together (`runs`), as matrix products need it.

Small steps are computed in a small slab that is kept, with a view prepared for every operand of every step (a numpy
call on a few numbers costs as much as making its views), and each finished block is copied out. Large steps are
computed in the trace's own slab.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.ops import OPS
from .kernels import KERNELS, Arrays, Inside, Outside, Steps
from .plan import CallOperand, MemorySlot, Plan, PlannedCall


class Slab:
    """Memory for `steps` steps of a plan.

    scratch: number of steps of memory for partial sums, which are needed for one block of steps at a time. fed, bound:
    the inputs of a block, and views that a machine has prepared (see `numpy_machine`).
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
        self.bound: dict[tuple[int, int], Bound] = {}
        self._sections = () if self.joined else _sections(plan)
        self.scratch = np.empty((scratch, columns["scratch"] * batch), dtype)

    def values(self, place: MemorySlot, count: int, first: int, last: int) -> Array:
        """The `count` values starting at `place`, at the steps from `first` to before `last`: (steps, count, B,
        width).
        """
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

    def _run(self, place: MemorySlot, count: int) -> Array:
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
        """Copy the first `steps` steps of `block` to the steps starting at `at`."""
        self.rows[at : at + steps + 1] = block.rows[: steps + 1]
        for place, count in self._sections:
            self._run(place, count)[:, at : at + steps] = block._run(place, count)[:, :steps]


def _sections(plan: Plan) -> tuple[tuple[MemorySlot, int], ...]:
    """Runs of equal width among the values outside the loop: the first of each run, and its length."""
    places = sorted({place for place in plan.places.values() if place.area in ("before", "after")})
    groups = ([*group] for _, group in groupby(places, key=lambda place: (place.area, place.width)))
    return tuple((group[0], len(group)) for group in groups)


#: Up to this size a vector is multiplied from the left with the transposed matrix, which is faster.
LONG_VECTOR = 256
#: For each kind of product, the position of the vector.
_VECTOR = {"matvec": 1, "vecmat": 0}

Packs = dict[tuple[Any, ...], Array]


class Binder:
    """Finds the arrays of each call on some steps of a slab.

    fed: the inputs at these steps. weights: the parameters by name. packs: stacked copies of them; new ones are added.
    """

    def __init__(self, slab: Slab, fed: Arrays, weights: Arrays, packs: Packs, first: int, last: int) -> None:
        self.slab, self.fed, self.weights, self.packs, self.first, self.last = slab, fed, weights, packs, first, last
        self.places, self.batch = slab.plan.places, slab.batch

    def steps(self, call: PlannedCall, bench: Outside) -> Steps:
        """The calls of numpy that compute `call`."""
        if call.op in _VECTOR and call.operands[_VECTOR[call.op]].kind != "parameter":
            return self._product(call, bench)
        out = self._values(call.lines)
        operands = [self._operand(call, operand) for operand in call.operands]
        out, operands = _flattened(out, operands, call.width) if OPS[call.op].width == "same" else (out, operands)
        bench.started(out.shape)
        given = [
            bench.number(operand.number)
            if array is None
            else (bench.fixed if operand.kind == "parameter" else bench.moving)(array)
            for operand, array in zip(call.operands, operands, strict=True)
        ]
        return KERNELS[call.op](bench, bench.moving(out), given, call.constants)

    def _values(self, names: tuple[str, ...]) -> Array:
        """(steps, n, B, width)"""
        return self.slab.values(self.places[names[0]], len(names), self.first, self.last)

    def _operand(self, call: PlannedCall, operand: CallOperand) -> Array | None:
        """(steps, n or 1, B, width) for values and inputs, (n, B, width) for parameters, None for a number."""
        if operand.kind == "number":
            return None
        if operand.kind == "value":
            return self._values(operand.names)
        if operand.kind == "input":
            return self.fed[operand.names[0]][:, None]
        if call.op in _VECTOR:  # a product of two parameters: as in the definition
            return self.weights[operand.names[0]]
        return self._pack(operand.names, "vectors", operand.width)

    def _product(self, call: PlannedCall, bench: Outside) -> Steps:
        """Products by stacked matrices: of one vector, or of one each."""
        at = _VECTOR[call.op]
        names, left = call.operands[1 - at].names, at == 0
        vectors = self._operand(call, call.operands[at])
        assert vectors is not None
        out, inside = self._values(call.lines), isinstance(bench, Inside)  # (steps, n or 1, B, N), (steps, n, B, M)
        steps, count, batch, width = out.shape
        pack = partial(self._pack, names, left=left)
        if batch == 1 and vectors.shape[1] == 1:
            vector, out = vectors[:, 0, 0], out.reshape(steps, count * width)
            if not inside:
                return [(np.matmul, (vector, pack("rows").T, out))]
            if vector.shape[1] > LONG_VECTOR:
                return [(pack("rows").dot, (bench.moving(vector), bench.moving(out)))]
            across = pack("across")
            # `dot` skips the products with a single 0, and 0 times NaN or infinity is NaN
            product = np.ndarray.dot if vector.shape[1] > 1 or np.isfinite(across).all() else np.matmul
            return [(product, (bench.moving(vector), bench.fixed(across), bench.moving(out)))]
        matrices = pack("columns")
        if inside:
            if count == 1:
                matrices, vectors, out = matrices[0], vectors[:, 0], out[:, 0]
            return [(np.matmul, (bench.moving(vectors), bench.fixed(matrices), bench.moving(out)))]
        if batch == 1 or (vectors[:, 0].flags.c_contiguous and out[:, 0].flags.c_contiguous):  # all steps at once
            vectors, out = (a.transpose(1, 0, 2, 3).reshape(a.shape[1], -1, a.shape[3]) for a in (vectors, out))
        return [(np.matmul, (vectors, matrices, out))]

    def _pack(self, names: tuple[str, ...], form: str, width: int = 0, left: bool = False) -> Array:
        """Parameters stacked in the order of `names`; made once.

        form: `rows`, matrices one below the other (n·M, N); `across`, that transposed; `columns`, each transposed (n,
        N, M); `vectors`, each repeated for every row of the batch (n, B, width). left: the vector is to the left of the
        matrices, which are transposed first.
        """
        key = (names, form, left) if form != "vectors" else (names, form, width, self.batch)
        if (found := self.packs.get(key)) is None:
            arrays = [self.weights[name].T if left else self.weights[name] for name in names]
            if form == "rows":
                found = np.concatenate(arrays)
            elif form == "across":
                found = np.concatenate(arrays).T
            elif form == "columns":
                found = np.stack([a.T for a in arrays])
            else:
                found = np.stack([np.broadcast_to(a, (self.batch, width)) for a in arrays])
            self.packs[key] = found = np.ascontiguousarray(found)
        return found


def _flattened(out: Array, operands: list[Array | None], width: int) -> tuple[Array, list[Array | None]]:
    """The operands of an elementwise call with as few axes as possible: numpy is fastest on contiguous numbers."""
    arrays = [a for a in operands if a is not None]
    if any(a.shape[-1] != width for a in arrays):
        return out, operands  # (steps, n, B, width) against (…, 1)
    if all(a.shape[-3] == out.shape[1] and a[-1].flags.c_contiguous for a in (out, *arrays) if a.ndim == 4):

        def flat(a: Array) -> Array:
            return a.reshape(a.shape[0], -1) if a.ndim == 4 else a.reshape(-1)
    else:

        def flat(a: Array) -> Array:
            return a.reshape(*a.shape[:-2], -1)

    return flat(out), [None if a is None else flat(a) for a in operands]


#: Maximum size in bytes of a kept slab, which should stay in the cache, and its maximum number of steps. A step is
#: large if fewer than `LEAST_STEPS` would fit.
KEPT = 2 * 1024 * 1024
MOST_STEPS = 64
LEAST_STEPS = 8
#: The same for large steps, of which some are needed nevertheless, for the products.
KEPT_LARGE = 8 * 1024 * 1024
FEWEST_STEPS = 4
#: Numbers of steps for which a kept slab remembers its views; blocks for which the slab of a trace does.
MOST_BOUND = 4
MOST_BLOCKS = 64
#: Rows (steps times batch) that a product before the loop should have, for speed: the minimum, and the number if blocks
#: may have any size; and the maximum size in bytes.
LEAST_ROWS = 64
PRODUCT_ROWS = 1024
MOST_PRODUCT_STEPS = 256
PRODUCT_BYTES = 8 * 1024 * 1024

Take = Callable[[Any, int, int], bool] | None
Tick = Callable[[int], None] | None


class Bound(NamedTuple):
    """A plan's calls on some steps of a slab: the parts outside the loop, and each call in it with its sequences.

    fed: where the inputs go; first, last: where the states are before the first and after the last step.
    """

    before: Steps
    loop: Steps
    after: Steps
    fed: Arrays
    first: Arrays
    last: Arrays

    def run(self) -> None:
        """Compute every step: in the loop, the calls of one step after the other."""
        for function, arguments in self.before:
            function(*arguments)
        if self.loop:
            deque(zip(*[map(function, *steps) for function, steps in self.loop], strict=False), 0)
        for function, arguments in self.after:
            function(*arguments)


class Machine:
    """A plan for one set of weights, one batch size and one direction.

    weights: the stage's parameters by name. packs: stacked copies of weights, shared between machines.
    Each machine runs one input at a time: it owns its kept slab.
    """

    def __init__(
        self, plan: Plan, weights: Arrays, batch: int, dtype: Any, reverse: bool, packs: Packs | None = None
    ) -> None:
        self.plan, self.weights, self.batch, self.dtype = plan, weights, batch, np.dtype(dtype)
        self.reverse, self.packs = reverse, {} if packs is None else packs
        size = batch * sum(plan.columns[area] for area in ("loop", "before", "after")) * self.dtype.itemsize
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
        self, steps: int, inputs: Arrays, state: Arrays, slab: Slab | None = None, take: Take = None, tick: Tick = None
    ) -> None:
        """Compute `steps` steps.

        inputs: (T, B, width); state: (B, width) for each state that is used, at the first step. slab: for all steps;
        without it each finished block is passed to `take` (block, first step, number of steps), which must copy what it
        keeps, or return True: then it may continue to read until it gets the next block.
        tick: called after each block with the number of finished steps.
        """
        whole = slab is not None and not self.small
        work = slab if slab is not None and whole else self._next()
        done, size = 0, self.block if whole else self._kept_steps
        for first in range(0, steps, size)[:: -1 if self.reverse else 1]:
            count = min(size, steps - first)
            at = first if whole else 0
            bound = self._bound(work, at, at + count, keep=not whole or count == steps)
            for name, array in bound.fed.items():
                array[...] = inputs[name][first : first + count]
            if not whole or not done:  # within one slab the states are where the next block reads them
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
        """A kept slab; not the last one used, if that is still being read."""
        if len(self._pool) < 2:
            self._pool.append(Slab(self.plan, self._kept_steps, self.batch, self.dtype, self.reverse, self._kept_steps))
        else:
            self._pool.reverse()
        return self._pool[-1]

    # -- binding -------------------------------------------------------------------------------------------------

    def _bound(self, slab: Slab, first: int, last: int, keep: bool) -> Bound:
        """The plan's calls on the steps from `first` to before `last` of `slab`.

        keep: whether to make all views of all steps now, for reuse.
        """
        if (first, last) in slab.bound:
            return slab.bound[first, last]
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
        if keep and last - first == 1:  # a single step needs no sequences
            before, loop = before + [(f, tuple(next(iter(s)) for s in steps)) for f, steps in loop], []
        rows = (last, first) if self.reverse else (first, last)
        begin, end = ({state: slab.state(state, row) for state in self.plan.states} for row in rows)
        bound = Bound(before, loop, after, fed, begin, end)
        if len(slab.bound) >= (MOST_BOUND if keep else MOST_BLOCKS):
            slab.bound.clear()
        slab.bound[first, last] = bound
        return bound
