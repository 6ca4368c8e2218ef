"""Traces into .safetensors files: a whole one, or while a run computes it.

A run fills one buffer while a second thread writes the other. The file has a name of its own until it is whole, so a
run that is killed leaves none that looks finished.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple

import numpy as np

from ..cell.ops import Array
from ..errors import FileError, within
from ..files import destination, written
from ..memory import amount
from ..plans.compiled.runner import Rows
from ..plans.slab import Slab
from ..store import assembled, load_mapped, readable
from ..tensors import Shapes, Tensor, is_tensors, layout_of, premise_tensors
from ..trace import Trace
from .layout import Layout, products
from .runs import Job, Progress, Window, by_plan

#: Bytes of one buffer, about.
BUFFER = 8 * 1024 * 1024
#: A line of at least so many bytes a step is written from where it was computed; so many steps in one call.
LARGE_STEP = 4096
#: Multiplications for each number that is stored, up to which the writing is held to be as much work as the computing.
MOST_PRODUCTS = 100
MOST_VIEWS = 512

Places = Mapping[str, Tensor]


def run_to_file(job: Job, path: str | Path, progress: Progress | None = None) -> Trace:
    """Compute a trace into a file, which is then read where it lies. Memory: two buffers, and what layers pass on.

    Raises FileError where it cannot be written or the disk is too small, and what reading raises.
    """
    if not is_tensors(path):
        raise FileError(f"{path}: a run is streamed to .safetensors; another file is written with trace.save")
    if job.header.plan == "lines":
        save_tensors(job.trace(None, progress), path)
        return load_mapped(path)
    layout = job.layout
    trace = job.premises({})
    shape = len(layout.span), layout.batch
    lines = {
        f"lines/{scope}/{name}": (np.dtype(job.header.dtype), (*shape, layout.widths[scope][name]))
        for scope, names in layout.recorded.items()
        for name in names
    }
    window = Window(layout)
    with _begun(window.cut(trace, {}), lines, path) as (file, places), _room_to_write(job):
        ours = os.fstat(file.fileno())
        target = ToFile(layout, file, places, window)
        try:
            by_plan(trace, layout, job.weights, job.kept, target, progress)
            target.finish()
        finally:
            target.close()
        for scope, states in window.cut(trace, {}).initial.items():  # known only now, where not all steps are stored
            for state, values in states.items():
                _write(file, places[f"initial/{scope}/{state}"], values, 0)
    written = load_mapped(path)
    if not os.path.samestat(ours, os.stat(path)):
        raise FileError(f"{path}: another run has written it meanwhile; give each run a file of its own")
    return written


def save_tensors(trace: Trace, path: str | Path) -> None:
    """Write a trace. Raises FileError where the file cannot be written, or could not be read again."""
    assembled(trace, str(path))
    arrays = {f"lines/{s}/{n}": a for s, here in trace.lines.items() for n, a in here.items()}
    with _begun(trace, {name: (a.dtype, a.shape) for name, a in arrays.items()}, path) as (file, places):
        size = sum(a.nbytes for a in arrays.values()) // trace.steps
        chunk = max(1, BUFFER // max(size, 1))
        for first in range(0, trace.steps, chunk):  # the lines of some steps lie near each other in memory
            for name, array in arrays.items():
                _write(file, places[name], array[first : first + chunk], first)


@contextmanager
def _room_to_write(job: Job) -> Iterator[None]:
    """One core left alone by numpy's products where writing takes as long as computing.

    Threads of a product wait for each other in a loop: one of them that has lost its core to the writer stops all.
    """
    made = sum(products(stage, job.weights) for stage in job.layout.stages)
    stored = sum(job.layout.widths[scope][name] for scope, names in job.layout.recorded.items() for name in names)
    if made > MOST_PRODUCTS * max(stored, 1):
        yield
        return
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


class _Limit:
    """A limit on the threads of numpy's BLAS, for as long as any run needs it: they are the process's, not a run's."""

    def __init__(self) -> None:
        self._lock, self._runs = Lock(), 0
        self._before: Any = None

    def enter(self) -> None:
        """Set it, where no other run has."""
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # only here

        with self._lock:
            self._runs += 1
            if self._runs == 1:
                blas = ThreadpoolController().select(user_api="blas")
                threads = min((library["num_threads"] for library in blas.info()), default=1)
                self._before = blas.limit(limits=max(1, min(threads, (os.cpu_count() or 1) - 1)))

    def leave(self) -> None:
        """Lift it, where no other run needs it."""
        with self._lock:
            self._runs -= 1
            if not self._runs:
                self._before.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def _begun(trace: Trace, lines: Shapes, path: str | Path) -> Iterator[tuple[FileIO, Places]]:
    """A file with its head and the premises of `trace` in it, and where each tensor goes; whole at the end."""
    premises = premise_tensors(trace)
    shapes = {n: (a.dtype, a.shape) for n, a in premises.items()} | dict(lines)
    said = readable(trace, str(path))
    with within(str(path)):
        head, places = layout_of(shapes, said)
    size = max((place.last for place in places.values()), default=len(head))
    try:
        free = shutil.disk_usage(destination(path).parent).free
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if size > free:
        raise FileError(f"{path}: the trace would need {amount(size)} and {amount(free)} of the disk are free")
    with written(path, "wb") as buffered:
        buffered.flush()
        file = FileIO(buffered.fileno(), "r+", closefd=False)
        _reserve(file, size)
        for name, array in premises.items():
            _write(file, places[name], array, 0)
        yield file, places
        _all(file, 0, memoryview(head))  # last: without it nobody takes the rest of a killed run for a trace


