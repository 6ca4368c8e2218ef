"""Runs side by side, explanations of a value, and whether every line follows from its operands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ...runs import comparing
from ...runs.asked import Question
from ...runs.runs import RunId
from ..bodies import JsonRoute
from ..jobs import Service
from .comparison_models import Diff, DiffMap, Explained, Named, Pair, Verified
from .meta_models import LATER
from .views import Batch, Direction, Layer

router = APIRouter(prefix="/api/v1", tags=["comparisons"], route_class=JsonRoute, responses=LATER)
Run = Annotated[str, Query(max_length=100, description="id of a run")]


@router.post("/diffs", response_model=Diff)
async def diff(service: Service, body: Pair) -> Response:
    """Compare b with a, the reference, as `lstm-trace diff` does."""
    tolerance = body.rtol, body.atol, body.ulps
    return await service.jobs.reply(comparing.compared, two(body.a, body.b), (body.a, body.b), *tolerance)


@router.get("/diffs/map", response_model=DiffMap)
async def diff_map(
    service: Service,
    a: Run,
    b: Run,
    line: Annotated[str, Query(max_length=400)],
    layer: Layer = None,
    direction: Direction = None,
    batch: Batch = 0,
) -> Response:
    """|b - a| of one line, by step and unit."""
    most = service.settings.limits.mapped
    return await service.jobs.reply(comparing.mapped, two(a, b), line, layer, direction, batch, most)


@router.post("/explanations", response_model=Explained)
async def explain(service: Service, body: Question) -> Response:
    """Explain a value, as `lstm-trace explain` and `diff --attribute` do."""
    against = None if body.against is None else RunId(body.against)
    return await service.jobs.reply(comparing.explained, RunId(body.run), against, body, service.settings.limits.listed)


@router.post("/verifications", response_model=Verified)
async def verify(service: Service, body: Named) -> Response:
    """Derive every line again from its operands, as `lstm-trace verify` does."""
    return await service.jobs.reply(comparing.verified, RunId(body.run))


def two(a: str, b: str) -> tuple[RunId, RunId]:
    """Two runs as arguments of `Runs.call`."""
    return RunId(a), RunId(b)
