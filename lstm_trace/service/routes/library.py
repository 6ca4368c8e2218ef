"""The library: files are kept, searched, changed and deleted; a file can also be inspected without being kept.

An upload is streamed to disk, inspected by a worker, and kept if it can be read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from ...errors import FileError, reason
from ...runs import inspecting, kept
from ...runs.asked import RequestBody
from ...runs.runs import RunId
from ...store.files import Upload, as_label, checked_tags, checked_title
from ...store.store import Item
from ..jobs import JsonRoute, Resources, SentFile, Service, check_media

Kind = Literal["problem", "trace", "model"]


class LibraryItem(BaseModel):
    """A file in the library."""

    id: str
    kind: Kind
    title: str
    tags: list[str]
    label: str = Field(description="the name of the file when it was uploaded")
    cell: str = Field(description="the kind of cell, and options that differ from the defaults")
    sizes: dict[str, int] = Field(description="T, B, I, H, layers, directions, as far as they are known")
    bytes: int
    created: str = Field(description="ISO 8601, UTC")
    sha256: str
    missing: bool = Field(description="true if the file is no longer in the library's folder")


class KeptRun(LibraryItem):
    """The item under which a run is kept."""

    new: bool = Field(description="true if it was added now; false if the library already had the same file")


class KeptItem(KeptRun):
    """The item under which a file is kept."""

    inspect: str = Field(description="the output of `lstm-trace inspect`, and such facts of a problem or trace")


class LibraryPage(BaseModel):
    """Items, newest first."""

    items: list[LibraryItem]
    total: int = Field(description="their number on all pages")


class Inspection(BaseModel):
    """Information about a file."""

    kind: Kind
    text: str
    title: str
    cell: str
    sizes: dict[str, int]
    found: list[dict[str, Any]] = Field(description="each LSTM, GRU and RNN of a model")


class Change(RequestBody):
    """Changes to an item; a member that is null or missing stays as it is."""

    title: str | None = Field(None, description="at most 200 characters; the label if empty")
    tags: list[str] | None = Field(None, description="at most 20, of at most 40 characters")


class RunToKeep(RequestBody):
    """A run to be kept as an item."""

    run: str = Field(description="its id")
    title: str = ""
    tags: list[str] = Field([])


OCTETS = "application/octet-stream"
#: Bytes collected before a thread writes them: the network determines how small the parts of a body are.
_GATHERED = 1 << 18


@asynccontextmanager
async def received(request: Request, resources: Resources) -> AsyncIterator[Upload]:
    """The body of a request as a file of the store, which is removed at the end unless it was kept.

    Raises HTTPException for a type other than OCTETS, TooLargeError, StoreError.
    """
    check_media(request, OCTETS)
    new: Upload | None = None
    try:
        gathered = bytearray()
        async for content in request.stream():
            gathered += content
            if len(gathered) >= _GATHERED:
                new = new or await _part(resources)  # not earlier: many bodies never arrive, and each would hold a file
                await to_thread.run_sync(new.write, bytes(gathered))
                gathered.clear()
        new = new or await _part(resources)
        await to_thread.run_sync(new.write, bytes(gathered))
        yield new
    finally:
        if new is not None:
            with CancelScope(shield=True):
                await to_thread.run_sync(new.close)


async def _part(resources: Resources) -> Upload:
    return await to_thread.run_sync(resources.store.part, resources.settings.limits.body_bytes)


async def add_copy(
    resources: Resources, source: Path | BinaryIO, label: str, title: str = "", tags: Iterable[str] = ()
) -> tuple[Item, bool]:
    """Keep a copy of a file of this machine.

    Args:
        resources: the resources of the service.
        source: path of the file, or the open file, which is closed.
        label: name of the file; its suffix determines how it is read.
        title: title of the item; by default the one in the file, or the file's name.
        tags: words or phrases.

    Returns:
        The item, and whether it is new.

    Raises:
        LstmTraceError: if the file cannot be read, is not a problem, trace or model, or cannot be kept.
    """
    with await to_thread.run_sync(resources.store.part) as new:
        await to_thread.run_sync(_copy, source, new)
        facts = await resources.workers.call(inspecting.inspect, str(new.path), label)
        item: Item = await to_thread.run_sync(resources.store.keep, new, facts, label, title, tags)
    return item, item["id"] == new.id


def _copy(source: Path | BinaryIO, new: Upload) -> None:
    try:
        with open(source, "rb") if isinstance(source, Path) else source as file:
            shutil.copyfileobj(file, new, _GATHERED)
    except OSError as error:
        name = source if isinstance(source, Path) else "the run"
        raise FileError(f"{name}: {reason(error, paths=False)}") from None


router = APIRouter(prefix="/api/v1", tags=["library"], route_class=JsonRoute)

Label = Annotated[str, Query(max_length=2000, description="name of the file; its suffix determines how it is read")]
Title = Annotated[str, Query(max_length=2000, description="by default the title in the file, or its name")]
Tags = Annotated[str, Query(max_length=2000, description="comma-separated words or phrases")]
Search = Annotated[str, Query(max_length=200, description="words that must all occur in title, label, tags or cell")]
Tag = Annotated[str, Query(max_length=40, description="a complete tag")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
#: How OpenAPI describes a body that is a file.
_A_FILE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
}
_THERE = "the library already has the same file: that item, with the tags of both"
#: Responses of a route that keeps a file.
_KEEPS: dict[str, Any] = {
    "status_code": 201,
    "responses": {200: {"model": KeptItem, "description": _THERE}},
    "openapi_extra": _A_FILE,
}
_KEEPS_MODEL = "Keep a model file, sent as the body. The same file is stored only once."


@router.post("/inspections", openapi_extra=_A_FILE)
async def inspection(request: Request, service: Service, label: Label) -> Inspection:
    """Inspect a file, sent as the body, without keeping it."""
    async with received(request, service) as new:
        facts = await service.workers.call(inspecting.inspect, str(new.path), label)
    return Inspection(**facts)


@router.get("/library")
def library(
    service: Service, search: Search = "", kind: Literal["", "problem", "trace", "model"] = "", tag: Tag = "",
    limit: Limit = 100, offset: Offset = 0,
) -> LibraryPage:  # fmt: skip
    """List the matching items, newest first."""
    items, total = service.store.find(search, kind, tag, limit, offset)
    return LibraryPage.model_validate({"items": items, "total": total})


@router.get("/models")
def models(service: Service, search: Search = "", tag: Tag = "", limit: Limit = 100, offset: Offset = 0) -> LibraryPage:
    """List the matching models, newest first."""
    return library(service, search, "model", tag, limit, offset)


@router.post("/models", name="upload_model", description=_KEEPS_MODEL, **_KEEPS)
@router.post("/library", **_KEEPS)
async def upload(
    request: Request, reply: Response, service: Service, label: Label, title: Title = "", tags: Tags = ""
) -> KeptItem:
    """Keep a problem, trace or model file, sent as the body. The same file is stored only once."""
    words = checked_tags(tags.split(","))  # before the body is read
    title = checked_title(title)
    async with received(request, service) as new:
        facts = await service.workers.call(inspecting.inspect, str(new.path), label)
        if request.url.path.endswith("/models") and facts["kind"] != "model":
            raise FileError(f"{as_label(label)}: a {facts['kind']}, not a model; POST /api/v1/library keeps it")
        item = await to_thread.run_sync(service.store.keep, new, facts, label, title, words)
    is_new = item["id"] == new.id
    reply.status_code = 201 if is_new else 200
    return KeptItem(**item, new=is_new, inspect=facts["text"])


@router.post("/library/runs", status_code=201, responses={200: {"model": KeptRun, "description": _THERE}})
async def keep_run(service: Service, reply: Response, body: RunToKeep) -> KeptRun:
    """Keep the trace of a run; the same trace is stored only once."""
    await service.runs.call(kept.check, RunId(body.run))
    label = re.sub(r"[/\\]", "-", body.title or "run") + ".safetensors"
    item, new = await add_copy(service, await service.runs.open(body.run), label, body.title, body.tags)
    reply.status_code = 201 if new else 200
    return KeptRun(**item, new=new)


@router.get("/library/{item}")
def one(service: Service, item: str) -> LibraryItem:
    """Return one item."""
    return LibraryItem(**service.store.item(item))


@router.patch("/library/{item}")
def change(service: Service, item: str, body: Change) -> LibraryItem:
    """Change the title or the tags of an item."""
    return LibraryItem(**service.store.update(item, body.title, body.tags))


@router.delete("/library/{item}", status_code=204)
def delete(service: Service, item: str) -> Response:
    """Delete an item and its file."""
    service.store.delete(item)
    return Response(status_code=204)


@router.get("/library/{item}/file", response_class=StreamingResponse, responses={200: {"content": {OCTETS: {}}}})
def file(service: Service, item: str) -> Response:
    """Return the file of an item, as it was uploaded."""
    return SentFile(lambda: to_thread.run_sync(service.store.open, item), OCTETS, service.store.item(item)["label"])
