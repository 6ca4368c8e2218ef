"""Files on their way into the library: streamed to the disk, inspected by a worker, kept if they can be read."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread
from fastapi import Request

from ..errors import FileError, reason
from ..runs import inspecting
from ..store.files import Part
from ..store.store import Item
from .json_body import check_media
from .resources import Resources

OCTETS = "application/octet-stream"
#: Bytes that are gathered before a thread writes them: parts of a body are as small as the network makes them.
_GATHERED = 1 << 18


@asynccontextmanager
async def received(request: Request, resources: Resources) -> AsyncIterator[Part]:
    """The body of a request as a file of the store, which is gone at the end unless it was kept.

    Raises HTTPException for another type than OCTETS, TooLargeError, StoreError.
    """
    check_media(request, OCTETS)
    new: Part | None = None
    try:
        gathered = bytearray()
        async for content in request.stream():
            gathered += content
            if len(gathered) >= _GATHERED:
                new = new or await _part(resources)  # not before: many bodies never come, and each would hold a file
                await to_thread.run_sync(new.write, bytes(gathered))
                gathered.clear()
        new = new or await _part(resources)
        await to_thread.run_sync(new.write, bytes(gathered))
        yield new
    finally:
        if new is not None:
            with CancelScope(shield=True):
                await to_thread.run_sync(new.close)


async def _part(resources: Resources) -> Part:
    return await to_thread.run_sync(resources.store.part, resources.settings.limits.body_bytes)


async def inspected(resources: Resources, path: Path, label: str) -> inspecting.Facts:
    """What a file in the folder of the store is, by a worker. Raises LstmTraceError."""
    facts: inspecting.Facts = await resources.workers.call(inspecting.inspect, str(path), label)
    return facts


async def add_copy(
    resources: Resources, source: Path | BinaryIO, label: str, title: str = "", tags: Iterable[str] = ()
) -> tuple[Item, bool]:
    """Keep a copy of a file of this machine.

    Args:
        resources: what the service holds.
        source: where the file is, or the open file, which is closed.
        label: its name, whose suffix says how it is read.
        title: by default the one in the file, or its name.
        tags: words or phrases.

    Returns:
        The item, and whether it is new.

    Raises:
        LstmTraceError: where the file cannot be read, is no problem, trace or model, or cannot be kept.
    """
    with await to_thread.run_sync(resources.store.part) as new:
        await to_thread.run_sync(_copy, source, new)
        facts = await inspected(resources, new.path, label)
        item: Item = await to_thread.run_sync(resources.store.keep, new, facts, label, title, tags)
    return item, item["id"] == new.id


def _copy(source: Path | BinaryIO, new: Part) -> None:
    try:
        with open(source, "rb") if isinstance(source, Path) else source as file:
            shutil.copyfileobj(file, new, _GATHERED)
    except OSError as error:
        name = source if isinstance(source, Path) else "the run"
        raise FileError(f"{name}: {reason(error, paths=False)}") from None


async def add_files(resources: Resources, files: Iterable[str]) -> None:
    """Put the files of the command line into the library, unless they are there. Raises LstmTraceError."""
    for file in files:
        await add_copy(resources, Path(file), Path(file).name)
