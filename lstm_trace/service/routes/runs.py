"""Runs: made from a spec, changed into other runs, described; what they hold, their files and pictures.

Beside that runs side by side, explanations of a value, whether every line follows from its operands, and the states of
corpora: which there are, their sequences, a text with a unit, and where units are active.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from ...runs import comparing, corpus_states, plotting, printing, reading, running
from ...runs.asked import Edits, NamedRun, Pair, Question, ReportOptions, Spec
from ...runs.describing import RunReply
from ...runs.plotting import PlotOptions
from ...runs.reading import Batch, Direction, Layer, ValueSelection
from ...runs.records import ReadRoute
from ...runs.runs import RunId
from ...runs.states_folder import nowhere
from ...workers import Progress
from ..description import add_views, body_of
from ..jobs import JSON, LATER, JsonRoute, Resources, SentFile, Service, attachment, check_media

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=JsonRoute, responses=LATER)
comparisons = APIRouter(prefix="/api/v1", tags=["comparisons"], route_class=JsonRoute, responses=LATER)
corpora = APIRouter(prefix="/api/v1", tags=["states"], route_class=JsonRoute, responses=LATER)
#: Of a route that makes a run.
MADE: dict[str, Any] = {
    "status_code": 201,
    "response_model": RunReply,
    "responses": {200: {"model": RunReply, "description": "the run was there already"}},
}


@router.post("/runs", **MADE, openapi_extra=body_of(Spec))
async def make(request: Request, service: Service) -> Response:
    """Run a `problem`, an `example`, or an `item` or `model` of the library, with the changes of `holds` in order.

    The same spec has the same run: the reply is 200 instead of 201 where that is there already.
    """
    return await _made(request, service, service.runs.make)


@router.post("/runs/{id}/edits", **MADE, openapi_extra=body_of(Edits))
async def edit(request: Request, service: Service, id: str) -> Response:
    """Make another run with changes; the one that is changed stays as it is."""
    service.runs.check(id)  # before the body is read
    return await _made(request, service, lambda body, progress: service.runs.edit(id, body, progress))


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


async def _reply(service: Resources, view: ReadRoute, id: str, *args: Any) -> Response:
    return await service.jobs.reply(view.function, RunId(id), *args)


add_views(router, "/runs/{id}", running.VIEWS, _reply)
ARROW = "application/vnd.apache.arrow.stream"


@router.get("/runs/{id}/values", response_model=reading.ValuesReply, responses={200: {"content": {ARROW: {}}}})
async def values(
    service: Service, id: str, part: Annotated[ValueSelection, Query()], accept: Annotated[str, Header()] = ""
) -> Response:
    """Values of lines as JSON, of many the first ones.

    With `Accept: application/vnd.apache.arrow.stream` all of them, as a stream of Arrow.
    """
    if ARROW in accept:
        return await service.jobs.reply(reading.table, RunId(id), part, media=ARROW)
    return await service.jobs.reply(reading.values, RunId(id), part, service.settings.limits.listed)


add_views(router, "/runs/{id}", (*reading.VIEWS, *comparing.VIEWS), _reply)
_PREFER = "`respond-async` (RFC 7240): what takes longer than a second is answered with 202 and a job"
Prefer = Annotated[str, Header(description=_PREFER)]


#: How OpenAPI describes a picture.
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media.partition(";")[0]: {} for media in plotting.FORMATS.values()}}
}


@router.get("/runs/{id}/download/{file}", response_class=Response)
async def download(
    service: Service, id: str, file: str, options: Annotated[ReportOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists the files, and which options each takes.

    It is `problem.yaml`, `report.md` (and the other formats), `trace.json`, `values.csv`, `values.xlsx`, `run.py`, …; a
    job, where it takes longer than a second, only with the header `Prefer: respond-async`, since a link in a browser
    and a line of curl cannot follow one.
    """
    given = options.model_dump(exclude_none=True)
    media = printing.MEDIA.get(Path(file).suffix, "")
    return await file_reply(service, prefer, media, id, printing.download, RunId(id), file, given)


