"""Runs side by side, explanations of a value, and whether every line follows from its operands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ...runs import comparing, plotting
from ...runs.asked import NamedRun, Pair, PlotOptions, Question
from ...runs.reading import Batch, Direction, Layer
from ...runs.runs import RunId
from ..bodies import JsonRoute
from ..jobs import LATER, Service
from .runs import PICTURE, Prefer, file_reply

router = APIRouter(prefix="/api/v1", tags=["comparisons"], route_class=JsonRoute, responses=LATER)
Run = Annotated[str, Query(max_length=100, description="id of a run")]


class PairPlotOptions(PlotOptions):
    """The options of pictures of two runs."""

    a: Run
    b: Run


@router.post("/diffs", response_model=comparing.DiffReply)
async def diff(service: Service, body: Pair) -> Response:
    """Compare b with a, the reference, as `lstm-trace diff` does."""
    tolerance = body.rtol, body.atol, body.ulps
    return await service.jobs.reply(comparing.compared, two(body.a, body.b), (body.a, body.b), *tolerance)


@router.get("/diffs/map", response_model=comparing.DiffMap)
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


@router.get("/diffs/plot/{kind}", response_class=Response, responses=PICTURE)
async def plot_of_two(
    service: Service, kind: str, options: Annotated[PairPlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A picture of two runs, `diff` or `weights`: b against a, as `lstm-trace plot B --against A` draws it."""
    media, runs = plotting.FORMATS[options.format], two(options.a, options.b)
    work = plotting.drawn_of_two, runs, kind, options.format, options.given
    return await file_reply(service, prefer, media, options.b, *work)


@router.post("/explanations", response_model=comparing.ExplanationReply)
async def explain(service: Service, body: Question) -> Response:
    """Explain a value, as `lstm-trace explain` and `diff --attribute` do.

    `more` has further tables: of a split those by block, which is the sum of each matrix or vector given, and by step.
    """
    against = None if body.against is None else RunId(body.against)
    return await service.jobs.reply(comparing.explained, RunId(body.run), against, body, service.settings.limits.listed)


@router.post("/verifications", response_model=comparing.VerificationReply)
async def verify(service: Service, body: NamedRun) -> Response:
    """Derive every line again from its operands, as `lstm-trace verify` does."""
    return await service.jobs.reply(comparing.verified, RunId(body.run))


def two(a: str, b: str) -> tuple[RunId, RunId]:
    """Two runs as arguments of `Runs.call`."""
    return RunId(a), RunId(b)
