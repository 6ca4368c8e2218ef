"""Runs compiled lines for one set of weights, batch size and direction, like `numpy_machine.Machine` for a plan."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import accumulate
from typing import Any

import numpy as np

from ...base.arrays import Array
from ..plan.kernels import Arrays
from ..plan.numpy_machine import Take, Tick
from .llvm import ARGUMENTS
from .machine import Compiled
from .program import ALIGN, MemoryLocation, Program

#: A block that is copied out, or written to a file, step by step: its size in bytes (large pieces are written faster,
#: by a quarter from 2 to 8 MB; in memory it makes no difference), and its minimum number of rows (steps times batch),
#: for the products before the loop.
BLOCK_BYTES = 8 * 1024 * 1024
BLOCK_ROWS = 64
#: Multiplications after which a run returns to Python, for Ctrl-C and the progress bar: some tenths of a second.
PART = 2_000_000_000


def aligned(numbers: int, dtype: np.dtype[Any]) -> tuple[Array, int]:
    """Memory for this many numbers, and the position at which an aligned one begins."""
    memory = np.empty(numbers + ALIGN // dtype.itemsize, dtype)
    return memory, -memory.ctypes.data % ALIGN // dtype.itemsize


def _must(fits: bool, what: str, found: object) -> None:
    """Machine code checks nothing: its arguments must be verified before the call, also under `python -O`."""
    if not fits:
        raise RuntimeError(f"{what} does not fit the compiled code: {found}")


class RowMemory:
    """Memory for `steps` steps: the counterpart of `numpy_machine.Slab` in the numpy plan.

    rows: of the loop, one more than there are steps; runs: products before the loop.
    """

    def __init__(self, program: Program, steps: int) -> None:
        task = program.task
        self.program, self.steps, self.batch, self.dtype = program, steps, task.batch, np.dtype(task.dtype)
        self.rows, self._first = aligned((steps + 1) * program.row, self.dtype)
        unit = ALIGN // self.dtype.itemsize
        *starts, total = accumulate((-(-each * steps // unit) * unit for each in program.runs), initial=0)
        self.runs, begin = aligned(total, self.dtype)
        self._starts = [begin + start for start in starts]
        self.address = self.rows.ctypes.data + self._first * self.dtype.itemsize
        self.addresses = [self.runs.ctypes.data + start * self.dtype.itemsize for start in self._starts]
        self.states = {name: self.state(name, steps if task.reverse else 0) for name in task.states}

    def state(self, name: str, row: int) -> Array:
        """The (B, width) block of a state at a row: 0 is before the first step, `steps` after the last."""
        spot = self.program.spots[name]
        return self._view(self.rows, self._first + row * self.program.row + spot.start, spot, name, 1, 0)[0]

    def line(self, name: str) -> Array:
        """A line at every step: (T, B, width)."""
        spot = self.program.spots[name]
        if spot.base.startswith("run"):
            k = int(spot.base.removeprefix("run"))
            return self._view(self.runs, self._starts[k] + spot.start, spot, name, self.steps, self.program.runs[k])
        row = self.program.row
        at = self._first + (0 if self.program.task.reverse else row) + spot.start
        return self._view(self.rows, at, spot, name, self.steps, row)

    def _view(self, memory: Array, at: int, spot: MemoryLocation, name: str, steps: int, each: int) -> Array:
        width, size = self.program.widths[name], self.dtype.itemsize
        strides = each * size, spot.stride * size, size
        return np.ndarray((steps, self.batch, width), self.dtype, memory, at * size, strides)


class Runner:
    """Compiled lines with their weights. Each instance runs one input at a time: it owns its arguments.

    weights: the stage's parameters by name, which are copied.
    """

    def __init__(self, compiled: Compiled, weights: Arrays) -> None:
        self.compiled, self.program, self.weights = compiled, compiled.program, weights
        task = self.program.task
        self.task, self.plan, self.batch, self.dtype = task, task, task.batch, np.dtype(task.dtype)
        self._memory, self._parameters = self._packed()
        self._threads = [_Thread(self.program, row, self._parameters) for row in task.begins]
        bytes_of_step = max(1, (self.program.row + sum(self.program.runs)) * self.dtype.itemsize)
        self.block = max(1, -(-BLOCK_ROWS // self.batch), BLOCK_BYTES // bytes_of_step)
        self._part = max(self.block, PART // max(1, self.program.work + 100 * self.program.row))
        self._block: RowMemory | None = None
        self._other: RowMemory | None = None  # `take` may still be reading it

    def _packed(self) -> tuple[Array, int]:
        """The parameters in the program's layout, and the address at which they begin."""
        memory, start = aligned(max(1, self.program.parameters), self.dtype)
        for pack in self.program.packs:
            values = self._weight(pack.names[0])
            if pack.starts:
                parts = zip(pack.names, pack.left, strict=True)
                stacked = np.concatenate([self._weight(n).T if left else self._weight(n) for n, left in parts])
                values = np.concatenate([stacked[first : first + pack.rows].T.ravel() for first in pack.starts])
            memory[start + pack.at : start + pack.at + values.size] = values
        return memory, memory.ctypes.data + start * self.dtype.itemsize

    def _weight(self, name: str) -> Array:
        array = self.weights[name]
        _must(array.shape == self.task.shapes[name], name, array.shape)
        return array

    def slab(self, steps: int) -> RowMemory:
        """Memory for a whole trace of `steps` steps."""
        return RowMemory(self.program, steps)

    def run(
        self, steps: int, inputs: Arrays, state: Arrays,
        slab: RowMemory | None = None, take: Take = None, tick: Tick = None,
    ) -> None:  # fmt: skip
        """Compute `steps` steps: see `numpy_machine.Machine.run`."""
        for name, width in self.task.inputs:
            _must(inputs[name].shape == (steps, self.batch, width), "an input", inputs[name].shape)
        if slab is not None:
            _must(slab.program.fits(self.program) and slab.steps == steps, "the memory", slab.steps)
            for name, first_state in slab.states.items():
                first_state[...] = state[name]
        block = slab or self._kept(steps, self._block)
        size = self._part if slab is not None else block.steps
        with ExitStack() as stack:  # no thread outlives a run
            others = len(self._threads) - 1
            pool = stack.enter_context(ThreadPoolExecutor(others, "lstm-trace")) if others else None
            for done in range(0, max(steps, 1), size):  # the call rejects zero steps
                count = min(size, steps - done)
                first = steps - done - count if self.task.reverse else done
                fed = [inputs[name][first : first + count] for name, _ in self.task.inputs]
                if slab is not None:
                    self._call(slab, first, count, fed, pool)
                else:
                    for name in block.states:
                        block.state(name, count if self.task.reverse else 0)[...] = state[name]
                    self._call(block, 0, count, fed, pool)
                    filled = block
                    if take is not None and take(block, first, count):
                        block, self._other = self._kept(steps, self._other), block
                    edge = 0 if self.task.reverse else count  # after `take`, which may have set it to zero
                    state = {name: filled.state(name, edge).copy() for name, _ in self.program.carried}
                if tick is not None:
                    tick(done + count)
        if slab is None:
            self._block = block

    def _kept(self, steps: int, kept: RowMemory | None) -> RowMemory:
        """Memory for a block: the kept one, if it is large enough."""
        least = min(steps, self.block)
        return kept if kept is not None and kept.steps >= least else RowMemory(self.program, least)

    def _call(self, rows: RowMemory, first: int, count: int, fed: list[Array], pool: ThreadPoolExecutor | None) -> None:
        """Compute `count` steps starting at `first`, in `rows`. fed: the inputs at those steps."""
        _must(first >= 0 and count > 0 and first + count <= rows.steps, "a part", (first, count))
        size = self.dtype.itemsize
        held = [
            array
            if array.dtype == self.dtype and array.flags.aligned and (array if whole else array[0]).flags.c_contiguous
            else np.require(array, self.dtype, ["C", "A"])
            for array, whole in zip(fed, self.program.whole, strict=True)
        ]  # until the call is over
        places = [array.ctypes.data for array in held]
        places += [at + first * each * size for at, each in zip(rows.addresses, self.program.runs, strict=True)]
        places += [array.strides[0] for array in held]
        for thread in self._threads:
            thread.arguments[0] = count
            thread.arguments[1] = rows.address + first * self.program.row * size
            thread.arguments[len(ARGUMENTS) :] = places
        mine, *others = self._threads
        waiting = [pool.submit(self.compiled.call, thread.address) for thread in others] if pool else []
        self.compiled.call(mine.address)
        for other in waiting:
            other.result()


class _Thread:
    """The arguments of one thread's calls: memory of its own, and the rows of the batch starting at `begin`."""

    def __init__(self, program: Program, begin: int, parameters: int) -> None:
        dtype = np.dtype(program.task.dtype)
        self._scratch, start = aligned(max(1, program.scratch), dtype)
        self.arguments = (ctypes.c_int64 * (len(ARGUMENTS) + 2 * len(program.task.inputs) + len(program.runs)))()
        self.arguments[2] = parameters
        self.arguments[3] = self._scratch.ctypes.data + start * dtype.itemsize
        self.arguments[4] = begin
        self.address = ctypes.addressof(self.arguments)
