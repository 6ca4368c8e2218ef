"""Streaming a trace into a .safetensors file while a run computes it.

A run fills one buffer while a second thread writes the other. The file has a temporary name until it is complete, so a
killed run does not leave a file that looks finished.
"""

from __future__ import annotations

import mmap
import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.resources import at_most
from ..errors import FileError
from ..trace.files import safetensors
from ..trace.trace import Trace
from ..trace.window import cut
from .memory import InMemory, Work, products
from .run import Check, Progress, RunJob, by_plan

#: Multiplications per stored number up to which writing is assumed to be as much work as computing.
MOST_PRODUCTS = 100


def run_to_file(job: RunJob, path: str | Path, progress: Progress | None = None, check: Check | None = None) -> Trace:
    """Compute a trace into a file, whose arrays are then memory-mapped. Memory: two buffers, and lines between layers.

    Raises FileError if the file cannot be written or the disk is too small, and errors of reading it and of `check`,
    which sees the trace before the file gets its name.
    """
    if not safetensors.is_tensors(path):
        raise FileError(f"{path}: a run is streamed to .safetensors; another file is written with trace.save")
    if job.header.plan == "lines":
        whole = job.trace(None, progress)
        if check is not None:
            check(whole)
        safetensors.save_tensors(whole, path)
        return safetensors.load_mapped(path)
    work = job.work
    trace = job.premises({})
    shape = len(work.span), work.batch
    widths = {f"lines/{s}/{name}": work.widths[s][name] for s, names in work.recorded.items() for name in names}
    lines = {place: (np.dtype(job.header.dtype), (*shape, width)) for place, width in widths.items()}
    # a single thread that loses its core to the writer delays the whole product: if writing takes as long, leave one
    # core
    made = sum(products(stage, job.weights) for stage in work.stages)
    room = at_most((os.cpu_count() or 1) - 1) if made <= MOST_PRODUCTS * max(sum(widths.values()), 1) else nullcontext()
    kept = trace if work.whole else cut(trace, work.span, trace.initial, {})
    with safetensors.begun(kept, lines, path) as (file, places), room:
        ours = os.fstat(file.fileno())
        with ThreadPoolExecutor(1, "lstm-trace writer") as writer:
            storage = ToFile(trace, work, file, places, writer)
            by_plan(trace, work, job.weights, job.kept, storage, progress)
            storage.finish()
        found = storage.cut(trace, {})
        for scope, states in found.initial.items():  # known only now, if not all steps are stored
            for state, values in states.items():
                safetensors.write_rows(file, places[f"initial/{scope}/{state}"], values, 0)
        if check is not None:
            check(replace(found, lines=storage.stored()))
    written = safetensors.load_mapped(path)
    if not os.path.samestat(ours, os.stat(path)):
        raise FileError(f"{path}: another run has written it in the meantime; give each run a file of its own")
    return written


class ToFile(InMemory):
    """A run's values in a file: one buffer is filled while the writer's thread writes the other."""

    def __init__(self, trace: Trace, work: Work, file: FileIO, places: safetensors.Places, writer: Executor) -> None:
        super().__init__(trace, work, {})
        self._trace, self._file, self._places, self._writer = trace, file, places, writer
        self._writing: Future[None] | None = None
        self._scope = ""
        self._buffers: list[dict[str, Array]] = []
        self._room = self._filled = self._first = 0
        self._backwards = False
        self._views: dict[int, tuple[Any, dict[str, Array]]] = {}  # of the few blocks that recur

    def store(self, scope: str, block: Any, steps: slice, there: slice) -> bool:
        """See `InMemory`."""
        count = steps.stop - steps.start
        if scope != self._scope:
            self.finish()
            self._begin(scope, block)
        elif self._filled + count > self._room:
            self._send()
        if not count:
            return False
        if id(block) not in self._views:
            self._views[id(block)] = block, {name: block.line(name) for name in self.work.recorded[scope]}
        lines = {name: values[there] for name, values in self._views[id(block)][1].items()}
        if not self._buffers:  # the steps are large
            self._write(lines, steps.start)
            return True
        at = self._room - self._filled - count if self._backwards else self._filled
        for buffer, values in zip(self._buffers[0].values(), lines.values(), strict=True):
            buffer[at : at + count] = values
        if self._backwards or not self._filled:
            self._first = steps.start
        self._filled += count
        return False

    def _begin(self, scope: str, block: Any) -> None:
        """Allocate two buffers for the lines of a stage, if its steps are small."""
        self._scope, self._backwards = scope, self._trace.stage(scope).backwards
        self._views.clear()
        self._buffers.clear()
        batch, dtype = self.work.batch, np.dtype(self._trace.header.dtype)
        widths = {name: self.work.widths[scope][name] for name in self.work.recorded[scope]}
        size = batch * dtype.itemsize * sum(widths.values())
        self._room = max(block.steps, min(len(self.work.span), safetensors.BUFFER // max(size, 1)))
        large = widths and batch * dtype.itemsize * min(widths.values()) >= safetensors.LARGE_STEP
        shapes = {name: (self._room, batch, width) for name, width in widths.items()}
        self._buffers = [{n: np.empty(shape, dtype) for n, shape in shapes.items()} for _ in range(0 if large else 2)]

    def _send(self) -> None:
        """Pass the filled buffer to the writer and continue with the other."""
        if self._filled:
            at = self._room - self._filled if self._backwards else 0
            self._write({n: buffer[at : at + self._filled] for n, buffer in self._buffers[0].items()}, self._first)
            self._buffers.reverse()
            self._filled = 0

    def _write(self, lines: dict[str, Array], first: int) -> None:
        """Write the steps of a stage's lines starting at `first`, once earlier data has been written."""
        places = [self._places[f"lines/{self._scope}/{name}"] for name in lines]

        def write() -> None:
            for place, values in zip(places, lines.values(), strict=True):
                safetensors.write_rows(self._file, place, values, first)

        if self._writing is not None:
            self._writing.result()
        self._writing = self._writer.submit(write)

    def finish(self) -> None:
        """Wait until everything is in the file. Raises errors of the writing thread."""
        self._send()
        if self._writing is not None:
            self._writing.result()

    def stored(self) -> dict[str, dict[str, Array]]:
        """See `InMemory`: as stored in the file."""
        self.finish()
        content = np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        recorded = self.work.recorded.items()
        return {s: {n: self._places[f"lines/{s}/{n}"].within(content) for n in names} for s, names in recorded}
