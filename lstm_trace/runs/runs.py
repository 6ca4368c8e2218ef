"""The kept runs of a service: made in a worker, named by their contents, and found again by any server."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from anyio import to_thread

from ..store.store import Store
from ..workers import Progress, Workers
from . import running
from .asked import DroppedRunError, UnknownRunError
from .kept import Bounds, gone, is_there

#: `Workers.call`, or a function that extends it.
Call = Callable[..., Awaitable[Any]]
#: How often a run is made again for one request: runs of others may displace it each time.
TRIES = 5


class RunId(str):
    """The id of a run, among the arguments of `Runs.call`."""

    __slots__ = ()


class Runs:
    """Runs as files in a folder, which several servers may share.

    >>> Runs.check("../../etc/passwd")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    lstm_trace.runs.asked.UnknownRunError: there is no run '../../etc/passwd'; this server never had it, or has ...
    """

    def __init__(self, folder: Path, bounds: Bounds, workers: Workers, items: Store) -> None:
        """folder: for the runs only; it is created. bounds: limits on its runs."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.bounds, self._workers, self._items = folder, bounds, workers, items

    @staticmethod
    def check(run: str) -> str:
        """The id of a run, before it becomes part of a path. Raises UnknownRunError if it is not one."""
        if not re.fullmatch(r"[0-9a-f]{32}", run):
            raise _unknown(run)
        return run

    def path(self, run: str) -> Path:
        """The path of the trace of a run; marks it as used. Raises UnknownRunError, DroppedRunError."""
        path = self.folder / f"{self.check(run)}.safetensors"
        if is_there(path):
            return path
        raise gone(run) if any(path.with_suffix(end).exists() for end in (".json", ".gone")) else _unknown(run)

    async def ready(self, run: str, progress: Progress | None = None) -> str:
        """Return the path of the trace of a run; if it was dropped, it is made again, provided that enough is known.

        Args:
            run: id of the run.
            progress: receives progress reports.

        Returns:
            The path.

        Raises:
            UnknownRunError, DroppedRunError: if there is no run with this id, or its spec is no longer known.
            LstmTraceError: any error while it is made again.
        """
        try:
            return str(self.path(run))
        except DroppedRunError:
            place = str(self.folder / f"{run}.safetensors")
            await self._made(self._workers.call, running.remake, b"", place, progress)
            return place  # if it is dropped again in the meantime, `call` and `open` notice

    async def open(self, run: str) -> BinaryIO:
        """The trace file of a run, which can be read to its end even if it is dropped. Raises as `ready` does."""
        for _ in range(TRIES):
            with suppress(FileNotFoundError):
                return await to_thread.run_sync(open, await self.ready(run), "rb")
        raise gone(run)

    async def call(self, function: Callable[..., Any], *args: Any, progress: Progress | None = None) -> Any:
        """Call a function in a worker and return its result; dropped runs among its arguments are made again first.

        Args:
            function: a module-level function, so that it can be pickled.
            args: arguments that can be pickled; instead of a RunId the function receives the path of the trace.
            progress: receives progress reports.

        Returns:
            The return value of the function.

        Raises:
            LstmTraceError: as for `ready`.
            Exception: any exception of `Workers.call`.
        """
        for _ in range(TRIES - 1):
            ready = await self._ready(args, progress)
            with suppress(DroppedRunError):  # its file is damaged, or has been dropped in the meantime
                return await self._workers.call(function, *ready, progress=progress)
        return await self._workers.call(function, *await self._ready(args, progress), progress=progress)

    async def make(self, body: bytes, progress: Progress | None = None) -> running.Made:
        """Make the run of a spec.

        Args:
            body: the spec as JSON.
            progress: receives progress reports.

        Returns:
            The run, new or existing.

        Raises:
            LstmTraceError: with the faults of the spec.
        """
        return await self._made(self.call, running.make, body, str(self.folder), progress)

    async def edit(self, run: str, body: bytes, progress: Progress | None = None) -> running.Made:
        """Make the run of another run's spec with changes.

        Args:
            run: id of the original run; it stays as it is.
            body: the changes as JSON.
            progress: receives progress reports.

        Returns:
            The run, new or existing.

        Raises:
            LstmTraceError: as for `ready`, and with the faults of the changes.
        """
        return await self._made(self.call, running.edit, body, RunId(run), progress)

    async def _made(
        self, by: Call, function: Callable[..., running.Made], body: bytes, place: str, progress: Progress | None
    ) -> running.Made:
        call = partial(by, function, body, place, self.bounds)
        found: running.Made = await call(progress=progress)
        if found.wanted:
            said = await to_thread.run_sync(self._items.item, found.wanted)
            path = str(await to_thread.run_sync(self._items.path, found.wanted))
            found = await call(running.Item(found.wanted, path, said["sha256"], said["label"]), progress=progress)
        return found

    async def _ready(self, args: tuple[Any, ...], progress: Progress | None) -> list[Any]:
        """The arguments, with each run replaced by its path."""
        return [await self.ready(arg, progress) if isinstance(arg, RunId) else arg for arg in args]


def _unknown(run: str) -> UnknownRunError:
    return UnknownRunError(
        f"there is no run {run!r}; this server never had it, or has forgotten it: open the example, the file or the "
        "problem that it was made from (for programs: POST /api/v1/runs makes one)"
    )
