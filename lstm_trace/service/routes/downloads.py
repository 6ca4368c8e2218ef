"""The files of a run, and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from ...runs import plotting, printing
from ...runs.asked import PlotOptions, ReportOptions
from ...runs.runs import RunId
from ...workers import Progress
from ..bodies import JsonRoute
from ..jobs import LaterFile, Resources, Service, attachment
from .comparisons import Run, two
from .meta_models import LATER

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=JsonRoute, responses=LATER)
_PREFER = "`respond-async` (RFC 7240): what takes longer than a second is answered with 202 and a job"
Prefer = Annotated[str, Header(description=_PREFER)]


#: How OpenAPI describes a picture.
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media.partition(";")[0]: {} for media in plotting.FORMATS.values()}}
}


class PairPlotOptions(PlotOptions):
    """The options of pictures of two runs."""

    a: Run
    b: Run


@router.get("/runs/{id}/download/{file}", response_class=Response)
async def download(
    service: Service, id: str, file: str, options: Annotated[ReportOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists the files, and which options each takes.

    A link in a browser and a line of curl cannot follow a job, so there is one only for those who prefer it.
    """
    given = options.model_dump(exclude_none=True)
    media = printing.MEDIA.get(Path(file).suffix, "")
    return await _sent(service, prefer, media, id, printing.download, RunId(id), file, given)


@router.get("/runs/{id}/plot/{kind}", response_class=Response, responses=_PICTURE)
async def plot(
    service: Service, id: str, kind: str, options: Annotated[PlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A picture of a run, as `lstm-trace plot` draws it; `/choices` lists the kinds, and which options each takes.

    A job only for those who prefer it, as for other files.
    """
    media = plotting.FORMATS[options.format]
    return await _sent(service, prefer, media, id, plotting.drawn, RunId(id), kind, options.format, options.given)


@router.get("/diffs/plot/{kind}", response_class=Response, responses=_PICTURE, tags=["comparisons"])
async def plot_of_two(
    service: Service, kind: str, options: Annotated[PairPlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A picture of two runs, `diff` or `weights`: b against a, as `lstm-trace plot B --against A` draws it."""
    media, runs = plotting.FORMATS[options.format], two(options.a, options.b)
    work = plotting.drawn_of_two, runs, kind, options.format, options.given
    return await _sent(service, prefer, media, options.b, *work)


async def _sent(
    service: Resources, prefer: str, media: str, id: str, function: Callable[..., tuple[bytes | None, str]], *args: Any
) -> Response:
    """The reply with what a worker makes, a file and its name; or with the trace of the run, where it makes none."""

    async def work(progress: Progress | None = None) -> Response:
        content, name = await service.runs.call(function, *args, progress=progress)
        if content is None:
            return LaterFile(lambda: service.runs.open(id), media, name)
        return Response(content, headers=attachment(name), media_type=media)

    return await (service.jobs.follow(work) if "respond-async" in prefer else work())
