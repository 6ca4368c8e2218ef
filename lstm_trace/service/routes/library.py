"""The library: files that are kept, found, changed and deleted; and what a file is, without keeping it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from ...errors import FileError
from ...runs import kept
from ...runs.runs import RunId
from ...store.files import as_label, checked_tags, checked_title
from ..json_body import JsonRoute
from ..resources import Resources, Service
from ..sent_file import SentFile
from ..uploads import OCTETS, add_copy, inspected, received
from .library_models import Change, Inspection, KeptItem, KeptRun, LibraryItem, LibraryPage, RunToKeep

router = APIRouter(prefix="/api/v1", tags=["library"], route_class=JsonRoute)

Label = Annotated[str, Query(max_length=2000, description="the file's name, whose suffix says how it is read")]
Title = Annotated[str, Query(max_length=2000, description="by default the one in the file, or its name")]
Tags = Annotated[str, Query(max_length=2000, description="words or phrases with commas between")]
Search = Annotated[str, Query(max_length=200, description="words that all stand in title, label, tags or cell")]
Tag = Annotated[str, Query(max_length=40, description="the whole of one")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
#: How OpenAPI describes a body that is a file.
_A_FILE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
}
_THERE = "the library has the same file already: that item, with the tags of both"
#: Of a route that keeps a file.
_KEEPS: dict[str, Any] = {
    "status_code": 201,
    "responses": {200: {"model": KeptItem, "description": _THERE}},
    "openapi_extra": _A_FILE,
}


@router.post("/inspections", openapi_extra=_A_FILE)
async def inspection(request: Request, service: Service, label: Label) -> Inspection:
    """Say what a file is, and keep nothing."""
    async with received(request, service) as new:
        facts = await inspected(service, new.path, label)
    return Inspection(**{name: facts[name] for name in Inspection.model_fields})


@router.get("/library")
def library(
    service: Service,
    search: Search = "",
    kind: Literal["", "problem", "trace", "model"] = "",
    tag: Tag = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> LibraryPage:
    """The items that fit, newest first."""
    items, total = service.store.find(search, kind, tag, limit, offset)
    return LibraryPage.model_validate({"items": items, "total": total})


@router.get("/models")
def models(service: Service, search: Search = "", tag: Tag = "", limit: Limit = 100, offset: Offset = 0) -> LibraryPage:
    """The models that fit, newest first."""
    return library(service, search, "model", tag, limit, offset)


@router.post("/library", **_KEEPS)
async def upload(
    request: Request, reply: Response, service: Service, label: Label, title: Title = "", tags: Tags = ""
) -> KeptItem:
    """Keep a file that is a problem, a trace or a model; the same file is kept once."""
    return await _kept(request, reply, service, label, title, tags)


@router.post("/models", **_KEEPS)
async def upload_model(
    request: Request, reply: Response, service: Service, label: Label, title: Title = "", tags: Tags = ""
) -> KeptItem:
    """Keep a file that is a model; the same file is kept once."""
    return await _kept(request, reply, service, label, title, tags, "model")


@router.post("/library/runs", status_code=201, responses={200: {"model": KeptRun, "description": _THERE}})
async def keep_run(service: Service, reply: Response, body: RunToKeep) -> KeptRun:
    """Keep the trace of a run; the same trace is kept once."""
    await service.runs.call(kept.check, RunId(body.run))
    label = re.sub(r"[/\\]", "-", body.title or "run") + ".safetensors"
    item, new = await add_copy(service, await service.runs.open(body.run), label, body.title, body.tags)
    reply.status_code = 201 if new else 200
    return KeptRun(**item, new=new)


@router.get("/library/{item}")
def one(service: Service, item: str) -> LibraryItem:
    """One item."""
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
def file(service: Service, item: str) -> StreamingResponse:
    """The file of an item, as it was uploaded."""
    found, content = service.store.item(item), service.store.open(item)
    return SentFile(content, OCTETS, found["label"])


async def _kept(
    request: Request, reply: Response, service: Resources, label: str, title: str, tags: str, kind: str = ""
) -> KeptItem:
    words = checked_tags(tags.split(","))  # before the body is read
    title = checked_title(title)
    async with received(request, service) as new:
        facts = await inspected(service, new.path, label)
        if kind not in ("", facts["kind"]):
            raise FileError(f"{as_label(label)}: a {facts['kind']}, not a {kind}; POST /api/v1/library keeps it")
        item = await to_thread.run_sync(service.store.keep, new, facts, label, title, words)
    is_new = item["id"] == new.id
    reply.status_code = 201 if is_new else 200
    return KeptItem(**item, new=is_new, inspect=facts["text"])