@router.get("/runs/{id}/plot/{kind}", response_class=Response, responses=PICTURE)
async def plot(
    service: Service, id: str, kind: str, options: Annotated[PlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A picture of a run, as `lstm-trace plot` draws it; `/choices` lists the kinds, and which options each takes.

    The options are texts, as `unit=3,5`, `line` (repeated) and `steps=2:5`; `format` is `svg`, `html`, `png`, or `json`
    for a Vega-Lite specification. A job as for other files.
    """
    media = plotting.FORMATS[options.format]
    return await file_reply(service, prefer, media, id, plotting.drawn, RunId(id), kind, options.format, options.given)


async def file_reply(
    service: Resources, prefer: str, media: str, id: str, function: Callable[..., tuple[bytes | None, str]], *args: Any
) -> Response:
    """The reply with what a worker makes, a file and its name; or with the trace of the run, where it makes none."""

    async def work(progress: Progress | None = None) -> Response:
        content, name = await service.runs.call(function, *args, progress=progress)
        if content is None:
            return SentFile(lambda: service.runs.open(id), media, name)
        return Response(content, headers=attachment(name), media_type=media)

    return await (service.jobs.follow(work) if "respond-async" in prefer else work())


# -- two runs, and what is found out about one -----------------------------------------------------------------------

Run = Annotated[str, Query(max_length=100, description="id of a run")]


class PairPlotOptions(PlotOptions):
    """The options of pictures of two runs."""

    a: Run
    b: Run


@comparisons.post("/diffs", response_model=comparing.DiffReply)
async def diff(service: Service, body: Pair) -> Response:
    """Compare b with a, the reference, as `lstm-trace diff` does."""
    how = body.rtol, body.atol, body.ulps, body.language
    return await service.jobs.reply(comparing.compared, RunId(body.a), RunId(body.b), (body.a, body.b), *how)


@comparisons.get("/diffs/map", response_model=comparing.DiffMap)
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
    return await service.jobs.reply(comparing.mapped, RunId(a), RunId(b), line, layer, direction, batch, most)


@comparisons.get("/diffs/plot/{kind}", response_class=Response, responses=PICTURE)
async def plot_of_two(
    service: Service, kind: str, options: Annotated[PairPlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """A picture of two runs, `diff` or `weights`: b against a, as `lstm-trace plot B --against A` draws it."""
    asked = plotting.drawn, RunId(options.a), kind, options.format, options.given, RunId(options.b)
    return await file_reply(service, prefer, plotting.FORMATS[options.format], options.b, *asked)


@comparisons.post("/explanations", response_model=comparing.ExplanationReply)
async def explain(service: Service, body: Question) -> Response:
    """Explain a value, as `lstm-trace explain` and `diff --attribute` do.

    `more` has further tables: of a split those by block, which is the sum of each matrix or vector given, and by step.
    """
    against = None if body.against is None else RunId(body.against)
    return await service.jobs.reply(comparing.explained, RunId(body.run), against, body, service.settings.limits.listed)


@comparisons.post("/verifications", response_model=comparing.VerificationReply)
async def verify(service: Service, body: NamedRun) -> Response:
    """Derive every line again from its operands, as `lstm-trace verify` does."""
    return await service.jobs.reply(comparing.verified, RunId(body.run), body.language)


# -- the states of corpora -------------------------------------------------------------------------------------------


@corpora.get("/states", response_model=list[corpus_states.StatesInfo])
async def states(service: Service) -> Response:
    """The states that the server was started with (`lstm-trace serve --states`).

    Their lines with widths, sequences, steps, targets, and whether there are tokens.
    """
    return await service.jobs.reply(corpus_states.listed, dict(service.settings.states))


async def _states_reply(service: Resources, view: ReadRoute, name: str, *args: Any) -> Response:
    """The reply of a view of the states of that name. Raises MissingError where they are not served."""
    served, limits = service.settings.states, service.settings.limits
    if name not in served:
        raise nowhere(name, list(served))
    if not view.whole:
        return await service.jobs.reply(view.function, served[name], *args)

    async def work(progress: Progress) -> Response:
        seconds = limits.seconds * limits.pass_times
        content = await service.workers.call(view.function, served[name], *args, progress=progress, seconds=seconds)
        return Response(content, media_type=JSON)

    return await service.jobs.follow(work)


add_views(corpora, "/states/{name}", corpus_states.VIEWS, _states_reply)
