"""A trace into a .safetensors file while a run computes it.

A run fills one buffer while a second thread writes the other. The file has a name of its own until it is whole, so a
run that is killed leaves none that looks finished.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.resources import at_most
from ..errors import FileError
from ..trace.files.safetensors import (
    BUFFER,
    LARGE_STEP,
    Places,
    begun,
    is_tensors,
    load_mapped,
    save_tensors,
    write_rows,
)
from ..trace.trace import Trace
from .jit.runner import RowMemory
from .memory import Window
from .plan.numpy_machine import Slab
from .run import Check, Progress, RunJob, by_plan
from .work import Work, products

#: Multiplications for each number that is stored, up to which the writing is held to be as much work as the computing.
MOST_PRODUCTS = 100


def run_to_file(job: RunJob, path: str | Path, progress: Progress | None = None, check: Check | None = None) -> Trace:
    """Compute a trace into a file, which is then read where it lies. Memory: two buffers, and what layers pass on.

    Raises FileError where it cannot be written or the disk is too small, and what reading and `check` raise: it is
    shown the trace before the file has its name.
    """
    if not is_tensors(path):
        raise FileError(f"{path}: a run is streamed to .safetensors; another file is written with trace.save")
    if job.header.plan == "lines":
        whole = job.trace(None, progress)
        if check is not None:
            check(whole)
        save_tensors(whole, path)
        return load_mapped(path)
    work = job.work
    trace = job.premises({})
    shape = len(work.span), work.batch
    lines = {
        f"lines/{scope}/{name}": (np.dtype(job.header.dtype), (*shape, work.widths[scope][name]))
        for scope, names in work.recorded.items()
        for name in names
    }
    window = Window(work)
    with begun(window.cut(trace, {}), lines, path) as (file, places), _room_to_write(job):
        ours = os.fstat(file.fileno())
        storage = ToFile(work, file, places, window)
        try:
            by_plan(trace, work, job.weights, job.kept, storage, progress)
            storage.finish()
        finally:
            storage.close()
        stored = window.cut(trace, {})
        for scope, states in stored.initial.items():  # known only now, where not all steps are stored
            for state, values in states.items():
                write_rows(file, places[f"initial/{scope}/{state}"], values, 0)
        if check is not None:
            check(replace(stored, lines=storage.stored()))
    written = load_mapped(path)
    if not os.path.samestat(ours, os.stat(path)):
        raise FileError(f"{path}: another run has written it meanwhile; give each run a file of its own")
    return written


@contextmanager
def _room_to_write(job: RunJob) -> Iterator[None]:
    """One core left alone by numpy's products where writing takes as long as computing.

    One thread of a product that has lost its core to the writer stops all.
    """
    made = sum(products(stage, job.weights) for stage in job.work.stages)
    stored = sum(job.work.widths[scope][name] for scope, names in job.work.recorded.items() for name in names)
    if made > MOST_PRODUCTS * max(stored, 1):
        yield
        return
    with at_most((os.cpu_count() or 1) - 1):
        yield


class _Part(NamedTuple):
    """Lines of a scope, in memory that is contiguous, at the steps from `first` on."""

    scope: str
    lines: Mapping[str, Array]
    first: int


class _Writer:
    """The second thread. At most one part is being written, another may be filled meanwhile."""

    def __init__(self, file: FileIO, places: Places) -> None:
        self._file, self._places = file, places
        self._full: SimpleQueue[_Part | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._busy = False
        self._thread = Thread(target=self._work, name="lstm-trace writer", daemon=True)
        self._thread.start()

    def put(self, part: _Part) -> None:
        """Hand a part over, as soon as the one before it is written."""
        self.wait()
        self._busy = True
        self._full.put(part)

    def wait(self) -> None:
        """Until all is written. Raises what the writing raised."""
        if self._busy:
            self._busy = False
            error = self._done.get()
            if error is not None:
                raise error

    def close(self) -> None:
        """End the thread."""
        self._full.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (part := self._full.get()) is not None:
            try:
                for name, values in part.lines.items():
                    write_rows(self._file, self._places[f"lines/{part.scope}/{name}"], values, part.first)
                self._done.put(None)
            except BaseException as error:
                self._done.put(error)


class ToFile:
    """Where a run (see `storing.Storage`) stores its values in a file."""

    def __init__(self, work: Work, file: FileIO, places: Places, window: Window) -> None:
        self._work, self._file, self._places, self.window = work, file, places, window
        self._writer = _Writer(file, places)
        self._reverse = {stage.scope: stage.backwards for stage in work.stages}
        self._scope = ""
        self._buffers: list[dict[str, Array]] = []
        self._room = self._filled = self._first = 0
        self._large = False
        self._views: dict[int, tuple[Slab | RowMemory, list[Array]]] = {}
        self._passed: dict[tuple[str, str], Array] = {}

    def slab(self, scope: str) -> None:
        """See `storing.Storage`: a run computes in a small slab."""

    def take(self, scope: str, block: Slab | RowMemory, first: int, count: int) -> bool:
        """See `storing.Storage`."""
        if scope != self._scope or self._filled + count > self._room:
            self._send()
        if scope != self._scope:
            self._begin(scope, block)
        for (source, name), array in self._passed.items():
            if source == scope:
                array[first : first + count] = block.line(name)[:count]
        stored, there = self.window.of(scope, block, first, count)
        first, count = stored.start, stored.stop - stored.start
        if not count:
            return False
        if self._large:
            names = self._work.recorded[scope]
            lines = {name: values[there] for name, values in zip(names, self._seen(block), strict=True)}
            self._writer.put(_Part(scope, lines, first))
            return True
        backwards = self._reverse[scope]
        at = self._room - self._filled - count if backwards else self._filled
        for buffer, values in zip(self._buffers[0].values(), self._seen(block), strict=True):
            buffer[at : at + count] = values[there]
        if backwards or not self._filled:
            self._first = first
        self._filled += count
        return False

    def _seen(self, block: Slab | RowMemory) -> list[Array]:
        """The recorded lines of a block; it is one of a few that come again and again."""
        known = self._views.get(id(block))
        if known is None:
            known = self._views[id(block)] = block, [block.line(name) for name in self._work.recorded[self._scope]]
        return known[1]

    def _begin(self, scope: str, block: Slab | RowMemory) -> None:
        """Two buffers for the lines of a stage, and memory for lines that are passed on but not recorded."""
        self._writer.wait()
        self._scope = scope
        self._views.clear()
        self._buffers = []
        work, batch = self._work, self._work.batch
        widths = {name: work.widths[scope][name] for name in work.recorded[scope]}
        dtype = block.line(next(iter(work.widths[scope]))).dtype
        size = batch * dtype.itemsize * sum(widths.values())
        self._large = bool(widths) and batch * dtype.itemsize * min(widths.values()) >= LARGE_STEP
        self._room = max(block.steps, min(len(work.span), BUFFER // max(size, 1)))
        if not self._large:
            self._buffers = [{n: np.empty((self._room, batch, w), dtype) for n, w in widths.items()} for _ in range(2)]
        for name in work.passed.get(scope, frozenset()) - (widths.keys() if work.whole else set()):
            self._passed[scope, name] = np.empty((work.steps, batch, work.widths[scope][name]), dtype)

    def _send(self) -> None:
        """Give the filled buffer to the writer and go on with the other."""
        if self._filled:
            at = self._room - self._filled if self._reverse[self._scope] else 0
            lines = {name: buffer[at : at + self._filled] for name, buffer in self._buffers[0].items()}
            self._writer.put(_Part(self._scope, lines, self._first))
            self._buffers.reverse()
            self._filled = 0

    def line(self, scope: str, name: str) -> Array:
        """See `storing.Storage`: read back from the file where it is recorded."""
        if (scope, name) in self._passed:
            return self._passed[scope, name]
        self.finish()
        return self._mapped(scope, name, self._map())

    def stored(self) -> dict[str, dict[str, Array]]:
        """All recorded lines, where they lie in the file."""
        self.finish()
        content = self._map()
        recorded = self._work.recorded.items()
        return {scope: {name: self._mapped(scope, name, content) for name in names} for scope, names in recorded}

    def _map(self) -> Array:
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def _mapped(self, scope: str, name: str, content: Array) -> Array:
        place = self._places[f"lines/{scope}/{name}"]
        return content[place.first : place.last].view(place.dtype).reshape(place.shape)

    def finish(self) -> None:
        """Until all that was taken is in the file."""
        self._send()
        self._writer.wait()

    def close(self) -> None:
        """End the second thread, whatever happened."""
        self._writer.close()