def _reserve(file: FileIO, size: int) -> None:
    """Give the file its size, with room on the disk where the system can: writing is then a third faster (ext4)."""
    if hasattr(os, "posix_fallocate"):
        with suppress(OSError):  # a file system that cannot
            os.posix_fallocate(file.fileno(), 0, size)
            return
    file.truncate(size)


def _write(file: FileIO, place: Tensor, values: Array, first: int) -> None:
    """Write the rows `values` of a tensor, of which the first is row `first`."""
    if not values.size:
        return
    each = values.nbytes // len(values)
    at = place.first + first * each
    if values.flags.c_contiguous or not values[0].flags.c_contiguous or each < LARGE_STEP or not hasattr(os, "writev"):
        _all(file, at, _bytes(values))
        return
    for begin in range(0, len(values), MOST_VIEWS):  # each step is in one piece: they are written without a copy
        steps = list(values[begin : begin + MOST_VIEWS])
        file.seek(at)
        if os.writev(file.fileno(), steps) < each * len(steps):
            _all(file, at, _bytes(np.stack(steps)))
        at += each * len(steps)


def _bytes(values: Array) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _all(file: FileIO, at: int, content: memoryview) -> None:
    file.seek(at)
    while content:
        content = content[file.write(content) or 0 :]


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
                    _write(self._file, self._places[f"lines/{part.scope}/{name}"], values, part.first)
                self._done.put(None)
            except BaseException as error:
                self._done.put(error)


class ToFile:
    """The target of a run (see `runs.Target`) that goes to a file."""

    def __init__(self, layout: Layout, file: FileIO, places: Places, window: Window) -> None:
        self._layout, self._file, self._places, self.window = layout, file, places, window
        self._writer = _Writer(file, places)
        self._reverse = {stage.scope: stage.direction == "reverse" for stage in layout.stages}
        self._scope = ""
        self._buffers: list[dict[str, Array]] = []
        self._room = self._filled = self._first = 0
        self._large = False
        self._views: dict[int, tuple[Slab | Rows, list[Array]]] = {}
        self._passed: dict[tuple[str, str], Array] = {}

    def slab(self, scope: str) -> None:
        """See `runs.Target`: a run computes in a small slab."""

    def take(self, scope: str, block: Slab | Rows, first: int, count: int) -> bool:
        """See `runs.Target`."""
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
            names = self._layout.recorded[scope]
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

    def _seen(self, block: Slab | Rows) -> list[Array]:
        """The recorded lines of a block; it is one of a few that come again and again."""
        known = self._views.get(id(block))
        if known is None:
            known = self._views[id(block)] = block, [block.line(name) for name in self._layout.recorded[self._scope]]
        return known[1]

    def _begin(self, scope: str, block: Slab | Rows) -> None:
        """Two buffers for the lines of a stage, and memory for lines that are passed on but not recorded."""
        self._writer.wait()
        self._scope = scope
        self._views.clear()
        self._buffers = []
        layout, batch = self._layout, self._layout.batch
        widths = {name: layout.widths[scope][name] for name in layout.recorded[scope]}
        dtype = block.line(next(iter(layout.widths[scope]))).dtype
        size = batch * dtype.itemsize * sum(widths.values())
        self._large = bool(widths) and batch * dtype.itemsize * min(widths.values()) >= LARGE_STEP
        self._room = max(block.steps, min(len(layout.span), BUFFER // max(size, 1)))
        if not self._large:
            self._buffers = [{n: np.empty((self._room, batch, w), dtype) for n, w in widths.items()} for _ in range(2)]
        for name in layout.passed.get(scope, frozenset()) - (widths.keys() if layout.whole else set()):
            self._passed[scope, name] = np.empty((layout.steps, batch, layout.widths[scope][name]), dtype)

    def _send(self) -> None:
        """Give the filled buffer to the writer and go on with the other."""
        if self._filled:
            at = self._room - self._filled if self._reverse[self._scope] else 0
            lines = {name: buffer[at : at + self._filled] for name, buffer in self._buffers[0].items()}
            self._writer.put(_Part(self._scope, lines, self._first))
            self._buffers.reverse()
            self._filled = 0

    def line(self, scope: str, name: str) -> Array:
        """See `runs.Target`: read back from the file where it is recorded."""
        if (scope, name) in self._passed:
            return self._passed[scope, name]
        self.finish()
        place = self._places[f"lines/{scope}/{name}"]
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, np.uint8)[place.first : place.last].view(place.dtype).reshape(place.shape)

    def finish(self) -> None:
        """Until all that was taken is in the file."""
        self._send()
        self._writer.wait()

    def close(self) -> None:
        """End the second thread, whatever happened."""
        self._writer.close()
