"""Runs: made from a spec, changed into other runs, described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from ...runs import running
from ...runs.asked import Edits, Spec
from ...runs.runs import RunId
from ...workers import Progress
from ..bodies import JSON, JsonRoute, check_media
from ..description import documented
from ..jobs import Resources, Service
from .meta_models import LATER
from .run_models import Run

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=JsonRoute, responses=LATER)
#: Of a route that makes a run.
MADE: dict[str, Any] = {
    "status_code": 201,
    "response_model": Run,
    "responses": {200: {"model": Run, "description": "the run was there already"}},
}


@router.post("/runs", **MADE, openapi_extra=documented(Spec))
async def make(request: Request, service: Service) -> Response:
    """Run a problem, an example, or something of the library. The same spec has the same run."""
    return await _made(request, service, service.runs.make)


@router.post("/runs/{id}/edits", **MADE, openapi_extra=documented(Edits))
async def edit(request: Request, service: Service, id: str) -> Response:
    """Make another run with changes; the one that is changed stays as it is."""
    service.runs.check(id)  # before the body is read
    return await _made(request, service, lambda body, progress: service.runs.edit(id, body, progress))


@router.get("/runs/{id}", response_model=Run)
async def run(service: Service, id: str) -> Response:
    """What is said of a run."""
    return await service.jobs.reply(running.reply, RunId(id))


@router.get("/runs/{id}/spec", response_model=dict[str, Any])
async def spec(service: Service, id: str) -> Response:
    """What `POST /runs` makes the run from again, elsewhere too: an example as its problem, with every edit."""
    return await service.jobs.reply(running.spec, RunId(id))


async def _made(
    request: Request, service: Resources, make: Callable[[bytes, Progress], Awaitable[running.Made]]
) -> Response:
    """The reply with a run that a body describes; a worker reads the body, which may have millions of numbers."""
    check_media(request, JSON)
    bodies = service.jobs.bodies
    body = await bodies.read(request.stream())

    async def work(progress: Progress) -> Response:
        try:
            made = await make(body, progress)
        finally:
            bodies.drop(body)
        return Response(made.reply, 201 if made.new else 200, {"Location": f"/api/v1/runs/{made.id}"}, JSON)

    return await service.jobs.follow(work)
